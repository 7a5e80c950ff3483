/* Source: where the bytes of a bundle come from (HTTP, a file, a modem's store, parts). */
#ifndef MOLT_SOURCE_H
#define MOLT_SOURCE_H

#include <stdint.h>

#include "molt/error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct molt_source_info {
    uint32_t length; /* bytes; 0 = unknown */
};

/*
 * info    may block; called once before the first read.
 * expect  a hint, may be NULL: the range that will now be read, in order, in pieces. A source that
 * pays per request asks for exactly this. Reading elsewhere stays allowed. read    up to n bytes
 * from offset: the count (1..n), 0 at the end, MOLT_AGAIN when none came yet, or an error. May
 * block for as long as its own time-out. Bytes are untrusted. report  a state and a text for
 * whoever runs the source's other end; may be NULL.
 */
struct molt_source_ops {
    int (*info)(void *context, struct molt_source_info *info);
    int (*expect)(void *context, uint32_t offset, uint32_t n);
    int (*read)(void *context, uint32_t offset, void *buffer, uint32_t n);
    int (*report)(void *context, int state, const char *text);
};

struct molt_source {
    const struct molt_source_ops *ops;
    void *context;
};

#ifdef __cplusplus
}
#endif
#endif
