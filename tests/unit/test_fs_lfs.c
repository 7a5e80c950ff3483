/* What is littlefs' own: superblocks, sizes, versions, growing, damage. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "fs_rig.h"
#include "testing.h"

#define BLOCK             4096u
#define SUPERBLOCK_STRUCT 20u /* behind the revision, the name and two tags */

#define FOLDER 0x200u /* the tag that says where a folder lies: LFS_TYPE_DIRSTRUCT */

static struct fs_rig rig;
static char said[4000];

static int probe(struct molt_fs_facts *facts)
{
    return molt_fs_probe(facts, &rig.flash, FS_RIG_OFFSET, FS_RIG_SIZE);
}

static int mount_range(uint32_t offset, uint32_t size, struct molt_message *message)
{
    struct molt_fs *fs = (void *)&rig;
    int result = molt_fs_mount(&fs, &rig.flash, offset, size, false, message);
    assert_true((result == MOLT_OK) == (fs != NULL));
    molt_fs_unmount(fs, NULL);
    return result;
}

static void blank_is_none(void **state)
{
    struct molt_fs_facts facts;
    struct molt_message message = {0};
    (void)state;
    fs_rig_init(&rig);
    assert_int_equal(probe(&facts), MOLT_OK);
    assert_int_equal(facts.kind, MOLT_FS_NONE);
    assert_int_equal(mount_range(FS_RIG_OFFSET, FS_RIG_SIZE, &message), MOLT_E_FORMAT);
    assert_non_null(strstr(message.text, "0x4000"));
    assert_non_null(strstr(message.text, "ff ff ff ff"));
    /* Too short for either. */
    assert_int_equal(molt_fs_probe(&facts, &rig.flash, FS_RIG_OFFSET, 10), MOLT_OK);
    assert_int_equal(facts.kind, MOLT_FS_NONE);
    assert_int_equal(molt_fs_probe(&facts, &rig.flash, FS_RIG_OFFSET, FS_RIG_CHIP), MOLT_E_RANGE);
    assert_int_equal(molt_fs_probe(&facts, &rig.flash, FS_RIG_CHIP + 1, 0), MOLT_E_RANGE);
    assert_int_equal(mount_range(FS_RIG_OFFSET, FS_RIG_CHIP, &message), MOLT_E_RANGE);
    assert_int_equal(mount_range(FS_RIG_OFFSET + 1, FS_RIG_SIZE, &message), MOLT_E_ALIGNMENT);
    memcpy(rig.bytes + FS_RIG_OFFSET + 40, "littlefs", 8);
    assert_int_equal(mount_range(FS_RIG_OFFSET, FS_RIG_SIZE, &message), MOLT_E_UNSUPPORTED);
    assert_non_null(strstr(message.text, "littlefs v1"));
}

static int format(uint32_t size, const struct molt_fs_options *options,
                  struct molt_message *message)
{
    return molt_fs_format(&rig.flash, FS_RIG_OFFSET, size, options, message);
}

static void options_of_format(void **state)
{
    struct molt_message message = {0};
    struct molt_fs_options options = {.lfs_version = 0x00030000};
    struct molt_fs_facts facts;
    (void)state;
    fs_rig_init(&rig);
    assert_int_equal(format(FS_RIG_SIZE, &options, &message), MOLT_E_ARGUMENT);
    assert_non_null(strstr(message.text, "3.0"));
    options = (struct molt_fs_options){.block_size = 3000};
    assert_int_equal(format(FS_RIG_SIZE, &options, &message), MOLT_E_ARGUMENT);
    options.block_size = 131072;
    assert_int_equal(format(FS_RIG_SIZE, &options, &message), MOLT_E_ARGUMENT);
    options.block_size = 64;
    assert_int_equal(format(FS_RIG_SIZE, &options, &message), MOLT_E_ARGUMENT);
    assert_int_equal(format(BLOCK, NULL, &message), MOLT_E_ALIGNMENT);
    assert_int_equal(format(3 * BLOCK + 1, NULL, &message), MOLT_E_ALIGNMENT);
    assert_int_equal(format(FS_RIG_CHIP, NULL, &message), MOLT_E_RANGE);
    assert_int_equal(molt_fs_format(&rig.flash, 1, FS_RIG_SIZE, NULL, &message), MOLT_E_ALIGNMENT);
    assert_int_equal(rig.nor.operations, 0);

    assert_int_equal(format(FS_RIG_SIZE, NULL, &message), MOLT_OK);
    assert_int_equal(probe(&facts), MOLT_OK);
    assert_int_equal(facts.kind, MOLT_FS_LITTLEFS);
    assert_int_equal(facts.version, 0x00020000);
    assert_string_equal(facts.variant, "littlefs 2.0");
    assert_int_equal(facts.block_size, BLOCK);
    assert_int_equal(facts.block_count, FS_RIG_SIZE / BLOCK);
    assert_int_equal(facts.name_max, 255);
    options = (struct molt_fs_options){.lfs_version = 0x00020001};
    assert_int_equal(format(FS_RIG_SIZE, &options, &message), MOLT_OK);
    assert_int_equal(probe(&facts), MOLT_OK);
    assert_string_equal(facts.variant, "littlefs 2.1");
    rig.nor.cut_at = rig.nor.operations + 1;
    rig.nor.cut = MOLT_CUT_BEFORE;
    assert_int_equal(format(FS_RIG_SIZE, NULL, &message), MOLT_E_POWER);
}

