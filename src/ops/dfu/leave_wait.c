/* What a device becomes when it leaves DFU mode is no DFU device: it is looked for by its place. */
#include <string.h>

#include "molt/host/simdfu.h"
#include "molt/host/usbpresent.h"
#include "ops/dfu/read_internal.h"

#define LOOK_EVERY_MS 250u

/* An application is not simulated, but whether it starts is. */
static bool simulated_is_there(struct molt_sim_dfu *model)
{
    uint32_t stack, reset;
    return molt_sim_dfu_present(model) ||
           (model->jumped && molt_sim_dfu_vectors(model, model->jumped_to, &stack, &reset));
}

/* Under the address that it had it is another one only when its place was empty in between. */
static int look_at_bus(const struct molt_dfu_session *session, bool *empty,
                       struct molt_message *message)
{
    const struct molt_dfu_device *before = &session->device;
    int there = molt_usb_present(before->path, *empty ? 0 : before->address, message);
    if (there == 0 && !*empty) {
        *empty = molt_usb_present(before->path, 0, message) == 0;
    }
    return there;
}

/* 1 = there, 0 = not yet, or an error. A transport of the caller's tells by answering. */
static int look(struct molt_dfu_session *session, bool *empty, struct molt_message *message)
{
    if (session->opened && !session->device.path[0]) {
        return 0; /* nobody knows where it was plugged in */
    }
    if (session->opened) {
        return look_at_bus(session, empty, message);
    }
    if (session->board) {
        return simulated_is_there(molt_simdfu_model(session->board));
    }
    struct molt_usb usb = session->usb;
    int error = session->reopen ? session->reopen(session->reopen_context, &usb) : MOLT_OK;
    uint8_t bytes[18];
    if (error) {
        return error == MOLT_E_USB_GONE ? 0 : error;
    }
    return usb.ops->control(usb.context, 0x80, 6, 0x0100, 0, bytes, sizeof bytes, LOOK_EVERY_MS) ==
           (int)sizeof bytes;
}

int dfu_wait_for_anything(struct molt_dfu_session *session, uint32_t timeout_ms,
                          struct molt_message *message)
{
    const struct molt_progress *progress = session->dfu.progress;
    const struct molt_usb *usb = &session->usb;
    uint32_t began = usb->ops->now_ms(usb->context);
    bool empty = false;
    for (;;) {
        int there = look(session, &empty, message);
        uint32_t elapsed = usb->ops->now_ms(usb->context) - began;
        if (there || elapsed >= timeout_ms) {
            return there;
        }
        if (progress && progress->report &&
            progress->report(progress->context, "wait", elapsed, timeout_ms) != 0) {
            return molt_fail(message, MOLT_E_CANCELLED, "%s: waiting for it was cancelled",
                             session->name);
        }
        usb->ops->sleep_ms(usb->context, LOOK_EVERY_MS);
    }
}
