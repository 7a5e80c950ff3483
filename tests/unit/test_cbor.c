#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "molt/cbor.h"

/* Hex to bytes; returns the count. */
static size_t unhex(const char *hex, uint8_t *out)
{
    size_t n = 0;
    for (; hex[0] && hex[1]; hex += 2) {
        unsigned value = 0;
        for (int i = 0; i < 2; i++) {
            char c = hex[i];
            value = value << 4 | (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
        }
        out[n++] = (uint8_t)value;
    }
    return n;
}

/* RFC 8949, appendix A, every row: what Molt reads as a whole item, and what it must refuse. */
static const struct {
    const char *hex;
    int result; /* of molt_cbor_next for the first item */
    enum molt_cbor_type type;
    uint64_t argument;
} appendix_a[] = {
    {"00", 0, MOLT_CBOR_UINT, 0},
    {"01", 0, MOLT_CBOR_UINT, 1},
    {"0a", 0, MOLT_CBOR_UINT, 10},
    {"17", 0, MOLT_CBOR_UINT, 23},
    {"1818", 0, MOLT_CBOR_UINT, 24},
    {"1819", 0, MOLT_CBOR_UINT, 25},
    {"1864", 0, MOLT_CBOR_UINT, 100},
    {"1903e8", 0, MOLT_CBOR_UINT, 1000},
    {"1a000f4240", 0, MOLT_CBOR_UINT, 1000000},
    {"1b000000e8d4a51000", 0, MOLT_CBOR_UINT, 1000000000000},
    {"1bffffffffffffffff", 0, MOLT_CBOR_UINT, UINT64_MAX},
    {"c249010000000000000000", 0, MOLT_CBOR_TAG, 2},
    {"3bffffffffffffffff", 0, MOLT_CBOR_NEGATIVE, UINT64_MAX},
    {"c349010000000000000000", 0, MOLT_CBOR_TAG, 3},
    {"20", 0, MOLT_CBOR_NEGATIVE, 0},
    {"29", 0, MOLT_CBOR_NEGATIVE, 9},
    {"3863", 0, MOLT_CBOR_NEGATIVE, 99},
    {"3903e7", 0, MOLT_CBOR_NEGATIVE, 999},
    {"f90000", MOLT_E_FORMAT, 0, 0},
    {"f98000", MOLT_E_FORMAT, 0, 0},
    {"f93c00", MOLT_E_FORMAT, 0, 0},
    {"fb3ff199999999999a", MOLT_E_FORMAT, 0, 0},
    {"f93e00", MOLT_E_FORMAT, 0, 0},
    {"f97bff", MOLT_E_FORMAT, 0, 0},
    {"fa47c35000", MOLT_E_FORMAT, 0, 0},
    {"fa7f7fffff", MOLT_E_FORMAT, 0, 0},
    {"fb7e37e43c8800759c", MOLT_E_FORMAT, 0, 0},
    {"f90001", MOLT_E_FORMAT, 0, 0},
    {"f90400", MOLT_E_FORMAT, 0, 0},
    {"f9c400", MOLT_E_FORMAT, 0, 0},
    {"fbc010666666666666", MOLT_E_FORMAT, 0, 0},
    {"f97c00", MOLT_E_FORMAT, 0, 0},
    {"f97e00", MOLT_E_FORMAT, 0, 0},
    {"f9fc00", MOLT_E_FORMAT, 0, 0},
    {"fa7f800000", MOLT_E_FORMAT, 0, 0},
    {"fa7fc00000", MOLT_E_FORMAT, 0, 0},
    {"faff800000", MOLT_E_FORMAT, 0, 0},
    {"fb7ff0000000000000", MOLT_E_FORMAT, 0, 0},
    {"fb7ff8000000000000", MOLT_E_FORMAT, 0, 0},
    {"fbfff0000000000000", MOLT_E_FORMAT, 0, 0},
    {"f4", 0, MOLT_CBOR_SIMPLE, 20},
    {"f5", 0, MOLT_CBOR_SIMPLE, 21},
    {"f6", MOLT_E_FORMAT, 0, 0},
    {"f7", MOLT_E_FORMAT, 0, 0},
    {"f0", MOLT_E_FORMAT, 0, 0},
    {"f8ff", MOLT_E_FORMAT, 0, 0},
    {"c074323031332d30332d32315432303a30343a30305a", 0, MOLT_CBOR_TAG, 0},
    {"c11a514b67b0", 0, MOLT_CBOR_TAG, 1},
    {"c1fb41d452d9ec200000", 0, MOLT_CBOR_TAG, 1}, /* the float inside: see skip */
    {"d74401020304", 0, MOLT_CBOR_TAG, 23},
    {"d818456449455446", 0, MOLT_CBOR_TAG, 24},
    {"d82076687474703a2f2f7777772e6578616d706c652e636f6d", 0, MOLT_CBOR_TAG, 32},
    {"40", 0, MOLT_CBOR_BYTES, 0},
    {"4401020304", 0, MOLT_CBOR_BYTES, 4},
    {"60", 0, MOLT_CBOR_TEXT, 0},
    {"6161", 0, MOLT_CBOR_TEXT, 1},
    {"6449455446", 0, MOLT_CBOR_TEXT, 4},
    {"62225c", 0, MOLT_CBOR_TEXT, 2},
    {"62c3bc", 0, MOLT_CBOR_TEXT, 2},
    {"63e6b0b4", 0, MOLT_CBOR_TEXT, 3},
    {"64f0908591", 0, MOLT_CBOR_TEXT, 4},
    {"80", 0, MOLT_CBOR_ARRAY, 0},
    {"83010203", 0, MOLT_CBOR_ARRAY, 3},
    {"8301820203820405", 0, MOLT_CBOR_ARRAY, 3},
    {"98190102030405060708090a0b0c0d0e0f101112131415161718181819", 0, MOLT_CBOR_ARRAY, 25},
    {"a0", 0, MOLT_CBOR_MAP, 0},
    {"a201020304", 0, MOLT_CBOR_MAP, 2},
    {"a26161016162820203", 0, MOLT_CBOR_MAP, 2},
    {"826161a161626163", 0, MOLT_CBOR_ARRAY, 2},
    {"a56161614161626142616361436164614461656145", 0, MOLT_CBOR_MAP, 5},
    {"5f42010243030405ff", MOLT_E_FORMAT, 0, 0},
    {"7f657374726561646d696e67ff", MOLT_E_FORMAT, 0, 0},
    {"9fff", MOLT_E_FORMAT, 0, 0},
    {"9f018202039f0405ffff", MOLT_E_FORMAT, 0, 0},
    {"9f01820203820405ff", MOLT_E_FORMAT, 0, 0},
    {"83018202039f0405ff", 0, MOLT_CBOR_ARRAY, 3},
    {"83019f0203ff820405", 0, MOLT_CBOR_ARRAY, 3},
    {"9f0102030405060708090a0b0c0d0e0f101112131415161718181819ff", MOLT_E_FORMAT, 0, 0},
    {"bf61610161629f0203ffff", MOLT_E_FORMAT, 0, 0},
    {"826161bf61626163ff", 0, MOLT_CBOR_ARRAY, 2},
    {"bf6346756ef563416d7421ff", MOLT_E_FORMAT, 0, 0},
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void test_appendix_a(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(appendix_a); i++) {
        uint8_t bytes[64];
        size_t n = unhex(appendix_a[i].hex, bytes);
        struct molt_cbor_reader reader = {bytes, bytes + n};
        struct molt_cbor_item item;
        assert_int_equal(molt_cbor_next(&reader, &item), appendix_a[i].result);
        if (appendix_a[i].result) {
            assert_ptr_equal(reader.at, bytes);
            continue;
        }
        assert_int_equal(item.type, appendix_a[i].type);
        assert_true(item.argument == appendix_a[i].argument);
        if (item.type == MOLT_CBOR_BYTES || item.type == MOLT_CBOR_TEXT) {
            assert_ptr_equal(item.bytes, bytes + n - item.argument);
            assert_ptr_equal(reader.at, bytes + n);
        }
    }
}

/* A whole item is passed over exactly, unless something in it is not allowed; cut short anywhere it
 * is truncated. */
static void test_skip_appendix_a(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(appendix_a); i++) {
        uint8_t bytes[65];
        size_t n = unhex(appendix_a[i].hex, bytes);
        bytes[n] = 0xFF;
        struct molt_cbor_reader reader = {bytes, bytes + n + 1};
        const char *hex = appendix_a[i].hex;
        bool nested_bad =
            strcmp(hex, "c1fb41d452d9ec200000") == 0 || strcmp(hex, "83018202039f0405ff") == 0 ||
            strcmp(hex, "83019f0203ff820405") == 0 || strcmp(hex, "826161bf61626163ff") == 0;
        if (appendix_a[i].result || nested_bad) {
            assert_int_equal(molt_cbor_skip(&reader), MOLT_E_FORMAT);
            assert_ptr_equal(reader.at, bytes);
            continue;
        }
        assert_int_equal(molt_cbor_skip(&reader), MOLT_OK);
        assert_ptr_equal(reader.at, bytes + n);
        for (size_t cut = 0; cut < n; cut++) {
            reader = (struct molt_cbor_reader){bytes, bytes + cut};
            assert_int_equal(molt_cbor_skip(&reader), MOLT_E_TRUNCATED);
        }
    }
}

