/* Paths and names on a target's file system, and the lists that grow. */
#define _POSIX_C_SOURCE 200809L /* strdup */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops/fs/fs_internal.h"

/* Bytes of a name. MicroPython's FAT takes each byte of UTF-8 for a character, of 255. */
#define NAME_MAX_BYTES 255

static void go_up(char path[MOLT_FSOPS_PATH], size_t *n)
{
    while (*n > 0 && path[--*n] != '/') {
    }
    path[*n] = 0;
}

int molt_fsops_path(const char *given, char path[MOLT_FSOPS_PATH], struct molt_message *message)
{
    size_t n = 0;
    if (!*given) {
        return molt_fail(message, MOLT_E_ARGUMENT,
                         "an empty path on the target: '/' is its root folder");
    }
    path[0] = 0;
    for (const char *p = given; *p;) {
        size_t length = strcspn(p, "/");
        bool up = length == 2 && p[0] == '.' && p[1] == '.';
        if (up && n == 0) {
            return molt_fail(message, MOLT_E_ARGUMENT, "'%s': leads above the root folder", given);
        }
        if (up) {
            go_up(path, &n);
        } else if (length && !(length == 1 && p[0] == '.')) {
            if (MOLT_FSOPS_PATH - n < length + 2) {
                return molt_fail(message, MOLT_E_ARGUMENT,
                                 "'%.100s...': expected a path under %d "
                                 "bytes",
                                 given, MOLT_FSOPS_PATH);
            }
            path[n++] = '/';
            memcpy(path + n, p, length);
            n += length;
            path[n] = 0;
        }
        p += length;
        p += *p == '/';
    }
    if (n == 0) {
        memcpy(path, "/", 2);
    }
    return MOLT_OK;
}

bool fsops_join(char path[MOLT_FSOPS_PATH], const char *folder, const char *name)
{
    const char *slash = folder[0] && folder[strlen(folder) - 1] == '/' ? "" : "/";
    int n = snprintf(path, MOLT_FSOPS_PATH, "%s%s%s", folder, slash, name);
    return n > 0 && n < MOLT_FSOPS_PATH;
}

const char *fsops_last(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

void fsops_parent(const char *path, char parent[MOLT_FSOPS_PATH])
{
    size_t n = (size_t)(fsops_last(path) - path);
    n = n > 1 ? n - 1 : 1;
    memcpy(parent, path, n);
    parent[n] = 0;
}

unsigned fsops_utf8(const unsigned char *p)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned n = p[0] < 0x80 ? 1 : p[0] < 0xC2 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
    if (n < 2 || p[0] > 0xF4) {
        return p[0] > 0xF4 ? 0 : n;
    }
    uint32_t code = p[0] & (0xFFu >> (n + 1));
    for (unsigned i = 1; i < n; i++) {
        if ((p[i] & 0xC0) != 0x80) {
            return 0;
        }
        code = code << 6 | (p[i] & 0x3Fu);
    }
    return code < least[n] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000) ? 0 : n;
}

int fsops_ignoring_case(const char *a, const char *b)
{
    for (; *a && tolower((unsigned char)*a) == tolower((unsigned char)*b); a++, b++) {
    }
    return tolower((unsigned char)*a) - tolower((unsigned char)*b);
}

int fsops_check_depth(const char *folder, struct molt_message *message)
{
    int depth = 0;
    for (const char *p = folder; *p; p++) {
        depth += *p == '/';
    }
    return depth < FSOPS_DEPTH ? MOLT_OK
                               : molt_fail(message, MOLT_E_ARGUMENT,
                                           "'%.100s...': expected at most %d folders in each other",
                                           folder, FSOPS_DEPTH - 1);
}

/* What FatFs and MicroPython's configuration of it refuse or would change without a word. */
static const char *fat_problem(const char *name)
{
    size_t n = strlen(name);
    for (const char *p = name; *p; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7F) {
            return "has a control character, which FAT does not take";
        }
    }
    if (strpbrk(name, "\"*:<>?\\|")) {
        return "has one of \" * : < > ? \\ |, which FAT does not take";
    }
    return name[n - 1] == '.' || name[n - 1] == ' ' ? "ends with a dot or a blank, which FAT drops"
                                                    : NULL;
}

