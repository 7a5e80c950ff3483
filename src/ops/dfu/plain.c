#include "molt/ops/dfu_device.h"

int molt_dfu_plain_check(const struct molt_dfu_session *session,
                         const struct molt_dfu_plain_request *request, struct molt_message *message)
{
    (void)session;
    (void)request;
    return molt_fail(message, MOLT_E_UNSUPPORTED, "devices without addresses: not supported");
}

int molt_dfu_plain_write(struct molt_dfu_session *session,
                         const struct molt_dfu_plain_request *request,
                         struct molt_dfu_plain_written *written,
                         const struct molt_progress *progress, struct molt_message *message)
{
    (void)written;
    (void)progress;
    return molt_dfu_plain_check(session, request, message);
}

int molt_dfu_plain_read(struct molt_dfu_session *session, uint32_t limit, uint8_t **bytes,
                        uint32_t *n, const struct molt_progress *progress,
                        struct molt_message *message)
{
    (void)session;
    (void)limit;
    (void)progress;
    *bytes = NULL;
    *n = 0;
    return molt_fail(message, MOLT_E_UNSUPPORTED, "devices without addresses: not supported");
}
