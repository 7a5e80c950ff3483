#define _POSIX_C_SOURCE 200809L /* clock_gettime, strncasecmp */
#include "host/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define POLL_MS 200 /* the longest time that a cancellation waits */

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- libcurl's call-backs ---- */

static size_t on_header(char *line, size_t size, size_t count, void *context)
{
    struct http *h = context;
    size_t n = size * count, end = n;
    while (end && (line[end - 1] == '\r' || line[end - 1] == '\n')) {
        end--;
    }
    if (h->answer.complete) {
        return n; /* trailers of a chunked body */
    }
    if (end) {
        http_answer_line(&h->answer, line, end);
    } else {
        /* The empty line; 1xx answers are followed by the real one. */
        curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &h->answer.status);
        h->answer.complete = h->answer.status >= 200;
    }
    return n;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
    struct http *h = context;
    size_t n = size * count;
    if (h->head == h->fill) {
        h->head = h->fill = 0;
    }
    if (sizeof h->buffer - h->fill < n) {
        h->paused = true;
        return CURL_WRITEFUNC_PAUSE; /* the same bytes come again */
    }
    memcpy(h->buffer + h->fill, bytes, n);
    h->fill += n;
    h->came += n;
    h->counters.bytes += n;
    return n;
}

/* ---- Failures in words ---- */

static int fail(struct http *h, int error, bool retriable, const char *text)
{
    h->retriable = retriable;
    return molt_fail(&h->message, error, "%s: %s", h->at, text);
}

/* Rows: what libcurl says, what that is here, and whether it may be gone the next time. */
static const struct {
    CURLcode result;
    int error;
    bool retriable;
} meanings[] = {
    {CURLE_URL_MALFORMAT, MOLT_E_URL, false},
    {CURLE_UNSUPPORTED_PROTOCOL, MOLT_E_URL, false},
    {CURLE_COULDNT_RESOLVE_HOST, MOLT_E_CONNECT, true},
    {CURLE_COULDNT_RESOLVE_PROXY, MOLT_E_CONNECT, true},
    {CURLE_COULDNT_CONNECT, MOLT_E_CONNECT, true},
    {CURLE_OPERATION_TIMEDOUT, MOLT_E_CONNECT, true},
    {CURLE_GOT_NOTHING, MOLT_E_CONNECT, true},
    {CURLE_SEND_ERROR, MOLT_E_CONNECT, true},
    {CURLE_RECV_ERROR, MOLT_E_CONNECT, true},
    {CURLE_HTTP2, MOLT_E_CONNECT, true},
    {CURLE_HTTP2_STREAM, MOLT_E_CONNECT, true},
    {CURLE_PARTIAL_FILE, MOLT_E_TRUNCATED, true},
    {CURLE_SSL_CONNECT_ERROR, MOLT_E_TLS, false},
    {CURLE_PEER_FAILED_VERIFICATION, MOLT_E_TLS, false},
    {CURLE_SSL_CACERT_BADFILE, MOLT_E_TLS, false},
    {CURLE_SSL_CERTPROBLEM, MOLT_E_TLS, false},
    {CURLE_SSL_CIPHER, MOLT_E_TLS, false},
    {CURLE_SSL_ISSUER_ERROR, MOLT_E_TLS, false},
    {CURLE_SSL_INVALIDCERTSTATUS, MOLT_E_TLS, false},
    {CURLE_OUT_OF_MEMORY, MOLT_E_NO_MEMORY, false},
};

/* The request ended before its head was there. */
static int fail_result(struct http *h)
{
    long verify = 0;
    char text[256];
    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++) {
        if (meanings[i].result != h->result) {
            continue;
        }
        curl_easy_getinfo(h->easy, CURLINFO_SSL_VERIFYRESULT, &verify);
        snprintf(text, sizeof text, "%s%s: %s", molt_strerror(meanings[i].error),
                 meanings[i].error == MOLT_E_TLS && verify
                     ? " (is the server's certificate for this name, in date, and signed by a "
                       "trusted authority? --ca names another)"
                     : "",
                 curl_easy_strerror(h->result));
        return fail(h, meanings[i].error, meanings[i].retriable, text);
    }
    snprintf(text, sizeof text, "%s", curl_easy_strerror(h->result));
    return fail(h, MOLT_E_IO, true, text);
}

static int fail_status(struct http *h)
{
    long status = h->answer.status;
    /* RFC 9110, 15: time-outs, overload and what a gateway says of the server behind it. */
    bool retriable = status == 408 || status == 425 || status == 429 || status == 500 ||
                     (status >= 502 && status <= 504);
    char text[128];
    snprintf(text, sizeof text, "the server answered with status %ld, expected 200 or 206%s",
             status, status == 404 ? ": no such file there; check the URL" : "");
    return fail(h, MOLT_E_HTTP_STATUS, retriable, text);
}

/* ---- One request ---- */

