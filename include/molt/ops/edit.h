/*
 * Changing a firmware file or a flash dump: flash size, layout. Everything is planned, made in
 * memory and checked first; only molt_edit_write touches the disk.
 */
#ifndef MOLT_OPS_EDIT_H
#define MOLT_OPS_EDIT_H

#include <stdint.h>

#include "molt/host/message.h"
#include "molt/host/target.h"
#include "molt/ops/plan.h"

#ifdef __cplusplus
extern "C" {
#endif

struct molt_edit_request {
    uint32_t flash_size; /* bytes; 0 = as it is */
    const char *layout;  /* NULL = as it is */
};

struct molt_edit {
    struct molt_plan plan;
    uint32_t flash_size;             /* afterwards */
    struct molt_ptable table;        /* afterwards */
    uint32_t app_offset, app_length; /* of the app that is kept */
    char app_label[17];              /* its partition afterwards */
    uint32_t base;                   /* flash offset of the file's first byte */
    uint8_t *owned;                  /* NULL, or what flash points to */
    uint8_t *flash; /* the result at its flash offsets; the source's copy in memory, or owned */
    uint32_t size;  /* bytes of flash; the file has size - base */
};

/*
 * Plans and makes the result in memory (in the source's own copy where it can: the source must not
 * be used for anything else afterwards). The caller frees it with molt_edit_free, also after an
 * error (the plan then has the steps found until there). MOLT_E_UNSUPPORTED (not a firmware file or
 * dump), MOLT_E_ARGUMENT, MOLT_E_RANGE (flash size), MOLT_E_NO_SPACE (layout), MOLT_E_IMAGE_*
 * (bootloader or app not right, app larger than its slot), MOLT_E_TABLE_*, MOLT_E_NO_MEMORY.
 */
int molt_edit_prepare(struct molt_edit *edit, const struct molt_target *source,
                      const struct molt_edit_request *request, struct molt_message *message);

/* Writes the result as a file that appears whole or not at all. MOLT_E_ARGUMENT when out is the
 * source itself, also by another name; else as molt_file_write. */
int molt_edit_write(const struct molt_edit *edit, const struct molt_target *source, const char *out,
                    struct molt_message *message);

void molt_edit_free(struct molt_edit *edit);

#ifdef __cplusplus
}
#endif
#endif
