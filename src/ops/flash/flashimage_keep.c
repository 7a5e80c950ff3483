/* What a new layout means for what is on the flash: what is lost, what would be misread, and how
 * content goes over to its new place. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/memflash.h"
#include "molt/host/blank.h"
#include "molt/host/fs.h"
#include "molt/ops/fs.h"
#include "ops/flash/flashimage_internal.h"
#include "ops/flash/flashwrite.h"
#include "ops/part/part_internal.h"

#define NVS_PAGE FLASH_SECTOR

bool flash_image_blank(const struct flash_work *work, uint32_t offset, uint32_t size)
{
    uint32_t n = flash_in_file(work, offset, size);
    return n == 0 || molt_blank(work->image->bytes + offset, n);
}

void flash_result(const struct flash_work *work, struct molt_target *result)
{
    const struct molt_target *image = work->image;
    memcpy(result, image, sizeof *result);
    memcpy(result->name, image->name, sizeof result->name);
    result->kind = MOLT_TARGET_DUMP;
    result->board = NULL;
    result->base = 0;
    result->flash_size = work->job->size; /* the device looks how large its flash is */
    memflash_init(&result->flash, &result->region, work->job->want, work->job->size);
}

/* ---- What is lost ---- */

static bool same_place(const struct molt_place *a, const struct molt_place *b)
{
    bool same_kind =
        !a->row || !b->row || (a->row->type == b->row->type && a->row->subtype == b->row->subtype);
    return a->offset == b->offset && a->size == b->size && same_kind;
}

/* The place of the target that a name of --keep means; vfs is wherever the files are. */
static int old_place(const struct flash_work *work, const char *name, struct molt_place *place,
                     struct molt_message *message)
{
    if (molt_place_find(place, work->target, name, message) == MOLT_OK) {
        return MOLT_OK;
    }
    return strcmp(name, "vfs") == 0 ? molt_place_files(place, work->target, message)
                                    : message->error;
}

bool flash_is_kept(const struct flash_work *work, const struct molt_place *place)
{
    struct molt_place kept;
    struct molt_message message = {0};
    for (uint32_t i = 0; i < work->request->keep_count; i++) {
        if (old_place(work, work->request->keep[i], &kept, &message) == MOLT_OK &&
            kept.offset == place->offset) {
            return true;
        }
    }
    return false;
}

static void refuse(struct flash_work *work, const struct molt_place *place, const char *words)
{
    struct molt_flashimage *job = work->job;
    if (job->refusals++ == 0) {
        molt_fail(
            &job->refusal, MOLT_E_EXISTS,
            "%s: '%s' would be lost (%s): --keep %s carries it over, --force (or --erase-all) "
            "loses it",
            work->target->name, place->label, words, place->label);
    }
}

static void plan_loss(struct flash_work *work, const struct molt_target *result,
                      const struct molt_place *place)
{
    struct part_content content;
    struct molt_place now;
    const char *why = "the layout has no such partition any more";
    bool stays = molt_place_find(&now, result, place->label, NULL) == MOLT_OK &&
                 same_place(place, &now) && !work->request->erase_all;
    if ((stays && flash_image_blank(work, place->offset, place->size)) ||
        flash_is_kept(work, place)) {
        return;
    }
    part_content(&content, work->target, place);
    if (content.blank ||
        (stays && memcmp(work->job->have + place->offset, work->image->bytes + place->offset,
                         flash_in_file(work, place->offset, place->size)) == 0)) {
        return;
    }
    if (stays) {
        why = "the firmware brings its own";
    } else if (work->request->erase_all) {
        why = "all is erased";
    } else if (molt_place_find(&now, result, place->label, NULL) == MOLT_OK) {
        why = "the layout has it elsewhere or of another size, so it is not carried over";
    }
    molt_plan_add(&work->job->plan, MOLT_STEP_LOSE, place->offset, place->size, place->label,
                  "%s: %s", content.words, why);
    if (content.precious && !work->request->erase_all) {
        refuse(work, place, content.words);
    }
}

static bool is_own(const struct molt_partition *row)
{
    return row->type == MOLT_PARTITION_DATA &&
           (row->subtype == MOLT_DATA_OTADATA || row->subtype == MOLT_DATA_PHY);
}

/* An app in a slot that the new layout has not: told, but no one's data. */
static void plan_lost_app(struct flash_work *work, const struct molt_target *result,
                          const struct molt_place *place)
{
    struct part_content content;
    for (uint32_t i = 0; i < result->table.count; i++) {
        if (result->table.row[i].type == MOLT_PARTITION_APP &&
            result->table.row[i].offset == place->offset) {
            return;
        }
    }
    part_content(&content, work->target, place);
    if (content.app) {
        molt_plan_add(&work->job->plan, MOLT_STEP_LOSE, place->offset, place->size, place->label,
                      "%s: the layout has no slot there any more", content.words);
    }
}

