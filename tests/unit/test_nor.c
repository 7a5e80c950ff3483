#include <stdlib.h>
#include <string.h>

#include "testing.h"

#include "molt/sim/nor.h"

#define SIZE 0x20000u

struct chip {
    struct molt_nor nor;
    struct molt_flash flash;
    uint8_t bytes[SIZE];
    uint32_t erases[SIZE / MOLT_NOR_SECTOR];
    uint32_t changes;
};

static void count_change(void *context, uint32_t offset, uint32_t n)
{
    struct chip *chip = context;
    (void)offset;
    (void)n;
    chip->changes++;
}

static struct chip *chip_new(uint64_t seed)
{
    struct chip *chip = calloc(1, sizeof *chip);
    assert_non_null(chip);
    memset(chip->bytes, 0xFF, SIZE);
    molt_nor_init(&chip->nor, chip->bytes, SIZE, seed);
    molt_nor_flash(&chip->nor, &chip->flash);
    chip->nor.sector_erases = chip->erases;
    chip->nor.changed = count_change;
    chip->nor.context = chip;
    return chip;
}

static void chip_free(struct chip *chip)
{
    molt_nor_free(&chip->nor);
    free(chip);
}

static void bits_only_clear(void **unused)
{
    struct chip *chip = chip_new(1);
    uint8_t back[4];
    (void)unused;
    assert_int_equal(molt_flash_program(&chip->flash, 0, "\xF0\xF0\xF0\xF0", 4), MOLT_OK);
    assert_int_equal(molt_flash_program(&chip->flash, 0, "\x30\x30\x30\x30", 4), MOLT_OK);
    assert_int_equal(molt_flash_program(&chip->flash, 0, "\x31\x30\x30\x30", 4), MOLT_E_NOT_ERASED);
    assert_int_equal(molt_flash_read(&chip->flash, 0, back, 4), MOLT_OK);
    assert_memory_equal(back, "\x30\x30\x30\x30", 4);
    assert_int_equal(molt_flash_erase(&chip->flash, 0, MOLT_NOR_SECTOR), MOLT_OK);
    assert_int_equal(chip->bytes[0], 0xFF);
    assert_int_equal(chip->nor.operations, 3); /* what was refused is no operation */
    assert_int_equal(chip->erases[0], 1);
    assert_int_equal(chip->changes, 3);
    chip_free(chip);
}

/* Through the contract's functions and through the bare operations. */
static void ranges_and_alignment(void **unused)
{
    struct chip *chip = chip_new(1);
    uint8_t back[8] = {0};
    const struct molt_flash_ops *ops = chip->flash.ops;
    (void)unused;
    assert_int_equal(molt_flash_read(&chip->flash, SIZE - 4, back, 8), MOLT_E_RANGE);
    assert_int_equal(ops->read(&chip->nor, SIZE - 4, back, 8), MOLT_E_RANGE);
    assert_int_equal(ops->read(&chip->nor, 0xFFFFFFF0u, back, 8), MOLT_E_RANGE);
    assert_int_equal(ops->program(&chip->nor, SIZE - 4, back, 8), MOLT_E_RANGE);
    assert_int_equal(ops->erase(&chip->nor, SIZE, MOLT_NOR_SECTOR), MOLT_E_RANGE);
    assert_int_equal(ops->erase(&chip->nor, 4, MOLT_NOR_SECTOR), MOLT_E_ALIGNMENT);
    assert_int_equal(molt_flash_program(&chip->flash, 2, back, 4), MOLT_E_ALIGNMENT);
    assert_int_equal(molt_flash_erase(&chip->flash, 0, 100), MOLT_E_ALIGNMENT);
    assert_int_equal(molt_flash_erase(&chip->flash, 0, SIZE + MOLT_NOR_SECTOR), MOLT_E_RANGE);
    assert_int_equal(chip->nor.operations, 0);
    chip_free(chip);
}

