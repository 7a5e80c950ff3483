#include "molt/ops/edit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "molt/host/file.h"
#include "molt/ops/info.h"
#include "molt/ops/layout.h"
#include "molt/otadata.h"

/* What one edit needs to know while it is planned. */
struct work {
    struct molt_edit *edit;
    const struct molt_target *source;
    const struct molt_edit_request *request;
    struct molt_message *message;
    struct molt_info_image boot, app;
    const struct molt_partition *old_app;
};

/* ---- Checking the source ---- */

static int check_source(const struct work *work)
{
    const struct molt_target *source = work->source;
    if (source->kind != MOLT_TARGET_FIRMWARE && source->kind != MOLT_TARGET_DUMP) {
        return molt_fail(work->message, MOLT_E_UNSUPPORTED,
                         "%s: is a %s, expected a firmware file or a flash dump", source->name,
                         molt_target_kind_name(source->kind));
    }
    if (source->table_error) {
        return molt_fail_diag(work->message, source->name, &source->table_diag);
    }
    return MOLT_OK;
}

static int check_flash_size(struct work *work)
{
    const struct molt_target *source = work->source;
    uint32_t size =
        work->request->flash_size ? work->request->flash_size : source->header_flash_size;
    if (molt_flash_size_nibble(size) < 0) {
        return molt_fail(work->message, MOLT_E_RANGE,
                         "flash size %u bytes: expected 1, 2, 4, 8 ... 128 MB", size);
    }
    if (size > source->chip->max_flash_size) {
        return molt_fail(work->message, MOLT_E_RANGE,
                         "flash size %u MB: the %s addresses at most %u MB", size >> 20,
                         source->chip->name, source->chip->max_flash_size >> 20);
    }
    work->edit->flash_size = size;
    return MOLT_OK;
}

static int fail_image(const struct work *work, const char *kind, struct molt_info_image *found)
{
    char thing[160];
    if (found->empty || found->outside) {
        return molt_fail(work->message, MOLT_E_IMAGE_MAGIC, "%s: no %s at 0x%x (%s), expected one",
                         work->source->name, kind, found->offset,
                         found->empty ? "erased" : "the file ends before it");
    }
    found->diag.error = found->error;
    snprintf(thing, sizeof thing, "%.100s: %s at 0x%x", work->source->name, kind, found->offset);
    return molt_fail_diag(work->message, thing, &found->diag);
}

static int check_bootloader(struct work *work)
{
    uint32_t offset = work->source->chip->bootloader_offset;
    molt_info_read_image(&work->boot, &work->source->flash, offset, MOLT_PTABLE_OFFSET - offset,
                         NULL);
    if (!work->boot.readable || work->boot.error) {
        return fail_image(work, "bootloader", &work->boot);
    }
    return MOLT_OK;
}

/* factory, else ota_0, else whatever app comes first. */
static const struct molt_partition *first_app(const struct molt_ptable *table)
{
    const struct molt_partition *row =
        molt_ptable_find(table, MOLT_PARTITION_APP, MOLT_APP_FACTORY);
    if (!row) {
        row = molt_ptable_find(table, MOLT_PARTITION_APP, MOLT_APP_OTA_0);
    }
    for (uint32_t i = 0; !row && i < table->count; i++) {
        if (table->row[i].type == MOLT_PARTITION_APP) {
            row = &table->row[i];
        }
    }
    return row;
}

