/* Walks a FAT volume: each folder and file has a chain of clusters of its own, that ends, and is as
 * long as it is; what no chain holds is free. */
#include <ff.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/fs/fs_fat.h"
#include "host/fs/fs_fat_names.h"

#define STEP 4096u

enum owner { NOBODY = 0, A_FOLDER = 1, A_FILE = 2 };

struct walk {
    struct fs_fat *fs;
    struct fs_call *call;
    int complaints;
    char path[FS_FAT_PATH]; /* as FatFs takes it */
    uint8_t owners[];       /* of the clusters: enum owner */
};

static void complain(struct walk *walk, const char *text)
{
    char shown[FS_FAT_PATH];
    walk->complaints++;
    if (walk->call->complaint) {
        snprintf(shown, sizeof shown, "%s", walk->path + 2);
        fs_fat_name_from_medium(shown);
        walk->call->complaint(walk->call->context, shown, text);
    }
}

static bool of_flash(int error)
{
    return error < 0 && error != MOLT_E_FORMAT && error != MOLT_E_NOT_FOUND &&
           error != MOLT_E_ARGUMENT;
}

/* What is wrong with the step from a cluster to the next; NULL: nothing. */
static const char *wrong_step(const struct walk *walk, uint32_t next)
{
    const struct fs_fat *fs = walk->fs;
    return next == 0                                  ? "its chain of clusters runs into a free one"
           : fs_fat_is_bad(fs, next)                  ? "its chain of clusters runs into a bad one"
           : next < 2 || next >= fs->geometry.entries ? "its chain of clusters leaves the volume"
                                                      : NULL;
}

/* Follows a chain and takes its clusters for an owner. *length: clusters; whole: it ends as it
 * should. */
static int follow(struct walk *walk, uint32_t first, enum owner owner, uint32_t *length,
                  bool *whole)
{
    struct fs_fat *fs = walk->fs;
    uint32_t at = first;
    char text[96];
    *length = 0;
    *whole = false;
    for (;;) {
        const char *wrong = wrong_step(walk, at);
        if (wrong) {
            complain(walk, wrong);
            return MOLT_OK;
        }
        if (walk->owners[at] != NOBODY) {
            snprintf(text, sizeof text, "its cluster %u belongs to a %s already, or to itself", at,
                     walk->owners[at] == A_FILE ? "file" : "folder");
            complain(walk, text);
            return MOLT_OK;
        }
        walk->owners[at] = (uint8_t)owner;
        ++*length;
        int result = fs_fat_get(fs, 0, at, &at);
        if (result != MOLT_OK) {
            return result;
        }
        if (fs_fat_is_end(fs, at)) {
            *whole = true;
            return MOLT_OK;
        }
    }
}

static int read_through(struct walk *walk, FIL *file)
{
    uint8_t *bytes = malloc(STEP);
    UINT n = 0;
    int result = bytes ? MOLT_OK : MOLT_E_NO_MEMORY;
    while (result == MOLT_OK) {
        result = fs_fat_result(walk->fs, f_read(file, bytes, STEP, &n));
        if (n < STEP) {
            break;
        }
    }
    free(bytes);
    return result;
}

static int check_file(struct walk *walk)
{
    const struct fs_fat_geometry *g = &walk->fs->geometry;
    uint32_t length = 0, cluster = g->cluster * g->sector_size;
    bool whole = true;
    char text[96];
    FIL file;
    int result = fs_fat_result(walk->fs, f_open(&file, walk->path, FA_READ));
    if (result != MOLT_OK) {
        complain(walk, "cannot be opened: damaged");
        return of_flash(result) ? result : MOLT_OK;
    }
    uint32_t size = (uint32_t)f_size(&file), wanted = size / cluster + (size % cluster != 0);
    if (file.obj.sclust) {
        result = follow(walk, file.obj.sclust, A_FILE, &length, &whole);
    }
    if (result == MOLT_OK && whole && length != wanted) {
        snprintf(text, sizeof text, "has %u bytes, and a chain of %u clusters: expected %u", size,
                 length, wanted);
        complain(walk, text);
    }
    if (result == MOLT_OK && whole && length == wanted) {
        result = read_through(walk, &file);
        if (result < 0 && !of_flash(result)) {
            complain(walk, "cannot be read to its end: damaged");
            result = MOLT_OK;
        }
    }
    f_close(&file);
    return result;
}

