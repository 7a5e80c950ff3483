/* The boot sector of a FAT volume that has the range for itself (no partition table): "Microsoft
 * FAT Specification", BIOS Parameter Block; the kind follows from the number of clusters alone. */
#include <stdio.h>

#include "core/bytes.h"
#include "host/fs/fs_fat.h"

static bool power_of_two(uint32_t n)
{
    return n && (n & (n - 1)) == 0;
}

/* 12, 16 or 32; 0: no FAT. */
static uint32_t fat_bits(const uint8_t *sector, uint32_t *sector_size, uint32_t *sectors)
{
    uint32_t per_cluster = sector[13], reserved = molt_get_le16(sector + 14);
    uint32_t fats = sector[16];
    uint32_t roots = molt_get_le16(sector + 17), fat_size = molt_get_le16(sector + 22);
    *sector_size = molt_get_le16(sector + 11);
    *sectors = molt_get_le16(sector + 19) ? molt_get_le16(sector + 19) : molt_get_le32(sector + 32);
    bool wide = fat_size == 0;
    fat_size = wide ? molt_get_le32(sector + 36) : fat_size;
    if (!(sector[0] == 0xEB || sector[0] == 0xE9 || sector[0] == 0xE8) || sector[510] != 0x55 ||
        sector[511] != 0xAA || *sector_size < 512 || *sector_size > 4096 ||
        !power_of_two(*sector_size) || !power_of_two(per_cluster) || reserved == 0 || fats < 1 ||
        fats > 2 || fat_size == 0 || (wide ? roots != 0 : roots == 0)) {
        return 0;
    }
    uint64_t before =
        reserved + (uint64_t)fats * fat_size + (roots * 32 + *sector_size - 1) / *sector_size;
    if (before >= *sectors) {
        return 0;
    }
    uint32_t clusters = (*sectors - (uint32_t)before) / per_cluster;
    return clusters == 0                   ? 0
           : wide                          ? 32
           : clusters <= FS_FAT12_CLUSTERS ? 12
           : clusters <= FS_FAT16_CLUSTERS ? 16
                                           : 0;
}

int fs_fat_probe(struct molt_fs_facts *facts, const struct molt_flash *flash, uint32_t offset,
                 uint32_t size)
{
    uint8_t sector[512];
    uint32_t sector_size, sectors;
    if (size < sizeof sector) {
        return MOLT_OK;
    }
    int result = molt_flash_read(flash, offset, sector, sizeof sector);
    uint32_t bits = result == MOLT_OK ? fat_bits(sector, &sector_size, &sectors) : 0;
    if (bits) {
        facts->kind = MOLT_FS_FAT;
        facts->block_size = sector_size;
        facts->block_count = sectors;
        facts->version = bits;
        facts->name_max = 255;
        snprintf(facts->variant, sizeof facts->variant, "FAT%u", bits);
    }
    return result;
}
