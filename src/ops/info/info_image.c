#define _GNU_SOURCE /* memmem */
#include "molt/ops/info.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "molt/host/blank.h"
#include "molt/host/digest.h"

/* Small enough for a processor's first cache: each byte is copied, hashed and summed. */
#define BUFFER       16384u
#define VERSION_MOST 128u /* bytes of "MicroPython vX.Y.Z on YYYY-MM-DD", at most 73 */

static bool is_erased(const struct molt_flash *flash, uint32_t offset)
{
    uint8_t bytes[32];
    return molt_flash_read(flash, offset, bytes, sizeof bytes) == MOLT_OK &&
           molt_blank(bytes, sizeof bytes);
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
    /* Without a slot the image ends where the file ends: behind that it is cut short, not large. */
    uint32_t limit = room ? room : 0xFFFFFFFFu - offset;
    found->offset = offset;
    found->room = room ? room : flash->size - offset;
    if (offset >= flash->size) {
        found->outside = true;
        return;
    }
    if (is_erased(flash, offset)) {
        found->empty = true;
        return;
    }
    found->error = molt_image_read_with(&molt_host_sha256, &found->image, flash, offset, limit,
                                        buffer, sizeof buffer, &found->diag);
    if (!found->error) {
        found->readable = true;
        found->error = judge(found, chip);
    }
}

/* "v1.23.0 on 2024-06-02": the version up to the blank, the date behind " on ". */
static bool take_version(const char *text, size_t n, char version[48], char date[16])
{
    size_t i = 0;
    while (i < n && i < 47 && text[i] > ' ' && text[i] < 0x7F) {
        i++;
    }
    if (i < 4 || !isdigit((unsigned char)text[1]) || n - i < 4 + 10 ||
        memcmp(text + i, " on ", 4) != 0) {
        return false;
    }
    for (int k = 0; k < 10; k++) {
        char c = text[i + 4 + (size_t)k];
        if (k == 4 || k == 7 ? c != '-' : !isdigit((unsigned char)c)) {
            return false;
        }
    }
    memcpy(version, text, i);
    version[i] = 0;
    memcpy(date, text + i + 4, 10);
    date[10] = 0;
    return true;
}

bool molt_info_find_version(const void *bytes, uint32_t n, char version[48], char date[16])
{
    static const char mark[] = "MicroPython v";
    const char *begin = bytes, *at = begin;
    version[0] = date[0] = 0;
    while ((at = memmem(at, n - (size_t)(at - begin), mark, sizeof mark - 1)) != NULL) {
        at += sizeof mark - 2; /* at the v */
        if (take_version(at, n - (size_t)(at - begin), version, date)) {
            return true;
        }
    }
    return false;
}

/* Piece by piece, and each begins with the end of the one before: no copy of the whole app. */
int molt_info_find_micropython(struct molt_info_image *found, const struct molt_flash *flash)
{
    char piece[BUFFER];
    uint32_t kept = 0, at = 0;
    found->micropython[0] = found->micropython_date[0] = 0;
    while (at < found->image.length) {
        uint32_t rest = found->image.length - at, room = BUFFER - kept;
        uint32_t n = rest < room ? rest : room;
        int error = molt_flash_read(flash, found->offset + at, piece + kept, n);
        if (error) {
            return error;
        }
        at += n;
        n += kept;
        if (molt_info_find_version(piece, n, found->micropython, found->micropython_date)) {
            break;
        }
        kept = n < VERSION_MOST ? n : VERSION_MOST;
        memmove(piece, piece + n - kept, kept);
    }
    return MOLT_OK;
}