static bool layouts_differ(const struct flash_work *work)
{
    const struct molt_ptable *a = &work->target->table, *b = &work->image->table;
    bool same = a->count == b->count;
    for (uint32_t i = 0; same && i < a->count; i++) {
        const struct molt_partition *x = &a->row[i], *y = &b->row[i];
        same = x->type == y->type && x->subtype == y->subtype && x->offset == y->offset &&
               x->size == y->size && strcmp(x->label, y->label) == 0;
    }
    return !same;
}

void flash_plan_losses(struct flash_work *work)
{
    struct molt_target *result = malloc(sizeof *result);
    const struct molt_target *target = work->target;
    struct molt_place place;
    if (!result || target->table_error) {
        free(result);
        return;
    }
    flash_result(work, result);
    if (layouts_differ(work)) {
        molt_plan_add(&work->job->plan, MOLT_STEP_NOTE, 0, 0, "layout",
                      "the firmware's differs from the one on the target; what that means for its "
                      "data follows");
    }
    for (uint32_t i = 0; i < target->table.count; i++) {
        const struct molt_partition *row = &target->table.row[i];
        if (is_own(row) || molt_place_find(&place, target, row->label, NULL) != MOLT_OK ||
            place.row != row) {
            continue;
        }
        if (row->type == MOLT_PARTITION_APP) {
            plan_lost_app(work, result, &place);
        } else {
            plan_loss(work, result, &place);
        }
    }
    if (!molt_ptable_find_label(&target->table, "vfs") &&
        molt_place_find(&place, target, "vfs", NULL) == MOLT_OK) {
        plan_loss(work, result, &place);
    }
    free(result);
}

void flash_plan_behind(struct flash_work *work)
{
    struct molt_target *result = malloc(sizeof *result);
    struct molt_place now, was;
    if (!result) {
        return;
    }
    flash_result(work, result);
    bool behind = molt_place_files(&now, result, NULL) == MOLT_OK &&
                  now.kind == MOLT_PLACE_BEHIND && flash_image_blank(work, now.offset, now.size);
    bool same = behind && !work->target->table_error && !work->request->erase_all &&
                molt_place_files(&was, work->target, NULL) == MOLT_OK && same_place(&was, &now);
    uint32_t head = behind && now.size > FLASH_HEAD ? FLASH_HEAD : now.size;
    if (same) {
        molt_plan_add(&work->job->plan, MOLT_STEP_KEEP, now.offset, now.size, now.label,
                      "behind the last partition, as before: what it holds stays");
    } else if (behind && !molt_blank(work->job->have + now.offset, head)) {
        flash_clear(work, now.offset, head);
        molt_plan_add(&work->job->plan, MOLT_STEP_ERASE, now.offset, head, now.label,
                      "the files' new place: the device would misread what is there");
    }
    free(result);
}

/* ---- Carrying over ---- */

struct carry {
    struct flash_work *work;
    const uint8_t *from; /* old.size bytes */
    struct molt_place old, now;
};

static int too_small(const struct carry *carry, const char *words, uint32_t need)
{
    return molt_fail(carry->work->message, MOLT_E_NO_SPACE,
                     "'%s' cannot be kept: %s needs 0x%x bytes, '%s' of the firmware has 0x%x: a "
                     "layout with a larger one is needed ('molt edit')",
                     carry->old.label, words, need, carry->now.label, carry->now.size);
}

/* Bytes up to the last that is not FF, whole sectors. */
static uint32_t used(const uint8_t *bytes, uint32_t n)
{
    return (molt_used(bytes, n) + FLASH_SECTOR - 1) / FLASH_SECTOR * FLASH_SECTOR;
}

/* NVS finds its pages by the numbers in them, wherever they lie, and needs one that is free. */
static int carry_settings(const struct carry *carry)
{
    uint8_t *want = carry->work->job->want + carry->now.offset;
    uint32_t pages = 0;
    if (used(carry->from, carry->old.size) <= carry->now.size) {
        uint32_t n = carry->old.size < carry->now.size ? carry->old.size : carry->now.size;
        memcpy(want, carry->from, n);
        return MOLT_OK;
    }
    for (uint32_t at = 0; at + NVS_PAGE <= carry->old.size; at += NVS_PAGE) {
        if (molt_blank(carry->from + at, NVS_PAGE)) {
            continue;
        }
        if ((pages + 2) * NVS_PAGE <= carry->now.size) {
            memcpy(want + pages * NVS_PAGE, carry->from + at, NVS_PAGE);
        }
        pages++;
    }
    return (pages + 1) * NVS_PAGE <= carry->now.size
               ? MOLT_OK
               : too_small(carry, "its settings with a free page", (pages + 1) * NVS_PAGE);
}

