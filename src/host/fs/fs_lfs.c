#include "host/fs/fs_lfs.h"

#include <lfs.h>
#include <stdlib.h>
#include <string.h>

#include "host/fs/fs_trap.h"

/* As vfs_lfs.c of MicroPython: read and program size 32, and files inside of their folder up to the
 * 128 bytes of its cache. Our caches are larger: a whole block. */
#define UNIT         32u
#define INLINE_MAX   128u
#define CACHE_MAX    4096u
#define BLOCK_CYCLES 100

struct open_dir {
    struct molt_fs_dir base;
    lfs_dir_t dir;
    uint32_t left; /* entries that there can be: a damaged folder may go round in circles */
};

static struct fs_lfs *of(struct molt_fs *fs)
{
    return (struct fs_lfs *)(void *)fs;
}

static struct open_dir *dir_of(struct molt_fs_dir *dir)
{
    return (struct open_dir *)(void *)dir;
}

/* ---- The block device ---- */

static int device_result(struct fs_lfs *fs, int result)
{
    if (result == MOLT_OK) {
        return LFS_ERR_OK;
    }
    fs->flash_error = result;
    return LFS_ERR_IO;
}

/* Is it inside? What is on the medium may point anywhere. */
static bool inside(const struct fs_lfs *fs, lfs_block_t block, lfs_off_t at, lfs_size_t n)
{
    uint32_t block_size = fs->config->block_size;
    return block < fs->size / block_size && at <= block_size && n <= block_size - at;
}

/* Of a block, from the start of the range. */
static uint32_t address(const struct fs_lfs *fs, lfs_block_t block, lfs_off_t at)
{
    return block * fs->config->block_size + at;
}

static int device_read(const struct lfs_config *config, lfs_block_t block, lfs_off_t at,
                       void *buffer, lfs_size_t n)
{
    struct fs_lfs *fs = config->context;
    if (!inside(fs, block, at, n)) {
        return LFS_ERR_CORRUPT;
    }
    if (n > fs->budget) {
        fs_trap_spring(); /* going round in circles */
    }
    fs->budget -= n;
    uint32_t from = address(fs, block, at);
    return device_result(fs, fs->sectors
                                 ? fs_sectors_read(fs->sectors, from, buffer, n)
                                 : molt_flash_read(&fs->flash, fs->offset + from, buffer, n));
}

static int device_program(const struct lfs_config *config, lfs_block_t block, lfs_off_t at,
                          const void *data, lfs_size_t n)
{
    struct fs_lfs *fs = config->context;
    if (!inside(fs, block, at, n)) {
        return LFS_ERR_CORRUPT;
    }
    uint32_t to = address(fs, block, at);
    return device_result(fs, fs->sectors
                                 ? fs_sectors_write(fs->sectors, to, data, n)
                                 : molt_flash_program(&fs->flash, fs->offset + to, data, n));
}

static int device_erase(const struct lfs_config *config, lfs_block_t block)
{
    struct fs_lfs *fs = config->context;
    uint32_t n = config->block_size, at = address(fs, block, 0);
    if (!inside(fs, block, 0, n)) {
        return LFS_ERR_CORRUPT;
    }
    return device_result(fs, fs->sectors ? fs_sectors_fill(fs->sectors, at, 0xFF, n)
                                         : molt_flash_erase(&fs->flash, fs->offset + at, n));
}

static int device_sync(const struct lfs_config *config)
{
    struct fs_lfs *fs = config->context;
    return device_result(fs,
                         fs->sectors ? fs_sectors_flush(fs->sectors) : molt_flash_sync(&fs->flash));
}

