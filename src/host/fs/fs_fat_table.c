/* The table of a FAT volume, read and written past FatFs: for checking and growing. */
#include <string.h>

#include "core/bytes.h"
#include "host/fs/fs_fat.h"

/* Where an entry begins, bytes of the range; 12 bits are in two bytes, the odd ones in the upper.
 */
static uint32_t entry_at(const struct fs_fat *fs, uint32_t fat, uint32_t cluster)
{
    const struct fs_fat_geometry *g = &fs->geometry;
    uint32_t start = (g->fat_at + fat * g->fat_size) * g->sector_size;
    return start + (g->bits == 12 ? cluster + cluster / 2 : cluster * (g->bits / 8));
}

static uint32_t entry_size(const struct fs_fat *fs)
{
    return fs->geometry.bits == 32 ? 4 : 2;
}

int fs_fat_get(struct fs_fat *fs, uint32_t fat, uint32_t cluster, uint32_t *next)
{
    uint8_t bytes[4] = {0};
    int result =
        fs_sectors_read(fs->disk.sectors, entry_at(fs, fat, cluster), bytes, entry_size(fs));
    uint32_t value = molt_get_le32(bytes);
    switch (fs->geometry.bits) {
    case 12: *next = cluster % 2 ? value >> 4 : value & 0xFFF; break;
    case 16: *next = value; break;
    default: *next = value & 0x0FFFFFFF; break;
    }
    return result;
}

int fs_fat_set(struct fs_fat *fs, uint32_t fat, uint32_t cluster, uint32_t next)
{
    uint8_t bytes[4] = {0};
    uint32_t at = entry_at(fs, fat, cluster), keep = 0;
    int result = fs_sectors_read(fs->disk.sectors, at, bytes, entry_size(fs));
    if (result != MOLT_OK) {
        return result;
    }
    if (fs->geometry.bits == 12) {
        keep = cluster % 2 ? 0x000Fu : 0xF000u;
        next = cluster % 2 ? next << 4 : next;
    } else if (fs->geometry.bits == 32) {
        keep = 0xF0000000u;
    }
    molt_put_le32(bytes, (molt_get_le32(bytes) & keep) | next);
    return fs_sectors_write(fs->disk.sectors, at, bytes, entry_size(fs));
}

/* The largest value of an entry. */
static uint32_t last_of(const struct fs_fat *fs)
{
    return fs->geometry.bits == 12 ? 0xFFF : fs->geometry.bits == 16 ? 0xFFFF : 0x0FFFFFFF;
}

bool fs_fat_is_end(const struct fs_fat *fs, uint32_t next)
{
    return next >= last_of(fs) - 7;
}

bool fs_fat_is_bad(const struct fs_fat *fs, uint32_t next)
{
    return next == last_of(fs) - 8;
}

/* ---- Growing ---- */

static int refuse(struct fs_call *call, const struct fs_fat *fs, const char *why, uint32_t clusters)
{
    return molt_fail(call->message, MOLT_E_UNSUPPORTED,
                     "the FAT%u at 0x%x cannot grow to %u bytes, %u clusters: %s: make a new one "
                     "and copy the files",
                     fs->geometry.bits, fs->offset, call->n, clusters, why);
}

static int write_total(struct fs_fat *fs, uint32_t sectors)
{
    uint8_t boot[512];
    uint32_t copies[2] = {0, 0};
    int result = fs_sectors_read(fs->disk.sectors, 0, boot, sizeof boot);
    /* FAT32 keeps a copy of this sector. */
    copies[1] = fs->geometry.bits == 32 ? molt_get_le16(boot + 50) : 0;
    if (result != MOLT_OK) {
        return result;
    }
    bool small = sectors < 0x10000 && fs->geometry.bits != 32;
    molt_put_le16(boot + 19, (uint16_t)(small ? sectors : 0));
    molt_put_le32(boot + 32, small ? 0 : sectors);
    for (uint32_t i = 0; i < 2 && result == MOLT_OK; i++) {
        if (i == 0 || (copies[i] > 0 && copies[i] < fs->geometry.fat_at)) {
            uint32_t at = copies[i] * fs->geometry.sector_size;
            result = fs_sectors_write(fs->disk.sectors, at, boot, sizeof boot);
        }
    }
    return result == MOLT_OK ? fs_sectors_flush(fs->disk.sectors) : result;
}

int fs_fat_grow(struct molt_fs *base, struct fs_call *call)
{
    struct fs_fat *fs = (struct fs_fat *)(void *)base;
    const struct fs_fat_geometry *g = &fs->geometry;
    uint32_t sectors = call->n / g->sector_size, old = g->entries - 2;
    if (call->n > fs->size) {
        return molt_fail(call->message, MOLT_E_RANGE,
                         "cannot grow the FAT at 0x%x to %u bytes: its range has %u", fs->offset,
                         call->n, fs->size);
    }
    uint32_t clusters = sectors > g->data_at ? (sectors - g->data_at) / g->cluster : 0;
    uint64_t fit = (uint64_t)g->fat_size * g->sector_size * 8 / g->bits;
    uint32_t most = g->bits == 12   ? FS_FAT12_CLUSTERS
                    : g->bits == 16 ? FS_FAT16_CLUSTERS
                                    : 0x0FFFFFF5;
    if (clusters < old) {
        return refuse(call, fs, "it is larger now, and does not shrink", clusters);
    }
    if (clusters > most || clusters + 2ull > fit) {
        return refuse(call, fs, "its table has no room for them", clusters);
    }
    int result = MOLT_OK;
    /* What is behind the last entry was never said to be free. */
    for (uint32_t fat = 0; fat < g->fats; fat++) {
        for (uint32_t c = g->entries; c < clusters + 2 && result == MOLT_OK; c++) {
            result = fs_fat_set(fs, fat, c, 0);
        }
    }
    if (result == MOLT_OK && clusters > old) {
        result = write_total(fs, sectors);
    }
    if (result == MOLT_OK) {
        result = fs_fat_mount_again(fs);
    }
    return result == MOLT_OK ? MOLT_OK
                             : molt_fail(call->message, result, "cannot grow the FAT at 0x%x: %s",
                                         fs->offset, molt_strerror(result));
}
