/* The plan of an update, and its refusals in words. */
#include <stdio.h>
#include <string.h>

#include "molt/host/board.h"
#include "ops/update/update_internal.h"

/* ---- Refusals ---- */

static int transport_fail(const struct molt_update_session *s, int error,
                          struct molt_message *message)
{
    const struct molt_message *said =
        s->curl ? molt_curl_source_message(s->curl) : &s->file.message;
    if (said->error != error) {
        return MOLT_OK;
    }
    if (message) {
        *message = *said;
    }
    return error;
}

/* Those that compare something of the bundle with something of the device. */
static int compared(const struct molt_update_session *s, int error, struct molt_message *message)
{
    const struct molt_manifest *m = &s->engine.manifest;
    const struct molt_device *d = &s->device.device;
    const char *bundle = s->report.bundle, *device = s->target.name;
    struct molt_floor floor = {0};
    switch (error) {
    case MOLT_E_CHIP:
        return molt_fail(message, error, "%s: is for chip id %u, and %s has chip id %u", bundle,
                         m->chip_id, device, d->chip_id);
    case MOLT_E_BOARD:
        return molt_fail(message, error, "%s: is for board '%s', and %s is a '%s'", bundle,
                         m->board, device, d->board);
    case MOLT_E_SLOT_TOO_SMALL:
        return molt_fail(
            message, error,
            "%s: needs a slot of %u bytes, and %s of %s has %u: a larger flash or "
            "another layout is needed",
            bundle, m->slot_size,
            s->engine.target ? molt_ops_slot_label(&s->device, s->engine.target->number) : "?",
            device, s->engine.target ? s->engine.target->size : 0);
    case MOLT_E_DOWNGRADE:
        molt_floor_load(&s->store, &floor);
        return molt_fail(message, error,
                         "%s: has sequence number %u, and %s confirmed %u already: only a bundle "
                         "made with --allow-downgrade goes back",
                         bundle, m->sequence, device, floor.sequence);
    case MOLT_E_BOOTLOADER_OLD:
        return molt_fail(
            message, error, "%s: needs a bootloader of ESP-IDF %u.%u.%u, and %s has %u.%u.%u",
            bundle, m->min_bootloader >> 16, m->min_bootloader >> 8 & 255, m->min_bootloader & 255,
            device, d->bootloader >> 16, d->bootloader >> 8 & 255, d->bootloader & 255);
    case MOLT_E_UNSUPPORTED:
        return s->engine.release && !s->port.files
                   ? molt_fail(message, error,
                               "%s: brings files, and %s has no littlefs in a partition 'vfs': let "
                               "MicroPython start once, or format it",
                               bundle, device)
                   : molt_fail(message, error,
                               "%s: holds something that this version cannot install", bundle);
    default: return MOLT_OK;
    }
}

/* Those that need one sentence. */
static const struct {
    int error;
    const char *words;
} sentences[] = {
    {MOLT_E_INSTALLED, "runs and is confirmed already: nothing to do"},
    {MOLT_E_FAILED_BEFORE,
     "failed its trial on this device before; publish a better one, or give --retry-failed"},
    {MOLT_E_UNCONFIRMED, "the running image is under trial: let the application confirm it, or use "
                         "'molt ota confirm' or 'molt ota rollback' first"},
    {MOLT_E_NO_SECOND_SLOT,
     "the partition table has one application slot only: 'molt edit --layout ota' makes two"},
    {MOLT_E_OTADATA_NONE,
     "the partition table has no otadata: 'molt edit --layout ota' makes a table with it"},
    {MOLT_E_EXPIRED, "expired: sign a bundle with a later date, or set the clock right"},
    {MOLT_E_KEY_UNKNOWN,
     "signed by a key that the device does not trust for bundles; 'molt provision' gives it keys"},
    {MOLT_E_SIGNATURE, "the signature is wrong: the bundle was changed after it was signed"},
    {MOLT_E_BUNDLE_MAGIC, "is no bundle; 'molt bundle create' makes one"},
    {MOLT_E_SOURCE_CHANGED, "is another bundle than the channel names"},
    {MOLT_E_CHUNK_HASH,
     "a chunk is not what the manifest says: damaged on the server or on the way; "
     "the device still runs what it ran, try again"},
    {MOLT_E_CHUNK_DECODE, "a chunk cannot be decoded: damaged on the server or on the way; the "
                          "device still runs what it ran, try again"},
    {MOLT_E_IMAGE_MERGED,
     "its payload is a merged firmware with a bootloader, expected an application image"},
};

static int power_fail(const struct molt_update_session *s, struct molt_message *message)
{
    return molt_fail(
        message, MOLT_E_POWER,
        "%s: power failed at operation %llu (in state %s), as asked for. 'molt sim boot' shows "
        "that it still starts; the same update goes on at the first chunk that differs",
        s->target.name, (unsigned long long)s->request.cut_at,
        molt_engine_state_name((enum molt_engine_state)s->engine.failed_in));
}

