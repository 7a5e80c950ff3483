/*
 * CSV tables: everything that ESP-IDF's gen_esp32part.py made of tests/vectors/csv, every refusal
 * with code and line, numbers as that tool reads them, and the way back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ptable_text.h"
#include "molt/ptable_csv.h"
#include "testing.h"

#define FOLDER TEST_DATA "/vectors/csv/"
#define LINE   "factory,app,factory,,1M\n"

static size_t read_file(const char *name, const char *ending, char *bytes, size_t capacity)
{
    char path[512];
    snprintf(path, sizeof path, FOLDER "%s%s", name, ending);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t n = fread(bytes, 1, capacity, file);
    assert_true(n < capacity);
    fclose(file);
    return n;
}

static int parse(struct molt_ptable *table, const char *text,
                 const struct molt_csv_options *options, struct molt_diag *diag)
{
    memset(diag, 0, sizeof *diag);
    return molt_ptable_from_csv(table, text, (uint32_t)strlen(text), options, diag);
}

/* ---- Against the genuine tool ---- */

static void accepted(const char *name, const struct molt_ptable *table,
                     const struct molt_csv_options *options)
{
    static char genuine[8192], text[MOLT_PTABLE_CSV_SIZE];
    uint8_t bytes[MOLT_PTABLE_SIZE];
    struct molt_ptable again;
    assert_int_equal(molt_ptable_write(table, bytes), MOLT_OK);
    memset(genuine, 0xFF, sizeof genuine); /* the file is without the erased end */
    size_t n = read_file(name, ".bin", genuine, sizeof genuine);
    assert_true(n >= 64);
    assert_memory_equal(bytes, genuine, sizeof bytes);
    n = read_file(name, ".out.csv", genuine, sizeof genuine);
    int length = molt_ptable_to_csv(table, text, sizeof text, NULL);
    assert_int_equal(length, n);
    assert_memory_equal(text, genuine, n);
    struct molt_csv_options known = *options; /* the tool, too, needs to know them */
    assert_int_equal(molt_ptable_from_csv(&again, text, (uint32_t)length, &known, NULL), MOLT_OK);
    assert_memory_equal(&again, table, sizeof again);
}

static void vectors(void **state)
{
    (void)state;
    static char lines[16384], text[8192];
    uint32_t same = 0, both_refuse = 0, stricter = 0;
    lines[read_file("cases", ".txt", lines, sizeof lines - 1)] = 0;
    for (char *line = strtok(lines, "\n"); line; line = strtok(NULL, "\n")) {
        char name[64], offset[16], boot[16], recovery[16], peer[16], at[16];
        int error;
        struct molt_ptable table;
        struct molt_diag diag = {0};
        if (line[0] == '#') {
            continue;
        }
        assert_int_equal(sscanf(line, "%63s %15s %15s %15s %15s %d %15s", name, offset, boot,
                                recovery, peer, &error, at),
                         7);
        struct molt_csv_options options = {.table_offset = (uint32_t)strtoul(offset, NULL, 0),
                                           .has_bootloader = boot[0] != '-',
                                           .bootloader_offset = (uint32_t)strtoul(boot, NULL, 0),
                                           .has_recovery = recovery[0] != '-',
                                           .recovery_offset = (uint32_t)strtoul(recovery, NULL, 0)};
        size_t n = read_file(name, ".csv", text, sizeof text);
        int found = molt_ptable_from_csv(&table, text, (uint32_t)n, &options, &diag);
        if (found != error) {
            print_error("%s: %s\n", name, diag.what ? diag.what : "");
        }
        assert_int_equal(found, error);
        if (!error) {
            assert_string_equal(peer, "accepts");
            accepted(name, &table, &options);
            same++;
            continue;
        }
        assert_int_equal(diag.error, error);
        assert_non_null(diag.what);
        assert_int_equal(diag.offset, at[0] == '-' ? MOLT_DIAG_NONE : strtoul(at, NULL, 10));
        both_refuse += strcmp(peer, "refuses") == 0;
        stricter += strcmp(peer, "accepts") == 0;
    }
    assert_int_equal(same, 39);
    assert_int_equal(both_refuse, 30);
    assert_int_equal(stricter, 17);
}

/* ---- Refusals ---- */

