/*
 * Writing a firmware file, a flash dump or an app to a target: planned and checked first, then only
 * the sectors that differ are erased and written, then read back.
 */
#ifndef MOLT_OPS_FLASHIMAGE_H
#define MOLT_OPS_FLASHIMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "molt/host/message.h"
#include "molt/host/target.h"
#include "molt/ops/plan.h"
#include "molt/progress.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MOLT_FLASH_KEEPS 16

struct molt_flash_request {
    const char *slot; /* the app partition of the target that takes the app (of an app image, or of
                         a firmware file); NULL to write a whole firmware or dump */
    const char *const *keep; /* places whose content goes along: nvs, vfs, ... */
    uint32_t keep_count;     /* at most MOLT_FLASH_KEEPS */
    bool erase_all;          /* nothing else stays on the flash */
    bool force;              /* files and settings may be lost */
};

struct molt_flashimage {
    struct molt_plan plan;
    bool force;
    uint32_t refusals;           /* what needs force; with it they are only in the plan */
    struct molt_message refusal; /* the first of them */
    bool keeps_moved; /* kept content changes its place: interrupted, only a copy has it */
    uint32_t sector_size;
    uint32_t sectors_differing; /* to be erased and written */
    uint32_t sectors_same;      /* of those that the image names: already right */
    uint8_t *have, *want;       /* the target's flash before and afterwards; owned */
    bool borrowed;              /* have is a file's own copy: it is as before until it is run */
    uint8_t *named;             /* one byte a sector: the image says what it holds; owned */
    uint32_t size;              /* of both, bytes */
};

/*
 * Plans. Where the target's layout differs from the image's, the plan names what each region that
 * changes holds, what would be misread afterwards is erased, and files and settings that would be
 * lost are counted in refusals. What is to be kept is carried over to the partition of that name
 * (files to where the new layout has them): littlefs grows, a file system that is larger than its
 * new place is made anew from its files, settings go over page by page.
 * Nothing is written. The caller frees with molt_flashimage_free, also after an error.
 * MOLT_E_ARGUMENT (an app image without a slot, keep with a slot), MOLT_E_NOT_A_SLOT,
 * MOLT_E_UNSUPPORTED (a target that holds no whole flash), MOLT_E_IMAGE_* (other chip or revision,
 * damaged, larger than its slot), MOLT_E_TABLE_*, MOLT_E_RANGE (larger than the target's flash),
 * MOLT_E_NOT_FOUND (nothing to keep under that name, or no place for it), MOLT_E_NO_SPACE (its new
 * place is too small), MOLT_E_FORMAT (a damaged file system), MOLT_E_IO, MOLT_E_NO_MEMORY.
 */
int molt_flashimage_prepare(struct molt_flashimage *job, const struct molt_target *image,
                            const struct molt_target *target,
                            const struct molt_flash_request *request, struct molt_message *message);

/*
 * Does it. progress may be NULL; between two sectors it may cancel. Interrupted, the target holds a
 * mixture until it is run again, which goes on with what still differs. The refusal when there is
 * one and no force; MOLT_E_VERIFY,
 * MOLT_E_CANCELLED, MOLT_E_POWER, MOLT_E_IO; a file as target is saved at the end.
 */
int molt_flashimage_run(const struct molt_flashimage *job, struct molt_target *target,
                        const struct molt_progress *progress, struct molt_message *message);

void molt_flashimage_free(struct molt_flashimage *job);

#ifdef __cplusplus
}
#endif
#endif
