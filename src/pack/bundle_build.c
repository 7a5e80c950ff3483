#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "core/bytes.h"
#include "molt/pack/bundle.h"
#include "pack/internal.h"

#define SECTOR      4096u
#define INFO_START  "firmware::info:"
#define WINDOW_BITS 12 /* the device's window */
#define ALL_CHUNKS  ((uint64_t)MOLT_CHUNK_MAX << MOLT_CHUNK_LOG2_MAX)

void molt_bytes_free(struct molt_bytes *bytes)
{
    free(bytes->data);
    bytes->data = NULL;
    bytes->size = 0;
}

int pack_report(const struct molt_progress *progress, const char *what, uint64_t done,
                uint64_t total)
{
    return progress && progress->report &&
                   progress->report(progress->context, what, done, total) != 0
               ? MOLT_E_CANCELLED
               : MOLT_OK;
}

/* A bundle in the making: the payloads' content, the manifest, and the encoded chunks. */
struct build {
    const struct molt_pack_input *input;
    const struct molt_progress *progress;
    struct molt_diag *diag;
    struct molt_manifest manifest;
    struct molt_bytes content[MOLT_PAYLOAD_MAX]; /* app: the caller's bytes */
    struct molt_bytes pack;                      /* the release, ours */
    struct molt_bytes info;                      /* with its prefix and NUL, ours */
    struct molt_bytes encoded;                   /* chunks, one behind the other, ours */
    uint64_t total, done;
};

static int fail(struct build *build, int error, const char *what)
{
    return molt_diag_at(build->diag, error, what, MOLT_DIAG_NONE);
}

static int copy_text(struct build *build, char *to, size_t capacity, const char *text,
                     const char *what)
{
    size_t n = text ? strlen(text) : 0;
    if (n >= capacity) {
        return molt_diag_values(build->diag, MOLT_E_ARGUMENT, what, MOLT_DIAG_NONE,
                                (uint32_t)capacity - 1, (uint32_t)n);
    }
    for (size_t i = 0; i < n; i++) {
        if (text[i] < ' ' || text[i] > '~') {
            return fail(build, MOLT_E_ARGUMENT, what);
        }
    }
    memset(to, 0, capacity);
    if (n) {
        memcpy(to, text, n);
    }
    return MOLT_OK;
}

static int add_payload(struct build *build, enum molt_role role, const char *name,
                       const uint8_t *bytes, size_t size)
{
    struct molt_payload *payload = &build->manifest.payload[build->manifest.payload_count];
    build->content[build->manifest.payload_count] = (struct molt_bytes){(uint8_t *)bytes, size};
    build->manifest.payload_count++;
    build->total += size;
    if (build->total > ALL_CHUNKS) {
        return fail(build, MOLT_E_NO_SPACE, "payloads over 256 MB");
    }
    payload->role = (uint8_t)role;
    payload->length = (uint32_t)size;
    payload->chunk_log2 = MOLT_CHUNK_LOG2_MIN;
    molt_sha256_of(bytes, size, payload->sha256);
    return copy_text(build, payload->name, sizeof payload->name, name, "payload name");
}

static int add_payloads(struct build *build)
{
    const struct molt_pack_input *input = build->input;
    int error = MOLT_OK;
    if (!input->app && !input->files) {
        return fail(build, MOLT_E_ARGUMENT, "nothing to pack: neither app nor release");
    }
    if (input->app) {
        error = input->app_size
                    ? add_payload(build, MOLT_ROLE_APP, "app", input->app, input->app_size)
                    : fail(build, MOLT_E_ARGUMENT, "empty app");
    }
    if (error || !input->files) {
        return error;
    }
    uint32_t list_size = 0;
    uint16_t abi = 0;
    if ((error = pack_release(&build->pack, &list_size, input, build->diag)) != 0 ||
        (error = pack_mpy_abi(&abi, input, build->diag)) != 0 ||
        (error = add_payload(build, MOLT_ROLE_RELEASE,
                             input->release_name ? input->release_name : "release",
                             build->pack.data, build->pack.size)) != 0) {
        return error;
    }
    struct molt_payload *release = &build->manifest.payload[build->manifest.payload_count - 1];
    release->list_size = list_size;
    release->mpy_abi = abi;
    molt_sha256_of(build->pack.data, list_size, release->list_sha256);
    return MOLT_OK;
}

