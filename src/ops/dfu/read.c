#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "molt/dfuse.h"
#include "ops/dfu/read_job.h"

static int out_of_memory(struct molt_message *message)
{
    return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
}

/* ---- planning ---- */

static int add_files(struct dfu_spans *spans, const struct molt_dfu_session *session,
                     const char *board, const struct dfu_spans *readable,
                     struct molt_message *message)
{
    struct molt_dfu_files files;
    int error = dfu_files_of(&files, session, board, message);
    for (uint32_t i = 0; !error && i < files.count; i++) {
        struct dfu_place place = {DFU_PLACE_RANGE, files.range[i].start,
                                  (uint64_t)files.range[i].start + files.range[i].size, "files"};
        error = dfu_spans_of_place(spans, &place, dfu_map_is_short(session), readable, message);
    }
    return error;
}

/* A range that another alternate setting has: which. */
static int say_alternate(const struct molt_dfu_session *session, const struct dfu_place *place,
                         struct molt_message *message)
{
    const struct molt_dfu_device *device = &session->device;
    struct molt_dfu_sector sector;
    for (uint32_t i = 0; i < device->alternate_count; i++) {
        const struct molt_dfu_alternate *other = &device->alternate[i];
        if (other != session->alternate && other->has_map &&
            molt_dfu_map_sector(&other->map, place->start, &sector)) {
            return molt_fail(message, MOLT_E_RANGE,
                             "%s: is memory of another alternate setting, %u, '%s'; expected --alt "
                             "%u",
                             place->text, other->facts.alternate, other->map.name,
                             other->facts.alternate);
        }
    }
    return MOLT_E_RANGE; /* with the message that it has */
}

static int add_places(struct dfu_spans *spans, const struct molt_dfu_session *session,
                      const struct molt_dfu_read_request *request, struct molt_message *message)
{
    struct dfu_spans readable = {0};
    int error = dfu_spans_of_map(&readable, dfu_map_of(session), MOLT_DFU_READABLE, message);
    for (uint32_t i = 0; !error && i < (request->count ? request->count : 1); i++) {
        struct dfu_place place;
        error = dfu_place_parse(&place, request->count ? request->place[i] : "all", message);
        if (!error && place.kind == DFU_PLACE_FILES) {
            error = add_files(spans, session, request->board, &readable, message);
        } else if (!error) {
            error =
                dfu_spans_of_place(spans, &place, dfu_map_is_short(session), &readable, message);
            error = error == MOLT_E_RANGE ? say_alternate(session, &place, message) : error;
        }
    }
    dfu_spans_free(&readable);
    return error ? error : dfu_spans_join(spans, message);
}

static int pieces_of(struct molt_dfu_read *job, const struct dfu_spans *spans,
                     struct molt_message *message)
{
    job->bytes = dfu_spans_bytes(spans);
    if (job->bytes == 0) {
        return molt_fail(message, MOLT_E_RANGE,
                         "%s: nothing can be read by its memory map; expected a place by "
                         "ADDRESS+SIZE, or another alternate setting (--alt)",
                         job->session->name);
    }
    if (job->bytes > MOLT_DFU_IMAGE_LIMIT) {
        return molt_fail(message, MOLT_E_RANGE,
                         "%s: %" PRIu64 " bytes at once; expected %u at most: read it in parts",
                         job->session->name, job->bytes, MOLT_DFU_IMAGE_LIMIT);
    }
    job->piece = calloc(spans->count, sizeof job->piece[0]);
    if (!job->piece) {
        return out_of_memory(message);
    }
    for (job->count = 0; job->count < spans->count; job->count++) {
        const struct dfu_span *span = &spans->span[job->count];
        job->piece[job->count] = (struct molt_dfu_piece){
            .address = (uint32_t)span->start, .size = (uint32_t)(span->end - span->start)};
    }
    return MOLT_OK;
}

