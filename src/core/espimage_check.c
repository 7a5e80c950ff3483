/* What a bootloader asks of an app besides its structure: ESP-IDF esp_image_format.c, and the cases
 * of kind "image" in tests/vectors. */
#include "molt/espimage.h"

/* Load addresses below are padding: nothing is loaded. */
#define LOWEST_LOAD_ADDRESS 0x10000000u

static bool overlaps(const struct molt_chip *chip, uint8_t memory,
                     const struct molt_image_segment *segment)
{
    for (uint32_t i = 0; i < MOLT_CHIP_RANGES; i++) {
        const struct molt_chip_range *range = &chip->range[i];
        if (range->memory == memory && segment->load_address < range->high &&
            (segment->load_address >= range->low ||
             segment->length > range->low - segment->load_address)) {
            return true;
        }
    }
    return false;
}

static bool inside(const struct molt_chip *chip, uint8_t memory,
                   const struct molt_image_segment *segment)
{
    for (uint32_t i = 0; i < MOLT_CHIP_RANGES; i++) {
        const struct molt_chip_range *range = &chip->range[i];
        if (range->memory == memory && segment->load_address >= range->low &&
            segment->load_address <= range->high &&
            segment->length <= range->high - segment->load_address) {
            return true;
        }
    }
    return false;
}

static bool is_padding(const struct molt_image_segment *segment)
{
    return segment->length == 0 || segment->load_address < LOWEST_LOAD_ADDRESS;
}

static bool is_bootloader(const struct molt_image *image, const struct molt_chip *chip)
{
    bool in_reserved = false;
    if (image->bootloader_descriptor) {
        return true;
    }
    for (uint32_t i = 0; i < image->header.segment_count; i++) {
        const struct molt_image_segment *segment = &image->segment[i];
        if (is_padding(segment)) {
            continue;
        }
        if (overlaps(chip, MOLT_MEMORY_MAPPED, segment)) {
            return false;
        }
        in_reserved = in_reserved || overlaps(chip, MOLT_MEMORY_RESERVED, segment);
    }
    return in_reserved;
}

static int check_revision(const struct molt_image_header *header,
                          const struct molt_image_rules *rules, struct molt_diag *diag)
{
    if (rules->max_min_rev_full != 0xFFFF && header->min_rev_full > rules->max_min_rev_full) {
        return molt_diag_values(diag, MOLT_E_IMAGE_REVISION, "least chip revision", 15,
                                rules->max_min_rev_full, header->min_rev_full);
    }
    bool has_max = header->max_rev_full != 0 && header->max_rev_full != 0xFFFF;
    if (rules->max_min_rev_full != 0xFFFF && has_max &&
        rules->max_min_rev_full > header->max_rev_full) {
        return molt_diag_values(diag, MOLT_E_IMAGE_REVISION, "greatest chip revision", 17,
                                rules->max_min_rev_full, header->max_rev_full);
    }
    if (rules->max_min_rev != 0xFF && header->min_rev > rules->max_min_rev) {
        return molt_diag_values(diag, MOLT_E_IMAGE_REVISION, "least chip revision (old field)", 14,
                                rules->max_min_rev, header->min_rev);
    }
    return MOLT_OK;
}

/* The chip's usual page, or the one that the app was built for. */
static uint32_t page_size(const struct molt_image *image, const struct molt_chip *chip)
{
    uint8_t log2 = image->app.present ? image->app.mmu_page_log2 : 0;
    if (log2 >= chip->mmu_page_log2_least && log2 <= chip->mmu_page_log2_most) {
        return 1u << log2;
    }
    return chip->mmu_page_size;
}

static int check_segments(const struct molt_image *image, const struct molt_image_rules *rules,
                          const struct molt_chip *chip, struct molt_diag *diag)
{
    uint32_t page = page_size(image, chip);
    if (!molt_chip_memory_known(chip)) {
        return MOLT_OK;
    }
    for (uint32_t i = 0; i < image->header.segment_count; i++) {
        const struct molt_image_segment *segment = &image->segment[i];
        if (is_padding(segment)) {
            continue;
        }
        if (overlaps(chip, MOLT_MEMORY_RESERVED, segment)) {
            return molt_diag_at(diag, MOLT_E_IMAGE_LOAD_ADDRESS,
                                "a segment lies in the bootloader's own memory",
                                segment->offset - 8);
        }
        if (inside(chip, MOLT_MEMORY_MAPPED, segment)) {
            uint32_t in_page = (rules->slot_offset + segment->offset) & (page - 1);
            if (in_page != (segment->load_address & (page - 1))) {
                return molt_diag_values(
                    diag, MOLT_E_IMAGE_LOAD_ADDRESS, "a mapped segment's place in its MMU page",
                    segment->offset - 8, segment->load_address & (page - 1), in_page);
            }
        } else if (!inside(chip, MOLT_MEMORY_RAM, segment)) {
            return molt_diag_at(diag, MOLT_E_IMAGE_LOAD_ADDRESS,
                                "a segment lies in no memory of the chip", segment->offset - 8);
        }
    }
    return MOLT_OK;
}

int molt_image_check(const struct molt_image *image, const struct molt_image_rules *rules,
                     struct molt_diag *diag)
{
    const struct molt_chip *chip = molt_chip_by_id(rules->chip_id);
    if (image->header.chip_id != rules->chip_id || !chip) {
        return molt_diag_values(diag, MOLT_E_IMAGE_CHIP, "chip id", 12, rules->chip_id,
                                image->header.chip_id);
    }
    int error = check_revision(&image->header, rules, diag);
    if (error) {
        return error;
    }
    if (is_bootloader(image, chip)) {
        return molt_diag_at(diag, MOLT_E_IMAGE_MERGED, "it begins with a bootloader", 0);
    }
    if (image->segment[0].length < MOLT_APP_DESCRIPTOR_SIZE) {
        return molt_diag_values(diag, MOLT_E_IMAGE_SEGMENTS, "first segment's length",
                                image->segment[0].offset - 4, MOLT_APP_DESCRIPTOR_SIZE,
                                image->segment[0].length);
    }
    error = check_segments(image, rules, chip, diag);
    if (error) {
        return error;
    }
    if (!image->checksum_ok) {
        uint32_t hash = image->header.hash_appended ? MOLT_SHA256_SIZE : 0;
        return molt_diag_values(diag, MOLT_E_IMAGE_CHECKSUM, "checksum", image->length - hash - 1,
                                image->checksum_computed, image->checksum_stored);
    }
    if (!image->hash_ok) {
        return molt_diag_at(diag, MOLT_E_IMAGE_HASH, "appended SHA-256",
                            image->length - MOLT_SHA256_SIZE);
    }
    return MOLT_OK;
}
