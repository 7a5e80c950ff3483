/* Application images: structure, checksum, hash, and what a bootloader asks besides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "host/memflash.h"
#include "make_image.h"
#include "molt/espimage.h"

#define SLOT_OFFSET 0x10000u
#define SLOT_SIZE   0x10000u
#define FLASH_SIZE  (SLOT_OFFSET + SLOT_SIZE)
#define WHOLE       0xFFFFu

/* A flash with one slot. */
struct bench {
    uint8_t bytes[FLASH_SIZE];
    uint8_t buffer[4096];
    struct molt_flash flash;
    struct molt_region region;
    struct molt_image image;
    struct molt_diag diag;
    uint32_t length; /* of the image in the slot */
    uint8_t *slot;
};

static void put(struct bench *bench, const struct make_image *what)
{
    memset(bench->bytes, 0xFF, sizeof bench->bytes);
    bench->slot = bench->bytes + SLOT_OFFSET;
    memflash_init(&bench->flash, &bench->region, bench->bytes, FLASH_SIZE);
    bench->length = make_image(bench->slot, SLOT_SIZE, what);
    assert_true(bench->length > 0);
}

static int read_slot(struct bench *bench)
{
    memset(&bench->image, 0xA5, sizeof bench->image);
    memset(&bench->diag, 0, sizeof bench->diag);
    return molt_image_read(&bench->image, &bench->flash, SLOT_OFFSET, SLOT_SIZE, bench->buffer,
                           sizeof bench->buffer, &bench->diag);
}

static const struct molt_image_rules esp32_rules = {0, 0xFFFF, 0xFF, SLOT_OFFSET};

static int check_slot(struct bench *bench)
{
    int error = read_slot(bench);
    return error ? error : molt_image_check(&bench->image, &esp32_rules, &bench->diag);
}

static void reads_a_good_image(void **state)
{
    (void)state;
    struct bench bench;
    put(&bench, &make_image_esp32);
    assert_int_equal(read_slot(&bench), MOLT_OK);
    assert_int_equal(bench.image.length, bench.length);
    assert_int_equal(bench.image.header.segment_count, 2);
    assert_int_equal(bench.image.header.flash_size_nibble, 2);
    assert_int_equal(bench.image.header.entry, 0x40081528);
    assert_true(bench.image.header.hash_appended);
    assert_int_equal(bench.image.segment[0].load_address, 0x3F400020);
    assert_int_equal(bench.image.segment[0].offset, 0x20);
    assert_int_equal(bench.image.segment[1].offset, 0x20 + 0x800 + 8);
    assert_int_equal(bench.image.segment[1].length, 0x400);
    assert_true(bench.image.checksum_ok);
    assert_true(bench.image.hash_ok);
    assert_memory_equal(bench.image.sha256, bench.slot + bench.length - 32, 32);
    assert_true(bench.image.app.present);
    assert_string_equal(bench.image.app.version, "1.0");
    assert_string_equal(bench.image.app.idf_version, "v5.0.4");
    assert_string_equal(bench.image.app.date, "Jan  2 2024");
    assert_int_equal(molt_image_check(&bench.image, &esp32_rules, &bench.diag), MOLT_OK);
}

static void any_buffer_size_gives_the_same(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {512, 513, 700, 1000, 2047, 4096};
    struct bench bench;
    put(&bench, &make_image_esp32);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_int_equal(molt_image_read(&bench.image, &bench.flash, SLOT_OFFSET, SLOT_SIZE,
                                         bench.buffer, sizes[i], NULL),
                         MOLT_OK);
        assert_true(bench.image.checksum_ok && bench.image.hash_ok);
    }
    assert_int_equal(molt_image_read(&bench.image, &bench.flash, SLOT_OFFSET, SLOT_SIZE,
                                     bench.buffer, 511, &bench.diag),
                     MOLT_E_ARGUMENT);
}

static void without_a_hash(void **state)
{
    (void)state;
    struct bench bench;
    struct make_image what = make_image_esp32;
    uint8_t digest[32];
    what.no_hash = 1;
    put(&bench, &what);
    assert_int_equal(check_slot(&bench), MOLT_OK);
    assert_true(bench.image.hash_ok);
    molt_sha256_of(bench.slot, bench.length, digest);
    assert_memory_equal(bench.image.sha256, digest, 32);
    bench.slot[0x400] ^= 1;
    assert_int_equal(check_slot(&bench), MOLT_E_IMAGE_CHECKSUM);
}

