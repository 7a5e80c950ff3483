/*
 * src/wire against a device that answers line by line as told: each error with its number, each
 * wait with its end, and the requests that are sent, a letter each: G(ETSTATUS) D(NLOAD) U(PLOAD)
 * C(LRSTATUS) A(BORT) T (detach) S(tring) R(eset).
 */
#include "testing.h"

#include <string.h>

#include "molt/dfuse.h"

struct line {
    int result; /* an error, or 0 = all of it; >0: so many bytes of an IN answer */
    uint8_t status, state;
    uint32_t poll_ms;
    uint8_t string;
};

struct script {
    struct molt_dfu dfu;
    const struct line *line;
    uint32_t lines, at;
    bool forever; /* the last line again and again */
    char sent[256];
    uint32_t n;
    uint64_t time_ms;
    uint64_t asked_ms[256]; /* when each request was sent */
    int reset_result;
    const uint8_t *text; /* string descriptor */
    uint32_t text_size;
    uint8_t fill; /* of UPLOAD */
};

static char letter(uint8_t type, uint8_t request)
{
    return type == 0x80 ? 'S' : request < 7 ? "TDUGCXA"[request] : '?';
}

static int control(void *context, uint8_t type, uint8_t request, uint16_t value, uint16_t index,
                   uint8_t *data, uint16_t length, uint32_t timeout_ms)
{
    struct script *s = context;
    assert_true(timeout_ms > 0);
    if (s->n < sizeof s->sent - 1) {
        s->asked_ms[s->n] = s->time_ms;
        s->sent[s->n++] = letter(type, request);
    }
    s->time_ms++;
    if (type == 0x80) {
        assert_int_equal(request, 6);
        assert_int_equal(index, 0x0409);
        assert_int_equal(value >> 8, 3);
        uint32_t n = s->text_size < length ? s->text_size : length;
        if (!s->text) {
            return MOLT_E_USB_STALL;
        }
        memcpy(data, s->text, n);
        return (int)n;
    }
    assert_int_equal(type, request == 2 || request == 3 ? 0xA1 : 0x21);
    assert_int_equal(index, s->dfu.interface_number);
    assert_true(s->at < s->lines);
    const struct line *l = &s->line[s->at];
    s->at += s->forever && s->at + 1 == s->lines ? 0 : 1;
    if (l->result < 0) {
        s->time_ms += l->result == MOLT_E_TIMEOUT ? timeout_ms : 0;
        return l->result;
    }
    if (request == 3) {
        assert_int_equal(length, 6);
        const uint8_t p[6] = {l->status,
                              (uint8_t)l->poll_ms,
                              (uint8_t)(l->poll_ms >> 8),
                              (uint8_t)(l->poll_ms >> 16),
                              l->state,
                              l->string};
        memcpy(data, p, 6);
    } else if (request == 2) {
        memset(data, s->fill, length);
    }
    return l->result ? l->result : length;
}

static int reset(void *context)
{
    struct script *s = context;
    s->sent[s->n++] = 'R';
    return s->reset_result;
}

static uint32_t now_ms(void *context)
{
    return (uint32_t)((struct script *)context)->time_ms;
}

static void sleep_ms(void *context, uint32_t ms)
{
    ((struct script *)context)->time_ms += ms;
}

static const struct molt_usb_ops ops = {control, NULL, reset, now_ms, sleep_ms};
static const struct molt_usb_ops ops_without_reset = {control, NULL, NULL, now_ms, sleep_ms};

#define LINES(s, ...)                                                                              \
    do {                                                                                           \
        static const struct line told_[] = {__VA_ARGS__};                                          \
        begin((s), told_, sizeof told_ / sizeof told_[0]);                                         \
    } while (0)

static void begin(struct script *s, const struct line *line, uint32_t lines)
{
    memset(s, 0, sizeof *s);
    s->line = line;
    s->lines = lines;
    s->time_ms = 0xFFFFF000; /* the clock wraps in between */
    s->fill = 0xFF;
    s->dfu.usb.ops = &ops;
    s->dfu.usb.context = s;
    s->dfu.interface_number = 2;
    s->dfu.transfer_size = 1024;
    s->dfu.dfuse = true;
}

/* In dfuIDLE, as the session knows already. */
static void is_idle(struct script *s)
{
    s->dfu.last.state = MOLT_DFU_IDLE;
    s->dfu.last_known = true;
}

static void is_downloading(struct script *s)
{
    s->dfu.dfuse = false;
    s->dfu.last.state = MOLT_DFU_DOWNLOAD_IDLE;
    s->dfu.last_known = true;
}

#define DONE                                                                                       \
    {                                                                                              \
        0, 0, 0, 0, 0                                                                              \
    } /* of an OUT request */
