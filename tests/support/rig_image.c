#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "molt/crypto.h"
#include "rig.h"

static uint32_t next(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

/* Half noise, half runs: deflate makes something of it, and still most 64 KB differ everywhere. */
static void fill(uint8_t *bytes, uint32_t n, uint32_t seed)
{
    uint32_t state = seed * 2654435761u + 1;
    for (uint32_t at = 0; at < n;) {
        uint32_t word = next(&state);
        uint32_t run = (word >> 8 & 63) + 1;
        if (run > n - at) {
            run = n - at;
        }
        if (word & 1) {
            memset(bytes + at, (int)(word >> 16 & 0xFF), run);
        } else {
            for (uint32_t i = 0; i < run; i++) {
                bytes[at + i] = (uint8_t)next(&state);
            }
        }
        at += run;
    }
}

uint8_t *rig_image(uint32_t length, uint32_t seed, uint32_t changed)
{
    /* header 24, segment 1 head 8 + data, segment 2 head 8 + data, pad, checksum, SHA-256 */
    uint8_t *image = calloc(1, length);
    uint32_t data_end =
        length - 32 - 16; /* the second segment ends where the checksum's 16 bytes begin */
    uint32_t first = 0x1000, second = data_end - 24 - 8 - first - 8;
    uint8_t *one = image + 24, *two = one + 8 + first;
    fill(image, length, seed);
    for (uint32_t block = 0; block * 0x10000u < length; block++) {
        if (changed >> block & 1) {
            uint32_t at = block * 0x10000u;
            fill(image + at, length - at < 0x10000u ? length - at : 0x10000u, seed + 1000 + block);
        }
    }
    memset(image, 0, 24);
    image[0] = 0xE9;
    image[1] = 2;
    image[2] = 2;
    image[3] = 0x10; /* 2 MB, 40 MHz */
    molt_put_le32(image + 4, 0x40081000u);
    image[8] = 0xEE;
    image[23] = 1;
    molt_put_le32(one, 0x3F400020u);
    molt_put_le32(one + 4, first);
    memset(one + 8, 0, 256);
    molt_put_le32(one + 8, 0xABCD5432u);
    molt_put_le32(two, 0x40080000u);
    molt_put_le32(two + 4, second);
    memset(image + data_end, 0, 16);
    uint8_t sum = 0xEF;
    for (uint32_t i = 0; i < first; i++) {
        sum ^= one[8 + i];
    }
    for (uint32_t i = 0; i < second; i++) {
        sum ^= two[8 + i];
    }
    image[length - 33] = sum;
    molt_sha256_of(image, length - 32, image + length - 32);
    return image;
}
