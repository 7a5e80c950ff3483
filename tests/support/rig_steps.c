#include "rig_steps.h"

#include <stdlib.h>
#include <string.h>

#include "testing.h"

struct molt_update rig_update(struct rig *rig)
{
    struct molt_update update;
    assert_int_equal(molt_update_load(&rig->store, &update), MOLT_OK);
    return update;
}

void rig_set_phase(struct rig *rig, enum molt_phase phase)
{
    struct molt_update update = rig_update(rig);
    update.phase = (uint8_t)phase;
    assert_int_equal(molt_update_save(&rig->store, &update), MOLT_OK);
}

void rig_assert_phase(struct rig *rig, enum molt_phase phase, int outcome)
{
    struct molt_update update = rig_update(rig);
    assert_int_equal(update.phase, phase);
    assert_int_equal(update.outcome, outcome);
}

void rig_settle(struct rig *rig, const struct rig_version *version)
{
    rig_serve_version(rig, version);
    assert_int_equal(rig_install(rig, NULL), MOLT_DONE);
    assert_int_equal(rig_start(rig), MOLT_OK);
    assert_true(rig_runs(rig, version));
    assert_int_equal(molt_trial_confirm(&rig->port), MOLT_OK);
}

struct molt_bytes rig_serve_input(struct rig *rig, const struct molt_pack_input *input)
{
    struct molt_diag diag = {0};
    struct molt_bytes bundle;
    assert_int_equal(molt_bundle_build(&bundle, input, &rig_signer, NULL, &diag), MOLT_OK);
    rig_serve(rig, bundle.data, (uint32_t)bundle.size);
    return bundle;
}

uint8_t *rig_snapshot(const struct rig *rig)
{
    uint8_t *copy = malloc(RIG_FLASH_SIZE);
    assert_non_null(copy);
    memcpy(copy, rig->bytes, RIG_FLASH_SIZE);
    return copy;
}

void rig_assert_refused(struct rig *rig, const uint8_t *before, int error)
{
    int code = rig_install(rig, NULL);
    if (code != error) {
        print_error("expected %s, found %s\n", molt_strerror(error), molt_strerror(code));
    }
    assert_int_equal(code, error);
    assert_memory_equal(before, rig->bytes, RIG_FLASH_SIZE);
}

void rig_undefined_record(struct rig *rig)
{
    struct molt_otadata_record record = {
        .seq = 1, .state = MOLT_OTA_UNDEFINED, .crc = molt_otadata_crc(1)};
    memset(record.label, 0xFF, sizeof record.label);
    memset(rig->bytes + RIG_OTADATA, 0xFF, MOLT_OTADATA_SIZE);
    molt_otadata_serialize(&record, rig->bytes + RIG_OTADATA);
}

void rig_fill_bindings(struct rig *rig)
{
    struct molt_release_binding bindings[MOLT_RELEASES_MAX];
    int count = molt_releases_load(&rig->store, bindings);
    assert_in_range(count, 1, MOLT_RELEASES_MAX);
    for (uint32_t i = (uint32_t)count; i < MOLT_RELEASES_MAX; i++) {
        bindings[i] = bindings[0];
        bindings[i].slot_offset = 0x200000u + i;
    }
    assert_int_equal(molt_releases_save(&rig->store, bindings, MOLT_RELEASES_MAX), MOLT_OK);
}

static int bad_read(void *context, uint32_t offset, void *buffer, uint32_t n)
{
    const struct rig_bad_flash *bad = context;
    int code = molt_flash_read(bad->inner, offset, buffer, n);
    if (code == MOLT_OK && offset <= bad->at && bad->at - offset < n) {
        ((uint8_t *)buffer)[bad->at - offset] ^= 4;
    }
    return code;
}

static int good_program(void *context, uint32_t offset, const void *data, uint32_t n)
{
    return molt_flash_program(((struct rig_bad_flash *)context)->inner, offset, data, n);
}

static int good_erase(void *context, uint32_t offset, uint32_t n)
{
    return molt_flash_erase(((struct rig_bad_flash *)context)->inner, offset, n);
}

void rig_bad_flash_init(struct rig_bad_flash *bad, const struct molt_flash *inner, uint32_t at)
{
    static const struct molt_flash_ops ops = {
        .read = bad_read, .program = good_program, .erase = good_erase};
    *bad = (struct rig_bad_flash){*inner, inner, at};
    bad->flash.ops = &ops;
    bad->flash.context = bad;
}
