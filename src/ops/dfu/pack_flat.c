/* Elements as one raw file, or as Intel HEX. */
#include <stdio.h>
#include <string.h>

#include "ops/dfu/pack_internal.h"

int pack_flat(const struct pack_pieces *pieces, uint8_t fill, struct pack_out *out)
{
    const struct molt_dfu_element *first = pieces->order[0];
    const struct molt_dfu_element *last = pieces->order[pieces->count - 1];
    uint32_t size = last->address - first->address + last->size;
    if (size > MOLT_DFU_IMAGE_LIMIT) {
        return molt_fail(out->message, MOLT_E_RANGE,
                         "a raw file from 0x%08x to 0x%08x would be %u bytes, expected at most %u: "
                         "an Intel HEX file or a file for each element holds them",
                         first->address, last->address + last->size, size, MOLT_DFU_IMAGE_LIMIT);
    }
    int error = pack_room(out, size);
    if (error) {
        return error;
    }
    memset(out->bytes, fill, size);
    for (uint32_t i = 0; i < pieces->count; i++) {
        const struct molt_dfu_element *e = pieces->order[i];
        memcpy(out->bytes + (e->address - first->address), e->bytes, e->size);
    }
    return MOLT_OK;
}

#define HEX_LINE 16u /* bytes of a record */

enum { HEX_DATA = 0, HEX_END = 1, HEX_LINEAR = 4 };

/* Characters of a record of n bytes: colon, length, address, kind, bytes, sum, line end. */
static uint32_t record_length(uint32_t n)
{
    return 1 + 2 * (1 + 2 + 1 + n + 1) + 1;
}

static char *put_record(char *p, uint8_t kind, uint16_t address, const uint8_t *bytes, uint32_t n)
{
    static const char digits[] = "0123456789ABCDEF";
    uint8_t record[4 + HEX_LINE + 1] = {(uint8_t)n, (uint8_t)(address >> 8), (uint8_t)address,
                                        kind};
    uint8_t sum = 0;
    memcpy(record + 4, bytes, n);
    for (uint32_t i = 0; i < 4 + n; i++) {
        sum = (uint8_t)(sum + record[i]);
    }
    record[4 + n] = (uint8_t)(0x100 - sum);
    *p++ = ':';
    for (uint32_t i = 0; i < 5 + n; i++) {
        *p++ = digits[record[i] >> 4];
        *p++ = digits[record[i] & 15];
    }
    *p++ = '\n';
    return p;
}

/* Writes to p, or only counts when it is NULL; characters. */
static uint64_t put_elements(const struct pack_pieces *pieces, char *p)
{
    uint64_t length = 0;
    uint32_t base = 0;
    for (uint32_t i = 0; i < pieces->count; i++) {
        const struct molt_dfu_element *e = pieces->order[i];
        for (uint32_t at = 0, n; at < e->size; at += n) {
            uint32_t address = e->address + at, to_next = 0x10000 - (address & 0xFFFF);
            n = e->size - at < HEX_LINE ? e->size - at : HEX_LINE;
            n = n < to_next ? n : to_next;
            if (address >> 16 != base) {
                base = address >> 16;
                uint8_t high[2] = {(uint8_t)(base >> 8), (uint8_t)base};
                p = p ? put_record(p, HEX_LINEAR, 0, high, 2) : NULL;
                length += record_length(2);
            }
            p = p ? put_record(p, HEX_DATA, (uint16_t)address, e->bytes + at, n) : NULL;
            length += record_length(n);
        }
    }
    if (p) {
        put_record(p, HEX_END, 0, (const uint8_t *)"", 0);
    }
    return length + record_length(0);
}

int pack_hex(const struct pack_pieces *pieces, struct pack_out *out)
{
    int error = pack_room(out, put_elements(pieces, NULL));
    if (!error) {
        put_elements(pieces, (char *)out->bytes);
    }
    return error;
}
