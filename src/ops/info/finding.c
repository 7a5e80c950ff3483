#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "molt/ops/info.h"

void molt_finding_add(struct molt_finding *list, uint32_t *count, uint32_t capacity,
                      enum molt_severity severity, const char *format, va_list values)
{
    if (*count == capacity) {
        return;
    }
    struct molt_finding *finding = &list[(*count)++];
    finding->severity = severity;
    finding->fix[0] = 0;
    vsnprintf(finding->text, sizeof finding->text, format, values);
    molt_info_plain(finding->text);
}

void molt_finding_fix(struct molt_finding *finding, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int n = vsnprintf(finding->fix, sizeof finding->fix, format, list);
    va_end(list);
    if (n < 0 || (size_t)n >= sizeof finding->fix) {
        finding->fix[0] = 0; /* half a command is worse than none */
    }
}

static bool needs_quotes(const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_-./:=+,@%";
    return text[0] == 0 || text[strspn(text, plain)] != 0;
}

const char *molt_shell_word(char *word, uint32_t size, const char *text)
{
    uint32_t n = 0;
    bool quote = needs_quotes(text);
    for (const char *at = text; n + 6 < size; at++) {
        if (at == text && quote) {
            word[n++] = '\'';
        }
        if (!*at) {
            if (quote) {
                word[n++] = '\'';
            }
            word[n] = 0;
            return word;
        }
        if (*at == '\'') { /* ends the quotes, an escaped one, opens them again */
            memcpy(word + n, "'\\''", 4);
            n += 4;
        } else {
            word[n++] = *at;
        }
    }
    word[0] = 0;
    return word;
}
