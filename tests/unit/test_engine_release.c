/* Files alone: a release without an app, its trial on the firmware that runs, devices without
 * slots.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "rig_steps.h"
#include "testing.h"

/* old: without files. base: an app with files. first, second: files alone, for the image of base.
 */
static struct rig_version old_version, base, first, second;

struct fixture {
    struct rig rig;
    uint8_t *before;
};

static const struct rig_options usual = {.slot_size = 0x20000, .vfs_size = 0x40000};

static void start(struct fixture *f, const struct rig_options *options)
{
    struct molt_pack_input input = {.board = "RIG"};
    memset(f, 0, sizeof *f);
    rig_version_make(&old_version, 0x8000, 1, 0, false, &input);
    rig_version_make(&base, 0x8000, 2, 0, true, &input);
    rig_version_files(&first, &base, 3, &input);
    input.sequence = 3;
    rig_version_files(&second, &base, 4, &input);
    rig_init(&f->rig, options, old_version.image, old_version.length);
    assert_int_equal(rig_start(&f->rig), MOLT_OK);
    f->before = malloc(RIG_FLASH_SIZE);
    assert_non_null(f->before);
}

static void finish(struct fixture *f)
{
    rig_free(&f->rig);
    rig_version_free(&old_version);
    rig_version_free(&base);
    rig_version_free(&first);
    rig_version_free(&second);
    free(f->before);
}

static int install(struct fixture *f, const struct rig_version *version)
{
    rig_serve_version(&f->rig, version);
    return rig_install(&f->rig, NULL);
}

/* The device runs base, confirmed. */
static void start_on_base(struct fixture *f, const struct rig_options *options)
{
    start(f, options);
    rig_settle(&f->rig, &base);
    memcpy(f->before, f->rig.bytes, RIG_FLASH_SIZE);
}

static bool directory_is_there(struct fixture *f, const struct rig_version *version)
{
    uint32_t size;
    return f->rig.files.ops->stat(f->rig.files.context, version->directory, &size) ==
           MOLT_DIRECTORY;
}

/* Neither slots nor otadata changed since start_on_base. */
static void assert_flash_as_before(const struct fixture *f)
{
    assert_memory_equal(f->rig.bytes + RIG_OTADATA, f->before + RIG_OTADATA, MOLT_OTADATA_SIZE);
    assert_memory_equal(f->rig.bytes + RIG_SLOT_0, f->before + RIG_SLOT_0,
                        f->rig.vfs_offset - RIG_SLOT_0);
}

static uint32_t binding_count(struct fixture *f, uint32_t slot_offset)
{
    struct molt_release_binding bindings[MOLT_RELEASES_MAX];
    int count = molt_releases_load(&f->rig.store, bindings);
    uint32_t n = 0;
    assert_true(count >= 0);
    for (int i = 0; i < count; i++) {
        n += bindings[i].slot_offset == slot_offset;
    }
    return n;
}

