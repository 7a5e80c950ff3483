#include "molt/manifest.h"

#include <string.h>

#include "core/bytes.h"
#include "core/manifest_keys.h"
#include "molt/cbor.h"

#define FORMAT_VERSION 1

int molt_bundle_head(const uint8_t head[MOLT_BUNDLE_HEAD], struct molt_diag *diag)
{
    static const uint8_t magic[8] = MOLT_BUNDLE_MAGIC;
    if (memcmp(head, magic, sizeof magic) != 0) {
        return molt_diag_at(diag, MOLT_E_BUNDLE_MAGIC, "magic", 0);
    }
    uint32_t size = molt_get_le32(head + 8);
    if (size == 0 || size > MOLT_ENVELOPE_MAX) {
        return molt_diag_values(diag, MOLT_E_BUNDLE_MALFORMED, "envelope size", 8,
                                MOLT_ENVELOPE_MAX, size);
    }
    return (int)size;
}

static uint32_t chunks_of(uint32_t length, uint32_t log2)
{
    return (length + (1u << log2) - 1) >> log2;
}

uint32_t molt_chunk_size(const struct molt_payload *payload, uint32_t chunk_in_payload)
{
    uint32_t size = 1u << payload->chunk_log2;
    uint32_t left = payload->length - (chunk_in_payload << payload->chunk_log2);
    return left < size ? left : size;
}

uint32_t molt_chunk_offset(const struct molt_manifest *manifest, uint32_t chunk)
{
    uint32_t offset = manifest->data_offset;
    for (uint32_t i = 0; i < chunk; i++) {
        offset += manifest->chunk[i].encoded_size;
    }
    return offset;
}

const struct molt_payload *molt_manifest_payload(const struct molt_manifest *manifest,
                                                 enum molt_role role)
{
    for (uint32_t i = 0; i < manifest->payload_count; i++) {
        if (manifest->payload[i].role == role) {
            return &manifest->payload[i];
        }
    }
    return 0;
}

/* A text that is not empty and safe to print. */
static int parse_name(struct molt_cbor_reader *reader, char *to, size_t capacity)
{
    int error = molt_cbor_text(reader, to, capacity);
    if (error || !*to) {
        return MOLT_E_FORMAT;
    }
    for (; *to; to++) {
        if (*to < ' ' || *to > '~') {
            return MOLT_E_FORMAT;
        }
    }
    return MOLT_OK;
}

static int parse_u16(struct molt_cbor_reader *reader, uint32_t low, uint32_t high, uint16_t *value)
{
    uint32_t wide;
    int error = molt_cbor_u32(reader, low, high, &wide);
    *value = (uint16_t)wide;
    return error;
}

static int parse_u8(struct molt_cbor_reader *reader, uint32_t low, uint32_t high, uint8_t *value)
{
    uint32_t wide;
    int error = molt_cbor_u32(reader, low, high, &wide);
    *value = (uint8_t)wide;
    return error;
}

static int parse_time(struct molt_cbor_reader *reader, uint64_t *seconds)
{
    int error = molt_cbor_uint(reader, UINT64_MAX, seconds);
    return error ? error : *seconds ? MOLT_OK : MOLT_E_FORMAT;
}

/* Raw chunks have their own size; a codec that makes a chunk larger is not used for it. */
static int parse_chunk(struct molt_cbor_reader *reader, const struct molt_payload *payload,
                       uint32_t index, struct molt_chunk *chunk)
{
    struct molt_cbor_item item;
    uint32_t size = molt_chunk_size(payload, index);
    if (molt_cbor_expect(reader, MOLT_CBOR_ARRAY, &item) || item.argument != 3 ||
        parse_u8(reader, MOLT_CODEC_RAW, MOLT_CODEC_DELTA, &chunk->codec)) {
        return MOLT_E_FORMAT;
    }
    uint32_t least = chunk->codec == MOLT_CODEC_RAW ? size : 1;
    if (molt_cbor_u32(reader, least, size, &chunk->encoded_size)) {
        return MOLT_E_FORMAT;
    }
    return molt_cbor_bytes(reader, chunk->sha256, sizeof chunk->sha256);
}

