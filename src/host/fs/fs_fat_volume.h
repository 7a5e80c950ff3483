/*
 * FatFs' own globals, all in fs_fat_volume.c: its table of volumes, and the table that its disk
 * functions are told a number of. One lock is held while FatFs runs; so FatFs is only called
 * between enter and leave.
 */
#ifndef MOLT_HOST_FS_FAT_VOLUME_H
#define MOLT_HOST_FS_FAT_VOLUME_H

#include <stdbool.h>
#include <stdint.h>

#include "host/fs/fs_sectors.h"

struct fs_fat_disk {
    struct fs_sectors *sectors;
    uint32_t sector_size, sector_count;
    bool mounting; /* the boot sector of a small volume is shown as of a larger one: fs_fat_volume.c
                    */
    int error;     /* the last of the flash, because FatFs passes on only its own numbers */
};

/* FatFs mounts no volume of fewer sectors; MicroPython makes them from 50. */
#define FS_FAT_SECTORS_MIN 128u

/* The lock is the thread's own: it may enter again. */
void fs_fat_enter(void);
void fs_fat_leave(void);

/* Takes a number for the disk, which stays the caller's: 0 to 9; MOLT_E_BUSY: all are taken. */
int fs_fat_take(struct fs_fat_disk *disk);
void fs_fat_give(int number);

#endif
