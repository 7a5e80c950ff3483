/* The engine on the rig: every refusal with its very code and an untouched flash, resume, skipping,
 * faults. */
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "rig_steps.h"
#include "testing.h"

static struct rig_version old_version;

struct fixture {
    struct rig rig;
    struct rig_version v;
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
}

/* The fixture's image, changed since, in a bundle of its own. */
static void pack_again(struct fixture *f)
{
    struct molt_pack_input input = plain;
    input.app = f->v.image;
    input.app_size = f->v.length;
    molt_bytes_free(&f->v.bundle);
    f->v.bundle = rig_serve_input(&f->rig, &input);
}

/* The device trusts this key alone. */
static void trust(struct fixture *f, const struct molt_signer *signer, enum molt_key_use use)
{
    struct molt_trusted_key key = {.uses = (uint8_t)use};
    memcpy(key.public_key, signer->public_key, sizeof key.public_key);
    assert_int_equal(molt_keys_save(&f->rig.store, &key, 1), MOLT_OK);
}

/* Ends the fixture. */
static void refused(struct fixture *f, int error)
{
    uint8_t *before = rig_snapshot(&f->rig);
    rig_assert_refused(&f->rig, before, error);
    free(before);
    finish(f);
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

/* ---- Refusals: the very code, and not one byte of flash changed ---- */

static void other_chip(struct fixture *f)
{
    f->rig.port.device.chip_id = 5;
}

static void other_board(struct fixture *f)
{
    f->rig.port.device.board = "RIGX";
}

static void board_is_a_prefix(struct fixture *f)
{
    f->rig.port.device.board = "RI";
}

static void foreign_key(struct fixture *f)
{
    trust(f, &rig_foreign_signer, MOLT_KEY_BUNDLES);
}

static void key_of_other_use(struct fixture *f)
{
    trust(f, &rig_signer, MOLT_KEY_CHANNELS);
}

static void no_keys(struct fixture *f)
{
    memset(&f->rig.record[MOLT_RECORD_KEYS], 0, sizeof f->rig.record[0]);
}

/* The clock says 1970, but a bundle signed later was accepted before. */
static void clock_unset_and_newer_seen(struct fixture *f)
{
    struct molt_floor floor = {.newest_time = 1600002000u};
    f->rig.port.now = 0;
    assert_int_equal(molt_floor_save(&f->rig.store, &floor), MOLT_OK);
}

static void higher_floor(struct fixture *f)
{
    struct molt_floor floor = {.sequence = 6};
    assert_int_equal(molt_floor_save(&f->rig.store, &floor), MOLT_OK);
}

static void no_cose_tag(struct fixture *f)
{
    f->v.bundle.data[MOLT_BUNDLE_HEAD] ^= 0x40;
}

static void wrong_magic(struct fixture *f)
{
    f->v.bundle.data[0] ^= 1;
}

static void cut_envelope(struct fixture *f)
{
    f->rig.bundle_size = MOLT_BUNDLE_HEAD + 20;
}

static void empty_source(struct fixture *f)
{
    f->rig.bundle_size = 0;
}

static void another_was_expected(struct fixture *f)
{
    static const uint8_t other[32] = {1};
    f->rig.port.expect = other;
}

static void no_otadata(struct fixture *f)
{
    f->rig.port.device.otadata_offset = 0;
}

/* A merged firmware where an app belongs: its first segment loads into the bootloader's memory. */
static void merged_firmware(struct fixture *f)
{
    molt_put_le32(f->v.image + 24, 0x3FFF0030u);
    pack_again(f);
}

/* Two blocks are left. */
static void full_file_system(struct fixture *f)
{
    static const uint8_t filler[4000];
    const struct molt_files *files = &f->rig.files;
    for (int i = 0;; i++) {
        char path[] = "/fill00";
        uint32_t space;
        path[5] = (char)('0' + i / 10);
        path[6] = (char)('0' + i % 10);
        assert_int_equal(files->ops->space(files->context, &space), MOLT_OK);
        if (space < 0x4000) {
            break;
        }
        assert_int_equal(files->ops->write(files->context, path, 0, filler, sizeof filler),
                         MOLT_OK);
    }
}

/* Tried once and not confirmed: the bootloader returned to the old one. */
static void failed_trial(struct fixture *f)
{
    assert_int_equal(rig_install(&f->rig, NULL), MOLT_DONE);
    assert_int_equal(rig_start(&f->rig), MOLT_OK);
    assert_true(rig_runs(&f->rig, &f->v));
    assert_int_equal(rig_start(&f->rig), MOLT_OK);
    assert_true(rig_runs(&f->rig, &old_version));
}

static void bad_update_record(struct fixture *f)
{
    f->rig.record[MOLT_RECORD_UPDATE].n = 56;
    f->rig.record[MOLT_RECORD_UPDATE].bytes[0] = 9;
}

static void bad_keys_record(struct fixture *f)
{
    f->rig.record[MOLT_RECORD_KEYS].bytes[1] = 3;
}

static void bad_floor_record(struct fixture *f)
{
    f->rig.record[MOLT_RECORD_FLOOR].n = 4;
    f->rig.record[MOLT_RECORD_FLOOR].bytes[0] = 1;
}

struct refusal {
    const char *name;
    void (*change)(struct fixture *f); /* behind the start; NULL = nothing */
    int error;
    struct molt_pack_input input;
    bool release;
    struct rig_options options;
    uint32_t length; /* of the image; 0 = 0x18000 */
};

#define PLAIN       .board = "RIG", .sequence = 5
#define SHORT_LIVED PLAIN, .issued = 1600000000u, .expires = 1600001000u

static const struct refusal refusals[] = {
    {"other chip", other_chip, MOLT_E_CHIP, .input = {PLAIN}},
    {"other board", other_board, MOLT_E_BOARD, .input = {PLAIN}},
    {"prefix of board", board_is_a_prefix, MOLT_E_BOARD, .input = {PLAIN}},
    {"too large", NULL, MOLT_E_SLOT_TOO_SMALL, .input = {PLAIN}, .options = {.slot_size = 0x10000},
     .length = 0x10010},
    {"slot size asked for", NULL, MOLT_E_SLOT_TOO_SMALL, .input = {PLAIN, .slot_size = 0x30000}},
    {"foreign key", foreign_key, MOLT_E_KEY_UNKNOWN, .input = {PLAIN}},
    {"key of other use", key_of_other_use, MOLT_E_KEY_UNKNOWN, .input = {PLAIN}},
    {"without keys", no_keys, MOLT_E_KEY_UNKNOWN, .input = {PLAIN}},
    {"expired", NULL, MOLT_E_EXPIRED, .input = {SHORT_LIVED}},
    {"expired by newest time", clock_unset_and_newer_seen, MOLT_E_EXPIRED, .input = {SHORT_LIVED}},
    {"downgrade", higher_floor, MOLT_E_DOWNGRADE, .input = {PLAIN}},
    {"failed before", failed_trial, MOLT_E_FAILED_BEFORE, .input = {PLAIN}},
    {"malformed", no_cose_tag, MOLT_E_BUNDLE_MALFORMED, .input = {PLAIN}},
    {"wrong magic", wrong_magic, MOLT_E_BUNDLE_MAGIC, .input = {PLAIN}},
    {"truncated envelope", cut_envelope, MOLT_E_BUNDLE_TRUNCATED, .input = {PLAIN}},
    {"empty source", empty_source, MOLT_E_BUNDLE_TRUNCATED, .input = {PLAIN}},
    {"wrong digest", another_was_expected, MOLT_E_SOURCE_CHANGED, .input = {PLAIN}},
    {"old bootloader", NULL, MOLT_E_BOOTLOADER_OLD, .input = {PLAIN, .min_bootloader = 0x050100}},
    {"single slot", NULL, MOLT_E_NO_SECOND_SLOT, .input = {PLAIN}, .options = {.slot_count = 1}},
    {"without otadata", no_otadata, MOLT_E_OTADATA_NONE, .input = {PLAIN}},
    {"release without files", NULL, MOLT_E_UNSUPPORTED, .input = {PLAIN}, .release = true,
     .options = {.no_files = true}, .length = 0x8000},
    {"full file system", full_file_system, MOLT_E_NO_SPACE, .input = {PLAIN}, .release = true},
    {"merged firmware", merged_firmware, MOLT_E_IMAGE_MERGED, .input = {PLAIN}},
    {"bad update record", bad_update_record, MOLT_E_STORE, .input = {PLAIN}},
    {"bad keys record", bad_keys_record, MOLT_E_STORE, .input = {PLAIN}},
    {"bad floor record", bad_floor_record, MOLT_E_STORE, .input = {PLAIN}}};

static void refuses(void **state)
{
    const struct refusal *row = *state;
    struct rig_options options = row->options;
    struct fixture f;
    options.slot_size = options.slot_size ? options.slot_size : 0x20000;
    start_with(&f, &options, &row->input, row->length ? row->length : 0x18000, row->release);
    if (row->change) {
        row->change(&f);
    }
    refused(&f, row->error);
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
    uint32_t refused_ones = 0;
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
            refused_ones++;
        }
        f.v.bundle.data[at] ^= (uint8_t)(1 + at % 255);
    }
    assert_true(refused_ones > 100);
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

int main(void)
{
    enum { COUNT = sizeof refusals / sizeof refusals[0] };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(installs_and_confirms),
        cmocka_unit_test(unknown_clock_refuses_nothing),
        cmocka_unit_test(signed_downgrade_is_taken),
        cmocka_unit_test(refuses_images_that_cannot_boot),
        cmocka_unit_test(wrong_image_hash_never_boots),
        cmocka_unit_test(wrong_checksum_never_boots),
        cmocka_unit_test(changed_chunks_are_refused),
        cmocka_unit_test(truncated_chunks_end_cleanly),
        cmocka_unit_test(start_needs_its_port),
        cmocka_unit_test(releases_do_not_pile_up),
        cmocka_unit_test(files_are_inherited),
        cmocka_unit_test(lost_switches_end),
    };
    struct CMUnitTest rows[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        rows[i] = (struct CMUnitTest){refusals[i].name, refuses, NULL, NULL,
                                      (void *)(uintptr_t)&refusals[i]};
    }
    int failed = _cmocka_run_group_tests("engine refuses", rows, COUNT, NULL, NULL);
    return failed + cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