static void every_changed_byte_is_refused(void **state)
{
    (void)state;
    struct bench bench;
    put(&bench, &make_image_esp32);
    for (uint32_t at = 0; at < bench.length; at++) {
        bench.slot[at] ^= 0x10;
        if (check_slot(&bench) == MOLT_OK) {
            print_error("byte %u may be changed\n", at);
            assert_int_equal(at, WHOLE);
        }
        bench.slot[at] ^= 0x10;
    }
    assert_int_equal(check_slot(&bench), MOLT_OK);
}

static void structural_errors(void **state)
{
    (void)state;
    struct bench bench;
    put(&bench, &make_image_esp32);
    bench.slot[0] = 0xE8;
    assert_int_equal(read_slot(&bench), MOLT_E_IMAGE_MAGIC);
    put(&bench, &make_image_esp32);
    bench.slot[1] = 17;
    assert_int_equal(read_slot(&bench), MOLT_E_IMAGE_SEGMENTS);
    assert_int_equal(bench.diag.found, 17);
    bench.slot[1] = 0;
    assert_int_equal(read_slot(&bench), MOLT_E_IMAGE_SEGMENTS);
    put(&bench, &make_image_esp32);
    bench.slot[28] |= 2; /* a length that is no multiple of 4 */
    assert_int_equal(read_slot(&bench), MOLT_E_IMAGE_SEGMENTS);
    assert_int_equal(bench.diag.offset, 28);
    put(&bench, &make_image_esp32);
    bench.slot[31] = 1; /* 16 MB */
    assert_int_equal(read_slot(&bench), MOLT_E_IMAGE_SEGMENTS);
    put(&bench, &make_image_esp32);
    memset(bench.slot + 0x820, 0xFF, SLOT_SIZE - 0x820); /* the second segment was never written */
    assert_int_equal(read_slot(&bench), MOLT_E_IMAGE_TRUNCATED);
    assert_int_equal(bench.diag.offset, 0x820);
}

static void every_limit(void **state)
{
    (void)state;
    struct bench bench;
    put(&bench, &make_image_esp32);
    for (uint32_t limit = 0; limit < bench.length; limit++) {
        assert_int_equal(molt_image_read(&bench.image, &bench.flash, SLOT_OFFSET, limit,
                                         bench.buffer, sizeof bench.buffer, NULL),
                         MOLT_E_IMAGE_TOO_LARGE);
        bench.flash.size = SLOT_OFFSET + limit; /* the flash, or file, ends there */
        assert_int_equal(read_slot(&bench), MOLT_E_IMAGE_TRUNCATED);
        bench.flash.size = FLASH_SIZE;
    }
    assert_int_equal(molt_image_read(&bench.image, &bench.flash, SLOT_OFFSET, bench.length,
                                     bench.buffer, sizeof bench.buffer, NULL),
                     MOLT_OK);
    assert_int_equal(molt_image_read(&bench.image, &bench.flash, FLASH_SIZE + 1, 1, bench.buffer,
                                     sizeof bench.buffer, NULL),
                     MOLT_E_RANGE);
}

static int broken_read(void *context, uint32_t offset, void *buffer, uint32_t n)
{
    uint32_t *good = context;
    (void)offset;
    (void)buffer;
    (void)n;
    return *good ? (--*good, MOLT_OK) : MOLT_E_IO;
}

/* The device fails at its first, second, ... read: never anything but its own error. */
static void flash_errors(void **state)
{
    (void)state;
    struct bench bench;
    put(&bench, &make_image_esp32);
    struct molt_flash_ops broken = *bench.flash.ops;
    struct molt_flash flash = bench.flash;
    uint32_t good = 0;
    broken.read = broken_read;
    flash.ops = &broken;
    flash.context = &good;
    assert_int_equal(molt_image_read(&bench.image, &flash, SLOT_OFFSET, SLOT_SIZE, bench.buffer,
                                     sizeof bench.buffer, &bench.diag),
                     MOLT_E_IO);
    assert_int_equal(bench.diag.error, MOLT_E_IO);
}

struct load_case {
    uint32_t load_address, length;
    int error;
};

