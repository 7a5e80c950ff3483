#include "molt/ops/extract.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "molt/host/blank.h"
#include "molt/ops/place.h"
#include "ops/part/appcheck.h"
#include "ops/part/part_internal.h"

/* A signature block begins at the next such boundary behind the image, with E7 02. */
#define SIGNATURE_SECTOR 4096u

/* ---- Which one ---- */

static const struct molt_partition *first_app(const struct molt_target *image)
{
    for (uint32_t i = 0; i < image->table.count; i++) {
        if (image->table.row[i].type == MOLT_PARTITION_APP) {
            return &image->table.row[i];
        }
    }
    return NULL;
}

static int choose(struct molt_place *place, const struct molt_target *image, const char *slot,
                  struct molt_message *message)
{
    char next[17];
    if (image->table_error) {
        char thing[200];
        snprintf(thing, sizeof thing, "%.140s: where its app is: partition table", image->name);
        return molt_fail_diag(message, thing, &image->table_diag);
    }
    part_boots_next(image, next);
    const struct molt_partition *row = molt_ptable_find_label(&image->table, next);
    if (!slot && !row) {
        row = first_app(image); /* what is wrong with it is found next */
    }
    if (!slot && !row) {
        return molt_fail(message, MOLT_E_NOT_FOUND, "%s: its table has no app partition",
                         image->name);
    }
    int error = molt_place_find(place, image, slot ? slot : row->label, message);
    if (!error && (!place->row || place->row->type != MOLT_PARTITION_APP)) {
        return molt_fail(message, MOLT_E_NOT_A_SLOT, "%s: '%s' is no app partition: expected one",
                         image->name, place->label);
    }
    return error;
}

static int find_app(struct molt_extract *extract, struct molt_place *place,
                    const struct molt_target *image, const char *slot, struct molt_message *message)
{
    char next[17];
    int error = MOLT_OK;
    if (image->kind == MOLT_TARGET_APP) {
        if (slot) {
            return molt_fail(message, MOLT_E_NOT_A_SLOT,
                             "%s: is an app image and has no slots: leave --slot out", image->name);
        }
        extract->boots = true;
        return molt_place_find(place, image, "all", message);
    }
    if (image->kind != MOLT_TARGET_FIRMWARE && image->kind != MOLT_TARGET_DUMP &&
        image->kind != MOLT_TARGET_BOARD) {
        return molt_fail(message, MOLT_E_UNSUPPORTED,
                         "%s: is %s, which has no app: expected a firmware file, a flash dump or "
                         "an app image",
                         image->name, molt_target_kind_words(image->kind));
    }
    error = choose(place, image, slot, message);
    if (!error) {
        part_boots_next(image, next);
        memcpy(extract->label, place->label, sizeof extract->label);
        extract->boots = strcmp(next, place->row->label) == 0;
    }
    return error;
}

/* ---- How much of it ---- */

/* A signature block of secure boot 2 counts with the image; other bytes do not. */
static uint32_t with_signature(const uint8_t *bytes, uint32_t length, uint32_t room)
{
    uint32_t at = (length + SIGNATURE_SECTOR - 1) / SIGNATURE_SECTOR * SIGNATURE_SECTOR;
    bool there = room >= SIGNATURE_SECTOR && at <= room - SIGNATURE_SECTOR && bytes[at] == 0xE7 &&
                 bytes[at + 1] == 0x02;
    return there ? at + SIGNATURE_SECTOR : length;
}

static int take(struct molt_extract *extract, const struct molt_target *image,
                const struct molt_place *place, uint32_t length, struct molt_message *message)
{
    extract->bytes = malloc(place->size);
    if (!extract->bytes) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "no memory for %u bytes", place->size);
    }
    int error = molt_place_read(image, place->offset, extract->bytes, place->size);
    if (error) {
        return molt_fail(message, error, "%s: cannot be read: %s", image->name,
                         molt_strerror(error));
    }
    extract->n = with_signature(extract->bytes, length, place->size);
    extract->left_over = molt_used(extract->bytes + extract->n, place->size - extract->n);
    return MOLT_OK;
}

int molt_extract_app(struct molt_extract *extract, const struct molt_target *image,
                     const char *slot, struct molt_message *message)
{
    struct molt_place place;
    memset(extract, 0, sizeof *extract);
    struct molt_info_image *found = malloc(sizeof *found);
    if (!found) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    int error = find_app(extract, &place, image, slot, message);
    if (!error) {
        extract->offset = place.offset;
        error = appcheck_read(found, &image->flash, place.offset, place.size, image->name, "app",
                              image, place.offset, message);
    }
    if (!error) {
        appcheck_words(found, &image->flash, extract->words, sizeof extract->words);
        error = take(extract, image, &place, found->image.length, message);
    }
    free(found);
    return error;
}

void molt_extract_free(struct molt_extract *extract)
{
    free(extract->bytes);
    extract->bytes = NULL;
}
