/* The table of boards, and the guess by the shape of the flash. */
#include <string.h>

#include "testing.h"

#include "molt/dfu_map.h"
#include "molt/ops/dfu_board.h"

static void expect(const char *name, uint32_t start, uint32_t size, uint32_t start2, uint32_t size2)
{
    struct molt_dfu_board board;
    struct molt_message message = {0};
    if (molt_dfu_board_find(&board, name, &message) != MOLT_OK) {
        fail_msg("%s: %s", name, message.text);
    }
    assert_int_equal(board.files[0].start, start);
    assert_int_equal(board.files[0].size, size << 10);
    assert_int_equal(board.files[1].start, start2);
    assert_int_equal(board.files[1].size, size2 << 10);
}

static void test_names(void **state)
{
    (void)state;
    expect("PYBV11", 0x08004000, 112, 0, 0);
    expect("pybv10", 0x08004000, 112, 0, 0);
    expect("PYBV11-DP_THREAD", 0x08004000, 112, 0, 0);
    expect("PYBLITEV10", 0x08004000, 64, 0, 0);
    expect("NUCLEO_F413ZH", 0x08004000, 176, 0x08040000, 64);
    expect("NUCLEO_F439ZI", 0x08100000, 192, 0x08140000, 64);
    expect("NUCLEO_H743ZI", 0x08180000, 512, 0, 0);
    expect("NUCLEO_H743ZI2", 0x08180000, 512, 0, 0);
    expect("NUCLEO_WB55", 0x08080000, 256, 0, 0);
    expect("PYBD_SF2", 0, 0, 0, 0);
    expect("none", 0, 0, 0, 0);
    expect("None", 0, 0, 0, 0);
}

static void test_chips(void **state)
{
    (void)state;
    expect("stm32f405", 0x08004000, 112, 0, 0);
    expect("STM32F405RG", 0x08004000, 112, 0, 0);
    expect("f407", 0x08004000, 112, 0, 0);
    expect("STM32F412ZG", 0x08004000, 64, 0, 0);
    expect("stm32l476rg", 0x08080000, 512, 0, 0);
    expect("stm32l476re", 0x08060000, 128, 0, 0);
    expect("l476xe", 0x08060000, 128, 0, 0);
    expect("STM32WB55RG", 0x08080000, 256, 0, 0);
}

static void test_unknown(void **state)
{
    static const char *const names[] = {
        "",
        "stm32",
        "stm32z999",
        "PYBV1",
        "PYBV111",
        "nonesuch",
        "a name that is longer than any board of MicroPython's has ever had"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct molt_dfu_board board;
        struct molt_message message = {0};
        assert_int_equal(molt_dfu_board_find(&board, names[i], &message), MOLT_E_NOT_FOUND);
        assert_non_null(strstr(message.text, "PYBV11"));
    }
}

/* Every row is found by its own name; its files lie in flash, in order. */
static void test_rows(void **state)
{
    struct molt_dfu_board board, found;
    uint32_t count = 0;
    (void)state;
    for (; molt_dfu_board_at(&board, count); count++) {
        assert_int_equal(molt_dfu_board_find(&found, board.name, NULL), MOLT_OK);
        assert_string_equal(found.name, board.name);
        assert_true(board.app >= 0x08000000 || board.mboot_app > 0x08000000);
        for (int i = 0; i < 2 && board.files[i].size; i++) {
            assert_true(board.files[i].start > 0x08000000);
            assert_int_equal(board.files[i].size % 2048, 0);
            /* Its firmware does not begin among its files. */
            assert_true(board.app - board.files[i].start >= board.files[i].size);
        }
    }
    assert_true(count >= 70);
}

static struct molt_dfu_files guess(const char *text, uint32_t app)
{
    struct molt_dfu_map map;
    struct molt_dfu_files files;
    assert_int_equal(molt_dfu_map_parse(&map, text, NULL), MOLT_OK);
    assert_int_equal(molt_dfu_board_files(&files, NULL, &map, app, NULL), MOLT_OK);
    assert_true(files.guessed);
    return files;
}

static void expect_guess(const char *map, uint32_t app, uint32_t start, uint32_t kb)
{
    struct molt_dfu_files files = guess(map, app);
    assert_int_equal(files.count, kb ? 1 : 0);
    assert_int_equal(files.range[0].start, start);
    assert_int_equal(files.range[0].size, kb << 10);
    assert_int_equal(files.words[0] != 0, kb != 0);
}

#define F405 "@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg"

