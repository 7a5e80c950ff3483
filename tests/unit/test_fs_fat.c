/* What is FAT's own: volumes as MicroPython makes them, names, folders that are full, damage. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "fs_rig.h"
#include "testing.h"

static struct fs_rig rig;
static char said[4000];

static uint8_t *volume(void)
{
    return rig.bytes + FS_RIG_OFFSET;
}

static int format(uint32_t size, uint32_t sector)
{
    struct molt_fs_options options = {.kind = MOLT_FS_FAT, .block_size = sector};
    struct molt_message message = {0};
    int result = molt_fs_format(&rig.flash, FS_RIG_OFFSET, size, &options, &message);
    assert_true(result == MOLT_OK || message.text[0]);
    return result;
}

/* The first bytes of what VfsFat.mkfs of MicroPython 1.25.0 wrote, without the serial number at 39.
 */
static void as_micropython_makes_them(void **state)
{
    static const struct {
        uint32_t sectors, sector;
        const char *boot;
    } made[] = {{64, 4096,
                 "\xeb\xfe\x90MSDOS5.0\x00\x10\x01\x01\x00\x01\x00\x02\x40\x00\xf8\x01\x00?"
                 "\x00\xff\x00\x00"},
                {128, 4096,
                 "\xeb\xfe\x90MSDOS5.0\x00\x10\x01\x01\x00\x01\x00\x02\x80\x00\xf8\x01\x00?"
                 "\x00\xff\x00\x00"},
                {64, 512,
                 "\xeb\xfe\x90MSDOS5.0\x00\x02\x01\x01\x00\x01\x00\x02\x40\x00\xf8\x01\x00?"
                 "\x00\xff\x00\x00"},
                {256, 512,
                 "\xeb\xfe\x90MSDOS5.0\x00\x02\x01\x01\x00\x01\x00\x02\x00\x01\xf8\x01\x00?"
                 "\x00\xff\x00\x00"}};
    (void)state;
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++) {
        fs_rig_init(&rig);
        assert_int_equal(format(made[i].sectors * made[i].sector, made[i].sector), MOLT_OK);
        assert_memory_equal(volume(), made[i].boot, 29);
        assert_memory_equal(volume() + 43, "NO NAME    FAT     \x00\x00", 21);
        assert_memory_equal(
            volume() + made[i].sector - 2 * (made[i].sector == 512),
            made[i].sector == 512 ? "\x55\xaa\xf8\xff\xff\x00" : "\xf8\xff\xff\x00\x00\x00", 6);
        fs_rig_mount(&rig);
        fs_rig_put(&rig, "/a", 5000, 1);
        assert_int_equal(fs_rig_check(&rig, said, sizeof said), 0);
        fs_rig_unmount(&rig);
    }
}

/* Larger volumes: clusters of more sectors, then 16 bits; where the kinds meet. In memory, without
 * a chip. */
static void sizes_of_volumes(void **state)
{
    static const struct {
        uint32_t sectors, cluster, bits, fat_sectors;
    } made[] = {{50, 1, 12, 1},
                {4096, 2, 12, 7},
                {8192, 4, 12, 7},
                {40000, 4, 16, 40},
                {2000000, 32, 16, 245}};
    (void)state;
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++) {
        uint32_t size = made[i].sectors * 512 / 4096 * 4096;
        uint8_t *bytes = calloc(1, size + 4096); /* most of it is never touched */
        struct molt_flash flash;
        struct molt_nor nor;
        struct molt_fs_facts facts;
        struct molt_fs_options options = {.kind = MOLT_FS_FAT, .block_size = 512};
        assert_non_null(bytes);
        molt_nor_init(&nor, bytes, size + 4096, 1);
        molt_nor_flash(&nor, &flash);
        assert_int_equal(molt_fs_format(&flash, 0, made[i].sectors * 512, &options, NULL), MOLT_OK);
        assert_int_equal(bytes[13], made[i].cluster);
        assert_int_equal(molt_get_le16(bytes + 22), made[i].fat_sectors);
        assert_int_equal(molt_fs_probe(&facts, &flash, 0, made[i].sectors * 512), MOLT_OK);
        assert_int_equal(facts.kind, MOLT_FS_FAT);
        assert_int_equal(facts.version, made[i].bits);
        assert_int_equal(facts.block_count, made[i].sectors);
        molt_nor_free(&nor);
        free(bytes);
    }
}

