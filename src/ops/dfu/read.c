#include "molt/ops/dfu_device.h"

static int not_yet(struct molt_message *message)
{
    return molt_fail(message, MOLT_E_UNSUPPORTED, "reading over USB: not supported");
}

int molt_dfu_read_plan(struct molt_dfu_read **job, struct molt_dfu_session *session,
                       const struct molt_dfu_read_request *request, struct molt_message *message)
{
    (void)session;
    (void)request;
    *job = NULL;
    return not_yet(message);
}

const struct molt_dfu_piece *molt_dfu_read_pieces(const struct molt_dfu_read *job, uint32_t *count)
{
    (void)job;
    *count = 0;
    return NULL;
}

int molt_dfu_read_run(struct molt_dfu_read *job, const struct molt_progress *progress,
                      struct molt_message *message)
{
    (void)job;
    (void)progress;
    return not_yet(message);
}

int molt_dfu_read_file(const struct molt_dfu_read *job, enum molt_dfu_read_format format,
                       const char *path, uint8_t **bytes, uint32_t *n, struct molt_message *message)
{
    (void)job;
    (void)format;
    (void)path;
    *bytes = NULL;
    *n = 0;
    return not_yet(message);
}

int molt_dfu_read_save(const struct molt_dfu_read *job, enum molt_dfu_read_format format,
                       const char *path, enum molt_file_existing existing,
                       struct molt_message *message)
{
    (void)job;
    (void)format;
    (void)path;
    (void)existing;
    return not_yet(message);
}

void molt_dfu_read_free(struct molt_dfu_read *job)
{
    (void)job;
}
