/* What a pair of places holds: images, the boot record, pages, bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "molt/host/blank.h"
#include "molt/ops/info.h"
#include "molt/otadata.h"
#include "ops/diff/diff_internal.h"

#define CHUNK 65536u
#define PAGE  4096u

/* ---- Bytes ---- */

/* n bytes at `at` of a place, erased behind its end. */
static int read_part(const struct diff_work *work, const struct molt_target *target,
                     const struct molt_place *place, uint32_t at, uint8_t *bytes, uint32_t n)
{
    uint32_t inside = at < place->size ? place->size - at : 0;
    inside = inside < n ? inside : n;
    memset(bytes + inside, 0xFF, n - inside);
    int error = inside ? molt_place_read(target, place->offset + at, bytes, inside) : MOLT_OK;
    return error ? diff_cannot_read(work, target, place->offset + at, error) : MOLT_OK;
}

/* Calls seen for each chunk of both, until it returns other than MOLT_OK. */
typedef int (*seen)(void *context, uint32_t at, const uint8_t *a, const uint8_t *b, uint32_t n);

static int walk(const struct diff_work *work, const struct molt_place *a,
                const struct molt_place *b, seen chunk, void *context)
{
    uint32_t size = a->size > b->size ? a->size : b->size;
    uint8_t *bytes = malloc(2 * CHUNK);
    int error = bytes ? MOLT_OK : molt_fail(work->message, MOLT_E_NO_MEMORY, "out of memory");
    for (uint32_t at = 0; !error && at < size; at += CHUNK) {
        uint32_t n = size - at < CHUNK ? size - at : CHUNK;
        error = read_part(work, work->a, a, at, bytes, n);
        if (!error) {
            error = read_part(work, work->b, b, at, bytes + CHUNK, n);
        }
        if (!error) {
            error = chunk(context, at, bytes, bytes + CHUNK, n);
        }
        if (!error) {
            error = diff_progress(work, "compare", at + n, size);
        }
    }
    free(bytes);
    return error;
}

struct tally {
    uint32_t first, bytes, pages;
};

static int tally_chunk(void *context, uint32_t at, const uint8_t *a, const uint8_t *b, uint32_t n)
{
    struct tally *tally = context;
    for (uint32_t page = 0; page < n; page += PAGE) {
        uint32_t length = n - page < PAGE ? n - page : PAGE;
        if (memcmp(a + page, b + page, length) == 0) {
            continue;
        }
        tally->pages++;
        for (uint32_t i = page; i < page + length; i++) {
            if (a[i] != b[i]) {
                tally->first = tally->bytes ? tally->first : at + i;
                tally->bytes++;
            }
        }
    }
    return MOLT_OK;
}

static int count_differences(const struct diff_work *work, const struct molt_place *a,
                             const struct molt_place *b, struct tally *tally)
{
    memset(tally, 0, sizeof *tally);
    return walk(work, a, b, tally_chunk, tally);
}

int diff_bytes(struct diff_work *work, const struct molt_place *a, const struct molt_place *b)
{
    struct tally tally;
    int error = count_differences(work, a, b, &tally);
    if (error || tally.bytes == 0) {
        return error;
    }
    struct molt_diff_item *item = diff_add(work, MOLT_DIFF_BYTES, MOLT_DIFF_CHANGED, a->label);
    if (!item) {
        return MOLT_E_NO_MEMORY;
    }
    item->first = tally.first;
    item->count = tally.bytes;
    return MOLT_OK;
}

#define OTHER 1

static int same_chunk(void *context, uint32_t at, const uint8_t *a, const uint8_t *b, uint32_t n)
{
    (void)context;
    (void)at;
    return memcmp(a, b, n) == 0 ? MOLT_OK : OTHER;
}

int diff_is_same(const struct diff_work *work, const struct molt_place *a,
                 const struct molt_place *b)
{
    int error = walk(work, a, b, same_chunk, NULL);
    return error < 0 ? error : error != OTHER;
}

static int blank_chunk(void *context, uint32_t at, const uint8_t *a, const uint8_t *b, uint32_t n)
{
    (void)context;
    (void)at;
    (void)b;
    return molt_blank(a, n) ? MOLT_OK : OTHER;
}

int diff_is_blank(const struct diff_work *work, const struct molt_target *target,
                  const struct molt_place *place)
{
    const struct molt_place nothing = {0};
    struct diff_work one = *work;
    one.a = (struct molt_target *)target; /* read only */
    int error = walk(&one, place, &nothing, blank_chunk, NULL);
    return error < 0 ? error : error != OTHER;
}

