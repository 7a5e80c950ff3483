/* Layouts: every figure that docs/partition-tables.md promises, and every refusal with its code and
 * what would fit instead. */
#include <stdio.h>
#include <string.h>

#include "molt/ops/layout.h"
#include "testing.h"

#define MB(n) ((uint32_t)(n) << 20)
#define KB(n) ((uint32_t)(n) << 10)

static struct molt_message message;

static int make(struct molt_ptable *table, const struct molt_layout_request *request)
{
    memset(&message, 0, sizeof message);
    return molt_layout_make(table, request, &message);
}

/* "nvs@9000+6000 ..." in hex: a whole table on one line. */
static const char *shown(const struct molt_ptable *table)
{
    static char text[2048];
    size_t at = 0;
    text[0] = 0;
    for (uint32_t i = 0; i < table->count; i++) {
        const struct molt_partition *row = &table->row[i];
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s:%u/%x@%x+%x", i ? " " : "",
                               row->label, row->type, row->subtype, row->offset, row->size);
    }
    return text;
}

static void makes(const struct molt_layout_request *request, const char *expected)
{
    struct molt_ptable table;
    int error = make(&table, request);
    if (error) {
        print_error("%s\n", message.text);
    }
    assert_int_equal(error, MOLT_OK);
    assert_string_equal(shown(&table), expected);
    assert_true(table.has_md5);
    assert_int_equal(molt_ptable_check(&table, request->flash_size, NULL), MOLT_OK);
}

static void refuses(const struct molt_layout_request *request, int error, const char *words)
{
    struct molt_ptable table;
    assert_int_equal(make(&table, request), error);
    assert_int_equal(message.error, error);
    if (!strstr(message.text, words)) {
        print_error("'%s' is not in: %s\n", words, message.text);
    }
    assert_non_null(strstr(message.text, words));
}

/* ---- The peer's three ---- */

static void ota(void **state)
{
    (void)state;
    static const struct {
        uint32_t megabytes, slot;
    } sizes[] = {{4, 0x180000}, {8, 0x200000}, {16, 0x270000}, {32, 0x270000}, {128, 0x270000}};
    struct molt_ptable table;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct molt_layout_request request = {.name = "ota", .flash_size = MB(sizes[i].megabytes)};
        assert_int_equal(make(&table, &request), MOLT_OK);
        assert_int_equal(table.row[2].size, sizes[i].slot);
        assert_int_equal(molt_layout_slot_size("ota", request.flash_size), sizes[i].slot);
        assert_int_equal(table.row[4].offset + table.row[4].size, request.flash_size);
    }
    struct molt_layout_request request = {.name = "ota", .flash_size = MB(4)};
    makes(&request, "nvs:1/2@9000+5000 otadata:1/0@e000+2000 ota_0:0/10@10000+180000 "
                    "ota_1:0/11@190000+180000 vfs:1/81@310000+f0000");
    request.app_offset = 0x20000;
    makes(&request, "nvs:1/2@9000+15000 otadata:1/0@1e000+2000 ota_0:0/10@20000+180000 "
                    "ota_1:0/11@1a0000+180000 vfs:1/81@320000+e0000");
    refuses(&(struct molt_layout_request){.name = "ota", .flash_size = MB(1)}, MOLT_E_NO_SPACE,
            "--flash-size 4M makes slots of 0x180000");
    refuses(&(struct molt_layout_request){.name = "ota", .flash_size = MB(2)}, MOLT_E_NO_SPACE,
            "'ota_1' at 0x190000 has no room in 2 MB of flash; slots of 0xf0000 would fit");
}

static void one_app(void **state)
{
    (void)state;
    makes(&(struct molt_layout_request){.name = "default", .flash_size = MB(4)},
          "nvs:1/2@9000+7000 factory:0/0@10000+1f0000 vfs:1/81@200000+200000");
    makes(&(struct molt_layout_request){.name = "original", .flash_size = MB(4)},
          "nvs:1/2@9000+6000 phy_init:1/1@f000+1000 factory:0/0@10000+1f0000 "
          "vfs:1/81@200000+200000");
    makes(&(struct molt_layout_request){.name = "default", .flash_size = MB(16)},
          "nvs:1/2@9000+7000 factory:0/0@10000+1f0000 vfs:1/81@200000+e00000");
    refuses(&(struct molt_layout_request){.name = "default", .flash_size = MB(2)}, MOLT_E_NO_SPACE,
            "'vfs' at 0x200000 has no room");
}

