/*
 * p256-m as fetched by scripts/p256.sh, of which only the verification is compiled: everything in
 * it is static there, so the compiler drops the rest. docs/decisions/p256.md says why this one.
 */
#include "common/p256_verify.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* What p256-m wants from Mbed TLS, only for functions that are dropped: nothing secret is here. */
#define MBEDTLS_PSA_P256M_DRIVER_ENABLED
#define mbedtls_platform_zeroize(bytes, n) memset(bytes, 0, n)
/* All inputs of a verification are public: the fast multiplication is right on every chip. */
#define MUL64_IS_CONSTANT_TIME

static inline int psa_generate_random(uint8_t *bytes, size_t n)
{
    (void)bytes;
    (void)n;
    return -1; /* a device never signs */
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include "p256_static.h"
#pragma GCC diagnostic pop

static int verify(void *context, const uint8_t public_key[MOLT_P256_PUBLIC_SIZE],
                  const uint8_t digest[MOLT_SHA256_SIZE],
                  const uint8_t signature[MOLT_P256_SIGNATURE_SIZE])
{
    (void)context;
    return p256_ecdsa_verify(signature, public_key, digest, MOLT_SHA256_SIZE) == P256_SUCCESS
               ? MOLT_OK
               : MOLT_E_SIGNATURE;
}

const struct molt_verifier molt_p256_verifier = {verify, NULL};
