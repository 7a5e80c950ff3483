/* From run-time mode to DFU mode (USB DFU 1.1, 5). */
#include <inttypes.h>

#include "molt/ops/dfu_device.h"
#include "ops/dfu/read_internal.h"

#define DETACH_MS 1000u /* where the device names no time */
#define ATTEMPTS  2u

/* DETACH, and the reset where the device waits for one, or does not do what it promised. */
static int detach(struct molt_dfu_session *session, struct molt_message *message)
{
    const struct molt_dfu_interface *facts = &session->alternate->facts;
    struct molt_diag diag = {0};
    uint32_t timeout_ms = facts->detach_timeout_ms ? facts->detach_timeout_ms : DETACH_MS;
    int error = molt_dfu_detach(&session->dfu, timeout_ms, &diag);
    if (error) {
        return molt_dfu_fail(message, session, error, &diag, "detaching (to DFU mode)");
    }
    if ((facts->attributes & MOLT_DFU_WILL_DETACH) &&
        molt_dfu_session_gone(session, timeout_ms + 2 * DETACH_MS) == 1) {
        return MOLT_OK;
    }
    if (!session->usb.ops->reset) {
        return MOLT_OK; /* who has no reset waits for a device that needs none */
    }
    error = session->usb.ops->reset(session->usb.context);
    return error && error != MOLT_E_USB_GONE
               ? molt_dfu_fail(message, session, error, &diag, "resetting its port to detach it")
               : MOLT_OK;
}

int molt_dfu_detach_device(struct molt_dfu_session *session, uint32_t wait_ms,
                           const struct molt_progress *progress, struct molt_message *message)
{
    struct dfu_work work;
    int error = MOLT_OK;
    dfu_work_begin(&work, session, progress, "detach", 0);
    /* A request that was lost on the bus is not told from one that was heard: so once more. */
    for (uint32_t i = 0; !error && i < ATTEMPTS && session->alternate->facts.run_time; i++) {
        error = detach(session, message);
        error = error ? error : molt_dfu_session_back(session, wait_ms, message);
    }
    dfu_work_end(&work);
    if (!error && session->alternate->facts.run_time) {
        error = molt_fail(message, MOLT_E_DFU_STATE,
                          "%s: was told to detach and came back running its application; expected "
                          "it in DFU mode: try again, or enter DFU mode by its button",
                          session->name);
    }
    return error;
}
