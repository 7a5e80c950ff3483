/*
 * Flash: bytes with read, program and erase. A file, a serial device, a simulated NOR chip, the
 * partitions of an ESP32 are all this. Offsets are bytes from the start of the chip.
 */
#ifndef MOLT_FLASH_H
#define MOLT_FLASH_H

#include <stdint.h>

#include "molt/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A run of equal sectors. STM32 chips have several, NOR chips one. */
struct molt_region {
    uint32_t start;
    uint32_t sector_size; /* bytes, the unit of erase */
    uint32_t count;       /* sectors */
};

/*
 * All calls may block; none is re-entered. Return MOLT_OK or a negative error.
 * read     any offset and length inside the flash.
 * program  only clears bits: the range must have been erased. offset and n are multiples of
 * program_align. The engine never passes more than 4096 bytes. erase    a range of whole sectors;
 * the port may use larger block erases inside it. All bytes are FF then. sync     everything before
 * is on the medium when it returns. May be NULL.
 */
struct molt_flash_ops {
    int (*read)(void *context, uint32_t offset, void *buffer, uint32_t n);
    int (*program)(void *context, uint32_t offset, const void *data, uint32_t n);
    int (*erase)(void *context, uint32_t offset, uint32_t n);
    int (*sync)(void *context);
};

struct molt_flash {
    const struct molt_flash_ops *ops;
    void *context;
    const struct molt_region *regions; /* ascending, without gaps */
    uint32_t region_count;
    uint32_t size;          /* bytes; at most 2 GB */
    uint32_t program_align; /* bytes; 0 counts as 1 */
};

/* The same with the range checked first (MOLT_E_RANGE, MOLT_E_ALIGNMENT). n == 0 is MOLT_OK. */
int molt_flash_read(const struct molt_flash *flash, uint32_t offset, void *buffer, uint32_t n);
int molt_flash_program(const struct molt_flash *flash, uint32_t offset, const void *data,
                       uint32_t n);
int molt_flash_erase(const struct molt_flash *flash, uint32_t offset, uint32_t n);
int molt_flash_sync(const struct molt_flash *flash);

/* Size of the sector that holds offset; 0 outside. */
uint32_t molt_flash_sector_size(const struct molt_flash *flash, uint32_t offset);

#ifdef __cplusplus
}
#endif
#endif
