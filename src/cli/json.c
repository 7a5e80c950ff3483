#include "cli/json.h"

#include <string.h>

static void newline(struct json_out *json)
{
    fprintf(json->out, "\n%*s", (int)(2 * json->depth), "");
}

unsigned json_sequence(const unsigned char *p)
{
    static const struct {
        unsigned char mask, lead, least;
    } forms[] = {{0xE0, 0xC0, 0x80}, {0xF0, 0xE0, 0x80}, {0xF8, 0xF0, 0x80}};
    for (unsigned n = 0; n < 3; n++) {
        if ((p[0] & forms[n].mask) != forms[n].lead) {
            continue;
        }
        for (unsigned i = 1; i <= n + 1; i++) {
            if ((p[i] & 0xC0) != 0x80) {
                return 0;
            }
        }
        bool overlong =
            p[0] < 0xC2 || (p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xF0 && p[1] < 0x90);
        bool outside =
            (p[0] == 0xED && p[1] > 0x9F) || p[0] > 0xF4 || (p[0] == 0xF4 && p[1] > 0x8F);
        return overlong || outside ? 0 : n + 2;
    }
    return 0;
}

static void string(FILE *out, const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    fputc('"', out);
    while (*p) {
        unsigned n = *p < 0x80 ? 1 : json_sequence(p);
        if (n == 0) {
            fputs("\\ufffd", out);
            n = 1;
        } else if (*p < ' ' || *p == 0x7F) {
            fprintf(out, "\\u%04x", *p);
        } else {
            if (*p == '"' || *p == '\\') {
                fputc('\\', out);
            }
            fwrite(p, 1, n, out);
        }
        p += n;
    }
    fputc('"', out);
}

static void entry(struct json_out *json, const char *key)
{
    if (json->some) {
        fputc(',', json->out);
    }
    if (json->depth) {
        newline(json);
    }
    json->some = true;
    if (key) {
        string(json->out, key);
        fputs(": ", json->out);
    }
}

void json_open(struct json_out *json, const char *key, char bracket)
{
    entry(json, key);
    fputc(bracket, json->out);
    json->depth++;
    json->some = false;
}

void json_close(struct json_out *json, char bracket)
{
    json->depth--;
    if (json->some) {
        newline(json);
    }
    fputc(bracket, json->out);
    json->some = true;
    if (json->depth == 0) {
        fputc('\n', json->out);
    }
}

void json_text(struct json_out *json, const char *key, const char *text)
{
    if (!text) {
        json_nothing(json, key);
        return;
    }
    entry(json, key);
    string(json->out, text);
}

void json_number(struct json_out *json, const char *key, int64_t number)
{
    entry(json, key);
    fprintf(json->out, "%lld", (long long)number);
}

void json_fraction(struct json_out *json, const char *key, double number)
{
    entry(json, key);
    fprintf(json->out, "%.6g", number);
}

void json_bool(struct json_out *json, const char *key, bool value)
{
    entry(json, key);
    fputs(value ? "true" : "false", json->out);
}

void json_nothing(struct json_out *json, const char *key)
{
    entry(json, key);
    fputs("null", json->out);
}
