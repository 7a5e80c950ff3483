/* Shared by fs_fat*.c. */
#ifndef MOLT_HOST_FS_FAT_H
#define MOLT_HOST_FS_FAT_H

#include "host/fs/fs_fat_volume.h"
#include "host/fs/fs_internal.h"

/* The most clusters of a kind, as FatFs and so MicroPython counts them. */
#define FS_FAT12_CLUSTERS 0xFF5u
#define FS_FAT16_CLUSTERS 0xFFF5u

/* A path as FatFs takes it: its number, ':', and names of up to three bytes for one of ours. */
#define FS_FAT_PATH (2 + 3 * FS_PATH_MAX)

/* Where things lie; sectors. */
struct fs_fat_geometry {
    uint32_t bits, sector_size, fat_at, fats, fat_size, cluster;
    uint32_t entries; /* of the FAT: clusters + 2 */
    uint32_t data_at;
    uint32_t root; /* FAT32: its first cluster */
};

struct fs_fat {
    struct molt_fs base;
    struct fs_fat_disk disk;
    struct fs_fat_geometry geometry;
    uint32_t offset, size; /* the range on the flash */
    int number;            /* FatFs' */
    char path[FS_FAT_PATH], to[FS_FAT_PATH];
};

/* FatFs' answer (an FRESULT) as ours; what the flash said goes first. */
int fs_fat_result(struct fs_fat *fs, unsigned answer);

/* A tidy path as FatFs takes it, into path. */
int fs_fat_path(struct fs_fat *fs, const char *path, char made[FS_FAT_PATH]);

/* Reads boot sector and geometry anew; the lock is held. */
int fs_fat_mount_again(struct fs_fat *fs);

/* fs_fat_mkfs.c: MOLT_E_NO_SPACE, too small; MOLT_E_UNSUPPORTED, too large. */
int fs_fat_make(struct fs_sectors *sectors, uint32_t sector_size, uint32_t size);

/* fs_fat_table.c: the entry of a cluster in one of the FATs; what ends a chain, what is marked bad.
 */
int fs_fat_get(struct fs_fat *fs, uint32_t fat, uint32_t cluster, uint32_t *next);
int fs_fat_set(struct fs_fat *fs, uint32_t fat, uint32_t cluster, uint32_t next);
bool fs_fat_is_end(const struct fs_fat *fs, uint32_t next);
bool fs_fat_is_bad(const struct fs_fat *fs, uint32_t next);

fs_operation fs_fat_check, fs_fat_grow;

#endif
