/* A target that is a file: what its bytes are, and what a UF2 file writes. */
#ifndef MOLT_HOST_TARGET_FILE_H
#define MOLT_HOST_TARGET_FILE_H

#include "molt/host/target.h"

#define TARGET_FILE_LIMIT (128u << 20) /* the largest flash that a header can name */
#define TARGET_BASE_MAX   MOLT_PTABLE_OFFSET
#define TARGET_EXPECTED                                                                            \
    "expected a firmware file, a flash dump, an app image, a bootloader, a partition table or a "  \
    "file system image"

struct file {
    const uint8_t *bytes;
    uint32_t size;
};

/* Fills kind, chip, base, header_flash_size. Errors as molt_target_open's. */
int target_classify(struct molt_target *target, const struct file *file,
                    struct molt_message *message);

/* Are they a thing of its own: an image, a table, a file system? */
bool target_begins(const struct file *file);

/* size bytes in memory, behind room for the largest base; NULL = no memory. And back. */
uint8_t *target_make_place(uint32_t size);
void target_drop_place(uint8_t *place, uint32_t size);

/* *place and *size of a UF2 file become those of the bytes that it writes; on failure they stay. */
int target_flatten(struct molt_target *target, uint8_t **place, uint32_t *size,
                   struct molt_message *message);

#endif