static int plan_plain(struct molt_dfu_read *job, const struct molt_dfu_read_request *request,
                      struct molt_message *message)
{
    if (request->count) {
        return molt_fail(message, MOLT_E_ARGUMENT,
                         "'%s': %s is a device without addresses; expected no place: it sends what "
                         "it has",
                         request->place[0], job->session->name);
    }
    job->plain = true;
    job->limit = request->limit;
    job->piece = calloc(1, sizeof job->piece[0]);
    job->count = job->piece ? 1 : 0;
    return job->piece ? MOLT_OK : out_of_memory(message);
}

int molt_dfu_read_plan(struct molt_dfu_read **made, struct molt_dfu_session *session,
                       const struct molt_dfu_read_request *request, struct molt_message *message)
{
    struct dfu_spans spans = {0};
    *made = NULL;
    if (!dfu_can_upload(session)) {
        return molt_fail(message, MOLT_E_UNSUPPORTED,
                         "%s: gives nothing back (it says that it cannot upload)", session->name);
    }
    struct molt_dfu_read *job = calloc(1, sizeof *job);
    if (!job) {
        return out_of_memory(message);
    }
    job->session = session;
    int error;
    if (session->dfu.dfuse) {
        error = dfu_in_dfu_mode(session, "nothing can be read", message);
        error = error ? error : add_places(&spans, session, request, message);
        error = error ? error : pieces_of(job, &spans, message);
        job->files = request->count == 1 && strcmp(request->place[0], "files") == 0;
    } else {
        error = plan_plain(job, request, message);
    }
    dfu_spans_free(&spans);
    if (error) {
        molt_dfu_read_free(job);
        return error;
    }
    *made = job;
    return MOLT_OK;
}

const struct molt_dfu_piece *molt_dfu_read_pieces(const struct molt_dfu_read *job, uint32_t *count)
{
    *count = job->count;
    return job->piece;
}

void molt_dfu_read_free(struct molt_dfu_read *job)
{
    for (uint32_t i = 0; job && i < job->count; i++) {
        free(job->piece[i].bytes);
    }
    if (job) {
        free(job->piece);
    }
    free(job);
}

/* ---- reading ---- */

static int read_piece(struct molt_dfu_session *session, struct molt_dfu_piece *piece,
                      struct dfu_work *work, struct molt_message *message)
{
    struct molt_diag diag = {0};
    char doing[64];
    free(piece->bytes); /* of a run before */
    piece->bytes = malloc(piece->size);
    if (!piece->bytes) {
        return out_of_memory(message);
    }
    int error = molt_dfuse_read(&session->dfu, piece->address, piece->bytes, piece->size, &diag);
    dfu_work_done(work, piece->size);
    if (error) {
        free(piece->bytes); /* half of it is nothing */
        piece->bytes = NULL;
        if (session->dfu.quirks & MOLT_DFU_QUIRK_NO_READ) {
            return molt_fail(message, error,
                             "%s: this boot loader lets nobody read: mboot with packing, for "
                             "signed and encrypted files",
                             session->name);
        }
        snprintf(doing, sizeof doing, "reading 0x%08" PRIx32 "+%" PRIu32, piece->address,
                 piece->size);
        return molt_dfu_fail(message, session, error, &diag, doing);
    }
    return MOLT_OK;
}

int molt_dfu_read_run(struct molt_dfu_read *job, const struct molt_progress *progress,
                      struct molt_message *message)
{
    int error = MOLT_OK;
    if (job->plain) {
        free(job->piece->bytes);
        return molt_dfu_plain_read(job->session, job->limit, &job->piece->bytes, &job->piece->size,
                                   progress, message);
    }
    struct dfu_work work;
    dfu_work_begin(&work, job->session, progress, "read", job->bytes);
    for (uint32_t i = 0; !error && i < job->count; i++) {
        error = read_piece(job->session, &job->piece[i], &work, message);
    }
    dfu_work_end(&work);
    return error;
}
