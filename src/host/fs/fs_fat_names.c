#include "host/fs/fs_fat_names.h"

#include <ff.h>
#include <string.h>

#define CODE_PAGE 437

bool fs_fat_is_ascii(const char *name)
{
    for (; *name; name++) {
        if ((unsigned char)*name >= 0x80) {
            return false;
        }
    }
    return true;
}

/* Of the basic plane, which is all that the code page has. */
static size_t put_utf8(char *to, unsigned code)
{
    if (code < 0x80) {
        to[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        to[0] = (char)(0xC0 | code >> 6);
        to[1] = (char)(0x80 | (code & 0x3F));
        return 2;
    }
    to[0] = (char)(0xE0 | code >> 12);
    to[1] = (char)(0x80 | (code >> 6 & 0x3F));
    to[2] = (char)(0x80 | (code & 0x3F));
    return 3;
}

/* The number of bytes of the character there; 0: it is none. RFC 3629. */
static size_t get_utf8(const char *text, unsigned *code)
{
    const unsigned char *p = (const unsigned char *)text;
    static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xC2 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
    if (n < 2) {
        *code = p[0];
        return n;
    }
    *code = p[0] & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xC0) != 0x80) {
            return 0;
        }
        *code = *code << 6 | (p[i] & 0x3F);
    }
    bool wrong = *code < least[n] || *code > 0x10FFFF || (*code >= 0xD800 && *code < 0xE000);
    return wrong ? 0 : n;
}

bool fs_fat_name_to_medium(char *medium, size_t capacity, const char *name, size_t n)
{
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char byte = (unsigned char)name[i];
        if (capacity - at < 4) {
            return false;
        }
        at += put_utf8(medium + at, byte < 0x80 ? byte : ff_oem2uni(byte, CODE_PAGE));
    }
    medium[at] = '\0';
    return true;
}

void fs_fat_name_from_medium(char *name)
{
    char bytes[FF_LFN_BUF + 1];
    size_t n = 0, m;
    unsigned code;
    for (size_t i = 0; name[i]; i += m) {
        m = get_utf8(name + i, &code);
        WCHAR byte = m ? ff_uni2oem(code, CODE_PAGE) : 0;
        if (byte == 0 || byte > 0xFF || n + 1 >= sizeof bytes) {
            return; /* a character that Python's bytes cannot have become */
        }
        bytes[n++] = (char)byte;
    }
    bytes[n] = '\0';
    for (size_t i = 0; bytes[i]; i += m) {
        m = get_utf8(bytes + i, &code);
        if (m == 0) {
            return;
        }
    }
    memcpy(name, bytes, n + 1);
}
