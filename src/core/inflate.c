#include "molt/inflate.h"

#include <string.h>

/* Small before fast: a symbol is decoded bit by bit over counts of code lengths, without tables to
 * build. */

#define MASK     (MOLT_INFLATE_WINDOW - 1u)
#define MAX_BITS 15

enum {
    HEAD,          /* 3 bits: last block?, kind */
    STORED_LENGTH, /* 32 bits: length and its complement */
    STORED,        /* length bytes as they are */
    CODE_COUNTS,   /* 14 bits of a dynamic block's head */
    CODE_LENGTHS,  /* 3 bits for each code length code */
    LENGTHS,       /* code lengths of literals and distances */
    REPEAT,        /* extra bits of a repeated length */
    SYMBOL,        /* literal or length */
    LENGTH_EXTRA,
    DISTANCE,
    DISTANCE_EXTRA,
    COPY,
    END,
    BAD
};

/* Results of the work functions besides MOLT_OK and errors. */
#define NEED_INPUT MOLT_AGAIN
#define NEED_ROOM  2

#define NO_BITS (-1)

struct input {
    const uint8_t *at, *end;
};

void molt_inflate_start(struct molt_inflate *inflate, uint8_t window[MOLT_INFLATE_WINDOW])
{
    memset(inflate, 0, sizeof *inflate);
    inflate->window = window;
    inflate->state = HEAD;
}

/* The next n (at most 24) bits, or NO_BITS: then they stay where they are until there are enough.
 */
static int32_t take_bits(struct molt_inflate *z, struct input *in, uint32_t n)
{
    while (z->bit_count < n) {
        if (in->at == in->end) {
            return NO_BITS;
        }
        z->bits |= (uint32_t)*in->at++ << z->bit_count;
        z->bit_count += 8;
    }
    uint32_t value = z->bits & ((1u << n) - 1);
    z->bits >>= n;
    z->bit_count -= n;
    return (int32_t)value;
}

static void emit(struct molt_inflate *z, uint8_t byte)
{
    z->window[z->at] = byte;
    z->at = (z->at + 1) & MASK;
    z->pending++;
    if (z->history < MOLT_INFLATE_WINDOW) {
        z->history++;
    }
}

/*
 * Counts and sorts code lengths. A code must be complete, but for a single code of one bit where
 * `single` allows it (RFC 1951 for distances; zlib accepts no other incomplete code), or none at
 * all there.
 */
static bool build(uint16_t count[16], uint16_t *symbol, const uint8_t *lengths, uint32_t n,
                  bool single)
{
    uint16_t offset[16];
    int left = 1;
    memset(count, 0, 16 * sizeof count[0]);
    for (uint32_t i = 0; i < n; i++) {
        count[lengths[i]]++;
    }
    uint32_t used = n - count[0];
    count[0] = 0;
    for (int i = 1; i <= MAX_BITS; i++) {
        left = (left << 1) - count[i];
        if (left < 0) {
            return false; /* over-subscribed */
        }
    }
    offset[1] = 0;
    for (int i = 1; i < MAX_BITS; i++) {
        offset[i + 1] = (uint16_t)(offset[i] + count[i]);
    }
    for (uint32_t i = 0; i < n; i++) {
        if (lengths[i]) {
            symbol[offset[lengths[i]]++] = (uint16_t)i;
        }
    }
    return left == 0 || (single && (used == 0 || (used == 1 && count[1] == 1)));
}

/* One symbol: MOLT_OK with z->symbol set, NEED_INPUT, or MOLT_E_CHUNK_DECODE. Resumes where input
 * ended. */
static int decode(struct molt_inflate *z, struct input *in, const uint16_t count[16],
                  const uint16_t *symbol)
{
    while (z->code_length < MAX_BITS) {
        int32_t bit = take_bits(z, in, 1);
        if (bit < 0) {
            return NEED_INPUT;
        }
        z->code = (uint16_t)(z->code | bit);
        uint16_t here = count[++z->code_length];
        if (z->code - z->first < here) {
            z->symbol = symbol[z->index + (z->code - z->first)];
            z->code = z->first = z->index = 0;
            z->code_length = 0;
            return MOLT_OK;
        }
        z->index = (uint16_t)(z->index + here);
        z->first = (uint16_t)((z->first + here) << 1);
        z->code = (uint16_t)(z->code << 1);
    }
    return MOLT_E_CHUNK_DECODE;
}

static int start_fixed(struct molt_inflate *z)
{
    memset(z->lengths, 8, 144);
    memset(z->lengths + 144, 9, 112);
    memset(z->lengths + 256, 7, 24);
    memset(z->lengths + 280, 8, 8);
    build(z->literal_count, z->literal_symbol, z->lengths, 288, false);
    memset(z->lengths, 5, 32);
    build(z->distance_count, z->distance_symbol, z->lengths, 32, false);
    z->state = SYMBOL;
    return MOLT_OK;
}

