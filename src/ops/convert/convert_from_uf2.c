#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/memflash.h"
#include "molt/host/uf2_file.h"
#include "ops/convert/convert_internal.h"

#define SIZE_LIMIT (128u << 20)

/* Where bootloaders begin at 0 a firmware file and an app look alike, but for the table. */
static bool has_table(const struct molt_converted *converted)
{
    const uint8_t *p = converted->bytes + MOLT_PTABLE_OFFSET;
    return converted->size >= MOLT_PTABLE_OFFSET + 32 && p[0] == 0xAA && p[1] == 0x50;
}

/* An ESP32's app without what pads its last block; other bytes stay as they are. */
static int judge_esp(struct molt_converted *converted, const struct molt_convert_request *request,
                     const struct molt_uf2_family *family, struct molt_message *message)
{
    struct molt_image_header header;
    struct molt_info_image image = {0};
    struct molt_region region;
    struct molt_flash flash;
    if (converted->size < MOLT_IMAGE_HEADER_SIZE ||
        molt_image_parse_header(&header, converted->bytes, NULL) != MOLT_OK) {
        return MOLT_OK;
    }
    const struct molt_chip *own = molt_chip_by_id(header.chip_id);
    const struct molt_chip *chip = family->chip[0] ? molt_chip_by_name(family->chip) : own;
    if (!own || converted->base != 0 || (own->bootloader_offset == 0 && has_table(converted))) {
        bool firmware = own && converted->base == own->bootloader_offset;
        snprintf(converted->what, sizeof converted->what, firmware ? "firmware" : "bytes");
        return MOLT_OK;
    }
    memflash_init(&flash, &region, converted->bytes, converted->size);
    molt_info_read_image(&image, &flash, 0, 0, chip ? chip : own);
    int error = convert_complain(converted, request, &image, message);
    if (!error && image.readable) {
        snprintf(converted->what, sizeof converted->what, "app");
        converted->size = image.image.length;
    }
    return error;
}

int convert_from_uf2(struct molt_converted *converted, const struct molt_convert_request *request,
                     const uint8_t *bytes, uint32_t n, struct molt_message *message)
{
    struct molt_uf2_facts facts;
    const struct molt_uf2_part *part;
    char number[12];
    int error =
        molt_uf2_file_look(&facts, &part, request->input, bytes, n, request->family, message);
    if (error) {
        return error;
    }
    if (request->has_base || request->whole) {
        return molt_fail(message, MOLT_E_ARGUMENT,
                         "%s: is a UF2 file, which says itself where its bytes go: --base and "
                         "--whole are for making one",
                         request->input);
    }
    if (part->high - part->low > SIZE_LIMIT) {
        return molt_fail(message, MOLT_E_RANGE,
                         "%s: writes 0x%x to 0x%x, more than the largest flash (%u bytes)",
                         request->input, part->low, part->high, SIZE_LIMIT);
    }
    const struct molt_uf2_family *family =
        part->has_family ? molt_uf2_family_by_id(part->family) : NULL;
    converted->base = part->low;
    converted->size = part->high - part->low;
    converted->bytes = malloc(converted->size);
    if (!converted->bytes) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "%s: no memory for %u bytes", request->input,
                         converted->size);
    }
    memset(converted->bytes, 0xFF, converted->size);
    molt_uf2_flatten(converted->bytes, part->low, converted->size, bytes, n, part);
    snprintf(converted->family, sizeof converted->family, "%s",
             part->has_family ? molt_uf2_part_name(part, number) : "");
    snprintf(converted->what, sizeof converted->what, "bytes");
    if (family && family->use == MOLT_UF2_ESP) {
        error = judge_esp(converted, request, family, message);
    } else if (family && family->use == MOLT_UF2_RP2 && part->low == MOLT_UF2_RP2_FLASH) {
        snprintf(converted->what, sizeof converted->what, "flash");
    }
    if (!error) {
        converted->length = converted->size;
        molt_plan_add(&converted->plan, MOLT_STEP_WRITE, converted->base, converted->size,
                      converted->what, "%u blocks for %s; the result begins with the byte for 0x%x",
                      part->blocks, converted->family[0] ? converted->family : "no named family",
                      converted->base);
    }
    return error;
}
