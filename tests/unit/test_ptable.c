/* Partition tables: bytes both ways, and every rule of molt_ptable_check with its own code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/md5.h"
#include "molt/ptable.h"

#define FLASH_4M (4u << 20)

/* The table of the genuine ESP32_GENERIC MicroPython 1.23.0, MD5 row included. */
static const uint8_t genuine[160] = {
    0xAA, 0x50, 1,    2,    0,    0x90, 0,    0,    0,    0x60, 0,    0,    'n',  'v',  's',  0,
    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,
    0xAA, 0x50, 1,    1,    0,    0xF0, 0,    0,    0,    0x10, 0,    0,    'p',  'h',  'y',  '_',
    'i',  'n',  'i',  't',  0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,
    0xAA, 0x50, 0,    0,    0,    0,    1,    0,    0,    0,    0x1F, 0,    'f',  'a',  'c',  't',
    'o',  'r',  'y',  0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,
    0xAA, 0x50, 1,    0x81, 0,    0,    0x20, 0,    0,    0,    0x20, 0,    'v',  'f',  's',  0,
    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,
    0xEB, 0xEB, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
    0xFC, 0xBB, 0x2B, 0x92, 0x57, 0x47, 0x71, 0x1E, 0x3B, 0x24, 0xBC, 0x18, 0x8F, 0x65, 0x7B, 0xAC};

static void genuine_bytes(uint8_t bytes[MOLT_PTABLE_SIZE])
{
    memset(bytes, 0xFF, MOLT_PTABLE_SIZE);
    memcpy(bytes, genuine, sizeof genuine);
}

/* One row of a case; the terminator has no label and no size. */
struct row {
    uint8_t type, subtype;
    uint32_t offset, size;
    const char *label;
    uint32_t flags;
};

static void make(struct molt_ptable *table, const struct row *row)
{
    memset(table, 0, sizeof *table);
    table->has_md5 = true;
    for (; row->label; row++) {
        struct molt_partition *p = &table->row[table->count++];
        p->type = row->type;
        p->subtype = row->subtype;
        p->offset = row->offset;
        p->size = row->size;
        p->flags = row->flags;
        for (size_t k = 0; k < sizeof p->label && row->label[k]; k++) {
            p->label[k] = row->label[k];
        }
    }
}

#define NVS                                                                                        \
    {                                                                                              \
        1, 2, 0x9000, 0x4000, "nvs", 0                                                             \
    }
#define OTADATA                                                                                    \
    {                                                                                              \
        1, 0, 0xD000, 0x2000, "otadata", 0                                                         \
    }
#define PHY                                                                                        \
    {                                                                                              \
        1, 1, 0xF000, 0x1000, "phy_init", 0                                                        \
    }
#define SLOT(n)                                                                                    \
    {                                                                                              \
        0, (uint8_t)(0x10 + (n)), 0x10000 + (n)*0x100000u, 0x100000, "ota_" #n, 0                  \
    }
#define FACTORY                                                                                    \
    {                                                                                              \
        0, 0, 0x10000, 0x100000, "factory", 0                                                      \
    }
#define END                                                                                        \
    {                                                                                              \
        0, 0, 0, 0, NULL, 0                                                                        \
    }

struct rule {
    const char *name;
    int error;
    uint32_t at; /* the row that the diagnostic must name */
    uint32_t flash_size;
    struct row row[7];
};

