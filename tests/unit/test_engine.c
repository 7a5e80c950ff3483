/* The engine on the rig: every refusal with its very code and an untouched flash, resume, skipping,
 * faults. */
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "rig_bundle.h"
#include "testing.h"

static struct rig_version old_version;

struct fixture {
    struct rig rig;
    struct rig_version v;
    uint8_t *before;
};

static const struct molt_pack_input plain = {.board = "RIG", .sequence = 5};

static void start_with(struct fixture *f, const struct rig_options *options,
                       const struct molt_pack_input *input, uint32_t length, bool release)
{
    memset(f, 0, sizeof *f);
    rig_version_make(&old_version, 0x8000, 1, 0, false, &plain);
    rig_version_make(&f->v, length, 2, 0, release, input);
    rig_init(&f->rig, options, old_version.image, old_version.length);
    assert_int_equal(rig_start(&f->rig), MOLT_OK);
    rig_serve(&f->rig, f->v.bundle.data, (uint32_t)f->v.bundle.size);
    f->before = malloc(RIG_FLASH_SIZE);
    memcpy(f->before, f->rig.bytes, RIG_FLASH_SIZE);
}

static void start(struct fixture *f, const struct molt_pack_input *input, bool release)
{
    struct rig_options options = {.slot_size = 0x20000};
    start_with(f, &options, input, 0x18000, release);
}

static void finish(struct fixture *f)
{
    rig_free(&f->rig);
    rig_version_free(&f->v);
    rig_version_free(&old_version);
    free(f->before);
}

/* The very code, and not one byte of flash changed. */
static void refused(struct fixture *f, int error)
{
    int code = rig_install(&f->rig, NULL);
    if (code != error) {
        print_error("expected %s, found %s\n", molt_strerror(error), molt_strerror(code));
    }
    assert_int_equal(code, error);
    assert_memory_equal(f->before, f->rig.bytes, RIG_FLASH_SIZE);
    finish(f);
}

/* The fixture's image, changed since, in a bundle of its own. */
static void pack_again(struct fixture *f)
{
    struct molt_diag diag;
    struct molt_pack_input input = plain;
    input.app = f->v.image;
    input.app_size = f->v.length;
    molt_bytes_free(&f->v.bundle);
    assert_int_equal(molt_bundle_build(&f->v.bundle, &input, &rig_signer, NULL, &diag), MOLT_OK);
    rig_serve(&f->rig, f->v.bundle.data, (uint32_t)f->v.bundle.size);
}

/* The device trusts this key alone. */
static void trust(struct fixture *f, const struct molt_signer *signer, enum molt_key_use use)
{
    struct molt_trusted_key key = {.uses = (uint8_t)use};
    memcpy(key.public_key, signer->public_key, sizeof key.public_key);
    assert_int_equal(molt_keys_save(&f->rig.store, &key, 1), MOLT_OK);
}

static void installs_and_confirms(void **state)
{
    struct fixture f;
    (void)state;
    start(&f, &plain, true);
    f.rig.again_every = 3;
    f.rig.piece_max = 700;
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_DONE);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &f.v));
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_E_UNCONFIRMED);
    assert_int_equal(molt_trial_confirm(&f.rig.port), MOLT_OK);
    assert_int_equal(molt_trial_confirm(&f.rig.port), MOLT_E_NO_TRIAL);
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_E_INSTALLED);
    struct molt_floor floor;
    assert_int_equal(molt_floor_load(&f.rig.store, &floor), MOLT_OK);
    assert_int_equal(floor.sequence, 5);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &f.v));
    finish(&f);
}

static void refuses_other_chip(void **state)
{
    struct fixture f;
    (void)state;
    start(&f, &plain, false);
    f.rig.port.device.chip_id = 5;
    refused(&f, MOLT_E_CHIP);
}

static void refuses_other_board(void **state)
{
    struct fixture f;
    (void)state;
    start(&f, &plain, false);
    f.rig.port.device.board = "RIGX";
    refused(&f, MOLT_E_BOARD);
}

static void refuses_prefix_of_board(void **state)
{
    struct fixture f;
    (void)state;
    start(&f, &plain, false);
    f.rig.port.device.board = "RI";
    refused(&f, MOLT_E_BOARD);
}

static void refuses_too_large(void **state)
{
    struct fixture f;
    struct rig_options options = {.slot_size = 0x10000};
    (void)state;
    start_with(&f, &options, &plain, 0x10010, false);
    refused(&f, MOLT_E_SLOT_TOO_SMALL);
}