/* ---- Images ---- */

static void app_words(char text[160], const struct molt_info_image *image)
{
    char hash[17];
    const struct molt_app_descriptor *app = &image->image.app;
    if (image->empty || image->outside) {
        return;
    }
    if (!image->readable) {
        diff_words(text, "no image: %s", molt_strerror(image->error));
        return;
    }
    for (int i = 0; i < 8; i++) {
        snprintf(hash + 2 * i, 3, "%02x", image->image.sha256[i]);
    }
    if (image->micropython[0]) {
        diff_words(text, "MicroPython %s of %s, %u bytes, SHA-256 %s...%s", image->micropython,
                   image->micropython_date, image->image.length, hash,
                   image->error ? ", damaged" : "");
    } else {
        const char *version = app->present ? app->version : "";
        diff_words(text, "%s%s%u bytes, SHA-256 %s...%s", version, version[0] ? ", " : "",
                   image->image.length, hash, image->error ? ", damaged" : "");
    }
}

static int read_app(const struct diff_work *work, const struct molt_target *target,
                    const struct molt_place *place, struct molt_info_image *image)
{
    memset(image, 0, sizeof *image);
    if (place->size == 0) {
        image->empty = true;
        return MOLT_OK;
    }
    molt_info_read_image(image, &target->flash, place->offset, place->size, target->chip);
    int error = image->readable ? molt_info_find_micropython(image, &target->flash) : MOLT_OK;
    return error ? diff_cannot_read(work, target, place->offset, error) : MOLT_OK;
}

/* Both images with all their bytes; where one cannot be read as an image, the whole places. */
static int images_differ(const struct diff_work *work, const struct molt_place *a,
                         const struct molt_info_image *left, const struct molt_place *b,
                         const struct molt_info_image *right, bool *differ)
{
    struct molt_place one = *a, other = *b;
    struct tally tally;
    *differ = true;
    if (left->readable != right->readable ||
        (left->readable && left->image.length != right->image.length)) {
        return MOLT_OK;
    }
    if (left->readable) {
        one.size = other.size = left->image.length;
    }
    int error = count_differences(work, &one, &other, &tally);
    *differ = tally.bytes != 0;
    return error;
}

int diff_app(struct diff_work *work, const struct molt_place *a, const struct molt_place *b)
{
    struct molt_info_image *image = malloc(2 * sizeof *image);
    bool differ = false;
    if (!image) {
        return molt_fail(work->message, MOLT_E_NO_MEMORY, "out of memory");
    }
    int error = read_app(work, work->a, a, &image[0]);
    if (!error) {
        error = read_app(work, work->b, b, &image[1]);
    }
    bool in_a = !image[0].empty && !image[0].outside, in_b = !image[1].empty && !image[1].outside;
    if (!error && (in_a || in_b)) {
        error = images_differ(work, a, &image[0], b, &image[1], &differ);
    }
    if (!error && differ) {
        struct molt_diff_item *item =
            diff_add(work, MOLT_DIFF_APP, diff_by_side(in_a, in_b), a->label);
        error = item ? MOLT_OK : MOLT_E_NO_MEMORY;
        if (item) {
            app_words(item->a, &image[0]);
            app_words(item->b, &image[1]);
        }
    }
    free(image);
    return error;
}

/* ---- Bootloaders ---- */

static void boot_place(const struct molt_target *target, struct molt_place *place)
{
    memset(place, 0, sizeof *place);
    snprintf(place->label, sizeof place->label, "bootloader");
    place->kind = MOLT_PLACE_BOOTLOADER;
    if (target->chip) {
        place->offset = target->chip->bootloader_offset;
        place->size = MOLT_PTABLE_OFFSET - place->offset;
    }
}

static void boot_words(char text[160], const struct molt_info_image *image)
{
    const char *idf =
        image->image.app.present ? image->image.app.idf_version : image->image.bootloader_idf;
    if (image->empty || image->outside) {
        return;
    }
    if (!image->readable) {
        diff_words(text, "no image: %s", molt_strerror(image->error));
        return;
    }
    diff_words(text, "%s%s%s%u bytes, SHA-256 %02x%02x%02x%02x...%s", idf[0] ? "ESP-IDF " : "", idf,
               idf[0] ? ", " : "", image->image.length, image->image.sha256[0],
               image->image.sha256[1], image->image.sha256[2], image->image.sha256[3],
               image->error ? ", damaged" : "");
}