static void installs_and_confirms(void **state)
{
    struct fixture f;
    struct molt_engine engine;
    struct molt_floor floor;
    (void)state;
    start_on_base(&f, &usual);
    uint32_t slot = f.rig.slots[1].offset, done, total;
    rig_serve_version(&f.rig, &first);
    assert_int_equal(rig_install(&f.rig, &engine), MOLT_DONE);
    molt_engine_progress(&engine, &done, &total);
    assert_int_equal(done, total);
    assert_int_equal(total, engine.release->length);
    struct molt_update update = rig_update(&f.rig);
    assert_int_equal(update.phase, MOLT_PHASE_SWITCHING);
    assert_int_equal(update.from_offset, slot);
    assert_int_equal(update.target_offset, slot);
    assert_int_equal(update.sequence, 3);
    assert_int_equal(binding_count(&f, MOLT_CANDIDATE), 1);
    /* nothing of it has run yet */
    assert_int_equal(molt_trial_confirm(&f.rig.port), MOLT_E_NO_TRIAL);

    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &first));
    rig_assert_phase(&f.rig, MOLT_PHASE_TRIAL, 0);
    assert_int_equal(rig_update(&f.rig).boots, 1);
    assert_int_equal(install(&f, &second), MOLT_E_UNCONFIRMED);
    assert_int_equal(molt_trial_confirm(&f.rig.port), MOLT_OK);
    rig_assert_phase(&f.rig, MOLT_PHASE_CONFIRMED, 0);
    assert_int_equal(binding_count(&f, MOLT_CANDIDATE), 0);
    assert_int_equal(binding_count(&f, slot), 1);
    assert_int_equal(molt_floor_load(&f.rig.store, &floor), MOLT_OK);
    assert_int_equal(floor.sequence, 3);
    assert_int_equal(molt_trial_confirm(&f.rig.port), MOLT_E_NO_TRIAL);
    assert_int_equal(install(&f, &first), MOLT_E_INSTALLED);
    rig_set_phase(&f.rig, MOLT_PHASE_CONFIRMING); /* as if cut behind the candidate's put */
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    rig_assert_phase(&f.rig, MOLT_PHASE_CONFIRMED, 0);
    assert_true(rig_runs(&f.rig, &first));
    assert_flash_as_before(&f);
    finish(&f);
}

/* Not confirmed by the next start: the files of before run on, at once. */
static void falls_back(void **state)
{
    struct fixture f;
    enum molt_trial_action action = MOLT_TRIAL_RESTART;
    (void)state;
    start_on_base(&f, &usual);
    assert_int_equal(install(&f, &first), MOLT_DONE);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_int_equal(rig_boot(&f.rig), MOLT_OK);
    assert_int_equal(molt_trial_boot(&f.rig.port, &action), MOLT_OK);
    assert_int_equal(action, MOLT_TRIAL_RUN);
    assert_true(rig_runs(&f.rig, &base));
    rig_assert_phase(&f.rig, MOLT_PHASE_FAILED, MOLT_E_UNCONFIRMED);
    assert_int_equal(install(&f, &first), MOLT_E_FAILED_BEFORE);
    assert_int_equal(molt_trial_confirm(&f.rig.port), MOLT_E_NO_TRIAL);
    assert_true(directory_is_there(&f, &first)); /* until the next install needs the room */

    rig_settle(&f.rig, &second);
    assert_false(directory_is_there(&f, &first));
    assert_true(directory_is_there(&f, &base)); /* it ran while second was installed */
    f.rig.port.retry_failed = true;
    rig_settle(&f.rig, &first);
    assert_false(directory_is_there(&f, &base));
    assert_flash_as_before(&f);
    finish(&f);
}

static void operator_gives_up(void **state)
{
    struct fixture f;
    (void)state;
    start_on_base(&f, &usual);
    /* before it ever ran */
    assert_int_equal(install(&f, &first), MOLT_DONE);
    assert_int_equal(molt_trial_rollback(&f.rig.port), MOLT_OK);
    rig_assert_phase(&f.rig, MOLT_PHASE_ROLLING_BACK, 0);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &base));
    rig_assert_phase(&f.rig, MOLT_PHASE_FAILED, MOLT_E_CANCELLED);
    /* in its trial */
    assert_int_equal(install(&f, &second), MOLT_DONE);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &second));
    assert_int_equal(molt_trial_rollback(&f.rig.port), MOLT_OK);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &base));
    rig_assert_phase(&f.rig, MOLT_PHASE_FAILED, MOLT_E_CANCELLED);
    assert_int_equal(install(&f, &second), MOLT_E_FAILED_BEFORE);
    assert_flash_as_before(&f);
    /* while the confirm is being finished it is too late */
    f.rig.port.retry_failed = true;
    assert_int_equal(install(&f, &second), MOLT_DONE);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    rig_set_phase(&f.rig, MOLT_PHASE_CONFIRMING);
    assert_int_equal(molt_trial_rollback(&f.rig.port), MOLT_E_NO_WAY_BACK);
    assert_true(rig_runs(&f.rig, &second));
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &second));
    rig_assert_phase(&f.rig, MOLT_PHASE_CONFIRMED, 0);
    assert_int_equal(binding_count(&f, MOLT_CANDIDATE), 0);
    finish(&f);
}

