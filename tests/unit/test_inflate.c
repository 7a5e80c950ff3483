/* The push decoder against zlib, on many streams, fed and taken in odd pieces. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "molt/inflate.h"

#include "testing.h"

#define SIZE 0x10000

static uint32_t seed = 1;

static uint32_t draw(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed;
}

/* Inflates with our decoder; the size of the output or an error. */
static int ours(const uint8_t *in, uint32_t n, uint8_t *out, uint32_t capacity, uint32_t feed,
                uint32_t take)
{
    static uint8_t window[MOLT_INFLATE_WINDOW];
    struct molt_inflate z;
    uint32_t at = 0, made = 0;
    bool done = false;
    molt_inflate_start(&z, window);
    for (;;) {
        const uint8_t *bytes;
        uint32_t used = 0, piece = n - at < feed ? n - at : feed;
        int code = done ? MOLT_DONE : molt_inflate_push(&z, in + at, piece, &used);
        if (code < 0) {
            return code;
        }
        at += used;
        done = code == MOLT_DONE;
        uint32_t ready = molt_inflate_peek(&z, &bytes);
        if (ready == 0) {
            if (done) {
                return at == n ? (int)made : MOLT_E_FORMAT; /* bytes behind the end */
            }
            if (at == n && used == 0) {
                return MOLT_E_TRUNCATED;
            }
            continue;
        }
        uint32_t k = ready < take ? ready : take;
        if (k > capacity - made) {
            return MOLT_E_NO_SPACE;
        }
        memcpy(out + made, bytes, k);
        made += k;
        molt_inflate_take(&z, k);
    }
}

/* The same by zlib: the size, or -1. */
static int theirs(const uint8_t *in, uint32_t n, uint8_t *out, uint32_t capacity)
{
    z_stream z = {0};
    assert_int_equal(inflateInit2(&z, -12), Z_OK);
    z.next_in = (uint8_t *)(uintptr_t)in;
    z.avail_in = n;
    z.next_out = out;
    z.avail_out = capacity;
    int code = inflate(&z, Z_FINISH);
    int made = code == Z_STREAM_END && z.avail_in == 0 ? (int)z.total_out : -1;
    inflateEnd(&z);
    return made;
}

static uint32_t deflated(const uint8_t *in, uint32_t n, uint8_t *out, uint32_t capacity, int level,
                         int strategy)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, level, Z_DEFLATED, -12, 8, strategy), Z_OK);
    z.next_in = (uint8_t *)(uintptr_t)in;
    z.avail_in = n;
    z.next_out = out;
    z.avail_out = capacity;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return (uint32_t)z.total_out;
}

static void fill(uint8_t *bytes, uint32_t n, uint32_t kind)
{
    for (uint32_t at = 0; at < n;) {
        uint32_t run = draw() % (kind * 40 + 2) + 1;
        uint32_t word = draw();
        for (uint32_t i = 0; i < run && at < n; i++, at++) {
            if (kind == 0) {
                bytes[at] = (uint8_t)draw();
            } else if (word & 1 && at > 5000) {
                bytes[at] = bytes[at - 1 - word % 4096];
            } else {
                bytes[at] = (uint8_t)(word >> 8 & (kind == 1 ? 0xFF : 0x0F));
            }
        }
    }
}

static void same_as_zlib(void **state)
{
    static uint8_t plain[SIZE], packed[SIZE * 2], out[SIZE + 1];
    static const uint32_t pieces[] = {1, 7, 512, 4096, 100000};
    static const int strategies[] = {Z_DEFAULT_STRATEGY, Z_FIXED, Z_HUFFMAN_ONLY, Z_RLE};
    (void)state;
    for (uint32_t round = 0; round < 240; round++) {
        uint32_t n = round < 20 ? round : draw() % SIZE + 1;
        fill(plain, n, round % 5);
        uint32_t size = deflated(plain, n, packed, sizeof packed, (int)(round % 10),
                                 strategies[round / 10 % 4]);
        int made = ours(packed, size, out, sizeof out, pieces[round % 5], pieces[(round / 5) % 5]);
        if (made != (int)n) {
            print_error("round %u: %u bytes, got %d\n", round, n, made);
        }
        assert_int_equal(made, n);
        assert_memory_equal(out, plain, n);
    }
}

/* The genuine firmware, chunk by chunk as bundles carry it. */
static void firmware_chunks(void **state)
{
    static uint8_t plain[SIZE], packed[SIZE * 2], out[SIZE + 1];
    (void)state;
    FILE *f = fopen(TEST_DATA "/../build/deps/firmware/ESP32_GENERIC-20240602-v1.23.0.bin", "rb");
    assert_non_null(f);
    uint32_t n, chunks = 0;
    while ((n = (uint32_t)fread(plain, 1, SIZE, f)) > 0) {
        uint32_t size = deflated(plain, n, packed, sizeof packed, 9, Z_DEFAULT_STRATEGY);
        assert_int_equal(ours(packed, size, out, sizeof out, 512, 4096), n);
        assert_memory_equal(out, plain, n);
        chunks++;
    }
    fclose(f);
    assert_true(chunks >= 26);
}

