#include "molt/espimage.h"

#include <string.h>

#include "core/bytes.h"

#define BOOTLOADER_MAGIC 0x50
#define CHECKSUM_SEED    0xEF
#define SEGMENT_HEADER   8u
#define SEGMENT_LIMIT    (16u << 20)

/* Its magic is one byte, so the version text must look like one too: "v5.2", "5.3-dirty". */
static void parse_bootloader_descriptor(struct molt_image *image, const uint8_t *bytes)
{
    const uint8_t *text = bytes + 8;
    const uint8_t *digit = text[0] == 'v' ? text + 1 : text;
    if (bytes[0] != BOOTLOADER_MAGIC || digit[0] < '0' || digit[0] > '9' || digit[1] != '.') {
        return;
    }
    image->bootloader_descriptor = true;
    memcpy(image->bootloader_idf, text, 32);
    image->bootloader_idf[32] = 0;
}

/* The image inside the flash, and how far it may reach. */
struct reader {
    const struct molt_flash *flash;
    uint32_t offset; /* of the image in flash */
    uint32_t limit;  /* bytes from there that belong to it */
    uint32_t inside; /* bytes from there to the end of the flash */
    uint8_t *buffer;
    uint32_t buffer_size;
    const struct molt_digest *digest;
    struct molt_diag *diag;
};

/* [at, at + n) lies inside of both; at <= limit always holds. */
static int room(const struct reader *reader, uint32_t at, uint32_t n, const char *what)
{
    if (n > reader->limit || at > reader->limit - n) {
        return molt_diag_values(reader->diag, MOLT_E_IMAGE_TOO_LARGE, what, at, reader->limit,
                                n > UINT32_MAX - at ? UINT32_MAX : at + n);
    }
    if (n > reader->inside || at > reader->inside - n) {
        return molt_diag_values(reader->diag, MOLT_E_IMAGE_TRUNCATED, what, at, at + n,
                                reader->inside);
    }
    return MOLT_OK;
}

static int fetch(const struct reader *reader, uint32_t at, void *bytes, uint32_t n)
{
    int error = molt_flash_read(reader->flash, reader->offset + at, bytes, n);
    return error < 0 ? molt_diag_at(reader->diag, error, "reading the image", at) : MOLT_OK;
}

static int read_header(struct molt_image *image, const struct reader *reader)
{
    uint8_t bytes[MOLT_IMAGE_HEADER_SIZE];
    int error = room(reader, 0, sizeof bytes, "header");
    if (!error) {
        error = fetch(reader, 0, bytes, sizeof bytes);
    }
    return error ? error : molt_image_parse_header(&image->header, bytes, reader->diag);
}

/* Where each segment lies; *end is behind the last. */
static int read_segments(struct molt_image *image, const struct reader *reader, uint32_t *end)
{
    uint32_t at = MOLT_IMAGE_HEADER_SIZE;
    for (uint32_t i = 0; i < image->header.segment_count; i++) {
        uint8_t bytes[SEGMENT_HEADER];
        int error = room(reader, at, SEGMENT_HEADER, "segment header");
        if (!error) {
            error = fetch(reader, at, bytes, SEGMENT_HEADER);
        }
        if (error) {
            return error;
        }
        struct molt_image_segment *segment = &image->segment[i];
        segment->load_address = molt_get_le32(bytes);
        segment->length = molt_get_le32(bytes + 4);
        segment->offset = at + SEGMENT_HEADER;
        if (segment->load_address == UINT32_MAX && segment->length == UINT32_MAX) {
            return molt_diag_at(reader->diag, MOLT_E_IMAGE_TRUNCATED,
                                "erased flash instead of a segment header", at);
        }
        if (segment->length % 4 || segment->length >= SEGMENT_LIMIT) {
            return molt_diag_values(reader->diag, MOLT_E_IMAGE_SEGMENTS, "segment length", at + 4,
                                    SEGMENT_LIMIT, segment->length);
        }
        error = room(reader, segment->offset, segment->length, "segment data");
        if (error) {
            return error;
        }
        at = segment->offset + segment->length;
    }
    *end = at;
    return MOLT_OK;
}

