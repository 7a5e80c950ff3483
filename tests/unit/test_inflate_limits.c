/* Streams that no compressor makes: what zlib refuses, ours refuses, with the right code; and the
 * window's edges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <zlib.h>

#include "inflate_oracle.h"
#include "molt/inflate.h"

#define SIZE (8u << 10)

static uint8_t plain[SIZE], stream[2 * SIZE], expected[1u << 20];

static uint32_t next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

/* Whatever the stream: ours ends well exactly when zlib's does, after the same bytes. */
static bool same_as_zlib(const uint8_t *bytes, size_t n, uint32_t feed)
{
    size_t produced, consumed, their_produced, their_consumed;
    bool theirs =
        oracle_inflate(bytes, n, expected, sizeof expected, &their_produced, &their_consumed);
    static uint8_t ours_out[sizeof expected];
    bool ours =
        molt_inflate_all(bytes, n, feed, 4096, ours_out, sizeof ours_out, &produced, &consumed);
    assert_int_equal(ours, theirs);
    if (theirs) {
        assert_int_equal(produced, their_produced);
        assert_int_equal(consumed, their_consumed);
        assert_memory_equal(ours_out, expected, produced);
    }
    return ours;
}

static void every_change_of_a_byte(void **unused)
{
    static const int strategies[] = {Z_DEFAULT_STRATEGY, Z_FIXED};
    uint32_t seed = 7, refused = 0, accepted = 0;
    (void)unused;
    for (uint32_t i = 0; i < 220; i++) {
        plain[i] = (uint8_t)("molt engine"[(next_random(&seed) >> 8) % 11]);
    }
    memcpy(plain + 220, plain, 80);
    for (int level = 0; level < 10; level += 9) {
        for (unsigned i = 0; i < 2; i++) {
            size_t n = oracle_deflate(plain, 300, level, strategies[i], stream, sizeof stream);
            for (size_t at = 0; at < n; at++) {
                for (unsigned change = 1; change < 256; change++) {
                    stream[at] ^= (uint8_t)change;
                    if (same_as_zlib(stream, n, 64)) {
                        accepted++;
                    } else {
                        refused++;
                    }
                    stream[at] ^= (uint8_t)change;
                }
            }
        }
    }
    assert_true(refused > 1000 && accepted > 1000);
}

static void every_truncation_fails(void **unused)
{
    (void)unused;
    for (uint32_t i = 0; i < 300; i++) {
        plain[i] = (uint8_t)(i * i);
    }
    size_t n = oracle_deflate(plain, 300, 9, Z_DEFAULT_STRATEGY, stream, sizeof stream);
    for (size_t short_by = 1; short_by <= n; short_by++) {
        assert_false(same_as_zlib(stream, n - short_by, 5));
    }
    /* Behind the end, nothing is consumed. */
    stream[n] = 0x55;
    assert_true(same_as_zlib(stream, n + 1, 4));
}

/* Writes bits as deflate packs them: for streams that no compressor makes. */
struct bit_writer {
    uint8_t bytes[64];
    unsigned n;
};

static void bits(struct bit_writer *w, uint32_t value, unsigned n)
{
    for (unsigned i = 0; i < n; i++, w->n++) {
        w->bytes[w->n / 8] |= (uint8_t)((value >> i & 1) << w->n % 8);
    }
}

static void expect(const struct bit_writer *w, int code)
{
    struct molt_inflate inflate;
    uint8_t window[MOLT_INFLATE_WINDOW];
    uint32_t used;
    molt_inflate_start(&inflate, window);
    assert_int_equal(molt_inflate_push(&inflate, w->bytes, sizeof w->bytes, &used), code);
    if (code < 0) { /* it stays that way */
        assert_int_equal(molt_inflate_push(&inflate, w->bytes, 1, &used), code);
        assert_int_equal(used, 0);
    }
    assert_int_equal(same_as_zlib(w->bytes, sizeof w->bytes, 3), code == MOLT_DONE);
}

static struct bit_writer dynamic(uint32_t hlit, uint32_t hdist, uint32_t hclen)
{
    struct bit_writer w;
    memset(&w, 0, sizeof w);
    bits(&w, 1, 1);
    bits(&w, 2, 2);
    bits(&w, hlit - 257, 5);
    bits(&w, hdist - 1, 5);
    bits(&w, hclen - 4, 4);
    return w;
}

