/* zlib's judgement of a raw deflate stream with a window of 4 KB. */
#ifndef TEST_INFLATE_ORACLE_H
#define TEST_INFLATE_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True when the stream is whole; then what it holds (at most capacity bytes) and its own length. */
bool oracle_inflate(const uint8_t *stream, size_t n, uint8_t *out, size_t capacity,
                    size_t *produced, size_t *consumed);

/* zlib's compressor with that window: level 0..9, a strategy of zlib's. The stream's length. */
size_t oracle_deflate(const uint8_t *data, size_t n, int level, int strategy, uint8_t *out,
                      size_t capacity);

/* Ours, fed in pieces of `feed` bytes and emptied `take` bytes at a time. True, produced and
 * consumed as above. */
bool molt_inflate_all(const uint8_t *stream, size_t n, uint32_t feed, uint32_t take, uint8_t *out,
                      size_t capacity, size_t *produced, size_t *consumed);

#endif
