/*
 * The boot model against everything that genuine bootloaders did: tests/vectors/bootloader. The
 * ESP32's image is the genuine MicroPython 1.23.0; the C3's is made here, in the shape of one.
 */
#include <jansson.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "testing.h"

#include "appmodel.h"
#include "fast_digest.h"
#include "molt/crypto.h"
#include "molt/sim/bootmodel.h"
#include "molt/sim/nor.h"

#define FIRMWARE "/../build/deps/firmware/ESP32_GENERIC-20240602-v1.23.0.bin"
#define MAX      0x800000u

struct bytes {
    uint8_t *data;
    uint32_t n;
};

struct bench {
    struct bytes good[2], merged[2]; /* ESP32, C3 */
    uint8_t good_sha256[2][32];
    uint8_t *flash;
    int chip; /* index of good: 0 ESP32, 1 C3 */
    uint32_t size;
    struct molt_nor nor;
    struct molt_flash device;
    struct molt_bootmodel_facts facts;
    struct app_model app;
    unsigned cases, sequences, wrong;
};

static void put32(uint8_t *p, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        p[i] = (uint8_t)(value >> (8 * i));
    }
}

static uint32_t get32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void hash(const uint8_t *bytes, uint32_t n, uint8_t sha256[32])
{
    struct molt_digest_state state;
    rig_digest.start(&state);
    rig_digest.update(&state, bytes, n);
    rig_digest.finish(&state, sha256);
}

static void seal(struct bytes image)
{
    hash(image.data, image.n - 32, image.data + image.n - 32);
}

static void load_firmware(struct bench *bench)
{
    FILE *file = fopen(TEST_DATA FIRMWARE, "rb");
    assert_non_null(file);
    struct bytes *merged = &bench->merged[0], *good = &bench->good[0];
    merged->data = malloc(MAX);
    merged->n = (uint32_t)fread(merged->data, 1, MAX, file);
    fclose(file);
    assert_int_equal(merged->n, 1734240);
    good->n = 1672800;
    good->data = malloc(good->n);
    memcpy(good->data, merged->data + 0xF000, good->n);
}

/* An image of the C3: at an address each, `count` segments of that size; min_rev 3 as genuine. */
static struct bytes c3_image(const uint32_t *address, uint32_t size, unsigned count)
{
    struct bytes image = {calloc(1, 24 + count * (size + 8) + 16 + 32), 24};
    uint8_t sum = 0xEF;
    image.data[0] = 0xE9;
    image.data[1] = (uint8_t)count;
    image.data[12] = 5;
    image.data[14] = 3;
    image.data[15] = 3;
    image.data[23] = 1;
    for (unsigned i = 0; i < count; i++) {
        put32(image.data + image.n, address[i]);
        put32(image.data + image.n + 4, size);
        image.n += 8;
        for (uint32_t k = 0; k < size; k++) {
            image.data[image.n + k] = (uint8_t)(k * 7 + (k >> 8) + i);
        }
        if (i == 0) {
            put32(image.data + image.n, 0xABCD5432);
        }
        for (uint32_t k = 0; k < size; k++) {
            sum ^= image.data[image.n + k];
        }
        image.n += size;
    }
    image.n = (image.n + 16) & ~15u;
    image.data[image.n - 1] = sum;
    image.n += 32;
    seal(image);
    return image;
}

/* The app: constants mapped at its very start, data, code; the merged file: a bootloader, which is
   loaded where a bootloader runs, and the app at 0x10000. */
static void make_c3(struct bench *bench)
{
    static const uint32_t app[] = {0x3C000020, 0x3FC90000, 0x40380000};
    static const uint32_t bootloader[] = {0x3FCD5820, 0x403CC710};
    bench->good[1] = c3_image(app, 30000, 3);
    struct bytes loader = c3_image(bootloader, 8000, 2), *merged = &bench->merged[1];
    merged->n = 0x10000 + bench->good[1].n;
    merged->data = malloc(merged->n);
    memset(merged->data, 0xFF, merged->n);
    memcpy(merged->data, loader.data, loader.n);
    memcpy(merged->data + 0x10000, bench->good[1].data, bench->good[1].n);
    free(loader.data);
}

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

