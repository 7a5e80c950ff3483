/* Comparing a file with what the device holds; nothing is changed. */
#include <stdlib.h>

#include "ops/dfu/write.h"

static int differs(const struct molt_dfu_session *session, struct molt_dfu_verify_result *result,
                   uint32_t address, uint8_t file, uint8_t device, struct molt_message *message)
{
    result->differs = true;
    result->address = address;
    result->file = file;
    result->device = device;
    return molt_fail(message, MOLT_E_VERIFY,
                     "%s: 0x%08x holds 0x%02x, and the file has 0x%02x for it: the first byte that "
                     "differs",
                     session->name, address, device, file);
}

static int compare(struct molt_dfu_write *job, struct dfu_reader *reader,
                   const struct dfu_span *span, struct molt_dfu_verify_result *result,
                   struct molt_message *message)
{
    for (uint32_t at = 0, n; at < span->size; at += n) {
        const uint8_t *device;
        int error =
            dfu_reader_get(reader, span->address + at, span->size - at, &device, &n, message);
        if (error) {
            return error;
        }
        for (uint32_t i = 0; i < n; i++) {
            if (device[i] != span->bytes[at + i]) {
                return differs(job->session, result, span->address + at + i, span->bytes[at + i],
                               device[i], message);
            }
        }
        result->bytes += n;
    }
    return MOLT_OK;
}

static int verify(struct molt_dfu_write *job, struct molt_dfu_verify_result *result,
                  struct molt_message *message)
{
    struct dfu_reader reader;
    int error = dfu_reader_begin(&reader, job->session, message);
    for (uint32_t i = 0; !error && i < job->sectors; i++) {
        const struct dfu_sector *sector = &job->sector[i];
        error = dfu_use(job->session, sector->alternate, message);
        for (uint32_t j = sector->span; !error && j < sector->span + sector->spans; j++) {
            error = compare(job, &reader, &job->span[j], result, message);
        }
    }
    dfu_reader_end(&reader);
    return error;
}

int molt_dfu_verify(struct molt_dfu_session *session, const struct molt_dfu_verify_request *request,
                    struct molt_dfu_verify_result *result, const struct molt_progress *progress,
                    struct molt_message *message)
{
    struct molt_dfu_verify_result own;
    const struct molt_progress *before = session->dfu.progress;
    struct molt_diag diag = {0};
    struct molt_dfu_write *job = calloc(1, sizeof *job);
    result = result ? result : &own;
    *result = (struct molt_dfu_verify_result){0};
    if (!job) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    job->session = session;
    job->image = request->image;
    job->request.force = true; /* also what cannot be erased may be compared */
    int error = dfu_write_check(session, job->image, request->force, message);
    if (!error && (!session->dfu.dfuse || job->image->packed)) {
        error = molt_fail(message, MOLT_E_UNSUPPORTED,
                          "%s: what this device holds cannot be compared with the file: %s",
                          session->name,
                          job->image->packed ? "it is encrypted, and mboot lets nobody read"
                                             : "it has no addresses; 'molt dfu read' reads it");
    }
    uint8_t can = session->dfu.attributes;
    if (!error &&
        ((can && !(can & MOLT_DFU_CAN_UPLOAD)) || (session->dfu.quirks & MOLT_DFU_QUIRK_NO_READ))) {
        error = molt_fail(message, MOLT_E_UNSUPPORTED,
                          "%s: gives nothing back (it says that it cannot upload): what it holds "
                          "cannot be compared with the file",
                          session->name);
    }
    error = error ? error : dfu_write_layout(job, message);
    if (!error && (error = molt_dfu_idle(&session->dfu, &diag)) != MOLT_OK) {
        molt_dfu_fail(message, session, error, &diag, "bringing it to dfuIDLE");
    }
    dfu_progress(job, progress, "verify", 0, job->result.bytes_given);
    error = error ? error : verify(job, result, message);
    dfu_progress_end(job, before);
    molt_dfu_write_free(job);
    return error;
}
