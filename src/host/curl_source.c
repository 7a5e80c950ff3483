/* A bundle over HTTP, by ranges (RFC 9110, 14). */
#include "molt/host/curl_source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/http.h"

#define FIRST_RANGE 4096u /* head and envelope of a bundle; also tells the length */
#define SKIP_MAX    4096u /* a gap that is read over rather than asked around */
#define PROGRESS    1024u /* bytes that make a try count as one that brought something */

struct molt_curl_source {
    struct http http;
    bool known;     /* the first answer told what the file is */
    uint64_t total; /* HTTP_UNKNOWN = not said */
    char etag[128], modified[64];
    bool open;  /* a transfer is under way: its next byte is position, its last end - 1 */
    bool whole; /* its answer was 200: it goes on to the end of the file */
    uint64_t position, end; /* end HTTP_UNKNOWN = not said */
    uint64_t expect_from, expect_to;
    uint32_t failures; /* in a row */
    uint64_t since;    /* bytes since the last failure */
};

static int refuse(struct molt_curl_source *s, int error, const char *text)
{
    s->http.retriable = false;
    return molt_fail(&s->http.message, error, "%s: %s", s->http.at, text);
}

/* Length and validators: learnt from the first answer, compared with each later one. */
static int check_identity(struct molt_curl_source *s, uint64_t total)
{
    const struct http_answer *a = &s->http.answer;
    if (!s->known) {
        s->known = true;
        s->total = total;
        strcpy(s->etag, a->etag);
        strcpy(s->modified, a->modified);
        if (total != HTTP_UNKNOWN && total > INT32_MAX) {
            return refuse(s, MOLT_E_RANGE, "2 GB or more are no bundle");
        }
        s->http.total = total == HTTP_UNKNOWN ? 0 : total;
        return MOLT_OK;
    }
    if (s->total == HTTP_UNKNOWN) {
        s->total = total;
    }
    bool same = s->total == HTTP_UNKNOWN || total == HTTP_UNKNOWN || s->total == total;
    if (s->etag[0] && a->etag[0]) {
        same = same && strcmp(s->etag, a->etag) == 0;
    } else if (s->modified[0] && a->modified[0]) {
        same = same && strcmp(s->modified, a->modified) == 0;
    }
    return same ? MOLT_OK
                : refuse(s, MOLT_E_SOURCE_CHANGED,
                         "the file changed on the server during the download; start again");
}

/* 206: exactly the range, or less of it at its end. */
static int accept_part(struct molt_curl_source *s, uint64_t first, uint64_t end)
{
    const struct http_answer *a = &s->http.answer;
    char text[160];
    if (!a->has_range || a->first == HTTP_UNKNOWN) {
        return refuse(s, MOLT_E_HTTP_RANGE,
                      "answered a range without saying which (206 without a "
                      "valid Content-Range)");
    }
    uint64_t size = a->last - a->first + 1;
    if (a->first != first || a->last >= end || (a->length != HTTP_UNKNOWN && a->length != size)) {
        snprintf(text, sizeof text,
                 "answered with bytes %llu to %llu, expected %llu to %llu of the file",
                 (unsigned long long)a->first, (unsigned long long)a->last,
                 (unsigned long long)first, (unsigned long long)end - 1);
        return refuse(s, MOLT_E_HTTP_RANGE, text);
    }
    s->position = first;
    s->end = a->last + 1;
    s->whole = false;
    return check_identity(s, a->total);
}

/* 200: the server knows no ranges, or the file is another one now (If-Range). */
static int accept_whole(struct molt_curl_source *s, uint64_t first, uint64_t end)
{
    const struct http_answer *a = &s->http.answer;
    char text[160];
    int code =
        s->known ? check_identity(s, HTTP_UNKNOWN) : MOLT_OK; /* another file, first of all */
    if (code < 0) {
        return code;
    }
    if (a->length != HTTP_UNKNOWN && s->known && s->total != HTTP_UNKNOWN &&
        a->length != s->total && a->length == end - first) {
        snprintf(text, sizeof text,
                 "answered with status 200 and %llu bytes, expected status 206 or all %llu bytes",
                 (unsigned long long)a->length, (unsigned long long)s->total);
        return refuse(s, MOLT_E_HTTP_RANGE, text);
    }
    s->position = 0;
    s->end = a->length;
    s->whole = true;
    return check_identity(s, a->length);
}

/* 416: nothing there. An empty file may be answered so. */
static int accept_nothing(struct molt_curl_source *s, uint64_t first)
{
    const struct http_answer *a = &s->http.answer;
    char text[128];
    uint64_t total = a->has_range ? a->total : HTTP_UNKNOWN;
    if (total != HTTP_UNKNOWN && total <= first) {
        s->position = s->end = first;
        s->whole = false;
        return check_identity(s, total);
    }
    snprintf(text, sizeof text, "has no bytes from %llu on (status 416)",
             (unsigned long long)first);
    return refuse(s, MOLT_E_HTTP_RANGE, text);
}

/* One request for [first, end). */
static int open_at(struct molt_curl_source *s, uint64_t first, uint64_t end)
{
    char range[48];
    const char *validator = NULL;
    /* Only a strong entity tag may stand in If-Range (RFC 9110, 13.1.5). */
    if (s->known && s->etag[0] == '"') {
        validator = s->etag;
    } else if (s->known && !s->etag[0] && s->modified[0]) {
        validator = s->modified;
    }
    snprintf(range, sizeof range, "%llu-%llu", (unsigned long long)first,
             (unsigned long long)end - 1);
    s->open = false;
    int code = http_open(&s->http, range, validator);
    if (code < 0) {
        return code;
    }
    if (s->http.answer.encoded) {
        return refuse(s, MOLT_E_HTTP_RANGE, "sends compressed bytes, which were not asked for");
    }
    switch (s->http.answer.status) {
    case 206: code = accept_part(s, first, end); break;
    case 416: code = accept_nothing(s, first); break;
    default: code = accept_whole(s, first, end); break;
    }
    s->open = code == MOLT_OK;
    return code;
}

