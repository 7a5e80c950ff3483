/*
 * HTTP(S) through libcurl: a source that fetches a bundle by ranges, and a GET for small files.
 * What a server sends is untrusted: nothing here decides whether bytes are right, only whether they
 * are the bytes that were asked for.
 */
#ifndef MOLT_HOST_CURL_SOURCE_H
#define MOLT_HOST_CURL_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "molt/host/message.h"
#include "molt/progress.h"
#include "molt/source.h"

#ifdef __cplusplus
extern "C" {
#endif

/* All zero = the defaults. Copied; what it points to must outlive the source. */
struct molt_http_options {
    const char
        *ca_file; /* PEM certificates to trust instead of the system's; NULL = the system's */
    uint32_t connect_ms; /* until connected, TLS included; 0 = 15000 */
    uint32_t stall_ms; /* with less than stall_bytes in so much waiting it is stalled; 0 = 30000 */
    uint32_t stall_bytes; /* 0 = 256 */
    uint32_t tries;       /* requests in a row that bring nothing, before giving up; 0 = 5 */
    uint32_t
        backoff_ms; /* before the second try, doubled for each further one up to 8 s; 0 = 250 */
    const struct molt_progress
        *progress; /* "download", also while waiting; nonzero cancels. Or NULL */
};

struct molt_curl_source;

/*
 * Nothing is sent yet. MOLT_E_URL, MOLT_E_NO_MEMORY. *source is freed by molt_curl_source_close;
 * NULL on failure. out: the interface over it.
 *
 * Errors of its calls, after its own retries:
 *   MOLT_E_URL             not http or https, or a redirect to something else or from https to http
 *   MOLT_E_CONNECT         no name, nobody listens, the connection broke before an answer
 *   MOLT_E_TLS             no TLS, a certificate that is not trusted, for another name, or expired
 *   MOLT_E_HTTP_STATUS     any status but 200 and 206; more than 5 redirects
 *   MOLT_E_HTTP_RANGE      206 for another range than asked for, 200 with a part of the file, or
 * encoded bytes MOLT_E_SOURCE_CHANGED  entity tag, date or length differ from the first answer's
 *   MOLT_E_TRUNCATED       bodies that end too early, again and again
 *   MOLT_E_STALLED         nothing comes
 *   MOLT_E_CANCELLED       by the progress call-back
 *   MOLT_E_RANGE           2 GB or more
 * A server without ranges (200) serves too: bytes before the offset are read and thrown away.
 */
int molt_curl_source_open(struct molt_curl_source **source, const char *url,
                          const struct molt_http_options *options, struct molt_source *out,
                          struct molt_message *message);
void molt_curl_source_close(struct molt_curl_source *source);

/* What the last failed call was about, with the URL. Valid until the next call. */
const struct molt_message *molt_curl_source_message(const struct molt_curl_source *source);

/* What came over the network so far. */
struct molt_http_counters {
    uint64_t requests, bytes, retries, redirects;
};
void molt_curl_source_counters(const struct molt_curl_source *source,
                               struct molt_http_counters *counters);

/*
 * Gets a whole small file into memory that the caller frees. Errors as above, and MOLT_E_RANGE when
 * it is larger than limit (no more than that is read).
 */
int molt_http_get(const char *url, size_t limit, const struct molt_http_options *options,
                  uint8_t **bytes, size_t *n, struct molt_message *message);

#ifdef __cplusplus
}
#endif
#endif
