/* An app that runs over its partition, as one has after writing a firmware to a layout whose slots
 * are too small for it: the bytes behind the partition are its own, and are kept with it. */
#include <stdlib.h>

#include "ops/edit_work.h"

/* Nobody else's bytes lie in [start, end): what other partitions hold there is the app's tail. */
static bool is_alone(const struct edit_work *work, int app, uint32_t start, uint32_t end)
{
    for (int i = 0; i < work->old_count; i++) {
        const struct edit_old *old = &work->old[i];
        if (i != app && old->p.offset < end && old->p.offset >= start &&
            old->used > end - old->p.offset) {
            return false;
        }
    }
    return true;
}

static void take_tail(struct edit_work *work, int app, uint32_t length)
{
    struct edit_old *old = &work->old[app];
    uint32_t start = old->p.offset + old->p.size;
    uint32_t size = (length + EDIT_SECTOR - 1) / EDIT_SECTOR * EDIT_SECTOR;
    uint32_t end = old->p.offset + size;
    if (!is_alone(work, app, start, end)) {
        return;
    }
    for (int i = 0; i < work->old_count; i++) {
        struct molt_partition *p = &work->old[i].p;
        if (i != app && p->offset >= start && p->offset < end) {
            uint32_t gone = end - p->offset < p->size ? end - p->offset : p->size;
            p->offset += gone;
            p->size -= gone;
            work->old[i].used = 0;
        }
    }
    old->p.size = size;
    old->used = length;
}

int edit_find_overrun(struct edit_work *work)
{
    struct molt_info_image *found = malloc(sizeof *found);
    const struct molt_flash *flash = &work->source->flash;
    if (!found) {
        return molt_fail(work->message, MOLT_E_NO_MEMORY, "out of memory");
    }
    for (int i = 0; i < work->old_count; i++) {
        const struct molt_partition *p = &work->old[i].p;
        if (p->type != MOLT_PARTITION_APP || p->offset >= flash->size) {
            continue;
        }
        *found = (struct molt_info_image){0};
        molt_info_read_image(found, flash, p->offset, p->size, work->source->chip);
        if (found->error != MOLT_E_IMAGE_TOO_LARGE) {
            continue;
        }
        *found = (struct molt_info_image){0};
        molt_info_read_image(found, flash, p->offset, flash->size - p->offset, work->source->chip);
        if (found->readable && !found->error) {
            take_tail(work, i, found->image.length);
        }
    }
    free(found);
    return MOLT_OK;
}
