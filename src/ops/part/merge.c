#include "molt/ops/merge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "molt/host/file.h"
#include "molt/ops/tablefile.h"
#include "ops/part/part_internal.h"

#define MOST_FILES 4 /* bootloader, table, app, files */

struct work {
    struct molt_merge *merge;
    const struct molt_merge_request *request;
    const char *bootloader, *table, *app, *files;
    struct molt_message *message;
};

/* ---- What each file is ---- */

static int take(struct work *work, const char **part, const char *kind, const char *file)
{
    if (*part) {
        return molt_fail(work->message, MOLT_E_ARGUMENT,
                         "%s and %s are both %s: expected one; another one goes to its place as "
                         "NAME=FILE",
                         *part, file, kind);
    }
    *part = file;
    return MOLT_OK;
}

static int take_target(struct work *work, const struct molt_target *target, const char *file)
{
    struct molt_target *flash = &work->merge->target;
    switch (target->kind) {
    case MOLT_TARGET_BOOTLOADER:
        flash->chip = target->chip;
        flash->header_flash_size = target->header_flash_size;
        return take(work, &work->bootloader, "bootloaders", file);
    case MOLT_TARGET_TABLE: return take(work, &work->table, "partition tables", file);
    case MOLT_TARGET_APP: return take(work, &work->app, "apps", file);
    case MOLT_TARGET_FILES: return take(work, &work->files, "file systems", file);
    case MOLT_TARGET_FIRMWARE:
    case MOLT_TARGET_DUMP:
    case MOLT_TARGET_BOARD: break;
    }
    return molt_fail(work->message, MOLT_E_ARGUMENT,
                     "%s: is %s, expected its parts: 'molt read' and 'molt extract' take them "
                     "out, 'molt write' changes it",
                     file, molt_target_kind_words(target->kind));
}

static int take_file(struct work *work, const char *file)
{
    struct molt_table_found *found = malloc(sizeof *found);
    struct molt_target *target = malloc(sizeof *target);
    struct molt_message closing = {0};
    int error = found && target ? molt_target_open(target, file, work->message)
                                : molt_fail(work->message, MOLT_E_NO_MEMORY, "out of memory");
    if (!error) {
        error = take_target(work, target, file);
        molt_target_close(target, &closing);
    } else if (error == MOLT_E_FORMAT) {
        /* A CSV is no flash. What is no CSV either, says so now. */
        struct molt_message csv;
        int table_error = molt_table_read(found, file, NULL, &csv);
        if (!table_error) {
            error = take(work, &work->table, "partition tables", file);
        } else if (found->from_csv) {
            error = molt_fail(work->message, table_error, "%s", csv.text);
        }
    }
    free(target);
    free(found);
    return error;
}

static int take_all(struct work *work)
{
    const struct molt_merge_request *request = work->request;
    const struct molt_chip *chip = request->chip ? molt_chip_by_name(request->chip) : NULL;
    int error = MOLT_OK;
    for (uint32_t i = 0; !error && i < request->file_count; i++) {
        error = take_file(work, request->files[i]);
    }
    if (error) {
        return error;
    }
    if (!work->bootloader || !work->table) {
        return molt_fail(work->message, MOLT_E_ARGUMENT, "no %s among the files: expected one",
                         work->bootloader ? "partition table (binary or CSV)" : "bootloader");
    }
    if (request->chip && chip != work->merge->target.chip) {
        return molt_fail(work->message, MOLT_E_IMAGE_CHIP, "%s: is a bootloader for %s, not for %s",
                         work->bootloader, work->merge->target.chip->name, request->chip);
    }
    return MOLT_OK;
}

/* ---- The erased flash ---- */

