#include "molt/ptable.h"

#include <string.h>

#include "core/bytes.h"
#include "core/md5.h"

#define ROW 32u

static const uint8_t row_magic[2] = {0xAA, 0x50};
static const uint8_t md5_magic[2] = {0xEB, 0xEB};

static bool all_ff(const uint8_t *bytes, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (bytes[i] != 0xFF) {
            return false;
        }
    }
    return true;
}

static void parse_row(struct molt_partition *row, const uint8_t *bytes)
{
    row->type = bytes[2];
    row->subtype = bytes[3];
    row->offset = molt_get_le32(bytes + 4);
    row->size = molt_get_le32(bytes + 8);
    memcpy(row->label, bytes + 12, MOLT_PARTITION_LABEL);
    row->label[MOLT_PARTITION_LABEL] = 0;
    row->flags = molt_get_le32(bytes + 28);
}

static int parse_md5(struct molt_ptable *table, const uint8_t *bytes, uint32_t at,
                     struct molt_diag *diag)
{
    uint8_t digest[MOLT_MD5_SIZE];
    if (table->has_md5) {
        return molt_diag_at(diag, MOLT_E_TABLE_MD5, "a second MD5 row", at);
    }
    molt_md5(bytes, at, digest);
    if (memcmp(digest, bytes + at + 16, sizeof digest) != 0) {
        return molt_diag_at(diag, MOLT_E_TABLE_MD5, "MD5 of the rows before", at + 16);
    }
    table->has_md5 = true;
    return MOLT_OK;
}

int molt_ptable_parse(struct molt_ptable *table, const void *bytes, uint32_t n,
                      struct molt_diag *diag)
{
    const uint8_t *p = bytes;
    memset(table, 0, sizeof *table);
    if (n > MOLT_PTABLE_SIZE) {
        n = MOLT_PTABLE_SIZE;
    }
    for (uint32_t at = 0; n - at >= ROW; at += ROW) {
        if (memcmp(p + at, md5_magic, 2) == 0 && at > 0) {
            int error = parse_md5(table, p, at, diag);
            if (error) {
                return error;
            }
        } else if (memcmp(p + at, row_magic, 2) == 0) {
            if (table->has_md5) { /* bootloaders take it, nothing vouches for it */
                return molt_diag_at(diag, MOLT_E_TABLE_MD5, "a row behind the MD5 row", at);
            }
            if (table->count == MOLT_PTABLE_MAX_ROWS) {
                return molt_diag_at(diag, MOLT_E_TRUNCATED, "no end behind the last row", at);
            }
            parse_row(&table->row[table->count++], p + at);
        } else if (at > 0 && all_ff(p + at, ROW)) {
            return MOLT_OK;
        } else {
            return molt_diag_values(diag, MOLT_E_TABLE_MAGIC, "row", at, 0x50AA,
                                    molt_get_le16(p + at));
        }
    }
    return molt_diag_at(diag, MOLT_E_TRUNCATED, "no end behind the last row", n - n % ROW);
}

int molt_ptable_write(const struct molt_ptable *table, uint8_t bytes[MOLT_PTABLE_SIZE])
{
    uint32_t rows = table->count + (table->has_md5 ? 1 : 0);
    if (table->count > MOLT_PTABLE_MAX_ROWS || rows > MOLT_PTABLE_MAX_ROWS) {
        return MOLT_E_TABLE_FULL;
    }
    memset(bytes, 0xFF, MOLT_PTABLE_SIZE);
    uint8_t *p = bytes;
    for (uint32_t i = 0; i < table->count; i++, p += ROW) {
        const struct molt_partition *row = &table->row[i];
        memcpy(p, row_magic, 2);
        p[2] = row->type;
        p[3] = row->subtype;
        molt_put_le32(p + 4, row->offset);
        molt_put_le32(p + 8, row->size);
        memcpy(p + 12, row->label, MOLT_PARTITION_LABEL);
        molt_put_le32(p + 28, row->flags);
    }
    if (table->has_md5) {
        memcpy(p, md5_magic, 2);
        molt_md5(bytes, (uint32_t)(p - bytes), p + 16);
    }
    return MOLT_OK;
}

const struct molt_partition *molt_ptable_find(const struct molt_ptable *table, uint8_t type,
                                              uint8_t subtype)
{
    for (uint32_t i = 0; i < table->count; i++) {
        if (table->row[i].type == type && table->row[i].subtype == subtype) {
            return &table->row[i];
        }
    }
    return 0;
}

static bool same_label(const char *a, const char *b)
{
    for (uint32_t i = 0; i < MOLT_PARTITION_LABEL; i++) {
        if (a[i] != b[i]) {
            return false;
        }
        if (!a[i]) {
            return true;
        }
    }
    return a[MOLT_PARTITION_LABEL] == b[MOLT_PARTITION_LABEL];
}

const struct molt_partition *molt_ptable_find_label(const struct molt_ptable *table,
                                                    const char *label)
{
    for (uint32_t i = 0; i < table->count; i++) {
        if (same_label(table->row[i].label, label)) {
            return &table->row[i];
        }
    }
    return 0;
}

uint32_t molt_ptable_slot_count(const struct molt_ptable *table)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < table->count; i++) {
        const struct molt_partition *row = &table->row[i];
        if (row->type == MOLT_PARTITION_APP && row->subtype >= MOLT_APP_OTA_0 &&
            row->subtype <= MOLT_APP_OTA_15) {
            count++;
        }
    }
    return count;
}
