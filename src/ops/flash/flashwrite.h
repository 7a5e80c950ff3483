/* Sectors of a target: written only where they differ, read back. */
#ifndef MOLT_OPS_FLASHWRITE_H
#define MOLT_OPS_FLASHWRITE_H

#include <stdbool.h>
#include <stdint.h>

#include "molt/host/blank.h"
#include "molt/host/message.h"
#include "molt/host/target.h"

#define FLASHWRITE_SECTOR 4096u

/* "TARGET: doing at 0x...: why; run the same command again to go on". Returns error. */
int flashwrite_fail(const struct molt_target *target, int error, const char *doing, uint32_t offset,
                    struct molt_message *message);

/* Erases the sector at offset, programs want (one sector) and reads it back. MOLT_E_VERIFY, or the
 * flash's own error. */
int flashwrite_sector(struct molt_target *target, uint32_t offset, const uint8_t *want,
                      struct molt_message *message);

#endif
