/* UF2 blocks both ways, whole files, and the families' table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/bytes.h"
#include "core/md5.h"
#include "molt/uf2.h"

#define S3 0xC47E5767u

static uint8_t payload[MOLT_UF2_PAYLOAD];

/* Block number of count at address, as its bytes. */
static void put(uint8_t *file, uint32_t number, uint32_t count, uint32_t address, uint32_t flags,
                uint32_t family)
{
    struct molt_uf2_block block = {flags, address, sizeof payload, number, count, family, payload};
    memset(payload, (int)(number + 1), sizeof payload);
    assert_int_equal(molt_uf2_write(file + number * MOLT_UF2_BLOCK, &block), MOLT_OK);
}

static void the_bytes_of_a_block(void **state)
{
    (void)state;
    uint8_t bytes[MOLT_UF2_BLOCK];
    struct molt_uf2_block block;
    memset(bytes, 0xAA, sizeof bytes);
    put(bytes, 0, 7, 0x10000100, MOLT_UF2_FAMILY, MOLT_UF2_RP2040);
    assert_memory_equal(bytes, "UF2\n\x57\x51\x5D\x9E\0\x20\0\0\0\1\0\x10\0\1\0\0\0\0\0\0\7\0\0\0",
                        28);
    assert_memory_equal(bytes + 28, "\x56\xFF\x8B\xE4\1\1\1\1", 8);
    assert_memory_equal(bytes + 32 + 256, "\0\0\0\0", 4);
    assert_memory_equal(bytes + 508, "\x30\x6F\xB1\x0A", 4);
    assert_int_equal(molt_uf2_parse(&block, bytes, NULL), MOLT_OK);
    assert_int_equal(block.address, 0x10000100);
    assert_int_equal(block.length, 256);
    assert_int_equal(block.count, 7);
    assert_int_equal(block.family, MOLT_UF2_RP2040);
    assert_ptr_equal(block.payload, bytes + 32);
    block.length = 477;
    assert_int_equal(molt_uf2_write(bytes, &block), MOLT_E_RANGE);
}

static void broken_blocks(void **state)
{
    (void)state;
    static const struct {
        uint32_t at, value;
        int error;
        uint32_t offset;
    } cases[] = {{0, 0, MOLT_E_FORMAT, 0},          {4, 0, MOLT_E_FORMAT, 0},
                 {508, 0, MOLT_E_FORMAT, 508},      {16, 477, MOLT_E_RANGE, 16},
                 {20, 2, MOLT_E_RANGE, 20},         {24, 0, MOLT_E_RANGE, 20},
                 {12, 0xFFFFFF00, MOLT_E_RANGE, 12}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t bytes[MOLT_UF2_BLOCK];
        struct molt_uf2_block block;
        struct molt_diag diag;
        put(bytes, 0, 2, 0, 0, 0);
        molt_put_le32(bytes + cases[i].at, cases[i].value);
        assert_int_equal(molt_uf2_parse(&block, bytes, &diag), cases[i].error);
        assert_int_equal(diag.offset, cases[i].offset);
    }
}

