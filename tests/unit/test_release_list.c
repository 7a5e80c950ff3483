#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "molt/cbor.h"
#include "molt/manifest.h"
#include "sample_bundle.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* Two files: "a/b.py" of 5 bytes, "main.py" of 7 with policy "if changed". */
#define SHA "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
static const char good[] = "82"
                           "a30166612f622e707902050358"
                           "20" SHA "a401676d61696e2e7079020703"
                           "5820" SHA "0401";

static uint8_t list[4200];

static int start_of(size_t n, uint32_t content)
{
    struct molt_release_reader reader;
    return molt_release_start(&reader, list, (uint32_t)n, (uint32_t)n + content);
}

static void test_walk(void **state)
{
    (void)state;
    struct molt_release_reader reader;
    struct molt_release_file file;
    uint32_t n = (uint32_t)sample_unhex(good, list);
    assert_int_equal(molt_release_start(&reader, list, n, n + 12), MOLT_OK);
    assert_int_equal(molt_release_next(&reader, &file), MOLT_OK);
    assert_string_equal(file.path, "a/b.py");
    assert_int_equal(file.length, 5);
    assert_int_equal(file.offset, n);
    assert_int_equal(file.policy, MOLT_KEEP_REPLACE);
    assert_int_equal(file.sha256[31], 0xFF);
    assert_int_equal(molt_release_next(&reader, &file), MOLT_OK);
    assert_string_equal(file.path, "main.py");
    assert_int_equal(file.offset, n + 5);
    assert_int_equal(file.length, 7);
    assert_int_equal(file.policy, MOLT_KEEP_IF_CHANGED);
    assert_int_equal(molt_release_next(&reader, &file), MOLT_DONE);
    assert_int_equal(molt_release_next(&reader, &file), MOLT_DONE);
}

static void test_sizes(void **state)
{
    (void)state;
    struct molt_release_reader reader;
    size_t n = sample_unhex(good, list);
    assert_int_equal(start_of(n, 12), MOLT_OK);
    assert_int_equal(start_of(n, 11), MOLT_E_RELEASE);
    assert_int_equal(start_of(n, 13), MOLT_E_RELEASE);
    assert_int_equal(start_of(n, 0), MOLT_E_RELEASE);
    assert_int_equal(molt_release_start(&reader, list, (uint32_t)n, (uint32_t)n - 1),
                     MOLT_E_RELEASE);
    assert_int_equal(start_of(MOLT_RELEASE_LIST_MAX + 1, 12), MOLT_E_RELEASE);
    for (size_t cut = 0; cut < n; cut++) {
        assert_int_equal(start_of(cut, 12), MOLT_E_RELEASE);
    }
    list[n] = 0;
    assert_int_equal(start_of(n + 1, 12), MOLT_E_RELEASE);
}

