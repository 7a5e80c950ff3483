/* Bundles of unusual shape, and devices with little room: files, chunks, bindings, sources. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "rig_bundle.h"
#include "testing.h"

struct fixture {
    struct rig rig;
    struct rig_version old;
    uint8_t *before;
};

static void start_with(struct fixture *f, const struct rig_options *options)
{
    struct molt_pack_input input = {.board = "RIG", .sequence = 1};
    memset(f, 0, sizeof *f);
    rig_version_make(&f->old, 0x8000, 1, 0, false, &input);
    rig_init(&f->rig, options, f->old.image, f->old.length);
    assert_int_equal(rig_start(&f->rig), MOLT_OK);
    f->before = malloc(RIG_FLASH_SIZE);
    assert_non_null(f->before);
}

static void start(struct fixture *f)
{
    start_with(f, &(struct rig_options){.slot_size = 0x20000});
}

static void finish(struct fixture *f)
{
    rig_free(&f->rig);
    rig_version_free(&f->old);
    free(f->before);
}

static void remember(struct fixture *f)
{
    memcpy(f->before, f->rig.bytes, RIG_FLASH_SIZE);
}

/* A bundle of this image and these files, served from now on. */
static struct molt_bytes serve(struct fixture *f, uint32_t length, uint32_t seed,
                               const struct molt_pack_file *files, uint32_t count,
                               uint32_t sequence, enum molt_pack_codec codec)
{
    struct molt_diag diag = {0};
    struct molt_bytes bundle;
    uint8_t *image = rig_image(length, seed, 0);
    struct molt_pack_input input = {.board = "RIG",
                                    .sequence = sequence,
                                    .app = image,
                                    .app_size = length,
                                    .files = count ? files : NULL,
                                    .file_count = count,
                                    .codec = codec};
    assert_int_equal(molt_bundle_build(&bundle, &input, &rig_signer, NULL, &diag), MOLT_OK);
    free(image);
    rig_serve(&f->rig, bundle.data, (uint32_t)bundle.size);
    return bundle;
}

static void assert_files(struct fixture *f, const struct molt_pack_file *files, uint32_t count)
{
    char directory[MOLT_RELEASE_DIR_SIZE], path[MOLT_PATH_MAX];
    assert_int_equal(rig_release(&f->rig, directory), 1);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *bytes = malloc(files[i].size + 1);
        snprintf(path, sizeof path, "%s/%s", directory, files[i].path);
        int n = f->rig.files.ops->read(f->rig.files.context, path, 0, bytes, files[i].size + 1);
        assert_int_equal(n, files[i].size);
        assert_memory_equal(bytes, files[i].bytes, files[i].size);
        free(bytes);
    }
}

static void install_and_confirm(struct fixture *f)
{
    assert_int_equal(rig_install(&f->rig, NULL), MOLT_DONE);
    assert_int_equal(rig_start(&f->rig), MOLT_OK);
    assert_int_equal(molt_trial_confirm(&f->rig.port), MOLT_OK);
}

static uint8_t noise[0x30000];