/* ---- MicroPython's own, ports/esp32/partitions-*.csv of 1.25 and 1.26 ---- */

static void stock(void **state)
{
    (void)state;
    struct molt_layout_request request = {.name = "micropython", .flash_size = MB(4)};
    makes(&request, "nvs:1/2@9000+6000 phy_init:1/1@f000+1000 factory:0/0@10000+1f0000 "
                    "vfs:1/81@200000+200000");
    request.flash_size = MB(8);
    makes(&request, "nvs:1/2@9000+6000 phy_init:1/1@f000+1000 factory:0/0@10000+1f0000 "
                    "vfs:1/81@200000+600000");
    request.flash_size = MB(16);
    makes(&request, "nvs:1/2@9000+6000 phy_init:1/1@f000+1000 factory:0/0@10000+1f0000 "
                    "vfs:1/81@200000+e00000");
    request.flash_size = MB(32);
    makes(&request, "nvs:1/2@9000+6000 phy_init:1/1@f000+1000 factory:0/0@10000+1f0000 "
                    "vfs:1/81@200000+1e00000");
    request.flash_size = MB(2);
    makes(&request, "nvs:1/2@9000+6000 phy_init:1/1@f000+1000 factory:0/0@10000+160000 "
                    "vfs:1/81@170000+50000");
    request.files = MOLT_LAYOUT_FILES_NO_ROW;
    makes(&request, "nvs:1/2@9000+6000 phy_init:1/1@f000+1000 factory:0/0@10000+160000");
    request.flash_size = MB(4);
    makes(&request, "nvs:1/2@9000+6000 phy_init:1/1@f000+1000 factory:0/0@10000+1f0000");
}

static void stock_ota(void **state)
{
    (void)state;
    struct molt_layout_request request = {.name = "micropython-ota", .flash_size = MB(4)};
    makes(&request, "nvs:1/2@9000+4000 otadata:1/0@d000+2000 phy_init:1/1@f000+1000 "
                    "ota_0:0/10@10000+180000 ota_1:0/11@190000+180000 vfs:1/81@310000+f0000");
    request.flash_size = MB(16);
    makes(&request, "nvs:1/2@9000+4000 otadata:1/0@d000+2000 phy_init:1/1@f000+1000 "
                    "ota_0:0/10@10000+270000 ota_1:0/11@280000+270000 vfs:1/81@4f0000+b10000");
    request.flash_size = MB(32);
    makes(&request, "nvs:1/2@9000+4000 otadata:1/0@d000+2000 phy_init:1/1@f000+1000 "
                    "ota_0:0/10@10000+270000 ota_1:0/11@280000+270000 vfs:1/81@4f0000+1b10000");
    request.files = MOLT_LAYOUT_FILES_NO_ROW;
    request.flash_size = MB(8);
    makes(&request, "nvs:1/2@9000+4000 otadata:1/0@d000+2000 phy_init:1/1@f000+1000 "
                    "ota_0:0/10@10000+270000 ota_1:0/11@280000+270000");
    request.flash_size = MB(4);
    makes(&request, "nvs:1/2@9000+4000 otadata:1/0@d000+2000 phy_init:1/1@f000+1000 "
                    "ota_0:0/10@10000+180000 ota_1:0/11@190000+180000");
}

