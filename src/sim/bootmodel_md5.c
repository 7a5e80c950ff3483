#include "sim/bootmodel_md5.h"

#include <math.h>
#include <string.h>

static uint32_t rotate(uint32_t x, unsigned n)
{
    return x << n | x >> (32 - n);
}

static void block(uint32_t s[4], const uint8_t *p)
{
    static const uint8_t turns[4][4] = {
        {7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
    uint32_t w[16], a = s[0], b = s[1], c = s[2], d = s[3];
    for (int i = 0; i < 16; i++) {
        w[i] = p[4 * i] | (uint32_t)p[4 * i + 1] << 8 | (uint32_t)p[4 * i + 2] << 16 |
               (uint32_t)p[4 * i + 3] << 24;
    }
    for (int i = 0; i < 64; i++) {
        uint32_t f;
        int k;
        switch (i / 16) {
        case 0:
            f = (b & c) | (~b & d);
            k = i;
            break;
        case 1:
            f = (d & b) | (~d & c);
            k = (5 * i + 1) & 15;
            break;
        case 2:
            f = b ^ c ^ d;
            k = (3 * i + 5) & 15;
            break;
        default:
            f = c ^ (b | ~d);
            k = (7 * i) & 15;
            break;
        }
        /* RFC 1321: the table is the integer part of 4294967296 times abs(sin(i + 1)). */
        uint32_t t = (uint32_t)(fabs(sin((double)(i + 1))) * 4294967296.0);
        uint32_t next = b + rotate(a + f + w[k] + t, turns[i / 16][i & 3]);
        a = d;
        d = c;
        c = b;
        b = next;
    }
    s[0] += a;
    s[1] += b;
    s[2] += c;
    s[3] += d;
}

void boot_md5(const uint8_t *bytes, uint32_t n, uint8_t digest[16])
{
    uint32_t s[4] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476};
    uint8_t last[128] = {0};
    uint32_t whole = n / 64 * 64, rest = n - whole, padded = rest < 56 ? 64 : 128;
    for (uint32_t at = 0; at < whole; at += 64) {
        block(s, bytes + at);
    }
    memcpy(last, bytes + whole, rest);
    last[rest] = 0x80;
    for (int i = 0; i < 4; i++) {
        last[padded - 8 + (uint32_t)i] = (uint8_t)((n * 8) >> (8 * i));
    }
    for (uint32_t at = 0; at < padded; at += 64) {
        block(s, last + at);
    }
    for (int i = 0; i < 16; i++) {
        digest[i] = (uint8_t)(s[i / 4] >> (8 * (i & 3)));
    }
}