static void refuses_slot_size_asked_for(void **state)
{
    struct fixture f;
    struct molt_pack_input input = plain;
    (void)state;
    input.slot_size = 0x30000;
    start(&f, &input, false);
    refused(&f, MOLT_E_SLOT_TOO_SMALL);
}

static void refuses_foreign_key(void **state)
{
    struct fixture f;
    (void)state;
    start(&f, &plain, false);
    trust(&f, &rig_foreign_signer, MOLT_KEY_BUNDLES);
    refused(&f, MOLT_E_KEY_UNKNOWN);
}

static void refuses_key_of_other_use(void **state)
{
    struct fixture f;
    (void)state;
    start(&f, &plain, false);
    trust(&f, &rig_signer, MOLT_KEY_CHANNELS);
    refused(&f, MOLT_E_KEY_UNKNOWN);
}

static void refuses_without_keys(void **state)
{
    struct fixture f;
    (void)state;
    start(&f, &plain, false);
    memset(&f.rig.record[MOLT_RECORD_KEYS], 0, sizeof f.rig.record[0]);
    refused(&f, MOLT_E_KEY_UNKNOWN);
}

static void refuses_expired(void **state)
{
    struct fixture f;
    struct molt_pack_input input = plain;
    (void)state;
    input.issued = 1600000000u;
    input.expires = 1600001000u;
    start(&f, &input, false);
    refused(&f, MOLT_E_EXPIRED);
}

/* The clock says 1970, but a bundle signed later was accepted before. */
static void refuses_expired_by_newest_time(void **state)
{
    struct fixture f;
    struct molt_pack_input input = plain;
    struct molt_floor floor = {.newest_time = 1600002000u};
    (void)state;
    input.issued = 1600000000u;
    input.expires = 1600001000u;
    start(&f, &input, false);
    f.rig.port.now = 0;
    assert_int_equal(molt_floor_save(&f.rig.store, &floor), MOLT_OK);
    refused(&f, MOLT_E_EXPIRED);
}

static void unknown_clock_refuses_nothing(void **state)
{
    struct fixture f;
    struct molt_pack_input input = plain;
    (void)state;
    input.issued = 1600000000u;
    input.expires = 1600001000u;
    start(&f, &input, false);
    f.rig.port.now = 0;
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_DONE);
    finish(&f);
}

static void refuses_downgrade(void **state)
{
    struct fixture f;
    struct molt_floor floor = {.sequence = 6};
    (void)state;
    start(&f, &plain, false);
    assert_int_equal(molt_floor_save(&f.rig.store, &floor), MOLT_OK);
    refused(&f, MOLT_E_DOWNGRADE);
}

static void signed_downgrade_is_taken(void **state)
{
    struct fixture f;
    struct molt_floor floor = {.sequence = 6};
    struct molt_pack_input input = plain;
    (void)state;
    input.allow_downgrade = true;
    start(&f, &input, false);
    assert_int_equal(molt_floor_save(&f.rig.store, &floor), MOLT_OK);
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_DONE);
    finish(&f);
}

static void refuses_failed_before(void **state)
{
    struct fixture f;
    (void)state;
    start(&f, &plain, false);
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_DONE);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &f.v));
    assert_int_equal(rig_start(&f.rig),
                     MOLT_OK); /* no confirm: the bootloader returns to the old one */
    assert_true(rig_runs(&f.rig, &old_version));
    memcpy(f.before, f.rig.bytes, RIG_FLASH_SIZE);
    refused(&f, MOLT_E_FAILED_BEFORE);
}

static void refuses_malformed(void **state)
{
    struct fixture f;
    (void)state;
    start(&f, &plain, false);
    f.v.bundle.data[MOLT_BUNDLE_HEAD] ^= 0x40; /* no COSE tag any more */
    refused(&f, MOLT_E_BUNDLE_MALFORMED);
}

static void refuses_wrong_magic(void **state)
{
    struct fixture f;
    (void)state;
    start(&f, &plain, false);
    f.v.bundle.data[0] ^= 1;
    refused(&f, MOLT_E_BUNDLE_MAGIC);
}

static void refuses_truncated_envelope(void **state)
{
    struct fixture f;
    (void)state;
    start(&f, &plain, false);
    f.rig.bundle_size = MOLT_BUNDLE_HEAD + 20;
    refused(&f, MOLT_E_BUNDLE_TRUNCATED);
}

static void refuses_empty_source(void **state)
{
    struct fixture f;
    (void)state;
    start(&f, &plain, false);
    f.rig.bundle_size = 0;
    refused(&f, MOLT_E_BUNDLE_TRUNCATED);
}

