/* What a file is, by its bytes. */
#include <stdio.h>
#include <string.h>

#include "core/bytes.h"
#include "host/esp8266.h"
#include "host/filekind.h"
#include "host/memflash.h"
#include "host/target_file.h"
#include "molt/host/blank.h"

#define IMAGE_MAGIC 0xE9

static bool table_at(const struct file *file, uint32_t offset)
{
    return file->size > offset && file->size - offset >= 2 && file->bytes[offset] == 0xAA &&
           file->bytes[offset + 1] == 0x50;
}

/* An image header there whose chip has a row; NULL otherwise. */
static const struct molt_chip *chip_at(const struct file *file, uint32_t offset,
                                       struct molt_image_header *header)
{
    if (file->size < offset || file->size - offset < MOLT_IMAGE_HEADER_SIZE ||
        molt_image_parse_header(header, file->bytes + offset, NULL) != MOLT_OK) {
        return NULL;
    }
    return molt_chip_by_id(header->chip_id);
}

/* An app has a descriptor or, in old ones, begins with a segment that stays in flash. */
static bool looks_like_app(const struct file *file, const struct molt_chip *chip)
{
    struct molt_app_descriptor app;
    if (file->size < MOLT_APP_DESCRIPTOR_OFFSET + MOLT_APP_DESCRIPTOR_SIZE) {
        return false;
    }
    molt_image_parse_descriptor(&app, file->bytes + MOLT_APP_DESCRIPTOR_OFFSET);
    uint32_t load = molt_get_le32(file->bytes + MOLT_IMAGE_HEADER_SIZE);
    return app.present || molt_chip_memory_at(chip, load) == MOLT_MEMORY_MAPPED;
}

/* A whole image with nothing but erased bytes behind it: not a firmware cut short. */
static bool is_bootloader(const struct file *file)
{
    struct molt_flash flash;
    struct molt_region region;
    struct molt_image image;
    uint8_t buffer[512];
    memflash_init(&flash, &region, (uint8_t *)(uintptr_t)file->bytes, file->size);
    if (molt_image_read(&image, &flash, 0, file->size, buffer, sizeof buffer, NULL) != MOLT_OK) {
        return false;
    }
    return image.length >= file->size ||
           molt_blank(file->bytes + image.length, file->size - image.length);
}

/* The superblock is in block 0 or 1 (littlefs SPEC.md); of a damaged block 0, the size is the
 * usual one. */
static bool is_littlefs(const struct file *file)
{
    static const char magic[] = "littlefs";
    for (uint32_t at = 8; at <= 4096 + 8; at += 4096) {
        if (file->size > at + 8 && memcmp(file->bytes + at, magic, 8) == 0) {
            return true;
        }
    }
    return false;
}

/* A boot sector with a parameter block that can be right; Microsoft FAT specification, 3.1. */
static bool is_fat(const struct file *file)
{
    const uint8_t *p = file->bytes;
    if (file->size < 512 || p[510] != 0x55 || p[511] != 0xAA || p[0] != 0xEB) {
        return false;
    }
    uint32_t sector = molt_get_le16(p + 11), cluster = p[13];
    return (sector == 512 || sector == 1024 || sector == 2048 || sector == 4096) && cluster &&
           !(cluster & (cluster - 1)) && molt_get_le16(p + 14) && (p[16] == 1 || p[16] == 2);
}

static int unknown_chip(const char *name, const struct molt_image_header *header,
                        struct molt_message *message)
{
    char known[192] = "";
    for (uint32_t i = 0; molt_chip_at(i); i++) {
        size_t n = strlen(known);
        snprintf(known + n, sizeof known - n, "%s%s", i ? ", " : "", molt_chip_at(i)->name);
    }
    return molt_fail(message, MOLT_E_IMAGE_CHIP,
                     "%s: an image for a chip with id 0x%x, expected one of: %s", name,
                     header->chip_id, known);
}

