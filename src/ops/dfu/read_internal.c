#include <string.h>

#include "ops/dfu/read_internal.h"

static const struct molt_dfu_map no_map = {.truncated = true};

const struct molt_dfu_map *dfu_map_of(const struct molt_dfu_session *session)
{
    return session->alternate->has_map ? &session->alternate->map : &no_map;
}

bool dfu_map_is_short(const struct molt_dfu_session *session)
{
    return dfu_map_of(session)->truncated;
}

bool dfu_can_upload(const struct molt_dfu_session *session)
{
    uint8_t attributes = session->dfu.attributes; /* 0: it did not say */
    return (attributes == 0 || (attributes & MOLT_DFU_CAN_UPLOAD)) &&
           !(session->dfu.quirks & MOLT_DFU_QUIRK_NO_READ);
}

bool dfu_is_mboot(const struct molt_dfu_session *session)
{
    return session->device.known && strstr(session->device.known, "mboot");
}

int dfu_plan_loss(struct molt_plan *plan, const struct molt_dfu_session *session,
                  struct molt_message *message)
{
    struct dfu_spans spans = {0};
    int error = dfu_spans_of_map(&spans, dfu_map_of(session), MOLT_DFU_ERASABLE, message);
    for (uint32_t i = 0; !error && i < spans.count; i++) {
        molt_plan_add(plan, MOLT_STEP_LOSE, (uint32_t)spans.span[i].start,
                      (uint32_t)(spans.span[i].end - spans.span[i].start), "all",
                      "firmware, files and settings");
    }
    if (!error && spans.count == 0) {
        molt_plan_add(plan, MOLT_STEP_LOSE, 0, 0, "all", "firmware, files and settings");
    }
    dfu_spans_free(&spans);
    return error;
}

int dfu_in_dfu_mode(const struct molt_dfu_session *session, const char *doing,
                    struct molt_message *message)
{
    return session->alternate->facts.run_time
               ? molt_fail(message, MOLT_E_DFU_STATE,
                           "%s: runs its application, %s; 'molt dfu detach' brings it to DFU mode",
                           session->name, doing)
               : MOLT_OK;
}

int dfu_files_of(struct molt_dfu_files *files, const struct molt_dfu_session *session,
                 const char *board, struct molt_message *message)
{
    int error = molt_dfu_board_files(files, board, dfu_map_of(session), 0, message);
    if (error || files->count) {
        return error;
    }
    return board ? molt_fail(message, MOLT_E_NOT_FOUND,
                             "files: '%s' has no file system in its internal flash", board)
                 : molt_fail(message, MOLT_E_NOT_FOUND,
                             "files: the flash of %s is that of no board that is known; expected "
                             "--board NAME (PYBV11, stm32f405), or a place by ADDRESS+SIZE",
                             session->name);
}

void dfu_work_begin(struct dfu_work *work, struct molt_dfu_session *session,
                    const struct molt_progress *progress, const char *what, uint64_t total)
{
    work->dfu = &session->dfu;
    work->progress = session->dfu.progress;
    work->dfu->progress = progress ? progress : work->progress;
    work->dfu->what = what;
    work->dfu->done = 0;
    work->dfu->total = total;
}

void dfu_work_done(struct dfu_work *work, uint64_t bytes)
{
    work->dfu->done += bytes;
}

void dfu_work_end(struct dfu_work *work)
{
    work->dfu->progress = work->progress;
    work->dfu->what = NULL;
    work->dfu->done = work->dfu->total = 0;
}
