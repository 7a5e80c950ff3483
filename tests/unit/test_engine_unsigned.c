/* Images without a bundle, a target of choice (factory too), and switching to a slot by hand. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "rig_steps.h"
#include "testing.h"

/* base: a bundle with files, confirmed in slot 1. image: nobody signed it, for slot 0. */
static struct rig_version old_version, base, image;

struct fixture {
    struct rig rig;
    struct molt_engine engine;
    uint8_t *before;
};

static const struct rig_options usual = {.slot_size = 0x20000};
static const struct rig_options with_factory = {.slot_size = 0x20000, .factory = true};

static void start(struct fixture *f, const struct rig_options *options)
{
    struct molt_pack_input input = {.board = "RIG", .sequence = 5};
    memset(f, 0, sizeof *f);
    rig_version_make(&old_version, 0x8000, 1, 0, false, &input);
    rig_version_make(&base, 0x18000, 2, 0, true, &input);
    rig_version_unsigned(&image, 0x18010, 3, 0, &base);
    rig_init(&f->rig, options, old_version.image, old_version.length);
    assert_int_equal(rig_start(&f->rig), MOLT_OK);
    rig_settle(&f->rig, &base);
    rig_serve_version(&f->rig, &image);
    f->before = rig_snapshot(&f->rig);
}

static void finish(struct fixture *f)
{
    rig_free(&f->rig);
    rig_version_free(&old_version);
    rig_version_free(&base);
    rig_version_free(&image);
    free(f->before);
}

static void to_target(struct fixture *f, int number)
{
    f->rig.port.has_target = true;
    f->rig.port.target = number;
}

static void installs(void **state)
{
    struct molt_floor floor;
    struct fixture f;
    uint32_t done, total;
    (void)state;
    start(&f, &usual);
    f.rig.again_every = 3;
    f.rig.piece_max = 700;
    assert_int_equal(rig_install(&f.rig, &f.engine), MOLT_DONE);
    molt_engine_progress(&f.engine, &done, &total);
    assert_int_equal(done, image.length);
    assert_int_equal(total, image.length);
    assert_int_equal(f.rig.bytes_served, image.length); /* asked for once */
    assert_int_equal(f.engine.chunks_written, 0x19);    /* sectors */
    assert_int_equal(f.engine.bytes_written, image.length);
    struct molt_update update = rig_update(&f.rig);
    assert_memory_equal(update.digest, image.sha256, 32);
    assert_int_equal(update.sequence, 0);
    assert_int_equal(update.phase, MOLT_PHASE_SWITCHING);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &image)); /* with the files of base */
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_E_UNCONFIRMED);
    assert_int_equal(molt_trial_confirm(&f.rig.port), MOLT_OK);
    assert_int_equal(molt_floor_load(&f.rig.store, &floor), MOLT_OK);
    assert_int_equal(floor.sequence, 5);
    /* back into slot 1: base's binding goes before the first erase there */
    struct molt_release_binding bindings[MOLT_RELEASES_MAX];
    f.rig.bundle = old_version.image;
    f.rig.port.image = old_version.length;
    assert_int_equal(molt_engine_start(&f.engine, &f.rig.port), MOLT_OK);
    while (f.engine.state != MOLT_STATE_SCAN || f.engine.at != 2) {
        int code = molt_engine_step(&f.engine);
        assert_true(code == MOLT_OK || code == MOLT_AGAIN);
    }
    assert_int_equal(molt_releases_load(&f.rig.store, bindings), 1);
    assert_int_equal(bindings[0].slot_offset, f.rig.slots[0].offset);
    finish(&f);
}

static void falls_back(void **state)
{
    struct fixture f;
    (void)state;
    start(&f, &usual);
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_DONE);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &base));
    rig_assert_phase(&f.rig, MOLT_PHASE_FAILED, MOLT_E_UNCONFIRMED);
    assert_int_equal(molt_failed_has(&f.rig.store, image.sha256), 1);
    /* the operator asked for it by name: it is written again, and nothing of it */
    assert_int_equal(rig_install(&f.rig, &f.engine), MOLT_DONE);
    assert_int_equal(f.engine.chunks_written, 0);
    assert_int_equal(f.engine.chunks_kept, 0x19);
    finish(&f);
}

