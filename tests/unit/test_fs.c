/* What littlefs and FAT have to do alike, each with two sizes of blocks. */
#include "molt/host/fs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs_rig.h"
#include "testing.h"

static struct fs_rig rig, second;

struct variant {
    enum molt_fs_kind kind;
    uint32_t block_size;
};
static struct variant variants[] = {
    {MOLT_FS_LITTLEFS, 4096}, {MOLT_FS_LITTLEFS, 512}, {MOLT_FS_FAT, 4096}, {MOLT_FS_FAT, 512}};

static void make(void **state)
{
    const struct variant *variant = *state;
    fs_rig_make(&rig, variant->kind, variant->block_size);
    assert_int_equal(molt_fs_kind_of(rig.fs), variant->kind);
}

static void tree_of_files(void **state)
{
    struct molt_fs_entry entry;
    struct molt_fs_dir *dir;
    char said[1000];
    make(state);
    assert_int_equal(molt_fs_mkdir(rig.fs, "/d"), MOLT_OK);
    assert_int_equal(molt_fs_mkdir(rig.fs, "/d"), MOLT_E_EXISTS);
    assert_int_equal(molt_fs_mkdir(rig.fs, "/d/with blanks and Ünicöde ✓"), MOLT_OK);
    fs_rig_put(&rig, "/d/with blanks and Ünicöde ✓/файл", 1234, 1);
    fs_rig_put(&rig, "/empty", 0, 0);
    fs_rig_put(&rig, "/large", 300000, 2);
    fs_rig_put(&rig, "//d///replaced/", 70000, 3);
    fs_rig_put(&rig, "/d/replaced", 5, 4);
    fs_rig_unmount(&rig);
    fs_rig_mount(&rig);
    fs_rig_expect(&rig, "/d/with blanks and Ünicöde ✓/файл", 1234, 1);
    fs_rig_expect(&rig, "/empty", 0, 0);
    fs_rig_expect(&rig, "/large", 300000, 2);
    fs_rig_expect(&rig, "/d/replaced", 5, 4);
    assert_int_equal(molt_fs_stat(rig.fs, "/d/replaced", &entry), MOLT_OK);
    assert_string_equal(entry.name, "replaced");
    assert_true(!entry.is_folder && entry.size == 5);
    assert_int_equal(molt_fs_stat(rig.fs, "/", &entry), MOLT_OK);
    assert_true(entry.is_folder && strcmp(entry.name, "/") == 0);
    assert_int_equal(molt_fs_dir_open(rig.fs, "/d", &dir), MOLT_OK);
    int seen = 0;
    while (molt_fs_dir_next(dir, &entry) == 1) {
        seen += strcmp(entry.name, "with blanks and Ünicöde ✓") == 0 && entry.is_folder;
        seen += strcmp(entry.name, "replaced") == 0 && entry.size == 5 ? 10 : 0;
        seen += 100;
    }
    assert_int_equal(seen, 211);
    assert_int_equal(molt_fs_dir_next(dir, &entry), 0);
    molt_fs_dir_close(dir);
    assert_int_equal(fs_rig_check(&rig, said, sizeof said), 0);
    assert_string_equal(said, "");
    fs_rig_unmount(&rig);
}

