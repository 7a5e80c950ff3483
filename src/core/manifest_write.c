/* The signed maps as bytes. Producers only: not part of what a device carries. */
#include "core/manifest_keys.h"
#include "molt/cbor.h"
#include "molt/manifest.h"

static void put_sha256(struct molt_cbor_writer *writer, uint64_t key,
                       const uint8_t sha256[MOLT_SHA256_SIZE])
{
    molt_cbor_put_uint(writer, key);
    molt_cbor_put_bytes(writer, sha256, MOLT_SHA256_SIZE);
}

static void put_field(struct molt_cbor_writer *writer, uint64_t key, uint64_t value)
{
    molt_cbor_put_uint(writer, key);
    molt_cbor_put_uint(writer, value);
}

/* Absent means 0. */
static void put_unless_zero(struct molt_cbor_writer *writer, uint64_t key, uint64_t value)
{
    if (value) {
        put_field(writer, key, value);
    }
}

static void put_payload(struct molt_cbor_writer *writer, const struct molt_manifest *manifest,
                        const struct molt_payload *payload, uint32_t first_chunk)
{
    bool release = payload->role == MOLT_ROLE_RELEASE;
    uint32_t pairs = 6u + payload->has_base + (payload->mpy_abi != 0) + (release ? 2u : 0u);
    molt_cbor_put_head(writer, MOLT_CBOR_MAP, pairs);
    put_field(writer, PAYLOAD_ROLE, payload->role);
    molt_cbor_put_uint(writer, PAYLOAD_NAME);
    molt_cbor_put_text(writer, payload->name);
    put_field(writer, PAYLOAD_LENGTH, payload->length);
    put_sha256(writer, PAYLOAD_SHA256, payload->sha256);
    if (payload->has_base) {
        put_sha256(writer, PAYLOAD_BASE, payload->base_sha256);
    }
    put_unless_zero(writer, PAYLOAD_MPY_ABI, payload->mpy_abi);
    put_field(writer, PAYLOAD_CHUNK_LOG2, payload->chunk_log2);
    molt_cbor_put_uint(writer, PAYLOAD_INDEX);
    molt_cbor_put_head(writer, MOLT_CBOR_ARRAY, payload->chunk_count);
    for (uint32_t i = 0; i < payload->chunk_count; i++) {
        const struct molt_chunk *chunk = &manifest->chunk[first_chunk + i];
        molt_cbor_put_head(writer, MOLT_CBOR_ARRAY, 3);
        molt_cbor_put_uint(writer, chunk->codec);
        molt_cbor_put_uint(writer, chunk->encoded_size);
        molt_cbor_put_bytes(writer, chunk->sha256, sizeof chunk->sha256);
    }
    if (release) {
        put_field(writer, PAYLOAD_LIST_SIZE, payload->list_size);
        put_sha256(writer, PAYLOAD_LIST_SHA256, payload->list_sha256);
    }
}

int molt_manifest_write(const struct molt_manifest *manifest, void *out, uint32_t capacity)
{
    uint8_t *start = out;
    struct molt_cbor_writer writer = {start, start + capacity, false};
    bool chip = manifest->chip_id != MOLT_CHIP_ANY;
    uint32_t pairs = 3u + (manifest->board[0] != 0) + chip + (manifest->slot_size != 0) +
                     (manifest->min_bootloader != 0) + (manifest->mpy_abi != 0) +
                     (manifest->info != 0) + (manifest->issued != 0) + (manifest->expires != 0) +
                     manifest->allow_downgrade;
    molt_cbor_put_head(&writer, MOLT_CBOR_MAP, pairs);
    put_field(&writer, MANIFEST_VERSION, 1);
    put_field(&writer, MANIFEST_SEQUENCE, manifest->sequence);
    if (manifest->board[0]) {
        molt_cbor_put_uint(&writer, MANIFEST_BOARD);
        molt_cbor_put_text(&writer, manifest->board);
    }
    if (chip) {
        put_field(&writer, MANIFEST_CHIP, manifest->chip_id);
    }
    put_unless_zero(&writer, MANIFEST_SLOT_SIZE, manifest->slot_size);
    put_unless_zero(&writer, MANIFEST_BOOTLOADER, manifest->min_bootloader);
    put_unless_zero(&writer, MANIFEST_MPY_ABI, manifest->mpy_abi);
    if (manifest->info) {
        molt_cbor_put_uint(&writer, MANIFEST_INFO);
        molt_cbor_put_bytes(&writer, manifest->info, manifest->info_size);
    }
    molt_cbor_put_uint(&writer, MANIFEST_PAYLOADS);
    molt_cbor_put_head(&writer, MOLT_CBOR_ARRAY, manifest->payload_count);
    uint32_t chunk = 0;
    for (uint32_t i = 0; i < manifest->payload_count; i++) {
        put_payload(&writer, manifest, &manifest->payload[i], chunk);
        chunk += manifest->payload[i].chunk_count;
    }
    put_unless_zero(&writer, MANIFEST_ISSUED, manifest->issued);
    put_unless_zero(&writer, MANIFEST_EXPIRES, manifest->expires);
    if (manifest->allow_downgrade) {
        molt_cbor_put_uint(&writer, MANIFEST_DOWNGRADE);
        molt_cbor_put_bool(&writer, true);
    }
    return writer.full ? MOLT_E_NO_SPACE : (int)(writer.at - start);
}

int molt_channel_write(const struct molt_channel *channel, void *out, uint32_t capacity)
{
    uint8_t *start = out;
    struct molt_cbor_writer writer = {start, start + capacity, false};
    molt_cbor_put_head(&writer, MOLT_CBOR_MAP, 4u + (channel->expires != 0) + channel->has_rollout);
    put_field(&writer, CHANNEL_VERSION, 1);
    molt_cbor_put_uint(&writer, CHANNEL_NAME);
    molt_cbor_put_text(&writer, channel->name);
    put_sha256(&writer, CHANNEL_BUNDLE, channel->bundle);
    put_field(&writer, CHANNEL_ISSUED, channel->issued);
    put_unless_zero(&writer, CHANNEL_EXPIRES, channel->expires);
    if (channel->has_rollout) {
        molt_cbor_put_uint(&writer, CHANNEL_ROLLOUT);
        molt_cbor_put_head(&writer, MOLT_CBOR_MAP, 2u + (channel->not_before != 0));
        molt_cbor_put_uint(&writer, ROLLOUT_SALT);
        molt_cbor_put_bytes(&writer, channel->salt, sizeof channel->salt);
        put_field(&writer, ROLLOUT_PERMILLE, channel->permille);
        put_unless_zero(&writer, ROLLOUT_NOT_BEFORE, channel->not_before);
    }
    return writer.full ? MOLT_E_NO_SPACE : (int)(writer.at - start);
}