/* The payload with the most chunks gets larger ones until all of them are few enough. */
static int choose_chunks(struct build *build)
{
    struct molt_manifest *manifest = &build->manifest;
    for (;;) {
        struct molt_payload *most = &manifest->payload[0];
        manifest->chunk_count = 0;
        for (uint32_t i = 0; i < manifest->payload_count; i++) {
            struct molt_payload *payload = &manifest->payload[i];
            uint64_t size = 1u << payload->chunk_log2;
            payload->chunk_count = (uint32_t)((payload->length + size - 1) / size);
            payload->first_chunk = manifest->chunk_count;
            manifest->chunk_count += payload->chunk_count;
            if (payload->chunk_count > most->chunk_count) {
                most = payload;
            }
        }
        if (manifest->chunk_count <= MOLT_CHUNK_MAX) {
            return MOLT_OK;
        }
        if (most->chunk_log2 == MOLT_CHUNK_LOG2_MAX) {
            return fail(build, MOLT_E_NO_SPACE, "payloads over 256 MB");
        }
        most->chunk_log2++;
    }
}

/* Raw deflate with the device's window, from nothing: a chunk decodes alone. 0 = not smaller. */
static uint32_t deflate_chunk(const uint8_t *bytes, uint32_t n, uint8_t *out)
{
    z_stream stream = {0};
    if (deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, -WINDOW_BITS, MAX_MEM_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        return 0;
    }
    stream.next_in = (Bytef *)bytes;
    stream.avail_in = n;
    stream.next_out = out;
    stream.avail_out = n - 1;
    uint32_t size = deflate(&stream, Z_FINISH) == Z_STREAM_END ? (uint32_t)stream.total_out : 0;
    deflateEnd(&stream);
    return size;
}

static void encode_chunk(struct build *build, const uint8_t *bytes, uint32_t n,
                         struct molt_chunk *chunk)
{
    uint8_t *out = build->encoded.data + build->encoded.size;
    molt_sha256_of(bytes, n, chunk->sha256);
    chunk->codec = MOLT_CODEC_DEFLATE;
    chunk->encoded_size =
        build->input->codec == MOLT_PACK_SMALLEST ? deflate_chunk(bytes, n, out) : 0;
    if (chunk->encoded_size == 0) {
        chunk->codec = MOLT_CODEC_RAW;
        chunk->encoded_size = n;
        memcpy(out, bytes, n);
    }
    build->encoded.size += chunk->encoded_size;
}

static int encode(struct build *build)
{
    build->encoded.data = malloc((size_t)build->total);
    if (!build->encoded.data) {
        return fail(build, MOLT_E_NO_MEMORY, "chunks");
    }
    for (uint32_t i = 0; i < build->manifest.payload_count; i++) {
        const struct molt_payload *payload = &build->manifest.payload[i];
        for (uint32_t k = 0; k < payload->chunk_count; k++) {
            uint32_t n = molt_chunk_size(payload, k);
            const uint8_t *bytes = build->content[i].data + ((size_t)k << payload->chunk_log2);
            if (pack_report(build->progress, "compress", build->done, build->total)) {
                return fail(build, MOLT_E_CANCELLED, NULL);
            }
            encode_chunk(build, bytes, n, &build->manifest.chunk[payload->first_chunk + k]);
            build->done += n;
        }
    }
    pack_report(build->progress, "compress", build->total, build->total);
    return MOLT_OK;
}

