#include "molt/ops/diff.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "molt/ops/info.h"
#include "molt/ops/tablefile.h"
#include "molt/otadata.h"
#include "ops/diff/diff_internal.h"

/* ---- The list ---- */

struct molt_diff_item *diff_add(struct diff_work *work, enum molt_diff_what what,
                                enum molt_diff_change change, const char *place)
{
    struct molt_diff *diff = work->diff;
    if (diff->count == diff->capacity) {
        uint32_t capacity = diff->capacity ? 2 * diff->capacity : 16;
        struct molt_diff_item *larger = realloc(diff->item, capacity * sizeof *larger);
        if (!larger) {
            molt_fail(work->message, MOLT_E_NO_MEMORY, "out of memory");
            return NULL;
        }
        diff->item = larger;
        diff->capacity = capacity;
    }
    struct molt_diff_item *item = &diff->item[diff->count++];
    memset(item, 0, sizeof *item);
    item->what = what;
    item->change = change;
    snprintf(item->place, sizeof item->place, "%s", place);
    molt_info_plain(item->place);
    return item;
}

void molt_diff_free(struct molt_diff *diff)
{
    for (uint32_t i = 0; i < diff->count; i++) {
        free(diff->item[i].path);
    }
    free(diff->item);
    memset(diff, 0, sizeof *diff);
}

enum molt_diff_change diff_by_side(bool in_a, bool in_b)
{
    return in_a == in_b ? MOLT_DIFF_CHANGED : in_b ? MOLT_DIFF_ADDED : MOLT_DIFF_REMOVED;
}

void diff_words(char text[160], const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(text, 160, format, list);
    va_end(list);
    molt_info_plain(text);
}

const char *molt_diff_what_name(enum molt_diff_what what)
{
    static const char *const names[] = {
        "chip",    "flash size", "header",      "bootloader", "table",  "row",  "app",
        "otadata", "nvs",        "file system", "file",       "folder", "bytes"};
    return names[what];
}

const char *molt_diff_change_name(enum molt_diff_change change)
{
    static const char *const names[] = {"changed", "added", "removed"};
    return names[change];
}

int diff_progress(const struct diff_work *work, const char *what, uint64_t done, uint64_t total)
{
    if (work->progress && work->progress->report &&
        work->progress->report(work->progress->context, what, done, total)) {
        return molt_fail(work->message, MOLT_E_CANCELLED, "cancelled");
    }
    return MOLT_OK;
}

int diff_cannot_read(const struct diff_work *work, const struct molt_target *target,
                     uint32_t offset, int error)
{
    return molt_fail(work->message, error, "%s: cannot be read at 0x%x: %s", target->name, offset,
                     molt_strerror(error));
}

/* ---- What is compared with what ---- */

int molt_diff_open(struct molt_target *target, const char *name, struct molt_message *message)
{
    if (!molt_is_csv_file(name)) {
        return molt_target_open(target, name, message);
    }
    memset(target, 0, sizeof *target);
    target->kind = MOLT_TARGET_TABLE;
    snprintf(target->name, sizeof target->name, "%s", name);
    return molt_table_read_csv(&target->table, name, NULL, message);
}

static bool has_layout(const struct molt_target *target)
{
    return target->kind == MOLT_TARGET_FIRMWARE || target->kind == MOLT_TARGET_DUMP ||
           target->kind == MOLT_TARGET_BOARD;
}

static int need_table(const struct diff_work *work, const struct molt_target *target)
{
    return target->table_error ? molt_fail_diag(work->message, target->name, &target->table_diag)
                               : MOLT_OK;
}

static int compare_facts(struct diff_work *work)
{
    const struct molt_target *a = work->a, *b = work->b;
    if (a->chip && b->chip && a->chip != b->chip) {
        struct molt_diff_item *item = diff_add(work, MOLT_DIFF_CHIP, MOLT_DIFF_CHANGED, "");
        if (!item) {
            return MOLT_E_NO_MEMORY;
        }
        diff_words(item->a, "%s", a->chip->name);
        diff_words(item->b, "%s", b->chip->name);
    }
    if (a->header_flash_size != b->header_flash_size) {
        struct molt_diff_item *item =
            diff_add(work, MOLT_DIFF_FLASH_SIZE,
                     diff_by_side(a->header_flash_size, b->header_flash_size), "");
        if (!item) {
            return MOLT_E_NO_MEMORY;
        }
        if (a->header_flash_size) {
            diff_words(item->a, "%u MB", a->header_flash_size >> 20);
        }
        if (b->header_flash_size) {
            diff_words(item->b, "%u MB", b->header_flash_size >> 20);
        }
    }
    return MOLT_OK;
}

static int compare_layouts(struct diff_work *work)
{
    int error = compare_facts(work);
    if (!error) {
        error = diff_bootloader(work);
    }
    return error ? error : diff_tables(work, true);
}

