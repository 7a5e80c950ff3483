/* The store's records, byte by byte as docs/spec/store.md says. */
#include <string.h>

#include "core/bytes.h"
#include "molt/engine.h"

#define VERSION      1
#define UPDATE_SIZE  56
#define FLOOR_SIZE   13
#define KEY_SIZE     (1 + MOLT_P256_PUBLIC_SIZE)
#define BINDING_SIZE (4 + 2 * MOLT_SHA256_SIZE)

static int load(const struct molt_store *store, enum molt_record record, uint8_t *bytes,
                uint32_t capacity)
{
    int n = store->ops->get(store->context, (int)record, bytes, capacity);
    if (n == MOLT_E_NOT_FOUND) {
        return 0;
    }
    if (n < 0) {
        return n;
    }
    return n < 2 || (uint32_t)n > capacity || bytes[0] != VERSION ? MOLT_E_STORE : n;
}

/* A record of `count` entries behind two bytes; the count, checked against the record's length. */
static int load_list(const struct molt_store *store, enum molt_record record, uint8_t *bytes,
                     uint32_t entry_size, uint32_t most)
{
    int n = load(store, record, bytes, 2 + entry_size * most);
    if (n <= 0) {
        return n;
    }
    return bytes[1] > most || (uint32_t)n != 2 + entry_size * bytes[1] ? MOLT_E_STORE : bytes[1];
}

int molt_update_load(const struct molt_store *store, struct molt_update *update)
{
    uint8_t b[UPDATE_SIZE];
    memset(update, 0, sizeof *update);
    update->chunk = MOLT_NO_CHUNK;
    int n = load(store, MOLT_RECORD_UPDATE, b, sizeof b);
    if (n <= 0) {
        return n;
    }
    if (n != UPDATE_SIZE || b[1] > MOLT_PHASE_FAILED) {
        return MOLT_E_STORE;
    }
    update->phase = b[1];
    update->chunk = b[2];
    update->switches = b[3];
    update->boots = b[4];
    update->outcome = (int32_t)molt_get_le32(b + 8);
    update->from_offset = molt_get_le32(b + 12);
    update->target_offset = molt_get_le32(b + 16);
    update->sequence = molt_get_le32(b + 20);
    memcpy(update->digest, b + 24, MOLT_SHA256_SIZE);
    return MOLT_OK;
}

int molt_update_save(const struct molt_store *store, const struct molt_update *update)
{
    uint8_t b[UPDATE_SIZE];
    memset(b, 0, sizeof b);
    b[0] = VERSION;
    b[1] = update->phase;
    b[2] = update->chunk;
    b[3] = update->switches;
    b[4] = update->boots;
    molt_put_le32(b + 8, (uint32_t)update->outcome);
    molt_put_le32(b + 12, update->from_offset);
    molt_put_le32(b + 16, update->target_offset);
    molt_put_le32(b + 20, update->sequence);
    memcpy(b + 24, update->digest, MOLT_SHA256_SIZE);
    return store->ops->put(store->context, MOLT_RECORD_UPDATE, b, sizeof b);
}

int molt_floor_load(const struct molt_store *store, struct molt_floor *floor)
{
    uint8_t b[FLOOR_SIZE];
    memset(floor, 0, sizeof *floor);
    int n = load(store, MOLT_RECORD_FLOOR, b, sizeof b);
    if (n <= 0) {
        return n;
    }
    if (n != FLOOR_SIZE) {
        return MOLT_E_STORE;
    }
    floor->sequence = molt_get_le32(b + 1);
    floor->newest_time = molt_get_le64(b + 5);
    return MOLT_OK;
}

int molt_floor_save(const struct molt_store *store, const struct molt_floor *floor)
{
    uint8_t b[FLOOR_SIZE];
    b[0] = VERSION;
    molt_put_le32(b + 1, floor->sequence);
    molt_put_le64(b + 5, floor->newest_time);
    return store->ops->put(store->context, MOLT_RECORD_FLOOR, b, sizeof b);
}

int molt_keys_load(const struct molt_store *store, struct molt_trusted_key keys[MOLT_KEYS_MAX])
{
    uint8_t b[2 + MOLT_KEYS_MAX * KEY_SIZE];
    int count = load_list(store, MOLT_RECORD_KEYS, b, KEY_SIZE, MOLT_KEYS_MAX);
    for (int i = 0; i < count; i++) {
        const uint8_t *p = b + 2 + i * KEY_SIZE;
        keys[i].uses = p[0];
        memcpy(keys[i].public_key, p + 1, MOLT_P256_PUBLIC_SIZE);
    }
    return count;
}

