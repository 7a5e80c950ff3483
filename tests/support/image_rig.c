#include "image_rig.h"

#include <string.h>

#include "testing.h"

struct molt_message image_message;

int image_load(struct molt_dfu_image *image, const uint8_t *bytes, uint32_t n)
{
    struct molt_dfu_image_request request = {.path = "x"};
    image_message.text[0] = 0;
    return molt_dfu_image_from_memory(image, bytes, n, &request, &image_message);
}

int image_refused(const uint8_t *bytes, uint32_t n, const char *words)
{
    struct molt_dfu_image image;
    int error = image_load(&image, bytes, n);
    assert_true(error < 0);
    assert_int_equal(image_message.error, error);
    if (!strstr(image_message.text, words)) {
        fail_msg("'%s' is not in: %s", words, image_message.text);
    }
    assert_null(image.element);
    assert_null(image.bytes);
    return error;
}
