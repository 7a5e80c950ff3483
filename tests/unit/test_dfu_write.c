/* Writing over USB to simulated devices: what is written, what stays. */
#include <stdlib.h>
#include <string.h>

#include "testing.h"

#include "write_rig.h"

#define K 1024u

/* ---- What is written ---- */

static void test_pyboard(void **state)
{
    (void)state;
    struct write_rig *rig = write_rig_pyboard(300 * K + 77);
    write_rig_ok(rig);
    assert_true(dfu_firmware_is_all(&rig->firmware, &rig->device));
    assert_int_equal(rig->result.sectors, 4);
    assert_int_equal(rig->result.erased, 4);
    assert_int_equal(rig->result.unchanged, 0);
    assert_true(rig->result.verified);
    assert_int_equal(rig->device.sim.erases[0], 1);
    for (int i = 1; i < 5; i++) { /* the file system */
        assert_int_equal(rig->device.sim.erases[i], 0);
    }
    assert_int_equal(rig->device.sim.erases[5], 1);
    assert_int_equal(rig->device.sim.erases[6], 1);
    assert_int_equal(rig->device.sim.erases[7], 1);
    assert_int_equal(rig->device.sim.erases[8], 0);
    assert_int_equal(rig->device.sim.over_programmed, 0);
    assert_true(rig->result.left && rig->result.gone);
    assert_int_equal(rig->result.entry, 0x08000000);
    assert_true(rig->device.sim.jumped);
    assert_int_equal(rig->device.sim.jumped_to, 0x08000000);
    /* The rest of sectors 0 and 7 was not in the file. */
    assert_int_equal(rig->result.bytes_kept, 2 * K + (384 - 300) * K - 77);
    assert_non_null(write_rig_step(rig, MOLT_STEP_KEEP, "rest"));
    assert_non_null(write_rig_step(rig, MOLT_STEP_KEEP, "files"));
    write_rig_free(rig);
}

static void test_unchanged(void **state)
{
    (void)state;
    struct write_rig *rig = write_rig_pyboard(300 * K);
    write_rig_ok(rig);
    uint64_t first = rig->device.sim.time_us;
    uint64_t programmed = rig->device.sim.bytes_programmed;
    molt_sim_dfu_replug(&rig->device.sim, true);
    uint64_t before = rig->device.sim.time_us;
    write_rig_ok(rig);
    assert_int_equal(rig->result.unchanged, 4);
    assert_int_equal(rig->result.erased, 0);
    assert_int_equal(rig->device.sim.bytes_programmed, programmed);
    assert_true(rig->device.sim.jumped);
    assert_true((rig->device.sim.time_us - before) * 10 < first);
    assert_non_null(write_rig_step(rig, MOLT_STEP_KEEP, "flash"));
    assert_null(write_rig_step(rig, MOLT_STEP_WRITE, "flash"));
    write_rig_free(rig);
}

/* A transfer for the block, a status that starts it and one that ends it. */
static void test_transfers(void **state)
{
    (void)state;
    struct write_rig *rig = write_rig_pyboard(360 * K);
    memset(rig->device.flash, 0xFF, rig->device.size);
    rig->request.no_verify = true;
    write_rig_ok(rig);
    uint32_t blocks = (360 + 14) / 2;
    assert_int_equal(rig->result.bytes_written, 374 * K);
    /* 4 erases of 3; address and 2 statuses each for 3 runs */
    assert_in_range(rig->result.transfers, 3 * blocks, 3 * blocks + 4 * 3 + 3 * 3 + 12);
    write_rig_free(rig);
}

/* All is written again with --all; a part that changed is written, with the vector table's sector
 * before and behind it. */
static void test_all_and_part(void **state)
{
    (void)state;
    struct write_rig *rig = write_rig_pyboard(300 * K);
    write_rig_ok(rig);
    rig->request.all = true;
    write_rig_ok(rig);
    assert_int_equal(rig->result.erased, 4);
    rig->request.all = false;
    molt_dfu_image_free(&rig->firmware.image);
    rig->firmware.bytes[1][200 * K] ^= 1; /* in sector 6 */
    dfu_firmware_load(&rig->firmware);
    memset(rig->device.flash + 14 * K, 0xFF, 2 * K); /* nothing besides in sector 0 */
    write_rig_set_before(rig);
    write_rig_ok(rig);
    assert_int_equal(rig->result.erased, 2);
    assert_int_equal(rig->result.unchanged, 2);
    assert_int_equal(rig->device.sim.erases[0], 3);
    assert_int_equal(rig->device.sim.erases[5], 2);
    assert_int_equal(rig->device.sim.erases[6], 3);
    assert_true(dfu_firmware_is_all(&rig->firmware, &rig->device));
    write_rig_free(rig);
}

