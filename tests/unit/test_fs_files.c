#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <lfs.h>
#include <stdio.h>
#include <string.h>

#include "molt/host/fs.h"
#include "molt/sim/nor.h"

#define CHIP_SIZE (40u * 4096u)
#define FS_OFFSET (4u * 4096u)
#define FS_SIZE   (32u * 4096u)

struct chip {
    uint8_t bytes[CHIP_SIZE];
    struct molt_nor nor;
    struct molt_flash flash;
};

static void power_on(struct chip *chip)
{
    molt_nor_init(&chip->nor, chip->bytes, CHIP_SIZE, 7);
    molt_nor_flash(&chip->nor, &chip->flash);
}

static void chip_init(struct chip *chip)
{
    memset(chip->bytes, 0xFF, sizeof chip->bytes);
    power_on(chip);
}

static int broken_read(void *context, uint32_t offset, void *buffer, uint32_t n)
{
    (void)context;
    (void)offset;
    memset(buffer, 0, n);
    return MOLT_E_IO;
}

static struct molt_fs *mount(struct chip *chip, struct molt_files *files)
{
    struct molt_fs *fs;
    struct molt_message message = {0};
    if (molt_fs_mount(&fs, &chip->flash, FS_OFFSET, FS_SIZE, false, &message) != MOLT_OK) {
        fail_msg("%s", message.text);
    }
    molt_fs_files(fs, files);
    return fs;
}

static void format(struct chip *chip)
{
    chip_init(chip);
    assert_int_equal(molt_fs_format(&chip->flash, FS_OFFSET, FS_SIZE, NULL, NULL), MOLT_OK);
}

/* Text of n bytes that differs by seed. */
static void fill(uint8_t *bytes, uint32_t n, unsigned seed)
{
    for (uint32_t i = 0; i < n; i++) {
        bytes[i] = (uint8_t)(i * 31 + seed * 17 + (i >> 8));
    }
}

static void test_files(void **state)
{
    (void)state;
    static struct chip chip;
    static uint8_t content[9000], back[9001];
    struct molt_files files;
    uint32_t size = 7;
    char name[16];
    format(&chip);
    struct molt_fs *fs = mount(&chip, &files);
    fill(content, sizeof content, 1);

    assert_int_equal(files.ops->stat(fs, "/a", &size), MOLT_E_NOT_FOUND);
    assert_int_equal(files.ops->read(fs, "/a", 0, back, 1), MOLT_E_NOT_FOUND);
    assert_int_equal(files.ops->remove(fs, "/a"), MOLT_E_NOT_FOUND);
    assert_int_equal(files.ops->write(fs, "/a", 0, content, 4096), MOLT_OK);
    assert_int_equal(files.ops->write(fs, "/a", 4096, content + 4096, 4904), MOLT_OK);
    assert_int_equal(files.ops->write(fs, "/a", 4096, content, 1), MOLT_E_RANGE);
    assert_int_equal(files.ops->stat(fs, "/a", &size), MOLT_FILE);
    assert_int_equal(size, 9000);
    assert_int_equal(files.ops->read(fs, "/a", 0, back, sizeof back), 9000);
    assert_memory_equal(back, content, 9000);
    assert_int_equal(files.ops->read(fs, "/a", 8999, back, 5), 1);
    assert_int_equal(back[0], content[8999]);
    assert_int_equal(files.ops->read(fs, "/a", 0xFFFFFFFF, back, 5), MOLT_E_RANGE);

    assert_int_equal(files.ops->mkdir(fs, "/d"), MOLT_OK);
    assert_int_equal(files.ops->mkdir(fs, "/d"), MOLT_OK);
    assert_int_equal(files.ops->mkdir(fs, "/a"), MOLT_E_EXISTS);
    assert_int_equal(files.ops->stat(fs, "/d", &size), MOLT_DIRECTORY);
    assert_int_equal(files.ops->write(fs, "/d", 0, content, 1), MOLT_E_ARGUMENT);
    assert_int_equal(files.ops->write(fs, "/d/b", 0, content, 1), MOLT_OK);
    assert_int_equal(files.ops->remove(fs, "/d"), MOLT_E_ARGUMENT);
    assert_int_equal(files.ops->list(fs, "/", 0, name, sizeof name), 1);
    assert_string_equal(name, "a");
    assert_int_equal(files.ops->list(fs, "/", 1, name, sizeof name), 1);
    assert_string_equal(name, "d");
    assert_int_equal(files.ops->list(fs, "/", 2, name, sizeof name), 0);
    assert_int_equal(files.ops->list(fs, "/", 0xFFFFFFFF, name, sizeof name), 0);
    assert_int_equal(files.ops->list(fs, "/none", 0, name, sizeof name), MOLT_E_NOT_FOUND);
    assert_int_equal(files.ops->list(fs, "/", 0, name, 1), 1);
    assert_string_equal(name, ""); /* cut */
    assert_int_equal(files.ops->rename(fs, "/d/b", "/a"), MOLT_OK);
    assert_int_equal(files.ops->stat(fs, "/a", &size), MOLT_FILE);
    assert_int_equal(size, 1);
    assert_int_equal(files.ops->remove(fs, "/d"), MOLT_OK);
    molt_fs_unmount(fs, NULL);

    fs = mount(&chip, &files);
    assert_int_equal(files.ops->read(fs, "/a", 0, back, 5), 1);
    assert_int_equal(back[0], content[0]);
    molt_fs_unmount(fs, NULL);
}

