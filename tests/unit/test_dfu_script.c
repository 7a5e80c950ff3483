/* src/wire: the ways to dfuIDLE, and each error with its number. */
#include "testing.h"

#include <string.h>

#include "dfu_script.h"

static void ways_to_idle(void **state)
{
    (void)state;
    struct script s;
    LINES(&s, IDLE);
    assert_int_equal(molt_dfu_idle(&s.dfu, NULL), MOLT_OK);
    assert_string_equal(s.sent, "G");
    LINES(&s, STATE(MOLT_DFU_UPLOAD_IDLE), DONE, IDLE);
    assert_int_equal(molt_dfu_idle(&s.dfu, NULL), MOLT_OK);
    assert_string_equal(s.sent, "GAG");
    LINES(&s, NEXT, STALL, DONE, IDLE);
    assert_int_equal(molt_dfu_idle(&s.dfu, NULL), MOLT_OK);
    assert_string_equal(s.sent, "GAAG");
    LINES(&s, FAILED(10), DONE, IDLE);
    assert_int_equal(molt_dfu_idle(&s.dfu, NULL), MOLT_OK);
    assert_string_equal(s.sent, "GCG");
    LINES(&s, BUSY, BUSY, STATE(MOLT_DFU_DOWNLOAD_SYNC), NEXT, NEXT, DONE, IDLE);
    assert_int_equal(molt_dfu_idle(&s.dfu, NULL), MOLT_OK);
    assert_string_equal(s.sent, "GGGGGAG");
    LINES(&s, STATE(MOLT_DFU_MANIFEST_SYNC), STATE(MOLT_DFU_MANIFEST), IDLE, IDLE);
    assert_int_equal(molt_dfu_idle(&s.dfu, NULL), MOLT_OK);
    LINES(&s, STATE(MOLT_DFU_MANIFEST_WAIT_RESET), IDLE);
    assert_int_equal(molt_dfu_idle(&s.dfu, NULL), MOLT_OK);
    assert_string_equal(s.sent, "GRG");
    LINES(&s, STALL, STALL, STALL, STALL, NEXT, DONE, IDLE); /* a strict device at work */
    assert_int_equal(molt_dfu_idle(&s.dfu, NULL), MOLT_OK);
    assert_true(s.asked_ms[4] - s.asked_ms[1] > 400);
    LINES(&s, LATE, LATE, IDLE); /* somebody's mass erase */
    assert_int_equal(molt_dfu_idle(&s.dfu, NULL), MOLT_OK);
}

static void no_way_to_idle(void **state)
{
    (void)state;
    struct script s;
    struct molt_diag diag = {0};
    LINES(&s, STATE(MOLT_DFU_MANIFEST_WAIT_RESET), STATE(MOLT_DFU_MANIFEST_WAIT_RESET));
    assert_int_equal(molt_dfu_idle(&s.dfu, &diag), MOLT_E_DFU_STATE);
    assert_string_equal(s.sent, "GRG");
    assert_int_equal(diag.error, MOLT_E_DFU_STATE);
    LINES(&s, STATE(MOLT_DFU_MANIFEST_WAIT_RESET));
    s.reset_result = MOLT_E_USB_GONE;
    assert_int_equal(molt_dfu_idle(&s.dfu, NULL), MOLT_E_USB_GONE);
    LINES(&s, STATE(MOLT_DFU_MANIFEST_WAIT_RESET));
    s.dfu.usb.ops = &script_ops_without_reset;
    assert_int_equal(molt_dfu_idle(&s.dfu, NULL), MOLT_E_DFU_STATE);
    static const uint8_t states[] = {MOLT_DFU_APP_IDLE, MOLT_DFU_APP_DETACH, 11, 255};
    for (size_t i = 0; i < sizeof states; i++) {
        struct line one = STATE(states[i]);
        script_begin(&s, &one, 1);
        assert_int_equal(molt_dfu_idle(&s.dfu, NULL), MOLT_E_DFU_STATE);
        assert_int_equal(s.dfu.last.state, states[i]);
        assert_string_equal(s.sent, "G");
    }
    LINES(&s, FAILED(3)); /* whatever is done */
    s.forever = true;
    assert_int_equal(molt_dfu_idle(&s.dfu, NULL), MOLT_E_DFU_STATE);
    assert_true(s.n < 40);
    LINES(&s, STALL);
    s.forever = true;
    assert_int_equal(molt_dfu_idle(&s.dfu, NULL), MOLT_E_USB_STALL);
    assert_string_equal(s.sent, "GGGGGGGG");
    LINES(&s, NEXT, STALL, STALL);
    assert_int_equal(molt_dfu_idle(&s.dfu, NULL), MOLT_E_USB_STALL);
    LINES(&s, GONE);
    assert_int_equal(molt_dfu_idle(&s.dfu, NULL), MOLT_E_USB_GONE);
    LINES(&s, LATE);
    s.forever = true;
    uint64_t start = s.time_ms;
    assert_int_equal(molt_dfu_idle(&s.dfu, NULL), MOLT_E_TIMEOUT);
    assert_in_range(s.time_ms - start, 30000, 50000);
    LINES(&s, BUSY);
    s.forever = true;
    start = s.time_ms;
    assert_int_equal(molt_dfu_idle(&s.dfu, NULL), MOLT_E_TIMEOUT);
    assert_in_range(s.time_ms - start, 100000, 150000);
}

