/*
 * Partition tables as CSV, the grammar of ESP-IDF's gen_esp32part.py; docs/spec/table.md. What
 * that tool accepts and what boots gives the same table here, byte for byte; what it accepts and
 * what then fails on a device is refused here.
 */
#ifndef MOLT_PTABLE_CSV_H
#define MOLT_PTABLE_CSV_H

#include <stdbool.h>
#include <stdint.h>

#include "molt/ptable.h"

#ifdef __cplusplus
extern "C" {
#endif

/* All zero = the default. */
struct molt_csv_options {
    uint32_t table_offset; /* 0 = MOLT_PTABLE_OFFSET */
    uint32_t flash_size;   /* bytes; 0 = not looked at */
    /* Rows that describe bootloaders take their places from here, not from the text. */
    bool has_bootloader, has_recovery;
    uint32_t bootloader_offset, recovery_offset;
    bool no_md5;
};

/*
 * Reads n bytes of text. options may be NULL. On failure diag->offset is the line (from 1), or
 * MOLT_DIAG_NONE where no line is to blame; what says what is wrong and what to write, and where it
 * ends with " row", expected is the line of that other row. MOLT_E_FORMAT (a field, a character),
 * MOLT_E_UNSUPPORTED (UTF-16, UTF-32, a row without options for it), MOLT_E_TABLE_NAME, _ROW,
 * _ALIGNMENT, _OVERLAP, _WRAP, _FLASH_SIZE, _SLOTS, _FULL.
 */
int molt_ptable_from_csv(struct molt_ptable *table, const char *text, uint32_t n,
                         const struct molt_csv_options *options, struct molt_diag *diag);

/* Holds every table. */
#define MOLT_PTABLE_CSV_SIZE 8192

/*
 * Writes the text (no NUL) and returns its length. Every table that molt_ptable_from_csv makes is
 * said; of others MOLT_E_TABLE_NAME (a name that a CSV cannot carry, such as one with a comma),
 * MOLT_E_TABLE_ROW (flags without a word); the row's number in diag->offset. MOLT_E_NO_SPACE.
 */
int molt_ptable_to_csv(const struct molt_ptable *table, char *text, uint32_t capacity,
                       struct molt_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
