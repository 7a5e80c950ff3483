#ifndef MOLT_OPS_BOOTCHOICE_INTERNAL_H
#define MOLT_OPS_BOOTCHOICE_INTERNAL_H

#include "molt/ops/bootchoice.h"
#include "molt/store.h"

/* Fills update_words, update_phase, update_runs, trial_stored, and the slots' releases. */
void molt_boot_read_store(struct molt_boot_state *state, const struct molt_store *store);

/* Who is who for a plan of core/otadata_plan. */
struct molt_otadata_situation molt_boot_situation(const struct molt_boot_state *state, int target);

/* Why a plan was refused, and what to do. Returns error, or one that says more. */
int molt_boot_refuse(const struct molt_boot_state *state, int error, struct molt_message *message);

/* Puts change->part into words; next and as_trial follow from the records alone. */
void molt_boot_explain(const struct molt_boot_state *state, struct molt_boot_change *change);

const struct molt_boot_slot *molt_boot_by_label(const struct molt_boot_state *state,
                                                const char *label);
void molt_boot_list_labels(const struct molt_boot_state *state, char *text, size_t size);

/* What the bootloader starts when it has chosen that: the same, or where it falls back to. */
int molt_boot_what_starts(const struct molt_boot_state *state, int choice);

#endif
