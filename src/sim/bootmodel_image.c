/* An image as the second-stage bootloader verifies it (ESP-IDF 4.4 and 5.0: esp_image_format.c). */
#include <stdio.h>
#include <string.h>

#include "sim/bootmodel_internal.h"

#define PAGE 0x10000u /* MMU page */

/* Memory that the running bootloader itself occupies: an image may not be loaded there. [low, high)
 */
struct own_memory {
    uint16_t chip_id;
    uint32_t low, high;
};
static const struct own_memory own[] = {
    {0, 0x3FFE7D00, 0x40000000}, /* ESP32: data and stack at the end of DRAM */
    {0, 0x40078000, 0x40080000}, /* its code */
    {5, 0x3FCD0000, 0x3FCE0000}, /* ESP32-C3 */
    {5, 0x403CC000, 0x403DE000},
};

/* Addresses that are mapped from flash instead of loaded. */
static bool is_mapped(uint16_t chip_id, uint32_t address)
{
    if (chip_id == 0) {
        return (address >= 0x3F400000 && address < 0x3F800000) ||
               (address >= 0x400D0000 && address < 0x40400000);
    }
    return (address >= 0x3C000000 && address < 0x3C800000) ||
           (address >= 0x42000000 && address < 0x42800000);
}

static bool overlaps_own(uint16_t chip_id, uint32_t address, uint32_t size)
{
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        if (own[i].chip_id == chip_id && address < own[i].high && size > 0 &&
            (address >= own[i].low || own[i].low - address < size)) {
            return true;
        }
    }
    return false;
}

/* One pass over the image: position, running checksum and digest. */
struct reader {
    const struct molt_flash *flash;
    const struct boot_part *part;
    const struct molt_digest *digest;
    struct molt_digest_state state;
    uint32_t at;
    uint8_t sum;
};

/* Reads n bytes on; the bytes are given back where `to` is there (n at most 4096 then). */
static bool advance(struct reader *r, uint32_t n, uint8_t *to, bool summed)
{
    uint8_t piece[4096];
    if (r->at > r->part->size || n > r->part->size - r->at) {
        return false;
    }
    while (n > 0) {
        uint32_t k = n < sizeof piece ? n : (uint32_t)sizeof piece;
        if (r->flash->ops->read(r->flash->context, r->part->offset + r->at, piece, k) < 0) {
            return false;
        }
        r->digest->update(&r->state, piece, k);
        for (uint32_t i = 0; i < k && summed; i++) {
            r->sum ^= piece[i];
        }
        if (to) {
            memcpy(to, piece, k);
            to += k;
        }
        r->at += k;
        n -= k;
    }
    return true;
}

/* What ESP-IDF 4.4 compares min_rev with: the major number on the ESP32, the minor one on the C3.
 */
static unsigned legacy_revision(const struct molt_bootmodel_facts *facts)
{
    return facts->chip_id == 0 ? facts->revision / 100u : facts->revision % 100u;
}

static bool header_ok(const uint8_t *h, const struct molt_bootmodel_facts *facts, char *why,
                      size_t why_size)
{
    if (h[0] != 0xE9) {
        snprintf(why, why_size, "magic is 0x%02x, not 0xe9", h[0]);
    } else if (boot_le16(h + 12) != facts->chip_id) {
        snprintf(why, why_size, "image for chip %u on chip %u", boot_le16(h + 12), facts->chip_id);
    } else if (facts->legacy_revision && h[14] > legacy_revision(facts)) {
        snprintf(why, why_size, "image needs chip revision %u", h[14]);
    } else if (!facts->legacy_revision && boot_le16(h + 15) > facts->revision) {
        snprintf(why, why_size, "image needs chip revision %u.%02u", boot_le16(h + 15) / 100,
                 boot_le16(h + 15) % 100);
    } else if (h[1] > 16) {
        snprintf(why, why_size, "%u segments", h[1]);
    } else {
        return true;
    }
    return false;
}

static bool segment_ok(struct reader *r, const struct molt_bootmodel_facts *facts, int index,
                       char *why, size_t why_size)
{
    uint8_t head[8];
    if (!advance(r, 8, head, false)) {
        snprintf(why, why_size, "segment %d begins behind the partition's end", index);
        return false;
    }
    uint32_t address = boot_le32(head), size = boot_le32(head + 4);
    if (size % 4 != 0 || size >= 0x1000000) {
        snprintf(why, why_size, "segment %d has a length of 0x%x", index, size);
        return false;
    }
    if (index == 0 && size < 256) {
        snprintf(why, why_size, "the first segment is too small for an app descriptor");
        return false;
    }
    if (is_mapped(facts->chip_id, address) && (r->part->offset + r->at) % PAGE != address % PAGE) {
        snprintf(why, why_size, "segment %d is not where its address 0x%x needs it", index,
                 address);
        return false;
    }
    if (overlaps_own(facts->chip_id, address, size)) {
        snprintf(why, why_size, "segment %d would be loaded over the bootloader itself (0x%x)",
                 index, address);
        return false;
    }
    if (!advance(r, size, NULL, true)) {
        snprintf(why, why_size, "segment %d ends behind the partition's end", index);
        return false;
    }
    return true;
}

/* Checksum in the last byte of the 16 that follow, then the appended SHA-256. */
static bool tail_ok(struct reader *r, bool hash_appended, char *why, size_t why_size)
{
    uint8_t tail[16], stored[32], computed[32];
    uint32_t pad = 16 - r->at % 16;
    if (!advance(r, pad, tail, false) || tail[pad - 1] != r->sum) {
        snprintf(why, why_size, "wrong checksum");
        return false;
    }
    if (!hash_appended) {
        return true;
    }
    struct molt_digest_state so_far = r->state;
    r->digest->finish(&so_far, computed);
    if (!advance(r, 32, stored, false) || memcmp(stored, computed, 32) != 0) {
        snprintf(why, why_size, "wrong SHA-256");
        return false;
    }
    return true;
}

bool boot_image_loads(const struct molt_flash *flash, const struct boot_part *part,
                      const struct molt_bootmodel_facts *facts, const struct molt_digest *digest,
                      uint32_t *length, uint8_t sha256[32], char *why, size_t why_size)
{
    struct reader r = {.flash = flash, .part = part, .digest = digest, .sum = 0xEF};
    uint8_t header[24];
    if (part->offset % PAGE != 0) {
        snprintf(why, why_size, "the partition does not begin on 64 KB");
        return false;
    }
    digest->start(&r.state);
    if (!advance(&r, sizeof header, header, false)) {
        snprintf(why, why_size, "the partition is too small");
        return false;
    }
    if (!header_ok(header, facts, why, why_size)) {
        return false;
    }
    for (int i = 0; i < header[1]; i++) {
        if (!segment_ok(&r, facts, i, why, why_size)) {
            return false;
        }
    }
    if (!tail_ok(&r, header[23] == 1, why, why_size)) {
        return false;
    }
    *length = r.at;
    digest->finish(&r.state, sha256);
    return true;
}
