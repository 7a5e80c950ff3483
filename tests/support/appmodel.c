#include "appmodel.h"

#include <string.h>

#define NOT_FOUND "ERR OSError(-261, 'ESP_ERR_NOT_FOUND')"
#define NONE      "OSError(2,)"

enum { APP = 0, DATA = 1, FACTORY = 0, OTA_0 = 0x10, TEST = 0x20 };

static uint32_t get32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put32(uint8_t *p, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        p[i] = (uint8_t)(value >> (8 * i));
    }
}

uint32_t app_crc(uint32_t seq)
{
    uint32_t crc = 0;
    for (int i = 0; i < 32; i++) {
        crc = (crc ^ (seq >> i & 1)) & 1 ? crc >> 1 ^ 0xEDB88320u : crc >> 1;
    }
    return ~crc;
}

/* esp_partition_find_first: the first row. */
static const struct app_row *find(const struct app_model *app, int type, int subtype)
{
    for (int i = 0; i < app->rows; i++) {
        if (app->row[i].type == type && app->row[i].subtype == subtype) {
            return &app->row[i];
        }
    }
    return NULL;
}

/* get_ota_partition_count: without a gap, unlike the bootloader. */
static uint32_t count(const struct app_model *app)
{
    uint32_t n = 0;
    while (n < 16 && find(app, APP, OTA_0 + (int)n)) {
        n++;
    }
    return n;
}

static bool invalid(const uint8_t *record)
{
    uint32_t state = get32(record + 24);
    return get32(record) == 0xFFFFFFFF || state == 3 || state == 4;
}

static bool valid(const uint8_t *record)
{
    return !invalid(record) && get32(record + 28) == app_crc(get32(record));
}

static int active(const uint8_t *otadata)
{
    const uint8_t *second = otadata + 0x1000;
    if (valid(otadata) && valid(second)) {
        return get32(second) > get32(otadata);
    }
    return valid(otadata) ? 0 : valid(second) ? 1 : -1;
}

static const char *default_partition(const struct app_model *app)
{
    const struct app_row *row = find(app, APP, FACTORY);
    for (int i = 0; !row && i < 16; i++) {
        row = find(app, APP, OTA_0 + i);
    }
    row = row ? row : find(app, APP, TEST);
    return row ? row->label : NONE;
}

const char *app_boot_partition(const struct app_model *app)
{
    const struct app_row *otadata = find(app, DATA, 0);
    if (!otadata) {
        return NONE;
    }
    const uint8_t *bytes = app->flash + otadata->offset;
    int record = active(bytes);
    if (record < 0 || count(app) == 0) {
        return default_partition(app);
    }
    uint32_t slot = (get32(bytes + record * 0x1000) - 1) % count(app);
    const struct app_row *row = find(app, APP, OTA_0 + (int)slot);
    return row ? row->label : NONE;
}

const char *app_next_update(const struct app_model *app, const char *running)
{
    const char *first = NULL;
    bool take = false;
    for (int i = 0; i < 16; i++) {
        const struct app_row *row = find(app, APP, OTA_0 + i);
        if (!row) {
            continue;
        }
        if (take) {
            return row->label;
        }
        first = first ? first : row->label;
        take = strcmp(row->label, running) == 0;
    }
    return first ? first : NONE;
}

static void rewrite(uint8_t *sector, uint32_t seq, uint32_t state)
{
    uint8_t label[20];
    memcpy(label, sector + 4, sizeof label);
    memset(sector, 0xFF, 0x1000);
    put32(sector, seq);
    memcpy(sector + 4, label, sizeof label);
    put32(sector + 24, state);
    put32(sector + 28, app_crc(seq));
}

const char *app_set_boot(const struct app_model *app, const char *label, bool image_is_valid)
{
    const struct app_row *row = NULL, *otadata = find(app, DATA, 0);
    for (int i = 0; i < app->rows && !row; i++) {
        row = strcmp(app->row[i].label, label) == 0 ? &app->row[i] : NULL;
    }
    if (!row) {
        return NONE;
    }
    if (!image_is_valid) {
        return "ERR OSError(-5379, 'ESP_ERR_OTA_VALIDATE_FAILED')";
    }
    if (!otadata) {
        return NOT_FOUND;
    }
    uint8_t *bytes = app->flash + otadata->offset;
    if (row->subtype == FACTORY) {
        memset(bytes, 0xFF, otadata->size);
        return "OK";
    }
    uint32_t slot = row->subtype - (uint32_t)OTA_0, n = count(app);
    if (slot >= n) {
        return "ERR OSError(-258, 'ESP_ERR_INVALID_ARG')";
    }
    uint32_t state = app->rollback ? 0 : 0xFFFFFFFF;
    int record = active(bytes);
    if (record < 0) {
        rewrite(bytes, slot + 1, state);
        return "OK";
    }
    uint64_t current = get32(bytes + record * 0x1000), seq = (slot + 1) % n;
    if (seq < current) {
        seq += (current - seq + n - 1) / n * n;
    }
    rewrite(bytes + (record ? 0 : 0x1000), (uint32_t)seq, state);
    return "OK";
}

const char *app_confirm(const struct app_model *app)
{
    const struct app_row *otadata = find(app, DATA, 0);
    if (!otadata) {
        return NOT_FOUND;
    }
    uint8_t *bytes = app->flash + otadata->offset;
    int record = active(bytes);
    if (record < 0 || count(app) == 0) {
        return "ERR OSError(1, 'ESP_FAIL')";
    }
    uint8_t *sector = bytes + record * 0x1000;
    if (get32(sector + 24) != 2) {
        rewrite(sector, get32(sector), 2);
    }
    return "OK";
}
