/* From the source's bytes to the decoded bytes of a chunk. */
#include <string.h>

#include "engine/internal.h"

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Some bytes, at most n: their number, MOLT_AGAIN, or an error. */
static int read_some(struct molt_engine *e, uint32_t offset, uint8_t *to, uint32_t n)
{
    const struct molt_source *source = e->port->source;
    int got = source->ops->read(source->context, offset, to, n);
    if (got == 0) {
        return MOLT_E_BUNDLE_TRUNCATED;
    }
    if (got > 0) {
        if ((uint32_t)got > n) {
            return MOLT_E_IO;
        }
        e->bytes_fetched += (uint32_t)got;
    }
    return got;
}

int molt_source_fill(struct molt_engine *e, uint32_t offset, uint8_t *buffer, uint32_t *have,
                     uint32_t n)
{
    while (*have < n) {
        int got = read_some(e, offset + *have, buffer + *have, n - *have);
        if (got < 0) {
            return got;
        }
        *have += (uint32_t)got;
    }
    return MOLT_OK;
}

int molt_stream_open(struct molt_engine *e, uint32_t chunk)
{
    const struct molt_source *source = e->port->source;
    e->chunk = chunk;
    e->filled = 0;
    e->fetched = 0;
    e->input_at = 0;
    e->input_size = 0;
    e->stream_end = false;
    e->stream_raw = e->manifest.chunk[chunk].codec == MOLT_CODEC_RAW;
    if (!e->stream_raw) {
        molt_inflate_start(&e->inflate, e->port->window);
    }
    return source->ops->expect
               ? source->ops->expect(source->context, molt_chunk_offset(&e->manifest, chunk),
                                     e->manifest.chunk[chunk].encoded_size)
               : MOLT_OK;
}

/* Raw chunks are read into the window, which no decoder needs then. */
static uint8_t *input_of(struct molt_engine *e)
{
    return e->stream_raw ? e->port->window : e->input;
}

/* Gets some input when there is none. MOLT_DONE: all of the chunk came. */
static int refill(struct molt_engine *e)
{
    const struct molt_chunk *chunk = &e->manifest.chunk[e->chunk];
    uint32_t capacity = e->stream_raw ? MOLT_INFLATE_WINDOW : (uint32_t)sizeof e->input;
    if (e->input_at < e->input_size) {
        return MOLT_OK;
    }
    if (e->fetched == chunk->encoded_size) {
        return MOLT_DONE;
    }
    int got = read_some(e, molt_chunk_offset(&e->manifest, e->chunk) + e->fetched, input_of(e),
                        smaller(capacity, chunk->encoded_size - e->fetched));
    if (got < 0) {
        return got;
    }
    e->fetched += (uint32_t)got;
    e->input_at = 0;
    e->input_size = (uint32_t)got;
    return MOLT_OK;
}

/* Decodes until the window is full, so that few and large pieces reach flash and files. */
static int inflate_more(struct molt_engine *e)
{
    const uint8_t *bytes;
    while (!e->stream_end && molt_inflate_peek(&e->inflate, &bytes) < MOLT_INFLATE_WINDOW) {
        uint32_t used = 0, pending = e->inflate.pending;
        int code = refill(e);
        if (code < 0) {
            return code;
        }
        /* Also without input: the decoder may hold bits, or a copy, for which there was no room
         * before. */
        code = molt_inflate_push(&e->inflate, e->input + e->input_at, e->input_size - e->input_at,
                                 &used);
        e->input_at += used;
        if (code < 0) {
            return code;
        }
        e->stream_end = code == MOLT_DONE;
        if (used == 0 && e->inflate.pending == pending) {
            break; /* what is there must be taken first, or the stream ends too early */
        }
    }
    return MOLT_OK;
}

int molt_stream_peek(struct molt_engine *e, const uint8_t **bytes, uint32_t *n)
{
    int code;
    *n = 0;
    if (e->stream_raw) {
        code = refill(e);
        *bytes = e->port->window + e->input_at;
        *n = e->input_size - e->input_at;
        return code;
    }
    code = inflate_more(e);
    if (code < 0) {
        return code;
    }
    *n = molt_inflate_peek(&e->inflate, bytes);
    if (*n > 0) {
        return MOLT_OK;
    }
    /* Bytes behind the end of the stream would be bytes that nobody checked. */
    bool all =
        e->fetched == e->manifest.chunk[e->chunk].encoded_size && e->input_at == e->input_size;
    return e->stream_end && all ? MOLT_DONE : MOLT_E_CHUNK_DECODE;
}

void molt_stream_take(struct molt_engine *e, uint32_t n)
{
    if (e->stream_raw) {
        e->input_at += n;
    } else {
        molt_inflate_take(&e->inflate, n);
    }
}

int molt_stream_fill(struct molt_engine *e, uint32_t want)
{
    const uint8_t *bytes;
    uint32_t n;
    while (e->filled < want) {
        int code = molt_stream_peek(e, &bytes, &n);
        if (code != MOLT_OK) {
            return code == MOLT_DONE ? MOLT_E_CHUNK_DECODE : code;
        }
        n = smaller(n, want - e->filled);
        memcpy(e->port->buffer + e->filled, bytes, n);
        e->filled += n;
        molt_stream_take(e, n);
    }
    return MOLT_OK;
}
