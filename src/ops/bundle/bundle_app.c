#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "molt/host/blank.h"
#include "molt/host/target.h"
#include "molt/ops/device.h"
#include "ops/bundle/bundle_internal.h"

#define SCRATCH_SIZE   4096
#define VERSION_OFFSET (MOLT_APP_DESCRIPTOR_OFFSET + 16) /* ESP-IDF, esp_app_desc_t */
#define VERSION_SIZE   32

/* An app that may be bundled: of a known chip, checksum and hash right, bootable as far as its
 * header tells. slot_offset only matters modulo the MMU page. */
static int check_image(struct molt_image *image, const struct molt_target *target, uint32_t offset,
                       uint32_t limit, const char *thing, struct molt_message *message)
{
    uint8_t scratch[SCRATCH_SIZE];
    struct molt_diag diag = {0};
    int error =
        molt_image_read(image, &target->flash, offset, limit, scratch, sizeof scratch, &diag);
    if (!error) {
        struct molt_image_rules rules = {image->header.chip_id, 0xFFFF, 0xFF, offset};
        error = molt_image_check(image, &rules, &diag);
    }
    if (error == MOLT_E_IMAGE_MERGED) {
        return molt_fail(message, error,
                         "%s: is a bootloader without a partition table, expected an app image or "
                         "a firmware file that holds one",
                         thing);
    }
    return error ? molt_fail_diag(message, thing, &diag) : MOLT_OK;
}

/* The one partition of a firmware that holds an app. */
static int find_app(const struct molt_target *target, const struct molt_partition **found,
                    struct molt_message *message)
{
    char labels[200] = "";
    int count = 0;
    *found = NULL;
    if (target->table_error) {
        return molt_fail_diag(message, target->name, &target->table_diag);
    }
    for (uint32_t i = 0; i < target->table.count; i++) {
        const struct molt_partition *row = &target->table.row[i];
        uint8_t first = 0;
        if (row->type != MOLT_PARTITION_APP || row->offset >= target->flash.size ||
            molt_flash_read(&target->flash, row->offset, &first, 1) != MOLT_OK || first != 0xE9) {
            continue;
        }
        size_t at = strlen(labels);
        snprintf(labels + at, sizeof labels - at, "%s%s", count ? ", " : "", row->label);
        *found = row;
        count++;
    }
    if (count == 0) {
        return molt_fail(message, MOLT_E_NOT_FOUND,
                         "%s: no app in it: none of its app partitions holds an image",
                         target->name);
    }
    return count == 1 ? MOLT_OK
                      : molt_fail(message, MOLT_E_ARGUMENT,
                                  "%s: holds %d apps (%s), expected one: give the app image itself",
                                  target->name, count, labels);
}

/* Behind an app image only erased flash may follow: signatures are not carried yet. */
static int check_rest(const struct molt_target *target, uint32_t length,
                      struct molt_message *message)
{
    if (length >= target->flash.size ||
        molt_blank(target->bytes + length, target->flash.size - length)) {
        return MOLT_OK;
    }
    return molt_fail(message, MOLT_E_UNSUPPORTED,
                     "%s: has %u bytes behind the end of the app image at 0x%x (a secure "
                     "boot signature?), which a bundle cannot carry",
                     target->name, target->flash.size - length, length);
}

static int locate(const struct molt_target *target, struct molt_bundle_app *app,
                  struct molt_message *message)
{
    if (target->kind == MOLT_TARGET_APP) {
        int error = check_image(&app->image, target, 0, target->flash.size, target->name, message);
        return error ? error : check_rest(target, app->image.length, message);
    }
    if (target->kind != MOLT_TARGET_FIRMWARE && target->kind != MOLT_TARGET_DUMP) {
        return molt_fail(message, MOLT_E_ARGUMENT,
                         "%s: is %s, expected an app image, a firmware file or a flash dump",
                         target->name, molt_target_kind_words(target->kind));
    }
    const struct molt_partition *row;
    char thing[sizeof target->name + 40];
    int error = find_app(target, &row, message);
    if (error) {
        return error;
    }
    app->extracted = true;
    app->offset = row->offset;
    snprintf(app->label, sizeof app->label, "%s", row->label);
    snprintf(thing, sizeof thing, "%s, app in partition %s", target->name, row->label);
    return check_image(&app->image, target, row->offset, row->size, thing, message);
}

