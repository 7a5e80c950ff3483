#include "molt/cbor.h"

#define DEPTH_MAX 8

/* Without recursion: left[d] items remain to be read at depth d. */
int molt_cbor_skip(struct molt_cbor_reader *reader)
{
    struct molt_cbor_reader ahead = *reader;
    size_t left[DEPTH_MAX + 1];
    unsigned depth = 0;
    left[0] = 1;
    for (;;) {
        while (left[depth] == 0) {
            if (depth-- == 0) {
                *reader = ahead;
                return MOLT_OK;
            }
        }
        left[depth]--;
        struct molt_cbor_item item;
        int error = molt_cbor_next(&ahead, &item);
        if (error) {
            return error;
        }
        if (item.type != MOLT_CBOR_ARRAY && item.type != MOLT_CBOR_MAP &&
            item.type != MOLT_CBOR_TAG) {
            continue;
        }
        if (depth == DEPTH_MAX) {
            return MOLT_E_FORMAT;
        }
        uint64_t count = item.type == MOLT_CBOR_TAG ? 1 : item.argument;
        if (count > (size_t)(ahead.end - ahead.at)) {
            return MOLT_E_TRUNCATED; /* an item has at least one byte */
        }
        left[++depth] = (size_t)count * (item.type == MOLT_CBOR_MAP ? 2 : 1);
    }
}
