/* src/wire: each wait has its end, and poll times are minima. */
#include "testing.h"

#include <string.h>

#include "dfu_script.h"

/* Its poll time is a minimum, and no more than that. */
static void poll_times(void **state)
{
    (void)state;
    struct script s;
    LINES(&s, DONE, {0, 0, MOLT_DFU_DOWNLOAD_BUSY, 500, 0}, NEXT);
    script_is_idle(&s);
    assert_int_equal(molt_dfuse_set_address(&s.dfu, 0, NULL), MOLT_OK);
    assert_in_range(s.asked_ms[2] - s.asked_ms[1], 500, 600);
    LINES(&s, DONE, {0, 0, MOLT_DFU_DOWNLOAD_BUSY, 60000, 0}, NEXT); /* longer than ours */
    script_is_idle(&s);
    assert_int_equal(molt_dfuse_set_address(&s.dfu, 0, NULL), MOLT_OK);
    assert_in_range(s.asked_ms[2] - s.asked_ms[1], 60000, 60100);
    LINES(&s, DONE, {0, 0, MOLT_DFU_DOWNLOAD_BUSY, 0xFFFFFF, 0}, NEXT); /* four hours and a half */
    script_is_idle(&s);
    assert_int_equal(molt_dfuse_set_address(&s.dfu, 0, NULL), MOLT_OK);
    assert_in_range(s.asked_ms[2] - s.asked_ms[1], 5000, 20000);
    s.dfu.quirks = 0;
    LINES(&s, DONE, {0, 0, MOLT_DFU_DOWNLOAD_BUSY, 9000, 0}, NEXT);
    script_is_idle(&s);
    s.dfu.quirks = MOLT_DFU_QUIRK_POLL_TIME;
    assert_int_equal(molt_dfuse_set_address(&s.dfu, 0, NULL), MOLT_OK);
    assert_in_range(s.asked_ms[2] - s.asked_ms[1], 5, 20);
}

/* The poll time went with a lost answer. */
static void lost_poll_time(void **state)
{
    (void)state;
    struct script s;
    LINES(&s, DONE, {MOLT_E_IO, 0, 0, 0, 0}, NEXT);
    script_is_idle(&s);
    assert_int_equal(molt_dfuse_set_address(&s.dfu, 0, NULL), MOLT_OK);
    assert_in_range(s.asked_ms[2] - s.asked_ms[1], 250, 300);
}

static uint64_t until_timeout(struct script *s, int (*run)(struct molt_dfu *, uint32_t), uint32_t n)
{
    static const struct line lines[] = {DONE, {0, 0, MOLT_DFU_DOWNLOAD_BUSY, 20000, 0}};
    script_begin(s, lines, 2);
    s->forever = true;
    script_is_idle(s);
    uint64_t start = s->time_ms;
    assert_int_equal(run(&s->dfu, n), MOLT_E_TIMEOUT);
    assert_false(s->dfu.last_known);
    return s->time_ms - start;
}

static int run_erase(struct molt_dfu *dfu, uint32_t n)
{
    return molt_dfuse_erase_page(dfu, 0x08000000, n, NULL);
}

static int run_erase_all(struct molt_dfu *dfu, uint32_t n)
{
    return molt_dfuse_erase_all(dfu, n, NULL);
}

static int run_unprotect(struct molt_dfu *dfu, uint32_t n)
{
    (void)n;
    return molt_dfuse_unprotect(dfu, NULL);
}

/* Busy for ever: each wait has its own end. */
static void deadlines(void **state)
{
    (void)state;
    struct script s;
    assert_in_range(until_timeout(&s, run_erase, 2048), 20000, 30000);
    assert_in_range(until_timeout(&s, run_erase, 0x40000), 30000, 45000);
    assert_in_range(until_timeout(&s, run_erase_all, 1 << 20), 90000, 105000);
    assert_in_range(until_timeout(&s, run_erase_all, 0xFFFFFFFF), 1800000, 1830000);
    assert_in_range(until_timeout(&s, run_unprotect, 0), 60000, 65000);
}

