#include "molt/ops/flashimage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops/flash/flashimage_internal.h"
#include "ops/flash/flashwrite.h"
#include "ops/part/appcheck.h"

#define SECTOR        FLASH_SECTOR
#define FS_HEAD       FLASH_HEAD
#define FIRST_OF_ROWS (MOLT_PTABLE_OFFSET + SECTOR)

/* ---- What will be there ---- */

void flash_name_sectors(struct molt_flashimage *job, uint32_t offset, uint32_t size)
{
    for (uint32_t i = offset / SECTOR; i < (offset + size + SECTOR - 1) / SECTOR; i++) {
        job->named[i] = 1;
    }
}

/* The image's bytes go there; what is left of the last sector is erased. */
static void put(const struct flash_work *work, uint32_t offset, const uint8_t *bytes, uint32_t n)
{
    struct molt_flashimage *job = work->job;
    uint32_t end = (offset + n + SECTOR - 1) / SECTOR * SECTOR;
    memcpy(job->want + offset, bytes, n);
    memset(job->want + offset + n, 0xFF, end - offset - n);
    flash_name_sectors(job, offset, n);
}

void flash_clear(const struct flash_work *work, uint32_t offset, uint32_t size)
{
    memset(work->job->want + offset, 0xFF, size);
    flash_name_sectors(work->job, offset, size);
}

/* Bytes of [offset, offset + size) that the image file has. */
uint32_t flash_in_file(const struct flash_work *work, uint32_t offset, uint32_t size)
{
    uint32_t end = work->image->flash.size;
    if (offset >= end) {
        return 0;
    }
    return size < end - offset ? size : end - offset;
}

static const struct molt_partition *same_row(const struct molt_target *target,
                                             const struct molt_partition *row)
{
    for (uint32_t i = 0; !target->table_error && i < target->table.count; i++) {
        const struct molt_partition *other = &target->table.row[i];
        if (other->type == row->type && other->subtype == row->subtype &&
            other->offset == row->offset && other->size == row->size &&
            strcmp(other->label, row->label) == 0) {
            return other;
        }
    }
    return NULL;
}

/* ---- Checks ---- */

/* Parts of a flash that do not say where they belong, but for an app. */
static int check_part(const struct flash_work *work)
{
    const struct molt_target *image = work->image;
    const char *place = image->kind == MOLT_TARGET_FILES        ? "vfs"
                        : image->kind == MOLT_TARGET_TABLE      ? "table"
                        : image->kind == MOLT_TARGET_BOOTLOADER ? "bootloader"
                                                                : NULL;
    return place ? molt_fail(work->message, MOLT_E_ARGUMENT,
                             "%s: is %s, expected a firmware file, a flash dump or an app image: "
                             "'molt write %.200s %s=%.200s' writes it",
                             image->name, molt_target_kind_words(image->kind), work->target->name,
                             place, image->name)
                 : MOLT_OK;
}

static int check_target(struct flash_work *work)
{
    const struct molt_target *target = work->target;
    struct molt_flashimage *job = work->job;
    if (target->kind != MOLT_TARGET_BOARD && target->kind != MOLT_TARGET_DUMP) {
        return molt_fail(work->message, MOLT_E_UNSUPPORTED,
                         "%s: is %s, expected a board (sim:FOLDER) or a flash dump to write to",
                         target->name, molt_target_kind_words(target->kind));
    }
    int wrong = check_part(work);
    if (wrong) {
        return wrong;
    }
    if (!work->image->chip || work->image->chip != target->chip) {
        return molt_fail(work->message, MOLT_E_IMAGE_CHIP,
                         "%s is for %s, %s has %s: use a firmware for that chip", work->image->name,
                         work->image->chip ? work->image->chip->name : "no chip", target->name,
                         target->chip ? target->chip->name : "an unknown chip");
    }
    job->size = target->flash.size / SECTOR * SECTOR;
    job->borrowed = target->kind != MOLT_TARGET_BOARD;
    job->have = job->borrowed ? target->bytes : malloc(job->size + 1);
    job->want = malloc(job->size + 1);
    job->named = calloc(job->size / SECTOR + 1, 1);
    if (!job->have || !job->want || !job->named) {
        return molt_fail(work->message, MOLT_E_NO_MEMORY, "no memory for 2 x %u bytes", job->size);
    }
    int error = job->borrowed ? MOLT_OK : molt_flash_read(&target->flash, 0, job->have, job->size);
    if (error) {
        return molt_fail(work->message, error, "%s: cannot be read: %s", target->name,
                         molt_strerror(error));
    }
    memcpy(job->want, job->have, job->size);
    return MOLT_OK;
}

