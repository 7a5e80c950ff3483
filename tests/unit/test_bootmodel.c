/* What no genuine bootloader was asked: hostile tables, failing flash, long explanations. */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "testing.h"

#include "molt/crypto.h"
#include "molt/sim/bootmodel.h"
#include "molt/sim/nor.h"

#define SIZE 0x400000u

struct bench {
    uint8_t *bytes;
    struct molt_nor nor;
    struct molt_flash flash;
    struct molt_bootmodel_facts facts;
    unsigned rows;
};

static void put32(uint8_t *p, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        p[i] = (uint8_t)(value >> (8 * i));
    }
}

static struct bench start(void)
{
    struct bench b = {.bytes = malloc(SIZE)};
    assert_non_null(b.bytes);
    memset(b.bytes, 0xFF, SIZE);
    b.bytes[0x1000] = 0xE9;
    b.bytes[0x1003] = 0x20;
    b.facts = (struct molt_bootmodel_facts){.revision = 300, .rollback = true};
    return b;
}

static void add_row(struct bench *b, uint8_t type, uint8_t subtype, uint32_t offset, uint32_t size)
{
    uint8_t *p = b->bytes + 0x8000 + 32 * b->rows++;
    memset(p, 0, 32);
    p[0] = 0xAA;
    p[1] = 0x50;
    p[2] = type;
    p[3] = subtype;
    put32(p + 4, offset);
    put32(p + 8, size);
    snprintf((char *)p + 12, 16, "part%u", b->rows);
}

static void add_record(struct bench *b, uint32_t sector, uint32_t seq, uint32_t state)
{
    uint8_t *p = b->bytes + 0xD000 + 0x1000 * sector;
    uint32_t crc = 0;
    for (int i = 0; i < 32; i++) {
        crc = (crc ^ (seq >> i & 1)) & 1 ? crc >> 1 ^ 0xEDB88320u : crc >> 1;
    }
    put32(p, seq);
    put32(p + 24, state);
    put32(p + 28, ~crc);
}

static int boot(struct bench *b, struct molt_boot_outcome *outcome)
{
    molt_nor_init(&b->nor, b->bytes, SIZE, 1);
    molt_nor_flash(&b->nor, &b->flash);
    return molt_bootmodel_boot(&b->flash, &b->facts, &molt_sha256, outcome);
}

/* The table has room for 95 rows, and the bootloader counts every row of an OTA slot, also one that
 * is there already: the number that the records choose is no index. */
static void more_ota_rows_than_slots(void **unused)
{
    struct bench b = start();
    struct molt_boot_outcome outcome;
    (void)unused;
    add_row(&b, 1, 0, 0xD000, 0x2000);
    for (int i = 0; i < 94; i++) {
        add_row(&b, 0, 0x10, 0x10000, 0x10000);
    }
    add_record(&b, 0, 94, 2);
    assert_int_equal(boot(&b, &outcome), MOLT_OK);
    assert_int_equal(outcome.result, MOLT_BOOT_NONE);
    assert_int_equal(outcome.chosen, 93);
    free(b.bytes);
}

/* The write-back is told even where the reasons of sixteen slots fill the sentence. */
static void writes_are_told_after_long_reasons(void **unused)
{
    struct bench b = start();
    struct molt_boot_outcome outcome;
    (void)unused;
    add_row(&b, 1, 0, 0xD000, 0x2000);
    for (uint8_t i = 0; i < 16; i++) {
        add_row(&b, 0, (uint8_t)(0x10 + i), 0x10000 * (i + 1u), 0x10000);
    }
    add_record(&b, 0, 1, 1);
    add_record(&b, 1, 2, 0);
    assert_int_equal(boot(&b, &outcome), MOLT_OK);
    assert_int_equal(outcome.chosen, 1);
    assert_non_null(strstr(outcome.why, "... It wrote record 0: PENDING_VERIFY became ABORTED. It "
                                        "wrote record 1: NEW became PENDING_VERIFY."));
    assert_int_equal(b.bytes[0xD000 + 24], 4);
    assert_int_equal(b.bytes[0xE000 + 24], 1);
    free(b.bytes);
}

/* The header claims 8 MB, the chip has 4: the table may name what is not there. */
static void otadata_behind_the_end_of_the_chip(void **unused)
{
    struct bench b = start();
    struct molt_boot_outcome outcome;
    (void)unused;
    b.bytes[0x1003] = 0x30;
    add_row(&b, 1, 0, 0x500000, 0x2000);
    add_row(&b, 0, 0x10, 0x10000, 0x10000);
    assert_int_equal(boot(&b, &outcome), MOLT_E_RANGE);
    free(b.bytes);
}

/* Each write of the bootloader cut, before and after: the code says so, and the next boot ends. */
static void power_cut_in_the_write_back(void **unused)
{
    static const enum molt_cut cuts[] = {MOLT_CUT_BEFORE, MOLT_CUT_AFTER, MOLT_CUT_TORN,
                                         MOLT_CUT_TORN_OTHER};
    (void)unused;
    for (unsigned i = 0; i < 4 * 4; i++) {
        struct bench b = start();
        struct molt_boot_outcome outcome;
        add_row(&b, 1, 0, 0xD000, 0x2000);
        add_row(&b, 0, 0x10, 0x10000, 0x10000);
        add_row(&b, 0, 0x11, 0x20000, 0x10000);
        add_record(&b, 0, 1, 1);
        add_record(&b, 1, 2, 0);
        molt_nor_init(&b.nor, b.bytes, SIZE, i);
        molt_nor_flash(&b.nor, &b.flash);
        b.nor.cut_at = 1 + i / 4;
        b.nor.cut = cuts[i % 4];
        assert_int_equal(molt_bootmodel_boot(&b.flash, &b.facts, &molt_sha256, &outcome),
                         MOLT_E_POWER);
        assert_int_equal(b.nor.operations, 1 + i / 4);
        molt_nor_power_up(&b.nor);
        assert_int_equal(molt_bootmodel_boot(&b.flash, &b.facts, &molt_sha256, &outcome), MOLT_OK);
        assert_int_equal(outcome.result, MOLT_BOOT_NONE); /* there is no image */
        molt_nor_free(&b.nor);
        free(b.bytes);
    }
}

