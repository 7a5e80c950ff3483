/* Rows that are in both tables, in one, moved, resized, renamed; then what the partitions hold. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "molt/ops/info.h"
#include "ops/diff/diff_internal.h"

#define SECTOR 0x1000u
#define NONE   UINT32_MAX

/* Which row of b each row of a is. */
struct match {
    uint32_t of_a[MOLT_PTABLE_MAX_ROWS];
    bool taken[MOLT_PTABLE_MAX_ROWS]; /* of b */
};

static bool same_label(const struct molt_partition *a, const struct molt_partition *b)
{
    return a->type == b->type && strcmp(a->label, b->label) == 0;
}

static bool same_place(const struct molt_partition *a, const struct molt_partition *b)
{
    return a->type == b->type && a->offset == b->offset;
}

static void match_by(struct match *match, const struct molt_ptable *a, const struct molt_ptable *b,
                     bool (*same)(const struct molt_partition *, const struct molt_partition *))
{
    for (uint32_t i = 0; i < a->count; i++) {
        for (uint32_t k = 0; match->of_a[i] == NONE && k < b->count; k++) {
            if (!match->taken[k] && same(&a->row[i], &b->row[k])) {
                match->of_a[i] = k;
                match->taken[k] = true;
            }
        }
    }
}

/* By name first; what is left, by where it lies: renamed. */
static void match_rows(struct match *match, const struct molt_ptable *a,
                       const struct molt_ptable *b)
{
    memset(match, 0, sizeof *match);
    for (uint32_t i = 0; i < MOLT_PTABLE_MAX_ROWS; i++) {
        match->of_a[i] = NONE;
    }
    match_by(match, a, b, same_label);
    match_by(match, a, b, same_place);
}

/* ---- Rows ---- */

static unsigned changes(const struct molt_partition *a, const struct molt_partition *b)
{
    return (a->offset != b->offset ? MOLT_DIFF_MOVED : 0) |
           (a->size != b->size ? MOLT_DIFF_RESIZED : 0) |
           (strcmp(a->label, b->label) != 0 ? MOLT_DIFF_RENAMED : 0) |
           (a->type != b->type || a->subtype != b->subtype ? MOLT_DIFF_RETYPED : 0) |
           (a->flags != b->flags ? MOLT_DIFF_FLAGS : 0);
}

static void row_words(char text[160], const struct molt_partition *row)
{
    const char *type = molt_partition_type_name(row->type);
    const char *subtype = molt_partition_subtype_name(row->type, row->subtype);
    char numbers[2][8];
    snprintf(numbers[0], sizeof numbers[0], "0x%02x", row->type);
    snprintf(numbers[1], sizeof numbers[1], "0x%02x", row->subtype);
    diff_words(text, "%s %s at 0x%x, 0x%x bytes%s%s", type ? type : numbers[0],
               subtype ? subtype : numbers[1], row->offset, row->size,
               row->flags & 1 ? ", encrypted" : "", row->flags & 2 ? ", read-only" : "");
}

static int row_item(struct diff_work *work, const struct molt_partition *a,
                    const struct molt_partition *b)
{
    unsigned what = a && b ? changes(a, b) : 0;
    if (a && b && !what) {
        return MOLT_OK;
    }
    struct molt_diff_item *item =
        diff_add(work, MOLT_DIFF_ROW, diff_by_side(a, b), a ? a->label : b->label);
    if (!item) {
        return MOLT_E_NO_MEMORY;
    }
    item->row_changes = what;
    if (a) {
        item->row_a = *a;
        row_words(item->a, a);
    }
    if (b) {
        item->row_b = *b;
        row_words(item->b, b);
    }
    return MOLT_OK;
}

static int compare_rows(struct diff_work *work, const struct match *match)
{
    const struct molt_ptable *a = &work->a->table, *b = &work->b->table;
    int error = MOLT_OK;
    for (uint32_t i = 0; !error && i < a->count; i++) {
        error = row_item(work, &a->row[i], match->of_a[i] == NONE ? NULL : &b->row[match->of_a[i]]);
    }
    for (uint32_t k = 0; !error && k < b->count; k++) {
        if (!match->taken[k]) {
            error = row_item(work, NULL, &b->row[k]);
        }
    }
    return error;
}

static void table_words(char text[160], const struct molt_target *target)
{
    if (!target->table_error) {
        diff_words(text, "%u rows, %s", target->table.count,
                   target->table.has_md5 ? "with MD5 row" : "without MD5 row");
    } else if (target->table_error != MOLT_E_TABLE_MAGIC) {
        diff_words(text, "not readable: %s", molt_strerror(target->table_error));
    }
}

/* The tables as a whole: readable or not, with MD5 row or not. */
static int compare_whole(struct diff_work *work)
{
    const struct molt_target *a = work->a, *b = work->b;
    if (a->table_error == b->table_error &&
        (a->table_error || a->table.has_md5 == b->table.has_md5)) {
        return MOLT_OK;
    }
    struct molt_diff_item *item = diff_add(
        work, MOLT_DIFF_TABLE,
        diff_by_side(a->table_error != MOLT_E_TABLE_MAGIC, b->table_error != MOLT_E_TABLE_MAGIC),
        "table");
    if (!item) {
        return MOLT_E_NO_MEMORY;
    }
    table_words(item->a, a);
    table_words(item->b, b);
    return MOLT_OK;
}

/* ---- Content ---- */

/* The part of a place that the flash has; a bad table may promise more. */
static void clip(struct molt_place *place, const struct molt_target *target)
{
    uint32_t end = molt_place_flash_end(target);
    if (place->offset >= end) {
        place->size = 0;
    } else if (place->size > end - place->offset) {
        place->size = end - place->offset;
    }
}