static void refusals(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int error;
        uint32_t line;
    } cases[] = {
        {"\xFF\xFE"
         "a\0",
         MOLT_E_UNSUPPORTED, 1},
        {"\xFE\xFF", MOLT_E_UNSUPPORTED, 1},
        {LINE "\n# \x0B\n", MOLT_E_FORMAT, 3},
        {"#\x7F\n" LINE, MOLT_E_FORMAT, 1},
        {"# \xC2\x85\n" LINE, MOLT_E_FORMAT, 1},
        {"# \xE2\x80\xA9\n" LINE, MOLT_E_FORMAT, 1},
        {LINE "${NAME},data,nvs,,24K", MOLT_E_FORMAT, 2},
        {LINE "$", MOLT_E_FORMAT, 2},
        {"\xFF,app,factory,,1M", MOLT_E_TABLE_NAME, 1},
        {"a\xC2,app,factory,,1M", MOLT_E_TABLE_NAME, 1},
        {"a\xE3\x80\x80,app,factory,,1M", MOLT_E_TABLE_NAME, 1},
        {"a\xE2\x80\x8A"
         "b,app,factory,,1M",
         MOLT_E_TABLE_NAME, 1},
        {"a\xE2\x80\x8F"
         "b,app,factory,,1M",
         MOLT_E_TABLE_NAME, 1},
        {"# one\r\n# two\r\nx\r\n", MOLT_E_FORMAT, 3},
        {"# one\n\r# two\r\rx\n", MOLT_E_FORMAT, 5},
        {"a\tb,app,factory,,1M", MOLT_E_TABLE_NAME, 1},
        {"\xEF\xBB\xBF\xEF\xBB\xBF" LINE, MOLT_E_TABLE_NAME, 1},
        {"a,app,factory,0xFFFF0000,0x10000", MOLT_E_TABLE_FLASH_SIZE, 1},
        {"a,app,factory,0x10000,0xFFFF1000", MOLT_E_TABLE_WRAP, 1},
        {"a,app,factory,4294967296,1M", MOLT_E_TABLE_WRAP, 1},
        {"a,app,factory,-0x10000,1M", MOLT_E_TABLE_OVERLAP, 1},
        {"a,app,factory,N/A,1M", MOLT_E_FORMAT, 1},
        {"a,app,factory,,-64K", MOLT_E_TABLE_ROW, 1},
        {"a,app,factory,,-0", MOLT_E_TABLE_ROW, 1},
        {"a,app,ota_16,,1M", MOLT_E_FORMAT, 1},
        {LINE "r,bootloader,recovery,,\n", MOLT_E_UNSUPPORTED, 2},
        {LINE "t,partition_table,ota,,0x2000\n", MOLT_E_TABLE_ROW, 2},
        {LINE "t,partition_table,ota,,many\n", MOLT_E_TABLE_ROW, 2},
    };
    struct molt_ptable table;
    struct molt_diag diag;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int error = parse(&table, cases[i].text, NULL, &diag);
        if (error != cases[i].error || diag.offset != cases[i].line) {
            print_error("%zu: %d, line %u: %s\n", i, error, diag.offset, diag.what);
        }
        assert_int_equal(error, cases[i].error);
        assert_int_equal(diag.error, cases[i].error);
        assert_int_equal(diag.offset, cases[i].line);
        assert_int_equal(parse(&table, cases[i].text, NULL, &diag), error);
        assert_int_equal(molt_ptable_from_csv(&table, cases[i].text,
                                              (uint32_t)strlen(cases[i].text), NULL, NULL),
                         error);
    }
    assert_int_equal(molt_ptable_from_csv(&table, "a\0b,app", 7, NULL, &diag), MOLT_E_FORMAT);
}

static void too_many_lines(void **state)
{
    (void)state;
    static char text[65536 + 64];
    struct molt_ptable table;
    struct molt_diag diag;
    memset(text, '\n', 65534);
    memcpy(text + 65534, LINE, sizeof LINE); /* line 65535 */
    assert_int_equal(parse(&table, text, NULL, &diag), MOLT_OK);
    memmove(text + 1, text, 65534 + sizeof LINE);
    assert_int_equal(parse(&table, text, NULL, &diag), MOLT_E_FORMAT);
    assert_int_equal(diag.offset, 65535);
}