static void make_noise(void)
{
    uint32_t x = 1;
    for (size_t i = 0; i < sizeof noise; i++) {
        x = x * 1664525u + 1013904223u;
        noise[i] = (uint8_t)(x >> 24);
    }
}

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
    struct fixture f;
    (void)state;
    for (uint32_t i = 0; i < COUNT; i++) {
        memset(path[i], 'p', LONGEST);
        memcpy(path[i], "a/b/", 4);
        path[i][4] = (char)('0' + i);
        path[i][i < COUNT - 2 ? LONGEST : 30] = 0;
        uint32_t size = i % 5 == 1 ? 0 : i == 7 ? 0x4001 : i;
        files[i] = (struct molt_pack_file){path[i], noise + i * 7, size, MOLT_KEEP_REPLACE};
    }
    for (int codec = MOLT_PACK_SMALLEST; codec <= MOLT_PACK_RAW; codec++) {
        start(&f);
        f.rig.again_every = 2;
        f.rig.piece_max = 999;
        struct molt_bytes bundle = serve(&f, 0x20000, 2, files, COUNT, 2, MOLT_PACK_RAW);
        uint32_t left = 4096 - list_size_of(&bundle);
        if (left) {
            assert_in_range(left, 1, LONGEST - 30);
            path[COUNT - 1][30] = 'p';
            path[COUNT - 1][30 + left] = 0;
        }
        molt_bytes_free(&bundle);
        bundle = serve(&f, 0x20000, 2, files, COUNT, 2, (enum molt_pack_codec)codec);
        assert_int_equal(list_size_of(&bundle), 4096);
        install_and_confirm(&f);
        assert_files(&f, files, COUNT);
        molt_bytes_free(&bundle);
        finish(&f);
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
            (struct molt_pack_file){paths[i], noise + i * 20000, sizes[i], MOLT_KEEP_REPLACE};
    }
    for (uint32_t blocks = 2; blocks < 32; blocks++) {
        struct fixture f;
        uint32_t space;
        start(&f);
        assert_int_equal(f.rig.files.ops->space(f.rig.files.context, &space), MOLT_OK);
        uint32_t filler = space - (blocks + 1) * 0x1000;
        assert_int_equal(f.rig.files.ops->write(f.rig.files.context, "/filler", 0, noise, filler),
                         MOLT_OK);
        struct molt_bytes bundle = serve(&f, 0x8000, 2, files, 5, 2, MOLT_PACK_SMALLEST);
        remember(&f);
        int code = rig_install(&f.rig, NULL);
        if (code == MOLT_DONE) {
            installed++;
            assert_int_equal(rig_start(&f.rig), MOLT_OK);
            assert_files(&f, files, 5);
        } else {
            assert_int_equal(code, MOLT_E_NO_SPACE);
            if (memcmp(f.before, f.rig.bytes, RIG_FLASH_SIZE) != 0) {
                print_error("%d blocks: refused after the first write\n", (int)blocks);
                fail();
            }
            assert_int_equal(installed, 0);
            refused++;
        }
        molt_bytes_free(&bundle);
        finish(&f);
    }
    assert_true(refused > 3 && installed > 3);
}

/* The firmware stays, the files change: no erase, and yet the old files make room. */
static void files_change_under_the_same_firmware(void **state)
{
    struct fixture f;
    (void)state;
    start(&f);
    for (uint32_t i = 0; i < 4; i++) {
        struct molt_pack_file file = {"data.bin", noise + i * 100, 0xE000, MOLT_KEEP_REPLACE};
        struct molt_bytes bundle = serve(&f, 0x8000, 2, &file, 1, 2 + i, MOLT_PACK_RAW);
        struct molt_engine engine;
        assert_int_equal(rig_install(&f.rig, &engine), MOLT_DONE);
        assert_int_equal(engine.chunks_written, i < 2 ? 1 : 0);
        assert_int_equal(rig_start(&f.rig), MOLT_OK);
        assert_files(&f, &file, 1);
        assert_int_equal(molt_trial_confirm(&f.rig.port), MOLT_OK);
        molt_bytes_free(&bundle);
    }
    finish(&f);
}

/* What others put below /rel neither goes nor stops an update. */
static void foreign_entries_stay(void **state)
{
    struct fixture f;
    uint32_t size;
    struct molt_pack_file file = {"main.py", noise, 100, MOLT_KEEP_REPLACE};
    static const char *const others[] = {"/rel/notes", "/rel/my_own_notes_012",
                                         "/rel/my_own_backup_of_main.py"};
    (void)state;
    start(&f);
    const struct molt_files *files = &f.rig.files;
    assert_int_equal(files->ops->mkdir(files->context, "/rel"), MOLT_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(files->ops->mkdir(files->context, others[i]), MOLT_OK);
    }
    for (uint32_t i = 0; i < 3; i++) {
        struct molt_bytes bundle = serve(&f, 0x8000, 2 + i, &file, 1, 2 + i, MOLT_PACK_RAW);
        install_and_confirm(&f);
        molt_bytes_free(&bundle);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(files->ops->stat(files->context, others[i], &size), MOLT_DIRECTORY);
    }
    finish(&f);
}