#define IDLE                                                                                       \
    {                                                                                              \
        0, 0, MOLT_DFU_IDLE, 0, 0                                                                  \
    }
#define BUSY                                                                                       \
    {                                                                                              \
        0, 0, MOLT_DFU_DOWNLOAD_BUSY, 5, 0                                                         \
    }
#define NEXT                                                                                       \
    {                                                                                              \
        0, 0, MOLT_DFU_DOWNLOAD_IDLE, 0, 0                                                         \
    }
#define STALL                                                                                      \
    {                                                                                              \
        MOLT_E_USB_STALL, 0, 0, 0, 0                                                               \
    }
#define LATE                                                                                       \
    {                                                                                              \
        MOLT_E_TIMEOUT, 0, 0, 0, 0                                                                 \
    }
#define GONE                                                                                       \
    {                                                                                              \
        MOLT_E_USB_GONE, 0, 0, 0, 0                                                                \
    }
#define FAILED(status)                                                                             \
    {                                                                                              \
        0, status, MOLT_DFU_ERROR, 0, 0                                                            \
    }
#define STATE(state)                                                                               \
    {                                                                                              \
        0, 0, state, 0, 0                                                                          \
    }

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
    s.dfu.usb.ops = &ops_without_reset;
    assert_int_equal(molt_dfu_idle(&s.dfu, NULL), MOLT_E_DFU_STATE);
    static const uint8_t states[] = {MOLT_DFU_APP_IDLE, MOLT_DFU_APP_DETACH, 11, 255};
    for (size_t i = 0; i < sizeof states; i++) {
        struct line one = STATE(states[i]);
        begin(&s, &one, 1);
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
        begin(&s, lines, 3);
        is_idle(&s);
        assert_int_equal(molt_dfuse_set_address(&s.dfu, 0x08000000, NULL),
                         status == 11 ? MOLT_E_DFU_PROTECTED : expected);
        assert_string_equal(s.sent, "DGG");
        assert_int_equal(s.dfu.failure.status, status);
        assert_int_equal(s.dfu.failure.state, MOLT_DFU_ERROR);
        begin(&s, lines, 3);
        is_downloading(&s);
        assert_int_equal(molt_dfu_download(&s.dfu, &byte, 1, NULL), expected);
    }
    /* A status that is not OK in a state that is no error. */
    LINES(&s, DONE, {0, 8, MOLT_DFU_DOWNLOAD_IDLE, 0, 0});
    is_idle(&s);
    assert_int_equal(molt_dfuse_set_address(&s.dfu, 0, NULL), MOLT_E_DFU_ADDRESS);
    /* A state that a command does not end in. */
    LINES(&s, DONE, BUSY, IDLE);
    is_idle(&s);
    assert_int_equal(molt_dfuse_set_address(&s.dfu, 0, NULL), MOLT_E_DFU_STATE);
    LINES(&s, DONE, BUSY, STATE(MOLT_DFU_UPLOAD_IDLE));
    is_downloading(&s);
    assert_int_equal(molt_dfu_download(&s.dfu, &byte, 1, NULL), MOLT_E_DFU_STATE);
    /* Refused, with a reason and without. */
    LINES(&s, STALL, FAILED(3));
    is_idle(&s);
    assert_int_equal(molt_dfuse_set_address(&s.dfu, 0, NULL), MOLT_E_DFU_WRITE);
    assert_string_equal(s.sent, "DG");
    LINES(&s, STALL, FAILED(15), FAILED(15), DONE, IDLE, STALL, FAILED(15));
    is_idle(&s);
    assert_int_equal(molt_dfuse_set_address(&s.dfu, 0, NULL), MOLT_E_USB_STALL);
    assert_string_equal(s.sent, "DGGCGDG");
    LINES(&s, STALL, FAILED(4));
    is_downloading(&s);
    assert_int_equal(molt_dfu_download(&s.dfu, &byte, 1, NULL), MOLT_E_DFU_ERASE);
    LINES(&s, STALL, IDLE); /* no second try: what came before is lost */
    is_downloading(&s);
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
    is_idle(&s);
    assert_int_equal(molt_dfuse_write(&s.dfu, 0x08000000, data, 10, NULL), MOLT_OK);
    assert_string_equal(s.sent, "DGGDGDGGDGG");
    LINES(&s, DONE, BUSY, NEXT, STALL, IDLE, DONE, BUSY, NEXT, STALL, IDLE);
    is_idle(&s);
    assert_int_equal(molt_dfuse_write(&s.dfu, 0x08000000, data, 10, NULL), MOLT_E_USB_STALL);
    LINES(&s, DONE, BUSY, NEXT, {MOLT_E_IO, 0, 0, 0, 0}); /* may have come: not again */
    is_idle(&s);
    assert_int_equal(molt_dfuse_write(&s.dfu, 0x08000000, data, 10, NULL), MOLT_E_IO);
    LINES(&s, DONE, BUSY, NEXT, DONE, BUSY, NEXT);
    is_idle(&s);
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
        begin(&s, lines, 2);
        is_idle(&s);
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
    begin(&s, lines, 2);
    is_idle(&s);
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
    is_idle(&s);
    assert_int_equal(molt_dfuse_set_address(&s.dfu, 0, NULL), MOLT_E_IO);
    assert_string_equal(s.sent, "DGD");
    LINES(&s, {9, 0, 0, 0, 0}, IDLE, DONE, BUSY, NEXT, DONE, {9, 0, 0, 0, 0});
    is_idle(&s);
    s.dfu.pointer_known = true;
    assert_int_equal(molt_dfuse_read(&s.dfu, 0, buffer, 8, NULL), MOLT_E_IO);
    assert_string_equal(s.sent, "UGDGGAU");
    LINES(&s, {7, 0, 0, 0, 0}, IDLE, DONE, BUSY, NEXT, DONE, {7, 0, 0, 0, 0});
    is_idle(&s);
    s.dfu.pointer_known = true;
    assert_int_equal(molt_dfuse_read(&s.dfu, 0, buffer, 8, NULL), MOLT_E_TRUNCATED);
}

