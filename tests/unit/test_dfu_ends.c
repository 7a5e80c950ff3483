/* src/wire: what ends an operation, and what of it is an error. */
#include "testing.h"

#include <string.h>

#include "dfu_script.h"

static void leaving(void **state)
{
    (void)state;
    struct script s;
#define BEFORE IDLE, DONE, BUSY, NEXT /* set address */
    LINES(&s, BEFORE, DONE, STATE(MOLT_DFU_MANIFEST));
    assert_int_equal(molt_dfuse_leave(&s.dfu, 0, NULL), MOLT_OK);
    assert_string_equal(s.sent, "GDGGDG");
    LINES(&s, BEFORE, GONE);
    assert_int_equal(molt_dfuse_leave(&s.dfu, 0, NULL), MOLT_OK);
    LINES(&s, BEFORE, LATE, GONE);
    assert_int_equal(molt_dfuse_leave(&s.dfu, 0, NULL), MOLT_OK);
    LINES(&s, BEFORE, DONE, LATE, LATE, LATE);
    uint64_t start = s.time_ms;
    assert_int_equal(molt_dfuse_leave(&s.dfu, 0, NULL), MOLT_OK);
    assert_true(s.time_ms - start < 5000);
    LINES(&s, BEFORE, DONE, STALL);
    s.dfu.quirks = MOLT_DFU_QUIRK_LEAVES_SILENTLY;
    assert_int_equal(molt_dfuse_leave(&s.dfu, 0, NULL), MOLT_OK);
    LINES(&s, BEFORE, DONE, FAILED(10));
    assert_int_equal(molt_dfuse_leave(&s.dfu, 0, NULL), MOLT_E_DFU_FIRMWARE);
    LINES(&s, BEFORE, STALL, FAILED(15), FAILED(15), DONE, BEFORE, STALL, FAILED(15));
    assert_int_equal(molt_dfuse_leave(&s.dfu, 0, NULL), MOLT_E_DFU_STATE);
    LINES(&s, BEFORE, DONE, NEXT, BEFORE, DONE, STATE(MOLT_DFU_MANIFEST));
    assert_int_equal(molt_dfuse_leave(&s.dfu, 0, NULL), MOLT_OK);
#undef BEFORE
}

static void manifestation(void **state)
{
    (void)state;
#define AT_WORK                                                                                    \
    {                                                                                              \
        0, 0, MOLT_DFU_MANIFEST, 100, 0                                                            \
    }
    struct script s;
    LINES(&s, DONE, STATE(MOLT_DFU_MANIFEST_SYNC), AT_WORK, IDLE);
    script_is_downloading(&s);
    assert_int_equal(molt_dfu_manifest(&s.dfu, NULL), MOLT_OK);
    LINES(&s, DONE, AT_WORK, STATE(MOLT_DFU_APP_IDLE));
    script_is_downloading(&s);
    assert_int_equal(molt_dfu_manifest(&s.dfu, NULL), MOLT_OK);
    LINES(&s, DONE, AT_WORK, STATE(MOLT_DFU_MANIFEST_WAIT_RESET));
    script_is_downloading(&s);
    assert_int_equal(molt_dfu_manifest(&s.dfu, NULL), MOLT_OK);
    assert_string_equal(s.sent, "DGGR");
    LINES(&s, DONE, AT_WORK, STATE(MOLT_DFU_MANIFEST_WAIT_RESET));
    script_is_downloading(&s);
    s.dfu.usb.ops = &script_ops_without_reset;
    assert_int_equal(molt_dfu_manifest(&s.dfu, NULL), MOLT_OK);
    LINES(&s, DONE, AT_WORK, STALL);
    script_is_downloading(&s);
    assert_int_equal(molt_dfu_manifest(&s.dfu, NULL), MOLT_OK); /* not tolerant: cannot answer */
    LINES(&s, DONE, AT_WORK, STALL, STALL, STALL, STALL);
    script_is_downloading(&s);
    s.dfu.attributes = MOLT_DFU_TOLERANT;
    assert_int_equal(molt_dfu_manifest(&s.dfu, NULL), MOLT_E_USB_STALL);
    LINES(&s, GONE);
    script_is_downloading(&s);
    assert_int_equal(molt_dfu_manifest(&s.dfu, NULL), MOLT_OK);
    LINES(&s, DONE, AT_WORK, FAILED(10));
    script_is_downloading(&s);
    assert_int_equal(molt_dfu_manifest(&s.dfu, NULL), MOLT_E_DFU_FIRMWARE);
    LINES(&s, DONE, NEXT, DONE, NEXT);
    script_is_downloading(&s);
    assert_int_equal(molt_dfu_manifest(&s.dfu, NULL), MOLT_E_DFU_STATE);
    assert_string_equal(s.sent, "DGDG");
    LINES(&s, DONE, STATE(MOLT_DFU_UPLOAD_IDLE));
    script_is_downloading(&s);
    assert_int_equal(molt_dfu_manifest(&s.dfu, NULL), MOLT_E_DFU_STATE);
    LINES(&s, DONE, AT_WORK);
    script_is_downloading(&s);
    s.forever = true;
    uint64_t start = s.time_ms;
    assert_int_equal(molt_dfu_manifest(&s.dfu, NULL), MOLT_E_TIMEOUT);
    assert_in_range(s.time_ms - start, 60000, 70000);
#undef AT_WORK
}