/* W25Q32JV: page 0.4 ms, sector 45 ms, 64 KB block 150 ms. */
static void time_of_the_data_sheet(void **unused)
{
    struct chip *chip = chip_new(1);
    uint8_t data[4096] = {0};
    (void)unused;
    assert_int_equal(molt_flash_program(&chip->flash, 0, data, 4096), MOLT_OK);
    assert_int_equal(chip->nor.time_us, 16 * 400);
    assert_int_equal(molt_flash_program(&chip->flash, 0x10F0, data, 32), MOLT_OK);
    assert_int_equal(chip->nor.time_us, 18 * 400); /* 32 bytes over a page's edge are two pages */
    chip->nor.time_us = 0;
    assert_int_equal(molt_flash_erase(&chip->flash, 0xF000, 0x11000), MOLT_OK);
    assert_int_equal(chip->nor.time_us, 45000 + 150000);
    assert_int_equal(chip->nor.erased_sectors, 17);
    chip->nor.time_us = 0;
    assert_int_equal(molt_flash_erase(&chip->flash, 0x8000, 0x10000), MOLT_OK);
    assert_int_equal(chip->nor.time_us, 16 * 45000); /* 64 KB, but not aligned */
    chip->nor.time_us = 0;
    assert_int_equal(molt_flash_read(&chip->flash, 0, data, 1000), MOLT_OK);
    assert_int_equal(chip->nor.time_us, 100);
    chip_free(chip);
}

static void cut_before_and_after(void **unused)
{
    static const enum molt_cut cuts[] = {MOLT_CUT_BEFORE, MOLT_CUT_AFTER};
    (void)unused;
    for (int i = 0; i < 2; i++) {
        struct chip *chip = chip_new(1);
        uint8_t back[4];
        chip->nor.cut_at = 2;
        chip->nor.cut = cuts[i];
        assert_int_equal(molt_flash_program(&chip->flash, 0, "abcd", 4), MOLT_OK);
        assert_int_equal(molt_flash_program(&chip->flash, 4, "efgh", 4), MOLT_E_POWER);
        assert_int_equal(molt_flash_read(&chip->flash, 0, back, 4), MOLT_E_POWER);
        assert_int_equal(molt_flash_program(&chip->flash, 8, "ijkl", 4), MOLT_E_POWER);
        assert_int_equal(molt_flash_erase(&chip->flash, 0, 4096), MOLT_E_POWER);
        assert_int_equal(molt_nor_operation(&chip->nor), MOLT_E_POWER);
        molt_nor_power_up(&chip->nor);
        assert_memory_equal(chip->bytes, "abcd", 4);
        assert_memory_equal(chip->bytes + 4, i ? "efgh" : "\xFF\xFF\xFF\xFF", 4);
        assert_int_equal(molt_flash_program(&chip->flash, 8, "ijkl", 4), MOLT_OK);
        chip_free(chip);
    }
}

static void operations_of_a_store_are_cut_too(void **unused)
{
    struct chip *chip = chip_new(1);
    (void)unused;
    assert_int_equal(molt_nor_operation(&chip->nor), MOLT_OK);
    chip->nor.cut_at = 2;
    chip->nor.cut = MOLT_CUT_BEFORE;
    assert_int_equal(molt_nor_operation(&chip->nor), MOLT_E_POWER);
    molt_nor_power_up(&chip->nor);
    chip->nor.cut_at = 3;
    chip->nor.cut = MOLT_CUT_AFTER;
    assert_int_equal(molt_nor_operation(&chip->nor), 1);
    assert_int_equal(molt_nor_operation(&chip->nor), MOLT_E_POWER);
    chip_free(chip);
}

/* Over many seeds: never a bit that the program would not clear; whole pages, then a torn one. */
static void torn_program(void **unused)
{
    unsigned weak = 0, nothing = 0, pages = 0;
    (void)unused;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct chip *chip = chip_new(seed);
        uint8_t data[1024];
        memset(data, 0x5A, sizeof data);
        chip->nor.cut_at = 1;
        chip->nor.cut = MOLT_CUT_TORN;
        assert_int_equal(molt_flash_program(&chip->flash, 0, data, sizeof data), MOLT_E_POWER);
        uint32_t end = 0;
        for (uint32_t i = 0; i < sizeof data; i++) {
            assert_int_equal(chip->bytes[i] & 0x5A, 0x5A);
            end = chip->bytes[i] != 0xFF ? i + 1 : end;
        }
        for (uint32_t i = 0; end && i < (end - 1) / MOLT_NOR_PAGE * MOLT_NOR_PAGE; i++) {
            assert_int_equal(chip->bytes[i], 0x5A);
        }
        weak += chip->nor.weak_count > 0;
        nothing += end == 0;
        pages += end > MOLT_NOR_PAGE;
        chip_free(chip);
    }
    assert_true(weak > 100 && pages > 50 && nothing < 50);
}

