#include <string.h>

#include "core/bytes.h"
#include "molt/stores.h"

/*
 * Sector: magic u32, generation u32, CRC-32 of both u32, FF u32 (16 bytes), then entries. Entry:
 * record u8, FF u8, length u16, CRC-32 of the first 4 bytes and the data u32, data, FF up to a
 * multiple of 16. The sector's head is written last, so that a sector without one is not there.
 */
#define MAGIC      0x53544C4Du /* "MLTS" */
#define HEAD       16
#define ENTRY_HEAD 8
#define UNIT       16
#define NONE       2

static uint32_t entry_size(uint32_t n)
{
    return (ENTRY_HEAD + n + UNIT - 1) / UNIT * UNIT;
}

static uint32_t base(const struct molt_logstore *l, uint32_t sector)
{
    return l->offset + sector * l->sector_size;
}

/* 1 = the sector counts, with its generation; 0 = not. */
static int read_head(const struct molt_logstore *l, uint32_t sector, uint32_t *generation)
{
    uint8_t head[HEAD];
    int code = molt_flash_read(l->flash, base(l, sector), head, sizeof head);
    if (code < 0) {
        return code;
    }
    *generation = molt_get_le32(head + 4);
    return molt_get_le32(head) == MAGIC && molt_get_le32(head + 8) == molt_crc32(0, head, 8);
}

/* Reads the entry at `at`: its data's length, or -1 where the log ends (blank, torn, or full), or
 * an error. */
static int read_entry(const struct molt_logstore *l, uint32_t sector, uint32_t at,
                      uint8_t entry[ENTRY_HEAD + MOLT_RECORD_MAX])
{
    if (at + ENTRY_HEAD > l->sector_size) {
        return MOLT_E_NOT_FOUND;
    }
    int code = molt_flash_read(l->flash, base(l, sector) + at, entry, ENTRY_HEAD);
    if (code < 0) {
        return code;
    }
    uint32_t n = molt_get_le16(entry + 2);
    if (entry[0] < 1 || entry[0] > MOLT_RECORD_LAST || n > MOLT_RECORD_MAX ||
        entry_size(n) > l->sector_size - at) {
        return MOLT_E_NOT_FOUND;
    }
    code = molt_flash_read(l->flash, base(l, sector) + at + ENTRY_HEAD, entry + ENTRY_HEAD, n);
    if (code < 0) {
        return code;
    }
    uint32_t crc = molt_crc32(molt_crc32(0, entry, 4), entry + ENTRY_HEAD, n);
    return crc == molt_get_le32(entry + 4) ? (int)n : MOLT_E_NOT_FOUND;
}

/* Position of a record's newest entry in the active sector; 0 = there is none. */
static int find(const struct molt_logstore *l, int record, uint32_t *position,
                uint8_t entry[ENTRY_HEAD + MOLT_RECORD_MAX])
{
    *position = 0;
    if (l->active == NONE) {
        return MOLT_OK;
    }
    for (uint32_t at = HEAD;;) {
        int n = read_entry(l, l->active, at, entry);
        if (n < 0) {
            return n == MOLT_E_NOT_FOUND ? MOLT_OK : n;
        }
        if (entry[0] == record) {
            *position = at;
        }
        at += entry_size((uint32_t)n);
    }
}

static int get(void *context, int record, void *buffer, uint32_t capacity)
{
    const struct molt_logstore *l = context;
    uint8_t entry[ENTRY_HEAD + MOLT_RECORD_MAX];
    uint32_t position;
    int n = find(l, record, &position, entry);
    if (n < 0) {
        return n;
    }
    n = position ? read_entry(l, l->active, position, entry) : MOLT_E_NOT_FOUND;
    if (n <= 0) {
        return n == 0 ? MOLT_E_NOT_FOUND : n;
    }
    memcpy(buffer, entry + ENTRY_HEAD, (uint32_t)n < capacity ? (uint32_t)n : capacity);
    return n;
}

