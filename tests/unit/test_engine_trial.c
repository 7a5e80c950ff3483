/* The trial in situations that a single power cut does not make: damaged images and records, a
 * store that fails, calls at the wrong moment. */
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "rig_steps.h"
#include "testing.h"

static struct rig_version old_version, new_version;

struct fixture {
    struct rig rig;
    const struct molt_app_slot *slot; /* the target of the first update */
};

static void start(struct fixture *f, const struct rig_options *options)
{
    struct molt_pack_input input = {.board = "RIG", .sequence = 5};
    memset(f, 0, sizeof *f);
    rig_version_make(&old_version, 0x8000, 1, 0, false, &input);
    input.sequence = 6;
    rig_version_make(&new_version, 0x18000, 2, 0, true, &input);
    rig_init(&f->rig, options, old_version.image, old_version.length);
    assert_int_equal(rig_start(&f->rig), MOLT_OK);
    rig_serve(&f->rig, new_version.bundle.data, (uint32_t)new_version.bundle.size);
    f->slot = &f->rig.slots[1];
}

static void start_trial(struct fixture *f, const struct rig_options *options)
{
    start(f, options);
    assert_int_equal(rig_install(&f->rig, NULL), MOLT_DONE);
    assert_int_equal(rig_start(&f->rig), MOLT_OK);
    assert_true(rig_runs(&f->rig, &new_version));
}

static void finish(struct fixture *f)
{
    rig_free(&f->rig);
    rig_version_free(&old_version);
    rig_version_free(&new_version);
}

/* The target's image does not load while it is damaged; twice = as before. */
static void damage(struct fixture *f)
{
    f->rig.bytes[f->slot->offset + 0x5000] ^= 0x10;
}

static const struct rig_options usual = {.slot_size = 0x20000};
static const struct rig_options without_rollback = {.slot_size = 0x20000, .no_rollback = true};

/* The confirm was cut and the target does not load any more: no restarts for ever. */
static void confirming_ends_when_the_target_is_lost(void **state)
{
    struct fixture f;
    (void)state;
    start_trial(&f, &usual);
    rig_set_phase(&f.rig, MOLT_PHASE_CONFIRMING);
    damage(&f);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &old_version));
    rig_assert_phase(&f.rig, MOLT_PHASE_FAILED, MOLT_E_BOOT_DISAGREES);
    finish(&f);
}

/* A confirm that was cut is no failure, however many switches there were before. */
static void confirming_counts_its_own_switches(void **state)
{
    struct fixture f;
    (void)state;
    start_trial(&f, &usual);
    struct molt_update update = rig_update(&f.rig);
    update.switches = MOLT_SWITCHES_MAX;
    assert_int_equal(molt_update_save(&f.rig.store, &update), MOLT_OK);
    f.rig.nor.cut_at = f.rig.nor.operations + 2; /* the record's erase, behind the store's write */
    f.rig.nor.cut = MOLT_CUT_AFTER;
    assert_int_equal(molt_trial_confirm(&f.rig.port), MOLT_E_POWER);
    molt_nor_power_up(&f.rig.nor);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &new_version));
    assert_int_equal(rig_update(&f.rig).phase, MOLT_PHASE_CONFIRMED);
    finish(&f);
}

/* The way back is lost: the only image runs on, and may be confirmed. */
static void no_way_back_runs_on(void **state)
{
    struct fixture f;
    enum molt_trial_action action = MOLT_TRIAL_RESTART;
    (void)state;
    start_trial(&f, &without_rollback);
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t at = RIG_OTADATA + i * MOLT_OTADATA_SECTOR;
        if (molt_get_le32(f.rig.bytes + at) % 2 == 1) { /* names slot 0 */
            memset(f.rig.bytes + at, 0xFF, 32);
        }
    }
    assert_int_equal(rig_boot(&f.rig), MOLT_OK);
    assert_int_equal(molt_trial_boot(&f.rig.port, &action), MOLT_E_NO_WAY_BACK);
    assert_int_equal(action, MOLT_TRIAL_RUN);
    assert_int_equal(rig_update(&f.rig).phase, MOLT_PHASE_ROLLING_BACK);
    assert_int_equal(molt_trial_rollback(&f.rig.port), MOLT_E_NO_WAY_BACK);
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_E_UNCONFIRMED);
    assert_int_equal(molt_trial_confirm(&f.rig.port), MOLT_OK);
    assert_int_equal(rig_update(&f.rig).phase, MOLT_PHASE_CONFIRMED);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(rig_start(&f.rig), MOLT_OK);
        assert_true(rig_runs(&f.rig, &new_version));
    }
    finish(&f);
}