static void errors_of_paths(void **state)
{
    struct molt_fs_entry entry;
    struct molt_fs_dir *dir;
    uint8_t *bytes;
    uint32_t n;
    static char deep[6000], name[300];
    make(state);
    fs_rig_put(&rig, "/file", 10, 1);
    assert_int_equal(molt_fs_mkdir(rig.fs, "/d"), MOLT_OK);
    fs_rig_put(&rig, "/d/in", 10, 2);
    assert_int_equal(molt_fs_stat(rig.fs, "file", &entry), MOLT_E_ARGUMENT);
    assert_int_equal(molt_fs_stat(rig.fs, "", &entry), MOLT_E_ARGUMENT);
    assert_int_equal(molt_fs_stat(rig.fs, "/d/../file", &entry), MOLT_E_ARGUMENT);
    assert_int_equal(molt_fs_stat(rig.fs, "/./file", &entry), MOLT_E_ARGUMENT);
    assert_int_equal(molt_fs_stat(rig.fs, "/none", &entry), MOLT_E_NOT_FOUND);
    assert_int_equal(molt_fs_stat(rig.fs, "/none/file", &entry), MOLT_E_NOT_FOUND);
    assert_int_equal(molt_fs_read_file(rig.fs, "/d", &bytes, &n), MOLT_E_ARGUMENT);
    assert_null(bytes);
    assert_int_equal(molt_fs_read_file(rig.fs, "/none", &bytes, &n), MOLT_E_NOT_FOUND);
    assert_int_equal(molt_fs_write_file(rig.fs, "/d", "x", 1), MOLT_E_ARGUMENT);
    assert_int_equal(molt_fs_write_file(rig.fs, "/", "x", 1), MOLT_E_ARGUMENT);
    assert_int_equal(molt_fs_write_file(rig.fs, "/none/x", "x", 1), MOLT_E_NOT_FOUND);
    assert_int_equal(molt_fs_mkdir(rig.fs, "/"), MOLT_E_EXISTS);
    assert_int_equal(molt_fs_mkdir(rig.fs, "/file"), MOLT_E_EXISTS);
    assert_int_equal(molt_fs_mkdir(rig.fs, "/none/x"), MOLT_E_NOT_FOUND);
    assert_int_equal(molt_fs_remove(rig.fs, "/"), MOLT_E_ARGUMENT);
    assert_int_equal(molt_fs_remove(rig.fs, "/none"), MOLT_E_NOT_FOUND);
    assert_int_equal(molt_fs_remove(rig.fs, "/d"), MOLT_E_ARGUMENT);
    assert_int_equal(molt_fs_dir_open(rig.fs, "/file", &dir), MOLT_E_ARGUMENT);
    assert_null(dir);
    assert_int_equal(molt_fs_dir_open(rig.fs, "/none", &dir), MOLT_E_NOT_FOUND);
    memset(name, 0, sizeof name);
    memset(name, 'n', 256);
    name[0] = '/';
    assert_int_equal(molt_fs_write_file(rig.fs, name, "x", 1), MOLT_OK); /* 255 */
    fs_rig_unmount(&rig);
    fs_rig_mount(&rig);
    assert_int_equal(molt_fs_stat(rig.fs, name, &entry), MOLT_OK);
    assert_string_equal(entry.name, name + 1);
    name[256] = 'n';
    assert_int_equal(molt_fs_write_file(rig.fs, name, "x", 1), MOLT_E_ARGUMENT);
    memset(deep, 'd', sizeof deep - 1);
    deep[0] = '/';
    assert_int_equal(molt_fs_stat(rig.fs, deep, &entry), MOLT_E_ARGUMENT);
    fs_rig_expect(&rig, "/file", 10, 1);
    fs_rig_unmount(&rig);
    assert_int_equal(molt_fs_unmount(NULL, NULL), MOLT_OK);
    molt_fs_dir_close(NULL);
}

static void renaming(void **state)
{
    struct molt_fs_entry entry;
    make(state);
    fs_rig_put(&rig, "/a", 1000, 1);
    fs_rig_put(&rig, "/b", 2000, 2);
    assert_int_equal(molt_fs_mkdir(rig.fs, "/d"), MOLT_OK);
    assert_int_equal(molt_fs_mkdir(rig.fs, "/d/e"), MOLT_OK);
    assert_int_equal(molt_fs_mkdir(rig.fs, "/empty"), MOLT_OK);
    assert_int_equal(molt_fs_rename(rig.fs, "/a", "/b"), MOLT_OK);
    fs_rig_expect(&rig, "/b", 1000, 1);
    assert_int_equal(molt_fs_stat(rig.fs, "/a", &entry), MOLT_E_NOT_FOUND);
    assert_int_equal(molt_fs_rename(rig.fs, "/b", "/b"), MOLT_OK);
    fs_rig_expect(&rig, "/b", 1000, 1);
    assert_int_equal(molt_fs_rename(rig.fs, "/b", "/d/e/moved here"), MOLT_OK);
    fs_rig_expect(&rig, "/d/e/moved here", 1000, 1);
    assert_int_equal(molt_fs_rename(rig.fs, "/none", "/x"), MOLT_E_NOT_FOUND);
    assert_int_equal(molt_fs_rename(rig.fs, "/d", "/none/x"), MOLT_E_NOT_FOUND);
    assert_int_equal(molt_fs_rename(rig.fs, "/d", "/d/e/d"), MOLT_E_ARGUMENT);
    assert_int_equal(molt_fs_rename(rig.fs, "/d", "/"), MOLT_E_ARGUMENT);
    assert_int_equal(molt_fs_rename(rig.fs, "/", "/x"), MOLT_E_ARGUMENT);
    assert_int_equal(molt_fs_rename(rig.fs, "/d/e/moved here", "/empty"), MOLT_E_ARGUMENT);
    assert_int_equal(molt_fs_rename(rig.fs, "/empty", "/d/e/moved here"), MOLT_E_ARGUMENT);
    assert_int_equal(molt_fs_rename(rig.fs, "/empty", "/d"), MOLT_E_ARGUMENT); /* is not empty */
    assert_int_equal(molt_fs_rename(rig.fs, "/d/e", "/empty"), MOLT_OK);
    fs_rig_expect(&rig, "/empty/moved here", 1000, 1);
    assert_int_equal(molt_fs_remove(rig.fs, "/empty/moved here"), MOLT_OK);
    assert_int_equal(molt_fs_remove(rig.fs, "/empty"), MOLT_OK);
    assert_int_equal(molt_fs_remove(rig.fs, "/d"), MOLT_OK);
    fs_rig_unmount(&rig);
}