static int next_of(const char *hex)
{
    uint8_t bytes[64];
    size_t n = unhex(hex, bytes);
    struct molt_cbor_reader reader = {bytes, bytes + n};
    struct molt_cbor_item item;
    return molt_cbor_next(&reader, &item);
}

/* One encoding only: each argument that would have fitted a shorter form. */
static void test_longer_than_needed(void **state)
{
    (void)state;
    static const char *const rows[] = {"1800",
                                       "1817",
                                       "190000",
                                       "1900ff",
                                       "1a00000000",
                                       "1a0000ffff",
                                       "1b0000000000000000",
                                       "1b00000000ffffffff",
                                       "5800",
                                       "7800",
                                       "9800",
                                       "b800",
                                       "d800",
                                       "3817",
                                       "f814",
                                       "f815"};
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(next_of(rows[i]), MOLT_E_FORMAT);
    }
    assert_int_equal(next_of("1900ff"), MOLT_E_FORMAT);
    assert_int_equal(next_of("190100"), MOLT_OK);
    assert_int_equal(next_of("1a00010000"), MOLT_OK);
    assert_int_equal(next_of("1b0000000100000000"), MOLT_OK);
}

static void test_reserved_and_truncated(void **state)
{
    (void)state;
    static const char *const reserved[] = {"1c", "1d", "1e", "1f", "3f", "5f", "7f",
                                           "9f", "bf", "df", "ff", "fc", "e0"};
    for (size_t i = 0; i < COUNT(reserved); i++) {
        assert_int_equal(next_of(reserved[i]), MOLT_E_FORMAT);
    }
    static const char *const cut[] = {
        "",     "18",   "19ff", "1a010203",          "1bffffffffffffff",
        "4201", "62c3", "58ff", "5bffffffffffffffff"};
    for (size_t i = 0; i < COUNT(cut); i++) {
        assert_int_equal(next_of(cut[i]), MOLT_E_TRUNCATED);
    }
}