static void the_row_goes_by_the_version(void **state)
{
    (void)state;
    static const struct {
        const char *version;
        bool row;
    } versions[] = {{NULL, true},
                    {"", true},
                    {"1.26.0", true}, /* not how MicroPython writes it */
                    {"v1.25.0", true},
                    {"v1.26.0-preview.7.g0a1b2c3d4", true},
                    {"v1.26.0", false},
                    {"v1.26.1", false},
                    {"v1.27.0-preview.1.gabc", false},
                    {"v2.0.0", false}};
    struct molt_ptable table;
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
        struct molt_layout_request request = {
            .name = "micropython", .flash_size = MB(4), .micropython = versions[i].version};
        assert_int_equal(make(&table, &request), MOLT_OK);
        assert_int_equal(molt_ptable_find_label(&table, "vfs") != NULL, versions[i].row);
        request.files = MOLT_LAYOUT_FILES_ROW;
        assert_int_equal(make(&table, &request), MOLT_OK);
        assert_non_null(molt_ptable_find_label(&table, "vfs"));
        request.files = MOLT_LAYOUT_FILES_AUTO;
        request.fs_size = MB(1); /* asked for, so there is one */
        assert_int_equal(make(&table, &request), MOLT_OK);
        assert_int_equal(molt_ptable_find_label(&table, "vfs")->size, MB(1));
        request.fs_size = 0;
        request.fs_label = "files";
        assert_int_equal(make(&table, &request), MOLT_OK);
        assert_non_null(molt_ptable_find_label(&table, "files"));
    }
    refuses(&(struct molt_layout_request){.name = "ota",
                                          .flash_size = MB(4),
                                          .files = MOLT_LAYOUT_FILES_NO_ROW},
            MOLT_E_ARGUMENT, "layout ota always has a partition for files");
    refuses(&(struct molt_layout_request){.name = "micropython",
                                          .flash_size = MB(4),
                                          .fs_size = MB(1),
                                          .files = MOLT_LAYOUT_FILES_NO_ROW},
            MOLT_E_ARGUMENT, "a partition for files and none");
}

/* ---- LoBo's ---- */

#define WIKI_FIRMWARE 1709104u /* slots of 0x1B0000 */

struct lobo {
    const char *name;
    uint32_t megabytes, length;
    uint32_t last_app, fs_offset, fs_kilobytes;
};

static void lobo_figures(void **state)
{
    (void)state;
    static const struct lobo figures[] = {
        {"single", 4, 0, 0x10000, 0x110000, 3008},
        {"single", 8, 0, 0x10000, 0x110000, 7104},
        {"single", 16, 0, 0x10000, 0x110000, 15296},
        {"two-slots", 4, 0, 0x110000, 0x210000, 1984},
        {"two-slots", 8, 0, 0x110000, 0x210000, 6080},
        {"two-slots", 16, 0, 0x110000, 0x210000, 14272},
        {"three-slots", 8, 0, 0x210000, 0x310000, 5056},
        {"three-slots", 16, 0, 0x210000, 0x310000, 13248},
        {"single", 4, WIKI_FIRMWARE, 0x10000, 0x1C0000, 2304},
        {"single", 8, WIKI_FIRMWARE, 0x10000, 0x1C0000, 6400},
        {"single", 16, WIKI_FIRMWARE, 0x10000, 0x1C0000, 14592},
        {"two-slots", 4, WIKI_FIRMWARE, 0x1C0000, 0x370000, 576},
        {"three-slots", 8, WIKI_FIRMWARE, 0x370000, 0x520000, 2944},
        {"three-slots", 16, WIKI_FIRMWARE, 0x370000, 0x520000, 11136},
        {"lobo", 4, 0, 0x110000, 0x210000, 1984},
        {"lobo", 8, 0, 0x110000, 0x210000, 6080},
        {"lobo", 16, 0, 0x210000, 0x310000, 13248},
        {"lobo", 32, 0, 0x210000, 0x310000, 29632},
        /* The step: exactly full, and one byte more. */
        {"two-slots", 4, MB(1), 0x110000, 0x210000, 1984},
        {"two-slots", 4, MB(1) + 1, 0x120000, 0x230000, 1856},
    };
    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++) {
        const struct lobo *figure = &figures[i];
        struct molt_ptable table;
        struct molt_layout_request request = {.name = figure->name,
                                              .flash_size = MB(figure->megabytes),
                                              .app_length = figure->length};
        assert_int_equal(make(&table, &request), MOLT_OK);
        const struct molt_partition *fs = &table.row[table.count - 1];
        assert_string_equal(fs->label, "internalfs");
        assert_int_equal(fs->offset, figure->fs_offset);
        assert_int_equal(fs->size, KB(figure->fs_kilobytes));
        assert_int_equal(table.row[table.count - 2].offset, figure->last_app);
    }
}