/* A full file system: what was there is whole, and nothing of the new file is left. */
static void full(void **state)
{
    struct molt_fs_space before, after;
    struct molt_fs_entry entry;
    uint8_t *bytes = calloc(1, FS_RIG_SIZE);
    char path[20], said[300];
    make(state);
    assert_non_null(bytes);
    fs_rig_put(&rig, "/kept", 20000, 1);
    assert_int_equal(molt_fs_space(rig.fs, &before), MOLT_OK);
    assert_true(before.total * before.block_size <= FS_RIG_SIZE);
    assert_int_equal(molt_fs_write_file(rig.fs, "/too large", bytes, FS_RIG_SIZE), MOLT_E_NO_SPACE);
    assert_int_equal(molt_fs_stat(rig.fs, "/too large", &entry), MOLT_E_NOT_FOUND);
    assert_int_equal(molt_fs_write_file(rig.fs, "/kept", bytes, FS_RIG_SIZE), MOLT_E_NO_SPACE);
    fs_rig_expect(&rig, "/kept", 20000, 1);
    int code = MOLT_OK, count = 0;
    while (code == MOLT_OK && count < 1000) {
        snprintf(path, sizeof path, "/fill%d", count++);
        code = molt_fs_write_file(rig.fs, path, bytes, 30000);
    }
    assert_int_equal(code, MOLT_E_NO_SPACE);
    assert_true(count > 10);
    assert_int_equal(molt_fs_stat(rig.fs, path, &entry), MOLT_E_NOT_FOUND);
    /* As much as it has must go into it: nothing was lost on the way. */
    assert_int_equal(molt_fs_space(rig.fs, &after), MOLT_OK);
    assert_true((after.total - after.used) * after.block_size < 60000);
    assert_int_equal(molt_fs_write_file(rig.fs, "/kept", bytes, 60000), MOLT_E_NO_SPACE);
    fs_rig_expect(&rig, "/kept", 20000, 1);
    assert_int_equal(fs_rig_check(&rig, said, sizeof said), 0);
    for (int i = 0; i + 1 < count; i++) {
        snprintf(path, sizeof path, "/fill%d", i);
        assert_int_equal(molt_fs_remove(rig.fs, path), MOLT_OK);
    }
    assert_int_equal(molt_fs_space(rig.fs, &after), MOLT_OK);
    assert_true(after.used <= before.used + 4);
    fs_rig_unmount(&rig);
    free(bytes);
}

static void read_only(void **state)
{
    uint8_t *bytes;
    uint32_t n;
    make(state);
    fs_rig_put(&rig, "/a", 10, 1);
    fs_rig_unmount(&rig);
    uint64_t operations = rig.nor.operations;
    assert_int_equal(molt_fs_mount(&rig.fs, &rig.flash, FS_RIG_OFFSET, FS_RIG_SIZE, true, NULL),
                     MOLT_OK);
    assert_int_equal(molt_fs_write_file(rig.fs, "/a", "x", 1), MOLT_E_PERMISSION);
    assert_int_equal(molt_fs_mkdir(rig.fs, "/d"), MOLT_E_PERMISSION);
    assert_int_equal(molt_fs_remove(rig.fs, "/a"), MOLT_E_PERMISSION);
    assert_int_equal(molt_fs_rename(rig.fs, "/a", "/b"), MOLT_E_PERMISSION);
    assert_int_equal(molt_fs_grow(rig.fs, FS_RIG_SIZE, NULL), MOLT_E_PERMISSION);
    assert_int_equal(molt_fs_read_file(rig.fs, "/a", &bytes, &n), MOLT_OK);
    free(bytes);
    fs_rig_unmount(&rig);
    assert_int_equal(rig.nor.operations, operations);
}

