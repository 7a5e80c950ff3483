/* Writing a firmware to a flash: what is erased, what stays, read-back, cuts and going on. */
#define _POSIX_C_SOURCE 200809L /* mkstemp */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "make_image.h"
#include "molt/ops/flashimage.h"
#include "molt/sim/nor.h"

#define FLASH_SIZE (1u << 20)
#define BOOT       0x1000u
#define APP        0x10000u
#define APP_ROOM   0x40000u

static const struct make_image bootloader = {
    .seed = 7,
    .no_descriptor = 1,
    .segment = {{0x3FFF0030, 0x278}, {0x40078000, 0xA28}, {0x40080400, 0xD28}}};

struct bench {
    uint8_t chip[FLASH_SIZE];
    uint32_t erases[FLASH_SIZE / MOLT_NOR_SECTOR];
    struct molt_nor nor;
    struct molt_target board, image;
    struct molt_flashimage job;
    struct molt_message message;
    char name[64];
};

static void make_table(uint8_t *bytes, bool ota)
{
    struct molt_ptable table = {.has_md5 = true};
    static const struct molt_partition plain[] = {
        {1, MOLT_DATA_NVS, 0x9000, 0x6000, "nvs", 0},
        {0, MOLT_APP_FACTORY, APP, APP_ROOM, "factory", 0},
        {1, MOLT_DATA_FAT, 0x50000, 0xB0000, "vfs", 0},
    };
    static const struct molt_partition slots[] = {
        {1, MOLT_DATA_NVS, 0x9000, 0x5000, "nvs", 0},
        {1, MOLT_DATA_OTADATA, 0xE000, 0x2000, "otadata", 0},
        {0, MOLT_APP_OTA_0, APP, APP_ROOM, "ota_0", 0},
        {0, MOLT_APP_OTA_0 + 1, 0x50000, APP_ROOM, "ota_1", 0},
        {1, MOLT_DATA_FAT, 0x90000, 0x70000, "vfs", 0},
    };
    table.count = ota ? 5 : 3;
    for (uint32_t i = 0; i < table.count; i++) {
        table.row[i] = ota ? slots[i] : plain[i];
    }
    assert_int_equal(molt_ptable_write(&table, bytes), MOLT_OK);
}

/* A firmware file for 1 MB of flash; returns its length. */
static uint32_t make_firmware(uint8_t *bytes, bool ota, uint32_t seed)
{
    struct make_image app = make_image_esp32;
    memset(bytes, 0xFF, 0x20000);
    app.seed = seed;
    app.segment[1].length = 0x4000;
    uint32_t n = make_image(bytes, 0x6000, &bootloader);
    bytes[3] = 0; /* 1 MB */
    make_image_seal(bytes, n);
    make_table(bytes + 0x8000 - BOOT, ota);
    return APP - BOOT + make_image(bytes + APP - BOOT, APP_ROOM, &app);
}

static void open_image(struct bench *bench, bool ota, uint32_t seed)
{
    static uint8_t bytes[0x60000];
    uint32_t n = make_firmware(bytes, ota, seed);
    snprintf(bench->name, sizeof bench->name, "/tmp/molt-test-XXXXXX");
    int fd = mkstemp(bench->name);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, n), n);
    close(fd);
    assert_int_equal(molt_target_open(&bench->image, bench->name, &bench->message), MOLT_OK);
    assert_int_equal(bench->image.kind, MOLT_TARGET_FIRMWARE);
}

static void close_image(struct bench *bench)
{
    molt_flashimage_free(&bench->job);
    molt_target_close(&bench->image, NULL);
    unlink(bench->name);
}

/* The board's table as an opened target would have it. */
static void look_at_board(struct bench *bench)
{
    struct molt_target *board = &bench->board;
    board->table_error = molt_ptable_parse(&board->table, bench->chip + MOLT_PTABLE_OFFSET,
                                           MOLT_PTABLE_SIZE, &board->table_diag);
}

static struct bench *make_bench(void)
{
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    memset(bench->chip, 0xFF, FLASH_SIZE);
    molt_nor_init(&bench->nor, bench->chip, FLASH_SIZE, 1);
    bench->nor.sector_erases = bench->erases;
    molt_nor_flash(&bench->nor, &bench->board.flash);
    bench->board.kind = MOLT_TARGET_BOARD;
    bench->board.chip = molt_chip_by_name("esp32");
    snprintf(bench->board.name, sizeof bench->board.name, "sim:test");
    look_at_board(bench);
    return bench;
}

static int flash_as(struct bench *bench, struct molt_flash_request request)
{
    look_at_board(bench);
    int error = molt_flashimage_prepare(&bench->job, &bench->image, &bench->board, &request,
                                        &bench->message);
    return error ? error : molt_flashimage_run(&bench->job, &bench->board, NULL, &bench->message);
}

