#include <string.h>

#include "ops/boot/bootchoice_internal.h"

static bool names(const struct molt_boot_state *state, int record, int slot)
{
    return molt_otadata_slot_of(&state->otadata.record[record], &state->facts) == slot;
}

/*
 * A record that a plan would only erase stays as INVALID instead, so that `ota status` can tell:
 * for every bootloader it counts as little as a blank one. It is written like any other, seq last.
 */
static void mark(const struct molt_boot_state *state, struct molt_otadata_plan *plan, int slot)
{
    for (uint32_t i = 0; i < plan->count; i++) {
        struct molt_otadata_write *write = &plan->write[i];
        if (write->erase_only && names(state, write->sector, slot)) {
            write->erase_only = false;
            write->record = state->otadata.record[write->sector];
            write->record.state = MOLT_OTA_INVALID;
            write->record.usable = false;
        }
    }
}

/* What boots next does so for the first time. */
static bool waits_for_trial(const struct molt_boot_state *state)
{
    int record = state->choice.record;
    return record >= 0 && state->otadata.record[record].state == MOLT_OTA_NEW;
}

static int make_plan(const struct molt_boot_state *state, int slot, struct molt_otadata_plan *plan,
                     struct molt_message *message)
{
    struct molt_otadata_situation who = molt_boot_situation(state, MOLT_OTADATA_NO_SLOT);
    const char *label = molt_boot_label(state, slot);
    int error;
    if (slot != state->running && !state->running_known && waits_for_trial(state)) {
        error = MOLT_E_UNCONFIRMED; /* healing would bless what never ran, and take its way back */
    } else if (slot != state->running) {
        error = molt_otadata_plan_invalidate(&state->otadata, &who, slot, plan);
    } else if (state->running_known) {
        return molt_fail(message, MOLT_E_BUSY,
                         "%s runs: 'molt ota rollback' gives it up, the other one boots then",
                         label);
    } else {
        error = molt_otadata_plan_rollback(&state->otadata, &who, plan);
    }
    return error ? molt_boot_refuse(state, error, message) : MOLT_OK;
}

int molt_boot_plan_invalidate(const struct molt_boot_state *state, const char *label,
                              struct molt_boot_change *change, struct molt_message *message)
{
    char labels[400];
    const struct molt_boot_slot *slot = molt_boot_by_label(state, label);
    memset(change, 0, sizeof *change);
    change->kind = MOLT_BOOT_INVALIDATE;
    molt_boot_list_labels(state, labels, sizeof labels);
    if (!slot) {
        return molt_fail(message, MOLT_E_NOT_A_SLOT, "no app partition '%s'; there are: %s", label,
                         labels);
    }
    if (slot->number < 0) {
        return molt_fail(message, MOLT_E_NOT_A_SLOT,
                         "no record ever names '%s', so none can be marked: 'molt erase' takes its "
                         "app away",
                         label);
    }
    if (!names(state, 0, slot->number) && !names(state, 1, slot->number) &&
        slot->number != state->choice.slot && slot->number != state->next) {
        change->next = state->next;
        return MOLT_OK;
    }
    int error = make_plan(state, slot->number, &change->part[0], message);
    if (error) {
        return error;
    }
    mark(state, &change->part[0], slot->number);
    change->part_count = 1;
    molt_boot_explain(state, change);
    change->next = molt_boot_what_starts(state, change->next);
    if (change->next == MOLT_OTADATA_NO_SLOT || change->next == slot->number) {
        return molt_fail(message, MOLT_E_NO_WAY_BACK,
                         "%s is the last that boots: no other app on this flash starts; write one "
                         "first",
                         label);
    }
    return MOLT_OK;
}
