/* Places of a device's memory: what they mean to reading and to erasing, over maps in memory. */
#include <stdio.h>
#include <string.h>

#include "testing.h"

#include "ops/dfu/erase_sectors.h"
#include "ops/dfu/read_places.h"

#define F405 "@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg"
/* A gap of 64 KB, a segment that may only be read, one that may not be read, and the last byte that
 * there is. */
#define ODD                                                                                        \
    "@Odd /0x08000000/02*016Kg,01*016Ka/0x0801C000/01*016Kg/0x20000000/01*001Kg/0x30000000/"       \
    "01*001Kf/0xFFFFF000/04*001Kg"

static void the_map(struct molt_dfu_map *map, const char *text)
{
    assert_int_equal(molt_dfu_map_parse(map, text, NULL), MOLT_OK);
}

static void grammar(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int kind;
        uint32_t start;
        uint64_t end;
    } right[] = {{"all", DFU_PLACE_ALL, 0, 0},
                 {"files", DFU_PLACE_FILES, 0, 0},
                 {"0x08000000", DFU_PLACE_AT, 0x08000000, 0},
                 {"134217728", DFU_PLACE_AT, 0x08000000, 0},
                 {"0X8000000+16k", DFU_PLACE_RANGE, 0x08000000, 0x08004000},
                 {"0x08000000+0x10M", DFU_PLACE_RANGE, 0x08000000, 0x09000000},
                 {"0x8000000-0x8003fff", DFU_PLACE_RANGE, 0x08000000, 0x08004000},
                 {"5-5", DFU_PLACE_RANGE, 5, 6},
                 {"0xFFFFFFFF+1", DFU_PLACE_RANGE, 0xFFFFFFFF, 0x100000000},
                 {"0-0xffffffff", DFU_PLACE_RANGE, 0, 0x100000000},
                 {"0+4096M", DFU_PLACE_RANGE, 0, 0x100000000}};
    static const struct {
        const char *text;
        int error;
    } wrong[] = {{"", MOLT_E_ARGUMENT},           {"flash", MOLT_E_ARGUMENT},
                 {"0x", MOLT_E_ARGUMENT},         {"0x8+", MOLT_E_ARGUMENT},
                 {"0x8+4Kb", MOLT_E_ARGUMENT},    {"0x8 +4", MOLT_E_ARGUMENT},
                 {"-4", MOLT_E_ARGUMENT},         {"8000000g", MOLT_E_ARGUMENT},
                 {"0x8K", MOLT_E_ARGUMENT},       {"0x8-4K", MOLT_E_ARGUMENT},
                 {"0x8+0", MOLT_E_ARGUMENT},      {"0x8-0x7", MOLT_E_ARGUMENT},
                 {"0x100000000", MOLT_E_RANGE},   {"0xFFFFFFFF+2", MOLT_E_RANGE},
                 {"0-0x100000000", MOLT_E_RANGE}, {"0x1ffffffffffffffff+1", MOLT_E_RANGE}};
    struct dfu_place place;
    struct molt_message message;
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
        assert_int_equal(dfu_place_parse(&place, right[i].text, NULL), MOLT_OK);
        assert_int_equal(place.kind, right[i].kind);
        assert_int_equal(place.start, right[i].start);
        assert_true(place.end == right[i].end);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (dfu_place_parse(&place, wrong[i].text, &message) != wrong[i].error) {
            fail_msg("'%s': expected %d", wrong[i].text, wrong[i].error);
        }
        assert_non_null(strstr(message.text, wrong[i].text));
    }
}

/* What a reading of places takes, in words; or the error and its message. */
static int reading(const char *map_text, const char *const *places, uint32_t count, bool cut_short,
                   char words[400], struct molt_message *message)
{
    struct molt_dfu_map map;
    struct dfu_spans readable = {0}, spans = {0};
    the_map(&map, map_text);
    int error = dfu_spans_of_map(&readable, &map, MOLT_DFU_READABLE, message);
    for (uint32_t i = 0; !error && i < count; i++) {
        struct dfu_place place;
        error = dfu_place_parse(&place, places[i], message);
        error = error ? error : dfu_spans_of_place(&spans, &place, cut_short, &readable, message);
    }
    error = error ? error : dfu_spans_join(&spans, message);
    dfu_spans_words(&spans, words, 400);
    dfu_spans_free(&spans);
    dfu_spans_free(&readable);
    return error;
}

