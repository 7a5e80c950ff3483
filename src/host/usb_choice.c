/* The target text of a DFU device: usb:..., sim:FOLDER. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "molt/host/dfudevice.h"

#define SYNTAX                                                                                     \
    "expected usb:[VID:PID][,serial=S][,path=1-2.3][,alt=N|NAME][,interface=N][,config=N]"         \
    "[,devnum=N], or sim:FOLDER"

enum key { SERIAL, PATH, ALTERNATE, INTERFACE, CONFIGURATION, DEVNUM, KEYS };

static const char *const key_name[KEYS] = {"serial",    "path",   "alt",
                                           "interface", "config", "devnum"};

/* The key that text begins with, '=' behind it; KEYS = none. */
static enum key key_at(const char *text)
{
    for (enum key key = SERIAL; key < KEYS; key++) {
        size_t n = strlen(key_name[key]);
        if (strncmp(text, key_name[key], n) == 0 && text[n] == '=') {
            return key;
        }
    }
    return KEYS;
}

/* Where a value ends: before ",KEY=", or at the end. */
static size_t value_length(const char *value)
{
    for (const char *comma = strchr(value, ','); comma; comma = strchr(comma + 1, ',')) {
        if (key_at(comma + 1) != KEYS) {
            return (size_t)(comma - value);
        }
    }
    return strlen(value);
}

/* Up to 255 in decimal; -1 = no such number. */
static int32_t number_of(const char *text, size_t n)
{
    int32_t number = 0;
    for (size_t i = 0; i < n; i++) {
        if (i == 3 || !isdigit((unsigned char)text[i])) {
            return -1;
        }
        number = number * 10 + (text[i] - '0');
    }
    return n && number <= 255 ? number : -1;
}

static bool copy(char *to, size_t capacity, const char *from, size_t n)
{
    if (n == 0 || n >= capacity) {
        return false;
    }
    memcpy(to, from, n);
    to[n] = 0;
    return true;
}

static bool set_alternate(struct molt_dfu_choice *choice, const char *value, size_t n)
{
    choice->alternate = number_of(value, n);
    choice->has_alternate_name = choice->alternate < 0;
    return choice->alternate >= 0 ||
           copy(choice->alternate_name, sizeof choice->alternate_name, value, n);
}

static bool set_path(struct molt_dfu_choice *choice, const char *value, size_t n)
{
    choice->has_path = true;
    return strspn(value, "0123456789.-") >= n && copy(choice->path, sizeof choice->path, value, n);
}

static bool set_value(struct molt_dfu_choice *choice, enum key key, const char *value, size_t n)
{
    switch (key) {
    case SERIAL:
        choice->has_serial = true;
        return copy(choice->serial, sizeof choice->serial, value, n);
    case PATH: return set_path(choice, value, n);
    case ALTERNATE: return set_alternate(choice, value, n);
    case INTERFACE: return (choice->interface = number_of(value, n)) >= 0;
    case CONFIGURATION: return (choice->configuration = number_of(value, n)) >= 0;
    case DEVNUM: return (choice->devnum = number_of(value, n)) >= 0;
    case KEYS: break;
    }
    return false;
}

/* KEY=VALUE,...; text begins with a key. */
static int parse_values(struct molt_dfu_choice *choice, const char *text,
                        struct molt_message *message)
{
    bool seen[KEYS] = {false};
    for (const char *at = text; *at;) {
        enum key key = key_at(at);
        if (key == KEYS) {
            return molt_fail(message, MOLT_E_ARGUMENT, "%s: '%s' is not understood; " SYNTAX,
                             choice->text, at);
        }
        const char *value = at + strlen(key_name[key]) + 1;
        size_t n = value_length(value);
        if (seen[key]) {
            return molt_fail(message, MOLT_E_ARGUMENT, "%s: %s= is there twice", choice->text,
                             key_name[key]);
        }
        if (!set_value(choice, key, value, n)) {
            const char *kind = key == SERIAL ? "a serial number"
                               : key == PATH ? "a path such as 1-2.3, as 'molt dfu list' shows it"
                               : key == ALTERNATE ? "a number or a name"
                                                  : "a number from 0 to 255";
            return molt_fail(message, MOLT_E_ARGUMENT, "%s: %s=%.*s: expected %s", choice->text,
                             key_name[key], (int)(n > 300 ? 300 : n), value, kind);
        }
        seen[key] = true;
        at = value + n + (value[n] == ',');
    }
    return MOLT_OK;
}

