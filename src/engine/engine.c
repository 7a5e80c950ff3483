/* The states, their successors, and the refusals. */
#include <string.h>

#include "core/bytes.h"
#include "engine/internal.h"
#include "molt/cose.h"
#include "molt/espimage.h"

/*
 * Three successors each: when the work is done, when it fails, and after a reboot. A reboot always
 * begins again at the head: whatever was written is found by its hash (the store names only the
 * chunk in progress), so no other place has to be remembered. From SWITCH on molt_trial_boot
 * decides by the phase that is stored.
 */
static const struct {
    int (*work)(struct molt_engine *e);
    uint8_t success, failure, reboot;
} states[MOLT_STATE_COUNT] = {
    [MOLT_STATE_HEAD] = {molt_engine_head, MOLT_STATE_VERIFY, MOLT_STATE_FAILED, MOLT_STATE_HEAD},
    [MOLT_STATE_VERIFY] = {molt_engine_verify, MOLT_STATE_PROBE, MOLT_STATE_FAILED,
                           MOLT_STATE_HEAD},
    [MOLT_STATE_PROBE] = {molt_engine_probe, MOLT_STATE_PREVIEW, MOLT_STATE_FAILED,
                          MOLT_STATE_HEAD},
    [MOLT_STATE_PREVIEW] = {molt_engine_preview, MOLT_STATE_HEAL, MOLT_STATE_FAILED,
                            MOLT_STATE_HEAD},
    [MOLT_STATE_HEAL] = {molt_engine_heal, MOLT_STATE_SCAN, MOLT_STATE_FAILED, MOLT_STATE_HEAD},
    [MOLT_STATE_SCAN] = {molt_engine_scan, MOLT_STATE_IMAGE, MOLT_STATE_FAILED, MOLT_STATE_HEAD},
    [MOLT_STATE_PRUNE] = {molt_engine_prune, MOLT_STATE_SCAN, MOLT_STATE_FAILED, MOLT_STATE_HEAD},
    [MOLT_STATE_ERASE] = {molt_engine_erase, MOLT_STATE_WRITE, MOLT_STATE_FAILED, MOLT_STATE_HEAD},
    [MOLT_STATE_WRITE] = {molt_engine_write, MOLT_STATE_CHECK, MOLT_STATE_FAILED, MOLT_STATE_HEAD},
    [MOLT_STATE_CHECK] = {molt_engine_check, MOLT_STATE_SCAN, MOLT_STATE_FAILED, MOLT_STATE_HEAD},
    [MOLT_STATE_IMAGE] = {molt_engine_image, MOLT_STATE_LIST, MOLT_STATE_FAILED, MOLT_STATE_HEAD},
    [MOLT_STATE_LIST] = {molt_engine_list, MOLT_STATE_FILES, MOLT_STATE_FAILED, MOLT_STATE_HEAD},
    [MOLT_STATE_FILES] = {molt_engine_files, MOLT_STATE_BIND, MOLT_STATE_FAILED, MOLT_STATE_HEAD},
    [MOLT_STATE_BIND] = {molt_engine_bind, MOLT_STATE_SWITCH, MOLT_STATE_FAILED, MOLT_STATE_HEAD},
    [MOLT_STATE_SWITCH] = {molt_engine_switch, MOLT_STATE_DONE, MOLT_STATE_FAILED, MOLT_STATE_HEAD},
    [MOLT_STATE_DONE] = {0, MOLT_STATE_DONE, MOLT_STATE_DONE, MOLT_STATE_HEAD},
    [MOLT_STATE_FAILED] = {0, MOLT_STATE_FAILED, MOLT_STATE_FAILED, MOLT_STATE_HEAD},
};

void molt_engine_enter(struct molt_engine *e, enum molt_engine_state state)
{
    e->state = (uint8_t)state;
    e->at = 0;
}

int molt_engine_start(struct molt_engine *engine, const struct molt_engine_port *port)
{
    memset(engine, 0, sizeof *engine);
    if (!port->flash || !port->store || !port->source || !port->verifier || !port->digest ||
        !port->buffer || !port->window || !port->device.board || !port->device.slots) {
        return MOLT_E_ARGUMENT;
    }
    engine->port = port;
    molt_engine_enter(engine, MOLT_STATE_HEAD);
    return MOLT_OK;
}