static void set_defaults(struct molt_http_options *o)
{
    o->connect_ms = o->connect_ms ? o->connect_ms : 15000;
    o->stall_ms = o->stall_ms ? o->stall_ms : 30000;
    o->stall_bytes = o->stall_bytes ? o->stall_bytes : 256;
    if (o->connect_ms >= o->stall_ms) {
        o->connect_ms = o->stall_ms - o->stall_ms / 4; /* so that the nearer cause is told */
    }
    o->tries = o->tries ? o->tries : 5;
    o->backoff_ms = o->backoff_ms ? o->backoff_ms : 250;
}

static bool is_scheme(const char *url, const char *scheme)
{
    return strncasecmp(url, scheme, strlen(scheme)) == 0;
}

int http_init(struct http *h, const char *url, const struct molt_http_options *options,
              struct molt_message *message)
{
    memset(h, 0, offsetof(struct http, buffer));
    if (!is_scheme(url, "http://") && !is_scheme(url, "https://")) {
        return molt_fail(message, MOLT_E_URL, "%s: not a URL that begins with http:// or https://",
                         url);
    }
    if (strlen(url) >= sizeof h->url) {
        return molt_fail(message, MOLT_E_URL, "%.60s...: longer than %u bytes", url,
                         (unsigned)sizeof h->url - 1);
    }
    strcpy(h->url, url);
    strcpy(h->at, url);
    if (options) {
        h->options = *options;
    }
    set_defaults(&h->options);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    h->multi = curl_multi_init();
    h->easy = curl_easy_init();
    if (!h->multi || !h->easy) {
        http_free(h);
        return molt_fail(message, MOLT_E_NO_MEMORY, "%s: libcurl cannot start", url);
    }
    return MOLT_OK;
}

void http_free(struct http *h)
{
    http_stop(h);
    curl_easy_cleanup(h->easy);
    curl_multi_cleanup(h->multi);
    h->easy = NULL;
    h->multi = NULL;
    curl_global_cleanup();
}

void http_stop(struct http *h)
{
    if (h->active) {
        curl_multi_remove_handle(h->multi, h->easy);
        h->active = false;
    }
    curl_slist_free_all(h->headers);
    h->headers = NULL;
}

static int add_header(struct http *h, const char *name, const char *value)
{
    char line[300];
    snprintf(line, sizeof line, "%s: %s", name, value);
    struct curl_slist *longer = curl_slist_append(h->headers, line);
    if (!longer) {
        return fail(h, MOLT_E_NO_MEMORY, false, "out of memory");
    }
    h->headers = longer;
    return MOLT_OK;
}

