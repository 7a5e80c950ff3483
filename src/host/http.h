/* One HTTP request at a time over libcurl's multi interface: sent, its answer's head looked at, its
 * body pulled. */
#ifndef MOLT_HOST_HTTP_H
#define MOLT_HOST_HTTP_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "molt/host/curl_source.h"

#define HTTP_BUFFER      65536 /* four of libcurl's deliveries */
#define HTTP_URL_MAX     2048
#define HTTP_REDIRECTS   5
#define HTTP_UNKNOWN     UINT64_MAX
#define HTTP_BACKOFF_MAX 8000

/* The head of an answer. */
struct http_answer {
    long status;
    bool complete;                /* the whole head is there */
    bool has_range;               /* Content-Range: bytes first-last/total */
    bool bad_range;               /* a Content-Range that is something else */
    bool encoded;                 /* Content-Encoding other than identity */
    uint64_t first, last, total;  /* HTTP_UNKNOWN where it says '*' */
    uint64_t length;              /* Content-Length; HTTP_UNKNOWN = not said */
    char etag[128], modified[64]; /* "" = none */
};

struct http {
    CURLM *multi;
    CURL *easy;
    struct curl_slist *headers;
    struct molt_http_options options; /* with the defaults filled in */
    char url[HTTP_URL_MAX];           /* as given */
    char at[HTTP_URL_MAX];            /* behind the redirects */
    struct molt_message message;
    struct molt_http_counters counters;
    struct http_answer answer;
    bool active, paused, finished;
    bool retriable; /* the last failure may be gone next time */
    CURLcode result;
    size_t head, fill;        /* of buffer: bytes taken, bytes there */
    uint64_t waited_ms, came; /* for the stall: waiting since the window began, bytes in it */
    uint64_t total;           /* for progress; 0 = unknown */
    uint8_t buffer[HTTP_BUFFER];
};

int http_init(struct http *http, const char *url, const struct molt_http_options *options,
              struct molt_message *message);
void http_free(struct http *http);

/*
 * Sends a GET and waits for the head of the final answer (redirects followed). range: "0-4095" or
 * NULL; if_range: a validator or NULL. Any status but 200, 206 and 416 is a failure.
 */
int http_open(struct http *http, const char *range, const char *if_range);

/* Body bytes: the count, 0 at its end (http->result tells whether all came), or an error. */
int http_read(struct http *http, void *out, size_t n);

/* Bytes taken that are still in the buffer: http_rewind gives n of them, at most these, back. */
size_t http_kept(const struct http *http);
void http_rewind(struct http *http, size_t n);

/* Ends the request, whatever state it is in. */
void http_stop(struct http *http);

/* Waits before another try: MOLT_OK, or MOLT_E_CANCELLED. failures: so far, from 1. */
int http_back_off(struct http *http, uint32_t failures);

/* http_answer.c: one line of a head, without its end. */
void http_answer_line(struct http_answer *answer, const char *line, size_t n);

#endif
