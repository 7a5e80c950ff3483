#include "molt/ops/dfu_image.h"

#include <string.h>

const char *molt_dfu_image_kind_name(enum molt_dfu_image_kind kind)
{
    switch (kind) {
    case MOLT_DFU_IMAGE_DFUSE: return "DfuSe";
    case MOLT_DFU_IMAGE_PLAIN: return "DFU";
    case MOLT_DFU_IMAGE_ELF: return "ELF";
    case MOLT_DFU_IMAGE_HEX: return "Intel HEX";
    case MOLT_DFU_IMAGE_BIN: return "raw";
    }
    return "raw";
}

int molt_dfu_image_load(struct molt_dfu_image *image, const struct molt_dfu_image_request *request,
                        struct molt_message *message)
{
    memset(image, 0, sizeof *image);
    return molt_fail(message, MOLT_E_UNSUPPORTED, "%s: not read yet", request->path);
}

int molt_dfu_image_from_memory(struct molt_dfu_image *image, const uint8_t *bytes, uint32_t n,
                               const struct molt_dfu_image_request *request,
                               struct molt_message *message)
{
    (void)bytes;
    (void)n;
    memset(image, 0, sizeof *image);
    return molt_fail(message, MOLT_E_UNSUPPORTED, "%s: not read yet", request->path);
}

void molt_dfu_image_free(struct molt_dfu_image *image)
{
    memset(image, 0, sizeof *image);
}

int molt_dfu_image_entry(const struct molt_dfu_image *image, uint32_t *entry)
{
    (void)image;
    *entry = 0;
    return 0;
}