static void the_other_row_is_a_line(void **state)
{
    (void)state;
    struct molt_ptable table;
    struct molt_diag diag;
    assert_int_equal(
        parse(&table, "# one\n\nnvs,data,nvs,,24K\n#\nnvs,data,phy,,4K\n" LINE, NULL, &diag),
        MOLT_E_TABLE_NAME);
    assert_int_equal(diag.offset, 5);
    assert_int_equal(diag.expected, 3);
    assert_string_equal(diag.what, "the same name as row");
    /* Other values are no lines. */
    assert_int_equal(parse(&table,
                           "#\notadata,data,ota,,8K\nota_0,app,ota_0,,1M\nota_2,app,ota_2,,1M\n",
                           NULL, &diag),
                     MOLT_E_TABLE_SLOTS);
    assert_int_equal(diag.offset, 4);
    assert_int_equal(diag.expected, 1);
}

static void options_count(void **state)
{
    (void)state;
    struct molt_ptable table;
    struct molt_diag diag;
    struct molt_csv_options options = {.flash_size = 1u << 20};
    assert_int_equal(parse(&table, LINE, &options, &diag), MOLT_E_TABLE_FLASH_SIZE);
    assert_int_equal(diag.offset, 1);
    options.flash_size = 2u << 20;
    assert_int_equal(parse(&table, LINE, &options, &diag), MOLT_OK);
    assert_true(table.has_md5);
    options.no_md5 = true;
    assert_int_equal(parse(&table, LINE, &options, &diag), MOLT_OK);
    assert_false(table.has_md5);
    options.has_bootloader = true;
    options.bootloader_offset = 0x8000;
    assert_int_equal(parse(&table, LINE "b,bootloader,primary,,\n", &options, &diag),
                     MOLT_E_TABLE_ROW);
    assert_int_equal(diag.offset, 2);
    options.table_offset = 0xA000;
    assert_int_equal(parse(&table, "b,bootloader,primary,,0x7000\n" LINE, &options, &diag),
                     MOLT_E_TABLE_ROW);
    assert_int_equal(diag.expected, 0x2000);
    assert_int_equal(diag.found, 0x7000);
    assert_int_equal(parse(&table, "\xE2\x82\xAC\xC3\xA9,app,factory,,1M", &options, &diag),
                     MOLT_OK);
    assert_string_equal(table.row[0].label, "\xE2\x82\xAC\xC3\xA9"); /* no blank among these */
    assert_int_equal(parse(&table, "b,bootloader,primary,,0x2000\n" LINE, &options, &diag),
                     MOLT_OK);
    assert_int_equal(table.row[0].offset, 0x8000);
    assert_int_equal(table.row[0].size, 0x2000);
    options.table_offset = 0x10000;
    assert_int_equal(parse(&table, "nvs,data,nvs,0x10000,24K\n" LINE, &options, &diag),
                     MOLT_E_TABLE_OVERLAP);
}

/* ---- Numbers ---- */

