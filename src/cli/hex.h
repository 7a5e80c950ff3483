/* Digests and key ids as people read them. */
#ifndef MOLT_CLI_HEX_H
#define MOLT_CLI_HEX_H

#include <stddef.h>
#include <stdint.h>

/* Lower-case hex into text, which has room for 2 * n + 1. */
static inline const char *cli_hex(const uint8_t *bytes, size_t n, char *text)
{
    for (size_t i = 0; i < n; i++) {
        text[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
        text[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
    }
    text[2 * n] = 0;
    return text;
}

#endif