static const struct rule rules[] = {
    {"ota", MOLT_OK, 0, FLASH_4M, {NVS, OTADATA, PHY, SLOT(0), SLOT(1), END}},
    {"factory and slots",
     MOLT_OK,
     0,
     FLASH_4M,
     {OTADATA, FACTORY, {0, 0x10, 0x110000, 0x100000, "ota_0", 0}, END}},
    {"rows need not ascend", MOLT_OK, 0, FLASH_4M, {FACTORY, NVS, END}},
    {"nvs may be small when read-only",
     MOLT_OK,
     0,
     FLASH_4M,
     {FACTORY, {1, 2, 0x9000, 0x1000, "nvs", 2}, END}},
    {"rows of bootloader and table lie below",
     MOLT_OK,
     0,
     FLASH_4M,
     {FACTORY, {2, 0, 0x1000, 0x7000, "boot", 0}, {3, 0, 0x8000, 0x1000, "table", 0}, END}},
    {"end of flash exactly", MOLT_OK, 0, 0x110000, {FACTORY, END}},
    {"empty table", MOLT_E_TABLE_SLOTS, MOLT_DIAG_NONE, FLASH_4M, {END}},
    {"no app", MOLT_E_TABLE_SLOTS, MOLT_DIAG_NONE, FLASH_4M, {NVS, END}},
    {"overlap",
     MOLT_E_TABLE_OVERLAP,
     1,
     FLASH_4M,
     {FACTORY, {1, 0x81, 0x10F000, 0x2000, "vfs", 0}, END}},
    {"overlap, row inside another",
     MOLT_E_TABLE_OVERLAP,
     1,
     FLASH_4M,
     {FACTORY, {1, 0x81, 0x20000, 0x1000, "vfs", 0}, END}},
    {"overlap, row around another",
     MOLT_E_TABLE_OVERLAP,
     1,
     FLASH_4M,
     {{1, 0x81, 0x20000, 0x1000, "vfs", 0}, FACTORY, END}},
    {"touching is no overlap",
     MOLT_OK,
     0,
     FLASH_4M,
     {FACTORY, {1, 0x81, 0x110000, 0x1000, "vfs", 0}, END}},
    {"wrap",
     MOLT_E_TABLE_WRAP,
     1,
     FLASH_4M,
     {FACTORY, {1, 0x81, 0x200000, 0xFFF00000, "vfs", 0}, END}},
    {"behind the flash",
     MOLT_E_TABLE_FLASH_SIZE,
     1,
     FLASH_4M,
     {FACTORY, {1, 0x81, 0x3FF000, 0x2000, "vfs", 0}, END}},
    {"begins behind the flash",
     MOLT_E_TABLE_FLASH_SIZE,
     1,
     FLASH_4M,
     {FACTORY, {1, 0x81, 0x500000, 0x1000, "vfs", 0}, END}},
    {"ends at 4 GB",
     MOLT_E_TABLE_FLASH_SIZE,
     1,
     FLASH_4M,
     {FACTORY, {1, 0x81, 0x80000000, 0x80000000, "vfs", 0}, END}},
    {"app not on 64 KB",
     MOLT_E_TABLE_ALIGNMENT,
     0,
     FLASH_4M,
     {{0, 0, 0x11000, 0x10000, "factory", 0}, END}},
    {"data not on 4 KB",
     MOLT_E_TABLE_ALIGNMENT,
     1,
     FLASH_4M,
     {FACTORY, {1, 0x81, 0x200800, 0x1000, "vfs", 0}, END}},
    {"app size",
     MOLT_E_TABLE_ALIGNMENT,
     0,
     FLASH_4M,
     {{0, 0, 0x10000, 0x10800, "factory", 0}, END}},
    {"data size",
     MOLT_E_TABLE_ALIGNMENT,
     1,
     FLASH_4M,
     {FACTORY, {1, 0x81, 0x200000, 0x1800, "vfs", 0}, END}},
    {"empty name",
     MOLT_E_TABLE_NAME,
     1,
     FLASH_4M,
     {FACTORY, {1, 0x81, 0x200000, 0x1000, "", 0}, END}},
    {"name of 16 characters",
     MOLT_OK,
     0,
     FLASH_4M,
     {FACTORY, {1, 0x81, 0x200000, 0x1000, "abcdefghijklmnop", 0}, END}},
    {"name too long",
     MOLT_E_TABLE_NAME,
     1,
     FLASH_4M,
     {FACTORY, {1, 0x81, 0x200000, 0x1000, "abcdefghijklmnopq", 0}, END}},
    {"control character",
     MOLT_E_TABLE_NAME,
     1,
     FLASH_4M,
     {FACTORY, {1, 0x81, 0x200000, 0x1000, "v\033[2J", 0}, END}},
    {"same name twice",
     MOLT_E_TABLE_NAME,
     2,
     FLASH_4M,
     {FACTORY, NVS, {1, 0x81, 0x200000, 0x1000, "nvs", 0}, END}},
    {"a name that begins another",
     MOLT_OK,
     0,
     FLASH_4M,
     {FACTORY, NVS, {1, 0x81, 0x200000, 0x1000, "nvs2", 0}, END}},
    {"gap in the slots", MOLT_E_TABLE_SLOTS, 2, FLASH_4M, {OTADATA, SLOT(0), SLOT(2), END}},
    {"slots begin at 1", MOLT_E_TABLE_SLOTS, 1, FLASH_4M, {OTADATA, SLOT(1), END}},
    {"slot twice",
     MOLT_E_TABLE_SLOTS,
     2,
     FLASH_4M,
     {OTADATA, SLOT(0), {0, 0x10, 0x110000, 0x100000, "again", 0}, END}},
    {"slots without otadata",
     MOLT_E_TABLE_SLOTS,
     MOLT_DIAG_NONE,
     FLASH_4M,
     {NVS, SLOT(0), SLOT(1), END}},
    {"otadata too small",
     MOLT_E_TABLE_SLOTS,
     0,
     FLASH_4M,
     {{1, 0, 0xD000, 0x1000, "otadata", 0}, SLOT(0), END}},
    {"otadata too large",
     MOLT_E_TABLE_SLOTS,
     0,
     FLASH_4M,
     {{1, 0, 0xC000, 0x3000, "otadata", 0}, SLOT(0), END}},
    {"otadata twice",
     MOLT_E_TABLE_SLOTS,
     1,
     FLASH_4M,
     {OTADATA, {1, 0, 0x9000, 0x2000, "other", 0}, SLOT(0), END}},
    {"otadata read-only",
     MOLT_E_TABLE_ROW,
     0,
     FLASH_4M,
     {{1, 0, 0xD000, 0x2000, "otadata", 2}, SLOT(0), END}},
    {"nvs too small",
     MOLT_E_TABLE_ROW,
     1,
     FLASH_4M,
     {FACTORY, {1, 2, 0x9000, 0x2000, "nvs", 0}, END}},
    {"two factories",
     MOLT_E_TABLE_ROW,
     1,
     FLASH_4M,
     {FACTORY, {0, 0, 0x110000, 0x10000, "second", 0}, END}},
    {"zero size", MOLT_E_TABLE_ROW, 1, FLASH_4M, {FACTORY, {1, 0x81, 0x200000, 0, "vfs", 0}, END}},
    {"below the table's end",
     MOLT_E_TABLE_ROW,
     1,
     FLASH_4M,
     {FACTORY, {1, 0x81, 0x8000, 0x1000, "vfs", 0}, END}},
};

