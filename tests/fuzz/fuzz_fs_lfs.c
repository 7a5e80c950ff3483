/*
 * Any bytes as a littlefs: it is probed, mounted, walked, checked and written to. Most of what is
 * changed at random only breaks a checksum; so where the first byte is odd the checksums are put
 * right first.
 */
#include <stdlib.h>
#include <string.h>

#include "fs_fuzz.h"
#include "fs_rig.h"

#define SIZE  (8u * 4096u)
#define BLOCK 512u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size - 1 > SIZE) {
        return 0;
    }
    uint8_t *image = malloc(SIZE);
    if (!image) {
        abort();
    }
    memset(image, 0xFF, SIZE);
    memcpy(image, data + 1, size - 1);
    for (uint32_t at = 0; data[0] & 1 && at < SIZE; at += BLOCK) {
        fs_rig_mend(image + at, BLOCK);
    }
    fs_fuzz(image, SIZE, data[0] >> 1);
    free(image);
    return 0;
}