/* Each byte of a stream changed: we refuse what zlib refuses, and give what it gives. */
static void changed_streams(void **state)
{
    static uint8_t plain[3000], packed[8000], one[SIZE], two[SIZE];
    uint32_t refused = 0;
    (void)state;
    for (uint32_t kind = 0; kind < 4; kind++) {
        fill(plain, sizeof plain, kind + 1);
        uint32_t size = deflated(plain, sizeof plain, packed, sizeof packed, kind == 3 ? 0 : 9,
                                 kind == 2 ? Z_FIXED : Z_DEFAULT_STRATEGY);
        for (uint32_t at = 0; at < size; at++) {
            for (uint32_t flip = 1; flip < 256; flip = flip * 2 + (at & 1)) {
                packed[at] ^= (uint8_t)flip;
                int a = ours(packed, size, one, sizeof one, 100, 4096);
                int b = theirs(packed, size, two, sizeof two);
                if ((a < 0) != (b < 0) || (a >= 0 && a != b)) {
                    print_error("kind %u, byte %u ^ %02x: ours %d, zlib %d\n", kind, at, flip, a,
                                b);
                }
                assert_true((a < 0) == (b < 0));
                if (a >= 0) {
                    assert_int_equal(a, b);
                    assert_memory_equal(one, two, (size_t)a);
                }
                refused += a < 0;
                packed[at] ^= (uint8_t)flip;
            }
        }
    }
    assert_true(refused > 1000);
}

struct bad {
    const char *name;
    uint8_t bytes[8];
    uint32_t n;
};

/* Malformed heads, each with its very code. */
static void malformed(void **state)
{
    static const struct bad bads[] = {
        {"block of kind 3", {0x07}, 1},
        {"stored length and complement differ", {0x01, 5, 0, 5, 0}, 5},
        {"287 literal codes", {0xF5, 0x00, 0x00}, 3},
        {"31 distance codes", {0x05, 0xFE, 0x00}, 3},
        {"no code lengths at all", {0x05, 0x00, 0x00, 0x00, 0x00}, 5},
        {"fixed block that looks back before the start", {0x03, 0x02, 0x00, 0x00}, 4},
    };
    (void)state;
    for (size_t i = 0; i < sizeof bads / sizeof bads[0]; i++) {
        uint8_t out[300];
        int code = ours(bads[i].bytes, bads[i].n, out, sizeof out, 1, 100);
        if (code != MOLT_E_CHUNK_DECODE) {
            print_error("%s: %d\n", bads[i].name, code);
        }
        assert_int_equal(code, MOLT_E_CHUNK_DECODE);
        assert_int_equal(theirs(bads[i].bytes, bads[i].n, out, sizeof out), -1);
    }
}

/* zlib's 32 KB window may look back further than ours: refused, not wrapped around. */
static void window_is_4_kb(void **state)
{
    static uint8_t plain[20000], packed[40000], out[SIZE];
    z_stream z = {0};
    (void)state;
    fill(plain, 10000, 0);
    memcpy(plain + 10000, plain, 10000);
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = plain;
    z.avail_in = sizeof plain;
    z.next_out = packed;
    z.avail_out = sizeof packed;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    assert_int_equal(ours(packed, (uint32_t)z.total_out, out, sizeof out, 512, 4096),
                     MOLT_E_CHUNK_DECODE);
}

/* A distance of exactly the window's size is right. */
static void whole_window_back(void **state)
{
    static uint8_t plain[8192], packed[20000], out[SIZE];
    (void)state;
    fill(plain, 4096, 0);
    memcpy(plain + 4096, plain, 4096);
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -13, 9, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = plain;
    z.avail_in = sizeof plain;
    z.next_out = packed;
    z.avail_out = sizeof packed;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    assert_true(z.total_out < 4800);
    assert_int_equal(ours(packed, (uint32_t)z.total_out, out, sizeof out, 512, 4096), 8192);
    assert_memory_equal(out, plain, 8192);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_as_zlib),    cmocka_unit_test(firmware_chunks),
        cmocka_unit_test(changed_streams), cmocka_unit_test(malformed),
        cmocka_unit_test(window_is_4_kb),  cmocka_unit_test(whole_window_back),
    };
    return cmocka_run_group_tests_name("inflate", tests, NULL, NULL);
}
