/*
 * Application and bootloader images of ESP32 chips. Source: ESP-IDF esp_image_format.h, esptool's
 * documentation; docs/SPEC.md, "Image". Chip facts are rows of core/chip.
 */
#ifndef MOLT_ESPIMAGE_H
#define MOLT_ESPIMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "molt/crypto.h"
#include "molt/error.h"
#include "molt/flash.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a range of addresses [low, high) means to the second-stage bootloader. */
enum molt_chip_memory {
    MOLT_MEMORY_NONE = 0, /* ends the row's list */
    MOLT_MEMORY_MAPPED,   /* flash through the MMU: the segment stays where it is in flash */
    MOLT_MEMORY_RAM,      /* copied there before the app starts */
    MOLT_MEMORY_RESERVED  /* RAM that the bootloader itself runs in: nothing may be loaded there */
};

struct molt_chip_range {
    uint8_t memory; /* enum molt_chip_memory */
    uint32_t low, high;
};

#define MOLT_CHIP_RANGES 9

/*
 * One row a chip: a new chip is a new row. All offsets in bytes. No pointers inside: native modules
 * carry the table as it is. A chip whose memory is not known has no ranges: nothing is judged by
 * load addresses then.
 */
struct molt_chip {
    char name[16]; /* as esptool spells it: "esp32", "esp32c3" */
    uint16_t chip_id;
    uint8_t mmu_page_log2_least, mmu_page_log2_most; /* pages that an app descriptor may name */
    uint32_t bootloader_offset;
    uint32_t mmu_page_size;  /* of an app whose descriptor names none of those */
    uint32_t max_flash_size; /* the largest flash that the chip can address */
    struct molt_chip_range range[MOLT_CHIP_RANGES];
};

/* NULL when the chip is not known. The device's build knows only the chips of core/chip.c. */
const struct molt_chip *molt_chip_by_id(uint16_t chip_id);
const struct molt_chip *molt_chip_by_name(const char *name);
const struct molt_chip *molt_chip_at(uint32_t index); /* NULL behind the last */

/* The rows of core/chip_more.c, which follow those of core/chip.c; NULL behind the last. */
const struct molt_chip *molt_chip_more(uint32_t index);

/* False when there are no ranges: load addresses say nothing then. */
bool molt_chip_memory_known(const struct molt_chip *chip);

/* What a header's frequency nibble means: "80m"; "80m or 40m" where one nibble means both; NULL
 * when nothing. Host only. */
const char *molt_chip_flash_freq(const struct molt_chip *chip, uint8_t nibble);

/* What lies there; a reserved range goes before the memory around it, a mapped one before RAM. */
enum molt_chip_memory molt_chip_memory_at(const struct molt_chip *chip, uint32_t address);

#define MOLT_IMAGE_HEADER_SIZE     24
#define MOLT_IMAGE_MAX_SEGMENTS    16
#define MOLT_APP_DESCRIPTOR_OFFSET 0x20
#define MOLT_APP_DESCRIPTOR_SIZE   256

struct molt_image_header {
    uint8_t segment_count;
    uint8_t spi_mode;
    uint8_t flash_size_nibble; /* 0..7 = 1, 2, 4 ... 128 MB */
    uint8_t flash_freq_nibble;
    uint32_t entry;
    uint16_t chip_id;
    uint8_t min_rev;
    uint16_t min_rev_full, max_rev_full; /* major * 100 + minor; max 0 or 65535 = unset */
    bool hash_appended;
};

struct molt_image_segment {
    uint32_t load_address;
    uint32_t offset; /* of the data, from the start of the image */
    uint32_t length;
};

struct molt_app_descriptor {
    bool present; /* its magic is there */
    uint32_t secure_version;
    char version[33], project[33], time[17], date[17], idf_version[33];
    uint8_t elf_sha256[32];
    uint16_t min_block_rev, max_block_rev;
    uint8_t mmu_page_log2;
};

