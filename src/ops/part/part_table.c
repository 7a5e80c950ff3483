#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "molt/ops/bootchoice.h"
#include "molt/ops/tablefile.h"
#include "ops/part/part_internal.h"

/* ---- The table that comes ---- */

int part_write_table(struct part_input *input)
{
    struct molt_table_found *found = malloc(sizeof *found);
    uint8_t *bytes = malloc(MOLT_PTABLE_SIZE);
    int error = found && bytes ? molt_table_read(found, input->file, NULL, input->message)
                               : molt_fail(input->message, MOLT_E_NO_MEMORY, "out of memory");
    if (!error) {
        error = molt_ptable_write(&found->table, bytes);
        if (error) {
            molt_fail(input->message, error, "%s: %s", input->file, molt_strerror(error));
        }
    }
    if (!error) {
        error = part_add(input->job, input->target, &input->place, bytes, MOLT_PTABLE_SIZE,
                         PART_TABLE, input->message);
        bytes = NULL;
    }
    if (!error) {
        molt_plan_add(&input->job->plan, MOLT_STEP_WRITE, input->place.offset, MOLT_PTABLE_SIZE,
                      "table", "%u partitions%s%s", found->table.count,
                      found->from_csv ? ", made from CSV" : "",
                      found->table.has_md5
                          ? ""
                          : ", without an MD5 row: apps of ESP-IDF 4.4 and later stop at it");
    }
    free(bytes);
    free(found);
    return error;
}

/* ---- The table against what will be there ---- */

static const struct molt_partition *same_place(const struct molt_ptable *table,
                                               const struct molt_partition *row)
{
    for (uint32_t i = 0; i < table->count; i++) {
        const struct molt_partition *other = &table->row[i];
        if (other->offset == row->offset && other->type == row->type &&
            (row->type == MOLT_PARTITION_APP ||
             (other->size == row->size && other->subtype == row->subtype))) {
            return other;
        }
    }
    return NULL;
}

static bool piece_covers(const struct molt_part_job *job, const struct molt_partition *row)
{
    for (uint32_t i = 0; i < job->piece_count; i++) {
        const struct molt_place *place = &job->piece[i].place;
        if (place->offset <= row->offset && row->offset - place->offset < place->size) {
            return true;
        }
    }
    return false;
}

/* What partitions hold that the new table has no more, or elsewhere. */
static void plan_old_rows(struct molt_part_job *job, const struct molt_target *target,
                          const struct molt_ptable *table)
{
    struct molt_place place;
    for (uint32_t i = 0; !target->table_error && i < target->table.count; i++) {
        const struct molt_partition *row = &target->table.row[i];
        const struct molt_partition *now = same_place(table, row);
        char label[17];
        if (molt_place_find(&place, target, row->label, NULL) != MOLT_OK || place.row != row ||
            piece_covers(job, row)) {
            continue;
        }
        if (!now) {
            part_plan_loss(job, target, &place, true);
        } else if (strcmp(now->label, row->label) != 0) {
            memcpy(label, now->label, sizeof label);
            molt_info_plain(label);
            molt_plan_add(&job->plan, MOLT_STEP_KEEP, row->offset, row->size, place.label,
                          "is called '%s' from now on; what it holds stays", label);
        }
    }
}

/* New data partitions over other bytes: the device would take them for its own. */
static void plan_new_rows(struct molt_part_job *job, const struct molt_target *target,
                          const struct molt_target *after)
{
    struct molt_place place;
    struct part_content content;
    for (uint32_t i = 0; i < after->table.count; i++) {
        const struct molt_partition *row = &after->table.row[i];
        if (row->type == MOLT_PARTITION_APP || piece_covers(job, row) ||
            (!target->table_error && same_place(&target->table, row)) ||
            molt_place_find(&place, after, row->label, NULL) != MOLT_OK) {
            continue;
        }
        part_content(&content, after, &place);
        if (!content.blank) {
            molt_plan_add(&job->plan, MOLT_STEP_NOTE, 0, 0, place.label,
                          "other data is there, which the device would misread: 'molt erase' it "
                          "next");
        }
    }
}

/* Bytes of flash that the bootloader will believe in. */
static uint32_t header_size(const struct molt_target *after)
{
    uint8_t bytes[MOLT_IMAGE_HEADER_SIZE];
    struct molt_image_header header;
    if (!after->chip ||
        molt_flash_read(&after->flash, after->chip->bootloader_offset, bytes, sizeof bytes) ||
        molt_image_parse_header(&header, bytes, NULL)) {
        return 0;
    }
    return molt_flash_size_of_nibble(header.flash_size_nibble);
}

