#include <string.h>

#include "core/manifest_keys.h"
#include "molt/cbor.h"
#include "molt/manifest.h"

#define FORMAT_VERSION 1

bool molt_channel_name_ok(const char *name)
{
    uint32_t n = 0;
    for (; name[n]; n++) {
        char c = name[n];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '-' || (c == '.' && n > 0);
        if (!ok || n >= sizeof((struct molt_channel *)0)->name - 1) {
            return false;
        }
    }
    return n > 0;
}

static int parse_time(struct molt_cbor_reader *reader, uint64_t *seconds)
{
    int error = molt_cbor_uint(reader, UINT64_MAX, seconds);
    return error ? error : *seconds ? MOLT_OK : MOLT_E_FORMAT;
}

static int parse_rollout(struct molt_cbor_reader *reader, struct molt_channel *channel)
{
    struct molt_cbor_map map;
    uint32_t permille = 0;
    int key, error = molt_cbor_map_start(&map, reader);
    while (!error && (key = molt_cbor_map_next(&map)) != 0) {
        switch (key) {
        case ROLLOUT_SALT:
            error = molt_cbor_bytes(reader, channel->salt, sizeof channel->salt);
            break;
        case ROLLOUT_PERMILLE: error = molt_cbor_u32(reader, 0, 1000, &permille); break;
        case ROLLOUT_NOT_BEFORE: error = parse_time(reader, &channel->not_before); break;
        default: error = MOLT_E_FORMAT; break;
        }
    }
    uint32_t needed = 1u << ROLLOUT_SALT | 1u << ROLLOUT_PERMILLE;
    if (error || (map.seen & needed) != needed) {
        return MOLT_E_FORMAT;
    }
    channel->has_rollout = true;
    channel->permille = (uint16_t)permille;
    return MOLT_OK;
}

static int parse_name(struct molt_cbor_reader *reader, struct molt_channel *channel)
{
    int error = molt_cbor_text(reader, channel->name, sizeof channel->name);
    return error ? error : molt_channel_name_ok(channel->name) ? MOLT_OK : MOLT_E_FORMAT;
}

static int parse_version(struct molt_cbor_reader *reader)
{
    uint32_t version;
    int error = molt_cbor_u32(reader, 1, UINT32_MAX, &version);
    return error ? error : version == FORMAT_VERSION ? MOLT_OK : MOLT_E_UNSUPPORTED;
}

static int parse_field(struct molt_cbor_reader *reader, int key, struct molt_channel *channel)
{
    switch (key) {
    case CHANNEL_VERSION: return parse_version(reader);
    case CHANNEL_NAME: return parse_name(reader, channel);
    case CHANNEL_BUNDLE: return molt_cbor_bytes(reader, channel->bundle, sizeof channel->bundle);
    case CHANNEL_ISSUED: return parse_time(reader, &channel->issued);
    case CHANNEL_EXPIRES: return parse_time(reader, &channel->expires);
    case CHANNEL_ROLLOUT: return parse_rollout(reader, channel);
    default: return MOLT_E_FORMAT;
    }
}

int molt_channel_parse(struct molt_channel *channel, const void *bytes, uint32_t n,
                       struct molt_diag *diag)
{
    const uint8_t *start = bytes;
    struct molt_cbor_reader reader = {start, start + n};
    struct molt_cbor_map map;
    memset(channel, 0, sizeof *channel);
    int key = molt_cbor_map_start(&map, &reader);
    int error = key;
    while (!error && (key = molt_cbor_map_next(&map)) > 0) {
        error = parse_field(&reader, key, channel);
    }
    uint32_t needed =
        1u << CHANNEL_VERSION | 1u << CHANNEL_NAME | 1u << CHANNEL_BUNDLE | 1u << CHANNEL_ISSUED;
    if (!error && key == 0 && (map.seen & needed) == needed && reader.at == reader.end) {
        return MOLT_OK;
    }
    error = error == MOLT_E_UNSUPPORTED ? error : MOLT_E_CHANNEL_MALFORMED;
    return molt_diag_at(diag, error, "channel field", (uint32_t)(reader.at - start));
}

/* The same device is in the same thousandth of a rollout for as long as the salt stays. */
static uint32_t wave_of(const uint8_t salt[16], const uint8_t *device_id, uint32_t device_id_size)
{
    struct molt_digest_state state;
    uint8_t digest[MOLT_SHA256_SIZE];
    molt_sha256.start(&state);
    molt_sha256.update(&state, salt, 16);
    molt_sha256.update(&state, device_id, device_id_size);
    molt_sha256.finish(&state, digest);
    /* A scaled 16-bit number instead of a remainder: small cores have no division. */
    return ((uint32_t)digest[0] << 8 | digest[1]) * 1000 >> 16;
}

int molt_channel_check(const struct molt_channel *channel, const char *name, uint64_t newest_seen,
                       uint64_t now, const uint8_t *device_id, uint32_t device_id_size)
{
    uint64_t time = now > newest_seen ? now : newest_seen;
    const char *a = channel->name;
    while (*a && *a == *name) {
        a++;
        name++;
    }
    if (*a != *name) {
        return MOLT_E_CHANNEL_NAME;
    }
    if (channel->issued < newest_seen) {
        return MOLT_E_CHANNEL_OLD;
    }
    if (channel->expires && time > channel->expires) {
        return MOLT_E_CHANNEL_EXPIRED;
    }
    if (channel->has_rollout &&
        ((now && time < channel->not_before) ||
         wave_of(channel->salt, device_id, device_id_size) >= channel->permille)) {
        return MOLT_E_NOT_IN_ROLLOUT;
    }
    return MOLT_OK;
}

bool molt_channel_is_news(const struct molt_channel *channel, int verdict, uint64_t newest_seen)
{
    bool genuine =
        verdict == MOLT_OK || verdict == MOLT_E_CHANNEL_EXPIRED || verdict == MOLT_E_NOT_IN_ROLLOUT;
    return genuine && channel->issued > newest_seen;
}