static void what_it_reports(void **state)
{
    (void)state;
    struct script s;
    const uint8_t byte = 0;
    for (uint8_t status = 0; status < 18; status++) {
        const struct line lines[] = {DONE, BUSY, FAILED(status)};
        int expected = status && status < 16 ? -(130 + status) : MOLT_E_DFU_UNKNOWN;
        assert_int_equal(molt_dfu_status_error(status), expected);
        script_begin(&s, lines, 3);
        script_is_idle(&s);
        assert_int_equal(molt_dfuse_set_address(&s.dfu, 0x08000000, NULL),
                         status == 11 ? MOLT_E_DFU_PROTECTED : expected);
        assert_string_equal(s.sent, "DGG");
        assert_int_equal(s.dfu.failure.status, status);
        assert_int_equal(s.dfu.failure.state, MOLT_DFU_ERROR);
        script_begin(&s, lines, 3);
        script_is_downloading(&s);
        assert_int_equal(molt_dfu_download(&s.dfu, &byte, 1, NULL), expected);
    }
    /* A status that is not OK in a state that is no error. */
    LINES(&s, DONE, {0, 8, MOLT_DFU_DOWNLOAD_IDLE, 0, 0});
    script_is_idle(&s);
    assert_int_equal(molt_dfuse_set_address(&s.dfu, 0, NULL), MOLT_E_DFU_ADDRESS);
    /* A state that a command does not end in. */
    LINES(&s, DONE, BUSY, IDLE);
    script_is_idle(&s);
    assert_int_equal(molt_dfuse_set_address(&s.dfu, 0, NULL), MOLT_E_DFU_STATE);
    LINES(&s, DONE, BUSY, STATE(MOLT_DFU_UPLOAD_IDLE));
    script_is_downloading(&s);
    assert_int_equal(molt_dfu_download(&s.dfu, &byte, 1, NULL), MOLT_E_DFU_STATE);
    /* Refused, with a reason and without. */
    LINES(&s, STALL, FAILED(3));
    script_is_idle(&s);
    assert_int_equal(molt_dfuse_set_address(&s.dfu, 0, NULL), MOLT_E_DFU_WRITE);
    assert_string_equal(s.sent, "DG");
    LINES(&s, STALL, FAILED(15), FAILED(15), DONE, IDLE, STALL, FAILED(15));
    script_is_idle(&s);
    assert_int_equal(molt_dfuse_set_address(&s.dfu, 0, NULL), MOLT_E_USB_STALL);
    assert_string_equal(s.sent, "DGGCGDG");
    LINES(&s, STALL, FAILED(4));
    script_is_downloading(&s);
    assert_int_equal(molt_dfu_download(&s.dfu, &byte, 1, NULL), MOLT_E_DFU_ERASE);
    LINES(&s, STALL, IDLE); /* no second try: what came before is lost */
    script_is_downloading(&s);
    assert_int_equal(molt_dfu_download(&s.dfu, &byte, 1, NULL), MOLT_E_USB_STALL);
}

/* A refused block is sent again, once, from its address; and what a command moves is not used
 * again. */
static void refused_blocks(void **state)
{
    (void)state;
    static const uint8_t data[10];
    struct script s;
    LINES(&s, DONE, BUSY, NEXT, STALL, IDLE, DONE, BUSY, NEXT, DONE, BUSY, NEXT);
    script_is_idle(&s);
    assert_int_equal(molt_dfuse_write(&s.dfu, 0x08000000, data, 10, NULL), MOLT_OK);
    assert_string_equal(s.sent, "DGGDGDGGDGG");
    LINES(&s, DONE, BUSY, NEXT, STALL, IDLE, DONE, BUSY, NEXT, STALL, IDLE);
    script_is_idle(&s);
    assert_int_equal(molt_dfuse_write(&s.dfu, 0x08000000, data, 10, NULL), MOLT_E_USB_STALL);
    LINES(&s, DONE, BUSY, NEXT, {MOLT_E_IO, 0, 0, 0, 0}); /* may have come: not again */
    script_is_idle(&s);
    assert_int_equal(molt_dfuse_write(&s.dfu, 0x08000000, data, 10, NULL), MOLT_E_IO);
    LINES(&s, DONE, BUSY, NEXT, DONE, BUSY, NEXT);
    script_is_idle(&s);
    assert_int_equal(molt_dfuse_set_address(&s.dfu, 0x08000000, NULL), MOLT_OK);
    assert_true(s.dfu.pointer_known);
    assert_int_equal(s.dfu.pointer, 0x08000000);
    assert_int_equal(molt_dfuse_erase_page(&s.dfu, 0x08000000, 1024, NULL), MOLT_OK);
    assert_false(s.dfu.pointer_known);
}

