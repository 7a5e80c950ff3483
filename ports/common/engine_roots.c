/*
 * What a port calls, and nothing else: linked with the engine instead of a platform's glue, it
 * shows what engine and core need by themselves. Measured by scripts/native.sh against the budget;
 * never run.
 */
#include "molt/cose.h"
#include "molt/engine.h"
#include "molt/manifest.h"

#include "common/p256_verify.h"

int molt_roots_channel(const void *bytes, uint32_t n, const char *name,
                       struct molt_channel *channel, const struct molt_store *store, uint64_t now,
                       const uint8_t *id, uint32_t id_size);

int molt_roots_channel(const void *bytes, uint32_t n, const char *name,
                       struct molt_channel *channel, const struct molt_store *store, uint64_t now,
                       const uint8_t *id, uint32_t id_size)
{
    struct molt_trusted_key keys[MOLT_KEYS_MAX];
    struct molt_floor floor;
    struct molt_cose cose;
    int count = molt_keys_load(store, keys);
    int code = count < 0 ? count : molt_floor_load(store, &floor);
    code = code < 0 ? code : molt_cose_parse(&cose, bytes, n, MOLT_CONTENT_CHANNEL, 0);
    code = code < 0 ? code
                    : molt_cose_verify(&cose, keys, (size_t)count, MOLT_KEY_CHANNELS,
                                       &molt_p256_verifier, 0);
    code =
        code < 0 ? code : molt_channel_parse(channel, cose.payload, (uint32_t)cose.payload_size, 0);
    return code < 0 ? code : molt_channel_check(channel, name, floor.newest_time, now, id, id_size);
}

extern const void *const molt_roots[];
const void *const molt_roots[] = {
    (const void *)molt_engine_start,   (const void *)molt_engine_step,
    (const void *)molt_trial_boot,     (const void *)molt_trial_confirm,
    (const void *)molt_trial_rollback, (const void *)molt_slot_switch,
    (const void *)molt_slot_image,     (const void *)molt_update_load,
    (const void *)molt_releases_load,  (const void *)molt_release_directory,
    (const void *)&molt_p256_verifier, (const void *)&molt_sha256};