static void refuses_wrong_digest(void **state)
{
    struct fixture f;
    static const uint8_t other[32] = {1};
    (void)state;
    start(&f, &plain, false);
    f.rig.port.expect = other;
    refused(&f, MOLT_E_SOURCE_CHANGED);
}

static void refuses_old_bootloader(void **state)
{
    struct fixture f;
    struct molt_pack_input input = plain;
    (void)state;
    input.min_bootloader = 0x050100;
    start(&f, &input, false);
    refused(&f, MOLT_E_BOOTLOADER_OLD);
}

static void refuses_single_slot(void **state)
{
    struct fixture f;
    struct rig_options options = {.slot_size = 0x20000, .slot_count = 1};
    (void)state;
    start_with(&f, &options, &plain, 0x18000, false);
    refused(&f, MOLT_E_NO_SECOND_SLOT);
}

static void refuses_without_otadata(void **state)
{
    struct fixture f;
    (void)state;
    start(&f, &plain, false);
    f.rig.port.device.otadata_offset = 0;
    refused(&f, MOLT_E_OTADATA_NONE);
}

static void refuses_release_without_files(void **state)
{
    struct fixture f;
    struct rig_options options = {.slot_size = 0x20000, .no_files = true};
    (void)state;
    start_with(&f, &options, &plain, 0x8000, true);
    refused(&f, MOLT_E_UNSUPPORTED);
}

static void refuses_full_file_system(void **state)
{
    struct fixture f;
    static const uint8_t filler[4000];
    (void)state;
    start(&f, &plain, true);
    for (int i = 0;; i++) { /* fill up, but for two blocks */
        char path[] = "/fill00";
        uint32_t space;
        path[5] = (char)('0' + i / 10);
        path[6] = (char)('0' + i % 10);
        assert_int_equal(f.rig.files.ops->space(f.rig.files.context, &space), MOLT_OK);
        if (space < 0x4000) {
            break;
        }
        assert_int_equal(
            f.rig.files.ops->write(f.rig.files.context, path, 0, filler, sizeof filler), MOLT_OK);
    }
    memcpy(f.before, f.rig.bytes, RIG_FLASH_SIZE);
    refused(&f, MOLT_E_NO_SPACE);
}

/* A merged firmware where an app belongs: its first segment loads into the bootloader's own memory.
 */
static void refuses_merged_firmware(void **state)
{
    struct fixture f;
    (void)state;
    start(&f, &plain, false);
    molt_put_le32(f.v.image + 24, 0x3FFF0030u);
    pack_again(&f);
    refused(&f, MOLT_E_IMAGE_MERGED);
}

static void image_case(uint32_t offset, uint8_t value, int error)
{
    struct fixture f;
    start(&f, &plain, false);
    f.v.image[offset] = value;
    pack_again(&f);
    refused(&f, error);
}

static void refuses_images_that_cannot_boot(void **state)
{
    (void)state;
    image_case(0, 0xE8, MOLT_E_IMAGE_MAGIC);
    image_case(12, 5, MOLT_E_IMAGE_CHIP);
    image_case(1, 17, MOLT_E_IMAGE_SEGMENTS);
    image_case(14, 9, MOLT_E_IMAGE_REVISION);
    image_case(16, 9, MOLT_E_IMAGE_REVISION); /* min_rev_full 0x900 */
}

/* A wrong hash shows only when the whole image is there; the switch never happens. */
static void wrong_image_hash_never_boots(void **state)
{
    struct fixture f;
    (void)state;
    start(&f, &plain, false);
    f.v.image[f.v.length - 1] ^= 1;
    pack_again(&f);
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_E_IMAGE_HASH);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &old_version));
    finish(&f);
}

/* The same for the checksum under a right hash. */
static void wrong_checksum_never_boots(void **state)
{
    struct fixture f;
    (void)state;
    start(&f, &plain, false);
    f.v.image[f.v.length - 33] ^= 1;
    molt_sha256_of(f.v.image, f.v.length - 32, f.v.image + f.v.length - 32);
    pack_again(&f);
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_E_IMAGE_CHECKSUM);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &old_version));
    finish(&f);
}

/* Every byte of the chunks, a few at a time: refused, or decodes to the same bytes; the old image
 * boots. */
