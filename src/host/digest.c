/* The one-block interface keeps its state in plain memory, which EVP does not. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "molt/host/digest.h"

#include <openssl/sha.h>
#include <string.h>

_Static_assert(sizeof(SHA256_CTX) <= sizeof(struct molt_digest_state), "state too small");

static void start(struct molt_digest_state *state)
{
    SHA256_CTX context;
    SHA256_Init(&context);
    memcpy(state, &context, sizeof context);
}

static void update(struct molt_digest_state *state, const void *data, size_t n)
{
    SHA256_CTX context;
    memcpy(&context, state, sizeof context);
    SHA256_Update(&context, data, n);
    memcpy(state, &context, sizeof context);
}

static void finish(struct molt_digest_state *state, uint8_t digest[MOLT_SHA256_SIZE])
{
    SHA256_CTX context;
    memcpy(&context, state, sizeof context);
    SHA256_Final(digest, &context);
    start(state);
}

const struct molt_digest molt_host_sha256 = {start, update, finish};
