/*
 * The manifest of a bundle: docs/SPEC.md, "Bundle". A bundle file is: magic (8), envelope size u32
 * LE, the COSE_Sign1 envelope with the manifest as payload, then the chunks' bytes in the order of
 * the index.
 */
#ifndef MOLT_MANIFEST_H
#define MOLT_MANIFEST_H

#include <stdbool.h>
#include <stdint.h>

#include "molt/crypto.h"
#include "molt/error.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MOLT_BUNDLE_MAGIC     "MOLT\r\n\x1a\x01"
#define MOLT_BUNDLE_HEAD      12                        /* magic and envelope size */
#define MOLT_ENVELOPE_MAX     (4096 - MOLT_BUNDLE_HEAD) /* head and envelope fit one 4 KB buffer */
#define MOLT_CHUNK_MAX        64                        /* chunks in all */
#define MOLT_PAYLOAD_MAX      4
#define MOLT_CHUNK_LOG2_MIN   16 /* 64 KB */
#define MOLT_CHUNK_LOG2_MAX   22
#define MOLT_BOARD_MAX        32 /* bytes with NUL */
#define MOLT_RELEASE_LIST_MAX 4096
#define MOLT_CHIP_ANY         0xFFFF /* no chip named: nothing in the bundle runs by itself */
#define MOLT_INFO_MAX         1024

enum molt_role { MOLT_ROLE_APP = 0, MOLT_ROLE_FILE_SYSTEM = 1, MOLT_ROLE_RELEASE = 2 };

enum molt_codec {
    MOLT_CODEC_RAW = 0,
    MOLT_CODEC_DEFLATE = 1, /* raw deflate (RFC 1951), 4 KB window, each chunk on its own */
    MOLT_CODEC_DELTA = 2
};

struct molt_chunk {
    uint32_t encoded_size;
    uint8_t codec;
    uint8_t sha256[MOLT_SHA256_SIZE]; /* of the decoded chunk */
};

struct molt_payload {
    uint8_t role;
    char name[17];
    uint32_t length; /* of the result */
    uint8_t sha256[MOLT_SHA256_SIZE];
    bool has_base;
    uint8_t base_sha256[MOLT_SHA256_SIZE];
    uint16_t mpy_abi; /* .mpy version << 8 | sub-version of native code in it; 0 = none */
    uint8_t chunk_log2;
    uint32_t first_chunk, chunk_count; /* into molt_manifest.chunk */
    uint32_t list_size;                /* release: bytes of the list at the start of the pack */
    uint8_t list_sha256[MOLT_SHA256_SIZE];
};

struct molt_manifest {
    uint32_t sequence;
    char board[MOLT_BOARD_MAX]; /* "" = any */
    uint16_t chip_id;           /* MOLT_CHIP_ANY only when there is no app in it */
    uint32_t slot_size;         /* least slot size needed, bytes; never below the app's length */
    uint32_t min_bootloader;    /* ESP-IDF version major << 16 | minor << 8 | patch; 0 = any */
    uint16_t mpy_abi;           /* that the firmware in it loads; 0 = unknown */
    uint64_t issued, expires;   /* seconds since 1970 UTC; 0 = not said */
    bool allow_downgrade;
    const uint8_t *info; /* "firmware::info:..." with its NUL, inside the parsed bytes; or NULL */
    uint32_t info_size;
    uint8_t payload_count;
    struct molt_payload payload[MOLT_PAYLOAD_MAX];
    uint32_t chunk_count;
    uint8_t digest[MOLT_SHA256_SIZE];        /* of the manifest's bytes: the name of the bundle */
    uint32_t data_offset;                    /* of the first chunk in the bundle file */
    struct molt_chunk chunk[MOLT_CHUNK_MAX]; /* last: offsets above 2 KB cost code */
};

/* Checks the 12-byte head; the envelope's size, or MOLT_E_BUNDLE_MAGIC, MOLT_E_BUNDLE_MALFORMED. */
int molt_bundle_head(const uint8_t head[MOLT_BUNDLE_HEAD], struct molt_diag *diag);

/*
 * Parses the payload of an envelope: every field in its range, keys ascending, chunk counts and
 * lengths that add up, chunk sizes that fit, at most one app and one release.
 * MOLT_E_BUNDLE_MALFORMED; MOLT_E_UNSUPPORTED for a newer format version. Sets digest; data_offset
 * is the caller's.
 */
int molt_manifest_parse(struct molt_manifest *manifest, const void *bytes, uint32_t n,
                        struct molt_diag *diag);