/* Every block size that is a power of two, also where a block is less than a sector, or more. */
static void block_sizes(void **state)
{
    struct molt_fs_facts facts;
    (void)state;
    for (uint32_t block = 128; block <= 65536; block *= 2) {
        fs_rig_make(&rig, MOLT_FS_LITTLEFS, block);
        assert_int_equal(molt_fs_mkdir(rig.fs, "/d"), MOLT_OK);
        fs_rig_put(&rig, "/d/a", 70000, block);
        fs_rig_put(&rig, "/d/b", 100, block + 1);
        fs_rig_unmount(&rig);
        assert_int_equal(probe(&facts), MOLT_OK);
        assert_int_equal(facts.block_size, block);
        fs_rig_mount(&rig);
        fs_rig_expect(&rig, "/d/a", 70000, block);
        fs_rig_expect(&rig, "/d/b", 100, block + 1);
        assert_int_equal(fs_rig_check(&rig, said, sizeof said), 0);
        fs_rig_unmount(&rig);
    }
}

/* The file system is smaller than its range, or larger. */
static void sizes(void **state)
{
    struct molt_message message = {0};
    struct molt_fs_space space;
    (void)state;
    fs_rig_init(&rig);
    assert_int_equal(format(FS_RIG_SIZE / 2, NULL, NULL), MOLT_OK);
    fs_rig_mount(&rig);
    assert_int_equal(molt_fs_space(rig.fs, &space), MOLT_OK);
    assert_int_equal(space.total, FS_RIG_SIZE / 2 / BLOCK);
    fs_rig_put(&rig, "/a", 100000, 1);
    assert_int_equal(molt_fs_grow(rig.fs, FS_RIG_SIZE + BLOCK, &message), MOLT_E_RANGE);
    assert_int_equal(molt_fs_grow(rig.fs, FS_RIG_SIZE / 2, &message), MOLT_OK);
    assert_int_equal(molt_fs_grow(rig.fs, FS_RIG_SIZE / 4, &message), MOLT_E_UNSUPPORTED);
    assert_non_null(strstr(message.text, "64 blocks"));
    assert_non_null(strstr(message.text, "copy the files"));
    assert_int_equal(molt_fs_grow(rig.fs, FS_RIG_SIZE, &message), MOLT_OK);
    assert_int_equal(molt_fs_space(rig.fs, &space), MOLT_OK);
    assert_int_equal(space.total, FS_RIG_SIZE / BLOCK);
    fs_rig_put(&rig, "/b", FS_RIG_SIZE / 2, 2);
    fs_rig_unmount(&rig);

    assert_int_equal(mount_range(FS_RIG_OFFSET, FS_RIG_SIZE / 2, &message), MOLT_E_FORMAT);
    assert_non_null(strstr(message.text, "128 blocks of 4096 bytes, 524288 in all"));
    assert_non_null(strstr(message.text, "the range has 262144"));
    fs_rig_mount(&rig);
    fs_rig_expect(&rig, "/a", 100000, 1);
    fs_rig_expect(&rig, "/b", FS_RIG_SIZE / 2, 2);
    rig.nor.cut_at = rig.nor.operations + 1;
    rig.nor.cut = MOLT_CUT_BEFORE;
    fs_rig_unmount(&rig);
    molt_nor_power_up(&rig.nor);
    assert_int_equal(format(FS_RIG_SIZE / 2, NULL, NULL), MOLT_OK);
    fs_rig_mount(&rig);
    rig.nor.cut_at = rig.nor.operations + 1;
    rig.nor.cut = MOLT_CUT_BEFORE;
    assert_int_equal(molt_fs_grow(rig.fs, FS_RIG_SIZE, &message), MOLT_E_POWER);
    molt_fs_unmount(rig.fs, NULL);
}

