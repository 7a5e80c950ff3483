#include "molt/host/fs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/fs/fs_internal.h"

/* ---- Probing, mounting, making ---- */

const char *molt_fs_kind_name(enum molt_fs_kind kind)
{
    static const char *const name[] = {"none", "littlefs", "FAT"};
    return name[kind];
}

int molt_fs_probe(struct molt_fs_facts *facts, const struct molt_flash *flash, uint32_t offset,
                  uint32_t size)
{
    *facts = (struct molt_fs_facts){.kind = MOLT_FS_NONE};
    if (offset > flash->size || size > flash->size - offset) {
        return MOLT_E_RANGE;
    }
    struct molt_fs_facts fat = {.kind = MOLT_FS_NONE};
    int result = fs_lfs_probe(facts, flash, offset, size);
    if (result == MOLT_OK && (facts->kind == MOLT_FS_NONE || facts->superblock_at > 0)) {
        result = fs_fat_probe(&fat, flash, offset, size);
    }
    /* A FAT made over a littlefs may leave the second copy of its superblock. */
    if (result == MOLT_OK && fat.kind != MOLT_FS_NONE) {
        *facts = fat;
    }
    return result;
}

/* What is wrong with the range itself. */
static int check_range(const struct molt_flash *flash, uint32_t offset, uint32_t size,
                       const char *verb, struct molt_message *message)
{
    if (offset > flash->size || size > flash->size - offset) {
        return molt_fail(message, MOLT_E_RANGE,
                         "cannot %s a file system at 0x%x, %u bytes: the flash ends at 0x%x", verb,
                         offset, size, flash->size);
    }
    uint32_t sector = molt_flash_sector_size(flash, offset);
    if (sector && offset % sector) {
        return molt_fail(message, MOLT_E_ALIGNMENT,
                         "cannot %s a file system at 0x%x: expected a multiple of the sector, %u "
                         "bytes",
                         verb, offset, sector);
    }
    return MOLT_OK;
}

/* Why there is nothing to mount, in words. */
static int explain_none(const struct molt_flash *flash, uint32_t offset, uint32_t size,
                        struct molt_message *message)
{
    uint8_t start[64] = {0};
    if (size >= sizeof start && molt_flash_read(flash, offset, start, sizeof start) == MOLT_OK &&
        memcmp(start + 40, "littlefs", 8) == 0) {
        return molt_fail(message, MOLT_E_UNSUPPORTED,
                         "the file system at 0x%x is littlefs v1, expected v2 or FAT: copy its "
                         "files on the device, then make a new one",
                         offset);
    }
    return molt_fail(message, MOLT_E_FORMAT,
                     "no file system at 0x%x, %u KB: found neither a littlefs superblock nor a FAT "
                     "boot sector; it begins with %02x %02x %02x %02x",
                     offset, size / 1024, start[0], start[1], start[2], start[3]);
}

static int check_facts(const struct molt_fs_facts *facts, uint32_t offset, uint32_t size,
                       struct molt_message *message)
{
    uint64_t says = (uint64_t)facts->block_size * facts->block_count;
    if (facts->block_size > FS_BLOCK_MAX) {
        return molt_fail(message, MOLT_E_UNSUPPORTED,
                         "the %s at 0x%x has blocks of %u bytes, expected at most %u",
                         facts->variant, offset, facts->block_size, FS_BLOCK_MAX);
    }
    if (says > size) {
        return molt_fail(message, MOLT_E_FORMAT,
                         "the %s at 0x%x is larger than its range: its superblock says %u blocks "
                         "of %u bytes, %llu in all, and the range has %u",
                         facts->variant, offset, facts->block_count, facts->block_size,
                         (unsigned long long)says, size);
    }
    return MOLT_OK;
}

int molt_fs_mount(struct molt_fs **fs, const struct molt_flash *flash, uint32_t offset,
                  uint32_t size, bool read_only, struct molt_message *message)
{
    struct molt_fs_facts facts;
    *fs = NULL;
    int result = check_range(flash, offset, size, "mount", message);
    if (result != MOLT_OK) {
        return result;
    }
    result = molt_fs_probe(&facts, flash, offset, size);
    if (result != MOLT_OK) {
        return molt_fail(message, result, "cannot look for a file system at 0x%x, %u KB: %s",
                         offset, size / 1024, molt_strerror(result));
    }
    if (facts.kind == MOLT_FS_NONE) {
        return explain_none(flash, offset, size, message);
    }
    result = check_facts(&facts, offset, size, message);
    if (result != MOLT_OK) {
        return result;
    }
    result = facts.kind == MOLT_FS_FAT ? fs_fat_mount(fs, flash, offset, size, &facts, read_only)
                                       : fs_lfs_mount(fs, flash, offset, size, &facts, read_only);
    return result == MOLT_OK ? MOLT_OK
                             : molt_fail(message, result, "cannot mount the %s at 0x%x, %u KB: %s",
                                         facts.variant, offset, size / 1024, molt_strerror(result));
}