static struct molt_place range(const struct molt_target *target, const char *label, uint32_t offset,
                               uint64_t end)
{
    struct molt_place place = {.kind = MOLT_PLACE_RANGE, .offset = offset};
    place.size = end > offset ? (uint32_t)(end - offset) : 0;
    snprintf(place.label, sizeof place.label, "%s", label);
    clip(&place, target);
    return place;
}

static struct molt_place row_place(const struct molt_target *target,
                                   const struct molt_partition *row)
{
    struct molt_place place =
        range(target, row->label, row->offset, (uint64_t)row->offset + row->size);
    place.kind = MOLT_PLACE_PARTITION;
    place.row = row;
    return place;
}

/* The room behind the last partition, where MicroPython 1.26 and later keep their files. */
static bool behind(const struct molt_target *target, struct molt_place *place)
{
    return molt_place_find(place, target, "vfs", NULL) == MOLT_OK &&
           place->kind == MOLT_PLACE_BEHIND;
}

/* A file system behind the last partition, against the same or against a partition vfs that the
 * other side has in its place. */
static int compare_behind(struct diff_work *work, const struct match *match)
{
    struct molt_place a = {0}, b = {0};
    bool in_a = behind(work->a, &a), in_b = behind(work->b, &b);
    if (!in_a && !in_b) {
        return MOLT_OK;
    }
    const struct molt_ptable *left = &work->a->table, *right = &work->b->table;
    for (uint32_t i = 0; !in_a && i < left->count; i++) {
        if (match->of_a[i] == NONE && strcmp(left->row[i].label, "vfs") == 0) {
            a = row_place(work->a, &left->row[i]);
        }
    }
    for (uint32_t k = 0; !in_b && k < right->count; k++) {
        if (!match->taken[k] && strcmp(right->row[k].label, "vfs") == 0) {
            b = row_place(work->b, &right->row[k]);
        }
    }
    snprintf(a.label, sizeof a.label, "vfs");
    return diff_content(work, &a, &b);
}

static int compare_contents(struct diff_work *work, const struct match *match)
{
    const struct molt_ptable *table = &work->a->table;
    int error = MOLT_OK;
    for (uint32_t i = 0; !error && i < table->count; i++) {
        if (match->of_a[i] != NONE) {
            struct molt_place a = row_place(work->a, &table->row[i]);
            struct molt_place b = row_place(work->b, &work->b->table.row[match->of_a[i]]);
            error = diff_content(work, &a, &b);
        }
    }
    return error ? error : compare_behind(work, match);
}

/* ---- What belongs to no partition ---- */

static int by_offset(const void *a, const void *b)
{
    uint32_t left = ((const struct molt_partition *)a)->offset;
    uint32_t right = ((const struct molt_partition *)b)->offset;
    return (left > right) - (left < right);
}

static int compare_range(struct diff_work *work, const char *label, uint32_t offset, uint64_t end)
{
    struct molt_place a = range(work->a, label, offset, end);
    struct molt_place b = range(work->b, label, offset, end);
    uint32_t found = work->diff->count;
    int error = a.size || b.size ? diff_bytes(work, &a, &b) : MOLT_OK;
    if (!error && work->diff->count > found && !label[0]) {
        work->diff->item[found].first += offset; /* it has no other name than where it lies */
    }
    return error;
}

/* Only where the rows are the same: what is free in one table may be a partition in the other. */
static int compare_gaps(struct diff_work *work)
{
    struct molt_ptable *sorted = malloc(sizeof *sorted);
    struct molt_place place;
    uint64_t at = MOLT_PTABLE_OFFSET + SECTOR;
    if (!sorted) {
        return molt_fail(work->message, MOLT_E_NO_MEMORY, "out of memory");
    }
    *sorted = work->a->table;
    qsort(sorted->row, sorted->count, sizeof sorted->row[0], by_offset);
    uint32_t boot = work->a->chip ? work->a->chip->bootloader_offset : 0;
    int error = compare_range(work, "", 0, boot);
    if (!error) {
        error = compare_range(work, "table", MOLT_PTABLE_OFFSET, at);
    }
    for (uint32_t i = 0; !error && i < sorted->count; i++) {
        const struct molt_partition *row = &sorted->row[i];
        if (row->offset > at) {
            error = compare_range(work, "", (uint32_t)at, row->offset);
        }
        uint64_t end = (uint64_t)row->offset + row->size;
        at = end > at ? end : at;
    }
    uint32_t left = molt_place_flash_end(work->a), right = molt_place_flash_end(work->b);
    uint32_t end = left > right ? left : right;
    if (!error && at < end && !behind(work->a, &place) && !behind(work->b, &place)) {
        error = compare_range(work, "", (uint32_t)at, end);
    }
    free(sorted);
    return error;
}

int diff_tables(struct diff_work *work, bool content)
{
    uint32_t found = work->diff->count;
    struct match match;
    int error = compare_whole(work);
    if (!error && !work->a->table_error && !work->b->table_error) {
        match_rows(&match, &work->a->table, &work->b->table);
        error = compare_rows(work, &match);
        bool same = work->diff->count == found;
        if (!error && content) {
            error = compare_contents(work, &match);
        }
        return error || !content || !same ? error : compare_gaps(work);
    }
    if (!error && content && work->a->table_error && work->b->table_error) {
        uint32_t left = molt_place_flash_end(work->a), right = molt_place_flash_end(work->b);
        error = compare_range(work, "", MOLT_PTABLE_OFFSET, left > right ? left : right);
    }
    return error;
}
