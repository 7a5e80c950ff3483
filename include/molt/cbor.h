/*
 * Deterministic CBOR (RFC 8949, 4.2.1), the part that Molt's manifests use: unsigned and negative
 * integers, byte and text strings, arrays, maps, tags, false, true. Definite lengths and shortest
 * forms only; anything else is MOLT_E_FORMAT, so that there is exactly one encoding of a manifest.
 */
#ifndef MOLT_CBOR_H
#define MOLT_CBOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "molt/error.h"

#ifdef __cplusplus
extern "C" {
#endif

enum molt_cbor_type {
    MOLT_CBOR_UINT = 0,
    MOLT_CBOR_NEGATIVE = 1, /* the value is -1 - argument */
    MOLT_CBOR_BYTES = 2,
    MOLT_CBOR_TEXT = 3,
    MOLT_CBOR_ARRAY = 4,
    MOLT_CBOR_MAP = 5,
    MOLT_CBOR_TAG = 6,
    MOLT_CBOR_SIMPLE = 7 /* argument 20 false, 21 true */
};

/* Reads forward over [at, end); the bytes are the caller's and are pointed into, never copied. */
struct molt_cbor_reader {
    const uint8_t *at, *end;
};

struct molt_cbor_item {
    enum molt_cbor_type type;
    uint64_t argument;    /* value, length, number of items or pairs, tag number */
    const uint8_t *bytes; /* of a byte or text string: argument bytes, not NUL-terminated */
};

/* The next head (and, for strings, its bytes, checked to be inside). MOLT_E_TRUNCATED,
 * MOLT_E_FORMAT. */
int molt_cbor_next(struct molt_cbor_reader *reader, struct molt_cbor_item *item);

/* The same when the type must be this one; MOLT_E_FORMAT otherwise. */
int molt_cbor_expect(struct molt_cbor_reader *reader, enum molt_cbor_type type,
                     struct molt_cbor_item *item);

/* Expects an unsigned integer of at most limit. */
int molt_cbor_uint(struct molt_cbor_reader *reader, uint64_t limit, uint64_t *value);

/* The same from low to high, for the fields whose absence means 0 (low 1: one encoding only). */
int molt_cbor_u32(struct molt_cbor_reader *reader, uint32_t low, uint32_t high, uint32_t *value);

/* Expects a byte string of exactly n bytes and copies it. */
int molt_cbor_bytes(struct molt_cbor_reader *reader, void *to, size_t n);

/* Expects a text of at most capacity - 1 bytes, well-formed UTF-8 without NUL; copies it and ends
 * it with NUL. */
int molt_cbor_text(struct molt_cbor_reader *reader, char *to, size_t capacity);

/* Passes over one whole item, nested ones too (depth at most 8). */
int molt_cbor_skip(struct molt_cbor_reader *reader);

/* Walks a map whose keys are 1 to 31 and ascending: start, then next, which the value must follow.
 */
struct molt_cbor_map {
    struct molt_cbor_reader *reader;
    uint64_t left; /* pairs */
    int key;       /* the last one */
    uint32_t seen; /* bit k: key k was there */
};
int molt_cbor_map_start(struct molt_cbor_map *map, struct molt_cbor_reader *reader);

/* The next key; 0 behind the last; MOLT_E_FORMAT, MOLT_E_TRUNCATED. */
int molt_cbor_map_next(struct molt_cbor_map *map);

/* Appends to a caller's buffer; full afterwards means that it did not fit (nothing is written past
 * end). */
struct molt_cbor_writer {
    uint8_t *at, *end;
    bool full;
};

void molt_cbor_put_head(struct molt_cbor_writer *writer, enum molt_cbor_type type,
                        uint64_t argument);
void molt_cbor_put_uint(struct molt_cbor_writer *writer, uint64_t value);
void molt_cbor_put_int(struct molt_cbor_writer *writer, int64_t value);
void molt_cbor_put_bytes(struct molt_cbor_writer *writer, const void *bytes, size_t n);
void molt_cbor_put_text(struct molt_cbor_writer *writer, const char *text);
void molt_cbor_put_bool(struct molt_cbor_writer *writer, bool value);

#ifdef __cplusplus
}
#endif
#endif
