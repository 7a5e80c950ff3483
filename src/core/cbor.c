#include "molt/cbor.h"

#include <string.h>

#include "core/utf8.h"

/* Smallest argument that needs 1, 2, 4 or 8 bytes behind the initial one (RFC 8949, 4.2.1). */
static bool is_shortest(uint32_t width, uint64_t argument)
{
    uint32_t high = (uint32_t)(argument >> 32), low = (uint32_t)argument;
    switch (width) {
    case 1: return low >= 24;
    case 2: return low >= 0x100;
    case 4: return low >= 0x10000;
    case 8: return high != 0;
    default: return true;
    }
}

/* The initial byte and the argument behind it; *at moves past both. */
static int read_head(const uint8_t **at, const uint8_t *end, struct molt_cbor_item *item)
{
    const uint8_t *p = *at;
    if (p == end) {
        return MOLT_E_TRUNCATED;
    }
    uint32_t first = *p++, low = first & 31, width = 0;
    item->type = (enum molt_cbor_type)(first >> 5);
    item->bytes = 0;
    item->argument = low;
    if (low >= 24) {
        if (low > 27) {
            return MOLT_E_FORMAT; /* reserved, or an indefinite length */
        }
        width = 1u << (low - 24);
        if ((size_t)(end - p) < width) {
            return MOLT_E_TRUNCATED;
        }
        item->argument = 0;
        for (uint32_t i = 0; i < width; i++) {
            item->argument = item->argument << 8 | *p++;
        }
    }
    *at = p;
    return is_shortest(width, item->argument) ? MOLT_OK : MOLT_E_FORMAT;
}

int molt_cbor_next(struct molt_cbor_reader *reader, struct molt_cbor_item *item)
{
    const uint8_t *p = reader->at;
    int error = read_head(&p, reader->end, item);
    if (error) {
        return error;
    }
    if (item->type == MOLT_CBOR_SIMPLE && (p - reader->at != 1 || item->argument - 20 > 1)) {
        return MOLT_E_FORMAT; /* floats, null, undefined: no manifest has them */
    }
    if (item->type == MOLT_CBOR_BYTES || item->type == MOLT_CBOR_TEXT) {
        if (item->argument > (size_t)(reader->end - p)) {
            return MOLT_E_TRUNCATED;
        }
        item->bytes = p;
        p += (size_t)item->argument;
    }
    reader->at = p;
    return MOLT_OK;
}

int molt_cbor_expect(struct molt_cbor_reader *reader, enum molt_cbor_type type,
                     struct molt_cbor_item *item)
{
    int error = molt_cbor_next(reader, item);
    return error ? error : item->type == type ? MOLT_OK : MOLT_E_FORMAT;
}

int molt_cbor_uint(struct molt_cbor_reader *reader, uint64_t limit, uint64_t *value)
{
    struct molt_cbor_item item;
    int error = molt_cbor_expect(reader, MOLT_CBOR_UINT, &item);
    if (error) {
        return error;
    }
    *value = item.argument;
    return item.argument > limit ? MOLT_E_FORMAT : MOLT_OK;
}

int molt_cbor_u32(struct molt_cbor_reader *reader, uint32_t low, uint32_t high, uint32_t *value)
{
    uint64_t wide = 0;
    int error = molt_cbor_uint(reader, high, &wide);
    *value = (uint32_t)wide;
    return error ? error : *value < low ? MOLT_E_FORMAT : MOLT_OK;
}

int molt_cbor_bytes(struct molt_cbor_reader *reader, void *to, size_t n)
{
    struct molt_cbor_item item;
    int error = molt_cbor_expect(reader, MOLT_CBOR_BYTES, &item);
    if (error) {
        return error;
    }
    if (item.argument != n) {
        return MOLT_E_FORMAT;
    }
    memcpy(to, item.bytes, n);
    return MOLT_OK;
}

int molt_cbor_text(struct molt_cbor_reader *reader, char *to, size_t capacity)
{
    struct molt_cbor_item item;
    int error = molt_cbor_expect(reader, MOLT_CBOR_TEXT, &item);
    if (error) {
        return error;
    }
    if (item.argument >= capacity) {
        return MOLT_E_FORMAT;
    }
    size_t n = (size_t)item.argument;
    for (size_t at = 0; at < n;) {
        uint32_t length = molt_utf8_length(item.bytes + at, n - at);
        if (!length) {
            return MOLT_E_FORMAT;
        }
        at += length;
    }
    memcpy(to, item.bytes, n);
    to[n] = 0;
    return MOLT_OK;
}

int molt_cbor_map_start(struct molt_cbor_map *map, struct molt_cbor_reader *reader)
{
    struct molt_cbor_item item;
    map->reader = reader;
    map->key = 0;
    map->seen = 0;
    int error = molt_cbor_expect(reader, MOLT_CBOR_MAP, &item);
    map->left = item.argument;
    return error;
}

int molt_cbor_map_next(struct molt_cbor_map *map)
{
    uint32_t key;
    if (map->left == 0) {
        return 0;
    }
    map->left--;
    int error = molt_cbor_u32(map->reader, (uint32_t)map->key + 1, 31, &key);
    if (error) {
        return error;
    }
    map->key = (int)key;
    map->seen |= 1u << key;
    return map->key;
}