static void every_rule(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        struct molt_ptable table;
        struct molt_diag diag = {0};
        make(&table, rules[i].row);
        int error = molt_ptable_check(&table, rules[i].flash_size, &diag);
        if (error != rules[i].error || (error && diag.offset != rules[i].at)) {
            print_error("%s: error %d at row %u\n", rules[i].name, error, diag.offset);
        }
        assert_int_equal(error, rules[i].error);
        if (error) {
            assert_int_equal(diag.error, error);
            assert_int_equal(diag.offset, rules[i].at);
            assert_non_null(diag.what);
        }
        assert_int_equal(molt_ptable_check(&table, rules[i].flash_size, NULL), rules[i].error);
    }
}

static void reads_a_genuine_table(void **state)
{
    (void)state;
    uint8_t bytes[MOLT_PTABLE_SIZE], again[MOLT_PTABLE_SIZE];
    struct molt_ptable table;
    genuine_bytes(bytes);
    assert_int_equal(molt_ptable_parse(&table, bytes, sizeof bytes, NULL), MOLT_OK);
    assert_int_equal(table.count, 4);
    assert_true(table.has_md5);
    const struct molt_partition *vfs = molt_ptable_find_label(&table, "vfs");
    assert_non_null(vfs);
    assert_int_equal(vfs->offset, 0x200000);
    assert_int_equal(vfs->size, 0x200000);
    assert_int_equal(vfs->subtype, MOLT_DATA_FAT);
    assert_ptr_equal(molt_ptable_find(&table, MOLT_PARTITION_APP, MOLT_APP_FACTORY), &table.row[2]);
    assert_null(molt_ptable_find(&table, MOLT_PARTITION_DATA, MOLT_DATA_OTADATA));
    assert_null(molt_ptable_find_label(&table, "vf"));
    assert_int_equal(molt_ptable_slot_count(&table), 0);
    assert_int_equal(molt_ptable_check(&table, FLASH_4M, NULL), MOLT_OK);
    assert_int_equal(molt_ptable_write(&table, again), MOLT_OK);
    assert_memory_equal(again, bytes, sizeof bytes);
}