static int fail_files(const struct carry *carry, int error, const char *text)
{
    return molt_fail(carry->work->message, error, "'%s' cannot be kept: its file system: %s",
                     carry->old.label, text);
}

/* All files and folders into the new file system; folders come before what is in them. */
static int copy_files(struct molt_fs *from, struct molt_fs *to)
{
    struct molt_fs_items items = {0};
    int error = molt_fsops_list(from, "/", true, &items, NULL);
    for (uint32_t i = 0; !error && i < items.count; i++) {
        uint8_t *bytes = NULL;
        uint32_t n = 0;
        if (items.item[i].is_folder) {
            error = molt_fs_mkdir(to, items.item[i].path);
            continue;
        }
        error = molt_fs_read_file(from, items.item[i].path, &bytes, &n);
        if (!error) {
            error = molt_fs_write_file(to, items.item[i].path, bytes, n);
        }
        free(bytes);
    }
    molt_fs_items_free(&items);
    return error;
}

/* A new file system in the new place, of the same kind. */
static int remake(const struct carry *carry, const struct molt_fs_facts *facts,
                  struct molt_fs *from)
{
    struct molt_fs_options options = {
        facts->kind, facts->kind == MOLT_FS_LITTLEFS ? facts->version : 0, facts->block_size};
    struct molt_flash flash;
    struct molt_region region;
    struct molt_fs *to = NULL;
    memflash_init(&flash, &region, carry->work->job->want, carry->work->job->size);
    int error = molt_fs_format(&flash, carry->now.offset, carry->now.size, &options, NULL);
    if (!error) {
        error = molt_fs_mount(&to, &flash, carry->now.offset, carry->now.size, false, NULL);
    }
    if (!error) {
        error = copy_files(from, to);
        int closing = molt_fs_unmount(to, NULL);
        error = error ? error : closing;
    }
    return error;
}

/* As it is, and grown to the room that it has now. */
static int copy_whole(const struct carry *carry, const struct molt_fs_facts *facts, uint32_t size)
{
    struct molt_flash flash;
    struct molt_region region;
    struct molt_fs *fs;
    struct molt_message message = {0};
    memcpy(carry->work->job->want + carry->now.offset, carry->from, size);
    if (facts->kind != MOLT_FS_LITTLEFS || size == carry->now.size) {
        return MOLT_OK;
    }
    memflash_init(&flash, &region, carry->work->job->want, carry->work->job->size);
    int error = molt_fs_mount(&fs, &flash, carry->now.offset, carry->now.size, false, &message);
    if (!error) {
        error = molt_fs_grow(fs, carry->now.size, &message);
        int closing = molt_fs_unmount(fs, error ? NULL : &message);
        error = error ? error : closing;
    }
    return error ? fail_files(carry, error, message.text) : MOLT_OK;
}

static int carry_files(const struct carry *carry, const struct molt_fs_facts *facts)
{
    const struct flash_work *work = carry->work;
    struct molt_flash flash;
    struct molt_region region;
    struct molt_fs *from;
    struct molt_message message = {0};
    uint64_t size = (uint64_t)facts->block_size * facts->block_count;
    memflash_init(&flash, &region, work->job->have, work->job->size);
    int error = molt_fs_mount(&from, &flash, carry->old.offset, carry->old.size, true, &message);
    if (error) {
        return fail_files(carry, error, message.text);
    }
    /* A FAT cannot grow, so it is made anew where there is more room. */
    bool as_it_is = facts->kind == MOLT_FS_LITTLEFS || carry->now.size <= carry->old.size;
    if (as_it_is && size <= carry->now.size && size <= carry->old.size) {
        error = copy_whole(carry, facts, (uint32_t)size);
    } else {
        struct molt_fs_space space = {0};
        molt_fs_space(from, &space);
        error = remake(carry, facts, from);
        if (error == MOLT_E_NO_SPACE) {
            too_small(carry, "the room that its files take", space.used * space.block_size);
        } else if (error) {
            fail_files(carry, error, molt_strerror(error));
        }
    }
    molt_fs_unmount(from, NULL);
    return error;
}

