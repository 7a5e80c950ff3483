/* Erased flash reads as FF: how much of a piece of memory is that. */
#ifndef MOLT_HOST_BLANK_H
#define MOLT_HOST_BLANK_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Every byte is FF; of none, true. */
bool molt_blank(const uint8_t *bytes, uint32_t n);

/* Bytes up to the last that is not FF; 0 when all are. */
uint32_t molt_used(const uint8_t *bytes, uint32_t n);

#ifdef __cplusplus
}
#endif
#endif
