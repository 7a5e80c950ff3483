/* Application images made for tests: right in every way until a test breaks one. */
#ifndef TEST_MAKE_IMAGE_H
#define TEST_MAKE_IMAGE_H

#include <stdint.h>

struct make_segment {
    uint32_t load_address;
    uint32_t length; /* a multiple of 4 */
};

#define MAKE_IMAGE_SEGMENTS 4

/* Length 0 ends the list. Bytes of the data follow from seed. */
struct make_image {
    uint16_t chip_id;
    uint8_t no_hash;       /* 1 = hash_appended 0 */
    uint8_t no_descriptor; /* 1 = ordinary data where the app descriptor would be */
    uint32_t seed;
    const char *version; /* in the descriptor; NULL = "" */
    struct make_segment segment[MAKE_IMAGE_SEGMENTS + 1];
};

/* A small ESP32 app: one mapped segment, one in RAM. */
extern const struct make_image make_image_esp32;

/* Writes the image, returns its length (0 = capacity too small). */
uint32_t make_image(uint8_t *bytes, uint32_t capacity, const struct make_image *image);

/* Computes checksum and hash again after a change; bytes must still have a sound structure. */
void make_image_seal(uint8_t *bytes, uint32_t length);

#endif