static void changed_chunks_are_refused(void **state)
{
    struct fixture f;
    uint32_t refusals = 0;
    (void)state;
    start(&f, &plain, true);
    struct rig copy;
    struct rig_options options = {.slot_size = 0x20000};
    rig_init(&copy, &options, old_version.image, old_version.length);
    uint32_t data = MOLT_BUNDLE_HEAD + molt_get_le32(f.v.bundle.data + 8);
    for (uint32_t at = data; at < f.v.bundle.size; at += 397) {
        f.v.bundle.data[at] ^= (uint8_t)(1 + at % 255);
        rig_suspend(&f.rig);
        rig_copy(&copy, &f.rig);
        assert_int_equal(rig_start(&copy), MOLT_OK);
        int code = rig_install(&copy, NULL);
        if (code == MOLT_DONE) {
            assert_int_equal(rig_start(&copy), MOLT_OK);
            assert_true(rig_runs(&copy, &f.v));
        } else {
            assert_true(code == MOLT_E_CHUNK_HASH || code == MOLT_E_CHUNK_DECODE ||
                        code == MOLT_E_IMAGE_MAGIC || code == MOLT_E_IMAGE_SEGMENTS ||
                        code == MOLT_E_IMAGE_CHIP || code == MOLT_E_IMAGE_MERGED ||
                        code == MOLT_E_IMAGE_REVISION);
            assert_int_equal(rig_start(&copy), MOLT_OK);
            assert_true(rig_runs(&copy, &old_version));
            refusals++;
        }
        f.v.bundle.data[at] ^= (uint8_t)(1 + at % 255);
    }
    assert_true(refusals > 100);
    rig_free(&copy);
    finish(&f);
}

static void truncated_chunks_end_cleanly(void **state)
{
    struct fixture f;
    (void)state;
    start(&f, &plain, false);
    f.rig.bundle_size -= 1000;
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_E_BUNDLE_TRUNCATED);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &old_version));
    f.rig.bundle_size += 1000;
    struct molt_engine engine;
    assert_int_equal(rig_install(&f.rig, &engine), MOLT_DONE);
    assert_int_equal(engine.chunks_kept, 1); /* the first was whole: it is not fetched again */
    assert_int_equal(engine.chunks_written, 1);
    finish(&f);
}

/* Every refusal of the port's own setting up. */
static void start_needs_its_port(void **state)
{
    struct fixture f;
    struct molt_engine engine;
    (void)state;
    start(&f, &plain, false);
    struct molt_engine_port port = f.rig.port;
    assert_int_equal(molt_engine_start(&engine, &port), MOLT_OK);
    port.flash = NULL;
    assert_int_equal(molt_engine_start(&engine, &port), MOLT_E_ARGUMENT);
    port = f.rig.port;
    port.buffer = NULL;
    assert_int_equal(molt_engine_start(&engine, &port), MOLT_E_ARGUMENT);
    port = f.rig.port;
    port.device.board = NULL;
    assert_int_equal(molt_engine_start(&engine, &port), MOLT_E_ARGUMENT);
    finish(&f);
}

/* The old release goes with its slot, and twenty updates in a row fit a file system that holds
 * three. */
static void releases_do_not_pile_up(void **state)
{
    struct fixture f;
    char name[32];
    (void)state;
    start(&f, &plain, true);
    for (uint32_t i = 0; i < 20; i++) {
        struct rig_version v;
        struct molt_pack_input input = plain;
        input.sequence = 10 + i;
        rig_version_make(&v, 0x8000, 10 + i, 0, true, &input);
        rig_serve(&f.rig, v.bundle.data, (uint32_t)v.bundle.size);
        assert_int_equal(rig_install(&f.rig, NULL), MOLT_DONE);
        assert_int_equal(rig_start(&f.rig), MOLT_OK);
        assert_true(rig_runs(&f.rig, &v));
        assert_int_equal(molt_trial_confirm(&f.rig.port), MOLT_OK);
        rig_version_free(&v);
    }
    int count = 0;
    while (f.rig.files.ops->list(f.rig.files.context, MOLT_RELEASE_ROOT, (uint32_t)count, name,
                                 sizeof name) == 1) {
        count++;
    }
    assert_int_equal(count, 2);
    finish(&f);
}

/* A firmware without files goes on with those that ran before. */
static void files_are_inherited(void **state)
{
    struct fixture f;
    struct rig_version bare;
    struct molt_pack_input input = plain;
    char directory[MOLT_RELEASE_DIR_SIZE];
    (void)state;
    start(&f, &plain, true);
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_DONE);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_int_equal(molt_trial_confirm(&f.rig.port), MOLT_OK);
    input.sequence = 6;
    rig_version_make(&bare, 0x9000, 7, 0, false, &input);
    rig_serve(&f.rig, bare.bundle.data, (uint32_t)bare.bundle.size);
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_DONE);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_memory_equal(f.rig.boot.image_sha256, bare.sha256, 32);
    assert_int_equal(rig_release(&f.rig, directory), 1);
    assert_string_equal(directory, f.v.directory);
    rig_version_free(&bare);
    finish(&f);
}

