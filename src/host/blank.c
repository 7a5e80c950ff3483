#include "molt/host/blank.h"

#include <string.h>

bool molt_blank(const uint8_t *bytes, uint32_t n)
{
    return n == 0 || (bytes[0] == 0xFF && memcmp(bytes, bytes + 1, n - 1) == 0);
}

uint32_t molt_used(const uint8_t *bytes, uint32_t n)
{
    for (uint64_t word; n >= sizeof word; n -= (uint32_t)sizeof word) {
        memcpy(&word, bytes + n - sizeof word, sizeof word);
        if (word != UINT64_MAX) {
            break;
        }
    }
    while (n && bytes[n - 1] == 0xFF) {
        n--;
    }
    return n;
}
