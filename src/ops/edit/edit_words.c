/* Refusals: what is wrong, and the nearest thing that would be right. */
#include <stdio.h>
#include <string.h>

#include "ops/edit/edit_work.h"

#define WORD 20 /* letters of a name that are compared */

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Letters to change, add or drop to make one of the other. */
static uint32_t distance(const char *a, const char *b)
{
    uint32_t row[WORD + 1];
    size_t n = strlen(b);
    if (n > WORD || strlen(a) > WORD) {
        return WORD;
    }
    for (uint32_t k = 0; k <= n; k++) {
        row[k] = k;
    }
    for (uint32_t i = 0; a[i]; i++) {
        uint32_t corner = row[0];
        row[0] = i + 1;
        for (uint32_t k = 0; k < n; k++) {
            uint32_t above = row[k + 1];
            uint32_t change = corner + (a[i] != b[k]);
            row[k + 1] = least(change, 1 + least(above, row[k]));
            corner = above;
        }
    }
    return row[n];
}

int edit_no_such(const struct edit_work *work, const char *name)
{
    char names[600] = "", guess[64] = "";
    uint32_t best = 3;
    for (int i = 0; i < work->count; i++) {
        char label[17];
        memcpy(label, work->row[i].p.label, sizeof label);
        molt_info_plain(label);
        size_t n = strlen(names);
        snprintf(names + n, sizeof names - n, "%s%s", i ? ", " : "", label);
        uint32_t far = distance(name, label);
        if (far < best && far < strlen(label)) {
            best = far;
            snprintf(guess, sizeof guess, "; did you mean '%s'?", label);
        }
    }
    return molt_fail(work->message, MOLT_E_NOT_FOUND, "no partition '%.60s': expected one of: %s%s",
                     name, names, guess);
}

int edit_name_wrong(const struct edit_work *work, const char *name)
{
    size_t n = strlen(name);
    if (n == 0) {
        return molt_fail(work->message, MOLT_E_TABLE_NAME,
                         "a partition's name is empty, expected 1 to 16 characters");
    }
    if (n > MOLT_PARTITION_LABEL) {
        return molt_fail(work->message, MOLT_E_TABLE_NAME,
                         "the name '%.60s' has %zu bytes, a table holds 16: '%.16s' would fit",
                         name, n, name);
    }
    for (size_t i = 0; i < n; i++) {
        if ((uint8_t)name[i] < 0x20 || name[i] == 0x7F) {
            return molt_fail(work->message, MOLT_E_TABLE_NAME,
                             "control character in the name of a partition, expected 1 to 16 "
                             "printable ones");
        }
    }
    return MOLT_OK;
}

int edit_not_aligned(const struct edit_work *work, const char *name, const char *what,
                     uint32_t value, uint32_t multiple)
{
    if (value % multiple == 0) {
        return MOLT_OK;
    }
    uint32_t below = value / multiple * multiple;
    if (below == 0) {
        return molt_fail(work->message, MOLT_E_ALIGNMENT,
                         "partition '%s': %s 0x%x is no multiple of 0x%x: expected 0x%x", name,
                         what, value, multiple, multiple);
    }
    return molt_fail(work->message, MOLT_E_ALIGNMENT,
                     "partition '%s': %s 0x%x is no multiple of 0x%x: the nearest are 0x%x and "
                     "0x%x",
                     name, what, value, multiple, below, below + multiple);
}

/* Where the next partition at or behind `at` begins; `skip` does not count. */
static uint32_t next_start(const struct edit_work *work, uint32_t at, int skip)
{
    uint32_t start = work->edit->flash_size;
    for (int i = 0; i < work->count; i++) {
        const struct molt_partition *row = &work->row[i].p;
        if (i != skip && row->offset >= at && row->offset < start) {
            start = row->offset;
        }
    }
    return start;
}

struct gaps {
    uint32_t largest, at; /* the largest one, and where */
    uint32_t found;       /* nearest to `wanted` that is large enough; 0 = none */
    uint32_t found_size;
};

/* All room between partitions, without row `skip`. */
static void look_for_gaps(const struct edit_work *work, int skip, uint32_t size, uint32_t align,
                          uint32_t wanted, struct gaps *gaps)
{
    memset(gaps, 0, sizeof *gaps);
    for (int i = -1; i < work->count; i++) {
        if (i == skip && i >= 0) {
            continue;
        }
        const struct molt_partition *row = i < 0 ? NULL : &work->row[i].p;
        uint64_t at = row ? (uint64_t)row->offset + row->size : EDIT_FIRST;
        at = (at + align - 1) / align * align;
        if (at < EDIT_FIRST || at >= work->edit->flash_size) {
            continue;
        }
        for (int k = 0; k < work->count; k++) { /* inside of another one: no gap */
            const struct molt_partition *other = &work->row[k].p;
            if (k != skip && at >= other->offset && at - other->offset < other->size) {
                at = work->edit->flash_size;
            }
        }
        uint32_t start = (uint32_t)at, end = next_start(work, start, skip);
        uint32_t room = end > start ? end - start : 0;
        if (room > gaps->largest) {
            gaps->largest = room;
            gaps->at = start;
        }
        uint32_t far = start > wanted ? start - wanted : wanted - start;
        uint32_t best = gaps->found > wanted ? gaps->found - wanted : wanted - gaps->found;
        if (room >= size && (gaps->found == 0 || far < best)) {
            gaps->found = start;
            gaps->found_size = room;
        }
    }
}

uint32_t edit_gap(const struct edit_work *work, uint32_t size, uint32_t align, uint32_t *largest,
                  uint32_t *at)
{
    struct gaps gaps;
    look_for_gaps(work, EDIT_NONE, size, align, 0, &gaps);
    *largest = gaps.largest;
    *at = gaps.at;
    return gaps.found;
}

