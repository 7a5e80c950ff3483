/*
 * A simulated serial NOR flash in memory: bits only clear, erase by sector, time from a data sheet,
 * and power cuts. Data sheet: Winbond W25Q32JV, rev. I, section 9.6 (AC characteristics), typical
 * values.
 */
#ifndef MOLT_SIM_NOR_H
#define MOLT_SIM_NOR_H

#include <stdbool.h>
#include <stdint.h>

#include "molt/flash.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MOLT_NOR_SECTOR 4096u
#define MOLT_NOR_PAGE   256u
#define MOLT_NOR_BLOCK  65536u

struct molt_nor_timing {
    uint32_t page_program_us;  /* 400 */
    uint32_t sector_erase_us;  /* 45000 */
    uint32_t block_erase_us;   /* 150000: used for whole aligned 64 KB inside an erase */
    uint32_t read_ns_per_byte; /* 100: 10 MB/s as the ESP32 reads DIO at 40 MHz */
};
extern const struct molt_nor_timing molt_nor_w25q32;

/* What happens at the operation at which power fails. Operations: each program call, each erase
   call, each write of the store (molt_nor_operation). They are counted from 1. */
enum molt_cut {
    MOLT_CUT_NONE = 0,
    MOLT_CUT_BEFORE, /* nothing of it happens */
    MOLT_CUT_AFTER,  /* all of it happens, the caller never hears of it */
    MOLT_CUT_TORN,   /* program: whole pages up to some point, then a page with a prefix and mixed,
                        weak bits; erase: sectors old, zero, mixed, or blank-looking with weak
                        cells */
    MOLT_CUT_TORN_OTHER /* torn again with other choices */
};

/* A byte whose bits in mask read differently at each power-up. */
struct molt_nor_weak {
    uint32_t offset;
    uint8_t mask;
};

struct molt_nor {
    uint8_t *bytes; /* the caller's memory, size bytes; what reads return now */
    uint32_t size;  /* a multiple of MOLT_NOR_SECTOR */
    struct molt_nor_timing timing;

    uint64_t time_us;
    uint64_t operations; /* so far */
    uint64_t erased_sectors, programmed_pages, bytes_read, bytes_programmed;
    uint32_t
        *sector_erases; /* optional: size / MOLT_NOR_SECTOR counters of the caller's, or NULL */

    uint64_t cut_at; /* operation number; 0 = never */
    enum molt_cut cut;
    bool off;        /* power is off: every call gives MOLT_E_POWER */
    uint64_t random; /* state of the generator for torn cells; any value */

    struct molt_nor_weak *weak; /* grows with realloc; freed by molt_nor_free */
    uint32_t weak_count, weak_capacity;

    /* Called after bytes changed, so that a board folder can write through; may be NULL. */
    void (*changed)(void *context, uint32_t offset, uint32_t n);
    void *context;
};

/* bytes stay the caller's. Power is on, nothing cut. */
void molt_nor_init(struct molt_nor *nor, uint8_t *bytes, uint32_t size, uint64_t seed);
void molt_nor_free(struct molt_nor *nor);

/*
 * The flash interface over it. program asserts nothing: setting a bit is MOLT_E_NOT_ERASED, a weak
 * byte that is programmed stays weak until its sector is erased.
 */
void molt_nor_flash(struct molt_nor *nor, struct molt_flash *flash);

/*
 * Counts one operation of something else that shares the power (a store). MOLT_OK: do it.
 * MOLT_E_POWER: power failed before; 1: do it, then power is off (the caller returns MOLT_E_POWER
 * after doing it).
 */
int molt_nor_operation(struct molt_nor *nor);

/* Power comes back: weak bits are drawn anew, cut_at is cleared. */
void molt_nor_power_up(struct molt_nor *nor);

#ifdef __cplusplus
}
#endif
#endif
