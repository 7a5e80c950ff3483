/*
 * Writing a firmware file, a flash dump or an app to a target: planned and checked first, then only
 * the sectors that differ are erased and written, then read back.
 */
#ifndef MOLT_OPS_FLASHIMAGE_H
#define MOLT_OPS_FLASHIMAGE_H

#include <stdint.h>

#include "molt/host/message.h"
#include "molt/host/target.h"
#include "molt/ops/plan.h"
#include "molt/progress.h"

#ifdef __cplusplus
extern "C" {
#endif

struct molt_flashimage {
    struct molt_plan plan;
    uint32_t sector_size;
    uint32_t sectors_differing; /* to be erased and written */
    uint32_t sectors_same;      /* of those that the image names: already right */
    uint8_t *have, *want;       /* the target's flash now and afterwards; owned */
    uint8_t *named;             /* one byte a sector: the image says what it holds; owned */
    uint32_t size;              /* of both, bytes */
};

/*
 * Plans. slot: the app partition of the target that takes the app (of an app image, or of a
 * firmware file), NULL to write a whole firmware or dump. Nothing is written. The caller frees with
 * molt_flashimage_free, also after an error. MOLT_E_ARGUMENT (an app image without a slot),
 * MOLT_E_NOT_A_SLOT, MOLT_E_UNSUPPORTED (a target that holds no whole flash), MOLT_E_IMAGE_* (other
 * chip or revision, damaged, larger than its slot), MOLT_E_TABLE_*, MOLT_E_RANGE (larger than the
 * target's flash), MOLT_E_IO, MOLT_E_NO_MEMORY.
 */
int molt_flashimage_prepare(struct molt_flashimage *job, const struct molt_target *image,
                            const struct molt_target *target, const char *slot,
                            struct molt_message *message);

/*
 * Does it. progress may be NULL; between two sectors it may cancel. Interrupted, the target holds a
 * mixture until it is run again, which goes on with what still differs. MOLT_E_VERIFY,
 * MOLT_E_CANCELLED, MOLT_E_POWER, MOLT_E_IO; a file as target is saved at the end.
 */
int molt_flashimage_run(const struct molt_flashimage *job, struct molt_target *target,
                        const struct molt_progress *progress, struct molt_message *message);

void molt_flashimage_free(struct molt_flashimage *job);

#ifdef __cplusplus
}
#endif
#endif
