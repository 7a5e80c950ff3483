#include "rig.h"

#include <stdlib.h>
#include <string.h>

#include "molt/ptable.h"
#include "testing.h"

/* ---- Keys: the "signature" is the digest twice, masked by the key's first byte ---- */

static int fake_sign(void *context, const uint8_t digest[32], uint8_t signature[64])
{
    uint8_t mask = *(const uint8_t *)context;
    for (int i = 0; i < 64; i++) {
        signature[i] = (uint8_t)(digest[i & 31] ^ mask);
    }
    return MOLT_OK;
}

static int fake_verify(void *context, const uint8_t key[64], const uint8_t digest[32],
                       const uint8_t signature[64])
{
    uint8_t expected[64];
    (void)context;
    fake_sign((void *)(uintptr_t)key, digest, expected);
    return memcmp(expected, signature, 64) == 0 ? MOLT_OK : MOLT_E_SIGNATURE;
}

static uint8_t mask_own = 0x11, mask_foreign = 0x22;
const struct molt_signer rig_signer = {fake_sign, &mask_own, {0x11, 1, 2, 3}};
const struct molt_signer rig_foreign_signer = {fake_sign, &mask_foreign, {0x22, 1, 2, 3}};

/* ---- A store in memory: one record is replaced at once, but the power can fail before or after
 * ---- */

static int atomic_get(void *context, int record, void *buffer, uint32_t capacity)
{
    struct rig *rig = context;
    const struct rig_record *r = &rig->record[record];
    if (r->n == 0) {
        return MOLT_E_NOT_FOUND;
    }
    memcpy(buffer, r->bytes, r->n < capacity ? r->n : capacity);
    return (int)r->n;
}

static int atomic_put(void *context, int record, const void *data, uint32_t n)
{
    struct rig *rig = context;
    struct rig_record *r = &rig->record[record];
    int code = molt_nor_operation(&rig->nor);
    if (code < 0) {
        return code;
    }
    assert_true(n <= MOLT_RECORD_MAX);
    memcpy(r->bytes, data, n);
    r->n = n;
    return code == 1 ? MOLT_E_POWER : MOLT_OK;
}

static const struct molt_store_ops atomic_ops = {atomic_get, atomic_put};

/* ---- Source ---- */

static int source_info(void *context, struct molt_source_info *info)
{
    struct rig *rig = context;
    info->length = rig->bundle_size;
    return MOLT_OK;
}

static int source_read(void *context, uint32_t offset, void *buffer, uint32_t n)
{
    struct rig *rig = context;
    rig->reads++;
    if (rig->again_every && rig->reads % rig->again_every == 0) {
        return MOLT_AGAIN;
    }
    if (offset >= rig->bundle_size) {
        return 0;
    }
    if (rig->piece_max && n > rig->piece_max) {
        n = rig->piece_max;
    }
    if (n > rig->bundle_size - offset) {
        n = rig->bundle_size - offset;
    }
    memcpy(buffer, rig->bundle + offset, n);
    rig->bytes_served += n;
    return (int)n;
}

static const struct molt_source_ops source_ops = {source_info, NULL, source_read, NULL};

/* ---- The device ---- */

static void add_row(struct molt_ptable *table, const char *label, uint8_t type, uint8_t subtype,
                    uint32_t offset, uint32_t size)
{
    struct molt_partition *row = &table->row[table->count++];
    row->type = type;
    row->subtype = subtype;
    row->offset = offset;
    row->size = size;
    strcpy(row->label, label);
}

static void put(struct rig *rig, uint32_t offset, const void *bytes, uint32_t n)
{
    memcpy(rig->bytes + offset, bytes, n);
}

/* A bootloader's header is all that the boot model looks at: the flash size in it. */
static void put_bootloader(struct rig *rig)
{
    uint8_t *image = rig_image(0x6000, 99, 0);
    put(rig, 0x1000, image, 0x6000);
    free(image);
}

