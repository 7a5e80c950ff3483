#include "molt/host/lfs_files.h"

#include <lfs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As vfs_lfs.c of MicroPython: read and program size 32, lookahead 32, cache four times the larger
 * of the sizes. */
#define UNIT         32u
#define CACHE        128u
#define LOOKAHEAD    32u
#define BLOCK_CYCLES 100

struct molt_lfs {
    lfs_t lfs;
    struct lfs_config config;
    struct molt_flash flash;
    uint32_t offset;
    int flash_error; /* the last one, because littlefs passes on only its own numbers */
    uint8_t read_buffer[CACHE], program_buffer[CACHE], lookahead[LOOKAHEAD], file_buffer[CACHE];
};

static int device_result(const struct lfs_config *config, int result)
{
    struct molt_lfs *fs = config->context;
    if (result == MOLT_OK) {
        return LFS_ERR_OK;
    }
    fs->flash_error = result;
    return LFS_ERR_IO;
}

static uint32_t address(const struct lfs_config *config, lfs_block_t block, lfs_off_t at)
{
    const struct molt_lfs *fs = config->context;
    return fs->offset + block * MOLT_LFS_BLOCK + at;
}

static int device_read(const struct lfs_config *config, lfs_block_t block, lfs_off_t at,
                       void *buffer, lfs_size_t n)
{
    struct molt_lfs *fs = config->context;
    return device_result(config,
                         molt_flash_read(&fs->flash, address(config, block, at), buffer, n));
}

static int device_program(const struct lfs_config *config, lfs_block_t block, lfs_off_t at,
                          const void *data, lfs_size_t n)
{
    struct molt_lfs *fs = config->context;
    return device_result(config,
                         molt_flash_program(&fs->flash, address(config, block, at), data, n));
}

static int device_erase(const struct lfs_config *config, lfs_block_t block)
{
    struct molt_lfs *fs = config->context;
    return device_result(config,
                         molt_flash_erase(&fs->flash, address(config, block, 0), MOLT_LFS_BLOCK));
}

static int device_sync(const struct lfs_config *config)
{
    struct molt_lfs *fs = config->context;
    return device_result(config, molt_flash_sync(&fs->flash));
}

/* littlefs' answer as ours; what the flash said goes first. */
static int result_of(struct molt_lfs *fs, int answer)
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

static int prepare(struct molt_lfs *fs, const struct molt_flash *flash, uint32_t offset,
                   uint32_t size)
{
    if (offset > flash->size || size > flash->size - offset) {
        return MOLT_E_RANGE;
    }
    if (offset % MOLT_LFS_BLOCK || size % MOLT_LFS_BLOCK || size < 2 * MOLT_LFS_BLOCK) {
        return MOLT_E_ALIGNMENT;
    }
    memset(fs, 0, sizeof *fs);
    fs->flash = *flash;
    fs->offset = offset;
    fs->config = (struct lfs_config){.context = fs,
                                     .read = device_read,
                                     .prog = device_program,
                                     .erase = device_erase,
                                     .sync = device_sync,
                                     .read_size = UNIT,
                                     .prog_size = UNIT,
                                     .block_size = MOLT_LFS_BLOCK,
                                     .block_count = size / MOLT_LFS_BLOCK,
                                     .block_cycles = BLOCK_CYCLES,
                                     .cache_size = CACHE,
                                     .lookahead_size = LOOKAHEAD,
                                     .read_buffer = fs->read_buffer,
                                     .prog_buffer = fs->program_buffer,
                                     .lookahead_buffer = fs->lookahead};
    return MOLT_OK;
}

static int explain(struct molt_message *message, int error, const char *verb, uint32_t offset,
                   uint32_t size)
{
    return molt_fail(message, error, "cannot %s littlefs at 0x%x, %u KB: %s", verb, offset,
                     size / 1024, molt_strerror(error));
}

/* Mounts, and once more with the version that is on the flash: a newer one would be written at the
 * first change. */
static int mount_as_found(struct molt_lfs *fs)
{
    int result = result_of(fs, lfs_mount(&fs->lfs, &fs->config));
    struct lfs_fsinfo info;
    if (result == MOLT_OK) {
        result = result_of(fs, lfs_fs_stat(&fs->lfs, &info));
        if (result == MOLT_OK && info.disk_version != LFS_DISK_VERSION) {
            lfs_unmount(&fs->lfs);
            fs->config.disk_version = info.disk_version;
            return result_of(fs, lfs_mount(&fs->lfs, &fs->config));
        }
        if (result != MOLT_OK) {
            lfs_unmount(&fs->lfs);
        }
    }
    return result;
}

