/* Removing, new folders, moving: planned. */
#define _POSIX_C_SOURCE 200809L /* strdup */
#include <stdlib.h>
#include <string.h>

#include "ops/fs/fs_internal.h"

static int not_there(const char *path, struct molt_message *message)
{
    return molt_fail(message, MOLT_E_NOT_FOUND, "'%s': no such file or folder on the target", path);
}

/* ---- rm ---- */

/* before: changes of the paths that were named before this one. */
static int add_removal(struct molt_fs_changes *changes, uint32_t before,
                       const struct molt_fs_item *item, struct molt_message *message)
{
    for (uint32_t i = 0; i < before; i++) {
        if (strcmp(changes->item[i].path, item->path) == 0) {
            return MOLT_OK; /* named twice, or with the folder that it is in */
        }
    }
    struct molt_fs_change *change = fsops_add(changes, MOLT_FS_REMOVE, item->path, message);
    if (!change) {
        return MOLT_E_NO_MEMORY;
    }
    change->is_folder = item->is_folder;
    change->size = item->size;
    return MOLT_OK;
}

int molt_fsops_plan_remove(struct molt_fs_changes *changes, struct molt_fs *fs, const char *path,
                           bool recursive, struct molt_message *message)
{
    struct molt_fs_entry entry;
    struct molt_fs_items items = {0};
    uint32_t before = changes->count;
    int there = fsops_there(fs, path, &entry, message);
    if (there <= 0) {
        return there < 0 ? there : not_there(path, message);
    }
    if (strcmp(path, "/") == 0) {
        return molt_fail(message, MOLT_E_ARGUMENT,
                         "'/': the root folder stays: 'molt fs mkfs --force' makes an empty file "
                         "system");
    }
    int error = MOLT_OK;
    if (entry.is_folder) {
        error = molt_fsops_list(fs, path, true, &items, message);
        if (!error && !recursive) {
            error = molt_fail(message, MOLT_E_ARGUMENT,
                              "'%s': is a folder with %u file%s: give --recursive to remove it",
                              path, items.files, items.files == 1 ? "" : "s");
        }
    }
    for (uint32_t i = items.count; i > 0 && !error; i--) {
        error = add_removal(changes, before, &items.item[i - 1], message);
    }
    if (!error) {
        char *itself = strdup(path);
        struct molt_fs_item item = {itself, entry.is_folder, entry.size};
        error = itself ? add_removal(changes, before, &item, message)
                       : molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
        free(itself);
    }
    molt_fs_items_free(&items);
    return error;
}

/* ---- mkdir ---- */

static int check_name(struct molt_fs *fs, const char *path, struct molt_message *message)
{
    const char *problem = fsops_name_problem(molt_fs_kind_of(fs), fsops_last(path));
    return problem ? molt_fail(message, MOLT_E_ARGUMENT, "'%s': this name %s", path, problem)
                   : MOLT_OK;
}

/* Is a folder of that name planned already (mkdir of several)? */
static bool planned(const struct molt_fs_changes *changes, const char *path)
{
    for (uint32_t i = 0; i < changes->count; i++) {
        if (changes->item[i].kind == MOLT_FS_MKDIR && strcmp(changes->item[i].path, path) == 0) {
            return true;
        }
    }
    return false;
}

/* 1: there or planned; 0: missing. */
static int folder_there(const struct molt_fs_changes *changes, struct molt_fs *fs, const char *path,
                        struct molt_message *message)
{
    struct molt_fs_entry entry;
    if (planned(changes, path)) {
        return 1;
    }
    int there = fsops_there(fs, path, &entry, message);
    if (there == 1 && !entry.is_folder) {
        return molt_fail(message, MOLT_E_ARGUMENT,
                         "'%s': is a file on the target, expected a folder", path);
    }
    return there;
}

int molt_fsops_plan_mkdir(struct molt_fs_changes *changes, struct molt_fs *fs, const char *path,
                          bool parents, struct molt_message *message)
{
    char above[MOLT_FSOPS_PATH];
    /* With parents, each folder from the root on; else the last alone. */
    for (const char *p = path; *p;) {
        p += strcspn(p + 1, "/") + 1;
        bool last = *p == 0;
        memcpy(above, path, (size_t)(p - path));
        above[p - path] = 0;
        int there = strcmp(above, "/") == 0 ? 1 : folder_there(changes, fs, above, message);
        if (there < 0) {
            return there;
        }
        if (there && last && !parents) {
            return molt_fail(message, MOLT_E_EXISTS, "'%s': this folder is there already", path);
        }
        if (!there && !last && !parents) {
            return molt_fail(message, MOLT_E_NOT_FOUND,
                             "'%s': no such folder on the target: --parents makes it too", above);
        }
        if (!there) {
            int error = check_name(fs, above, message);
            error = error ? error : fsops_check_depth(above, message);
            if (error) {
                return error;
            }
            if (!fsops_add(changes, MOLT_FS_MKDIR, above, message)) {
                return MOLT_E_NO_MEMORY;
            }
        }
    }
    return MOLT_OK;
}

