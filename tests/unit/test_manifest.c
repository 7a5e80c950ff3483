#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "molt/manifest.h"
#include "sample_bundle.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define SHA(digit)                                                                                 \
    digit digit digit digit digit digit digit digit digit digit digit digit digit digit digit      \
        digit digit digit digit digit digit digit digit digit digit digit digit digit digit digit  \
            digit digit

static uint8_t bytes[MOLT_ENVELOPE_MAX];

static uint32_t encode(const struct molt_manifest *manifest)
{
    int n = molt_manifest_write(manifest, bytes, sizeof bytes);
    assert_true(n > 0);
    return (uint32_t)n;
}

static int parse(uint32_t n)
{
    struct molt_manifest parsed;
    struct molt_diag diag = {0};
    int result = molt_manifest_parse(&parsed, bytes, n, &diag);
    assert_int_equal(diag.error, result);
    if (result) {
        assert_true(diag.offset <= n);
        assert_non_null(diag.what);
    }
    return result;
}

static void test_round_trip(void **state)
{
    (void)state;
    struct molt_manifest in, out;
    sample_manifest(&in);
    uint32_t n = encode(&in);
    assert_int_equal(molt_manifest_parse(&out, bytes, n, NULL), MOLT_OK);
    molt_sha256_of(bytes, n, in.digest);
    assert_memory_equal(out.info, in.info, in.info_size);
    assert_true(out.info > bytes && out.info + out.info_size < bytes + n);
    out.info = in.info;
    assert_memory_equal(&out, &in, sizeof in);
}

/* The least that a manifest can say. */
static void test_defaults(void **state)
{
    (void)state;
    struct molt_manifest in, out;
    sample_manifest(&in);
    in.payload[0] = in.payload[2];
    in.payload[0].mpy_abi = 0;
    in.payload[0].first_chunk = 0;
    in.chunk[0] = in.chunk[3];
    in.payload_count = 1;
    in.board[0] = 0;
    in.chip_id = MOLT_CHIP_ANY;
    in.slot_size = in.min_bootloader = 0;
    in.mpy_abi = 0;
    in.info = NULL;
    in.issued = in.expires = 0;
    in.allow_downgrade = false;
    uint32_t n = encode(&in);
    assert_int_equal(bytes[0], 0xA3);
    assert_int_equal(molt_manifest_parse(&out, bytes, n, NULL), MOLT_OK);
    assert_string_equal(out.board, "");
    assert_int_equal(out.chip_id, MOLT_CHIP_ANY);
    assert_null(out.info);
    assert_false(out.allow_downgrade);
    assert_int_equal(out.slot_size | out.min_bootloader | out.mpy_abi, 0);
    assert_true(out.issued == 0 && out.expires == 0);
    assert_null(molt_manifest_payload(&out, MOLT_ROLE_APP));
    assert_ptr_equal(molt_manifest_payload(&out, MOLT_ROLE_RELEASE), &out.payload[0]);
}

static void test_chunk_geometry(void **state)
{
    (void)state;
    struct molt_manifest manifest;
    sample_manifest(&manifest);
    manifest.data_offset = 500;
    assert_int_equal(molt_chunk_size(&manifest.payload[0], 0), 0x10000);
    assert_int_equal(molt_chunk_size(&manifest.payload[0], 1), 1000);
    assert_int_equal(molt_chunk_size(&manifest.payload[1], 0), 0x20000);
    assert_int_equal(molt_chunk_size(&manifest.payload[2], 0), 300);
    assert_int_equal(molt_chunk_offset(&manifest, 0), 500);
    assert_int_equal(molt_chunk_offset(&manifest, 3), 500 + 0x10000 + 999 + 12345);
    assert_int_equal(molt_chunk_offset(&manifest, 4), 500 + 0x10000 + 999 + 12345 + 150);
}

/* Values that the writer writes and the parser must not take. One change each. */
#define REFUSED(change)                                                                            \
    do {                                                                                           \
        struct molt_manifest m;                                                                    \
        sample_manifest(&m);                                                                       \
        change;                                                                                    \
        assert_int_equal(parse(encode(&m)), MOLT_E_BUNDLE_MALFORMED);                              \
    } while (0)
#define TAKEN(change)                                                                              \
    do {                                                                                           \
        struct molt_manifest m;                                                                    \
        sample_manifest(&m);                                                                       \
        change;                                                                                    \
        assert_int_equal(parse(encode(&m)), MOLT_OK);                                              \
    } while (0)