/* Confirmed files are given up together with the firmware that they run on. */
static void back_to_the_other_slot(void **state)
{
    struct fixture f;
    (void)state;
    start_on_base(&f, &usual);
    rig_settle(&f.rig, &first);
    assert_int_equal(molt_trial_rollback(&f.rig.port), MOLT_OK);
    rig_assert_phase(&f.rig, MOLT_PHASE_CONFIRMED, 0);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &old_version));
    assert_int_equal(install(&f, &first), MOLT_E_FAILED_BEFORE);
    finish(&f);
}

/* The other slot keeps its firmware and its files, whatever happens to the files here. */
static void the_other_slots_files_survive(void **state)
{
    struct fixture f;
    struct rig_version next;
    struct molt_pack_input input = {.board = "RIG"};
    (void)state;
    start_on_base(&f, &usual);
    rig_version_make(&next, 0x9000, 3, 0, true, &input);
    rig_settle(&f.rig, &next);
    struct rig_version one, two;
    rig_version_files(&one, &next, 5, &input);
    rig_version_files(&two, &next, 6, &input);
    assert_int_equal(install(&f, &one), MOLT_DONE);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_int_equal(rig_start(&f.rig), MOLT_OK); /* failed */
    rig_settle(&f.rig, &two);
    assert_true(directory_is_there(&f, &base));
    assert_int_equal(molt_trial_rollback(&f.rig.port), MOLT_OK);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &base));
    rig_version_free(&next);
    rig_version_free(&one);
    rig_version_free(&two);
    finish(&f);
}

/* Files, then a firmware: it goes on with those files, and the release of the slot that it goes to
 * stays until that slot is erased. */
static void firmware_after_files(void **state)
{
    struct fixture f;
    struct rig_version next, plain;
    struct molt_pack_input input = {.board = "RIG", .sequence = 7};
    struct molt_engine engine;
    (void)state;
    start_on_base(&f, &usual);
    rig_version_make(&next, 0x9000, 3, 0, true, &input);
    rig_settle(&f.rig, &next); /* slot 0; base's files belong to slot 1 */
    struct rig_version files;
    rig_version_files(&files, &next, 5, &input);
    rig_settle(&f.rig, &files);
    input.sequence = 8;
    rig_version_make(&plain, 0xA000, 4, 0, false, &input);
    rig_serve_version(&f.rig, &plain);
    assert_int_equal(molt_engine_start(&engine, &f.rig.port), MOLT_OK);
    uint64_t steps = 0;
    while (engine.state != MOLT_STATE_ERASE) {
        assert_true(engine.pruned || engine.state == MOLT_STATE_PRUNE ||
                    directory_is_there(&f, &base));
        assert_int_equal(molt_engine_step(&engine), MOLT_OK);
        steps++;
    }
    assert_true(steps > 0);
    assert_false(directory_is_there(&f, &base));
    assert_true(directory_is_there(&f, &files));
    struct rig_version together = files; /* its files, on the other image */
    memcpy(together.sha256, plain.sha256, sizeof plain.sha256);
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_DONE);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &together));
    rig_version_free(&next);
    rig_version_free(&plain);
    rig_version_free(&files);
    finish(&f);
}

/* A firmware that came over the cable does not inherit what was made for another one. */
static void files_of_another_image_are_not_inherited(void **state)
{
    struct fixture f;
    struct rig_version plain;
    struct molt_pack_input input = {.board = "RIG", .sequence = 7};
    (void)state;
    start_on_base(&f, &usual);
    rig_version_make(&plain, 0xA000, 4, 0, false, &input);
    f.rig.port.device.running_image[31] ^= 1;
    rig_settle(&f.rig, &plain);
    rig_version_free(&plain);
    finish(&f);
}

