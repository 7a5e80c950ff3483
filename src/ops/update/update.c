#include "molt/ops/update.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "molt/host/board.h"
#include "molt/host/crypto.h"
#include "ops/update/update_internal.h"

/* ---- A store that a dry run may write to ---- */

static int look_only_get(void *context, int record, void *buffer, uint32_t capacity)
{
    const struct molt_store *real = context;
    return real->ops->get(real->context, record, buffer, capacity);
}

static int look_only_put(void *context, int record, const void *data, uint32_t n)
{
    (void)context;
    (void)record;
    (void)data;
    (void)n;
    return MOLT_OK;
}

static const struct molt_store_ops look_only = {look_only_get, look_only_put};

/* ---- Opening ---- */

static int hand_on(void *context, const char *what, uint64_t done, uint64_t total)
{
    const struct molt_update_session *s = context;
    (void)done; /* of the network; a person wants to see how much is installed */
    (void)total;
    uint32_t installed, all;
    if (!s->progress) {
        return 0;
    }
    molt_engine_progress(&s->engine, &installed, &all);
    return s->progress->report(s->progress->context, what, installed, all);
}

static bool ends_in(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static int open_target(struct molt_update_session *s, struct molt_message *message)
{
    int code = molt_target_open(&s->target, s->request.target, message);
    if (code < 0) {
        return code;
    }
    code = molt_ops_device_of(&s->device, &s->target, message);
    if (code < 0) {
        return code;
    }
    struct molt_board *board = s->target.board;
    s->store = s->request.dry_run ? (struct molt_store){&look_only, &board->store} : board->store;
    s->first_operation = board->nor.operations;
    if (s->request.cut_at) {
        board->nor.cut_at = s->first_operation + s->request.cut_at;
        board->nor.cut = s->request.cut;
    }
    return MOLT_OK;
}

/* No file system is no failure yet: a bundle without files does not need it. */
static int open_files(struct molt_update_session *s, struct molt_message *message)
{
    const struct molt_partition *vfs = molt_ops_files_partition(&s->target.table);
    if (!vfs) {
        return MOLT_OK;
    }
    int code = molt_fs_mount(&s->fs, &s->target.flash, vfs->offset, vfs->size, false, message);
    if (code == MOLT_OK) {
        molt_fs_files(s->fs, &s->files);
        s->port.files = &s->files;
    }
    bool none = code == MOLT_E_FORMAT || code == MOLT_E_ALIGNMENT || code == MOLT_E_UNSUPPORTED;
    return none ? MOLT_OK : code;
}

static int open_source(struct molt_update_session *s, struct molt_message *message)
{
    s->network = (struct molt_progress){hand_on, s};
    s->request.http.progress = &s->network;
    if (ends_in(s->request.from, ".molt")) {
        if (strlen(s->request.from) >= sizeof s->report.bundle) {
            return molt_fail(message, MOLT_E_ARGUMENT, "%.60s...: too long", s->request.from);
        }
        strcpy(s->report.bundle, s->request.from);
    } else {
        int code = update_read_channel(s, message);
        if (code < 0) {
            return code;
        }
        s->port.expect = s->report.channel.bundle;
    }
    return update_is_url(s->report.bundle)
               ? molt_curl_source_open(&s->curl, s->report.bundle, &s->request.http, &s->source,
                                       message)
               : molt_file_source_open(&s->file, s->report.bundle, &s->source, message);
}

/* Steps until the state is reached; MOLT_OK or an error. */
static int step_to(struct molt_update_session *s, enum molt_engine_state state)
{
    int code = MOLT_OK;
    while (s->engine.state < state && (code == MOLT_OK || code == MOLT_AGAIN)) {
        code = molt_engine_step(&s->engine);
    }
    return code < 0 && code != MOLT_AGAIN ? code : MOLT_OK;
}

static int prepare(struct molt_update_session *s, struct molt_message *message)
{
    int code = open_target(s, message);
    if (code == MOLT_OK) {
        code = open_files(s, message);
    }
    if (code == MOLT_OK) {
        code = open_source(s, message);
    }
    if (code < 0) {
        return code;
    }
    s->port.flash = &s->target.flash;
    s->port.store = &s->store;
    s->port.source = &s->source;
    s->port.verifier = &molt_openssl_verifier;
    s->port.digest = &molt_sha256;
    s->port.buffer = s->buffer;
    s->port.window = s->window;
    s->port.device = s->device.device;
    s->port.now = s->request.now;
    s->port.retry_failed = s->request.retry_failed;
    code = molt_engine_start(&s->engine, &s->port);
    if (code == MOLT_OK) {
        code = step_to(s, MOLT_STATE_PROBE);
    }
    return code < 0 ? update_fail(s, code, message) : update_make_plan(s, message);
}

int molt_update_open(struct molt_update_session **session,
                     const struct molt_update_request *request, struct molt_message *message)
{
    struct molt_update_session *s = calloc(1, sizeof *s);
    *session = s;
    if (!s) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    s->request = *request;
    s->file.fd = -1;
    return prepare(s, message);
}

const struct molt_update_report *molt_update_report(const struct molt_update_session *session)
{
    return &session->report;
}

/* ---- Running and closing ---- */

int molt_update_run(struct molt_update_session *s, const struct molt_progress *progress,
                    struct molt_message *message)
{
    int code = MOLT_OK;
    if (s->request.dry_run) {
        return molt_fail(message, MOLT_E_ARGUMENT, "a dry run ends with the plan");
    }
    s->progress = progress;
    while (code == MOLT_OK || code == MOLT_AGAIN) {
        const char *what = molt_engine_state_name((enum molt_engine_state)s->engine.state);
        code = molt_engine_step(&s->engine);
        if (code == MOLT_OK && hand_on(s, what, 0, 0) != 0) {
            code = molt_fail(message, MOLT_E_CANCELLED,
                             "%s: cancelled; the same update goes on where it stopped",
                             s->target.name);
            break;
        }
    }
    s->progress = NULL;
    s->report.chunks_kept = s->engine.chunks_kept;
    s->report.chunks_written = s->engine.chunks_written;
    s->report.operations = s->target.board->nor.operations - s->first_operation;
    if (s->curl) {
        molt_curl_source_counters(s->curl, &s->report.http);
    }
    if (code == MOLT_DONE) {
        return MOLT_OK;
    }
    return code == MOLT_E_CANCELLED && s->engine.error != code ? code
                                                               : update_fail(s, code, message);
}

int molt_update_close(struct molt_update_session *s, struct molt_message *message)
{
    if (!s) {
        return MOLT_OK;
    }
    molt_curl_source_close(s->curl);
    molt_file_source_close(&s->file);
    if (s->fs) {
        molt_fs_unmount(s->fs, NULL);
    }
    int code = molt_target_close(&s->target, message);
    free(s);
    return code;
}