static void a_whole_file(void **state)
{
    (void)state;
    uint8_t file[6 * MOLT_UF2_BLOCK + 3], out[0x400];
    struct molt_uf2_facts facts;
    put(file, 0, 3, 0x100, MOLT_UF2_FAMILY, S3);
    put(file, 1, 3, 0x200, MOLT_UF2_FAMILY, S3);
    put(file, 2, 3, 0x000, MOLT_UF2_FAMILY, S3);
    put(file, 3, 4, 0x900, MOLT_UF2_NOT_FLASH, 0);
    put(file, 4, 5, 0x900, MOLT_UF2_FILE | MOLT_UF2_NOT_FLASH, 1000);
    memset(file + 5 * MOLT_UF2_BLOCK, 0, MOLT_UF2_BLOCK + 3);
    assert_int_equal(molt_uf2_survey(&facts, file, sizeof file, NULL), MOLT_OK);
    assert_int_equal(facts.blocks, 5);
    assert_int_equal(facts.skipped, 1);
    assert_int_equal(facts.tail, 3);
    assert_int_equal(facts.comments, 1);
    assert_int_equal(facts.files, 1);
    assert_int_equal(facts.part_count, 1);
    assert_int_equal(facts.part[0].family, S3);
    assert_int_equal(facts.part[0].low, 0);
    assert_int_equal(facts.part[0].high, 0x300);
    assert_int_equal(facts.part[0].blocks, 3);
    assert_int_equal(facts.part[0].expected, 3);
    memset(out, 0xFF, sizeof out);
    molt_uf2_flatten(out, 0, sizeof out, file, sizeof file, &facts.part[0]);
    assert_int_equal(out[0], 3);
    assert_int_equal(out[0x100], 1);
    assert_int_equal(out[0x2FF], 2);
    assert_int_equal(out[0x300], 0xFF);
    /* A window: nothing is written outside. */
    memset(out, 0xFF, sizeof out);
    molt_uf2_flatten(out + 1, 0x100, 0xFF, file, sizeof file, &facts.part[0]);
    for (size_t i = 0; i < sizeof out; i++) {
        assert_int_equal(out[i], 0xFF);
    }
    /* Without its last block it is known to be cut short. */
    assert_int_equal(molt_uf2_survey(&facts, file, 2 * MOLT_UF2_BLOCK, NULL), MOLT_OK);
    assert_int_equal(facts.part[0].blocks, 2);
    assert_int_equal(facts.part[0].expected, 3);
    assert_int_equal(molt_uf2_survey(&facts, file, 100, NULL), MOLT_E_FORMAT);
}

/* esptool begins to count again with each file that it takes in. */
static void files_one_behind_the_other(void **state)
{
    (void)state;
    uint8_t file[4 * MOLT_UF2_BLOCK];
    struct molt_uf2_facts facts;
    put(file, 0, 2, 0x1000, MOLT_UF2_FAMILY, S3);
    put(file, 1, 2, 0x1100, MOLT_UF2_FAMILY, S3);
    memcpy(file + 2 * MOLT_UF2_BLOCK, file, 2 * MOLT_UF2_BLOCK);
    assert_int_equal(molt_uf2_survey(&facts, file, sizeof file, NULL), MOLT_OK);
    assert_int_equal(facts.part[0].blocks, 4);
    assert_int_equal(facts.part[0].expected, 4);
    assert_int_equal(molt_uf2_survey(&facts, file, 3 * MOLT_UF2_BLOCK, NULL), MOLT_OK);
    assert_int_equal(facts.part[0].blocks, 3);
    assert_int_equal(facts.part[0].expected, 4);
}

static void families_in_one_file(void **state)
{
    (void)state;
    uint8_t file[9 * MOLT_UF2_BLOCK];
    struct molt_uf2_facts facts;
    struct molt_diag diag;
    for (uint32_t i = 0; i < 9; i++) {
        put(file, i, 10, i << 8, i ? MOLT_UF2_FAMILY : 0, i);
    }
    assert_int_equal(molt_uf2_survey(&facts, file, 8 * MOLT_UF2_BLOCK, NULL), MOLT_OK);
    assert_int_equal(facts.part_count, 8);
    assert_false(facts.part[0].has_family);
    assert_int_equal(facts.part[7].low, 0x700);
    assert_int_equal(molt_uf2_survey(&facts, file, sizeof file, &diag), MOLT_E_UNSUPPORTED);
    assert_int_equal(diag.offset, 8 * MOLT_UF2_BLOCK);
    molt_put_le32(file + 3 * MOLT_UF2_BLOCK + 16, 500);
    assert_int_equal(molt_uf2_survey(&facts, file, sizeof file, &diag), MOLT_E_RANGE);
    assert_int_equal(diag.offset, 3 * MOLT_UF2_BLOCK + 16);
}

