/* Bytes at addresses, in any order, become elements. */
#include <stdlib.h>
#include <string.h>

#include "ops/dfu/image_internal.h"

int image_room(struct image_file *file, uint32_t count)
{
    struct molt_dfu_image *image = file->image;
    if (count > MOLT_DFU_IMAGE_ELEMENTS) {
        return molt_fail(file->message, MOLT_E_RANGE,
                         "%s: more than %u separate pieces of memory: no tool makes such a file",
                         file->name, MOLT_DFU_IMAGE_ELEMENTS);
    }
    image->element = calloc(count ? count : 1, sizeof *image->element);
    return image->element
               ? MOLT_OK
               : molt_fail(file->message, MOLT_E_NO_MEMORY, "%s: out of memory", file->name);
}

int image_runs_add(struct image_file *file, struct image_runs *runs, uint32_t address,
                   const uint8_t *bytes, uint32_t size)
{
    struct image_run *last = runs->count ? &runs->run[runs->count - 1] : NULL;
    runs->total += size;
    if (runs->total > MOLT_DFU_IMAGE_LIMIT) {
        return molt_fail(file->message, MOLT_E_RANGE,
                         "%s: has more than %u bytes to write, expected at most that", file->name,
                         MOLT_DFU_IMAGE_LIMIT);
    }
    if (last && address - last->address == last->size && bytes == last->bytes + last->size) {
        last->size += size;
        return MOLT_OK;
    }
    if (runs->count == runs->room) {
        uint32_t room = runs->room ? runs->room * 2 : 16;
        struct image_run *larger = realloc(runs->run, room * sizeof *larger);
        if (!larger) {
            return molt_fail(file->message, MOLT_E_NO_MEMORY, "%s: out of memory", file->name);
        }
        runs->run = larger;
        runs->room = room;
    }
    runs->run[runs->count++] = (struct image_run){address, size, bytes};
    return MOLT_OK;
}

static int by_address(const void *a, const void *b)
{
    uint32_t x = ((const struct image_run *)a)->address;
    uint32_t y = ((const struct image_run *)b)->address;
    return (x > y) - (x < y);
}

/* Runs are in order: how many elements they make, or an error. */
static int count_joined(const struct image_file *file, const struct image_runs *runs,
                        uint32_t *count)
{
    *count = runs->count ? 1 : 0;
    for (uint32_t i = 1; i < runs->count; i++) {
        const struct image_run *run = &runs->run[i], *before = run - 1;
        uint32_t gap = run->address - before->address;
        if (gap < before->size) {
            return molt_fail(file->message, MOLT_E_FORMAT,
                             "%s: two different pieces are for 0x%08x (one of %u bytes at 0x%08x, "
                             "one of %u bytes): what belongs there is not known; make the file "
                             "again from one program only",
                             file->name, run->address, before->size, before->address, run->size);
        }
        *count += gap > before->size ? 1 : 0;
    }
    return MOLT_OK;
}

int image_runs_settle(struct image_file *file, struct image_runs *runs)
{
    struct molt_dfu_image *image = file->image;
    uint32_t count;
    if (runs->total == 0) {
        return molt_fail(file->message, MOLT_E_FORMAT,
                         "%s: has no bytes to write: is it the right file?", file->name);
    }
    qsort(runs->run, runs->count, sizeof *runs->run, by_address);
    int error = count_joined(file, runs, &count);
    if (!error) {
        error = image_room(file, count);
    }
    if (error) {
        return error;
    }
    image->joined = malloc((size_t)runs->total);
    if (!image->joined) {
        return molt_fail(file->message, MOLT_E_NO_MEMORY, "%s: out of memory", file->name);
    }
    uint32_t at = 0;
    for (uint32_t i = 0; i < runs->count; i++) {
        const struct image_run *run = &runs->run[i];
        struct molt_dfu_element *last = image->count ? &image->element[image->count - 1] : NULL;
        memcpy(image->joined + at, run->bytes, run->size);
        if (last && run->address - last->address == last->size) {
            last->size += run->size;
        } else {
            image->element[image->count++] = (struct molt_dfu_element){.address = run->address,
                                                                       .size = run->size,
                                                                       .bytes = image->joined + at,
                                                                       .target_name = ""};
        }
        at += run->size;
    }
    image->has_addresses = true;
    return MOLT_OK;
}

void image_runs_free(struct image_runs *runs)
{
    free(runs->run);
    memset(runs, 0, sizeof *runs);
}

static int by_place(const void *a, const void *b)
{
    const struct molt_dfu_element *x = *(const struct molt_dfu_element *const *)a;
    const struct molt_dfu_element *y = *(const struct molt_dfu_element *const *)b;
    return x->alternate != y->alternate ? x->alternate - y->alternate
                                        : (x->address > y->address) - (x->address < y->address);
}

bool image_overlap(const struct molt_dfu_element *element, uint32_t count,
                   const struct molt_dfu_element **order, const struct molt_dfu_element **a,
                   const struct molt_dfu_element **b)
{
    for (uint32_t i = 0; i < count; i++) {
        order[i] = &element[i];
    }
    qsort(order, count, sizeof *order, by_place);
    for (uint32_t i = 1; i < count; i++) {
        *a = order[i - 1];
        *b = order[i];
        if ((*a)->alternate == (*b)->alternate && (*b)->address - (*a)->address < (*a)->size) {
            return true;
        }
    }
    return false;
}