static int check_options(const struct molt_fs_options *options, uint32_t offset, uint32_t size,
                         struct molt_message *message)
{
    uint32_t block = options->block_size, version = options->lfs_version;
    if (version && version != 0x00020000 && version != 0x00020001) {
        return molt_fail(message, MOLT_E_ARGUMENT, "littlefs version %u.%u: expected 2.0 or 2.1",
                         version >> 16, version & 0xFFFF);
    }
    bool fat = options->kind == MOLT_FS_FAT;
    if (fat ? block != 512 && block != 4096
            : block < 128 || block > FS_BLOCK_MAX || (block & (block - 1))) {
        return molt_fail(message, MOLT_E_ARGUMENT, "block size %u: expected %s", block,
                         fat ? "512 or 4096" : "a power of two from 128 to 65536");
    }
    if (size % block || size / block < 2) {
        return molt_fail(message, MOLT_E_ALIGNMENT,
                         "cannot make a file system at 0x%x of %u bytes: expected whole blocks of "
                         "%u bytes, at least two",
                         offset, size, block);
    }
    return MOLT_OK;
}

int molt_fs_format(const struct molt_flash *flash, uint32_t offset, uint32_t size,
                   const struct molt_fs_options *options, struct molt_message *message)
{
    struct molt_fs_options wanted = options ? *options : (struct molt_fs_options){0};
    wanted.kind = wanted.kind == MOLT_FS_NONE ? MOLT_FS_LITTLEFS : wanted.kind;
    wanted.block_size = wanted.block_size ? wanted.block_size : FS_SECTOR;
    int result = check_range(flash, offset, size, "make", message);
    if (result == MOLT_OK) {
        result = check_options(&wanted, offset, size, message);
    }
    if (result != MOLT_OK) {
        return result;
    }
    result = wanted.kind == MOLT_FS_FAT ? fs_fat_format(flash, offset, size, &wanted)
                                        : fs_lfs_format(flash, offset, size, &wanted);
    return result == MOLT_OK ? MOLT_OK
                             : molt_fail(message, result, "cannot make a %s at 0x%x, %u KB: %s",
                                         molt_fs_kind_name(wanted.kind), offset, size / 1024,
                                         molt_strerror(result));
}

int molt_fs_unmount(struct molt_fs *fs, struct molt_message *message)
{
    if (!fs) {
        return MOLT_OK;
    }
    struct fs_call call = {0};
    int result = fs->ops->enter(fs, fs->ops->flush, &call);
    const char *name = molt_fs_kind_name(fs->kind);
    fs->ops->destroy(fs);
    return result < 0 ? molt_fail(message, result, "cannot finish writing the %s: %s", name,
                                  molt_strerror(result))
                      : MOLT_OK;
}

enum molt_fs_kind molt_fs_kind_of(const struct molt_fs *fs)
{
    return fs->kind;
}

/* ---- Paths ---- */

/* One '/' before each name, none behind the last; the root becomes "/". */
static int tidy(char tidied[FS_PATH_MAX], const char *path)
{
    size_t n = 0;
    if (path[0] != '/') {
        return MOLT_E_ARGUMENT;
    }
    while (*path) {
        size_t skip = strspn(path, "/");
        size_t m = strcspn(path + skip, "/");
        const char *name = path + skip;
        if (m == 0) {
            break;
        }
        if (m + 1 >= FS_PATH_MAX - n || (m == 1 && name[0] == '.') ||
            (m == 2 && name[0] == '.' && name[1] == '.')) {
            return MOLT_E_ARGUMENT;
        }
        tidied[n] = '/';
        memcpy(tidied + n + 1, name, m);
        n += m + 1;
        path = name + m;
    }
    if (n == 0) {
        tidied[n++] = '/';
    }
    tidied[n] = '\0';
    return MOLT_OK;
}

static bool is_root(const char *path)
{
    return path[1] == '\0';
}

/* Runs an operation on a path; changes: not when mounted read-only. */
static int at_path(struct molt_fs *fs, fs_operation *operation, const char *path, bool changes,
                   struct fs_call *call)
{
    char tidied[FS_PATH_MAX];
    int result = tidy(tidied, path);
    if (result != MOLT_OK) {
        return result;
    }
    if (changes && fs->read_only) {
        return MOLT_E_PERMISSION;
    }
    if (changes && is_root(tidied)) {
        return operation == fs->ops->mkdir ? MOLT_E_EXISTS : MOLT_E_ARGUMENT;
    }
    call->path = tidied;
    return fs->ops->enter(fs, operation, call);
}

/* ---- Files and folders ---- */

