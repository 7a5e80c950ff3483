/* Releases that are interrupted, and the old ones that go: step by step. */
#include <stdio.h>
#include <string.h>

#include "rig_bundle.h"
#include "testing.h"

static struct rig_version old_version, first, second, third;

static void start(struct rig *rig)
{
    const struct rig_options options = {.slot_size = 0x10000};
    rig_init(rig, &options, old_version.image, old_version.length);
    assert_int_equal(rig_start(rig), MOLT_OK);
}

static int kind_of(struct rig *rig, const struct rig_version *version, uint32_t file)
{
    char path[MOLT_PATH_MAX];
    uint32_t size;
    snprintf(path, sizeof path, "%s/%s", version->directory, version->file[file].path);
    return rig->files.ops->stat(rig->files.context, path, &size);
}

static void install_and_confirm(struct rig *rig, const struct rig_version *version)
{
    rig_serve(rig, version->bundle.data, (uint32_t)version->bundle.size);
    assert_int_equal(rig_install(rig, NULL), MOLT_DONE);
    assert_int_equal(rig_start(rig), MOLT_OK);
    assert_true(rig_runs(rig, version));
    assert_int_equal(molt_trial_confirm(&rig->port), MOLT_OK);
}

/* While a release goes, and ever after, no slot is said to have it. */
static void binding_goes_before_its_files(void **state)
{
    struct rig rig;
    struct molt_engine engine;
    struct molt_release_binding bindings[MOLT_RELEASES_MAX];
    int code, seen = 0;
    (void)state;
    start(&rig);
    install_and_confirm(&rig, &first);
    install_and_confirm(&rig, &second);
    rig_serve(&rig, third.bundle.data, (uint32_t)third.bundle.size);
    assert_int_equal(molt_engine_start(&engine, &rig.port), MOLT_OK);
    do {
        code = molt_engine_step(&engine);
        bool gone = kind_of(&rig, &first, 0) != MOLT_FILE || kind_of(&rig, &first, 1) != MOLT_FILE;
        int count = molt_releases_load(&rig.store, bindings);
        for (int i = 0; i < count && gone; i++) {
            char directory[MOLT_RELEASE_DIR_SIZE];
            molt_release_directory(bindings[i].release, directory);
            assert_string_not_equal(directory, first.directory);
        }
        assert_int_equal(kind_of(&rig, &second, 0), MOLT_FILE); /* what runs keeps its files */
        seen += gone;
    } while (code == MOLT_OK);
    assert_int_equal(code, MOLT_DONE);
    assert_true(seen > 3);
    rig_free(&rig);
}

/* Interrupted in the last file; meanwhile the first one changed without changing its size. The one
   between stays, the other two are written. */
static void staged_files_are_kept_and_checked(void **state)
{
    struct rig rig;
    struct molt_engine engine;
    struct molt_update update;
    char path[MOLT_PATH_MAX], other[400];
    int code;
    (void)state;
    start(&rig);
    rig_serve(&rig, first.bundle.data, (uint32_t)first.bundle.size - 20);
    assert_int_equal(rig_install(&rig, NULL), MOLT_E_BUNDLE_TRUNCATED);
    assert_int_equal(kind_of(&rig, &first, 0), MOLT_FILE);
    assert_int_equal(kind_of(&rig, &first, 1), MOLT_FILE);
    assert_int_equal(molt_update_load(&rig.store, &update), MOLT_OK);
    assert_int_equal(update.chunk, 0); /* is erased again, so that what is old goes again */
    snprintf(path, sizeof path, "%s/%s", first.directory, first.file[0].path);
    memset(other, 'x', sizeof other);
    assert_in_range(first.file[0].size, 1, sizeof other);
    assert_int_equal(rig.files.ops->write(rig.files.context, path, 0, other, first.file[0].size),
                     MOLT_OK);
    rig_serve(&rig, first.bundle.data, (uint32_t)first.bundle.size);
    assert_int_equal(molt_engine_start(&engine, &rig.port), MOLT_OK);
    do {
        code = molt_engine_step(&engine);
        assert_int_equal(kind_of(&rig, &first, 1), MOLT_FILE);
    } while (code == MOLT_OK);
    assert_int_equal(code, MOLT_DONE);
    assert_int_equal(rig_start(&rig), MOLT_OK);
    assert_true(rig_runs(&rig, &first));
    rig_free(&rig);
}