/* Equal sectors are left alone; the chunk that a cut may have torn is not, whoever wrote it. */
static void equal_sectors_are_kept(void **state)
{
    struct fixture f;
    struct molt_update update;
    struct rig_version like;
    (void)state;
    start(&f, &usual);
    uint32_t slot = f.rig.slots[0].offset;
    memcpy(f.rig.bytes + slot, image.image, image.length);
    f.rig.bytes[slot + 0x5123] ^= 1;
    assert_int_equal(rig_install(&f.rig, &f.engine), MOLT_DONE);
    assert_int_equal(f.engine.chunks_written, 1);
    assert_int_equal(f.engine.chunks_kept, 0x18);
    /* a bundle was cut in its second chunk */
    update = rig_update(&f.rig);
    update.phase = MOLT_PHASE_INSTALLING;
    update.chunk = 1;
    assert_int_equal(molt_update_save(&f.rig.store, &update), MOLT_OK);
    assert_int_equal(rig_install(&f.rig, &f.engine), MOLT_DONE);
    assert_int_equal(f.engine.chunks_written, 9);
    assert_int_equal(f.engine.chunks_kept, 16);
    /* and again, and now the first chunk differs too: its record must not hide the second's */
    assert_int_equal(molt_update_save(&f.rig.store, &update), MOLT_OK);
    f.rig.bytes[slot + 0x5123] ^= 1;
    assert_int_equal(rig_install(&f.rig, &f.engine), MOLT_DONE);
    assert_int_equal(f.engine.chunks_written, 10);
    /* the other way round: an unsigned image was cut, a bundle follows */
    rig_version_make(&like, image.length, 3, 0, false,
                     &(struct molt_pack_input){.board = "RIG", .sequence = 9});
    rig_serve_version(&f.rig, &like);
    assert_int_equal(molt_update_save(&f.rig.store, &update), MOLT_OK);
    assert_int_equal(rig_install(&f.rig, &f.engine), MOLT_DONE);
    assert_int_equal(f.engine.chunks_written, 1);
    assert_int_equal(f.engine.chunks_kept, 1);
    assert_int_equal(molt_update_save(&f.rig.store, &update), MOLT_OK);
    f.rig.bytes[slot + 0x5123] ^= 1;
    assert_int_equal(rig_install(&f.rig, &f.engine), MOLT_DONE);
    assert_int_equal(f.engine.chunks_written, 2);
    assert_int_equal(f.engine.chunks_kept, 0);
    rig_version_free(&like);
    finish(&f);
}