int molt_engine_step(struct molt_engine *engine)
{
    uint8_t state = engine->state;
    if (state == MOLT_STATE_DONE) {
        return MOLT_DONE;
    }
    if (state == MOLT_STATE_FAILED) {
        return engine->error;
    }
    int code = states[state].work(engine);
    if (code == MOLT_OK || code == MOLT_AGAIN) {
        return code;
    }
    if (code == MOLT_DONE) {
        /* A state that chose its successor itself has entered it already. */
        if (engine->state == state) {
            molt_engine_enter(engine, (enum molt_engine_state)states[state].success);
        }
        return engine->state == MOLT_STATE_DONE ? MOLT_DONE : MOLT_OK;
    }
    engine->error = code;
    engine->failed_in = state;
    engine->state = states[state].failure;
    return code;
}

void molt_engine_progress(const struct molt_engine *engine, uint32_t *done, uint32_t *total)
{
    const struct molt_payload *app = engine->app;
    *done = 0;
    *total = 0;
    if (engine->state < MOLT_STATE_HEAL) {
        return;
    }
    *total = (app ? app->length : 0) + (engine->release ? engine->release->length : 0);
    if (engine->port->image && engine->state <= MOLT_STATE_CHECK) {
        *done = engine->pack_at;
        return;
    }
    if (app && engine->state <= MOLT_STATE_CHECK) {
        /* A chunk that is being checked again counts as done: it never goes back but for a rewrite.
         */
        uint32_t chunk = engine->chunk - app->first_chunk;
        *done = (chunk << app->chunk_log2) + (engine->state == MOLT_STATE_WRITE ? engine->at : 0);
        *done += engine->state == MOLT_STATE_CHECK ? molt_chunk_size(app, chunk) : 0;
        *done = engine->state == MOLT_STATE_HEAL ? 0 : *done;
        return;
    }
    *done = app ? app->length : 0;
    if (engine->release && engine->state > MOLT_STATE_CHECK) {
        *done += engine->state > MOLT_STATE_FILES ? engine->release->length : engine->pack_at;
    }
}

/* ---- Head and envelope ---- */

int molt_engine_head(struct molt_engine *e)
{
    const struct molt_source *source = e->port->source;
    uint8_t *buffer = e->port->buffer;
    struct molt_source_info info = {0};
    int code;
    if (e->filled == 0) {
        code = source->ops->info ? source->ops->info(source->context, &info) : MOLT_OK;
        if (code < 0) {
            return code;
        }
    }
    if (e->port->image) {
        return MOLT_DONE;
    }
    if (e->filled < MOLT_BUNDLE_HEAD) {
        code = molt_source_fill(e, 0, buffer, &e->filled, MOLT_BUNDLE_HEAD);
        if (code < 0) {
            return code;
        }
    }
    int size = molt_bundle_head(buffer, 0);
    if (size < 0) {
        return size;
    }
    code = molt_source_fill(e, 0, buffer, &e->filled, MOLT_BUNDLE_HEAD + (uint32_t)size);
    return code < 0 ? code : (e->manifest.data_offset = e->filled, MOLT_DONE);
}

/* ---- Refusals ---- */

static int check_signature(struct molt_engine *e)
{
    struct molt_trusted_key keys[MOLT_KEYS_MAX];
    struct molt_cose cose;
    uint32_t data_offset = e->manifest.data_offset;
    const uint8_t *envelope = e->port->buffer + MOLT_BUNDLE_HEAD;
    int count = molt_keys_load(e->port->store, keys);
    if (count < 0) {
        return count;
    }
    if (molt_cose_parse(&cose, envelope, data_offset - MOLT_BUNDLE_HEAD, MOLT_CONTENT_BUNDLE, 0) <
        0) {
        return MOLT_E_BUNDLE_MALFORMED;
    }
    int code = molt_cose_verify(&cose, keys, (size_t)count, MOLT_KEY_BUNDLES, e->port->verifier, 0);
    if (code < 0) {
        return code;
    }
    code = molt_manifest_parse(&e->manifest, cose.payload, (uint32_t)cose.payload_size, 0);
    e->manifest.data_offset = data_offset;
    return code;
}

/* Time only ever moves forward: the newest signed time bounds a clock that is unknown or was set
 * back. */
static int check_freshness(struct molt_engine *e)
{
    const struct molt_manifest *m = &e->manifest;
    struct molt_floor floor;
    int code = molt_floor_load(e->port->store, &floor);
    if (code < 0) {
        return code;
    }
    uint64_t now = e->port->now > floor.newest_time ? e->port->now : floor.newest_time;
    if (m->expires != 0 && now > m->expires) {
        return MOLT_E_EXPIRED;
    }
    if (m->sequence < floor.sequence && !m->allow_downgrade) {
        return MOLT_E_DOWNGRADE;
    }
    if (m->issued > floor.newest_time) {
        floor.newest_time = m->issued;
        return molt_floor_save(e->port->store, &floor);
    }
    return MOLT_OK;
}

