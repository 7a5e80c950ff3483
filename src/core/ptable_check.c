/*
 * The rules of a table that boots and can be updated. The bootloader and ESP-IDF's own tool each
 * let some of these pass; a device then fails later, so none passes here.
 */
#include "molt/ptable.h"

#define SECTOR        0x1000u
#define APP_ALIGNMENT 0x10000u
#define OTADATA_SIZE  0x2000u
#define COREDUMP      0x03u
#define TEE_OTADATA   0x90u
#define NVS_LEAST     0x3000u
#define TYPE_PLACES   2u /* types 2 and 3 describe bootloader and table themselves */
#define FLAG_READONLY 2u

static bool is_slot(const struct molt_partition *row)
{
    return row->type == MOLT_PARTITION_APP && row->subtype >= MOLT_APP_OTA_0 &&
           row->subtype <= MOLT_APP_OTA_15;
}

/* The boot record of the application, or of a trusted environment (ESP-IDF's TEE). */
static bool is_otadata(const struct molt_partition *row)
{
    return row->type == MOLT_PARTITION_DATA &&
           (row->subtype == MOLT_DATA_OTADATA || row->subtype == TEE_OTADATA);
}

static int check_place(const struct molt_partition *row, uint32_t i, uint32_t flash_size,
                       uint32_t table_end, struct molt_diag *diag)
{
    uint32_t alignment = row->type == MOLT_PARTITION_APP ? APP_ALIGNMENT : SECTOR;
    bool describes = row->type >= TYPE_PLACES && row->type <= TYPE_PLACES + 1;
    if (row->size == 0) {
        return molt_diag_at(diag, MOLT_E_TABLE_ROW, "its size is zero", i);
    }
    if (row->size - 1 > UINT32_MAX - row->offset) {
        return molt_diag_values(diag, MOLT_E_TABLE_WRAP, "size", i, UINT32_MAX - row->offset,
                                row->size);
    }
    if (row->offset < table_end && !describes) {
        return molt_diag_values(diag, MOLT_E_TABLE_ROW, "it begins below the end of the table", i,
                                table_end, row->offset);
    }
    if (row->offset % alignment) {
        return molt_diag_values(diag, MOLT_E_TABLE_ALIGNMENT, "offset not a multiple", i, alignment,
                                row->offset);
    }
    if (row->size % SECTOR) {
        return molt_diag_values(diag, MOLT_E_TABLE_ALIGNMENT, "size not a multiple", i, SECTOR,
                                row->size);
    }
    if (row->offset > flash_size || row->size > flash_size - row->offset) {
        return molt_diag_values(diag, MOLT_E_TABLE_FLASH_SIZE, "end", i, flash_size,
                                row->offset + row->size);
    }
    return MOLT_OK;
}

static int check_name(const struct molt_partition *row, uint32_t i, struct molt_diag *diag)
{
    if (!row->label[0]) {
        return molt_diag_at(diag, MOLT_E_TABLE_NAME, "it has no name", i);
    }
    if (row->label[MOLT_PARTITION_LABEL]) {
        return molt_diag_at(diag, MOLT_E_TABLE_NAME, "its name is longer than 16 characters", i);
    }
    for (uint32_t k = 0; row->label[k]; k++) {
        uint8_t c = (uint8_t)row->label[k];
        if (c < 0x20 || c == 0x7F) {
            return molt_diag_at(diag, MOLT_E_TABLE_NAME, "control character in its name", i);
        }
    }
    return MOLT_OK;
}

/* The content that ESP-IDF and MicroPython ask of some kinds of row. */
static int check_kind(const struct molt_partition *row, uint32_t i, struct molt_diag *diag)
{
    if (row->type != MOLT_PARTITION_DATA) {
        return MOLT_OK;
    }
    if (is_otadata(row) && row->size != OTADATA_SIZE) {
        return molt_diag_values(diag, MOLT_E_TABLE_SLOTS, "size of otadata", i, OTADATA_SIZE,
                                row->size);
    }
    if (row->subtype == MOLT_DATA_OTADATA && row->flags & FLAG_READONLY) {
        return molt_diag_at(diag, MOLT_E_TABLE_ROW, "otadata must not be read-only", i);
    }
    if (row->subtype == COREDUMP && row->flags & FLAG_READONLY) {
        return molt_diag_at(diag, MOLT_E_TABLE_ROW, "a coredump must not be read-only", i);
    }
    if (row->subtype == MOLT_DATA_NVS && row->size < NVS_LEAST && !(row->flags & FLAG_READONLY)) {
        return molt_diag_values(diag, MOLT_E_TABLE_ROW, "size of nvs", i, NVS_LEAST, row->size);
    }
    return MOLT_OK;
}