/* An image of one mapped segment of 256 bytes, without an appended hash. */
static void add_image(struct bench *b, uint32_t offset, uint32_t address)
{
    uint8_t *p = b->bytes + offset, sum = 0xEF;
    memset(p, 0, 24 + 8 + 256 + 16);
    p[0] = 0xE9;
    p[1] = 1;
    put32(p + 24, address);
    put32(p + 28, 256);
    for (int i = 0; i < 256; i++) {
        p[32 + i] = (uint8_t)(i * 5);
        sum ^= p[32 + i];
    }
    p[32 + 256 + 15] = sum;
}

static void add_md5(struct bench *b)
{
    uint8_t *p = b->bytes + 0x8000 + 32 * b->rows;
    unsigned n = 16;
    memset(p, 0xFF, 32);
    p[0] = p[1] = 0xEB;
    assert_int_equal(EVP_Digest(b->bytes + 0x8000, 32 * b->rows, p + 16, &n, EVP_md5(), NULL), 1);
    b->rows++;
}

static struct bench start_factory(uint32_t address)
{
    struct bench b = start();
    add_row(&b, 0, 0, 0x10000, 0x10000);
    add_image(&b, 0x10000, address);
    return b;
}

static void ends_as(struct bench *b, enum molt_boot_result result, const char *why)
{
    struct molt_boot_outcome outcome;
    assert_int_equal(boot(b, &outcome), MOLT_OK);
    if (!strstr(outcome.why, why)) {
        fail_msg("expected '%s', found '%s'", why, outcome.why);
    }
    assert_int_equal(outcome.result, result);
    free(b->bytes);
}

/* Rules of ESP-IDF's flash_partitions.c that no recorded boot tells. */
static void rules_of_the_table(void **unused)
{
    (void)unused;
    struct bench b = start_factory(0x3F400020);
    add_md5(&b);
    ends_as(&b, MOLT_BOOT_RUNS, "no otadata");

    b = start_factory(0x3F400020);
    add_md5(&b);
    b.bytes[0x8000 + 12] ^= 1; /* a label's letter */
    ends_as(&b, MOLT_BOOT_NONE, "wrong MD5");

    b = start_factory(0x3F400020);
    add_md5(&b);
    add_md5(&b);
    ends_as(&b, MOLT_BOOT_NONE, "two MD5 rows");

    b = start_factory(0x3F400020);
    add_md5(&b);
    b.bytes[0x8000] = 0xAB; /* the row's magic; the MD5 is made to fit */
    b.rows--;
    add_md5(&b);
    ends_as(&b, MOLT_BOOT_NONE, "row 0 of the partition table has magic 0x50ab");

    b = start_factory(0x3F400020);
    add_row(&b, 1, 0x81, 0x3F0000, 0x10000); /* to the very end */
    add_md5(&b);
    ends_as(&b, MOLT_BOOT_RUNS, "no otadata");

    b = start_factory(0x3F400020);
    add_row(&b, 1, 0x81, 0x3F0000, 0x11000);
    add_md5(&b);
    ends_as(&b, MOLT_BOOT_NONE, "partition 1 ends behind the flash size");

    b = start_factory(0x3F400020);
    add_row(&b, 1, 0x81, 0xFFFFF000, 0x2000); /* the sum is small */
    add_md5(&b);
    ends_as(&b, MOLT_BOOT_NONE, "partition 1 ends behind the flash size");
}

/* Mapped pages are 64 KB: a segment's place in them is its address's. */
static void mapped_segments_lie_at_their_place(void **unused)
{
    (void)unused;
    struct bench b = start_factory(0x3F400024);
    add_md5(&b);
    ends_as(&b, MOLT_BOOT_NONE, "segment 0 is not where its address 0x3f400024 needs it");
    b = start_factory(0x3FFB0024); /* loaded, not mapped: anywhere */
    add_md5(&b);
    ends_as(&b, MOLT_BOOT_RUNS, "no otadata");
}

static void no_bootloader_no_table(void **unused)
{
    struct bench b = start();
    struct molt_boot_outcome outcome;
    (void)unused;
    b.bytes[0x8000] = 0;
    assert_int_equal(boot(&b, &outcome), MOLT_OK);
    assert_int_equal(outcome.result, MOLT_BOOT_NONE);
    assert_non_null(strstr(outcome.why, "partition table"));
    b.bytes[0x1000] = 0xFF;
    assert_int_equal(boot(&b, &outcome), MOLT_OK);
    assert_string_equal(outcome.why, "there is no bootloader");
    b.bytes[0x1000] = 0xE9;
    b.bytes[0x1003] = 0x80; /* no flash size */
    assert_int_equal(boot(&b, &outcome), MOLT_OK);
    assert_int_equal(outcome.result, MOLT_BOOT_NONE);
    free(b.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_ota_rows_than_slots),
        cmocka_unit_test(writes_are_told_after_long_reasons),
        cmocka_unit_test(otadata_behind_the_end_of_the_chip),
        cmocka_unit_test(power_cut_in_the_write_back),
        cmocka_unit_test(rules_of_the_table),
        cmocka_unit_test(mapped_segments_lie_at_their_place),
        cmocka_unit_test(no_bootloader_no_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
