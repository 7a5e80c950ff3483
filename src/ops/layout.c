#include "molt/ops/layout.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define FIRST_OFFSET 0x9000u
#define SECTOR       0x1000u

enum size_rule {
    SIZE_FIXED,
    SIZE_UP_TO_APP, /* what the fixed rows behind it leave free below the first app */
    SIZE_SLOT,
    SIZE_REST /* to the end of the flash */
};

struct recipe_row {
    const char *label;
    uint8_t type, subtype;
    enum size_rule rule;
    uint32_t size; /* of fixed rows */
};

/* Slot size by flash size: the first row whose flash_size is at least the real one. */
struct slot_row {
    uint32_t flash_size, slot_size;
};

struct layout {
    const char *name;
    const struct recipe_row *row;
    uint32_t count;
    const struct slot_row *slot;
    uint32_t slot_count;
};

/* As MicroPython's partition-*-ota.csv sizes them; vfs takes the rest. */
static const struct recipe_row ota_rows[] = {
    {"nvs", MOLT_PARTITION_DATA, MOLT_DATA_NVS, SIZE_UP_TO_APP, 0},
    {"otadata", MOLT_PARTITION_DATA, MOLT_DATA_OTADATA, SIZE_FIXED, 0x2000},
    {"ota_0", MOLT_PARTITION_APP, MOLT_APP_OTA_0, SIZE_SLOT, 0},
    {"ota_1", MOLT_PARTITION_APP, MOLT_APP_OTA_0 + 1, SIZE_SLOT, 0},
    {"vfs", MOLT_PARTITION_DATA, MOLT_DATA_FAT, SIZE_REST, 0},
};

static const struct slot_row ota_slots[] = {
    {4u << 20, 0x180000}, {8u << 20, 0x200000}, {UINT32_MAX, 0x270000}};

#define COUNT(a) ((uint32_t)(sizeof(a) / sizeof(a)[0]))

static const struct layout layouts[] = {
    {"ota", ota_rows, COUNT(ota_rows), ota_slots, COUNT(ota_slots)}};

const char *molt_layout_name(uint32_t index)
{
    return index < COUNT(layouts) ? layouts[index].name : NULL;
}

static const struct layout *find(const char *name)
{
    for (uint32_t i = 0; i < COUNT(layouts); i++) {
        if (strcmp(layouts[i].name, name) == 0) {
            return &layouts[i];
        }
    }
    return NULL;
}

static uint32_t slot_size(const struct layout *layout, uint32_t flash_size)
{
    uint32_t i = 0;
    while (layout->slot[i].flash_size < flash_size) {
        i++;
    }
    return layout->slot[i].slot_size;
}

uint32_t molt_layout_slot_size(const char *name, uint32_t flash_size)
{
    const struct layout *layout = find(name);
    return layout ? slot_size(layout, flash_size) : 0;
}

/* Fixed rows between row i and the first app. */
static uint32_t fixed_behind(const struct layout *layout, uint32_t i)
{
    uint32_t sum = 0;
    for (uint32_t k = i + 1; k < layout->count && layout->row[k].rule == SIZE_FIXED; k++) {
        sum += layout->row[k].size;
    }
    return sum;
}

static uint32_t size_of(const struct layout *layout, uint32_t i, uint32_t offset,
                        uint32_t flash_size, uint32_t app_offset)
{
    switch (layout->row[i].rule) {
    case SIZE_FIXED: return layout->row[i].size;
    case SIZE_UP_TO_APP: return app_offset - offset - fixed_behind(layout, i);
    case SIZE_SLOT: return slot_size(layout, flash_size);
    case SIZE_REST: return offset < flash_size ? flash_size - offset : 0;
    }
    return 0;
}

static int unknown(const char *name, struct molt_message *message)
{
    char names[128] = "";
    for (uint32_t i = 0; i < COUNT(layouts); i++) {
        size_t n = strlen(names);
        snprintf(names + n, sizeof names - n, "%s%s", i ? ", " : "", layouts[i].name);
    }
    return molt_fail(message, MOLT_E_ARGUMENT, "unknown layout '%s', expected one of: %s", name,
                     names);
}

int molt_layout_make(struct molt_ptable *table, const char *name, uint32_t flash_size,
                     uint32_t app_offset, struct molt_message *message)
{
    const struct layout *layout = find(name);
    struct molt_diag diag = {0};
    if (!layout) {
        return unknown(name, message);
    }
    if (app_offset < 0x10000 || app_offset % 0x10000 || app_offset >= flash_size) {
        return molt_fail(message, MOLT_E_ALIGNMENT,
                         "layout %s: the app lies at 0x%x, expected a multiple of 64 KB from "
                         "0x10000 on",
                         name, app_offset);
    }
    memset(table, 0, sizeof *table);
    table->has_md5 = true;
    uint32_t offset = FIRST_OFFSET;
    for (uint32_t i = 0; i < layout->count; i++) {
        const struct recipe_row *from = &layout->row[i];
        struct molt_partition *row = &table->row[table->count++];
        row->type = from->type;
        row->subtype = from->subtype;
        row->offset = offset;
        row->size = size_of(layout, i, offset, flash_size, app_offset);
        snprintf(row->label, sizeof row->label, "%s", from->label);
        if (row->size == 0 || row->size > flash_size - offset) {
            return molt_fail(message, MOLT_E_NO_SPACE,
                             "layout %s: partition '%s' at 0x%x has no room in %u MB of flash: "
                             "expected a larger flash (--flash-size, when the chip has it)",
                             name, row->label, offset, flash_size >> 20);
        }
        offset += row->size;
    }
    int error = molt_ptable_check(table, flash_size, &diag);
    return error ? molt_fail_diag(message, name, &diag) : MOLT_OK;
}
