#include "molt/ops/dfu_device.h"

int molt_dfu_erase_plan(struct molt_dfu_erase **job, struct molt_dfu_session *session,
                        const struct molt_dfu_erase_request *request, struct molt_message *message)
{
    (void)session;
    (void)request;
    *job = NULL;
    return molt_fail(message, MOLT_E_UNSUPPORTED, "erasing over USB: not supported");
}

const struct molt_plan *molt_dfu_erase_steps(const struct molt_dfu_erase *job)
{
    (void)job;
    return NULL;
}

int molt_dfu_erase_run(struct molt_dfu_erase *job, const struct molt_progress *progress,
                       struct molt_message *message)
{
    (void)job;
    (void)progress;
    return molt_fail(message, MOLT_E_UNSUPPORTED, "erasing over USB: not supported");
}

const struct molt_dfu_erased *molt_dfu_erase_result(const struct molt_dfu_erase *job)
{
    (void)job;
    return NULL;
}

void molt_dfu_erase_free(struct molt_dfu_erase *job)
{
    (void)job;
}