static int carry_bytes(struct carry *carry)
{
    struct flash_work *work = carry->work;
    struct molt_fs_facts facts = {0};
    struct molt_flash flash;
    struct molt_region region;
    const struct molt_place *now = &carry->now;
    memset(work->job->want + now->offset, 0xFF, now->size);
    flash_name_sectors(work->job, now->offset, now->size);
    if (same_place(&carry->old, now)) {
        memcpy(work->job->want + now->offset, carry->from, now->size);
        return MOLT_OK;
    }
    work->job->keeps_moved = true;
    memflash_init(&flash, &region, work->job->have, work->job->size);
    int error = molt_fs_probe(&facts, &flash, carry->old.offset, carry->old.size);
    if (!error && facts.kind != MOLT_FS_NONE) {
        return carry_files(carry, &facts);
    }
    if (carry->old.row && carry->old.row->type == MOLT_PARTITION_DATA &&
        carry->old.row->subtype == MOLT_DATA_NVS) {
        return carry_settings(carry);
    }
    uint32_t n = used(carry->from, carry->old.size);
    if (n > now->size) {
        return too_small(carry, "what it holds", n);
    }
    memcpy(work->job->want + now->offset, carry->from, n < carry->old.size ? n : carry->old.size);
    return MOLT_OK;
}

/* Its place in the new layout: of the same name, for files wherever they are then. */
static int new_place(struct flash_work *work, const struct molt_target *result,
                     const struct molt_place *old, struct molt_place *now)
{
    struct molt_place files;
    struct molt_message message = {0};
    int error = molt_place_find(now, result, old->label, &message);
    if (error && molt_place_files(&files, work->target, NULL) == MOLT_OK &&
        files.offset == old->offset) {
        error = molt_place_files(now, result, &message);
    }
    if (error) {
        return molt_fail(work->message, error, "'%s' cannot be kept: %s", old->label, message.text);
    }
    if (now->kind != MOLT_PLACE_PARTITION && now->kind != MOLT_PLACE_BEHIND) {
        return molt_fail(work->message, MOLT_E_ARGUMENT,
                         "'%s' cannot be kept: expected names of data partitions, or vfs",
                         old->label);
    }
    return MOLT_OK;
}

bool flash_takes_kept(const struct flash_work *work, const struct molt_partition *row)
{
    struct molt_target *result = malloc(sizeof *result);
    struct flash_work quiet = *work;
    struct molt_message message = {0};
    struct molt_place old, now;
    bool takes = false;
    quiet.message = NULL;
    if (result) {
        flash_result(work, result);
    }
    for (uint32_t i = 0; result && !takes && i < work->request->keep_count; i++) {
        takes = old_place(work, work->request->keep[i], &old, &message) == MOLT_OK &&
                new_place(&quiet, result, &old, &now) == MOLT_OK && now.offset == row->offset;
    }
    free(result);
    return takes;
}

static int keep_one(struct flash_work *work, const struct molt_target *result, const char *name)
{
    struct carry carry = {.work = work};
    struct part_content content;
    struct molt_message message = {0};
    int error = old_place(work, name, &carry.old, &message);
    if (error) {
        return molt_fail(work->message, error, "'%s' cannot be kept: %s", name, message.text);
    }
    if (carry.old.row && (carry.old.row->type != MOLT_PARTITION_DATA ||
                          carry.old.row->subtype == MOLT_DATA_OTADATA)) {
        return molt_fail(work->message, MOLT_E_ARGUMENT,
                         "'%s' cannot be kept: the firmware decides what boots; expected names of "
                         "data partitions, or vfs",
                         carry.old.label);
    }
    error = new_place(work, result, &carry.old, &carry.now);
    if (error) {
        return error;
    }
    carry.from = work->job->have + carry.old.offset;
    part_content(&content, work->target, &carry.old);
    error = carry_bytes(&carry);
    const char *instead = flash_image_blank(work, carry.now.offset,
                                            flash_in_file(work, carry.now.offset, carry.now.size))
                              ? ""
                              : "; what the firmware brings for it is not written";
    if (!error && same_place(&carry.old, &carry.now)) {
        molt_plan_add(&work->job->plan, MOLT_STEP_KEEP, carry.now.offset, carry.now.size,
                      carry.now.label, "%s: stays%s", content.words, instead);
    } else if (!error) {
        molt_plan_add(&work->job->plan, MOLT_STEP_WRITE, carry.now.offset, carry.now.size,
                      carry.now.label, "%s, carried over from 0x%x (%u KB)%s", content.words,
                      carry.old.offset, carry.old.size / 1024, instead);
    }
    return error;
}

int flash_plan_keeps(struct flash_work *work)
{
    struct molt_target *result = malloc(sizeof *result);
    int error = MOLT_OK;
    if (!result) {
        return molt_fail(work->message, MOLT_E_NO_MEMORY, "out of memory");
    }
    flash_result(work, result);
    for (uint32_t i = 0; !error && i < work->request->keep_count; i++) {
        error = keep_one(work, result, work->request->keep[i]);
    }
    if (!error && work->job->keeps_moved && work->target->kind == MOLT_TARGET_BOARD) {
        molt_plan_add(&work->job->plan, MOLT_STEP_NOTE, 0, 0, "power",
                      "if this is interrupted, what is carried over may be lost: --backup FILE "
                      "saves the whole flash first");
    }
    free(result);
    return error;
}
