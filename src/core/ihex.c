#include "molt/ihex.h"

#include <string.h>

enum record { DATA = 0, END = 1, SEGMENT = 2, START_SEGMENT = 3, LINEAR = 4, START_LINEAR = 5 };

static int digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

/* The bytes of the line at hex->at: ":LLAAAATT....CC". Their number, or an error. */
static int read_line(struct molt_ihex *hex, uint8_t bytes[260], struct molt_diag *diag)
{
    uint32_t count = 0;
    uint8_t sum = 0;
    hex->line++;
    if (hex->text[hex->at++] != ':') {
        return molt_diag_at(diag, MOLT_E_FORMAT, "line without ':'", hex->line);
    }
    while (hex->n - hex->at >= 2 && digit(hex->text[hex->at]) >= 0 && count < 260) {
        int high = digit(hex->text[hex->at]), low = digit(hex->text[hex->at + 1]);
        if (low < 0) {
            return molt_diag_at(diag, MOLT_E_FORMAT, "odd number of digits", hex->line);
        }
        bytes[count] = (uint8_t)(high << 4 | low);
        sum = (uint8_t)(sum + bytes[count++]);
        hex->at += 2;
    }
    while (hex->at < hex->n && (hex->text[hex->at] == '\r' || hex->text[hex->at] == ' ')) {
        hex->at++;
    }
    if (hex->at < hex->n && hex->text[hex->at] != '\n') {
        return molt_diag_at(diag, MOLT_E_FORMAT, "what is no hexadecimal digit", hex->line);
    }
    hex->at += hex->at < hex->n ? 1 : 0;
    if (count < 5 || count != 5u + bytes[0]) {
        return molt_diag_values(diag, MOLT_E_FORMAT, "bytes of a record", hex->line,
                                count ? 5u + bytes[0] : 5, count);
    }
    return sum == 0 ? (int)count
                    : molt_diag_at(diag, MOLT_E_VERIFY, "checksum of a record", hex->line);
}

/* A record that says something about those behind it. */
static int take_record(struct molt_ihex *hex, const uint8_t *bytes, struct molt_diag *diag)
{
    uint32_t value = 0;
    for (uint32_t i = 0; i < bytes[0] && i < 4; i++) {
        value = value << 8 | bytes[4 + i];
    }
    if ((bytes[3] == SEGMENT || bytes[3] == LINEAR) && bytes[0] == 2) {
        hex->base = bytes[3] == LINEAR ? value << 16 : value << 4;
    } else if ((bytes[3] == START_SEGMENT || bytes[3] == START_LINEAR) && bytes[0] == 4) {
        hex->has_start = true;
        hex->start = bytes[3] == START_LINEAR ? value : (value >> 16 << 4) + (value & 0xFFFF);
    } else {
        return molt_diag_at(diag, MOLT_E_FORMAT, "kind of a record", hex->line);
    }
    return MOLT_OK;
}

int molt_ihex_next(struct molt_ihex *hex, struct molt_ihex_data *data, struct molt_diag *diag)
{
    uint8_t bytes[260];
    while (!hex->ended && hex->at < hex->n) {
        char c = hex->text[hex->at];
        if (c == '\n' || c == '\r') {
            hex->line += c == '\n' ? 1 : 0;
            hex->at++;
            continue;
        }
        int count = read_line(hex, bytes, diag);
        if (count < 0) {
            return count;
        }
        if (bytes[3] == END) {
            hex->ended = true;
        } else if (bytes[3] != DATA) {
            int error = take_record(hex, bytes, diag);
            if (error) {
                return error;
            }
        } else if (bytes[0]) {
            uint32_t offset = (uint32_t)bytes[1] << 8 | bytes[2];
            data->length = bytes[0];
            if (0xFFFFFFFFu - hex->base < offset + data->length) {
                return molt_diag_at(diag, MOLT_E_RANGE, "address of a record", hex->line);
            }
            data->address = hex->base + offset;
            memcpy(data->bytes, bytes + 4, data->length);
            return 1;
        }
    }
    return hex->ended ? 0 : molt_diag_at(diag, MOLT_E_TRUNCATED, "no end record", hex->line);
}
