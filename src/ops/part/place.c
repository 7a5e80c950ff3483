#include "molt/ops/place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "molt/ops/info.h"

#define SECTOR         4096u
#define SMALLEST_FILES (2 * SECTOR) /* a littlefs has two blocks at least */
#define NO_SUCH        1            /* the name is of no such place */

/* ---- What there is ---- */

/* Firmware, dump, board: one flash with bootloader and table. */
static bool has_layout(const struct molt_target *target)
{
    return target->kind == MOLT_TARGET_FIRMWARE || target->kind == MOLT_TARGET_DUMP ||
           target->kind == MOLT_TARGET_BOARD;
}

static bool has_rows(const struct molt_target *target)
{
    return has_layout(target) && !target->table_error;
}

uint32_t molt_place_flash_end(const struct molt_target *target)
{
    uint32_t end = target->flash.size;
    if (target->kind == MOLT_TARGET_BOARD || !has_layout(target)) {
        return end;
    }
    if (!target->flash_size) {
        return MOLT_PLACE_LIMIT;
    }
    return target->flash_size > end ? target->flash_size : end;
}

/* The room behind the last partition, whole sectors; false when there is none to speak of. */
static bool find_behind(struct molt_place *place, const struct molt_target *target)
{
    uint64_t last = 0;
    if (!has_rows(target) || target->table.count == 0 ||
        (target->kind != MOLT_TARGET_BOARD && !target->flash_size)) {
        return false;
    }
    for (uint32_t i = 0; i < target->table.count; i++) {
        uint64_t end = (uint64_t)target->table.row[i].offset + target->table.row[i].size;
        last = end > last ? end : last;
    }
    last = (last + SECTOR - 1) / SECTOR * SECTOR;
    uint32_t end = molt_place_flash_end(target) / SECTOR * SECTOR;
    if (last >= end || end - last < SMALLEST_FILES) {
        return false;
    }
    *place = (struct molt_place){
        .kind = MOLT_PLACE_BEHIND, .offset = (uint32_t)last, .size = end - (uint32_t)last};
    snprintf(place->label, sizeof place->label, "vfs");
    return true;
}

/* "nvs, factory, bootloader, table", as much as there is room for. */
static void name_all(const struct molt_target *target, char *text, size_t size)
{
    struct molt_place behind;
    size_t n = 0;
    text[0] = 0;
    for (uint32_t i = 0; has_rows(target) && i < target->table.count && n < size - 80; i++) {
        char label[17];
        memcpy(label, target->table.row[i].label, sizeof label);
        molt_info_plain(label);
        n += (size_t)snprintf(text + n, size - n, "%s, ", label);
    }
    if (!molt_ptable_find_label(&target->table, "vfs") && find_behind(&behind, target)) {
        n += (size_t)snprintf(text + n, size - n, "vfs (behind the last partition), ");
    }
    snprintf(text + n, size - n, "%sall or OFFSET+SIZE",
             has_layout(target) ? "bootloader, table, " : "");
}

/* ---- Finding ---- */

static int whole(struct molt_place *place, const struct molt_target *target)
{
    *place = (struct molt_place){.kind = MOLT_PLACE_WHOLE, .offset = target->base};
    place->size = target->flash.size - target->base;
    snprintf(place->label, sizeof place->label, "all");
    return MOLT_OK;
}

static int of_row(struct molt_place *place, const struct molt_target *target,
                  const struct molt_partition *row, struct molt_message *message)
{
    uint32_t end = molt_place_flash_end(target);
    *place = (struct molt_place){.row = row, .offset = row->offset, .size = row->size};
    memcpy(place->label, row->label, sizeof place->label);
    molt_info_plain(place->label);
    if (row->size == 0) {
        return molt_fail(message, MOLT_E_TABLE_ROW, "%s: partition '%s' has no size: expected one",
                         target->name, place->label);
    }
    if (row->offset > end || row->size > end - row->offset) {
        return molt_fail(
            message, MOLT_E_RANGE,
            "%s: partition '%s' ends at 0x%llx, the flash ends at 0x%x: mend the table "
            "or the flash size with 'molt edit'",
            target->name, place->label, (unsigned long long)row->offset + row->size, end);
    }
    return MOLT_OK;
}