static void every_changed_byte_of_the_rows_is_seen(void **state)
{
    (void)state;
    uint8_t bytes[MOLT_PTABLE_SIZE];
    struct molt_ptable table;
    for (uint32_t at = 0; at < 128; at++) {
        genuine_bytes(bytes);
        bytes[at] ^= 1;
        int error = molt_ptable_parse(&table, bytes, sizeof bytes, NULL);
        int expected = at % 32 < 2 ? MOLT_E_TABLE_MAGIC : MOLT_E_TABLE_MD5;
        assert_int_equal(error, expected);
    }
}

static void parse_errors(void **state)
{
    (void)state;
    uint8_t bytes[MOLT_PTABLE_SIZE];
    struct molt_ptable table;
    struct molt_diag diag;
    memset(bytes, 0xFF, sizeof bytes);
    assert_int_equal(molt_ptable_parse(&table, bytes, sizeof bytes, &diag), MOLT_E_TABLE_MAGIC);
    assert_int_equal(diag.offset, 0);
    assert_int_equal(molt_ptable_parse(&table, bytes, 0, &diag), MOLT_E_TRUNCATED);
    genuine_bytes(bytes);
    assert_int_equal(molt_ptable_parse(&table, bytes, 100, &diag), MOLT_E_TRUNCATED);
    assert_int_equal(diag.offset, 96);
    assert_int_equal(molt_ptable_parse(&table, bytes, 160, &diag), MOLT_E_TRUNCATED);
    bytes[159] ^= 1;
    assert_int_equal(molt_ptable_parse(&table, bytes, sizeof bytes, &diag), MOLT_E_TABLE_MD5);
    assert_int_equal(diag.offset, 144);
    genuine_bytes(bytes);
    memcpy(bytes + 160, bytes, 32); /* a row behind the MD5 row */
    assert_int_equal(molt_ptable_parse(&table, bytes, sizeof bytes, &diag), MOLT_E_TABLE_MD5);
    assert_int_equal(diag.offset, 160);
    genuine_bytes(bytes);
    memcpy(bytes + 160, bytes + 128, 32); /* two MD5 rows */
    assert_int_equal(molt_ptable_parse(&table, bytes, sizeof bytes, &diag), MOLT_E_TABLE_MD5);
    genuine_bytes(bytes);
    memcpy(bytes, bytes + 128, 32); /* an MD5 row first */
    assert_int_equal(molt_ptable_parse(&table, bytes, sizeof bytes, &diag), MOLT_E_TABLE_MAGIC);
    genuine_bytes(bytes);
    memset(bytes + 128, 0xFF, 32);
    assert_int_equal(molt_ptable_parse(&table, bytes, sizeof bytes, &diag), MOLT_OK);
    assert_false(table.has_md5);
}

static void a_full_table(void **state)
{
    (void)state;
    uint8_t bytes[MOLT_PTABLE_SIZE], again[MOLT_PTABLE_SIZE];
    struct molt_ptable table, read;
    memset(&table, 0, sizeof table);
    for (uint32_t i = 0; i < MOLT_PTABLE_MAX_ROWS; i++) {
        struct molt_partition *row = &table.row[table.count++];
        row->type = MOLT_PARTITION_DATA;
        row->subtype = 0x40;
        row->offset = 0x10000 + i * 0x1000;
        row->size = 0x1000;
        snprintf(row->label, sizeof row->label, "row%u", i);
    }
    assert_int_equal(molt_ptable_write(&table, bytes), MOLT_OK);
    assert_int_equal(molt_ptable_parse(&read, bytes, sizeof bytes, NULL), MOLT_OK);
    assert_int_equal(read.count, MOLT_PTABLE_MAX_ROWS);
    memcpy(bytes + MOLT_PTABLE_SIZE - 32, bytes, 32); /* row 96: no end */
    assert_int_equal(molt_ptable_parse(&read, bytes, sizeof bytes, NULL), MOLT_E_TRUNCATED);
    table.has_md5 = true;
    assert_int_equal(molt_ptable_write(&table, bytes), MOLT_E_TABLE_FULL);
    table.count--;
    assert_int_equal(molt_ptable_write(&table, bytes), MOLT_OK);
    assert_int_equal(molt_ptable_parse(&read, bytes, sizeof bytes, NULL), MOLT_OK);
    assert_int_equal(molt_ptable_write(&read, again), MOLT_OK);
    assert_memory_equal(again, bytes, sizeof bytes);
}