/* The sector with the vector table is right, and has other bytes: it is not put at risk. */
static void test_entry_sector_with_rest(void **state)
{
    (void)state;
    struct write_rig *rig = write_rig_pyboard(140 * K);
    write_rig_ok(rig);
    molt_dfu_image_free(&rig->firmware.image);
    rig->firmware.bytes[1][0] ^= 1;
    dfu_firmware_load(&rig->firmware);
    write_rig_ok(rig);
    assert_int_equal(rig->device.sim.erases[0], 1);
    assert_int_equal(rig->device.sim.erases[5], 2);
    assert_int_equal(rig->device.sim.erases[6], 1);
    assert_true(dfu_firmware_is_all(&rig->firmware, &rig->device));
    write_rig_free(rig);
}

/* Two elements in one sector, and three with the first sector twice: nothing is lost, each sector
 * is erased once. */
static void test_shared_sectors(void **state)
{
    (void)state;
    struct write_rig *rig = write_rig_new("stm32f405");
    dfu_firmware_add(&rig->firmware, 0x08000000, 1000, 1);
    dfu_firmware_add(&rig->firmware, 0x08020000, 3000, 2);
    dfu_firmware_add(&rig->firmware, 0x08000800, 5001, 3);
    dfu_firmware_add(&rig->firmware, 0x08021001, 1, 4);
    dfu_firmware_vectors(&rig->firmware, 0);
    dfu_firmware_load(&rig->firmware);
    write_rig_ok(rig);
    assert_true(dfu_firmware_is_all(&rig->firmware, &rig->device));
    assert_int_equal(rig->result.sectors, 2);
    assert_int_equal(rig->device.sim.erases[0], 1);
    assert_int_equal(rig->device.sim.erases[5], 1);
    assert_int_equal(rig->device.sim.over_programmed, 0);
    write_rig_free(rig);
}

static void test_blank_blocks(void **state)
{
    (void)state;
    struct write_rig *rig = write_rig_new("stm32f405");
    dfu_firmware_add(&rig->firmware, 0x08000000, 1 * K, 1);
    dfu_firmware_add(&rig->firmware, 0x08020000, 128 * K, 1);
    memset(rig->firmware.bytes[1] + 4 * K, 0xFF, 100 * K);
    dfu_firmware_vectors(&rig->firmware, 0);
    dfu_firmware_load(&rig->firmware);
    memset(rig->device.flash, 0xFF, rig->device.size);
    write_rig_set_before(rig);
    write_rig_ok(rig);
    assert_int_equal(rig->result.bytes_written, 29 * K);
    assert_true(dfu_firmware_is_all(&rig->firmware, &rig->device));
    write_rig_free(rig);
}

/* Every profile that has addresses, its own granule and transfer size, bytes at odd places. */
static void test_profiles(void **state)
{
    static const struct {
        const char *profile;
        uint32_t app, second;
    } rows[] = {{"stm32f405", 0x08000000, 0x08020003}, {"stm32h743", 0x08000000, 0x08100009},
                {"stm32l476", 0x08000000, 0x08010101}, {"stm32f427", 0x08000000, 0x08020001},
                {"mboot", 0x08020000, 0x80008003},     {"gd32", 0x08000000, 0x08002801},
                {"stm32c5", 0x08000000, 0x08010011}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct write_rig *rig = write_rig_new(rows[i].profile);
        dfu_firmware_add(&rig->firmware, rows[i].app, 5 * K + 3, 1);
        dfu_firmware_add(&rig->firmware, rows[i].second, 7 * K + 1, 2);
        dfu_firmware_vectors(&rig->firmware, 0);
        rig->firmware.vendor = rig->firmware.product = 0xFFFF;
        dfu_firmware_load(&rig->firmware);
        int error = write_rig_write(rig);
        if (error) {
            fail_msg("%s: %s", rows[i].profile, rig->device.message.text);
        }
        assert_true(dfu_firmware_is_all(&rig->firmware, &rig->device));
        assert_int_equal(rig->device.sim.over_programmed, 0);
        assert_true(rig->result.verified && rig->result.left && rig->result.gone);
        write_rig_free(rig);
    }
}