/* A switch to another firmware waits for the restart: files for what runs call it off. */
static void a_waiting_switch_is_called_off(void **state)
{
    struct fixture f;
    struct rig_version files;
    (void)state;
    start(&f, &usual);
    rig_version_files(&files, &old_version, 5, &(struct molt_pack_input){.board = "RIG"});
    assert_int_equal(install(&f, &base), MOLT_DONE);
    assert_int_equal(install(&f, &files), MOLT_DONE);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &files));
    assert_int_equal(f.rig.port.device.running, 0);
    assert_int_equal(molt_trial_confirm(&f.rig.port), MOLT_OK);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &files));
    rig_version_free(&files);
    finish(&f);
}

/* Another slot came up by other means: the files are not for it, and no slot is switched to. */
static void another_slot_came_up(void **state)
{
    static const enum molt_phase phases[] = {MOLT_PHASE_SWITCHING, MOLT_PHASE_CONFIRMING,
                                             MOLT_PHASE_TRIAL, MOLT_PHASE_ROLLING_BACK};
    static const int outcomes[] = {MOLT_E_BOOT_DISAGREES, MOLT_E_BOOT_DISAGREES, MOLT_E_UNCONFIRMED,
                                   MOLT_E_CANCELLED};
    struct fixture f;
    (void)state;
    start_on_base(&f, &usual);
    f.rig.port.retry_failed = true;
    for (int i = 0; i < 4; i++) {
        enum molt_trial_action action = MOLT_TRIAL_RESTART;
        assert_int_equal(install(&f, &first), MOLT_DONE);
        rig_set_phase(&f.rig, phases[i]);
        f.rig.port.device.running = 0; /* as if started from there */
        assert_int_equal(molt_trial_boot(&f.rig.port, &action), MOLT_OK);
        assert_int_equal(action, MOLT_TRIAL_RUN);
        rig_assert_phase(&f.rig, MOLT_PHASE_FAILED, outcomes[i]);
        assert_int_equal(rig_start(&f.rig), MOLT_OK);
        assert_true(rig_runs(&f.rig, &base));
    }
    assert_flash_as_before(&f);
    finish(&f);
}

/* As on ports without slots: one in their place, no otadata. */
static void device_without_slots(void **state)
{
    static const struct molt_app_slot only = {0, 0, MOLT_OTADATA_FACTORY};
    struct fixture f;
    enum molt_trial_action action = MOLT_TRIAL_RESTART;
    (void)state;
    start(&f, &usual);
    struct molt_device *device = &f.rig.port.device;
    device->slots = &only;
    device->slot_count = 1;
    device->running = MOLT_OTADATA_FACTORY;
    device->otadata_offset = 0;
    memset(device->running_image, 0, sizeof device->running_image);
    memcpy(f.before, f.rig.bytes, RIG_FLASH_SIZE);
    assert_int_equal(molt_trial_boot(&f.rig.port, &action), MOLT_OK);
    assert_int_equal(molt_trial_confirm(&f.rig.port), MOLT_E_OTADATA_NONE);
    assert_int_equal(molt_trial_rollback(&f.rig.port), MOLT_E_NO_WAY_BACK);
    assert_int_equal(install(&f, &base), MOLT_E_OTADATA_NONE);
    assert_memory_equal(f.before, f.rig.bytes, RIG_FLASH_SIZE);
    for (int round = 0; round < 2; round++) {
        const struct rig_version *version = round ? &second : &first;
        assert_int_equal(install(&f, version), MOLT_DONE);
        assert_int_equal(molt_trial_boot(&f.rig.port, &action), MOLT_OK);
        assert_int_equal(action, MOLT_TRIAL_RUN);
        rig_assert_phase(&f.rig, MOLT_PHASE_TRIAL, 0);
        assert_true(rig_has_files(&f.rig, version));
        assert_int_equal(molt_trial_confirm(&f.rig.port), MOLT_OK);
        assert_int_equal(molt_trial_confirm(&f.rig.port), MOLT_E_NO_TRIAL);
        assert_int_equal(molt_trial_rollback(&f.rig.port), MOLT_E_NO_WAY_BACK);
        assert_int_equal(molt_trial_boot(&f.rig.port, &action), MOLT_OK);
        assert_true(rig_has_files(&f.rig, version));
        rig_assert_phase(&f.rig, MOLT_PHASE_CONFIRMED, 0);
        assert_int_equal(install(&f, version), MOLT_E_INSTALLED);
    }
    /* as before, and not confirmed */
    assert_int_equal(binding_count(&f, 0), 1);
    assert_memory_equal(f.before, f.rig.bytes, f.rig.vfs_offset);
    finish(&f);
}

