/* The partition table as the second-stage bootloader reads it (ESP-IDF 4.4 and 5.0:
 * flash_partitions.c). */
#include <stdio.h>
#include <string.h>

#include "sim/bootmodel_internal.h"
#include "sim/bootmodel_md5.h"

#define ROW  32u
#define ROWS (uint32_t) BOOT_ROWS
#define AREA (ROWS * ROW)

uint32_t boot_le32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

uint16_t boot_le16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

/* The number of rows, as the bootloader counts them; -1 with the reason when it refuses the table.
 */
static int verify(const uint8_t *area, uint32_t flash_size, bool *has_md5, char *why,
                  size_t why_size)
{
    *has_md5 = false;
    for (uint32_t i = 0; i < ROWS; i++) {
        const uint8_t *row = area + i * ROW;
        uint16_t magic = boot_le16(row);
        if (magic == 0x50AA) {
            uint32_t offset = boot_le32(row + 4), size = boot_le32(row + 8);
            if (offset > flash_size || size > flash_size - offset) {
                snprintf(why, why_size,
                         "partition %u ends behind the flash size in the bootloader's header", i);
                return -1;
            }
        } else if (magic == 0xEBEB) {
            uint8_t digest[16];
            if (*has_md5) {
                snprintf(why, why_size, "two MD5 rows in the partition table");
                return -1;
            }
            boot_md5(area, i * ROW, digest);
            if (memcmp(digest, row + 16, 16) != 0) {
                snprintf(why, why_size, "wrong MD5 in the partition table");
                return -1;
            }
            *has_md5 = true;
        } else if (magic == 0xFFFF && row[2] == 0xFF && row[3] == 0xFF) {
            return (int)(i - (*has_md5 ? 1 : 0));
        } else {
            snprintf(why, why_size, "row %u of the partition table has magic 0x%04x", i, magic);
            return -1;
        }
    }
    snprintf(why, why_size, "the partition table has no end");
    return -1;
}

static void take(struct boot_part *part, const uint8_t *row)
{
    part->offset = boot_le32(row + 4);
    part->size = boot_le32(row + 8);
    part->subtype = row[3];
    memcpy(part->label, row + 12, 16);
    part->label[16] = 0;
}

bool boot_table_read(struct boot_table *table, const struct molt_flash *flash, uint32_t offset,
                     uint32_t flash_size, char *why, size_t why_size)
{
    uint8_t area[AREA];
    bool has_md5;
    memset(table, 0, sizeof *table);
    if (flash->ops->read(flash->context, offset, area, AREA) < 0) {
        snprintf(why, why_size, "the partition table cannot be read");
        return false;
    }
    int count = verify(area, flash_size, &has_md5, why, why_size);
    if (count < 0) {
        return false;
    }
    for (int i = 0; i < count; i++) {
        const uint8_t *row = area + (uint32_t)i * ROW;
        if (row[2] == 0 && row[3] == 0) {
            take(&table->factory, row);
        } else if (row[2] == 0 && row[3] == 0x20) {
            take(&table->test, row);
        } else if (row[2] == 0 && (row[3] & 0xF0) == 0x10) {
            take(&table->ota[row[3] & 0x0F], row);
            table->ota_count++;
        } else if (row[2] == 1 && row[3] == 0) {
            table->otadata_offset = boot_le32(row + 4);
            table->otadata_size = boot_le32(row + 8);
        }
    }
    table->app_aborts = !has_md5;
    return true;
}