static bool same_name(const struct molt_partition *a, const struct molt_partition *b)
{
    uint32_t k = 0;
    while (a->label[k] && a->label[k] == b->label[k]) {
        k++;
    }
    return a->label[k] == b->label[k];
}

/* Row i against every row before it: two bytes of flash, two names, two of what is one. */
static int check_pairs(const struct molt_ptable *table, uint32_t i, struct molt_diag *diag)
{
    const struct molt_partition *row = &table->row[i];
    for (uint32_t k = 0; k < i; k++) {
        const struct molt_partition *other = &table->row[k];
        if (row->offset < other->offset + other->size && other->offset < row->offset + row->size) {
            return molt_diag_values(diag, MOLT_E_TABLE_OVERLAP, "overlaps with row", i, k, i);
        }
        if (same_name(row, other)) {
            return molt_diag_values(diag, MOLT_E_TABLE_NAME, "the same name as row", i, k, i);
        }
        if (row->type != other->type || row->subtype != other->subtype) {
            continue;
        }
        if (row->type == MOLT_PARTITION_APP && row->subtype == MOLT_APP_FACTORY) {
            return molt_diag_values(diag, MOLT_E_TABLE_ROW,
                                    "a second factory app, the first is row", i, k, i);
        }
        if (is_slot(row)) {
            return molt_diag_values(diag, MOLT_E_TABLE_SLOTS, "the same slot as row", i, k, i);
        }
        if (is_otadata(row)) {
            return molt_diag_values(diag, MOLT_E_TABLE_SLOTS, "a second otadata, the first is row",
                                    i, k, i);
        }
    }
    return MOLT_OK;
}

/* Slots are ota_0, ota_1 ... without a gap, and need otadata: the bootloader counts rows, and takes
 * the remainder of that count. */
static int check_slots(const struct molt_ptable *table, struct molt_diag *diag)
{
    uint32_t slots = molt_ptable_slot_count(table);
    uint32_t apps = 0;
    for (uint32_t i = 0; i < table->count; i++) {
        const struct molt_partition *row = &table->row[i];
        apps += row->type == MOLT_PARTITION_APP;
        if (is_slot(row) && row->subtype - (uint32_t)MOLT_APP_OTA_0 >= slots) {
            return molt_diag_values(diag, MOLT_E_TABLE_SLOTS, "gap in the numbers of the slots", i,
                                    slots - 1, row->subtype - (uint32_t)MOLT_APP_OTA_0);
        }
    }
    if (apps == 0) {
        return molt_diag_at(diag, MOLT_E_TABLE_SLOTS, "no app partition: it needs one of type app",
                            MOLT_DIAG_NONE);
    }
    if (slots && !molt_ptable_find(table, MOLT_PARTITION_DATA, MOLT_DATA_OTADATA)) {
        return molt_diag_at(
            diag, MOLT_E_TABLE_SLOTS,
            "slots without otadata: they need a row of type data, subtype ota, 0x2000 bytes",
            MOLT_DIAG_NONE);
    }
    return MOLT_OK;
}

int molt_ptable_check(const struct molt_ptable *table, uint32_t flash_size, struct molt_diag *diag)
{
    return molt_ptable_check_at(table, flash_size, MOLT_PTABLE_OFFSET, diag);
}

int molt_ptable_check_at(const struct molt_ptable *table, uint32_t flash_size,
                         uint32_t table_offset, struct molt_diag *diag)
{
    for (uint32_t i = 0; i < table->count; i++) {
        const struct molt_partition *row = &table->row[i];
        int error = check_place(row, i, flash_size, table_offset + SECTOR, diag);
        if (!error) {
            error = check_name(row, i, diag);
        }
        if (!error) {
            error = check_kind(row, i, diag);
        }
        if (!error) {
            error = check_pairs(table, i, diag);
        }
        if (error) {
            return error;
        }
    }
    return check_slots(table, diag);
}
