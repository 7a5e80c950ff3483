/* Any bytes: what is read comes out the same when it is written, and skip agrees with next. */
#undef NDEBUG /* the asserts are the test */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "molt/cbor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* There is one encoding of every item. */
static void check_again(const struct molt_cbor_item *item, const uint8_t *from, const uint8_t *to)
{
    uint8_t head[9];
    struct molt_cbor_writer writer = {head, head + sizeof head, false};
    molt_cbor_put_head(&writer, item->type, item->argument);
    size_t n = (size_t)(writer.at - head);
    assert(!writer.full && n <= (size_t)(to - from) && memcmp(from, head, n) == 0);
    if (item->type == MOLT_CBOR_BYTES || item->type == MOLT_CBOR_TEXT) {
        assert(item->bytes == from + n && item->argument == (size_t)(to - item->bytes));
    } else {
        assert(to == from + n);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct molt_cbor_reader reader = {data, data + size}, whole = reader, text;
    struct molt_cbor_item item;
    char small[32];
    if (molt_cbor_skip(&whole) == MOLT_OK) {
        assert(whole.at > data && whole.at <= whole.end);
    } else {
        assert(whole.at == data);
    }
    for (;;) {
        const uint8_t *from = reader.at;
        text = reader;
        if (molt_cbor_text(&text, small, sizeof small) == MOLT_OK) {
            assert(strlen(small) < sizeof small);
        }
        if (molt_cbor_next(&reader, &item) != MOLT_OK) {
            assert(reader.at == from);
            return 0;
        }
        assert(reader.at > from && reader.at <= reader.end);
        check_again(&item, from, reader.at);
    }
}
