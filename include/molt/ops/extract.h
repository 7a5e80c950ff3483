/* The app of a firmware file, a flash dump, a UF2 file or a board, by itself. */
#ifndef MOLT_OPS_EXTRACT_H
#define MOLT_OPS_EXTRACT_H

#include <stdbool.h>
#include <stdint.h>

#include "molt/host/message.h"
#include "molt/host/target.h"

#ifdef __cplusplus
extern "C" {
#endif

struct molt_extract {
    uint8_t *bytes; /* of the image, with a signature block of secure boot 2 behind it; owned */
    uint32_t n;
    char label[17];     /* of the slot that it lies in; "" = of an app image */
    uint32_t offset;    /* in flash */
    bool boots;         /* it is what boots next from there */
    uint32_t left_over; /* other bytes behind it in its slot or file, which are left out */
    char words[120];    /* "MicroPython v1.23.0 of 2024-06-02" */
};

/*
 * slot: the partition; NULL = the one that boots next. The image is verified: structure, checksum,
 * SHA-256, chip, load addresses. MOLT_E_NOT_FOUND (no such slot, or no app at all),
 * MOLT_E_NOT_A_SLOT, MOLT_E_UNSUPPORTED (a target that has no app), MOLT_E_IMAGE_*, MOLT_E_TABLE_*.
 * The caller frees it with molt_extract_free, also after an error.
 */
int molt_extract_app(struct molt_extract *extract, const struct molt_target *image,
                     const char *slot, struct molt_message *message);

void molt_extract_free(struct molt_extract *extract);

#ifdef __cplusplus
}
#endif
#endif