/* Writes the version, and what follows from it: the XOR checksum and the appended SHA-256. */
static int stamp(struct molt_bytes *bytes, const struct molt_bundle_app *app, const char *name,
                 const char *version, struct molt_message *message)
{
    size_t n = strlen(version);
    if (n == 0 || n >= VERSION_SIZE) {
        return molt_fail(message, MOLT_E_ARGUMENT,
                         "app version '%s': %zu characters, expected 1 to %d", version, n,
                         VERSION_SIZE - 1);
    }
    for (size_t i = 0; i < n; i++) {
        if (version[i] < ' ' || version[i] > '~') {
            return molt_fail(message, MOLT_E_ARGUMENT,
                             "app version: expected printable ASCII characters");
        }
    }
    if (!app->image.app.present) {
        return molt_fail(message, MOLT_E_UNSUPPORTED,
                         "%s: the app has no descriptor to write a version into", name);
    }
    size_t tail = app->image.header.hash_appended ? MOLT_SHA256_SIZE : 0;
    uint8_t *checksum = bytes->data + bytes->size - tail - 1;
    uint8_t *field = bytes->data + VERSION_OFFSET;
    for (size_t i = 0; i < VERSION_SIZE; i++) {
        uint8_t byte = i < n ? (uint8_t)version[i] : 0;
        *checksum ^= (uint8_t)(field[i] ^ byte);
        field[i] = byte;
    }
    if (tail) {
        molt_sha256_of(bytes->data, bytes->size - tail, bytes->data + bytes->size - tail);
    }
    return MOLT_OK;
}

static int take(struct molt_bytes *bytes, struct molt_bundle_app *app, struct molt_target *target,
                const char *version, struct molt_message *message)
{
    int error = locate(target, app, message);
    if (error) {
        return error;
    }
    bytes->size = app->image.length;
    bytes->data = malloc(bytes->size);
    if (!bytes->data) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "%s: out of memory", target->name);
    }
    memcpy(bytes->data, target->bytes + app->offset, bytes->size);
    if (!version) {
        return MOLT_OK;
    }
    error = stamp(bytes, app, target->name, version, message);
    if (error) {
        return error;
    }
    /* The stamped app must read as well as the one before. */
    memcpy(target->bytes + app->offset, bytes->data, bytes->size);
    return check_image(&app->image, target, app->offset, app->image.length, target->name, message);
}

int bundle_read_app(struct molt_bytes *bytes, struct molt_bundle_app *app, const char *name,
                    const char *version, struct molt_message *message)
{
    struct molt_target *target = calloc(1, sizeof *target);
    if (!target) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "%s: out of memory", name);
    }
    int error = molt_target_open(target, name, message);
    if (!error) {
        error = target->bytes ? take(bytes, app, target, version, message)
                              : molt_fail(message, MOLT_E_ARGUMENT, "%s: is %s, expected a file",
                                          name, molt_target_kind_words(target->kind));
        molt_target_close(target, NULL);
    }
    free(target);
    return error;
}

static int read_slot(struct molt_bytes *bytes, const struct molt_target *target,
                     struct molt_message *message)
{
    struct molt_ops_device *device = calloc(1, sizeof *device);
    int error = device ? molt_ops_device_of(device, target, message)
                       : molt_fail(message, MOLT_E_NO_MEMORY, "%s: out of memory", target->name);
    for (uint32_t i = 0; !error && i < device->device.slot_count; i++) {
        const struct molt_app_slot *slot = &device->slots[i];
        if (slot->number != device->device.running) {
            continue;
        }
        bytes->size = slot->size;
        bytes->data = malloc(slot->size);
        error = bytes->data ? molt_flash_read(&target->flash, slot->offset, bytes->data, slot->size)
                            : MOLT_E_NO_MEMORY;
        if (error) {
            molt_bytes_free(bytes);
            molt_fail(message, error, "%s: slot at 0x%x: %s", target->name, slot->offset,
                      molt_strerror(error));
        }
    }
    free(device);
    return error;
}

int bundle_read_running(struct molt_bytes *bytes, const char *name, struct molt_message *message)
{
    struct molt_target *target = calloc(1, sizeof *target);
    if (!target) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "%s: out of memory", name);
    }
    int error = molt_target_open(target, name, message);
    if (!error) {
        error = read_slot(bytes, target, message);
        molt_target_close(target, NULL);
    }
    free(target);
    return error;
}