/* Can the transfer under way bring the byte at offset? */
static bool reaches(const struct molt_curl_source *s, uint64_t offset)
{
    if (!s->open || (s->end != HTTP_UNKNOWN && offset >= s->end)) {
        return false;
    }
    return offset < s->position ? s->position - offset <= http_kept(&s->http)
                                : s->whole || offset - s->position <= SKIP_MAX;
}

/* The end of what is asked for when reading begins at offset. */
static uint64_t range_end(const struct molt_curl_source *s, uint64_t offset, uint32_t n)
{
    uint64_t end = offset + n;
    if (s->expect_from <= offset && offset < s->expect_to && end < s->expect_to) {
        end = s->expect_to;
    }
    return s->known && s->total != HTTP_UNKNOWN && end > s->total ? s->total : end;
}

/* From the transfer under way: the count, 0 when the file ends there, or an error. */
static int take(struct molt_curl_source *s, uint64_t offset, void *buffer, uint32_t n)
{
    if (offset < s->position) { /* the engine looks at an image's head, then reads it all */
        http_rewind(&s->http, (size_t)(s->position - offset));
        s->position = offset;
    }
    for (;;) {
        uint64_t gap = offset - s->position;
        bool skip = gap > 0;
        uint64_t want = skip ? gap : n;
        if (s->end != HTTP_UNKNOWN && want > s->end - s->position) {
            want = s->end - s->position;
        }
        int got = http_read(&s->http, skip ? NULL : buffer, (size_t)want);
        if (got < 0) {
            return got;
        }
        if (got == 0) {
            s->open = false;
            if (s->end == HTTP_UNKNOWN && s->total == HTTP_UNKNOWN && s->http.result == CURLE_OK) {
                s->total = s->position; /* a body without a length that ended as it should */
                return 0;
            }
            s->http.retriable = true;
            return molt_fail(&s->http.message, MOLT_E_TRUNCATED,
                             "%s: the connection ended at byte %llu, before the end", s->http.at,
                             (unsigned long long)s->position);
        }
        s->position += (uint64_t)got;
        s->since += (uint64_t)got;
        if (!skip) {
            return got;
        }
    }
}

/* MOLT_OK: try again. */
static int after_failure(struct molt_curl_source *s, int code)
{
    s->open = false;
    if (s->since >= PROGRESS) {
        s->failures = 0;
    }
    s->since = 0;
    if (!s->http.retriable || ++s->failures >= s->http.options.tries) {
        http_stop(&s->http);
        s->failures = 0;
        return code;
    }
    return http_back_off(&s->http, s->failures);
}

static int source_read(void *context, uint32_t offset, void *buffer, uint32_t n)
{
    struct molt_curl_source *s = context;
    n = n > INT32_MAX ? INT32_MAX : n;
    for (;;) {
        if (n == 0 || (s->known && s->total != HTTP_UNKNOWN && offset >= s->total)) {
            return 0;
        }
        int code = reaches(s, offset) ? MOLT_OK : open_at(s, offset, range_end(s, offset, n));
        if (code == MOLT_OK && reaches(s, offset)) {
            code = take(s, offset, buffer, n);
            if (code > 0) {
                if (s->end != HTTP_UNKNOWN && s->position == s->end) {
                    s->failures = 0; /* the whole range came */
                }
                return code;
            }
        }
        if (code < 0) {
            code = after_failure(s, code);
            if (code < 0) {
                return code;
            }
        }
    }
}

static int source_expect(void *context, uint32_t offset, uint32_t n)
{
    struct molt_curl_source *s = context;
    s->expect_from = offset;
    s->expect_to = (uint64_t)offset + n;
    return MOLT_OK;
}

/* The first request is the one for head and envelope; its answer tells the length. */
static int source_info(void *context, struct molt_source_info *info)
{
    struct molt_curl_source *s = context;
    while (!s->known) {
        int code = open_at(s, 0, FIRST_RANGE);
        if (code < 0 && (code = after_failure(s, code)) < 0) {
            return code;
        }
    }
    info->length = s->total == HTTP_UNKNOWN ? 0 : (uint32_t)s->total;
    return MOLT_OK;
}

static const struct molt_source_ops operations = {
    .info = source_info, .expect = source_expect, .read = source_read};

int molt_curl_source_open(struct molt_curl_source **source, const char *url,
                          const struct molt_http_options *options, struct molt_source *out,
                          struct molt_message *message)
{
    *source = NULL;
    struct molt_curl_source *s = calloc(1, sizeof *s);
    if (!s) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "%s: out of memory", url);
    }
    int code = http_init(&s->http, url, options, message);
    if (code < 0) {
        free(s);
        return code;
    }
    s->total = HTTP_UNKNOWN;
    *source = s;
    *out = (struct molt_source){&operations, s};
    return MOLT_OK;
}

void molt_curl_source_close(struct molt_curl_source *source)
{
    if (source) {
        http_free(&source->http);
        free(source);
    }
}

const struct molt_message *molt_curl_source_message(const struct molt_curl_source *source)
{
    return &source->http.message;
}

void molt_curl_source_counters(const struct molt_curl_source *source,
                               struct molt_http_counters *counters)
{
    *counters = source->http.counters;
}
