/* Two alternating files: the bytes that the device package (ota._pairs) writes and reads, too. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "molt/host/file.h"
#include "molt/stores.h"

#include "testing.h"

#define FILE_MAX (16 + MOLT_RECORD_MAX)

struct fixture {
    struct {
        char path[32];
        uint8_t bytes[FILE_MAX];
        uint32_t n;
    } file[4];
    uint32_t count;
    struct molt_files files;
    struct molt_filestore filestore;
    struct molt_store store;
};

static uint32_t find(const struct fixture *f, const char *path)
{
    uint32_t i = 0;
    while (i < f->count && strcmp(f->file[i].path, path) != 0) {
        i++;
    }
    return i;
}

static int read_file(void *context, const char *path, uint32_t offset, void *buffer, uint32_t n)
{
    struct fixture *f = context;
    uint32_t i = find(f, path);
    assert_int_equal(offset, 0);
    if (i == f->count) {
        return MOLT_E_NOT_FOUND;
    }
    n = n < f->file[i].n ? n : f->file[i].n;
    memcpy(buffer, f->file[i].bytes, n);
    return (int)n;
}

static int write_file(void *context, const char *path, uint32_t offset, const void *data,
                      uint32_t n)
{
    struct fixture *f = context;
    uint32_t i = find(f, path);
    assert_int_equal(offset, 0);
    assert_true(i < 4 && n <= FILE_MAX && strlen(path) < sizeof f->file[i].path);
    memcpy(f->file[i].path, path, strlen(path) + 1);
    memcpy(f->file[i].bytes, data, n);
    f->file[i].n = n;
    f->count += i == f->count;
    return MOLT_OK;
}

static int make_directory(void *context, const char *path)
{
    (void)context;
    assert_string_equal(path, "/.molt");
    return MOLT_OK;
}

static const struct molt_files_ops operations = {
    .read = read_file, .write = write_file, .mkdir = make_directory};

static void start(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    f->files.ops = &operations;
    f->files.context = f;
    molt_filestore_init(&f->filestore, &f->files, "/.molt", &f->store);
}

static void put(struct fixture *f, const char *text)
{
    assert_int_equal(f->store.ops->put(f->store.context, 3, text, (uint32_t)strlen(text)), MOLT_OK);
}

static void gets(struct fixture *f, const char *text)
{
    char found[MOLT_RECORD_MAX];
    int n = f->store.ops->get(f->store.context, 3, found, sizeof found);
    assert_int_equal(n, strlen(text));
    assert_memory_equal(found, text, strlen(text));
}

/* A file of tests/vectors/store; its length. */
static size_t vector(const char *name, uint8_t bytes[FILE_MAX])
{
    uint8_t *found;
    size_t n;
    char path[256];
    snprintf(path, sizeof path, "%s/vectors/store/%s", TEST_DATA, name);
    assert_int_equal(molt_file_read(path, FILE_MAX, &found, &n, NULL), MOLT_OK);
    memcpy(bytes, found, n);
    free(found);
    return n;
}

static void writes_the_vectors(void **state)
{
    struct fixture f;
    uint8_t bytes[FILE_MAX];
    (void)state;
    start(&f);
    put(&f, "first");
    put(&f, "second");
    put(&f, "third");
    assert_int_equal(f.count, 2);
    for (uint32_t i = 0; i < 2; i++) {
        size_t n = vector(i == 0 ? "r3.a" : "r3.b", bytes);
        assert_string_equal(f.file[i].path, i == 0 ? "/.molt/r3.a" : "/.molt/r3.b");
        assert_int_equal(f.file[i].n, n);
        assert_memory_equal(f.file[i].bytes, bytes, n);
    }
}

static void reads_the_vectors(void **state)
{
    struct fixture f;
    uint8_t bytes[FILE_MAX];
    (void)state;
    start(&f);
    write_file(&f, "/.molt/r3.b", 0, bytes, (uint32_t)vector("r3.b", bytes));
    gets(&f, "second");
    write_file(&f, "/.molt/r3.a", 0, bytes, (uint32_t)vector("r3.a", bytes));
    gets(&f, "third");
    f.file[1].bytes[17] ^= 1; /* torn: the older one counts */
    gets(&f, "second");
    put(&f, "fourth"); /* over the torn one */
    gets(&f, "fourth");
    assert_string_equal(f.file[1].path, "/.molt/r3.a");
    assert_int_equal(f.file[1].bytes[0], 3);
    put(&f, "");
    assert_int_equal(f.store.ops->get(f.store.context, 3, bytes, sizeof bytes), MOLT_E_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_the_vectors),
        cmocka_unit_test(reads_the_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