static void lobo_tables(void **state)
{
    (void)state;
    makes(&(struct molt_layout_request){.name = "single", .flash_size = MB(4)},
          "nvs:1/2@9000+6000 phy_init:1/1@f000+1000 MicroPython:0/0@10000+100000 "
          "internalfs:1/82@110000+2f0000");
    makes(&(struct molt_layout_request){.name = "two-slots", .flash_size = MB(4)},
          "nvs:1/2@9000+4000 otadata:1/0@d000+2000 phy_init:1/1@f000+1000 "
          "MicroPython_1:0/10@10000+100000 MicroPython_2:0/11@110000+100000 "
          "internalfs:1/82@210000+1f0000");
    makes(&(struct molt_layout_request){.name = "three-slots", .flash_size = MB(8)},
          "nvs:1/2@9000+4000 otadata:1/0@d000+2000 phy_init:1/1@f000+1000 "
          "MicroPython:0/0@10000+100000 MicroPython_1:0/10@110000+100000 "
          "MicroPython_2:0/11@210000+100000 internalfs:1/82@310000+4f0000");
    makes(&(struct molt_layout_request){.name = "lobo", .flash_size = MB(16), .slots = 1},
          "nvs:1/2@9000+6000 phy_init:1/1@f000+1000 MicroPython:0/0@10000+100000 "
          "internalfs:1/82@110000+ef0000");
    makes(&(struct molt_layout_request){.name = "lobo",
                                        .flash_size = MB(8),
                                        .slots = 3,
                                        .fs_label = "vfs",
                                        .fs_subtype = MOLT_DATA_LITTLEFS,
                                        .app_label = "main"},
          "nvs:1/2@9000+4000 otadata:1/0@d000+2000 phy_init:1/1@f000+1000 "
          "main:0/0@10000+100000 MicroPython_1:0/10@110000+100000 "
          "MicroPython_2:0/11@210000+100000 vfs:1/83@310000+4f0000");
}

static void lobo_refusals(void **state)
{
    (void)state;
    refuses(&(struct molt_layout_request){.name = "three-slots", .flash_size = MB(4)},
            MOLT_E_NO_SPACE, "expected 8 MB or more");
    refuses(&(struct molt_layout_request){.name = "lobo", .flash_size = MB(4), .slots = 3},
            MOLT_E_NO_SPACE, "layouts two-slots and single");
    refuses(&(struct molt_layout_request){.name = "lobo", .flash_size = MB(16), .slots = 4},
            MOLT_E_ARGUMENT, "expected 1, 2 or 3");
    /* 0x1D0000: two slots end at 0x3B0000, 320 KB are left: enough for spiffs only. */
    struct molt_layout_request request = {
        .name = "two-slots", .flash_size = MB(4), .app_length = 0x1CFFFF};
    struct molt_ptable table;
    assert_int_equal(make(&table, &request), MOLT_OK);
    assert_int_equal(table.row[5].size, KB(320));
    request.fs_subtype = MOLT_DATA_FAT;
    refuses(&request, MOLT_E_NO_SPACE,
            "0x50000 bytes for 'internalfs' at 0x3b0000, expected 0x80000");
    assert_non_null(strstr(message.text, "--flash-size 8M makes slots of 0x1d0000"));
    request.fs_subtype = MOLT_DATA_LITTLEFS;
    refuses(&request, MOLT_E_NO_SPACE, "expected 0x80000");
    request.fs_subtype = 0;
    request.app_length = 0x1DFFFF; /* 192 KB */
    refuses(&request, MOLT_E_NO_SPACE, "expected 0x40000");
    request.app_length = 0x1F0001; /* two slots of 0x200000: no room at all */
    refuses(&request, MOLT_E_NO_SPACE, "'MicroPython_2' at 0x210000 has no room");
    request.app_length = 0xFFFFFFFF;
    refuses(&request, MOLT_E_NO_SPACE, "expected a smaller firmware");
    assert_null(strstr(message.text, "slots of"));
    /* A slot that somebody wants larger than the firmware needs. */
    request.app_length = 0x180000;
    request.slot_size = 0x1F0000;
    refuses(&request, MOLT_E_NO_SPACE, "slots of 0x1d0000 would fit");
}

