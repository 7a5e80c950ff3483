/* String descriptors, as devices really have them. */
#include <string.h>

#include "host/usb_internal.h"

#define DESCRIPTOR_STRING 3

/* The code point at unit *i of count; '?' for what is none or does not belong on a terminal. */
static uint32_t next_code(const uint8_t *units, uint32_t count, uint32_t *i)
{
    uint32_t code = (uint32_t)(units[2 * *i] | units[2 * *i + 1] << 8);
    (*i)++;
    if (code >= 0xD800 && code < 0xDC00 && *i < count) {
        uint32_t low = (uint32_t)(units[2 * *i] | units[2 * *i + 1] << 8);
        if (low >= 0xDC00 && low < 0xE000) {
            (*i)++;
            return 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        }
    }
    /* C0 and C1 control characters, surrogates alone, line separators, bidirectional overrides. */
    bool odd = (code && code < 0x20) || (code >= 0x7F && code < 0xA0) ||
               (code >= 0xD800 && code < 0xE000) || (code >= 0x2028 && code < 0x202F) ||
               (code >= 0x2066 && code < 0x206A) || code >= 0xFFFE;
    return odd ? '?' : code;
}

static uint32_t utf8(char out[4], uint32_t code)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    uint32_t more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const uint8_t lead[] = {0, 0xC0, 0xE0, 0xF0};
    for (uint32_t i = more; i > 0; i--) {
        out[i] = (char)(0x80 | (code & 0x3F));
        code >>= 6;
    }
    out[0] = (char)(lead[more] | code);
    return more + 1;
}

/* The length that a descriptor claims, within the bytes that came; 0 = no string descriptor. */
static uint32_t text_bytes(const uint8_t *bytes, uint32_t n)
{
    if (n < 2 || bytes[1] != DESCRIPTOR_STRING) {
        return 0;
    }
    uint32_t length = bytes[0] < n ? bytes[0] : n;
    return length < 2 ? 0 : length - 2;
}

void molt_usb_string(char *text, uint32_t capacity, const uint8_t *bytes, uint32_t n)
{
    uint32_t at = 0, count = text_bytes(bytes, n) / 2;
    for (uint32_t i = 0; i < count;) {
        char out[4];
        uint32_t code = next_code(bytes + 2, count, &i);
        uint32_t length = utf8(out, code);
        if (code == 0 || capacity - at <= length) {
            break;
        }
        memcpy(text + at, out, length);
        at += length;
    }
    while (at && text[at - 1] == ' ') {
        at--; /* padding: no part of a name */
    }
    text[at] = 0;
}

void usb_string_8bit(char *text, uint32_t capacity, const uint8_t *bytes, uint32_t n)
{
    uint32_t at = 0, count = text_bytes(bytes, n);
    while (at < count && at < capacity - 1 && bytes[2 + at]) {
        uint8_t c = bytes[2 + at];
        text[at++] = c >= 0x20 && c < 0x7F ? (char)c : '?';
    }
    text[at] = 0;
}