static int flash(struct bench *bench, const char *slot)
{
    return flash_as(bench, (struct molt_flash_request){.slot = slot});
}

static const struct molt_step *step(const struct bench *bench, enum molt_step_kind kind,
                                    const char *what)
{
    for (uint32_t i = 0; i < bench->job.plan.count; i++) {
        const struct molt_step *s = &bench->job.plan.step[i];
        if (s->kind == kind && strcmp(s->what, what) == 0) {
            return s;
        }
    }
    return NULL;
}

static void an_erased_board(void **state)
{
    (void)state;
    struct bench *bench = make_bench();
    open_image(bench, true, 1);
    assert_int_equal(flash(bench, NULL), MOLT_OK);
    assert_memory_equal(bench->chip + BOOT, bench->image.bytes + BOOT, bench->image.file_size);
    assert_int_equal(bench->nor.erased_sectors, bench->job.sectors_differing);
    assert_non_null(step(bench, MOLT_STEP_WRITE, "bootloader"));
    assert_non_null(step(bench, MOLT_STEP_WRITE, "ota_0"));
    assert_null(step(bench, MOLT_STEP_LOSE, "nvs"));

    molt_flashimage_free(&bench->job); /* once more: nothing differs, nothing is touched */
    uint64_t operations = bench->nor.operations;
    assert_int_equal(flash(bench, NULL), MOLT_OK);
    assert_int_equal(bench->nor.operations, operations);
    assert_int_equal(bench->job.sectors_differing, 0);
    assert_true(bench->job.sectors_same > 10);
    close_image(bench);
    free(bench);
}

static void put(struct bench *bench, uint32_t offset, const char *text)
{
    memcpy(bench->chip + offset, text, strlen(text));
}

static void the_same_table_keeps_data(void **state)
{
    (void)state;
    struct bench *bench = make_bench();
    open_image(bench, true, 1);
    assert_int_equal(flash(bench, NULL), MOLT_OK);
    close_image(bench);
    put(bench, 0x9000, "keys");
    put(bench, 0xE000, "record");
    put(bench, 0x90000, "files");
    put(bench, 0x50000, "old app in the other slot, 32 bytes");
    memset(bench->erases, 0, sizeof bench->erases);
    open_image(bench, true, 2); /* another app */
    assert_int_equal(flash(bench, NULL), MOLT_OK);
    assert_memory_equal(bench->chip + 0x9000, "keys", 4);
    assert_memory_equal(bench->chip + 0x90000, "files", 5);
    assert_memory_equal(bench->chip + 0x50000, "old app", 7);
    assert_int_equal(bench->chip[0xE000], 0xFF);
    assert_non_null(step(bench, MOLT_STEP_ERASE, "otadata"));
    assert_non_null(step(bench, MOLT_STEP_KEEP, "nvs"));
    assert_non_null(step(bench, MOLT_STEP_KEEP, "vfs"));
    assert_non_null(step(bench, MOLT_STEP_KEEP, "ota_1"));
    assert_int_equal(bench->erases[BOOT / MOLT_NOR_SECTOR], 0); /* the bootloader is the same */
    close_image(bench);
    free(bench);
}

static void another_table_says_what_is_lost(void **state)
{
    (void)state;
    struct bench *bench = make_bench();
    open_image(bench, false, 1);
    assert_int_equal(flash(bench, NULL), MOLT_OK);
    close_image(bench);
    put(bench, 0x9000, "keys");
    put(bench, 0x50000, "files");
    put(bench, 0x90000, "more files");
    open_image(bench, true, 1);
    assert_int_equal(flash(bench, NULL), MOLT_E_EXISTS); /* settings are not lost by the way */
    assert_non_null(strstr(bench->message.text, "--keep nvs"));
    assert_int_equal(bench->chip[0x9000], 'k');
    molt_flashimage_free(&bench->job);
    assert_int_equal(flash_as(bench, (struct molt_flash_request){.force = true}), MOLT_OK);
    assert_non_null(step(bench, MOLT_STEP_LOSE, "nvs"));
    assert_non_null(step(bench, MOLT_STEP_LOSE, "vfs"));
    assert_int_equal(bench->chip[0x9000], 0xFF);
    assert_int_equal(bench->chip[0x90000], 0xFF); /* the new vfs begins erased */
    close_image(bench);
    free(bench);
}

static void one_app_into_a_slot(void **state)
{
    (void)state;
    struct bench *bench = make_bench();
    open_image(bench, true, 1);
    assert_int_equal(flash(bench, "ota_1"), MOLT_E_NOT_A_SLOT); /* no table yet */
    molt_flashimage_free(&bench->job);
    assert_int_equal(flash(bench, NULL), MOLT_OK);
    molt_flashimage_free(&bench->job);
    assert_int_equal(flash(bench, "ota_1"), MOLT_OK); /* the app of a whole firmware */
    assert_memory_equal(bench->chip + 0x50000, bench->chip + APP, 0x4000);
    molt_flashimage_free(&bench->job);
    assert_int_equal(flash(bench, "vfs"), MOLT_E_NOT_A_SLOT);
    assert_non_null(strstr(bench->message.text, "ota_0, ota_1"));
    molt_flashimage_free(&bench->job);
    assert_int_equal(flash(bench, "none"), MOLT_E_NOT_A_SLOT);
    close_image(bench);
    free(bench);
}