/* Its poll time is a minimum, and no more than that. */
static void poll_times(void **state)
{
    (void)state;
    struct script s;
    LINES(&s, DONE, {0, 0, MOLT_DFU_DOWNLOAD_BUSY, 500, 0}, NEXT);
    is_idle(&s);
    assert_int_equal(molt_dfuse_set_address(&s.dfu, 0, NULL), MOLT_OK);
    assert_in_range(s.asked_ms[2] - s.asked_ms[1], 500, 600);
    LINES(&s, DONE, {0, 0, MOLT_DFU_DOWNLOAD_BUSY, 60000, 0}, NEXT); /* longer than ours */
    is_idle(&s);
    assert_int_equal(molt_dfuse_set_address(&s.dfu, 0, NULL), MOLT_OK);
    assert_in_range(s.asked_ms[2] - s.asked_ms[1], 60000, 60100);
    LINES(&s, DONE, {0, 0, MOLT_DFU_DOWNLOAD_BUSY, 0xFFFFFF, 0}, NEXT); /* four hours and a half */
    is_idle(&s);
    assert_int_equal(molt_dfuse_set_address(&s.dfu, 0, NULL), MOLT_OK);
    assert_in_range(s.asked_ms[2] - s.asked_ms[1], 5000, 20000);
    s.dfu.quirks = 0;
    LINES(&s, DONE, {0, 0, MOLT_DFU_DOWNLOAD_BUSY, 9000, 0}, NEXT);
    is_idle(&s);
    s.dfu.quirks = MOLT_DFU_QUIRK_POLL_TIME;
    assert_int_equal(molt_dfuse_set_address(&s.dfu, 0, NULL), MOLT_OK);
    assert_in_range(s.asked_ms[2] - s.asked_ms[1], 5, 20);
}

static uint64_t until_timeout(struct script *s, int (*run)(struct molt_dfu *, uint32_t), uint32_t n)
{
    static const struct line lines[] = {DONE, {0, 0, MOLT_DFU_DOWNLOAD_BUSY, 20000, 0}};
    begin(s, lines, 2);
    s->forever = true;
    is_idle(s);
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
    is_idle(&s);
    uint64_t start = s.time_ms;
    assert_int_equal(molt_dfuse_erase_page(&s.dfu, 0, 2048, NULL), MOLT_OK);
    assert_true(s.time_ms - start < 500); /* its poll time is known */
    LINES(&s, DONE, BUSY, STALL);
    s.forever = true;
    is_idle(&s);
    start = s.time_ms;
    assert_int_equal(molt_dfuse_erase_page(&s.dfu, 0, 2048, NULL), MOLT_E_USB_STALL);
    assert_in_range(s.time_ms - start, 9000, 30000); /* once more, because refused */
    LINES(&s, DONE, STALL, STALL, STALL, STALL, IDLE, DONE, STALL, STALL, STALL, STALL);
    is_idle(&s);
    assert_int_equal(molt_dfuse_erase_page(&s.dfu, 0, 2048, NULL), MOLT_E_USB_STALL);
    LINES(&s, DONE, STALL, STALL, STALL, STALL, STALL, NEXT);
    is_idle(&s);
    s.dfu.quirks = MOLT_DFU_QUIRK_POLL_STALLS;
    assert_int_equal(molt_dfuse_erase_page(&s.dfu, 0, 2048, NULL), MOLT_OK);
    uint8_t block[1024] = {0};
    LINES(&s, DONE, BUSY, NEXT, DONE, BUSY, STALL, NEXT);
    is_idle(&s);
    s.dfu.usual_ms = 64;
    s.dfu.usual_known = true;
    assert_int_equal(molt_dfuse_write(&s.dfu, 0, block, sizeof block, NULL), MOLT_OK);
    assert_true(s.dfu.usual_ms >= 64); /* it was asked too early, not too late */
    LINES(&s, DONE, BUSY, GONE);
    is_idle(&s);
    assert_int_equal(molt_dfuse_erase_page(&s.dfu, 0, 2048, NULL), MOLT_E_USB_GONE);
    assert_string_equal(s.sent, "DGG");
}

