#include "molt/ops/dfu_image.h"

int molt_dfu_render(const struct molt_dfu_element *element, uint32_t count,
                    const struct molt_dfu_form *form, uint8_t **bytes, uint32_t *n,
                    struct molt_message *message)
{
    (void)element;
    (void)count;
    (void)form;
    *bytes = 0;
    *n = 0;
    return molt_fail(message, MOLT_E_UNSUPPORTED, "not made yet");
}

int molt_dfu_pack(const struct molt_dfu_pack_request *request, uint8_t **bytes, uint32_t *n,
                  struct molt_message *message)
{
    (void)request;
    return molt_dfu_render(0, 0, 0, bytes, n, message);
}
