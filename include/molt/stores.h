/*
 * Two stores for platforms without one: alternating files, and a log in two sectors. Byte layouts:
 * docs/spec/store.md.
 */
#ifndef MOLT_STORES_H
#define MOLT_STORES_H

#include <stdbool.h>
#include <stdint.h>

#include "molt/files.h"
#include "molt/flash.h"
#include "molt/store.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Two files a record, <directory>/rN.a and .b, each with a counter and a CRC; the older or broken
 * one is written over. Needs no atomic rename, so that it is right on FAT too. The directory is
 * made when it is missing.
 */
struct molt_filestore {
    const struct molt_files *files;
    const char *directory; /* the caller's, without a '/' at its end; at most 48 bytes */
};

void molt_filestore_init(struct molt_filestore *filestore, const struct molt_files *files,
                         const char *directory, struct molt_store *store);

/*
 * A log in two sectors of flash, for ports without a file system. The first put after open, and
 * every put that finds no room, copies what counts into the other sector: nothing is ever appended
 * behind bytes of an earlier power cycle, which may be torn although they look blank.
 */
struct molt_logstore {
    const struct molt_flash *flash;
    uint32_t offset; /* of the first sector; the second follows it */
    uint32_t sector_size;
    uint32_t generation;
    uint32_t active; /* 0 or 1; 2 = none written yet */
    uint32_t at;     /* next free byte in the active sector; 0 = do not append */
};

/* MOLT_E_RANGE, MOLT_E_ALIGNMENT, or the flash's error. A pair that was never written is an empty
 * store. */
int molt_logstore_open(struct molt_logstore *logstore, const struct molt_flash *flash,
                       uint32_t offset, struct molt_store *store);

#ifdef __cplusplus
}
#endif
#endif