/* One app only. */
static void device_with_one_slot(void **state)
{
    struct fixture f;
    struct rig_version files;
    (void)state;
    start(&f, &(struct rig_options){.slot_size = 0x20000, .slot_count = 1});
    rig_version_files(&files, &old_version, 5, &(struct molt_pack_input){.board = "RIG"});
    assert_int_equal(install(&f, &base), MOLT_E_NO_SECOND_SLOT);
    rig_undefined_record(&f.rig);
    memcpy(f.before, f.rig.bytes, RIG_FLASH_SIZE);
    rig_settle(&f.rig, &files);
    assert_flash_as_before(&f); /* otadata agrees with what runs */
    rig_version_free(&files);
    finish(&f);
}

/* Native code in the files must be what the firmware that runs here loads. */
static void native_code_must_suit_the_device(void **state)
{
    static const uint8_t native[] = {0x4D, 6, 10 << 2 | 3, 31, 0, 0, 0, 0};
    struct fixture f;
    struct molt_bytes bundle;
    struct molt_pack_file file = {"fast.mpy", native, sizeof native, MOLT_KEEP_REPLACE};
    struct molt_pack_input input = {.board = "RIG", .sequence = 9, .files = &file, .file_count = 1};
    (void)state;
    start_on_base(&f, &usual);
    bundle = rig_serve_input(&f.rig, &input);
    f.rig.port.device.mpy_abi = 0x0602;
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_E_MPY_ABI);
    assert_memory_equal(f.before, f.rig.bytes, RIG_FLASH_SIZE);
    f.rig.port.device.mpy_abi = 0x0603;
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_DONE);
    molt_bytes_free(&bundle);
    finish(&f);
}

static void refusals(void **state)
{
    struct fixture f;
    struct molt_bytes bundle;
    struct molt_pack_file file = {"main.py", (const uint8_t *)"1", 1, MOLT_KEEP_REPLACE};
    struct molt_pack_input input = {
        .board = "OTHER", .sequence = 9, .files = &file, .file_count = 1};
    (void)state;
    start_on_base(&f, &usual);
    bundle = rig_serve_input(&f.rig, &input);
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_E_BOARD);
    molt_bytes_free(&bundle);
    input.board = "RIG";
    input.sequence = 1;
    bundle = rig_serve_input(&f.rig, &input);
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_E_DOWNGRADE);
    const struct molt_files *files = f.rig.port.files;
    f.rig.port.files = NULL;
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_E_UNSUPPORTED);
    f.rig.port.files = files;
    f.rig.port.device.running = 7;
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_E_NOT_A_SLOT);
    f.rig.port.device.running = 1;
    molt_bytes_free(&bundle);
    assert_memory_equal(f.before, f.rig.bytes, RIG_FLASH_SIZE);
    /* a store that cannot be read, when the files' turn comes */
    assert_int_equal(install(&f, &first), MOLT_DONE);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    f.rig.record[MOLT_RECORD_RELEASES].bytes[0] = 2;
    assert_int_equal(molt_trial_confirm(&f.rig.port), MOLT_E_STORE);
    f.rig.record[MOLT_RECORD_RELEASES].bytes[0] = 1;
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    rig_assert_phase(&f.rig, MOLT_PHASE_CONFIRMED, 0); /* the confirm goes on */
    assert_true(rig_runs(&f.rig, &first));
    finish(&f);
}