static int fail_image(struct flash_work *work, const char *kind)
{
    return appcheck_fail(&work->found, work->image->name, kind, work->message);
}

/* A whole, right app for this board in the image file; slot_offset is where it will lie. */
static int check_app(struct flash_work *work, const char *kind, uint32_t offset, uint32_t room,
                     uint32_t slot_offset)
{
    return appcheck_read(&work->found, &work->image->flash, offset, room, work->image->name, kind,
                         work->target, slot_offset, work->message);
}

static int check_firmware(struct flash_work *work)
{
    const struct molt_target *image = work->image, *target = work->target;
    uint32_t size = work->job->size, boot = image->chip->bootloader_offset;
    struct molt_diag diag = image->table_diag;
    if (image->kind != MOLT_TARGET_FIRMWARE && image->kind != MOLT_TARGET_DUMP) {
        return molt_fail(work->message, MOLT_E_ARGUMENT,
                         "%s: is %s and does not say where it belongs: expected --slot NAME",
                         image->name, molt_target_kind_words(image->kind));
    }
    if (image->flash.size > size) {
        return molt_fail(work->message, MOLT_E_RANGE,
                         "%s: reaches to 0x%x, the flash of %s ends at 0x%x: expected a firmware "
                         "that fits",
                         image->name, image->flash.size, target->name, size);
    }
    if (image->header_flash_size > size) {
        return molt_fail(work->message, MOLT_E_RANGE,
                         "%s: is made for %u MB of flash, %s has %u MB: make one that fits with "
                         "'molt edit --flash-size %uM'",
                         image->name, image->header_flash_size >> 20, target->name, size >> 20,
                         size >> 20);
    }
    int error = image->table_error;
    if (!error) {
        error = molt_ptable_check(&image->table, image->header_flash_size, &diag);
    }
    if (error) {
        char thing[200];
        snprintf(thing, sizeof thing, "%.140s: partition table", image->name);
        return molt_fail_diag(work->message, thing, &diag);
    }
    memset(&work->found, 0, sizeof work->found);
    molt_info_read_image(&work->found, &image->flash, boot, MOLT_PTABLE_OFFSET - boot, NULL);
    return work->found.readable && !work->found.error ? MOLT_OK : fail_image(work, "bootloader");
}

/* ---- The plan of a whole firmware ---- */

static void plan_put(const struct flash_work *work, const char *what, uint32_t offset, uint32_t n,
                     const char *why)
{
    const uint8_t *bytes = work->image->bytes + offset;
    bool same = memcmp(work->job->have + offset, bytes, n) == 0;
    put(work, offset, bytes, n);
    molt_plan_add(&work->job->plan, same ? MOLT_STEP_KEEP : MOLT_STEP_WRITE, offset, n, what, "%s",
                  same ? "on the target already" : why);
}

static int plan_app(struct flash_work *work, const struct molt_partition *row)
{
    uint32_t n = flash_in_file(work, row->offset, row->size);
    if (molt_blank(work->image->bytes + row->offset, n)) {
        if (!molt_blank(work->job->have + row->offset, 32)) {
            molt_plan_add(
                &work->job->plan, MOLT_STEP_KEEP, row->offset, row->size, row->label,
                "the firmware has nothing for it; what is there stays, but does not boot");
        }
        return MOLT_OK;
    }
    int error = check_app(work, row->label, row->offset, row->size, row->offset);
    if (!error) {
        plan_put(work, row->label, row->offset, work->found.image.length, "the app");
    }
    return error;
}

static void plan_data(const struct flash_work *work, const struct molt_partition *row)
{
    struct molt_plan *plan = &work->job->plan;
    const uint8_t *have = work->job->have + row->offset;
    uint32_t n = flash_in_file(work, row->offset, row->size);
    uint32_t head = row->size;
    if (row->type == MOLT_PARTITION_DATA && row->subtype == MOLT_DATA_OTADATA) {
        flash_clear(work, row->offset, row->size);
        if (!molt_blank(have, row->size)) {
            molt_plan_add(plan, MOLT_STEP_ERASE, row->offset, row->size, row->label,
                          "so that the new firmware boots: factory, or slot ota_0");
        }
        return;
    }
    if (flash_takes_kept(work, row)) {
        return;
    }
    if (!molt_blank(work->image->bytes + row->offset, n)) {
        plan_put(work, row->label, row->offset, n, "the firmware brings its content");
        return;
    }
    if (same_row(work->target, row) && !work->request->erase_all) {
        if (!molt_blank(have, row->size)) {
            molt_plan_add(plan, MOLT_STEP_KEEP, row->offset, row->size, row->label,
                          "the same partition as before: what it holds stays");
        }
        return;
    }
    if (row->subtype >= MOLT_DATA_FAT && head > FS_HEAD) {
        head = FS_HEAD;
    }
    flash_clear(work, row->offset, head);
    if (!molt_blank(have, head)) {
        molt_plan_add(plan, MOLT_STEP_ERASE, row->offset, head, row->label,
                      "a new or moved partition; the device makes its content anew");
    }
}