static void test_field_ranges(void **state)
{
    (void)state;
    TAKEN((void)0);
    REFUSED(m.sequence = 0);
    TAKEN(m.sequence = UINT32_MAX);
    REFUSED(strcpy(m.board, "a\tb"));
    REFUSED(strcpy(m.board, "a\177b"));
    REFUSED(strcpy(m.board, "a\303\274")); /* UTF-8, but no name for a terminal */
    REFUSED(strcpy(m.board, "a\303"));
    TAKEN(memset(m.board, 'x', 31));
    REFUSED(m.chip_id = MOLT_CHIP_ANY); /* an app must name its chip */
    REFUSED(m.slot_size = 0);
    REFUSED(m.slot_size = m.payload[0].length - 1);
    TAKEN(m.slot_size = m.payload[0].length);
    REFUSED(m.min_bootloader = 0x1000000);
    TAKEN(m.min_bootloader = 0xFFFFFF);
    REFUSED(m.info_size--); /* without NUL */
    REFUSED(m.info_size = 15);
    REFUSED(m.info++; m.info_size--);
    REFUSED(m.payload_count = 0);
    TAKEN(m.expires = UINT64_MAX);
}

static void test_payload_ranges(void **state)
{
    (void)state;
    REFUSED(m.payload[2].role = 3);
    REFUSED(m.payload[1].role = MOLT_ROLE_APP);       /* two apps */
    TAKEN(m.payload[0].role = MOLT_ROLE_FILE_SYSTEM); /* two file systems of two names */
    REFUSED(struct molt_payload p = m.payload[1]; m.payload[1] = m.payload[2]; m.payload[2] = p);
    REFUSED(m.payload[0].name[0] = 0);
    REFUSED(strcpy(m.payload[0].name, "a\nb"));
    TAKEN(memset(m.payload[0].name, 'x', 16));
    REFUSED(m.payload[2].length = 0);
    REFUSED(m.payload[2].length = 99); /* shorter than its list */
    REFUSED(m.payload[0].length = 0x10000);
    REFUSED(m.payload[0].length = 0x20001);
    REFUSED(m.payload[0].chunk_log2 = 15);
    REFUSED(m.payload[2].chunk_log2 = 23);
    REFUSED(m.payload[0].chunk_log2 = 17);
    REFUSED(m.payload[0].chunk_count = 1);
    REFUSED(m.payload[1].has_base = false); /* a delta without its base */
    REFUSED(m.payload[0].has_base = true);  /* a base without a delta */
    REFUSED(m.payload[2].list_size = 0);
    REFUSED(m.payload[2].list_size = 301);
    TAKEN(m.payload[2].list_size = 300);
    REFUSED(m.payload[2].length = 5000; m.payload[2].list_size = MOLT_RELEASE_LIST_MAX + 1);
    TAKEN(m.payload[2].length = 5000; m.payload[2].list_size = MOLT_RELEASE_LIST_MAX);
}

static void test_chunk_ranges(void **state)
{
    (void)state;
    REFUSED(m.chunk[0].codec = 3);
    REFUSED(m.chunk[0].encoded_size = 0xFFFF);
    REFUSED(m.chunk[0].encoded_size = 0x10001);
    REFUSED(m.chunk[1].encoded_size = 0);
    REFUSED(m.chunk[1].encoded_size = 1001);
    TAKEN(m.chunk[1].encoded_size = 1000);
    TAKEN(m.chunk[1].encoded_size = 1);
    REFUSED(m.chunk[2].encoded_size = 0x20001);
    REFUSED(m.chunk[2].codec = MOLT_CODEC_DEFLATE); /* a base that nothing needs */
}

/* 64 chunks in all, and not one more, wherever it is. */
static void test_chunk_count(void **state)
{
    (void)state;
    struct molt_manifest m;
    sample_manifest(&m);
    m.info = NULL;
    struct molt_payload *app = &m.payload[0];
    m.payload[1] = m.payload[2];
    m.payload[1].first_chunk = 63;
    m.payload_count = 2;
    app->chunk_count = 63;
    app->length = 63 << 16;
    m.slot_size = app->length;
    struct molt_chunk last = m.chunk[3];
    for (int i = 0; i < 63; i++) {
        m.chunk[i] = m.chunk[0];
    }
    m.chunk[63] = last;
    m.chunk_count = 64;
    assert_int_equal(parse(encode(&m)), MOLT_OK);
    app->chunk_count = 64;
    app->length = 64 << 16;
    m.slot_size = app->length;
    m.chunk[63] = m.chunk[0];
    m.payload_count = 1;
    assert_int_equal(parse(encode(&m)), MOLT_OK);
    app->length++; /* 65 are needed */
    m.slot_size++;
    assert_int_equal(parse(encode(&m)), MOLT_E_BUNDLE_MALFORMED);
    /* 64 and one more in a second payload: written by hand, the struct has no room for it. */
    app->length--;
    uint32_t n = encode(&m);
    n = (uint32_t)sample_patch(bytes, n, sizeof bytes, "0981a6", "0982a6");
    n = (uint32_t)sample_patch(
        bytes, n, sizeof bytes, "0a1a6b49d2000b1a713fb3000cf5",
        "a8010202617203010458201111111111111111111111111111111111111111111111"
        "11111111111111111107100881830001582022222222222222222222222222222222"
        "222222222222222222222222222222220901"
        "0a58203333333333333333333333333333333333333333333333333333333333333333"
        "0a1a6b49d2000b1a713fb3000cf5");
    assert_int_equal(parse(n), MOLT_E_BUNDLE_MALFORMED);
}

