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

/* About 1.2 KB besides the window. Fields are the decoder's own. */
struct molt_inflate {
    uint8_t *window;  /* MOLT_INFLATE_WINDOW bytes of the caller's, used as a ring */
    uint32_t at;      /* where the next byte goes */
    uint32_t history; /* bytes that a distance may reach back over */
    uint32_t pending; /* bytes that were not taken yet */
    uint32_t bits, bit_count;
    uint8_t state;
    bool final;
    /* A symbol under way. */
    uint16_t code, first, index;
    uint8_t code_length;
    /* A block's head under way, or a copy. */
    uint16_t literal_codes, distance_codes, length_codes, have, symbol;
    uint32_t length, distance;
    uint16_t literal_count[16], distance_count[16];
    uint16_t literal_symbol[288], distance_symbol[32];
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