static int check_device(const struct molt_engine *e)
{
    const struct molt_manifest *m = &e->manifest;
    const struct molt_device *d = &e->port->device;
    if (m->chip_id != d->chip_id && (e->app || m->chip_id != MOLT_CHIP_ANY)) {
        return MOLT_E_CHIP;
    }
    if (m->board[0]) {
        uint32_t i = 0;
        while (m->board[i] && m->board[i] == d->board[i]) {
            i++;
        }
        if (m->board[i] != d->board[i]) {
            return MOLT_E_BOARD;
        }
    }
    if (m->min_bootloader && d->bootloader && d->bootloader < m->min_bootloader) {
        return MOLT_E_BOOTLOADER_OLD;
    }
    /* Files with native code must suit the firmware that comes with them, or else runs. */
    uint16_t abi = e->app ? m->mpy_abi : d->mpy_abi;
    if (e->release && e->release->mpy_abi && abi && e->release->mpy_abi != abi) {
        return MOLT_E_MPY_ABI;
    }
    return MOLT_OK;
}

int molt_check_running(const struct molt_engine_port *port, const struct molt_update *update,
                       bool files_only)
{
    const struct molt_device *d = &port->device;
    const struct molt_app_slot *running = molt_slot_by_number(d, d->running);
    struct molt_otadata otadata;
    if (!running) {
        return MOLT_E_NOT_A_SLOT;
    }
    if (!d->otadata_offset && !files_only) {
        return MOLT_E_OTADATA_NONE;
    }
    bool unfinished =
        update->phase >= MOLT_PHASE_SWITCHING && update->phase <= MOLT_PHASE_ROLLING_BACK;
    if (unfinished && update->target_offset == running->offset) {
        return MOLT_E_UNCONFIRMED;
    }
    if (!d->otadata_offset) {
        return MOLT_DONE;
    }
    int code = molt_otadata_read(&otadata, port->flash, d->otadata_offset);
    if (code < 0) {
        return code;
    }
    struct molt_otadata_situation situation;
    struct molt_otadata_choice choice;
    molt_situation_of(d, MOLT_OTADATA_NO_SLOT, &situation);
    molt_chosen(&otadata, &situation, &choice);
    if (choice.slot != d->running) {
        return MOLT_OK;
    }
    if (choice.record >= 0) {
        uint32_t state = otadata.record[choice.record].state;
        if (state == MOLT_OTA_NEW || state == MOLT_OTA_PENDING_VERIFY) {
            return MOLT_E_UNCONFIRMED;
        }
    }
    return MOLT_DONE;
}

/* The next slot behind the running one, as ESP-IDF counts; under factory the first. */
static const struct molt_app_slot *choose_target(const struct molt_device *d)
{
    const struct molt_app_slot *best = 0;
    for (uint32_t i = 0; i < d->slot_count; i++) {
        const struct molt_app_slot *slot = &d->slots[i];
        if (slot->number < 0 || slot->number == d->running) {
            continue;
        }
        bool behind = slot->number > d->running, best_behind = best && best->number > d->running;
        if (!best || (behind && !best_behind) ||
            (behind == best_behind && slot->number < best->number)) {
            best = slot;
        }
    }
    return best;
}

static int check_target(struct molt_engine *e)
{
    const struct molt_flash *flash = e->port->flash;
    const struct molt_device *d = &e->port->device;
    if (e->release && !e->port->files) {
        return MOLT_E_UNSUPPORTED;
    }
    if (!e->app) {
        e->target = molt_slot_by_number(d, d->running);
        return MOLT_OK;
    }
    uint32_t needed = (e->app->length + SECTOR - 1) / SECTOR * SECTOR;
    if (!e->port->has_target) {
        e->target = choose_target(d);
    } else if (e->port->target == d->running) {
        return MOLT_E_ARGUMENT;
    } else {
        e->target = molt_slot_by_number(d, e->port->target);
    }
    if (!e->target) {
        return e->port->has_target ? MOLT_E_NOT_A_SLOT : MOLT_E_NO_SECOND_SLOT;
    }
    uint32_t sector_size = molt_flash_sector_size(flash, e->target->offset);
    if (sector_size == 0 || sector_size > SECTOR || flash->program_align > PROGRAM_ALIGN_MAX) {
        return MOLT_E_UNSUPPORTED;
    }
    if (e->manifest.slot_size > e->target->size || needed > e->target->size ||
        needed < e->app->length) {
        return MOLT_E_SLOT_TOO_SMALL;
    }
    return MOLT_OK;
}

