#include "molt/cbor.h"

#include <string.h>

static void put(struct molt_cbor_writer *writer, const void *bytes, size_t n)
{
    if (writer->full || (size_t)(writer->end - writer->at) < n) {
        writer->full = true;
        return;
    }
    memcpy(writer->at, bytes, n);
    writer->at += n;
}

void molt_cbor_put_head(struct molt_cbor_writer *writer, enum molt_cbor_type type,
                        uint64_t argument)
{
    uint8_t head[9];
    uint32_t high = (uint32_t)(argument >> 32), low = (uint32_t)argument;
    uint32_t width = high ? 8 : low >= 0x10000 ? 4 : low >= 0x100 ? 2 : low >= 24 ? 1 : 0;
    uint32_t info = high ? 27 : low >= 0x10000 ? 26 : low >= 0x100 ? 25 : low >= 24 ? 24 : low;
    head[0] = (uint8_t)((uint32_t)type << 5 | info);
    for (uint32_t i = width; i > 0; i--) {
        head[i] = (uint8_t)argument;
        argument >>= 8;
    }
    put(writer, head, 1 + width);
}

void molt_cbor_put_uint(struct molt_cbor_writer *writer, uint64_t value)
{
    molt_cbor_put_head(writer, MOLT_CBOR_UINT, value);
}

void molt_cbor_put_int(struct molt_cbor_writer *writer, int64_t value)
{
    if (value < 0) {
        molt_cbor_put_head(writer, MOLT_CBOR_NEGATIVE, ~(uint64_t)value);
    } else {
        molt_cbor_put_uint(writer, (uint64_t)value);
    }
}

void molt_cbor_put_bytes(struct molt_cbor_writer *writer, const void *bytes, size_t n)
{
    molt_cbor_put_head(writer, MOLT_CBOR_BYTES, n);
    put(writer, bytes, n);
}

void molt_cbor_put_text(struct molt_cbor_writer *writer, const char *text)
{
    size_t n = 0;
    while (text[n]) {
        n++;
    }
    molt_cbor_put_head(writer, MOLT_CBOR_TEXT, n);
    put(writer, text, n);
}

void molt_cbor_put_bool(struct molt_cbor_writer *writer, bool value)
{
    molt_cbor_put_head(writer, MOLT_CBOR_SIMPLE, value ? 21 : 20);
}