static void names_both_ways(void **state)
{
    (void)state;
    uint8_t type, subtype;
    uint32_t named = 0;
    assert_string_equal(molt_partition_type_name(0), "app");
    assert_string_equal(molt_partition_type_name(3), "partition_table");
    assert_null(molt_partition_type_name(4));
    assert_string_equal(molt_partition_subtype_name(0, 0x1F), "ota_15");
    assert_string_equal(molt_partition_subtype_name(1, 0x06), "undefined");
    assert_string_equal(molt_partition_subtype_name(1, 0x8F), "romfs");
    assert_string_equal(molt_partition_subtype_name(3, 1), "ota");
    assert_null(molt_partition_subtype_name(0, 0x02));
    for (unsigned t = 0; t < 256; t++) {
        for (unsigned n = 0; n < 256; n++) {
            const char *name = molt_partition_subtype_name((uint8_t)t, (uint8_t)n);
            char number[8];
            snprintf(number, sizeof number, n % 2 ? "%u" : "0x%X", n);
            assert_int_equal(molt_partition_subtype_of((uint8_t)t, number), n);
            if (name) {
                assert_int_equal(molt_partition_subtype_of((uint8_t)t, name), n);
                named++;
            }
            if (name && t < 2) {
                assert_int_equal(molt_partition_kind_of(name, &type, &subtype), MOLT_OK);
                assert_int_equal(type, t);
                assert_int_equal(subtype, n);
            }
        }
    }
    assert_int_equal(named, 38);
    assert_int_equal(molt_partition_type_of("APP"), 0);
    assert_int_equal(molt_partition_type_of("Bootloader"), 2);
    assert_int_equal(molt_partition_type_of("0x40"), 0x40);
    assert_int_equal(molt_partition_subtype_of(0, "OTA_3"), 0x13);
    static const char *const none[] = {"",      "ap",  "apps", "256",   "-1",
                                       "0x100", "1 0", "ota",  "data\n"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        assert_int_equal(molt_partition_type_of(none[i]), MOLT_E_NOT_FOUND);
    }
    assert_int_equal(molt_partition_subtype_of(0, "nvs"), MOLT_E_NOT_FOUND);
    assert_int_equal(molt_partition_kind_of("primary", &type, &subtype), MOLT_E_NOT_FOUND);
    assert_int_equal(molt_partition_kind_of("16", &type, &subtype), MOLT_E_NOT_FOUND);
}

/* RFC 1321, A.5, and the lengths around a block's end (from another implementation). */
static void md5_vectors(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *hex;
    } vectors[] = {
        {"", "d41d8cd98f00b204e9800998ecf8427e"},
        {"abc", "900150983cd24fb0d6963f7d28e17f72"},
        {"message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
        {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
         "d174ab98d277d9f5a5611c2c9f419d9f"},
        {"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
         "57edf4a22be3c955ac49da2e2107b67a"},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         "ef1772b6dff9a122358552954ad0df65"},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         "3b0c8ac703f828b04c6c197006d17218"},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         "014842d480b571495a4a0363793f7367"},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        uint8_t digest[MOLT_MD5_SIZE];
        char hex[33];
        molt_md5(vectors[i].text, (uint32_t)strlen(vectors[i].text), digest);
        for (size_t k = 0; k < sizeof digest; k++) {
            snprintf(hex + 2 * k, 3, "%02x", digest[k]);
        }
        assert_string_equal(hex, vectors[i].hex);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule),
        cmocka_unit_test(reads_a_genuine_table),
        cmocka_unit_test(every_changed_byte_of_the_rows_is_seen),
        cmocka_unit_test(parse_errors),
        cmocka_unit_test(a_full_table),
        cmocka_unit_test(names_both_ways),
        cmocka_unit_test(md5_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
