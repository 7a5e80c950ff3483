#include <stdlib.h>

#include "molt/host/blank.h"
#include "molt/ops/part.h"
#include "ops/part/part_internal.h"

#define STEP      65536u
#define TRIM_APP  16u /* an image ends at such a boundary */
#define TRIM_DATA 4096u

static uint32_t trimmed(const uint8_t *bytes, uint32_t n, uint32_t unit)
{
    uint32_t used = (molt_used(bytes, n) + unit - 1) / unit * unit;
    return used < n ? used : n;
}

static int read_all(const struct molt_target *target, const struct molt_place *place,
                    uint8_t *bytes, const struct molt_progress *progress,
                    struct molt_message *message)
{
    for (uint32_t at = 0; at < place->size; at += STEP) {
        uint32_t n = place->size - at < STEP ? place->size - at : STEP;
        if (progress && progress->report(progress->context, "read", at, place->size)) {
            return molt_fail(message, MOLT_E_CANCELLED, "%s: cancelled", target->name);
        }
        int error = molt_place_read(target, place->offset + at, bytes + at, n);
        if (error) {
            return molt_fail(message, error, "%s: '%s': reading at 0x%x: %s", target->name,
                             place->label, place->offset + at, molt_strerror(error));
        }
    }
    if (progress) {
        progress->report(progress->context, "read", place->size, place->size);
    }
    return MOLT_OK;
}

int molt_part_read(const struct molt_target *target, const char *name, bool trim, uint8_t **bytes,
                   uint32_t *n, const struct molt_progress *progress, struct molt_message *message)
{
    struct molt_place place;
    *bytes = NULL;
    *n = 0;
    int error = molt_place_find(&place, target, name, message);
    if (error) {
        return error;
    }
    uint8_t *all = malloc(place.size ? place.size : 1);
    if (!all) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "no memory for %u bytes", place.size);
    }
    error = read_all(target, &place, all, progress, message);
    if (error) {
        free(all);
        return error;
    }
    bool app = (place.row && place.row->type == MOLT_PARTITION_APP) ||
               target->kind == MOLT_TARGET_APP || place.kind == MOLT_PLACE_BOOTLOADER;
    *bytes = all;
    *n = trim ? trimmed(all, place.size, app ? TRIM_APP : TRIM_DATA) : place.size;
    return MOLT_OK;
}
