#include "make_image.h"

#include <string.h>

#include "molt/crypto.h"

#define HEADER     24u
#define DESCRIPTOR 256u

const struct make_image make_image_esp32 = {.chip_id = 0,
                                            .seed = 1,
                                            .version = "1.0",
                                            .segment = {{0x3F400020, 0x800}, {0x3FFBDB60, 0x400}}};

static void put32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) {
        p[i] = (uint8_t)(v >> 8 * i);
    }
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put_descriptor(uint8_t *p, const char *version)
{
    memset(p, 0, DESCRIPTOR);
    put32(p, 0xABCD5432);
    if (version) {
        memcpy(p + 16, version, strlen(version));
    }
    memcpy(p + 48, "test", 4);
    memcpy(p + 80, "12:34:56", 8);
    memcpy(p + 96, "Jan  2 2024", 11);
    memcpy(p + 112, "v5.0.4", 6);
}

void make_image_seal(uint8_t *bytes, uint32_t length)
{
    uint8_t sum = 0xEF;
    uint32_t at = HEADER;
    for (int i = 0; i < bytes[1]; i++) {
        uint32_t n = get32(bytes + at + 4);
        at += 8;
        while (n--) {
            sum ^= bytes[at++];
        }
    }
    uint32_t end = bytes[23] ? length - MOLT_SHA256_SIZE : length;
    bytes[end - 1] = sum;
    if (bytes[23]) {
        molt_sha256_of(bytes, end, bytes + end);
    }
}

uint32_t make_image(uint8_t *bytes, uint32_t capacity, const struct make_image *image)
{
    uint32_t at = HEADER, count = 0, random = image->seed;
    uint32_t need = HEADER + 16 + MOLT_SHA256_SIZE;
    for (const struct make_segment *s = image->segment; s->length; s++) {
        need += 8 + s->length;
    }
    if (need > capacity) {
        return 0;
    }
    memset(bytes, 0, need);
    for (const struct make_segment *s = image->segment; s->length; s++, count++) {
        put32(bytes + at, s->load_address);
        put32(bytes + at + 4, s->length);
        at += 8;
        for (uint32_t i = 0; i < s->length; i++) {
            random = random * 1664525 + 1013904223;
            bytes[at + i] = (uint8_t)(random >> 24);
        }
        if (count == 0 && !image->no_descriptor && s->length >= DESCRIPTOR) {
            put_descriptor(bytes + at, image->version);
        }
        at += s->length;
    }
    bytes[0] = 0xE9;
    bytes[1] = (uint8_t)count;
    bytes[2] = 2;
    bytes[3] = 0x20;
    put32(bytes + 4, 0x40081528);
    bytes[8] = 0xEE;
    bytes[12] = (uint8_t)image->chip_id;
    bytes[13] = (uint8_t)(image->chip_id >> 8);
    bytes[23] = !image->no_hash;
    uint32_t length = (at / 16 + 1) * 16 + (image->no_hash ? 0 : MOLT_SHA256_SIZE);
    make_image_seal(bytes, length);
    return length;
}
