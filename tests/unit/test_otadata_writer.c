/* The writer: order of its operations, reading back, and every error of the flash passed on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "molt/otadata.h"

/* A chip of three sectors (otadata begins at the second) that keeps a list of what was done. */
struct chip {
    uint8_t bytes[3 * MOLT_OTADATA_SECTOR];
    struct {
        char what; /* 'e'rase, 'p'rogram, 's'ync, 'r'ead */
        uint32_t offset, n;
    } log[64];
    int count;
    int fail_at;  /* index into log; -1 = never */
    int stuck_at; /* byte whose bit 0 never clears; -1 = none */
};

#define BASE MOLT_OTADATA_SECTOR

static int note(struct chip *chip, char what, uint32_t offset, uint32_t n)
{
    assert_true(chip->count < 64);
    chip->log[chip->count].what = what;
    chip->log[chip->count].offset = offset;
    chip->log[chip->count].n = n;
    return chip->count++ == chip->fail_at ? MOLT_E_IO : MOLT_OK;
}

static int chip_read(void *context, uint32_t offset, void *buffer, uint32_t n)
{
    struct chip *chip = context;
    memcpy(buffer, chip->bytes + offset, n);
    return note(chip, 'r', offset, n);
}

static int chip_program(void *context, uint32_t offset, const void *data, uint32_t n)
{
    struct chip *chip = context;
    const uint8_t *from = data;
    int error = note(chip, 'p', offset, n);
    for (uint32_t i = 0; !error && i < n; i++) {
        assert_int_equal(chip->bytes[offset + i], 0xFF); /* never twice without an erase */
        chip->bytes[offset + i] = from[i];
        if ((int)(offset + i) == chip->stuck_at) {
            chip->bytes[offset + i] |= 1;
        }
    }
    return error;
}

static int chip_erase(void *context, uint32_t offset, uint32_t n)
{
    struct chip *chip = context;
    int error = note(chip, 'e', offset, n);
    if (!error) {
        memset(chip->bytes + offset, 0xFF, n);
        if (chip->stuck_at >= 0 && (uint32_t)chip->stuck_at - offset < n) {
            chip->bytes[chip->stuck_at] = 0xFE;
        }
    }
    return error;
}

static int chip_sync(void *context)
{
    return note(context, 's', 0, 0);
}

static const struct molt_flash_ops ops = {chip_read, chip_program, chip_erase, chip_sync};
static const struct molt_region region = {0, MOLT_OTADATA_SECTOR, 3};

static struct molt_flash power_up(struct chip *chip)
{
    memset(chip, 0, sizeof *chip); /* old contents: nothing that programming could use */
    chip->fail_at = chip->stuck_at = -1;
    return (struct molt_flash){&ops, chip, &region, 1, sizeof chip->bytes, 4};
}

/* One record into sector 1, then an erase of sector 0. */
static struct molt_otadata_plan two_writes(void)
{
    struct molt_otadata_plan plan = {.count = 2};
    struct molt_otadata_record *record = &plan.write[0].record;
    plan.write[0].sector = 1;
    record->seq = 4;
    memset(record->label, 0xFF, sizeof record->label);
    record->label[3] = 0x33;
    record->state = MOLT_OTA_VALID;
    record->crc = molt_otadata_crc(4);
    plan.write[1].sector = 0;
    plan.write[1].erase_only = true;
    return plan;
}

static void order_of_operations(void **state)
{
    (void)state;
    static const struct {
        char what;
        uint32_t offset, n;
    } expected[] = {{'e', BASE + 0x1000, 0x1000},
                    {'p', BASE + 0x1004, 24},
                    {'p', BASE + 0x101C, 4},
                    {'p', BASE + 0x1000, 4},
                    {'s', 0, 0},
                    {'r', BASE + 0x1000, 32},
                    {'e', BASE, 0x1000},
                    {'s', 0, 0},
                    {'r', BASE, 32}};
    struct chip chip;
    struct molt_flash flash = power_up(&chip);
    struct molt_otadata_plan plan = two_writes();
    struct molt_otadata_writer writer;
    molt_otadata_writer_start(&writer, &plan, BASE);
    int calls = 0, code;
    do {
        int before = chip.count, changes = 0;
        code = molt_otadata_writer_step(&writer, &flash);
        for (int i = before; i < chip.count; i++) {
            changes += chip.log[i].what == 'e' || chip.log[i].what == 'p';
        }
        assert_true(changes <= 1); /* one erase or one program a call */
        calls++;
    } while (code == MOLT_OK);
    assert_int_equal(code, MOLT_DONE);
    assert_int_equal(calls, 7);
    assert_int_equal(chip.count, sizeof expected / sizeof expected[0]);
    for (int i = 0; i < chip.count; i++) {
        assert_int_equal(chip.log[i].what, expected[i].what);
        assert_int_equal(chip.log[i].offset, expected[i].offset);
        assert_int_equal(chip.log[i].n, expected[i].n);
    }
    uint8_t bytes[MOLT_OTADATA_RECORD_SIZE];
    molt_otadata_serialize(&plan.write[0].record, bytes);
    assert_memory_equal(chip.bytes + BASE + 0x1000, bytes, sizeof bytes);
    assert_int_equal(chip.bytes[BASE], 0xFF);
    assert_int_equal(chip.bytes[0], 0); /* not a byte before otadata */
    assert_int_equal(molt_otadata_writer_step(&writer, &flash), MOLT_DONE);
    assert_int_equal(chip.count, sizeof expected / sizeof expected[0]);
}