static int overlap(const struct edit_work *work, uint32_t first, uint32_t second)
{
    const struct molt_partition *a = &work->row[first].p, *b = &work->row[second].p;
    uint32_t align = b->type == MOLT_PARTITION_APP ? EDIT_APP_AT : EDIT_SECTOR;
    struct gaps gaps;
    char room[120];
    look_for_gaps(work, (int)second, b->size, align, b->offset, &gaps);
    if (gaps.found) {
        snprintf(room, sizeof room, "the nearest room for it is at 0x%x (0x%x bytes)", gaps.found,
                 gaps.found_size);
    } else if (gaps.largest) {
        snprintf(room, sizeof room,
                 "no room is large enough for it: the largest has 0x%x bytes, at 0x%x",
                 gaps.largest, gaps.at);
    } else {
        snprintf(room, sizeof room, "the flash has no other room");
    }
    return molt_fail(work->message, MOLT_E_TABLE_OVERLAP,
                     "partitions overlap: '%s' (0x%x to 0x%x) and '%s' (0x%x to 0x%x, 0x%x bytes); "
                     "%s",
                     a->label, a->offset, a->offset + a->size, b->label, b->offset,
                     b->offset + b->size, b->size, room);
}

static int behind_flash(const struct edit_work *work, const struct molt_partition *row)
{
    uint32_t flash = work->edit->flash_size;
    if (row->offset >= flash) {
        return molt_fail(work->message, MOLT_E_TABLE_FLASH_SIZE,
                         "partition '%s' begins at 0x%x, behind the end of the flash (0x%x): "
                         "--move it, --delete it, or --flash-size when the chip has more",
                         row->label, row->offset, flash);
    }
    return molt_fail(work->message, MOLT_E_TABLE_FLASH_SIZE,
                     "partition '%s' (0x%x bytes at 0x%x) ends behind the end of the flash (0x%x): "
                     "at most 0x%x fit (--resize %s=rest), or --flash-size when the chip has more",
                     row->label, row->size, row->offset, flash, flash - row->offset, row->label);
}

static int slots_wrong(const struct edit_work *work, const struct molt_diag *diag)
{
    uint32_t slots = molt_ptable_slot_count(&work->edit->table);
    uint32_t largest, at;
    if (diag->offset < (uint32_t)work->count &&
        work->row[diag->offset].p.type == MOLT_PARTITION_APP && diag->has_values &&
        strncmp(diag->what, "gap", 3) == 0) {
        return molt_fail(work->message, MOLT_E_TABLE_SLOTS,
                         "app slots and otadata do not fit together: there are %u slots, so they "
                         "must be ota_0 to ota_%u without a gap, but there is an ota_%u ('%s')",
                         slots, slots - 1, diag->found, work->row[diag->offset].p.label);
    }
    if (strncmp(diag->what, "slots without otadata", 21) == 0) {
        uint32_t place = edit_gap(work, 0x2000, EDIT_SECTOR, &largest, &at);
        char hint[80] = "there is no room for one: --resize nvs makes some";
        if (place) {
            snprintf(hint, sizeof hint, "--add otadata:data:ota:0x%x:8K makes one", place);
        }
        return molt_fail(work->message, MOLT_E_TABLE_SLOTS,
                         "app slots and otadata do not fit together: slots without otadata; %s, or "
                         "delete the slots and keep a factory app",
                         hint);
    }
    if (strncmp(diag->what, "no app partition", 16) == 0) {
        return molt_fail(work->message, MOLT_E_TABLE_SLOTS,
                         "app slots and otadata do not fit together: no app partition is left: "
                         "expected the one that boots ('%s') to stay",
                         work->old[work->boots].p.label);
    }
    return 0;
}

int edit_check_table(struct edit_work *work)
{
    struct molt_ptable *table = &work->edit->table;
    struct molt_diag diag = {0};
    memset(table, 0, sizeof *table);
    table->count = (uint32_t)work->count;
    table->has_md5 = work->has_md5;
    for (int i = 0; i < work->count; i++) {
        table->row[i] = work->row[i].p;
    }
    int error = molt_ptable_check(table, work->edit->flash_size, &diag);
    if (!error) {
        return MOLT_OK;
    }
    char thing[64] = "partition table", label[17];
    int said = 0;
    if (diag.offset < table->count) {
        memcpy(label, table->row[diag.offset].label, sizeof label);
        molt_info_plain(label);
        snprintf(thing, sizeof thing, "partition '%s'", label);
    }
    switch (error) {
    case MOLT_E_TABLE_OVERLAP: said = overlap(work, diag.expected, diag.found); break;
    case MOLT_E_TABLE_FLASH_SIZE: said = behind_flash(work, &table->row[diag.offset]); break;
    case MOLT_E_TABLE_SLOTS: said = slots_wrong(work, &diag); break;
    case MOLT_E_TABLE_ALIGNMENT:
        said = edit_not_aligned(work, label, strncmp(diag.what, "size", 4) == 0 ? "size" : "offset",
                                diag.found, diag.expected);
        break;
    default: break;
    }
    diag.offset = MOLT_DIAG_NONE;
    return said ? said : molt_fail_diag(work->message, thing, &diag);
}

int edit_app_too_large(const struct edit_work *work, const struct molt_partition *row,
                       uint32_t length)
{
    return molt_fail(work->message, MOLT_E_IMAGE_TOO_LARGE,
                     "the app (%u bytes, 0x%x) is larger than partition '%s' (0x%x): a size of "
                     "0x%x would fit",
                     length, length, row->label, row->size,
                     (length + EDIT_APP_AT - 1) / EDIT_APP_AT * EDIT_APP_AT);
}