/* A dump may boot another slot than the first: its app would silently be dropped. */
static int check_boots_first(const struct work *work)
{
    const struct molt_ptable *table = &work->source->table;
    const struct molt_partition *row =
        molt_ptable_find(table, MOLT_PARTITION_DATA, MOLT_DATA_OTADATA);
    struct molt_otadata otadata;
    struct molt_otadata_choice choice;
    if (!row || row->offset + (uint64_t)MOLT_OTADATA_SIZE > work->source->flash.size ||
        molt_otadata_read(&otadata, &work->source->flash, row->offset) != MOLT_OK) {
        return MOLT_OK;
    }
    const struct molt_otadata_facts facts = {
        molt_ptable_slot_count(table),
        molt_ptable_find(table, MOLT_PARTITION_APP, MOLT_APP_FACTORY) != NULL, true};
    if (facts.slot_count == 0) {
        return MOLT_OK;
    }
    molt_otadata_choose(&otadata, &facts, &choice);
    if (choice.slot == MOLT_OTADATA_FACTORY || (choice.slot == 0 && !facts.has_factory)) {
        return MOLT_OK;
    }
    return molt_fail(
        work->message, MOLT_E_UNSUPPORTED,
        "%s: this dump boots ota_%d, but a new layout keeps the app of '%s' only; boot "
        "that one first ('molt ota set-boot')",
        work->source->name, choice.slot, work->old_app->label);
}

static int check_app(struct work *work)
{
    const struct molt_target *source = work->source;
    work->old_app = first_app(&source->table);
    if (!work->old_app) {
        return molt_fail(work->message, MOLT_E_TABLE_SLOTS,
                         "%s: its table has no app partition, expected one", source->name);
    }
    molt_info_read_image(&work->app, &source->flash, work->old_app->offset, work->old_app->size,
                         source->chip);
    if (!work->app.readable || work->app.error) {
        return fail_image(work, "app", &work->app);
    }
    work->edit->app_offset = work->old_app->offset;
    work->edit->app_length = work->app.image.length;
    return work->request->layout ? check_boots_first(work) : MOLT_OK;
}

/* ---- The new table ---- */

static int fail_too_large(const struct work *work, const struct molt_partition *row)
{
    const struct molt_edit *edit = work->edit;
    uint32_t fits = (edit->app_length + 0xFFFF) / 0x10000 * 0x10000;
    uint32_t larger = edit->flash_size;
    uint32_t most = work->source->chip->max_flash_size;
    while (larger < most &&
           molt_layout_slot_size(work->request->layout, larger) < edit->app_length) {
        larger *= 2;
    }
    char hint[160] = "";
    if (molt_layout_slot_size(work->request->layout, larger) >= edit->app_length) {
        snprintf(hint, sizeof hint,
                 "; if the chip has %u MB of flash, --flash-size %uM makes slots of 0x%x",
                 larger >> 20, larger >> 20, molt_layout_slot_size(work->request->layout, larger));
    }
    return molt_fail(
        work->message, MOLT_E_IMAGE_TOO_LARGE,
        "the app (%u bytes, 0x%x) is larger than partition '%s' of layout %s for %u MB "
        "(0x%x): a slot of 0x%x would fit%s",
        edit->app_length, edit->app_length, row->label, work->request->layout,
        edit->flash_size >> 20, row->size, fits, hint);
}

static int make_table(struct work *work)
{
    struct molt_edit *edit = work->edit;
    struct molt_diag diag = {0};
    if (!work->request->layout) {
        edit->table = work->source->table;
        int error = molt_ptable_check(&edit->table, edit->flash_size, &diag);
        if (error && diag.offset < edit->table.count) {
            char thing[64], label[17];
            memcpy(label, edit->table.row[diag.offset].label, sizeof label);
            molt_info_plain(label);
            snprintf(thing, sizeof thing, "partition '%s'", label);
            diag.offset = MOLT_DIAG_NONE;
            return molt_fail_diag(work->message, thing, &diag);
        }
        return error ? molt_fail_diag(work->message, "partition table", &diag) : MOLT_OK;
    }
    const struct molt_layout_request layout = {.name = work->request->layout,
                                               .flash_size = edit->flash_size,
                                               .app_offset = edit->app_offset};
    int error = molt_layout_make(&edit->table, &layout, work->message);
    if (error) {
        return error;
    }
    const struct molt_partition *row = first_app(&edit->table);
    snprintf(edit->app_label, sizeof edit->app_label, "%s", row->label);
    return edit->app_length > row->size ? fail_too_large(work, row) : MOLT_OK;
}

/* ---- Making the result ---- */

