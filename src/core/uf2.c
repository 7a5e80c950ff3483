#include "molt/uf2.h"

#include <string.h>

#include "core/bytes.h"
#include "core/md5.h"

#define MAGIC_0          0x0A324655u
#define MAGIC_1          0x9E5D5157u
#define MAGIC_END        0x0AB16F30u
#define DATA             32u
#define TAG_IGNORE_BLOCK 0x9957E3u /* as a tag, of 4 bytes: 04 e3 57 99 */

bool molt_uf2_is(const uint8_t *bytes, uint32_t n)
{
    return n >= 8 && molt_get_le32(bytes) == MAGIC_0 && molt_get_le32(bytes + 4) == MAGIC_1;
}

int molt_uf2_parse(struct molt_uf2_block *block, const uint8_t bytes[MOLT_UF2_BLOCK],
                   struct molt_diag *diag)
{
    if (!molt_uf2_is(bytes, MOLT_UF2_BLOCK)) {
        return molt_diag_at(diag, MOLT_E_FORMAT, "magic number of a UF2 block", 0);
    }
    if (molt_get_le32(bytes + MOLT_UF2_BLOCK - 4) != MAGIC_END) {
        return molt_diag_at(diag, MOLT_E_FORMAT, "magic number at a UF2 block's end",
                            MOLT_UF2_BLOCK - 4);
    }
    block->flags = molt_get_le32(bytes + 8);
    block->address = molt_get_le32(bytes + 12);
    block->length = molt_get_le32(bytes + 16);
    block->number = molt_get_le32(bytes + 20);
    block->count = molt_get_le32(bytes + 24);
    block->family = molt_get_le32(bytes + 28);
    block->payload = bytes + DATA;
    if (block->length > MOLT_UF2_PAYLOAD_MAX) {
        return molt_diag_values(diag, MOLT_E_RANGE, "payload of a UF2 block", 16,
                                MOLT_UF2_PAYLOAD_MAX, block->length);
    }
    if (block->number >= block->count) {
        return molt_diag_values(diag, MOLT_E_RANGE, "number of a UF2 block", 20, block->count,
                                block->number);
    }
    if (0xFFFFFFFFu - block->address < block->length) {
        return molt_diag_values(diag, MOLT_E_RANGE, "address of a UF2 block", 12,
                                0xFFFFFFFFu - block->length, block->address);
    }
    return MOLT_OK;
}

int molt_uf2_write(uint8_t bytes[MOLT_UF2_BLOCK], const struct molt_uf2_block *block)
{
    if (block->length > MOLT_UF2_PAYLOAD_MAX) {
        return MOLT_E_RANGE;
    }
    memset(bytes, 0, MOLT_UF2_BLOCK);
    molt_put_le32(bytes, MAGIC_0);
    molt_put_le32(bytes + 4, MAGIC_1);
    molt_put_le32(bytes + 8, block->flags);
    molt_put_le32(bytes + 12, block->address);
    molt_put_le32(bytes + 16, block->length);
    molt_put_le32(bytes + 20, block->number);
    molt_put_le32(bytes + 24, block->count);
    molt_put_le32(bytes + 28, block->family);
    memcpy(bytes + DATA, block->payload, block->length);
    molt_put_le32(bytes + MOLT_UF2_BLOCK - 4, MAGIC_END);
    return MOLT_OK;
}

int molt_uf2_next_tag(const struct molt_uf2_block *block, uint32_t *at, struct molt_uf2_tag *tag)
{
    uint32_t from = (block->length + 3) / 4 * 4 + *at;
    if (!(block->flags & MOLT_UF2_EXTENSIONS) || *at > MOLT_UF2_PAYLOAD_MAX ||
        from > MOLT_UF2_PAYLOAD_MAX - 4) {
        return 0;
    }
    const uint8_t *p = block->payload + from;
    if (p[0] < 4 || p[0] > MOLT_UF2_PAYLOAD_MAX - from) {
        return 0;
    }
    tag->type = molt_get_le32(p) >> 8;
    tag->data = p + 4;
    tag->length = p[0] - 4u;
    *at += (p[0] + 3u) / 4 * 4;
    return 1;
}

bool molt_uf2_is_written(const struct molt_uf2_block *block)
{
    struct molt_uf2_tag tag;
    uint32_t at = 0;
    while (molt_uf2_next_tag(block, &at, &tag)) {
        if (tag.type == TAG_IGNORE_BLOCK) {
            return false;
        }
    }
    return !(block->flags & (MOLT_UF2_NOT_FLASH | MOLT_UF2_FILE)) && block->length > 0;
}

/* ---- Whole files ---- */

/* Of a block whose digest covers itself; others are for the board. esptool puts it right behind
 * the payload, the specification at the end of the data: both are looked at. */
static bool md5_is_right(const struct molt_uf2_block *block)
{
    const uint32_t place[] = {block->length, MOLT_UF2_PAYLOAD_MAX - MOLT_UF2_MD5_SIZE};
    bool own = false;
    for (int i = 0; i < 2; i++) {
        const uint8_t *p = block->payload + place[i];
        uint8_t digest[MOLT_MD5_SIZE];
        if (place[i] < block->length || MOLT_UF2_PAYLOAD_MAX - place[i] < MOLT_UF2_MD5_SIZE ||
            molt_get_le32(p) != block->address || molt_get_le32(p + 4) != block->length) {
            continue;
        }
        own = true;
        molt_md5(block->payload, block->length, digest);
        if (memcmp(digest, p + 8, sizeof digest) == 0) {
            return true;
        }
    }
    return !own;
}

