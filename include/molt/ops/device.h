/* What the engine has to know of a device, found out from an opened target. */
#ifndef MOLT_OPS_DEVICE_H
#define MOLT_OPS_DEVICE_H

#include "molt/engine.h"
#include "molt/host/message.h"
#include "molt/host/target.h"

#ifdef __cplusplus
extern "C" {
#endif

struct molt_ops_device {
    struct molt_app_slot slots[MOLT_SLOT_MAX];
    const struct molt_partition *rows[MOLT_SLOT_MAX]; /* of the slots, in the target's table */
    char board[MOLT_BOARD_MAX];
    uint8_t id[64]; /* for rollouts: from the store, else none */
    uint32_t id_size;
    struct molt_device device; /* points into this struct: not to be moved */
};

/*
 * Of a simulated board that runs something. MOLT_E_UNSUPPORTED: a file, which has no store and runs
 * nothing; MOLT_E_TABLE_*: no usable table; MOLT_E_NOT_A_SLOT: it was not booted, or nothing boots.
 */
int molt_ops_device_of(struct molt_ops_device *device, const struct molt_target *target,
                       struct molt_message *message);

/* .mpy version << 8 | sub-version that a firmware loads, by the text "MicroPython vX.Y" in it; 0 =
 * not found. */
uint16_t molt_ops_mpy_abi(const uint8_t *bytes, size_t n);

/* Label of the slot with that number; "?" for none. */
const char *molt_ops_slot_label(const struct molt_ops_device *device, int number);

/* The partition that holds the device's files: labelled vfs, else the first of kind littlefs; NULL.
 */
const struct molt_partition *molt_ops_files_partition(const struct molt_ptable *table);

#ifdef __cplusplus
}
#endif
#endif