static void put_table(struct rig *rig)
{
    struct molt_ptable table = {.has_md5 = true};
    uint32_t at = RIG_SLOT_0;
    uint8_t bytes[MOLT_PTABLE_SIZE];
    add_row(&table, "nvs", 1, 2, 0x9000, 0x4000);
    add_row(&table, "otadata", 1, 0, RIG_OTADATA, 0x2000);
    if (rig->options.factory) {
        add_row(&table, "factory", 0, 0, at, rig->options.slot_size);
        rig->slots[rig->slot_count++] =
            (struct molt_app_slot){at, rig->options.slot_size, MOLT_OTADATA_FACTORY};
        at += rig->options.slot_size;
    }
    for (uint32_t i = 0; i < rig->options.slot_count; i++) {
        char label[8] = "ota_0";
        label[4] = (char)('0' + i);
        add_row(&table, label, 0, (uint8_t)(0x10 + i), at, rig->options.slot_size);
        rig->slots[rig->slot_count++] = (struct molt_app_slot){at, rig->options.slot_size, (int)i};
        at += rig->options.slot_size;
    }
    uint32_t wanted = rig->options.vfs_size ? rig->options.vfs_size : 0x30000u;
    rig->vfs_offset = at;
    rig->vfs_size = RIG_FLASH_SIZE - at < wanted ? RIG_FLASH_SIZE - at : wanted;
    add_row(&table, "vfs", 1, 0x81, at, rig->vfs_size);
    assert_int_equal(molt_ptable_write(&table, bytes), MOLT_OK);
    put(rig, MOLT_PTABLE_OFFSET, bytes, sizeof bytes);
}

static void put_keys(struct rig *rig)
{
    struct molt_trusted_key key = {.uses = MOLT_KEY_BUNDLES | MOLT_KEY_CHANNELS};
    memcpy(key.public_key, rig_signer.public_key, sizeof key.public_key);
    assert_int_equal(molt_keys_save(&rig->store, &key, 1), MOLT_OK);
}

static int mount(struct rig *rig)
{
    if (rig->options.no_files) {
        return MOLT_OK;
    }
    int code = molt_fs_mount(&rig->fs, &rig->flash, rig->vfs_offset, rig->vfs_size, false, NULL);
    if (code >= 0) {
        molt_fs_files(rig->fs, &rig->files);
        rig->port.files = &rig->files;
    }
    return code;
}

static void unmount(struct rig *rig)
{
    if (rig->fs) {
        molt_fs_unmount(rig->fs, NULL);
        rig->fs = NULL;
    }
}

/* The store as the application opens it after a boot. */
static int open_store(struct rig *rig)
{
    switch (rig->options.store) {
    case RIG_STORE_ATOMIC: rig->store = rig->atomic; return MOLT_OK;
    case RIG_STORE_LOG:
        return molt_logstore_open(&rig->logstore, &rig->flash, RIG_LOG, &rig->store);
    case RIG_STORE_FILES:
        molt_filestore_init(&rig->filestore, &rig->files, "/molt", &rig->store);
        return MOLT_OK;
    }
    return MOLT_E_ARGUMENT;
}

static void wire(struct rig *rig)
{
    molt_nor_flash(&rig->nor, &rig->flash);
    rig->atomic = (struct molt_store){&atomic_ops, rig};
    rig->source = (struct molt_source){&source_ops, rig};
    rig->verifier = (struct molt_verifier){fake_verify, NULL};
    rig->port = (struct molt_engine_port){.flash = &rig->flash,
                                          .store = &rig->store,
                                          .source = &rig->source,
                                          .files = rig->options.no_files ? NULL : &rig->files,
                                          .verifier = &rig->verifier,
                                          .digest = &rig_digest,
                                          .buffer = rig->buffer,
                                          .window = rig->window,
                                          .now = 1700000000u};
    rig->port.device = (struct molt_device){.chip_id = 0,
                                            .board = "RIG",
                                            .mpy_abi = 0x0603,
                                            .bootloader = 0x050004,
                                            .slots = rig->slots,
                                            .slot_count = rig->slot_count,
                                            .otadata_offset = RIG_OTADATA,
                                            .rollback = !rig->options.no_rollback};
    rig->facts = (struct molt_bootmodel_facts){.chip_id = 0,
                                               .revision = 300,
                                               .rollback = !rig->options.no_rollback,
                                               .chip_flash_size = 0x200000u};
}

void rig_init(struct rig *rig, const struct rig_options *options, const uint8_t *image,
              uint32_t length)
{
    memset(rig, 0, sizeof *rig);
    rig->options = *options;
    rig->options.slot_size = options->slot_size ? options->slot_size : 0x20000u;
    rig->options.slot_count = options->slot_count ? options->slot_count : 2;
    rig->bytes = malloc(RIG_FLASH_SIZE);
    assert_non_null(rig->bytes);
    memset(rig->bytes, 0xFF, RIG_FLASH_SIZE);
    molt_nor_init(&rig->nor, rig->bytes, RIG_FLASH_SIZE, options->seed);
    put_bootloader(rig);
    put_table(rig);
    put(rig, rig->slots[0].offset, image, length);
    wire(rig);
    if (!options->no_files) {
        const struct molt_fs_options made = {MOLT_FS_LITTLEFS, 0x00020001, 0};
        assert_int_equal(molt_fs_format(&rig->flash, rig->vfs_offset, rig->vfs_size, &made, NULL),
                         MOLT_OK);
        assert_int_equal(mount(rig), MOLT_OK);
    }
    assert_int_equal(open_store(rig), MOLT_OK);
    put_keys(rig);
    unmount(rig);
}