int fs_lfs_result(struct fs_lfs *fs, int answer)
{
    if (answer >= 0) {
        return answer;
    }
    if (fs->flash_error != MOLT_OK) {
        int error = fs->flash_error;
        fs->flash_error = MOLT_OK;
        return error;
    }
    switch (answer) {
    case LFS_ERR_NOSPC:
    case LFS_ERR_FBIG: return MOLT_E_NO_SPACE;
    case LFS_ERR_NOENT: return MOLT_E_NOT_FOUND;
    case LFS_ERR_EXIST: return MOLT_E_EXISTS;
    case LFS_ERR_NOMEM: return MOLT_E_NO_MEMORY;
    case LFS_ERR_NOTDIR:
    case LFS_ERR_ISDIR:
    case LFS_ERR_NOTEMPTY:
    case LFS_ERR_NAMETOOLONG: return MOLT_E_ARGUMENT;
    default: return MOLT_E_FORMAT; /* CORRUPT, INVAL: what is on the flash cannot be right */
    }
}

/* ---- Entering littlefs ---- */

static int enter(struct molt_fs *base, fs_operation *operation, struct fs_call *call)
{
    struct fs_lfs *fs = of(base);
    int sprung;
    if (fs->broken) {
        return MOLT_E_FORMAT;
    }
    /* Far more than any call needs that does not go round in circles. */
    fs->budget = 64 * (uint64_t)fs->size + (64u << 20);
    int result = fs_trap_run(base, operation, call, &sprung);
    if (sprung) {
        fs->broken = true;
        return MOLT_E_FORMAT;
    }
    return result;
}

/* ---- Files ---- */

static void set_entry(struct molt_fs_entry *entry, const struct lfs_info *info)
{
    memcpy(entry->name, info->name, strlen(info->name) + 1);
    entry->is_folder = info->type != LFS_TYPE_REG;
    entry->size = entry->is_folder ? 0 : info->size;
}

static int op_stat(struct molt_fs *base, struct fs_call *call)
{
    struct fs_lfs *fs = of(base);
    struct lfs_info info;
    int result = fs_lfs_result(fs, lfs_stat(fs->lfs, call->path, &info));
    if (result == MOLT_OK) {
        set_entry(call->entry, &info);
    }
    return result;
}

static int open_file(struct fs_lfs *fs, lfs_file_t *file, const char *path, int flags,
                     struct lfs_file_config *config)
{
    *config = (struct lfs_file_config){.buffer = fs->file_buffer};
    return fs_lfs_result(fs, lfs_file_opencfg(fs->lfs, file, path, flags, config));
}

static int op_read(struct molt_fs *base, struct fs_call *call)
{
    struct fs_lfs *fs = of(base);
    struct lfs_file_config config;
    lfs_file_t file;
    int result = open_file(fs, &file, call->path, LFS_O_RDONLY, &config);
    if (result != MOLT_OK) {
        return result;
    }
    if (call->offset > LFS_FILE_MAX || call->n > LFS_FILE_MAX) {
        result = MOLT_E_RANGE;
    } else {
        lfs_soff_t at = (lfs_soff_t)call->offset;
        result = fs_lfs_result(fs, lfs_file_seek(fs->lfs, &file, at, LFS_SEEK_SET));
    }
    if (result >= 0) {
        result = fs_lfs_result(fs, lfs_file_read(fs->lfs, &file, call->buffer, call->n));
    }
    int closed = fs_lfs_result(fs, lfs_file_close(fs->lfs, &file));
    return result >= 0 && closed < 0 ? closed : result;
}

/* Blocks of a file of n bytes, and of what its folder may need for one more name. */
static uint32_t blocks_for(const struct fs_lfs *fs, uint32_t n)
{
    /* Of each block up to two pointers on average: see DESIGN.md of littlefs, CTZ skip-lists. */
    uint32_t data = fs->config->block_size - 8;
    return n <= INLINE_MAX ? 0 : n / data + 1;
}