/* A device whose state does not follow its uploads, and a bus that loses a part. */
static void uploads(void **state)
{
    (void)state;
    struct script s;
    uint8_t buffer[4096];
    uint32_t n;
#define STAYS        STATE(MOLT_DFU_UPLOAD_IDLE), STATE(MOLT_DFU_UPLOAD_IDLE), DONE, IDLE
#define TELLS(bytes) {bytes, 0, 0, 0, 0}
    LINES(&s, IDLE, TELLS(1024), TELLS(10), STAYS, TELLS(1024), TELLS(10), STAYS);
    s.dfu.dfuse = false;
    assert_int_equal(molt_dfu_upload(&s.dfu, buffer, sizeof buffer, &n, NULL), MOLT_OK);
    assert_int_equal(n, 1034);
    LINES(&s, IDLE, TELLS(1024), TELLS(10), STAYS, TELLS(1024), TELLS(20), IDLE);
    s.dfu.dfuse = false;
    assert_int_equal(molt_dfu_upload(&s.dfu, buffer, sizeof buffer, &n, NULL), MOLT_OK);
    assert_int_equal(n, 1044);
    LINES(&s, IDLE, TELLS(10), STAYS, TELLS(20), STAYS, TELLS(30), STAYS);
    s.dfu.dfuse = false;
    assert_int_equal(molt_dfu_upload(&s.dfu, buffer, sizeof buffer, &n, NULL), MOLT_E_IO);
    LINES(&s, IDLE, TELLS(10), FAILED(11));
    s.dfu.dfuse = false;
    assert_int_equal(molt_dfu_upload(&s.dfu, buffer, sizeof buffer, &n, NULL), MOLT_E_DFU_VENDOR);
    LINES(&s, IDLE, STALL, FAILED(2));
    s.dfu.dfuse = false;
    assert_int_equal(molt_dfu_upload(&s.dfu, buffer, sizeof buffer, &n, NULL), MOLT_E_DFU_FILE);
#undef STAYS
#undef TELLS
}

static void detaching(void **state)
{
    (void)state;
    static const struct {
        int result, expected;
    } cases[] = {{0, MOLT_OK},
                 {MOLT_E_USB_GONE, MOLT_OK},
                 {MOLT_E_TIMEOUT, MOLT_OK},
                 {MOLT_E_IO, MOLT_OK},
                 {MOLT_E_USB_STALL, MOLT_E_USB_STALL}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct script s;
        const struct line lines[] = {{cases[i].result, 0, 0, 0, 0}, {cases[i].result, 0, 0, 0, 0}};
        script_begin(&s, lines, 2);
        assert_int_equal(molt_dfu_detach(&s.dfu, 1000, NULL), cases[i].expected);
        assert_string_equal(s.sent, cases[i].result == MOLT_E_USB_STALL ? "TT" : "T");
    }
}

static void unprotecting(void **state)
{
    (void)state;
    struct script s;
    LINES(&s, IDLE, DONE, BUSY, GONE);
    assert_int_equal(molt_dfuse_unprotect(&s.dfu, NULL), MOLT_OK);
    LINES(&s, IDLE, DONE, BUSY, LATE);
    assert_int_equal(molt_dfuse_unprotect(&s.dfu, NULL), MOLT_OK);
    LINES(&s, IDLE, DONE, BUSY, NEXT);
    assert_int_equal(molt_dfuse_unprotect(&s.dfu, NULL), MOLT_OK);
    LINES(&s, IDLE, DONE, BUSY, FAILED(3));
    assert_int_equal(molt_dfuse_unprotect(&s.dfu, NULL), MOLT_E_DFU_WRITE);
    LINES(&s, IDLE, GONE);
    assert_int_equal(molt_dfuse_unprotect(&s.dfu, NULL), MOLT_E_USB_GONE);
    LINES(&s, BUSY, GONE); /* busy with something else */
    assert_int_equal(molt_dfuse_unprotect(&s.dfu, NULL), MOLT_E_USB_GONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaving),   cmocka_unit_test(manifestation), cmocka_unit_test(uploads),
        cmocka_unit_test(detaching), cmocka_unit_test(unprotecting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