/* SPI mode and frequency are settings of the header, as the flash size is. */
static int header_item(struct diff_work *work, const struct molt_image_header *a,
                       const struct molt_image_header *b)
{
    static const char *const modes[] = {"QIO", "QOUT", "DIO", "DOUT", "FAST", "SLOW"};
    if (a->spi_mode == b->spi_mode && a->flash_freq_nibble == b->flash_freq_nibble) {
        return MOLT_OK;
    }
    struct molt_diff_item *item = diff_add(work, MOLT_DIFF_HEADER, MOLT_DIFF_CHANGED, "bootloader");
    if (!item) {
        return MOLT_E_NO_MEMORY;
    }
    diff_words(item->a, "SPI mode %s, frequency code %u",
               a->spi_mode < 6 ? modes[a->spi_mode] : "?", a->flash_freq_nibble);
    diff_words(item->b, "SPI mode %s, frequency code %u",
               b->spi_mode < 6 ? modes[b->spi_mode] : "?", b->flash_freq_nibble);
    return MOLT_OK;
}

struct settings {
    uint32_t length; /* of the image, without an appended hash */
    bool other;      /* something but the settings of the header differs */
};

static int settings_chunk(void *context, uint32_t at, const uint8_t *a, const uint8_t *b,
                          uint32_t n)
{
    struct settings *settings = context;
    for (uint32_t i = 0; i < n; i++) {
        bool setting = at + i == 2 || at + i == 3 || at + i >= settings->length;
        if (a[i] != b[i] && !setting) {
            settings->other = true;
        }
    }
    return MOLT_OK;
}

static int bootloaders_differ(struct diff_work *work, const struct molt_place *a,
                              const struct molt_info_image *left, const struct molt_place *b,
                              const struct molt_info_image *right, bool *differ)
{
    struct molt_place one = *a, other = *b;
    uint32_t hash = left->image.header.hash_appended ? MOLT_SHA256_SIZE : 0;
    struct settings settings = {left->image.length - hash, false};
    *differ = true;
    if (!left->readable || !right->readable || left->error || right->error ||
        left->image.length != right->image.length) {
        return images_differ(work, a, left, b, right, differ);
    }
    one.size = other.size = left->image.length;
    int error = walk(work, &one, &other, settings_chunk, &settings);
    *differ = settings.other;
    return error || settings.other ? error
                                   : header_item(work, &left->image.header, &right->image.header);
}

/* What lies behind an image that is the same, up to the table. */
static int compare_remains(struct diff_work *work, const struct molt_place *a,
                           const struct molt_place *b, uint32_t length)
{
    struct molt_place one = *a, other = *b;
    uint32_t found = work->diff->count;
    one.offset += length;
    one.size -= length;
    other.offset += length;
    other.size -= length;
    int error = diff_bytes(work, &one, &other);
    if (!error && work->diff->count > found) {
        work->diff->item[found].first += length;
    }
    return error;
}

int diff_bootloader(struct diff_work *work)
{
    struct molt_info_image *image = calloc(2, sizeof *image);
    struct molt_place a, b;
    bool differ = false;
    int error = MOLT_OK;
    if (!image) {
        return molt_fail(work->message, MOLT_E_NO_MEMORY, "out of memory");
    }
    boot_place(work->a, &a);
    boot_place(work->b, &b);
    image[0].empty = a.size == 0;
    image[1].empty = b.size == 0;
    if (a.size) {
        molt_info_read_image(&image[0], &work->a->flash, a.offset, a.size, NULL);
    }
    if (b.size) {
        molt_info_read_image(&image[1], &work->b->flash, b.offset, b.size, NULL);
    }
    bool in_a = !image[0].empty && !image[0].outside, in_b = !image[1].empty && !image[1].outside;
    if (in_a || in_b) {
        error = bootloaders_differ(work, &a, &image[0], &b, &image[1], &differ);
    }
    if (!error && differ) {
        struct molt_diff_item *item =
            diff_add(work, MOLT_DIFF_BOOTLOADER, diff_by_side(in_a, in_b), "bootloader");
        error = item ? MOLT_OK : MOLT_E_NO_MEMORY;
        if (item) {
            boot_words(item->a, &image[0]);
            boot_words(item->b, &image[1]);
        }
    } else if (!error && image[0].readable && image[1].readable) {
        error = compare_remains(work, &a, &b, image[0].image.length);
    }
    free(image);
    return error;
}

/* ---- The boot record ---- */

