#include "molt/ops/bootchoice.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "molt/host/blank.h"
#include "molt/ops/place.h"
#include "ops/boot/bootchoice_internal.h"

/* ---- The apps ---- */

/* Of two rows with one subtype the bootloader takes the last. */
static bool is_hidden(const struct molt_ptable *table, uint32_t row)
{
    for (uint32_t i = row + 1; i < table->count; i++) {
        if (table->row[i].type == MOLT_PARTITION_APP &&
            table->row[i].subtype == table->row[row].subtype) {
            return true;
        }
    }
    return false;
}

/* It counts the rows: with ota_0 and ota_2 there are two, and number 2 is never reached. */
static int number_of(const struct molt_ptable *table, uint32_t row, uint32_t slots)
{
    uint8_t subtype = table->row[row].subtype;
    if (is_hidden(table, row)) {
        return MOLT_OTADATA_NO_SLOT;
    }
    if (subtype == MOLT_APP_FACTORY || subtype == MOLT_APP_TEST) {
        return subtype == MOLT_APP_TEST ? MOLT_BOOT_TEST : MOLT_OTADATA_FACTORY;
    }
    uint32_t number = (uint32_t)subtype - MOLT_APP_OTA_0;
    return subtype >= MOLT_APP_OTA_0 && number < slots ? (int)number : MOLT_OTADATA_NO_SLOT;
}

/* As the bootloader of this board judges it; a file's chip revision is not known. */
static int judge_image(const struct molt_target *target, const struct molt_image *image,
                       uint32_t offset)
{
    struct molt_image_rules rules = {0, 0xFFFF, 0xFF, offset};
    struct molt_diag diag;
    rules.chip_id = target->chip ? target->chip->chip_id : image->header.chip_id;
    if (target->board) {
        const struct molt_bootmodel_facts *boot = &target->board->facts.boot;
        rules.chip_id = boot->chip_id;
        if (boot->legacy_revision) {
            rules.max_min_rev = (uint8_t)(boot->revision / 100);
        } else {
            rules.max_min_rev_full = boot->revision;
        }
    }
    return molt_image_check(image, &rules, &diag);
}

static void read_app(struct molt_boot_slot *slot, const struct molt_target *target)
{
    uint8_t buffer[4096], first[64];
    struct molt_image image;
    struct molt_diag diag;
    slot->empty = slot->offset >= target->flash.size;
    if (slot->empty) {
        return;
    }
    if (molt_flash_read(&target->flash, slot->offset, first, sizeof first) == MOLT_OK) {
        slot->empty = molt_blank(first, sizeof first);
    }
    slot->error = molt_image_read(&image, &target->flash, slot->offset, slot->size, buffer,
                                  sizeof buffer, &diag);
    if (!slot->error) {
        slot->error = judge_image(target, &image, slot->offset);
    }
    slot->bootable = !slot->empty && slot->error == MOLT_OK;
    if (slot->bootable) {
        memcpy(slot->sha256, image.sha256, sizeof slot->sha256);
    }
}

static void read_apps(struct molt_boot_state *state, const struct molt_target *target)
{
    const struct molt_ptable *table = &target->table;
    for (uint32_t i = 0; i < table->count && state->slot_count < MOLT_BOOT_SLOTS; i++) {
        const struct molt_partition *row = &table->row[i];
        if (row->type != MOLT_PARTITION_APP) {
            continue;
        }
        struct molt_boot_slot *slot = &state->slot[state->slot_count++];
        memcpy(slot->label, row->label, sizeof slot->label);
        molt_info_plain(slot->label);
        slot->number = number_of(table, i, state->facts.slot_count);
        slot->offset = row->offset;
        slot->size = row->size;
        read_app(slot, target);
    }
}

const struct molt_boot_slot *molt_boot_slot(const struct molt_boot_state *state, int number)
{
    for (uint32_t i = 0; i < state->slot_count && number != MOLT_OTADATA_NO_SLOT; i++) {
        if (state->slot[i].number == number) {
            return &state->slot[i];
        }
    }
    return NULL;
}

