/* Tables from files and the comparison of targets, as library functions: results and error codes.
 * What they find in whole firmwares is in tests/e2e/test_csv.py and test_diff.py. */
#define _POSIX_C_SOURCE 200809L /* mkstemp */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "molt/ops/diff.h"
#include "molt/ops/tablefile.h"
#include "testing.h"

#define VECTORS TEST_DATA "/vectors/csv/"

static struct molt_message message;

static void put_file(char *name, const void *bytes, size_t n)
{
    snprintf(name, 40, "/tmp/molt-test-XXXXXX");
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, n), n);
    close(fd);
}

static int compare(const char *a, const char *b, struct molt_diff *diff,
                   const struct molt_progress *progress)
{
    struct molt_target *target = calloc(2, sizeof *target);
    memset(diff, 0, sizeof *diff);
    memset(&message, 0, sizeof message);
    int error = molt_diff_open(&target[0], a, &message);
    if (!error) {
        error = molt_diff_open(&target[1], b, &message);
    }
    if (!error) {
        error = molt_diff_targets(diff, &target[0], &target[1], progress, &message);
    }
    assert_int_equal(message.error, error);
    molt_target_close(&target[1], NULL);
    molt_target_close(&target[0], NULL);
    free(target);
    return error;
}

static void tables_are_compared(void **state)
{
    (void)state;
    struct molt_diff diff;
    assert_int_equal(compare(VECTORS "stock-4m.csv", VECTORS "stock-4m.bin", &diff, NULL), MOLT_OK);
    assert_int_equal(diff.count, 0);
    molt_diff_free(&diff);
    assert_int_equal(compare(VECTORS "stock-4m.csv", VECTORS "stock-1.26.csv", &diff, NULL),
                     MOLT_OK);
    assert_int_equal(diff.count, 1);
    assert_int_equal(diff.item[0].what, MOLT_DIFF_ROW);
    assert_int_equal(diff.item[0].change, MOLT_DIFF_REMOVED);
    assert_string_equal(diff.item[0].place, "vfs");
    assert_string_equal(diff.item[0].a, "data fat at 0x200000, 0x200000 bytes");
    assert_string_equal(diff.item[0].b, "");
    assert_int_equal(diff.item[0].row_a.offset, 0x200000);
    molt_diff_free(&diff);
    assert_int_equal(diff.count, 0);
    assert_int_equal(compare(VECTORS "same-name.csv", VECTORS "stock-4m.csv", &diff, NULL),
                     MOLT_E_TABLE_NAME);
    molt_diff_free(&diff);
    assert_int_equal(compare(VECTORS "stock-4m.csv", VECTORS "nosuch.csv", &diff, NULL),
                     MOLT_E_NOT_FOUND);
    molt_diff_free(&diff);
}

/* A bare littlefs image is told by its superblock alone. */
static void bare_image(uint8_t *bytes, size_t n)
{
    static const uint8_t start[] = {0,   0,   0,   0,   0xF0, 0x0F, 0xFF, 0xF7,
                                    'l', 'i', 't', 't', 'l',  'e',  'f',  's'};
    memset(bytes, 0xFF, n);
    memcpy(bytes, start, sizeof start);
    bytes[n - 1] = 0;
}

static int stop(void *context, const char *what, uint64_t done, uint64_t total)
{
    int *calls = context;
    assert_string_equal(what, "compare");
    assert_true(done <= total);
    return --*calls == 0;
}

static void a_comparison_can_be_stopped(void **state)
{
    (void)state;
    int calls = 2;
    struct molt_progress progress = {stop, &calls};
    struct molt_diff diff;
    static uint8_t bytes[0x40000];
    char name[40];
    bare_image(bytes, sizeof bytes);
    put_file(name, bytes, sizeof bytes);
    assert_int_equal(compare(name, name, &diff, NULL), MOLT_OK);
    assert_int_equal(diff.count, 0);
    assert_int_equal(compare(name, name, &diff, &progress), MOLT_E_CANCELLED);
    assert_int_equal(calls, 0);
    molt_diff_free(&diff);
    assert_int_equal(compare(VECTORS "stock-4m.bin", name, &diff, NULL), MOLT_E_UNSUPPORTED);
    assert_non_null(strstr(message.text, "nothing in common"));
    molt_diff_free(&diff);
    unlink(name);
}