/* Is there room? How much is used is counted again only when what is known of it says no. */
static int look_for_room(struct fs_lfs *fs, uint32_t n)
{
    uint32_t wanted = blocks_for(fs, n), total = fs->lfs->block_count;
    if (!fs->used_at_most || fs->used_at_most > total || wanted > total - fs->used_at_most) {
        int used = fs_lfs_result(fs, lfs_fs_size(fs->lfs));
        if (used < 0) {
            return used;
        }
        fs->used_at_most = (uint32_t)used;
        /* That count is an upper one for folders: only files that cannot fit are refused here. */
        if ((uint32_t)used < total && wanted > total - (uint32_t)used + 8) {
            return MOLT_E_NO_SPACE;
        }
    }
    fs->used_at_most += wanted + 4; /* folders grow too */
    return MOLT_OK;
}

/* Opened for a new content; fresh: it was not there, so an empty one was made. */
static int open_to_replace(struct fs_lfs *fs, lfs_file_t *file, const char *path,
                           struct lfs_file_config *config, bool *fresh)
{
    int result = open_file(fs, file, path, LFS_O_WRONLY | LFS_O_CREAT | LFS_O_EXCL, config);
    *fresh = result == MOLT_OK;
    return result == MOLT_E_EXISTS ? open_file(fs, file, path, LFS_O_WRONLY | LFS_O_TRUNC, config)
                                   : result;
}

static int op_replace(struct molt_fs *base, struct fs_call *call)
{
    struct fs_lfs *fs = of(base);
    struct lfs_file_config config;
    lfs_file_t file;
    bool fresh;
    if (call->n > LFS_FILE_MAX) {
        return MOLT_E_NO_SPACE;
    }
    int result = look_for_room(fs, call->n);
    if (result == MOLT_OK) {
        result = open_to_replace(fs, &file, call->path, &config, &fresh);
    }
    if (result != MOLT_OK) {
        return result;
    }
    result = fs_lfs_result(fs, lfs_file_write(fs->lfs, &file, call->data, call->n));
    /* After a failed write close commits nothing; before that the old content stays. */
    int closed = fs_lfs_result(fs, lfs_file_close(fs->lfs, &file));
    result = result < 0 ? result : closed < 0 ? closed : MOLT_OK;
    if (result == MOLT_E_NO_SPACE && fresh) {
        fs_lfs_result(fs, lfs_remove(fs->lfs, call->path));
    }
    return result;
}

static int op_append(struct molt_fs *base, struct fs_call *call)
{
    struct fs_lfs *fs = of(base);
    struct lfs_file_config config;
    lfs_file_t file;
    int result = open_file(fs, &file, call->path, LFS_O_WRONLY | LFS_O_APPEND, &config);
    if (result != MOLT_OK) {
        return result;
    }
    if ((lfs_soff_t)call->offset != lfs_file_size(fs->lfs, &file)) {
        lfs_file_close(fs->lfs, &file);
        return MOLT_E_RANGE;
    }
    fs->used_at_most = 0;
    result = fs_lfs_result(fs, lfs_file_write(fs->lfs, &file, call->data, call->n));
    int closed = fs_lfs_result(fs, lfs_file_close(fs->lfs, &file));
    return result < 0 ? result : closed < 0 ? closed : MOLT_OK;
}

static int op_mkdir(struct molt_fs *base, struct fs_call *call)
{
    struct fs_lfs *fs = of(base);
    int result = fs_lfs_result(fs, lfs_mkdir(fs->lfs, call->path));
    fs->used_at_most += fs->used_at_most ? 4 : 0;
    return result;
}

static int op_remove(struct molt_fs *base, struct fs_call *call)
{
    struct fs_lfs *fs = of(base);
    return fs_lfs_result(fs, lfs_remove(fs->lfs, call->path));
}

static int op_rename(struct molt_fs *base, struct fs_call *call)
{
    struct fs_lfs *fs = of(base);
    return fs_lfs_result(fs, lfs_rename(fs->lfs, call->path, call->to));
}

/* ---- Folders ---- */

static int op_dir_open(struct molt_fs *base, struct fs_call *call)
{
    struct fs_lfs *fs = of(base);
    struct open_dir *dir = calloc(1, sizeof *dir);
    if (!dir) {
        return MOLT_E_NO_MEMORY;
    }
    int result = fs_lfs_result(fs, lfs_dir_open(fs->lfs, &dir->dir, call->path));
    if (result != MOLT_OK) {
        free(dir);
        return result;
    }
    dir->base.fs = base;
    dir->left = fs->size / 4;
    *call->opened = &dir->base;
    return MOLT_OK;
}