/* Hundreds of small pages in one row: one address a run, and plans that stay short. */
static void test_many_pages(void **state)
{
    (void)state;
    struct write_rig *rig = write_rig_new("stm32l476");
    dfu_firmware_add(&rig->firmware, 0x08000000, 300 * K, 1);
    dfu_firmware_vectors(&rig->firmware, 0);
    dfu_firmware_load(&rig->firmware);
    write_rig_ok(rig);
    assert_int_equal(rig->result.sectors, 150);
    /* an erase and a block each, and an address for the rows */
    assert_in_range(rig->device.sim.requests[1], 150 * 2, 150 * 2 + 10);
    for (uint32_t i = 0; i < 150; i += 2) {
        rig->device.flash[i * 2 * K] ^= 1;
    }
    memcpy(rig->device.before, rig->device.flash, rig->device.size);
    write_rig_ok(rig);
    assert_int_equal(rig->result.erased, 75);
    assert_int_equal(rig->result.unchanged, 75);
    assert_true(rig->plan.count < 10);
    assert_true(dfu_firmware_is_all(&rig->firmware, &rig->device));
    write_rig_free(rig);
}

static void test_mass_erase(void **state)
{
    (void)state;
    struct write_rig *rig = write_rig_pyboard(100 * K);
    rig->request.mass_erase = true;
    write_rig_refuse(rig, MOLT_E_DFU_FILES, "without --mass-erase");
    rig->request.overwrite_files = true;
    write_rig_ok(rig);
    assert_true(dfu_firmware_is_on(&rig->firmware, &rig->device));
    memset(rig->device.before, 0xFF, rig->device.size);
    assert_true(dfu_firmware_is_all(&rig->firmware, &rig->device));
    assert_int_equal(rig->device.sim.mass_erases, 1);
    assert_int_equal(rig->result.erased, 0);
    assert_true(rig->result.mass_erased);
    assert_non_null(write_rig_step(rig, MOLT_STEP_LOSE, "files"));
    write_rig_free(rig);
}

/* mboot's leaves the SPI flash alone: sectors there are erased one by one, what they have besides
 * is kept. */
static void test_mass_erase_mboot(void **state)
{
    (void)state;
    struct write_rig *rig = write_rig_new("mboot");
    dfu_firmware_add(&rig->firmware, 0x08020000, 9 * K, 1);
    dfu_firmware_add(&rig->firmware, 0x80008003, 3 * K, 2);
    dfu_firmware_vectors(&rig->firmware, 0);
    dfu_firmware_load(&rig->firmware);
    rig->request.mass_erase = rig->request.overwrite_files = true;
    write_rig_ok(rig);
    assert_int_equal(rig->result.erased, 1);
    assert_int_equal(rig->result.bytes_kept, 29 * K);
    assert_int_equal(rig->device.sim.over_programmed, 0);
    assert_true(dfu_firmware_is_on(&rig->firmware, &rig->device));
    assert_memory_equal(rig->device.flash, rig->device.before, 16 * K); /* mboot itself */
    memcpy(rig->device.before + (1024 + 32) * K + 3, rig->firmware.bytes[1], 3 * K);
    assert_memory_equal(rig->device.flash + (1024 + 32) * K, rig->device.before + (1024 + 32) * K,
                        32 * K);
    write_rig_free(rig);
}

/* A map that contradicts itself: a device is not believed. */
static void test_odd_maps(void **state)
{
    static const struct molt_dfu_map maps[] = {
        {.name = "same start", .segment = {{0x08000000, 4096, 2, 7}, {0x08001000, 8192, 9, 7}}},
        {.name = "overlap", .segment = {{0x08000000, 4096, 2, 7}, {0x08001800, 8192, 9, 7}}},
        {.name = "tiny", .segment = {{0x08000000, 1, 1u << 20, 7}}}};
    (void)state;
    for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++) {
        struct write_rig *rig = write_rig_pyboard(300 * K);
        struct molt_dfu_write *job;
        simdevice_open(&rig->device, "usb:");
        rig->device.session->device.alternate[0].map = maps[i];
        rig->device.session->device.alternate[0].map.count = i < 2 ? 2 : 1;
        rig->request.image = &rig->firmware.image;
        int error = molt_dfu_write_plan(&job, rig->device.session, &rig->request, NULL,
                                        &rig->device.message);
        assert_int_equal(error, MOLT_E_UNSUPPORTED);
        assert_non_null(strstr(rig->device.message.text, "makes no sense"));
        write_rig_free(rig);
    }
}

/* ---- Leaving ---- */