struct molt_image {
    struct molt_image_header header;
    struct molt_image_segment segment[MOLT_IMAGE_MAX_SEGMENTS];
    uint32_t length; /* with checksum and appended hash */
    uint8_t checksum_stored, checksum_computed;
    bool checksum_ok;
    bool hash_ok; /* true also when none is appended */
    uint8_t
        sha256[32]; /* as computed over [0, length - 32) when appended, else over the whole image */
    struct molt_app_descriptor app;
    bool bootloader_descriptor; /* a bootloader of ESP-IDF 5.2 or later says so itself */
    char bootloader_idf[33];    /* its ESP-IDF version; "" without such a descriptor */
};

/* Parses 24 bytes. MOLT_E_IMAGE_MAGIC, MOLT_E_IMAGE_SEGMENTS (0 or over 16). */
int molt_image_parse_header(struct molt_image_header *header, const uint8_t *bytes,
                            struct molt_diag *diag);

/* Parses MOLT_APP_DESCRIPTOR_SIZE bytes; present tells whether it is one. Texts are NUL-terminated.
 */
void molt_image_parse_descriptor(struct molt_app_descriptor *app, const uint8_t *bytes);

/*
 * Reads the whole image at [offset, offset + limit) of flash through a caller's buffer (buffer_size
 * >= 512) and computes checksum and hash. Structural errors are returned (MAGIC, SEGMENTS,
 * TRUNCATED, TOO_LARGE when it runs over limit); a wrong checksum or hash is NOT an error here: it
 * is in the result.
 */
int molt_image_read(struct molt_image *image, const struct molt_flash *flash, uint32_t offset,
                    uint32_t limit, void *buffer, uint32_t buffer_size, struct molt_diag *diag);

/* The same with a platform's own SHA-256. */
int molt_image_read_with(const struct molt_digest *digest, struct molt_image *image,
                         const struct molt_flash *flash, uint32_t offset, uint32_t limit,
                         void *buffer, uint32_t buffer_size, struct molt_diag *diag);

/*
 * The same for a caller that has read the image already: sum_of_all is the XOR of bytes [0, length
 * - 32) and sha256 their SHA-256. Reads only headers and tail. MOLT_E_IMAGE_SEGMENTS also when the
 * image is not exactly length bytes long, or has no SHA-256 appended.
 */
int molt_image_judge(struct molt_image *image, const struct molt_flash *flash, uint32_t offset,
                     uint32_t length, uint8_t sum_of_all, const uint8_t sha256[MOLT_SHA256_SIZE],
                     void *buffer, uint32_t buffer_size, struct molt_diag *diag);

/* XOR of n bytes, into sum. */
uint8_t molt_image_xor(uint8_t sum, const void *data, uint32_t n);

/* What a bootable app must satisfy besides structure, in the order a bootloader looks. */
struct molt_image_rules {
    uint16_t chip_id;
    uint16_t max_min_rev_full; /* the chip's revision: accept min_rev_full up to it, and no
                                  max_rev_full below it; 0xFFFF = do not check */
    uint8_t max_min_rev;       /* the legacy byte likewise; 0xFF = do not check */
    uint32_t
        slot_offset; /* for the rule that mapped segments match their address modulo the page */
};

/*
 * MOLT_OK, or the first that a bootloader would stumble over: CHIP (also a chip without a row),
 * REVISION, MERGED (the image is a bootloader: no segment is mapped and one lies in the
 * bootloader's own memory, or its descriptor says so), SEGMENTS (the first is too small for an
 * app's descriptor), LOAD_ADDRESS (a segment in the bootloader's own memory, in no memory at all,
 * or mapped at another place of the MMU page than it has in flash), CHECKSUM, HASH. diag->offset is
 * from the image's start.
 */
int molt_image_check(const struct molt_image *image, const struct molt_image_rules *rules,
                     struct molt_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