static void test_expected_types(void **state)
{
    (void)state;
    uint8_t bytes[] = {0x18, 0x64};
    struct molt_cbor_reader reader = {bytes, bytes + 2};
    struct molt_cbor_item item;
    uint64_t wide;
    uint32_t value;
    assert_int_equal(molt_cbor_expect(&reader, MOLT_CBOR_TEXT, &item), MOLT_E_FORMAT);
    reader.at = bytes;
    assert_int_equal(molt_cbor_uint(&reader, 99, &wide), MOLT_E_FORMAT);
    reader.at = bytes;
    assert_int_equal(molt_cbor_uint(&reader, 100, &wide), MOLT_OK);
    assert_int_equal(wide, 100);
    assert_int_equal(molt_cbor_uint(&reader, 100, &wide), MOLT_E_TRUNCATED);
    reader.at = bytes;
    assert_int_equal(molt_cbor_u32(&reader, 101, 200, &value), MOLT_E_FORMAT);
    reader.at = bytes;
    assert_int_equal(molt_cbor_u32(&reader, 100, 100, &value), MOLT_OK);
    assert_int_equal(value, 100);
    assert_int_equal(molt_cbor_u32(&reader, 0, 1, &value), MOLT_E_TRUNCATED);
}

static void test_bytes(void **state)
{
    (void)state;
    uint8_t bytes[] = {0x43, 1, 2, 3};
    uint8_t to[4] = {9, 9, 9, 9};
    struct molt_cbor_reader reader = {bytes, bytes + 4};
    assert_int_equal(molt_cbor_bytes(&reader, to, 4), MOLT_E_FORMAT);
    reader.at = bytes;
    assert_int_equal(molt_cbor_bytes(&reader, to, 2), MOLT_E_FORMAT);
    assert_int_equal(to[0], 9);
    reader.at = bytes;
    assert_int_equal(molt_cbor_bytes(&reader, to, 3), MOLT_OK);
    assert_memory_equal(to, "\1\2\3\11", 4);
    assert_int_equal(molt_cbor_bytes(&reader, to, 3), MOLT_E_TRUNCATED);
}

