/*
 * The words for types and subtypes: ESP-IDF's keywords, in the order in which its own tool looks,
 * and MicroPython's romfs, for which that tool has none. Source: ESP-IDF's partition table
 * documentation.
 */
#include "molt/ptable.h"

#include "core/ptable_text.h"

/* Text inside, no pointers: the table needs no relocation. */
struct name {
    uint8_t type, number;
    char text[16];
};

static const struct name types[] = {{0, 2, "bootloader"},
                                    {0, 3, "partition_table"},
                                    {0, MOLT_PARTITION_APP, "app"},
                                    {0, MOLT_PARTITION_DATA, "data"}};

static const struct name subtypes[] = {{MOLT_PARTITION_APP, 0x00, "factory"},
                                       {MOLT_PARTITION_APP, 0x20, "test"},
                                       {MOLT_PARTITION_APP, 0x10, "ota_0"},
                                       {MOLT_PARTITION_APP, 0x11, "ota_1"},
                                       {MOLT_PARTITION_APP, 0x12, "ota_2"},
                                       {MOLT_PARTITION_APP, 0x13, "ota_3"},
                                       {MOLT_PARTITION_APP, 0x14, "ota_4"},
                                       {MOLT_PARTITION_APP, 0x15, "ota_5"},
                                       {MOLT_PARTITION_APP, 0x16, "ota_6"},
                                       {MOLT_PARTITION_APP, 0x17, "ota_7"},
                                       {MOLT_PARTITION_APP, 0x18, "ota_8"},
                                       {MOLT_PARTITION_APP, 0x19, "ota_9"},
                                       {MOLT_PARTITION_APP, 0x1A, "ota_10"},
                                       {MOLT_PARTITION_APP, 0x1B, "ota_11"},
                                       {MOLT_PARTITION_APP, 0x1C, "ota_12"},
                                       {MOLT_PARTITION_APP, 0x1D, "ota_13"},
                                       {MOLT_PARTITION_APP, 0x1E, "ota_14"},
                                       {MOLT_PARTITION_APP, 0x1F, "ota_15"},
                                       {MOLT_PARTITION_APP, 0x30, "tee_0"},
                                       {MOLT_PARTITION_APP, 0x31, "tee_1"},
                                       {MOLT_PARTITION_DATA, 0x00, "ota"},
                                       {MOLT_PARTITION_DATA, 0x01, "phy"},
                                       {MOLT_PARTITION_DATA, 0x02, "nvs"},
                                       {MOLT_PARTITION_DATA, 0x03, "coredump"},
                                       {MOLT_PARTITION_DATA, 0x04, "nvs_keys"},
                                       {MOLT_PARTITION_DATA, 0x05, "efuse"},
                                       {MOLT_PARTITION_DATA, 0x06, "undefined"},
                                       {MOLT_PARTITION_DATA, 0x80, "esphttpd"},
                                       {MOLT_PARTITION_DATA, 0x81, "fat"},
                                       {MOLT_PARTITION_DATA, 0x82, "spiffs"},
                                       {MOLT_PARTITION_DATA, 0x83, "littlefs"},
                                       {MOLT_PARTITION_DATA, 0x90, "tee_ota"},
                                       {MOLT_PARTITION_DATA, MOLT_DATA_ROMFS, "romfs"},
                                       {2, 0x00, "primary"},
                                       {2, 0x01, "ota"},
                                       {2, 0x02, "recovery"},
                                       {3, 0x00, "primary"},
                                       {3, 0x01, "ota"}};

#define COUNT(a) ((uint32_t)(sizeof(a) / sizeof(a)[0]))