/* Programs an entry whose data stand at entry + ENTRY_HEAD, and reads it back. */
static int append(const struct molt_logstore *l, uint32_t sector, uint32_t at, int record,
                  uint32_t n, uint8_t entry[ENTRY_HEAD + MOLT_RECORD_MAX + UNIT])
{
    entry[0] = (uint8_t)record;
    entry[1] = 0xFF;
    molt_put_le16(entry + 2, (uint16_t)n);
    molt_put_le32(entry + 4, molt_crc32(molt_crc32(0, entry, 4), entry + ENTRY_HEAD, n));
    memset(entry + ENTRY_HEAD + n, 0xFF, entry_size(n) - ENTRY_HEAD - n);
    int code = molt_flash_program(l->flash, base(l, sector) + at, entry, entry_size(n));
    if (code < 0) {
        return code;
    }
    uint32_t crc = molt_get_le32(entry + 4);
    int got = read_entry(l, sector, at, entry);
    if (got < 0) {
        return got == MOLT_E_NOT_FOUND ? MOLT_E_VERIFY : got;
    }
    return (uint32_t)got == n && molt_get_le32(entry + 4) == crc ? MOLT_OK : MOLT_E_VERIFY;
}

/* Everything but `record` goes to the other sector, then the new data, then the head. */
static int compact(struct molt_logstore *l, int record, const void *data, uint32_t n)
{
    uint8_t entry[ENTRY_HEAD + MOLT_RECORD_MAX + UNIT];
    uint32_t to = l->active == 0 ? 1 : 0, at = HEAD, position;
    int code = molt_flash_erase(l->flash, base(l, to), l->sector_size);
    for (int other = 1; code >= 0 && other <= MOLT_RECORD_LAST; other++) {
        int size;
        if (other == record) {
            memcpy(entry + ENTRY_HEAD, data, n);
            size = (int)n;
        } else {
            code = find(l, other, &position, entry);
            size = code >= 0 && position ? read_entry(l, l->active, position, entry) : 0;
            code = size < 0 ? size : code;
        }
        if (code >= 0 && size > 0) {
            if (entry_size((uint32_t)size) > l->sector_size - at) {
                return MOLT_E_NO_SPACE;
            }
            code = append(l, to, at, other, (uint32_t)size, entry);
            at += entry_size((uint32_t)size);
        }
    }
    if (code < 0) {
        return code;
    }
    memset(entry, 0xFF, HEAD);
    molt_put_le32(entry, MAGIC);
    molt_put_le32(entry + 4, l->generation + 1);
    molt_put_le32(entry + 8, molt_crc32(0, entry, 8));
    code = molt_flash_program(l->flash, base(l, to), entry, HEAD);
    if (code < 0) {
        return code;
    }
    l->generation++;
    l->active = to;
    l->at = at;
    return molt_flash_sync(l->flash);
}

static int put(void *context, int record, const void *data, uint32_t n)
{
    struct molt_logstore *l = context;
    uint8_t entry[ENTRY_HEAD + MOLT_RECORD_MAX + UNIT];
    if (n > MOLT_RECORD_MAX) {
        return MOLT_E_NO_SPACE;
    }
    if (l->active == NONE || l->at == 0 || entry_size(n) > l->sector_size - l->at) {
        return compact(l, record, data, n);
    }
    memcpy(entry + ENTRY_HEAD, data, n);
    int code = append(l, l->active, l->at, record, n, entry);
    if (code == MOLT_E_VERIFY || code == MOLT_E_NOT_ERASED) {
        l->at = 0; /* what stands there now is not an entry: never append behind it */
        return compact(l, record, data, n);
    }
    if (code < 0) {
        return code;
    }
    l->at += entry_size(n);
    return molt_flash_sync(l->flash);
}

static const struct molt_store_ops operations = {get, put};

int molt_logstore_open(struct molt_logstore *logstore, const struct molt_flash *flash,
                       uint32_t offset, struct molt_store *store)
{
    uint32_t generation[2] = {0, 0};
    int valid[2];
    memset(logstore, 0, sizeof *logstore);
    logstore->flash = flash;
    logstore->offset = offset;
    logstore->sector_size = molt_flash_sector_size(flash, offset);
    logstore->active = NONE;
    if (logstore->sector_size == 0 ||
        molt_flash_sector_size(flash, offset + logstore->sector_size) != logstore->sector_size) {
        return MOLT_E_RANGE;
    }
    if (offset % logstore->sector_size) {
        return MOLT_E_ALIGNMENT;
    }
    for (uint32_t i = 0; i < 2; i++) {
        valid[i] = read_head(logstore, i, &generation[i]);
        if (valid[i] < 0) {
            return valid[i];
        }
        if (valid[i] && (logstore->active == NONE || generation[i] > logstore->generation)) {
            logstore->active = i;
            logstore->generation = generation[i];
        }
    }
    store->ops = &operations;
    store->context = logstore;
    return MOLT_OK;
}