void rig_free(struct rig *rig)
{
    unmount(rig);
    molt_nor_free(&rig->nor);
    free(rig->bytes);
}

void rig_copy(struct rig *to, const struct rig *from)
{
    uint8_t *bytes = to->bytes;
    unmount(to);
    molt_nor_free(&to->nor);
    assert_null(from->fs);
    *to = *from;
    to->bytes = bytes;
    memcpy(bytes, from->bytes, RIG_FLASH_SIZE);
    molt_nor_init(&to->nor, bytes, RIG_FLASH_SIZE, to->options.seed);
    for (uint32_t i = 0; i < from->nor.weak_count; i++) {
        assert_true(false); /* copies are taken from devices that never lost power */
    }
    wire(to);
    to->port.device.running = from->port.device.running;
    memcpy(to->port.device.running_image, from->port.device.running_image, 32);
}

int rig_boot(struct rig *rig)
{
    unmount(rig);
    int code = molt_bootmodel_boot(&rig->flash, &rig->facts, &rig_digest, &rig->boot);
    if (code < 0) {
        return code;
    }
    rig->port.device.running = MOLT_OTADATA_NO_SLOT;
    for (uint32_t i = 0; i < rig->slot_count; i++) {
        if (rig->boot.result == MOLT_BOOT_RUNS && rig->slots[i].offset == rig->boot.offset) {
            rig->port.device.running = rig->slots[i].number;
            memcpy(rig->port.device.running_image,
                   rig->bytes + rig->boot.offset + rig->boot.image_length - 32, 32);
        }
    }
    return rig_resume(rig);
}

int rig_resume(struct rig *rig)
{
    int code = mount(rig);
    return code < 0 ? code : open_store(rig);
}

void rig_suspend(struct rig *rig)
{
    unmount(rig);
}

void rig_serve(struct rig *rig, const uint8_t *bundle, uint32_t size)
{
    rig->bundle = bundle;
    rig->bundle_size = size;
    rig->bytes_served = 0;
}

int rig_install(struct rig *rig, struct molt_engine *engine)
{
    struct molt_engine *own = engine ? engine : malloc(sizeof *own);
    assert_non_null(own);
    int code = molt_engine_start(own, &rig->port);
    while (code == MOLT_OK || code == MOLT_AGAIN) {
        code = molt_engine_step(own);
    }
    if (!engine) {
        free(own);
    }
    return code;
}

int rig_start(struct rig *rig)
{
    for (int i = 0; i < 8; i++) {
        enum molt_trial_action action;
        int code = rig_boot(rig);
        if (code < 0) {
            return code;
        }
        code = molt_trial_boot(&rig->port, &action);
        if (code < 0 || action == MOLT_TRIAL_RUN) {
            return code;
        }
    }
    return MOLT_E_BOOT_DISAGREES;
}

int rig_release(struct rig *rig, char directory[MOLT_RELEASE_DIR_SIZE])
{
    struct molt_release_binding bindings[MOLT_RELEASES_MAX];
    const uint8_t *image = rig->port.device.running_image;
    const struct molt_app_slot *slot = NULL;
    struct molt_update update;
    int found = -1, count = molt_releases_load(&rig->store, bindings);
    int code = molt_update_load(&rig->store, &update);
    if (count < 0 || code < 0) {
        return count < 0 ? count : code;
    }
    for (uint32_t i = 0; i < rig->port.device.slot_count; i++) {
        if (rig->port.device.slots[i].number == rig->port.device.running) {
            slot = &rig->port.device.slots[i];
        }
    }
    assert_non_null(slot);
    bool candidate =
        update.phase >= MOLT_PHASE_SWITCHING && update.phase <= MOLT_PHASE_CONFIRMING &&
        update.from_offset == update.target_offset && update.target_offset == slot->offset;
    for (int i = 0; i < count; i++) {
        bool fits = memcmp(bindings[i].image_sha256, image, 32) == 0;
        if (fits && candidate && bindings[i].slot_offset == MOLT_CANDIDATE) {
            found = i;
            break;
        }
        if (fits && bindings[i].slot_offset == slot->offset) {
            found = i;
        }
    }
    if (found >= 0) {
        molt_release_directory(bindings[found].release, directory);
    }
    return found >= 0;
}