static int plan_firmware(struct flash_work *work)
{
    const struct molt_target *image = work->image;
    int error = check_firmware(work);
    if (error) {
        return error;
    }
    uint32_t boot = image->chip->bootloader_offset;
    flash_plan_losses(work);
    plan_put(work, "bootloader", boot, MOLT_PTABLE_OFFSET - boot, "as in the firmware");
    plan_put(work, "table", MOLT_PTABLE_OFFSET,
             flash_in_file(work, MOLT_PTABLE_OFFSET, FIRST_OF_ROWS - MOLT_PTABLE_OFFSET),
             "as in the firmware");
    for (uint32_t i = 0; i < image->table.count && !error; i++) {
        const struct molt_partition *row = &image->table.row[i];
        if (row->type == MOLT_PARTITION_APP) {
            error = plan_app(work, row);
        } else if (row->offset >= FIRST_OF_ROWS) {
            plan_data(work, row);
        }
    }
    if (!error) {
        flash_plan_behind(work);
    }
    if (!error && image->header_flash_size < work->job->size) {
        molt_plan_add(&work->job->plan, MOLT_STEP_NOTE, 0, 0, "flash size",
                      "the firmware uses %u MB of the chip's %u MB; 'molt edit --flash-size' makes "
                      "one that uses all",
                      image->header_flash_size >> 20, work->job->size >> 20);
    }
    return error;
}

/* A dump is the whole flash: all of it goes there as it is. */
static int plan_dump(struct flash_work *work)
{
    const struct molt_target *image = work->image;
    int error = check_firmware(work);
    for (uint32_t i = 0; i < image->table.count && !error; i++) {
        const struct molt_partition *row = &image->table.row[i];
        uint32_t n = flash_in_file(work, row->offset, row->size);
        if (row->type == MOLT_PARTITION_APP && !molt_blank(image->bytes + row->offset, n)) {
            error = check_app(work, row->label, row->offset, row->size, row->offset);
        }
    }
    if (!error) {
        flash_plan_losses(work);
        plan_put(work, "whole flash", 0, image->flash.size, "as in the dump");
    }
    return error;
}

/* ---- The plan of one app ---- */

static const struct molt_partition *app_in_image(const struct molt_target *image)
{
    for (uint32_t i = 0; !image->table_error && i < image->table.count; i++) {
        if (image->table.row[i].type == MOLT_PARTITION_APP) {
            return &image->table.row[i];
        }
    }
    return NULL;
}

static int find_slot(const struct flash_work *work, const struct molt_partition **row)
{
    const struct molt_target *target = work->target;
    struct molt_diag diag = {0};
    char names[160] = "";
    if (!target->table_error && molt_ptable_check(&target->table, work->job->size, &diag)) {
        return molt_fail(
            work->message, diag.error,
            "%s: its partition table is broken (%s), so no slot of it is written: flash "
            "a whole firmware",
            target->name, molt_strerror(diag.error));
    }
    if (target->table_error) {
        return molt_fail(
            work->message, MOLT_E_NOT_A_SLOT,
            "%s: has no partition table, so no slot '%s': flash a whole firmware first",
            target->name, work->request->slot);
    }
    *row = molt_ptable_find_label(&target->table, work->request->slot);
    if (*row && (*row)->type == MOLT_PARTITION_APP) {
        return MOLT_OK;
    }
    for (uint32_t i = 0; i < target->table.count; i++) {
        size_t n = strlen(names);
        if (target->table.row[i].type == MOLT_PARTITION_APP) {
            snprintf(names + n, sizeof names - n, "%s%s", n ? ", " : "",
                     target->table.row[i].label);
        }
    }
    molt_info_plain(names);
    return molt_fail(work->message, MOLT_E_NOT_A_SLOT,
                     "%s: '%s' is no app partition, expected one of: %s", target->name,
                     work->request->slot, names);
}