const char *molt_boot_label(const struct molt_boot_state *state, int number)
{
    const struct molt_boot_slot *slot = molt_boot_slot(state, number);
    return slot ? slot->label : "nothing";
}

/* ---- otadata and what boots ---- */

static bool loads(const struct molt_boot_state *state, int number)
{
    const struct molt_boot_slot *slot = molt_boot_slot(state, number);
    return slot && slot->bootable;
}

/* The choice, else downwards to factory, then upwards, then test. */
int molt_boot_what_starts(const struct molt_boot_state *state, int choice)
{
    for (int i = choice; i >= MOLT_OTADATA_FACTORY; i--) {
        if (loads(state, i)) {
            return i;
        }
    }
    for (int i = choice + 1; i < (int)state->facts.slot_count; i++) {
        if (loads(state, i)) {
            return i;
        }
    }
    return loads(state, MOLT_BOOT_TEST) ? MOLT_BOOT_TEST : MOLT_OTADATA_NO_SLOT;
}

static int find_otadata(struct molt_boot_state *state, const struct molt_target *target,
                        struct molt_message *message)
{
    const struct molt_partition *found = NULL;
    uint8_t blank[MOLT_OTADATA_RECORD_SIZE], first[sizeof blank], second[sizeof blank];
    if (target->table_error) {
        return molt_fail(message, target->table_error,
                         "%s: no usable partition table at 0x%x: %s; expected a firmware file, a "
                         "flash dump or a board with one",
                         target->name, MOLT_PTABLE_OFFSET, molt_strerror(target->table_error));
    }
    for (uint32_t i = 0; i < target->table.count; i++) {
        const struct molt_partition *row = &target->table.row[i];
        if (row->type != MOLT_PARTITION_DATA || row->subtype != MOLT_DATA_OTADATA) {
            continue;
        }
        if (found) {
            return molt_fail(
                message, MOLT_E_TABLE_SLOTS,
                "%s: the table has two otadata partitions (0x%x, 0x%x): the bootloader "
                "and the application would each use another one; make a table with one",
                target->name, found->offset, row->offset);
        }
        found = row;
    }
    if (!found) {
        memset(blank, 0xFF, sizeof blank);
        molt_otadata_parse(&state->otadata, blank, blank);
        return molt_fail(message, MOLT_E_OTADATA_NONE,
                         "%s: the table has no otadata partition, so the same app always boots; "
                         "'molt doctor' says which layout has two slots",
                         target->name);
    }
    if (found->size < MOLT_OTADATA_SIZE) {
        return molt_fail(
            message, MOLT_E_TABLE_SLOTS,
            "%s: partition '%s' has 0x%x bytes, otadata needs 0x%x: no bootloader starts "
            "from this table",
            target->name, found->label, found->size, MOLT_OTADATA_SIZE);
    }
    state->has_otadata = true;
    state->otadata_offset = found->offset;
    int error = molt_place_read(target, found->offset, first, sizeof first);
    if (!error) {
        error = molt_place_read(target, found->offset + MOLT_OTADATA_SECTOR, second, sizeof second);
    }
    if (error) {
        return molt_fail(message, error, "%s: cannot read otadata at 0x%x: %s", target->name,
                         found->offset, molt_strerror(error));
    }
    molt_otadata_parse(&state->otadata, first, second);
    return MOLT_OK;
}

/* The newest record that names the running slot says how far it is confirmed. */
static bool unconfirmed(const struct molt_boot_state *state)
{
    bool trial = false;
    for (int i = 0; i < 2; i++) {
        const struct molt_otadata_record *record = &state->otadata.record[i];
        if (molt_otadata_slot_of(record, &state->facts) != state->running) {
            continue;
        }
        if (record->state == MOLT_OTA_VALID) {
            return false;
        }
        trial |= record->state == MOLT_OTA_NEW || record->state == MOLT_OTA_PENDING_VERIFY;
    }
    return trial;
}