static void too_small(void **state)
{
    struct molt_fs_options options = {.kind = MOLT_FS_FAT, .block_size = 1024};
    struct molt_message message;
    (void)state;
    fs_rig_init(&rig);
    assert_int_equal(format(48 * 512, 512), MOLT_E_NO_SPACE);
    assert_int_equal(format(49 * 4096, 4096), MOLT_E_NO_SPACE);
    assert_int_equal(format(50 * 4096, 4096), MOLT_OK);
    assert_int_equal(format(50 * 4096 + 512, 4096), MOLT_E_ALIGNMENT);
    assert_int_equal(molt_fs_format(&rig.flash, FS_RIG_OFFSET, FS_RIG_SIZE, &options, &message),
                     MOLT_E_ARGUMENT);
    assert_non_null(strstr(message.text, "512 or 4096"));
}

/* ---- Names ---- */

static void first_name(struct molt_fs_entry *entry)
{
    struct molt_fs_dir *dir;
    assert_int_equal(molt_fs_dir_open(rig.fs, "/", &dir), MOLT_OK);
    assert_int_equal(molt_fs_dir_next(dir, entry), 1);
    molt_fs_dir_close(dir);
}

/* The first entry of the root folder of 4096-byte sectors that was not removed, or with a short
 * name. */
static uint8_t *root_entry(const char *name)
{
    uint8_t *entry = volume() + 2 * 4096;
    while (name ? memcmp(entry, name, strlen(name)) != 0 : *entry == 0xE5) {
        entry += 32;
        assert_true(entry < volume() + 6 * 4096);
    }
    return entry;
}

static void names(void **state)
{
    struct molt_fs_entry entry;
    (void)state;
    fs_rig_make(&rig, MOLT_FS_FAT, 4096);
    fs_rig_put(&rig, "/Lower and Upper.txt", 10, 1);
    fs_rig_expect(&rig, "/LOWER AND UPPER.TXT", 10, 1); /* FAT does not tell them apart */
    fs_rig_expect(&rig, "/LOWERA~1.TXT", 10, 1);        /* its short name */
    assert_int_equal(molt_fs_rename(rig.fs, "/LOWERA~1.TXT", "/lower and upper.txt"), MOLT_OK);
    fs_rig_expect(&rig, "/lower and upper.txt", 10, 1);
    assert_int_equal(molt_fs_rename(rig.fs, "/lower and Upper.txt", "/LOWER and upper.txt"),
                     MOLT_OK);
    first_name(&entry);
    assert_string_equal(entry.name, "LOWER and upper.txt");
    const char *const refused[] = {"/a?",     "/a*", "/a:b",  "/a\"",  "/a<",     "/a>",
                                   "/a\037b", "/a|", "/a\\b", "/dot.", "/blank ", "/\x01"};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        assert_int_equal(molt_fs_write_file(rig.fs, refused[i], "x", 1), MOLT_E_ARGUMENT);
    }
    /* Into itself, by other names. */
    assert_int_equal(molt_fs_mkdir(rig.fs, "/Folder"), MOLT_OK);
    assert_int_equal(molt_fs_rename(rig.fs, "/Folder", "/FOLDER/x"), MOLT_E_ARGUMENT);
    fs_rig_unmount(&rig);
}

/* Python's name "ä" is C3 A4; MicroPython puts the characters of code page 437 of both on the
 * medium. */
