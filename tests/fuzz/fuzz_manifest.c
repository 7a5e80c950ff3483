/*
 * A whole bundle (head, envelope, manifest, chunks), a bare manifest, a bare release list: which
 * one the first byte says. A manifest that is taken is written the same again: it has one encoding.
 */
#undef NDEBUG /* the asserts are the test */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "molt/pack/bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_manifest(const uint8_t *bytes, size_t n)
{
    struct molt_manifest manifest;
    uint8_t again[MOLT_ENVELOPE_MAX];
    if (n > sizeof again || molt_manifest_parse(&manifest, bytes, (uint32_t)n, NULL) != MOLT_OK) {
        return;
    }
    assert(molt_manifest_write(&manifest, again, sizeof again) == (int)n);
    assert(memcmp(again, bytes, n) == 0);
    assert(manifest.chunk_count <= MOLT_CHUNK_MAX && manifest.payload_count <= MOLT_PAYLOAD_MAX);
    for (uint32_t i = 0; i < manifest.payload_count; i++) {
        const struct molt_payload *payload = &manifest.payload[i];
        uint64_t total = 0;
        for (uint32_t k = 0; k < payload->chunk_count; k++) {
            uint32_t size = molt_chunk_size(payload, k);
            assert(size && size <= 1u << payload->chunk_log2);
            assert(manifest.chunk[payload->first_chunk + k].encoded_size <= size);
            total += size;
        }
        assert(total == payload->length);
    }
}

static void check_list(const uint8_t *bytes, size_t n)
{
    struct molt_release_reader reader;
    struct molt_release_file file;
    if (n < 2) {
        return;
    }
    uint32_t pack = (uint32_t)(bytes[0] | bytes[1] << 8), at = (uint32_t)n - 2;
    if (molt_release_start(&reader, bytes + 2, (uint32_t)n - 2, pack) != MOLT_OK) {
        return;
    }
    int result;
    while ((result = molt_release_next(&reader, &file)) == MOLT_OK) {
        assert(molt_release_path_ok(file.path) && file.offset == at);
        at += file.length;
    }
    assert(result == MOLT_DONE && at == pack);
}

static void check_bundle(const uint8_t *bytes, size_t n)
{
    struct molt_bundle_view view;
    struct molt_diag diag = {0};
    struct molt_bytes content;
    if (molt_bundle_open(&view, bytes, n, &diag) != MOLT_OK) {
        assert(diag.error < 0);
        return;
    }
    for (uint32_t i = 0; i < view.manifest.payload_count; i++) {
        const struct molt_payload *payload = &view.manifest.payload[i];
        if (payload->length < 1 << 20 &&
            molt_bundle_decode(&view, payload, &content, &diag) == MOLT_OK) {
            molt_bytes_free(&content);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size && data[0] == 'M') {
        check_bundle(data, size);
    } else if (size && data[0] == 'L') {
        check_list(data + 1, size - 1);
    } else {
        check_manifest(data, size);
    }
    return 0;
}
