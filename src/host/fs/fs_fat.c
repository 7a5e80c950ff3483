#include "host/fs/fs_fat.h"

#include <ff.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "host/fs/fs_fat_names.h"

#define TEMPORARY "/.molt-new"

struct whole {
    struct fs_fat fs;
    FATFS fatfs;
};

struct open_dir {
    struct molt_fs_dir base;
    DIR dir;
};

static struct fs_fat *of(struct molt_fs *fs)
{
    return (struct fs_fat *)(void *)fs;
}

static FATFS *fatfs_of(struct fs_fat *fs)
{
    return &((struct whole *)(void *)fs)->fatfs;
}

int fs_fat_result(struct fs_fat *fs, unsigned answer)
{
    static const int16_t error[] = {[FR_OK] = MOLT_OK,
                                    [FR_DISK_ERR] = MOLT_E_FORMAT, /* outside of the volume */
                                    [FR_INT_ERR] = MOLT_E_FORMAT,
                                    [FR_NOT_READY] = MOLT_E_IO,
                                    [FR_NO_FILE] = MOLT_E_NOT_FOUND,
                                    [FR_NO_PATH] = MOLT_E_NOT_FOUND,
                                    [FR_INVALID_NAME] = MOLT_E_ARGUMENT,
                                    [FR_DENIED] = MOLT_E_NO_SPACE, /* the folder is full */
                                    [FR_EXIST] = MOLT_E_EXISTS,
                                    [FR_INVALID_OBJECT] = MOLT_E_FORMAT,
                                    [FR_WRITE_PROTECTED] = MOLT_E_PERMISSION,
                                    [FR_NO_FILESYSTEM] = MOLT_E_FORMAT,
                                    [FR_NOT_ENOUGH_CORE] = MOLT_E_NO_MEMORY};
    if (answer == FR_OK) {
        return MOLT_OK;
    }
    if (fs->disk.error != MOLT_OK) {
        int result = fs->disk.error;
        fs->disk.error = MOLT_OK;
        return result;
    }
    bool known = answer < sizeof error / sizeof error[0] && error[answer];
    return known ? error[answer] : MOLT_E_ARGUMENT;
}

static int enter(struct molt_fs *base, fs_operation *operation, struct fs_call *call)
{
    fs_fat_enter();
    int result = operation(base, call);
    fs_fat_leave();
    return result;
}

/* ---- Paths ---- */

/* FatFs would take another file: it drops dots and blanks at the end, and ends a name at the
 * others. */
static bool is_name(const char *name, size_t m)
{
    for (size_t i = 0; i < m; i++) {
        if ((unsigned char)name[i] < ' ' || name[i] == '\\') {
            return false;
        }
    }
    return name[m - 1] != '.' && name[m - 1] != ' ';
}

/* One more name at the end of made, which has n bytes: as MicroPython would have made it, else as
 * it is. */
static int add_name(struct fs_fat *fs, char made[FS_FAT_PATH], size_t n, const char *name, size_t m)
{
    FILINFO info;
    char plain[FS_PATH_MAX];
    if (!is_name(name, m)) {
        return MOLT_E_ARGUMENT;
    }
    made[n] = '/';
    if (!fs_fat_name_to_medium(made + n + 1, FS_FAT_PATH - n - 1, name, m)) {
        return MOLT_E_ARGUMENT;
    }
    memcpy(plain, name, m);
    plain[m] = '\0';
    if (fs_fat_is_ascii(plain) || f_stat(made, &info) != FR_NO_FILE) {
        return MOLT_OK;
    }
    char other[FS_FAT_PATH];
    memcpy(other, made, n + 1);
    memcpy(other + n + 1, plain, m + 1);
    if (f_stat(other, &info) == FR_OK) {
        memcpy(made + n + 1, plain, m + 1);
    }
    fs->disk.error = MOLT_OK;
    return MOLT_OK;
}

int fs_fat_path(struct fs_fat *fs, const char *path, char made[FS_FAT_PATH])
{
    int result = MOLT_OK;
    made[0] = (char)('0' + fs->number);
    memcpy(made + 1, ":", 2);
    while (*path == '/' && path[1] && result == MOLT_OK) {
        size_t m = strcspn(path + 1, "/");
        result = add_name(fs, made, strlen(made), path + 1, m);
        path += 1 + m;
    }
    return result;
}

static bool is_root(const char *made)
{
    return made[2] == '\0';
}

