/* Layouts: recipes that make a partition table for a flash size. */
#ifndef MOLT_OPS_LAYOUT_H
#define MOLT_OPS_LAYOUT_H

#include <stdint.h>

#include "molt/host/message.h"
#include "molt/ptable.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Makes the table of a layout. app_offset: where the first app is to lie (64 KB aligned, at least
 * 0x10000). MOLT_E_ARGUMENT for an unknown name, MOLT_E_NO_SPACE when it does not fit. The result
 * satisfies molt_ptable_check.
 */
int molt_layout_make(struct molt_ptable *table, const char *name, uint32_t flash_size,
                     uint32_t app_offset, struct molt_message *message);

/* Bytes of one app slot of the layout; 0 = unknown name. */
uint32_t molt_layout_slot_size(const char *name, uint32_t flash_size);

/* Names, for the help; NULL behind the last. */
const char *molt_layout_name(uint32_t index);

#ifdef __cplusplus
}
#endif
#endif
