/* Targets told apart by their bytes, also where bootloaders begin at 0. */
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
#include "molt/host/target.h"
#include "molt/ops/layout.h"
#include "molt/uf2.h"

#define MAX (1u << 20)

static const struct make_image c3_bootloader = {
    .chip_id = 5,
    .seed = 3,
    .no_descriptor = 1,
    .segment = {{0x3FCD5810, 0x200}, {0x403CC710, 0x968}, {0x403CE710, 0x1000}}};
static const struct make_image esp32_bootloader = {
    .seed = 6, .no_descriptor = 1, .segment = {{0x3FFF0030, 0x200}, {0x40078000, 0x1000}}};
static const struct make_image c3_app = {
    .chip_id = 5, .seed = 4, .segment = {{0x3C000020, 0x800}, {0x3FC90000, 0x400}}};
static const struct make_image old_app = {
    .seed = 5, .no_descriptor = 1, .segment = {{0x3F400020, 0x800}}};

/* A file with these bytes, opened. */
static int open_bytes(struct molt_target *target, const uint8_t *bytes, uint32_t n, char *name,
                      struct molt_message *message)
{
    snprintf(name, 32, "/tmp/molt-test-XXXXXX");
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, n), n);
    close(fd);
    return molt_target_open(target, name, message);
}

static void put_table(uint8_t *bytes)
{
    struct molt_ptable table;
    struct molt_message message;
    const struct molt_layout_request request = {.name = "ota", .flash_size = 8u << 20};
    assert_int_equal(molt_layout_make(&table, &request, &message), MOLT_OK);
    assert_int_equal(molt_ptable_write(&table, bytes), MOLT_OK);
}

static void chips_with_the_bootloader_at_0(void **state)
{
    (void)state;
    static uint8_t bytes[MAX];
    struct molt_target target;
    struct molt_message message;
    char name[32];
    memset(bytes, 0xFF, sizeof bytes);
    uint32_t n = make_image(bytes, 0x8000, &c3_bootloader);
    bytes[3] = 0; /* 1 MB */
    make_image_seal(bytes, n);
    put_table(bytes + 0x8000);
    uint32_t end = 0x10000 + make_image(bytes + 0x10000, MAX - 0x10000, &c3_app);

    assert_int_equal(open_bytes(&target, bytes, end, name, &message), MOLT_OK);
    assert_int_equal(target.kind, MOLT_TARGET_FIRMWARE);
    assert_string_equal(target.chip->name, "esp32c3");
    assert_int_equal(target.base, 0);
    assert_int_equal(target.table_error, MOLT_OK);
    assert_int_equal(target.table.count, 5);
    assert_int_equal(target.header_flash_size, MAX);
    molt_target_close(&target, NULL);
    unlink(name);

    assert_int_equal(open_bytes(&target, bytes, MAX, name, &message), MOLT_OK);
    assert_int_equal(target.kind, MOLT_TARGET_DUMP); /* exactly as long as its flash */
    molt_target_close(&target, NULL);
    unlink(name);

    assert_int_equal(open_bytes(&target, bytes + 0x10000, end - 0x10000, name, &message), MOLT_OK);
    assert_int_equal(target.kind, MOLT_TARGET_APP);
    assert_int_equal(target.table_error, MOLT_E_TABLE_MAGIC);
    molt_target_close(&target, NULL);
    unlink(name);

    bytes[0x6FFF] = 0; /* something else behind it: no bare bootloader */
    assert_int_equal(open_bytes(&target, bytes, 0x7000, name, &message), MOLT_E_TRUNCATED);
    assert_non_null(strstr(message.text, "0x8000 of the file"));
    molt_target_close(&target, NULL); /* harmless */
    unlink(name);
}

static void an_old_app_without_descriptor(void **state)
{
    (void)state;
    static uint8_t bytes[0x2000];
    struct molt_target target;
    struct molt_message message;
    char name[32];
    uint32_t n = make_image(bytes, sizeof bytes, &old_app);
    assert_int_equal(open_bytes(&target, bytes, n, name, &message), MOLT_OK);
    assert_int_equal(target.kind, MOLT_TARGET_APP);
    molt_target_close(&target, NULL);
    unlink(name);
}

