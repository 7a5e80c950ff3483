#define _GNU_SOURCE /* memmem */
#include "molt/ops/device.h"

#include <stdlib.h>
#include <string.h>

#include "molt/espimage.h"
#include "molt/host/board.h"

#define OTADATA_SIZE 0x2000u

static void collect_slots(struct molt_ops_device *d, const struct molt_ptable *table)
{
    for (uint32_t i = 0; i < table->count && d->device.slot_count < MOLT_SLOT_MAX; i++) {
        const struct molt_partition *row = &table->row[i];
        bool factory = row->subtype == MOLT_APP_FACTORY;
        bool ota = row->subtype >= MOLT_APP_OTA_0 && row->subtype <= MOLT_APP_OTA_15;
        if (row->type == MOLT_PARTITION_APP && (factory || ota)) {
            uint32_t n = d->device.slot_count++;
            d->slots[n] = (struct molt_app_slot){row->offset, row->size,
                                                 factory ? MOLT_OTADATA_FACTORY
                                                         : (int)row->subtype - MOLT_APP_OTA_0};
            d->rows[n] = row;
        }
    }
}

/* The device record: version, name length, name, id length, id (docs/spec/store.md). */
static int read_record(struct molt_ops_device *d, const struct molt_store *store)
{
    uint8_t bytes[MOLT_RECORD_MAX];
    int n = store->ops->get(store->context, MOLT_RECORD_DEVICE, bytes, sizeof bytes);
    if (n == MOLT_E_NOT_FOUND) {
        return MOLT_OK;
    }
    if (n < 0) {
        return n;
    }
    uint32_t size = (uint32_t)n, name, id;
    if (size > sizeof bytes || size < 3 || bytes[0] != 1 || (name = bytes[1]) > size - 3 ||
        name >= sizeof d->board || (id = bytes[2 + name]) != size - 3 - name || id > sizeof d->id) {
        return MOLT_E_STORE;
    }
    memcpy(d->board, bytes + 2, name);
    d->board[name] = 0;
    memcpy(d->id, bytes + 3 + name, id);
    d->id_size = id;
    return MOLT_OK;
}

/* MicroPython's releases and the .mpy files that they load (its documentation, "MicroPython .mpy
 * files"). */
static const struct {
    unsigned minor; /* from MicroPython 1.minor on */
    uint16_t abi;
} versions[] = {{23, 0x603}, {22, 0x602}, {20, 0x601}, {19, 0x600}, {12, 0x500}};

uint16_t molt_ops_mpy_abi(const uint8_t *bytes, size_t n)
{
    static const char text[] = "MicroPython v1.";
    const uint8_t *end = bytes + n;
    const uint8_t *at = bytes;
    while ((at = memmem(at, (size_t)(end - at), text, sizeof text - 1)) != NULL) {
        unsigned minor = 0;
        at += sizeof text - 1;
        for (int i = 0; i < 3 && at < end && *at >= '0' && *at <= '9'; i++, at++) {
            minor = minor * 10 + *at - '0';
        }
        for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
            if (minor >= versions[i].minor) {
                return versions[i].abi;
            }
        }
    }
    return 0;
}

/* What the firmware of that slot loads; it stays unknown where it does not say, or cannot be read.
 */
static uint16_t mpy_abi_of(const struct molt_flash *flash, uint32_t offset, uint32_t n)
{
    uint8_t *bytes = malloc(n);
    uint16_t abi = bytes && molt_flash_read(flash, offset, bytes, n) == MOLT_OK
                       ? molt_ops_mpy_abi(bytes, n)
                       : 0;
    free(bytes);
    return abi;
}

/* Nothing whole there: the image stays unknown. */
static void find_running_image(struct molt_ops_device *d, const struct molt_flash *flash,
                               const struct molt_app_slot *slot)
{
    struct molt_image image;
    uint8_t buffer[4096];
    if (molt_image_read(&image, flash, slot->offset, slot->size, buffer, sizeof buffer, NULL) < 0 ||
        molt_flash_read(flash, slot->offset + image.length - MOLT_SHA256_SIZE,
                        d->device.running_image, MOLT_SHA256_SIZE) < 0) {
        memset(d->device.running_image, 0, MOLT_SHA256_SIZE);
        return;
    }
    d->device.mpy_abi = mpy_abi_of(flash, slot->offset, image.length);
}

int molt_ops_device_of(struct molt_ops_device *d, const struct molt_target *target,
                       struct molt_message *message)
{
    memset(d, 0, sizeof *d);
    if (target->kind != MOLT_TARGET_BOARD) {
        return molt_fail(message, MOLT_E_UNSUPPORTED,
                         "%s: is %s, expected a device (sim:FOLDER): only a device runs something "
                         "and follows updates",
                         target->name, molt_target_kind_words(target->kind));
    }
    if (target->table_error < 0) {
        return molt_fail_diag(message, target->name, &target->table_diag);
    }
    const struct molt_board_facts *facts = &target->board->facts;
    collect_slots(d, &target->table);
    memcpy(d->board, facts->name, sizeof d->board - 1);
    int code = read_record(d, &target->board->store);
    if (code < 0) {
        return molt_fail(message, code, "%s: record 6 (device) of its store: %s", target->name,
                         molt_strerror(code));
    }
    const struct molt_partition *otadata =
        molt_ptable_find(&target->table, MOLT_PARTITION_DATA, MOLT_DATA_OTADATA);
    d->device.chip_id = facts->boot.chip_id;
    d->device.board = d->board;
    d->device.bootloader = facts->min_bootloader;
    d->device.slots = d->slots;
    d->device.otadata_offset = otadata && otadata->size >= OTADATA_SIZE ? otadata->offset : 0;
    d->device.rollback = facts->boot.rollback;
    d->device.running = MOLT_OTADATA_NO_SLOT;
    for (uint32_t i = 0; i < d->device.slot_count; i++) {
        if (facts->running[0] && d->slots[i].offset == facts->running_offset) {
            d->device.running = d->slots[i].number;
            find_running_image(d, &target->flash, &d->slots[i]);
        }
    }
    if (d->device.running == MOLT_OTADATA_NO_SLOT) {
        return molt_fail(message, MOLT_E_NOT_A_SLOT,
                         "%s: runs no application that its partition table knows (%s): start it "
                         "first with 'molt sim boot'",
                         target->name, facts->running[0] ? facts->running : "not booted");
    }
    return MOLT_OK;
}

const char *molt_ops_slot_label(const struct molt_ops_device *device, int number)
{
    for (uint32_t i = 0; i < device->device.slot_count; i++) {
        if (device->slots[i].number == number) {
            return device->rows[i]->label;
        }
    }
    return "?";
}

const struct molt_partition *molt_ops_files_partition(const struct molt_ptable *table)
{
    const struct molt_partition *row = molt_ptable_find_label(table, "vfs");
    return row && row->type == MOLT_PARTITION_DATA
               ? row
               : molt_ptable_find(table, MOLT_PARTITION_DATA, MOLT_DATA_LITTLEFS);
}