/* An interrupted release with deep directories goes file by file, whatever its shape. */
static void deep_orphans_go(void **state)
{
    struct fixture f;
    char path[MOLT_PATH_MAX] = "/rel/fedcba9876543210";
    uint32_t size;
    (void)state;
    start(&f);
    const struct molt_files *files = &f.rig.files;
    assert_int_equal(files->ops->mkdir(files->context, "/rel"), MOLT_OK);
    assert_int_equal(files->ops->mkdir(files->context, path), MOLT_OK);
    for (int depth = 0; depth < 12; depth++) {
        size_t n = strlen(path);
        strcpy(path + n, "/file");
        assert_int_equal(files->ops->write(files->context, path, 0, noise, 50), MOLT_OK);
        strcpy(path + n, "/sub");
        assert_int_equal(files->ops->mkdir(files->context, path), MOLT_OK);
    }
    struct molt_pack_file file = {"main.py", noise, 100, MOLT_KEEP_REPLACE};
    struct molt_bytes bundle = serve(&f, 0x8000, 2, &file, 1, 2, MOLT_PACK_RAW);
    install_and_confirm(&f);
    assert_int_equal(files->ops->stat(files->context, "/rel/fedcba9876543210", &size),
                     MOLT_E_NOT_FOUND);
    molt_bytes_free(&bundle);
    finish(&f);
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
    struct fixture f;
    struct molt_files_ops ops;
    char path[1500] = "/rel/fedcba9876543210", name[256] = "";
    uint32_t size;
    (void)state;
    start(&f);
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
    struct molt_pack_file file = {"main.py", noise, 100, MOLT_KEEP_REPLACE};
    struct molt_bytes bundle = serve(&f, 0x8000, 2, &file, 1, 2, MOLT_PACK_RAW);
    below = files->ops;
    ops = *below;
    ops.prune = prune_some;
    f.rig.files.ops = &ops;
    install_and_confirm(&f);
    files = &f.rig.files;
    assert_int_equal(files->ops->stat(files->context, made[3], &size), MOLT_E_NOT_FOUND);
    assert_int_equal(files->ops->stat(files->context, made[2], &size), MOLT_DIRECTORY);
    assert_int_equal(files->ops->stat(files->context, path, &size), MOLT_DIRECTORY);
    molt_bytes_free(&bundle);
    finish(&f);
}

/* A chunk that was torn under one bundle may read right once under the next. */
static void torn_chunk_is_rewritten_under_another_bundle(void **state)
{
    struct fixture f;
    struct molt_engine engine;
    struct molt_update update;
    (void)state;
    start(&f);
    struct molt_bytes bundle = serve(&f, 0x20000, 2, NULL, 0, 2, MOLT_PACK_RAW);
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_DONE);
    molt_bytes_free(&bundle);
    assert_int_equal(molt_update_load(&f.rig.store, &update), MOLT_OK);
    update.phase = MOLT_PHASE_INSTALLING; /* as if cut in the last program of its second chunk */
    update.chunk = 1;
    assert_int_equal(molt_update_save(&f.rig.store, &update), MOLT_OK);
    bundle = serve(&f, 0x20000, 2, NULL, 0, 3, MOLT_PACK_RAW);
    assert_int_equal(rig_install(&f.rig, &engine), MOLT_DONE);
    assert_int_equal(engine.chunks_kept, 1);
    assert_int_equal(engine.chunks_written, 1);
    molt_bytes_free(&bundle);
    finish(&f);
}

/* Bindings of slots that are no more, or of many slots, do not stop updates. */
static void full_bindings_make_room(void **state)
{
    struct fixture f;
    struct molt_release_binding bindings[MOLT_RELEASES_MAX];
    struct molt_pack_file file = {"main.py", noise, 100, MOLT_KEEP_REPLACE};
    (void)state;
    start(&f);
    struct molt_bytes bundle = serve(&f, 0x8000, 2, &file, 1, 2, MOLT_PACK_RAW);
    install_and_confirm(&f);
    molt_bytes_free(&bundle);
    int count = molt_releases_load(&f.rig.store, bindings);
    assert_int_equal(count, 1);
    for (uint32_t i = 1; i < MOLT_RELEASES_MAX; i++) {
        bindings[i] = bindings[0];
        bindings[i].slot_offset = 0x200000u + i;
    }
    assert_int_equal(molt_releases_save(&f.rig.store, bindings, MOLT_RELEASES_MAX), MOLT_OK);
    bundle = serve(&f, 0x8000, 3, &file, 1, 3, MOLT_PACK_RAW);
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_DONE);
    assert_int_equal(molt_releases_load(&f.rig.store, bindings), MOLT_RELEASES_MAX);
    int running = 0;
    for (int i = 0; i < MOLT_RELEASES_MAX; i++) {
        running += bindings[i].slot_offset == f.rig.slots[1].offset;
    }
    assert_int_equal(running, 1); /* what runs keeps its files */
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_files(&f, &file, 1);
    molt_bytes_free(&bundle);
    finish(&f);
}