/* The block that picotool puts in front for RP2350 A2: at the end of flash, to be ignored. */
static void tags(void **state)
{
    (void)state;
    static const uint8_t texts[] = {9, 0xBC, 0xC7, 0x9F, '0', '.', '1', '.', '2', 0, 0, 0,
                                    8, 0x9D, 0x0D, 0x65, 'A', 'C', 'M', 'E', 0,   0, 0, 0};
    uint8_t file[2 * MOLT_UF2_BLOCK];
    struct molt_uf2_facts facts;
    put(file, 0, 2, 0x10FFFF00, MOLT_UF2_FAMILY | MOLT_UF2_EXTENSIONS, MOLT_UF2_RP2_ABSOLUTE);
    memcpy(file + 32 + 256, "\x04\xE3\x57\x99", 4);
    put(file, 1, 2, 0x10000000, MOLT_UF2_FAMILY | MOLT_UF2_EXTENSIONS, 0xE48BFF59);
    memcpy(file + MOLT_UF2_BLOCK + 32 + 256, texts, sizeof texts);
    assert_int_equal(molt_uf2_survey(&facts, file, sizeof file, NULL), MOLT_OK);
    assert_int_equal(facts.ignored, 1);
    assert_int_equal(facts.part_count, 1);
    assert_int_equal(facts.part[0].family, 0xE48BFF59);
    assert_string_equal(facts.version, "0.1.2");
    assert_string_equal(facts.device, "ACME");
    /* A tag that leaves the block ends the list. */
    molt_put_le32(file + 16, 476 - 8);
    file[32 + 476 - 8] = 9;
    assert_int_equal(molt_uf2_survey(&facts, file, sizeof file, NULL), MOLT_OK);
    assert_int_equal(facts.ignored, 0);
}

/* Behind the payload, as esptool writes it, and at the end, as the specification says. */
static void md5(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        uint8_t file[MOLT_UF2_BLOCK];
        struct molt_uf2_facts facts;
        put(file, 0, 1, 0x1000, MOLT_UF2_FAMILY | MOLT_UF2_MD5, S3);
        uint8_t *p = file + 32 + (i ? 256 : 476 - 24);
        molt_put_le32(p, 0x1000);
        molt_put_le32(p + 4, 256);
        molt_md5(payload, 256, p + 8);
        assert_int_equal(molt_uf2_survey(&facts, file, sizeof file, NULL), MOLT_OK);
        assert_int_equal(facts.md5_blocks, 1);
        assert_int_equal(facts.md5_wrong, 0);
        file[40] ^= 1;
        assert_int_equal(molt_uf2_survey(&facts, file, sizeof file, NULL), MOLT_OK);
        assert_int_equal(facts.md5_wrong, 1);
        molt_put_le32(p + 4, 4096); /* a region of the flash: not ours to judge */
        assert_int_equal(molt_uf2_survey(&facts, file, sizeof file, NULL), MOLT_OK);
        assert_int_equal(facts.md5_wrong, 0);
    }
}

static void families(void **state)
{
    (void)state;
    assert_string_equal(molt_uf2_family_by_id(S3)->name, "ESP32S3");
    assert_string_equal(molt_uf2_family_by_name("esp32s3")->chip, "esp32s3");
    assert_int_equal(molt_uf2_family_of_chip("esp32s2")->id, 0xBFDD4EEE);
    assert_int_equal(molt_uf2_family_by_name("rp2350-arm-s")->use, MOLT_UF2_RP2);
    assert_int_equal(molt_uf2_family_by_name("STM32F4")->use, MOLT_UF2_OTHER);
    assert_null(molt_uf2_family_by_name("STM32"));
    assert_null(molt_uf2_family_by_id(1));
    assert_null(molt_uf2_family_of_chip("stm32f4"));
    for (uint32_t i = 0; molt_uf2_family_at(i); i++) {
        const struct molt_uf2_family *family = molt_uf2_family_at(i);
        assert_ptr_equal(molt_uf2_family_by_id(family->id), family); /* none twice */
        assert_ptr_equal(molt_uf2_family_by_name(family->name), family);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bytes_of_a_block),
        cmocka_unit_test(broken_blocks),
        cmocka_unit_test(a_whole_file),
        cmocka_unit_test(families_in_one_file),
        cmocka_unit_test(files_one_behind_the_other),
        cmocka_unit_test(tags),
        cmocka_unit_test(md5),
        cmocka_unit_test(families),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