static void names_are_those_of_python(void **state)
{
    static const uint8_t medium[] = {0x42 - 1, 0x1C, 0x25, 0xF1, 0x00, 0x00, 0x00};
    struct molt_fs_entry entry;
    (void)state;
    fs_rig_make(&rig, MOLT_FS_FAT, 4096);
    fs_rig_put(&rig, "/\xC3\xA4", 10, 1);
    fs_rig_unmount(&rig);
    uint8_t *root = root_entry(NULL);
    assert_memory_equal(root, medium, sizeof medium);
    /* As another system writes "ä": one character. It is shown, and found, by that. */
    molt_put_le16(root + 1, 0xE4);
    molt_put_le16(root + 3, 0);
    molt_put_le16(root + 5, 0xFFFF);
    fs_rig_mount(&rig);
    first_name(&entry);
    assert_string_equal(entry.name, "\xC3\xA4");
    fs_rig_expect(&rig, "/\xC3\xA4", 10, 1);
    fs_rig_unmount(&rig);
}

/* ---- Folders that are full ---- */

static void root_is_full(void **state)
{
    struct molt_fs_entry entry;
    struct molt_fs_space before, after;
    char path[40];
    int code = MOLT_OK, n = 0;
    (void)state;
    fs_rig_make(&rig, MOLT_FS_FAT, 4096);
    while (code == MOLT_OK && n < 600) {
        assert_int_equal(molt_fs_space(rig.fs, &before), MOLT_OK);
        snprintf(path, sizeof path, "/a longer name, %d", n++); /* three entries */
        code = molt_fs_write_file(rig.fs, path, "", 0);
    }
    assert_int_equal(code, MOLT_E_NO_SPACE);
    assert_true(n > 150 && n < 180);
    assert_int_equal(molt_fs_stat(rig.fs, path, &entry), MOLT_E_NOT_FOUND);
    assert_int_equal(molt_fs_stat(rig.fs, "/.molt-new", &entry), MOLT_E_NOT_FOUND);
    assert_int_equal(molt_fs_space(rig.fs, &after), MOLT_OK);
    assert_int_equal(after.used, before.used);
    assert_int_equal(molt_fs_mkdir(rig.fs, "/another longer name"), MOLT_E_NO_SPACE);
    assert_int_equal(fs_rig_check(&rig, said, sizeof said), 0);
    fs_rig_unmount(&rig);
}

static void folders_grow(void **state)
{
    char path[60], deep[600] = "";
    (void)state;
    fs_rig_make(&rig, MOLT_FS_FAT, 512);
    assert_int_equal(molt_fs_mkdir(rig.fs, "/d"), MOLT_OK);
    for (int i = 0; i < 200; i++) {
        snprintf(path, sizeof path, "/d/file number %d", i);
        assert_int_equal(molt_fs_write_file(rig.fs, path, "x", 1), MOLT_OK);
    }
    for (int i = 0; i < 30; i++) {
        snprintf(deep + strlen(deep), 20, "/level %d", i);
        assert_int_equal(molt_fs_mkdir(rig.fs, deep), MOLT_OK);
    }
    strcat(deep, "/leaf");
    fs_rig_put(&rig, deep, 100, 1);
    fs_rig_expect(&rig, deep, 100, 1);
    assert_int_equal(fs_rig_check(&rig, said, sizeof said), 0);
    fs_rig_unmount(&rig);
}

static void attribute_read_only(void **state)
{
    (void)state;
    fs_rig_make(&rig, MOLT_FS_FAT, 4096);
    fs_rig_put(&rig, "/KEEP", 10, 1);
    fs_rig_put(&rig, "/OTHER", 10, 2);
    fs_rig_unmount(&rig);
    root_entry("KEEP")[11] |= 1;
    fs_rig_mount(&rig);
    assert_int_equal(molt_fs_write_file(rig.fs, "/KEEP", "x", 1), MOLT_E_PERMISSION);
    assert_int_equal(molt_fs_remove(rig.fs, "/KEEP"), MOLT_E_PERMISSION);
    assert_int_equal(molt_fs_rename(rig.fs, "/OTHER", "/KEEP"), MOLT_E_PERMISSION);
    fs_rig_expect(&rig, "/KEEP", 10, 1);
    fs_rig_unmount(&rig);
}