static int make_flash(struct work *work)
{
    struct molt_target *target = &work->merge->target;
    const struct molt_merge_request *request = work->request;
    uint32_t size = request->flash_size ? request->flash_size : target->header_flash_size;
    struct molt_table_found *found = malloc(sizeof *found);
    if (!found) {
        return molt_fail(work->message, MOLT_E_NO_MEMORY, "out of memory");
    }
    if (molt_flash_size_nibble(size) < 0 || size > target->chip->max_flash_size) {
        free(found);
        return molt_fail(work->message, MOLT_E_RANGE,
                         "%u bytes of flash: expected 1M, 2M, 4M, 8M ... up to %uM for %s", size,
                         target->chip->max_flash_size >> 20, target->chip->name);
    }
    int error = molt_table_read(found, work->table, NULL, work->message);
    target->table = found->table;
    free(found);
    snprintf(target->name, sizeof target->name, "the image");
    target->kind = request->dump ? MOLT_TARGET_DUMP : MOLT_TARGET_FIRMWARE;
    target->base = request->dump ? 0 : target->chip->bootloader_offset;
    target->flash_size = size; /* flash.size is 0: all of it is erased */
    return error;
}

static const char *app_place(const struct molt_ptable *table)
{
    const struct molt_partition *row =
        molt_ptable_find(table, MOLT_PARTITION_APP, MOLT_APP_FACTORY);
    if (!row) {
        row = molt_ptable_find(table, MOLT_PARTITION_APP, MOLT_APP_OTA_0);
    }
    return row ? row->label : NULL;
}

static int plan(struct work *work)
{
    const struct molt_merge_request *request = work->request;
    struct molt_target *target = &work->merge->target;
    struct molt_part_write writes[MOLT_PART_PIECES];
    struct molt_place files = {0};
    uint32_t count = 0;
    int error = MOLT_OK;
    writes[count++] = (struct molt_part_write){"bootloader", work->bootloader};
    writes[count++] = (struct molt_part_write){"table", work->table};
    if (work->app && !app_place(&target->table)) {
        return molt_fail(work->message, MOLT_E_TABLE_SLOTS,
                         "%s: has no partition factory or ota_0 for %s", work->table, work->app);
    }
    if (work->app) {
        writes[count++] = (struct molt_part_write){app_place(&target->table), work->app};
    }
    if (work->files) {
        error = molt_place_files(&files, target, work->message);
        writes[count++] =
            (struct molt_part_write){files.row ? files.row->label : "vfs", work->files};
    }
    if (!error && request->write_count > MOLT_PART_PIECES - MOST_FILES) {
        error = molt_fail(work->message, MOLT_E_NO_SPACE, "more than %d parts", MOLT_PART_PIECES);
    }
    for (uint32_t i = 0; !error && i < request->write_count; i++) {
        writes[count++] = request->writes[i];
    }
    return error ? error
                 : part_plan_write(&work->merge->job, target, writes, count, request->flash_size,
                                   work->message);
}

int molt_merge_prepare(struct molt_merge *merge, const struct molt_merge_request *request,
                       struct molt_message *message)
{
    struct work work = {.merge = merge, .request = request, .message = message};
    memset(merge, 0, sizeof *merge);
    int error = take_all(&work);
    if (!error) {
        error = make_flash(&work);
    }
    if (!error) {
        error = plan(&work);
    }
    if (!error) {
        merge->start = merge->target.base;
        merge->end = request->dump ? merge->target.flash_size : merge->job.end;
    }
    if (!error && merge->job.refusals) {
        error = molt_fail(message, merge->job.refusal.error, "%s", merge->job.refusal.text);
    }
    return error;
}

int molt_merge_write(const struct molt_merge *merge, const char *out, struct molt_message *message)
{
    struct part_view *view = malloc(sizeof *view);
    uint32_t n = merge->end - merge->start;
    uint8_t *bytes = malloc(n);
    int error =
        view && bytes ? MOLT_OK : molt_fail(message, MOLT_E_NO_MEMORY, "no memory for %u bytes", n);
    if (!error) {
        part_view_init(view, &merge->target, &merge->job);
        error = molt_flash_read(&view->target.flash, merge->start, bytes, n);
        if (error) {
            molt_fail(message, error, "the image: %s", molt_strerror(error));
        }
    }
    if (!error) {
        error = molt_file_write(out, bytes, n, 0666, MOLT_FILE_REPLACE_UNSYNCED, message);
    }
    free(bytes);
    free(view);
    return error;
}

void molt_merge_free(struct molt_merge *merge)
{
    molt_part_free(&merge->job);
}