/* Two at once, and many one after the other: FatFs has a table of volumes. */
static void several_mounts(void **state)
{
    struct molt_fs *more[9];
    make(state);
    fs_rig_put(&rig, "/first", 100, 1);
    const struct variant *variant = *state;
    fs_rig_make(&second, variant->kind, variant->block_size);
    fs_rig_put(&second, "/second", 100, 2);
    fs_rig_expect(&rig, "/first", 100, 1);
    fs_rig_expect(&second, "/second", 100, 2);
    fs_rig_unmount(&second);
    for (int i = 0; i < 30; i++) {
        fs_rig_mount(&second);
        fs_rig_expect(&second, "/second", 100, 2);
        fs_rig_unmount(&second);
    }
    for (int i = 0; i < 9; i++) {
        assert_int_equal(
            molt_fs_mount(&more[i], &rig.flash, FS_RIG_OFFSET, FS_RIG_SIZE, true, NULL), MOLT_OK);
    }
    int code = molt_fs_mount(&second.fs, &rig.flash, FS_RIG_OFFSET, FS_RIG_SIZE, true, NULL);
    assert_int_equal(code, variant->kind == MOLT_FS_FAT ? MOLT_E_BUSY : MOLT_OK);
    molt_fs_unmount(second.fs, NULL);
    for (int i = 0; i < 9; i++) {
        assert_int_equal(molt_fs_unmount(more[i], NULL), MOLT_OK);
    }
    fs_rig_put(&rig, "/first", 200, 3);
    fs_rig_expect(&rig, "/first", 200, 3);
    fs_rig_unmount(&rig);
}

/* At each operation of the flash: the error is the flash's, and what was there is there. */
static void power_cuts(void **state)
{
    const struct variant *variant = *state;
    static uint8_t start[FS_RIG_CHIP];
    make(state);
    fs_rig_put(&rig, "/other", 5000, 5);
    fs_rig_put(&rig, "/file", 9000, 6);
    fs_rig_unmount(&rig);
    memcpy(start, rig.bytes, sizeof start);
    for (uint32_t cut = 1;; cut++) {
        memcpy(rig.bytes, start, sizeof start);
        molt_nor_init(&rig.nor, rig.bytes, FS_RIG_CHIP, 7);
        rig.nor.cut_at = cut;
        rig.nor.cut = MOLT_CUT_BEFORE;
        fs_rig_mount(&rig);
        uint8_t bytes[7000];
        fs_rig_fill(bytes, sizeof bytes, 7);
        int code = molt_fs_write_file(rig.fs, "/file", bytes, sizeof bytes);
        int left = molt_fs_unmount(rig.fs, NULL);
        if (code == MOLT_OK) {
            assert_int_equal(left, MOLT_OK);
            assert_true(cut > 3);
            return;
        }
        assert_int_equal(code, MOLT_E_POWER);
        molt_nor_power_up(&rig.nor);
        if (variant->kind == MOLT_FS_LITTLEFS && variant->block_size == 4096) {
            struct molt_fs_entry entry;
            fs_rig_mount(&rig);
            assert_int_equal(molt_fs_stat(rig.fs, "/file", &entry), MOLT_OK);
            fs_rig_expect(&rig, "/file", entry.size, entry.size == 9000 ? 6 : 7);
            fs_rig_expect(&rig, "/other", 5000, 5);
            fs_rig_unmount(&rig);
        }
    }
}

static int failing_read(void *context, uint32_t offset, void *buffer, uint32_t n)
{
    (void)context;
    (void)offset;
    memset(buffer, 0, n);
    return MOLT_E_IO;
}