/* "0483", "0x0483", "*" or nothing. */
static bool parse_hex(int32_t *value, const char *text, size_t n)
{
    *value = MOLT_DFU_ANY;
    if (n == 0 || (n == 1 && text[0] == '*')) {
        return true;
    }
    if (n > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        text += 2;
        n -= 2;
    }
    char digits[5];
    if (!copy(digits, sizeof digits, text, n) || strspn(digits, "0123456789abcdefABCDEF") != n) {
        return false;
    }
    *value = (int32_t)strtol(digits, NULL, 16);
    return true;
}

/* "VID:PID", or "-". */
static bool parse_id(struct molt_dfu_id *id, const char *text, size_t n)
{
    if (n == 1 && text[0] == '-') {
        id->vendor = id->product = MOLT_DFU_NONE;
        return true;
    }
    const char *colon = memchr(text, ':', n);
    return colon && parse_hex(&id->vendor, text, (size_t)(colon - text)) &&
           parse_hex(&id->product, colon + 1, n - (size_t)(colon + 1 - text));
}

/* The ids in front, if any; *text moves behind them. */
static int parse_ids(struct molt_dfu_choice *choice, const char **text,
                     struct molt_message *message)
{
    struct molt_dfu_id id[2] = {{MOLT_DFU_NONE, MOLT_DFU_NONE}, {MOLT_DFU_ANY, MOLT_DFU_ANY}};
    const char *at = *text;
    int count = 0;
    while (*at && key_at(at) == KEYS && count < 2) {
        size_t n = strcspn(at, ",");
        /* Nothing before the first comma: the pair behind it is for DFU mode only. */
        bool empty = n == 0 && count == 0;
        if (!empty && !parse_id(&id[count], at, n)) {
            return molt_fail(message, MOLT_E_ARGUMENT,
                             "%s: '%.*s' is no VID:PID in hexadecimal; " SYNTAX, choice->text,
                             (int)(n > 300 ? 300 : n), at);
        }
        choice->has_id = choice->has_id || !empty;
        count++;
        at += n + (at[n] == ',');
    }
    if (choice->has_id) {
        choice->run_time = id[0];
        choice->dfu_mode = count == 2 ? id[1] : id[0];
    }
    *text = at;
    return MOLT_OK;
}

static int parse_sim(struct molt_dfu_choice *choice, const char *text, struct molt_message *message)
{
    const char *behind = strstr(text, ",alt=");
    size_t n = behind ? (size_t)(behind - text) : strlen(text);
    if (!copy(choice->folder, sizeof choice->folder, text, n)) {
        return molt_fail(message, MOLT_E_ARGUMENT, "%s: expected sim:FOLDER", choice->text);
    }
    return behind ? parse_values(choice, behind + 1, message) : MOLT_OK;
}

int molt_dfu_choice_parse(struct molt_dfu_choice *choice, const char *text,
                          struct molt_message *message)
{
    memset(choice, 0, sizeof *choice);
    choice->run_time = choice->dfu_mode = (struct molt_dfu_id){MOLT_DFU_ANY, MOLT_DFU_ANY};
    choice->alternate = choice->interface = choice->configuration = choice->devnum = MOLT_DFU_ANY;
    snprintf(choice->text, sizeof choice->text, "%s",
             strcmp(text, "usb:") == 0 || !text[0] ? "usb" : text);
    if (strncmp(text, "sim:", 4) == 0) {
        return parse_sim(choice, text + 4, message);
    }
    if (text[0] && strncmp(text, "usb:", 4) != 0) {
        return molt_fail(message, MOLT_E_ARGUMENT, "%s: names no DFU device; " SYNTAX,
                         choice->text);
    }
    const char *at = text[0] ? text + 4 : text;
    int error = parse_ids(choice, &at, message);
    return error ? error : parse_values(choice, at, message);
}

int molt_dfu_choice_alternate(struct molt_dfu_choice *choice, const char *text,
                              struct molt_message *message)
{
    if (choice->alternate != MOLT_DFU_ANY || choice->has_alternate_name) {
        return molt_fail(message, MOLT_E_ARGUMENT, "%s: the alternate is named there already",
                         choice->text);
    }
    return set_alternate(choice, text, strlen(text))
               ? MOLT_OK
               : molt_fail(message, MOLT_E_ARGUMENT,
                           "alternate '%.300s': expected a number or a name", text);
}
