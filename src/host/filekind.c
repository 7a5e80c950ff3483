#include "host/filekind.h"

#include <stdbool.h>
#include <string.h>

static const struct {
    const char *magic;
    size_t n;
    const char *name;
} kinds[] = {
    {"\xFF\xD8\xFF", 3, "a JPEG picture"},
    {"\x89PNG", 4, "a PNG picture"},
    {"GIF8", 4, "a GIF picture"},
    {"%PDF", 4, "a PDF document"},
    {"PK\x03\x04", 4, "a ZIP archive (unpack it first)"},
    {"\x1F\x8B", 2, "gzip-compressed (unpack it first)"},
    {"\xFD"
     "7zXZ",
     5, "xz-compressed (unpack it first)"},
    {"BZh", 3, "bzip2-compressed (unpack it first)"},
    {"\x28\xB5\x2F\xFD", 4, "zstd-compressed (unpack it first)"},
    {"7z\xBC\xAF", 4, "a 7z archive (unpack it first)"},
    {"Rar!", 4, "a RAR archive (unpack it first)"},
    {"M\x05", 2, "a compiled MicroPython module (.mpy, version 5)"},
    {"M\x06", 2, "a compiled MicroPython module (.mpy, version 6)"},
    {"SQLite format 3", 15, "a SQLite database"},
    {"-----BEGIN", 10, "a key or certificate (PEM)"},
    {"MZ", 2, "a Windows program"},
    {"\x7F"
     "ELF",
     4, "an ELF program (flash the .bin made from it)"},
    {"UF2\n", 4, "a UF2 file, for boards with a UF2 bootloader"},
    {"DfuSe", 5, "a DfuSe file, for STM32 boards ('molt dfu write' takes it)"},
    {"<!DOCTYPE", 9, "a web page (was the download refused?)"},
    {"<html", 5, "a web page (was the download refused?)"},
    {":020000", 7, "an Intel HEX file"},
};

static bool is_text(const uint8_t *bytes, size_t n)
{
    if (n > 512) {
        n = 512;
    }
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] == 0x7F || (bytes[i] < 0x20 && !strchr("\t\r\n\f\033", bytes[i]))) {
            return false;
        }
        if (bytes[i] == 0 || bytes[i] >= 0xF8) { /* in no UTF-8; FF is erased flash */
            return false;
        }
    }
    return true;
}

static bool all(const uint8_t *bytes, size_t n, uint8_t value)
{
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] != value) {
            return false;
        }
    }
    return true;
}

const char *filekind_of(const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (n >= kinds[i].n && memcmp(bytes, kinds[i].magic, kinds[i].n) == 0) {
            return kinds[i].name;
        }
    }
    if (n > 262 && memcmp(bytes + 257, "ustar", 5) == 0) {
        return "a tar archive (unpack it first)";
    }
    if (all(bytes, n, 0xFF)) {
        return "an erased flash (all bytes FF)";
    }
    if (all(bytes, n, 0)) {
        return "all zero bytes";
    }
    return is_text(bytes, n) ? "a text file" : "nothing that Molt knows";
}
