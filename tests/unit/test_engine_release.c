/* Files alone: a release without an app, its trial on the firmware that runs, devices without
 * slots.
 */
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "rig_bundle.h"
#include "testing.h"

/* old: without files. base: an app with files. first, second: files alone, for the image of base.
 */
static struct rig_version old_version, base, first, second;

struct fixture {
    struct rig rig;
    uint8_t *before;
};

static const struct rig_options usual = {.slot_size = 0x20000};

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

/* Installed, started and confirmed. */
static void settle(struct fixture *f, const struct rig_version *version)
{
    assert_int_equal(install(f, version), MOLT_DONE);
    assert_int_equal(rig_start(&f->rig), MOLT_OK);
    assert_true(rig_runs(&f->rig, version));
    assert_int_equal(molt_trial_confirm(&f->rig.port), MOLT_OK);
}

/* The device runs base, confirmed. */
static void start_on_base(struct fixture *f, const struct rig_options *options)
{
    start(f, options);
    settle(f, &base);
    memcpy(f->before, f->rig.bytes, RIG_FLASH_SIZE);
}

static struct molt_update update_of(struct fixture *f)
{
    struct molt_update update;
    assert_int_equal(molt_update_load(&f->rig.store, &update), MOLT_OK);
    return update;
}

static void assert_phase(struct fixture *f, enum molt_phase phase, int outcome)
{
    assert_int_equal(update_of(f).phase, phase);
    assert_int_equal(update_of(f).outcome, outcome);
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
    struct molt_update update = update_of(&f);
    assert_int_equal(update.phase, MOLT_PHASE_SWITCHING);
    assert_int_equal(update.from_offset, slot);
    assert_int_equal(update.target_offset, slot);
    assert_int_equal(update.sequence, 3);
    assert_int_equal(binding_count(&f, MOLT_CANDIDATE), 1);
    /* nothing of it has run yet */
    assert_int_equal(molt_trial_confirm(&f.rig.port), MOLT_E_NO_TRIAL);

    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &first));
    assert_phase(&f, MOLT_PHASE_TRIAL, 0);
    assert_int_equal(update_of(&f).boots, 1);
    assert_int_equal(install(&f, &second), MOLT_E_UNCONFIRMED);
    assert_int_equal(molt_trial_confirm(&f.rig.port), MOLT_OK);
    assert_phase(&f, MOLT_PHASE_CONFIRMED, 0);
    assert_int_equal(binding_count(&f, MOLT_CANDIDATE), 0);
    assert_int_equal(binding_count(&f, slot), 1);
    assert_int_equal(molt_floor_load(&f.rig.store, &floor), MOLT_OK);
    assert_int_equal(floor.sequence, 3);
    assert_int_equal(molt_trial_confirm(&f.rig.port), MOLT_E_NO_TRIAL);
    assert_int_equal(install(&f, &first), MOLT_E_INSTALLED);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
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
    assert_phase(&f, MOLT_PHASE_FAILED, MOLT_E_UNCONFIRMED);
    assert_int_equal(install(&f, &first), MOLT_E_FAILED_BEFORE);
    assert_int_equal(molt_trial_confirm(&f.rig.port), MOLT_E_NO_TRIAL);
    assert_true(directory_is_there(&f, &first)); /* until the next install needs the room */

    settle(&f, &second);
    assert_false(directory_is_there(&f, &first));
    assert_true(directory_is_there(&f, &base)); /* it ran while second was installed */
    f.rig.port.retry_failed = true;
    settle(&f, &first);
    assert_false(directory_is_there(&f, &base));
    assert_flash_as_before(&f);
    finish(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(installs_and_confirms),
        cmocka_unit_test(falls_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
