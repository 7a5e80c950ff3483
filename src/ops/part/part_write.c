#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "molt/host/file.h"
#include "molt/ops/extract.h"
#include "ops/part/appcheck.h"
#include "ops/part/part_internal.h"

#define FILE_LIMIT MOLT_PLACE_LIMIT
#define FIRST_DATA (MOLT_PTABLE_OFFSET + PART_SECTOR)

/* ---- Files ---- */

int part_read_file(const struct part_input *input, uint8_t **bytes, uint32_t *n)
{
    size_t size = 0;
    const struct molt_place *place = &input->place;
    *bytes = NULL;
    int error = molt_file_read(input->file, FILE_LIMIT, bytes, &size, input->message);
    if (!error && size == 0) {
        error = molt_fail(input->message, MOLT_E_TRUNCATED,
                          "%s: is empty, expected what is to go to '%s'; 'molt erase' empties it",
                          input->file, place->label);
    }
    if (!error && size > place->size) {
        error = molt_fail(input->message, MOLT_E_RANGE,
                          "%s: has %zu bytes, '%s' at 0x%x has %u: expected a file that fits",
                          input->file, size, place->label, place->offset, place->size);
    }
    *n = (uint32_t)size;
    if (error) {
        free(*bytes);
        *bytes = NULL;
    }
    return error;
}

static bool already_there(const struct part_input *input, const uint8_t *bytes, uint32_t n)
{
    uint8_t have[PART_SECTOR], want[PART_SECTOR];
    for (uint32_t at = 0; at < input->place.size; at += sizeof have) {
        uint32_t left = input->place.size - at, step = left < sizeof have ? left : sizeof have;
        uint32_t ours = at >= n ? 0 : n - at < step ? n - at : step;
        memset(want, 0xFF, sizeof want);
        memcpy(want, bytes + (ours ? at : 0), ours);
        if (molt_place_read(input->target, input->place.offset + at, have, step) != MOLT_OK ||
            memcmp(have, want, step) != 0) {
            return false;
        }
    }
    return true;
}

/* Takes bytes over; the plan says what is lost and what comes. */
static int put(struct part_input *input, uint8_t *bytes, uint32_t n, int order, const char *words)
{
    struct molt_part_job *job = input->job;
    const struct molt_place *place = &input->place;
    bool same = already_there(input, bytes, n);
    int error = part_add(job, input->target, place, bytes, n, order, input->message);
    if (error) {
        return error;
    }
    if (same) {
        molt_plan_add(&job->plan, MOLT_STEP_KEEP, place->offset, n, place->label,
                      "there already: %s", words);
        return MOLT_OK;
    }
    struct part_content content;
    part_content(&content, input->target, place);
    if (content.precious || content.app) {
        molt_plan_add(&job->plan, MOLT_STEP_LOSE, place->offset, place->size, place->label, "%s",
                      content.words);
    }
    part_guard_running(job, input->target, place);
    molt_plan_add(&job->plan, MOLT_STEP_WRITE, place->offset, n, place->label, "%s", words);
    return MOLT_OK;
}

/* ---- Apps ---- */

static int fail_too_large(const struct part_input *input, uint32_t n)
{
    return molt_fail(input->message, MOLT_E_IMAGE_TOO_LARGE,
                     "%s: the app has %u bytes (0x%x), slot '%s' has 0x%x: a slot of 0x%x would "
                     "fit; 'molt edit' makes a table with larger ones",
                     input->file, n, n, input->place.label, input->place.size,
                     (n + 0xFFFF) / 0x10000 * 0x10000);
}

/* The image of an opened file, judged for its new place. */
static int app_of(struct part_input *input, const struct molt_target *from)
{
    struct molt_extract app;
    struct molt_image_rules rules = appcheck_rules(input->target, input->place.offset);
    struct molt_info_image *found = calloc(1, sizeof *found);
    char words[300];
    if (!found) {
        return molt_fail(input->message, MOLT_E_NO_MEMORY, "out of memory");
    }
    int error = molt_extract_app(&app, from, NULL, input->message);
    if (!error) {
        molt_info_read_image(found, &from->flash, app.offset, app.n, NULL);
        found->error = molt_image_check(&found->image, &rules, &found->diag);
        error = found->error ? appcheck_fail(found, input->file, "app", input->message) : MOLT_OK;
    }
    if (!error && app.n > input->place.size) {
        error = fail_too_large(input, app.n);
    }
    if (!error) {
        int used = snprintf(words, sizeof words, "%s", app.words);
        if (app.label[0]) {
            snprintf(words + used, sizeof words - (size_t)used,
                     ", the app of '%s' taken out of the %s", app.label,
                     molt_target_kind_name(from->kind));
        } else if (app.left_over) {
            snprintf(words + used, sizeof words - (size_t)used,
                     "; the %u bytes behind it are left out", app.left_over);
        }
        error = put(input, app.bytes, app.n, PART_DATA, words);
        app.bytes = NULL;
    }
    molt_extract_free(&app);
    free(found);
    return error;
}