/* Changes the copy of good at `image` as the word says; false = no such word. */
static bool spoil(struct bytes image, const char *content)
{
    uint8_t *p = image.data;
    uint32_t n = image.n;
    if (is(content, "badhash")) {
        p[n - 1] ^= 1;
        return true;
    }
    if (is(content, "truncated") || is(content, "truncated-4k")) {
        uint32_t from = is(content, "truncated") ? n / 2 : n & ~0xFFFu;
        memset(p + from, 0xFF, n - from);
        return true;
    }
    if (is(content, "badsum")) {
        p[n - 33] ^= 1;
    } else if (is(content, "nohash-badbyte")) {
        p[23] = 0;
        p[n / 2] ^= 0x10;
    } else if (is(content, "badmagic")) {
        p[0] = 0xE8;
    } else if (is(content, "wrongchip")) {
        p[12] = p[12] ? 0 : 5;
    } else if (is(content, "chip-ffff")) {
        p[12] = p[13] = 0xFF;
    } else if (is(content, "minrev-high")) {
        p[15] = 900 & 0xFF;
        p[16] = 900 >> 8;
    } else if (is(content, "minrev-legacy-high")) {
        p[14] = 9;
    } else if (is(content, "segs17")) {
        p[1] = 17;
    } else if (is(content, "nodesc")) {
        p[n - 33] ^= p[32] ^ p[33] ^ p[34] ^ p[35];
        memset(p + 32, 0, 4);
    } else {
        return false;
    }
    seal(image);
    return true;
}

static void fill_slot(const struct bench *bench, uint32_t offset, uint32_t size,
                      const char *content)
{
    uint8_t *slot = bench->flash + offset;
    struct bytes good = bench->good[bench->chip];
    if (is(content, "blank")) {
        return;
    }
    if (is(content, "merged")) {
        good = bench->merged[bench->chip];
    } else if (is(content, "other-chip-app")) {
        good = bench->good[!bench->chip];
    }
    memcpy(slot, good.data, good.n < size ? good.n : size);
    if (is(content, "tail-garbage")) {
        memset(slot + good.n, 0xA5, size - good.n);
    } else if (!is(content, "good") && !is(content, "merged") && !is(content, "other-chip-app")) {
        if (!spoil((struct bytes){slot, good.n}, content)) {
            fail_msg("no such slot content: %s", content);
        }
    }
}

/* Would esp_ota_set_boot_partition take it? It does not look at load addresses. */
static bool app_accepts(const char *content)
{
    return is(content, "good") || is(content, "merged") || is(content, "tail-garbage") ||
           is(content, "nodesc");
}

static uint32_t unhex(const char *hex, uint8_t *to)
{
    uint32_t n = (uint32_t)strlen(hex) / 2;
    for (uint32_t i = 0; i < n; i++) {
        char two[3] = {hex[2 * i], hex[2 * i + 1], 0};
        to[i] = (uint8_t)strtoul(two, NULL, 16);
    }
    return n;
}

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    if (!value) {
        fail_msg("%s is missing", key);
        abort();
    }
    return value;
}

static uint32_t number(const json_t *object, const char *key)
{
    return (uint32_t)json_integer_value(json_object_get(object, key));
}

static void write_table(struct bench *bench, const json_t *layout, const json_t *entry)
{
    uint8_t *at = bench->flash + 0x8000;
    const json_t *row, *given = json_object_get(entry, "table");
    size_t i;
    if (given) {
        unhex(json_string_value(given), at);
        return;
    }
    json_array_foreach(json_object_get(layout, "rows"), i, row)
    {
        uint8_t *p = at + 32 * i;
        memset(p, 0, 32);
        p[0] = 0xAA;
        p[1] = 0x50;
        p[2] = (uint8_t)number(row, "type");
        p[3] = (uint8_t)number(row, "subtype");
        put32(p + 4, number(row, "offset"));
        put32(p + 8, number(row, "size"));
        memcpy(p + 12, text(row, "label"), strlen(text(row, "label")));
    }
    uint8_t *md5 = at + 32 * i;
    unsigned length = 16;
    md5[0] = md5[1] = 0xEB;
    assert_int_equal(EVP_Digest(at, 32 * i, md5 + 16, &length, EVP_md5(), NULL), 1);
}