/* What the writer cannot even write: other types, keys, orders. from and to are hex. */
static void test_other_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
        int result;
    } rows[] = {
        {"ac0101021a00011170", "ac0102021a00011170", MOLT_E_UNSUPPORTED},
        {"ac0101021a00011170", "ac01187f021a00011170", MOLT_E_UNSUPPORTED},
        {"ac0101021a00011170", "ac0100021a00011170", MOLT_E_BUNDLE_MALFORMED},
        {"ac0101021a00011170", "ac0120021a00011170", MOLT_E_BUNDLE_MALFORMED},
        {"ac0101021a00011170", "ab021a00011170", MOLT_E_BUNDLE_MALFORMED}, /* no version */
        {"ac0101021a00011170", "ab0101", MOLT_E_BUNDLE_MALFORMED},         /* no sequence */
        {"ac0101021a00011170", "ac0101021b0000000100000000", MOLT_E_BUNDLE_MALFORMED},
        {"ac0101021a00011170", "ac0101021b0000000000011170", MOLT_E_BUNDLE_MALFORMED},
        {"ac0101021a00011170", "ac010102f5", MOLT_E_BUNDLE_MALFORMED},
        {"ac0101021a00011170", "ac021a000111700101", MOLT_E_BUNDLE_MALFORMED}, /* order */
        {"ac0101021a00011170", "ad01010101021a00011170", MOLT_E_BUNDLE_MALFORMED},
        {"ac0101021a00011170", "8c0101021a00011170", MOLT_E_BUNDLE_MALFORMED},
        {"ac0101021a00011170", "bf0101021a00011170", MOLT_E_BUNDLE_MALFORMED},
        {"ac0101021a00011170", "b80c0101021a00011170", MOLT_E_BUNDLE_MALFORMED},
        {"036d", "034d", MOLT_E_BUNDLE_MALFORMED}, /* board as bytes */
        {"036d45535033325f47454e45524943", "0360", MOLT_E_BUNDLE_MALFORMED},
        {"036d45535033325f47454e45524943", "037820" SHA("61"),
         MOLT_E_BUNDLE_MALFORMED},                             /* 32 characters */
        {"0405051a", "0419ffff051a", MOLT_E_BUNDLE_MALFORMED}, /* chip "any" written out */
        {"0405051a", "041a00010000051a", MOLT_E_BUNDLE_MALFORMED},
        {"07190603", "0700", MOLT_E_BUNDLE_MALFORMED}, /* a default written out */
        {"07190603", "071a00010000", MOLT_E_BUNDLE_MALFORMED},
        {"0a1a6b49d200", "0a00", MOLT_E_BUNDLE_MALFORMED},
        {"0b1a713fb300", "0b00", MOLT_E_BUNDLE_MALFORMED},
        {"0cf5", "0cf4", MOLT_E_BUNDLE_MALFORMED}, /* false is said by absence */
        {"0cf5", "0c01", MOLT_E_BUNDLE_MALFORMED},
        {"0cf5", "0cf6", MOLT_E_BUNDLE_MALFORMED},
        {"0cf5", "0df5", MOLT_E_BUNDLE_MALFORMED}, /* unknown key */
        {"0cf5", "0cf500", MOLT_E_BUNDLE_MALFORMED},
        {"0cf5", "0c", MOLT_E_BUNDLE_MALFORMED},
        {"0983", "0984", MOLT_E_BUNDLE_MALFORMED},
        {"0983", "09a3", MOLT_E_BUNDLE_MALFORMED},
        {"0983", "0985", MOLT_E_BUNDLE_MALFORMED}, /* five payloads */
        {"a60100026361707003", "a60100024361707003", MOLT_E_BUNDLE_MALFORMED},
        {"a60100026361707003", "a70100026361707003", MOLT_E_BUNDLE_MALFORMED},
        {"a60100026361707003", "a501000361707003", MOLT_E_BUNDLE_MALFORMED},
        {"a60100026361707003", "a601000271616161616161616161616161616161616103",
         MOLT_E_BUNDLE_MALFORMED}, /* 17 characters */
        {"031a000103e8045820", "031a000103e804581f", MOLT_E_BUNDLE_MALFORMED},
        {"0710088283", "0710088284", MOLT_E_BUNDLE_MALFORMED},
        {"0710088283", "07100882a3", MOLT_E_BUNDLE_MALFORMED},
        {"0710088283", "071008a283", MOLT_E_BUNDLE_MALFORMED},
        {"0918640a5820", "0a5820", MOLT_E_BUNDLE_MALFORMED},       /* release without list size */
        {"0918640a5820", "0918640b5820", MOLT_E_BUNDLE_MALFORMED}, /* unknown key of a payload */
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct molt_manifest m;
        sample_manifest(&m);
        size_t n = sample_patch(bytes, encode(&m), sizeof bytes, rows[i].from, rows[i].to);
        int result = parse((uint32_t)n);
        if (result != rows[i].result) {
            fail_msg("row %zu, %s to %s: %d", i, rows[i].from, rows[i].to, result);
        }
    }
}

