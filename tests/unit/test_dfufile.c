/* DFU suffixes and DfuSe images: right ones, and each error by its code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/bytes.h"
#include "molt/dfufile.h"

#define DATA  8u
#define WHOLE (11u + 274 + 2 * (8 + DATA) + 16)

/* One target "ST" with two elements of 8 bytes. */
static void make(uint8_t file[WHOLE])
{
    memset(file, 0, WHOLE);
    memcpy(file, "DfuSe\1", 6);
    molt_put_le32(file + 6, WHOLE - 16);
    file[10] = 1;
    memcpy(file + 11, "Target\2\1", 8);
    memcpy(file + 22, "ST", 2);
    molt_put_le32(file + 11 + 266, 2 * (8 + DATA));
    molt_put_le32(file + 11 + 270, 2);
    for (uint32_t i = 0; i < 2; i++) {
        molt_put_le32(file + 285 + i * 16, 0x08000000 + i * 0x20000);
        molt_put_le32(file + 289 + i * 16, DATA);
    }
    uint8_t *p = file + WHOLE - 16;
    molt_put_le16(p + 2, 0xDF11);
    molt_put_le16(p + 4, 0x0483);
    molt_put_le16(p + 6, 0x011A);
    memcpy(p + 8, "UFD\x10", 4);
    molt_put_le32(p + 12, ~molt_crc32(0, file, WHOLE - 4));
}

static void suffixes(void **state)
{
    (void)state;
    uint8_t file[WHOLE];
    struct molt_dfu_suffix suffix;
    struct molt_diag diag;
    make(file);
    assert_int_equal(molt_dfu_parse_suffix(&suffix, file, WHOLE, NULL), MOLT_OK);
    assert_int_equal(suffix.vendor, 0x0483);
    assert_int_equal(suffix.product, 0xDF11);
    assert_int_equal(suffix.version, 0x011A);
    assert_int_equal(suffix.crc, suffix.crc_computed);
    file[100] ^= 1;
    assert_int_equal(molt_dfu_parse_suffix(&suffix, file, WHOLE, NULL), MOLT_OK);
    assert_int_not_equal(suffix.crc, suffix.crc_computed);
    assert_int_equal(molt_dfu_parse_suffix(&suffix, file, 15, &diag), MOLT_E_TRUNCATED);
    assert_int_equal(molt_dfu_parse_suffix(&suffix, file, WHOLE - 1, &diag), MOLT_E_FORMAT);
    file[WHOLE - 5] = 15;
    assert_int_equal(molt_dfu_parse_suffix(&suffix, file, WHOLE, &diag), MOLT_E_FORMAT);
    assert_int_equal(diag.offset, WHOLE - 16);
    /* The CRC of nothing but a suffix, computed by the table of the DFU specification. */
    static const uint8_t alone[16] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x01,
                                      'U',  'F',  'D',  16,   0xE1, 0xF1, 0x7B, 0x88};
    assert_int_equal(molt_dfu_parse_suffix(&suffix, alone, 16, NULL), MOLT_OK);
    assert_int_equal(suffix.crc_computed, suffix.crc);
}

static void elements(void **state)
{
    (void)state;
    uint8_t file[WHOLE];
    struct molt_dfuse dfuse;
    struct molt_dfuse_target target;
    struct molt_dfuse_element element;
    make(file);
    for (int counted = 0; counted < 2; counted++) {
        molt_put_le32(file + 6, counted ? WHOLE : WHOLE - 16);
        assert_int_equal(molt_dfuse_begin(&dfuse, file, WHOLE, WHOLE - 16, NULL), MOLT_OK);
        assert_int_equal(dfuse.suffix_counted, counted);
        assert_int_equal(molt_dfuse_next_target(&dfuse, &target, NULL), 1);
        assert_int_equal(target.alternate, 2);
        assert_string_equal(target.name, "ST");
        for (uint32_t i = 0; i < 2; i++) {
            assert_int_equal(molt_dfuse_next_element(&dfuse, &element, NULL), 1);
            assert_int_equal(element.address, 0x08000000 + i * 0x20000);
            assert_int_equal(element.size, DATA);
            assert_int_equal(element.offset, 293 + i * 16);
        }
        assert_int_equal(molt_dfuse_next_element(&dfuse, &element, NULL), 0);
        assert_int_equal(molt_dfuse_next_target(&dfuse, &target, NULL), 0);
    }
}

