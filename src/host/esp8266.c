#include "host/esp8266.h"

#include <stdio.h>

#define MAGIC    0xE9
#define MAGIC_V2 0xEA /* of images that its second-stage loader starts; 4 = their version */

static uint32_t le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* The header ends after 8 bytes; what follows is the first segment's load address, in the ESP8266's
 * RAM. In an ESP32's image there are a pin's number and drive strengths: never such an address. */
bool esp8266_image(const uint8_t *bytes, uint32_t n, char text[80])
{
    static const char *const sizes[] = {"512 KB", "256 KB", "1 MB", "2 MB", "4 MB",
                                        "2 MB",   "4 MB",   "?",    "8 MB", "16 MB"};
    if (n < 16 || bytes[1] == 0 || bytes[1] > 16) {
        return false;
    }
    uint32_t load = le32(bytes + 8), entry = le32(bytes + 4);
    bool first = bytes[0] == MAGIC && ((load >= 0x3FFE8000 && load < 0x40000000) ||
                                       (load >= 0x40100000 && load < 0x40300000));
    bool second = bytes[0] == MAGIC_V2 && bytes[1] == 4 && entry >> 20 == 0x401 && load < 16;
    if (!first && !second) {
        return false;
    }
    snprintf(text, 80, "%u segments, entry 0x%x, flash %s", bytes[1], entry,
             bytes[3] >> 4 < 10 ? sizes[bytes[3] >> 4] : "?");
    return true;
}