static bool same_row(const struct molt_partition *a, const struct molt_partition *b)
{
    return a->type == b->type && a->subtype == b->subtype && a->offset == b->offset &&
           a->size == b->size && strcmp(a->label, b->label) == 0;
}

static bool has_row(const struct molt_ptable *table, const struct molt_partition *row)
{
    for (uint32_t i = 0; i < table->count; i++) {
        if (same_row(&table->row[i], row)) {
            return true;
        }
    }
    return false;
}

/* Bytes of [offset, offset + size) that the file has. */
static uint32_t inside(const struct molt_edit *edit, uint32_t offset, uint32_t size)
{
    if (offset >= edit->size) {
        return 0;
    }
    return size < edit->size - offset ? size : edit->size - offset;
}

static bool has_content(const struct molt_edit *edit, uint32_t offset, uint32_t size)
{
    uint32_t n = inside(edit, offset, size);
    for (uint32_t i = 0; i < n; i++) {
        if (edit->flash[offset + i] != 0xFF) {
            return true;
        }
    }
    return false;
}

/* Old partitions that are no longer there as they were, and had something in them. */
static void plan_losses(struct work *work)
{
    struct molt_edit *edit = work->edit;
    for (uint32_t i = 0; i < work->source->table.count; i++) {
        const struct molt_partition *row = &work->source->table.row[i];
        char label[17];
        memcpy(label, row->label, sizeof label);
        molt_info_plain(label);
        if (row == work->old_app) {
            molt_plan_add(&edit->plan, MOLT_STEP_KEEP, row->offset, edit->app_length,
                          edit->app_label, "the app, until now in '%s', stays where it is", label);
        } else if (has_row(&edit->table, row)) {
            molt_plan_add(&edit->plan, MOLT_STEP_KEEP, row->offset, row->size, label,
                          "the same in the new table");
        } else if (has_content(edit, row->offset, row->size)) {
            molt_plan_add(&edit->plan, MOLT_STEP_LOSE, row->offset, row->size, label,
                          "what it holds in this file is not carried over");
        }
    }
}

/* Whatever is not kept starts erased, so that the device makes it anew. */
static void erase_changed(struct work *work)
{
    struct molt_edit *edit = work->edit;
    for (uint32_t i = 0; i < edit->table.count; i++) {
        const struct molt_partition *row = &edit->table.row[i];
        uint32_t offset = row->offset, size = row->size;
        if (has_row(&work->source->table, row)) {
            continue;
        }
        if (offset == edit->app_offset) {
            offset += edit->app_length;
            size -= edit->app_length;
        }
        if (has_content(edit, offset, size)) {
            molt_plan_add(&edit->plan, MOLT_STEP_ERASE, offset, inside(edit, offset, size),
                          row->label, "other data until now; the device makes it anew");
            memset(edit->flash + offset, 0xFF, inside(edit, offset, size));
        }
    }
}

static int apply_table(struct work *work)
{
    struct molt_edit *edit = work->edit;
    if (!work->request->layout) {
        return MOLT_OK;
    }
    plan_losses(work);
    int error = molt_ptable_write(&edit->table, edit->flash + MOLT_PTABLE_OFFSET);
    if (error) {
        return molt_fail(work->message, error, "the new table: %s", molt_strerror(error));
    }
    molt_plan_add(&edit->plan, MOLT_STEP_WRITE, MOLT_PTABLE_OFFSET, MOLT_PTABLE_SIZE, "table",
                  "layout %s for %u MB of flash", work->request->layout, edit->flash_size >> 20);
    erase_changed(work);
    return MOLT_OK;
}