int molt_lfs_mount(struct molt_lfs **fs, const struct molt_flash *flash, uint32_t offset,
                   uint32_t size, struct molt_message *message)
{
    *fs = NULL;
    struct molt_lfs *made = malloc(sizeof *made);
    if (!made) {
        return explain(message, MOLT_E_NO_MEMORY, "mount", offset, size);
    }
    int result = prepare(made, flash, offset, size);
    if (result == MOLT_OK) {
        result = mount_as_found(made);
    }
    if (result != MOLT_OK) {
        free(made);
        return explain(message, result, "mount", offset, size);
    }
    *fs = made;
    return MOLT_OK;
}

void molt_lfs_unmount(struct molt_lfs *fs)
{
    if (fs) {
        lfs_unmount(&fs->lfs);
        free(fs);
    }
}

int molt_lfs_format(const struct molt_flash *flash, uint32_t offset, uint32_t size,
                    struct molt_message *message)
{
    struct molt_lfs *fs = malloc(sizeof *fs);
    int result = fs ? prepare(fs, flash, offset, size) : MOLT_E_NO_MEMORY;
    if (result == MOLT_OK) {
        result = result_of(fs, lfs_format(&fs->lfs, &fs->config));
    }
    free(fs);
    return result == MOLT_OK ? MOLT_OK : explain(message, result, "format", offset, size);
}

/* ---- molt_files ---- */

static int files_stat(void *context, const char *path, uint32_t *size)
{
    struct molt_lfs *fs = context;
    struct lfs_info info;
    int result = result_of(fs, lfs_stat(&fs->lfs, path, &info));
    if (result != MOLT_OK) {
        return result;
    }
    *size = info.type == LFS_TYPE_REG ? info.size : 0;
    return info.type == LFS_TYPE_REG ? MOLT_FILE : MOLT_DIRECTORY;
}

static int open_file(struct molt_lfs *fs, lfs_file_t *file, const char *path, int flags,
                     const struct lfs_file_config *config)
{
    return result_of(fs, lfs_file_opencfg(&fs->lfs, file, path, flags, config));
}

static int files_read(void *context, const char *path, uint32_t offset, void *buffer, uint32_t n)
{
    struct molt_lfs *fs = context;
    struct lfs_file_config config = {.buffer = fs->file_buffer};
    lfs_file_t file;
    int result = open_file(fs, &file, path, LFS_O_RDONLY, &config);
    if (result != MOLT_OK) {
        return result;
    }
    if (offset > LFS_FILE_MAX || n > LFS_FILE_MAX) {
        result = MOLT_E_RANGE;
    } else {
        result = result_of(fs, lfs_file_seek(&fs->lfs, &file, (lfs_soff_t)offset, LFS_SEEK_SET));
    }
    if (result >= 0) {
        result = result_of(fs, lfs_file_read(&fs->lfs, &file, buffer, n));
    }
    int closed = result_of(fs, lfs_file_close(&fs->lfs, &file));
    return result >= 0 && closed < 0 ? closed : result;
}

static int files_write(void *context, const char *path, uint32_t offset, const void *data,
                       uint32_t n)
{
    struct molt_lfs *fs = context;
    struct lfs_file_config config = {.buffer = fs->file_buffer};
    lfs_file_t file;
    int flags = offset ? LFS_O_WRONLY | LFS_O_APPEND : LFS_O_WRONLY | LFS_O_CREAT | LFS_O_TRUNC;
    int result = open_file(fs, &file, path, flags, &config);
    if (result != MOLT_OK) {
        return result;
    }
    if (offset && (lfs_soff_t)offset != lfs_file_size(&fs->lfs, &file)) {
        lfs_file_close(&fs->lfs, &file);
        return MOLT_E_RANGE;
    }
    result = result_of(fs, lfs_file_write(&fs->lfs, &file, data, n));
    /* After a failed write close commits nothing; before that the old content stays. */
    int closed = result_of(fs, lfs_file_close(&fs->lfs, &file));
    if (result < 0) {
        return result;
    }
    return closed < 0 ? closed : MOLT_OK;
}

static int files_mkdir(void *context, const char *path)
{
    struct molt_lfs *fs = context;
    int result = result_of(fs, lfs_mkdir(&fs->lfs, path));
    if (result == MOLT_E_EXISTS) {
        uint32_t size;
        int kind = files_stat(fs, path, &size);
        return kind == MOLT_DIRECTORY ? MOLT_OK : kind < 0 ? kind : MOLT_E_EXISTS;
    }
    return result;
}

static int files_remove(void *context, const char *path)
{
    struct molt_lfs *fs = context;
    return result_of(fs, lfs_remove(&fs->lfs, path));
}