static void refusals(void **state)
{
    (void)state;
    struct bench *bench = make_bench();
    open_image(bench, true, 1);
    bench->board.chip = molt_chip_by_name("esp32c3");
    assert_int_equal(flash(bench, NULL), MOLT_E_IMAGE_CHIP);
    molt_flashimage_free(&bench->job);
    bench->board.chip = NULL;
    assert_int_equal(flash(bench, NULL), MOLT_E_IMAGE_CHIP);
    molt_flashimage_free(&bench->job);
    bench->board.chip = molt_chip_by_name("esp32");
    bench->board.flash.size = 0x80000;
    assert_int_equal(flash(bench, NULL), MOLT_E_RANGE); /* made for 1 MB */
    molt_flashimage_free(&bench->job);
    bench->board.flash.size = 0x12000;
    assert_int_equal(flash(bench, NULL), MOLT_E_RANGE); /* does not even fit */
    molt_flashimage_free(&bench->job);
    bench->board.flash.size = FLASH_SIZE;
    bench->board.kind = MOLT_TARGET_FIRMWARE;
    assert_int_equal(flash(bench, NULL), MOLT_E_UNSUPPORTED);
    assert_int_equal(bench->nor.operations, 0);
    close_image(bench);
    free(bench);
}

/* Power fails at each operation in turn, in each way: the same command goes on and ends the same.
 */
static void cut_anywhere_and_go_on(void **state)
{
    (void)state;
    struct bench *bench = make_bench();
    open_image(bench, true, 1);
    assert_int_equal(flash(bench, NULL), MOLT_OK);
    uint64_t operations = bench->nor.operations;
    uint32_t sectors = bench->job.sectors_differing;
    molt_flashimage_free(&bench->job);
    assert_true(operations > 10);
    for (uint64_t at = 1; at <= operations; at++) {
        for (enum molt_cut cut = MOLT_CUT_BEFORE; cut <= MOLT_CUT_TORN_OTHER; cut++) {
            memset(bench->chip, 0xFF, FLASH_SIZE);
            molt_nor_free(&bench->nor);
            molt_nor_init(&bench->nor, bench->chip, FLASH_SIZE, at * 4 + cut);
            bench->nor.cut_at = at;
            bench->nor.cut = cut;
            assert_int_equal(flash(bench, NULL), MOLT_E_POWER);
            molt_flashimage_free(&bench->job);
            molt_nor_power_up(&bench->nor);
            assert_int_equal(flash(bench, NULL), MOLT_OK);
            molt_flashimage_free(&bench->job);
            assert_memory_equal(bench->chip + BOOT, bench->image.bytes + BOOT,
                                bench->image.file_size);
            assert_true(bench->nor.erased_sectors <= sectors + 2);
        }
    }
    molt_nor_free(&bench->nor);
    close_image(bench);
    free(bench);
}

static int lazy_program(void *context, uint32_t offset, const void *data, uint32_t n)
{
    (void)context;
    (void)offset;
    (void)data;
    (void)n;
    return MOLT_OK;
}

static int stop_at_once(void *context, const char *what, uint64_t done, uint64_t total)
{
    (void)context;
    assert_string_equal(what, "write");
    return done * 2 >= total;
}

static void read_back_and_cancel(void **state)
{
    (void)state;
    struct bench *bench = make_bench();
    struct molt_flash_ops lazy = *bench->board.flash.ops;
    const struct molt_flash_ops *real = bench->board.flash.ops;
    const struct molt_progress progress = {stop_at_once, NULL};
    open_image(bench, true, 1);
    lazy.program = lazy_program; /* says that it wrote, and did not */
    bench->board.flash.ops = &lazy;
    assert_int_equal(flash(bench, NULL), MOLT_E_VERIFY);
    assert_non_null(strstr(bench->message.text, "sim:test: verifying at 0x1000"));
    bench->board.flash.ops = real;
    assert_int_equal(molt_flashimage_run(&bench->job, &bench->board, &progress, &bench->message),
                     MOLT_E_CANCELLED);
    close_image(bench);
    free(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_erased_board),
        cmocka_unit_test(the_same_table_keeps_data),
        cmocka_unit_test(another_table_says_what_is_lost),
        cmocka_unit_test(one_app_into_a_slot),
        cmocka_unit_test(refusals),
        cmocka_unit_test(cut_anywhere_and_go_on),
        cmocka_unit_test(read_back_and_cancel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