static int compare_tables(struct diff_work *work)
{
    int error = need_table(work, work->a);
    if (!error) {
        error = need_table(work, work->b);
    }
    return error ? error : diff_tables(work, false);
}

/* The slot that otadata names; NULL = none. */
static const struct molt_partition *named_slot(const struct molt_target *target)
{
    const struct molt_ptable *table = &target->table;
    const struct molt_partition *row =
        molt_ptable_find(table, MOLT_PARTITION_DATA, MOLT_DATA_OTADATA);
    const struct molt_otadata_facts facts = {
        molt_ptable_slot_count(table),
        molt_ptable_find(table, MOLT_PARTITION_APP, MOLT_APP_FACTORY) != NULL, true};
    struct molt_otadata otadata;
    struct molt_otadata_choice choice;
    if (!row || facts.slot_count == 0 || facts.slot_count > 16 ||
        row->offset + (uint64_t)MOLT_OTADATA_SIZE > target->flash.size ||
        molt_otadata_read(&otadata, &target->flash, row->offset) != MOLT_OK) {
        return NULL;
    }
    molt_otadata_choose(&otadata, &facts, &choice);
    return choice.slot < 0 ? NULL
                           : molt_ptable_find(table, MOLT_PARTITION_APP,
                                              (uint8_t)(MOLT_APP_OTA_0 + choice.slot));
}

/* The app that boots, or of a bare image all of it. */
static int app_place(const struct diff_work *work, struct molt_place *place,
                     const struct molt_target *target)
{
    if (target->kind == MOLT_TARGET_APP) {
        return molt_place_find(place, target, "all", work->message);
    }
    int error = need_table(work, target);
    if (error) {
        return error;
    }
    const struct molt_partition *row = named_slot(target);
    if (!row) {
        row = molt_ptable_find(&target->table, MOLT_PARTITION_APP, MOLT_APP_FACTORY);
    }
    for (uint32_t i = 0; !row && i < target->table.count; i++) {
        if (target->table.row[i].type == MOLT_PARTITION_APP) {
            row = &target->table.row[i];
        }
    }
    if (!row) {
        return molt_fail(work->message, MOLT_E_NOT_FOUND, "%s: its table has no app partition",
                         target->name);
    }
    *place = (struct molt_place){MOLT_PLACE_PARTITION, "", row->offset, row->size, row};
    snprintf(place->label, sizeof place->label, "%s", row->label);
    return MOLT_OK;
}

static int compare_apps(struct diff_work *work)
{
    struct molt_place a, b;
    int error = app_place(work, &a, work->a);
    if (!error) {
        error = app_place(work, &b, work->b);
    }
    if (!error && work->a->kind == MOLT_TARGET_APP) {
        memcpy(a.label, b.label, sizeof a.label); /* "all" is no partition */
    }
    if (!error && work->b->kind == MOLT_TARGET_APP && work->a->kind == MOLT_TARGET_APP) {
        a.label[0] = 0;
    }
    return error ? error : diff_app(work, &a, &b);
}

static int compare_files(struct diff_work *work)
{
    struct molt_place a, b;
    bool done = false;
    int error = molt_place_files(&a, work->a, work->message);
    if (!error) {
        error = molt_place_files(&b, work->b, work->message);
    }
    if (!error && work->a->kind == MOLT_TARGET_FILES) {
        memcpy(a.label, b.label, sizeof a.label);
    }
    if (!error && work->a->kind == MOLT_TARGET_FILES && work->b->kind == MOLT_TARGET_FILES) {
        a.label[0] = 0;
    }
    if (!error) {
        error = diff_files(work, &a, &b, &done);
    }
    return error || done ? error : diff_bytes(work, &a, &b);
}

static int compare_bootloaders(struct diff_work *work)
{
    int error = compare_facts(work);
    return error ? error : diff_bootloader(work);
}

int molt_diff_targets(struct molt_diff *diff, struct molt_target *a, struct molt_target *b,
                      const struct molt_progress *progress, struct molt_message *message)
{
    struct diff_work work = {diff, a, b, progress, message};
    static const struct {
        enum molt_target_kind kind;
        int (*compare)(struct diff_work *);
    } parts[] = {{MOLT_TARGET_TABLE, compare_tables},
                 {MOLT_TARGET_APP, compare_apps},
                 {MOLT_TARGET_FILES, compare_files},
                 {MOLT_TARGET_BOOTLOADER, compare_bootloaders}};
    if (has_layout(a) && has_layout(b)) {
        return compare_layouts(&work);
    }
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        bool left = a->kind == parts[i].kind, right = b->kind == parts[i].kind;
        if ((left || has_layout(a)) && (right || has_layout(b)) && (left || right)) {
            return parts[i].compare(&work);
        }
    }
    return molt_fail(message, MOLT_E_UNSUPPORTED,
                     "%s is %s, %s %s: they have nothing in common that could be compared", a->name,
                     molt_target_kind_words(a->kind), b->name, molt_target_kind_words(b->kind));
}
