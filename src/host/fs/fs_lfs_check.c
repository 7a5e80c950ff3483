/* Walks a littlefs: every folder is listed and every file read; no block may belong to two. */
#include <lfs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/fs/fs_lfs.h"

/* Bytes read at a time: less than any block holds, so that no block of a file is passed unseen. */
#define STEP 64u

/* Times the size of the file system that a check reads at most; each file is looked up by its path.
 */
#define BUDGET 1024u

enum owner { NOBODY = 0, A_FOLDER = 1, A_FILE = 2 };

struct walk {
    struct fs_lfs *fs;
    struct fs_call *call;
    int complaints;
    char path[FS_PATH_MAX];
    uint8_t owners[]; /* of the blocks: enum owner */
};

static void complain(struct walk *walk, const char *text)
{
    walk->complaints++;
    if (walk->call->complaint) {
        walk->call->complaint(walk->call->context, walk->path, text);
    }
}

static bool of_flash(int error)
{
    return error < 0 && error != MOLT_E_FORMAT && error != MOLT_E_NOT_FOUND &&
           error != MOLT_E_ARGUMENT && error != MOLT_E_NO_SPACE;
}

/* Takes a block for an owner; false when it has one already. */
static bool claim(struct walk *walk, lfs_block_t block, enum owner owner)
{
    if (block >= walk->fs->lfs->block_count) {
        return true; /* littlefs says so when it reads there */
    }
    bool first = walk->owners[block] == NOBODY;
    if (first) {
        walk->owners[block] = (uint8_t)owner;
    }
    return first;
}

static void complain_of_block(struct walk *walk, lfs_block_t block)
{
    char text[96];
    snprintf(text, sizeof text, "its block %u belongs to another %s too", (unsigned)block,
             walk->owners[block] == A_FILE ? "file" : "folder");
    complain(walk, text);
}

static int read_through(struct walk *walk, lfs_file_t *file, uint32_t *done)
{
    struct fs_lfs *fs = walk->fs;
    uint8_t bytes[STEP];
    lfs_block_t seen = (lfs_block_t)-1;
    bool told = false;
    int result;
    while ((result = fs_lfs_result(fs, lfs_file_read(fs->lfs, file, bytes, STEP))) > 0) {
        *done += (uint32_t)result;
        if (!(file->flags & LFS_F_INLINE) && file->block != seen) {
            seen = file->block;
            if (!claim(walk, seen, A_FILE) && !told) {
                complain_of_block(walk, seen);
                told = true;
            }
        }
    }
    return result;
}

static int check_file(struct walk *walk, uint32_t size)
{
    struct fs_lfs *fs = walk->fs;
    struct lfs_file_config config = {.buffer = fs->file_buffer};
    lfs_file_t file;
    uint32_t done = 0;
    char text[96];
    if (size / fs->config->block_size >= fs->lfs->block_count) {
        snprintf(text, sizeof text, "has %u bytes, more than the file system", size);
        complain(walk, text);
        return MOLT_OK;
    }
    int result =
        fs_lfs_result(fs, lfs_file_opencfg(fs->lfs, &file, walk->path, LFS_O_RDONLY, &config));
    if (result == MOLT_OK) {
        result = read_through(walk, &file, &done);
        lfs_file_close(fs->lfs, &file);
    }
    if (of_flash(result)) {
        return result;
    }
    if (result < 0 || done != size) {
        snprintf(text, sizeof text, "can be read up to byte %u of %u: damaged", done, size);
        complain(walk, text);
    }
    return MOLT_OK;
}

static int check_folder(struct walk *walk);

static int check_entry(struct walk *walk, const struct lfs_info *info)
{
    size_t n = strlen(walk->path), m = strlen(info->name);
    if (strcmp(info->name, ".") == 0 || strcmp(info->name, "..") == 0) {
        return MOLT_OK;
    }
    if (m == 0 || strchr(info->name, '/')) {
        complain(walk, m ? "holds a name with '/' in it" : "holds an empty name");
        return MOLT_OK;
    }
    if (n + 1 + m >= sizeof walk->path) {
        complain(walk, "its folders are too deep to be walked");
        return MOLT_OK;
    }
    snprintf(walk->path + n, sizeof walk->path - n, "/%s", info->name);
    int result = info->type == LFS_TYPE_REG ? check_file(walk, info->size) : check_folder(walk);
    walk->path[n] = '\0';
    return result;
}

/* The pairs of blocks of a folder, as reading goes through them. False: one was there before. */
static bool claim_pair(struct walk *walk, const lfs_dir_t *dir, lfs_block_t *seen)
{
    bool first = true;
    if (dir->m.pair[0] != *seen) {
        *seen = dir->m.pair[0];
        for (int i = 0; i < 2; i++) {
            if (!claim(walk, dir->m.pair[i], A_FOLDER)) {
                complain_of_block(walk, dir->m.pair[i]);
                first = false;
            }
        }
    }
    return first;
}

static int list_folder(struct walk *walk, lfs_dir_t *dir)
{
    struct fs_lfs *fs = walk->fs;
    struct lfs_info info;
    lfs_block_t seen = (lfs_block_t)-1;
    int result = 1;
    while (result > 0 && claim_pair(walk, dir, &seen)) {
        result = fs_lfs_result(fs, lfs_dir_read(fs->lfs, dir, &info));
        if (result > 0) {
            int inner = check_entry(walk, &info);
            result = inner < 0 ? inner : result;
        }
    }
    return result < 0 ? result : MOLT_OK;
}

static int check_folder(struct walk *walk)
{
    struct fs_lfs *fs = walk->fs;
    lfs_dir_t dir;
    int result = fs_lfs_result(fs, lfs_dir_open(fs->lfs, &dir, walk->path[0] ? walk->path : "/"));
    if (result == MOLT_OK) {
        result = list_folder(walk, &dir);
        lfs_dir_close(fs->lfs, &dir);
    }
    if (result < 0 && !of_flash(result)) {
        complain(walk, "this folder cannot be read: damaged");
        result = MOLT_OK;
    }
    return result;
}

int fs_lfs_check(struct molt_fs *base, struct fs_call *call)
{
    struct fs_lfs *fs = (struct fs_lfs *)(void *)base;
    struct walk *walk = calloc(1, sizeof *walk + fs->lfs->block_count);
    if (!walk) {
        return MOLT_E_NO_MEMORY;
    }
    fs->scratch = walk; /* freed with fs, should littlefs not come back */
    fs->budget = BUDGET * (uint64_t)fs->size + (64u << 20);
    walk->fs = fs;
    walk->call = call;
    int result = check_folder(walk);
    result = result < 0 ? result : walk->complaints;
    fs->scratch = NULL;
    free(walk);
    return result;
}
