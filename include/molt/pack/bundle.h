/*
 * Building bundles, and reading them back: everything in memory, no I/O. The format is
 * docs/spec/bundle.md. The same input gives the same bytes, but for the signature.
 */
#ifndef MOLT_PACK_BUNDLE_H
#define MOLT_PACK_BUNDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "molt/cose.h"
#include "molt/crypto.h"
#include "molt/error.h"
#include "molt/manifest.h"
#include "molt/progress.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MOLT_BUNDLE_FILE_MAX 1024 /* files of a release; the list's 4 KB allow about 60 */

/* A file of the release. path and bytes are the caller's. */
struct molt_pack_file {
    const char *path; /* as molt_release_path_ok allows */
    const uint8_t *bytes;
    uint32_t size;
    uint8_t policy; /* enum molt_keep */
};

enum molt_pack_codec {
    MOLT_PACK_SMALLEST = 0, /* per chunk: raw or deflate, whichever is smaller */
    MOLT_PACK_RAW = 1
};

struct molt_pack_input {
    const uint8_t *app; /* an app image as it will lie in the slot, or NULL */
    uint32_t app_size;
    uint16_t chip_id;                   /* of the app; MOLT_CHIP_ANY without one */
    const struct molt_pack_file *files; /* in any order; NULL = no release */
    uint32_t file_count;
    const char *release_name; /* at most 16 characters; NULL = "release" */

    uint32_t sequence;       /* 1 and above */
    const char *board;       /* NULL or "" = any */
    uint32_t slot_size;      /* bytes; 0 = the app's length in whole 4 KB sectors */
    uint32_t min_bootloader; /* as in the manifest */
    uint16_t mpy_abi;        /* that the app loads: version << 8 | sub-version; 0 = not said */
    const char *info;        /* JSON object behind "firmware::info:"; NULL = none */
    uint64_t issued, expires;
    bool allow_downgrade;
    enum molt_pack_codec codec;
};

struct molt_bytes {
    uint8_t *data; /* freed by molt_bytes_free */
    size_t size;
};
void molt_bytes_free(struct molt_bytes *bytes);

/*
 * Builds, and signs. The diagnostic names what was wrong; its offset is the index of the file in
 * question for MOLT_E_RELEASE (path refused, twice, or a directory and a file at once),
 * MOLT_E_MPY_ABI (a .mpy that the app cannot load, or two kinds of native code). MOLT_E_NO_SPACE:
 * the release list or the envelope is over 4 KB, or the payloads over 256 MB. MOLT_E_ARGUMENT:
 * nothing to pack, a text too long.
 */
int molt_bundle_build(struct molt_bytes *bundle, const struct molt_pack_input *input,
                      const struct molt_signer *signer, const struct molt_progress *progress,
                      struct molt_diag *diag);

/* A bundle in memory. Points into the caller's bytes. */
struct molt_bundle_view {
    const uint8_t *bytes;
    size_t size;
    struct molt_cose cose;
    struct molt_manifest manifest;
};

/*
 * Head, envelope, manifest, and the size of the whole; no signature, no chunk.
 * MOLT_E_BUNDLE_MAGIC, MOLT_E_BUNDLE_MALFORMED (also bytes behind the last chunk),
 * MOLT_E_BUNDLE_TRUNCATED, MOLT_E_UNSUPPORTED.
 */
int molt_bundle_open(struct molt_bundle_view *view, const void *bytes, size_t size,
                     struct molt_diag *diag);

/*
 * Decodes a chunk (index into manifest.chunk) of a payload into out, which has room for
 * molt_chunk_size bytes. MOLT_E_CHUNK_DECODE, MOLT_E_CHUNK_HASH, MOLT_E_UNSUPPORTED (delta).
 */
int molt_bundle_decode_chunk(const struct molt_bundle_view *view,
                             const struct molt_payload *payload, uint32_t chunk, uint8_t *out,
                             struct molt_diag *diag);

/* A whole payload, its SHA-256 checked; of a release also the list. As above; MOLT_E_VERIFY. */
int molt_bundle_decode(const struct molt_bundle_view *view, const struct molt_payload *payload,
                       struct molt_bytes *out, struct molt_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
