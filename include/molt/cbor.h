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

/* Expects a byte string of exactly n bytes and copies it. */
int molt_cbor_bytes(struct molt_cbor_reader *reader, void *to, size_t n);

/* Expects a text of at most capacity - 1 bytes without NUL, copies it and ends it with NUL. */
int molt_cbor_text(struct molt_cbor_reader *reader, char *to, size_t capacity);

/* Passes over one whole item, nested ones too (depth at most 8). */
int molt_cbor_skip(struct molt_cbor_reader *reader);

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