/* What is at the made path; the root too. */
static int look(struct fs_fat *fs, const char *made, FILINFO *info)
{
    if (is_root(made)) {
        *info = (FILINFO){.fattrib = AM_DIR, .fname = "/"};
        return MOLT_OK;
    }
    return fs_fat_result(fs, f_stat(made, info));
}

/* Of a path that is to be a file, or not to be at all. */
static int look_for_file(struct fs_fat *fs, const char *made, bool changes, FILINFO *info)
{
    int result = look(fs, made, info);
    if (result == MOLT_OK && info->fattrib & AM_DIR) {
        result = MOLT_E_ARGUMENT;
    } else if (result == MOLT_OK && changes && info->fattrib & AM_RDO) {
        result = MOLT_E_PERMISSION;
    }
    return result;
}

/* ---- Files ---- */

static void set_entry(struct molt_fs_entry *entry, FILINFO *info)
{
    fs_fat_name_from_medium(info->fname);
    snprintf(entry->name, sizeof entry->name, "%s", info->fname);
    entry->is_folder = (info->fattrib & AM_DIR) != 0;
    entry->size = entry->is_folder ? 0 : (uint32_t)info->fsize;
}

static int op_stat(struct molt_fs *base, struct fs_call *call)
{
    struct fs_fat *fs = of(base);
    FILINFO info;
    int result = fs_fat_path(fs, call->path, fs->path);
    if (result == MOLT_OK) {
        result = look(fs, fs->path, &info);
    }
    if (result == MOLT_OK) {
        set_entry(call->entry, &info);
    }
    return result;
}

static int op_read(struct molt_fs *base, struct fs_call *call)
{
    struct fs_fat *fs = of(base);
    FILINFO info;
    FIL file;
    UINT n = 0;
    int result = fs_fat_path(fs, call->path, fs->path);
    if (result == MOLT_OK) {
        result = look_for_file(fs, fs->path, false, &info);
    }
    if (result == MOLT_OK) {
        result = fs_fat_result(fs, f_open(&file, fs->path, FA_READ));
    }
    if (result != MOLT_OK) {
        return result;
    }
    if (call->n > INT32_MAX || call->offset > INT32_MAX) {
        result = MOLT_E_RANGE;
    } else if (call->offset <= f_size(&file)) {
        result = fs_fat_result(fs, f_lseek(&file, call->offset));
    }
    if (result == MOLT_OK && call->offset <= f_size(&file)) {
        result = fs_fat_result(fs, f_read(&file, call->buffer, call->n, &n));
    }
    f_close(&file);
    return result < 0 ? result : (int)n;
}

/* Writes at the end of an open file, all or an error, and closes it. */
static int write_and_close(struct fs_fat *fs, FIL *file, const void *data, uint32_t n)
{
    UINT written = 0;
    int result = n ? fs_fat_result(fs, f_write(file, data, n, &written)) : MOLT_OK;
    if (result == MOLT_OK && written != n) {
        result = MOLT_E_NO_SPACE;
    }
    int closed = fs_fat_result(fs, f_close(file));
    return result < 0 ? result : closed;
}

static int free_clusters(struct fs_fat *fs, uint32_t *count)
{
    const char drive[] = {(char)('0' + fs->number), ':', '\0'};
    FATFS *of_drive;
    DWORD n = 0;
    int result = fs_fat_result(fs, f_getfree(drive, &n, &of_drive));
    *count = n;
    return result;
}

static uint32_t cluster_size(const struct fs_fat *fs)
{
    return fs->geometry.cluster * fs->geometry.sector_size;
}

static int look_for_room(struct fs_fat *fs, uint32_t n)
{
    uint32_t left, wanted = n / cluster_size(fs) + (n % cluster_size(fs) != 0);
    int result = free_clusters(fs, &left);
    return result == MOLT_OK && wanted > left ? MOLT_E_NO_SPACE : result;
}

/* The temporary name beside the made path. */
static int temporary_beside(const char *made, char other[FS_FAT_PATH])
{
    size_t n = (size_t)(strrchr(made, '/') - made);
    if (n + sizeof TEMPORARY > FS_FAT_PATH) {
        return MOLT_E_ARGUMENT;
    }
    memcpy(other, made, n);
    memcpy(other + n, TEMPORARY, sizeof TEMPORARY);
    return MOLT_OK;
}

static int write_temporary(struct fs_fat *fs, const void *data, uint32_t n)
{
    FIL file;
    int result = fs_fat_result(fs, f_open(&file, fs->to, FA_WRITE | FA_CREATE_ALWAYS));
    if (result == MOLT_OK) {
        result = write_and_close(fs, &file, data, n);
        if (result == MOLT_E_NO_SPACE) {
            f_unlink(fs->to);
        }
    }
    return result;
}

