/* The bootloader's header, the table, and how they meet. */
#include <stdio.h>
#include <string.h>

#include "ops/doctor/doctor_internal.h"

#define SECTOR         0x1000u
#define SLOT_ALIGNMENT 0x10000u
#define FLAG_ENCRYPTED 1u
#define FLAG_READONLY  2u
#define NVS_LEAST      0x3000u
#define LARGEST        (128u << 20)

static uint64_t end_of(const struct molt_partition *row)
{
    return (uint64_t)row->offset + row->size;
}

/* ---- Bootloader and its header ---- */

static void header_against_chip(struct doctor_work *work)
{
    const struct molt_target *target = work->target;
    uint32_t said = target->header_flash_size;
    if (said && target->board && said > target->flash_size) {
        doctor_fix_edit(doctor_found(work->doctor, DOCTOR_HEADER_PAST_CHIP,
                                     "the bootloader's header says %u MB of flash, the chip has %u "
                                     "MB: applications report a failed probe and stop",
                                     said >> 20, target->flash_size >> 20),
                        target, "--flash-size %uM", target->flash_size >> 20);
    } else if (said && target->board && said < target->flash_size) {
        doctor_fix_edit(doctor_found(work->doctor, DOCTOR_HEADER_SMALLER,
                                     "the bootloader's header says %u MB of flash, the chip has %u "
                                     "MB: a table can only use the first",
                                     said >> 20, target->flash_size >> 20),
                        target, "--flash-size %uM", target->flash_size >> 20);
    }
    if (said && target->chip && said > target->chip->max_flash_size) {
        doctor_fix_edit(doctor_found(work->doctor, DOCTOR_HEADER_PAST_CHIP,
                                     "the bootloader's header says %u MB of flash, an %s addresses "
                                     "%u MB at most",
                                     said >> 20, target->chip->name,
                                     target->chip->max_flash_size >> 20),
                        target, "--flash-size %uM", target->chip->max_flash_size >> 20);
    }
    if (target->kind == MOLT_TARGET_DUMP && said && target->file_size != said) {
        doctor_found(work->doctor, DOCTOR_DUMP_LENGTH,
                     "the dump has 0x%x bytes, the flash of its bootloader's header 0x%x: %s",
                     target->file_size, said,
                     target->file_size < said ? "was it read whole?"
                                              : "the chip is larger than its header says");
    }
}

void doctor_bootloader(struct doctor_work *work)
{
    const struct molt_info_image *boot = &work->info.bootloader;
    const struct molt_target *target = work->target;
    if (!work->info.has_bootloader ||
        (!doctor_has_layout(target) && target->kind != MOLT_TARGET_BOOTLOADER)) {
        return;
    }
    if (boot->empty) {
        doctor_found(work->doctor, DOCTOR_BOOTLOADER_MISSING,
                     "there is no bootloader at 0x%x: nothing boots; flash a firmware for %s",
                     boot->offset, target->chip->name);
    } else if (boot->error) {
        struct molt_message message = {0};
        struct molt_diag diag = boot->diag;
        diag.error = boot->error;
        molt_fail_diag(&message, "the bootloader", &diag);
        doctor_found(work->doctor, DOCTOR_BOOTLOADER_BROKEN,
                     "%.200s: the ROM does not start it; flash a firmware for %s", message.text,
                     target->chip->name);
    } else if (boot->readable && boot->image.header.chip_id != target->chip->chip_id) {
        doctor_found(work->doctor, DOCTOR_BOOTLOADER_BROKEN,
                     "the bootloader is for the chip with id 0x%x, this is an %s: nothing boots; "
                     "flash a firmware for %s",
                     boot->image.header.chip_id, target->chip->name, target->chip->name);
    }
    header_against_chip(work);
}

/* ---- Rows ---- */

static void row_past_flash(struct doctor_work *work, const struct molt_partition *row,
                           uint32_t limit)
{
    char label[17];
    const struct molt_target *target = work->target;
    uint64_t end = end_of(row);
    struct molt_finding *found = doctor_found(
        work->doctor, DOCTOR_TABLE_PAST_FLASH,
        "partition '%s' is at 0x%x with 0x%x bytes and ends at 0x%llx, the flash at 0x%x (%u MB, "
        "from %s): the bootloader refuses the whole table",
        doctor_label(row, label), row->offset, row->size, (unsigned long long)end, limit,
        limit >> 20, limit == target->header_flash_size ? "the bootloader's header" : "the chip");
    uint32_t most = target->board  ? target->flash_size
                    : target->chip ? target->chip->max_flash_size
                                   : 0;
    uint32_t needed = limit;
    while (needed < end && needed < most) {
        needed *= 2;
    }
    if (needed >= end && needed <= most) {
        doctor_fix_edit(found, target, "--flash-size %uM", needed >> 20);
    } else {
        doctor_fix_layout(work, found, molt_ptable_slot_count(&target->table) > 1 ? 2 : 0);
    }
}

