/*
 * store.bin and weak.bin of a board's folder. store.bin: "MST1", then for each record: number u8,
 * 0, length u16, CRC-32 of the record u32, the record. weak.bin: "MWK1", the generator's state u64,
 * count u32, for each cell offset u32 and mask u8, then the CRC-32 of all before. Little-endian.
 */
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "host/board_internal.h"
#include "molt/host/file.h"

#define STORE_LIMIT (4u + 255u * (8u + MOLT_RECORD_MAX))
#define WEAK_HEAD   16u
#define WEAK_LIMIT  0x10000000u

static void put32(uint8_t *p, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++) {
        p[i] = (uint8_t)(value >> (8 * i));
    }
}

/* The whole file, checked; *n is 0 when there is none yet. The caller frees. */
static int load(const struct molt_board *board, uint8_t **bytes, size_t *n)
{
    char path[BOARD_PATH];
    board_file(path, board->path, "store.bin");
    int error = molt_file_read(path, STORE_LIMIT, bytes, n, NULL);
    if (error == MOLT_E_NOT_FOUND) {
        *bytes = NULL;
        *n = 0;
        return MOLT_OK;
    }
    if (error < 0) {
        return error == MOLT_E_RANGE || error == MOLT_E_ARGUMENT ? MOLT_E_STORE : error;
    }
    bool good = *n >= 4 && memcmp(*bytes, "MST1", 4) == 0;
    for (size_t at = 4; good && at < *n;) {
        const uint8_t *head = *bytes + at;
        good = *n - at >= 8 && *n - at - 8 >= molt_get_le16(head + 2) &&
               molt_crc32(0, head + 8, molt_get_le16(head + 2)) == molt_get_le32(head + 4);
        at += 8u + (good ? molt_get_le16(head + 2) : 0u);
    }
    if (!good) {
        free(*bytes);
        *bytes = NULL;
        return MOLT_E_STORE;
    }
    return MOLT_OK;
}

int board_store_check(const struct molt_board *board, struct molt_message *message)
{
    uint8_t *bytes;
    size_t n;
    int error = load(board, &bytes, &n);
    free(bytes);
    return error < 0 ? molt_fail(message, error,
                                 "%s/store.bin: %s: put the right file there, or remove it: the "
                                 "board then knows no keys and no updates",
                                 board->path, molt_strerror(error))
                     : MOLT_OK;
}

static int store_get(void *context, int record, void *buffer, uint32_t capacity)
{
    const struct molt_board *board = context;
    uint8_t *bytes;
    size_t n;
    if (board->nor.off) {
        return MOLT_E_POWER;
    }
    int found = load(board, &bytes, &n);
    if (found < 0) {
        return found;
    }
    found = MOLT_E_NOT_FOUND;
    for (size_t at = 4; at < n && found < 0; at += 8u + molt_get_le16(bytes + at + 2)) {
        uint32_t length = molt_get_le16(bytes + at + 2);
        if (bytes[at] == record) {
            memcpy(buffer, bytes + at + 8, length < capacity ? length : capacity);
            found = (int)length;
        }
    }
    free(bytes);
    return found;
}

/* The file with one record replaced, appended or (n == 0) removed. */
static int replace(struct molt_board *board, int record, const void *data, uint32_t n)
{
    char path[BOARD_PATH];
    uint8_t *old;
    size_t old_n;
    int error = load(board, &old, &old_n);
    if (error < 0) {
        return error;
    }
    uint8_t *fresh = malloc(old_n + 4 + 8 + n);
    if (!fresh) {
        free(old);
        return MOLT_E_NO_MEMORY;
    }
    size_t used = 4;
    memcpy(fresh, "MST1", 4);
    for (size_t at = 4; at < old_n;) {
        size_t whole = 8u + molt_get_le16(old + at + 2);
        if (old[at] != record) {
            memcpy(fresh + used, old + at, whole);
            used += whole;
        }
        at += whole;
    }
    if (n > 0) {
        uint8_t *head = fresh + used;
        put32(head, (uint32_t)record | n << 16);
        put32(head + 4, molt_crc32(0, data, n));
        memcpy(head + 8, data, n);
        used += 8 + n;
    }
    board_file(path, board->path, "store.bin");
    error = molt_file_write(path, fresh, used, 0666, MOLT_FILE_REPLACE, NULL);
    free(old);
    free(fresh);
    return error;
}