static int run(struct chip *chip, const struct molt_flash *flash)
{
    struct molt_otadata_plan plan = two_writes();
    struct molt_otadata_writer writer;
    int code;
    (void)chip;
    molt_otadata_writer_start(&writer, &plan, BASE);
    while ((code = molt_otadata_writer_step(&writer, flash)) == MOLT_OK) {
    }
    return code;
}

static void each_error_is_passed_on(void **state)
{
    (void)state;
    for (int fail_at = 0; fail_at < 9; fail_at++) {
        struct chip chip;
        struct molt_flash flash = power_up(&chip);
        chip.fail_at = fail_at;
        assert_int_equal(run(&chip, &flash), MOLT_E_IO);
        assert_int_equal(chip.count, fail_at + 1);
    }
    struct chip chip;
    struct molt_flash flash = power_up(&chip);
    flash.size = BASE + 0x1000; /* the partition ends after one sector */
    assert_int_equal(run(&chip, &flash), MOLT_E_RANGE);
    assert_int_equal(chip.count, 0);
}

static void a_failed_step_is_tried_again(void **state)
{
    (void)state;
    struct chip chip;
    struct molt_flash flash = power_up(&chip);
    struct molt_otadata_plan plan = two_writes();
    struct molt_otadata_writer writer;
    molt_otadata_writer_start(&writer, &plan, BASE);
    chip.fail_at = 0;
    assert_int_equal(molt_otadata_writer_step(&writer, &flash), MOLT_E_IO);
    assert_int_equal(molt_otadata_writer_step(&writer, &flash), MOLT_OK);
    assert_int_equal(chip.log[1].what, 'e');
}

static void a_cell_that_does_not_take_its_value_is_noticed(void **state)
{
    (void)state;
    struct chip chip;
    struct molt_flash flash = power_up(&chip);
    chip.stuck_at = BASE + 0x101C; /* crc of seq 4 is even there: bit 0 should clear */
    assert_int_equal(molt_otadata_crc(4) & 1, 0);
    struct molt_otadata_plan plan = two_writes();
    struct molt_otadata_writer writer;
    plan.count = 1;
    molt_otadata_writer_start(&writer, &plan, BASE);
    int code;
    chip.stuck_at = -1;
    assert_int_equal(molt_otadata_writer_step(&writer, &flash), MOLT_OK); /* erase */
    chip.stuck_at = BASE + 0x101C;
    while ((code = molt_otadata_writer_step(&writer, &flash)) == MOLT_OK) {
    }
    assert_int_equal(code, MOLT_E_VERIFY);

    flash = power_up(&chip); /* the erase at the end leaves a zero bit */
    chip.stuck_at = BASE + 7;
    assert_int_equal(run(&chip, &flash), MOLT_E_VERIFY);
}

static void an_empty_plan_does_nothing(void **state)
{
    (void)state;
    struct chip chip;
    struct molt_flash flash = power_up(&chip);
    struct molt_otadata_plan plan = {.count = 0};
    struct molt_otadata_writer writer;
    molt_otadata_writer_start(&writer, &plan, BASE);
    assert_int_equal(molt_otadata_writer_step(&writer, &flash), MOLT_DONE);
    assert_int_equal(chip.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_of_operations),
        cmocka_unit_test(each_error_is_passed_on),
        cmocka_unit_test(a_failed_step_is_tried_again),
        cmocka_unit_test(a_cell_that_does_not_take_its_value_is_noticed),
        cmocka_unit_test(an_empty_plan_does_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
