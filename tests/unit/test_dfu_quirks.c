#include "testing.h"

#include <string.h>

#include "molt/dfu.h"

#define ST(map_, chip_)                                                                            \
    {                                                                                              \
        .vendor = 0x0483, .product = 0xDF11, .device = 0x2200,                                     \
        .manufacturer = "STMicroelectronics", .product_name = "STM32  BOOTLOADER", .map = (map_),  \
        .chip = (chip_)                                                                            \
    }

static void by_device(void **state)
{
    (void)state;
    static const struct {
        struct molt_dfu_identity identity;
        uint32_t quirks;
    } cases[] = {
        {ST("@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg", NULL), 0},
        {ST("@Internal Flash   /0x08000000/16*128Kg", NULL), MOLT_DFU_QUIRK_BUSY_STUCK},
        {ST("@Internal Flash   /0x08000000/512*0002Kg", NULL), MOLT_DFU_QUIRK_POLL_STALLS},
        {ST("@Internal Flash   /0x08000000/256* 02Kg", NULL), MOLT_DFU_QUIRK_POLL_STALLS},
        {ST("@Internal Flash   /0x08000000/016 * 0128Kg", NULL), MOLT_DFU_QUIRK_BUSY_STUCK},
        {ST("@Internal Flash   /0x08000000/1*1Kg,16*128Kg", NULL), MOLT_DFU_QUIRK_BUSY_STUCK},
        {ST("@Internal Flash   /0x08000000/08*128Kg", NULL), 0},
        {ST("@Internal Flash   /0x08000000/160*128Kg", NULL), 0},
        {ST("@Internal Flash   /0x08000000/64*032Kg", NULL), 0},
        {ST("@Internal Flash   /0x08000000/64*12Kg", NULL), 0},
        {ST("@Internal Flash   /0x08000000/", NULL), 0},
        {ST("@Internal Flash   /0x08000000/64*008Kg", NULL), 0},
        {ST(NULL, NULL), 0},
        {ST(NULL, "STM32H723"), MOLT_DFU_QUIRK_BUSY_STUCK},
        {ST(NULL, "stm32l476rg"), MOLT_DFU_QUIRK_POLL_STALLS},
        {ST(NULL, "STM32F427"), MOLT_DFU_QUIRK_CUT_MAP},
        {ST(NULL, "STM32F429"), MOLT_DFU_QUIRK_CUT_MAP},
        {ST(NULL, "STM32F439"), MOLT_DFU_QUIRK_CUT_MAP},
        {ST(NULL, "STM32F4"), 0},
        {{.vendor = 0x0483,
          .product = 0xDF11,
          .manufacturer = "MicroPython",
          .map = "@Internal Flash  /0x08000000/16*128Kg"},
         MOLT_DFU_QUIRK_NO_COMMANDS | MOLT_DFU_QUIRK_NO_UNPROTECT},
        {{.vendor = 0xF055, .product = 0x9800, .manufacturer = "MicroPython"},
         MOLT_DFU_QUIRK_NO_COMMANDS | MOLT_DFU_QUIRK_NO_UNPROTECT},
        {{.vendor = 0x0483, .product = 0xDF11, .manufacturer = "MicroPython Ltd"}, 0},
        {{.vendor = 0x0483, .product = 0xDF11}, 0},
        {{.vendor = 0x28E9, .product = 0x0189, .device = 0x1000}, MOLT_DFU_QUIRK_LEAVES_SILENTLY},
        {{.vendor = 0x1D50, .product = 0x5116}, 0},
        {{.vendor = 0x1D50, .product = 0x5117}, MOLT_DFU_QUIRK_POLL_TIME},
        {{.vendor = 0x1457, .product = 0x5126}, MOLT_DFU_QUIRK_POLL_TIME},
        {{.vendor = 0x1457, .product = 0x5127}, 0},
        {{.vendor = 0x16C0, .product = 0x076B}, MOLT_DFU_QUIRK_POLL_TIME},
        {{.vendor = 0x0908, .product = 0x02C5}, MOLT_DFU_QUIRK_POLL_TIME},
        {{.vendor = 0x0908, .product = 0x02C5, .device = 1}, 0},
        {{.vendor = 0x0763, .product = 0x2806}, MOLT_DFU_QUIRK_POLL_TIME},
        {{.vendor = 0x1EAF, .product = 0x0003, .device = 0x0200}, MOLT_DFU_QUIRK_FORCE_DFU11},
        {{.vendor = 0x1EAF, .product = 0x0003, .device = 0x0201}, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t quirks = molt_dfu_quirks_of(&cases[i].identity);
        if (quirks != cases[i].quirks) {
            print_error("case %u: %x, expected %x\n", (unsigned)i, quirks, cases[i].quirks);
            fail();
        }
    }
}

static void rows_and_names(void **state)
{
    (void)state;
    uint32_t all = 0, rows = 0;
    const struct molt_dfu_quirk_row *row;
    while ((row = molt_dfu_quirk_row_at(rows)) != NULL) {
        assert_non_null(row->device);
        assert_true(strlen(row->why) > 10); /* the source */
        all |= row->quirks;
        rows++;
    }
    assert_true(rows > 10);
    /* Every bit has a name; every name a row, but what only a read can tell. */
    for (uint32_t bit = 0; bit < 32; bit++) {
        const char *name = molt_dfu_quirk_name(1u << bit);
        assert_int_equal(name != NULL, ((all | MOLT_DFU_QUIRK_NO_READ) >> bit & 1) != 0);
    }
    assert_null(molt_dfu_quirk_name(0));
    assert_null(molt_dfu_quirk_name(3));
    assert_string_equal(molt_dfu_quirk_name(MOLT_DFU_QUIRK_BUSY_STUCK), "busy-stuck");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(by_device),
                                       cmocka_unit_test(rows_and_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
