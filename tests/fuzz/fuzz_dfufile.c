/* Any bytes as a DFU file: every element lies in the file. */
#include <stdint.h>
#include <stdlib.h>

#include "molt/dfufile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct molt_dfu_suffix suffix;
    struct molt_dfuse dfuse;
    struct molt_dfuse_target target;
    struct molt_dfuse_element element;
    struct molt_diag diag;
    if (size > 1u << 20) {
        return 0;
    }
    uint32_t n = (uint32_t)size, end = n;
    if (molt_dfu_parse_suffix(&suffix, data, n, &diag) == MOLT_OK) {
        end = n - suffix.length;
    }
    if (molt_dfuse_begin(&dfuse, data, n, end, &diag) != MOLT_OK) {
        return 0;
    }
    while (molt_dfuse_next_target(&dfuse, &target, &diag) == 1) {
        if (target.name[255]) {
            abort();
        }
        while (molt_dfuse_next_element(&dfuse, &element, &diag) == 1) {
            if (element.offset > end || end - element.offset < element.size) {
                abort();
            }
        }
    }
    return 0;
}