/* The application's reader of the table that is on the flash. */
static void read_table(struct bench *bench)
{
    bench->app.rows = 0;
    for (const uint8_t *p = bench->flash + 0x8000; p[0] == 0xAA && bench->app.rows < APP_ROWS;
         p += 32) {
        struct app_row *row = &bench->app.row[bench->app.rows++];
        *row = (struct app_row){p[2], p[3], get32(p + 4), get32(p + 8), ""};
        memcpy(row->label, p + 12, 16);
    }
}

static uint32_t otadata_at(const json_t *entry)
{
    return is(text(entry, "layout"), "ota2-od12k") ? 0xC000 : 0xD000;
}

static const char *content_of(const json_t *entry, const char *label)
{
    const json_t *word = json_object_get(json_object_get(entry, "slot_content"), label);
    return word ? json_string_value(word) : "good";
}

static void prepare(struct bench *bench, const json_t *root, const json_t *entry)
{
    const json_t *layout = json_object_get(json_object_get(root, "layouts"), text(entry, "layout"));
    const json_t *row, *moved = json_object_get(entry, "moved");
    size_t i;
    assert_non_null(layout);
    bench->size = number(layout, "flash_mb") << 20;
    memset(bench->flash, 0xFF, bench->size);
    json_array_foreach(json_object_get(layout, "rows"), i, row)
    {
        if (number(row, "type") == 0) {
            fill_slot(bench, number(row, "offset"), number(row, "size"),
                      content_of(entry, text(row, "label")));
        }
    }
    if (moved) {
        fill_slot(bench, (uint32_t)json_integer_value(json_array_get(moved, 1)), 0x1A0000, "good");
    }
    write_table(bench, layout, entry);
    uint8_t *header = bench->flash + (bench->chip ? 0 : 0x1000);
    const json_t *mb = json_object_get(entry, "header_mb");
    uint32_t claims = mb ? (uint32_t)json_integer_value(mb) : number(layout, "flash_mb");
    header[0] = 0xE9;
    header[3] = claims == 8 ? 0x30 : 0x20;
    for (uint32_t s = 0; s < 2; s++) {
        uint8_t *sector = bench->flash + otadata_at(entry) + s * 0x1000;
        const char *rest =
            json_string_value(json_array_get(json_object_get(entry, "rest_before"), s));
        memset(sector, (int)strtoul(rest, NULL, 16), 0x1000);
        unhex(json_string_value(json_array_get(json_object_get(entry, "otadata_before"), s)),
              sector);
    }
    read_table(bench);
    bench->app.flash = bench->flash;
    bench->app.rollback = bench->facts.rollback;
    molt_nor_init(&bench->nor, bench->flash, bench->size, 1);
    molt_nor_flash(&bench->nor, &bench->device);
    bench->facts.chip_flash_size = bench->size;
}

static const char *boot(struct bench *bench, struct molt_boot_outcome *outcome)
{
    assert_int_equal(molt_bootmodel_boot(&bench->device, &bench->facts, &rig_digest, outcome),
                     MOLT_OK);
    return outcome->result == MOLT_BOOT_RUNS         ? outcome->label
           : outcome->result == MOLT_BOOT_APP_ABORTS ? "prompt, then the app aborts"
                                                     : "no boot";
}

static void compare(struct bench *bench, const json_t *entry, int step, const char *what,
                    const char *expected, const char *found)
{
    if (!is(expected, found)) {
        print_error("%s, step %d: %s: expected %s, found %s\n", text(entry, "id"), step, what,
                    expected, found);
        bench->wrong++;
    }
}

static void compare_otadata(struct bench *bench, const json_t *entry, int step,
                            const json_t *records, const json_t *rests)
{
    for (uint32_t s = 0; s < 2; s++) {
        const uint8_t *sector = bench->flash + otadata_at(entry) + s * 0x1000;
        char hex[65], rest[8];
        for (int i = 0; i < 32; i++) {
            snprintf(hex + 2 * i, 3, "%02x", sector[i]);
        }
        snprintf(rest, sizeof rest, "%02x", sector[32]);
        if (memcmp(sector + 32, sector + 33, 0xFDF) != 0) {
            strcpy(rest, "mixed");
        }
        compare(bench, entry, step, "record", json_string_value(json_array_get(records, s)), hex);
        compare(bench, entry, step, "rest", json_string_value(json_array_get(rests, s)), rest);
    }
}

