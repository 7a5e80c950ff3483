#define _POSIX_C_SOURCE 200809L /* clock_gettime, strncasecmp */
/* The head of an HTTP answer (RFC 9110), line by line. */
#include <string.h>
#include <strings.h>

#include "host/http.h"

/* Digits into *value; the place behind them, or NULL when there is none or it does not fit. */
static const char *number(const char *text, uint64_t *value)
{
    const char *at = text;
    *value = 0;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (*value > (UINT64_MAX - 10) / 10) {
            return NULL;
        }
        *value = *value * 10 + (uint64_t)(*at - '0');
    }
    return at == text ? NULL : at;
}

/* "bytes 0-99/1234", "bytes 0-99/\*" or "bytes \*\/1234" (RFC 9110, 14.4). */
static bool parse_range(struct http_answer *a, const char *text)
{
    a->first = a->last = a->total = HTTP_UNKNOWN;
    if (strncasecmp(text, "bytes ", 6) != 0) {
        return false;
    }
    text += 6;
    if (*text == '*') {
        text++;
    } else {
        text = number(text, &a->first);
        if (!text || *text != '-' || !(text = number(text + 1, &a->last)) || a->last < a->first) {
            return false;
        }
    }
    if (*text++ != '/') {
        return false;
    }
    if (strcmp(text, "*") == 0) {
        return true;
    }
    text = number(text, &a->total);
    return text && *text == 0 && (a->last == HTTP_UNKNOWN || a->last < a->total);
}

/* A value that does not fit is no validator: better none than half of one. Nor is one with control
 * characters (a bare CR), which would be sent back (RFC 9110, 5.5). */
static void keep(char *out, size_t capacity, const char *value)
{
    size_t n = strlen(value);
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)value[i] < ' ' || value[i] == 0x7F) {
            return;
        }
    }
    if (n < capacity) {
        memcpy(out, value, n + 1);
    }
}

void http_answer_line(struct http_answer *answer, const char *line, size_t n)
{
    char text[512];
    if (n >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        *answer = (struct http_answer){.length = HTTP_UNKNOWN, .total = HTTP_UNKNOWN};
        return;
    }
    if (n >= sizeof text || memchr(line, 0, n)) {
        return;
    }
    memcpy(text, line, n);
    text[n] = 0;
    char *value = strchr(text, ':');
    if (!value) {
        return;
    }
    *value++ = 0;
    value += strspn(value, " \t");
    for (size_t end = strlen(value); end && (value[end - 1] == ' ' || value[end - 1] == '\t');) {
        value[--end] = 0;
    }
    if (strcasecmp(text, "Content-Range") == 0) {
        answer->has_range = parse_range(answer, value);
        answer->bad_range = !answer->has_range;
    } else if (strcasecmp(text, "Content-Length") == 0) {
        const char *end = number(value, &answer->length);
        if (!end || *end) {
            answer->length = HTTP_UNKNOWN;
        }
    } else if (strcasecmp(text, "ETag") == 0) {
        keep(answer->etag, sizeof answer->etag, value);
    } else if (strcasecmp(text, "Last-Modified") == 0) {
        keep(answer->modified, sizeof answer->modified, value);
    } else if (strcasecmp(text, "Content-Encoding") == 0) {
        answer->encoded = strcasecmp(value, "identity") != 0;
    }
}
