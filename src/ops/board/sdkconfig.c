#define _GNU_SOURCE /* strndup */
#include "ops/board/sdkconfig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "molt/host/file.h"

#define FILE_LIMIT (1u << 20)
#define MOST       20000u

static int add(struct sdkconfig *config, const char *key, size_t key_n, const char *value,
               size_t value_n, uint32_t file, uint32_t line)
{
    if (config->count == MOST) {
        return MOLT_E_RANGE;
    }
    if (config->count % 64 == 0) {
        struct sdkconfig_setting *more =
            realloc(config->setting, (config->count + 64) * sizeof *more);
        if (!more) {
            return MOLT_E_NO_MEMORY;
        }
        config->setting = more;
    }
    struct sdkconfig_setting *setting = &config->setting[config->count];
    setting->key = strndup(key, key_n);
    setting->value = strndup(value, value_n);
    setting->file = file;
    setting->line = line;
    if (!setting->key || !setting->value) {
        free(setting->key);
        free(setting->value);
        return MOLT_E_NO_MEMORY;
    }
    config->count++;
    return MOLT_OK;
}

/* "CONFIG_X=value", "# CONFIG_X is not set"; all else is comment. kconfiglib looks for the first at
 * the very beginning of a line, too. */
static int read_line(struct sdkconfig *config, const char *text, size_t n, uint32_t file,
                     uint32_t line)
{
    static const char unset[] = " is not set";
    while (n && (text[n - 1] == '\r' || text[n - 1] == ' ' || text[n - 1] == '\t')) {
        n--;
    }
    if (n > 9 + sizeof unset && memcmp(text, "# CONFIG_", 9) == 0 &&
        memcmp(text + n - (sizeof unset - 1), unset, sizeof unset - 1) == 0) {
        return add(config, text + 2, n - 2 - (sizeof unset - 1), "n", 1, file, line);
    }
    const char *equal = memchr(text, '=', n);
    if (n < 8 || memcmp(text, "CONFIG_", 7) != 0 || !equal) {
        return MOLT_OK;
    }
    const char *value = equal + 1;
    size_t value_n = n - (size_t)(value - text);
    if (value_n >= 2 && value[0] == '"' && value[value_n - 1] == '"') {
        value++;
        value_n -= 2;
    }
    return add(config, text, (size_t)(equal - text), value, value_n, file, line);
}

int sdkconfig_read(struct sdkconfig *config, const char *path, uint32_t file,
                   struct molt_message *message)
{
    uint8_t *bytes;
    size_t n;
    int error = molt_file_read(path, FILE_LIMIT, &bytes, &n, message);
    if (error) {
        return error;
    }
    const char *at = (const char *)bytes, *end = at + n;
    bool joined = config->glued; /* its first line is the end of the last one's last */
    for (uint32_t line = 1; at < end && !error; line++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline ? newline : end;
        if (line > 1 || !joined) {
            error = read_line(config, at, (size_t)(stop - at), file, line);
        }
        at = newline ? newline + 1 : end;
    }
    config->glued = n ? bytes[n - 1] != '\n' : joined;
    free(bytes);
    return error ? molt_fail(message, error, "%.300s: %s", path, molt_strerror(error)) : MOLT_OK;
}

const struct sdkconfig_setting *sdkconfig_get(const struct sdkconfig *config, const char *key)
{
    for (uint32_t i = config->count; i > 0; i--) {
        if (strcmp(config->setting[i - 1].key, key) == 0) {
            return &config->setting[i - 1];
        }
    }
    return NULL;
}

const struct sdkconfig_setting *sdkconfig_choice(const struct sdkconfig *config, const char *prefix,
                                                 const char *const ends[])
{
    size_t n = strlen(prefix);
    for (uint32_t i = config->count; i > 0; i--) {
        const struct sdkconfig_setting *setting = &config->setting[i - 1];
        if (strncmp(setting->key, prefix, n) != 0 || setting->value[0] != 'y') {
            continue;
        }
        for (uint32_t k = 0; ends[k]; k++) {
            if (strcmp(setting->key + n, ends[k]) == 0) {
                return setting;
            }
        }
    }
    return NULL;
}

void sdkconfig_free(struct sdkconfig *config)
{
    for (uint32_t i = 0; i < config->count; i++) {
        free(config->setting[i].key);
        free(config->setting[i].value);
    }
    free(config->setting);
    memset(config, 0, sizeof *config);
}