/* Slot after slot, round and round: over what stood there; the factory app is never written. */
static void factory_is_never_a_target(void **state)
{
    struct fixture f;
    (void)state;
    start_with(&f, &(struct rig_options){.slot_size = 0x20000, .factory = true});
    const struct molt_app_slot *factory = &f.rig.slots[0];
    assert_int_equal(factory->number, MOLT_OTADATA_FACTORY);
    remember(&f);
    for (uint32_t i = 0; i < 4; i++) {
        struct molt_bytes bundle = serve(&f, 0x18000, 2 + i, NULL, 0, 2 + i, MOLT_PACK_RAW);
        install_and_confirm(&f);
        assert_int_equal(f.rig.port.device.running, i % 2);
        assert_memory_equal(f.before + factory->offset, f.rig.bytes + factory->offset,
                            factory->size);
        molt_bytes_free(&bundle);
    }
    finish(&f);
}

/* The newest signed time is kept, and an older bundle does not set it back. */
static void signed_time_only_rises(void **state)
{
    static const uint64_t issued[] = {1650000000u, 1640000000u, 1660000000u};
    static const uint64_t newest[] = {1650000000u, 1650000000u, 1660000000u};
    struct fixture f;
    struct molt_floor floor;
    (void)state;
    start(&f);
    for (uint32_t i = 0; i < 3; i++) {
        struct rig_version v;
        struct molt_pack_input input = {.board = "RIG", .sequence = 2 + i, .issued = issued[i]};
        rig_version_make(&v, 0x8000, 2 + i, 0, false, &input);
        rig_serve(&f.rig, v.bundle.data, (uint32_t)v.bundle.size);
        assert_int_equal(rig_install(&f.rig, NULL), MOLT_DONE);
        assert_int_equal(molt_floor_load(&f.rig.store, &floor), MOLT_OK);
        assert_true(floor.newest_time == newest[i]);
        rig_version_free(&v);
    }
    finish(&f);
}

static void refused_untouched(struct fixture *f, int error)
{
    remember(f);
    assert_int_equal(rig_install(&f->rig, NULL), error);
    assert_memory_equal(f->before, f->rig.bytes, RIG_FLASH_SIZE);
}

/* Flash that the engine's steps do not suit: said before anything is written. */
static void unsuitable_flash_is_refused(void **state)
{
    struct fixture f;
    static const struct molt_region large = {0, 0x2000, RIG_FLASH_SIZE / 0x2000};
    (void)state;
    start(&f);
    struct molt_bytes bundle = serve(&f, 0x8000, 2, NULL, 0, 2, MOLT_PACK_RAW);
    struct molt_flash other = f.rig.flash;
    f.rig.port.flash = &other;
    other.regions = &large;
    other.region_count = 1;
    refused_untouched(&f, MOLT_E_UNSUPPORTED);
    other.region_count = 0;
    refused_untouched(&f, MOLT_E_UNSUPPORTED);
    other = f.rig.flash;
    other.program_align = 16;
    refused_untouched(&f, MOLT_E_UNSUPPORTED);
    other.program_align = 4;
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_DONE);
    molt_bytes_free(&bundle);
    finish(&f);
}

/* From the first erase of a chunk until it was read back, the store names it. */
static void store_names_the_chunk_in_progress(void **state)
{
    struct fixture f;
    struct molt_engine engine;
    struct molt_update update;
    uint32_t looked = 0;
    int code;
    (void)state;
    start(&f);
    struct molt_bytes bundle = serve(&f, 0x20000, 2, NULL, 0, 2, MOLT_PACK_RAW);
    assert_int_equal(molt_engine_start(&engine, &f.rig.port), MOLT_OK);
    do {
        uint64_t erased = f.rig.nor.erased_sectors;
        uint32_t chunk = engine.chunk;
        bool busy = engine.state == MOLT_STATE_ERASE || engine.state == MOLT_STATE_WRITE;
        code = molt_engine_step(&engine);
        if (busy && (erased != f.rig.nor.erased_sectors || engine.state == MOLT_STATE_WRITE)) {
            assert_int_equal(molt_update_load(&f.rig.store, &update), MOLT_OK);
            assert_int_equal(update.chunk, chunk);
            assert_int_equal(update.phase, MOLT_PHASE_INSTALLING);
            looked++;
        }
    } while (code == MOLT_OK);
    assert_int_equal(code, MOLT_DONE);
    assert_true(looked > 30);
    molt_bytes_free(&bundle);
    finish(&f);
}

/* ---- A flash that loses a bit ---- */

struct bad_flash {
    const struct molt_flash *inner;
    uint32_t at;
};

