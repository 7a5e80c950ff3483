/* What the board's store knows: the update under way, and which release belongs to which slot. */
#include <stdio.h>
#include <string.h>

#include "molt/engine.h"
#include "ops/bootchoice_internal.h"

/* A firmware written over the cable does not inherit the files of the one before: the image's hash
   must be the one that the binding names. */
static void name_releases(struct molt_boot_state *state, const struct molt_store *store)
{
    struct molt_release_binding bindings[MOLT_RELEASES_MAX];
    int count = molt_releases_load(store, bindings);
    for (int i = 0; i < count; i++) {
        for (uint32_t k = 0; k < state->slot_count; k++) {
            struct molt_boot_slot *slot = &state->slot[k];
            if (slot->offset != bindings[i].slot_offset || !slot->bootable ||
                memcmp(slot->sha256, bindings[i].image_sha256, MOLT_SHA256_SIZE) != 0) {
                continue;
            }
            for (uint32_t n = 0; n < MOLT_SHA256_SIZE; n++) {
                snprintf(slot->release + 2 * n, 3, "%02x", bindings[i].release[n]);
            }
        }
    }
}

static const char *label_at(const struct molt_boot_state *state, uint32_t offset)
{
    for (uint32_t i = 0; i < state->slot_count; i++) {
        if (state->slot[i].offset == offset) {
            return state->slot[i].label;
        }
    }
    return "a slot that is not in the table";
}

/* Why it failed, by the outcome that the trial stored. */
static const char *why_failed(int outcome)
{
    switch (outcome) {
    case MOLT_E_CANCELLED: return "given up by its application or by the operator";
    case MOLT_E_UNCONFIRMED: return "it started and did not confirm before the next restart";
    case MOLT_E_BOOT_DISAGREES: return "it was switched to and never started";
    default: return molt_strerror(outcome);
    }
}

static void describe(struct molt_boot_state *state, const struct molt_update *update)
{
    const char *target = label_at(state, update->target_offset);
    char *text = state->update_words;
    size_t size = sizeof state->update_words;
    switch ((enum molt_phase)update->phase) {
    case MOLT_PHASE_NONE: snprintf(text, size, "none so far"); return;
    case MOLT_PHASE_INSTALLING:
        snprintf(text, size, "sequence %u is being installed to %s; 'molt update' goes on with it",
                 update->sequence, target);
        return;
    case MOLT_PHASE_SWITCHING:
        snprintf(text, size,
                 "sequence %u is installed in %s and starts at the next boot, as a trial",
                 update->sequence, target);
        return;
    case MOLT_PHASE_TRIAL:
        snprintf(text, size,
                 "sequence %u is on trial in %s: confirmed by its application, or rolled back",
                 update->sequence, target);
        return;
    case MOLT_PHASE_CONFIRMING:
        snprintf(text, size, "sequence %u in %s is being confirmed", update->sequence, target);
        return;
    case MOLT_PHASE_ROLLING_BACK:
        snprintf(text, size, "sequence %u in %s is being rolled back", update->sequence, target);
        return;
    case MOLT_PHASE_CONFIRMED:
        snprintf(text, size, "sequence %u in %s is confirmed", update->sequence, target);
        return;
    case MOLT_PHASE_FAILED:
        snprintf(text, size, "sequence %u failed (%s) and is not installed again by itself",
                 update->sequence, why_failed(update->outcome));
        return;
    }
}

void molt_boot_read_store(struct molt_boot_state *state, const struct molt_store *store)
{
    struct molt_update update;
    const struct molt_boot_slot *slot = molt_boot_slot(state, state->running);
    int code = molt_update_load(store, &update);
    if (code < 0) {
        snprintf(state->update_words, sizeof state->update_words, "the store cannot be read: %s",
                 molt_strerror(code));
        return;
    }
    state->update_phase = update.phase;
    describe(state, &update);
    bool here = slot && update.phase != MOLT_PHASE_NONE && update.target_offset == slot->offset;
    state->update_runs = here;
    state->trial_stored =
        here && (update.phase == MOLT_PHASE_SWITCHING || update.phase == MOLT_PHASE_TRIAL ||
                 update.phase == MOLT_PHASE_CONFIRMING);
    name_releases(state, store);
}
