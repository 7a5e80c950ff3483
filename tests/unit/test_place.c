/* Places by name: partitions, what has no row, ranges; and what is refused. */
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "host/memflash.h"
#include "molt/ops/place.h"

#define MB     (1u << 20)
#define LENGTH 0x20000u /* where the firmware file ends */

static struct molt_target target;
static struct molt_place place;
static struct molt_message message;

static void row(uint8_t type, uint8_t subtype, uint32_t offset, uint32_t size, const char *label)
{
    struct molt_partition *p = &target.table.row[target.table.count++];
    *p = (struct molt_partition){type, subtype, offset, size, "", 0};
    snprintf(p->label, sizeof p->label, "%s", label);
}

/* A firmware file for an ESP32 with 4 MB that ends within its app; nvs, factory, perhaps more. */
static int setup(void **state)
{
    (void)state;
    memset(&target, 0, sizeof target);
    memset(&message, 0, sizeof message);
    target.kind = MOLT_TARGET_FIRMWARE;
    snprintf(target.name, sizeof target.name, "fw.bin");
    target.chip = molt_chip_by_name("esp32");
    target.base = 0x1000;
    target.file_size = LENGTH - 0x1000;
    target.flash_size = target.header_flash_size = 4 * MB;
    target.bytes = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(target.bytes != MAP_FAILED);
    memflash_init(&target.flash, &target.region, target.bytes, LENGTH);
    row(1, MOLT_DATA_NVS, 0x9000, 0x6000, "nvs");
    row(0, MOLT_APP_FACTORY, 0x10000, 0x1F0000, "factory");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    molt_target_close(&target, NULL);
    return 0;
}

static void check(const char *name, enum molt_place_kind kind, uint32_t offset, uint32_t size)
{
    assert_int_equal(molt_place_find(&place, &target, name, &message), MOLT_OK);
    assert_int_equal(place.kind, kind);
    assert_int_equal(place.offset, offset);
    assert_int_equal(place.size, size);
}

static void check_files(enum molt_place_kind kind, uint32_t offset, uint32_t size)
{
    assert_int_equal(molt_place_files(&place, &target, &message), MOLT_OK);
    assert_int_equal(place.kind, kind);
    assert_int_equal(place.offset, offset);
    assert_int_equal(place.size, size);
}

static void refused(const char *name, int error, const char *says)
{
    assert_int_equal(molt_place_find(&place, &target, name, &message), error);
    assert_int_equal(message.error, error);
    assert_non_null(strstr(message.text, says));
}

static void by_name(void **state)
{
    (void)state;
    check("nvs", MOLT_PLACE_PARTITION, 0x9000, 0x6000);
    assert_ptr_equal(place.row, &target.table.row[0]);
    assert_string_equal(place.label, "nvs");
    check("bootloader", MOLT_PLACE_BOOTLOADER, 0x1000, 0x7000);
    assert_null(place.row);
    check("table", MOLT_PLACE_TABLE, 0x8000, 0x1000);
    check("partition_table", MOLT_PLACE_TABLE, 0x8000, 0x1000);
    check("all", MOLT_PLACE_WHOLE, 0x1000, LENGTH - 0x1000);
    check("0x9000+4K", MOLT_PLACE_RANGE, 0x9000, 0x1000);
    assert_string_equal(place.label, "0x9000");
    check("1M+0x3m", MOLT_PLACE_RANGE, MB, 3 * MB);
}

static void a_label_wins(void **state)
{
    (void)state;
    row(1, 0x40, 0x200000, 0x1000, "table");
    row(1, 0x40, 0x201000, 0x1000, "0x9000+4K");
    check("table", MOLT_PLACE_PARTITION, 0x200000, 0x1000);
    check("0x9000+4K", MOLT_PLACE_PARTITION, 0x201000, 0x1000);
}

static void files_behind_the_last_row(void **state)
{
    (void)state;
    check("vfs", MOLT_PLACE_BEHIND, 2 * MB, 2 * MB);
    assert_string_equal(place.label, "vfs");
    check_files(MOLT_PLACE_BEHIND, 2 * MB, 2 * MB);
    target.flash_size = 2 * MB + 0x1000; /* one block is no file system */
    refused("vfs", MOLT_E_NOT_FOUND, "nvs, factory, bootloader, table, all or OFFSET+SIZE");
    target.flash_size = 0; /* where the flash ends is not known */
    refused("vfs", MOLT_E_NOT_FOUND, "'vfs'");
    assert_int_equal(molt_place_files(&place, &target, &message), MOLT_E_NOT_FOUND);
}

static void files_by_label_then_by_subtype(void **state)
{
    (void)state;
    row(1, MOLT_DATA_SPIFFS, 0x200000, 0x1000, "logs");
    check_files(MOLT_PLACE_PARTITION, 0x200000, 0x1000);
    row(0, MOLT_APP_OTA_0, 0x201000, 0x1000, "storage"); /* no data partition */
    check_files(MOLT_PLACE_PARTITION, 0x200000, 0x1000);
    row(1, MOLT_DATA_FAT, 0x202000, 0x1000, "ffat");
    check_files(MOLT_PLACE_PARTITION, 0x202000, 0x1000);
    row(1, MOLT_DATA_FAT, 0x203000, 0x1000, "internalfs");
    check_files(MOLT_PLACE_PARTITION, 0x203000, 0x1000);
    row(1, 0x40, 0x204000, 0x1000, "vfs");
    check_files(MOLT_PLACE_PARTITION, 0x204000, 0x1000);
}

