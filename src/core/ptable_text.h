/* The words and numbers of partition tables as text; core only. */
#ifndef MOLT_CORE_PTABLE_TEXT_H
#define MOLT_CORE_PTABLE_TEXT_H

#include <stdbool.h>
#include <stdint.h>

struct molt_number {
    uint32_t magnitude;
    bool negative;
};

/*
 * An integer as ESP-IDF's tool reads it: decimal, 0x, 0o or 0b, sign, '_' between digits, and any
 * number of suffixes k and m (binary multiples). MOLT_E_FORMAT, MOLT_E_RANGE (over 32 bits).
 */
int molt_number_parse(struct molt_number *number, const char *text, uint32_t n);

/* Keyword (any case) or number 0..255 of n characters; MOLT_E_NOT_FOUND. */
int molt_partition_type_in(const char *text, uint32_t n);
int molt_partition_subtype_in(uint8_t type, const char *text, uint32_t n);

/* NULL when a CSV carries that name as it is; else what is wrong with it. */
const char *molt_csv_name_fault(const char *name, uint32_t n);

#endif
