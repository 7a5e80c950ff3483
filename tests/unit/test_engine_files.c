/* Releases of unusual shape, and devices with little room: files, bindings, what others put there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "rig_device.h"
#include "testing.h"

static uint32_t list_size_of(const struct molt_bytes *bundle)
{
    struct molt_bundle_view view;
    assert_int_equal(molt_bundle_open(&view, bundle->data, bundle->size, NULL), MOLT_OK);
    return molt_manifest_payload(&view.manifest, MOLT_ROLE_RELEASE)->list_size;
}

/* A list of exactly 4 KB, empty files, the longest path, a source that gives little and often
   nothing. */
static void fullest_release(void **state)
{
    enum { COUNT = 30, LONGEST = 99 };
    static char path[COUNT][LONGEST + 1];
    struct molt_pack_file files[COUNT];
    struct rig_device f;
    (void)state;
    for (uint32_t i = 0; i < COUNT; i++) {
        memset(path[i], 'p', LONGEST);
        memcpy(path[i], "a/b/", 4);
        path[i][4] = (char)('0' + i);
        path[i][i < COUNT - 2 ? LONGEST : 30] = 0;
        uint32_t size = i % 5 == 1 ? 0 : i == 7 ? 0x4001 : i;
        files[i] = (struct molt_pack_file){path[i], rig_noise() + i * 7, size, MOLT_KEEP_REPLACE};
    }
    for (int codec = MOLT_PACK_SMALLEST; codec <= MOLT_PACK_RAW; codec++) {
        rig_device_start(&f, NULL);
        f.rig.again_every = 2;
        f.rig.piece_max = 999;
        rig_device_serve(&f, 0x20000, 2, files, COUNT, 2, MOLT_PACK_RAW);
        uint32_t left = 4096 - list_size_of(&f.bundle);
        if (left) {
            assert_in_range(left, 1, LONGEST - 30);
            path[COUNT - 1][30] = 'p';
            path[COUNT - 1][30 + left] = 0;
        }
        rig_device_serve(&f, 0x20000, 2, files, COUNT, 2, (enum molt_pack_codec)codec);
        assert_int_equal(list_size_of(&f.bundle), 4096);
        rig_device_install_and_confirm(&f);
        rig_device_assert_files(&f, files, COUNT);
        rig_device_finish(&f);
    }
}

/* Whatever room there is: either the release fits, or it is refused before anything is written. */
static void room_is_known_before_the_first_erase(void **state)
{
    static const char *const paths[] = {"a/1.py", "b/1.py", "c/d/e/1.py", "f.bin", "g.bin"};
    static const uint32_t sizes[] = {900, 900, 900, 8192, 12288};
    struct molt_pack_file files[5];
    int refused = 0, installed = 0;
    (void)state;
    for (uint32_t i = 0; i < 5; i++) {
        files[i] =
            (struct molt_pack_file){paths[i], rig_noise() + i * 20000, sizes[i], MOLT_KEEP_REPLACE};
    }
    for (uint32_t blocks = 2; blocks < 32; blocks++) {
        struct rig_device f;
        uint32_t space;
        rig_device_start(&f, NULL);
        assert_int_equal(f.rig.files.ops->space(f.rig.files.context, &space), MOLT_OK);
        uint32_t filler = space - (blocks + 1) * 0x1000;
        assert_int_equal(
            f.rig.files.ops->write(f.rig.files.context, "/filler", 0, rig_noise(), filler),
            MOLT_OK);
        rig_device_serve(&f, 0x8000, 2, files, 5, 2, MOLT_PACK_SMALLEST);
        rig_device_remember(&f);
        int code = rig_install(&f.rig, NULL);
        if (code == MOLT_DONE) {
            installed++;
            assert_int_equal(rig_start(&f.rig), MOLT_OK);
            rig_device_assert_files(&f, files, 5);
        } else {
            assert_int_equal(code, MOLT_E_NO_SPACE);
            if (memcmp(f.before, f.rig.bytes, RIG_FLASH_SIZE) != 0) {
                print_error("%d blocks: refused after the first write\n", (int)blocks);
                fail();
            }
            assert_int_equal(installed, 0);
            refused++;
        }
        rig_device_finish(&f);
    }
    assert_true(refused > 3 && installed > 3);
}

/* The firmware stays, the files change: no erase, and yet the old files make room. */
static void files_change_under_the_same_firmware(void **state)
{
    struct rig_device f;
    (void)state;
    rig_device_start(&f, NULL);
    for (uint32_t i = 0; i < 4; i++) {
        struct molt_pack_file file = {"data.bin", rig_noise() + i * 100, 0xE000, MOLT_KEEP_REPLACE};
        rig_device_serve(&f, 0x8000, 2, &file, 1, 2 + i, MOLT_PACK_RAW);
        struct molt_engine engine;
        assert_int_equal(rig_install(&f.rig, &engine), MOLT_DONE);
        assert_int_equal(engine.chunks_written, i < 2 ? 1 : 0);
        assert_int_equal(rig_start(&f.rig), MOLT_OK);
        rig_device_assert_files(&f, &file, 1);
        assert_int_equal(molt_trial_confirm(&f.rig.port), MOLT_OK);
    }
    rig_device_finish(&f);
}