static void take_tags(struct molt_uf2_facts *facts, const struct molt_uf2_block *block)
{
    struct molt_uf2_tag tag;
    uint32_t at = 0;
    while (molt_uf2_next_tag(block, &at, &tag)) {
        char *text = tag.type == MOLT_UF2_TAG_VERSION  ? facts->version
                     : tag.type == MOLT_UF2_TAG_DEVICE ? facts->device
                                                       : 0;
        if (text && !text[0]) {
            uint32_t n = tag.length < sizeof facts->version ? tag.length
                                                            : (uint32_t)sizeof facts->version - 1;
            memcpy(text, tag.data, n);
        }
    }
}

static bool belongs(const struct molt_uf2_part *part, const struct molt_uf2_block *block)
{
    bool has = block->flags & MOLT_UF2_FAMILY;
    return part->has_family == has && (!has || part->family == block->family);
}

static struct molt_uf2_part *part_of(struct molt_uf2_facts *facts,
                                     const struct molt_uf2_block *block)
{
    for (uint32_t i = 0; i < facts->part_count; i++) {
        if (belongs(&facts->part[i], block)) {
            return &facts->part[i];
        }
    }
    if (facts->part_count == MOLT_UF2_FAMILIES) {
        return 0;
    }
    struct molt_uf2_part *part = &facts->part[facts->part_count++];
    part->has_family = block->flags & MOLT_UF2_FAMILY;
    part->family = part->has_family ? block->family : 0;
    part->low = 0xFFFFFFFFu;
    return part;
}

/* The blocks of one family are numbered from 0; esptool begins again with each file that it
 * takes in. */
static void count_block(struct molt_uf2_part *part, const struct molt_uf2_block *block,
                        uint32_t last_count)
{
    if (part->blocks == 0 || block->number == 0 || block->count != last_count) {
        bool fits = 0xFFFFFFFFu - part->expected > block->count;
        part->expected = fits ? part->expected + block->count : 0xFFFFFFFFu;
    }
    part->blocks++;
    part->bytes += block->length; /* less than the file's own length */
    part->low = block->address < part->low ? block->address : part->low;
    uint32_t end = block->address + block->length;
    part->high = end > part->high ? end : part->high;
}

int molt_uf2_survey(struct molt_uf2_facts *facts, const uint8_t *bytes, uint32_t n,
                    struct molt_diag *diag)
{
    uint32_t last_count[MOLT_UF2_FAMILIES] = {0};
    memset(facts, 0, sizeof *facts);
    facts->tail = n % MOLT_UF2_BLOCK;
    for (uint32_t at = 0; n - at >= MOLT_UF2_BLOCK; at += MOLT_UF2_BLOCK) {
        struct molt_uf2_block block;
        int error = molt_uf2_parse(&block, bytes + at, diag);
        if (error == MOLT_E_FORMAT) {
            facts->skipped++; /* what is no block is nothing to a board either */
            continue;
        }
        if (error) {
            if (diag) {
                diag->offset += at;
            }
            return error;
        }
        facts->blocks++;
        take_tags(facts, &block);
        if (!molt_uf2_is_written(&block)) {
            facts->files += block.flags & MOLT_UF2_FILE ? 1 : 0;
            facts->comments += (block.flags & (MOLT_UF2_NOT_FLASH | MOLT_UF2_FILE)) == 1 ? 1 : 0;
            facts->ignored += block.flags & (MOLT_UF2_NOT_FLASH | MOLT_UF2_FILE) ? 0 : 1;
            continue;
        }
        if (block.flags & MOLT_UF2_MD5) {
            facts->md5_blocks++;
            facts->md5_wrong += md5_is_right(&block) ? 0 : 1;
        }
        struct molt_uf2_part *part = part_of(facts, &block);
        if (!part) {
            return molt_diag_values(diag, MOLT_E_UNSUPPORTED, "families in one UF2 file", at,
                                    MOLT_UF2_FAMILIES, MOLT_UF2_FAMILIES + 1);
        }
        count_block(part, &block, last_count[part - facts->part]);
        last_count[part - facts->part] = block.count;
    }
    return facts->blocks ? MOLT_OK
                         : molt_diag_at(diag, MOLT_E_FORMAT, "no whole UF2 block", MOLT_DIAG_NONE);
}

void molt_uf2_flatten(uint8_t *out, uint32_t low, uint32_t size, const uint8_t *bytes, uint32_t n,
                      const struct molt_uf2_part *part)
{
    for (uint32_t at = 0; n - at >= MOLT_UF2_BLOCK; at += MOLT_UF2_BLOCK) {
        struct molt_uf2_block block;
        if (molt_uf2_parse(&block, bytes + at, 0) != MOLT_OK || !molt_uf2_is_written(&block) ||
            !belongs(part, &block) || block.address < low) {
            continue;
        }
        uint32_t from = block.address - low;
        if (from <= size && block.length <= size - from) {
            memcpy(out + from, block.payload, block.length);
        }
    }
}