/* What an interrupted run left half written may read right once, also when that was another bundle:
 * its chunk is taken over. (The app is the first payload; chunk sizes differ only above 4 MB.) A
 * files-only update carries it on for the next one. */
static void begin_record(struct molt_engine *e, const struct molt_update *before)
{
    const struct molt_app_slot *running =
        molt_slot_by_number(&e->port->device, e->port->device.running);
    memset(&e->update, 0, sizeof e->update);
    e->update.phase = MOLT_PHASE_INSTALLING;
    e->update.chunk = before->chunk;
    e->update.from_offset = running->offset;
    e->update.target_offset = e->target->offset;
    e->update.sequence = e->manifest.sequence;
    memcpy(e->update.digest, e->manifest.digest, MOLT_SHA256_SIZE);
}

/* What the manifest would say of an unsigned image: one raw chunk, so that it is asked for once. */
static void describe_image(struct molt_engine *e)
{
    struct molt_payload *app = &e->manifest.payload[0];
    e->app = app;
    app->length = e->port->image;
    app->chunk_count = 1;
    app->chunk_log2 = MOLT_CHUNK_LOG2_MIN;
    while (app->length >> app->chunk_log2 > MOLT_CHUNK_MAX) {
        app->chunk_log2++;
    }
    e->manifest.chunk[0].encoded_size = app->length;
}

static int check_bundle(struct molt_engine *e)
{
    int code = check_signature(e);
    if (code < 0) {
        return code;
    }
    if (e->port->expect && memcmp(e->port->expect, e->manifest.digest, MOLT_SHA256_SIZE) != 0) {
        return MOLT_E_SOURCE_CHANGED;
    }
    e->app = molt_manifest_payload(&e->manifest, MOLT_ROLE_APP);
    e->release = molt_manifest_payload(&e->manifest, MOLT_ROLE_RELEASE);
    if (e->manifest.payload_count != (e->app != 0) + (e->release != 0) ||
        !e->manifest.payload_count || (e->app && e->app->has_base)) {
        return MOLT_E_UNSUPPORTED;
    }
    for (uint32_t i = 0; i < e->manifest.chunk_count; i++) {
        if (e->manifest.chunk[i].codec > MOLT_CODEC_DEFLATE) {
            return MOLT_E_UNSUPPORTED;
        }
    }
    return check_device(e);
}

/* What was tried before, here or elsewhere. */
static int check_history(struct molt_engine *e, const struct molt_update *before)
{
    if (before->phase == MOLT_PHASE_CONFIRMED &&
        memcmp(before->digest, e->manifest.digest, MOLT_SHA256_SIZE) == 0 &&
        molt_slot_by_number(&e->port->device, e->port->device.running)->offset ==
            before->target_offset) {
        return MOLT_E_INSTALLED;
    }
    int code = molt_failed_has(e->port->store, e->manifest.digest);
    return code > 0 ? (e->port->retry_failed ? MOLT_OK : MOLT_E_FAILED_BEFORE) : code;
}

int molt_engine_verify(struct molt_engine *e)
{
    struct molt_update before;
    int code = MOLT_OK;
    if (e->port->image) {
        describe_image(e);
    } else {
        code = check_bundle(e);
    }
    if (code >= 0) {
        code = molt_update_load(e->port->store, &before);
    }
    if (code >= 0) {
        code = molt_check_running(e->port, &before, !e->app);
        e->healing = !e->app && code == MOLT_DONE; /* then there is nothing to heal */
    }
    if (code >= 0 && !e->port->image) {
        code = check_history(e, &before);
    }
    if (code >= 0) {
        code = check_target(e);
    }
    if (code < 0) {
        return code;
    }
    begin_record(e, &before);
    code = e->port->image ? MOLT_OK : check_freshness(e);
    return code < 0 ? code : MOLT_DONE;
}

/* Head of the image: header and first segment's address tell an app from a merged firmware. */
int molt_engine_probe(struct molt_engine *e)
{
    enum { HEAD = MOLT_IMAGE_HEADER_SIZE + 8 };
    struct molt_image_header header;
    struct molt_image_rules rules;
    if (!e->app) {
        return MOLT_DONE;
    }
    if (e->app->length < HEAD) {
        return MOLT_E_IMAGE_TRUNCATED;
    }
    if (e->at == 0) {
        int code = molt_stream_open(e, e->app->first_chunk);
        if (code < 0) {
            return code;
        }
        e->at = 1;
    }
    int code = molt_stream_fill(e, HEAD);
    if (code == MOLT_OK) {
        code = molt_image_parse_header(&header, e->port->buffer, 0);
    }
    if (code < 0) {
        return code;
    }
    const struct molt_chip *chip = molt_chip_by_id(e->port->device.chip_id);
    if (header.chip_id != e->port->device.chip_id || !chip) {
        return MOLT_E_IMAGE_CHIP;
    }
    uint32_t address = molt_get_le32(e->port->buffer + MOLT_IMAGE_HEADER_SIZE);
    if (molt_chip_memory_at(chip, address) == MOLT_MEMORY_RESERVED) {
        return MOLT_E_IMAGE_MERGED;
    }
    molt_image_rules_of(e->port, e->target, &rules);
    if (header.min_rev > rules.max_min_rev || header.min_rev_full > rules.max_min_rev_full) {
        return MOLT_E_IMAGE_REVISION;
    }
    return MOLT_DONE;
}

