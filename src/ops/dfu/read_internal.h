/* What reading, erasing, leaving and plain devices share. */
#ifndef OPS_DFU_READ_INTERNAL_H
#define OPS_DFU_READ_INTERNAL_H

#include "molt/ops/dfu_board.h"
#include "molt/ops/dfu_session.h"
#include "molt/ops/plan.h"
#include "ops/dfu/read_places.h"

/* The map of the alternate in use; of one without a map an empty one that is cut short. */
const struct molt_dfu_map *dfu_map_of(const struct molt_dfu_session *session);
/* There may be more than the map says. */
bool dfu_map_is_short(const struct molt_dfu_session *session);

bool dfu_can_upload(const struct molt_dfu_session *session);

/* MicroPython's own boot loader, which keeps itself from being erased. */
bool dfu_is_mboot(const struct molt_dfu_session *session);

/* Steps that say that all which can be erased is lost. */
int dfu_plan_loss(struct molt_plan *plan, const struct molt_dfu_session *session,
                  struct molt_message *message);

/* MOLT_E_DFU_STATE where the application runs; doing: "nothing can be read". */
int dfu_in_dfu_mode(const struct molt_dfu_session *session, const char *doing,
                    struct molt_message *message);

/* The board's file system. MOLT_E_NOT_FOUND: none, or the board is not known. */
int dfu_files_of(struct molt_dfu_files *files, const struct molt_dfu_session *session,
                 const char *board, struct molt_message *message);

/* Several calls of wire as one piece of work: total bytes, progress under one word. Ended by
 * dfu_work_end; dfu_work_done counts the bytes of a call that is over. */
struct dfu_work {
    struct molt_dfu *dfu;
    const struct molt_progress *progress; /* the session's before */
};
void dfu_work_begin(struct dfu_work *work, struct molt_dfu_session *session,
                    const struct molt_progress *progress, const char *what, uint64_t total);
void dfu_work_done(struct dfu_work *work, uint64_t bytes);
void dfu_work_end(struct dfu_work *work);

/* Waits until anything is on the bus where the device was, DFU or not; 1 = it is, 0 = it is not.
 * MOLT_E_CANCELLED, and the errors of looking. */
int dfu_wait_for_anything(struct molt_dfu_session *session, uint32_t timeout_ms,
                          struct molt_message *message);

/* A port reset that ends DFU mode. *gone: seen to vanish. MOLT_E_UNSUPPORTED: no way to reset. */
int dfu_leave_by_reset(struct molt_dfu_session *session, bool *gone, struct molt_message *message);

#endif