static void fix_size(struct doctor_work *work, struct molt_finding *found,
                     const struct molt_partition *row, uint32_t size)
{
    char label[17], word[DOCTOR_WORD];
    if (doctor_word(doctor_label(row, label), word)[0]) {
        doctor_fix_edit(found, work->target, "--resize %s=0x%x", word, size);
    }
}

static void row_unaligned(struct doctor_work *work, const struct molt_partition *row)
{
    char label[17];
    bool app = row->type == MOLT_PARTITION_APP;
    uint32_t alignment = app ? SLOT_ALIGNMENT : SECTOR;
    struct molt_finding *found = NULL;
    if (row->offset % alignment) {
        found = doctor_found(work->doctor, DOCTOR_TABLE_UNALIGNED,
                             "partition '%s' begins at 0x%x, no multiple of 0x%x: %s",
                             doctor_label(row, label), row->offset, alignment,
                             app ? "no app starts from there"
                                 : "it shares a sector with its neighbour, and erasing one "
                                   "destroys the other");
    } else if (row->size % SECTOR || row->size == 0) {
        found = doctor_found(work->doctor, DOCTOR_TABLE_UNALIGNED,
                             "partition '%s' has 0x%x bytes, expected a multiple of 0x%x: its last "
                             "sector cannot be erased alone",
                             doctor_label(row, label), row->size, SECTOR);
        if (row->size > SECTOR) {
            fix_size(work, found, row, row->size / SECTOR * SECTOR);
            return;
        }
    }
    if (found) {
        doctor_fix_layout(work, found, molt_ptable_slot_count(&work->target->table) > 1 ? 2 : 0);
    }
}

static void rows_overlap(struct doctor_work *work, const struct molt_partition *a,
                         const struct molt_partition *b)
{
    char one[17], other[17];
    if (a->offset > b->offset) {
        const struct molt_partition *swap = a;
        a = b;
        b = swap;
    }
    if (end_of(a) <= b->offset || a->size == 0 || b->size == 0) {
        return;
    }
    struct molt_finding *found = doctor_found(
        work->doctor, DOCTOR_TABLE_OVERLAP,
        "partition '%s' (0x%x to 0x%llx) runs into '%s' (0x%x to 0x%llx): writing one destroys the "
        "other",
        doctor_label(a, one), a->offset, (unsigned long long)end_of(a), doctor_label(b, other),
        b->offset, (unsigned long long)end_of(b));
    doctor_fix_layout(work, found, molt_ptable_slot_count(&work->target->table) > 1 ? 2 : 0);
}

static void nvs(struct doctor_work *work)
{
    const struct molt_ptable *table = &work->target->table;
    bool any = false;
    for (uint32_t i = 0; i < table->count; i++) {
        const struct molt_partition *row = &table->row[i];
        if (row->type != MOLT_PARTITION_DATA || row->subtype != MOLT_DATA_NVS) {
            continue;
        }
        any = true;
        if (row->size < NVS_LEAST && !(row->flags & FLAG_READONLY)) {
            char label[17];
            struct molt_finding *found =
                doctor_found(work->doctor, DOCTOR_NVS_SMALL,
                             "partition '%s' has 0x%x bytes, nvs needs 0x%x (three sectors) to be "
                             "written: Wi-Fi and esp32.NVS fail",
                             doctor_label(row, label), row->size, NVS_LEAST);
            doctor_fix_layout(work, found, molt_ptable_slot_count(table) > 1 ? 2 : 0);
        }
    }
    if (!any) {
        doctor_fix_layout(work,
                          doctor_found(work->doctor, DOCTOR_NVS_NONE,
                                       "there is no nvs partition: Wi-Fi does not start, esp32.NVS "
                                       "has no place"),
                          molt_ptable_slot_count(table) > 1 ? 2 : 0);
    }
}