/* ---- otadata ---- */

/* One operation of a plan that `writing` says is under way. MOLT_DONE when it is finished. */
static int write_on(struct molt_engine *e)
{
    int code = molt_otadata_writer_step(&e->writer, e->port->flash);
    if (code == MOLT_DONE) {
        e->writing = false;
        code = molt_flash_sync(e->port->flash);
        return code < 0 ? code : MOLT_DONE;
    }
    return code;
}

static int plan(struct molt_engine *e, molt_plan_maker *make)
{
    struct molt_otadata now;
    struct molt_otadata_situation situation;
    struct molt_otadata_plan steps;
    const struct molt_engine_port *port = e->port;
    int code = molt_otadata_read(&now, port->flash, port->device.otadata_offset);
    if (code < 0) {
        return code;
    }
    molt_situation_of(&port->device, e->target->number, &situation);
    code = make(&now, &situation, &steps);
    if (code < 0) {
        return code;
    }
    molt_otadata_writer_start(&e->writer, &steps, port->device.otadata_offset);
    e->writing = true;
    return MOLT_OK;
}

int molt_engine_heal(struct molt_engine *e)
{
    if (!e->healing) { /* everything is checked: from here on things are written */
        e->healing = true;
        e->chunk = e->app->first_chunk;
        e->torn = e->update.chunk;
        e->port->digest->start(&e->whole);
        e->sum = 0;
        return plan(e, molt_otadata_plan_heal);
    }
    if (e->writing) {
        int code = write_on(e);
        return code == MOLT_DONE ? MOLT_OK : code;
    }
    /* Only now: a target that was switched to before boots as a trial until no record names it. */
    int code = molt_update_save(e->port->store, &e->update);
    return code < 0 ? code : MOLT_DONE;
}

int molt_engine_switch(struct molt_engine *e)
{
    if (!e->healing) { /* files only, and otadata names another slot: the switch to it is called off
                        */
        e->healing = true;
        return plan(e, molt_otadata_plan_heal);
    }
    if (e->writing) {
        int code = write_on(e);
        return code == MOLT_DONE && !e->app ? MOLT_OK : code;
    }
    if (e->update.phase != MOLT_PHASE_SWITCHING) {
        e->update.phase = MOLT_PHASE_SWITCHING;
        if (e->app) {
            e->update.chunk = MOLT_NO_CHUNK;
        }
        e->update.switches = 1;
        return molt_update_save(e->port->store, &e->update);
    }
    return e->app ? plan(e, molt_otadata_plan_switch) : MOLT_DONE;
}

/* ---- The whole slot ---- */

int molt_engine_image(struct molt_engine *e)
{
    uint8_t digest[MOLT_SHA256_SIZE];
    struct molt_image image;
    struct molt_image_rules rules;
    const struct molt_engine_port *port = e->port;
    if (!e->app) {
        return MOLT_DONE;
    }
    port->digest->finish(&e->whole, digest);
    if (port->image) {
        memcpy(e->update.digest, digest, MOLT_SHA256_SIZE);
    } else if (memcmp(digest, e->app->sha256, MOLT_SHA256_SIZE) != 0) {
        return MOLT_E_VERIFY; /* every chunk was right: the index and the whole contradict each
                                 other */
    }
    int code = molt_image_judge(&image, port->flash, e->target->offset, e->app->length, e->sum,
                                e->image_sha256, port->buffer, MOLT_ENGINE_BUFFER, 0);
    if (code < 0) {
        return code;
    }
    molt_image_rules_of(port, e->target, &rules);
    code = molt_image_check(&image, &rules, 0);
    if (code < 0) {
        return code;
    }
    memcpy(e->image_sha256, image.sha256, MOLT_SHA256_SIZE);
    if (!e->release) {
        molt_engine_enter(e, MOLT_STATE_BIND);
    }
    return MOLT_DONE;
}