static void refusals_before_the_first_erase(void **state)
{
    static const struct {
        uint32_t offset;
        uint8_t value;
        int error;
    } heads[] = {{0, 0xE8, MOLT_E_IMAGE_MAGIC},
                 {1, 17, MOLT_E_IMAGE_SEGMENTS},
                 {12, 5, MOLT_E_IMAGE_CHIP},
                 {14, 9, MOLT_E_IMAGE_REVISION},
                 {16, 9, MOLT_E_IMAGE_REVISION}};
    struct fixture f;
    (void)state;
    start(&f, &usual);
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        uint8_t was = image.bundle.data[heads[i].offset];
        image.bundle.data[heads[i].offset] = heads[i].value;
        rig_assert_refused(&f.rig, f.before, heads[i].error);
        image.bundle.data[heads[i].offset] = was;
    }
    uint32_t address = molt_get_le32(image.bundle.data + 24);
    molt_put_le32(image.bundle.data + 24, 0x3FFF0030u);
    rig_assert_refused(&f.rig, f.before, MOLT_E_IMAGE_MERGED);
    molt_put_le32(image.bundle.data + 24, address);
    f.rig.port.image = 31;
    rig_assert_refused(&f.rig, f.before, MOLT_E_IMAGE_TRUNCATED);
    f.rig.port.image = 0x20001;
    rig_assert_refused(&f.rig, f.before, MOLT_E_SLOT_TOO_SMALL);
    f.rig.port.image = 0xFFFFFFFFu;
    rig_assert_refused(&f.rig, f.before, MOLT_E_SLOT_TOO_SMALL);
    f.rig.port.image = image.length;
    f.rig.bundle_size = 20;
    rig_assert_refused(&f.rig, f.before, MOLT_E_BUNDLE_TRUNCATED);
    f.rig.bundle_size = image.length;
    to_target(&f, 1);
    rig_assert_refused(&f.rig, f.before, MOLT_E_ARGUMENT);
    to_target(&f, 2);
    rig_assert_refused(&f.rig, f.before, MOLT_E_NOT_A_SLOT);
    to_target(&f, MOLT_OTADATA_FACTORY);
    rig_assert_refused(&f.rig, f.before, MOLT_E_NOT_A_SLOT);
    f.rig.port.has_target = false;
    f.rig.port.device.slot_count = 1;
    f.rig.port.device.slots = f.rig.slots + 1;
    rig_assert_refused(&f.rig, f.before, MOLT_E_NO_SECOND_SLOT);
    f.rig.port.device.otadata_offset = 0;
    rig_assert_refused(&f.rig, f.before, MOLT_E_OTADATA_NONE);
    finish(&f);
}

/* What came is not a whole image: found before the switch, and what ran runs on. */
static void never_switches_to_a_broken_image(void **state)
{
    struct fixture f;
    (void)state;
    start(&f, &usual);
    image.bundle.data[0x7777] ^= 1;
    assert_int_equal(rig_install(&f.rig, &f.engine), MOLT_E_IMAGE_CHECKSUM);
    assert_int_equal(f.engine.failed_in, MOLT_STATE_IMAGE);
    f.rig.port.image = image.length - 16;
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_E_IMAGE_TOO_LARGE);
    f.rig.port.image = image.length;
    f.rig.bundle_size = image.length - 1;
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_E_BUNDLE_TRUNCATED);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &base));
    assert_int_equal(molt_trial_rollback(&f.rig.port), MOLT_E_NO_WAY_BACK);
    finish(&f);
}

static void reads_back(void **state)
{
    struct fixture f;
    (void)state;
    start(&f, &usual);
    struct rig_bad_flash bad;
    rig_bad_flash_init(&bad, &f.rig.flash, f.rig.slots[0].offset + 0x9800);
    f.rig.port.flash = &bad.flash;
    assert_int_equal(rig_install(&f.rig, &f.engine), MOLT_E_VERIFY);
    assert_int_equal(f.engine.failed_in, MOLT_STATE_SCAN);
    assert_int_equal(f.engine.pack_at, 0x9000);
    finish(&f);
}

/* ---- The factory app ---- */

static void factory_on_trial(void **state)
{
    struct fixture f;
    (void)state;
    start(&f, &with_factory); /* base runs in ota_0 */
    assert_int_equal(f.rig.port.device.running, 0);
    to_target(&f, MOLT_OTADATA_FACTORY);
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_DONE);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_int_equal(f.rig.port.device.running, MOLT_OTADATA_FACTORY);
    assert_true(rig_runs(&f.rig, &image));
    rig_assert_phase(&f.rig, MOLT_PHASE_TRIAL, 0);
    /* no confirm: the hook brings the slot back that ran before */
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &base));
    rig_assert_phase(&f.rig, MOLT_PHASE_FAILED, MOLT_E_UNCONFIRMED);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &base));
    /* given up by the operator */
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_DONE);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &image));
    assert_int_equal(molt_trial_rollback(&f.rig.port), MOLT_OK);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &base));
    rig_assert_phase(&f.rig, MOLT_PHASE_FAILED, MOLT_E_CANCELLED);
    /* confirmed, and given up all the same */
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_DONE);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_int_equal(molt_trial_confirm(&f.rig.port), MOLT_OK);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &image));
    rig_assert_phase(&f.rig, MOLT_PHASE_CONFIRMED, 0);
    assert_int_equal(molt_trial_rollback(&f.rig.port), MOLT_OK);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &base));
    finish(&f);
}