/* ---- mv ---- */

static bool is_below(const char *path, const char *folder)
{
    size_t n = strlen(folder);
    return strncmp(path, folder, n) == 0 && (path[n] == '/' || path[n] == 0);
}

/* What is at the new name already. */
static int check_goal(struct molt_fs *fs, const struct molt_fs_entry *moved, const char *goal,
                      bool force, struct molt_fs_change *change, struct molt_message *message)
{
    struct molt_fs_entry entry;
    int there = fsops_there(fs, goal, &entry, message);
    if (there <= 0) {
        return there;
    }
    if (entry.is_folder || moved->is_folder) {
        return molt_fail(message, MOLT_E_EXISTS,
                         "'%s': is there already, and is a %s: remove it first", goal,
                         entry.is_folder ? "folder" : "file");
    }
    if (!force) {
        return molt_fail(message, MOLT_E_EXISTS,
                         "'%s': is there already (%u bytes): --force replaces it", goal,
                         entry.size);
    }
    change->replaces = true;
    change->old_size = entry.size;
    return MOLT_OK;
}

/* to, or below it when it is a folder. */
static int find_goal(struct molt_fs *fs, const char *from, const char *to,
                     char goal[MOLT_FSOPS_PATH], struct molt_message *message)
{
    struct molt_fs_entry entry;
    char above[MOLT_FSOPS_PATH];
    int there = fsops_there(fs, to, &entry, message);
    if (there < 0) {
        return there;
    }
    if (there && entry.is_folder) {
        return fsops_join(goal, to, fsops_last(from))
                   ? MOLT_OK
                   : molt_fail(message, MOLT_E_ARGUMENT, "'%s': too long a path", to);
    }
    fsops_parent(to, above);
    memcpy(goal, to, strlen(to) + 1);
    int error = check_name(fs, to, message);
    there = error ? error : fsops_there(fs, above, &entry, message);
    if (there == 0) {
        return molt_fail(message, MOLT_E_NOT_FOUND,
                         "'%s': no such folder on the target: 'molt fs mkdir -p' makes it", above);
    }
    return there < 0 ? there : MOLT_OK;
}

int molt_fsops_plan_move(struct molt_fs_changes *changes, struct molt_fs *fs, const char *from,
                         const char *to, bool force, struct molt_message *message)
{
    char goal[MOLT_FSOPS_PATH];
    struct molt_fs_entry entry;
    int there = fsops_there(fs, from, &entry, message);
    if (there <= 0) {
        return there < 0 ? there : not_there(from, message);
    }
    if (strcmp(from, "/") == 0) {
        return molt_fail(message, MOLT_E_ARGUMENT, "'/': the root folder stays where it is");
    }
    /* On FAT both are one name: only how it is written changes. */
    bool respelled = molt_fs_kind_of(fs) == MOLT_FS_FAT && strcmp(from, to) != 0 &&
                     fsops_ignoring_case(from, to) == 0;
    int error = respelled ? check_name(fs, to, message) : find_goal(fs, from, to, goal, message);
    if (error) {
        return error;
    }
    if (respelled) {
        memcpy(goal, to, strlen(to) + 1);
    } else if (strcmp(goal, from) == 0) {
        return molt_fail(message, MOLT_E_EXISTS, "'%s': is there already, by the same name", from);
    } else if (is_below(goal, from)) {
        return molt_fail(message, MOLT_E_ARGUMENT, "'%s': cannot be moved into itself ('%s')", from,
                         goal);
    }
    struct molt_fs_change *change = fsops_add(changes, MOLT_FS_RENAME, from, message);
    if (!change) {
        return MOLT_E_NO_MEMORY;
    }
    change->to = strdup(goal);
    if (!change->to) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    return respelled ? MOLT_OK : check_goal(fs, &entry, goal, force, change, message);
}