static int plan_slot(struct flash_work *work)
{
    const struct molt_partition *slot = NULL, *from = NULL;
    uint32_t offset = 0, room = work->image->flash.size;
    int error = find_slot(work, &slot);
    if (error) {
        return error;
    }
    if (work->image->kind != MOLT_TARGET_APP) {
        from = app_in_image(work->image);
        if (!from) {
            return molt_fail(work->message, MOLT_E_NOT_FOUND, "%s: has no app, expected one",
                             work->image->name);
        }
        offset = from->offset;
        room = from->size;
    }
    error = check_app(work, "app", offset, room, slot->offset);
    if (error) {
        return error;
    }
    uint32_t length = work->found.image.length;
    if (length > slot->size) {
        return molt_fail(
            work->message, MOLT_E_IMAGE_TOO_LARGE,
            "%s: the app has %u bytes, slot '%s' has %u: use a layout with larger slots",
            work->image->name, length, slot->label, slot->size);
    }
    bool same = memcmp(work->job->have + slot->offset, work->image->bytes + offset, length) == 0;
    put(work, slot->offset, work->image->bytes + offset, length);
    molt_plan_add(&work->job->plan, same ? MOLT_STEP_KEEP : MOLT_STEP_WRITE, slot->offset, length,
                  slot->label, "%s", same ? "on the target already" : "the app");
    molt_plan_add(&work->job->plan, MOLT_STEP_NOTE, 0, 0, "otadata",
                  "is not changed: 'molt ota set-boot' chooses what boots");
    return MOLT_OK;
}

int molt_flashimage_prepare(struct molt_flashimage *job, const struct molt_target *image,
                            const struct molt_target *target,
                            const struct molt_flash_request *request, struct molt_message *message)
{
    struct flash_work work = {
        .job = job, .image = image, .target = target, .request = request, .message = message};
    const char *slot = request->slot;
    memset(job, 0, sizeof *job);
    job->sector_size = SECTOR;
    job->force = request->force;
    if (slot && (request->keep_count || request->erase_all)) {
        return molt_fail(
            message, MOLT_E_ARGUMENT,
            "a slot alone is written: nothing else changes, so there is nothing to keep "
            "or to erase");
    }
    int error = check_target(&work);
    if (!error && request->erase_all) {
        flash_clear(&work, 0, job->size);
        molt_plan_add(&job->plan, MOLT_STEP_ERASE, 0, job->size, "all",
                      "before anything is "
                      "written");
    }
    if (!error) {
        error = slot                              ? plan_slot(&work)
                : image->kind == MOLT_TARGET_DUMP ? plan_dump(&work)
                                                  : plan_firmware(&work);
    }
    if (!error && request->keep_count) {
        error = flash_plan_keeps(&work);
    }
    if (!error && job->plan.full) {
        error =
            molt_fail(message, MOLT_E_NO_SPACE, "the plan has more than %d steps", MOLT_PLAN_STEPS);
    }
    for (uint32_t i = 0; !error && i < job->size / SECTOR; i++) {
        bool differs = memcmp(job->have + i * SECTOR, job->want + i * SECTOR, SECTOR) != 0;
        job->sectors_differing += differs;
        job->sectors_same += job->named[i] && !differs;
    }
    return error;
}

/* ---- Doing it ---- */

int molt_flashimage_run(const struct molt_flashimage *job, struct molt_target *target,
                        const struct molt_progress *progress, struct molt_message *message)
{
    uint64_t done = 0, total = (uint64_t)job->sectors_differing * SECTOR;
    if (job->refusals && !job->force) {
        return molt_fail(message, job->refusal.error, "%s", job->refusal.text);
    }
    for (uint32_t offset = 0; offset < job->size; offset += SECTOR) {
        if (memcmp(job->have + offset, job->want + offset, SECTOR) == 0) {
            continue;
        }
        if (progress && progress->report(progress->context, "write", done, total)) {
            return molt_fail(message, MOLT_E_CANCELLED,
                             "%s: cancelled at 0x%x; run the same command again to go on",
                             target->name, offset);
        }
        int error = flashwrite_sector(target, offset, job->want + offset, message);
        if (error) {
            return error;
        }
        done += SECTOR;
    }
    if (progress && total) {
        progress->report(progress->context, "write", total, total);
    }
    int error = molt_flash_sync(&target->flash);
    if (error) {
        return flashwrite_fail(target, error, "finishing", 0, message);
    }
    return job->sectors_differing ? molt_target_save(target, message) : MOLT_OK;
}

void molt_flashimage_free(struct molt_flashimage *job)
{
    if (!job->borrowed) {
        free(job->have);
    }
    free(job->want);
    free(job->named);
    job->have = job->want = job->named = NULL;
}
