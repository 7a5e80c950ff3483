/*
 * What differs between two targets: chip, flash size, bootloader, table, and what each partition
 * holds, files one by one. Reads only.
 */
#ifndef MOLT_OPS_DIFF_H
#define MOLT_OPS_DIFF_H

#include <stdint.h>

#include "molt/host/message.h"
#include "molt/host/target.h"
#include "molt/progress.h"

#ifdef __cplusplus
extern "C" {
#endif

enum molt_diff_what {
    MOLT_DIFF_CHIP = 0,
    MOLT_DIFF_FLASH_SIZE, /* as the bootloader's header says it */
    MOLT_DIFF_HEADER,     /* SPI mode or frequency in that header; nothing else of the bootloader */
    MOLT_DIFF_BOOTLOADER,
    MOLT_DIFF_TABLE, /* as a whole: there or not, with its MD5 row or not */
    MOLT_DIFF_ROW,
    MOLT_DIFF_APP,
    MOLT_DIFF_OTADATA,
    MOLT_DIFF_NVS,
    MOLT_DIFF_FILE_SYSTEM, /* its kind and size; there or not */
    MOLT_DIFF_FILE,
    MOLT_DIFF_FOLDER,
    MOLT_DIFF_BYTES /* of a place whose content is not known, or that belongs to no partition */
};

enum molt_diff_change { MOLT_DIFF_CHANGED = 0, MOLT_DIFF_ADDED, MOLT_DIFF_REMOVED };

/* Of a row that is in both tables. */
#define MOLT_DIFF_MOVED   1u
#define MOLT_DIFF_RESIZED 2u
#define MOLT_DIFF_RENAMED 4u
#define MOLT_DIFF_RETYPED 8u /* type or subtype */
#define MOLT_DIFF_FLAGS   16u

struct molt_diff_item {
    enum molt_diff_what what;
    enum molt_diff_change change; /* from a to b */
    char place[17];      /* the partition, as it is called in a; "" = none. "vfs" also for what lies
                            behind the last partition */
    char *path;          /* of files and folders; else NULL */
    char a[160], b[160]; /* in words, printable; "" = nothing there, or not told in words */
    unsigned row_changes;
    struct molt_partition row_a, row_b; /* ROW: of the sides that have it */
    uint32_t first; /* BYTES, NVS: offset of the first byte that differs, from the place's start, or
                       in flash where place is "" */
    uint32_t count; /* BYTES: how many differ; NVS: how many pages of 4096 bytes */
};

struct molt_diff {
    struct molt_diff_item *item;
    uint32_t count, capacity; /* count 0 = the same */
};

/* Opens a target, or a CSV as a bare table. As molt_target_open and molt_table_read_csv. */
int molt_diff_open(struct molt_target *target, const char *name, struct molt_message *message);

/*
 * Compares what both have: two of firmware file, dump and board all that is in them; a table, an
 * app image, a bootloader or a file system with its like, or with that part of a firmware file,
 * dump or board (the app that boots; the files' place). Erased flash is the same as a file that
 * ends before. Not compared: what lies behind an app's end in its partition; where in flash a file
 * system keeps its files. *diff must be zero and is freed by the caller, also after an error:
 * MOLT_E_UNSUPPORTED (the two have nothing in common), MOLT_E_TABLE_* (a layout without table where
 * one is needed), MOLT_E_CANCELLED, errors of reading. progress may be NULL.
 */
int molt_diff_targets(struct molt_diff *diff, struct molt_target *a, struct molt_target *b,
                      const struct molt_progress *progress, struct molt_message *message);

void molt_diff_free(struct molt_diff *diff);

/* "chip", "flash size", "row", "app", "bytes" ...; "changed", "added", "removed". */
const char *molt_diff_what_name(enum molt_diff_what what);
const char *molt_diff_change_name(enum molt_diff_change change);

#ifdef __cplusplus
}
#endif
#endif
