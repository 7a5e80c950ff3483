#include <string.h>

#include "core/bytes.h"
#include "molt/stores.h"

/* counter u32, length u32, record's number u32, CRC-32 of these and the data u32, data */
#define HEAD          16
#define DIRECTORY_MAX 48

/* <directory>/rN.a or .b */
static void make_path(const struct molt_filestore *f, int record, int copy, char *path)
{
    uint32_t n = 0;
    while (n < DIRECTORY_MAX && f->directory[n]) {
        path[n] = f->directory[n];
        n++;
    }
    path[n++] = '/';
    path[n++] = 'r';
    path[n++] = (char)('0' + record);
    path[n++] = '.';
    path[n++] = (char)('a' + copy);
    path[n] = 0;
}

static uint32_t crc_of(const uint8_t *head, const void *data, uint32_t n)
{
    return molt_crc32(molt_crc32(0, head, HEAD - 4), data, n);
}

/* Reads one copy into file (HEAD + MOLT_RECORD_MAX bytes): its length, or an error when it does not
 * count. */
static int read_copy(const struct molt_filestore *f, int record, int copy, uint8_t *file)
{
    char path[DIRECTORY_MAX + 8];
    make_path(f, record, copy, path);
    int got = f->files->ops->read(f->files->context, path, 0, file, HEAD + MOLT_RECORD_MAX);
    if (got == MOLT_E_POWER || got == MOLT_E_IO) {
        return got;
    }
    if (got < HEAD) {
        return MOLT_E_NOT_FOUND;
    }
    uint32_t n = molt_get_le32(file + 4);
    if (n != (uint32_t)got - HEAD || molt_get_le32(file + 8) != (uint32_t)record ||
        molt_get_le32(file + 12) != crc_of(file, file + HEAD, n)) {
        return MOLT_E_NOT_FOUND;
    }
    return (int)n;
}

/* The copy that counts, read into file: 0 or 1; MOLT_E_NOT_FOUND; *counter is its own, 0 when there
 * is none. */
static int newest(const struct molt_filestore *f, int record, uint8_t *file, uint32_t *counter)
{
    int found = MOLT_E_NOT_FOUND, last = 0;
    *counter = 0;
    for (int copy = 0; copy < 2; copy++) {
        last = read_copy(f, record, copy, file);
        if (last < 0 && last != MOLT_E_NOT_FOUND) {
            return last;
        }
        if (last >= 0 && (found < 0 || molt_get_le32(file) > *counter)) {
            found = copy;
            *counter = molt_get_le32(file);
        }
    }
    if (found == 0) { /* the second copy was read over it */
        last = read_copy(f, record, 0, file);
        return last < 0 ? last : 0;
    }
    return found;
}

static int get(void *context, int record, void *buffer, uint32_t capacity)
{
    const struct molt_filestore *f = context;
    uint8_t file[HEAD + MOLT_RECORD_MAX];
    uint32_t counter;
    int copy = newest(f, record, file, &counter);
    if (copy < 0) {
        return copy;
    }
    uint32_t n = molt_get_le32(file + 4);
    if (n == 0) {
        return MOLT_E_NOT_FOUND; /* removed */
    }
    memcpy(buffer, file + HEAD, n < capacity ? n : capacity);
    return (int)n;
}

static int put(void *context, int record, const void *data, uint32_t n)
{
    const struct molt_filestore *f = context;
    uint8_t file[HEAD + MOLT_RECORD_MAX];
    char path[DIRECTORY_MAX + 8];
    uint32_t counter;
    if (n > MOLT_RECORD_MAX) {
        return MOLT_E_NO_SPACE;
    }
    int copy = newest(f, record, file, &counter);
    if (copy < 0 && copy != MOLT_E_NOT_FOUND) {
        return copy;
    }
    int code = f->files->ops->mkdir(f->files->context, f->directory);
    if (code < 0) {
        return code;
    }
    molt_put_le32(file, counter + 1);
    molt_put_le32(file + 4, n);
    molt_put_le32(file + 8, (uint32_t)record);
    memcpy(file + HEAD, data, n);
    molt_put_le32(file + 12, crc_of(file, file + HEAD, n));
    make_path(f, record, copy == 0 ? 1 : 0, path);
    return f->files->ops->write(f->files->context, path, 0, file, HEAD + n);
}

static const struct molt_store_ops operations = {get, put};

void molt_filestore_init(struct molt_filestore *filestore, const struct molt_files *files,
                         const char *directory, struct molt_store *store)
{
    filestore->files = files;
    filestore->directory = directory;
    store->ops = &operations;
    store->context = filestore;
}
