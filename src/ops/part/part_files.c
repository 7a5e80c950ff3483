#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "molt/host/fs.h"
#include "ops/part/part_internal.h"

#define MOST_FOLDERS 32 /* below each other */

static void count_entries(struct molt_fs *fs, char *path, size_t size, int depth, uint32_t *count)
{
    struct molt_fs_dir *dir;
    struct molt_fs_entry *entry = malloc(sizeof *entry);
    size_t n = strlen(path);
    if (entry && molt_fs_dir_open(fs, path, &dir) == MOLT_OK) {
        while (*count < PART_MOST_FILES && molt_fs_dir_next(dir, entry) == 1) {
            (*count)++;
            if (entry->is_folder && depth < MOST_FOLDERS && n + strlen(entry->name) + 2 < size) {
                snprintf(path + n, size - n, "%s%s", n > 1 ? "/" : "", entry->name);
                count_entries(fs, path, size, depth + 1, count);
                path[n] = 0;
            }
        }
        molt_fs_dir_close(dir);
    }
    free(entry);
}

int part_files(struct part_files *files, const struct molt_flash *flash, uint32_t offset,
               uint32_t size, bool count)
{
    struct molt_fs_facts facts;
    struct molt_fs *fs;
    char path[2048] = "/";
    memset(files, 0, sizeof *files);
    int error = molt_fs_probe(&facts, flash, offset, size);
    if (error || facts.kind == MOLT_FS_NONE) {
        return error;
    }
    files->found = true;
    memcpy(files->variant, facts.variant, sizeof files->variant);
    files->size = (uint64_t)facts.block_size * facts.block_count;
    if (count && molt_fs_mount(&fs, flash, offset, size, true, NULL) == MOLT_OK) {
        files->mounts = true;
        count_entries(fs, path, sizeof path, 0, &files->count);
        molt_fs_unmount(fs, NULL);
    }
    return MOLT_OK;
}
