/* SHA-256 by OpenSSL behind molt_digest: the sweeps hash gigabytes. Its context is plain memory, as
 * ours must be. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include "fast_digest.h"

_Static_assert(sizeof(SHA256_CTX) <= sizeof(struct molt_digest_state), "the state must fit");

static void start(struct molt_digest_state *state)
{
    SHA256_Init((SHA256_CTX *)(void *)state);
}

static void update(struct molt_digest_state *state, const void *data, size_t n)
{
    SHA256_Update((SHA256_CTX *)(void *)state, data, n);
}

static void finish(struct molt_digest_state *state, uint8_t digest[MOLT_SHA256_SIZE])
{
    SHA256_Final(digest, (SHA256_CTX *)(void *)state);
}

const struct molt_digest rig_digest = {start, update, finish};
