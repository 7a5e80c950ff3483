#include <string.h>

#include "core/bytes.h"
#include "molt/dfufile.h"

#define STELLARIS 8u
#define LPC       16u
#define LPC_UNIT  512u

void molt_dfuse_write_prefix(uint8_t bytes[11], uint32_t image_size, uint8_t target_count)
{
    memcpy(bytes, "DfuSe\1", 6);
    molt_put_le32(bytes + 6, image_size);
    bytes[10] = target_count;
}

void molt_dfuse_write_target(uint8_t bytes[274], const struct molt_dfuse_target *target)
{
    memcpy(bytes, "Target", 6);
    bytes[6] = target->alternate;
    molt_put_le32(bytes + 7, target->name[0] ? 1 : 0);
    uint32_t length = 0;
    while (length < 255 && target->name[length]) {
        length++;
    }
    memset(bytes + 11, 0, 255);
    memcpy(bytes + 11, target->name, length);
    molt_put_le32(bytes + 266, target->size);
    molt_put_le32(bytes + 270, target->element_count);
}

void molt_dfuse_write_element(uint8_t bytes[8], uint32_t address, uint32_t size)
{
    molt_put_le32(bytes, address);
    molt_put_le32(bytes + 4, size);
}

void molt_dfu_parse_prefix(struct molt_dfu_prefix *prefix, const uint8_t *bytes, uint32_t n)
{
    memset(prefix, 0, sizeof *prefix);
    if (n >= STELLARIS && bytes[0] == 1 && bytes[1] == 0 &&
        molt_get_le32(bytes + 4) == n - STELLARIS) {
        prefix->kind = MOLT_DFU_PREFIX_STELLARIS;
        prefix->size = STELLARIS;
        prefix->address = (uint32_t)molt_get_le16(bytes + 2) << 10;
        prefix->length = molt_get_le32(bytes + 4);
    } else if (n >= LPC && (bytes[0] & 0x3F) == 0x1A && (bytes[1] & 0x3F) == 0x3F) {
        prefix->kind = MOLT_DFU_PREFIX_LPC;
        prefix->size = LPC;
        prefix->length = molt_get_le16(bytes + 2) * LPC_UNIT;
    }
}

int molt_dfu_write_prefix(uint8_t bytes[16], enum molt_dfu_prefix_kind kind, uint32_t address,
                          uint32_t length)
{
    switch (kind) {
    case MOLT_DFU_PREFIX_STELLARIS:
        if (address % 1024) {
            return MOLT_E_ALIGNMENT;
        }
        if (address >> 10 > 0xFFFF) {
            return MOLT_E_RANGE;
        }
        bytes[0] = 1; /* "program" */
        bytes[1] = 0;
        molt_put_le16(bytes + 2, (uint16_t)(address >> 10));
        molt_put_le32(bytes + 4, length);
        return (int)STELLARIS;
    case MOLT_DFU_PREFIX_LPC:
        if (length > 0xFFFF * LPC_UNIT - LPC) {
            return MOLT_E_RANGE;
        }
        memset(bytes, 0, 12);
        memset(bytes + 12, 0xFF, 4);
        bytes[0] = 0x1A;
        bytes[1] = 0x3F;
        molt_put_le16(bytes + 2, (uint16_t)((length + LPC + LPC_UNIT - 1) / LPC_UNIT));
        return (int)LPC;
    case MOLT_DFU_PREFIX_NONE: break;
    }
    return 0;
}

void molt_dfu_write_suffix(uint8_t *bytes, uint32_t n, const struct molt_dfu_suffix *suffix)
{
    uint8_t *p = bytes + n;
    molt_put_le16(p, suffix->device);
    molt_put_le16(p + 2, suffix->product);
    molt_put_le16(p + 4, suffix->vendor);
    molt_put_le16(p + 6, suffix->version);
    memcpy(p + 8, "UFD", 3);
    p[11] = MOLT_DFU_SUFFIX_SIZE;
    molt_put_le32(p + 12, ~molt_crc32(0, bytes, n + 12)); /* zlib's without its last inversion */
}