/* One step: a sector erased, or its 4 KB programmed, and never is more erased than is written next.
 */
static void by_sector(void **state)
{
    struct rig rig;
    struct molt_engine engine;
    int code;
    uint64_t most = 0;
    (void)state;
    start(&rig);
    memset(rig.bytes + RIG_SLOT_0 + 0x10000, 0x5A, 0x10000);
    rig.port.by_sector = true;
    rig.again_every = 3;
    rig_serve(&rig, first.bundle.data, (uint32_t)first.bundle.size);
    assert_int_equal(molt_engine_start(&engine, &rig.port), MOLT_OK);
    while (engine.state != MOLT_STATE_IMAGE) {
        uint64_t erased = rig.nor.erased_sectors, written = rig.nor.bytes_programmed;
        bool chunk = engine.state == MOLT_STATE_ERASE || engine.state == MOLT_STATE_WRITE;
        code = molt_engine_step(&engine);
        assert_true(code == MOLT_OK || code == MOLT_AGAIN);
        erased = rig.nor.erased_sectors - erased;
        written = rig.nor.bytes_programmed - written;
        if (chunk) {
            assert_true(erased <= 1 && written <= 0x1000 && (erased == 0 || written == 0));
            most += erased;
        }
    }
    assert_int_equal(most, 0x8000 / 0x1000);
    do {
        code = molt_engine_step(&engine);
    } while (code == MOLT_OK || code == MOLT_AGAIN);
    assert_int_equal(code, MOLT_DONE);
    /* What the image does not reach stays. */
    assert_int_equal(rig.bytes[RIG_SLOT_0 + 0x18000], 0x5A);
    rig.again_every = 0;
    assert_int_equal(rig_start(&rig), MOLT_OK);
    assert_true(rig_runs(&rig, &first));
    rig_free(&rig);
}

/* Power fails at each operation of such an install: the old version runs, and the next try
 * installs. */
static void by_sector_cut(void **state)
{
    static const enum molt_cut kinds[] = {MOLT_CUT_BEFORE, MOLT_CUT_AFTER, MOLT_CUT_TORN,
                                          MOLT_CUT_TORN_OTHER};
    uint64_t cuts = 0;
    (void)state;
    for (uint64_t n = 1;; n++) {
        struct rig rig;
        start(&rig);
        memset(rig.bytes + RIG_SLOT_0 + 0x10000, 0x5A, 0x10000);
        rig.port.by_sector = true;
        rig_serve(&rig, first.bundle.data, (uint32_t)first.bundle.size);
        rig.nor.cut = kinds[n % 4];
        rig.nor.cut_at = rig.nor.operations + n;
        int code = rig_install(&rig, NULL);
        if (code == MOLT_DONE && !rig.nor.off) {
            rig_free(&rig);
            break;
        }
        cuts++;
        molt_nor_power_up(&rig.nor);
        assert_int_equal(rig_start(&rig), MOLT_OK);
        if (!rig_runs(&rig, &first)) {
            assert_int_equal(rig_install(&rig, NULL), MOLT_DONE);
            assert_int_equal(rig_start(&rig), MOLT_OK);
        }
        assert_true(rig_runs(&rig, &first));
        rig_free(&rig);
    }
    assert_true(cuts > 2 * 0x8000 / 0x1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(binding_goes_before_its_files),
        cmocka_unit_test(staged_files_are_kept_and_checked),
        cmocka_unit_test(by_sector),
        cmocka_unit_test(by_sector_cut),
    };
    struct molt_pack_input input = {.board = "RIG", .sequence = 1, .codec = MOLT_PACK_RAW};
    rig_version_make(&old_version, 0x8000, 1, 0, false, &input);
    rig_version_make(&first, 0x8000, 2, 0, true, &input);
    rig_version_make(&second, 0x8000, 3, 0, true, &input);
    rig_version_make(&third, 0x8000, 4, 0, true, &input);
    int failed = cmocka_run_group_tests_name("engine_resume", tests, NULL, NULL);
    rig_version_free(&old_version);
    rig_version_free(&first);
    rig_version_free(&second);
    rig_version_free(&third);
    return failed;
}