/* Reading fails: every call says what the flash said. */
static void flash_errors(void **state)
{
    struct molt_fs_facts facts;
    struct molt_fs *fs = NULL;
    uint8_t *bytes;
    uint32_t n;
    char said[200];
    make(state);
    fs_rig_put(&rig, "/a", 100000, 1);
    fs_rig_unmount(&rig);
    struct molt_flash_ops ops = *rig.flash.ops;
    struct molt_flash flash = rig.flash;
    flash.ops = &ops;
    assert_int_equal(molt_fs_mount(&fs, &flash, FS_RIG_OFFSET, FS_RIG_SIZE, false, NULL), MOLT_OK);
    ops.read = failing_read;
    assert_int_equal(molt_fs_read_file(fs, "/a", &bytes, &n), MOLT_E_IO);
    assert_null(bytes);
    assert_int_equal(molt_fs_check(fs, NULL, NULL), MOLT_E_IO);
    assert_int_equal(fs_rig_check(&(struct fs_rig){.fs = fs}, said, sizeof said), MOLT_E_IO);
    molt_fs_unmount(fs, NULL);
    assert_int_equal(molt_fs_probe(&facts, &flash, FS_RIG_OFFSET, FS_RIG_SIZE), MOLT_E_IO);
    assert_int_equal(molt_fs_mount(&fs, &flash, FS_RIG_OFFSET, FS_RIG_SIZE, false, NULL),
                     MOLT_E_IO);
    assert_null(fs);
}

static void files_interface(void **state)
{
    struct molt_files files;
    uint32_t size, before, bytes = 3;
    uint8_t back[10];
    char name[4];
    make(state);
    molt_fs_files(rig.fs, &files);
    void *fs = files.context;
    assert_ptr_equal(fs, rig.fs);
    assert_int_equal(files.ops->space(fs, &before), MOLT_OK);
    assert_int_equal(files.ops->write(fs, "/a", 0, "hello", 5), MOLT_OK);
    assert_int_equal(files.ops->write(fs, "/a", 5, "world", 5), MOLT_OK);
    assert_int_equal(files.ops->write(fs, "/a", 7, "x", 1), MOLT_E_RANGE);
    assert_int_equal(files.ops->write(fs, "/none", 7, "x", 1), MOLT_E_NOT_FOUND);
    assert_int_equal(files.ops->read(fs, "/a", 3, back, sizeof back), 7);
    assert_memory_equal(back, "loworld", 7);
    assert_int_equal(files.ops->read(fs, "/a", 20, back, sizeof back), 0);
    assert_int_equal(files.ops->read(fs, "/a", 0xFFFFFFFF, back, 1), MOLT_E_RANGE);
    assert_int_equal(files.ops->mkdir(fs, "/d"), MOLT_OK);
    assert_int_equal(files.ops->mkdir(fs, "/d"), MOLT_OK);
    assert_int_equal(files.ops->mkdir(fs, "/a"), MOLT_E_EXISTS);
    assert_int_equal(files.ops->mkdir(fs, "/d/e"), MOLT_OK);
    assert_int_equal(files.ops->write(fs, "/d/e/f", 0, "1234567", 7), MOLT_OK);
    assert_int_equal(files.ops->stat(fs, "/d", &size), MOLT_DIRECTORY);
    assert_int_equal(files.ops->stat(fs, "/d/e/f", &size), MOLT_FILE);
    assert_int_equal(size, 7);
    assert_int_equal(files.ops->list(fs, "/d/e", 0, name, sizeof name), 1);
    assert_string_equal(name, "f");
    assert_int_equal(files.ops->list(fs, "/d/e", 1, name, sizeof name), 0);
    assert_int_equal(files.ops->list(fs, "/none", 0, name, sizeof name), MOLT_E_NOT_FOUND);
    assert_int_equal(files.ops->measure(fs, "/d", &bytes), MOLT_OK);
    assert_true(bytes > 3 + 7 && bytes <= 3 + 7 + 4 * 4096);
    assert_int_equal(files.ops->rename(fs, "/a", "/d/e/f"), MOLT_OK);
    for (int steps = 0; steps < 3; steps++) {
        assert_int_equal(files.ops->prune(fs, "/d"), MOLT_OK);
    }
    assert_int_equal(files.ops->prune(fs, "/d"), MOLT_E_NOT_FOUND);
    assert_int_equal(files.ops->remove(fs, "/d"), MOLT_E_NOT_FOUND);
    fs_rig_unmount(&rig);
}

#define EACH(test)                                                                                 \
    cmocka_unit_test_prestate(test, &variants[0]), cmocka_unit_test_prestate(test, &variants[1]),  \
        cmocka_unit_test_prestate(test, &variants[2]),                                             \
        cmocka_unit_test_prestate(test, &variants[3])

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(tree_of_files), EACH(errors_of_paths), EACH(renaming),
        EACH(full),          EACH(read_only),       EACH(several_mounts),
        EACH(power_cuts),    EACH(flash_errors),    EACH(files_interface)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
