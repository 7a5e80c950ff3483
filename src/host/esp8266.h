/* Images of the ESP8266, which Molt does not support: told, so that they are refused with words. */
#ifndef HOST_ESP8266_H
#define HOST_ESP8266_H

#include <stdbool.h>
#include <stdint.h>

/* True for one; text is then its header in words: "3 segments, entry 0x40100004, flash 4 MB". */
bool esp8266_image(const uint8_t *bytes, uint32_t n, char text[80]);

#endif
