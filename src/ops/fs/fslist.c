/* Lists of folders, sorted. What a damaged file system says is not believed: depth and number have
 * bounds. */
#define _POSIX_C_SOURCE 200809L /* strdup */
#include <stdlib.h>
#include <string.h>

#include "ops/fs/fs_internal.h"

static int append(struct molt_fs_items *items, const char *path, const struct molt_fs_entry *entry,
                  struct molt_message *message)
{
    char *copy = strdup(path);
    if (!copy || !fsops_room(&items->item, items->count, &items->capacity, sizeof *items->item)) {
        free(copy);
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    items->item[items->count++] = (struct molt_fs_item){copy, entry->is_folder, entry->size};
    if (entry->is_folder) {
        items->folders++;
    } else {
        items->files++;
        items->bytes += entry->size;
    }
    return MOLT_OK;
}

static int endless(const char *path, struct molt_message *message)
{
    return molt_fail(message, MOLT_E_FORMAT,
                     "'%.200s': folders lie in each other without end: the file system is damaged",
                     path);
}

/*
 * A name with '/', "." or ".." can only be in a damaged or forged file system, and would lead
 * elsewhere as a path.
 */
static int check_entry(const char *folder, const struct molt_fs_entry *entry,
                       struct molt_message *message)
{
    const char *name = entry->name;
    if (!*name || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        return molt_fail(message, MOLT_E_FORMAT,
                         "'%s': holds an entry called '%s', which is no name: the file system is "
                         "damaged or forged",
                         folder, name);
    }
    return MOLT_OK;
}

static int by_path(const void *a, const void *b)
{
    const struct molt_fs_item *x = a, *y = b;
    return strcmp(x->path, y->path);
}

/* The entries of one folder, sorted, behind what is in items already. */
static int read_folder(struct molt_fs *fs, const char *folder, struct molt_fs_items *items,
                       struct molt_message *message)
{
    struct molt_fs_dir *dir;
    struct molt_fs_entry *entry = malloc(sizeof *entry);
    char *path = malloc(MOLT_FSOPS_PATH);
    uint32_t first = items->count;
    if (!entry || !path) {
        free(entry);
        free(path);
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    int error = molt_fs_dir_open(fs, folder, &dir);
    if (error) {
        error = fsops_fail(message, error, "cannot be listed", folder);
    } else {
        int more;
        while ((more = molt_fs_dir_next(dir, entry)) == 1 && !error) {
            error = check_entry(folder, entry, message);
            if (!error && (items->count >= FSOPS_ITEMS || !fsops_join(path, folder, entry->name))) {
                error = endless(folder, message);
            }
            if (!error) {
                error = append(items, path, entry, message);
            }
        }
        if (more < 0 && !error) {
            error = fsops_fail(message, more, "cannot be listed", folder);
        }
        molt_fs_dir_close(dir);
    }
    if (items->count > first) {
        qsort(items->item + first, items->count - first, sizeof *items->item, by_path);
    }
    free(entry);
    free(path);
    return error;
}

/* A folder's entries, and behind each folder its own. */
static int walk(struct molt_fs *fs, const char *folder, uint32_t depth, struct molt_fs_items *items,
                struct molt_message *message)
{
    struct molt_fs_items here = {0};
    if (depth == FSOPS_DEPTH) {
        return endless(folder, message);
    }
    int error = read_folder(fs, folder, &here, message);
    for (uint32_t i = 0; i < here.count && !error; i++) {
        const struct molt_fs_item *item = &here.item[i];
        struct molt_fs_entry entry = {.is_folder = item->is_folder, .size = item->size};
        if (items->count >= FSOPS_ITEMS) {
            error = endless(folder, message);
        } else {
            error = append(items, item->path, &entry, message);
        }
        if (!error && item->is_folder) {
            error = walk(fs, item->path, depth + 1, items, message);
        }
    }
    molt_fs_items_free(&here);
    return error;
}

int molt_fsops_list(struct molt_fs *fs, const char *path, bool recursive,
                    struct molt_fs_items *items, struct molt_message *message)
{
    struct molt_fs_entry entry;
    int there = fsops_there(fs, path, &entry, message);
    if (there < 0) {
        return there;
    }
    if (there == 0) {
        return molt_fail(message, MOLT_E_NOT_FOUND, "'%s': no such file or folder on the target",
                         path);
    }
    if (!entry.is_folder) {
        return append(items, path, &entry, message);
    }
    return recursive ? walk(fs, path, 0, items, message) : read_folder(fs, path, items, message);
}