/* A number with an optional K or M; end is where it stopped. */
static bool parse_number(const char *text, char **end, uint64_t *value)
{
    if (text[0] < '0' || text[0] > '9') {
        return false;
    }
    bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    *value = strtoull(text, end, hex ? 16 : 10);
    unsigned shift = **end == 'K' || **end == 'k' ? 10 : **end == 'M' || **end == 'm' ? 20 : 0;
    *end += shift != 0;
    if (*value > UINT32_MAX) {
        *value = UINT32_MAX; /* behind every flash, whatever the unit */
    }
    *value <<= shift;
    return true;
}

static int of_range(struct molt_place *place, const struct molt_target *target, uint64_t offset,
                    uint64_t size, struct molt_message *message)
{
    uint64_t end = molt_place_flash_end(target);
    if (size == 0) {
        return molt_fail(message, MOLT_E_ARGUMENT, "range 0x%llx+0: expected a size",
                         (unsigned long long)offset);
    }
    if (offset < target->base || offset > end || size > end - offset) {
        return molt_fail(
            message, MOLT_E_RANGE,
            "%s: range 0x%llx+0x%llx is not inside: expected one from 0x%x up to 0x%llx",
            target->name, (unsigned long long)offset, (unsigned long long)size, target->base,
            (unsigned long long)end);
    }
    *place = (struct molt_place){
        .kind = MOLT_PLACE_RANGE, .offset = (uint32_t)offset, .size = (uint32_t)size};
    snprintf(place->label, sizeof place->label, "0x%x", place->offset);
    return MOLT_OK;
}

/* Where the chip's ROM looks for it. */
static int bootloader(struct molt_place *place, const struct molt_target *target,
                      struct molt_message *message)
{
    if (!target->chip) {
        return molt_fail(message, MOLT_E_NOT_FOUND,
                         "%s: what chip it is for is not known, so neither is where its bootloader "
                         "lies: name it as OFFSET+SIZE",
                         target->name);
    }
    *place = (struct molt_place){.kind = MOLT_PLACE_BOOTLOADER,
                                 .offset = target->chip->bootloader_offset,
                                 .size = MOLT_PTABLE_OFFSET - target->chip->bootloader_offset};
    snprintf(place->label, sizeof place->label, "bootloader");
    return MOLT_OK;
}

static bool names_table(const char *name)
{
    return strcmp(name, "table") == 0 || strcmp(name, "partition_table") == 0;
}

/* What has no row. NO_SUCH when the name is none of them. */
static int of_word(struct molt_place *place, const struct molt_target *target, const char *name,
                   struct molt_message *message)
{
    uint64_t offset, size;
    char *end;
    if (strcmp(name, "all") == 0) {
        return whole(place, target);
    }
    if ((names_table(name) && target->kind == MOLT_TARGET_TABLE) ||
        (strcmp(name, "bootloader") == 0 && target->kind == MOLT_TARGET_BOOTLOADER)) {
        return whole(place, target);
    }
    if (names_table(name) && has_layout(target)) {
        *place = (struct molt_place){
            .kind = MOLT_PLACE_TABLE, .offset = MOLT_PTABLE_OFFSET, .size = SECTOR};
        snprintf(place->label, sizeof place->label, "table");
        return MOLT_OK;
    }
    if (strcmp(name, "bootloader") == 0 && has_layout(target)) {
        return bootloader(place, target, message);
    }
    if (strcmp(name, "vfs") == 0 && find_behind(place, target)) {
        return MOLT_OK;
    }
    if (parse_number(name, &end, &offset) && *end == '+' && parse_number(end + 1, &end, &size) &&
        !*end) {
        return of_range(place, target, offset, size, message);
    }
    return NO_SUCH;
}

