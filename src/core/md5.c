#include "core/md5.h"

#include <string.h>

#include "core/bytes.h"

#define BLOCK 64u

/* RFC 1321, 3.4: floor(2^32 * abs(sin(i + 1))). */
static const uint32_t sines[64] = {
    0xD76AA478, 0xE8C7B756, 0x242070DB, 0xC1BDCEEE, 0xF57C0FAF, 0x4787C62A, 0xA8304613, 0xFD469501,
    0x698098D8, 0x8B44F7AF, 0xFFFF5BB1, 0x895CD7BE, 0x6B901122, 0xFD987193, 0xA679438E, 0x49B40821,
    0xF61E2562, 0xC040B340, 0x265E5A51, 0xE9B6C7AA, 0xD62F105D, 0x02441453, 0xD8A1E681, 0xE7D3FBC8,
    0x21E1CDE6, 0xC33707D6, 0xF4D50D87, 0x455A14ED, 0xA9E3E905, 0xFCEFA3F8, 0x676F02D9, 0x8D2A4C8A,
    0xFFFA3942, 0x8771F681, 0x6D9D6122, 0xFDE5380C, 0xA4BEEA44, 0x4BDECFA9, 0xF6BB4B60, 0xBEBFBC70,
    0x289B7EC6, 0xEAA127FA, 0xD4EF3085, 0x04881D05, 0xD9D4D039, 0xE6DB99E5, 0x1FA27CF8, 0xC4AC5665,
    0xF4292244, 0x432AFF97, 0xAB9423A7, 0xFC93A039, 0x655B59C3, 0x8F0CCC92, 0xFFEFF47D, 0x85845DD1,
    0x6FA87E4F, 0xFE2CE6E0, 0xA3014314, 0x4E0811A1, 0xF7537E82, 0xBD3AF235, 0x2AD7D2BB, 0xEB86D391,
};

static const uint8_t shifts[4][4] = {
    {7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};

/* The function of each of the four rounds and the word that step i of it takes. */
static uint32_t mix(uint32_t i, uint32_t b, uint32_t c, uint32_t d, uint32_t *word)
{
    if (i < 16) {
        *word = i;
        return (b & c) | (~b & d);
    }
    if (i < 32) {
        *word = (5 * i + 1) & 15;
        return (d & b) | (~d & c);
    }
    if (i < 48) {
        *word = (3 * i + 5) & 15;
        return b ^ c ^ d;
    }
    *word = (7 * i) & 15;
    return c ^ (b | ~d);
}

static void add_block(uint32_t state[4], const uint8_t *block)
{
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    for (uint32_t i = 0; i < 64; i++) {
        uint32_t word;
        uint32_t f = a + mix(i, b, c, d, &word) + sines[i];
        f += molt_get_le32(block + 4 * word);
        uint32_t shift = shifts[i >> 4][i & 3];
        a = d;
        d = c;
        c = b;
        b += f << shift | f >> (32 - shift);
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
}

void molt_md5(const void *bytes, uint32_t n, uint8_t digest[MOLT_MD5_SIZE])
{
    uint32_t state[4] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476};
    const uint8_t *p = bytes;
    uint32_t left = n;
    for (; left >= BLOCK; left -= BLOCK, p += BLOCK) {
        add_block(state, p);
    }
    uint8_t last[BLOCK];
    memset(last, 0, sizeof last);
    memcpy(last, p, left);
    last[left] = 0x80;
    if (left >= BLOCK - 8) { /* no room for the length */
        add_block(state, last);
        memset(last, 0, sizeof last);
    }
    molt_put_le64(last + BLOCK - 8, (uint64_t)n << 3);
    add_block(state, last);
    for (uint32_t i = 0; i < 4; i++) {
        molt_put_le32(digest + 4 * i, state[i]);
    }
}
