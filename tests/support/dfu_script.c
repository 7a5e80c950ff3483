#include "dfu_script.h"

#include "testing.h"

#include <string.h>

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

const struct molt_usb_ops script_ops = {control, NULL, reset, now_ms, sleep_ms};
const struct molt_usb_ops script_ops_without_reset = {control, NULL, NULL, now_ms, sleep_ms};

void script_begin(struct script *s, const struct line *line, uint32_t lines)
{
    memset(s, 0, sizeof *s);
    s->line = line;
    s->lines = lines;
    s->time_ms = 0xFFFFF000; /* the clock wraps in between */
    s->fill = 0xFF;
    s->dfu.usb.ops = &script_ops;
    s->dfu.usb.context = s;
    s->dfu.interface_number = 2;
    s->dfu.transfer_size = 1024;
    s->dfu.dfuse = true;
}

void script_is_idle(struct script *s)
{
    s->dfu.last.state = MOLT_DFU_IDLE;
    s->dfu.last_known = true;
}

void script_is_downloading(struct script *s)
{
    s->dfu.dfuse = false;
    s->dfu.last.state = MOLT_DFU_DOWNLOAD_IDLE;
    s->dfu.last_known = true;
}
