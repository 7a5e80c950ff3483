/* Any bytes as a configuration descriptor: the count is one of a pass with no room, and nothing is
 * written behind it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "molt/dfu_descriptor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct molt_dfu_interface all[256], few[3];
    struct molt_diag diag = {0};
    if (size > 65536) {
        return 0;
    }
    memset(few, 0x5A, sizeof few);
    int count = molt_dfu_interfaces(all, 256, data, (uint32_t)size, &diag);
    int again = molt_dfu_interfaces(few, 2, data, (uint32_t)size, NULL);
    int none = molt_dfu_interfaces(NULL, 0, data, (uint32_t)size, NULL);
    if (count != again || count != none || few[2].alternate != 0x5A || count > 255) {
        abort();
    }
    if (count < 0) {
        if ((count != MOLT_E_FORMAT && count != MOLT_E_TRUNCATED) || diag.offset > size) {
            abort();
        }
        return 0;
    }
    for (int i = 0; i < count; i++) {
        if (!all[i].has_functional && (all[i].transfer_size || all[i].attributes)) {
            abort();
        }
        if (i < 2 && (all[i].alternate != few[i].alternate ||
                      all[i].interface_number != few[i].interface_number)) {
            abort();
        }
    }
    return 0;
}
