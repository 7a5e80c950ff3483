/*
 * An empty FAT12 or FAT16 volume without a partition table, the same bytes as VfsFat.mkfs of
 * MicroPython writes (but for its serial number, which comes from the clock there): one FAT, 512
 * entries in the root folder, clusters by the size of the volume. FatFs' own f_mkfs refuses volumes
 * under 128 sectors, which MicroPython makes and mounts.
 */
#include <string.h>

#include "core/bytes.h"
#include "host/fs/fs_fat.h"

#define SECTORS_MIN  50u
#define ROOT_ENTRIES 512u
#define ENTRY_SIZE   32u
#define CLUSTERS_MIN 16u
#define CLUSTER_MAX  128u /* sectors */
#define MEDIA        0xF8u

struct layout {
    uint32_t bits, sector_size, sectors, cluster, fat, root; /* of the last four: sectors */
};

/* Where the size of the volume alone would say: 4096 sectors a step. */
static uint32_t first_cluster(uint32_t sectors)
{
    static const uint32_t step[] = {1, 4, 16, 64, 256, 512};
    uint32_t steps = sectors / 4096, cluster = 1;
    for (uint32_t i = 0; i < sizeof step / sizeof step[0] && step[i] <= steps; i++) {
        cluster *= 2;
    }
    return cluster;
}

/* Larger clusters until their number fits one of the two kinds. */
static int lay_out(struct layout *layout, uint32_t sector_size, uint32_t sectors)
{
    *layout = (struct layout){.sector_size = sector_size, .sectors = sectors};
    layout->root = ROOT_ENTRIES * ENTRY_SIZE / sector_size;
    if (sectors < SECTORS_MIN) {
        return MOLT_E_NO_SPACE;
    }
    for (uint32_t n = first_cluster(sectors); n <= CLUSTER_MAX; n *= 2) {
        uint32_t clusters = sectors / n;
        layout->bits = clusters > FS_FAT12_CLUSTERS ? 16 : 12;
        uint32_t bytes = layout->bits == 16 ? clusters * 2 + 4 : (clusters * 3 + 1) / 2 + 3;
        layout->fat = (bytes + sector_size - 1) / sector_size;
        layout->cluster = n;
        uint32_t before = 1 + layout->fat + layout->root;
        if (sectors < before + n * CLUSTERS_MIN) {
            return MOLT_E_NO_SPACE;
        }
        clusters = (sectors - before) / n;
        bool fits =
            layout->bits == 12 || (clusters > FS_FAT12_CLUSTERS && clusters <= FS_FAT16_CLUSTERS);
        if (fits) {
            return MOLT_OK;
        }
    }
    return MOLT_E_UNSUPPORTED;
}

static void make_boot_sector(uint8_t *boot, const struct layout *layout)
{
    memcpy(boot, "\xEB\xFE\x90MSDOS5.0", 11);
    molt_put_le16(boot + 11, (uint16_t)layout->sector_size);
    boot[13] = (uint8_t)layout->cluster;
    molt_put_le16(boot + 14, 1); /* reserved: this one */
    boot[16] = 1;                /* FATs */
    molt_put_le16(boot + 17, ROOT_ENTRIES);
    if (layout->sectors < 0x10000) {
        molt_put_le16(boot + 19, (uint16_t)layout->sectors);
    } else {
        molt_put_le32(boot + 32, layout->sectors);
    }
    boot[21] = MEDIA;
    molt_put_le16(boot + 22, (uint16_t)layout->fat);
    molt_put_le16(boot + 24, 63);  /* sectors a track, */
    molt_put_le16(boot + 26, 255); /* heads: of no meaning, but expected */
    boot[36] = 0x80;
    boot[38] = 0x29;
    molt_put_le32(boot + 39, 0x4D4F4C54u ^ layout->sectors); /* serial number: the same each time */
    memcpy(boot + 43, "NO NAME    FAT     ", 19);
    boot[510] = 0x55;
    boot[511] = 0xAA;
}

int fs_fat_make(struct fs_sectors *sectors, uint32_t sector_size, uint32_t size)
{
    uint8_t sector[FS_SECTOR] = {0};
    struct layout layout;
    int result = lay_out(&layout, sector_size, size / sector_size);
    if (result != MOLT_OK) {
        return result;
    }
    make_boot_sector(sector, &layout);
    result = fs_sectors_write(sectors, 0, sector, sector_size);
    memset(sector, 0, sizeof sector);
    uint32_t end = 1 + layout.fat + layout.root;
    for (uint32_t i = 1; i < end && result == MOLT_OK; i++) {
        /* The first two entries are the medium's. */
        molt_put_le32(sector, i > 1 ? 0 : layout.bits == 16 ? 0xFFFFFFF8 : 0x00FFFFF8);
        result = fs_sectors_write(sectors, i * sector_size, sector, sector_size);
    }
    return result == MOLT_OK ? fs_sectors_flush(sectors) : result;
}
