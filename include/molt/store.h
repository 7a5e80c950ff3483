/*
 * Store: a few small records that survive power loss. esp32.NVS on stock MicroPython, two
 * alternating files (engine/filestore), a two-sector log (engine/logstore), one file replaced by
 * rename in the simulator.
 */
#ifndef MOLT_STORE_H
#define MOLT_STORE_H

#include <stdint.h>

#include "molt/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a record is for. Numbers are on devices: append only. Byte layouts: docs/SPEC.md, "Store".
 */
enum molt_record {
    MOLT_RECORD_UPDATE = 1,   /* the update under way */
    MOLT_RECORD_FLOOR = 2,    /* sequence floor, newest signed time seen */
    MOLT_RECORD_KEYS = 3,     /* trusted keys */
    MOLT_RECORD_FAILED = 4,   /* bundles that failed their trial */
    MOLT_RECORD_RELEASES = 5, /* which release belongs to which slot */
    MOLT_RECORD_DEVICE = 6,   /* board name, device id: written once by provisioning */
    MOLT_RECORD_REPORT = 7,   /* how the last failed trial ended; written by the device package */
    MOLT_RECORD_STARTS = 8,   /* fast resets in a row; 6 bytes, written by the device package */
    MOLT_RECORD_LAST = 8
};

#define MOLT_RECORD_MAX 512 /* bytes of one record */

/*
 * get  the record's length (also when it is longer than capacity: then only capacity bytes are
 * copied), or MOLT_E_NOT_FOUND. put  atomic: after a power cut the old or the new record is there,
 * whole. n == 0 removes the record.
 */
struct molt_store_ops {
    int (*get)(void *context, int record, void *buffer, uint32_t capacity);
    int (*put)(void *context, int record, const void *data, uint32_t n);
};

struct molt_store {
    const struct molt_store_ops *ops;
    void *context;
};

#ifdef __cplusplus
}
#endif
#endif
