#include "molt/ops/dfu_device.h"

int molt_dfu_leave_device(struct molt_dfu_session *session,
                          const struct molt_dfu_leave_request *request, struct molt_dfu_left *left,
                          const struct molt_progress *progress, struct molt_message *message)
{
    (void)session;
    (void)request;
    (void)left;
    (void)progress;
    return molt_fail(message, MOLT_E_UNSUPPORTED, "leaving DFU mode: not supported");
}

int molt_dfu_detach_device(struct molt_dfu_session *session, uint32_t wait_ms,
                           const struct molt_progress *progress, struct molt_message *message)
{
    (void)session;
    (void)wait_ms;
    (void)progress;
    return molt_fail(message, MOLT_E_UNSUPPORTED, "detaching: not supported");
}