static void malformed_blocks(void **unused)
{
    struct bit_writer w = {{7}, 3}; /* block type 3 */
    (void)unused;
    expect(&w, MOLT_E_CHUNK_DECODE);

    memset(&w, 0, sizeof w); /* stored: length and its complement disagree */
    bits(&w, 1, 8);
    bits(&w, 5, 16);
    bits(&w, 5, 16);
    expect(&w, MOLT_E_CHUNK_DECODE);

    memset(&w, 0, sizeof w); /* fixed: a match before anything was output */
    bits(&w, 3, 3);
    bits(&w, 0x40, 7); /* symbol 257, bits from the top: 0000001 */
    bits(&w, 0, 5);
    expect(&w, MOLT_E_CHUNK_DECODE);

    memset(&w, 0, sizeof w); /* fixed: symbol 286 = 11000110 */
    bits(&w, 3, 3);
    bits(&w, 0x63, 8);
    expect(&w, MOLT_E_CHUNK_DECODE);

    memset(&w, 0, sizeof w); /* fixed: a literal, a match, offset symbol 30 = 11110 */
    bits(&w, 3, 3);
    bits(&w, 0x0C, 8);
    bits(&w, 0x40, 7);
    bits(&w, 0x0F, 5);
    expect(&w, MOLT_E_CHUNK_DECODE);

    w = dynamic(287, 1, 4);
    expect(&w, MOLT_E_CHUNK_DECODE);
    w = dynamic(257, 31, 4);
    expect(&w, MOLT_E_CHUNK_DECODE);
    w = dynamic(257, 1, 4); /* code lengths: no code at all */
    expect(&w, MOLT_E_CHUNK_DECODE);
}

static void malformed_codes(void **unused)
{
    struct bit_writer w = dynamic(257, 1, 4);
    (void)unused;
    for (unsigned i = 0; i < 3; i++) { /* three codes of one bit: over-subscribed */
        bits(&w, 1, 3);
    }
    expect(&w, MOLT_E_CHUNK_DECODE);

    w = dynamic(257, 1, 4); /* one code of one bit: incomplete, which only data codes may be */
    bits(&w, 1, 3);
    expect(&w, MOLT_E_CHUNK_DECODE);

    w = dynamic(257, 1, 4); /* symbols 16 and 17 have one bit; 16 first: nothing to repeat */
    bits(&w, 1, 3);
    bits(&w, 1, 3);
    bits(&w, 0, 6);
    bits(&w, 0, 1);
    bits(&w, 0, 2);
    expect(&w, MOLT_E_CHUNK_DECODE);

    w = dynamic(257, 1, 4); /* 17 and 18: 138 zeros twice pass the end of 258 lengths */
    bits(&w, 0, 3);
    bits(&w, 1, 3);
    bits(&w, 1, 3);
    bits(&w, 0, 3);
    for (unsigned i = 0; i < 2; i++) {
        bits(&w, 1, 1);
        bits(&w, 127, 7);
    }
    expect(&w, MOLT_E_CHUNK_DECODE);

    w = dynamic(257, 1, 4); /* exactly 258 zeros: no end of block */
    bits(&w, 0, 3);
    bits(&w, 1, 3);
    bits(&w, 1, 3);
    bits(&w, 0, 3);
    bits(&w, 1, 1);
    bits(&w, 127, 7);
    bits(&w, 1, 1);
    bits(&w, 120 - 11, 7);
    expect(&w, MOLT_E_CHUNK_DECODE);
}

/* Literal code: 256 zeros, then a length for the end; offsets: one length. Lengths 0 and 1 by
 * themselves, 18 for the zeros. */
static struct bit_writer tiny_codes(uint32_t end_length, uint32_t offset_length)
{
    struct bit_writer w = dynamic(257, 1, 18);
    static const uint8_t order[18] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1};
    for (unsigned i = 0; i < sizeof order; i++) { /* 18: one bit; 1 and 2: two bits */
        bits(&w, order[i] == 18 ? 1 : order[i] == 1 || order[i] == 2 ? 2 : 0, 3);
    }
    bits(&w, 0, 1); /* 18 */
    bits(&w, 127, 7);
    bits(&w, 0, 1);
    bits(&w, 118 - 11, 7);
    bits(&w, end_length == 1 ? 1 : 3, 2); /* codes 10 and 11, from the top */
    bits(&w, offset_length == 1 ? 1 : 3, 2);
    return w;
}

