/*
 * A simulated DFU device in a folder: flash.bin (mapped: what was written survives the process),
 * board.json (what it is, where it stands). Target syntax: sim:FOLDER.
 */
#ifndef MOLT_HOST_SIMDFU_H
#define MOLT_HOST_SIMDFU_H

#include <stdbool.h>
#include <stdint.h>

#include "molt/host/message.h"
#include "molt/sim/dfu.h"

#ifdef __cplusplus
extern "C" {
#endif

struct molt_simdfu; /* an open board */

/*
 * Makes the folder, with the device in its loader. profile: as molt_sim_dfu_profile_named knows it
 * (MOLT_E_UNSUPPORTED otherwise). name: the board's name for people, or NULL. serial: NULL = the
 * profile's. flash: a file with the first bytes of the flash (MOLT_E_RANGE: it is longer), NULL =
 * erased. MOLT_E_EXISTS when there is something of that name; nothing stays after a failure.
 */
int molt_simdfu_create(const char *folder, const char *profile, const char *name,
                       const char *serial, const char *flash, struct molt_message *message);

/* The folder is one of this kind, whether or not it can be opened. */
bool molt_simdfu_is(const char *folder);

/*
 * Opens and locks it. MOLT_E_NOT_FOUND: no such folder or no board.json; MOLT_E_UNSUPPORTED: it is
 * a simulated board of another kind; MOLT_E_FORMAT: board.json is malformed, flash.bin of another
 * size; MOLT_E_BUSY: another process has it. Whether the device is on the bus:
 * molt_sim_dfu_present of the model. Its virtual clock goes on where it stood; its transfers count
 * from 0, also for a fault that board.json asks for.
 */
int molt_simdfu_open(struct molt_simdfu **board, const char *folder, struct molt_message *message);

struct molt_sim_dfu *molt_simdfu_model(struct molt_simdfu *board);
const char *molt_simdfu_name(const struct molt_simdfu *board); /* "" = none was given */

struct molt_simdfu_boot {
    bool runs;             /* an application */
    bool in_loader;        /* it is on the bus, and a loader */
    uint32_t vectors;      /* where its vector table is; 0 for what has none */
    uint32_t stack, reset; /* what the table says */
    char why[256];         /* a sentence or two for a person */
};

/* Power off and on, with BOOT0 held or without. */
void molt_simdfu_boot(struct molt_simdfu *board, bool boot0, struct molt_simdfu_boot *boot);

/* Writes board.json and closes. NULL is closed already. */
int molt_simdfu_close(struct molt_simdfu *board, struct molt_message *message);

#ifdef __cplusplus
}
#endif
#endif
