/*
 * Places on a target by name: partitions, what has no row (bootloader, table, a file system behind
 * the last partition), ranges. Reading them never needs the file to be that long: what a firmware
 * file leaves out is erased flash.
 */
#ifndef MOLT_OPS_PLACE_H
#define MOLT_OPS_PLACE_H

#include <stdint.h>

#include "molt/host/message.h"
#include "molt/host/target.h"
#include "molt/ptable.h"

#ifdef __cplusplus
extern "C" {
#endif

enum molt_place_kind {
    MOLT_PLACE_PARTITION = 0,
    MOLT_PLACE_BOOTLOADER, /* from where the chip's ROM looks for it up to the table */
    MOLT_PLACE_TABLE,      /* its whole sector */
    MOLT_PLACE_BEHIND, /* file system without a row: from the end of the last partition to the end
                          of flash (MicroPython 1.26 and later) */
    MOLT_PLACE_RANGE,  /* OFFSET+SIZE */
    MOLT_PLACE_WHOLE   /* all of the target; name "all" */
};

struct molt_place {
    enum molt_place_kind kind;
    char label[17]; /* as its row says, printable; else "bootloader", "table", "vfs", "all" or
                       "0xOFFSET" */
    uint32_t offset, size; /* bytes of flash; offset + size is at most molt_place_flash_end */
    const struct molt_partition *row; /* of the target's table, or NULL */
};

/*
 * By name: a label (wins), "bootloader", "table" or "partition_table", "vfs" where no row is called
 * so and room is left behind the last one, "all", "OFFSET+SIZE" (decimal or 0x hex, each with an
 * optional K or M). The message names what there is. MOLT_E_NOT_FOUND, MOLT_E_RANGE (ends behind
 * the flash), MOLT_E_TABLE_* (there is no table to find it in), MOLT_E_UNSUPPORTED (a target that
 * has no such places), MOLT_E_TABLE_ROW (a row of no size).
 */
int molt_place_find(struct molt_place *place, const struct molt_target *target, const char *name,
                    struct molt_message *message);

/*
 * The one that holds the device's files: data partition vfs, else internalfs, storage, ffat, else
 * the first of subtype littlefs, fat or spiffs, else the room behind the last partition, else a
 * bare file system image as a whole. Errors as above.
 */
int molt_place_files(struct molt_place *place, const struct molt_target *target,
                     struct molt_message *message);

/* Where the target's flash ends: the chip's end, or what the header or the file's length say. A
 * file without a header: MOLT_PLACE_LIMIT. */
#define MOLT_PLACE_LIMIT (128u << 20)
uint32_t molt_place_flash_end(const struct molt_target *target);

/* Bytes of [offset, offset + n), FF where the file ends before. Errors of the flash. */
int molt_place_read(const struct molt_target *target, uint32_t offset, void *buffer, uint32_t n);

/* A file ends behind the place afterwards (molt_target_grow). Nothing to do on boards. */
int molt_place_make_room(struct molt_target *target, const struct molt_place *place,
                         struct molt_message *message);

#ifdef __cplusplus
}
#endif
#endif