static int op_replace(struct molt_fs *base, struct fs_call *call)
{
    struct fs_fat *fs = of(base);
    FILINFO info;
    int result = fs_fat_path(fs, call->path, fs->path);
    if (result != MOLT_OK) {
        return result;
    }
    int there = look_for_file(fs, fs->path, true, &info);
    if (there < 0 && there != MOLT_E_NOT_FOUND) {
        return there;
    }
    result = look_for_room(fs, call->n);
    if (result == MOLT_OK) {
        result = temporary_beside(fs->path, fs->to);
    }
    if (result == MOLT_OK) {
        result = write_temporary(fs, call->data, call->n);
    }
    if (result != MOLT_OK || strcmp(fs->to, fs->path) == 0) {
        return result;
    }
    if (there == MOLT_OK) {
        result = fs_fat_result(fs, f_unlink(fs->path));
    }
    if (result == MOLT_OK) {
        result = fs_fat_result(fs, f_rename(fs->to, fs->path));
    }
    if (result == MOLT_E_NO_SPACE || result == MOLT_E_ARGUMENT) {
        f_unlink(fs->to); /* the folder is full, or does not take the name: there was no old file */
    }
    return result;
}

static int op_append(struct molt_fs *base, struct fs_call *call)
{
    struct fs_fat *fs = of(base);
    FILINFO info;
    FIL file;
    int result = fs_fat_path(fs, call->path, fs->path);
    if (result == MOLT_OK) {
        result = look_for_file(fs, fs->path, true, &info);
    }
    if (result == MOLT_OK && info.fsize != call->offset) {
        result = MOLT_E_RANGE;
    }
    if (result == MOLT_OK) {
        result = look_for_room(fs, call->n > cluster_size(fs) ? call->n - cluster_size(fs) : 0);
    }
    if (result == MOLT_OK) {
        result = fs_fat_result(fs, f_open(&file, fs->path, FA_WRITE | FA_OPEN_APPEND));
    }
    if (result != MOLT_OK) {
        return result;
    }
    result = write_and_close(fs, &file, call->data, call->n);
    if (result == MOLT_E_NO_SPACE && f_open(&file, fs->path, FA_WRITE) == FR_OK) {
        f_lseek(&file, call->offset);
        f_truncate(&file);
        f_close(&file);
    }
    return result;
}

static int op_mkdir(struct molt_fs *base, struct fs_call *call)
{
    struct fs_fat *fs = of(base);
    int result = fs_fat_path(fs, call->path, fs->path);
    return result == MOLT_OK ? fs_fat_result(fs, f_mkdir(fs->path)) : result;
}

static int op_remove(struct molt_fs *base, struct fs_call *call)
{
    struct fs_fat *fs = of(base);
    FILINFO info;
    int result = fs_fat_path(fs, call->path, fs->path);
    if (result == MOLT_OK) {
        result = look(fs, fs->path, &info);
    }
    if (result != MOLT_OK) {
        return result;
    }
    if (info.fattrib & AM_RDO) {
        return MOLT_E_PERMISSION;
    }
    FRESULT answer = f_unlink(fs->path);
    return answer == FR_DENIED ? MOLT_E_ARGUMENT : fs_fat_result(fs, answer); /* not empty */
}

/* ---- Renaming ---- */

/* Where the entry of a file lies, or where a folder begins: the same for two names of one thing. */
static int place_of(struct fs_fat *fs, const char *made, bool is_folder, uint64_t *place)
{
    FIL file;
    DIR dir;
    int result;
    if (is_folder) {
        result = fs_fat_result(fs, f_opendir(&dir, made));
        *place = result == MOLT_OK ? dir.obj.sclust : 0;
        f_closedir(&dir);
        return result;
    }
    result = fs_fat_result(fs, f_open(&file, made, FA_READ));
    if (result == MOLT_OK) {
        uint64_t at = (uint64_t)(file.dir_ptr - fatfs_of(fs)->win);
        *place = 1ull << 63 | (uint64_t)file.dir_sect << 16 | at;
        f_close(&file);
    }
    return result;
}