static int block_head(struct molt_inflate *z, struct input *in)
{
    if (z->final) {
        z->state = END;
        return MOLT_OK;
    }
    int32_t head = take_bits(z, in, 3);
    if (head < 0) {
        return NEED_INPUT;
    }
    z->final = (head & 1) != 0;
    switch (head >> 1) {
    case 0:
        take_bits(z, in, z->bit_count & 7); /* stored blocks begin on a byte */
        z->state = STORED_LENGTH;
        z->have = 0;
        return MOLT_OK;
    case 1: return start_fixed(z);
    case 2: z->state = CODE_COUNTS; return MOLT_OK;
    default: return MOLT_E_CHUNK_DECODE;
    }
}

static int stored_length(struct molt_inflate *z, struct input *in)
{
    int32_t half = take_bits(z, in, 16);
    if (half < 0) {
        return NEED_INPUT;
    }
    if (z->have++ == 0) {
        z->length = (uint32_t)half;
        return MOLT_OK; /* once more, for the complement */
    }
    if (((uint32_t)half ^ 0xFFFFu) != z->length) {
        return MOLT_E_CHUNK_DECODE;
    }
    z->state = STORED;
    return MOLT_OK;
}

static int stored(struct molt_inflate *z, struct input *in)
{
    for (; z->length; z->length--) {
        if (z->pending == MOLT_INFLATE_WINDOW) {
            return NEED_ROOM;
        }
        int32_t byte = take_bits(z, in, 8);
        if (byte < 0) {
            return NEED_INPUT;
        }
        emit(z, (uint8_t)byte);
    }
    z->state = HEAD;
    return MOLT_OK;
}

static int code_counts(struct molt_inflate *z, struct input *in)
{
    int32_t counts = take_bits(z, in, 14);
    if (counts < 0) {
        return NEED_INPUT;
    }
    z->literal_codes = (uint16_t)((counts & 31) + 257);
    z->distance_codes = (uint16_t)((counts >> 5 & 31) + 1);
    z->length_codes = (uint16_t)((counts >> 10) + 4);
    if (z->literal_codes > 286 || z->distance_codes > 30) {
        return MOLT_E_CHUNK_DECODE;
    }
    memset(z->lengths, 0, 19);
    z->have = 0;
    z->state = CODE_LENGTHS;
    return MOLT_OK;
}

static int code_lengths(struct molt_inflate *z, struct input *in)
{
    static const uint8_t order[19] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                      11, 4,  12, 3, 13, 2, 14, 1, 15};
    for (; z->have < z->length_codes; z->have++) {
        int32_t length = take_bits(z, in, 3);
        if (length < 0) {
            return NEED_INPUT;
        }
        z->lengths[order[z->have]] = (uint8_t)length;
    }
    if (!build(z->literal_count, z->literal_symbol, z->lengths, 19, false)) {
        return MOLT_E_CHUNK_DECODE;
    }
    z->have = 0;
    z->state = LENGTHS;
    return MOLT_OK;
}

/* All code lengths are there: both codes are built, in place of the one that coded them. */
static int codes_complete(struct molt_inflate *z)
{
    uint8_t *distances = z->lengths + z->literal_codes;
    if (z->lengths[256] == 0 ||
        !build(z->distance_count, z->distance_symbol, distances, z->distance_codes, true) ||
        !build(z->literal_count, z->literal_symbol, z->lengths, z->literal_codes, true)) {
        return MOLT_E_CHUNK_DECODE;
    }
    z->state = SYMBOL;
    return MOLT_OK;
}

static int lengths(struct molt_inflate *z, struct input *in)
{
    while (z->have < z->literal_codes + z->distance_codes) {
        int code = decode(z, in, z->literal_count, z->literal_symbol);
        if (code != MOLT_OK) {
            return code;
        }
        if (z->symbol > 15) {
            z->state = REPEAT;
            return MOLT_OK;
        }
        z->lengths[z->have++] = (uint8_t)z->symbol;
    }
    return codes_complete(z);
}

static int repeat(struct molt_inflate *z, struct input *in)
{
    static const uint8_t extra[3] = {2, 3, 7}, base[3] = {3, 3, 11};
    uint32_t kind = z->symbol - 16u;
    int32_t more = take_bits(z, in, extra[kind]);
    if (more < 0) {
        return NEED_INPUT;
    }
    uint32_t n = base[kind] + (uint32_t)more;
    if (n > (uint32_t)(z->literal_codes + z->distance_codes - z->have) ||
        (kind == 0 && z->have == 0)) {
        return MOLT_E_CHUNK_DECODE;
    }
    memset(z->lengths + z->have, kind == 0 ? z->lengths[z->have - 1] : 0, n);
    z->have = (uint16_t)(z->have + n);
    z->state = LENGTHS;
    return MOLT_OK;
}