/* What an application may make: names of 255 bytes, folders deeper than any path of ours. */
static void test_trees(void **state)
{
    (void)state;
    static struct chip chip;
    struct molt_files files;
    static char path[5000], name[256], back[8];
    uint32_t bytes = 5, steps = 0;
    int code;
    format(&chip);
    struct molt_fs *fs = mount(&chip, &files);
    memset(name, 'n', 255);
    assert_int_equal(files.ops->mkdir(fs, "/t"), MOLT_OK);
    strcpy(path, "/t");
    for (int depth = 0; depth < 12; depth++) {
        size_t n = strlen(path);
        snprintf(path + n, sizeof path - n, "/file");
        assert_int_equal(files.ops->write(fs, path, 0, "1234567", 7), MOLT_OK);
        snprintf(path + n, sizeof path - n, "/%s", name);
        assert_int_equal(files.ops->mkdir(fs, path), MOLT_OK);
    }
    assert_int_equal(files.ops->list(fs, "/t", 1, back, sizeof back), 1);
    assert_string_equal(back, "nnnnnnn"); /* cut */
    assert_int_equal(files.ops->measure(fs, "/t", &bytes), MOLT_OK);
    assert_int_equal(bytes, 5 + 12 * 7 + 13 * 2 * 4096);
    assert_int_equal(files.ops->measure(fs, "/none", &bytes), MOLT_E_NOT_FOUND);
    while ((code = files.ops->prune(fs, "/t")) == MOLT_OK) {
        steps++;
    }
    assert_int_equal(code, MOLT_E_NOT_FOUND);
    assert_int_equal(steps, 12 * 2 + 1);
    assert_int_equal(files.ops->stat(fs, "/t", &bytes), MOLT_E_NOT_FOUND);
    molt_fs_unmount(fs, NULL);
}