/* ---- Growing ---- */

static void growing(void **state)
{
    struct molt_message message = {0};
    struct molt_fs_space space;
    (void)state;
    for (uint32_t sector = 512; sector <= 4096; sector *= 8) {
        fs_rig_init(&rig);
        assert_int_equal(format(64 * sector, sector), MOLT_OK);
        uint8_t *table = volume() + sector;
        memset(table + 150, 0x77, 20); /* behind the last entry may be anything */
        fs_rig_mount(&rig);
        fs_rig_put(&rig, "/a", 3000, 1);
        assert_int_equal(molt_fs_grow(rig.fs, 32 * sector, &message), MOLT_E_UNSUPPORTED);
        assert_non_null(strstr(message.text, "does not shrink"));
        assert_int_equal(molt_fs_grow(rig.fs, 64 * sector, &message), MOLT_OK);
        assert_int_equal(molt_fs_grow(rig.fs, 128 * sector, &message), MOLT_OK);
        assert_int_equal(molt_fs_space(rig.fs, &space), MOLT_OK);
        assert_int_equal(space.total, 128 - 2 - 512 * 32 / sector);
        fs_rig_put(&rig, "/b", (space.total - space.used) * space.block_size, 2);
        assert_int_equal(molt_fs_grow(rig.fs, FS_RIG_SIZE + sector, &message), MOLT_E_RANGE);
        fs_rig_unmount(&rig);
        fs_rig_mount(&rig);
        fs_rig_expect(&rig, "/a", 3000, 1);
        assert_int_equal(fs_rig_check(&rig, said, sizeof said), 0);
        int beyond = molt_fs_grow(rig.fs, FS_RIG_SIZE, &message);
        assert_int_equal(beyond, sector == 512 ? MOLT_E_UNSUPPORTED : MOLT_OK);
        assert_true(sector != 512 || strstr(message.text, "no room"));
        fs_rig_unmount(&rig);
    }
}

static void larger_than_its_range(void **state)
{
    struct molt_message message = {0};
    struct molt_fs *fs;
    (void)state;
    fs_rig_init(&rig);
    assert_int_equal(format(FS_RIG_SIZE, 4096), MOLT_OK);
    assert_int_equal(
        molt_fs_mount(&fs, &rig.flash, FS_RIG_OFFSET, FS_RIG_SIZE / 2, false, &message),
        MOLT_E_FORMAT);
    assert_non_null(strstr(message.text, "larger than its range"));
    assert_null(fs);
}

/* ---- Damage ---- */

#define SECTOR 4096u

/* Sets an entry of the table of a volume of 12 bits. */
static void set_entry(uint32_t cluster, uint32_t next)
{
    uint8_t *p = volume() + SECTOR + cluster + cluster / 2;
    uint32_t old = molt_get_le16(p);
    molt_put_le16(p, (uint16_t)(cluster % 2 ? (old & 0xF) | next << 4 : (old & 0xF000) | next));
}

/* A: clusters 2, 3, 4. B: 5, 6. D, a folder: 7, with E in 8, which holds F in 9. */
static void make_tree(void)
{
    fs_rig_make(&rig, MOLT_FS_FAT, SECTOR);
    fs_rig_put(&rig, "/A", 3 * SECTOR, 1);
    fs_rig_put(&rig, "/B", 2 * SECTOR, 2);
    assert_int_equal(molt_fs_mkdir(rig.fs, "/D"), MOLT_OK);
    assert_int_equal(molt_fs_mkdir(rig.fs, "/D/E"), MOLT_OK);
    fs_rig_put(&rig, "/D/E/F", 10, 3);
    fs_rig_unmount(&rig);
}