/*
 * Writes the manifest's bytes into out (producers only; digest, data_offset and first_chunk are not
 * read); the size, or MOLT_E_NO_SPACE.
 */
int molt_manifest_write(const struct molt_manifest *manifest, void *out, uint32_t capacity);

/* Decoded size of a chunk of a payload: the chunk size, or what is left for the last. */
uint32_t molt_chunk_size(const struct molt_payload *payload, uint32_t chunk_in_payload);

/* Offset of a chunk (index into manifest->chunk) in the bundle file. */
uint32_t molt_chunk_offset(const struct molt_manifest *manifest, uint32_t chunk);

/* First payload of that role, or NULL. */
const struct molt_payload *molt_manifest_payload(const struct molt_manifest *manifest,
                                                 enum molt_role role);

/* ---- Release list: deterministic CBOR array of {1: path, 2: length, 3: SHA-256, 4: policy} ----
 */

/* What becomes of a file that the application changed. DELETE and FOLDER stand for themselves,
 * without content: nothing is installed for them. */
enum molt_keep {
    MOLT_KEEP_REPLACE = 0,
    MOLT_KEEP_IF_CHANGED = 1, /* installed; then the changed file is carried over it */
    MOLT_KEEP_DELETE = 2,     /* a file or folder that is not carried over */
    MOLT_KEEP_FOLDER = 3      /* what the application made or changed below it is carried over */
};

struct molt_release_file {
    char path[100]; /* relative, '/' between names; no empty name, no "." or "..", no control
                       character, no backslash (FAT takes it for '/'), ".list" not at its top */
    uint32_t length;
    uint32_t offset; /* in the pack */
    uint8_t sha256[MOLT_SHA256_SIZE];
    uint8_t policy; /* enum molt_keep */
};

/*
 * Walks a list: start, then next until MOLT_DONE. list_size counts towards the files' offsets.
 * start checks the whole list (paths ascending, lengths that add up to pack_size), so that next
 * cannot fail behind it. MOLT_E_RELEASE.
 */
struct molt_release_reader {
    const uint8_t *at, *end;
    uint32_t left, offset, pack_size;
};
/* Is this a path that a release may hold? */
bool molt_release_path_ok(const char *path);
int molt_release_start(struct molt_release_reader *reader, const void *list, uint32_t list_size,
                       uint32_t pack_size);
int molt_release_next(struct molt_release_reader *reader, struct molt_release_file *file);

/* ---- Channel: the signed, mutable pointer to the newest bundle ---- */

#define MOLT_CHANNEL_FILE_MAX 512 /* bytes of the envelope; the file is nothing else */

struct molt_channel {
    char name[33];
    uint8_t bundle[MOLT_SHA256_SIZE];
    uint64_t issued, expires; /* seconds since 1970 UTC */
    bool has_rollout;
    uint8_t salt[16];
    uint16_t permille; /* 0..1000 */
    uint64_t not_before;
};

/* Parses the payload of a channel envelope. MOLT_E_CHANNEL_MALFORMED. */
int molt_channel_parse(struct molt_channel *channel, const void *bytes, uint32_t n,
                       struct molt_diag *diag);

/* Letters, digits, '.', '_', '-', 1 to 32 of them, not beginning with '.': a file name and a part
 * of a URL everywhere. */
bool molt_channel_name_ok(const char *name);

/* Writes the payload (producers only); the size, or MOLT_E_NO_SPACE. */
int molt_channel_write(const struct molt_channel *channel, void *out, uint32_t capacity);

/*
 * May this device take the channel's bundle? newest_seen: the newest signed time this device
 * accepted; now 0 = clock unknown (then not-before does not hold it back). MOLT_E_CHANNEL_NAME,
 * MOLT_E_CHANNEL_OLD, MOLT_E_CHANNEL_EXPIRED (against max(now, newest_seen)),
 * MOLT_E_NOT_IN_ROLLOUT.
 */
int molt_channel_check(const struct molt_channel *channel, const char *name, uint64_t newest_seen,
                       uint64_t now, const uint8_t *device_id, uint32_t device_id_size);

/*
 * Must newest_seen become this channel's issued time? verdict: what molt_channel_check said of this
 * rightly signed channel. One that this device obeys by doing nothing (expired, halted) counts too,
 * or an older one could be replayed to it.
 */
bool molt_channel_is_news(const struct molt_channel *channel, int verdict, uint64_t newest_seen);

#ifdef __cplusplus
}
#endif
#endif
