/* P-256 keys in PEM files, signer and verifier: OpenSSL 3 behind the interfaces of molt/crypto.h.
 */
#ifndef MOLT_HOST_CRYPTO_H
#define MOLT_HOST_CRYPTO_H

#include "molt/crypto.h"
#include "molt/host/message.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A private key, ready to sign. Zero before molt_key_open; molt_key_close may follow any result. */
struct molt_key {
    void *pkey; /* the library's own */
    struct molt_signer signer;
};

/*
 * Makes a key: the private half to path (PKCS#8 PEM, mode 0600), the public half to path.pub
 * (SubjectPublicKeyInfo PEM). Neither is ever overwritten: MOLT_E_EXISTS, and then nothing is
 * written. public_key may be NULL.
 */
int molt_key_generate(const char *path, uint8_t public_key[MOLT_P256_PUBLIC_SIZE],
                      struct molt_message *message);

/* MOLT_E_FORMAT: not a PEM private key, or encrypted; MOLT_E_UNSUPPORTED: not of P-256. */
int molt_key_open(struct molt_key *key, const char *path, struct molt_message *message);
void molt_key_close(struct molt_key *key);

/* The public half from a public or a private key file. Errors as above. */
int molt_public_key_read(const char *path, uint8_t public_key[MOLT_P256_PUBLIC_SIZE],
                         struct molt_message *message);

extern const struct molt_verifier molt_openssl_verifier;

#ifdef __cplusplus
}
#endif
#endif
