/*
 * Digest, verifier and signer: interfaces with one job each, so that a platform can put its own
 * behind them. SHA-256: FIPS 180-4. ECDSA over P-256 with SHA-256: FIPS 186-5, SEC 1.
 */
#ifndef MOLT_CRYPTO_H
#define MOLT_CRYPTO_H

#include <stddef.h>
#include <stdint.h>

#include "molt/error.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MOLT_SHA256_SIZE         32
#define MOLT_P256_PUBLIC_SIZE    64 /* x, y: 32 bytes each, big-endian */
#define MOLT_P256_SIGNATURE_SIZE 64 /* r, s: 32 bytes each, big-endian */
#define MOLT_KEY_ID_SIZE         8  /* first bytes of the SHA-256 of the 64-byte public key */

/* The caller's memory for one running digest. Copying it forks the digest. */
struct molt_digest_state {
    uint64_t opaque[16];
};

/* start, any number of updates, finish (after which start begins anew). Cannot fail. */
struct molt_digest {
    void (*start)(struct molt_digest_state *state);
    void (*update)(struct molt_digest_state *state, const void *data, size_t n);
    void (*finish)(struct molt_digest_state *state, uint8_t digest[MOLT_SHA256_SIZE]);
};

/* Portable C, used everywhere unless a port has something better. */
extern const struct molt_digest molt_sha256;

/* One shot with molt_sha256. */
void molt_sha256_of(const void *data, size_t n, uint8_t digest[MOLT_SHA256_SIZE]);

/* The name of a public key. */
void molt_key_id(const uint8_t public_key[MOLT_P256_PUBLIC_SIZE], uint8_t id[MOLT_KEY_ID_SIZE]);

/* MOLT_OK when signature is right for the SHA-256 digest under the key; MOLT_E_SIGNATURE otherwise.
 */
struct molt_verifier {
    int (*verify)(void *context, const uint8_t public_key[MOLT_P256_PUBLIC_SIZE],
                  const uint8_t digest[MOLT_SHA256_SIZE],
                  const uint8_t signature[MOLT_P256_SIGNATURE_SIZE]);
    void *context;
};

/* For producers only. */
struct molt_signer {
    int (*sign)(void *context, const uint8_t digest[MOLT_SHA256_SIZE],
                uint8_t signature[MOLT_P256_SIGNATURE_SIZE]);
    void *context;
    uint8_t public_key[MOLT_P256_PUBLIC_SIZE];
};

/* What a trusted key may sign. */
enum molt_key_use { MOLT_KEY_BUNDLES = 1, MOLT_KEY_CHANNELS = 2 };

struct molt_trusted_key {
    uint8_t public_key[MOLT_P256_PUBLIC_SIZE];
    uint8_t uses; /* enum molt_key_use, or-ed */
};

#ifdef __cplusplus
}
#endif
#endif
