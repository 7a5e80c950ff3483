/* The recorded boots of tests/vectors/bootloader, as far as records decide them. */
#ifndef MOLT_TEST_VECTORS_H
#define MOLT_TEST_VECTORS_H

#include <stdbool.h>
#include <stdint.h>

#include "ref_boot.h"

#define VECTORS_NO_SLOT (-9) /* "no boot", or an application that aborts */

#define VECTORS_ROWS 12

struct vector_row {
    const char *label;
    uint8_t type, subtype;
    uint32_t offset, size;
    const char *content; /* of an app: a word of the file's slot_contents */
};

struct vector {
    const char *file, *id, *kind, *layout; /* kind is "sequence" for a sequence's step */
    const char *step;                      /* what was done, or NULL */
    uint8_t before[2][32], after[2][32];
    int running; /* slot as the bootloader counts, REF_FACTORY, REF_TEST, VECTORS_NO_SLOT */
    bool has_otadata, whole_otadata; /* row there; of 0x2000 bytes or more */
    uint32_t flash_mb;
    struct vector_row row[VECTORS_ROWS]; /* of the layout's table */
    uint32_t row_count;
    /* Facts of the board; record[] is of before. loads knows `good` and what plainly does not. */
    struct ref_world world;
};

/* Calls visit for each case, resp. for the start and each step of each sequence (before = after the
 * step before). Return the number of cases, resp. sequences. A file that does not read ends the
 * process. data: the folder tests (TEST_DATA). */
int vectors_cases(const char *data, void (*visit)(const struct vector *vector, void *context),
                  void *context);
int vectors_steps(const char *data, void (*visit)(const struct vector *vector, void *context),
                  void *context);

#endif
