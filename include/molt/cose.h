/*
 * COSE_Sign1 with ES256 (RFC 9052, RFC 9053), tagged (18): protected {1: -7, 3: content type},
 * unprotected {4: key id}, payload, signature. The content type separates bundles from channels, so
 * that neither can be taken for the other. A protected header with "crit" (2) is refused.
 */
#ifndef MOLT_COSE_H
#define MOLT_COSE_H

#include <stddef.h>
#include <stdint.h>

#include "molt/crypto.h"
#include "molt/error.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MOLT_CONTENT_BUNDLE  "application/vnd.molt.bundle+cbor"
#define MOLT_CONTENT_CHANNEL "application/vnd.molt.channel+cbor"

/* A parsed envelope; pointers into the caller's bytes. */
struct molt_cose {
    const uint8_t *protected_header; /* the content of the byte string */
    size_t protected_size;
    const uint8_t *payload;
    size_t payload_size;
    const uint8_t *key_id; /* MOLT_KEY_ID_SIZE bytes, or NULL when the envelope names none */
    const uint8_t *signature;
    size_t size; /* of the whole envelope */
};

/* Structure only. Trailing bytes are an error. MOLT_E_FORMAT, MOLT_E_TRUNCATED, MOLT_E_UNSUPPORTED
 * (algorithm). */
int molt_cose_parse(struct molt_cose *cose, const void *bytes, size_t n, const char *content_type,
                    struct molt_diag *diag);

/* The digest that is signed: SHA-256 of the Sig_structure ["Signature1", protected, h'', payload].
 */
void molt_cose_digest(const struct molt_cose *cose, uint8_t digest[MOLT_SHA256_SIZE]);

/*
 * Finds the key by its id (or tries all when the envelope names none) among those that may sign
 * `use`, and verifies. MOLT_E_KEY_UNKNOWN, MOLT_E_SIGNATURE. *key_index tells which, may be NULL.
 */
int molt_cose_verify(const struct molt_cose *cose, const struct molt_trusted_key *keys,
                     size_t key_count, enum molt_key_use use, const struct molt_verifier *verifier,
                     size_t *key_index);

/* Writes an envelope into out; its size, or MOLT_E_NO_SPACE, or the signer's error. Producers only.
 */
int molt_cose_sign(uint8_t *out, size_t capacity, const char *content_type, const void *payload,
                   size_t payload_size, const struct molt_signer *signer);

#ifdef __cplusplus
}
#endif
#endif
