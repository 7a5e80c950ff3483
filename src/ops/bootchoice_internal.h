#ifndef MOLT_OPS_BOOTCHOICE_INTERNAL_H
#define MOLT_OPS_BOOTCHOICE_INTERNAL_H

#include "molt/ops/bootchoice.h"
#include "molt/store.h"

/* Fills update_words, update_phase, update_runs, trial_stored, and the slots' releases. */
void molt_boot_read_store(struct molt_boot_state *state, const struct molt_store *store);

#endif