static void test_malformed(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
    } rows[] = {
        {"82a3", "81a3"},
        {"82a3", "83a3"},
        {"82a3", "a2a3"},
        {"82a3", "9bffffffffffffffffa3"},
        {"82a3", "82a4"},
        {"82a3", "8283"},
        {"a30166612f622e7079", "a20266612f622e7079"},
        {"a30166612f622e7079", "a30166612f622e70ff"},   /* no UTF-8 */
        {"a30166612f622e7079", "a30166612f622e7000"},   /* NUL */
        {"a30166612f622e7079", "a301662f612f622e70"},   /* absolute */
        {"a30166612f622e7079", "a30166612f2f622e70"},   /* empty name */
        {"a30166612f622e7079", "a30166612f2e2e2f62"},   /* a/../b */
        {"a30166612f622e7079", "a30166612f622e702f"},   /* ends with / */
        {"a30166612f622e7079", "a30166615c622e7079"},   /* backslash */
        {"a30166612f622e7079", "a30166612f620a7079"},   /* line feed */
        {"a30166612f622e7079", "a301676d61696e2e7079"}, /* main.py twice */
        {"a30166612f622e7079", "a301666e2f622e7079"},   /* n/b.py comes behind main.py */
        {"a30166612f622e7079", "a30160"},
        {"a30166612f622e7079", "a30146612f622e7079"},
        {"790205035820", "790206035820"}, /* lengths do not add up */
        {"790205035820", "79021affffffff035820"},
        {"790205035820", "790224035820"},
        {"790205035820", "79020503581f"},
        {"790205035820", "790205037820"},
        {"ff0401", "ff0400"}, /* a default written out */
        {"ff0401", "ff0404"},
        {"ff0401", "ff0403"}, /* a folder to keep, and 7 bytes of content */
        {"ff0401", "ff0402"}, /* to delete, likewise */
        {"ff0401", "ff0501"}, /* unknown key */
        {"ff0401", "ff04f5"},
        {"a401676d", "a301676d"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        size_t n = sample_unhex(good, list);
        n = sample_patch(list, n, sizeof list, rows[i].from, rows[i].to);
        int result = start_of(n, 12);
        if (result != MOLT_E_RELEASE) {
            fail_msg("row %zu, %s to %s: %d", i, rows[i].from, rows[i].to, result);
        }
    }
}

/* A file to delete has no bytes; a list may be empty; 99 bytes of path fit, 100 do not. */
static void test_edges(void **state)
{
    (void)state;
    size_t n = sample_unhex(good, list);
    n = sample_patch(list, n, sizeof list, "7902070358", "7902000358");
    n = sample_patch(list, n, sizeof list, "ff0401", "ff0402");
    assert_int_equal(start_of(n, 5), MOLT_OK);
    n = sample_patch(list, n, sizeof list, "ff0402", "ff0403");
    assert_int_equal(start_of(n, 5), MOLT_OK);
    n = sample_unhex("80", list);
    assert_int_equal(start_of(n, 0), MOLT_OK);
    assert_int_equal(start_of(n, 1), MOLT_E_RELEASE);
    for (int length = 99; length <= 100; length++) {
        char path[101];
        uint8_t digest[32] = {0};
        memset(path, 'p', sizeof path);
        path[length] = 0;
        struct molt_cbor_writer writer = {list, list + sizeof list, false};
        molt_cbor_put_head(&writer, MOLT_CBOR_ARRAY, 1);
        molt_cbor_put_head(&writer, MOLT_CBOR_MAP, 3);
        molt_cbor_put_uint(&writer, 1);
        molt_cbor_put_text(&writer, path);
        molt_cbor_put_uint(&writer, 2);
        molt_cbor_put_uint(&writer, 1);
        molt_cbor_put_uint(&writer, 3);
        molt_cbor_put_bytes(&writer, digest, sizeof digest);
        assert_int_equal(start_of((size_t)(writer.at - list), 1),
                         length == 99 ? MOLT_OK : MOLT_E_RELEASE);
    }
}

static void test_paths(void **state)
{
    (void)state;
    static const char *const fine[] = {
        "a",     "main.py", "a/b/c.py", ".hidden",      "...",     "a..b",   "a b",  "..a/b..",
        "x/...", "a:b",     "\303\274", "lib/~x/y.mpy", "a/.list", ".lists", ".lis", "list"};
    static const char *const bad[] = {"",       "/",    "/a",   "a/",    "a//b",   ".",
                                      "..",     "../a", "a/..", "./a",   "a/./b",  "a/..",
                                      "a/../b", "a\\b", "\\..", "a\nb",  "a\177",  "a\001/b",
                                      "a/.",    "//",   "..//", ".list", ".list/a"};
    for (size_t i = 0; i < COUNT(fine); i++) {
        assert_true(molt_release_path_ok(fine[i]));
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_false(molt_release_path_ok(bad[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walk),      cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_malformed), cmocka_unit_test(test_edges),
        cmocka_unit_test(test_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