static void incomplete_codes_as_zlib_takes_them(void **unused)
{
    struct bit_writer w = tiny_codes(1, 1);
    (void)unused;
    bits(&w, 0, 1);
    expect(&w, MOLT_DONE); /* one symbol of one bit each */

    w = tiny_codes(1, 1);
    bits(&w, 1, 1); /* the bit that no code has */
    expect(&w, MOLT_E_CHUNK_DECODE);

    w = tiny_codes(2, 1);
    expect(&w, MOLT_E_CHUNK_DECODE);
    w = tiny_codes(1, 2);
    expect(&w, MOLT_E_CHUNK_DECODE);
}

/* Distances up to the window's size, over its wrap; one more is refused. */
static void the_window_is_the_limit(void **unused)
{
    (void)unused;
    for (uint32_t extra = 0; extra < 2; extra++) {
        size_t n = 0;
        uint32_t before =
            MOLT_INFLATE_WINDOW + extra; /* stored first, so that all of it is there */
        memset(stream, 0, 16);
        stream[n++] = 0;
        stream[n++] = (uint8_t)before;
        stream[n++] = (uint8_t)(before >> 8);
        stream[n++] = (uint8_t)~before;
        stream[n++] = (uint8_t)(~before >> 8);
        for (uint32_t i = 0; i < before; i++) {
            stream[n++] = (uint8_t)(i * 7 + i / 256);
        }
        struct bit_writer w;
        memset(&w, 0, sizeof w);
        bits(&w, 3, 3);
        bits(&w, 0x40, 7); /* length 3 */
        /* 4096: symbol 23 (3073..4096) with all ten bits; 4097: symbol 24 with none. */
        bits(&w, extra ? 0x03 : 0x1D, 5);
        bits(&w, extra ? 0 : 0x3FF, extra ? 11 : 10);
        bits(&w, 0, 7);
        memcpy(stream + n, w.bytes, (w.n + 7) / 8);
        n += (w.n + 7) / 8;
        assert_int_equal(same_as_zlib(stream, n, 100), extra == 0);
    }
}

/* All input consumed while the window is full: the rest comes out of the bits, without input. */
static void a_full_window_needs_no_input_to_go_on(void **unused)
{
    struct molt_inflate inflate;
    uint8_t window[MOLT_INFLATE_WINDOW];
    const uint8_t *bytes;
    uint32_t used;
    (void)unused;
    memset(plain, 'a', 4200);
    size_t n = oracle_deflate(plain, 4200, 9, Z_DEFAULT_STRATEGY, stream, sizeof stream);
    molt_inflate_start(&inflate, window);
    assert_int_equal(molt_inflate_push(&inflate, stream, (uint32_t)n, &used), MOLT_OK);
    uint32_t rest = (uint32_t)n - used;
    assert_int_equal(molt_inflate_peek(&inflate, &bytes), MOLT_INFLATE_WINDOW);
    molt_inflate_take(&inflate, MOLT_INFLATE_WINDOW);
    assert_int_equal(molt_inflate_push(&inflate, stream + used, rest, &used), MOLT_DONE);
    assert_int_equal(molt_inflate_peek(&inflate, &bytes), 4200 - MOLT_INFLATE_WINDOW);
}

static void the_state_is_small(void **unused)
{
    (void)unused;
    assert_true(sizeof(struct molt_inflate) <= 1400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_change_of_a_byte),
        cmocka_unit_test(every_truncation_fails),
        cmocka_unit_test(malformed_blocks),
        cmocka_unit_test(malformed_codes),
        cmocka_unit_test(incomplete_codes_as_zlib_takes_them),
        cmocka_unit_test(the_window_is_the_limit),
        cmocka_unit_test(a_full_window_needs_no_input_to_go_on),
        cmocka_unit_test(the_state_is_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