static void wrong_names_and_ranges(void **state)
{
    (void)state;
    refused("vsf", MOLT_E_NOT_FOUND, "vfs (behind the last partition)");
    refused("", MOLT_E_NOT_FOUND, "nvs, factory");
    refused("0x9000+", MOLT_E_NOT_FOUND, "nvs, factory");
    refused("0x9000+0", MOLT_E_ARGUMENT, "expected a size");
    refused("0x9000+4M", MOLT_E_RANGE, "from 0x1000 up to 0x400000");
    refused("0+4K", MOLT_E_RANGE, "from 0x1000");
    refused("0xFFFFFFFFFFFFFFFF+1", MOLT_E_RANGE, "not inside");
    refused("0x1000+99999999999999999999M", MOLT_E_RANGE, "not inside");
    target.chip = NULL;
    refused("bootloader", MOLT_E_NOT_FOUND, "OFFSET+SIZE");
}

static void hostile_rows(void **state)
{
    (void)state;
    row(1, MOLT_DATA_FAT, 0xFFFFF000, 0x2000, "wrap");
    row(1, MOLT_DATA_FAT, 0x300000, 0x200000, "long");
    row(1, MOLT_DATA_FAT, 0x300000, 0, "none");
    row(1, MOLT_DATA_FAT, 0x300000, 0x1000, "b\033[1m");
    refused("wrap", MOLT_E_RANGE, "ends at 0x100001000");
    refused("long", MOLT_E_RANGE, "ends at 0x500000, the flash ends at 0x400000");
    refused("none", MOLT_E_TABLE_ROW, "no size");
    refused("vfs", MOLT_E_NOT_FOUND, "b?[1m"); /* a row reaches to the end: nothing is behind it */
}

static void what_has_no_places(void **state)
{
    (void)state;
    target.table_error = molt_diag_at(&target.table_diag, MOLT_E_TABLE_MD5, "MD5 row", 0x8040);
    refused("nvs", MOLT_E_TABLE_MD5, "'nvs' cannot be found");
    assert_int_equal(molt_place_files(&place, &target, &message), MOLT_E_TABLE_MD5);
    check("table", MOLT_PLACE_TABLE, 0x8000, 0x1000); /* to look at it, or to write another */
    target.kind = MOLT_TARGET_APP;
    target.base = 0;
    refused("nvs", MOLT_E_UNSUPPORTED, "expected all or OFFSET+SIZE");
    refused("bootloader", MOLT_E_UNSUPPORTED, "app image");
    assert_int_equal(molt_place_files(&place, &target, &message), MOLT_E_UNSUPPORTED);
    check("all", MOLT_PLACE_WHOLE, 0, LENGTH);
    refused("0+1M", MOLT_E_RANGE, "up to 0x20000");
    target.kind = MOLT_TARGET_TABLE;
    check("table", MOLT_PLACE_WHOLE, 0, LENGTH);
    target.kind = MOLT_TARGET_BOOTLOADER;
    check("bootloader", MOLT_PLACE_WHOLE, 0, LENGTH);
    assert_int_equal(molt_place_files(&place, &target, &message), MOLT_E_UNSUPPORTED);
    target.kind = MOLT_TARGET_FILES;
    check_files(MOLT_PLACE_WHOLE, 0, LENGTH);
}

static void reads_ff_behind_the_end_and_grows(void **state)
{
    (void)state;
    uint8_t bytes[16];
    check("factory", MOLT_PLACE_PARTITION, 0x10000, 0x1F0000);
    memset(target.bytes + LENGTH - 8, 0x55, 8);
    assert_int_equal(molt_place_read(&target, LENGTH - 8, bytes, 16), MOLT_OK);
    assert_int_equal(bytes[7], 0x55);
    assert_int_equal(bytes[8], 0xFF);
    assert_int_equal(molt_place_read(&target, 3 * MB, bytes, 16), MOLT_OK);
    assert_int_equal(bytes[0], 0xFF);
    assert_int_equal(molt_place_make_room(&target, &place, &message), MOLT_OK);
    assert_int_equal(target.flash.size, 2 * MB);
    assert_int_equal(target.bytes[LENGTH - 1], 0x55);
    assert_int_equal(target.bytes[LENGTH], 0xFF);
    place.offset = MOLT_PLACE_LIMIT;
    assert_int_equal(molt_place_make_room(&target, &place, &message), MOLT_E_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(by_name, setup, teardown),
        cmocka_unit_test_setup_teardown(a_label_wins, setup, teardown),
        cmocka_unit_test_setup_teardown(files_behind_the_last_row, setup, teardown),
        cmocka_unit_test_setup_teardown(files_by_label_then_by_subtype, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_names_and_ranges, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(what_has_no_places, setup, teardown),
        cmocka_unit_test_setup_teardown(reads_ff_behind_the_end_and_grows, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