/* The firmware that the candidate was installed for is gone: its files are not for another one. */
static void candidate_of_another_image(void **state)
{
    struct fixture f;
    (void)state;
    start_on_base(&f, &usual);
    f.rig.port.device.running_image[0] ^= 1;
    assert_int_equal(install(&f, &first), MOLT_DONE);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &base));
    finish(&f);
}

/* All bindings are taken: the oldest that does not run goes for the candidate. */
static void full_bindings(void **state)
{
    struct fixture f;
    struct molt_release_binding bindings[MOLT_RELEASES_MAX];
    (void)state;
    start_on_base(&f, &usual);
    rig_fill_bindings(&f.rig);
    rig_settle(&f.rig, &first);
    assert_int_equal(binding_count(&f, 0x200001u), 0);
    assert_int_equal(binding_count(&f, 0x200002u), 1);
    /* full again, with a candidate among them */
    int count = molt_releases_load(&f.rig.store, bindings);
    assert_int_equal(count, MOLT_RELEASES_MAX - 1);
    bindings[count] = bindings[0];
    bindings[count].slot_offset = MOLT_CANDIDATE;
    assert_int_equal(molt_releases_save(&f.rig.store, bindings, MOLT_RELEASES_MAX), MOLT_OK);
    rig_settle(&f.rig, &second);
    assert_int_equal(binding_count(&f, 0x200002u), 1);
    finish(&f);
}

/* An install into the other slot was cut; what it may have torn there is remembered over any number
 * of files-only updates, and there is no way back to that slot. */
static void torn_chunk_is_remembered(void **state)
{
    struct fixture f;
    struct rig_version next;
    struct molt_engine engine;
    struct molt_pack_input input = {.board = "RIG", .sequence = 9};
    (void)state;
    start_on_base(&f, &usual);
    rig_version_make(&next, 0x18000, 3, 0, true, &input);
    rig_serve_version(&f.rig, &next);
    assert_int_equal(molt_engine_start(&engine, &f.rig.port), MOLT_OK);
    while (engine.chunks_written == 0 || engine.state != MOLT_STATE_CHECK) {
        assert_int_equal(molt_engine_step(&engine), MOLT_OK);
    }
    assert_int_equal(rig_update(&f.rig).chunk, 1);
    rig_settle(&f.rig, &first);
    assert_int_equal(rig_update(&f.rig).chunk, 1);
    assert_int_equal(molt_trial_rollback(&f.rig.port), MOLT_E_NO_WAY_BACK);
    rig_settle(&f.rig, &second);
    assert_int_equal(rig_update(&f.rig).chunk, 1);
    rig_serve_version(&f.rig, &next);
    assert_int_equal(rig_install(&f.rig, &engine), MOLT_DONE);
    assert_int_equal(engine.chunks_kept, 1);
    assert_int_equal(engine.chunks_written, 1);
    rig_version_free(&next);
    finish(&f);
}

static int read_file(struct fixture *f, const char *name, char *text, uint32_t capacity)
{
    char path[MOLT_PATH_MAX], directory[MOLT_RELEASE_DIR_SIZE];
    assert_int_equal(rig_release(&f->rig, directory), 1);
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return f->rig.files.ops->read(f->rig.files.context, path, 0, text, capacity);
}

/* What the application made of a file to keep stays when the very same files come again: their
 * directory is the one in use. A file to replace is put right. */