static void stuck(void **state)
{
    (void)state;
    static const struct line helps_not[] = {DONE, BUSY};
    struct script s;
    begin(&s, helps_not, 2);
    s.forever = true;
    is_idle(&s);
    s.dfu.quirks = MOLT_DFU_QUIRK_BUSY_STUCK;
    assert_int_equal(molt_dfuse_erase_page(&s.dfu, 0, 0x20000, NULL), MOLT_E_TIMEOUT);
    assert_string_equal(s.sent + s.n - 4, "CGCG");
}

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
    is_downloading(&s);
    assert_int_equal(molt_dfu_manifest(&s.dfu, NULL), MOLT_OK);
    LINES(&s, DONE, AT_WORK, STATE(MOLT_DFU_APP_IDLE));
    is_downloading(&s);
    assert_int_equal(molt_dfu_manifest(&s.dfu, NULL), MOLT_OK);
    LINES(&s, DONE, AT_WORK, STATE(MOLT_DFU_MANIFEST_WAIT_RESET));
    is_downloading(&s);
    assert_int_equal(molt_dfu_manifest(&s.dfu, NULL), MOLT_OK);
    assert_string_equal(s.sent, "DGGR");
    LINES(&s, DONE, AT_WORK, STATE(MOLT_DFU_MANIFEST_WAIT_RESET));
    is_downloading(&s);
    s.dfu.usb.ops = &ops_without_reset;
    assert_int_equal(molt_dfu_manifest(&s.dfu, NULL), MOLT_OK);
    LINES(&s, DONE, AT_WORK, STALL);
    is_downloading(&s);
    assert_int_equal(molt_dfu_manifest(&s.dfu, NULL), MOLT_OK); /* not tolerant: cannot answer */
    LINES(&s, DONE, AT_WORK, STALL, STALL, STALL, STALL);
    is_downloading(&s);
    s.dfu.attributes = MOLT_DFU_TOLERANT;
    assert_int_equal(molt_dfu_manifest(&s.dfu, NULL), MOLT_E_USB_STALL);
    LINES(&s, GONE);
    is_downloading(&s);
    assert_int_equal(molt_dfu_manifest(&s.dfu, NULL), MOLT_OK);
    LINES(&s, DONE, AT_WORK, FAILED(10));
    is_downloading(&s);
    assert_int_equal(molt_dfu_manifest(&s.dfu, NULL), MOLT_E_DFU_FIRMWARE);
    LINES(&s, DONE, NEXT, DONE, NEXT);
    is_downloading(&s);
    assert_int_equal(molt_dfu_manifest(&s.dfu, NULL), MOLT_E_DFU_STATE);
    assert_string_equal(s.sent, "DGDG");
    LINES(&s, DONE, STATE(MOLT_DFU_UPLOAD_IDLE));
    is_downloading(&s);
    assert_int_equal(molt_dfu_manifest(&s.dfu, NULL), MOLT_E_DFU_STATE);
    LINES(&s, DONE, AT_WORK);
    is_downloading(&s);
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
        begin(&s, lines, 2);
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
        cmocka_unit_test(ways_to_idle),    cmocka_unit_test(no_way_to_idle),
        cmocka_unit_test(what_it_reports), cmocka_unit_test(refused_blocks),
        cmocka_unit_test(names),           cmocka_unit_test(its_own_words),
        cmocka_unit_test(wrong_lengths),   cmocka_unit_test(poll_times),
        cmocka_unit_test(deadlines),       cmocka_unit_test(refused_while_busy),
        cmocka_unit_test(stuck),           cmocka_unit_test(leaving),
        cmocka_unit_test(manifestation),   cmocka_unit_test(uploads),
        cmocka_unit_test(detaching),       cmocka_unit_test(unprotecting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
