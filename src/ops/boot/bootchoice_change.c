#include <stdio.h>
#include <string.h>

#include "molt/engine.h"
#include "ops/boot/bootchoice_internal.h"

struct molt_otadata_situation molt_boot_situation(const struct molt_boot_state *state, int target)
{
    struct molt_otadata_situation who = {state->facts, state->running, target, state->trial_stored,
                                         target == MOLT_OTADATA_FACTORY};
    return who;
}

static const char *state_name(uint32_t state)
{
    return state == MOLT_OTA_NEW ? "NEW" : state == MOLT_OTA_VALID ? "VALID" : "?";
}

/* The plan in words, and what it leads to. */
void molt_boot_explain(const struct molt_boot_state *state, struct molt_boot_change *change)
{
    struct molt_otadata after = state->otadata;
    struct molt_otadata_choice choice;
    for (uint32_t p = 0; p < change->part_count; p++) {
        for (uint32_t i = 0; i < change->part[p].count; i++) {
            const struct molt_otadata_write *write = &change->part[p].write[i];
            uint32_t offset = state->otadata_offset + write->sector * MOLT_OTADATA_SECTOR;
            if (write->erase_only) {
                molt_plan_add(&change->plan, MOLT_STEP_ERASE, offset, MOLT_OTADATA_SECTOR,
                              "otadata", "record %u no longer counts", write->sector);
                continue;
            }
            int slot = molt_otadata_slot_of(&write->record, &state->facts);
            if (write->record.state == MOLT_OTA_INVALID) {
                molt_plan_add(&change->plan, MOLT_STEP_WRITE, offset, MOLT_OTADATA_SECTOR,
                              "otadata", "record %u: seq %u, INVALID: no longer counts",
                              write->sector, write->record.seq);
                continue;
            }
            molt_plan_add(&change->plan, MOLT_STEP_WRITE, offset, MOLT_OTADATA_SECTOR, "otadata",
                          "record %u: %s, seq %u, %s", write->sector, molt_boot_label(state, slot),
                          write->record.seq, state_name(write->record.state));
        }
        molt_otadata_apply(&after, &change->part[p]);
    }
    molt_otadata_choose(&after, &state->facts, &choice);
    change->next = choice.slot;
    change->as_trial = choice.record >= 0 && after.record[choice.record].state == MOLT_OTA_NEW;
}

const struct molt_boot_slot *molt_boot_by_label(const struct molt_boot_state *state,
                                                const char *label)
{
    for (uint32_t i = 0; i < state->slot_count; i++) {
        if (strcmp(state->slot[i].label, label) == 0) {
            return &state->slot[i];
        }
    }
    return NULL;
}

void molt_boot_list_labels(const struct molt_boot_state *state, char *text, size_t size)
{
    size_t n = 0;
    text[0] = 0;
    for (uint32_t i = 0; i < state->slot_count && n < size; i++) {
        n += (size_t)snprintf(text + n, size - n, "%s%s", i ? ", " : "", state->slot[i].label);
    }
}

int molt_boot_refuse(const struct molt_boot_state *state, int error, struct molt_message *message)
{
    const char *running = molt_boot_label(state, state->running);
    switch (error) {
    case MOLT_E_UNCONFIRMED:
        return molt_fail(message, error,
                         "%s runs on trial: 'molt ota confirm' when it works, 'molt ota rollback' "
                         "when not; a switch now would lose the way back",
                         running);
    case MOLT_E_BOOT_DISAGREES:
        return molt_fail(message, error,
                         "%s runs, but otadata names %s: 'molt ota set-boot' with %s first",
                         running, molt_boot_label(state, state->choice.slot), running);
    case MOLT_E_NO_WAY_BACK:
        return molt_fail(message, error,
                         "there is no way back from %s: no record names another confirmed slot%s",
                         running, state->facts.has_factory ? "" : ", and there is no factory app");
    case MOLT_E_ARGUMENT:
        return molt_fail(message, MOLT_E_NOT_A_SLOT,
                         "what runs (%s) is no slot that otadata can name", running);
    default: return molt_fail(message, error, "otadata: %s", molt_strerror(error));
    }
}

