/*
 * Any bytes as a littlefs: it is probed, mounted, walked, checked and written to. Most of what is
 * changed at random only breaks a checksum; so where the first byte is odd the checksums are put
 * right first.
 */
#include <lfs_util.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "fs_fuzz.h"

#define SIZE  (8u * 4096u)
#define BLOCK 512u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As lfs_dir_fetch goes through a block, but it believes the checksums. */
static void mend(uint8_t *block)
{
    uint32_t at = 4, previous = 0xFFFFFFFF, crc = lfs_crc(0xFFFFFFFF, block, 4);
    while (BLOCK - at >= 8) {
        uint32_t raw = (uint32_t)block[at] << 24 | (uint32_t)block[at + 1] << 16 |
                       (uint32_t)block[at + 2] << 8 | block[at + 3];
        uint32_t tag = raw ^ previous, n = (tag & 0x3FF) == 0x3FF ? 0 : tag & 0x3FF;
        if (tag >> 31 || n > BLOCK - at - 4) {
            return;
        }
        crc = lfs_crc(crc, block + at, 4);
        previous = tag;
        if ((tag >> 20 & 0x780) == 0x500) {
            molt_put_le32(block + at + 4, crc);
            previous ^= (tag >> 20 & 1) << 31;
            crc = 0xFFFFFFFF;
        } else {
            crc = lfs_crc(crc, block + at + 4, n);
        }
        at += 4 + n;
    }
}

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
        mend(image + at);
    }
    fs_fuzz(image, SIZE, data[0] >> 1);
    free(image);
    return 0;
}
