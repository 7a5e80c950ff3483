/*
 * A published tree: immutable bundles by their digest, one signed file a channel. No I/O here.
 *     bundles/DIGEST.molt     lower-case hex; never changes
 *     channels/NAME           a COSE_Sign1 envelope (docs/spec/channel.md); replaced atomically
 */
#ifndef MOLT_PACK_PUBLISH_H
#define MOLT_PACK_PUBLISH_H

#include <stddef.h>
#include <stdint.h>

#include "molt/cose.h"
#include "molt/crypto.h"
#include "molt/manifest.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MOLT_TREE_PATH_MAX 80 /* bytes of a path in the tree with its NUL */

void molt_tree_bundle_path(const uint8_t digest[MOLT_SHA256_SIZE], char path[MOLT_TREE_PATH_MAX]);
void molt_tree_channel_path(const char *name, char path[MOLT_TREE_PATH_MAX]);

/* The signed file of a channel; its size, or MOLT_E_NO_SPACE, or the signer's error. */
int molt_channel_seal(uint8_t out[MOLT_CHANNEL_FILE_MAX], const struct molt_channel *channel,
                      const struct molt_signer *signer);

/* Parses such a file; no signature. MOLT_E_CHANNEL_MALFORMED, MOLT_E_UNSUPPORTED. */
int molt_channel_open(struct molt_channel *channel, struct molt_cose *cose, const void *bytes,
                      size_t n, struct molt_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