static int op_dir_next(struct molt_fs *base, struct fs_call *call)
{
    struct fs_lfs *fs = of(base);
    struct open_dir *dir = dir_of(call->dir);
    struct lfs_info info;
    int result;
    do {
        result = dir->left-- ? fs_lfs_result(fs, lfs_dir_read(fs->lfs, &dir->dir, &info))
                             : MOLT_E_FORMAT;
    } while (result > 0 && (strcmp(info.name, ".") == 0 || strcmp(info.name, "..") == 0));
    if (result > 0) {
        set_entry(call->entry, &info);
    }
    return result;
}

static int op_dir_close(struct molt_fs *base, struct fs_call *call)
{
    lfs_dir_close(of(base)->lfs, &dir_of(call->dir)->dir);
    return MOLT_OK;
}

/* ---- The whole ---- */

static int op_space(struct molt_fs *base, struct fs_call *call)
{
    struct fs_lfs *fs = of(base);
    int used = fs_lfs_result(fs, lfs_fs_size(fs->lfs));
    if (used < 0) {
        return used;
    }
    /* An upper count: blocks that folders share are counted twice. */
    uint32_t total = fs->lfs->block_count;
    *call->space = (struct molt_fs_space){fs->config->block_size, total,
                                          (uint32_t)used < total ? (uint32_t)used : total};
    return MOLT_OK;
}

static int op_grow(struct molt_fs *base, struct fs_call *call)
{
    struct fs_lfs *fs = of(base);
    uint32_t blocks = call->n / fs->config->block_size;
    if (call->n > fs->size) {
        return molt_fail(call->message, MOLT_E_RANGE,
                         "cannot grow the littlefs at 0x%x to %u bytes: its range has %u",
                         fs->offset, call->n, fs->size);
    }
    if (blocks < fs->lfs->block_count) {
        return molt_fail(call->message, MOLT_E_UNSUPPORTED,
                         "the littlefs at 0x%x has %u blocks of %u bytes, and %u were asked for: a "
                         "littlefs does not shrink: make a new one and copy the files",
                         fs->offset, fs->lfs->block_count, fs->config->block_size, blocks);
    }
    int result = fs_lfs_result(fs, lfs_fs_grow(fs->lfs, blocks));
    return result < 0 ? molt_fail(call->message, result, "cannot grow the littlefs at 0x%x: %s",
                                  fs->offset, molt_strerror(result))
                      : MOLT_OK;
}

static int op_flush(struct molt_fs *base, struct fs_call *call)
{
    struct fs_lfs *fs = of(base);
    (void)call;
    int result = fs_lfs_result(fs, lfs_unmount(fs->lfs));
    return result == MOLT_OK && fs->sectors ? fs_sectors_flush(fs->sectors) : result;
}

static void destroy(struct molt_fs *base)
{
    fs_sectors_close(of(base)->sectors);
    free(of(base)->buffers);
    free(of(base)->scratch);
    free(base);
}

static const struct fs_ops lfs_ops = {enter,        op_stat,      op_dir_open, op_dir_next,
                                      op_dir_close, op_read,      op_replace,  op_append,
                                      op_mkdir,     op_remove,    op_rename,   op_space,
                                      op_grow,      fs_lfs_check, op_flush,    destroy};

/* ---- Making and mounting ---- */

struct whole {
    struct fs_lfs fs;
    lfs_t lfs;
    struct lfs_config config;
};

/* The largest unit that all of a block can be read and programmed by. */
static uint32_t unit_of(uint32_t block_size)
{
    uint32_t unit = UNIT;
    while (block_size % unit) {
        unit /= 2;
    }
    return unit;
}