/* The superblock is in blocks 0 and 1: the newer valid one counts, and one will do. */
static void either_superblock(void **state)
{
    struct molt_fs_facts facts;
    uint8_t *block = rig.bytes + FS_RIG_OFFSET;
    static uint8_t copies[2][BLOCK];
    (void)state;
    fs_rig_make(&rig, MOLT_FS_LITTLEFS, 0);
    fs_rig_put(&rig, "/a", 10, 1);
    fs_rig_unmount(&rig);
    memcpy(copies, block, sizeof copies);
    for (uint32_t bad = 0; bad < 2; bad++) {
        memset(block + bad * BLOCK, 0x55, BLOCK);
        assert_int_equal(probe(&facts), MOLT_OK);
        assert_int_equal(facts.kind, MOLT_FS_LITTLEFS);
        assert_int_equal(facts.superblock_at, bad ? 0 : BLOCK);
        assert_int_equal(facts.block_count, FS_RIG_SIZE / BLOCK);
        fs_rig_mount(&rig); /* older copy: without the file */
        fs_rig_unmount(&rig);
        memcpy(block, copies, sizeof copies);
    }
    memset(block, 0, 2 * BLOCK);
    assert_int_equal(probe(&facts), MOLT_OK);
    assert_int_equal(facts.kind, MOLT_FS_NONE);
    /* A wrong checksum is no superblock, the magic alone is none. */
    memcpy(block, copies, sizeof copies);
    for (uint32_t i = 0; i < 2; i++) {
        block[i * BLOCK + 28] ^= 1;
    }
    assert_int_equal(probe(&facts), MOLT_OK);
    assert_int_equal(facts.kind, MOLT_FS_NONE);
}

/* A FAT over a former littlefs is a FAT, though the second superblock may be left. */
static void fat_over_littlefs(void **state)
{
    struct molt_fs_facts facts;
    static uint8_t block[BLOCK];
    (void)state;
    fs_rig_make(&rig, MOLT_FS_LITTLEFS, 0);
    fs_rig_unmount(&rig);
    memcpy(block, rig.bytes + FS_RIG_OFFSET, BLOCK);
    fs_rig_make(&rig, MOLT_FS_FAT, 4096);
    fs_rig_unmount(&rig);
    memcpy(rig.bytes + FS_RIG_OFFSET + BLOCK, block, BLOCK);
    assert_int_equal(probe(&facts), MOLT_OK);
    assert_int_equal(facts.kind, MOLT_FS_FAT);
}

/* Files inside of their folder up to 128 bytes, as MicroPython makes them. */
static void inline_files_as_micropython(void **state)
{
    struct molt_fs_space empty, one;
    (void)state;
    fs_rig_make(&rig, MOLT_FS_LITTLEFS, 0);
    assert_int_equal(molt_fs_space(rig.fs, &empty), MOLT_OK);
    fs_rig_put(&rig, "/a", 128, 1);
    assert_int_equal(molt_fs_space(rig.fs, &one), MOLT_OK);
    assert_int_equal(one.used, empty.used);
    fs_rig_put(&rig, "/b", 129, 1);
    assert_int_equal(molt_fs_space(rig.fs, &one), MOLT_OK);
    assert_int_equal(one.used, empty.used + 1);
    fs_rig_unmount(&rig);
}

/* Sets a field of the superblock, in both of its blocks as they are after formatting. */
static void set_field(uint32_t field, uint32_t value)
{
    for (uint32_t copy = 0; copy < 2; copy++) {
        uint8_t *block = rig.bytes + FS_RIG_OFFSET + copy * BLOCK;
        molt_put_le32(block + SUPERBLOCK_STRUCT + field, value);
        fs_rig_mend(block, BLOCK);
    }
}

