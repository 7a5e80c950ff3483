/* Any bytes as a deflate stream: ours and zlib's agree on whether it is one, and on what it holds.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "inflate_oracle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* A stream of deflate grows by a factor of 1032 at most. */
    size_t capacity = 1040 * (size + 1), produced, consumed, their_produced, their_consumed;
    if (size < 1 || size > 2048) {
        return 0;
    }
    uint32_t feed = data[0] % 64u + 1, take = data[0] % 32u * 100u + 1;
    uint8_t *ours = malloc(capacity), *theirs = malloc(capacity);
    if (!ours || !theirs) {
        abort();
    }
    bool good =
        oracle_inflate(data + 1, size - 1, theirs, capacity, &their_produced, &their_consumed);
    if (molt_inflate_all(data + 1, size - 1, feed, take, ours, capacity, &produced, &consumed) !=
        good) {
        abort();
    }
    if (good && (produced != their_produced || consumed != their_consumed ||
                 memcmp(ours, theirs, produced) != 0)) {
        abort();
    }
    free(ours);
    free(theirs);
    return 0;
}
