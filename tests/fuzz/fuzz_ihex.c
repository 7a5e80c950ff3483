/* Any bytes as Intel HEX: it ends, and no address passes 4 GB. */
#include <stdint.h>
#include <stdlib.h>

#include "molt/ihex.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct molt_ihex hex = {.text = (const char *)data, .n = (uint32_t)size};
    struct molt_ihex_data bytes;
    struct molt_diag diag = {0};
    uint64_t total = 0;
    int more;
    if (size > 1u << 20) {
        return 0;
    }
    while ((more = molt_ihex_next(&hex, &bytes, &diag)) == 1) {
        total += bytes.length;
        if (bytes.length == 0 || (uint64_t)bytes.address + bytes.length > 0xFFFFFFFFu) {
            abort();
        }
    }
    if (total > size || (more < 0 && !diag.what)) {
        abort();
    }
    return 0;
}