static int files_rename(void *context, const char *from, const char *to)
{
    struct molt_lfs *fs = context;
    return result_of(fs, lfs_rename(&fs->lfs, from, to));
}

static int files_list(void *context, const char *path, uint32_t index, char *name,
                      uint32_t capacity)
{
    struct molt_lfs *fs = context;
    lfs_dir_t dir;
    struct lfs_info info;
    int result = result_of(fs, lfs_dir_open(&fs->lfs, &dir, path));
    if (result != MOLT_OK) {
        return result;
    }
    /* The first two entries are . and .. */
    for (uint64_t i = 0; i <= (uint64_t)index + 2 && result >= 0; i++) {
        result = result_of(fs, lfs_dir_read(&fs->lfs, &dir, &info));
        if (result == 0) {
            break;
        }
    }
    lfs_dir_close(&fs->lfs, &dir);
    if (result <= 0) {
        return result;
    }
    snprintf(name, capacity, "%s", info.name);
    return 1;
}

static int files_space(void *context, uint32_t *free_bytes)
{
    struct molt_lfs *fs = context;
    lfs_ssize_t used = lfs_fs_size(&fs->lfs);
    if (used < 0) {
        return result_of(fs, (int)used);
    }
    /* An upper count of what is used: blocks that directories share are counted twice. */
    uint32_t blocks = fs->config.block_count;
    *free_bytes = (uint32_t)used < blocks ? (blocks - (uint32_t)used) * MOLT_LFS_BLOCK : 0;
    return MOLT_OK;
}

/* Of a path as deep as an application likes; longer ones are left alone. */
#define TREE_PATH_MAX 4096

/* Opens the directory and passes . and .. */
static int open_tree(struct molt_lfs *fs, lfs_dir_t *dir, const char *path)
{
    struct lfs_info info;
    int result = result_of(fs, lfs_dir_open(&fs->lfs, dir, path));
    for (int i = 0; i < 2 && result >= 0; i++) {
        result = result_of(fs, lfs_dir_read(&fs->lfs, dir, &info));
        if (result < 0) {
            lfs_dir_close(&fs->lfs, dir);
        }
    }
    return result < 0 ? result : MOLT_OK;
}

static int measure(struct molt_lfs *fs, char path[TREE_PATH_MAX], uint32_t *bytes)
{
    lfs_dir_t dir;
    struct lfs_info info;
    size_t n = strlen(path);
    int result = open_tree(fs, &dir, path);
    if (result < 0) {
        return result;
    }
    *bytes += 2 * MOLT_LFS_BLOCK;
    while ((result = result_of(fs, lfs_dir_read(&fs->lfs, &dir, &info))) > 0) {
        if (info.type == LFS_TYPE_REG) {
            *bytes += info.size;
        } else if (n + 1 + strlen(info.name) < TREE_PATH_MAX) {
            snprintf(path + n, TREE_PATH_MAX - n, "/%s", info.name);
            result = measure(fs, path, bytes);
            path[n] = '\0';
            if (result < 0) {
                break;
            }
        }
    }
    lfs_dir_close(&fs->lfs, &dir);
    return result;
}

static int files_measure(void *context, const char *path, uint32_t *bytes)
{
    char at[TREE_PATH_MAX];
    snprintf(at, sizeof at, "%s", path);
    return measure(context, at, bytes);
}

static int files_prune(void *context, const char *path)
{
    struct molt_lfs *fs = context;
    char at[TREE_PATH_MAX];
    struct lfs_info info;
    lfs_dir_t dir;
    size_t n = (size_t)snprintf(at, sizeof at, "%s", path);
    for (;;) {
        int result = result_of(fs, lfs_stat(&fs->lfs, at, &info));
        if (result < 0 || info.type == LFS_TYPE_REG) {
            return result < 0 ? result : files_remove(fs, at);
        }
        result = open_tree(fs, &dir, at);
        if (result < 0) {
            return result;
        }
        result = result_of(fs, lfs_dir_read(&fs->lfs, &dir, &info));
        lfs_dir_close(&fs->lfs, &dir);
        if (result <= 0) {
            return result < 0 ? result : files_remove(fs, at);
        }
        if (n + 1 + strlen(info.name) >= sizeof at) {
            return MOLT_E_RANGE;
        }
        n += (size_t)snprintf(at + n, sizeof at - n, "/%s", info.name);
    }
}

void molt_lfs_files(struct molt_lfs *fs, struct molt_files *files)
{
    static const struct molt_files_ops ops = {files_stat,    files_read,   files_write, files_mkdir,
                                              files_remove,  files_rename, files_list,  files_space,
                                              files_measure, files_prune};
    files->ops = &ops;
    files->context = fs;
}
