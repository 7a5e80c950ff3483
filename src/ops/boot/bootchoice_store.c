/* What the board's store knows: the update under way, and which release belongs to which slot. */
#include <stdio.h>
#include <string.h>

#include "molt/engine.h"
#include "ops/boot/bootchoice_internal.h"

static void hex(const uint8_t release[MOLT_SHA256_SIZE], char text[65])
{
    for (uint32_t n = 0; n < MOLT_SHA256_SIZE; n++) {
        snprintf(text + 2 * n, 3, "%02x", release[n]);
    }
}

/* Files alone, installed and not yet confirmed or given up. */
static bool under_way(const struct molt_boot_state *state)
{
    return state->files_only && state->update_phase >= MOLT_PHASE_SWITCHING &&
           state->update_phase <= MOLT_PHASE_ROLLING_BACK;
}

/* A firmware written over the cable does not inherit the files of the one before: the image's hash
   must be the one that the binding names. */
static void name_releases(struct molt_boot_state *state, const struct molt_store *store)
{
    struct molt_release_binding bindings[MOLT_RELEASES_MAX];
    int count = molt_releases_load(store, bindings);
    for (int i = 0; i < count; i++) {
        if (bindings[i].slot_offset == MOLT_CANDIDATE && under_way(state)) {
            hex(bindings[i].release, state->candidate);
        }
        for (uint32_t k = 0; k < state->slot_count; k++) {
            struct molt_boot_slot *slot = &state->slot[k];
            if (slot->offset != bindings[i].slot_offset || !slot->bootable ||
                memcmp(slot->sha256, bindings[i].image_sha256, MOLT_SHA256_SIZE) != 0) {
                continue;
            }
            hex(bindings[i].release, slot->release);
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

/* An update of files alone; false: the words of every update are right for it. */
static bool describe_files(struct molt_boot_state *state, const struct molt_update *update)
{
    const char *where = label_at(state, update->target_offset);
    const char *words;
    switch ((enum molt_phase)update->phase) {
    case MOLT_PHASE_INSTALLING:
        words = "sequence %u, files only, is being installed for %s; 'molt update' goes on with it";
        break;
    case MOLT_PHASE_SWITCHING:
        words = "sequence %u, files only, is installed for %s and runs from the next boot, as a "
                "trial";
        break;
    case MOLT_PHASE_TRIAL:
        words = "sequence %u, files only, is on trial in %s: confirmed by its application, or the "
                "old files come back";
        break;
    case MOLT_PHASE_CONFIRMING: words = "sequence %u, files only, is being confirmed in %s"; break;
    case MOLT_PHASE_ROLLING_BACK:
        words = "sequence %u, files only, is given up: from the next boot %s runs the old files";
        break;
    case MOLT_PHASE_CONFIRMED: words = "sequence %u, files only, is confirmed in %s"; break;
    case MOLT_PHASE_NONE:
    case MOLT_PHASE_FAILED:
    default: return false;
    }
    snprintf(state->update_words, sizeof state->update_words, words, update->sequence, where);
    return true;
}

static void describe(struct molt_boot_state *state, const struct molt_update *update)
{
    const char *target = label_at(state, update->target_offset);
    char *text = state->update_words;
    size_t size = sizeof state->update_words;
    if (state->files_only && describe_files(state, update)) {
        return;
    }
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
    state->files_only =
        update.phase != MOLT_PHASE_NONE && update.from_offset == update.target_offset;
    describe(state, &update);
    bool here = slot && update.phase != MOLT_PHASE_NONE && update.target_offset == slot->offset;
    state->update_runs = here;
    state->trial_stored =
        here && ((update.phase == MOLT_PHASE_SWITCHING && !state->files_only) ||
                 update.phase == MOLT_PHASE_TRIAL || update.phase == MOLT_PHASE_CONFIRMING);
    name_releases(state, store);
}