/* Opens the file and hands it on. */
static int with_source(struct part_input *input,
                       int (*take)(struct part_input *input, const struct molt_target *from))
{
    struct molt_target *from = malloc(sizeof *from);
    struct molt_message closing;
    if (!from) {
        return molt_fail(input->message, MOLT_E_NO_MEMORY, "out of memory");
    }
    int error = molt_target_open(from, input->file, input->message);
    if (!error) {
        error = take(input, from);
        molt_target_close(from, &closing);
    }
    free(from);
    return error;
}

int part_write_app(struct part_input *input)
{
    return with_source(input, app_of);
}

/* ---- Bootloaders ---- */

static bool is_app(const struct molt_info_image *found, const struct molt_chip *chip)
{
    bool mapped = false;
    for (uint32_t i = 0; i < found->image.header.segment_count; i++) {
        mapped |=
            molt_chip_memory_at(chip, found->image.segment[i].load_address) == MOLT_MEMORY_MAPPED;
    }
    return found->image.app.present || mapped;
}

static int check_bootloader(struct part_input *input, const struct molt_target *from,
                            struct molt_info_image *found)
{
    const struct molt_chip *chip = input->target->chip;
    uint32_t offset = from->kind == MOLT_TARGET_APP ? 0 : chip->bootloader_offset;
    if (from->chip != chip) {
        return molt_fail(input->message, MOLT_E_IMAGE_CHIP,
                         "%s: is for %s, %s has %s: use a bootloader for that chip", input->file,
                         from->chip ? from->chip->name : "no chip", input->target->name,
                         chip->name);
    }
    molt_info_read_image(found, &from->flash, offset, MOLT_PTABLE_OFFSET - offset, NULL);
    if (from->kind == MOLT_TARGET_APP || (found->readable && is_app(found, chip))) {
        return molt_fail(input->message, MOLT_E_FORMAT,
                         "%s: is an app, expected a bootloader for %s", input->file, chip->name);
    }
    if (!found->readable || found->error) {
        return appcheck_fail(found, input->file, "bootloader", input->message);
    }
    if (found->image.length > input->place.size) {
        return molt_fail(input->message, MOLT_E_IMAGE_TOO_LARGE,
                         "%s: the bootloader has %u bytes, up to the table there are %u",
                         input->file, found->image.length, input->place.size);
    }
    return MOLT_OK;
}

/* Its size nibble; the checksum does not cover the header, the hash does. */
static void set_flash_size(uint8_t *bytes, const struct molt_image *image, uint32_t size)
{
    bytes[3] =
        (uint8_t)((uint32_t)molt_flash_size_nibble(size) << 4 | image->header.flash_freq_nibble);
    if (image->header.hash_appended) {
        uint32_t hashed = image->length - MOLT_SHA256_SIZE;
        molt_sha256_of(bytes, hashed, bytes + hashed);
    }
}

static int bootloader_of(struct part_input *input, const struct molt_target *from)
{
    char words[200];
    struct molt_info_image *found = calloc(1, sizeof *found);
    int error = found ? check_bootloader(input, from, found)
                      : molt_fail(input->message, MOLT_E_NO_MEMORY, "out of memory");
    uint8_t *bytes = NULL;
    if (!error) {
        bytes = malloc(found->image.length);
        error = bytes ? molt_flash_read(&from->flash, found->offset, bytes, found->image.length)
                      : MOLT_E_NO_MEMORY;
        if (error) {
            molt_fail(input->message, error, "%s: %s", input->file, molt_strerror(error));
        }
    }
    if (!error) {
        uint32_t size = molt_flash_size_of_nibble(found->image.header.flash_size_nibble);
        if (input->flash_size && input->flash_size != size) {
            size = input->flash_size;
            set_flash_size(bytes, &found->image, size);
        }
        const char *idf = found->image.bootloader_idf;
        snprintf(words, sizeof words, "bootloader for %s%s%.32s, %u MB of flash in its header%s",
                 from->chip->name, idf[0] ? ", ESP-IDF " : "", idf, size >> 20,
                 from->kind == MOLT_TARGET_BOOTLOADER ? "" : ", taken out of the firmware");
        error = put(input, bytes, found->image.length, PART_BOOTLOADER, words);
        bytes = NULL;
    }
    free(bytes);
    free(found);
    return error;
}

int part_write_bootloader(struct part_input *input)
{
    return with_source(input, bootloader_of);
}

/* ---- Data ---- */

static bool holds_files(const struct part_input *input)
{
    struct molt_place files;
    const struct molt_partition *row = input->place.row;
    if (row && (row->subtype == MOLT_DATA_FAT || row->subtype == MOLT_DATA_SPIFFS ||
                row->subtype == MOLT_DATA_LITTLEFS)) {
        return true;
    }
    return molt_place_files(&files, input->target, NULL) == MOLT_OK &&
           files.offset == input->place.offset;
}

/* What is no file system, though it goes where the device's files are. */
static const char *other_kind(const uint8_t *bytes, uint32_t n)
{
    return n >= 2 && bytes[0] == 0xE9                       ? "an image of an app or bootloader"
           : n >= 2 && bytes[0] == 0xAA && bytes[1] == 0x50 ? "a partition table"
           : n >= 4 && memcmp(bytes, "UF2\n", 4) == 0       ? "a UF2 file"
           : n >= 4 && memcmp(bytes,
                              "\x7F"
                              "ELF",
                              4) == 0
               ? "an ELF program"
               : NULL;
}

