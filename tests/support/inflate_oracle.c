#include "inflate_oracle.h"

#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "molt/inflate.h"

bool oracle_inflate(const uint8_t *stream, size_t n, uint8_t *out, size_t capacity,
                    size_t *produced, size_t *consumed)
{
    z_stream z;
    uint8_t byte;
    int code = Z_OK;
    memset(&z, 0, sizeof z);
    *produced = 0;
    if (inflateInit2(&z, -12) != Z_OK) {
        abort();
    }
    z.next_in = (Bytef *)(uintptr_t)stream;
    z.avail_in = (uInt)n;
    /* One byte at a time: with more room zlib would let matches reach over the window into it. */
    while (code == Z_OK) {
        z.next_out = &byte;
        z.avail_out = 1;
        code = inflate(&z, Z_NO_FLUSH);
        if (z.avail_out == 0) {
            if (*produced == capacity) {
                abort();
            }
            out[(*produced)++] = byte;
        } else if (code == Z_OK && z.avail_in == 0) {
            break; /* truncated */
        }
    }
    *consumed = n - z.avail_in;
    inflateEnd(&z);
    return code == Z_STREAM_END;
}

size_t oracle_deflate(const uint8_t *data, size_t n, int level, int strategy, uint8_t *out,
                      size_t capacity)
{
    z_stream z;
    memset(&z, 0, sizeof z);
    if (deflateInit2(&z, level, Z_DEFLATED, -12, 8, strategy) != Z_OK) {
        abort();
    }
    z.next_in = (Bytef *)(uintptr_t)data;
    z.avail_in = (uInt)n;
    z.next_out = out;
    z.avail_out = (uInt)capacity;
    if (deflate(&z, Z_FINISH) != Z_STREAM_END) {
        abort();
    }
    size_t size = z.total_out;
    deflateEnd(&z);
    return size;
}

bool molt_inflate_all(const uint8_t *stream, size_t n, uint32_t feed, uint32_t take, uint8_t *out,
                      size_t capacity, size_t *produced, size_t *consumed)
{
    struct molt_inflate inflate;
    uint8_t window[MOLT_INFLATE_WINDOW];
    int code = MOLT_OK;
    size_t at = 0;
    *produced = 0;
    molt_inflate_start(&inflate, window);
    for (;;) {
        const uint8_t *bytes;
        uint32_t used = 0, got;
        uint32_t piece = n - at < feed ? (uint32_t)(n - at) : feed;
        if (code == MOLT_OK) {
            code = molt_inflate_push(&inflate, stream + at, piece, &used);
            if (used > piece) {
                abort();
            }
            at += used;
        }
        got = molt_inflate_peek(&inflate, &bytes);
        if (got > take) {
            got = take;
        }
        if (got > capacity - *produced) {
            abort();
        }
        memcpy(out + *produced, bytes, got);
        *produced += got;
        molt_inflate_take(&inflate, got);
        if (code < 0 || (used == 0 && got == 0)) {
            break;
        }
    }
    *consumed = at;
    if (code < 0 && code != MOLT_E_CHUNK_DECODE) {
        abort();
    }
    return code == MOLT_DONE;
}