/* The other slot is half written: its old record must not become the only one. */
static void no_rollback_while_installing(void **state)
{
    struct fixture f;
    struct rig_version next;
    struct molt_pack_input input = {.board = "RIG", .sequence = 7};
    uint8_t otadata[MOLT_OTADATA_SIZE];
    (void)state;
    start_trial(&f, &usual);
    assert_int_equal(molt_trial_confirm(&f.rig.port), MOLT_OK);
    rig_version_make(&next, 0x18000, 3, 0, false, &input);
    rig_serve(&f.rig, next.bundle.data, (uint32_t)next.bundle.size - 1000);
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_E_BUNDLE_TRUNCATED);
    memcpy(otadata, f.rig.bytes + RIG_OTADATA, sizeof otadata);
    assert_int_equal(molt_trial_rollback(&f.rig.port), MOLT_E_NO_WAY_BACK);
    assert_memory_equal(otadata, f.rig.bytes + RIG_OTADATA, sizeof otadata);
    assert_int_equal(rig_update(&f.rig).phase, MOLT_PHASE_INSTALLING);
    rig_version_free(&next);
    finish(&f);
}

/* Before its first erase: the files of the other slot may be gone already. */
static void no_rollback_when_an_install_has_begun(void **state)
{
    struct fixture f;
    struct rig_version next;
    struct molt_pack_input input = {.board = "RIG", .sequence = 7};
    static struct molt_engine engine;
    (void)state;
    start_trial(&f, &usual);
    assert_int_equal(molt_trial_confirm(&f.rig.port), MOLT_OK);
    rig_version_make(&next, 0x18000, 3, 0, false, &input);
    rig_serve(&f.rig, next.bundle.data, (uint32_t)next.bundle.size);
    assert_int_equal(molt_engine_start(&engine, &f.rig.port), MOLT_OK);
    while (engine.state <= MOLT_STATE_HEAL) {
        assert_int_equal(molt_engine_step(&engine), MOLT_OK);
    }
    assert_int_equal(rig_update(&f.rig).phase, MOLT_PHASE_INSTALLING);
    assert_int_equal(rig_update(&f.rig).chunk, MOLT_NO_CHUNK);
    assert_int_equal(molt_trial_rollback(&f.rig.port), MOLT_E_NO_WAY_BACK);
    rig_version_free(&next);
    finish(&f);
}

/* Given up, not restarted yet: the records name the other slot, and still nothing may be installed
   there. */
static void no_install_after_giving_up(void **state)
{
    struct fixture f;
    (void)state;
    start_trial(&f, &usual);
    assert_int_equal(molt_trial_rollback(&f.rig.port), MOLT_OK);
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_E_UNCONFIRMED);
    assert_int_equal(rig_update(&f.rig).phase, MOLT_PHASE_ROLLING_BACK);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &old_version));
    finish(&f);
}

/* PENDING_VERIFY, and the store knows nothing: written by other means. Refused before anything is
   stored; then confirmed by the record alone. */
static void trial_of_another_tool_is_respected(void **state)
{
    struct fixture f;
    struct molt_engine engine;
    (void)state;
    start_trial(&f, &usual);
    memset(&f.rig.record[MOLT_RECORD_UPDATE], 0, sizeof f.rig.record[0]);
    assert_int_equal(rig_install(&f.rig, &engine), MOLT_E_UNCONFIRMED);
    assert_int_equal(engine.bytes_fetched, engine.manifest.data_offset); /* no payload */
    assert_int_equal(rig_update(&f.rig).phase, MOLT_PHASE_NONE);
    assert_int_equal(molt_trial_confirm(&f.rig.port), MOLT_OK);
    assert_int_equal(molt_trial_confirm(&f.rig.port), MOLT_E_NO_TRIAL);
    assert_int_equal(rig_update(&f.rig).phase, MOLT_PHASE_NONE);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &new_version));
    finish(&f);
}

/* Installed, and installed once more instead of a restart, and the power fails: what boots is still
   on trial. */