/* Would the folder at path come below itself? FatFs does not ask. */
static int inside_itself(struct fs_fat *fs, uint64_t place)
{
    int result = MOLT_OK;
    for (char *slash = strchr(fs->to + 3, '/'); slash && result == MOLT_OK;
         slash = strchr(slash + 1, '/')) {
        uint64_t other;
        *slash = '\0';
        result = place_of(fs, fs->to, true, &other);
        *slash = '/';
        if (result == MOLT_OK && other == place) {
            result = MOLT_E_ARGUMENT;
        }
    }
    return result;
}

/* Makes the way free for it: what is there goes. */
static int clear_target(struct fs_fat *fs, const FILINFO *source, uint64_t place)
{
    FILINFO target;
    uint64_t other;
    int result = look(fs, fs->to, &target);
    if (result == MOLT_E_NOT_FOUND) {
        return MOLT_OK;
    }
    if (result == MOLT_OK && (source->fattrib ^ target.fattrib) & AM_DIR) {
        result = MOLT_E_ARGUMENT;
    }
    if (result == MOLT_OK && target.fattrib & AM_RDO) {
        result = MOLT_E_PERMISSION;
    }
    if (result == MOLT_OK) {
        result = place_of(fs, fs->to, (target.fattrib & AM_DIR) != 0, &other);
    }
    if (result != MOLT_OK || other == place) {
        return result; /* another spelling of its name */
    }
    FRESULT answer = f_unlink(fs->to);
    return answer == FR_DENIED ? MOLT_E_ARGUMENT : fs_fat_result(fs, answer);
}

static int op_rename(struct molt_fs *base, struct fs_call *call)
{
    struct fs_fat *fs = of(base);
    FILINFO source;
    uint64_t place;
    int result = fs_fat_path(fs, call->path, fs->path);
    if (result == MOLT_OK) {
        result = look(fs, fs->path, &source);
    }
    if (result == MOLT_OK) {
        result = fs_fat_path(fs, call->to, fs->to);
    }
    if (result != MOLT_OK || strcmp(fs->path, fs->to) == 0) {
        return result;
    }
    bool is_folder = (source.fattrib & AM_DIR) != 0;
    result = place_of(fs, fs->path, is_folder, &place);
    if (result == MOLT_OK && is_folder) {
        result = inside_itself(fs, place);
    }
    if (result == MOLT_OK) {
        result = clear_target(fs, &source, place);
    }
    return result == MOLT_OK ? fs_fat_result(fs, f_rename(fs->path, fs->to)) : result;
}

/* ---- Folders ---- */

static int op_dir_open(struct molt_fs *base, struct fs_call *call)
{
    struct fs_fat *fs = of(base);
    FILINFO info;
    int result = fs_fat_path(fs, call->path, fs->path);
    if (result == MOLT_OK) {
        result = look(fs, fs->path, &info);
    }
    if (result == MOLT_OK && !(info.fattrib & AM_DIR)) {
        result = MOLT_E_ARGUMENT;
    }
    struct open_dir *dir = result == MOLT_OK ? calloc(1, sizeof *dir) : NULL;
    if (!dir) {
        return result == MOLT_OK ? MOLT_E_NO_MEMORY : result;
    }
    result = fs_fat_result(fs, f_opendir(&dir->dir, fs->path));
    if (result != MOLT_OK) {
        free(dir);
        return result;
    }
    dir->base.fs = base;
    *call->opened = &dir->base;
    return MOLT_OK;
}

static int op_dir_next(struct molt_fs *base, struct fs_call *call)
{
    struct open_dir *dir = (struct open_dir *)(void *)call->dir;
    FILINFO info;
    int result = fs_fat_result(of(base), f_readdir(&dir->dir, &info));
    if (result != MOLT_OK || info.fname[0] == '\0') {
        return result;
    }
    set_entry(call->entry, &info);
    return 1;
}

static int op_dir_close(struct molt_fs *base, struct fs_call *call)
{
    struct open_dir *dir = (struct open_dir *)(void *)call->dir;
    (void)base;
    f_closedir(&dir->dir);
    return MOLT_OK;
}

/* ---- The whole ---- */

static int op_space(struct molt_fs *base, struct fs_call *call)
{
    struct fs_fat *fs = of(base);
    uint32_t left, total = fs->geometry.entries - 2;
    int result = free_clusters(fs, &left);
    if (result == MOLT_OK) {
        *call->space =
            (struct molt_fs_space){cluster_size(fs), total, left < total ? total - left : 0};
    }
    return result;
}

static int op_flush(struct molt_fs *base, struct fs_call *call)
{
    (void)call;
    return fs_sectors_flush(of(base)->disk.sectors);
}