/* The error that a walk over everything ends with. */
static int walk(const uint8_t *file, uint32_t n, uint32_t end, struct molt_diag *diag)
{
    struct molt_dfuse dfuse;
    struct molt_dfuse_target target;
    struct molt_dfuse_element element;
    int more = molt_dfuse_begin(&dfuse, file, n, end, diag);
    while (more == 0 && (more = molt_dfuse_next_target(&dfuse, &target, diag)) == 1) {
        while ((more = molt_dfuse_next_element(&dfuse, &element, diag)) == 1) {
        }
    }
    return more;
}

static void broken_images(void **state)
{
    (void)state;
    static const struct {
        uint32_t at, value;
        int error;
        uint32_t offset;
    } cases[] = {{0, 0, MOLT_E_FORMAT, 0},
                 {5, 2, MOLT_E_FORMAT, 0},
                 {6, WHOLE + 1, MOLT_E_TRUNCATED, 6},
                 {6, WHOLE - 17, MOLT_E_FORMAT, 6},
                 {11, 0, MOLT_E_FORMAT, 11},
                 {277, 1000, MOLT_E_TRUNCATED, 277},
                 {277, 31, MOLT_E_TRUNCATED, 305}, /* the second element does not fit */
                 {281, 3, MOLT_E_TRUNCATED, 317},  /* a third that is not there */
                 {281, 1, MOLT_E_FORMAT, 301},     /* bytes behind the only element */
                 {289, 0xFFFFFFFF, MOLT_E_TRUNCATED, 289}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t file[WHOLE];
        struct molt_diag diag = {0};
        make(file);
        molt_put_le32(file + cases[i].at, cases[i].value);
        if (cases[i].at == 5) {
            file[8] = 0;
        }
        assert_int_equal(walk(file, WHOLE, WHOLE - 16, &diag), cases[i].error);
        assert_int_equal(diag.offset, cases[i].offset);
    }
    uint8_t file[WHOLE];
    struct molt_diag diag;
    make(file);
    assert_int_equal(walk(file, 10, 10, &diag), MOLT_E_TRUNCATED);
    file[10] = 0; /* no target, but bytes */
    assert_int_equal(walk(file, WHOLE, WHOLE - 16, &diag), MOLT_E_FORMAT);
    file[10] = 2;
    assert_int_equal(walk(file, WHOLE, WHOLE - 16, &diag), MOLT_E_TRUNCATED);
}

static enum molt_dfu_prefix_kind prefix_of(const uint8_t *bytes, uint32_t n)
{
    struct molt_dfu_prefix prefix;
    molt_dfu_parse_prefix(&prefix, bytes, n);
    assert_int_equal(prefix.size, prefix.kind == MOLT_DFU_PREFIX_NONE        ? 0
                                  : prefix.kind == MOLT_DFU_PREFIX_STELLARIS ? 8
                                                                             : 16);
    return prefix.kind;
}