static void installing_again_keeps_the_trial(void **state)
{
    (void)state;
    for (uint64_t n = 1;; n++) {
        struct fixture f;
        start(&f, &without_rollback);
        assert_int_equal(rig_install(&f.rig, NULL), MOLT_DONE);
        f.rig.nor.cut_at = f.rig.nor.operations + n;
        f.rig.nor.cut = MOLT_CUT_AFTER;
        int code = rig_install(&f.rig, NULL);
        if (!f.rig.nor.off) {
            assert_int_equal(code, MOLT_DONE);
            assert_true(n > 5);
            finish(&f);
            return;
        }
        molt_nor_power_up(&f.rig.nor);
        for (int i = 0; i < 3; i++) { /* nobody confirms */
            assert_int_equal(rig_start(&f.rig), MOLT_OK);
        }
        if (!rig_runs(&f.rig, &old_version)) {
            print_error("cut after operation %d: the trial has no end\n", (int)n);
            fail();
        }
        finish(&f);
    }
}

/* The target loads at its first start, not at the second, and again at the third: it has failed. */
static void failed_target_does_not_come_up_again(void **state)
{
    struct fixture f;
    (void)state;
    start_trial(&f, &without_rollback);
    damage(&f);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &old_version));
    assert_int_equal(rig_update(&f.rig).outcome, MOLT_E_UNCONFIRMED);
    damage(&f);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &old_version));
    finish(&f);
}

/* The confirmed image is damaged: the bootloader falls back, and the records follow it. */
static void fallback_is_healed(void **state)
{
    struct fixture f;
    (void)state;
    start_trial(&f, &usual);
    assert_int_equal(molt_trial_confirm(&f.rig.port), MOLT_OK);
    damage(&f);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &old_version));
    assert_int_equal(molt_trial_confirm(&f.rig.port), MOLT_E_NO_TRIAL);
    damage(&f);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &old_version));
    for (int i = 0; i < 2; i++) { /* the same the other way round */
        f.rig.bytes[f.rig.slots[0].offset + 0x5000] ^= 0x10;
        assert_int_equal(rig_start(&f.rig), MOLT_OK);
        assert_true(rig_runs(&f.rig, &new_version));
    }
    finish(&f);
}

/* A boot with nothing to do writes nothing. */
static void quiet_boots_write_nothing(void **state)
{
    struct fixture f;
    (void)state;
    start(&f, &usual);
    uint64_t before = f.rig.nor.operations;
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_int_equal(f.rig.nor.operations, before);
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_DONE);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_int_equal(molt_trial_confirm(&f.rig.port), MOLT_OK);
    before = f.rig.nor.operations;
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_int_equal(f.rig.nor.operations, before);
    finish(&f);
}

/* A confirmed image is given up later: the one before runs, and the bundle counts as failed. */
static void confirmed_image_is_given_up(void **state)
{
    struct fixture f;
    (void)state;
    start_trial(&f, &usual);
    assert_int_equal(molt_trial_confirm(&f.rig.port), MOLT_OK);
    assert_int_equal(molt_trial_rollback(&f.rig.port), MOLT_OK);
    assert_int_equal(molt_trial_confirm(&f.rig.port), MOLT_E_BOOT_DISAGREES);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &old_version));
    rig_assert_phase(&f.rig, MOLT_PHASE_FAILED, MOLT_E_CANCELLED);
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_E_FAILED_BEFORE);
    finish(&f);
}

static void unknown_slot_and_missing_otadata(void **state)
{
    struct fixture f;
    enum molt_trial_action action = MOLT_TRIAL_RESTART;
    (void)state;
    start(&f, &usual);
    f.rig.port.device.running = MOLT_OTADATA_NO_SLOT;
    assert_int_equal(molt_trial_boot(&f.rig.port, &action), MOLT_E_NOT_A_SLOT);
    assert_int_equal(action, MOLT_TRIAL_RUN);
    assert_int_equal(molt_trial_confirm(&f.rig.port), MOLT_E_NOT_A_SLOT);
    assert_int_equal(molt_trial_rollback(&f.rig.port), MOLT_E_NOT_A_SLOT);
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_E_NOT_A_SLOT);
    f.rig.port.device.otadata_offset = 0;
    assert_int_equal(molt_trial_boot(&f.rig.port, &action), MOLT_OK);
    assert_int_equal(molt_trial_confirm(&f.rig.port), MOLT_E_OTADATA_NONE);
    assert_int_equal(molt_trial_rollback(&f.rig.port), MOLT_E_NO_WAY_BACK);
    finish(&f);
}