static void read_places(void **state)
{
    (void)state;
    static const struct {
        const char *map, *places[3], *words;
    } cases[] = {{F405, {"all"}, "0x08000000-0x080fffff"},
                 {F405, {"0x08004000+112K"}, "0x08004000-0x0801ffff"},
                 {F405, {"0x080ffffe"}, "0x080ffffe-0x080fffff"},
                 {F405,
                  {"0x08008000+1", "0x08000003-0x08000007"},
                  "0x08000003-0x08000007, 0x08008000-0x08008000"},
                 {F405, {"0x08004000+4", "0x08000000+16K"}, "0x08000000-0x08004003"},
                 {ODD,
                  {"all"},
                  "0x08000000-0x0800bfff, 0x0801c000-0x0801ffff, 0x20000000-0x200003ff, "
                  "0xfffff000-0xffffffff"},
                 {ODD, {"0x08000001"}, "0x08000001-0x0800bfff"},
                 {ODD, {"0xfffff800"}, "0xfffff800-0xffffffff"},
                 {ODD, {"0x0800bfff-0x0801c000"}, "0x0800bfff-0x0800bfff, 0x0801c000-0x0801c000"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char words[400];
        uint32_t count = 0;
        while (count < 3 && cases[i].places[count]) {
            count++;
        }
        assert_int_equal(reading(cases[i].map, cases[i].places, count, false, words, NULL),
                         MOLT_OK);
        assert_string_equal(words, cases[i].words);
    }
}

static void read_places_that_are_not_there(void **state)
{
    (void)state;
    static const struct {
        const char *map, *places[2];
        int error;
        const char *says;
    } cases[] = {{F405, {"0x08100000"}, MOLT_E_RANGE, "0x08100000 is outside"},
                 {F405, {"0x07ffffff+2"}, MOLT_E_RANGE, "0x07ffffff is outside"},
                 {F405, {"0x080fffff+2"}, MOLT_E_RANGE, "0x08100000 is outside"},
                 {F405, {"0x080fffff+2"}, MOLT_E_RANGE, "inside of 0x08000000-0x080fffff"},
                 {ODD, {"0x0800c000+4"}, MOLT_E_RANGE, "0x0800c000 is outside"},
                 {ODD, {"0x30000000+4"}, MOLT_E_RANGE, "0x30000000 is outside"},
                 {F405, {"0x08000000+8", "0x08000007+1"}, MOLT_E_ARGUMENT, "0x08000007: is in two"},
                 {F405, {"all", "0x08000000"}, MOLT_E_ARGUMENT, "0x08000000: is in two"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char words[400];
        struct molt_message message;
        uint32_t count = cases[i].places[1] ? 2 : 1;
        assert_int_equal(reading(cases[i].map, cases[i].places, count, false, words, &message),
                         cases[i].error);
        if (!strstr(message.text, cases[i].says)) {
            fail_msg("'%s' does not say '%s'", message.text, cases[i].says);
        }
    }
}

/* A device whose string is cut short has more than it says. */
static void read_behind_a_short_map(void **state)
{
    (void)state;
    char words[400];
    struct molt_message message;
    static const char *const behind[] = {"0x08100000+16"}, *const open[] = {"0x08100000"};
    assert_int_equal(reading(F405, behind, 1, true, words, &message), MOLT_OK);
    assert_string_equal(words, "0x08100000-0x0810000f");
    assert_int_equal(reading(F405, open, 1, true, words, &message), MOLT_E_RANGE);
}

/* ---- erasing ---- */

static int erasing(const char *map_text, const char *const *places, uint32_t count, bool whole,
                   char words[400], char lost[400], struct molt_message *message)
{
    struct molt_dfu_map map;
    struct dfu_sectors sectors = {0};
    struct dfu_spans rounded = {0};
    uint32_t at = 0;
    int error = MOLT_OK;
    the_map(&map, map_text);
    for (uint32_t i = 0; !error && i < count; i++) {
        struct dfu_place place;
        error = dfu_place_parse(&place, places[i], message);
        error = error ? error : dfu_sectors_add_place(&sectors, &map, &place, whole, message);
    }
    error = error ? error : dfu_sectors_join(&sectors, &rounded, message);
    words[0] = 0;
    for (uint32_t i = 0; i < sectors.count; i++) {
        at += (uint32_t)snprintf(words + at, 400 - at, "%x+%uK ", (unsigned)sectors.sector[i].start,
                                 (unsigned)sectors.sector[i].size / 1024);
    }
    dfu_spans_words(&rounded, lost, 400);
    dfu_spans_free(&rounded);
    dfu_sectors_free(&sectors);
    return error;
}

static void erase_places(void **state)
{
    (void)state;
    static const struct {
        const char *map, *places[2];
        bool whole;
        const char *words, *lost;
    } cases[] = {
        {F405, {"0x08004000"}, false, "8004000+16K ", "nothing"},
        {F405, {"0x0800c000+80K"}, false, "800c000+16K 8010000+64K ", "nothing"},
        {F405, {"0x080e0000", "0x08000000"}, false, "8000000+16K 80e0000+128K ", "nothing"},
        {F405, {"0x08000000+32K", "0x08004000"}, false, "8000000+16K 8004000+16K ", "nothing"},
        {F405, {"0x08005000"}, true, "8004000+16K ", "nothing"},
        {F405,
         {"0x08005000+4K"},
         true,
         "8004000+16K ",
         "0x08004000-0x08004fff, 0x08006000-0x08007fff"},
        {F405,
         {"0x0800f000+8K"},
         true,
         "800c000+16K 8010000+64K ",
         "0x0800c000-0x0800efff, 0x08011000-0x0801ffff"},
        {F405, {"0x08004000+8K", "0x08006000+8K"}, true, "8004000+16K ", "nothing"},
        {F405,
         {"0x08005000+4K", "0x08007000+2K"},
         true,
         "8004000+16K ",
         "0x08004000-0x08004fff, 0x08006000-0x08006fff, 0x08007800-0x08007fff"},
        {ODD, {"0x20000000"}, false, "20000000+1K ", "nothing"},
        {ODD, {"0xfffffc00-0xffffffff"}, false, "fffffc00+1K ", "nothing"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char words[400], lost[400];
        uint32_t count = cases[i].places[1] ? 2 : 1;
        assert_int_equal(
            erasing(cases[i].map, cases[i].places, count, cases[i].whole, words, lost, NULL),
            MOLT_OK);
        assert_string_equal(words, cases[i].words);
        assert_string_equal(lost, cases[i].lost);
    }
}

static void erase_places_refused(void **state)
{
    (void)state;
    static const struct {
        const char *map, *place;
        bool whole;
        const char *says;
    } cases[] = {
        {F405, "0x08000000+8K", false, "no whole sector: it lies in the sector 0x08000000+16384"},
        {F405, "0x08005000", false, "0x08004000+16384"},
        {F405, "0x0800c000+20K", false,
         "0x0800c000+16384 and ends in 0x08010000+65536; --whole-sectors erases "
         "0x0800c000-0x0801ffff"},
        {F405, "0x08100000", false, "nothing to erase at 0x08100000"},
        {F405, "0x080e0000+129K", false, "nothing to erase at 0x08100000"},
        {F405, "0x080e0000+129K", true, "inside of 0x08000000-0x080fffff"},
        {ODD, "0x08008000", false, "nothing to erase at 0x08008000"},
        {ODD, "0x08004000+112K", true, "nothing to erase at 0x08008000"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char words[400], lost[400];
        struct molt_message message;
        assert_int_equal(
            erasing(cases[i].map, &cases[i].place, 1, cases[i].whole, words, lost, &message),
            MOLT_E_RANGE);
        if (!strstr(message.text, cases[i].says)) {
            fail_msg("'%s' does not say '%s'", message.text, cases[i].says);
        }
    }
}

/* A string that claims sectors of a byte is refused before memory is short. */
static void too_many_sectors(void **state)
{
    (void)state;
    struct molt_message message;
    struct molt_dfu_map map = {.segment = {{0, 1, 0x20000, 7}}, .count = 1};
    struct dfu_sectors sectors = {0};
    struct dfu_span span = {0, 0x10000};
    assert_int_equal(dfu_sectors_add(&sectors, &map, &span, "x", false, &message), MOLT_OK);
    assert_int_equal(sectors.count, 0x10000);
    span = (struct dfu_span){0x10000, 0x10001};
    assert_int_equal(dfu_sectors_add(&sectors, &map, &span, "x", false, &message), MOLT_E_RANGE);
    assert_non_null(strstr(message.text, "more than 65536 sectors"));
    dfu_sectors_free(&sectors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grammar),
        cmocka_unit_test(read_places),
        cmocka_unit_test(read_places_that_are_not_there),
        cmocka_unit_test(read_behind_a_short_map),
        cmocka_unit_test(erase_places),
        cmocka_unit_test(erase_places_refused),
        cmocka_unit_test(too_many_sectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