static int check_folder(struct walk *walk);

static int check_entry(struct walk *walk, const FILINFO *info)
{
    size_t n = strlen(walk->path), m = strlen(info->fname);
    if (n + 1 + m >= sizeof walk->path) {
        complain(walk, "its folders are too deep to be walked");
        return MOLT_OK;
    }
    walk->path[n] = '/';
    memcpy(walk->path + n + 1, info->fname, m + 1);
    int result = info->fattrib & AM_DIR ? check_folder(walk) : check_file(walk);
    walk->path[n] = '\0';
    return result;
}

static int list_folder(struct walk *walk, DIR *dir)
{
    FILINFO *info = malloc(sizeof *info); /* folders may be deep */
    int result = info ? MOLT_OK : MOLT_E_NO_MEMORY;
    while (result == MOLT_OK) {
        result = fs_fat_result(walk->fs, f_readdir(dir, info));
        if (result != MOLT_OK || info->fname[0] == '\0') {
            break;
        }
        result = check_entry(walk, info);
    }
    free(info);
    return result;
}

static int check_folder(struct walk *walk)
{
    uint32_t length;
    bool whole = true;
    DIR dir;
    int result = fs_fat_result(walk->fs, f_opendir(&dir, walk->path));
    bool fixed = walk->path[2] == '\0' && walk->fs->geometry.bits != 32;
    if (result == MOLT_OK && !fixed) {
        uint32_t first = dir.obj.sclust ? dir.obj.sclust : walk->fs->geometry.root;
        result = follow(walk, first, A_FOLDER, &length, &whole);
    }
    if (result == MOLT_OK && whole) {
        result = list_folder(walk, &dir);
    }
    if (result < 0 && !of_flash(result)) {
        complain(walk, "this folder cannot be read: damaged");
        result = MOLT_OK;
    }
    return result;
}

/* What no chain holds has to be free, and the second table as the first. */
static int check_tables(struct walk *walk)
{
    struct fs_fat *fs = walk->fs;
    uint32_t lost = 0, first = 0, differ = 0, next, other;
    char text[128];
    for (uint32_t c = 2; c < fs->geometry.entries; c++) {
        int result = fs_fat_get(fs, 0, c, &next);
        if (result == MOLT_OK && fs->geometry.fats == 2) {
            result = fs_fat_get(fs, 1, c, &other);
            differ += result == MOLT_OK && other != next;
        }
        if (result != MOLT_OK) {
            return result;
        }
        if (next && walk->owners[c] == NOBODY && !fs_fat_is_bad(fs, next)) {
            first = lost++ ? first : c;
        }
    }
    if (lost) {
        snprintf(text, sizeof text, "%u lost clusters: in use and of no file, the first is %u",
                 lost, first);
        complain(walk, text);
    }
    if (differ) {
        snprintf(text, sizeof text, "its two tables differ in %u entries", differ);
        complain(walk, text);
    }
    return MOLT_OK;
}

int fs_fat_check(struct molt_fs *base, struct fs_call *call)
{
    struct fs_fat *fs = (struct fs_fat *)(void *)base;
    struct walk *walk = calloc(1, sizeof *walk + fs->geometry.entries);
    if (!walk) {
        return MOLT_E_NO_MEMORY;
    }
    walk->fs = fs;
    walk->call = call;
    int result = fs_fat_path(fs, "/", walk->path);
    if (result == MOLT_OK) {
        result = check_folder(walk);
    }
    if (result == MOLT_OK) {
        result = check_tables(walk);
    }
    result = result < 0 ? result : walk->complaints;
    free(walk);
    return result;
}
