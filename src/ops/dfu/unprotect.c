#include "molt/ops/dfu_device.h"

int molt_dfu_unprotect_plan(struct molt_dfu_session *session, struct molt_plan *plan,
                            struct molt_message *message)
{
    (void)session;
    (void)plan;
    return molt_fail(message, MOLT_E_UNSUPPORTED, "unprotecting: not supported");
}

int molt_dfu_unprotect_device(struct molt_dfu_session *session, uint32_t wait_ms, bool *back,
                              const struct molt_progress *progress, struct molt_message *message)
{
    (void)session;
    (void)wait_ms;
    (void)back;
    (void)progress;
    return molt_fail(message, MOLT_E_UNSUPPORTED, "unprotecting: not supported");
}