static int store_put(void *context, int record, const void *data, uint32_t n)
{
    struct molt_board *board = context;
    if (record < 1 || record > 255 || n > MOLT_RECORD_MAX) {
        return MOLT_E_ARGUMENT;
    }
    int power = molt_nor_operation(&board->nor);
    if (power < 0) {
        return power;
    }
    int error = replace(board, record, data, n);
    return error < 0 || power == 0 ? error : MOLT_E_POWER;
}

static const struct molt_store_ops operations = {store_get, store_put};

void board_store_start(struct molt_board *board)
{
    board->store.ops = &operations;
    board->store.context = board;
}

int board_weak_save(struct molt_board *board, struct molt_message *message)
{
    char path[BOARD_PATH];
    const struct molt_nor *nor = &board->nor;
    board->weak_kept = nor->weak_count;
    size_t n = WEAK_HEAD + 5u * (size_t)nor->weak_count;
    uint8_t *bytes = malloc(n + 4);
    if (!bytes) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "%s: no memory for weak.bin", board->path);
    }
    memcpy(bytes, "MWK1", 4);
    put32(bytes + 4, (uint32_t)nor->random);
    put32(bytes + 8, (uint32_t)(nor->random >> 32));
    put32(bytes + 12, nor->weak_count);
    for (uint32_t i = 0; i < nor->weak_count; i++) {
        put32(bytes + WEAK_HEAD + 5u * (size_t)i, nor->weak[i].offset);
        bytes[WEAK_HEAD + 5u * (size_t)i + 4] = nor->weak[i].mask;
    }
    put32(bytes + n, molt_crc32(0, bytes, (uint32_t)n));
    board_file(path, board->path, "weak.bin");
    int error = molt_file_write(path, bytes, n + 4, 0666, MOLT_FILE_REPLACE, message);
    free(bytes);
    return error;
}

/* false = malformed. */
static bool weak_parse(struct molt_nor *nor, const uint8_t *bytes, size_t n)
{
    if (n < WEAK_HEAD + 4 || memcmp(bytes, "MWK1", 4) != 0) {
        return false;
    }
    uint32_t count = molt_get_le32(bytes + 12);
    if ((n - WEAK_HEAD - 4) % 5 != 0 || (n - WEAK_HEAD - 4) / 5 != count ||
        molt_crc32(0, bytes, (uint32_t)(n - 4)) != molt_get_le32(bytes + n - 4)) {
        return false;
    }
    nor->random = molt_get_le64(bytes + 4);
    nor->weak = count ? calloc(count, sizeof *nor->weak) : NULL;
    if (count && !nor->weak) {
        return false;
    }
    nor->weak_capacity = count;
    for (; nor->weak_count < count; nor->weak_count++) {
        const uint8_t *cell = bytes + WEAK_HEAD + 5u * (size_t)nor->weak_count;
        if (molt_get_le32(cell) >= nor->size) {
            return false;
        }
        nor->weak[nor->weak_count] = (struct molt_nor_weak){molt_get_le32(cell), cell[4]};
    }
    return true;
}

int board_weak_load(struct molt_board *board, struct molt_message *message)
{
    char path[BOARD_PATH];
    uint8_t *bytes;
    size_t n;
    board_file(path, board->path, "weak.bin");
    int error = molt_file_read(path, WEAK_LIMIT, &bytes, &n, message);
    if (error == MOLT_E_NOT_FOUND) {
        return MOLT_OK;
    }
    if (error < 0) {
        return error;
    }
    bool good = weak_parse(&board->nor, bytes, n);
    free(bytes);
    board->weak_kept = board->nor.weak_count;
    return good ? MOLT_OK
                : molt_fail(message, MOLT_E_FORMAT,
                            "%s: malformed: remove it, and no cell of the flash is weak", path);
}
