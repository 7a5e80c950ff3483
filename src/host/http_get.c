/* A whole small file over HTTP. */
#include <stdlib.h>

#include "host/http.h"

/* One try. The bytes are in *bytes, which holds limit + 1. */
static int get_once(struct http *h, size_t limit, uint8_t *bytes, size_t *n)
{
    *n = 0;
    int code = http_open(h, NULL, NULL);
    if (code < 0) {
        return code;
    }
    h->retriable = false;
    if (h->answer.status != 200 || h->answer.encoded) {
        return molt_fail(&h->message, h->answer.encoded ? MOLT_E_HTTP_RANGE : MOLT_E_HTTP_STATUS,
                         "%s: the server answered with status %ld%s, expected 200 and plain bytes",
                         h->at, h->answer.status, h->answer.encoded ? " and encoded bytes" : "");
    }
    while ((code = http_read(h, bytes + *n, limit + 1 - *n)) > 0) {
        *n += (size_t)code;
        if (*n > limit) {
            h->retriable = false;
            return molt_fail(&h->message, MOLT_E_RANGE, "%s: larger than %zu bytes", h->at, limit);
        }
    }
    if (code == 0 && h->result != CURLE_OK) {
        h->retriable = true;
        code = molt_fail(&h->message, MOLT_E_TRUNCATED, "%s: ends after %zu bytes: %s", h->at, *n,
                         curl_easy_strerror(h->result));
    }
    return code;
}

int molt_http_get(const char *url, size_t limit, const struct molt_http_options *options,
                  uint8_t **bytes, size_t *n, struct molt_message *message)
{
    *bytes = NULL;
    *n = 0;
    struct http *h = malloc(sizeof *h);
    uint8_t *buffer = malloc(limit + 1);
    if (!h || !buffer) {
        free(h);
        free(buffer);
        return molt_fail(message, MOLT_E_NO_MEMORY, "%s: out of memory", url);
    }
    int code = http_init(h, url, options, message);
    if (code < 0) {
        free(h);
        free(buffer);
        return code;
    }
    for (uint32_t failures = 0;;) {
        code = get_once(h, limit, buffer, n);
        if (code >= 0 || !h->retriable || ++failures >= h->options.tries) {
            break;
        }
        code = http_back_off(h, failures);
        if (code < 0) {
            break;
        }
    }
    if (code < 0) {
        if (message) {
            *message = h->message;
        }
        free(buffer);
    } else {
        *bytes = buffer;
    }
    http_free(h);
    free(h);
    return code;
}