static void prefixes(void **state)
{
    (void)state;
    uint8_t ti[12] = {1, 0, 16, 0, 4}, lpc[16] = {0x1A, 0x3F, 1};
    assert_int_equal(prefix_of(ti, 12), MOLT_DFU_PREFIX_STELLARIS);
    assert_int_equal(prefix_of(ti, 11), MOLT_DFU_PREFIX_NONE); /* its length has to be right */
    assert_int_equal(prefix_of(ti, 7), MOLT_DFU_PREFIX_NONE);
    ti[4] = 0;
    assert_int_equal(prefix_of(ti, 8), MOLT_DFU_PREFIX_STELLARIS);
    ti[1] = 1;
    assert_int_equal(prefix_of(ti, 8), MOLT_DFU_PREFIX_NONE);
    ti[0] = 2;
    ti[1] = 0;
    assert_int_equal(prefix_of(ti, 8), MOLT_DFU_PREFIX_NONE);
    assert_int_equal(prefix_of(lpc, 16), MOLT_DFU_PREFIX_LPC);
    assert_int_equal(prefix_of(lpc, 15), MOLT_DFU_PREFIX_NONE);
    lpc[0] = 0xDA; /* the upper bits are not about encryption */
    lpc[1] = 0x7F;
    assert_int_equal(prefix_of(lpc, 16), MOLT_DFU_PREFIX_LPC);
    lpc[1] = 0x3E;
    assert_int_equal(prefix_of(lpc, 16), MOLT_DFU_PREFIX_NONE);
    lpc[0] = 0x1B;
    lpc[1] = 0x3F;
    assert_int_equal(prefix_of(lpc, 16), MOLT_DFU_PREFIX_NONE);
}

static void prefixes_written(void **state)
{
    (void)state;
    uint8_t bytes[16];
    struct molt_dfu_prefix prefix;
    assert_int_equal(molt_dfu_write_prefix(bytes, MOLT_DFU_PREFIX_NONE, 0, 1), 0);
    assert_int_equal(molt_dfu_write_prefix(bytes, MOLT_DFU_PREFIX_STELLARIS, 0x3FFFC00, 0), 8);
    molt_dfu_parse_prefix(&prefix, bytes, 8);
    assert_int_equal(prefix.address, 0x3FFFC00);
    assert_int_equal(molt_dfu_write_prefix(bytes, MOLT_DFU_PREFIX_STELLARIS, 0x4000000, 0),
                     MOLT_E_RANGE);
    assert_int_equal(molt_dfu_write_prefix(bytes, MOLT_DFU_PREFIX_STELLARIS, 512, 0),
                     MOLT_E_ALIGNMENT);
    static const uint32_t lengths[][2] = {{0, 512}, {496, 512}, {497, 1024}, {33553904, 33553920}};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        assert_int_equal(molt_dfu_write_prefix(bytes, MOLT_DFU_PREFIX_LPC, 0, lengths[i][0]), 16);
        molt_dfu_parse_prefix(&prefix, bytes, 16);
        assert_int_equal(prefix.length, lengths[i][1]);
    }
    assert_int_equal(molt_dfu_write_prefix(bytes, MOLT_DFU_PREFIX_LPC, 0, 33553905), MOLT_E_RANGE);
}

/* What is written is what is read; bytes of a name behind its end are zeros. */
static void writing(void **state)
{
    (void)state;
    uint8_t file[WHOLE], made[WHOLE];
    struct molt_dfuse_target target = {
        .alternate = 2, .size = 2 * (8 + DATA), .element_count = 2, .name = "ST\0behind"};
    struct molt_dfu_suffix suffix = {.product = 0xDF11, .vendor = 0x0483, .version = 0x011A};
    make(file);
    memset(made, 0xEE, sizeof made);
    molt_dfuse_write_prefix(made, WHOLE - 16, 1);
    molt_dfuse_write_target(made + 11, &target);
    for (uint32_t i = 0; i < 2; i++) {
        molt_dfuse_write_element(made + 285 + i * 16, 0x08000000 + i * 0x20000, DATA);
        memset(made + 293 + i * 16, 0, DATA);
    }
    molt_dfu_write_suffix(made, WHOLE - 16, &suffix);
    assert_memory_equal(made, file, WHOLE);
    target.name[0] = 0;
    molt_dfuse_write_target(made + 11, &target);
    assert_int_equal(molt_get_le32(made + 18), 0); /* unnamed */
    memset(target.name, 'x', 255);
    molt_dfuse_write_target(made + 11, &target);
    assert_int_equal(made[11 + 11 + 254], 'x');
    assert_int_equal(molt_get_le32(made + 11 + 266), 2 * (8 + DATA));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(suffixes),         cmocka_unit_test(elements),
        cmocka_unit_test(broken_images),    cmocka_unit_test(prefixes),
        cmocka_unit_test(prefixes_written), cmocka_unit_test(writing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
