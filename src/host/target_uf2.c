#include <string.h>

#include "host/target_file.h"
#include "molt/host/uf2_file.h"

/* TinyUF2's files begin at 0 with the app; esptool's at flash offsets, as a bootloader's. */
static uint32_t first_byte(const struct molt_uf2_part *part, const uint8_t *bytes, uint32_t n)
{
    struct molt_image_header header;
    for (uint32_t at = 0; n - at >= MOLT_UF2_BLOCK; at += MOLT_UF2_BLOCK) {
        struct molt_uf2_block block;
        if (molt_uf2_parse(&block, bytes + at, NULL) == MOLT_OK && molt_uf2_is_written(&block) &&
            block.address == part->low && block.length >= MOLT_IMAGE_HEADER_SIZE &&
            molt_image_parse_header(&header, block.payload, NULL) == MOLT_OK) {
            const struct molt_chip *chip = molt_chip_by_id(header.chip_id);
            return chip && chip->bootloader_offset == part->low ? part->low : 0;
        }
    }
    return 0;
}

/* The bytes that part writes, from low to low + *n; NULL = no memory. Where nothing begins at 0
 * that is known, and a table, an app or a file system at the part's first byte, from there on. */
static uint8_t *flatten(const struct molt_uf2_part *part, uint32_t low, uint32_t *n,
                        const uint8_t *bytes, uint32_t size)
{
    *n = part->high - low;
    uint8_t *flat = target_make_place(*n);
    if (!flat) {
        return NULL;
    }
    memset(flat + TARGET_BASE_MAX, 0xFF, *n);
    molt_uf2_flatten(flat + TARGET_BASE_MAX, low, *n, bytes, size, part);
    const struct file file = {flat + TARGET_BASE_MAX + (part->low - low), part->high - part->low};
    if (low == part->low || !target_begins(&file)) {
        return flat;
    }
    target_drop_place(flat, *n);
    return flatten(part, part->low, n, bytes, size);
}

int target_flatten(struct molt_target *target, uint8_t **place, uint32_t *size,
                   struct molt_message *message)
{
    struct molt_uf2_facts facts;
    const struct molt_uf2_part *part;
    const uint8_t *bytes = *place + TARGET_BASE_MAX;
    int error = molt_uf2_file_look(&facts, &part, target->name, bytes, *size, NULL, message);
    if (error) {
        return error;
    }
    const struct molt_uf2_family *family =
        part->has_family ? molt_uf2_family_by_id(part->family) : NULL;
    if ((family && family->use != MOLT_UF2_ESP) || part->high > TARGET_FILE_LIMIT) {
        char number[12];
        return molt_fail(message, MOLT_E_FORMAT,
                         "%s: is a UF2 file for family %s that writes 0x%x to 0x%x, no flash of an "
                         "ESP32: 'molt info' shows it, 'molt convert' takes its bytes out",
                         target->name, molt_uf2_part_name(part, number), part->low, part->high);
    }
    uint32_t low = first_byte(part, bytes, *size), n;
    uint8_t *flat = flatten(part, low, &n, bytes, *size);
    if (!flat) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "%s: no memory for %u bytes", target->name,
                         part->high - low);
    }
    target_drop_place(*place, *size);
    *place = flat;
    *size = n;
    target->container = MOLT_CONTAINER_UF2;
    target->uf2_family = part->has_family ? part->family : 0;
    return MOLT_OK;
}
