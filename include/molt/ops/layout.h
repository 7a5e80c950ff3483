/* Layouts: recipes that make a partition table for a flash size. docs/partition-tables.md has their
 * figures. */
#ifndef MOLT_OPS_LAYOUT_H
#define MOLT_OPS_LAYOUT_H

#include <stdint.h>

#include "molt/host/message.h"
#include "molt/ptable.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Whether a layout of MicroPython has a row for the file system: from 1.26 on the firmware takes
 * what is free behind the last partition. */
enum molt_layout_files {
    MOLT_LAYOUT_FILES_AUTO =
        0, /* by the version; a row where it is not known, which works in all */
    MOLT_LAYOUT_FILES_ROW,
    MOLT_LAYOUT_FILES_NO_ROW /* layouts micropython and micropython-ota only */
};

struct molt_layout_request {
    const char *name;    /* ota, default, original, micropython, micropython-ota, single, two-slots,
                            three-slots; lobo: one of the last three by slots or flash size */
    uint32_t flash_size; /* bytes */
    uint32_t app_offset; /* where the first app is to lie, a multiple of 64 KB; 0 = 0x10000 */
    uint32_t app_length; /* bytes of the firmware that is to fit; 0 = not known */
    uint32_t slots;      /* app partitions; 0 = as the layout says */
    uint32_t slot_size;  /* bytes, a multiple of 64 KB; 0 = as the layout says */
    uint32_t fs_size;    /* bytes; what fits when there is less room; 0 = all that is free */
    uint8_t fs_subtype;  /* MOLT_DATA_FAT, _SPIFFS, _LITTLEFS; 0 = as the layout says */
    const char *fs_label, *app_label; /* of files and first app; NULL = as the layout says */
    const struct molt_partition *nvs; /* kept at its place and size; NULL = as the layout says */
    enum molt_layout_files files;
    const char *micropython; /* version of the app, "v1.26.0"; NULL = not known */
};

/*
 * Makes the table of a layout; it satisfies molt_ptable_check. Rows ascend. The message says what
 * would fit. MOLT_E_ARGUMENT (an unknown name, an option that the layout does not have),
 * MOLT_E_ALIGNMENT (app_offset, slot_size), MOLT_E_NO_SPACE (slots or files do not fit into the
 * flash), MOLT_E_IMAGE_TOO_LARGE (the firmware does not fit into its slot), MOLT_E_TABLE_*
 * (labels).
 */
int molt_layout_make(struct molt_ptable *table, const struct molt_layout_request *request,
                     struct molt_message *message);

/* Bytes of one app slot of the layout as it says itself, whatever the firmware's length; 0 =
 * unknown name. */
uint32_t molt_layout_slot_size(const char *name, uint32_t flash_size);

/* Names and one line about each, for the help; NULL behind the last. */
const char *molt_layout_name(uint32_t index);
const char *molt_layout_summary(uint32_t index);

#ifdef __cplusplus
}
#endif
#endif