/* Length and chunk size stand before the index (ascending keys). */
static int parse_index(struct molt_cbor_reader *reader, struct molt_manifest *manifest,
                       struct molt_payload *payload)
{
    struct molt_cbor_item item;
    bool delta = false;
    if (molt_cbor_expect(reader, MOLT_CBOR_ARRAY, &item) || !payload->length ||
        !payload->chunk_log2 || item.argument != chunks_of(payload->length, payload->chunk_log2) ||
        item.argument > MOLT_CHUNK_MAX - manifest->chunk_count) {
        return MOLT_E_FORMAT;
    }
    payload->first_chunk = manifest->chunk_count;
    payload->chunk_count = (uint32_t)item.argument;
    manifest->chunk_count += payload->chunk_count;
    for (uint32_t i = 0; i < payload->chunk_count; i++) {
        struct molt_chunk *chunk = &manifest->chunk[payload->first_chunk + i];
        if (parse_chunk(reader, payload, i, chunk)) {
            return MOLT_E_FORMAT;
        }
        delta = delta || chunk->codec == MOLT_CODEC_DELTA;
    }
    return delta == payload->has_base ? MOLT_OK : MOLT_E_FORMAT;
}

static int parse_payload_field(struct molt_cbor_reader *reader, int key,
                               struct molt_manifest *manifest, struct molt_payload *payload)
{
    switch (key) {
    case PAYLOAD_ROLE: return parse_u8(reader, MOLT_ROLE_APP, MOLT_ROLE_RELEASE, &payload->role);
    case PAYLOAD_NAME: return parse_name(reader, payload->name, sizeof payload->name);
    case PAYLOAD_LENGTH:
        return molt_cbor_u32(reader, 1, (uint32_t)MOLT_CHUNK_MAX << MOLT_CHUNK_LOG2_MAX,
                             &payload->length);
    case PAYLOAD_SHA256: return molt_cbor_bytes(reader, payload->sha256, sizeof payload->sha256);
    case PAYLOAD_BASE:
        payload->has_base = true;
        return molt_cbor_bytes(reader, payload->base_sha256, sizeof payload->base_sha256);
    case PAYLOAD_MPY_ABI: return parse_u16(reader, 1, UINT16_MAX, &payload->mpy_abi);
    case PAYLOAD_CHUNK_LOG2:
        return parse_u8(reader, MOLT_CHUNK_LOG2_MIN, MOLT_CHUNK_LOG2_MAX, &payload->chunk_log2);
    case PAYLOAD_INDEX: return parse_index(reader, manifest, payload);
    case PAYLOAD_LIST_SIZE:
        return molt_cbor_u32(reader, 1, MOLT_RELEASE_LIST_MAX, &payload->list_size);
    case PAYLOAD_LIST_SHA256:
        return molt_cbor_bytes(reader, payload->list_sha256, sizeof payload->list_sha256);
    default: return MOLT_E_FORMAT;
    }
}

/* One app, one release; file systems of different names; in the order of their roles. */
static bool follows(const struct molt_payload *first, const struct molt_payload *payload)
{
    for (; first < payload; first++) {
        if (first->role > payload->role ||
            (first->role == payload->role &&
             (payload->role != MOLT_ROLE_FILE_SYSTEM ||
              memcmp(first->name, payload->name, sizeof payload->name) == 0))) {
            return false;
        }
    }
    return true;
}

static int parse_payload(struct molt_cbor_reader *reader, struct molt_manifest *manifest,
                         struct molt_payload *payload)
{
    struct molt_cbor_map map;
    int key;
    if (molt_cbor_map_start(&map, reader)) {
        return MOLT_E_FORMAT;
    }
    while ((key = molt_cbor_map_next(&map)) > 0) {
        if (parse_payload_field(reader, key, manifest, payload)) {
            return MOLT_E_FORMAT;
        }
    }
    uint32_t release = 1u << PAYLOAD_LIST_SIZE | 1u << PAYLOAD_LIST_SHA256;
    uint32_t needed = 1u << PAYLOAD_ROLE | 1u << PAYLOAD_NAME | 1u << PAYLOAD_LENGTH |
                      1u << PAYLOAD_SHA256 | 1u << PAYLOAD_CHUNK_LOG2 | 1u << PAYLOAD_INDEX |
                      (payload->role == MOLT_ROLE_RELEASE ? release : 0);
    if (key < 0 || (map.seen & (needed | release)) != needed ||
        payload->list_size > payload->length) {
        return MOLT_E_FORMAT;
    }
    return follows(manifest->payload, payload) ? MOLT_OK : MOLT_E_FORMAT;
}

static int parse_payloads(struct molt_cbor_reader *reader, struct molt_manifest *manifest)
{
    struct molt_cbor_item item;
    if (molt_cbor_expect(reader, MOLT_CBOR_ARRAY, &item) || item.argument == 0 ||
        item.argument > MOLT_PAYLOAD_MAX) {
        return MOLT_E_FORMAT;
    }
    for (uint32_t i = 0; i < item.argument; i++) {
        if (parse_payload(reader, manifest, &manifest->payload[i])) {
            return MOLT_E_FORMAT;
        }
        manifest->payload_count++;
    }
    return MOLT_OK;
}