static void test_errors(void **state)
{
    (void)state;
    static struct chip chip;
    static uint8_t content[FS_SIZE];
    struct molt_files files;
    struct molt_fs *fs = (void *)&chip;
    struct molt_message message;
    char path[MOLT_PATH_MAX * 3];
    chip_init(&chip);
    assert_int_equal(molt_fs_mount(&fs, &chip.flash, FS_OFFSET, FS_SIZE, false, &message),
                     MOLT_E_FORMAT);
    assert_null(fs);
    assert_non_null(strstr(message.text, "0x4000"));
    assert_int_equal(molt_fs_mount(&fs, &chip.flash, FS_OFFSET + 1, FS_SIZE, false, NULL),
                     MOLT_E_ALIGNMENT);
    assert_int_equal(molt_fs_mount(&fs, &chip.flash, FS_OFFSET, CHIP_SIZE, false, NULL),
                     MOLT_E_RANGE);
    assert_int_equal(molt_fs_format(&chip.flash, FS_OFFSET, 4096, NULL, NULL), MOLT_E_ALIGNMENT);
    struct molt_flash_ops broken_ops = *chip.flash.ops;
    struct molt_flash broken = chip.flash;
    broken_ops.read = broken_read;
    broken.ops = &broken_ops;
    assert_int_equal(molt_fs_mount(&fs, &broken, FS_OFFSET, FS_SIZE, false, NULL), MOLT_E_IO);

    format(&chip);
    /* A larger file system than the range. */
    assert_int_equal(molt_fs_mount(&fs, &chip.flash, FS_OFFSET, FS_SIZE / 2, false, NULL),
                     MOLT_E_FORMAT);
    fs = mount(&chip, &files);
    uint32_t before, after;
    assert_int_equal(files.ops->space(fs, &before), MOLT_OK);
    assert_true(before >= 28 * 4096 && before <= 30 * 4096);
    assert_int_equal(files.ops->write(fs, "/a", 0, content, 4096 * 3), MOLT_OK);
    assert_int_equal(files.ops->space(fs, &after), MOLT_OK);
    assert_true(before - after >= 3 * 4096);
    assert_int_equal(files.ops->write(fs, "/big", 0, content, FS_SIZE), MOLT_E_NO_SPACE);
    /* A failed write leaves no content behind. */
    uint32_t size = 9;
    int kind = files.ops->stat(fs, "/big", &size);
    assert_true(kind == MOLT_E_NOT_FOUND || (kind == MOLT_FILE && size == 0));
    memset(path, 'x', sizeof path);
    path[0] = '/';
    path[sizeof path - 1] = 0;
    assert_int_equal(files.ops->write(fs, path, 0, content, 1), MOLT_E_ARGUMENT);
    chip.nor.cut_at = chip.nor.operations + 1;
    chip.nor.cut = MOLT_CUT_BEFORE;
    assert_int_equal(files.ops->write(fs, "/a", 0, content, 10000), MOLT_E_POWER);
    assert_int_equal(files.ops->read(fs, "/a", 0, content, 10), MOLT_E_POWER);
    molt_fs_unmount(fs, NULL);
}

/* ---- The version on the flash ---- */

static struct chip old_chip;

static int raw_read(const struct lfs_config *config, lfs_block_t block, lfs_off_t at, void *buffer,
                    lfs_size_t n)
{
    (void)config;
    return molt_flash_read(&old_chip.flash, FS_OFFSET + block * 4096 + at, buffer, n);
}

static int raw_program(const struct lfs_config *config, lfs_block_t block, lfs_off_t at,
                       const void *data, lfs_size_t n)
{
    (void)config;
    return molt_flash_program(&old_chip.flash, FS_OFFSET + block * 4096 + at, data, n);
}

static int raw_erase(const struct lfs_config *config, lfs_block_t block)
{
    (void)config;
    return molt_flash_erase(&old_chip.flash, FS_OFFSET + block * 4096, 4096);
}

static int raw_sync(const struct lfs_config *config)
{
    (void)config;
    return 0;
}