static void who_runs(struct molt_boot_state *state, const struct molt_target *target)
{
    molt_otadata_choose(&state->otadata, &state->facts, &state->choice);
    if (!state->has_otadata) {
        state->choice.slot = MOLT_OTADATA_FACTORY; /* what bootloaders look for then */
    }
    state->next = molt_boot_what_starts(state, state->choice.slot);
    state->running = state->next;
    if (target->board && target->board->facts.running[0]) {
        state->running = MOLT_OTADATA_NO_SLOT;
        state->running_known = true;
        for (uint32_t i = 0; i < state->slot_count; i++) {
            if (state->slot[i].offset == target->board->facts.running_offset) {
                state->running = state->slot[i].number;
            }
        }
    }
    state->trial = state->running_known && unconfirmed(state);
    if (target->board) {
        molt_boot_read_store(state, &target->board->store);
    }
    state->trial |= state->trial_stored;
    state->next_update = MOLT_OTADATA_NO_SLOT;
    if (!state->has_otadata) {
        return;
    }
    if (state->running == MOLT_OTADATA_FACTORY && state->facts.slot_count > 0) {
        state->next_update = 0;
    } else if (state->running >= 0 && state->facts.slot_count > 1) {
        state->next_update = (state->running + 1) % (int)state->facts.slot_count;
    }
}

/* ---- What is wrong ---- */

static void find(struct molt_boot_state *state, enum molt_severity severity, const char *format,
                 ...) __attribute__((format(printf, 3, 4)));

static void find(struct molt_boot_state *state, enum molt_severity severity, const char *format,
                 ...)
{
    va_list list;
    va_start(list, format);
    state->wrong |= severity == MOLT_WRONG;
    molt_finding_add(state->finding, &state->finding_count,
                     sizeof state->finding / sizeof state->finding[0], severity, format, list);
    va_end(list);
}

static void judge_next(struct molt_boot_state *state)
{
    const char *next = molt_boot_label(state, state->next);
    const char *running = molt_boot_label(state, state->running);
    if (state->next == MOLT_OTADATA_NO_SLOT) {
        find(state, MOLT_WRONG, "no app on this flash starts: write a firmware to a slot");
        return;
    }
    if (!state->has_otadata) {
        find(state, MOLT_ODD,
             "the table has no otadata partition, so %s always boots; 'molt doctor' says "
             "which layout has two slots",
             next);
        return;
    }
    if (state->next != state->choice.slot) {
        find(state, MOLT_WRONG,
             "otadata chooses %s, which does not start, so the bootloader falls back to %s: 'molt "
             "ota set-boot' with %s makes the records say so",
             molt_boot_label(state, state->choice.slot), next, next);
    }
    if (state->next == state->running) {
        return;
    }
    bool pending = state->choice.record >= 0 &&
                   state->otadata.record[state->choice.record].state == MOLT_OTA_NEW;
    if (pending && !state->trial) {
        find(state, MOLT_ODD, "a switch is pending: %s runs, %s boots next as a trial", running,
             next);
    } else if (!state->trial) {
        find(state, MOLT_WRONG,
             "running slot and otadata disagree: %s runs, %s boots next; 'molt ota set-boot' with "
             "the one that you want",
             running, next);
    }
}