/* What others put below /rel neither goes nor stops an update. */
static void foreign_entries_stay(void **state)
{
    struct rig_device f;
    uint32_t size;
    struct molt_pack_file file = {"main.py", rig_noise(), 100, MOLT_KEEP_REPLACE};
    static const char *const others[] = {"/rel/notes", "/rel/my_own_notes_012",
                                         "/rel/my_own_backup_of_main.py"};
    (void)state;
    rig_device_start(&f, NULL);
    const struct molt_files *files = &f.rig.files;
    assert_int_equal(files->ops->mkdir(files->context, "/rel"), MOLT_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(files->ops->mkdir(files->context, others[i]), MOLT_OK);
    }
    for (uint32_t i = 0; i < 3; i++) {
        rig_device_serve(&f, 0x8000, 2 + i, &file, 1, 2 + i, MOLT_PACK_RAW);
        rig_device_install_and_confirm(&f);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(files->ops->stat(files->context, others[i], &size), MOLT_DIRECTORY);
    }
    rig_device_finish(&f);
}

/* An interrupted release with deep directories goes file by file, whatever its shape. */
static void deep_orphans_go(void **state)
{
    struct rig_device f;
    char path[MOLT_PATH_MAX] = "/rel/fedcba9876543210";
    uint32_t size;
    (void)state;
    rig_device_start(&f, NULL);
    const struct molt_files *files = &f.rig.files;
    assert_int_equal(files->ops->mkdir(files->context, "/rel"), MOLT_OK);
    assert_int_equal(files->ops->mkdir(files->context, path), MOLT_OK);
    for (int depth = 0; depth < 12; depth++) {
        size_t n = strlen(path);
        strcpy(path + n, "/file");
        assert_int_equal(files->ops->write(files->context, path, 0, rig_noise(), 50), MOLT_OK);
        strcpy(path + n, "/sub");
        assert_int_equal(files->ops->mkdir(files->context, path), MOLT_OK);
    }
    struct molt_pack_file file = {"main.py", rig_noise(), 100, MOLT_KEEP_REPLACE};
    rig_device_serve(&f, 0x8000, 2, &file, 1, 2, MOLT_PACK_RAW);
    rig_device_install_and_confirm(&f);
    assert_int_equal(files->ops->stat(files->context, "/rel/fedcba9876543210", &size),
                     MOLT_E_NOT_FOUND);
    rig_device_finish(&f);
}

/* An orphan with what fits no path of ours goes; what cannot be removed stays, and stops nothing.
 */
static const struct molt_files_ops *below;

static int prune_some(void *context, const char *path)
{
    return strcmp(path, "/rel/0000000000000001") == 0 ? MOLT_E_IO : below->prune(context, path);
}

static void no_file_of_an_application_stops_an_update(void **state)
{
    struct rig_device f;
    struct molt_files_ops ops;
    char path[1500] = "/rel/fedcba9876543210", name[256] = "";
    uint32_t size;
    (void)state;
    rig_device_start(&f, NULL);
    const struct molt_files *files = &f.rig.files;
    memset(name, 'n', 200);
    static const char *const made[] = {"/rel", "/rel/0000000000000001", "/rel/0000000000000001/x",
                                       "/rel/fedcba9876543210"};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(files->ops->mkdir(files->context, made[i]), MOLT_OK);
    }
    for (int depth = 0; depth < 5; depth++) {
        size_t n = strlen(path);
        snprintf(path + n, sizeof path - n, "/%s", name);
        assert_int_equal(files->ops->mkdir(files->context, path), MOLT_OK);
    }
    snprintf(path, sizeof path, "/rel/%s", name);
    assert_int_equal(files->ops->mkdir(files->context, path), MOLT_OK);
    struct molt_pack_file file = {"main.py", rig_noise(), 100, MOLT_KEEP_REPLACE};
    rig_device_serve(&f, 0x8000, 2, &file, 1, 2, MOLT_PACK_RAW);
    below = files->ops;
    ops = *below;
    ops.prune = prune_some;
    f.rig.files.ops = &ops;
    rig_device_install_and_confirm(&f);
    files = &f.rig.files;
    assert_int_equal(files->ops->stat(files->context, made[3], &size), MOLT_E_NOT_FOUND);
    assert_int_equal(files->ops->stat(files->context, made[2], &size), MOLT_DIRECTORY);
    assert_int_equal(files->ops->stat(files->context, path, &size), MOLT_DIRECTORY);
    rig_device_finish(&f);
}

/* Bindings of slots that are no more, or of many slots, do not stop updates. */
static void full_bindings_make_room(void **state)
{
    struct rig_device f;
    struct molt_release_binding bindings[MOLT_RELEASES_MAX];
    struct molt_pack_file file = {"main.py", rig_noise(), 100, MOLT_KEEP_REPLACE};
    (void)state;
    rig_device_start(&f, NULL);
    rig_device_serve(&f, 0x8000, 2, &file, 1, 2, MOLT_PACK_RAW);
    rig_device_install_and_confirm(&f);
    rig_fill_bindings(&f.rig);
    rig_device_serve(&f, 0x8000, 3, &file, 1, 3, MOLT_PACK_RAW);
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_DONE);
    assert_int_equal(molt_releases_load(&f.rig.store, bindings), MOLT_RELEASES_MAX);
    int running = 0;
    for (int i = 0; i < MOLT_RELEASES_MAX; i++) {
        running += bindings[i].slot_offset == f.rig.slots[1].offset;
    }
    assert_int_equal(running, 1); /* what runs keeps its files */
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    rig_device_assert_files(&f, &file, 1);
    rig_device_finish(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fullest_release),
        cmocka_unit_test(room_is_known_before_the_first_erase),
        cmocka_unit_test(files_change_under_the_same_firmware),
        cmocka_unit_test(foreign_entries_stay),
        cmocka_unit_test(deep_orphans_go),
        cmocka_unit_test(no_file_of_an_application_stops_an_update),
        cmocka_unit_test(full_bindings_make_room),
    };
    return cmocka_run_group_tests_name("engine_files", tests, NULL, NULL);
}
