/* From a published tree to the bundle that this device is to take. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "molt/host/crypto.h"
#include "molt/host/file.h"
#include "molt/pack/publish.h"
#include "ops/update/update_internal.h"

bool update_is_url(const char *from)
{
    return strncmp(from, "http://", 7) == 0 || strncmp(from, "https://", 8) == 0;
}

/* base/below, with one slash between. */
static int join(char *out, size_t capacity, const char *base, const char *below,
                struct molt_message *message)
{
    size_t n = strlen(base);
    int written =
        snprintf(out, capacity, "%s%s%s", base, n && base[n - 1] == '/' ? "" : "/", below);
    return written > 0 && (size_t)written < capacity
               ? MOLT_OK
               : molt_fail(message, MOLT_E_ARGUMENT, "%.60s...: too long", base);
}

static int fetch(struct molt_update_session *s, const char *place, uint8_t **bytes, size_t *n,
                 struct molt_message *message)
{
    return update_is_url(place)
               ? molt_http_get(place, MOLT_CHANNEL_FILE_MAX, &s->request.http, bytes, n, message)
               : molt_file_read(place, MOLT_CHANNEL_FILE_MAX, bytes, n, message);
}

static int verify(struct molt_update_session *s, const char *place, const uint8_t *bytes, size_t n,
                  struct molt_message *message)
{
    struct molt_trusted_key keys[MOLT_KEYS_MAX];
    struct molt_cose cose;
    struct molt_diag diag = {0};
    int count = molt_keys_load(&s->store, keys);
    if (count < 0) {
        return molt_fail(message, count, "%s: record 3 (keys) of its store: %s", s->target.name,
                         molt_strerror(count));
    }
    int code = molt_channel_open(&s->report.channel, &cose, bytes, n, &diag);
    if (code < 0) {
        return molt_fail_diag(message, place, &diag);
    }
    code = molt_cose_verify(&cose, keys, (size_t)count, MOLT_KEY_CHANNELS, &molt_openssl_verifier,
                            NULL);
    if (code < 0) {
        return molt_fail(message, code,
                         "%s: %s; %s trusts %d key%s, and one that may sign channels is needed "
                         "('molt provision' gives a device its keys)",
                         place, molt_strerror(code), s->target.name, count, count == 1 ? "" : "s");
    }
    return MOLT_OK;
}

static int judge(struct molt_update_session *s, const char *place, struct molt_message *message)
{
    const struct molt_channel *c = &s->report.channel;
    struct molt_floor floor;
    int code = molt_floor_load(&s->store, &floor);
    if (code < 0) {
        return molt_fail(message, code, "%s: record 2 (floor) of its store: %s", s->target.name,
                         molt_strerror(code));
    }
    code = molt_channel_check(c, s->request.channel, floor.newest_time, s->request.now,
                              s->device.id, s->device.id_size);
    if (molt_channel_is_news(c, code, floor.newest_time)) {
        struct molt_floor raised = {floor.sequence, c->issued};
        int saved = molt_floor_save(&s->store, &raised);
        if (saved < 0) {
            return update_fail(s, saved, message);
        }
    }
    if (code == MOLT_E_CHANNEL_NAME) {
        return molt_fail(message, code, "%s: is channel '%s', expected '%s'", place, c->name,
                         s->request.channel);
    }
    if (code == MOLT_E_CHANNEL_OLD || code == MOLT_E_CHANNEL_EXPIRED) {
        return molt_fail(message, code,
                         "%s: %s (issued %llu, expires %llu; this device has seen %llu, and it is "
                         "%llu now, in seconds since 1970): publish the channel again",
                         place, molt_strerror(code), (unsigned long long)c->issued,
                         (unsigned long long)c->expires, (unsigned long long)floor.newest_time,
                         (unsigned long long)s->request.now);
    }
    if (code < 0) {
        return molt_fail(message, code, "%s: %s", place, molt_strerror(code));
    }
    return MOLT_OK;
}

int update_read_channel(struct molt_update_session *s, struct molt_message *message)
{
    char below[MOLT_TREE_PATH_MAX], place[sizeof s->report.bundle];
    uint8_t *bytes = NULL;
    size_t n = 0;
    if (!molt_channel_name_ok(s->request.channel)) {
        return molt_fail(message, MOLT_E_CHANNEL_NAME,
                         "channel '%s': expected 1 to 32 letters, digits, '.', '_' or '-', not "
                         "beginning with '.'",
                         s->request.channel);
    }
    molt_tree_channel_path(s->request.channel, below);
    int code = join(place, sizeof place, s->request.from, below, message);
    if (code == MOLT_OK) {
        code = fetch(s, place, &bytes, &n, message);
    }
    if (code == MOLT_OK) {
        code = verify(s, place, bytes, n, message);
    }
    free(bytes);
    if (code == MOLT_OK) {
        code = judge(s, place, message);
    }
    if (code < 0) {
        return code;
    }
    s->report.has_channel = true;
    molt_tree_bundle_path(s->report.channel.bundle, below);
    return join(s->report.bundle, sizeof s->report.bundle, s->request.from, below, message);
}