static void refused_while_busy(void **state)
{
    (void)state;
    struct script s;
    LINES(&s, DONE, BUSY, STALL, STALL, STALL, STALL, STALL, STALL, STALL, NEXT);
    script_is_idle(&s);
    uint64_t start = s.time_ms;
    assert_int_equal(molt_dfuse_erase_page(&s.dfu, 0, 2048, NULL), MOLT_OK);
    assert_true(s.time_ms - start < 500); /* its poll time is known */
    LINES(&s, DONE, BUSY, STALL);
    s.forever = true;
    script_is_idle(&s);
    start = s.time_ms;
    assert_int_equal(molt_dfuse_erase_page(&s.dfu, 0, 2048, NULL), MOLT_E_USB_STALL);
    assert_in_range(s.time_ms - start, 9000, 30000); /* once more, because refused */
    LINES(&s, DONE, STALL, STALL, STALL, STALL, IDLE, DONE, STALL, STALL, STALL, STALL);
    script_is_idle(&s);
    assert_int_equal(molt_dfuse_erase_page(&s.dfu, 0, 2048, NULL), MOLT_E_USB_STALL);
    LINES(&s, DONE, STALL, STALL, STALL, STALL, STALL, NEXT);
    script_is_idle(&s);
    s.dfu.quirks = MOLT_DFU_QUIRK_POLL_STALLS;
    assert_int_equal(molt_dfuse_erase_page(&s.dfu, 0, 2048, NULL), MOLT_OK);
    uint8_t block[1024] = {0};
    LINES(&s, DONE, BUSY, NEXT, DONE, BUSY, STALL, NEXT);
    script_is_idle(&s);
    s.dfu.usual_ms = 64;
    s.dfu.usual_known = true;
    assert_int_equal(molt_dfuse_write(&s.dfu, 0, block, sizeof block, NULL), MOLT_OK);
    assert_true(s.dfu.usual_ms >= 64); /* it was asked too early, not too late */
    LINES(&s, DONE, BUSY, GONE);
    script_is_idle(&s);
    assert_int_equal(molt_dfuse_erase_page(&s.dfu, 0, 2048, NULL), MOLT_E_USB_GONE);
    assert_string_equal(s.sent, "DGG");
}

static void stuck(void **state)
{
    (void)state;
    static const struct line helps_not[] = {DONE, BUSY};
    struct script s;
    script_begin(&s, helps_not, 2);
    s.forever = true;
    script_is_idle(&s);
    s.dfu.quirks = MOLT_DFU_QUIRK_BUSY_STUCK;
    assert_int_equal(molt_dfuse_erase_page(&s.dfu, 0, 0x20000, NULL), MOLT_E_TIMEOUT);
    assert_string_equal(s.sent + s.n - 4, "CGCG");
    /* Faults on the way out of it; then it is looked at in three places. */
#define LONG   {0, 0, MOLT_DFU_DOWNLOAD_BUSY, 2000, 0}
#define SAMPLE DONE, BUSY, NEXT, DONE, DONE, STATE(MOLT_DFU_UPLOAD_IDLE), DONE
    LINES(&s, DONE, LONG, LONG, STALL, LONG, STALL, LONG, DONE, FAILED(14), DONE, IDLE, SAMPLE,
          SAMPLE, SAMPLE);
    script_is_idle(&s);
    s.dfu.quirks = MOLT_DFU_QUIRK_BUSY_STUCK;
    assert_int_equal(molt_dfuse_erase_page(&s.dfu, 0, 2048, NULL), MOLT_OK);
    assert_string_equal(s.sent, "DGGCGCGCGCGDGGAUGADGGAUGADGGAUGA");
    s.at = 0; /* the same, and a sample is not FF */
    s.fill = 0xFE;
    script_is_idle(&s);
    assert_int_equal(molt_dfuse_erase_page(&s.dfu, 0, 2048, NULL), MOLT_E_DFU_ERASE);
#undef LONG
#undef SAMPLE
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(poll_times), cmocka_unit_test(lost_poll_time),
        cmocka_unit_test(deadlines),  cmocka_unit_test(refused_while_busy),
        cmocka_unit_test(stuck),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