/* Every length of a firmware's beginning is an error or a target, never a read outside. */
static void every_length(void **state)
{
    (void)state;
    static uint8_t bytes[0x9000];
    char name[32];
    memset(bytes, 0xFF, sizeof bytes);
    uint32_t whole = make_image(bytes, 0x7000, &c3_bootloader);
    memset(bytes + whole, 0xFF, 0x7000 - whole);
    put_table(bytes + 0x8000);
    for (uint32_t n = 0; n < sizeof bytes; n += n < 300 || n > 0x7FF0 ? 7 : 1111) {
        struct molt_target target;
        struct molt_message message = {0};
        int error = open_bytes(&target, bytes, n, name, &message);
        bool bare = n >= whole && n <= 0x8000;
        assert_int_equal(error, n < 0x8020 && !bare ? MOLT_E_TRUNCATED : MOLT_OK);
        assert_true(!bare || target.kind == MOLT_TARGET_BOOTLOADER);
        assert_true(error == MOLT_OK || message.text[0]);
        if (!error && !bare && n < 0x8000 + 7 * 32) {
            assert_int_equal(target.table_error, MOLT_E_TRUNCATED);
        }
        molt_target_close(&target, NULL);
        unlink(name);
    }
}

static void a_bare_bootloader(void **state)
{
    (void)state;
    static uint8_t bytes[0x7000];
    struct molt_target target;
    struct molt_message message;
    char name[32];
    memset(bytes, 0xFF, sizeof bytes);
    uint32_t n = make_image(bytes, sizeof bytes, &esp32_bootloader);
    memset(bytes + n, 0xFF, sizeof bytes - n);
    for (uint32_t size = n; size <= sizeof bytes; size += (uint32_t)sizeof bytes - n) {
        assert_int_equal(open_bytes(&target, bytes, size, name, &message), MOLT_OK);
        assert_int_equal(target.kind, MOLT_TARGET_BOOTLOADER);
        assert_int_equal(target.base, 0x1000);
        assert_int_equal(target.flash.size, 0x1000 + size);
        assert_int_equal(target.table_error, MOLT_E_TABLE_MAGIC);
        molt_target_close(&target, NULL);
        unlink(name);
    }
    assert_int_equal(open_bytes(&target, bytes, n - 1, name, &message), MOLT_E_TRUNCATED);
    unlink(name);
}

static void file_systems(void **state)
{
    (void)state;
    static uint8_t bytes[0x4000];
    static const uint8_t boot_sector[] = {0xEB, 0xFE, 0x90, 'M',  'S', 'D', 'O', 'S', '5',
                                          '.',  '0',  0,    0x10, 1,   1,   0,   1};
    struct molt_target target;
    struct molt_message message;
    char name[32];
    for (int i = 0; i < 3; i++) {
        memset(bytes, i, sizeof bytes);
        if (i < 2) {
            memcpy(bytes + (i ? 0x1008 : 8), "littlefs", 8);
        } else {
            memcpy(bytes, boot_sector, sizeof boot_sector);
            memcpy(bytes + 510, "\x55\xAA", 2);
        }
        assert_int_equal(open_bytes(&target, bytes, sizeof bytes, name, &message), MOLT_OK);
        assert_int_equal(target.kind, MOLT_TARGET_FILES);
        assert_int_equal(target.base, 0);
        assert_int_equal(target.region.count, 4);
        assert_null(target.chip);
        molt_target_close(&target, NULL);
        unlink(name);
    }
    bytes[13] = 3; /* sectors in a cluster: no power of two */
    assert_int_equal(open_bytes(&target, bytes, sizeof bytes, name, &message), MOLT_E_FORMAT);
    unlink(name);
}

/* The bytes as a UF2 file of blocks of 256, from address on. */
static uint32_t make_uf2(uint8_t *file, const uint8_t *bytes, uint32_t n, uint32_t address,
                         uint32_t family)
{
    uint32_t count = (n + 255) / 256;
    for (uint32_t i = 0; i < count; i++) {
        struct molt_uf2_block block = {MOLT_UF2_FAMILY, address + 256 * i, 256, i, count,
                                       family,          bytes + 256 * i};
        assert_int_equal(molt_uf2_write(file + 512 * i, &block), MOLT_OK);
    }
    return 512 * count;
}