static int read_descriptor(struct molt_image *image, const struct reader *reader)
{
    memset(&image->app, 0, sizeof image->app);
    image->bootloader_descriptor = false;
    image->bootloader_idf[0] = 0;
    if (image->segment[0].length < MOLT_APP_DESCRIPTOR_SIZE) {
        return MOLT_OK;
    }
    int error = fetch(reader, MOLT_APP_DESCRIPTOR_OFFSET, reader->buffer, MOLT_APP_DESCRIPTOR_SIZE);
    if (error) {
        return error;
    }
    molt_image_parse_descriptor(&image->app, reader->buffer);
    parse_bootloader_descriptor(image, reader->buffer);
    return MOLT_OK;
}

uint8_t molt_image_xor(uint8_t sum, const void *data, uint32_t n)
{
    const uint8_t *bytes = data;
    uint32_t words = 0, word; /* four at a time */
    for (; n >= sizeof word; n -= (uint32_t)sizeof word, bytes += sizeof word) {
        memcpy(&word, bytes, sizeof word);
        words ^= word;
    }
    while (n--) {
        sum ^= *bytes++;
    }
    return (uint8_t)(sum ^ words ^ words >> 8 ^ words >> 16 ^ words >> 24);
}

/* The part of the buffer [at, at + n) that is data of segment i or a later one. */
static uint8_t sum_data(const struct molt_image *image, uint8_t sum, const uint8_t *buffer,
                        uint32_t at, uint32_t n)
{
    for (uint32_t i = 0; i < image->header.segment_count; i++) {
        const struct molt_image_segment *segment = &image->segment[i];
        uint32_t low = segment->offset > at ? segment->offset : at;
        uint32_t high = segment->offset + segment->length;
        if (high > at + n) {
            high = at + n;
        }
        if (low < high) {
            sum = molt_image_xor(sum, buffer + (low - at), high - low);
        }
    }
    return sum;
}

/* One pass over [0, hashed): checksum of the data, SHA-256 of all. */
static int digest_image(struct molt_image *image, const struct reader *reader, uint32_t hashed)
{
    struct molt_digest_state state;
    uint8_t sum = CHECKSUM_SEED;
    reader->digest->start(&state);
    for (uint32_t at = 0; at < hashed;) {
        uint32_t n = hashed - at < reader->buffer_size ? hashed - at : reader->buffer_size;
        int error = fetch(reader, at, reader->buffer, n);
        if (error) {
            return error;
        }
        reader->digest->update(&state, reader->buffer, n);
        sum = sum_data(image, sum, reader->buffer, at, n);
        image->checksum_stored = reader->buffer[n - 1];
        at += n;
    }
    reader->digest->finish(&state, image->sha256);
    image->checksum_computed = sum;
    image->checksum_ok = image->checksum_stored == sum;
    return MOLT_OK;
}

int molt_image_read(struct molt_image *image, const struct molt_flash *flash, uint32_t offset,
                    uint32_t limit, void *buffer, uint32_t buffer_size, struct molt_diag *diag)
{
    return molt_image_read_with(&molt_sha256, image, flash, offset, limit, buffer, buffer_size,
                                diag);
}

/* Header, segments, descriptor; *hashed = bytes that checksum and hash cover. */
static int read_layout(struct molt_image *image, const struct reader *reader, uint32_t *hashed)
{
    uint32_t end = 0;
    int error = read_header(image, reader);
    if (!error) {
        error = read_segments(image, reader, &end);
    }
    if (error) {
        return error;
    }
    /* The checksum is the last byte before a 16-byte boundary, at least one byte behind the data.
     */
    uint32_t padding = 16 - end % 16;
    uint32_t hash = image->header.hash_appended ? MOLT_SHA256_SIZE : 0;
    error = room(reader, end, padding + hash, "checksum and hash");
    if (!error) {
        error = read_descriptor(image, reader);
    }
    *hashed = end + padding;
    image->length = end + padding + hash;
    return error;
}