/* The switch to factory was lost: it is written again; a factory app that does not load is given
 * up. */
static void factory_that_does_not_load(void **state)
{
    struct fixture f;
    (void)state;
    start(&f, &with_factory);
    to_target(&f, MOLT_OTADATA_FACTORY);
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_DONE);
    f.rig.bytes[f.rig.slots[0].offset + 0x5000] ^= 0x10;
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &base));
    rig_assert_phase(&f.rig, MOLT_PHASE_FAILED, MOLT_E_BOOT_DISAGREES);
    finish(&f);
}

/* ---- By hand ---- */

static void looks_at_slots(void **state)
{
    struct fixture f;
    (void)state;
    start(&f, &usual);
    uint8_t *slot = f.rig.bytes + f.rig.slots[0].offset;
    assert_int_equal(molt_slot_image(&f.rig.port, 0), old_version.length);
    assert_int_equal(molt_slot_image(&f.rig.port, 1), base.length);
    assert_int_equal(molt_slot_image(&f.rig.port, 2), MOLT_E_NOT_A_SLOT);
    slot[0x5000] ^= 1;
    assert_int_equal(molt_slot_image(&f.rig.port, 0), MOLT_E_IMAGE_CHECKSUM);
    assert_int_equal(molt_slot_switch(&f.rig.port, 0), MOLT_E_IMAGE_CHECKSUM);
    slot[0x5000] ^= 1;
    slot[old_version.length - 1] ^= 1;
    assert_int_equal(molt_slot_image(&f.rig.port, 0), MOLT_E_IMAGE_HASH);
    slot[old_version.length - 1] ^= 1;
    slot[12] = 5;
    assert_int_equal(molt_slot_image(&f.rig.port, 0), MOLT_E_IMAGE_CHIP);
    memset(slot, 0xFF, 0x20000);
    assert_int_equal(molt_slot_image(&f.rig.port, 0), MOLT_E_IMAGE_MAGIC);
    finish(&f);
}

static void switches_by_hand(void **state)
{
    struct fixture f;
    struct molt_update update;
    (void)state;
    start(&f, &usual);
    assert_int_equal(molt_slot_switch(&f.rig.port, 1), MOLT_E_ARGUMENT);
    assert_int_equal(molt_slot_switch(&f.rig.port, 2), MOLT_E_NOT_A_SLOT);
    assert_memory_equal(f.before, f.rig.bytes, RIG_FLASH_SIZE);
    assert_int_equal(molt_slot_switch(&f.rig.port, 0), MOLT_OK);
    update = rig_update(&f.rig);
    assert_int_equal(update.phase, MOLT_PHASE_SWITCHING);
    assert_int_equal(update.sequence, 0);
    assert_memory_equal(update.digest, old_version.sha256, 32);
    assert_int_equal(molt_slot_switch(&f.rig.port, 0), MOLT_OK); /* on its way */
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &old_version));
    rig_assert_phase(&f.rig, MOLT_PHASE_TRIAL, 0);
    assert_int_equal(molt_slot_switch(&f.rig.port, 1), MOLT_E_UNCONFIRMED);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &base));
    rig_assert_phase(&f.rig, MOLT_PHASE_FAILED, MOLT_E_UNCONFIRMED);
    assert_int_equal(molt_slot_switch(&f.rig.port, 0), MOLT_OK);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_int_equal(molt_trial_confirm(&f.rig.port), MOLT_OK);
    assert_int_equal(molt_slot_switch(&f.rig.port, 1), MOLT_OK);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &base)); /* with its own files */
    assert_int_equal(molt_trial_confirm(&f.rig.port), MOLT_OK);
    f.rig.port.device.otadata_offset = 0;
    assert_int_equal(molt_slot_switch(&f.rig.port, 0), MOLT_E_OTADATA_NONE);
    finish(&f);
}