static int check_rules(const struct molt_target *target, const struct molt_target *after,
                       uint32_t size, struct molt_message *message)
{
    struct molt_diag diag = {0};
    char thing[120], label[17];
    int error = molt_ptable_check(&after->table, size, &diag);
    if (!error) {
        return MOLT_OK;
    }
    if (error == MOLT_E_TABLE_FLASH_SIZE) {
        memcpy(label, after->table.row[diag.offset < after->table.count ? diag.offset : 0].label,
               sizeof label);
        molt_info_plain(label);
        return molt_fail(message, error,
                         "%s: with this table and bootloader nothing boots: partition '%s' ends "
                         "behind the %u MB of flash in the bootloader's header; change it with "
                         "'molt edit --flash-size'",
                         target->name, label, size >> 20);
    }
    if (diag.offset < after->table.count) {
        memcpy(label, after->table.row[diag.offset].label, sizeof label);
        molt_info_plain(label);
        snprintf(thing, sizeof thing, "the table as it would be: partition '%s'", label);
    } else {
        snprintf(thing, sizeof thing, "the table as it would be");
    }
    diag.offset = MOLT_DIAG_NONE;
    return molt_fail_diag(message, thing, &diag);
}

int part_check_table(struct molt_part_job *job, const struct molt_target *target,
                     struct molt_message *message)
{
    bool table = false, bootloader = false;
    for (uint32_t i = 0; i < job->piece_count; i++) {
        table |= job->piece[i].place.kind == MOLT_PLACE_TABLE;
        bootloader |= job->piece[i].place.kind == MOLT_PLACE_BOOTLOADER;
    }
    struct part_view *view = table || bootloader ? malloc(sizeof *view) : NULL;
    if (!view) {
        return table || bootloader ? molt_fail(message, MOLT_E_NO_MEMORY, "out of memory")
                                   : MOLT_OK;
    }
    part_view_init(view, target, job);
    uint32_t size = header_size(&view->target);
    uint32_t chip = target->kind == MOLT_TARGET_BOARD ? target->flash.size : 0;
    int error = MOLT_OK;
    if (bootloader && chip && size > chip) {
        error = molt_fail(message, MOLT_E_RANGE,
                          "%s: the bootloader is made for %u MB of flash, the chip has %u MB: "
                          "expected one for %u MB",
                          target->name, size >> 20, chip >> 20, chip >> 20);
    } else if (!view->target.table_error) {
        error =
            check_rules(target, &view->target, size ? size : molt_place_flash_end(target), message);
    }
    if (!error && table) {
        plan_old_rows(job, target, &view->target.table);
        plan_new_rows(job, target, &view->target);
    }
    free(view);
    return error;
}

/* ---- otadata ---- */

int part_write_otadata(struct part_input *input)
{
    uint8_t *bytes;
    uint32_t n;
    int error = part_read_file(input, &bytes, &n);
    if (error) {
        return error;
    }
    error =
        part_add(input->job, input->target, &input->place, bytes, n, PART_OTADATA, input->message);
    if (!error) {
        molt_plan_add(&input->job->plan, MOLT_STEP_WRITE, input->place.offset, n,
                      input->place.label, "the boot record as in %.160s", input->file);
    }
    return error;
}

static bool all_blank(const struct molt_otadata *otadata)
{
    return otadata->record[0].blank && otadata->record[1].blank;
}

void part_check_otadata(struct molt_part_job *job, const struct molt_target *target)
{
    bool written = false;
    for (uint32_t i = 0; i < job->piece_count; i++) {
        written |= job->piece[i].order == PART_OTADATA;
    }
    struct part_view *view = written ? malloc(sizeof *view) : NULL;
    struct molt_boot_state *state = view ? calloc(1, sizeof *state) : NULL;
    if (state) {
        part_view_init(view, target, job);
        if (molt_boot_read(state, &view->target, NULL) == MOLT_OK) {
            for (int i = 0; i < 2; i++) {
                char words[100];
                molt_boot_record_words(state, i, words, sizeof words);
                molt_plan_add(&job->plan, MOLT_STEP_NOTE, 0, 0, "otadata", "record %d: %s, %s", i,
                              molt_boot_label(state, molt_otadata_slot_of(&state->otadata.record[i],
                                                                          &state->facts)),
                              words);
            }
            const struct molt_boot_slot *slot = molt_boot_slot(state, state->choice.slot);
            if (state->choice.why == MOLT_WHY_RECORD && !(slot && slot->bootable)) {
                part_refuse(job, MOLT_E_NOT_A_SLOT,
                            "otadata would choose '%s', which does not start",
                            molt_boot_label(state, state->choice.slot));
            } else if (state->choice.why != MOLT_WHY_RECORD && !all_blank(&state->otadata)) {
                part_refuse(job, MOLT_E_FORMAT,
                            "otadata would have no record that counts: is the file a boot record?");
            }
        }
    }
    free(state);
    free(view);
}