static int symbol(struct molt_inflate *z, struct input *in)
{
    for (;;) {
        if (z->pending == MOLT_INFLATE_WINDOW) {
            return NEED_ROOM;
        }
        int code = decode(z, in, z->literal_count, z->literal_symbol);
        if (code != MOLT_OK) {
            return code;
        }
        if (z->symbol >= 256) {
            break;
        }
        emit(z, (uint8_t)z->symbol);
    }
    if (z->symbol > 285) {
        return MOLT_E_CHUNK_DECODE;
    }
    z->state = z->symbol == 256 ? HEAD : LENGTH_EXTRA;
    return MOLT_OK;
}

/* Lengths 3..258 in groups of four per extra bit, distances 1..32768 in groups of two (RFC
 * 1951, 3.2.5). */
static int length_extra(struct molt_inflate *z, struct input *in)
{
    uint32_t n = z->symbol - 257u, extra = n < 8 || n == 28 ? 0 : (n >> 2) - 1;
    int32_t more = take_bits(z, in, extra);
    if (more < 0) {
        return NEED_INPUT;
    }
    z->length = n == 28 ? 258 : n < 8 ? n + 3 : ((4 + (n & 3)) << extra) + 3;
    z->length += (uint32_t)more;
    z->state = DISTANCE;
    return MOLT_OK;
}

static int distance(struct molt_inflate *z, struct input *in)
{
    int code = decode(z, in, z->distance_count, z->distance_symbol);
    if (code != MOLT_OK) {
        return code;
    }
    if (z->symbol > 29) {
        return MOLT_E_CHUNK_DECODE;
    }
    z->state = DISTANCE_EXTRA;
    return MOLT_OK;
}

static int distance_extra(struct molt_inflate *z, struct input *in)
{
    uint32_t n = z->symbol, extra = n < 4 ? 0 : (n >> 1) - 1;
    int32_t more = take_bits(z, in, extra);
    if (more < 0) {
        return NEED_INPUT;
    }
    z->distance = (n < 4 ? n + 1 : ((2 + (n & 1)) << extra) + 1) + (uint32_t)more;
    if (z->distance > z->history) {
        return MOLT_E_CHUNK_DECODE;
    }
    z->state = COPY;
    return MOLT_OK;
}

static int copy(struct molt_inflate *z)
{
    for (; z->length; z->length--) {
        if (z->pending == MOLT_INFLATE_WINDOW) {
            return NEED_ROOM;
        }
        emit(z, z->window[(z->at - z->distance) & MASK]);
    }
    z->state = SYMBOL;
    return MOLT_OK;
}

static int work(struct molt_inflate *z, struct input *in)
{
    switch (z->state) {
    case HEAD: return block_head(z, in);
    case STORED_LENGTH: return stored_length(z, in);
    case STORED: return stored(z, in);
    case CODE_COUNTS: return code_counts(z, in);
    case CODE_LENGTHS: return code_lengths(z, in);
    case LENGTHS: return lengths(z, in);
    case REPEAT: return repeat(z, in);
    case SYMBOL: return symbol(z, in);
    case LENGTH_EXTRA: return length_extra(z, in);
    case DISTANCE: return distance(z, in);
    case DISTANCE_EXTRA: return distance_extra(z, in);
    case COPY: return copy(z);
    case END: return MOLT_DONE;
    default: return MOLT_E_CHUNK_DECODE;
    }
}

int molt_inflate_push(struct molt_inflate *inflate, const uint8_t *input, uint32_t n,
                      uint32_t *used)
{
    struct input in = {input, input + n};
    int code;
    do {
        code = work(inflate, &in);
    } while (code == MOLT_OK);
    *used = (uint32_t)(in.at - input);
    if (code == NEED_INPUT || code == NEED_ROOM) {
        return MOLT_OK;
    }
    if (code < 0) {
        inflate->state = BAD;
    }
    return code;
}

uint32_t molt_inflate_peek(const struct molt_inflate *inflate, const uint8_t **bytes)
{
    uint32_t from = (inflate->at - inflate->pending) & MASK;
    uint32_t in_one_piece = MOLT_INFLATE_WINDOW - from;
    *bytes = inflate->window + from;
    return inflate->pending < in_one_piece ? inflate->pending : in_one_piece;
}

void molt_inflate_take(struct molt_inflate *inflate, uint32_t n)
{
    inflate->pending -= n;
}
