/* Chunks, flash, sources and manifests as they should not be: what is torn, worn or too much. */
#include <string.h>

#include "core/bytes.h"
#include "rig_device.h"
#include "testing.h"

static void refused_untouched(struct rig_device *f, int error)
{
    rig_device_remember(f);
    rig_assert_refused(&f->rig, f->before, error);
}

/* A chunk that was torn under one bundle may read right once under the next. */
static void torn_chunk_is_rewritten_under_another_bundle(void **state)
{
    struct rig_device f;
    struct molt_engine engine;
    struct molt_update update;
    (void)state;
    rig_device_start(&f, NULL);
    rig_device_serve(&f, 0x20000, 2, NULL, 0, 2, MOLT_PACK_RAW);
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_DONE);
    assert_int_equal(molt_update_load(&f.rig.store, &update), MOLT_OK);
    update.phase = MOLT_PHASE_INSTALLING; /* as if cut in the last program of its second chunk */
    update.chunk = 1;
    assert_int_equal(molt_update_save(&f.rig.store, &update), MOLT_OK);
    rig_device_serve(&f, 0x20000, 2, NULL, 0, 3, MOLT_PACK_RAW);
    assert_int_equal(rig_install(&f.rig, &engine), MOLT_DONE);
    assert_int_equal(engine.chunks_kept, 1);
    assert_int_equal(engine.chunks_written, 1);
    rig_device_finish(&f);
}

/* Slot after slot, round and round: over what stood there; the factory app is never written. */
static void factory_is_never_a_target(void **state)
{
    struct rig_device f;
    (void)state;
    rig_device_start(&f, &(struct rig_options){.slot_size = 0x20000, .factory = true});
    const struct molt_app_slot *factory = &f.rig.slots[0];
    assert_int_equal(factory->number, MOLT_OTADATA_FACTORY);
    rig_device_remember(&f);
    for (uint32_t i = 0; i < 4; i++) {
        rig_device_serve(&f, 0x18000, 2 + i, NULL, 0, 2 + i, MOLT_PACK_RAW);
        rig_device_install_and_confirm(&f);
        assert_int_equal(f.rig.port.device.running, i % 2);
        assert_memory_equal(f.before + factory->offset, f.rig.bytes + factory->offset,
                            factory->size);
    }
    rig_device_finish(&f);
}

/* The newest signed time is kept, and an older bundle does not set it back. */
static void signed_time_only_rises(void **state)
{
    static const uint64_t issued[] = {1650000000u, 1640000000u, 1660000000u};
    static const uint64_t newest[] = {1650000000u, 1650000000u, 1660000000u};
    struct rig_device f;
    struct molt_floor floor;
    (void)state;
    rig_device_start(&f, NULL);
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
    rig_device_finish(&f);
}

/* Flash that the engine's steps do not suit: said before anything is written. */
static void unsuitable_flash_is_refused(void **state)
{
    struct rig_device f;
    static const struct molt_region large = {0, 0x2000, RIG_FLASH_SIZE / 0x2000};
    (void)state;
    rig_device_start(&f, NULL);
    rig_device_serve(&f, 0x8000, 2, NULL, 0, 2, MOLT_PACK_RAW);
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
    rig_device_finish(&f);
}

/* From the first erase of a chunk until it was read back, the store names it. */
static void store_names_the_chunk_in_progress(void **state)
{
    struct rig_device f;
    struct molt_engine engine;
    struct molt_update update;
    uint32_t looked = 0;
    int code;
    (void)state;
    rig_device_start(&f, NULL);
    rig_device_serve(&f, 0x20000, 2, NULL, 0, 2, MOLT_PACK_RAW);
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
    rig_device_finish(&f);
}

