/* The store's records and the two-sector log: any bytes are a record or an error, and what was read
 * is written the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "molt/engine.h"
#include "molt/sim/nor.h"
#include "molt/stores.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct memory {
    const uint8_t *data;
    uint32_t size;
    uint8_t written[MOLT_RECORD_MAX];
    uint32_t written_size;
};

static int get(void *context, int record, void *buffer, uint32_t capacity)
{
    const struct memory *m = context;
    (void)record;
    memcpy(buffer, m->data, m->size < capacity ? m->size : capacity);
    return m->size ? (int)m->size : MOLT_E_NOT_FOUND;
}

static int put(void *context, int record, const void *data, uint32_t n)
{
    struct memory *m = context;
    (void)record;
    memcpy(m->written, data, n);
    m->written_size = n;
    return MOLT_OK;
}

static const struct molt_store_ops operations = {get, put};

/* What a load accepted, its save writes again byte for byte; reserved bytes are zero by then. */
static void same(const struct memory *m, uint32_t zero_from, uint32_t zero_to)
{
    for (uint32_t i = 0; i < m->size; i++) {
        bool reserved = i >= zero_from && i < zero_to;
        if (m->written_size != m->size || (!reserved && m->written[i] != m->data[i])) {
            abort();
        }
    }
}

static void records(const uint8_t *data, size_t size)
{
    struct memory m = {.data = data,
                       .size = (uint32_t)(size > MOLT_RECORD_MAX ? MOLT_RECORD_MAX : size)};
    struct molt_store store = {&operations, &m};
    struct molt_update update;
    struct molt_floor floor;
    struct molt_trusted_key keys[MOLT_KEYS_MAX];
    struct molt_release_binding bindings[MOLT_RELEASES_MAX];
    static const uint8_t digest[MOLT_SHA256_SIZE] = {1};
    if (molt_update_load(&store, &update) == MOLT_OK && m.size) {
        molt_update_save(&store, &update);
        same(&m, 5, 8);
    }
    if (molt_floor_load(&store, &floor) == MOLT_OK && m.size) {
        molt_floor_save(&store, &floor);
        same(&m, 0, 0);
    }
    int count = molt_keys_load(&store, keys);
    if (count > MOLT_KEYS_MAX) {
        abort();
    }
    if (count > 0) {
        molt_keys_save(&store, keys, (uint32_t)count);
        same(&m, 0, 0);
    }
    count = molt_releases_load(&store, bindings);
    if (count > MOLT_RELEASES_MAX) {
        abort();
    }
    if (count > 0) {
        molt_releases_save(&store, bindings, (uint32_t)count);
        same(&m, 0, 0);
    }
    molt_failed_has(&store, digest);
    molt_failed_add(&store, digest);
}

/* Two sectors of any content: every record reads as something or nothing, and a put brings it into
 * order. */
static void log_of(const uint8_t *data, size_t size)
{
    static uint8_t bytes[2 * MOLT_NOR_SECTOR], record[MOLT_RECORD_MAX];
    struct molt_nor nor;
    struct molt_flash flash;
    struct molt_logstore log;
    struct molt_store store;
    memset(bytes, 0xFF, sizeof bytes);
    memcpy(bytes, data, size < sizeof bytes ? size : sizeof bytes);
    molt_nor_init(&nor, bytes, sizeof bytes, 1);
    molt_nor_flash(&nor, &flash);
    if (molt_logstore_open(&log, &flash, 0, &store) == MOLT_OK) {
        for (int i = 1; i <= MOLT_RECORD_LAST; i++) {
            if (store.ops->get(store.context, i, record, sizeof record) > MOLT_RECORD_MAX) {
                abort();
            }
        }
        if (store.ops->put(store.context, 1, "abc", 3) != MOLT_OK ||
            store.ops->get(store.context, 1, record, sizeof record) != 3 ||
            memcmp(record, "abc", 3) != 0) {
            abort();
        }
    }
    molt_nor_free(&nor);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    if (data[0] & 0x80) {
        log_of(data + 1, size - 1);
    } else {
        records(data + 1, size - 1);
    }
    return 0;
}