static int check_target(const struct molt_boot_state *state, const char *label,
                        const struct molt_boot_slot **found, struct molt_message *message)
{
    char labels[400];
    const struct molt_boot_slot *slot = *found = molt_boot_by_label(state, label);
    molt_boot_list_labels(state, labels, sizeof labels);
    if (!slot) {
        return molt_fail(message, MOLT_E_NOT_A_SLOT, "no app partition '%s'; there are: %s", label,
                         labels);
    }
    if (slot->number == MOLT_OTADATA_NO_SLOT || slot->number == MOLT_BOOT_TEST) {
        return molt_fail(
            message, MOLT_E_NOT_A_SLOT,
            "otadata cannot choose '%s': the bootloader counts %u slots, ota_0 to ota_%u", label,
            state->facts.slot_count, state->facts.slot_count - 1);
    }
    if (slot->empty) {
        return molt_fail(message, MOLT_E_IMAGE_MAGIC,
                         "slot '%s' at 0x%x is empty: write an app to it first", label,
                         slot->offset);
    }
    if (slot->error) {
        return molt_fail(message, slot->error, "slot '%s' at 0x%x would not start: %s", label,
                         slot->offset, molt_strerror(slot->error));
    }
    return MOLT_OK;
}

int molt_boot_plan_set(const struct molt_boot_state *state, const char *label,
                       struct molt_boot_change *change, struct molt_message *message)
{
    const struct molt_boot_slot *slot;
    memset(change, 0, sizeof *change);
    int error = check_target(state, label, &slot, message);
    if (error) {
        return error;
    }
    struct molt_otadata_situation who = molt_boot_situation(state, slot->number);
    struct molt_otadata healed = state->otadata;
    error = molt_otadata_plan_heal(&healed, &who, &change->part[0]);
    if (error) {
        return molt_boot_refuse(state, error, message);
    }
    change->part_count = 1;
    if (slot->number != state->running) {
        /* Already switched: healing would take the pending switch away, only to write it again. */
        struct molt_otadata_plan again;
        if (molt_otadata_plan_switch(&healed, &who, &again) == MOLT_OK && again.count == 0) {
            change->part[0].count = 0;
        }
        molt_otadata_apply(&healed, &change->part[0]);
        error = molt_otadata_plan_switch(&healed, &who, &change->part[1]);
        if (error) {
            return molt_boot_refuse(state, error, message);
        }
        change->part_count = 2;
    }
    molt_boot_explain(state, change);
    return MOLT_OK;
}

/* New files are there for the firmware that runs, and it has not been decided about them. */
static bool files_wait(const struct molt_boot_state *state)
{
    return state->update_runs && state->candidate[0];
}

int molt_boot_plan_confirm(const struct molt_boot_state *state, struct molt_boot_change *change,
                           struct molt_message *message)
{
    struct molt_otadata_situation who = molt_boot_situation(state, MOLT_OTADATA_NO_SLOT);
    memset(change, 0, sizeof *change);
    change->kind = MOLT_BOOT_CONFIRM;
    int error = molt_otadata_plan_confirm(&state->otadata, &who, &change->part[0]);
    if (error) {
        return molt_boot_refuse(state, error, message);
    }
    if (change->part[0].count == 0 && files_wait(state) && !state->trial_stored) {
        return molt_fail(message, MOLT_E_NO_TRIAL,
                         "%s runs the old files until the next boot: the new ones are confirmed "
                         "when they have run",
                         molt_boot_label(state, state->running));
    }
    if (change->part[0].count == 0 && !state->trial_stored) {
        return molt_fail(message, MOLT_E_NO_TRIAL, "%s is confirmed already",
                         molt_boot_label(state, state->running));
    }
    change->part_count = 1;
    if (files_wait(state)) {
        change->part[0].count = 0; /* the trial is the files', not the slot's */
    }
    molt_boot_explain(state, change);
    if (files_wait(state) && state->trial_stored) {
        molt_plan_add(&change->plan, MOLT_STEP_WRITE, 0, 0, "store",
                      "release %.16s is confirmed for %s", state->candidate,
                      molt_boot_label(state, state->running));
    }
    return MOLT_OK;
}