static void check_says_what_is_wrong(void **state)
{
    static const struct {
        uint32_t cluster, next;
        int complaints;
        const char *says[3];
    } damage[] = {
        {2, 3, 0, {""}},
        {4, 2, 1, {"/A: its cluster 2 belongs to a file already, or to itself"}},
        {3,
         5,
         2,
         {"/B: its cluster 5 belongs to a file already",
          ": 1 lost clusters: in use and of no file, the first is 4"}},
        {3, 0, 2, {"/A: its chain of clusters runs into a free one", "the first is 4"}},
        {3, 0xFF7, 2, {"/A: its chain of clusters runs into a bad one"}},
        {3, 0xF00, 2, {"/A: its chain of clusters leaves the volume"}},
        {3,
         0xFFF,
         2,
         {"/A: has 12288 bytes, and a chain of 2 clusters: expected 3", "1 lost clusters"}},
        {6, 20, 1, {"/B: its chain of clusters runs into a free one"}},
        {40, 0xFFF, 1, {": 1 lost clusters: in use and of no file, the first is 40"}},
        {41, 0xFF7, 0, {""}}, /* marked bad */
        {7, 7, 2, {"/D: its cluster 7 belongs to a folder already, or to itself", "2 lost"}},
        {8, 2, 1, {"/A: its cluster 2 belongs to a folder already"}}};
    (void)state;
    for (size_t i = 0; i < sizeof damage / sizeof damage[0]; i++) {
        make_tree();
        set_entry(damage[i].cluster, damage[i].next);
        fs_rig_mount(&rig);
        int count = fs_rig_check(&rig, said, sizeof said);
        for (int j = 0; j < 3 && damage[i].says[j]; j++) {
            if (!strstr(said, damage[i].says[j])) {
                fail_msg("cluster %u to %u: %s", damage[i].cluster, damage[i].next, said);
            }
        }
        if (count < damage[i].complaints || (damage[i].complaints == 0 && count)) {
            fail_msg("cluster %u to %u: %d complaints: %s", damage[i].cluster, damage[i].next,
                     count, said);
        }
        fs_rig_unmount(&rig);
    }
}

/* A folder that contains itself, by its entry. */
static void folder_in_itself(void **state)
{
    struct molt_files files;
    uint32_t bytes = 0;
    (void)state;
    make_tree();
    uint8_t *folder = volume() + (6 + 7 - 2) * SECTOR; /* D */
    assert_memory_equal(folder + 64, "E  ", 3);
    molt_put_le16(folder + 64 + 26, 7);
    fs_rig_mount(&rig);
    assert_true(fs_rig_check(&rig, said, sizeof said) >= 1);
    assert_non_null(strstr(said, "/D/E: its cluster 7 belongs to a folder already"));
    molt_fs_files(rig.fs, &files);
    assert_int_equal(files.ops->measure(rig.fs, "/D", &bytes), MOLT_E_FORMAT);
    fs_rig_unmount(&rig);
}

/* Reading, writing and removing go no further than the chain does. */
static void use_of_damaged_chains(void **state)
{
    uint8_t *found;
    uint32_t n;
    static const uint32_t next[] = {0, 1, 2, 0xF00};
    (void)state;
    for (size_t i = 0; i < sizeof next / sizeof next[0]; i++) {
        make_tree();
        set_entry(2, next[i]);
        fs_rig_mount(&rig);
        int code = molt_fs_read_file(rig.fs, "/A", &found, &n);
        assert_int_equal(code,
                         next[i] == 2 ? MOLT_OK : MOLT_E_FORMAT); /* a circle has enough bytes */
        free(found);
        code = molt_fs_remove(rig.fs, "/A");
        assert_true(code == MOLT_OK || code == MOLT_E_FORMAT);
        fs_rig_expect(&rig, "/B", 2 * SECTOR, 2);
        fs_rig_unmount(&rig);
    }
    /* The size says more than the volume has. */
    make_tree();
    molt_put_le32(root_entry("A  ") + 28, 0x7FFFFFFF);
    fs_rig_mount(&rig);
    assert_int_equal(molt_fs_read_file(rig.fs, "/A", &found, &n), MOLT_E_FORMAT);
    assert_null(found);
    fs_rig_unmount(&rig);
}

