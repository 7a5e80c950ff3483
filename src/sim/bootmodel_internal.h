/* The boot model's own readers. Nothing here comes from src/core: see molt/sim/bootmodel.h. */
#ifndef MOLT_SIM_BOOTMODEL_INTERNAL_H
#define MOLT_SIM_BOOTMODEL_INTERNAL_H

#include "molt/sim/bootmodel.h"

#define BOOT_MAX_OTA 16
#define BOOT_ROWS    96 /* of a table: so many OTA rows may be counted */

struct boot_part {
    uint32_t offset, size; /* size 0 = not in the table */
    char label[17];
    uint8_t subtype;
};

struct boot_table {
    struct boot_part factory, test, ota[BOOT_MAX_OTA];
    uint32_t otadata_offset, otadata_size;
    uint32_t ota_count; /* rows, as the bootloader counts: gaps and duplicates count too */
    bool app_aborts;    /* the application's own reader will not accept it */
};

/* true, or false with the reason. */
bool boot_table_read(struct boot_table *table, const struct molt_flash *flash, uint32_t offset,
                     uint32_t flash_size, char *why, size_t why_size);

/* Would this image be started? On true its length and the SHA-256 of all of it. */
bool boot_image_loads(const struct molt_flash *flash, const struct boot_part *part,
                      const struct molt_bootmodel_facts *facts, const struct molt_digest *digest,
                      uint32_t *length, uint8_t sha256[32], char *why, size_t why_size);

uint32_t boot_le32(const uint8_t *p);
uint16_t boot_le16(const uint8_t *p);

#endif