/* The switch is lost three times (the record is erased behind our back): then the bundle counts as
 * failed. */
static void lost_switches_end(void **state)
{
    struct fixture f;
    struct molt_update update;
    (void)state;
    start(&f, &plain, false);
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_DONE);
    for (int i = 0; i < MOLT_SWITCHES_MAX; i++) {
        enum molt_trial_action action;
        for (uint32_t sector = 0; sector < 2; sector++) { /* whatever names slot 1 goes */
            uint32_t at = RIG_OTADATA + sector * 0x1000;
            if (molt_get_le32(f.rig.bytes + at) % 2 == 0) {
                assert_int_equal(molt_flash_erase(&f.rig.flash, at, 0x1000), MOLT_OK);
            }
        }
        assert_int_equal(rig_boot(&f.rig), MOLT_OK);
        assert_true(rig_runs(&f.rig, &old_version));
        assert_int_equal(molt_trial_boot(&f.rig.port, &action), MOLT_OK);
        assert_int_equal(action, i + 1 < MOLT_SWITCHES_MAX ? MOLT_TRIAL_RESTART : MOLT_TRIAL_RUN);
    }
    assert_int_equal(molt_update_load(&f.rig.store, &update), MOLT_OK);
    assert_int_equal(update.phase, MOLT_PHASE_FAILED);
    assert_int_equal(update.outcome, MOLT_E_BOOT_DISAGREES);
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_E_FAILED_BEFORE);
    f.rig.port.retry_failed = true;
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_DONE);
    finish(&f);
}

static void broken_records_are_told(void **state)
{
    struct fixture f;
    (void)state;
    start(&f, &plain, false);
    f.rig.record[MOLT_RECORD_UPDATE].n = 56;
    f.rig.record[MOLT_RECORD_UPDATE].bytes[0] = 9;
    refused(&f, MOLT_E_STORE);
    start(&f, &plain, false);
    f.rig.record[MOLT_RECORD_KEYS].bytes[1] = 3;
    refused(&f, MOLT_E_STORE);
    start(&f, &plain, false);
    f.rig.record[MOLT_RECORD_FLOOR].n = 4;
    f.rig.record[MOLT_RECORD_FLOOR].bytes[0] = 1;
    refused(&f, MOLT_E_STORE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(installs_and_confirms),
        cmocka_unit_test(refuses_other_chip),
        cmocka_unit_test(refuses_other_board),
        cmocka_unit_test(refuses_prefix_of_board),
        cmocka_unit_test(refuses_too_large),
        cmocka_unit_test(refuses_slot_size_asked_for),
        cmocka_unit_test(refuses_foreign_key),
        cmocka_unit_test(refuses_key_of_other_use),
        cmocka_unit_test(refuses_without_keys),
        cmocka_unit_test(refuses_expired),
        cmocka_unit_test(refuses_expired_by_newest_time),
        cmocka_unit_test(unknown_clock_refuses_nothing),
        cmocka_unit_test(refuses_downgrade),
        cmocka_unit_test(signed_downgrade_is_taken),
        cmocka_unit_test(refuses_failed_before),
        cmocka_unit_test(refuses_malformed),
        cmocka_unit_test(refuses_wrong_magic),
        cmocka_unit_test(refuses_truncated_envelope),
        cmocka_unit_test(refuses_empty_source),
        cmocka_unit_test(refuses_wrong_digest),
        cmocka_unit_test(refuses_old_bootloader),
        cmocka_unit_test(refuses_single_slot),
        cmocka_unit_test(refuses_without_otadata),
        cmocka_unit_test(refuses_release_without_files),
        cmocka_unit_test(refuses_full_file_system),
        cmocka_unit_test(refuses_merged_firmware),
        cmocka_unit_test(refuses_images_that_cannot_boot),
        cmocka_unit_test(wrong_image_hash_never_boots),
        cmocka_unit_test(wrong_checksum_never_boots),
        cmocka_unit_test(changed_chunks_are_refused),
        cmocka_unit_test(truncated_chunks_end_cleanly),
        cmocka_unit_test(start_needs_its_port),
        cmocka_unit_test(releases_do_not_pile_up),
        cmocka_unit_test(files_are_inherited),
        cmocka_unit_test(lost_switches_end),
        cmocka_unit_test(broken_records_are_told),
    };
    return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
