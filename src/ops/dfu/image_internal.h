/* What the readers of molt_dfu_image share. Each fills the elements of an image out of its bytes.
 */
#ifndef MOLT_OPS_DFU_IMAGE_INTERNAL_H
#define MOLT_OPS_DFU_IMAGE_INTERNAL_H

#include "molt/ops/dfu_image.h"

/* One reading. image->bytes has n bytes, at least 1, and belongs to the image. */
struct image_file {
    struct molt_dfu_image *image;
    const char *name; /* for messages */
    const struct molt_dfu_image_request *request;
    uint32_t n;
    struct molt_message *message;
};

int image_read_dfuse(struct image_file *file);
int image_read_plain(struct image_file *file);
int image_read_elf(struct image_file *file);
int image_read_hex(struct image_file *file);

/* image->element gets room for count; MOLT_E_RANGE (too many), MOLT_E_NO_MEMORY. */
int image_room(struct image_file *file, uint32_t count);
/* MOLT_E_VERIFY, or MOLT_OK and image->crc_wrong when the request lets it through. */
int image_check_crc(struct image_file *file);

/* Bytes that go to an address, gathered in any order. Freed by image_runs_free. */
struct image_run {
    uint32_t address, size;
    const uint8_t *bytes;
};

struct image_runs {
    struct image_run *run;
    uint32_t count, room;
    uint64_t total;
};

/* Extends the last run when address and bytes follow it. MOLT_E_RANGE, MOLT_E_NO_MEMORY. */
int image_runs_add(struct image_file *file, struct image_runs *runs, uint32_t address,
                   const uint8_t *bytes, uint32_t size);
/* Elements by address, neighbours joined (the bytes are copied). MOLT_E_FORMAT: they overlap. */
int image_runs_settle(struct image_file *file, struct image_runs *runs);
void image_runs_free(struct image_runs *runs);

/* The first two of count elements that share a byte, by address; elements of different alternates
 * never do. false = none. order is scratch for count pointers. */
bool image_overlap(const struct molt_dfu_element *element, uint32_t count,
                   const struct molt_dfu_element **order, const struct molt_dfu_element **a,
                   const struct molt_dfu_element **b);

#endif
