/* SHA-256, FIPS 180-4. Kept rolled: the text budget of the device counts for more than speed. */
#include <string.h>

#include "core/bytes.h"
#include "molt/crypto.h"

/* molt_digest_state: words 0-3 hold the eight 32-bit hash words, word 4 the bytes hashed so far,
   words 5-12 the block being filled. */
enum { LENGTH = 4, BLOCK = 5, BLOCK_SIZE = 64 };

static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline uint32_t rotate(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

static inline uint32_t get_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | (uint32_t)p[3];
}

static void compress(uint64_t hash[4], const uint8_t *block)
{
    uint32_t w[16]; /* the last 16 words of the message schedule */
    uint32_t sum[8];
    memcpy(sum, hash, sizeof sum);
    uint32_t a = sum[0], b = sum[1], c = sum[2], d = sum[3];
    uint32_t e = sum[4], f = sum[5], g = sum[6], h = sum[7];
    for (unsigned i = 0; i < 64; i++) {
        if (i < 16) {
            w[i] = get_be32(block + 4 * i);
        } else {
            uint32_t x = w[(i + 1) % 16], y = w[(i + 14) % 16];
            w[i % 16] += (rotate(x, 7) ^ rotate(x, 18) ^ x >> 3) + w[(i + 9) % 16] +
                         (rotate(y, 17) ^ rotate(y, 19) ^ y >> 10);
        }
        uint32_t t = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + (g ^ (e & (f ^ g))) +
                     round_constants[i] + w[i % 16];
        uint32_t u = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) | (c & (a | b)));
        h = g;
        g = f;
        f = e;
        e = d + t;
        d = c;
        c = b;
        b = a;
        a = t + u;
    }
    const uint32_t work[8] = {a, b, c, d, e, f, g, h};
    for (unsigned i = 0; i < 8; i++) {
        sum[i] += work[i];
    }
    memcpy(hash, sum, sizeof sum);
}

static void start(struct molt_digest_state *state)
{
    static const uint32_t initial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(state->opaque, initial, sizeof initial);
    state->opaque[LENGTH] = 0;
}

static void update(struct molt_digest_state *state, const void *data, size_t n)
{
    uint8_t *block = (uint8_t *)&state->opaque[BLOCK];
    const uint8_t *p = data;
    size_t used = (size_t)(state->opaque[LENGTH] % BLOCK_SIZE);
    state->opaque[LENGTH] += n;
    while (n > 0) {
        size_t piece = BLOCK_SIZE - used;
        if (used == 0 && n >= BLOCK_SIZE) {
            compress(state->opaque, p);
        } else {
            if (piece > n) {
                piece = n;
            }
            memcpy(block + used, p, piece);
            used += piece;
            if (used == BLOCK_SIZE) {
                compress(state->opaque, block);
                used = 0;
            }
        }
        p += piece;
        n -= piece;
    }
}

/* Words as big-endian bytes. */
static void put_be32(uint8_t *bytes, const uint32_t *words, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        bytes[i] = (uint8_t)(words[i / 4] >> (24 - 8 * (i % 4)));
    }
}

static void finish(struct molt_digest_state *state, uint8_t digest[MOLT_SHA256_SIZE])
{
    uint8_t padding[BLOCK_SIZE] = {0x80};
    /* The length in bits, in halves: a variable 64-bit shift would call a helper on 32-bit chips.
     */
    const uint32_t bits[2] = {(uint32_t)(state->opaque[LENGTH] >> 29),
                              (uint32_t)state->opaque[LENGTH] << 3};
    uint8_t length[8];
    uint32_t sum[8];
    put_be32(length, bits, sizeof length);
    /* Up to 56 of the block: 1 to 64 bytes. */
    update(state, padding, BLOCK_SIZE - (state->opaque[LENGTH] + 8) % BLOCK_SIZE);
    update(state, length, sizeof length);
    memcpy(sum, state->opaque, sizeof sum);
    put_be32(digest, sum, MOLT_SHA256_SIZE);
}

const struct molt_digest molt_sha256 = {start, update, finish};

void molt_sha256_of(const void *data, size_t n, uint8_t digest[MOLT_SHA256_SIZE])
{
    struct molt_digest_state state;
    start(&state);
    update(&state, data, n);
    finish(&state, digest);
}

void molt_key_id(const uint8_t public_key[MOLT_P256_PUBLIC_SIZE], uint8_t id[MOLT_KEY_ID_SIZE])
{
    uint8_t digest[MOLT_SHA256_SIZE];
    molt_sha256_of(public_key, MOLT_P256_PUBLIC_SIZE, digest);
    memcpy(id, digest, MOLT_KEY_ID_SIZE);
}
