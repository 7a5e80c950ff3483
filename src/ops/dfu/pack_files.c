/* A file for a DFU device out of other files. */
#include <stdlib.h>
#include <string.h>

#include "molt/ops/dfu_image.h"

/* What MicroPython's dfu.py calls every target. */
#define DEFAULT_NAME "ST..."

struct packing {
    const struct molt_dfu_pack_request *request;
    struct molt_dfu_image *image; /* one a part */
    uint32_t loaded;
    struct molt_dfu_element *element;
    uint32_t count;
    struct molt_message *message;
};

static int check_part(const struct packing *packing, const struct molt_dfu_pack_part *part,
                      const struct molt_dfu_image *image)
{
    const char *name = part->file.path;
    struct molt_dfu_suffix suffix;
    if (packing->request->form.kind == MOLT_DFU_IMAGE_PLAIN) {
        return molt_dfu_parse_suffix(&suffix, image->bytes, image->file_size, NULL) == MOLT_OK
                   ? molt_fail(packing->message, MOLT_E_EXISTS,
                               "%s: has a DFU suffix already: 'molt dfu unpack' takes it off", name)
                   : MOLT_OK;
    }
    if (image->packed) {
        return molt_fail(packing->message, MOLT_E_UNSUPPORTED,
                         "%s: is encrypted for a packing mboot: its elements cannot be taken apart "
                         "and joined with others",
                         name);
    }
    if (!image->has_addresses) {
        return molt_fail(packing->message, MOLT_E_ARGUMENT,
                         "%s: is %s file and does not say where its bytes go: expected an address, "
                         "as in %s@0x08000000",
                         name, image->kind == MOLT_DFU_IMAGE_PLAIN ? "a plain DFU" : "a raw", name);
    }
    return MOLT_OK;
}

static int add_elements(struct packing *packing, const struct molt_dfu_pack_part *part,
                        const struct molt_dfu_image *image)
{
    struct molt_dfu_element *larger =
        realloc(packing->element, (packing->count + image->count) * sizeof *larger);
    if (!larger) {
        return molt_fail(packing->message, MOLT_E_NO_MEMORY, "out of memory");
    }
    packing->element = larger;
    for (uint32_t i = 0; i < image->count; i++) {
        struct molt_dfu_element *e = &packing->element[packing->count++];
        *e = image->element[i];
        if (part->has_alternate) {
            e->alternate = part->alternate;
        }
        if (part->target_name || image->kind != MOLT_DFU_IMAGE_DFUSE) {
            e->target_name = part->target_name ? part->target_name : DEFAULT_NAME;
        }
    }
    return MOLT_OK;
}

static int load_parts(struct packing *packing)
{
    const struct molt_dfu_pack_request *request = packing->request;
    int error = MOLT_OK;
    for (uint32_t i = 0; i < request->count && !error; i++) {
        const struct molt_dfu_pack_part *part = &request->part[i];
        struct molt_dfu_image_request file = part->file;
        file.raw = file.raw || request->form.kind == MOLT_DFU_IMAGE_PLAIN;
        error = molt_dfu_image_load(&packing->image[i], &file, packing->message);
        if (!error) {
            packing->loaded = i + 1;
            error = check_part(packing, part, &packing->image[i]);
        }
        if (!error) {
            error = add_elements(packing, part, &packing->image[i]);
        }
    }
    return error;
}

int molt_dfu_pack(const struct molt_dfu_pack_request *request, uint8_t **bytes, uint32_t *n,
                  struct molt_message *message)
{
    struct packing packing = {.request = request, .message = message};
    *bytes = NULL;
    *n = 0;
    packing.image = calloc(request->count ? request->count : 1, sizeof *packing.image);
    int error = packing.image ? load_parts(&packing)
                              : molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    if (!error) {
        error = molt_dfu_render(packing.element, packing.count, &request->form, bytes, n, message);
    }
    for (uint32_t i = 0; i < packing.loaded; i++) {
        molt_dfu_image_free(&packing.image[i]);
    }
    free(packing.image);
    free(packing.element);
    return error;
}
