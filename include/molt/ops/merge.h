/* One flashable image from its parts: bootloader, table, app, file system, whatever else. */
#ifndef MOLT_OPS_MERGE_H
#define MOLT_OPS_MERGE_H

#include <stdbool.h>
#include <stdint.h>

#include "molt/host/message.h"
#include "molt/ops/part.h"

#ifdef __cplusplus
extern "C" {
#endif

struct molt_merge_request {
    const char *const *files; /* told apart by their bytes: a bootloader, a table (binary or CSV),
                                 an app, a file system image; the first two are needed */
    uint32_t file_count;
    const struct molt_part_write *writes; /* others, each with its place */
    uint32_t write_count;
    const char *chip;    /* what the bootloader has to be for; NULL = whatever it is for */
    uint32_t flash_size; /* bytes, for the bootloader's header; 0 = as it says */
    bool dump;           /* a whole flash from 0 on; else from the bootloader's offset to the last
                            byte of a part */
};

struct molt_merge {
    struct molt_part_job job;  /* plan, what boots */
    struct molt_target target; /* an erased flash with that table; not to be closed */
    uint32_t start, end;       /* of the image, in flash */
};

/*
 * Plans and checks as molt_part_plan_write does, on an erased flash. The app goes to the factory
 * partition, else to ota_0; the file system to the device's files (molt_place_files). Call
 * molt_merge_free also after an error. MOLT_E_ARGUMENT (a part is missing or there twice),
 * MOLT_E_FORMAT (a file that is no part), MOLT_E_IMAGE_CHIP, MOLT_E_RANGE (flash size), and those
 * of molt_part_plan_write.
 */
int molt_merge_prepare(struct molt_merge *merge, const struct molt_merge_request *request,
                       struct molt_message *message);

/* Writes the image as a file that appears whole or not at all. */
int molt_merge_write(const struct molt_merge *merge, const char *out, struct molt_message *message);

void molt_merge_free(struct molt_merge *merge);

#ifdef __cplusplus
}
#endif
#endif