static int bad_read(void *context, uint32_t offset, void *buffer, uint32_t n)
{
    const struct bad_flash *bad = context;
    int code = molt_flash_read(bad->inner, offset, buffer, n);
    if (code == MOLT_OK && offset <= bad->at && bad->at - offset < n) {
        ((uint8_t *)buffer)[bad->at - offset] ^= 1;
    }
    return code;
}

static int bad_program(void *context, uint32_t offset, const void *data, uint32_t n)
{
    return molt_flash_program(((struct bad_flash *)context)->inner, offset, data, n);
}

static int bad_erase(void *context, uint32_t offset, uint32_t n)
{
    return molt_flash_erase(((struct bad_flash *)context)->inner, offset, n);
}

static void bad_cells_are_found(void **state)
{
    static const struct molt_flash_ops bad_ops = {
        .read = bad_read, .program = bad_program, .erase = bad_erase};
    struct fixture f;
    (void)state;
    start(&f);
    struct molt_bytes bundle = serve(&f, 0x20000, 2, NULL, 0, 2, MOLT_PACK_RAW);
    struct bad_flash bad = {&f.rig.flash, f.rig.slots[1].offset + 0x12345};
    struct molt_flash flash = f.rig.flash;
    struct molt_engine engine;
    flash.ops = &bad_ops;
    flash.context = &bad;
    f.rig.port.flash = &flash;
    assert_int_equal(rig_install(&f.rig, &engine), MOLT_E_VERIFY);
    assert_int_equal(engine.chunk, 1); /* told where it is, not only at the end */
    f.rig.port.flash = &f.rig.flash;
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &f.old));
    molt_bytes_free(&bundle);
    finish(&f);
}

/* ---- Sources ---- */

struct odd_source {
    const struct molt_source *inner;
    uint32_t reads, too_much_at, expects;
    bool expect_again;
};

static int odd_read(void *context, uint32_t offset, void *buffer, uint32_t n)
{
    struct odd_source *odd = context;
    int got = odd->inner->ops->read(odd->inner->context, offset, buffer, n);
    return ++odd->reads == odd->too_much_at ? (int)n + 1 : got;
}

static int odd_expect(void *context, uint32_t offset, uint32_t n)
{
    struct odd_source *odd = context;
    (void)offset;
    (void)n;
    return odd->expect_again && ++odd->expects % 2 ? MOLT_AGAIN : MOLT_OK;
}

static const struct molt_source_ops odd_ops = {NULL, odd_expect, odd_read, NULL};

static int install_from(struct fixture *f, struct odd_source *odd)
{
    struct molt_source source = {&odd_ops, odd};
    odd->inner = &f->rig.source;
    f->rig.port.source = &source;
    int code = rig_install(&f->rig, NULL);
    f->rig.port.source = &f->rig.source;
    return code;
}

/* More than was asked for, at every read in turn: an error, never more bytes than there is room. */
static void source_that_gives_too_much(void **state)
{
    struct molt_pack_file file = {"main.py", noise, 3000, MOLT_KEEP_REPLACE};
    (void)state;
    for (int codec = MOLT_PACK_SMALLEST; codec <= MOLT_PACK_RAW; codec++) {
        for (uint32_t at = 1;; at += 3) {
            struct fixture f;
            start(&f);
            struct molt_bytes bundle =
                serve(&f, 0x8000, 2, &file, 1, 2, (enum molt_pack_codec)codec);
            struct odd_source odd = {.too_much_at = at};
            int code = install_from(&f, &odd);
            bool reached = odd.reads >= at;
            assert_int_equal(code, reached ? MOLT_E_IO : MOLT_DONE);
            molt_bytes_free(&bundle);
            finish(&f);
            if (!reached) {
                break;
            }
        }
    }
}

static void source_that_has_nothing_yet(void **state)
{
    struct fixture f;
    struct molt_pack_file files[] = {{"a.bin", noise, 70000, MOLT_KEEP_REPLACE},
                                     {"b.bin", noise + 9, 9000, MOLT_KEEP_REPLACE}};
    (void)state;
    start(&f);
    struct molt_bytes bundle = serve(&f, 0x20000, 2, files, 2, 2, MOLT_PACK_RAW);
    struct odd_source odd = {.expect_again = true};
    f.rig.again_every = 2;
    assert_int_equal(install_from(&f, &odd), MOLT_DONE);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_files(&f, files, 2);
    molt_bytes_free(&bundle);
    finish(&f);
}

/* ---- Manifests that no packer makes: changed and signed again ---- */

