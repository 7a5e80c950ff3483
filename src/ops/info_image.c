#define _GNU_SOURCE /* memmem */
#include "molt/ops/info.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "molt/host/digest.h"

#define BUFFER 65536u

static bool is_erased(const struct molt_flash *flash, uint32_t offset)
{
    uint8_t bytes[32];
    if (molt_flash_read(flash, offset, bytes, sizeof bytes) != MOLT_OK) {
        return false;
    }
    for (size_t i = 0; i < sizeof bytes; i++) {
        if (bytes[i] != 0xFF) {
            return false;
        }
    }
    return true;
}

static int judge(struct molt_info_image *found, const struct molt_chip *chip)
{
    const struct molt_image *image = &found->image;
    if (chip) {
        const struct molt_image_rules rules = {chip->chip_id, 0xFFFF, 0xFF, found->offset};
        return molt_image_check(image, &rules, &found->diag);
    }
    if (!image->checksum_ok) {
        return molt_diag_values(&found->diag, MOLT_E_IMAGE_CHECKSUM, "checksum", MOLT_DIAG_NONE,
                                image->checksum_computed, image->checksum_stored);
    }
    if (!image->hash_ok) {
        return molt_diag_at(&found->diag, MOLT_E_IMAGE_HASH, "appended SHA-256", MOLT_DIAG_NONE);
    }
    return MOLT_OK;
}

void molt_info_read_image(struct molt_info_image *found, const struct molt_flash *flash,
                          uint32_t offset, uint32_t room, const struct molt_chip *chip)
{
    uint8_t buffer[BUFFER];
    found->offset = offset;
    found->room = room;
    if (offset >= flash->size) {
        found->outside = true;
        return;
    }
    if (is_erased(flash, offset)) {
        found->empty = true;
        return;
    }
    found->error = molt_image_read_with(&molt_host_sha256, &found->image, flash, offset, room,
                                        buffer, sizeof buffer, &found->diag);
    if (!found->error) {
        found->readable = true;
        found->error = judge(found, chip);
    }
}

/* "v1.23.0 on 2024-06-02": the version up to the blank, the date behind " on ". */
static bool take_version(struct molt_info_image *found, const char *text, size_t n)
{
    size_t i = 0;
    char date[11];
    while (i < n && i + 1 < sizeof found->micropython && text[i] > ' ' && text[i] < 0x7F) {
        i++;
    }
    if (i < 4 || !isdigit((unsigned char)text[1]) || n - i < 4 + sizeof date ||
        memcmp(text + i, " on ", 4) != 0) {
        return false;
    }
    memcpy(date, text + i + 4, 10);
    date[10] = 0;
    for (int k = 0; k < 10; k++) {
        if (k == 4 || k == 7 ? date[k] != '-' : !isdigit((unsigned char)date[k])) {
            return false;
        }
    }
    memcpy(found->micropython, text, i);
    found->micropython[i] = 0;
    memcpy(found->micropython_date, date, sizeof date);
    return true;
}

int molt_info_find_micropython(struct molt_info_image *found, const struct molt_flash *flash)
{
    static const char mark[] = "MicroPython v";
    uint32_t n = found->image.length;
    char *bytes = malloc(n ? n : 1);
    if (!bytes) {
        return MOLT_E_NO_MEMORY;
    }
    int error = molt_flash_read(flash, found->offset, bytes, n);
    for (char *at = bytes; !error;) {
        at = memmem(at, n - (size_t)(at - bytes), mark, sizeof mark - 1);
        if (!at) {
            break;
        }
        at += sizeof mark - 2; /* at the v */
        if (take_version(found, at, n - (size_t)(at - bytes))) {
            break;
        }
    }
    free(bytes);
    return error;
}