static void the_same_release_again(void **state)
{
    struct fixture f;
    struct molt_bytes bundle;
    char text[16], path[MOLT_PATH_MAX], directory[MOLT_RELEASE_DIR_SIZE];
    struct molt_pack_file files[] = {
        {"config", (const uint8_t *)"default", 7, MOLT_KEEP_IF_CHANGED},
        {"main.py", (const uint8_t *)"pass", 4, MOLT_KEEP_REPLACE}};
    (void)state;
    start_on_base(&f, &usual);
    for (uint32_t round = 0; round < 2; round++) {
        bundle = rig_serve_input(
            &f.rig, &(struct molt_pack_input){
                        .board = "RIG", .sequence = 10 + round, .files = files, .file_count = 2});
        if (round == 0) { /* half a file of an install that was cut is nobody's work */
            struct molt_bundle_view view;
            assert_int_equal(molt_bundle_open(&view, bundle.data, bundle.size, NULL), MOLT_OK);
            molt_release_directory(molt_manifest_payload(&view.manifest, MOLT_ROLE_RELEASE)->sha256,
                                   directory);
            snprintf(path, sizeof path, "%s/config", directory);
            assert_int_equal(f.rig.files.ops->mkdir(f.rig.files.context, directory), MOLT_OK);
            assert_int_equal(f.rig.files.ops->write(f.rig.files.context, path, 0, "def", 3),
                             MOLT_OK);
        }
        assert_int_equal(rig_install(&f.rig, NULL), MOLT_DONE);
        assert_int_equal(rig_start(&f.rig), MOLT_OK);
        assert_int_equal(molt_trial_confirm(&f.rig.port), MOLT_OK);
        molt_bytes_free(&bundle);
        assert_int_equal(read_file(&f, "config", text, sizeof text), round ? 4 : 7);
        assert_memory_equal(text, round ? "mine" : "default", round ? 4 : 7);
        assert_int_equal(read_file(&f, "main.py", text, sizeof text), 4);
        assert_memory_equal(text, "pass", 4);
        assert_int_equal(rig_release(&f.rig, directory), 1);
        for (int i = 0; i < 2; i++) {
            snprintf(path, sizeof path, "%s/%s", directory, files[i].path);
            assert_int_equal(f.rig.files.ops->write(f.rig.files.context, path, 0, "mine", 4),
                             MOLT_OK);
        }
    }
    finish(&f);
}

/* Names of what is not to be carried over, and folders whose content is: nothing is installed. */
static void names_without_content(void **state)
{
    struct fixture f;
    struct molt_bytes bundle;
    char text[16];
    struct molt_pack_file files[] = {{"gone", (const uint8_t *)"", 0, MOLT_KEEP_DELETE},
                                     {"logs", (const uint8_t *)"", 0, MOLT_KEEP_FOLDER},
                                     {"main.py", (const uint8_t *)"pass", 4, MOLT_KEEP_REPLACE}};
    (void)state;
    start_on_base(&f, &usual);
    bundle = rig_serve_input(
        &f.rig,
        &(struct molt_pack_input){.board = "RIG", .sequence = 10, .files = files, .file_count = 3});
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_DONE);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_int_equal(read_file(&f, "main.py", text, sizeof text), 4);
    assert_int_equal(read_file(&f, "gone", text, sizeof text), MOLT_E_NOT_FOUND);
    assert_int_equal(read_file(&f, "logs", text, sizeof text), MOLT_E_NOT_FOUND);
    molt_bytes_free(&bundle);
    finish(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(installs_and_confirms),
        cmocka_unit_test(falls_back),
        cmocka_unit_test(operator_gives_up),
        cmocka_unit_test(back_to_the_other_slot),
        cmocka_unit_test(the_other_slots_files_survive),
        cmocka_unit_test(firmware_after_files),
        cmocka_unit_test(files_of_another_image_are_not_inherited),
        cmocka_unit_test(a_waiting_switch_is_called_off),
        cmocka_unit_test(another_slot_came_up),
        cmocka_unit_test(device_without_slots),
        cmocka_unit_test(device_with_one_slot),
        cmocka_unit_test(native_code_must_suit_the_device),
        cmocka_unit_test(refusals),
        cmocka_unit_test(candidate_of_another_image),
        cmocka_unit_test(full_bindings),
        cmocka_unit_test(torn_chunk_is_remembered),
        cmocka_unit_test(the_same_release_again),
        cmocka_unit_test(names_without_content),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