/* Compares with the appended hash, if there is one. */
static int judge_hash(struct molt_image *image, const struct reader *reader, uint32_t hashed)
{
    image->hash_ok = true;
    if (!image->header.hash_appended) {
        return MOLT_OK;
    }
    int error = fetch(reader, hashed, reader->buffer, MOLT_SHA256_SIZE);
    image->hash_ok = memcmp(reader->buffer, image->sha256, MOLT_SHA256_SIZE) == 0;
    return error;
}

static int check_arguments(const struct molt_flash *flash, uint32_t offset, uint32_t buffer_size,
                           struct molt_diag *diag)
{
    if (buffer_size < 512) {
        return molt_diag_values(diag, MOLT_E_ARGUMENT, "buffer size", MOLT_DIAG_NONE, 512,
                                buffer_size);
    }
    if (offset > flash->size) {
        return molt_diag_values(diag, MOLT_E_RANGE, "image offset", offset, flash->size, offset);
    }
    return MOLT_OK;
}

int molt_image_read_with(const struct molt_digest *digest, struct molt_image *image,
                         const struct molt_flash *flash, uint32_t offset, uint32_t limit,
                         void *buffer, uint32_t buffer_size, struct molt_diag *diag)
{
    uint32_t hashed = 0;
    int error = check_arguments(flash, offset, buffer_size, diag);
    if (error) {
        return error;
    }
    struct reader reader = {flash,  offset,      limit,  flash->size - offset,
                            buffer, buffer_size, digest, diag};
    error = read_layout(image, &reader, &hashed);
    if (!error) {
        error = digest_image(image, &reader, hashed);
    }
    return error ? error : judge_hash(image, &reader, hashed);
}

/* What lies between the segments' data: header, segment headers, padding. Takes it out of the sum
 * of all. */
static int sum_without_rest(const struct molt_image *image, const struct reader *reader,
                            uint32_t hashed, uint8_t *sum, uint8_t *stored)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i <= image->header.segment_count; i++) {
        bool last = i == image->header.segment_count;
        uint32_t next = last ? hashed : image->segment[i].offset;
        int error = fetch(reader, at, reader->buffer, next - at); /* at most 40 bytes */
        if (error) {
            return error;
        }
        *sum = molt_image_xor(*sum, reader->buffer, next - at);
        *stored = reader->buffer[next - at - 1];
        at = last ? hashed : next + image->segment[i].length;
    }
    return MOLT_OK;
}

int molt_image_judge(struct molt_image *image, const struct molt_flash *flash, uint32_t offset,
                     uint32_t length, uint8_t sum_of_all, const uint8_t sha256[MOLT_SHA256_SIZE],
                     void *buffer, uint32_t buffer_size, struct molt_diag *diag)
{
    uint32_t hashed = 0;
    int error = check_arguments(flash, offset, buffer_size, diag);
    if (error) {
        return error;
    }
    struct reader reader = {flash,  offset,      length,       flash->size - offset,
                            buffer, buffer_size, &molt_sha256, diag};
    error = read_layout(image, &reader, &hashed);
    if (error) {
        return error;
    }
    if (image->length != length || !image->header.hash_appended) { /* summed over something else */
        return molt_diag_values(diag, MOLT_E_IMAGE_SEGMENTS, "length with appended SHA-256",
                                MOLT_DIAG_NONE, length, image->length);
    }
    uint8_t sum = (uint8_t)(sum_of_all ^ CHECKSUM_SEED);
    error = sum_without_rest(image, &reader, hashed, &sum, &image->checksum_stored);
    if (error) {
        return error;
    }
    image->checksum_computed = sum;
    image->checksum_ok = image->checksum_stored == sum;
    memcpy(image->sha256, sha256, MOLT_SHA256_SIZE);
    return judge_hash(image, &reader, hashed);
}
