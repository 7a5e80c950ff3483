#define _XOPEN_SOURCE 700 /* recursive mutexes */

#include "host/fs/fs_fat_volume.h"

#include <ff.h>

/* after ff.h, whose types it uses */
#include <diskio.h>
#include <pthread.h>
#include <stddef.h>

#include "core/bytes.h"
#include "molt/error.h"

static pthread_mutex_t lock;
static pthread_once_t lock_made = PTHREAD_ONCE_INIT;
static struct fs_fat_disk *disks[FF_VOLUMES]; /* by FatFs' number; under the lock */

static void make_lock(void)
{
    pthread_mutexattr_t kind;
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&lock, &kind);
    pthread_mutexattr_destroy(&kind);
}

void fs_fat_enter(void)
{
    pthread_once(&lock_made, make_lock);
    pthread_mutex_lock(&lock);
}

void fs_fat_leave(void)
{
    pthread_mutex_unlock(&lock);
}

int fs_fat_take(struct fs_fat_disk *disk)
{
    int number = 0;
    fs_fat_enter();
    while (number < FF_VOLUMES && disks[number]) {
        number++;
    }
    if (number < FF_VOLUMES) {
        disks[number] = disk;
    }
    fs_fat_leave();
    return number < FF_VOLUMES ? number : MOLT_E_BUSY;
}

void fs_fat_give(int number)
{
    fs_fat_enter();
    disks[number] = NULL;
    fs_fat_leave();
}

/* ---- What FatFs calls, with the lock held ---- */

DSTATUS disk_initialize(BYTE drive)
{
    return drive < FF_VOLUMES && disks[drive] ? 0 : STA_NOINIT;
}

DSTATUS disk_status(BYTE drive)
{
    return disk_initialize(drive);
}

static DRESULT result_of(struct fs_fat_disk *disk, int result)
{
    if (result == MOLT_OK) {
        return RES_OK;
    }
    disk->error = result;
    return RES_ERROR;
}

/* What is on the medium may point anywhere; the sectors say so as well, but as an error of a
 * caller. */
static int inside(const struct fs_fat_disk *disk, LBA_t sector, UINT count)
{
    return sector < disk->sector_count && count <= disk->sector_count - sector;
}

/* Says FS_FAT_SECTORS_MIN where the boot sector says less; fs_fat.c puts the number of clusters
 * right. */
static void enlarge(BYTE *boot)
{
    uint32_t sectors = molt_get_le16(boot + 19);
    if (sectors > 0 && sectors < FS_FAT_SECTORS_MIN) {
        molt_put_le16(boot + 19, FS_FAT_SECTORS_MIN);
    }
}

DRESULT disk_read(BYTE drive, BYTE *buffer, LBA_t sector, UINT count)
{
    struct fs_fat_disk *disk = disks[drive];
    if (!inside(disk, sector, count)) {
        return RES_PARERR;
    }
    int result = fs_sectors_read(disk->sectors, sector * disk->sector_size, buffer,
                                 count * disk->sector_size);
    if (result == MOLT_OK && disk->mounting && sector == 0) {
        enlarge(buffer);
    }
    return result_of(disk, result);
}

DRESULT disk_write(BYTE drive, const BYTE *buffer, LBA_t sector, UINT count)
{
    struct fs_fat_disk *disk = disks[drive];
    if (!inside(disk, sector, count)) {
        return RES_PARERR;
    }
    return result_of(disk, fs_sectors_write(disk->sectors, sector * disk->sector_size, buffer,
                                            count * disk->sector_size));
}

DRESULT disk_ioctl(BYTE drive, BYTE command, void *buffer)
{
    struct fs_fat_disk *disk = disks[drive];
    if (command == CTRL_SYNC) {
        return result_of(disk, fs_sectors_flush(disk->sectors));
    }
    if (command == GET_SECTOR_SIZE) {
        *(WORD *)buffer = (WORD)disk->sector_size;
        return RES_OK;
    }
    return RES_PARERR;
}