/* The bytes begin with an image: an app, or a bootloader with everything behind it. */
static int classify_image(struct molt_target *target, const struct file *file,
                          struct molt_message *message)
{
    struct molt_image_header header;
    const struct molt_chip *chip = chip_at(file, 0, &header);
    if (file->size < MOLT_IMAGE_HEADER_SIZE) {
        return molt_fail(message, MOLT_E_TRUNCATED,
                         "%s: begins as an image, but ends after %u bytes", target->name,
                         file->size);
    }
    if (file->bytes[1] == 0 || file->bytes[1] > MOLT_IMAGE_MAX_SEGMENTS) {
        return molt_fail(message, MOLT_E_IMAGE_SEGMENTS,
                         "%s: begins as an image, but with %u segments, expected 1 to %d",
                         target->name, file->bytes[1], MOLT_IMAGE_MAX_SEGMENTS);
    }
    if (!chip) {
        return unknown_chip(target->name, &header, message);
    }
    target->chip = chip;
    uint32_t table = MOLT_PTABLE_OFFSET - chip->bootloader_offset;
    if (!table_at(file, table) && looks_like_app(file, chip)) {
        target->kind = MOLT_TARGET_APP;
        return MOLT_OK;
    }
    target->header_flash_size = molt_flash_size_of_nibble(header.flash_size_nibble);
    if (file->size <= table && is_bootloader(file)) {
        target->kind = MOLT_TARGET_BOOTLOADER;
        target->base = chip->bootloader_offset;
        return MOLT_OK;
    }
    if (file->size < table + 32) {
        return molt_fail(message, MOLT_E_TRUNCATED,
                         "%s: begins with a bootloader for %s, but ends after %u bytes, before its "
                         "partition table (at 0x%x of the file): is the file truncated?",
                         target->name, chip->name, file->size, table);
    }
    target->base = chip->bootloader_offset;
    /* Where bootloaders begin at 0 both look alike; a dump has the flash's size. */
    bool whole = target->base == 0 && file->size == target->header_flash_size;
    target->kind = whole ? MOLT_TARGET_DUMP : MOLT_TARGET_FIRMWARE;
    return MOLT_OK;
}

static bool classify_dump(struct molt_target *target, const struct file *file)
{
    struct molt_image_header header;
    for (uint32_t i = 0; molt_chip_at(i); i++) {
        const struct molt_chip *chip = molt_chip_at(i);
        if (chip->bootloader_offset && file->size > MOLT_PTABLE_OFFSET &&
            chip_at(file, chip->bootloader_offset, &header) == chip) {
            target->kind = MOLT_TARGET_DUMP;
            target->chip = chip;
            target->header_flash_size = molt_flash_size_of_nibble(header.flash_size_nibble);
            return true;
        }
    }
    return false;
}

bool target_begins(const struct file *file)
{
    struct molt_image_header header;
    return chip_at(file, 0, &header) || (table_at(file, 0) && file->size <= 0x1000) ||
           is_littlefs(file) || is_fat(file);
}

int target_classify(struct molt_target *target, const struct file *file,
                    struct molt_message *message)
{
    char header[80];
    if (esp8266_image(file->bytes, file->size, header)) {
        return molt_fail(
            message, MOLT_E_IMAGE_CHIP,
            "%s: an image for an ESP8266 (%s), which is not supported, " TARGET_EXPECTED
            " for an ESP32",
            target->name, header);
    }
    if (file->bytes[0] == IMAGE_MAGIC) {
        return classify_image(target, file, message);
    }
    if (classify_dump(target, file)) {
        return MOLT_OK;
    }
    if (table_at(file, 0) && file->size <= 0x1000) {
        target->kind = MOLT_TARGET_TABLE;
        target->base = MOLT_PTABLE_OFFSET;
        return MOLT_OK;
    }
    if (is_littlefs(file) || is_fat(file)) {
        target->kind = MOLT_TARGET_FILES;
        return MOLT_OK;
    }
    return molt_fail(message, MOLT_E_FORMAT, "%s: is %s, " TARGET_EXPECTED, target->name,
                     filekind_of(file->bytes, file->size));
}