int molt_place_find(struct molt_place *place, const struct molt_target *target, const char *name,
                    struct molt_message *message)
{
    char there[1024];
    const struct molt_partition *row =
        has_rows(target) ? molt_ptable_find_label(&target->table, name) : NULL;
    if (row) {
        return of_row(place, target, row, message);
    }
    int error = of_word(place, target, name, message);
    if (error != NO_SUCH) {
        return error;
    }
    if (has_layout(target) && target->table_error) {
        char thing[4200];
        snprintf(thing, sizeof thing, "%s: '%s' cannot be found: partition table", target->name,
                 name);
        return molt_fail_diag(message, thing, &target->table_diag);
    }
    name_all(target, there, sizeof there);
    return molt_fail(message, has_layout(target) ? MOLT_E_NOT_FOUND : MOLT_E_UNSUPPORTED,
                     "%s: %s without '%s': expected %s", target->name,
                     molt_target_kind_words(target->kind), name, there);
}

/* ---- Where the files are ---- */

static const struct molt_partition *data_row(const struct molt_target *target, const char *label)
{
    for (uint32_t i = 0; i < target->table.count; i++) {
        const struct molt_partition *row = &target->table.row[i];
        if (row->type == MOLT_PARTITION_DATA && strcmp(row->label, label) == 0) {
            return row;
        }
    }
    return NULL;
}

static const struct molt_partition *files_row(const struct molt_target *target)
{
    static const char *const labels[] = {"vfs", "internalfs", "storage", "ffat"};
    static const uint8_t subtypes[] = {MOLT_DATA_LITTLEFS, MOLT_DATA_FAT, MOLT_DATA_SPIFFS};
    for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++) {
        const struct molt_partition *row = data_row(target, labels[i]);
        if (row) {
            return row;
        }
    }
    for (uint32_t i = 0; i < target->table.count; i++) {
        const struct molt_partition *row = &target->table.row[i];
        if (row->type == MOLT_PARTITION_DATA && memchr(subtypes, row->subtype, sizeof subtypes)) {
            return row;
        }
    }
    return NULL;
}

int molt_place_files(struct molt_place *place, const struct molt_target *target,
                     struct molt_message *message)
{
    char there[1024];
    if (!has_layout(target) && target->kind != MOLT_TARGET_FILES) {
        return molt_fail(message, MOLT_E_UNSUPPORTED,
                         "%s: %s, which holds no file system: expected a firmware file, a flash "
                         "dump, a file system image or sim:BOARD",
                         target->name, molt_target_kind_words(target->kind));
    }
    if (!has_layout(target)) {
        return whole(place, target);
    }
    if (target->table_error) {
        char thing[4200];
        snprintf(thing, sizeof thing, "%s: where its files are cannot be found: partition table",
                 target->name);
        return molt_fail_diag(message, thing, &target->table_diag);
    }
    const struct molt_partition *row = files_row(target);
    if (row) {
        return of_row(place, target, row, message);
    }
    if (find_behind(place, target)) {
        return MOLT_OK;
    }
    name_all(target, there, sizeof there);
    return molt_fail(message, MOLT_E_NOT_FOUND,
                     "%s: no partition for files (vfs, or of subtype littlefs, fat, spiffs) and no "
                     "room behind the last one: there is %s",
                     target->name, there);
}

/* ---- Reading and growing ---- */

int molt_place_read(const struct molt_target *target, uint32_t offset, void *buffer, uint32_t n)
{
    uint32_t end = target->flash.size;
    uint32_t inside = offset >= end ? 0 : n < end - offset ? n : end - offset;
    memset((uint8_t *)buffer + inside, 0xFF, n - inside);
    return inside ? molt_flash_read(&target->flash, offset, buffer, inside) : MOLT_OK;
}

int molt_place_make_room(struct molt_target *target, const struct molt_place *place,
                         struct molt_message *message)
{
    return target->kind == MOLT_TARGET_BOARD
               ? MOLT_OK
               : molt_target_grow(target, (uint64_t)place->offset + place->size, message);
}