/* The target's slot left the table: an end as for a target that does not load. */
static void vanished_target_ends(void **state)
{
    struct fixture f;
    enum molt_trial_action action;
    (void)state;
    start(&f, &usual);
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_DONE);
    struct molt_update update = rig_update(&f.rig);
    update.target_offset = 0x77000;
    assert_int_equal(molt_update_save(&f.rig.store, &update), MOLT_OK);
    assert_int_equal(molt_trial_boot(&f.rig.port, &action), MOLT_OK);
    assert_int_equal(action, MOLT_TRIAL_RUN);
    assert_int_equal(rig_update(&f.rig).phase, MOLT_PHASE_FAILED);
    finish(&f);
}

/* ---- A store whose n-th operation fails, without any power cut ---- */

struct bad_store {
    const struct molt_store *inner;
    uint32_t at, fail_at;
};

static int bad_get(void *context, int record, void *buffer, uint32_t capacity)
{
    struct bad_store *bad = context;
    return ++bad->at == bad->fail_at
               ? MOLT_E_IO
               : bad->inner->ops->get(bad->inner->context, record, buffer, capacity);
}

static int bad_put(void *context, int record, const void *data, uint32_t n)
{
    struct bad_store *bad = context;
    return ++bad->at == bad->fail_at ? MOLT_E_IO
                                     : bad->inner->ops->put(bad->inner->context, record, data, n);
}

static const struct molt_store_ops bad_ops = {bad_get, bad_put};

/* Installs, starts, confirms. */
static int whole_update(struct rig *rig, const struct molt_store *store)
{
    rig->port.store = store;
    int code = rig_install(rig, NULL);
    code = code == MOLT_DONE || code == MOLT_E_INSTALLED ? rig_start(rig) : code;
    if (code == MOLT_OK || code == MOLT_E_UNCONFIRMED) {
        code = molt_trial_confirm(&rig->port);
    }
    rig->port.store = &rig->store;
    return code == MOLT_E_NO_TRIAL ? MOLT_OK : code;
}

static void store_errors_are_told_and_got_over(void **state)
{
    (void)state;
    for (uint32_t n = 1;; n++) {
        struct fixture f;
        start(&f, &without_rollback);
        struct bad_store bad = {&f.rig.store, 0, n};
        struct molt_store store = {&bad_ops, &bad};
        int code = whole_update(&f.rig, &store);
        if (bad.at < n) {
            assert_int_equal(code, MOLT_OK);
            assert_true(n > 15);
            finish(&f);
            return;
        }
        assert_int_equal(code, MOLT_E_IO);
        assert_int_equal(rig_boot(&f.rig), MOLT_OK);
        assert_true(rig_runs(&f.rig, &old_version) || rig_runs(&f.rig, &new_version));
        assert_int_equal(whole_update(&f.rig, &f.rig.store), MOLT_OK);
        assert_true(rig_runs(&f.rig, &new_version));
        assert_int_equal(rig_update(&f.rig).phase, MOLT_PHASE_CONFIRMED);
        finish(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(confirming_ends_when_the_target_is_lost),
        cmocka_unit_test(confirming_counts_its_own_switches),
        cmocka_unit_test(no_way_back_runs_on),
        cmocka_unit_test(no_rollback_while_installing),
        cmocka_unit_test(no_rollback_when_an_install_has_begun),
        cmocka_unit_test(no_install_after_giving_up),
        cmocka_unit_test(trial_of_another_tool_is_respected),
        cmocka_unit_test(installing_again_keeps_the_trial),
        cmocka_unit_test(failed_target_does_not_come_up_again),
        cmocka_unit_test(fallback_is_healed),
        cmocka_unit_test(quiet_boots_write_nothing),
        cmocka_unit_test(confirmed_image_is_given_up),
        cmocka_unit_test(unknown_slot_and_missing_otadata),
        cmocka_unit_test(vanished_target_ends),
        cmocka_unit_test(store_errors_are_told_and_got_over),
    };
    return cmocka_run_group_tests_name("engine_trial", tests, NULL, NULL);
}