static int send_request(struct http *h, const char *range, const char *if_range)
{
    http_stop(h);
    h->answer = (struct http_answer){.length = HTTP_UNKNOWN, .total = HTTP_UNKNOWN};
    h->head = h->fill = 0;
    h->paused = h->finished = false;
    h->waited_ms = h->came = 0;
    h->counters.requests++;
    /* Compressed, the offsets would mean other bytes. */
    int code = add_header(h, "Accept-Encoding", "identity");
    if (code == MOLT_OK && if_range) {
        code = add_header(h, "If-Range", if_range);
    }
    if (code < 0) {
        return code;
    }
    curl_easy_reset(h->easy); /* connections stay: they are the multi handle's */
    curl_easy_setopt(h->easy, CURLOPT_URL, h->at);
    curl_easy_setopt(h->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(h->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h->easy, CURLOPT_USERAGENT, "molt");
    curl_easy_setopt(h->easy, CURLOPT_HTTPHEADER, h->headers);
    curl_easy_setopt(h->easy, CURLOPT_RANGE, range);
    curl_easy_setopt(h->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)h->options.connect_ms);
    curl_easy_setopt(h->easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(h->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(h->easy, CURLOPT_HEADERDATA, h);
    curl_easy_setopt(h->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(h->easy, CURLOPT_WRITEDATA, h);
    if (h->options.ca_file) {
        curl_easy_setopt(h->easy, CURLOPT_CAINFO, h->options.ca_file);
        curl_easy_setopt(h->easy, CURLOPT_CAPATH, NULL);
    }
    if (curl_multi_add_handle(h->multi, h->easy) != CURLM_OK) {
        return fail(h, MOLT_E_NO_MEMORY, false, "libcurl takes no request");
    }
    h->active = true;
    return MOLT_OK;
}

static bool cancelled(struct http *h)
{
    const struct molt_progress *p = h->options.progress;
    return p && p->report(p->context, "download", h->counters.bytes, h->total) != 0;
}

/* Lets libcurl work once, and waits for the network when there was nothing to do. */
static int pump(struct http *h)
{
    int running = 0, left = 0;
    uint64_t before = h->came, started = now_ms();
    bool had_head = h->answer.complete;
    if (h->paused) {
        h->paused = false;
        curl_easy_pause(h->easy, CURLPAUSE_CONT);
    }
    curl_multi_perform(h->multi, &running);
    for (CURLMsg *m; (m = curl_multi_info_read(h->multi, &left)) != NULL;) {
        if (m->msg == CURLMSG_DONE) {
            h->finished = true;
            h->result = m->data.result;
        }
    }
    if (h->finished || h->came != before || (h->answer.complete && !had_head)) {
        return MOLT_OK;
    }
    if (cancelled(h)) {
        return fail(h, MOLT_E_CANCELLED, false, "cancelled");
    }
    curl_multi_poll(h->multi, NULL, 0, POLL_MS, NULL);
    h->waited_ms += now_ms() - started;
    if (h->waited_ms >= h->options.stall_ms) {
        if (h->came < h->options.stall_bytes) {
            char text[128];
            snprintf(text, sizeof text, "stalled: %llu bytes in %u ms, expected at least %u",
                     (unsigned long long)h->came, h->options.stall_ms, h->options.stall_bytes);
            return fail(h, MOLT_E_STALLED, true, text);
        }
        h->waited_ms = h->came = 0;
    }
    return MOLT_OK;
}

static int wait_for_head(struct http *h)
{
    /* Before a connection stands, libcurl's own time-out for that holds. */
    while (!h->answer.complete && !h->finished) {
        int code = pump(h);
        if (code < 0) {
            return code;
        }
    }
    return h->answer.complete ? MOLT_OK : fail_result(h);
}

/* MOLT_OK: h->at is the next place. */
static int redirect(struct http *h)
{
    char *next = NULL;
    /* libcurl tells the place at the end of the answer; a page for people may come with it. */
    for (int code = 1, total = 0; code != 0; total += code) {
        code = http_read(h, NULL, sizeof h->buffer);
        if (code < 0) {
            return code;
        }
        if (total > HTTP_BUFFER) {
            return fail(h, MOLT_E_HTTP_STATUS, false, "redirects with an endless page");
        }
    }
    curl_easy_getinfo(h->easy, CURLINFO_REDIRECT_URL, &next);
    if (!next) {
        return fail_status(h);
    }
    bool secure = is_scheme(next, "https://");
    if (!secure && !is_scheme(next, "http://")) {
        return fail(h, MOLT_E_URL, false, "redirects to something else than http or https");
    }
    if (!secure && is_scheme(h->at, "https://")) {
        return fail(h, MOLT_E_URL, false, "redirects from https to http: refused");
    }
    if (strlen(next) >= sizeof h->at) {
        return fail(h, MOLT_E_URL, false, "redirects to a URL that is too long");
    }
    strcpy(h->at, next);
    h->counters.redirects++;
    return MOLT_OK;
}

int http_open(struct http *h, const char *range, const char *if_range)
{
    strcpy(h->at, h->url);
    for (int hops = 0;; hops++) {
        int code = send_request(h, range, if_range);
        if (code == MOLT_OK) {
            code = wait_for_head(h);
        }
        if (code < 0) {
            return code;
        }
        long status = h->answer.status;
        if (status == 200 || status == 206 || status == 416) {
            return MOLT_OK;
        }
        if (status < 300 || status > 308 || status == 304) {
            return fail_status(h);
        }
        if (hops == HTTP_REDIRECTS) {
            return fail(h, MOLT_E_HTTP_STATUS, false, "more than 5 redirects");
        }
        code = redirect(h);
        if (code < 0) {
            return code;
        }
    }
}

int http_read(struct http *h, void *out, size_t n)
{
    while (h->head == h->fill) {
        if (h->finished) {
            return 0;
        }
        int code = pump(h);
        if (code < 0) {
            return code;
        }
    }
    size_t there = h->fill - h->head;
    n = n < there ? n : there;
    if (out) {
        memcpy(out, h->buffer + h->head, n);
    }
    h->head += n;
    return (int)n;
}

size_t http_kept(const struct http *h)
{
    return h->head;
}

void http_rewind(struct http *h, size_t n)
{
    h->head -= n;
}

int http_back_off(struct http *h, uint32_t failures)
{
    uint64_t wait = h->options.backoff_ms;
    for (uint32_t i = 1; i < failures && wait < HTTP_BACKOFF_MAX; i++) {
        wait *= 2;
    }
    uint64_t until = now_ms() + (wait < HTTP_BACKOFF_MAX ? wait : HTTP_BACKOFF_MAX);
    h->counters.retries++;
    http_stop(h);
    for (uint64_t now; (now = now_ms()) < until;) {
        if (cancelled(h)) {
            return fail(h, MOLT_E_CANCELLED, false, "cancelled");
        }
        uint64_t left = until - now < POLL_MS ? until - now : POLL_MS;
        struct timespec t = {.tv_nsec = (long)left * 1000000};
        nanosleep(&t, NULL);
    }
    return MOLT_OK;
}