static void test_stay(void **state)
{
    (void)state;
    struct write_rig *rig = write_rig_pyboard(10 * K);
    rig->request.stay = true;
    write_rig_ok(rig);
    assert_false(rig->result.left);
    assert_false(rig->device.sim.jumped);
    assert_true(molt_sim_dfu_present(&rig->device.sim));
    write_rig_free(rig);
}

static void test_entry(void **state)
{
    (void)state;
    struct write_rig *rig = write_rig_pyboard(10 * K);
    rig->request.has_entry = true;
    rig->request.entry = 0x08020000;
    write_rig_ok(rig);
    assert_int_equal(rig->device.sim.jumped_to, 0x08020000);
    rig->request.entry = 0x09000000;
    write_rig_set_before(rig);
    rig->device.sim.bytes_programmed = 0;
    write_rig_refuse(rig, MOLT_E_RANGE, "--entry 0x09000000");
    write_rig_free(rig);
}

/* The vector table is in the second element: there it leaves to, wherever the last block went. */
static void test_entry_found(void **state)
{
    (void)state;
    struct write_rig *rig = write_rig_new("stm32f405");
    dfu_firmware_add(&rig->firmware, 0x08020000, 3000, 1);
    dfu_firmware_add(&rig->firmware, 0x08040000, 3000, 1);
    dfu_firmware_add(&rig->firmware, 0x08060000, 3000, 1);
    memset(rig->firmware.bytes[0], 0, 64);
    memset(rig->firmware.bytes[2], 0, 64);
    dfu_firmware_vectors(&rig->firmware, 1);
    dfu_firmware_load(&rig->firmware);
    write_rig_ok(rig);
    assert_int_equal(rig->result.entry, 0x08040000);
    assert_int_equal(rig->device.sim.jumped_to, 0x08040000);
    write_rig_free(rig);
}

/* ---- Poll times ---- */

/* Simulated time that a firmware takes, with and without keeping the poll times. */
static uint64_t time_to_write(const char *profile, bool early)
{
    struct write_rig *rig = write_rig_new(profile);
    dfu_firmware_add(&rig->firmware, 0x08000000, 16 * K, 1);
    dfu_firmware_vectors(&rig->firmware, 0);
    dfu_firmware_load(&rig->firmware);
    simdevice_open(&rig->device, "usb:");
    if (early) {
        molt_dfu_session_poll_early(rig->device.session);
    }
    /* Another alternate setting and back: it stays early. */
    assert_int_equal(molt_dfu_session_alternate(rig->device.session, 1, NULL), MOLT_OK);
    assert_int_equal(molt_dfu_session_alternate(rig->device.session, 0, NULL), MOLT_OK);
    uint64_t before = rig->device.sim.time_us;
    write_rig_ok(rig);
    uint64_t took = rig->device.sim.time_us - before;
    assert_true(dfu_firmware_is_all(&rig->firmware, &rig->device));
    write_rig_free(rig);
    return took;
}

static void test_early_poll(void **state)
{
    (void)state;
    const struct molt_sim_dfu_profile *p = molt_sim_dfu_profile_named("stm32f405");
    uint64_t kept = time_to_write("stm32f405", false), early = time_to_write("stm32f405", true);
    assert_true(kept >= 8000u * p->program_poll_ms); /* 8 blocks */
    assert_true(early + 8 * 50000u < kept);

    struct simdevice plain; /* a device that is no DfuSe keeps its times */
    simdevice_new(&plain, "plain");
    simdevice_open(&plain, "usb:");
    uint32_t quirks = plain.session->dfu.quirks;
    molt_dfu_session_poll_early(plain.session);
    assert_int_equal(plain.session->dfu.quirks, quirks);
    simdevice_free(&plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pyboard),
        cmocka_unit_test(test_unchanged),
        cmocka_unit_test(test_transfers),
        cmocka_unit_test(test_all_and_part),
        cmocka_unit_test(test_entry_sector_with_rest),
        cmocka_unit_test(test_shared_sectors),
        cmocka_unit_test(test_blank_blocks),
        cmocka_unit_test(test_profiles),
        cmocka_unit_test(test_many_pages),
        cmocka_unit_test(test_mass_erase),
        cmocka_unit_test(test_mass_erase_mboot),
        cmocka_unit_test(test_odd_maps),
        cmocka_unit_test(test_stay),
        cmocka_unit_test(test_entry),
        cmocka_unit_test(test_entry_found),
        cmocka_unit_test(test_early_poll),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