static int prepare(struct fs_lfs **made, const struct molt_flash *flash, uint32_t offset,
                   uint32_t size, uint32_t block_size)
{
    struct whole *whole = calloc(1, sizeof *whole);
    /* One bit a block, so that the allocator looks at the medium once. */
    uint32_t lookahead = (size / block_size + 63) / 64 * 8;
    uint32_t cache = block_size % CACHE_MAX == 0 ? CACHE_MAX : block_size;
    uint32_t unit = unit_of(block_size);
    uint8_t *buffers = calloc(3, cache + lookahead);
    if (!whole || !buffers) {
        free(whole);
        free(buffers);
        return MOLT_E_NO_MEMORY;
    }
    struct fs_lfs *fs = *made = &whole->fs;
    fs->lfs = &whole->lfs;
    fs->config = &whole->config;
    fs->buffers = buffers;
    fs->base = (struct molt_fs){&lfs_ops, MOLT_FS_LITTLEFS, false, size};
    fs->flash = *flash;
    fs->offset = offset;
    fs->size = size;
    fs->file_buffer = fs->buffers + 2 * (size_t)cache;
    uint32_t inline_max = block_size / 8 < INLINE_MAX ? block_size / 8 : INLINE_MAX;
    *fs->config = (struct lfs_config){.context = fs,
                                      .read = device_read,
                                      .prog = device_program,
                                      .erase = device_erase,
                                      .sync = device_sync,
                                      .read_size = unit,
                                      .prog_size = unit,
                                      .block_size = block_size,
                                      .block_cycles = BLOCK_CYCLES,
                                      .cache_size = cache,
                                      .lookahead_size = lookahead,
                                      .inline_max = inline_max,
                                      .read_buffer = fs->buffers,
                                      .prog_buffer = fs->buffers + cache,
                                      .lookahead_buffer = fs->buffers + 3 * (size_t)cache};
    uint32_t sector = molt_flash_sector_size(flash, offset);
    int result = sector && block_size % sector == 0
                     ? MOLT_OK
                     : fs_sectors_open(&fs->sectors, flash, offset, size);
    if (result != MOLT_OK) {
        destroy(&fs->base);
    }
    return result;
}

static int op_mount(struct molt_fs *base, struct fs_call *call)
{
    (void)call;
    return fs_lfs_result(of(base), lfs_mount(of(base)->lfs, of(base)->config));
}

int fs_lfs_mount(struct molt_fs **fs, const struct molt_flash *flash, uint32_t offset,
                 uint32_t size, const struct molt_fs_facts *facts, bool read_only)
{
    struct fs_lfs *made;
    int result = prepare(&made, flash, offset, size, facts->block_size);
    if (result != MOLT_OK) {
        return result;
    }
    made->base.read_only = read_only;
    /* A newer version than that on the flash would be written at the first change. */
    made->config->disk_version = facts->version;
    result = enter(&made->base, op_mount, NULL);
    if (result == MOLT_OK && made->lfs->block_count > size / facts->block_size) {
        result = MOLT_E_FORMAT; /* a later copy of the superblock says so */
    }
    if (result != MOLT_OK) {
        destroy(&made->base);
        return result;
    }
    *fs = &made->base;
    return MOLT_OK;
}

static int op_format(struct molt_fs *base, struct fs_call *call)
{
    (void)call;
    return fs_lfs_result(of(base), lfs_format(of(base)->lfs, of(base)->config));
}

int fs_lfs_format(const struct molt_flash *flash, uint32_t offset, uint32_t size,
                  const struct molt_fs_options *options)
{
    struct fs_lfs *made;
    int result = prepare(&made, flash, offset, size, options->block_size);
    if (result != MOLT_OK) {
        return result;
    }
    made->config->block_count = size / options->block_size;
    made->config->disk_version = options->lfs_version ? options->lfs_version : 0x00020000;
    result = enter(&made->base, op_format, NULL);
    if (result == MOLT_OK && made->sectors) {
        result = fs_sectors_flush(made->sectors);
    }
    destroy(&made->base);
    return result;
}