/* A program that begins inside a page is torn at the chip's page edges, not at its own. */
static void torn_program_inside_a_page(void **unused)
{
    unsigned second = 0, first = 0;
    (void)unused;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct chip *chip = chip_new(seed);
        uint8_t data[256] = {0};
        bool touched = false;
        chip->nor.cut_at = 1;
        chip->nor.cut = MOLT_CUT_TORN;
        assert_int_equal(molt_flash_program(&chip->flash, 0x2F0, data, sizeof data), MOLT_E_POWER);
        for (uint32_t i = 0x300; i < 0x3F0; i++) {
            touched = touched || chip->bytes[i] != 0xFF;
        }
        for (uint32_t i = 0x2F0; touched && i < 0x300; i++) {
            assert_int_equal(chip->bytes[i], 0); /* the page before is whole */
        }
        assert_int_equal(chip->bytes[0x2EF], 0xFF);
        assert_int_equal(chip->bytes[0x3F0], 0xFF);
        for (uint32_t i = 0; i < chip->nor.weak_count; i++) {
            assert_int_equal(chip->nor.weak[i].offset >= 0x300, touched);
        }
        second += touched;
        first += !touched;
        chip_free(chip);
    }
    assert_true(second > 50 && first > 50);
}

/* Every kind of torn sector turns up; the sectors after it are as before. */
static void torn_erase(void **unused)
{
    unsigned old = 0, zero = 0, blank = 0, mixed = 0;
    (void)unused;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct chip *chip = chip_new(seed);
        memset(chip->bytes, 0xA5, SIZE);
        chip->nor.cut_at = 1;
        chip->nor.cut = MOLT_CUT_TORN_OTHER;
        assert_int_equal(molt_flash_erase(&chip->flash, 0, 0x1000), MOLT_E_POWER);
        const uint8_t *p = chip->bytes;
        bool same = memcmp(p, p + 1, 0xFFF) == 0;
        old += same && p[0] == 0xA5;
        zero += same && p[0] == 0;
        mixed += !same;
        if (same && p[0] == 0xFF) { /* looks blank, and is weak: not to be trusted */
            blank++;
            assert_true(chip->nor.weak_count > 0);
            molt_nor_power_up(&chip->nor);
            assert_true(memcmp(p, p + 1, 0xFFF) != 0 || p[0] != 0xFF);
        }
        assert_int_equal(p[0x1000], 0xA5);
        chip_free(chip);
    }
    assert_true(old > 20 && zero > 20 && blank > 20 && mixed > 20);
}

static void weak_bits_differ_between_power_ups_until_erased(void **unused)
{
    struct chip *chip = chip_new(7);
    uint8_t first[4096], data[4096] = {0};
    unsigned different = 0;
    (void)unused;
    chip->nor.cut_at = 1;
    chip->nor.cut = MOLT_CUT_TORN;
    assert_int_equal(molt_flash_program(&chip->flash, 0, data, 4096), MOLT_E_POWER);
    assert_true(chip->nor.weak_count > 0);
    for (int i = 0; i < 10; i++) {
        memcpy(first, chip->bytes, sizeof first);
        molt_nor_power_up(&chip->nor);
        different += memcmp(first, chip->bytes, sizeof first) != 0;
        memcpy(first, chip->bytes, sizeof first);
        assert_int_equal(molt_flash_read(&chip->flash, 0, data, 4096), MOLT_OK);
        assert_memory_equal(first, data, sizeof first); /* reads in between do not differ */
    }
    assert_true(different >= 8);
    memset(data, 0, sizeof data);
    assert_int_equal(molt_flash_program(&chip->flash, 0, data, 4096), MOLT_OK);
    assert_true(chip->nor.weak_count > 0); /* programmed, and weak still */
    assert_int_equal(molt_flash_erase(&chip->flash, 0, 4096), MOLT_OK);
    assert_int_equal(chip->nor.weak_count, 0);
    molt_nor_power_up(&chip->nor);
    assert_int_equal(chip->bytes[0], 0xFF);
    chip_free(chip);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bits_only_clear),
        cmocka_unit_test(ranges_and_alignment),
        cmocka_unit_test(time_of_the_data_sheet),
        cmocka_unit_test(cut_before_and_after),
        cmocka_unit_test(operations_of_a_store_are_cut_too),
        cmocka_unit_test(torn_program),
        cmocka_unit_test(torn_program_inside_a_page),
        cmocka_unit_test(torn_erase),
        cmocka_unit_test(weak_bits_differ_between_power_ups_until_erased),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