/* An update that waits for its restart keeps its name and number. */
static void a_switch_on_its_way(void **state)
{
    struct fixture f;
    struct rig_version next;
    (void)state;
    start(&f, &usual);
    rig_version_make(&next, 0x9000, 7, 0, false,
                     &(struct molt_pack_input){.board = "RIG", .sequence = 9});
    rig_serve_version(&f.rig, &next);
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_DONE);
    assert_int_equal(molt_slot_switch(&f.rig.port, 0), MOLT_OK);
    assert_int_equal(rig_update(&f.rig).sequence, 9);
    rig_version_free(&next);
    finish(&f);
}

/* What runs gets its way back first. */
static void heals_before_a_switch(void **state)
{
    struct fixture f;
    (void)state;
    start(&f, &usual);
    rig_undefined_record(&f.rig);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_int_equal(f.rig.port.device.running, 0);
    assert_int_equal(molt_slot_switch(&f.rig.port, 1), MOLT_OK);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &base));
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &old_version));
    finish(&f);
}

/* A slot that a cut install may have torn is whole only by chance. */
static void no_switch_to_a_torn_slot(void **state)
{
    struct fixture f;
    (void)state;
    start(&f, &usual);
    struct molt_update update = rig_update(&f.rig);
    update.phase = MOLT_PHASE_INSTALLING;
    update.from_offset = f.rig.slots[1].offset;
    update.target_offset = f.rig.slots[0].offset;
    update.chunk = 0;
    assert_int_equal(molt_update_save(&f.rig.store, &update), MOLT_OK);
    assert_int_equal(molt_slot_switch(&f.rig.port, 0), MOLT_E_NO_WAY_BACK);
    update.phase = MOLT_PHASE_CONFIRMED; /* of files alone, which carries the chunk on */
    update.target_offset = update.from_offset;
    assert_int_equal(molt_update_save(&f.rig.store, &update), MOLT_OK);
    assert_int_equal(molt_slot_switch(&f.rig.port, 0), MOLT_E_NO_WAY_BACK);
    finish(&f);
}

static void switches_to_factory_by_hand(void **state)
{
    struct fixture f;
    (void)state;
    start(&f, &with_factory);
    assert_int_equal(molt_slot_switch(&f.rig.port, MOLT_OTADATA_FACTORY), MOLT_OK);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_int_equal(f.rig.port.device.running, MOLT_OTADATA_FACTORY);
    assert_true(rig_runs(&f.rig, &old_version));
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &base));
    assert_int_equal(molt_slot_switch(&f.rig.port, MOLT_OTADATA_FACTORY), MOLT_OK);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_int_equal(molt_trial_confirm(&f.rig.port), MOLT_OK);
    assert_int_equal(molt_slot_switch(&f.rig.port, 0), MOLT_OK);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &base));
    assert_int_equal(rig_start(&f.rig), MOLT_OK); /* the trial failed: factory again */
    assert_true(rig_runs(&f.rig, &old_version));
    finish(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(installs),
        cmocka_unit_test(falls_back),
        cmocka_unit_test(equal_sectors_are_kept),
        cmocka_unit_test(refusals_before_the_first_erase),
        cmocka_unit_test(never_switches_to_a_broken_image),
        cmocka_unit_test(reads_back),
        cmocka_unit_test(factory_on_trial),
        cmocka_unit_test(factory_that_does_not_load),
        cmocka_unit_test(looks_at_slots),
        cmocka_unit_test(switches_by_hand),
        cmocka_unit_test(a_switch_on_its_way),
        cmocka_unit_test(heals_before_a_switch),
        cmocka_unit_test(no_switch_to_a_torn_slot),
        cmocka_unit_test(switches_to_factory_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