/* ---- Between the rows ---- */

/* Where the next row behind `at` begins; `end` when there is none. */
static uint32_t next_row(const struct molt_ptable *table, uint64_t at, uint32_t end)
{
    for (uint32_t i = 0; i < table->count; i++) {
        if (table->row[i].offset >= at && table->row[i].offset < end) {
            end = table->row[i].offset;
        }
    }
    return end;
}

static bool covered(const struct molt_ptable *table, uint64_t at)
{
    for (uint32_t i = 0; i < table->count; i++) {
        if (table->row[i].offset <= at && at < end_of(&table->row[i])) {
            return true;
        }
    }
    return false;
}

/* What lies behind the last row is the file system of MicroPython 1.26: doctor_files. */
static void gaps(struct doctor_work *work)
{
    const struct molt_ptable *table = &work->target->table;
    for (uint32_t i = 0; i < table->count; i++) {
        const struct molt_partition *row = &table->row[i];
        uint64_t end = end_of(row);
        uint32_t next = next_row(table, end, UINT32_MAX);
        /* Apps begin on 64 KB: less than that before one is no mistake. */
        if (next == UINT32_MAX || covered(table, end) || next - end < SLOT_ALIGNMENT) {
            continue;
        }
        char label[17];
        struct molt_finding *found = doctor_found(
            work->doctor, DOCTOR_TABLE_GAP,
            "flash from 0x%llx to 0x%x, behind partition '%s', is unused (%u KB): do its offset "
            "and size match what comes next?",
            (unsigned long long)end, next, doctor_label(row, label), (uint32_t)(next - end) >> 10);
        fix_size(work, found, row, next - row->offset);
    }
}

/* Anything else that molt_ptable_check refuses. */
static void other_rules(struct doctor_work *work, uint32_t limit, uint32_t findings_before)
{
    struct molt_diag diag = {0};
    const struct molt_ptable *table = &work->target->table;
    int error = molt_ptable_check(table, limit, &diag);
    if (!error || work->doctor->finding_count > findings_before) {
        return; /* said better already */
    }
    char label[17] = "";
    if (diag.offset < table->count) {
        doctor_label(&table->row[diag.offset], label);
    }
    struct molt_finding *found =
        doctor_found(work->doctor, DOCTOR_TABLE_RULE, "partition '%s' (row %u): %s: %s", label,
                     diag.offset, molt_strerror(error), diag.what);
    doctor_fix_layout(work, found, molt_ptable_slot_count(table) > 1 ? 2 : 0);
}

static void check_rows(struct doctor_work *work, uint32_t limit)
{
    const struct molt_ptable *table = &work->target->table;
    char label[17];
    for (uint32_t i = 0; i < table->count; i++) {
        const struct molt_partition *row = &table->row[i];
        if (end_of(row) > limit) {
            row_past_flash(work, row, limit);
        }
        row_unaligned(work, row);
        for (uint32_t k = 0; k < i; k++) {
            rows_overlap(work, &table->row[k], row);
        }
        if (row->flags & FLAG_ENCRYPTED) {
            doctor_found(work->doctor, DOCTOR_ENCRYPTED,
                         "partition '%s' is marked as encrypted: with flash encryption on, what is "
                         "written there must be encrypted for this chip; with it off, the mark "
                         "does nothing",
                         doctor_label(row, label));
        }
    }
}

void doctor_table(struct doctor_work *work)
{
    const struct molt_target *target = work->target;
    if (target->kind != MOLT_TARGET_TABLE && !doctor_has_layout(target)) {
        return;
    }
    if (target->table_error) {
        struct molt_message message = {0};
        struct molt_diag diag = target->table_diag;
        molt_fail_diag(&message, "the partition table", &diag);
        doctor_found(work->doctor, DOCTOR_TABLE_MISSING,
                     "%.300s: nothing boots; flash a firmware, or write a table", message.text);
        return;
    }
    uint32_t limit = target->flash_size ? target->flash_size : LARGEST;
    if (target->header_flash_size && target->header_flash_size < limit) {
        limit = target->header_flash_size; /* the bootloader goes by its own header */
    }
    uint32_t before = work->doctor->finding_count;
    check_rows(work, limit);
    nvs(work);
    gaps(work);
    if (target->kind != MOLT_TARGET_TABLE) {
        doctor_boot_table(work);
    }
    other_rules(work, limit, before);
}
