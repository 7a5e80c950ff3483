/* Intel HEX (specification revision A, 1988): records to bytes at addresses. */
#ifndef MOLT_IHEX_H
#define MOLT_IHEX_H

#include <stdbool.h>
#include <stdint.h>

#include "molt/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Caller-owned; set text and n, the rest 0. */
struct molt_ihex {
    const char *text;
    uint32_t n;

    uint32_t at, line; /* of what comes next; lines already read */
    uint32_t base;     /* of the addresses that follow */
    bool ended;        /* the end record was there */
    bool has_start;    /* a start address was */
    uint32_t start;
};

struct molt_ihex_data {
    uint32_t address; /* address + length does not pass 4 GB */
    uint32_t length;  /* 1..255 */
    uint8_t bytes[255];
};

/*
 * 1 and the next bytes; 0 at the end record, what is behind it is not looked at. MOLT_E_FORMAT (no
 * record), MOLT_E_VERIFY (its checksum), MOLT_E_TRUNCATED (no end record), MOLT_E_RANGE (passes 4
 * GB): diag->offset is the line's number, from 1.
 */
int molt_ihex_next(struct molt_ihex *hex, struct molt_ihex_data *data, struct molt_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