static void judge_way_back(struct molt_boot_state *state)
{
    struct molt_otadata_situation who = {state->facts, state->running, MOLT_OTADATA_NO_SLOT,
                                         state->trial_stored, false};
    struct molt_otadata_plan plan;
    if (state->files_only && state->trial_stored) {
        find(state, MOLT_ODD,
             "new files are on trial in %s: without a confirm the old ones run after the next boot",
             molt_boot_label(state, state->running));
        return;
    }
    if (state->trial && molt_otadata_plan_rollback(&state->otadata, &who, &plan) < 0) {
        find(state, MOLT_WRONG,
             "%s is on trial and there is no way back: no record names another confirmed slot; "
             "confirm it if it works",
             molt_boot_label(state, state->running));
    } else if (state->trial) {
        find(state, MOLT_ODD,
             state->facts.rollback || state->trial_stored
                 ? "%s is on trial: without a confirm the next boot is the way back"
                 : "%s is not confirmed, and this bootloader cannot roll back: 'molt ota rollback' "
                   "does, or the application",
             molt_boot_label(state, state->running));
    } else if (state->running >= 0 && state->next == state->running &&
               molt_otadata_plan_heal(&state->otadata, &who, &plan) == MOLT_OK && plan.count > 0) {
        find(state, MOLT_ODD,
             "no record confirms %s; an update or 'molt ota set-boot' writes one first",
             molt_boot_label(state, state->running));
    }
}

static void judge_slots(struct molt_boot_state *state)
{
    if (state->next_update == MOLT_OTADATA_NO_SLOT && state->has_otadata) {
        find(state, MOLT_ODD, "there is no second slot, so no update over the air is possible");
    }
    for (uint32_t i = 0; i < state->slot_count; i++) {
        const struct molt_boot_slot *slot = &state->slot[i];
        if (slot->number == MOLT_OTADATA_NO_SLOT) {
            find(state, MOLT_WRONG,
                 "the bootloader never starts %s: its slots are counted from 0 without gaps",
                 slot->label);
        } else if (!slot->empty && slot->error) {
            find(state, slot->number == state->next_update ? MOLT_ODD : MOLT_WRONG,
                 "%s does not start: %s", slot->label, molt_strerror(slot->error));
        }
    }
}

int molt_boot_read(struct molt_boot_state *state, const struct molt_target *target,
                   struct molt_message *message)
{
    memset(state, 0, sizeof *state);
    int error = find_otadata(state, target, message);
    if (error && error != MOLT_E_OTADATA_NONE) {
        return error;
    }
    state->is_board = target->board != NULL;
    state->facts.slot_count = molt_ptable_slot_count(&target->table);
    state->facts.has_factory =
        molt_ptable_find(&target->table, MOLT_PARTITION_APP, MOLT_APP_FACTORY) != NULL;
    state->facts.rollback = target->board ? target->board->facts.boot.rollback : true;
    read_apps(state, target);
    who_runs(state, target);
    judge_next(state);
    if (!error) {
        judge_way_back(state);
    }
    judge_slots(state);
    return error;
}

void molt_boot_record_words(const struct molt_boot_state *state, int record, char *text,
                            uint32_t size)
{
    const struct molt_otadata_record *r = &state->otadata.record[record];
    const char *rolled = state->facts.rollback ? "; not confirmed, it is rolled back" : "";
    if (r->blank) {
        snprintf(text, size, "blank");
    } else if (!r->crc_ok) {
        snprintf(text, size, "wrong CRC: does not count");
    } else if (r->state == MOLT_OTA_NEW) {
        snprintf(text, size, "NEW: not booted yet%s", rolled);
    } else if (r->state == MOLT_OTA_PENDING_VERIFY) {
        snprintf(text, size, "PENDING_VERIFY: on trial%s", rolled);
    } else if (r->state == MOLT_OTA_VALID) {
        snprintf(text, size, "VALID: confirmed");
    } else if (r->state == MOLT_OTA_INVALID) {
        snprintf(text, size, "INVALID: given up by the application");
    } else if (r->state == MOLT_OTA_ABORTED) {
        snprintf(text, size, "ABORTED: its trial failed");
    } else if (r->state == MOLT_OTA_UNDEFINED) {
        snprintf(text, size, "UNDEFINED: boots, was never on trial");
    } else {
        snprintf(text, size, "unknown state 0x%x: boots", r->state);
    }
}