static int text_of(const char *hex, char *to, size_t capacity)
{
    uint8_t bytes[64];
    size_t n = unhex(hex, bytes);
    struct molt_cbor_reader reader = {bytes, bytes + n};
    return molt_cbor_text(&reader, to, capacity);
}

static void test_text(void **state)
{
    (void)state;
    char to[8] = "before";
    assert_int_equal(text_of("6449455446", to, 4), MOLT_E_FORMAT);
    assert_string_equal(to, "before");
    assert_int_equal(text_of("6449455446", to, 5), MOLT_OK);
    assert_string_equal(to, "IETF");
    assert_int_equal(text_of("60", to, 8), MOLT_OK);
    assert_string_equal(to, "");
    assert_int_equal(text_of("62c3bc", to, 8), MOLT_OK);
    assert_int_equal(text_of("63e6b0b4", to, 8), MOLT_OK);
    assert_int_equal(text_of("64f0908591", to, 8), MOLT_OK);
    assert_int_equal(text_of("64f48fbfbf", to, 8), MOLT_OK);
    assert_int_equal(text_of("63ed9fbf", to, 8), MOLT_OK);
    assert_int_equal(text_of("4161", to, 8), MOLT_E_FORMAT); /* bytes are no text */
    /* NUL inside; RFC 3629: stray and missing continuation bytes, overlong forms, surrogates, over
     * U+10FFFF. */
    static const char *const bad[] = {"6100",       "626100",   "6180",       "61c3",
                                      "62c328",     "62c1bf",   "62c080",     "63e09fbf",
                                      "63eda080",   "63e6b028", "64f08fbfbf", "64f4908080",
                                      "64f5808080", "61ff",     "62e6b0",     "63f09085"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(text_of(bad[i], to, 8), MOLT_E_FORMAT);
    }
}