static int fill_info(struct build *build)
{
    const char *text = build->input->info;
    if (!text) {
        return MOLT_OK;
    }
    size_t prefix = sizeof INFO_START - 1, n = strlen(text);
    if (n == 0 || n > MOLT_INFO_MAX - prefix - 1) {
        return molt_diag_values(build->diag, MOLT_E_ARGUMENT, "length of the info text",
                                MOLT_DIAG_NONE, (uint32_t)(MOLT_INFO_MAX - prefix - 1),
                                (uint32_t)n);
    }
    build->info.size = prefix + n + 1;
    build->info.data = malloc(build->info.size);
    if (!build->info.data) {
        return fail(build, MOLT_E_NO_MEMORY, "info text");
    }
    memcpy(build->info.data, INFO_START, prefix);
    memcpy(build->info.data + prefix, text, n + 1);
    build->manifest.info = build->info.data;
    build->manifest.info_size = (uint32_t)build->info.size;
    return MOLT_OK;
}

static int fill_manifest(struct build *build)
{
    const struct molt_pack_input *input = build->input;
    struct molt_manifest *manifest = &build->manifest;
    if (input->sequence == 0) {
        return fail(build, MOLT_E_ARGUMENT, "sequence number 0: it begins at 1");
    }
    manifest->sequence = input->sequence;
    manifest->chip_id = input->app ? input->chip_id : MOLT_CHIP_ANY;
    manifest->slot_size = input->slot_size;
    if (input->app && !manifest->slot_size) {
        manifest->slot_size = (input->app_size + SECTOR - 1) / SECTOR * SECTOR;
    }
    if (input->app && manifest->slot_size < input->app_size) {
        return molt_diag_values(build->diag, MOLT_E_ARGUMENT, "slot size below the app's length",
                                MOLT_DIAG_NONE, input->app_size, manifest->slot_size);
    }
    manifest->min_bootloader = input->min_bootloader;
    manifest->mpy_abi = input->mpy_abi;
    manifest->issued = input->issued;
    manifest->expires = input->expires;
    manifest->allow_downgrade = input->allow_downgrade;
    int error = copy_text(build, manifest->board, sizeof manifest->board, input->board, "board");
    return error ? error : fill_info(build);
}

/* Magic, size, envelope, chunks. */
static int finish(struct build *build, const struct molt_signer *signer, struct molt_bytes *bundle)
{
    uint8_t manifest[MOLT_ENVELOPE_MAX], envelope[MOLT_ENVELOPE_MAX];
    int n = molt_manifest_write(&build->manifest, manifest, sizeof manifest);
    if (n > 0) {
        n = molt_cose_sign(envelope, sizeof envelope, MOLT_CONTENT_BUNDLE, manifest, (size_t)n,
                           signer);
    }
    if (n < 0) {
        return fail(build, n, n == MOLT_E_NO_SPACE ? "manifest over 4 KB" : "signing");
    }
    bundle->size = MOLT_BUNDLE_HEAD + (size_t)n + build->encoded.size;
    bundle->data = malloc(bundle->size);
    if (!bundle->data) {
        return fail(build, MOLT_E_NO_MEMORY, "bundle");
    }
    memcpy(bundle->data, MOLT_BUNDLE_MAGIC, 8);
    molt_put_le32(bundle->data + 8, (uint32_t)n);
    memcpy(bundle->data + MOLT_BUNDLE_HEAD, envelope, (size_t)n);
    memcpy(bundle->data + MOLT_BUNDLE_HEAD + n, build->encoded.data, build->encoded.size);
    return MOLT_OK;
}

int molt_bundle_build(struct molt_bytes *bundle, const struct molt_pack_input *input,
                      const struct molt_signer *signer, const struct molt_progress *progress,
                      struct molt_diag *diag)
{
    struct build build = {.input = input, .progress = progress, .diag = diag};
    memset(bundle, 0, sizeof *bundle);
    int error;
    if ((error = fill_manifest(&build)) == 0 && (error = add_payloads(&build)) == 0 &&
        (error = choose_chunks(&build)) == 0 && (error = encode(&build)) == 0) {
        error = finish(&build, signer, bundle);
    }
    free(build.info.data);
    free(build.pack.data);
    free(build.encoded.data);
    return error;
}