/* Numbers that cannot be, with checksums that are right. */
static void superblocks_that_lie(void **state)
{
    static const struct {
        uint32_t field, value;
        int error;
        const char *says;
    } lie[] = {{0, 0x00020005, MOLT_E_FORMAT, "littlefs 2.5"},
               {0, 0x00030000, MOLT_E_FORMAT, "no file system"},
               {4, 0x20000, MOLT_E_UNSUPPORTED, "131072"},
               {4, 0, MOLT_E_FORMAT, "no file system"},
               {4, 100, MOLT_E_FORMAT, "no file system"},
               {8, 0, MOLT_E_FORMAT, "no file system"},
               {8, 0xFFFFFFFF, MOLT_E_FORMAT, "4294967295 blocks"},
               {12, 0, MOLT_E_FORMAT, "no file system"},
               {12, 1000, MOLT_E_FORMAT, "malformed"}};
    struct molt_message message = {0};
    (void)state;
    for (size_t i = 0; i < sizeof lie / sizeof lie[0]; i++) {
        fs_rig_make(&rig, MOLT_FS_LITTLEFS, 0);
        fs_rig_unmount(&rig);
        set_field(lie[i].field, lie[i].value);
        assert_int_equal(mount_range(FS_RIG_OFFSET, FS_RIG_SIZE, &message), lie[i].error);
        if (!strstr(message.text, lie[i].says)) {
            fail_msg("%s: expected %s", message.text, lie[i].says);
        }
    }
}

/* The names may be shorter than ours: the superblock says so. */
static void name_max_is_the_superblocks(void **state)
{
    struct molt_fs_facts facts;
    (void)state;
    fs_rig_make(&rig, MOLT_FS_LITTLEFS, 0);
    fs_rig_unmount(&rig);
    set_field(12, 8);
    assert_int_equal(probe(&facts), MOLT_OK);
    assert_int_equal(facts.name_max, 8);
    fs_rig_mount(&rig);
    fs_rig_put(&rig, "/12345678", 1, 1);
    assert_int_equal(molt_fs_write_file(rig.fs, "/123456789", "x", 1), MOLT_E_ARGUMENT);
    fs_rig_unmount(&rig);
}

/* ---- Damage ---- */

/* The block that holds the byte at of a file of fs_rig_put; content and block may have pointers
 * before it. */
static uint32_t block_of(uint32_t n, unsigned seed, uint32_t at)
{
    uint8_t *content = malloc(n);
    uint32_t found = 0;
    assert_non_null(content);
    fs_rig_fill(content, n, seed);
    for (uint32_t block = 2; block < FS_RIG_SIZE / BLOCK && !found; block++) {
        const uint8_t *bytes = rig.bytes + FS_RIG_OFFSET + block * BLOCK;
        for (uint32_t i = 0; i + 64 <= BLOCK && !found; i += 4) {
            found = memcmp(bytes + i, content + at, 64) == 0 ? block : 0;
        }
    }
    free(content);
    assert_true(found);
    return found;
}

static void two_files(void)
{
    fs_rig_make(&rig, MOLT_FS_LITTLEFS, 0);
    assert_int_equal(molt_fs_mkdir(rig.fs, "/d"), MOLT_OK);
    fs_rig_put(&rig, "/d/short", 9000, 1);
    fs_rig_put(&rig, "/long", 40000, 3);
    assert_int_equal(fs_rig_check(&rig, said, sizeof said), 0);
    fs_rig_unmount(&rig);
}

/* Sets pointer i of the block that holds the byte at of /long: the last begins with one to the
 * block before, the eighth with four, of which the last is to the first block. DESIGN.md of
 * littlefs, CTZ skip-lists. */
static void point(uint32_t at, uint32_t i, uint32_t block)
{
    molt_put_le32(rig.bytes + FS_RIG_OFFSET + block_of(40000, 3, at) * BLOCK + 4 * i, block);
}

static void damaged_files_are_named(void **state)
{
    uint8_t *found;
    uint32_t n;
    (void)state;
    two_files();
    point(39000, 0, 0x00FFFFFF);
    fs_rig_mount(&rig);
    assert_int_equal(fs_rig_check(&rig, said, sizeof said), 1);
    assert_string_equal(said, "/long: can be read up to byte 0 of 40000: damaged\n");
    assert_int_equal(molt_fs_check(rig.fs, NULL, NULL), 1);
    assert_int_equal(molt_fs_read_file(rig.fs, "/long", &found, &n), MOLT_E_FORMAT);
    assert_null(found);
    fs_rig_expect(&rig, "/d/short", 9000, 1);
    fs_rig_unmount(&rig);

    two_files();
    uint32_t shared = block_of(9000, 1, 100);
    point(33500, 3, shared);
    fs_rig_mount(&rig);
    assert_int_equal(fs_rig_check(&rig, said, sizeof said), 1);
    char wanted[80];
    snprintf(wanted, sizeof wanted, "its block %u belongs to another file too", shared);
    assert_non_null(strstr(said, wanted));
    fs_rig_unmount(&rig);

    /* A folder: littlefs goes through all of them when it mounts. */
    two_files();
    for (uint32_t at = 2 * BLOCK; at < FS_RIG_SIZE; at += BLOCK) {
        uint8_t *block = rig.bytes + FS_RIG_OFFSET + at;
        bool named = false;
        for (uint32_t i = 0; i < 200; i++) {
            named |= memcmp(block + i, "short", 5) == 0;
        }
        if (named) {
            memset(block, 0, BLOCK);
            n = at;
        }
    }
    assert_true(n > 2 * BLOCK);
    assert_int_equal(mount_range(FS_RIG_OFFSET, FS_RIG_SIZE, NULL), MOLT_E_FORMAT);
}

