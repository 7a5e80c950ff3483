/* Devices of plain DFU 1.0 and 1.1: one firmware, no addresses (USB DFU 1.1, 6 and 7). */
#include <inttypes.h>
#include <stdlib.h>

#include "molt/ops/dfu_device.h"
#include "molt/ops/dfu_image.h"
#include "ops/dfu/read_internal.h"

#define WAIT_MS     10000u
#define MOST_UPLOAD (256u << 20)

static uint32_t wait_of(uint32_t wait_ms)
{
    return wait_ms ? wait_ms : WAIT_MS;
}

/* ---- checks ---- */

static bool suffix_fits(const struct molt_dfu_suffix *suffix, const struct molt_dfu_device *device)
{
    return (suffix->vendor == 0xFFFF || suffix->vendor == device->vendor) &&
           (suffix->product == 0xFFFF || suffix->product == device->product);
}

static int other_device(const struct molt_dfu_session *session, const struct molt_dfu_image *image,
                        struct molt_message *message)
{
    return molt_fail(message, MOLT_E_DFU_DEVICE,
                     "%s: the file is for %04x:%04x, the device is %04x:%04x; expected a file for "
                     "it, or --force",
                     session->name, image->suffix.vendor, image->suffix.product,
                     session->device.vendor, session->device.product);
}

int molt_dfu_plain_check(const struct molt_dfu_session *session,
                         const struct molt_dfu_plain_request *request, struct molt_message *message)
{
    const struct molt_dfu_image *image = request->image;
    uint8_t attributes = session->dfu.attributes;
    if (session->dfu.dfuse) {
        return molt_fail(message, MOLT_E_UNSUPPORTED,
                         "%s: a DfuSe device, which is written by addresses", session->name);
    }
    if (attributes != 0 && !(attributes & MOLT_DFU_CAN_DOWNLOAD)) {
        return molt_fail(message, MOLT_E_UNSUPPORTED,
                         "%s: takes no firmware (it says that it cannot download)", session->name);
    }
    if (image->count != 1) {
        return molt_fail(message, MOLT_E_ARGUMENT,
                         "%s: a device without addresses takes one run of bytes; expected a file "
                         "with one, found %" PRIu32,
                         session->name, image->count);
    }
    if (image->kind == MOLT_DFU_IMAGE_DFUSE && !request->force) {
        return molt_fail(message, MOLT_E_DFU_DEVICE,
                         "%s: the file is for a DfuSe device (ST), the device is of plain DFU; "
                         "expected a file for it, or --force",
                         session->name);
    }
    /* In run-time mode its ids may be others than in DFU mode: then it is looked at again. */
    if (image->has_suffix && !request->force && !session->alternate->facts.run_time &&
        !suffix_fits(&image->suffix, &session->device)) {
        return other_device(session, image, message);
    }
    return MOLT_OK;
}

/* Into DFU mode; a file for either of its identities is right. */
static int enter(struct molt_dfu_session *session, const struct molt_dfu_plain_request *request,
                 struct molt_dfu_plain_written *written, const struct molt_progress *progress,
                 struct molt_message *message)
{
    const struct molt_dfu_image *image = request->image;
    if (!session->alternate->facts.run_time) {
        return MOLT_OK;
    }
    bool fitted = suffix_fits(&image->suffix, &session->device);
    int error = molt_dfu_detach_device(session, wait_of(request->wait_ms), progress, message);
    if (error) {
        return error;
    }
    written->detached = true;
    struct molt_dfu_plain_request again = *request;
    again.force = request->force || fitted;
    return molt_dfu_plain_check(session, &again, message);
}

/* ---- writing ---- */

static int send(struct molt_dfu_session *session, const struct molt_dfu_element *element,
                const struct molt_progress *progress, struct molt_message *message)
{
    struct molt_diag diag = {0};
    struct dfu_work work;
    dfu_work_begin(&work, session, progress, "write", element->size);
    int error = molt_dfu_download(&session->dfu, element->bytes, element->size, &diag);
    dfu_work_end(&work);
    return error ? molt_dfu_fail(message, session, error, &diag, "sending the firmware") : MOLT_OK;
}

static int manifest(struct molt_dfu_session *session, const struct molt_dfu_plain_request *request,
                    struct molt_dfu_plain_written *written, const struct molt_progress *progress,
                    struct molt_message *message)
{
    struct molt_diag diag = {0};
    struct dfu_work work;
    dfu_work_begin(&work, session, progress, "manifest", 0);
    int error = molt_dfu_manifest(&session->dfu, &diag);
    dfu_work_end(&work);
    if (error) {
        return molt_dfu_fail(message, session, error, &diag, "having the firmware taken over");
    }
    written->gone = molt_dfu_session_gone(session, 0) == 1;
    if (written->gone || request->stay || !session->usb.ops->reset) {
        return MOLT_OK;
    }
    return dfu_leave_by_reset(session, &written->gone, message);
}

int molt_dfu_plain_write(struct molt_dfu_session *session,
                         const struct molt_dfu_plain_request *request,
                         struct molt_dfu_plain_written *written,
                         const struct molt_progress *progress, struct molt_message *message)
{
    *written = (struct molt_dfu_plain_written){0};
    int error = molt_dfu_plain_check(session, request, message);
    error = error ? error : enter(session, request, written, progress, message);
    if (error) {
        return error;
    }
    const struct molt_dfu_element *element = &request->image->element[0];
    uint32_t block = molt_dfu_block_size(&session->dfu);
    written->bytes = element->size;
    written->blocks = block ? element->size / block + (element->size % block != 0) : 0;
    written->tolerant = (session->dfu.attributes & MOLT_DFU_TOLERANT) != 0;
    error = send(session, element, progress, message);
    return error ? error : manifest(session, request, written, progress, message);
}

/* ---- reading ---- */

int molt_dfu_plain_read(struct molt_dfu_session *session, uint32_t limit, uint8_t **bytes,
                        uint32_t *n, const struct molt_progress *progress,
                        struct molt_message *message)
{
    struct molt_diag diag = {0};
    struct dfu_work work;
    uint32_t room = limit ? limit : MOST_UPLOAD;
    *n = 0;
    *bytes = NULL;
    int error = molt_dfu_detach_device(session, WAIT_MS, progress, message);
    if (error) {
        return error;
    }
    uint8_t *all = malloc(room); /* pages that are not written to cost nothing */
    if (!all) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    dfu_work_begin(&work, session, progress, "read", limit);
    error = molt_dfu_upload(&session->dfu, all, room, n, &diag);
    if (error == MOLT_E_NO_SPACE && limit) {
        error = molt_dfu_idle(&session->dfu, &diag); /* it has more, which nobody asked for */
    }
    dfu_work_end(&work);
    if (error) {
        free(all);
        *n = 0;
        return molt_dfu_fail(message, session, error, &diag, "reading the firmware");
    }
    *bytes = realloc(all, *n ? *n : 1);
    *bytes = *bytes ? *bytes : all;
    return MOLT_OK;
}