static void names(void **state)
{
    (void)state;
    for (int what = MOLT_DIFF_CHIP; what <= MOLT_DIFF_BYTES; what++) {
        assert_true(strlen(molt_diff_what_name((enum molt_diff_what)what)) >= 3);
    }
    assert_string_equal(molt_diff_what_name(MOLT_DIFF_BYTES), "bytes");
    assert_string_equal(molt_diff_change_name(MOLT_DIFF_REMOVED), "removed");
}

/* ---- Table files ---- */

static void tables_are_read(void **state)
{
    (void)state;
    struct molt_table_found *found = malloc(sizeof *found);
    struct molt_csv_options options = {.flash_size = 2u << 20};
    char name[40], *text = NULL;
    assert_int_equal(molt_table_read(found, VECTORS "stock-4m.csv", NULL, &message), MOLT_OK);
    assert_true(found->from_csv);
    assert_int_equal(found->table.count, 4);
    assert_int_equal(molt_table_read(found, VECTORS "stock-4m.csv", &options, &message),
                     MOLT_E_TABLE_FLASH_SIZE);
    assert_non_null(strstr(message.text, "stock-4m.csv: line 5:"));
    assert_int_equal(molt_table_read(found, VECTORS "stock-4m.bin", NULL, &message), MOLT_OK);
    assert_false(found->from_csv);
    assert_int_equal(found->rule_error, MOLT_OK);
    assert_int_equal(molt_table_csv_text(&text, "t", &found->table, &message), MOLT_OK);
    assert_non_null(strstr(text, "\nvfs,data,fat,0x200000,2M,\n"));
    free(text);
    /* A broken rule is told, and the table is there. */
    assert_int_equal(molt_table_read(found, VECTORS "stock-4m.bin", &options, &message), MOLT_OK);
    assert_int_equal(found->rule_error, MOLT_E_TABLE_FLASH_SIZE);
    assert_non_null(strstr(found->rule.text, "partition 'vfs'"));
    found->table.row[3].label[0] = ',';
    assert_int_equal(molt_table_csv_text(&text, "t", &found->table, &message), MOLT_E_TABLE_NAME);
    assert_null(text);
    assert_string_equal(message.text,
                        "t: row 4 cannot be written as CSV: a name has no comma, tab, "
                        "'$' or quotation mark: write it without");
    static uint8_t bytes[0x2000];
    bare_image(bytes, sizeof bytes);
    put_file(name, bytes, sizeof bytes);
    assert_int_equal(molt_table_read(found, name, NULL, &message), MOLT_E_UNSUPPORTED);
    assert_int_equal(molt_table_read_csv(&found->table, name, NULL, &message), MOLT_E_FORMAT);
    assert_non_null(strstr(message.text, "'molt csv' makes one"));
    assert_false(molt_is_csv_file(name));
    assert_false(molt_is_csv_file("/tmp"));
    unlink(name);
    assert_int_equal(molt_table_read(found, name, NULL, &message), MOLT_E_NOT_FOUND);
    assert_int_equal(molt_table_read_csv(&found->table, name, NULL, &message), MOLT_E_NOT_FOUND);
    assert_int_equal(molt_table_read_csv(&found->table, "/tmp", NULL, &message), MOLT_E_ARGUMENT);
    free(found);
}

static void text_is_told(void **state)
{
    (void)state;
    assert_true(molt_looks_like_csv((const uint8_t *)"", 0));
    assert_true(molt_looks_like_csv((const uint8_t *)"# a\r\n\tb\xC3\xA9", 9));
    assert_true(molt_looks_like_csv((const uint8_t *)"\xEF\xBB\xBF#", 4));
    assert_false(molt_looks_like_csv((const uint8_t *)"a\0b", 3));
    assert_false(molt_looks_like_csv((const uint8_t *)"a\x7F", 2));
    assert_false(molt_looks_like_csv((const uint8_t *)"\xFF\xFF\xFF\xFF", 4));
    assert_false(molt_looks_like_csv((const uint8_t *)"\xAA\x50\x01\x02", 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_are_compared),
        cmocka_unit_test(a_comparison_can_be_stopped),
        cmocka_unit_test(names),
        cmocka_unit_test(tables_are_read),
        cmocka_unit_test(text_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
