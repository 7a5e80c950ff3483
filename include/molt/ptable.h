/*
 * Partition table of ESP32 chips, binary form. Source: ESP-IDF partition table documentation and
 * bootloader; docs/SPEC.md, "Partition table". At flash 0x8000 by default, 0xC00 bytes in a sector
 * of its own.
 */
#ifndef MOLT_PTABLE_H
#define MOLT_PTABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "molt/error.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MOLT_PTABLE_OFFSET   0x8000u
#define MOLT_PTABLE_SIZE     0xC00u
#define MOLT_PTABLE_MAX_ROWS 95
#define MOLT_PARTITION_LABEL 16

enum molt_partition_type { MOLT_PARTITION_APP = 0, MOLT_PARTITION_DATA = 1 };

enum molt_partition_subtype {
    MOLT_APP_FACTORY = 0x00,
    MOLT_APP_OTA_0 = 0x10, /* ..0x1F */
    MOLT_APP_OTA_15 = 0x1F,
    MOLT_APP_TEST = 0x20,
    MOLT_DATA_OTADATA = 0x00,
    MOLT_DATA_PHY = 0x01,
    MOLT_DATA_NVS = 0x02,
    MOLT_DATA_FAT = 0x81,
    MOLT_DATA_SPIFFS = 0x82,
    MOLT_DATA_LITTLEFS = 0x83,
    MOLT_DATA_ROMFS = 0x8F /* MicroPython's; found by its label */
};

struct molt_partition {
    uint8_t type;
    uint8_t subtype;
    uint32_t offset; /* bytes in flash */
    uint32_t size;   /* bytes */
    char label[MOLT_PARTITION_LABEL + 1];
    uint32_t flags; /* bit 0 encrypted, bit 1 readonly */
};

struct molt_ptable {
    struct molt_partition row[MOLT_PTABLE_MAX_ROWS];
    uint32_t count;
    bool has_md5;
};

/*
 * Reads rows only: magic, MD5 row, end. MOLT_E_TABLE_MAGIC, MOLT_E_TABLE_MD5, MOLT_E_TRUNCATED.
 * n is at most MOLT_PTABLE_SIZE; more is ignored.
 */
int molt_ptable_parse(struct molt_ptable *table, const void *bytes, uint32_t n,
                      struct molt_diag *diag);

/* Writes MOLT_PTABLE_SIZE bytes: rows in the order given, MD5 row when has_md5, rest FF.
 * MOLT_E_TABLE_FULL. */
int molt_ptable_write(const struct molt_ptable *table, uint8_t bytes[MOLT_PTABLE_SIZE]);

/*
 * Every rule of a table that boots and can be updated; the first broken one is returned, its row's
 * number in diag->offset (MOLT_DIAG_NONE where none is to blame). Where what ends with " row",
 * expected is the number of that other row. flash_size in bytes. Rows need not ascend.
 */
int molt_ptable_check(const struct molt_ptable *table, uint32_t flash_size, struct molt_diag *diag);

/* The same of a table that lies elsewhere. */
int molt_ptable_check_at(const struct molt_ptable *table, uint32_t flash_size,
                         uint32_t table_offset, struct molt_diag *diag);

/* First row of that type and subtype / of that label; NULL when there is none. */
const struct molt_partition *molt_ptable_find(const struct molt_ptable *table, uint8_t type,
                                              uint8_t subtype);
const struct molt_partition *molt_ptable_find_label(const struct molt_ptable *table,
                                                    const char *label);

/* ESP-IDF's keywords ("app", "ota_3", "nvs", "undefined"), and "romfs"; NULL when there is none. */
const char *molt_partition_type_name(uint8_t type);
const char *molt_partition_subtype_name(uint8_t type, uint8_t subtype);

/* And back: such a keyword in any case, or a number 0..255 (decimal, 0x...). MOLT_E_NOT_FOUND. */
int molt_partition_type_of(const char *name);
int molt_partition_subtype_of(uint8_t type, const char *name);

/* Type and subtype of an app's or data's subtype keyword alone ("factory", "ota_1", "ota", "fat").
 * MOLT_E_NOT_FOUND. */
int molt_partition_kind_of(const char *name, uint8_t *type, uint8_t *subtype);

/* Rows with an app of subtype ota_0..ota_15. */
uint32_t molt_ptable_slot_count(const struct molt_ptable *table);

#ifdef __cplusplus
}
#endif
#endif