int molt_fs_stat(struct molt_fs *fs, const char *path, struct molt_fs_entry *entry)
{
    struct fs_call call = {.entry = entry};
    return at_path(fs, fs->ops->stat, path, false, &call);
}

int molt_fs_dir_open(struct molt_fs *fs, const char *path, struct molt_fs_dir **dir)
{
    struct fs_call call = {.opened = dir};
    *dir = NULL;
    return at_path(fs, fs->ops->dir_open, path, false, &call);
}

int molt_fs_dir_next(struct molt_fs_dir *dir, struct molt_fs_entry *entry)
{
    struct fs_call call = {.dir = dir, .entry = entry};
    return dir->fs->ops->enter(dir->fs, dir->fs->ops->dir_next, &call);
}

void molt_fs_dir_close(struct molt_fs_dir *dir)
{
    if (dir) {
        struct fs_call call = {.dir = dir};
        dir->fs->ops->enter(dir->fs, dir->fs->ops->dir_close, &call);
        free(dir);
    }
}

int fs_read(struct molt_fs *fs, const char *path, uint32_t offset, void *buffer, uint32_t n)
{
    struct fs_call call = {.offset = offset, .buffer = buffer, .n = n};
    return at_path(fs, fs->ops->read, path, false, &call);
}

int fs_append(struct molt_fs *fs, const char *path, uint32_t offset, const void *data, uint32_t n)
{
    struct fs_call call = {.offset = offset, .data = data, .n = n};
    return at_path(fs, fs->ops->append, path, true, &call);
}

int molt_fs_read_file(struct molt_fs *fs, const char *path, uint8_t **bytes, uint32_t *n)
{
    struct molt_fs_entry entry;
    *bytes = NULL;
    *n = 0;
    int result = molt_fs_stat(fs, path, &entry);
    if (result == MOLT_OK && entry.is_folder) {
        result = MOLT_E_ARGUMENT;
    }
    if (result == MOLT_OK && entry.size > fs->capacity) {
        result = MOLT_E_FORMAT; /* before that much memory is taken */
    }
    if (result != MOLT_OK) {
        return result;
    }
    uint8_t *made = malloc((size_t)entry.size + 1);
    if (!made) {
        return MOLT_E_NO_MEMORY;
    }
    result = entry.size ? fs_read(fs, path, 0, made, entry.size) : 0;
    if (result >= 0 && (uint32_t)result != entry.size) {
        result = MOLT_E_FORMAT;
    }
    if (result < 0) {
        free(made);
        return result;
    }
    made[entry.size] = 0;
    *bytes = made;
    *n = entry.size;
    return MOLT_OK;
}

int molt_fs_write_file(struct molt_fs *fs, const char *path, const void *bytes, uint32_t n)
{
    struct fs_call call = {.data = bytes, .n = n};
    return at_path(fs, fs->ops->replace, path, true, &call);
}

int molt_fs_mkdir(struct molt_fs *fs, const char *path)
{
    struct fs_call call = {0};
    return at_path(fs, fs->ops->mkdir, path, true, &call);
}

int molt_fs_remove(struct molt_fs *fs, const char *path)
{
    struct fs_call call = {0};
    return at_path(fs, fs->ops->remove, path, true, &call);
}

/* Is path below folder, or folder itself? Both are tidy. */
static bool below(const char *path, const char *folder)
{
    size_t n = strlen(folder);
    return strncmp(path, folder, n) == 0 && path[n] == '/';
}

int molt_fs_rename(struct molt_fs *fs, const char *from, const char *to)
{
    char tidied[FS_PATH_MAX], source[FS_PATH_MAX];
    struct fs_call call = {.to = tidied};
    int result = tidy(tidied, to);
    if (result == MOLT_OK) {
        result = tidy(source, from);
    }
    if (result != MOLT_OK || is_root(tidied) || below(tidied, source)) {
        return MOLT_E_ARGUMENT;
    }
    return at_path(fs, fs->ops->rename, from, true, &call);
}

/* ---- The whole ---- */

int molt_fs_space(struct molt_fs *fs, struct molt_fs_space *space)
{
    struct fs_call call = {.space = space};
    return fs->ops->enter(fs, fs->ops->space, &call);
}

int molt_fs_grow(struct molt_fs *fs, uint32_t size, struct molt_message *message)
{
    struct fs_call call = {.n = size, .message = message};
    if (fs->read_only) {
        return molt_fail(message, MOLT_E_PERMISSION, "cannot grow: mounted read-only");
    }
    return fs->ops->enter(fs, fs->ops->grow, &call);
}

int molt_fs_check(struct molt_fs *fs, molt_fs_complaint complaint, void *context)
{
    struct fs_call call = {.complaint = complaint, .context = context};
    return fs->ops->enter(fs, fs->ops->check, &call);
}
