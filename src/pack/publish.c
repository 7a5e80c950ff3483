#include "molt/pack/publish.h"

#include <stdio.h>

void molt_tree_bundle_path(const uint8_t digest[MOLT_SHA256_SIZE], char path[MOLT_TREE_PATH_MAX])
{
    int at = snprintf(path, MOLT_TREE_PATH_MAX, "bundles/");
    for (int i = 0; i < MOLT_SHA256_SIZE; i++) {
        at += snprintf(path + at, (size_t)(MOLT_TREE_PATH_MAX - at), "%02x", digest[i]);
    }
    snprintf(path + at, (size_t)(MOLT_TREE_PATH_MAX - at), ".molt");
}

void molt_tree_channel_path(const char *name, char path[MOLT_TREE_PATH_MAX])
{
    snprintf(path, MOLT_TREE_PATH_MAX, "channels/%s", name);
}

int molt_channel_seal(uint8_t out[MOLT_CHANNEL_FILE_MAX], const struct molt_channel *channel,
                      const struct molt_signer *signer)
{
    uint8_t payload[MOLT_CHANNEL_FILE_MAX];
    int n = molt_channel_write(channel, payload, sizeof payload);
    return n < 0 ? n
                 : molt_cose_sign(out, MOLT_CHANNEL_FILE_MAX, MOLT_CONTENT_CHANNEL, payload,
                                  (size_t)n, signer);
}

int molt_channel_open(struct molt_channel *channel, struct molt_cose *cose, const void *bytes,
                      size_t n, struct molt_diag *diag)
{
    if (n > MOLT_CHANNEL_FILE_MAX) {
        return molt_diag_values(diag, MOLT_E_CHANNEL_MALFORMED, "size of the file", 0,
                                MOLT_CHANNEL_FILE_MAX, (uint32_t)n);
    }
    int error = molt_cose_parse(cose, bytes, n, MOLT_CONTENT_CHANNEL, diag);
    if (error == MOLT_E_FORMAT || error == MOLT_E_TRUNCATED) {
        error = MOLT_E_CHANNEL_MALFORMED;
        if (diag) {
            diag->error = error;
        }
    }
    return error ? error
                 : molt_channel_parse(channel, cose->payload, (uint32_t)cose->payload_size, diag);
}