/* Cut anywhere, or with something behind it. */
static void test_truncated(void **state)
{
    (void)state;
    struct molt_manifest m;
    sample_manifest(&m);
    uint32_t n = encode(&m);
    for (uint32_t cut = 0; cut < n; cut++) {
        assert_int_equal(parse(cut), MOLT_E_BUNDLE_MALFORMED);
    }
    assert_int_equal(parse(n), MOLT_OK);
    bytes[n] = 0;
    assert_int_equal(parse(n + 1), MOLT_E_BUNDLE_MALFORMED);
}

/* App and release keys where they do not belong. */
static void test_list_of_app(void **state)
{
    (void)state;
    struct molt_manifest m;
    sample_manifest(&m);
    m.payload[2].role = MOLT_ROLE_FILE_SYSTEM; /* the writer then leaves the list out */
    assert_int_equal(parse(encode(&m)), MOLT_OK);
    strcpy(m.payload[2].name, "vfs"); /* the name of the other */
    assert_int_equal(parse(encode(&m)), MOLT_E_BUNDLE_MALFORMED);
    sample_manifest(&m);
    size_t n = sample_patch(bytes, encode(&m), sizeof bytes, "010202677265", "010102677265");
    assert_int_equal(parse((uint32_t)n), MOLT_E_BUNDLE_MALFORMED);
}

static void test_writer_space(void **state)
{
    (void)state;
    struct molt_manifest m;
    sample_manifest(&m);
    uint32_t n = encode(&m);
    for (uint32_t capacity = 0; capacity < n; capacity++) {
        uint8_t out[1024];
        memset(out, 0xEE, sizeof out);
        assert_int_equal(molt_manifest_write(&m, out, capacity), MOLT_E_NO_SPACE);
        assert_int_equal(out[capacity], 0xEE);
    }
}

static void test_head(void **state)
{
    (void)state;
    uint8_t head[MOLT_BUNDLE_HEAD] = MOLT_BUNDLE_MAGIC;
    struct molt_diag diag;
    head[8] = 0xF4;
    head[9] = 0x0F;
    assert_int_equal(molt_bundle_head(head, NULL), MOLT_ENVELOPE_MAX);
    head[8]++;
    assert_int_equal(molt_bundle_head(head, &diag), MOLT_E_BUNDLE_MALFORMED);
    assert_int_equal(diag.found, MOLT_ENVELOPE_MAX + 1);
    head[8] = head[9] = 0;
    assert_int_equal(molt_bundle_head(head, NULL), MOLT_E_BUNDLE_MALFORMED);
    head[11] = 0x80;
    assert_int_equal(molt_bundle_head(head, NULL), MOLT_E_BUNDLE_MALFORMED);
    head[11] = 0;
    head[8] = 1;
    for (int i = 0; i < 8; i++) {
        head[i] ^= 0x20;
        assert_int_equal(molt_bundle_head(head, &diag), MOLT_E_BUNDLE_MAGIC);
        assert_int_equal(diag.error, MOLT_E_BUNDLE_MAGIC);
        head[i] ^= 0x20;
    }
    assert_int_equal(molt_bundle_head(head, NULL), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),     cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_chunk_geometry), cmocka_unit_test(test_field_ranges),
        cmocka_unit_test(test_payload_ranges), cmocka_unit_test(test_chunk_ranges),
        cmocka_unit_test(test_chunk_count),    cmocka_unit_test(test_other_bytes),
        cmocka_unit_test(test_truncated),      cmocka_unit_test(test_list_of_app),
        cmocka_unit_test(test_writer_space),   cmocka_unit_test(test_head),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
