/* Writing places of a board: what differs alone, the order, power cuts, read-back, cancelling. */
#define _POSIX_C_SOURCE 200809L /* mkstemp */
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "molt/ops/part.h"
#include "molt/sim/nor.h"

#define SIZE 0x40000u

struct bench {
    uint8_t chip[SIZE], before[SIZE];
    struct molt_nor nor;
    struct molt_target board;
    struct molt_part_job job;
    struct molt_message message;
    char one[64], other[64]; /* files */
};

static void make_file(char name[64], const char *text, size_t times)
{
    snprintf(name, 64, "/tmp/molt-test-XXXXXX");
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    for (size_t i = 0; i < times; i++) {
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    }
    close(fd);
}

static int setup(void **state)
{
    static const struct molt_partition rows[] = {
        {1, 0x40, 0x9000, 0x3000, "blob", 0},
        {1, 0x40, 0xC000, 0x1000, "note", 0},
        {1, MOLT_DATA_NVS, 0x10000, 0x6000, "nvs", 0},
        {0, MOLT_APP_FACTORY, 0x30000, 0x10000, "factory", 0},
    };
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    for (uint32_t i = 0; i < SIZE; i++) {
        b->before[i] = (uint8_t)(i * 7 >> 3);
    }
    b->board.table.count = 4;
    b->board.table.has_md5 = true;
    memcpy(b->board.table.row, rows, sizeof rows);
    memset(b->before + 0xC000, 0xFF, 0x1000);
    memset(b->before + MOLT_PTABLE_OFFSET, 0xFF, 0x1000);
    assert_int_equal(molt_ptable_write(&b->board.table, b->before + MOLT_PTABLE_OFFSET), MOLT_OK);
    b->board.kind = MOLT_TARGET_BOARD;
    snprintf(b->board.name, sizeof b->board.name, "sim:test");
    make_file(b->one, "settings of a device\n", 300); /* 6300 bytes */
    make_file(b->other, "note\n", 1);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;
    molt_part_free(&b->job);
    molt_nor_free(&b->nor);
    unlink(b->one);
    unlink(b->other);
    free(b);
    return 0;
}

static void start(struct bench *b, const uint8_t *bytes)
{
    memmove(b->chip, bytes, SIZE);
    molt_nor_free(&b->nor);
    molt_nor_init(&b->nor, b->chip, SIZE, 3);
    molt_nor_flash(&b->nor, &b->board.flash);
}

static int prepare(struct bench *b)
{
    const struct molt_part_write writes[] = {{"note", b->other}, {"blob", b->one}};
    molt_part_free(&b->job);
    return molt_part_plan_write(&b->job, &b->board, writes, 2, false, &b->message);
}

static int write_both(struct bench *b)
{
    int error = prepare(b);
    return error ? error : molt_part_run(&b->job, &b->board, NULL, &b->message);
}

static void check_written(const struct bench *b)
{
    assert_memory_equal(b->chip, b->before, 0x9000);
    assert_memory_equal(b->chip + 0x9000, "settings of a device\nsettings", 29);
    for (uint32_t i = 0x9000 + 6300; i < 0xC000; i++) {
        assert_int_equal(b->chip[i], 0xFF);
    }
    assert_memory_equal(b->chip + 0xC000, "note\n\xFF", 6);
    assert_memory_equal(b->chip + 0xD000, b->before + 0xD000, SIZE - 0xD000);
}

static void only_what_differs(void **state)
{
    struct bench *b = *state;
    start(b, b->before);
    assert_int_equal(write_both(b), MOLT_OK);
    check_written(b);
    assert_int_equal(b->nor.erased_sectors, 4);
    assert_int_equal(write_both(b), MOLT_OK);
    assert_int_equal(b->job.sectors_differing, 0);
    assert_int_equal(b->job.sectors_same, 4);
    assert_int_equal(b->nor.erased_sectors, 4);
}

/* The neighbours of a range that begins within a sector stay. */
static void a_range_within_sectors(void **state)
{
    struct bench *b = *state;
    const struct molt_part_write write = {"0x20010+16", b->other};
    start(b, b->before);
    assert_int_equal(molt_part_plan_write(&b->job, &b->board, &write, 1, false, &b->message),
                     MOLT_OK);
    assert_int_equal(molt_part_run(&b->job, &b->board, NULL, &b->message), MOLT_OK);
    assert_memory_equal(b->chip, b->before, 0x20010);
    assert_memory_equal(b->chip + 0x20010, "note\n\xFF\xFF", 7);
    assert_memory_equal(b->chip + 0x20020, b->before + 0x20020, SIZE - 0x20020);
}