int molt_boot_plan_rollback(const struct molt_boot_state *state, struct molt_boot_change *change,
                            struct molt_message *message)
{
    struct molt_otadata_situation who = molt_boot_situation(state, MOLT_OTADATA_NO_SLOT);
    memset(change, 0, sizeof *change);
    change->kind = MOLT_BOOT_ROLLBACK;
    if (files_wait(state) && state->update_phase != MOLT_PHASE_CONFIRMING) {
        molt_plan_add(&change->plan, MOLT_STEP_WRITE, 0, 0, "store",
                      "release %.16s is given up: %s runs the old files from the next boot",
                      state->candidate, molt_boot_label(state, state->running));
        change->next = state->running;
        return MOLT_OK;
    }
    int error = molt_otadata_plan_rollback(&state->otadata, &who, &change->part[0]);
    if (error) {
        return molt_boot_refuse(state, error, message);
    }
    change->part_count = 1;
    molt_boot_explain(state, change);
    const struct molt_boot_slot *slot = molt_boot_slot(state, change->next);
    if (!slot || !slot->bootable) {
        return molt_fail(message, slot && slot->error ? slot->error : MOLT_E_NO_WAY_BACK,
                         "there is no way back from %s: %s does not start (%s)",
                         molt_boot_label(state, state->running),
                         molt_boot_label(state, change->next),
                         slot && !slot->empty ? molt_strerror(slot->error) : "empty");
    }
    return MOLT_OK;
}

/* The engine over the board: it keeps its own records of the trial in step with otadata. */
static int by_engine(struct molt_target *target, const struct molt_boot_state *state,
                     enum molt_boot_change_kind kind)
{
    struct molt_app_slot slots[MOLT_BOOT_SLOTS];
    struct molt_engine_port port;
    memset(&port, 0, sizeof port);
    port.flash = &target->flash;
    port.store = &target->board->store;
    port.device.slots = slots;
    for (uint32_t i = 0; i < state->slot_count; i++) {
        if (state->slot[i].number >= MOLT_OTADATA_FACTORY) {
            slots[port.device.slot_count++] = (struct molt_app_slot){
                state->slot[i].offset, state->slot[i].size, state->slot[i].number};
        }
    }
    port.device.running = state->running;
    if (molt_boot_slot(state, state->running)) {
        memcpy(port.device.running_image, molt_boot_slot(state, state->running)->sha256,
               sizeof port.device.running_image);
    }
    port.device.otadata_offset = state->otadata_offset;
    port.device.rollback = state->facts.rollback;
    return kind == MOLT_BOOT_CONFIRM ? molt_trial_confirm(&port) : molt_trial_rollback(&port);
}

static int by_writer(struct molt_target *target, const struct molt_boot_state *state,
                     const struct molt_boot_change *change)
{
    for (uint32_t p = 0; p < change->part_count; p++) {
        struct molt_otadata_writer writer;
        int code;
        molt_otadata_writer_start(&writer, &change->part[p], state->otadata_offset);
        do {
            code = molt_otadata_writer_step(&writer, &target->flash);
        } while (code == MOLT_OK);
        if (code < 0) {
            return code;
        }
    }
    return MOLT_OK;
}

/* An installed update that waits for its first boot would be switched to again by the boot hook:
   the operator's own choice ends it. Installed it stays, and 'molt update' finds it by its hash. */
static int forget_switch(struct molt_target *target, const struct molt_boot_state *state)
{
    struct molt_update update;
    if (!target->board || (state->update_runs && !state->files_only) ||
        state->update_phase != MOLT_PHASE_SWITCHING) {
        return MOLT_OK;
    }
    int error = molt_update_load(&target->board->store, &update);
    if (error < 0) {
        return error;
    }
    update.phase = MOLT_PHASE_INSTALLING;
    return molt_update_save(&target->board->store, &update);
}

int molt_boot_write(struct molt_target *target, const struct molt_boot_state *state,
                    const struct molt_boot_change *change, struct molt_message *message)
{
    /* A confirmed update that is given up counts as failed too, so the engine must know. */
    bool ours = change->kind == MOLT_BOOT_ROLLBACK
                    ? state->update_runs
                    : change->kind == MOLT_BOOT_CONFIRM && state->trial_stored;
    bool by_hand = change->kind == MOLT_BOOT_SET || change->kind == MOLT_BOOT_INVALIDATE;
    int error = by_hand && change->part_count ? forget_switch(target, state) : MOLT_OK;
    if (!error &&
        target->kind != MOLT_TARGET_BOARD) { /* a file that ends before its otadata does */
        error =
            molt_target_grow(target, (uint64_t)state->otadata_offset + MOLT_OTADATA_SIZE, message);
        if (error) {
            return error;
        }
    }
    if (error >= 0) {
        error = ours ? by_engine(target, state, change->kind) : by_writer(target, state, change);
    }
    if (error < 0) {
        return molt_fail(message, error, "%s: otadata at 0x%x: %s", target->name,
                         state->otadata_offset, molt_strerror(error));
    }
    return molt_target_save(target, message);
}