/* What is advised is what would be accepted: at the very limits. */
static void advice_is_exact(void **state)
{
    (void)state;
    struct molt_ptable table;
    struct molt_partition nvs = {MOLT_PARTITION_DATA, MOLT_DATA_NVS, 0x9000, 0x6000, "nvs", 0};
    struct molt_layout_request request = {
        .name = "three-slots", .flash_size = MB(8), .slot_size = 0x2A0000};
    refuses(&request, MOLT_E_NO_SPACE, "slots of 0x290000 would fit");
    assert_null(strstr(message.text, "smaller firmware"));
    request.app_length = 0x290000;
    refuses(&request, MOLT_E_NO_SPACE, "slots of 0x290000 would fit");
    request.nvs = &nvs; /* otadata has to go behind the slots */
    request.app_length = 0;
    refuses(&request, MOLT_E_NO_SPACE, "slots of 0x280000 would fit");
    request.nvs = NULL;
    request.slot_size = 0x290000; /* leaves 256 KB to the byte */
    assert_int_equal(make(&table, &request), MOLT_OK);
    assert_int_equal(table.row[6].size, KB(256));
    request =
        (struct molt_layout_request){.name = "ota", .flash_size = MB(4), .app_length = 0x1A0000};
    refuses(&request, MOLT_E_IMAGE_TOO_LARGE, "a slot of 0x1a0000 would fit (2 such need 4 MB");
    request =
        (struct molt_layout_request){.name = "ota", .flash_size = MB(64), .slot_size = 0x2000000};
    refuses(&request, MOLT_E_NO_SPACE, "--flash-size 128M makes slots of 0x2000000");
    request =
        (struct molt_layout_request){.name = "single", .flash_size = MB(4), .slot_size = 0x3D0000};
    refuses(&request, MOLT_E_NO_SPACE,
            "1 app partition of 0x3d0000 leaves 0x20000 bytes for 'internalfs'");
}

/* ---- Options ---- */

static void file_system_sizes(void **state)
{
    (void)state;
    struct molt_ptable table;
    struct molt_layout_request request = {.name = "two-slots", .flash_size = MB(4)};
    static const struct {
        uint32_t asked, got;
    } sizes[] = {{KB(1024), KB(1024)}, {KB(1984), KB(1984)}, {KB(1985), KB(1984)},
                 {MB(64), KB(1984)},   {KB(256), KB(256)},   {KB(1000) + 5, KB(1000)},
                 {KB(1001), KB(1000)}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        request.fs_size = sizes[i].asked;
        assert_int_equal(make(&table, &request), MOLT_OK);
        assert_int_equal(table.row[5].size, sizes[i].got);
    }
    request.fs_size = KB(256) - 1;
    refuses(&request, MOLT_E_ARGUMENT, "expected 256 KB or more");
    request.fs_size = KB(256);
    request.fs_subtype = MOLT_DATA_LITTLEFS;
    refuses(&request, MOLT_E_ARGUMENT, "expected 512 KB or more");
    request.name = "ota";
    request.fs_size = 0x1FFF;
    refuses(&request, MOLT_E_ARGUMENT, "expected 8 KB or more");
    request.fs_size = 0x2000;
    assert_int_equal(make(&table, &request), MOLT_OK);
    assert_int_equal(table.row[4].size, 0x2000);
}