int molt_keys_save(const struct molt_store *store, const struct molt_trusted_key *keys,
                   uint32_t count)
{
    uint8_t b[2 + MOLT_KEYS_MAX * KEY_SIZE];
    if (count > MOLT_KEYS_MAX) {
        return MOLT_E_NO_SPACE;
    }
    b[0] = VERSION;
    b[1] = (uint8_t)count;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *p = b + 2 + i * KEY_SIZE;
        p[0] = keys[i].uses;
        memcpy(p + 1, keys[i].public_key, MOLT_P256_PUBLIC_SIZE);
    }
    return store->ops->put(store->context, MOLT_RECORD_KEYS, b, 2 + count * KEY_SIZE);
}

int molt_failed_has(const struct molt_store *store, const uint8_t digest[MOLT_SHA256_SIZE])
{
    uint8_t b[2 + MOLT_FAILED_MAX * MOLT_SHA256_SIZE];
    int count = load_list(store, MOLT_RECORD_FAILED, b, MOLT_SHA256_SIZE, MOLT_FAILED_MAX);
    for (int i = 0; i < count; i++) {
        if (memcmp(b + 2 + i * MOLT_SHA256_SIZE, digest, MOLT_SHA256_SIZE) == 0) {
            return 1;
        }
    }
    return count < 0 ? count : 0;
}

int molt_failed_add(const struct molt_store *store, const uint8_t digest[MOLT_SHA256_SIZE])
{
    uint8_t b[2 + MOLT_FAILED_MAX * MOLT_SHA256_SIZE];
    int known = molt_failed_has(store, digest);
    if (known != 0) {
        return known < 0 ? known : MOLT_OK;
    }
    int count = load_list(store, MOLT_RECORD_FAILED, b, MOLT_SHA256_SIZE, MOLT_FAILED_MAX);
    if (count < 0) {
        return count;
    }
    if (count == MOLT_FAILED_MAX) { /* the oldest goes */
        count--;
        memmove(b + 2, b + 2 + MOLT_SHA256_SIZE, (uint32_t)count * MOLT_SHA256_SIZE);
    }
    memcpy(b + 2 + count * MOLT_SHA256_SIZE, digest, MOLT_SHA256_SIZE);
    b[0] = VERSION;
    b[1] = (uint8_t)(count + 1);
    return store->ops->put(store->context, MOLT_RECORD_FAILED, b,
                           2 + (uint32_t)b[1] * MOLT_SHA256_SIZE);
}

int molt_releases_load(const struct molt_store *store,
                       struct molt_release_binding bindings[MOLT_RELEASES_MAX])
{
    uint8_t b[2 + MOLT_RELEASES_MAX * BINDING_SIZE];
    int count = load_list(store, MOLT_RECORD_RELEASES, b, BINDING_SIZE, MOLT_RELEASES_MAX);
    for (int i = 0; i < count; i++) {
        const uint8_t *p = b + 2 + i * BINDING_SIZE;
        bindings[i].slot_offset = molt_get_le32(p);
        memcpy(bindings[i].image_sha256, p + 4, MOLT_SHA256_SIZE);
        memcpy(bindings[i].release, p + 4 + MOLT_SHA256_SIZE, MOLT_SHA256_SIZE);
    }
    return count;
}

int molt_releases_save(const struct molt_store *store, const struct molt_release_binding *bindings,
                       uint32_t count)
{
    uint8_t b[2 + MOLT_RELEASES_MAX * BINDING_SIZE];
    if (count > MOLT_RELEASES_MAX) {
        return MOLT_E_NO_SPACE;
    }
    b[0] = VERSION;
    b[1] = (uint8_t)count;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *p = b + 2 + i * BINDING_SIZE;
        molt_put_le32(p, bindings[i].slot_offset);
        memcpy(p + 4, bindings[i].image_sha256, MOLT_SHA256_SIZE);
        memcpy(p + 4 + MOLT_SHA256_SIZE, bindings[i].release, MOLT_SHA256_SIZE);
    }
    return store->ops->put(store->context, MOLT_RECORD_RELEASES, b, 2 + count * BINDING_SIZE);
}

void molt_release_directory(const uint8_t release[MOLT_SHA256_SIZE],
                            char directory[MOLT_RELEASE_DIR_SIZE])
{
    static const char hex[] = "0123456789abcdef";
    char *p = directory + 5;
    memcpy(directory, MOLT_RELEASE_ROOT "/", 5);
    for (int i = 0; i < 8; i++) {
        *p++ = hex[release[i] >> 4];
        *p++ = hex[release[i] & 15];
    }
    *p = 0;
}
