/*
 * Mounted file systems: littlefs v2 and FAT on a range of a flash, as MicroPython's VfsLfs2 and
 * VfsFat make and mount them. Host only: the real littlefs C library, ChaN's FatFs.
 *
 * Paths are absolute, '/' between names, UTF-8, of any length that the file system takes; "/" is
 * the root. The flash stays the caller's and must outlive the mount. Errors of the flash come
 * through as they are (MOLT_E_IO, MOLT_E_POWER); after one of those the mount is of no use any
 * more: unmount it. What is on the flash is never trusted: whatever it holds, a call ends.
 *
 * One mount is used by one thread at a time; several mounts may be used at once.
 */
#ifndef MOLT_HOST_FS_H
#define MOLT_HOST_FS_H

#include <stdbool.h>
#include <stdint.h>

#include "molt/files.h"
#include "molt/flash.h"
#include "molt/host/message.h"

#ifdef __cplusplus
extern "C" {
#endif

enum molt_fs_kind { MOLT_FS_NONE = 0, MOLT_FS_LITTLEFS, MOLT_FS_FAT };

/* "littlefs", "FAT"; "none". */
const char *molt_fs_kind_name(enum molt_fs_kind kind);

/* ---- What is there, before anything is mounted ---- */

struct molt_fs_facts {
    enum molt_fs_kind kind;
    /* As the superblock or boot sector says: for FAT sectors. block_size * block_count may be more
     * than the range, or less. */
    uint32_t block_size, block_count;
    uint32_t version;       /* littlefs: of the disk format, major << 16 | minor; FAT: 12, 16, 32 */
    char variant[24];       /* "littlefs 2.0", "FAT12" */
    uint32_t name_max;      /* bytes of one name */
    uint32_t superblock_at; /* bytes from the start of the range: which copy says so */
};

/*
 * Looks for a littlefs superblock (either copy: the newer valid one counts) or a FAT boot sector.
 * MOLT_OK, also when there is none (kind NONE); MOLT_E_RANGE, or what the flash says. A littlefs
 * whose first copy is damaged is found by the second.
 */
int molt_fs_probe(struct molt_fs_facts *facts, const struct molt_flash *flash, uint32_t offset,
                  uint32_t size);

/* ---- Making and mounting ---- */

struct molt_fs_options {
    enum molt_fs_kind kind; /* NONE: littlefs */
    /* Disk version, 0x00020000 or 0x00020001; 0: 2.0, which each MicroPython mounts; since 1.22 it
       makes 2.1, which has a CRC of what is erased: in 2.0 a torn write may pass for that. What
       the MicroPython of a target mounts: molt_fsops_lfs_version(). */
    uint32_t lfs_version;
    uint32_t block_size; /* 0: 4096. FAT: 512 or 4096, the sector */
};

/*
 * Makes an empty file system over the whole range, as VfsLfs2.mkfs or VfsFat.mkfs would: everything
 * in it is lost. options may be NULL. MOLT_E_ALIGNMENT: not whole blocks, or under two;
 * MOLT_E_NO_SPACE: too small for FAT; MOLT_E_ARGUMENT: options.
 */
int molt_fs_format(const struct molt_flash *flash, uint32_t offset, uint32_t size,
                   const struct molt_fs_options *options, struct molt_message *message);

struct molt_fs;
struct molt_fs_dir;

/*
 * Mounts what is there. Nothing is written, before the first change. The file system may be smaller
 * than its range; one that is larger is MOLT_E_FORMAT, and the message says both sizes. No file
 * system or a damaged one: MOLT_E_FORMAT; MOLT_E_ALIGNMENT: the range does not begin at a sector of
 * the flash; MOLT_E_UNSUPPORTED: littlefs v1, a block size over 64 KB. *fs is freed by
 * molt_fs_unmount; NULL on failure. littlefs keeps the disk version that it has: older MicroPython
 * cannot mount a newer one.
 */
int molt_fs_mount(struct molt_fs **fs, const struct molt_flash *flash, uint32_t offset,
                  uint32_t size, bool read_only, struct molt_message *message);

/* Writes what is still in memory, and frees fs whatever happens. NULL is MOLT_OK. */
int molt_fs_unmount(struct molt_fs *fs, struct molt_message *message);

enum molt_fs_kind molt_fs_kind_of(const struct molt_fs *fs);

/* ---- Files and folders ----
 *
 * Errors of all of these: MOLT_E_NOT_FOUND; MOLT_E_ARGUMENT (a path that is not absolute, a name
 * that is too long or that FAT does not take, a folder where a file is expected or the reverse, a
 * folder that is not empty or would go below itself); MOLT_E_EXISTS; MOLT_E_NO_SPACE;
 * MOLT_E_PERMISSION (mounted read-only, or a file that is marked so); MOLT_E_FORMAT (damaged);
 * MOLT_E_NO_MEMORY; those of the flash.
 */
struct molt_fs_entry {
    char name[768]; /* with its NUL; 255 UTF-16 units of FAT are up to 765 bytes */
    bool is_folder;
    uint32_t size; /* bytes; 0 for folders */
};

/* The root has the name "/"; on FAT a name is in the letters that were asked for. */
int molt_fs_stat(struct molt_fs *fs, const char *path, struct molt_fs_entry *entry);

/* 1 and the next entry, 0 at the end; without . and .., in the order of the medium. The folder must
 * not be changed in between. */
int molt_fs_dir_open(struct molt_fs *fs, const char *path, struct molt_fs_dir **dir);
int molt_fs_dir_next(struct molt_fs_dir *dir, struct molt_fs_entry *entry);
void molt_fs_dir_close(struct molt_fs_dir *dir); /* before the unmount; NULL does nothing */

/* The whole file; *bytes is the caller's to free, NULL on failure, and never NULL for an empty file
 * (one more byte behind its end is 0). */
int molt_fs_read_file(struct molt_fs *fs, const char *path, uint8_t **bytes, uint32_t *n);

/*
 * The whole file, made or replaced; its folder must be there. The free space is looked at first. A
 * failure, a full file system too, leaves the old file as it was and nothing of the new one. On
 * littlefs that holds for a power cut as well; FAT writes another name, ".molt-new" in the same
 * folder, and renames: a cut between leaves that one.
 */
int molt_fs_write_file(struct molt_fs *fs, const char *path, const void *bytes, uint32_t n);

int molt_fs_mkdir(struct molt_fs *fs, const char *path);  /* MOLT_E_EXISTS when there */
int molt_fs_remove(struct molt_fs *fs, const char *path); /* a file or an empty folder */
/* A file in the way is replaced, an empty folder too where both are folders. Atomic on littlefs. */
int molt_fs_rename(struct molt_fs *fs, const char *from, const char *to);

/* ---- The whole ---- */

struct molt_fs_space {
    uint32_t block_size;  /* bytes: the unit in which space goes; FAT: a cluster */
    uint32_t total, used; /* blocks. littlefs: used is an upper count */
};
int molt_fs_space(struct molt_fs *fs, struct molt_fs_space *space);

/*
 * Takes the whole of size bytes, from where it begins: size is within the range that was mounted. A
 * smaller one than it has now is MOLT_E_UNSUPPORTED (shrinking: copy the files into a new one), the
 * same size is MOLT_OK. FAT: as far as its tables reach, else MOLT_E_UNSUPPORTED.
 */
int molt_fs_grow(struct molt_fs *fs, uint32_t size, struct molt_message *message);

/* path "" is the file system itself. The texts live during the call. */
typedef void (*molt_fs_complaint)(void *context, const char *path, const char *text);

/*
 * Walks everything and reads every file; says what cannot be right: files that cannot be read,
 * blocks that belong to two, folders that contain themselves, lost clusters. The number of
 * complaints, or an error of the flash or of memory. complaint may be NULL. Nothing is changed.
 */
int molt_fs_check(struct molt_fs *fs, molt_fs_complaint complaint, void *context);

/*
 * The files interface over a mount, which stays the caller's: files->context is fs. Writes at
 * offset 0 and renames are atomic on littlefs only. MOLT_E_RANGE: a write that does not append.
 */
void molt_fs_files(struct molt_fs *fs, struct molt_files *files);

#ifdef __cplusplus
}
#endif
#endif