/* A file of 2 GB whose list of blocks goes round in circles: the call that follows it ends, and the
 * mount with it. */
static void circles_end(void **state)
{
    static const uint8_t size[] = {0x40, 0x9C, 0, 0}; /* 40000 */
    struct molt_fs_space space;
    struct molt_fs_entry entry;
    (void)state;
    two_files();
    uint32_t last = block_of(40000, 3, 39000), other = block_of(40000, 3, 100);
    for (uint32_t i = 0; i < 2; i++) {
        point(39000, i, other);
        molt_put_le32(rig.bytes + FS_RIG_OFFSET + other * BLOCK + 4 * i, last);
    }
    int changed = 0;
    for (uint32_t at = 0; at < 2 * BLOCK; at++) {
        uint8_t *p = rig.bytes + FS_RIG_OFFSET + at;
        if (memcmp(p, size, sizeof size) == 0) {
            molt_put_le32(p, 0x7FFFFFFF);
            changed++;
        }
    }
    assert_true(changed > 0);
    fs_rig_mend(rig.bytes + FS_RIG_OFFSET, BLOCK);
    fs_rig_mend(rig.bytes + FS_RIG_OFFSET + BLOCK, BLOCK);
    fs_rig_mount(&rig);
    assert_int_equal(molt_fs_stat(rig.fs, "/long", &entry), MOLT_OK);
    assert_int_equal(entry.size, 0x7FFFFFFF);
    assert_int_equal(fs_rig_check(&rig, said, sizeof said), 1);
    assert_string_equal(said, "/long: has 2147483647 bytes, more than the file system\n");
    fs_rig_expect(&rig, "/d/short", 9000, 1);
    assert_int_equal(molt_fs_space(rig.fs, &space), MOLT_OK);
    assert_int_equal(space.used, space.total); /* all that it can say */
    uint8_t *bytes;
    uint32_t n;
    assert_int_equal(molt_fs_read_file(rig.fs, "/long", &bytes, &n), MOLT_E_FORMAT);
    assert_null(bytes);
    molt_fs_unmount(rig.fs, NULL);
}

/* Two folders of the root that are the root. */
static void folders_in_themselves(void **state)
{
    static const uint8_t root[] = {0, 0, 0, 0, 1, 0, 0, 0};
    struct molt_files files;
    uint32_t bytes = 0;
    int changed = 0;
    (void)state;
    fs_rig_make(&rig, MOLT_FS_LITTLEFS, 0);
    assert_int_equal(molt_fs_mkdir(rig.fs, "/d"), MOLT_OK);
    assert_int_equal(molt_fs_mkdir(rig.fs, "/e"), MOLT_OK);
    fs_rig_unmount(&rig);
    for (uint32_t copy = 0; copy < 2; copy++) {
        uint8_t *block = rig.bytes + FS_RIG_OFFSET + copy * BLOCK;
        changed += fs_rig_change_tags(block, BLOCK, FOLDER, root, sizeof root);
    }
    assert_true(changed >= 2);
    fs_rig_mount(&rig);
    assert_true(fs_rig_check(&rig, said, sizeof said) >= 2);
    assert_non_null(strstr(said, "/d: its block 0 belongs to another folder too"));
    molt_fs_files(rig.fs, &files);
    assert_int_equal(files.ops->measure(rig.fs, "/d", &bytes), MOLT_E_FORMAT);
    fs_rig_unmount(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(blank_is_none),
                                       cmocka_unit_test(options_of_format),
                                       cmocka_unit_test(block_sizes),
                                       cmocka_unit_test(sizes),
                                       cmocka_unit_test(either_superblock),
                                       cmocka_unit_test(fat_over_littlefs),
                                       cmocka_unit_test(inline_files_as_micropython),
                                       cmocka_unit_test(superblocks_that_lie),
                                       cmocka_unit_test(name_max_is_the_superblocks),
                                       cmocka_unit_test(damaged_files_are_named),
                                       cmocka_unit_test(circles_end),
                                       cmocka_unit_test(folders_in_themselves)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