/* By its superblock, as it will lie there. */
static int check_files(struct part_input *input)
{
    const struct molt_place *place = &input->place;
    struct part_files files;
    struct part_view *view = malloc(sizeof *view);
    if (!view) {
        return molt_fail(input->message, MOLT_E_NO_MEMORY, "out of memory");
    }
    part_view_init(view, input->target, input->job);
    int error = part_files(&files, &view->target.flash, place->offset, place->size, false);
    free(view);
    if (error) {
        return molt_fail(input->message, error, "%s: %s", input->file, molt_strerror(error));
    }
    if (!files.found) {
        molt_plan_add(&input->job->plan, MOLT_STEP_NOTE, 0, 0, place->label,
                      "%s is no file system that Molt knows; MicroPython does not mount it",
                      input->file);
    } else if (files.size > place->size) {
        return molt_fail(input->message, MOLT_E_RANGE,
                         "%s: is a %s of %llu bytes, '%s' has %u: make one that fits with 'molt fs "
                         "build'",
                         input->file, files.variant, (unsigned long long)files.size, place->label,
                         place->size);
    } else if (files.size < place->size) {
        molt_plan_add(&input->job->plan, MOLT_STEP_NOTE, 0, 0, place->label,
                      "the %s has %llu KB of the place's %u KB; 'molt fs grow' gives it all",
                      files.variant, (unsigned long long)files.size >> 10, place->size >> 10);
    }
    return MOLT_OK;
}

int part_write_data(struct part_input *input)
{
    uint8_t *bytes;
    uint32_t n;
    const struct molt_place *place = &input->place;
    bool files = holds_files(input);
    int error = part_read_file(input, &bytes, &n);
    if (error) {
        return error;
    }
    if (files && other_kind(bytes, n)) {
        part_refuse(input->job, MOLT_E_FORMAT, "%s: is %s, but '%s' holds the device's files",
                    input->file, other_kind(bytes, n), place->label);
    }
    if (place->kind == MOLT_PLACE_RANGE && place->offset < FIRST_DATA) {
        part_refuse(input->job, MOLT_E_ARGUMENT,
                    "range '%s' is where bootloader and table are: name those, then what comes is "
                    "checked",
                    place->label);
    }
    error = put(input, bytes, n, PART_DATA, input->file);
    return !error && files ? check_files(input) : error;
}

/* ---- All of them ---- */

static int write_one(struct part_input *input)
{
    const struct molt_place *place = &input->place;
    const struct molt_partition *row = place->row;
    if (place->kind == MOLT_PLACE_WHOLE) {
        return molt_fail(input->message, MOLT_E_ARGUMENT,
                         "'all' of a target is written by 'molt flash': expected a partition, "
                         "bootloader or table");
    }
    if (strncmp(input->file, "sim:", 4) == 0) {
        return molt_fail(input->message, MOLT_E_ARGUMENT,
                         "%s: is a board, expected a file: 'molt read' makes one", input->file);
    }
    if ((place->kind == MOLT_PLACE_BOOTLOADER || (row && row->type == MOLT_PARTITION_APP)) &&
        !input->target->chip) {
        return molt_fail(input->message, MOLT_E_IMAGE_CHIP,
                         "%s: what chip it has is not known, so nothing that it is to start can be "
                         "checked: write a whole firmware with 'molt flash'",
                         input->target->name);
    }
    if (row && row->type == MOLT_PARTITION_APP) {
        return part_write_app(input);
    }
    if (row && row->type == MOLT_PARTITION_DATA && row->subtype == MOLT_DATA_OTADATA) {
        return part_write_otadata(input);
    }
    return place->kind == MOLT_PLACE_BOOTLOADER ? part_write_bootloader(input)
           : place->kind == MOLT_PLACE_TABLE    ? part_write_table(input)
                                                : part_write_data(input);
}

int part_plan_write(struct molt_part_job *job, const struct molt_target *target,
                    const struct molt_part_write *writes, uint32_t count, uint32_t flash_size,
                    struct molt_message *message)
{
    int error = part_check_target(target, message);
    for (uint32_t i = 0; !error && i < count; i++) {
        struct part_input input = {.job = job,
                                   .target = target,
                                   .file = writes[i].file,
                                   .flash_size = flash_size,
                                   .message = message};
        error = molt_place_find(&input.place, target, writes[i].name, message);
        if (!error) {
            error = write_one(&input);
        }
    }
    if (!error) {
        error = part_check_table(job, target, message);
    }
    if (!error) {
        part_check_otadata(job, target);
        error = part_finish(job, target, message);
    }
    return error;
}

int molt_part_plan_write(struct molt_part_job *job, const struct molt_target *target,
                         const struct molt_part_write *writes, uint32_t count, bool force,
                         struct molt_message *message)
{
    memset(job, 0, sizeof *job);
    job->force = force;
    return part_plan_write(job, target, writes, count, 0, message);
}