static void test_guess(void **state)
{
    (void)state;
    expect_guess(F405, 0, 0x08004000, 112);
    expect_guess(F405, 0x08000000, 0x08004000, 112);
    expect_guess(F405, 0x08020000, 0x08004000, 112);
    expect_guess(F405 "/0x80000000/64*32Kg", 0x08020000, 0x08004000, 112);
    expect_guess("@Internal Flash /0x08000000/04*016Kg,01*064Kg,03*128Kg", 0, 0x08004000, 112);
    expect_guess("@Internal Flash /0x08000000/04*032Kg,01*128Kg,07*256Kg", 0, 0x08008000, 96);
    expect_guess("@Internal Flash /0x08000000/16*128Kg", 0, 0x08180000, 512);
    expect_guess("@Internal Flash /0x08000000/08*128Kg", 0, 0x080C0000, 256);
    expect_guess("@Internal Flash /0x08000000/512*0002Kg", 0, 0x08080000, 512);
    expect_guess("@Internal Flash /0x08000000/256*0002Kg", 0, 0x08058000, 160);
    expect_guess("@Internal Flash /0x08000000/256*04Kg", 0, 0x08080000, 256);
    expect_guess("@Internal Flash /0x08000000/256*08Kg", 0, 0x08100000, 1024);
    expect_guess("@Internal Flash /0x08000000/128*0001Kg", 0, 0, 0); /* no MicroPython */
    expect_guess("@Flash /0x00000000/64*001Kg", 0, 0, 0);
}

/* The firmware begins where another board has its files: it is not that board. */
static void test_guess_by_app(void **state)
{
    (void)state;
    expect_guess("@Internal Flash /0x08000000/04*016Kg,01*064Kg,03*128Kg", 0x08008000, 0, 0);
    expect_guess("@Internal Flash /0x08000000/256*08Kg", 0x081c0000, 0, 0);
}

static void test_guess_two(void **state)
{
    (void)state;
    struct molt_dfu_files files = guess(
        "@Internal Flash /0x08000000/04*016Kg,01*064Kg,07*128Kg,04*016Kg,01*064Kg,07*128Kg", 0);
    assert_int_equal(files.count, 3);
    assert_int_equal(files.range[0].start, 0x08004000);
    assert_int_equal(files.range[0].size, 112 << 10);
    assert_int_equal(files.range[1].start, 0x08100000);
    assert_int_equal(files.range[1].size, 192 << 10);
    assert_int_equal(files.range[2].start, 0x08140000);
    assert_int_equal(files.range[2].size, 64 << 10);
    files = guess("@Internal Flash /0x08000000/04*016Kg,01*064Kg,11*128Kg", 0);
    assert_int_equal(files.count, 2);
    assert_int_equal(files.range[0].size, 176 << 10);
    assert_int_equal(files.range[1].start, 0x08040000);
}

/* A map that was cut short: what fits what is left; never where other boards' firmware goes. */
static void test_guess_truncated(void **state)
{
    struct molt_dfu_map map;
    struct molt_dfu_files files;
    (void)state;
    assert_int_equal(molt_dfu_map_parse(&map, F405, NULL), MOLT_OK);
    map.truncated = true;
    assert_int_equal(molt_dfu_board_files(&files, NULL, &map, 0, NULL), MOLT_OK);
    assert_int_equal(files.count, 1);
    assert_int_equal(files.range[0].start, 0x08004000);
    assert_int_equal(files.range[0].size, 112 << 10);
}

static void test_named(void **state)
{
    struct molt_dfu_files files;
    (void)state;
    assert_int_equal(molt_dfu_board_files(&files, "NUCLEO_F413ZH", NULL, 0, NULL), MOLT_OK);
    assert_false(files.guessed);
    assert_int_equal(files.count, 2);
    assert_string_equal(files.words, "NUCLEO_F413ZH");
    assert_int_equal(molt_dfu_board_files(&files, "none", NULL, 0, NULL), MOLT_OK);
    assert_int_equal(files.count, 0);
    assert_int_equal(molt_dfu_board_files(&files, "PYBV12", NULL, 0, NULL), MOLT_E_NOT_FOUND);
    assert_int_equal(molt_dfu_board_files(&files, NULL, NULL, 0, NULL), MOLT_OK);
    assert_int_equal(files.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),     cmocka_unit_test(test_chips),
        cmocka_unit_test(test_unknown),   cmocka_unit_test(test_rows),
        cmocka_unit_test(test_guess),     cmocka_unit_test(test_guess_by_app),
        cmocka_unit_test(test_guess_two), cmocka_unit_test(test_guess_truncated),
        cmocka_unit_test(test_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