/* A byte string, so that the NUL that ends it for those who scan files is part of it. */
static int parse_info(struct molt_cbor_reader *reader, struct molt_manifest *manifest)
{
    static const char start[15] = "firmware::info:";
    struct molt_cbor_item item;
    if (molt_cbor_expect(reader, MOLT_CBOR_BYTES, &item) || item.argument <= sizeof start ||
        item.argument > MOLT_INFO_MAX || memcmp(item.bytes, start, sizeof start) != 0 ||
        item.bytes[item.argument - 1] != 0) {
        return MOLT_E_FORMAT;
    }
    manifest->info = item.bytes;
    manifest->info_size = (uint32_t)item.argument;
    return MOLT_OK;
}

static int parse_version(struct molt_cbor_reader *reader)
{
    uint32_t version;
    if (molt_cbor_u32(reader, 1, UINT32_MAX, &version)) {
        return MOLT_E_FORMAT;
    }
    return version == FORMAT_VERSION ? MOLT_OK : MOLT_E_UNSUPPORTED;
}

static int parse_downgrade(struct molt_cbor_reader *reader, bool *allow)
{
    struct molt_cbor_item item;
    int error = molt_cbor_expect(reader, MOLT_CBOR_SIMPLE, &item);
    *allow = item.argument == 21;
    return error ? error : *allow ? MOLT_OK : MOLT_E_FORMAT;
}

static int parse_field(struct molt_cbor_reader *reader, int key, struct molt_manifest *manifest)
{
    switch (key) {
    case MANIFEST_VERSION: return parse_version(reader);
    case MANIFEST_SEQUENCE: return molt_cbor_u32(reader, 1, UINT32_MAX, &manifest->sequence);
    case MANIFEST_BOARD: return parse_name(reader, manifest->board, sizeof manifest->board);
    case MANIFEST_CHIP: return parse_u16(reader, 0, MOLT_CHIP_ANY - 1, &manifest->chip_id);
    case MANIFEST_SLOT_SIZE: return molt_cbor_u32(reader, 1, UINT32_MAX, &manifest->slot_size);
    case MANIFEST_BOOTLOADER: return molt_cbor_u32(reader, 1, 0xFFFFFF, &manifest->min_bootloader);
    case MANIFEST_MPY_ABI: return parse_u16(reader, 1, UINT16_MAX, &manifest->mpy_abi);
    case MANIFEST_INFO: return parse_info(reader, manifest);
    case MANIFEST_PAYLOADS: return parse_payloads(reader, manifest);
    case MANIFEST_ISSUED: return parse_time(reader, &manifest->issued);
    case MANIFEST_EXPIRES: return parse_time(reader, &manifest->expires);
    case MANIFEST_DOWNGRADE: return parse_downgrade(reader, &manifest->allow_downgrade);
    default: return MOLT_E_FORMAT;
    }
}

/* An app names its chip and a slot that it fits into. */
static bool app_fits(const struct molt_manifest *manifest)
{
    const struct molt_payload *app = molt_manifest_payload(manifest, MOLT_ROLE_APP);
    return !app || (manifest->chip_id != MOLT_CHIP_ANY && manifest->slot_size >= app->length);
}

int molt_manifest_parse(struct molt_manifest *manifest, const void *bytes, uint32_t n,
                        struct molt_diag *diag)
{
    const uint8_t *start = bytes;
    struct molt_cbor_reader reader = {start, start + n};
    struct molt_cbor_map map;
    const char *what = "manifest field";
    memset(manifest, 0, sizeof *manifest);
    manifest->chip_id = MOLT_CHIP_ANY;
    int key = molt_cbor_map_start(&map, &reader);
    int error = key;
    while (!error && (key = molt_cbor_map_next(&map)) > 0) {
        error = parse_field(&reader, key, manifest);
    }
    if (!error && key == 0) {
        uint32_t needed =
            1u << MANIFEST_VERSION | 1u << MANIFEST_SEQUENCE | 1u << MANIFEST_PAYLOADS;
        what = "manifest as a whole";
        if ((map.seen & needed) == needed && reader.at == reader.end && app_fits(manifest)) {
            molt_sha256_of(bytes, n, manifest->digest);
            return MOLT_OK;
        }
    }
    error = error == MOLT_E_UNSUPPORTED ? error : MOLT_E_BUNDLE_MALFORMED;
    return molt_diag_at(diag, error, what, (uint32_t)(reader.at - start));
}