static void bad_cells_are_found(void **state)
{
    struct rig_device f;
    (void)state;
    rig_device_start(&f, NULL);
    rig_device_serve(&f, 0x20000, 2, NULL, 0, 2, MOLT_PACK_RAW);
    struct molt_engine engine;
    struct rig_bad_flash bad;
    rig_bad_flash_init(&bad, &f.rig.flash, f.rig.slots[1].offset + 0x12345);
    f.rig.port.flash = &bad.flash;
    assert_int_equal(rig_install(&f.rig, &engine), MOLT_E_VERIFY);
    assert_int_equal(engine.chunk, 1); /* told where it is, not only at the end */
    f.rig.port.flash = &f.rig.flash;
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &f.old));
    rig_device_finish(&f);
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

static int install_from(struct rig_device *f, struct odd_source *odd)
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
    struct molt_pack_file file = {"main.py", rig_noise(), 3000, MOLT_KEEP_REPLACE};
    (void)state;
    for (int codec = MOLT_PACK_SMALLEST; codec <= MOLT_PACK_RAW; codec++) {
        for (uint32_t at = 1;; at += 3) {
            struct rig_device f;
            rig_device_start(&f, NULL);
            rig_device_serve(&f, 0x8000, 2, &file, 1, 2, (enum molt_pack_codec)codec);
            struct odd_source odd = {.too_much_at = at};
            int code = install_from(&f, &odd);
            bool reached = odd.reads >= at;
            assert_int_equal(code, reached ? MOLT_E_IO : MOLT_DONE);
            rig_device_finish(&f);
            if (!reached) {
                break;
            }
        }
    }
}

static void source_that_has_nothing_yet(void **state)
{
    struct rig_device f;
    struct molt_pack_file files[] = {{"a.bin", rig_noise(), 70000, MOLT_KEEP_REPLACE},
                                     {"b.bin", rig_noise() + 9, 9000, MOLT_KEEP_REPLACE}};
    (void)state;
    rig_device_start(&f, NULL);
    rig_device_serve(&f, 0x20000, 2, files, 2, 2, MOLT_PACK_RAW);
    struct odd_source odd = {.expect_again = true};
    f.rig.again_every = 2;
    assert_int_equal(install_from(&f, &odd), MOLT_DONE);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    rig_device_assert_files(&f, files, 2);
    rig_device_finish(&f);
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
    struct rig_device f;
    struct molt_bundle_view view;
    struct molt_update update;
    static uint8_t whole[LENGTH + 4096];
    (void)state;
    rig_device_start(&f, NULL);
    rig_device_serve(&f, LENGTH, 2, NULL, 0, 2, MOLT_PACK_RAW);
    assert_int_equal(molt_bundle_open(&view, f.bundle.data, f.bundle.size, NULL), MOLT_OK);
    view.manifest.payload[0].sha256[31] ^= 1;
    uint32_t size =
        sign_again(&view.manifest, f.bundle.data + view.manifest.data_offset, LENGTH, whole);
    rig_serve(&f.rig, whole, size);
    assert_int_equal(rig_install(&f.rig, NULL), MOLT_E_VERIFY);
    assert_int_equal(molt_update_load(&f.rig.store, &update), MOLT_OK);
    assert_int_equal(update.phase, MOLT_PHASE_INSTALLING);
    assert_int_equal(rig_start(&f.rig), MOLT_OK);
    assert_true(rig_runs(&f.rig, &f.old));
    rig_device_finish(&f);
}

/* 128 KB a chunk. */
static void larger_chunks(void **state)
{
    enum { LENGTH = 0x28000 };
    struct rig_device f;
    struct molt_bundle_view view;
    struct molt_engine engine;
    static uint8_t whole[LENGTH + 4096];
    (void)state;
    rig_device_start(&f, &(struct rig_options){.slot_size = 0x30000});
    rig_device_serve(&f, LENGTH, 2, NULL, 0, 2, MOLT_PACK_RAW);
    assert_int_equal(molt_bundle_open(&view, f.bundle.data, f.bundle.size, NULL), MOLT_OK);
    const uint8_t *image = f.bundle.data + view.manifest.data_offset;
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
    rig_device_finish(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(torn_chunk_is_rewritten_under_another_bundle),
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
    return cmocka_run_group_tests_name("engine_odd", tests, NULL, NULL);
}