static void test_skip_depth(void **state)
{
    (void)state;
    /* Eight containers around a number pass, nine do not. */
    uint8_t bytes[10];
    memset(bytes, 0x81, sizeof bytes);
    bytes[8] = 0;
    struct molt_cbor_reader reader = {bytes, bytes + 9};
    assert_int_equal(molt_cbor_skip(&reader), MOLT_OK);
    assert_ptr_equal(reader.at, bytes + 9);
    bytes[8] = 0x81;
    bytes[9] = 0;
    reader = (struct molt_cbor_reader){bytes, bytes + 10};
    assert_int_equal(molt_cbor_skip(&reader), MOLT_E_FORMAT);
    /* Counts that would overflow. */
    uint8_t huge[] = {0xBB, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    reader = (struct molt_cbor_reader){huge, huge + sizeof huge};
    assert_int_equal(molt_cbor_skip(&reader), MOLT_E_TRUNCATED);
}

static int walk(const char *hex, uint32_t *seen)
{
    uint8_t bytes[64];
    size_t n = unhex(hex, bytes);
    struct molt_cbor_reader reader = {bytes, bytes + n};
    struct molt_cbor_map map;
    int key = molt_cbor_map_start(&map, &reader);
    if (key) {
        return key;
    }
    while ((key = molt_cbor_map_next(&map)) > 0) {
        uint32_t value;
        assert_int_equal(molt_cbor_u32(&reader, 0, 99, &value), MOLT_OK);
    }
    *seen = map.seen;
    return key;
}

static void test_map(void **state)
{
    (void)state;
    uint32_t seen = 9;
    assert_int_equal(walk("a0", &seen), 0);
    assert_int_equal(seen, 0);
    assert_int_equal(walk("a301000300181f00", &seen), 0);
    assert_true(seen == (1u << 1 | 1u << 3 | 1u << 31));
    assert_int_equal(walk("a10000", &seen), MOLT_E_FORMAT);     /* key 0 */
    assert_int_equal(walk("a1182000", &seen), MOLT_E_FORMAT);   /* key 32 */
    assert_int_equal(walk("a201000100", &seen), MOLT_E_FORMAT); /* twice */
    assert_int_equal(walk("a202000100", &seen), MOLT_E_FORMAT); /* descending */
    assert_int_equal(walk("a12000", &seen), MOLT_E_FORMAT);     /* negative */
    assert_int_equal(walk("a1616100", &seen), MOLT_E_FORMAT);   /* text */
    assert_int_equal(walk("a20100", &seen), MOLT_E_TRUNCATED);
    assert_int_equal(walk("8101", &seen), MOLT_E_FORMAT);
    assert_int_equal(walk("", &seen), MOLT_E_TRUNCATED);
}

/* What the writer writes is what appendix A shows. */
static void test_writer(void **state)
{
    (void)state;
    uint8_t out[64], want[64];
    struct molt_cbor_writer writer = {out, out + sizeof out, false};
    molt_cbor_put_uint(&writer, 23);
    molt_cbor_put_uint(&writer, 24);
    molt_cbor_put_uint(&writer, 1000);
    molt_cbor_put_uint(&writer, 1000000);
    molt_cbor_put_uint(&writer, 1000000000000);
    molt_cbor_put_int(&writer, -1000);
    molt_cbor_put_int(&writer, INT64_MIN);
    molt_cbor_put_int(&writer, 10);
    molt_cbor_put_bytes(&writer, "\1\2\3\4", 4);
    molt_cbor_put_text(&writer, "IETF");
    molt_cbor_put_bool(&writer, false);
    molt_cbor_put_bool(&writer, true);
    molt_cbor_put_head(&writer, MOLT_CBOR_TAG, 18);
    size_t n = unhex("1718181903e81a000f42401b000000e8d4a510003903e73b7fffffffffffffff0a44010203046"
                     "449455446f4f5d2",
                     want);
    assert_false(writer.full);
    assert_int_equal(writer.at - out, n);
    assert_memory_equal(out, want, n);
}

/* However small the buffer: nothing behind its end, and full says so. */
static void test_writer_full(void **state)
{
    (void)state;
    for (size_t size = 0; size < 9; size++) {
        uint8_t out[10];
        memset(out, 0xEE, sizeof out);
        struct molt_cbor_writer writer = {out, out + size, false};
        molt_cbor_put_uint(&writer, 1000);
        molt_cbor_put_text(&writer, "abcde");
        molt_cbor_put_bool(&writer, true); /* would fit where the text did not */
        assert_true(writer.full);
        assert_int_equal(out[size], 0xEE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appendix_a),
        cmocka_unit_test(test_skip_appendix_a),
        cmocka_unit_test(test_longer_than_needed),
        cmocka_unit_test(test_reserved_and_truncated),
        cmocka_unit_test(test_expected_types),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_skip_depth),
        cmocka_unit_test(test_map),
        cmocka_unit_test(test_writer),
        cmocka_unit_test(test_writer_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
