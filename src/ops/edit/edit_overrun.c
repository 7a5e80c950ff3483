/* An app that runs over its partition, as one has after writing a firmware to a layout whose slots
 * are too small for it: the bytes behind the partition are its own, and are kept with it. */
#include <stdlib.h>

#include "ops/edit/edit_work.h"

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

/* By its segments' lengths alone: most apps do not, and need not be read for that. */
static bool runs_over(const struct edit_work *work, const struct molt_partition *p)
{
    struct molt_image_header header;
    uint64_t at = MOLT_IMAGE_HEADER_SIZE, end = work->before_size - p->offset;
    const uint8_t *bytes = work->before + p->offset;
    if (end < at || molt_image_parse_header(&header, bytes, NULL) != MOLT_OK) {
        return false;
    }
    for (uint32_t i = 0; i < header.segment_count && at + 8 <= end && at <= p->size; i++) {
        const uint8_t *length = bytes + at + 4;
        at += 8 + ((uint64_t)length[0] | (uint64_t)length[1] << 8 | (uint64_t)length[2] << 16 |
                   (uint64_t)length[3] << 24);
    }
    return at + 16 - at % 16 + (header.hash_appended ? MOLT_SHA256_SIZE : 0) > p->size;
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
        if (p->type != MOLT_PARTITION_APP || p->offset >= work->before_size ||
            !runs_over(work, p)) {
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