static void load_addresses(void **state)
{
    (void)state;
    static const struct load_case cases[] = {
        {0x3FFBDB60, 0x400, MOLT_OK},
        {0x3FF80063, 8, MOLT_OK}, /* RTC memory, as in genuine images */
        {0x40080000, 0x400, MOLT_OK},
        {0, 0x400, MOLT_OK},                            /* padding */
        {0x400D0830, 0x400, MOLT_E_IMAGE_LOAD_ADDRESS}, /* mapped, wrong place in its page */
        {0x400D0828, 0x400, MOLT_OK},
        {0x3FFF0030, 0x400, MOLT_E_IMAGE_LOAD_ADDRESS}, /* the bootloader's data */
        {0x40078000, 0x400, MOLT_E_IMAGE_LOAD_ADDRESS}, /* its code */
        {0x3FFE3000, 0x400, MOLT_E_IMAGE_LOAD_ADDRESS}, /* its stack */
        {0x40077FFC, 0x8, MOLT_E_IMAGE_LOAD_ADDRESS},   /* runs into its code */
        {0x20000000, 0x400, MOLT_E_IMAGE_LOAD_ADDRESS}, /* no memory */
        {0xFFFFFFF0, 0x400, MOLT_E_IMAGE_LOAD_ADDRESS}, /* would wrap */
    };
    struct bench bench;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct make_image what = make_image_esp32;
        what.segment[1].load_address = cases[i].load_address;
        what.segment[1].length = cases[i].length;
        put(&bench, &what);
        int error = check_slot(&bench);
        if (error != cases[i].error) {
            print_error("load address 0x%x: %d\n", cases[i].load_address, error);
        }
        assert_int_equal(error, cases[i].error);
    }
}

static void rules_of_the_bootloader(void **state)
{
    (void)state;
    struct bench bench;
    struct molt_image_rules rules = esp32_rules;
    put(&bench, &make_image_esp32);
    assert_int_equal(read_slot(&bench), MOLT_OK);
    rules.chip_id = 5;
    assert_int_equal(molt_image_check(&bench.image, &rules, &bench.diag), MOLT_E_IMAGE_CHIP);
    assert_int_equal(bench.diag.expected, 5);
    rules.chip_id = 0x1234; /* no row */
    bench.image.header.chip_id = 0x1234;
    assert_int_equal(molt_image_check(&bench.image, &rules, NULL), MOLT_E_IMAGE_CHIP);
    bench.image.header.chip_id = rules.chip_id = 0;

    rules.max_min_rev_full = 300;
    bench.image.header.min_rev_full = 301;
    assert_int_equal(molt_image_check(&bench.image, &rules, NULL), MOLT_E_IMAGE_REVISION);
    bench.image.header.min_rev_full = 300;
    assert_int_equal(molt_image_check(&bench.image, &rules, NULL), MOLT_OK);
    bench.image.header.max_rev_full = 299;
    assert_int_equal(molt_image_check(&bench.image, &rules, NULL), MOLT_E_IMAGE_REVISION);
    bench.image.header.max_rev_full = 0xFFFF;
    rules.max_min_rev = 2;
    bench.image.header.min_rev = 3;
    assert_int_equal(molt_image_check(&bench.image, &rules, NULL), MOLT_E_IMAGE_REVISION);
    bench.image.header.min_rev = 2;
    assert_int_equal(molt_image_check(&bench.image, &rules, NULL), MOLT_OK);
    rules.slot_offset = 0x11000;
    assert_int_equal(molt_image_check(&bench.image, &rules, NULL), MOLT_E_IMAGE_LOAD_ADDRESS);

    struct make_image small = make_image_esp32;
    small.segment[0].length = 252;
    small.no_descriptor = 1;
    small.segment[1].load_address = 0;
    put(&bench, &small);
    assert_int_equal(check_slot(&bench), MOLT_E_IMAGE_SEGMENTS);
    put(&bench, &make_image_esp32);
    bench.slot[bench.length - 1] ^= 1;
    assert_int_equal(check_slot(&bench), MOLT_E_IMAGE_HASH);
    put(&bench, &make_image_esp32);
    bench.slot[0x300] ^= 1;
    assert_int_equal(check_slot(&bench), MOLT_E_IMAGE_CHECKSUM);
}

