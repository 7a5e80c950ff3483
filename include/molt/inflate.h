/*
 * Push decoder for raw deflate (RFC 1951) with a window of 4096 bytes. Bytes in, bytes out, never
 * pulls: feed it what has come, take what it gives.
 */
#ifndef MOLT_INFLATE_H
#define MOLT_INFLATE_H

#include <stdbool.h>
#include <stdint.h>

#include "molt/error.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MOLT_INFLATE_WINDOW 4096

/* About 1.3 KB besides the window. Fields are the decoder's own. */
struct molt_inflate {
    uint8_t *window; /* MOLT_INFLATE_WINDOW bytes of the caller's */
    uint32_t window_at, window_filled, window_taken;
    uint64_t bits;
    uint32_t bit_count;
    uint8_t state, final, last_length_code;
    uint32_t want, have, length, distance;
    uint16_t hlit, hdist, hclen;
    uint16_t symbol_code, symbol_first, symbol_index;
    uint16_t count_literal[16], count_distance[16];
    uint16_t symbol_literal[288], symbol_distance[32];
    uint8_t lengths[320];
};

void molt_inflate_start(struct molt_inflate *inflate, uint8_t window[MOLT_INFLATE_WINDOW]);

/*
 * Consumes input until the window has MOLT_INFLATE_WINDOW bytes that were not taken, or the input
 * ends, or the stream does. *used = bytes consumed. MOLT_OK: more input or a take is needed;
 * MOLT_DONE: the final block ended (what remains is still to be taken); MOLT_E_CHUNK_DECODE: the
 * stream is not deflate or looks back too far.
 */
int molt_inflate_push(struct molt_inflate *inflate, const uint8_t *input, uint32_t n,
                      uint32_t *used);

/* Decoded bytes that were not taken: a pointer into the window and how many lie there in one piece
 * (0 = none). */
uint32_t molt_inflate_peek(const struct molt_inflate *inflate, const uint8_t **bytes);

/* Frees n of them. */
void molt_inflate_take(struct molt_inflate *inflate, uint32_t n);

#ifdef __cplusplus
}
#endif
#endif