/* A 2.0 file system stays one: MicroPython before 1.22 cannot mount 2.1. */
static void test_version_is_kept(void **state)
{
    (void)state;
    struct molt_files files;
    struct lfs_config config = {.read = raw_read,
                                .prog = raw_program,
                                .erase = raw_erase,
                                .sync = raw_sync,
                                .read_size = 32,
                                .prog_size = 32,
                                .block_size = 4096,
                                .block_count = FS_SIZE / 4096,
                                .block_cycles = 100,
                                .cache_size = 128,
                                .lookahead_size = 32,
                                .disk_version = 0x00020000};
    lfs_t lfs;
    struct lfs_fsinfo info;
    chip_init(&old_chip);
    assert_int_equal(lfs_format(&lfs, &config), 0);
    struct molt_fs *fs = mount(&old_chip, &files);
    assert_int_equal(files.ops->write(fs, "/a", 0, "x", 1), MOLT_OK);
    molt_fs_unmount(fs, NULL);
    assert_int_equal(lfs_mount(&lfs, &config), 0); /* refuses what is newer than 2.0 */
    assert_int_equal(lfs_fs_stat(&lfs, &info), 0);
    assert_int_equal(info.disk_version, 0x00020000);
    lfs_unmount(&lfs);
}

/* ---- Power cuts ---- */

#define OLD_SIZE 6000u
#define NEW_SIZE 5000u
static uint8_t old_content[OLD_SIZE], new_content[NEW_SIZE], back[OLD_SIZE + 1];

/* True = new, false = old; anything else fails. */
static bool is_new(struct molt_files *files, const char *path)
{
    int n = files->ops->read(files->context, path, 0, back, sizeof back);
    if (n == (int)NEW_SIZE) {
        assert_memory_equal(back, new_content, NEW_SIZE);
        return true;
    }
    assert_int_equal(n, OLD_SIZE);
    assert_memory_equal(back, old_content, OLD_SIZE);
    return false;
}

static int act_write(struct molt_files *files)
{
    return files->ops->write(files->context, "/file", 0, new_content, NEW_SIZE);
}

static int act_rename(struct molt_files *files)
{
    int result = files->ops->write(files->context, "/new", 0, new_content, NEW_SIZE);
    return result ? result : files->ops->rename(files->context, "/new", "/file");
}

static void sweep(int (*act)(struct molt_files *files), enum molt_cut cut)
{
    static struct chip chip, start;
    struct molt_files files;
    bool seen_old = false, seen_new = false;
    format(&start);
    struct molt_fs *fs = mount(&start, &files);
    assert_int_equal(files.ops->write(fs, "/file", 0, old_content, OLD_SIZE), MOLT_OK);
    molt_fs_unmount(fs, NULL);
    for (uint32_t n = 1;; n++) {
        memcpy(chip.bytes, start.bytes, sizeof chip.bytes);
        power_on(&chip);
        chip.nor.cut_at = n;
        chip.nor.cut = cut;
        chip.nor.random = n;
        fs = mount(&chip, &files);
        int result = act(&files);
        molt_fs_unmount(fs, NULL);
        if (result == MOLT_OK) {
            assert_true(n > 3 && seen_old);
            assert_true(cut != MOLT_CUT_AFTER || seen_new);
            molt_nor_free(&chip.nor);
            return;
        }
        assert_int_equal(result, MOLT_E_POWER);
        molt_nor_power_up(&chip.nor);
        fs = mount(&chip, &files);
        *(is_new(&files, "/file") ? &seen_new : &seen_old) = true;
        assert_int_equal(act(&files), MOLT_OK);
        assert_true(is_new(&files, "/file"));
        molt_fs_unmount(fs, NULL);
        molt_nor_free(&chip.nor);
    }
}

static void test_cuts(void **state)
{
    (void)state;
    fill(old_content, OLD_SIZE, 3);
    fill(new_content, NEW_SIZE, 4);
    for (enum molt_cut cut = MOLT_CUT_BEFORE; cut <= MOLT_CUT_TORN_OTHER; cut++) {
        sweep(act_write, cut);
        sweep(act_rename, cut);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files), cmocka_unit_test(test_trees), cmocka_unit_test(test_errors),
        cmocka_unit_test(test_version_is_kept), cmocka_unit_test(test_cuts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