int update_fail(const struct molt_update_session *s, int error, struct molt_message *message)
{
    if (error == MOLT_E_POWER) {
        return power_fail(s, message);
    }
    if (transport_fail(s, error, message) < 0 || compared(s, error, message) < 0) {
        return error;
    }
    for (size_t i = 0; i < sizeof sentences / sizeof sentences[0]; i++) {
        if (sentences[i].error == error) {
            return molt_fail(message, error, "%s: %s", s->report.bundle, sentences[i].words);
        }
    }
    return molt_fail(message, error, "%s to %s: %s", s->report.bundle, s->target.name,
                     molt_strerror(error));
}

/* ---- Plan ---- */

/* Compares the target slot with the index; the chunk in progress counts as different. */
static int count_chunks(struct molt_update_session *s)
{
    const struct molt_payload *app = s->engine.app;
    for (uint32_t i = 0; i < app->chunk_count; i++) {
        const struct molt_chunk *chunk = &s->engine.manifest.chunk[app->first_chunk + i];
        uint32_t size = molt_chunk_size(app, i), at = 0;
        uint32_t start = s->engine.target->offset + (i << app->chunk_log2);
        struct molt_digest_state state;
        uint8_t digest[MOLT_SHA256_SIZE];
        molt_sha256.start(&state);
        while (at < size) {
            uint32_t n = size - at < sizeof s->window ? size - at : (uint32_t)sizeof s->window;
            int code = molt_flash_read(s->port.flash, start + at, s->window, n);
            if (code < 0) {
                return code;
            }
            molt_sha256.update(&state, s->window, n);
            at += n;
        }
        molt_sha256.finish(&state, digest);
        if (app->first_chunk + i != s->engine.update.chunk &&
            memcmp(digest, chunk->sha256, sizeof digest) == 0) {
            s->report.chunks_there++;
        } else {
            s->report.bytes_to_fetch += chunk->encoded_size;
        }
    }
    return MOLT_OK;
}

static void add_steps(struct molt_update_session *s)
{
    struct molt_update_report *r = &s->report;
    struct molt_plan *plan = &r->plan;
    const struct molt_engine *e = &s->engine;
    const struct molt_partition *vfs = molt_ops_files_partition(&s->target.table);
    for (uint32_t i = 0; i < s->device.device.slot_count; i++) {
        const struct molt_app_slot *slot = &s->device.slots[i];
        if (slot->number == s->device.device.running) {
            molt_plan_add(plan, MOLT_STEP_KEEP, slot->offset, slot->size, r->running,
                          r->files_only ? "runs now and stays: the bundle brings files only"
                                        : "runs now and stays, as the way back");
        }
    }
    if (e->app) {
        molt_plan_add(
            plan, MOLT_STEP_WRITE, e->target->offset,
            (e->app->length + MOLT_NOR_SECTOR - 1) / MOLT_NOR_SECTOR * MOLT_NOR_SECTOR, r->target,
            "firmware of %u bytes: %u of %u chunks are there already, %llu bytes to fetch",
            e->app->length, r->chunks_there, r->chunks, (unsigned long long)r->bytes_to_fetch);
    }
    if (e->release && vfs) {
        char directory[MOLT_RELEASE_DIR_SIZE];
        molt_release_directory(e->release->sha256, directory);
        molt_plan_add(plan, MOLT_STEP_WRITE, vfs->offset, 0, vfs->label,
                      "files of the release, %u bytes, to %s", e->release->length, directory);
    }
    if (r->files_only) {
        molt_plan_add(plan, MOLT_STEP_WRITE, 0, 0, "store",
                      "%s runs with these files from the next boot, as a trial", r->running);
    } else {
        molt_plan_add(plan, MOLT_STEP_WRITE, s->device.device.otadata_offset, 2 * MOLT_NOR_SECTOR,
                      "otadata", "%s boots next, as a trial", r->target);
    }
}

int update_make_plan(struct molt_update_session *s, struct molt_message *message)
{
    struct molt_update_report *r = &s->report;
    struct molt_update before;
    r->sequence = s->engine.manifest.sequence;
    memcpy(r->digest, s->engine.manifest.digest, sizeof r->digest);
    snprintf(r->running, sizeof r->running, "%s",
             molt_ops_slot_label(&s->device, s->device.device.running));
    r->files_only = !s->engine.app;
    snprintf(r->target, sizeof r->target, "%s",
             r->files_only ? r->running
                           : molt_ops_slot_label(&s->device, s->engine.target->number));
    r->resumed = molt_update_load(&s->store, &before) == MOLT_OK &&
                 before.phase == MOLT_PHASE_INSTALLING &&
                 memcmp(before.digest, r->digest, sizeof r->digest) == 0;
    r->chunks = r->files_only ? 0 : s->engine.app->chunk_count;
    r->release_size = s->engine.release ? s->engine.release->length : 0;
    int code = r->files_only ? MOLT_OK : count_chunks(s);
    if (code < 0) {
        return update_fail(s, code, message);
    }
    add_steps(s);
    return MOLT_OK;
}