static const struct name *by_number(const struct name *names, uint32_t count, uint8_t type,
                                    uint8_t number)
{
    for (uint32_t i = 0; i < count; i++) {
        if (names[i].type == type && names[i].number == number) {
            return &names[i];
        }
    }
    return (const struct name *)0;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool same(const char *keyword, const char *text, uint32_t n)
{
    uint32_t i = 0;
    while (i < n && keyword[i] && keyword[i] == lower(text[i])) {
        i++;
    }
    return i == n && !keyword[i];
}

const char *molt_partition_type_name(uint8_t type)
{
    const struct name *found = by_number(types, COUNT(types), 0, type);
    return found ? found->text : (const char *)0;
}

const char *molt_partition_subtype_name(uint8_t type, uint8_t subtype)
{
    const struct name *found = by_number(subtypes, COUNT(subtypes), type, subtype);
    return found ? found->text : (const char *)0;
}

/* ---- And back ---- */

static uint32_t length(const char *text)
{
    uint32_t n = 0;
    while (n < 32 && text[n]) {
        n++;
    }
    return n;
}

static int by_text(const struct name *names, uint32_t count, uint8_t type, const char *text,
                   uint32_t n)
{
    struct molt_number number;
    for (uint32_t i = 0; i < count; i++) {
        if (names[i].type == type && same(names[i].text, text, n)) {
            return names[i].number;
        }
    }
    if (molt_number_parse(&number, text, n) == MOLT_OK && number.magnitude <= 0xFF &&
        (!number.negative || number.magnitude == 0)) {
        return (int)number.magnitude;
    }
    return MOLT_E_NOT_FOUND;
}

int molt_partition_type_in(const char *text, uint32_t n)
{
    return by_text(types, COUNT(types), 0, text, n);
}

int molt_partition_subtype_in(uint8_t type, const char *text, uint32_t n)
{
    return by_text(subtypes, COUNT(subtypes), type, text, n);
}

int molt_partition_type_of(const char *name)
{
    return molt_partition_type_in(name, length(name));
}

int molt_partition_subtype_of(uint8_t type, const char *name)
{
    return molt_partition_subtype_in(type, name, length(name));
}

int molt_partition_kind_of(const char *name, uint8_t *type, uint8_t *subtype)
{
    uint32_t n = length(name);
    for (uint32_t i = 0; i < COUNT(subtypes); i++) {
        if (subtypes[i].type <= MOLT_PARTITION_DATA && same(subtypes[i].text, name, n)) {
            *type = subtypes[i].type;
            *subtype = subtypes[i].number;
            return MOLT_OK;
        }
    }
    return MOLT_E_NOT_FOUND;
}

/* ---- Numbers ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static uint32_t digit_of(char c)
{
    c = lower(c);
    if (c >= '0' && c <= '9') {
        return (uint32_t)(c - '0');
    }
    return c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a') + 10 : 16;
}

/* Bits of a digit after 0x, 0o, 0b; 0 = decimal. *at moves past the prefix. */
static uint32_t prefix(const char *text, uint32_t n, uint32_t *at)
{
    if (n - *at < 2 || text[*at] != '0') {
        return 0;
    }
    char c = lower(text[*at + 1]);
    uint32_t bits = c == 'x' ? 4 : c == 'o' ? 3 : c == 'b' ? 1 : 0;
    *at += bits ? 2 : 0;
    return bits;
}

/* One digit more; false when it does not fit into 32 bits. */
static bool append(uint32_t *value, uint32_t bits, uint32_t digit)
{
    if (bits) {
        if (*value >> (32 - bits)) {
            return false;
        }
        *value = *value << bits | digit;
        return true;
    }
    if (*value > 429496729u || (*value == 429496729u && digit > 5)) {
        return false;
    }
    *value = *value * 10 + digit;
    return true;
}

static int digits(uint32_t *value, const char *text, uint32_t n)
{
    uint32_t at = 0, bits = prefix(text, n, &at), base = bits ? 1u << bits : 10;
    bool zeros = !bits && n > 1 && text[0] == '0'; /* "010": octal to some, ten to others */
    bool fits = true, underscore = bits == 0;
    *value = 0;
    for (uint32_t i = at; i < n; i++) {
        if (text[i] == '_' && !underscore && i + 1 < n) {
            underscore = true; /* between digits and behind a prefix, never two */
            continue;
        }
        uint32_t digit = digit_of(text[i]);
        if (digit >= base) {
            return MOLT_E_FORMAT;
        }
        underscore = false;
        zeros = zeros && digit == 0;
        fits = fits && append(value, bits, digit);
    }
    if (at == n || (!bits && n > 1 && text[0] == '0' && !zeros)) {
        return MOLT_E_FORMAT;
    }
    return fits ? MOLT_OK : MOLT_E_RANGE;
}

int molt_number_parse(struct molt_number *number, const char *text, uint32_t n)
{
    uint32_t shift = 0;
    while (n && (lower(text[n - 1]) == 'k' || lower(text[n - 1]) == 'm') && shift < 64) {
        shift += lower(text[--n]) == 'k' ? 10 : 20;
    }
    while (n && is_blank(text[n - 1])) {
        n--;
    }
    while (n && is_blank(text[0])) {
        text++;
        n--;
    }
    number->negative = n && text[0] == '-';
    if (n && (text[0] == '-' || text[0] == '+')) {
        text++;
        n--;
    }
    int error = digits(&number->magnitude, text, n);
    if (error) {
        return error;
    }
    if (number->magnitude && (shift >= 32 || number->magnitude > UINT32_MAX >> shift)) {
        return MOLT_E_RANGE;
    }
    number->magnitude = number->magnitude ? number->magnitude << shift : 0;
    return MOLT_OK;
}