const char *fsops_name_problem(enum molt_fs_kind kind, const char *name)
{
    unsigned length;
    if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        return "is no name for a file";
    }
    for (const unsigned char *p = (const unsigned char *)name; *p; p += length) {
        length = fsops_utf8(p);
        if (length == 0) {
            return "is not UTF-8: MicroPython could not list it";
        }
    }
    if (strlen(name) > NAME_MAX_BYTES) {
        return "is longer than the 255 bytes that a file system takes";
    }
    return kind == MOLT_FS_FAT ? fat_problem(name) : NULL;
}

int fsops_fail(struct molt_message *message, int error, const char *what, const char *path)
{
    return molt_fail(message, error, "'%s': %s: %s", path, what, molt_strerror(error));
}

/* A path that the file system refused: because of which of its names? */
static int no_path(const struct molt_fs *fs, const char *path, struct molt_message *message)
{
    char name[NAME_MAX_BYTES + 2];
    for (const char *p = path; *p;) {
        size_t n = strcspn(p, "/");
        snprintf(name, sizeof name, "%.*s", n > NAME_MAX_BYTES ? NAME_MAX_BYTES + 1 : (int)n, p);
        const char *problem = n ? fsops_name_problem(molt_fs_kind_of(fs), name) : NULL;
        if (problem) {
            return molt_fail(message, MOLT_E_ARGUMENT, "'%s': the name '%.*s' %s", path, (int)n, p,
                             problem);
        }
        p += n;
        p += *p == '/';
    }
    return molt_fail(message, MOLT_E_ARGUMENT,
                     "'%s': no path of this file system: a folder on the way is a file", path);
}

int fsops_there(struct molt_fs *fs, const char *path, struct molt_fs_entry *entry,
                struct molt_message *message)
{
    int error = molt_fs_stat(fs, path, entry);
    if (error == MOLT_E_NOT_FOUND) {
        return 0;
    }
    if (error == MOLT_E_ARGUMENT) {
        return no_path(fs, path, message);
    }
    return error ? fsops_fail(message, error, "cannot be looked up", path) : 1;
}

/* ---- Lists that grow ---- */

bool fsops_room(void *items, uint32_t count, uint32_t *capacity, size_t size)
{
    void *old;
    if (count < *capacity) {
        return true;
    }
    uint32_t wanted = *capacity ? 2 * *capacity : 32;
    memcpy(&old, items, sizeof old);
    void *grown = realloc(old, wanted * size);
    if (!grown) {
        return false;
    }
    memcpy(items, &grown, sizeof grown);
    *capacity = wanted;
    return true;
}

struct molt_fs_change *fsops_add(struct molt_fs_changes *changes, enum molt_fs_change_kind kind,
                                 const char *path, struct molt_message *message)
{
    char *copy = path ? strdup(path) : NULL;
    if ((path && !copy) ||
        !fsops_room(&changes->item, changes->count, &changes->capacity, sizeof *changes->item)) {
        free(copy);
        molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
        return NULL;
    }
    struct molt_fs_change *change = &changes->item[changes->count++];
    *change = (struct molt_fs_change){.kind = kind, .path = copy};
    return change;
}

void fsops_change_free(struct molt_fs_change *change)
{
    free(change->path);
    free(change->to);
    free(change->source);
    free(change->bytes);
}

void molt_fs_changes_free(struct molt_fs_changes *changes)
{
    for (uint32_t i = 0; i < changes->count; i++) {
        fsops_change_free(&changes->item[i]);
    }
    free(changes->item);
    molt_fs_items_free(&changes->lost);
    *changes = (struct molt_fs_changes){0};
}

void molt_fs_items_free(struct molt_fs_items *items)
{
    for (uint32_t i = 0; i < items->count; i++) {
        free(items->item[i].path);
    }
    free(items->item);
    *items = (struct molt_fs_items){0};
}