static void boot_sectors_that_lie(void **state)
{
    static const struct {
        uint32_t at;
        uint8_t byte;
    } lie[] = {{0, 0},  {11, 1}, {12, 0x20}, {13, 0},    {13, 3},  {14, 0}, {16, 0},
               {16, 3}, {17, 1}, {18, 0xFF}, {22, 0xFF}, {510, 0}, {511, 0}};
    struct molt_fs *fs;
    (void)state;
    for (size_t i = 0; i < sizeof lie / sizeof lie[0]; i++) {
        make_tree();
        volume()[lie[i].at] = lie[i].byte;
        int code = molt_fs_mount(&fs, &rig.flash, FS_RIG_OFFSET, FS_RIG_SIZE, false, NULL);
        if (code != MOLT_E_FORMAT) {
            fail_msg("byte %u: %d", lie[i].at, code);
        }
    }
}

/* Two tables, as other systems make them. */
static void second_table(void **state)
{
    (void)state;
    fs_rig_init(&rig);
    assert_int_equal(format(FS_RIG_SIZE, SECTOR), MOLT_OK);
    volume()[16] = 2;
    memcpy(volume() + 2 * SECTOR, volume() + SECTOR, SECTOR);
    memset(volume() + 3 * SECTOR, 0, 4 * SECTOR);
    fs_rig_mount(&rig);
    fs_rig_put(&rig, "/A", 3 * SECTOR, 1);
    assert_int_equal(fs_rig_check(&rig, said, sizeof said), 0);
    fs_rig_unmount(&rig);
    volume()[2 * SECTOR + 20] ^= 1;
    fs_rig_mount(&rig);
    assert_int_equal(fs_rig_check(&rig, said, sizeof said), 1);
    assert_string_equal(said, ": its two tables differ in 1 entries\n");
    fs_rig_unmount(&rig);
}

/* ---- Flash ---- */

/* What does not differ is not written; what only clears bits is not erased. */
static void few_erases(void **state)
{
    (void)state;
    fs_rig_make(&rig, MOLT_FS_FAT, SECTOR);
    fs_rig_put(&rig, "/A", 3 * SECTOR, 1);
    uint64_t erased = rig.nor.erased_sectors;
    fs_rig_put(&rig, "/B", 10 * SECTOR, 2); /* ten clusters that were never used */
    assert_true(rig.nor.erased_sectors - erased <= 5);
    erased = rig.nor.erased_sectors;
    fs_rig_unmount(&rig);
    fs_rig_mount(&rig);
    fs_rig_expect(&rig, "/B", 10 * SECTOR, 2);
    fs_rig_unmount(&rig);
    assert_int_equal(rig.nor.erased_sectors, erased);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_micropython_makes_them),
                                       cmocka_unit_test(sizes_of_volumes),
                                       cmocka_unit_test(too_small),
                                       cmocka_unit_test(names),
                                       cmocka_unit_test(names_are_those_of_python),
                                       cmocka_unit_test(root_is_full),
                                       cmocka_unit_test(folders_grow),
                                       cmocka_unit_test(attribute_read_only),
                                       cmocka_unit_test(growing),
                                       cmocka_unit_test(larger_than_its_range),
                                       cmocka_unit_test(check_says_what_is_wrong),
                                       cmocka_unit_test(folder_in_itself),
                                       cmocka_unit_test(use_of_damaged_chains),
                                       cmocka_unit_test(boot_sectors_that_lie),
                                       cmocka_unit_test(second_table),
                                       cmocka_unit_test(few_erases)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
