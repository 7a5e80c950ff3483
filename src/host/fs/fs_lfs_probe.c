/* The superblock of a littlefs, found without mounting: SPEC.md of littlefs, "Metadata pairs",
 * "Metadata tags", "0x0ff LFS_TYPE_SUPERBLOCK". */
#include <lfs_util.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "host/fs/fs_internal.h"

#define BLOCK_MIN     128u /* what lfs_mount takes at least is 104 */
#define TAG_SIZE      4u
#define TYPE_NAME     0x0FFu
#define TYPE_STRUCT   0x201u
#define TYPE_CRC_MASK 0x780u
#define TYPE_CRC      0x500u
#define STRUCT_SIZE   24u

struct superblock {
    bool valid;
    uint32_t revision, version, block_size, block_count, name_max;
};

static uint32_t get_be32(const uint8_t *p)
{
    return (uint32_t)p[3] | (uint32_t)p[2] << 8 | (uint32_t)p[1] << 16 | (uint32_t)p[0] << 24;
}

/* Bytes behind the tag: 0x3FF means deleted. */
static uint32_t data_size(uint32_t tag)
{
    return (tag & 0x3FF) == 0x3FF ? 0 : tag & 0x3FF;
}

/* What a tag says of the superblock; name: was it seen in this block? */
static void take(struct superblock *found, bool *name, uint32_t tag, const uint8_t *data)
{
    uint32_t type = tag >> 20 & 0x7FF, id = tag >> 10 & 0x3FF, n = data_size(tag);
    if (id != 0) {
        return;
    }
    if (type == TYPE_NAME) {
        *name = n == 8 && memcmp(data, "littlefs", 8) == 0;
    } else if (type == TYPE_STRUCT && n >= STRUCT_SIZE) {
        found->version = molt_get_le32(data);
        found->block_size = molt_get_le32(data + 4);
        found->block_count = molt_get_le32(data + 8);
        found->name_max = molt_get_le32(data + 12);
    }
}

/* The newest superblock of one block whose checksum is right; limit: where the block ends at last.
 */
static void parse(struct superblock *result, const uint8_t *block, uint32_t limit)
{
    struct superblock found = {0};
    bool name = false;
    uint32_t at = TAG_SIZE, previous = 0xFFFFFFFF;
    uint32_t crc = lfs_crc(0xFFFFFFFF, block, TAG_SIZE);
    *result = found;
    found.revision = molt_get_le32(block);
    while (limit - at >= TAG_SIZE) {
        uint32_t tag = get_be32(block + at) ^ previous;
        uint32_t n = data_size(tag);
        if (tag >> 31 || n > limit - at - TAG_SIZE) {
            break; /* the end, or no tag */
        }
        crc = lfs_crc(crc, block + at, TAG_SIZE);
        const uint8_t *data = block + at + TAG_SIZE;
        previous = tag;
        at += TAG_SIZE + n;
        if ((tag >> 20 & TYPE_CRC_MASK) != TYPE_CRC) {
            crc = lfs_crc(crc, data, n);
            take(&found, &name, tag, data);
            continue;
        }
        if (n < 4 || crc != molt_get_le32(data)) {
            break;
        }
        /* A commit is whole; its last bit says how the next begins. */
        previous ^= (tag >> 20 & 1) << 31;
        crc = 0xFFFFFFFF;
        found.valid = name && found.version >> 16 == 2 && found.block_size >= BLOCK_MIN &&
                      found.block_count >= 2 && found.name_max != 0;
        *result = found;
    }
}

static int read_block(const struct molt_flash *flash, uint32_t offset, uint32_t size, uint32_t at,
                      uint8_t *block, uint32_t *n)
{
    *n = 0;
    if (at >= size || size - at < BLOCK_MIN) {
        return MOLT_OK;
    }
    *n = size - at < FS_BLOCK_MAX ? size - at : FS_BLOCK_MAX;
    return molt_flash_read(flash, offset + at, block, *n);
}

/* The copy that begins at the byte at of the range. */
static int probe_copy(struct superblock *found, const struct molt_flash *flash, uint32_t offset,
                      uint32_t size, uint32_t at, uint8_t *block)
{
    uint32_t n;
    int result = read_block(flash, offset, size, at, block, &n);
    found->valid = false;
    if (result != MOLT_OK || n == 0 || memcmp(block + 8, "littlefs", 8) != 0) {
        return result;
    }
    parse(found, block, n);
    if (found->valid && found->block_size < n) {
        parse(found, block, found->block_size); /* what lies behind is not of this block */
    }
    return MOLT_OK;
}

/* Without the first copy the block size is not known: the second one begins there and names it. */
static int search_second(struct superblock *found, const struct molt_flash *flash, uint32_t offset,
                         uint32_t size, uint8_t *block)
{
    for (uint32_t at = BLOCK_MIN; at <= FS_BLOCK_MAX; at *= 2) {
        int result = probe_copy(found, flash, offset, size, at, block);
        if (result != MOLT_OK) {
            return result;
        }
        if (found->valid && found->block_size == at) {
            return MOLT_OK;
        }
    }
    found->valid = false;
    return MOLT_OK;
}

static void set_facts(struct molt_fs_facts *facts, const struct superblock *found, uint32_t at)
{
    facts->kind = MOLT_FS_LITTLEFS;
    facts->block_size = found->block_size;
    facts->block_count = found->block_count;
    facts->version = found->version;
    facts->name_max = found->name_max;
    facts->superblock_at = at;
    snprintf(facts->variant, sizeof facts->variant, "littlefs 2.%u", found->version & 0xFFFF);
}

int fs_lfs_probe(struct molt_fs_facts *facts, const struct molt_flash *flash, uint32_t offset,
                 uint32_t size)
{
    struct superblock first = {0}, second = {0};
    uint8_t *block = malloc(FS_BLOCK_MAX);
    if (!block) {
        return MOLT_E_NO_MEMORY;
    }
    int result = probe_copy(&first, flash, offset, size, 0, block);
    if (result == MOLT_OK && first.valid) {
        result = probe_copy(&second, flash, offset, size, first.block_size, block);
        second.valid = second.valid && second.block_size == first.block_size;
    } else if (result == MOLT_OK) {
        result = search_second(&second, flash, offset, size, block);
    }
    free(block);
    if (result != MOLT_OK) {
        return result;
    }
    bool newer = first.valid && second.valid && (int32_t)(second.revision - first.revision) > 0;
    if (first.valid && !newer) {
        set_facts(facts, &first, 0);
    } else if (second.valid) {
        set_facts(facts, &second, second.block_size);
    }
    return MOLT_OK;
}