static void what_a_uf2_file_writes(void **state)
{
    (void)state;
    static uint8_t bytes[0x10000], file[0x20000];
    struct molt_target target;
    struct molt_message message;
    char name[32];
    memset(bytes, 0xFF, sizeof bytes);
    uint32_t n = make_image(bytes, sizeof bytes, &make_image_esp32);
    /* As TinyUF2 takes it: an app, at 0 of its slot. */
    uint32_t size = make_uf2(file, bytes, n, 0, 0x1C5F21B0);
    assert_int_equal(open_bytes(&target, file, size, name, &message), MOLT_OK);
    assert_int_equal(target.kind, MOLT_TARGET_APP);
    assert_int_equal(target.container, MOLT_CONTAINER_UF2);
    assert_int_equal(target.uf2_family, 0x1C5F21B0);
    assert_memory_equal(target.bytes, bytes, n);
    assert_int_equal(molt_target_save(&target, &message), MOLT_E_UNSUPPORTED);
    molt_target_close(&target, NULL);
    unlink(name);
    /* As esptool makes it: bytes at flash offsets. */
    memset(bytes, 0xFF, sizeof bytes);
    make_image(bytes, 0x7000, &esp32_bootloader);
    put_table(bytes + 0x7000);
    size = make_uf2(file, bytes, 0x8000, 0x1000, 0x1C5F21B0);
    assert_int_equal(open_bytes(&target, file, size, name, &message), MOLT_OK);
    assert_int_equal(target.kind, MOLT_TARGET_FIRMWARE);
    assert_int_equal(target.base, 0x1000);
    assert_int_equal(target.file_size, 0x8000);
    assert_int_equal(target.table.count, 5);
    molt_target_close(&target, NULL);
    unlink(name);
    assert_int_equal(open_bytes(&target, file, size - 512, name, &message), MOLT_E_TRUNCATED);
    unlink(name);
    size = make_uf2(file, bytes, 0x8000, MOLT_UF2_RP2_FLASH, MOLT_UF2_RP2040);
    assert_int_equal(open_bytes(&target, file, size, name, &message), MOLT_E_FORMAT);
    assert_non_null(strstr(message.text, "family RP2040 that writes 0x10000000 to 0x10008000"));
    unlink(name);
}

static void writes_go_to_memory_until_saved(void **state)
{
    (void)state;
    static uint8_t bytes[0x2000];
    uint8_t back[4];
    struct molt_target target, again;
    struct molt_message message;
    char name[32];
    uint32_t n = make_image(bytes, sizeof bytes, &make_image_esp32);
    assert_int_equal(open_bytes(&target, bytes, n, name, &message), MOLT_OK);
    assert_int_equal(molt_flash_program(&target.flash, 0x100, "\xFF\xFF", 2), MOLT_E_NOT_ERASED);
    assert_int_equal(molt_flash_erase(&target.flash, 0x10, 0x100), MOLT_E_ALIGNMENT);
    assert_int_equal(molt_flash_program(&target.flash, 0x100, "\0\0\0\0", 4), MOLT_OK);
    assert_int_equal(molt_target_open(&again, name, &message), MOLT_OK);
    assert_int_equal(molt_flash_read(&again.flash, 0x100, back, 4), MOLT_OK);
    assert_memory_equal(back, bytes + 0x100, 4);
    molt_target_close(&again, NULL);
    assert_int_equal(molt_target_save(&target, &message), MOLT_OK);
    assert_int_equal(molt_target_open(&again, name, &message), MOLT_OK);
    assert_int_equal(molt_flash_read(&again.flash, 0x100, back, 4), MOLT_OK);
    assert_memory_equal(back, "\0\0\0\0", 4);
    molt_target_close(&again, NULL);
    molt_target_close(&target, NULL);
    unlink(name);
}

static void nibbles(void **state)
{
    (void)state;
    for (uint8_t n = 0; n < 8; n++) {
        assert_int_equal(molt_flash_size_of_nibble(n), MAX << n);
        assert_int_equal(molt_flash_size_nibble(MAX << n), n);
    }
    assert_int_equal(molt_flash_size_of_nibble(8), 0);
    assert_int_equal(molt_flash_size_nibble(3u << 20), -1);
    assert_int_equal(molt_flash_size_nibble(0), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chips_with_the_bootloader_at_0),
        cmocka_unit_test(an_old_app_without_descriptor),
        cmocka_unit_test(every_length),
        cmocka_unit_test(a_bare_bootloader),
        cmocka_unit_test(file_systems),
        cmocka_unit_test(what_a_uf2_file_writes),
        cmocka_unit_test(writes_go_to_memory_until_saved),
        cmocka_unit_test(nibbles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
