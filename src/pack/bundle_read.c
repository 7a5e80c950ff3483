#include <stdlib.h>
#include <string.h>

#include "molt/inflate.h"
#include "molt/pack/bundle.h"

/* Errors of the envelope as a bundle's. */
static int envelope_error(int error, struct molt_diag *diag)
{
    if (error == MOLT_E_FORMAT || error == MOLT_E_TRUNCATED) {
        error = MOLT_E_BUNDLE_MALFORMED;
    }
    if (diag) {
        diag->error = error;
        diag->offset += MOLT_BUNDLE_HEAD;
    }
    return error;
}

int molt_bundle_open(struct molt_bundle_view *view, const void *bytes, size_t size,
                     struct molt_diag *diag)
{
    memset(view, 0, sizeof *view);
    view->bytes = bytes;
    view->size = size;
    if (size < MOLT_BUNDLE_HEAD) {
        return size >= 8 && memcmp(bytes, MOLT_BUNDLE_MAGIC, 8) == 0
                   ? molt_diag_at(diag, MOLT_E_BUNDLE_TRUNCATED, "head", (uint32_t)size)
                   : molt_diag_at(diag, MOLT_E_BUNDLE_MAGIC, "magic", 0);
    }
    int n = molt_bundle_head(bytes, diag);
    if (n < 0) {
        return n;
    }
    if (size - MOLT_BUNDLE_HEAD < (size_t)n) {
        return molt_diag_values(diag, MOLT_E_BUNDLE_TRUNCATED, "envelope", MOLT_BUNDLE_HEAD,
                                (uint32_t)n, (uint32_t)size - MOLT_BUNDLE_HEAD);
    }
    int error = molt_cose_parse(&view->cose, view->bytes + MOLT_BUNDLE_HEAD, (size_t)n,
                                MOLT_CONTENT_BUNDLE, diag);
    if (error) {
        return envelope_error(error, diag);
    }
    error = molt_manifest_parse(&view->manifest, view->cose.payload,
                                (uint32_t)view->cose.payload_size, diag);
    if (error) {
        if (diag) {
            diag->offset += (uint32_t)(view->cose.payload - view->bytes);
        }
        return error;
    }
    view->manifest.data_offset = MOLT_BUNDLE_HEAD + (uint32_t)n;
    uint32_t end = molt_chunk_offset(&view->manifest, view->manifest.chunk_count);
    if (size < end) {
        return molt_diag_values(diag, MOLT_E_BUNDLE_TRUNCATED, "size of the file", (uint32_t)size,
                                end, (uint32_t)size);
    }
    return size == end ? MOLT_OK
                       : molt_diag_values(diag, MOLT_E_BUNDLE_MALFORMED,
                                          "bytes behind the last chunk", end, end, (uint32_t)size);
}

/* By the decoder that the device has. The stream must end exactly where the chunk does, on both
 * sides. */
static bool inflate_chunk(const uint8_t *bytes, uint32_t n, uint8_t *out, uint32_t size)
{
    uint8_t window[MOLT_INFLATE_WINDOW];
    struct molt_inflate inflate;
    uint32_t used, ready, done = 0;
    const uint8_t *piece;
    int result = MOLT_OK;
    molt_inflate_start(&inflate, window);
    while (result == MOLT_OK) {
        result = molt_inflate_push(&inflate, bytes, n, &used);
        bytes += used;
        n -= used;
        bool idle = used == 0;
        while ((ready = molt_inflate_peek(&inflate, &piece)) != 0) {
            if (ready > size - done) {
                return false;
            }
            memcpy(out + done, piece, ready);
            molt_inflate_take(&inflate, ready);
            done += ready;
            idle = false;
        }
        if (result == MOLT_OK && idle) {
            return false; /* wants more than there is */
        }
    }
    return result == MOLT_DONE && n == 0 && done == size;
}

int molt_bundle_decode_chunk(const struct molt_bundle_view *view,
                             const struct molt_payload *payload, uint32_t chunk, uint8_t *out,
                             struct molt_diag *diag)
{
    const struct molt_chunk *entry = &view->manifest.chunk[chunk];
    uint32_t offset = molt_chunk_offset(&view->manifest, chunk);
    uint32_t size = molt_chunk_size(payload, chunk - payload->first_chunk);
    uint8_t digest[MOLT_SHA256_SIZE];
    if (entry->codec == MOLT_CODEC_RAW) {
        memcpy(out, view->bytes + offset, size);
    } else if (entry->codec != MOLT_CODEC_DEFLATE) {
        return molt_diag_at(diag, MOLT_E_UNSUPPORTED, "codec of a chunk", offset);
    } else if (!inflate_chunk(view->bytes + offset, entry->encoded_size, out, size)) {
        return molt_diag_at(diag, MOLT_E_CHUNK_DECODE, "deflate", offset);
    }
    molt_sha256_of(out, size, digest);
    return memcmp(digest, entry->sha256, sizeof digest) == 0
               ? MOLT_OK
               : molt_diag_at(diag, MOLT_E_CHUNK_HASH, NULL, offset);
}

/* A release: the list that the manifest names, and every file as the list says. */
static int check_release(const struct molt_payload *payload, const uint8_t *pack,
                         struct molt_diag *diag)
{
    struct molt_release_reader reader;
    struct molt_release_file file;
    uint8_t digest[MOLT_SHA256_SIZE];
    molt_sha256_of(pack, payload->list_size, digest);
    if (memcmp(digest, payload->list_sha256, sizeof digest) != 0 ||
        molt_release_start(&reader, pack, payload->list_size, payload->length) != MOLT_OK) {
        return molt_diag_at(diag, MOLT_E_RELEASE, "list", 0);
    }
    while (molt_release_next(&reader, &file) == MOLT_OK) {
        molt_sha256_of(pack + file.offset, file.length, digest);
        if (file.policy < MOLT_KEEP_DELETE && memcmp(digest, file.sha256, sizeof digest) != 0) {
            return molt_diag_at(diag, MOLT_E_RELEASE, "SHA-256 of a file", file.offset);
        }
    }
    return MOLT_OK;
}

int molt_bundle_decode(const struct molt_bundle_view *view, const struct molt_payload *payload,
                       struct molt_bytes *out, struct molt_diag *diag)
{
    uint8_t digest[MOLT_SHA256_SIZE];
    int error = MOLT_OK;
    out->size = payload->length;
    out->data = malloc(out->size);
    if (!out->data) {
        return molt_diag_at(diag, MOLT_E_NO_MEMORY, "payload", MOLT_DIAG_NONE);
    }
    for (uint32_t i = 0; i < payload->chunk_count && !error; i++) {
        error = molt_bundle_decode_chunk(view, payload, payload->first_chunk + i,
                                         out->data + ((size_t)i << payload->chunk_log2), diag);
    }
    if (!error) {
        molt_sha256_of(out->data, out->size, digest);
        if (memcmp(digest, payload->sha256, sizeof digest) != 0) {
            error = molt_diag_at(diag, MOLT_E_VERIFY, "SHA-256 of a payload", MOLT_DIAG_NONE);
        } else if (payload->role == MOLT_ROLE_RELEASE) {
            error = check_release(payload, out->data, diag);
        }
    }
    if (error) {
        molt_bytes_free(out);
    }
    return error;
}
