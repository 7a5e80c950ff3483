/* Bytes as files for DFU devices. */
#ifndef IMAGE_RIG_H
#define IMAGE_RIG_H

#include "molt/ops/dfu_image.h"

struct image_bytes {
    uint8_t bytes[2048];
    uint32_t n;
};

extern struct molt_message image_message; /* of the last call */

/* Without any options. */
int image_load(struct molt_dfu_image *image, const uint8_t *bytes, uint32_t n);

/* The error of bytes that must be refused, with these words in the message, and nothing left. */
int image_refused(const uint8_t *bytes, uint32_t n, const char *words);

#endif