static int op_leave(struct molt_fs *base, struct fs_call *call)
{
    const char drive[] = {(char)('0' + of(base)->number), ':', '\0'};
    (void)call;
    f_mount(NULL, drive, 0);
    return MOLT_OK;
}

static void destroy(struct molt_fs *base)
{
    struct fs_fat *fs = of(base);
    if (fs->number >= 0) {
        enter(base, op_leave, NULL);
        fs_fat_give(fs->number);
    }
    fs_sectors_close(fs->disk.sectors);
    free(base);
}

static const struct fs_ops fat_ops = {enter,        op_stat,      op_dir_open, op_dir_next,
                                      op_dir_close, op_read,      op_replace,  op_append,
                                      op_mkdir,     op_remove,    op_rename,   op_space,
                                      fs_fat_grow,  fs_fat_check, op_flush,    destroy};

/* ---- Making and mounting ---- */

/* FatFs' number of clusters is that of its smallest volume, where this one is smaller. */
static int set_entries(struct fs_fat *fs, FATFS *fatfs)
{
    uint8_t total[2];
    int result = fs_sectors_read(fs->disk.sectors, 19, total, sizeof total);
    uint32_t sectors = molt_get_le16(total);
    if (result == MOLT_OK && sectors > 0 && sectors < FS_FAT_SECTORS_MIN) {
        uint32_t left = sectors > fatfs->database ? sectors - (uint32_t)fatfs->database : 0;
        fatfs->n_fatent = left / fatfs->csize + 2;
        result = left >= fatfs->csize ? MOLT_OK : MOLT_E_FORMAT;
    }
    return result;
}

static int op_mount(struct molt_fs *base, struct fs_call *call)
{
    struct fs_fat *fs = of(base);
    FATFS *fatfs = fatfs_of(fs);
    const char drive[] = {(char)('0' + fs->number), ':', '\0'};
    (void)call;
    fs->disk.mounting = true;
    int result = fs_fat_result(fs, f_mount(fatfs, drive, 1));
    fs->disk.mounting = false;
    if (result == MOLT_OK) {
        /* A volume in a table of partitions is not what the boot sector said. */
        result = fatfs->volbase == 0 ? set_entries(fs, fatfs) : MOLT_E_FORMAT;
    }
    if (result == MOLT_OK) {
        uint32_t bits = fatfs->fs_type == FS_FAT12 ? 12 : fatfs->fs_type == FS_FAT16 ? 16 : 32;
        fs->geometry = (struct fs_fat_geometry){.bits = bits,
                                                .sector_size = fatfs->ssize,
                                                .fat_at = fatfs->fatbase,
                                                .fats = fatfs->n_fats,
                                                .fat_size = fatfs->fsize,
                                                .cluster = fatfs->csize,
                                                .entries = fatfs->n_fatent,
                                                .data_at = fatfs->database,
                                                .root = fatfs->dirbase};
    }
    return result;
}

int fs_fat_mount_again(struct fs_fat *fs)
{
    return op_mount(&fs->base, NULL);
}

int fs_fat_mount(struct molt_fs **fs, const struct molt_flash *flash, uint32_t offset,
                 uint32_t size, const struct molt_fs_facts *facts, bool read_only)
{
    struct whole *whole = calloc(1, sizeof *whole);
    if (!whole) {
        return MOLT_E_NO_MEMORY;
    }
    struct fs_fat *made = &whole->fs;
    made->base = (struct molt_fs){&fat_ops, MOLT_FS_FAT, read_only, size};
    made->offset = offset;
    made->size = size;
    made->disk.sector_size = facts->block_size;
    made->disk.sector_count = size / facts->block_size;
    made->number = -1;
    int result = fs_sectors_open(&made->disk.sectors, flash, offset, size);
    if (result == MOLT_OK) {
        made->number = result = fs_fat_take(&made->disk);
    }
    if (result >= 0) {
        result = enter(&made->base, op_mount, NULL);
    }
    if (result != MOLT_OK) {
        destroy(&made->base);
        return result;
    }
    *fs = &made->base;
    return MOLT_OK;
}

int fs_fat_format(const struct molt_flash *flash, uint32_t offset, uint32_t size,
                  const struct molt_fs_options *options)
{
    struct fs_sectors *sectors;
    int result = fs_sectors_open(&sectors, flash, offset, size);
    if (result == MOLT_OK) {
        result = fs_fat_make(sectors, options->block_size, size);
        fs_sectors_close(sectors);
    }
    return result;
}
