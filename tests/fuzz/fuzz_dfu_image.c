/*
 * Any bytes as a file for DFU devices: elements lie in memory that the image owns, do not overlap
 * and do not wrap; what is made of them reads back as the same. The first byte says how to load.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "molt/ops/dfu_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint8_t seen;

/* Every byte is read, so that a sanitizer sees one outside. */
static void look(const struct molt_dfu_image *image)
{
    uint32_t sum = 0, entry;
    if (image->count == 0 || image->count > MOLT_DFU_IMAGE_ELEMENTS) {
        abort();
    }
    for (uint32_t i = 0; i < image->count; i++) {
        const struct molt_dfu_element *e = &image->element[i];
        if (e->size == 0 || e->address > 0xFFFFFFFFu - e->size || !e->target_name) {
            abort();
        }
        for (uint32_t k = 0; k < e->size; k++) {
            sum += e->bytes[k];
        }
        sum += (uint32_t)strlen(e->target_name);
    }
    seen = (uint8_t)sum;
    if (molt_dfu_image_entry(image, &entry) != image->has_entry || entry != image->entry) {
        abort();
    }
}

static void make_again(const struct molt_dfu_image *image, enum molt_dfu_image_kind kind)
{
    const struct molt_dfu_form form = {.kind = kind};
    const struct molt_dfu_image_request request = {.path = "again"};
    struct molt_dfu_image again;
    uint8_t *bytes;
    uint32_t n;
    if (molt_dfu_render(image->element, image->count, &form, &bytes, &n, NULL) != MOLT_OK) {
        return; /* a packed file overlaps, a name may be too long, memories may be several */
    }
    if (molt_dfu_image_from_memory(&again, bytes, n, &request, NULL) != MOLT_OK) {
        abort();
    }
    look(&again);
    for (uint32_t i = 0; kind == MOLT_DFU_IMAGE_DFUSE && i < image->count; i++) {
        const struct molt_dfu_element *a = &image->element[i], *b = &again.element[i];
        if (again.count != image->count || a->address != b->address || a->size != b->size ||
            a->alternate != b->alternate || strcmp(a->target_name, b->target_name) != 0 ||
            memcmp(a->bytes, b->bytes, a->size) != 0) {
            abort();
        }
    }
    molt_dfu_image_free(&again);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct molt_dfu_image image;
    struct molt_message message;
    if (size < 1 || size > 1u << 20) {
        return 0;
    }
    const struct molt_dfu_image_request request = {
        .path = "x",
        .has_address = data[0] & 1,
        .address = data[0] & 2 ? 0xFFFFFF00u : 0x08000000u,
        .accept_bad_crc = !(data[0] & 4), /* no fuzzer guesses a CRC */
        .raw = (data[0] & 0xF8) == 0xF8,
    };
    if (molt_dfu_image_from_memory(&image, data + 1, (uint32_t)size - 1, &request, &message) !=
        MOLT_OK) {
        if (!message.text[0] || message.error >= 0 || image.bytes || image.element) {
            abort();
        }
        return 0;
    }
    look(&image);
    if (image.file_size < 1u << 20) {
        make_again(&image, MOLT_DFU_IMAGE_DFUSE);
        make_again(&image, MOLT_DFU_IMAGE_HEX);
    }
    molt_dfu_image_free(&image);
    return 0;
}