static void cut_anywhere_and_again(void **state)
{
    struct bench *b = *state;
    for (enum molt_cut cut = MOLT_CUT_BEFORE; cut <= MOLT_CUT_TORN_OTHER; cut++) {
        uint64_t at = 1;
        for (;; at++) {
            start(b, b->before);
            b->nor.cut_at = at;
            b->nor.cut = cut;
            b->nor.random = at * 3 + (uint64_t)cut;
            int error = write_both(b);
            if (!error) {
                break;
            }
            assert_int_equal(error, MOLT_E_POWER);
            assert_non_null(strstr(b->message.text, "run the same command again"));
            molt_nor_power_up(&b->nor);
            assert_int_equal(write_both(b), MOLT_OK);
            check_written(b);
        }
        assert_true(at > 6);
    }
}

static int lazy_program(void *context, uint32_t offset, const void *data, uint32_t n)
{
    (void)context, (void)offset, (void)data, (void)n;
    return MOLT_OK;
}

static int stop(void *context, const char *what, uint64_t done, uint64_t total)
{
    (void)context;
    assert_true(strcmp(what, "write") == 0 || strcmp(what, "read") == 0);
    return done * 2 >= total;
}

static void read_back_and_cancel(void **state)
{
    struct bench *b = *state;
    struct molt_flash_ops lazy;
    const struct molt_progress progress = {stop, NULL};
    uint8_t *bytes;
    uint32_t n;
    start(b, b->before);
    assert_int_equal(prepare(b), MOLT_OK);
    assert_int_equal(molt_part_run(&b->job, &b->board, &progress, &b->message), MOLT_E_CANCELLED);
    assert_int_equal(molt_part_read(&b->board, "all", false, &bytes, &n, &progress, &b->message),
                     MOLT_E_CANCELLED);
    assert_null(bytes);
    lazy = *b->board.flash.ops; /* says that it wrote, and did not */
    lazy.program = lazy_program;
    b->board.flash.ops = &lazy;
    assert_int_equal(write_both(b), MOLT_E_VERIFY);
    assert_non_null(strstr(b->message.text, "sim:test: verifying at 0xc000"));
}

static void what_needs_force(void **state)
{
    struct bench *b = *state;
    const char *nvs = "nvs", *all[] = {"blob", "blob"};
    start(b, b->before);
    assert_int_equal(molt_part_plan_erase(&b->job, &b->board, &nvs, 1, false, &b->message),
                     MOLT_OK);
    assert_int_equal(b->job.refusals, 1);
    assert_int_equal(molt_part_run(&b->job, &b->board, NULL, &b->message), MOLT_E_EXISTS);
    assert_memory_equal(b->chip, b->before, SIZE);
    molt_part_free(&b->job);
    assert_int_equal(molt_part_plan_erase(&b->job, &b->board, &nvs, 1, true, &b->message), MOLT_OK);
    assert_int_equal(molt_part_run(&b->job, &b->board, NULL, &b->message), MOLT_OK);
    assert_int_equal(b->chip[0x10000], 0xFF);
    molt_part_free(&b->job);
    assert_int_equal(molt_part_plan_erase(&b->job, &b->board, all, 2, true, &b->message),
                     MOLT_E_ARGUMENT);
    assert_int_equal(molt_part_save(&b->job, &b->board, "out.bin", &b->message), MOLT_E_ARGUMENT);
}

/* Whatever the order of the names: what decides about what boots is written last. */
static void the_table_comes_last(void **state)
{
    struct bench *b = *state;
    uint8_t table[MOLT_PTABLE_SIZE];
    struct molt_ptable changed = b->board.table;
    start(b, b->before);
    changed.row[1].size = 0x2000;
    snprintf(changed.row[1].label, sizeof changed.row[1].label, "longer");
    changed.row[1].subtype = 0x41;
    assert_int_equal(molt_ptable_write(&changed, table), MOLT_OK);
    FILE *file = fopen(b->one, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(table, 1, sizeof table, file), sizeof table);
    fclose(file);
    const struct molt_part_write writes[] = {{"table", b->one}, {"note", b->other}};
    int error = molt_part_plan_write(&b->job, &b->board, writes, 2, true, &b->message);
    if (error) {
        fail_msg("%s", b->message.text);
    }
    assert_int_equal(b->job.piece[0].place.kind, MOLT_PLACE_PARTITION);
    assert_int_equal(b->job.piece[1].place.kind, MOLT_PLACE_TABLE);
    b->nor.cut_at = 3; /* the note is there, the table is not touched */
    b->nor.cut = MOLT_CUT_BEFORE;
    assert_int_equal(molt_part_run(&b->job, &b->board, NULL, &b->message), MOLT_E_POWER);
    assert_memory_equal(b->chip + 0xC000, "note\n", 5);
    assert_memory_equal(b->chip + MOLT_PTABLE_OFFSET, b->before + MOLT_PTABLE_OFFSET, 0x1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_what_differs, setup, teardown),
        cmocka_unit_test_setup_teardown(a_range_within_sectors, setup, teardown),
        cmocka_unit_test_setup_teardown(cut_anywhere_and_again, setup, teardown),
        cmocka_unit_test_setup_teardown(read_back_and_cancel, setup, teardown),
        cmocka_unit_test_setup_teardown(what_needs_force, setup, teardown),
        cmocka_unit_test_setup_teardown(the_table_comes_last, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