static void numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int error;
        uint32_t magnitude;
        bool negative;
    } cases[] = {{"0", MOLT_OK, 0, false},
                 {"4294967295", MOLT_OK, 0xFFFFFFFF, false},
                 {"4294967296", MOLT_E_RANGE, 0, false},
                 {"42949672950", MOLT_E_RANGE, 0, false},
                 {"0xffffffff", MOLT_OK, 0xFFFFFFFF, false},
                 {"0x100000000", MOLT_E_RANGE, 0, false},
                 {"0b11", MOLT_OK, 3, false},
                 {"0o17", MOLT_OK, 15, false},
                 {"0B1_0", MOLT_OK, 2, false},
                 {"0x_10", MOLT_OK, 16, false},
                 {"1_000", MOLT_OK, 1000, false},
                 {"000", MOLT_OK, 0, false},
                 {"0_0", MOLT_OK, 0, false},
                 {"-4K", MOLT_OK, 4096, true},
                 {"+4k", MOLT_OK, 4096, false},
                 {"4 M", MOLT_OK, 4u << 20, false},
                 {"1kk", MOLT_OK, 1u << 20, false},
                 {"1mk", MOLT_OK, 1u << 30, false},
                 {"1mm", MOLT_E_RANGE, 0, false},
                 {"0mmmmmmmm", MOLT_E_FORMAT, 0, false}, /* there is an end to everything */
                 {"0mmmm", MOLT_OK, 0, false},
                 {"4096M", MOLT_E_RANGE, 0, false},
                 {"4095M", MOLT_OK, 4095u << 20, false},
                 {"010", MOLT_E_FORMAT, 0, false},
                 {"", MOLT_E_FORMAT, 0, false},
                 {"k", MOLT_E_FORMAT, 0, false},
                 {"-", MOLT_E_FORMAT, 0, false},
                 {"--4", MOLT_E_FORMAT, 0, false},
                 {"- 4", MOLT_E_FORMAT, 0, false},
                 {"0x", MOLT_E_FORMAT, 0, false},
                 {"0xg", MOLT_E_FORMAT, 0, false},
                 {"0b2", MOLT_E_FORMAT, 0, false},
                 {"0o8", MOLT_E_FORMAT, 0, false},
                 {"1__0", MOLT_E_FORMAT, 0, false},
                 {"_1", MOLT_E_FORMAT, 0, false},
                 {"1_", MOLT_E_FORMAT, 0, false},
                 {"1_k", MOLT_E_FORMAT, 0, false},
                 {"1.5M", MOLT_E_FORMAT, 0, false},
                 {"12a", MOLT_E_FORMAT, 0, false},
                 {"24KB", MOLT_E_FORMAT, 0, false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct molt_number number;
        int error = molt_number_parse(&number, cases[i].text, (uint32_t)strlen(cases[i].text));
        if (error != cases[i].error) {
            print_error("%s\n", cases[i].text);
        }
        assert_int_equal(error, cases[i].error);
        if (!error) {
            assert_int_equal(number.magnitude, cases[i].magnitude);
            assert_int_equal(number.negative, cases[i].negative);
        }
    }
}

/* ---- And back ---- */

static void what_a_csv_cannot_say(void **state)
{
    (void)state;
    static const char *const names[] = {"",    "a,b",  "#a",    " a",        "a ",      "a$b",
                                        "a\"", "a\nb", "a\x80", "a\xC2\xA0", "\x1B[31m"};
    struct molt_ptable table;
    struct molt_diag diag;
    char text[MOLT_PTABLE_CSV_SIZE];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_int_equal(parse(&table, "nvs,data,nvs,,24K\n" LINE, NULL, &diag), MOLT_OK);
        memset(table.row[1].label, 0, sizeof table.row[1].label);
        memcpy(table.row[1].label, names[i], strlen(names[i]));
        assert_int_equal(molt_ptable_to_csv(&table, text, sizeof text, &diag), MOLT_E_TABLE_NAME);
        assert_int_equal(diag.offset, 1);
        assert_non_null(diag.what);
    }
    assert_int_equal(parse(&table, LINE, NULL, &diag), MOLT_OK);
    table.row[0].flags = 4;
    assert_int_equal(molt_ptable_to_csv(&table, text, sizeof text, &diag), MOLT_E_TABLE_ROW);
    table.row[0].flags = 3;
    int length = molt_ptable_to_csv(&table, text, sizeof text, &diag);
    assert_true(length > 0);
    for (int room = 0; room < length; room++) {
        assert_int_equal(molt_ptable_to_csv(&table, text, (uint32_t)room, &diag), MOLT_E_NO_SPACE);
        assert_int_equal(diag.expected, length);
    }
    assert_int_equal(molt_ptable_to_csv(&table, text, (uint32_t)length, NULL), length);
}

static void the_longest_text_fits(void **state)
{
    (void)state;
    struct molt_ptable table;
    char text[MOLT_PTABLE_CSV_SIZE];
    memset(&table, 0, sizeof table);
    for (uint32_t i = 0; i < MOLT_PTABLE_MAX_ROWS; i++) {
        struct molt_partition *row = &table.row[table.count++];
        *row = (struct molt_partition){3, 0, 0xFFFFFFFF, 0xFFFFFFFF, "sixteen_letters_", 3};
    }
    assert_in_range(molt_ptable_to_csv(&table, text, sizeof text, NULL), 7800, sizeof text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),
        cmocka_unit_test(refusals),
        cmocka_unit_test(too_many_lines),
        cmocka_unit_test(the_other_row_is_a_line),
        cmocka_unit_test(options_count),
        cmocka_unit_test(numbers),
        cmocka_unit_test(what_a_csv_cannot_say),
        cmocka_unit_test(the_longest_text_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