static void names(void **state)
{
    (void)state;
    assert_string_equal(molt_dfu_state_name(0), "appIDLE");
    assert_string_equal(molt_dfu_state_name(10), "dfuERROR");
    assert_string_equal(molt_dfu_state_name(11), "unknown");
    assert_string_equal(molt_dfu_status_name(0), "OK");
    assert_string_equal(molt_dfu_status_name(15), "errSTALLEDPKT");
    assert_string_equal(molt_dfu_status_name(16), "unknown");
}

static void its_own_words(void **state)
{
    (void)state;
    static const struct line lines[] = {DONE, {0, 8, MOLT_DFU_ERROR, 0, 0x10}};
    static const uint8_t plain[] = {8, 3, 'o', 0, 0xE9, 0, 'x', 1},
                         wrong[] = {8, 4, 'o', 0, 'x', 0};
    static const uint8_t cut[] = {20, 3, 'o', 0, 'k', 0, 'x'}, odd[] = {5, 3, 'o', 0, 'k', 0};
    static const struct {
        const uint8_t *text;
        uint32_t size;
        const char *expected;
    } cases[] = {{plain, sizeof plain, "o??"},
                 {wrong, sizeof wrong, ""},
                 {cut, sizeof cut, "ok"},
                 {odd, sizeof odd, "o"},
                 {plain, 2, ""},
                 {NULL, 0, ""}};
    struct script s;
    uint8_t longest[255];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        script_begin(&s, lines, 2);
        script_is_idle(&s);
        s.text = cases[i].text;
        s.text_size = cases[i].size;
        assert_int_equal(molt_dfuse_set_address(&s.dfu, 0, NULL), MOLT_E_DFU_ADDRESS);
        assert_string_equal(s.sent, "DGS");
        assert_string_equal(s.dfu.failure_text, cases[i].expected);
    }
    memset(longest, 'a', sizeof longest);
    longest[0] = 255;
    longest[1] = 3;
    for (size_t i = 3; i < sizeof longest; i += 2) {
        longest[i] = 0;
    }
    script_begin(&s, lines, 2);
    script_is_idle(&s);
    s.text = longest;
    s.text_size = sizeof longest;
    assert_int_equal(molt_dfuse_set_address(&s.dfu, 0, NULL), MOLT_E_DFU_ADDRESS);
    assert_int_equal(strlen(s.dfu.failure_text), sizeof s.dfu.failure_text - 1);
}

/* More or less bytes than a transfer has. */
static void wrong_lengths(void **state)
{
    (void)state;
    struct script s;
    uint8_t buffer[8];
    LINES(&s, {5, 0, 2, 0, 0}, {5, 0, 2, 0, 0});
    assert_int_equal(molt_dfu_get_status(&s.dfu, NULL), MOLT_E_IO);
    assert_false(s.dfu.last_known);
    LINES(&s, {7, 0, 2, 0, 0}, IDLE);
    assert_int_equal(molt_dfu_get_status(&s.dfu, NULL), MOLT_OK);
    assert_int_equal(s.dfu.last.state, MOLT_DFU_IDLE);
    LINES(&s, {4, 0, 0, 0, 0}, IDLE, {4, 0, 0, 0, 0}); /* of the five of a command, twice */
    script_is_idle(&s);
    assert_int_equal(molt_dfuse_set_address(&s.dfu, 0, NULL), MOLT_E_IO);
    assert_string_equal(s.sent, "DGD");
    LINES(&s, {9, 0, 0, 0, 0}, IDLE, DONE, BUSY, NEXT, DONE, {9, 0, 0, 0, 0});
    script_is_idle(&s);
    s.dfu.pointer_known = true;
    assert_int_equal(molt_dfuse_read(&s.dfu, 0, buffer, 8, NULL), MOLT_E_IO);
    assert_string_equal(s.sent, "UGDGGAU");
    LINES(&s, {7, 0, 0, 0, 0}, IDLE, DONE, BUSY, NEXT, DONE, {7, 0, 0, 0, 0});
    script_is_idle(&s);
    s.dfu.pointer_known = true;
    assert_int_equal(molt_dfuse_read(&s.dfu, 0, buffer, 8, NULL), MOLT_E_TRUNCATED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ways_to_idle),    cmocka_unit_test(no_way_to_idle),
        cmocka_unit_test(what_it_reports), cmocka_unit_test(refused_blocks),
        cmocka_unit_test(names),           cmocka_unit_test(its_own_words),
        cmocka_unit_test(wrong_lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