static void slots(void **state)
{
    (void)state;
    struct molt_layout_request request = {
        .name = "ota", .flash_size = MB(16), .slots = 4, .slot_size = 0x1B0000};
    makes(&request, "nvs:1/2@9000+5000 otadata:1/0@e000+2000 ota_0:0/10@10000+1b0000 "
                    "ota_1:0/11@1c0000+1b0000 ota_2:0/12@370000+1b0000 ota_3:0/13@520000+1b0000 "
                    "vfs:1/81@6d0000+930000");
    request.slots = 16;
    request.slot_size = 0xF0000;
    struct molt_ptable table;
    assert_int_equal(make(&table, &request), MOLT_OK);
    assert_string_equal(table.row[17].label, "ota_15");
    assert_int_equal(table.row[17].subtype, MOLT_APP_OTA_15);
    request.slots = 17;
    refuses(&request, MOLT_E_ARGUMENT, "17 slots, expected 2 to 16");
    request.slots = 1;
    refuses(&request, MOLT_E_ARGUMENT, "1 slot, expected 2 to 16");
    request.name = "default";
    request.slots = 2;
    refuses(&request, MOLT_E_ARGUMENT, "default has 1 app partition, 2 are asked for");
    request.slots = 1;
    assert_int_equal(make(&table, &request), MOLT_OK);
    request.name = "three-slots";
    refuses(&request, MOLT_E_ARGUMENT, "three-slots has 3 app partitions, 1 is asked for");
    request.name = "ota";
    request.slots = 0;
    request.slot_size = 0x181000;
    refuses(&request, MOLT_E_ALIGNMENT, "multiple of 64 KB: 0x180000 or 0x190000");
    request.slot_size = 1;
    refuses(&request, MOLT_E_ALIGNMENT, "multiple of 64 KB: 0x10000 or 0x10000");
    request.slot_size = 0xFFFF0000;
    refuses(&request, MOLT_E_NO_SPACE, "slots of 0x7f0000 would fit");
}

static void the_app_fits_its_slot(void **state)
{
    (void)state;
    struct molt_layout_request request = {
        .name = "ota", .flash_size = MB(4), .app_length = 1672800};
    refuses(&request, MOLT_E_IMAGE_TOO_LARGE,
            "a slot of 0x1a0000 would fit (2 such need 4 MB of flash)");
    assert_non_null(strstr(message.text, "--flash-size 8M makes slots of 0x200000"));
    request.slot_size = 0x1A0000;
    makes(&request, "nvs:1/2@9000+5000 otadata:1/0@e000+2000 ota_0:0/10@10000+1a0000 "
                    "ota_1:0/11@1b0000+1a0000 vfs:1/81@350000+b0000");
    request.slot_size = 0;
    request.app_length = 0x180000;
    struct molt_ptable table;
    assert_int_equal(make(&table, &request), MOLT_OK);
    request.app_length = 0x270001;
    refuses(&request, MOLT_E_IMAGE_TOO_LARGE,
            "a slot of 0x280000 would fit (2 such need 8 MB of flash)");
    assert_null(strstr(message.text, "--flash-size"));
    request.app_length = 0x7FFFFFFF;
    refuses(&request, MOLT_E_IMAGE_TOO_LARGE, "expected a smaller firmware");
    request.name = "default";
    request.app_length = 0x1F0001;
    refuses(&request, MOLT_E_IMAGE_TOO_LARGE, "larger than partition 'factory' of layout default");
}

static struct molt_partition nvs_row(uint32_t offset, uint32_t size)
{
    return (struct molt_partition){MOLT_PARTITION_DATA, MOLT_DATA_NVS, offset, size, "nvs", 0};
}

