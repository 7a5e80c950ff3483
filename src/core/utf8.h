/* Well-formed UTF-8 (RFC 3629). */
#ifndef MOLT_CORE_UTF8_H
#define MOLT_CORE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Length of the well-formed UTF-8 character at p (section 4: no overlong forms, no surrogates); n
 * bytes are there, at least one. 0 = none, or NUL. */
static inline uint32_t molt_utf8_length(const uint8_t *p, size_t n)
{
    uint32_t first = p[0], length, low = 0x80, high = 0xBF;
    if (first < 0x80) {
        return first != 0;
    }
    if (first < 0xC2 || first > 0xF4) {
        return 0;
    }
    length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    if (first == 0xE0) {
        low = 0xA0;
    } else if (first == 0xED) {
        high = 0x9F;
    } else if (first == 0xF0) {
        low = 0x90;
    } else if (first == 0xF4) {
        high = 0x8F;
    }
    if (length > n || p[1] < low || p[1] > high) {
        return 0;
    }
    for (uint32_t i = 2; i < length; i++) {
        if (p[i] >> 6 != 2) {
            return 0;
        }
    }
    return length;
}

#endif