static void run_case(struct bench *bench, const json_t *root, const json_t *entry)
{
    struct molt_boot_outcome outcome;
    prepare(bench, root, entry);
    compare(bench, entry, 0, "running", text(entry, "running"), boot(bench, &outcome));
    compare_otadata(bench, entry, 0, json_object_get(entry, "otadata_after"),
                    json_object_get(entry, "rest_after"));
    if (outcome.result == MOLT_BOOT_RUNS && is(content_of(entry, outcome.label), "good")) {
        struct bytes good = bench->good[bench->chip];
        assert_int_equal(outcome.image_length, good.n);
        assert_memory_equal(outcome.image_sha256, bench->good_sha256[bench->chip], 32);
    }
    bench->cases++;
}

static void run_sequence(struct bench *bench, const json_t *root, const json_t *entry)
{
    const json_t *step;
    char running[32] = "";
    size_t i;
    prepare(bench, root, entry);
    json_array_foreach(json_object_get(entry, "steps"), i, step)
    {
        const char *todo = text(step, "do"), *result = NULL;
        struct molt_boot_outcome outcome;
        int at = (int)i;
        if (is(todo, "power") || is(todo, "reset")) {
            snprintf(running, sizeof running, "%s", boot(bench, &outcome));
        } else if (is(todo, "confirm")) {
            result = app_confirm(&bench->app);
        } else if (strncmp(todo, "set_boot ", 9) == 0) {
            result = app_set_boot(&bench->app, todo + 9, app_accepts(content_of(entry, todo + 9)));
        } else {
            fail_msg("%s: no such step: %s", text(entry, "id"), todo);
        }
        if (result) {
            compare(bench, entry, at, "result", text(step, "result"), result);
        }
        compare(bench, entry, at, "running", text(step, "running"), running);
        compare_otadata(bench, entry, at, json_object_get(step, "otadata"),
                        json_object_get(step, "rest"));
        compare(bench, entry, at, "boot", text(step, "boot"), app_boot_partition(&bench->app));
        compare(bench, entry, at, "next_update", text(step, "next_update"),
                app_next_update(&bench->app, running));
    }
    bench->sequences++;
}

static void run_file(struct bench *bench, const char *name, int chip, bool rollback)
{
    char path[1000];
    json_error_t error;
    const json_t *entry;
    size_t i;
    snprintf(path, sizeof path, "%s/vectors/bootloader/%s", TEST_DATA, name);
    json_t *root = json_load_file(path, 0, &error);
    assert_non_null(root);
    bench->chip = chip;
    bench->facts = (struct molt_bootmodel_facts){.chip_id = chip ? 5 : 0,
                                                 .revision = chip ? 3 : 0,
                                                 .rollback = rollback,
                                                 .legacy_revision = !rollback};
    json_array_foreach(json_object_get(root, "cases"), i, entry)
    {
        run_case(bench, root, entry);
    }
    json_array_foreach(json_object_get(root, "sequences"), i, entry)
    {
        run_sequence(bench, root, entry);
    }
    json_decref(root);
}

static void everything_recorded(void **unused)
{
    struct bench bench = {.flash = malloc(MAX)};
    (void)unused;
    load_firmware(&bench);
    make_c3(&bench);
    for (int i = 0; i < 2; i++) {
        hash(bench.good[i].data, bench.good[i].n, bench.good_sha256[i]);
    }
    /* The cheap ones first: with a difference the rest is not needed. */
    run_file(&bench, "bootloader-esp32c3-idf504.json", 1, true);
    if (!bench.wrong) {
        run_file(&bench, "bootloader-esp32c3-idf443-norollback.json", 1, false);
    }
    if (!bench.wrong) {
        run_file(&bench, "bootloader-idf504.json", 0, true);
    }
    for (int i = 0; i < 2; i++) {
        free(bench.good[i].data);
        free(bench.merged[i].data);
    }
    free(bench.flash);
    print_message("%u boots, %u sequences, %u differences\n", bench.cases, bench.sequences,
                  bench.wrong);
    assert_int_equal(bench.wrong, 0);
    assert_int_equal(bench.cases, 765);
    assert_int_equal(bench.sequences, 74);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(everything_recorded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
