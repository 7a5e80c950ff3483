/* The files interface of an update over a mounted file system. */
#include <stdio.h>
#include <string.h>

#include "host/fs/fs_internal.h"

static int files_stat(void *context, const char *path, uint32_t *size)
{
    struct molt_fs_entry entry;
    int result = molt_fs_stat(context, path, &entry);
    if (result != MOLT_OK) {
        return result;
    }
    *size = entry.size;
    return entry.is_folder ? MOLT_DIRECTORY : MOLT_FILE;
}

static int files_read(void *context, const char *path, uint32_t offset, void *buffer, uint32_t n)
{
    return fs_read(context, path, offset, buffer, n);
}

static int files_write(void *context, const char *path, uint32_t offset, const void *data,
                       uint32_t n)
{
    return offset ? fs_append(context, path, offset, data, n)
                  : molt_fs_write_file(context, path, data, n);
}

static int files_mkdir(void *context, const char *path)
{
    int result = molt_fs_mkdir(context, path);
    if (result == MOLT_E_EXISTS) {
        uint32_t size;
        int kind = files_stat(context, path, &size);
        return kind == MOLT_DIRECTORY ? MOLT_OK : kind < 0 ? kind : MOLT_E_EXISTS;
    }
    return result;
}

static int files_remove(void *context, const char *path)
{
    return molt_fs_remove(context, path);
}

static int files_rename(void *context, const char *from, const char *to)
{
    return molt_fs_rename(context, from, to);
}

static int files_list(void *context, const char *path, uint32_t index, char *name,
                      uint32_t capacity)
{
    struct molt_fs_entry entry;
    struct molt_fs_dir *dir;
    int result = molt_fs_dir_open(context, path, &dir);
    if (result != MOLT_OK) {
        return result;
    }
    for (uint64_t i = 0; i <= index; i++) {
        result = molt_fs_dir_next(dir, &entry);
        if (result <= 0) {
            break;
        }
    }
    molt_fs_dir_close(dir);
    if (result > 0) {
        snprintf(name, capacity, "%s", entry.name);
    }
    return result;
}

static int files_space(void *context, uint32_t *free_bytes)
{
    struct molt_fs_space space;
    int result = molt_fs_space(context, &space);
    if (result == MOLT_OK) {
        *free_bytes = (space.total - space.used) * space.block_size;
    }
    return result;
}

/* ---- Trees, as deep as an application likes; what is deeper than our paths is left alone ---- */

struct tree {
    struct molt_fs *fs;
    struct molt_fs_entry entry; /* one for all depths */
    uint32_t folder_bytes, bytes;
    uint32_t folders; /* that there can still be: a damaged folder may contain itself */
    char path[FS_PATH_MAX];
};

static int measure(struct tree *tree)
{
    struct molt_fs_entry *entry = &tree->entry;
    struct molt_fs_dir *dir;
    size_t n = strlen(tree->path);
    int result = tree->folders-- ? molt_fs_dir_open(tree->fs, tree->path, &dir) : MOLT_E_FORMAT;
    if (result < 0) {
        return result;
    }
    tree->bytes += tree->folder_bytes;
    while ((result = molt_fs_dir_next(dir, entry)) > 0) {
        if (!entry->is_folder) {
            tree->bytes += entry->size;
        } else if (n + 1 + strlen(entry->name) < sizeof tree->path) {
            snprintf(tree->path + n, sizeof tree->path - n, "/%s", entry->name);
            result = measure(tree);
            tree->path[n] = '\0';
            if (result < 0) {
                break;
            }
        }
    }
    molt_fs_dir_close(dir);
    return result;
}

static int files_measure(void *context, const char *path, uint32_t *bytes)
{
    struct molt_fs *fs = context;
    struct tree tree = {.fs = fs};
    struct molt_fs_space space;
    int result = molt_fs_space(fs, &space);
    if (result < 0) {
        return result;
    }
    tree.folders = space.total;
    /* A folder of littlefs is a pair of blocks. */
    tree.folder_bytes = space.block_size * (fs->kind == MOLT_FS_LITTLEFS ? 2 : 1);
    snprintf(tree.path, sizeof tree.path, "%s", path);
    result = measure(&tree);
    *bytes += tree.bytes;
    return result;
}

static int files_prune(void *context, const char *path)
{
    struct molt_fs *fs = context;
    struct molt_fs_entry entry;
    struct molt_fs_dir *dir;
    char at[FS_PATH_MAX];
    size_t n = (size_t)snprintf(at, sizeof at, "%s", path);
    if (n >= sizeof at) {
        return MOLT_E_RANGE;
    }
    for (;;) {
        int result = molt_fs_stat(fs, at, &entry);
        if (result < 0 || !entry.is_folder) {
            return result < 0 ? result : molt_fs_remove(fs, at);
        }
        result = molt_fs_dir_open(fs, at, &dir);
        if (result == MOLT_OK) {
            result = molt_fs_dir_next(dir, &entry);
            molt_fs_dir_close(dir);
        }
        if (result <= 0) {
            return result < 0 ? result : molt_fs_remove(fs, at);
        }
        if (n + 1 + strlen(entry.name) >= sizeof at) {
            return MOLT_E_RANGE;
        }
        n += (size_t)snprintf(at + n, sizeof at - n, "/%s", entry.name);
    }
}

void molt_fs_files(struct molt_fs *fs, struct molt_files *files)
{
    static const struct molt_files_ops ops = {files_stat,    files_read,   files_write, files_mkdir,
                                              files_remove,  files_rename, files_list,  files_space,
                                              files_measure, files_prune};
    files->ops = &ops;
    files->context = fs;
}