static const char *state_word(uint32_t state)
{
    static const char *const words[] = {"NEW", "PENDING", "VALID", "INVALID", "ABORTED"};
    return state < 5 ? words[state] : state == 0xFFFFFFFF ? "UNDEFINED" : "an unknown state";
}

static void otadata_words(char text[160], const struct molt_target *target,
                          const struct molt_otadata *otadata)
{
    const struct molt_ptable *table = &target->table;
    const struct molt_otadata_facts facts = {
        molt_ptable_slot_count(table),
        molt_ptable_find(table, MOLT_PARTITION_APP, MOLT_APP_FACTORY) != NULL, true};
    struct molt_otadata_choice choice;
    if (facts.slot_count == 0 || facts.slot_count > 16) {
        diff_words(text, "records without slots");
        return;
    }
    molt_otadata_choose(otadata, &facts, &choice);
    const struct molt_partition *row = molt_ptable_find(
        table, MOLT_PARTITION_APP,
        (uint8_t)(choice.slot < 0 ? MOLT_APP_FACTORY : MOLT_APP_OTA_0 + choice.slot));
    if (choice.record < 0) {
        diff_words(text, "boots %s, by no record", row ? row->label : "nothing");
        return;
    }
    const struct molt_otadata_record *record = &otadata->record[choice.record];
    diff_words(text, "boots %s, by record %d: number %u, %s", row ? row->label : "nothing",
               choice.record, record->seq, state_word(record->state));
}

static int read_records(const struct diff_work *work, const struct molt_target *target,
                        const struct molt_place *place, struct molt_otadata *otadata,
                        uint8_t records[2][MOLT_OTADATA_RECORD_SIZE])
{
    int error = read_part(work, target, place, 0, records[0], MOLT_OTADATA_RECORD_SIZE);
    if (!error) {
        error = read_part(work, target, place, PAGE, records[1], MOLT_OTADATA_RECORD_SIZE);
    }
    molt_otadata_parse(otadata, records[0], records[1]);
    return error;
}

static int compare_otadata(struct diff_work *work, const struct molt_place *a,
                           const struct molt_place *b)
{
    struct molt_otadata left, right;
    uint8_t one[2][MOLT_OTADATA_RECORD_SIZE], other[2][MOLT_OTADATA_RECORD_SIZE];
    int error = read_records(work, work->a, a, &left, one);
    if (!error) {
        error = read_records(work, work->b, b, &right, other);
    }
    if (error) {
        return error;
    }
    if (memcmp(one, other, sizeof one) == 0) {
        return diff_bytes(work, a, b);
    }
    struct molt_diff_item *item = diff_add(work, MOLT_DIFF_OTADATA, MOLT_DIFF_CHANGED, a->label);
    if (!item) {
        return MOLT_E_NO_MEMORY;
    }
    otadata_words(item->a, work->a, &left);
    otadata_words(item->b, work->b, &right);
    return MOLT_OK;
}

static int compare_nvs(struct diff_work *work, const struct molt_place *a,
                       const struct molt_place *b)
{
    struct tally tally;
    int error = count_differences(work, a, b, &tally);
    if (error || tally.bytes == 0) {
        return error;
    }
    int blank_a = diff_is_blank(work, work->a, a), blank_b = diff_is_blank(work, work->b, b);
    if (blank_a < 0 || blank_b < 0) {
        return blank_a < 0 ? blank_a : blank_b;
    }
    struct molt_diff_item *item =
        diff_add(work, MOLT_DIFF_NVS, diff_by_side(!blank_a, !blank_b), a->label);
    if (!item) {
        return MOLT_E_NO_MEMORY;
    }
    item->first = tally.first;
    item->count = tally.pages;
    return MOLT_OK;
}

/* ---- By kind ---- */

int diff_content(struct diff_work *work, const struct molt_place *a, const struct molt_place *b)
{
    const struct molt_partition *row = a->row ? a->row : b->row;
    bool done = false;
    if (row && row->type == MOLT_PARTITION_APP) {
        return diff_app(work, a, b);
    }
    if (row && row->type == MOLT_PARTITION_DATA && row->subtype == MOLT_DATA_OTADATA) {
        return compare_otadata(work, a, b);
    }
    if (row && row->type == MOLT_PARTITION_DATA && row->subtype == MOLT_DATA_NVS) {
        return compare_nvs(work, a, b);
    }
    int error = diff_files(work, a, b, &done);
    return error || done ? error : diff_bytes(work, a, b);
}