/* What a downloaded firmware.bin begins with: the bootloader of the ESP32 and of the ESP32-C3. */
static void merged_firmware(void **state)
{
    (void)state;
    static const struct make_image esp32 = {
        .seed = 3, .segment = {{0x3FFF0030, 0x278}, {0x40078000, 0xA28}, {0x40080400, 0xD28}}};
    static const struct make_image c3 = {
        .chip_id = 5,
        .seed = 3,
        .segment = {{0x3FCD5810, 0x200}, {0x403CC710, 0x968}, {0x403CE710, 0x1000}}};
    struct bench bench;
    put(&bench, &esp32);
    assert_int_equal(check_slot(&bench), MOLT_E_IMAGE_MERGED);
    put(&bench, &c3);
    struct molt_image_rules rules = {5, 0xFFFF, 0xFF, SLOT_OFFSET};
    assert_int_equal(read_slot(&bench), MOLT_OK);
    assert_int_equal(molt_image_check(&bench.image, &rules, NULL), MOLT_E_IMAGE_MERGED);

    /* A newer bootloader says so itself. */
    struct make_image said = make_image_esp32;
    said.no_descriptor = 1;
    put(&bench, &said);
    memset(bench.slot + 0x20, 0, 80);
    bench.slot[0x20] = 0x50;
    memcpy(bench.slot + 0x28, "v5.4.2", 6);
    make_image_seal(bench.slot, bench.length);
    assert_int_equal(check_slot(&bench), MOLT_E_IMAGE_MERGED);
    assert_string_equal(bench.image.bootloader_idf, "v5.4.2");
}

static void chip_rows(void **state)
{
    (void)state;
    assert_string_equal(molt_chip_by_id(0)->name, "esp32");
    assert_int_equal(molt_chip_by_name("esp32c3")->chip_id, 5);
    assert_int_equal(molt_chip_by_name("esp32c3")->bootloader_offset, 0);
    assert_null(molt_chip_by_name("esp3"));
    assert_null(molt_chip_by_name("esp32c33"));
    assert_null(molt_chip_by_id(0xFFFF));
    uint32_t count = 0;
    for (; molt_chip_at(count); count++) {
        assert_ptr_equal(molt_chip_by_id(molt_chip_at(count)->chip_id), molt_chip_at(count));
        assert_ptr_equal(molt_chip_by_name(molt_chip_at(count)->name), molt_chip_at(count));
    }
    assert_int_equal(count, 14);
    assert_null(molt_chip_more(12));
    assert_int_equal(molt_chip_by_name("esp32p4")->bootloader_offset, 0x2000);
    assert_string_equal(molt_chip_flash_freq(molt_chip_by_id(0), 0xF), "80m");
    assert_string_equal(molt_chip_flash_freq(molt_chip_by_name("esp32c2"), 1), "20m");
    assert_string_equal(molt_chip_flash_freq(molt_chip_by_name("esp32h4"), 0xF), "48m");
    assert_string_equal(molt_chip_flash_freq(molt_chip_by_name("esp32c6"), 0), "80m or 40m");
    assert_null(molt_chip_flash_freq(molt_chip_by_name("esp32c6"), 0xF));
    assert_null(molt_chip_flash_freq(molt_chip_by_name("esp32c5"), 1));
    assert_null(molt_chip_flash_freq(molt_chip_by_id(0), 3));
    assert_false(molt_chip_memory_known(molt_chip_by_name("esp32e22")));
    assert_true(molt_chip_memory_known(molt_chip_by_name("esp32s31")));
    const struct molt_chip *esp32 = molt_chip_by_id(0);
    assert_int_equal(molt_chip_memory_at(esp32, 0x40078000), MOLT_MEMORY_RESERVED);
    assert_int_equal(molt_chip_memory_at(esp32, 0x40080000), MOLT_MEMORY_RAM);
    assert_int_equal(molt_chip_memory_at(esp32, 0x3F400000), MOLT_MEMORY_MAPPED);
    assert_int_equal(molt_chip_memory_at(esp32, 0x10), MOLT_MEMORY_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_good_image),
        cmocka_unit_test(any_buffer_size_gives_the_same),
        cmocka_unit_test(without_a_hash),
        cmocka_unit_test(every_changed_byte_is_refused),
        cmocka_unit_test(structural_errors),
        cmocka_unit_test(every_limit),
        cmocka_unit_test(flash_errors),
        cmocka_unit_test(load_addresses),
        cmocka_unit_test(rules_of_the_bootloader),
        cmocka_unit_test(merged_firmware),
        cmocka_unit_test(chip_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