/* The bundle's size. */
static uint32_t sign_again(const struct molt_manifest *manifest, const uint8_t *data, uint32_t n,
                           uint8_t *bundle)
{
    uint8_t bytes[4096];
    int size = molt_manifest_write(manifest, bytes, sizeof bytes);
    assert_true(size > 0);
    memcpy(bundle, MOLT_BUNDLE_MAGIC, 8);
    size = molt_cose_sign(bundle + MOLT_BUNDLE_HEAD, 4096 - MOLT_BUNDLE_HEAD, MOLT_CONTENT_BUNDLE,
                          bytes, (size_t)size, &rig_signer);
    assert_true(size > 0);
    molt_put_le32(bundle + 8, (uint32_t)size);
    memcpy(bundle + MOLT_BUNDLE_HEAD + size, data, n);
    return MOLT_BUNDLE_HEAD + (uint32_t)size + n;
}

/* Each chunk is right, the whole is not what the manifest says: never switched to. */
static void whole_and_chunks_must_agree(void **state)
{
    enum { LENGTH = 0x8000 };
    struct fixture f;
    struct molt_bundle_view view;
    struct molt_update update;
    static uint8_t whole[LENGTH + 4096];
    (void)state;
    start(&f);
    struct molt_bytes bundle = serve(&f, LENGTH, 2, NULL, 0, 2, MOLT_PACK_RAW);
    assert_int_equal(molt_bundle_open(&view, bundle.data, bundle.size, NULL), MOLT_OK);
    view.manifest.payload[0].sha256[31] ^= 1;
    uint32_t size =
        sign_again(&view.manifest, bundle.data + view.manifest.data_offset, LENGTH, whole);
    rig_serve(&f.rig, whole, size);
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_E_VERIFY);
    assert_int_equal(molt_update_load(&f.rig.store, &update), MOLT_OK);
    assert_int_equal(update.phase, MOLT_PHASE_INSTALLING);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &f.old));
    molt_bytes_free(&bundle);
    finish(&f);
}

/* 128 KB a chunk. */
static void larger_chunks(void **state)
{
    enum { LENGTH = 0x28000 };
    struct fixture f;
    struct molt_bundle_view view;
    struct molt_engine engine;
    static uint8_t whole[LENGTH + 4096];
    (void)state;
    start_with(&f, &(struct rig_options){.slot_size = 0x30000});
    struct molt_bytes bundle = serve(&f, LENGTH, 2, NULL, 0, 2, MOLT_PACK_RAW);
    assert_int_equal(molt_bundle_open(&view, bundle.data, bundle.size, NULL), MOLT_OK);
    const uint8_t *image = bundle.data + view.manifest.data_offset;
    view.manifest.payload[0].chunk_log2 = 17;
    view.manifest.payload[0].chunk_count = view.manifest.chunk_count = 2;
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t n = i ? LENGTH - 0x20000 : 0x20000;
        view.manifest.chunk[i].encoded_size = n;
        molt_sha256_of(image + i * 0x20000, n, view.manifest.chunk[i].sha256);
    }
    uint32_t size = sign_again(&view.manifest, image, LENGTH, whole);
    rig_serve(&f.rig, whole, size - 1);
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_E_BUNDLE_TRUNCATED);
    f.rig.bundle_size++;
    assert_int_equal(rig_install(&f.rig, &engine), MOLT_DONE);
    assert_int_equal(engine.chunks_kept, 1);
    assert_int_equal(engine.chunks_written, 1);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_memory_equal(f.rig.bytes + f.rig.slots[1].offset, image, LENGTH);
    assert_int_equal(f.rig.boot.offset, f.rig.slots[1].offset);
    molt_bytes_free(&bundle);
    finish(&f);
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
        cmocka_unit_test(torn_chunk_is_rewritten_under_another_bundle),
        cmocka_unit_test(full_bindings_make_room),
        cmocka_unit_test(store_names_the_chunk_in_progress),
        cmocka_unit_test(bad_cells_are_found),
        cmocka_unit_test(factory_is_never_a_target),
        cmocka_unit_test(signed_time_only_rises),
        cmocka_unit_test(unsuitable_flash_is_refused),
        cmocka_unit_test(source_that_gives_too_much),
        cmocka_unit_test(source_that_has_nothing_yet),
        cmocka_unit_test(whole_and_chunks_must_agree),
        cmocka_unit_test(larger_chunks),
    };
    make_noise();
    return cmocka_run_group_tests_name("engine_files", tests, NULL, NULL);
}
