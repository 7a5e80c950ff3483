/* The head of an HTTP answer, line by line, as libcurl hands it over. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "host/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(int condition)
{
    if (!condition) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_answer answer = {0};
    for (size_t at = 0; at < size;) {
        const uint8_t *end = memchr(data + at, '\n', size - at);
        size_t n = end ? (size_t)(end - data) - at : size - at;
        char *line = malloc(n ? n : 1); /* of its own, so that a byte too far is seen */
        if (!line) {
            return 0;
        }
        memcpy(line, data + at, n);
        http_answer_line(&answer, line, n);
        free(line);
        at += n + 1;
    }
    demand(!(answer.has_range && answer.bad_range));
    if (answer.has_range) {
        demand((answer.first == HTTP_UNKNOWN) == (answer.last == HTTP_UNKNOWN));
        demand(answer.first <= answer.last);
        demand(answer.total == HTTP_UNKNOWN || answer.last == HTTP_UNKNOWN ||
               answer.last < answer.total);
    }
    demand(memchr(answer.etag, 0, sizeof answer.etag) != NULL);
    demand(memchr(answer.modified, 0, sizeof answer.modified) != NULL);
    return 0;
}