static void nvs_is_kept(void **state)
{
    (void)state;
    struct molt_partition nvs = nvs_row(0x9000, 0x6000);
    struct molt_layout_request request = {.name = "ota", .flash_size = MB(4), .nvs = &nvs};
    /* No room for otadata before the apps any more. */
    makes(&request, "nvs:1/2@9000+6000 ota_0:0/10@10000+180000 ota_1:0/11@190000+180000 "
                    "otadata:1/0@310000+2000 vfs:1/81@312000+ee000");
    request.name = "micropython-ota";
    makes(&request, "nvs:1/2@9000+6000 phy_init:1/1@f000+1000 ota_0:0/10@10000+180000 "
                    "ota_1:0/11@190000+180000 otadata:1/0@310000+2000 vfs:1/81@312000+ee000");
    nvs = nvs_row(0xB000, 0x5000);
    request.name = "ota";
    makes(&request, "otadata:1/0@9000+2000 nvs:1/2@b000+5000 ota_0:0/10@10000+180000 "
                    "ota_1:0/11@190000+180000 vfs:1/81@310000+f0000");
    nvs = nvs_row(0x3F0000, 0x10000); /* at the end of the flash */
    makes(&request, "otadata:1/0@9000+2000 ota_0:0/10@10000+180000 ota_1:0/11@190000+180000 "
                    "vfs:1/81@310000+e0000 nvs:1/2@3f0000+10000");
    nvs = nvs_row(0x310000, 0x4000); /* behind the apps */
    makes(&request, "otadata:1/0@9000+2000 ota_0:0/10@10000+180000 ota_1:0/11@190000+180000 "
                    "nvs:1/2@310000+4000 vfs:1/81@314000+ec000");
    nvs = nvs_row(0x9000, 0x7000); /* nothing is left before the apps */
    request.name = "micropython-ota";
    makes(&request, "nvs:1/2@9000+7000 ota_0:0/10@10000+180000 ota_1:0/11@190000+180000 "
                    "otadata:1/0@310000+2000 phy_init:1/1@312000+1000 vfs:1/81@313000+ed000");
    request.name = "ota";
    nvs = nvs_row(0xE000, 0x4000);
    refuses(&request, MOLT_E_TABLE_OVERLAP,
            "'ota_0' (0x10000 to 0x190000) would lie over 'nvs' (0xe000 to 0x12000)");
    nvs = nvs_row(0x200000, 0x4000);
    refuses(&request, MOLT_E_TABLE_OVERLAP,
            "'ota_1' (0x190000 to 0x310000) would lie over 'nvs' (0x200000 to 0x204000)");
    nvs = nvs_row(0x3F0000, 0x20000);
    refuses(&request, MOLT_E_TABLE_FLASH_SIZE, "partition 'nvs'");
}

static void other_refusals(void **state)
{
    (void)state;
    refuses(&(struct molt_layout_request){.name = "none", .flash_size = MB(4)}, MOLT_E_ARGUMENT,
            "expected one of: ota, default, original, micropython, micropython-ota, single, "
            "two-slots, three-slots, lobo");
    struct molt_layout_request request = {
        .name = "ota", .flash_size = MB(4), .app_offset = 0x3F0000};
    refuses(&request, MOLT_E_NO_SPACE, "has no room in 4 MB");
    request.app_offset = 0x11000;
    refuses(&request, MOLT_E_ALIGNMENT, "the app lies at 0x11000");
    request.app_offset = 0x400000;
    refuses(&request, MOLT_E_ALIGNMENT, "the app lies at 0x400000");
    request.app_offset = 0x10000;
    request.flash_size = MB(256);
    refuses(&request, MOLT_E_RANGE, "expected up to 128 MB");
    request.flash_size = MB(4);
    request.fs_label = "seventeen-letters";
    refuses(&request, MOLT_E_TABLE_NAME, "17 characters, expected 16 at most");
    request.fs_label = "";
    refuses(&request, MOLT_E_TABLE_NAME, "no name");
    request.fs_label = "ota_1";
    refuses(&request, MOLT_E_TABLE_NAME, "partition 'ota_1'");
    request.fs_label = "a sixteen-letter";
    struct molt_ptable table;
    assert_int_equal(make(&table, &request), MOLT_OK);
    assert_int_equal(molt_layout_slot_size("none", MB(4)), 0);
}

static void names(void **state)
{
    (void)state;
    uint32_t count = 0;
    assert_string_equal(molt_layout_name(0), "ota");
    while (molt_layout_name(count)) {
        assert_non_null(molt_layout_summary(count));
        struct molt_layout_request request = {.name = molt_layout_name(count),
                                              .flash_size = MB(16)};
        struct molt_ptable table;
        assert_int_equal(make(&table, &request), MOLT_OK);
        count++;
    }
    assert_int_equal(count, 9);
    assert_null(molt_layout_summary(count));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ota),
        cmocka_unit_test(one_app),
        cmocka_unit_test(stock),
        cmocka_unit_test(stock_ota),
        cmocka_unit_test(the_row_goes_by_the_version),
        cmocka_unit_test(lobo_figures),
        cmocka_unit_test(lobo_tables),
        cmocka_unit_test(lobo_refusals),
        cmocka_unit_test(advice_is_exact),
        cmocka_unit_test(file_system_sizes),
        cmocka_unit_test(slots),
        cmocka_unit_test(the_app_fits_its_slot),
        cmocka_unit_test(nvs_is_kept),
        cmocka_unit_test(other_refusals),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
