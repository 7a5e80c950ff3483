#include "molt/ops/dfu_write.h"

#include <stddef.h>

int molt_dfu_write_plan(struct molt_dfu_write **job, struct molt_dfu_session *session,
                        const struct molt_dfu_write_request *request,
                        const struct molt_progress *progress, struct molt_message *message)
{
    (void)session;
    (void)request;
    (void)progress;
    *job = NULL;
    return molt_fail(message, MOLT_E_UNSUPPORTED, "writing over USB: not supported");
}

const struct molt_plan *molt_dfu_write_steps(const struct molt_dfu_write *job)
{
    (void)job;
    return NULL;
}

bool molt_dfu_write_is_unchanged(const struct molt_dfu_write *job)
{
    (void)job;
    return false;
}

int molt_dfu_write_run(struct molt_dfu_write *job, const struct molt_progress *progress,
                       struct molt_message *message)
{
    (void)job;
    (void)progress;
    return molt_fail(message, MOLT_E_UNSUPPORTED, "writing over USB: not supported");
}

const struct molt_dfu_write_result *molt_dfu_write_result(const struct molt_dfu_write *job)
{
    (void)job;
    return NULL;
}

const struct molt_dfu_rescue *molt_dfu_write_rescue(const struct molt_dfu_write *job,
                                                    uint32_t *count)
{
    (void)job;
    *count = 0;
    return NULL;
}

void molt_dfu_write_free(struct molt_dfu_write *job)
{
    (void)job;
}

int molt_dfu_verify(struct molt_dfu_session *session, const struct molt_dfu_verify_request *request,
                    struct molt_dfu_verify_result *result, const struct molt_progress *progress,
                    struct molt_message *message)
{
    (void)session;
    (void)request;
    (void)result;
    (void)progress;
    return molt_fail(message, MOLT_E_UNSUPPORTED, "verifying over USB: not supported");
}
