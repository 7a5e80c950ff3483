/* Any bytes as an image: never a read outside, and what is judged bootable lies inside of its slot.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "host/memflash.h"
#include "molt/espimage.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct molt_image_rules rules = {0, 0xFFFF, 0xFF, 0};
    uint8_t buffer[512];
    struct molt_image image;
    struct molt_diag diag;
    struct molt_flash flash;
    struct molt_region region;
    if (size < 2 || size > 0x10000) {
        return 0;
    }
    /* The first two bytes are the limit; a copy of its own, so that a read too far is seen. */
    uint32_t n = (uint32_t)size - 2;
    uint32_t limit = (uint32_t)data[0] << 8 | data[1];
    uint8_t *bytes = malloc(n + 1);
    if (!bytes) {
        return 0;
    }
    memcpy(bytes, data + 2, n);
    memflash_init(&flash, &region, bytes, n);
    if (molt_image_read(&image, &flash, 0, limit, buffer, sizeof buffer, &diag) == MOLT_OK) {
        if (image.length > limit || image.length > n) {
            abort();
        }
        if (molt_image_check(&image, &rules, &diag) == MOLT_OK &&
            !(image.checksum_ok && image.hash_ok)) {
            abort();
        }
    }
    free(bytes);
    return 0;
}