static void apply_flash_size(struct work *work)
{
    struct molt_edit *edit = work->edit;
    const struct molt_image *boot = &work->boot.image;
    uint32_t offset = work->boot.offset;
    uint8_t *header = edit->flash + offset;
    if (edit->flash_size == work->source->header_flash_size) {
        return;
    }
    header[3] =
        (uint8_t)(molt_flash_size_nibble(edit->flash_size) << 4 | boot->header.flash_freq_nibble);
    if (boot->header.hash_appended) {
        uint32_t hashed = boot->length - MOLT_SHA256_SIZE;
        molt_sha256_of(header, hashed, header + hashed);
    }
    molt_plan_add(&edit->plan, MOLT_STEP_WRITE, offset, boot->length, "bootloader",
                  "flash size in its header from %u to %u MB%s",
                  work->source->header_flash_size >> 20, edit->flash_size >> 20,
                  boot->header.hash_appended ? ", its SHA-256 computed again" : "");
    if (!work->request->layout && edit->flash_size > work->source->header_flash_size) {
        molt_plan_add(&edit->plan, MOLT_STEP_NOTE, 0, 0, "table",
                      "stays as it is, so the new part of the flash is not used; --layout makes a "
                      "table for it");
    }
}

/* The source's own copy in memory; a dump gets the length of the new flash. */
static int copy_source(struct work *work)
{
    struct molt_edit *edit = work->edit;
    const struct molt_target *source = work->source;
    edit->base = source->base;
    edit->size = source->flash.size;
    edit->flash = source->bytes;
    if (source->kind != MOLT_TARGET_DUMP || edit->size >= edit->flash_size) {
        return MOLT_OK;
    }
    edit->size = edit->flash_size;
    edit->flash = edit->owned = malloc(edit->size);
    if (!edit->flash) {
        return molt_fail(work->message, MOLT_E_NO_MEMORY, "no memory for %u bytes", edit->size);
    }
    memset(edit->flash + source->flash.size, 0xFF, edit->size - source->flash.size);
    int error = molt_flash_read(&source->flash, 0, edit->flash, source->flash.size);
    return error ? molt_fail(work->message, error, "%s: %s", source->name, molt_strerror(error))
                 : MOLT_OK;
}

/* A file that is longer than the flash: only an erased end may be cut off. */
static int fit_flash(struct work *work)
{
    struct molt_edit *edit = work->edit;
    if (edit->size <= edit->flash_size) {
        return MOLT_OK;
    }
    if (has_content(edit, edit->flash_size, edit->size - edit->flash_size)) {
        return molt_fail(work->message, MOLT_E_RANGE,
                         "%s: reaches to 0x%x of the flash, the flash ends at 0x%x: expected a "
                         "firmware that fits",
                         work->source->name, edit->size, edit->flash_size);
    }
    edit->size = edit->flash_size;
    return MOLT_OK;
}

int molt_edit_prepare(struct molt_edit *edit, const struct molt_target *source,
                      const struct molt_edit_request *request, struct molt_message *message)
{
    struct work work = {.edit = edit, .source = source, .request = request, .message = message};
    int (*const steps[])(struct work *) = {check_flash_size, check_bootloader, check_app,
                                           make_table,       copy_source,      apply_table,
                                           fit_flash};
    memset(edit, 0, sizeof *edit);
    int error = check_source(&work);
    for (size_t i = 0; !error && i < sizeof steps / sizeof steps[0]; i++) {
        error = steps[i](&work);
    }
    if (!error) {
        apply_flash_size(&work);
    }
    if (!error && edit->plan.full) {
        error =
            molt_fail(message, MOLT_E_NO_SPACE, "the plan has more than %d steps", MOLT_PLAN_STEPS);
    }
    return error;
}

int molt_edit_write(const struct molt_edit *edit, const struct molt_target *source, const char *out,
                    struct molt_message *message)
{
    if (strncmp(out, "sim:", 4) == 0) {
        return molt_fail(message, MOLT_E_ARGUMENT,
                         "%s: is a board, expected the name of a file to write: write one, then "
                         "'molt flash' it",
                         out);
    }
    if (molt_same_file(out, source->name)) {
        return molt_fail(message, MOLT_E_ARGUMENT,
                         "%s: is the input itself (%s); expected another name for the output", out,
                         source->name);
    }
    return molt_file_write(out, edit->flash + edit->base, edit->size - edit->base, 0666,
                           MOLT_FILE_REPLACE_UNSYNCED, message);
}

void molt_edit_free(struct molt_edit *edit)
{
    free(edit->owned);
    edit->owned = edit->flash = NULL;
}
