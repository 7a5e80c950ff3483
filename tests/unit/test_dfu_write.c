/* Writing over USB to simulated devices: what is written, what stays, what is refused. */
#include <stdlib.h>
#include <string.h>

#include "testing.h"

#include "dfu_firmware.h"
#include "molt/ops/dfu_write.h"

#define K 1024u

struct rig {
    struct simdevice device;
    struct dfu_firmware firmware;
    struct molt_dfu_write_request request;
    struct molt_dfu_write_result result;
    struct molt_plan plan;
};

static struct rig *new_rig(const char *profile)
{
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    simdevice_new(&rig->device, profile);
    dfu_firmware_new(&rig->firmware);
    return rig;
}

static struct rig *pyboard(uint32_t size)
{
    struct rig *rig = new_rig("stm32f405");
    dfu_firmware_pyboard(&rig->firmware, size, 1);
    return rig;
}

static void free_rig(struct rig *rig)
{
    dfu_firmware_free(&rig->firmware);
    simdevice_free(&rig->device);
    free(rig);
}

static int write_it(struct rig *rig)
{
    struct molt_dfu_write *job;
    if (!rig->device.session) {
        if (!molt_sim_dfu_present(&rig->device.sim)) {
            molt_sim_dfu_replug(&rig->device.sim, true);
        }
        simdevice_open(&rig->device, "usb:");
    }
    rig->request.image = &rig->firmware.image;
    rig->device.message = (struct molt_message){0};
    int error =
        molt_dfu_write_plan(&job, rig->device.session, &rig->request, NULL, &rig->device.message);
    if (!error) {
        rig->plan = *molt_dfu_write_steps(job);
        error = molt_dfu_write_run(job, NULL, &rig->device.message);
        rig->result = *molt_dfu_write_result(job);
        molt_dfu_write_free(job);
    }
    simdevice_close(&rig->device);
    return error;
}

static void write_ok(struct rig *rig)
{
    if (write_it(rig) != MOLT_OK) {
        fail_msg("%s", rig->device.message.text);
    }
}

/* Refused with these words; nothing was changed. */
static void refuse(struct rig *rig, int error, const char *words)
{
    assert_int_equal(write_it(rig), error);
    assert_int_equal(rig->device.message.error, error);
    if (!strstr(rig->device.message.text, words)) {
        fail_msg("'%s' is not in: %s", words, rig->device.message.text);
    }
    assert_memory_equal(rig->device.flash, rig->device.before, rig->device.size);
    assert_int_equal(rig->device.sim.bytes_programmed, 0);
}

static const struct molt_step *step(const struct rig *rig, enum molt_step_kind kind,
                                    const char *what)
{
    for (uint32_t i = 0; i < rig->plan.count; i++) {
        if (rig->plan.step[i].kind == kind && strcmp(rig->plan.step[i].what, what) == 0) {
            return &rig->plan.step[i];
        }
    }
    return NULL;
}

static void set_before(struct rig *rig)
{
    memcpy(rig->device.before, rig->device.flash, rig->device.size);
}

/* ---- What is written ---- */

static void test_pyboard(void **state)
{
    (void)state;
    struct rig *rig = pyboard(300 * K + 77);
    write_ok(rig);
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
    assert_non_null(step(rig, MOLT_STEP_KEEP, "rest"));
    assert_non_null(step(rig, MOLT_STEP_KEEP, "files"));
    free_rig(rig);
}

static void test_unchanged(void **state)
{
    (void)state;
    struct rig *rig = pyboard(300 * K);
    write_ok(rig);
    uint64_t first = rig->device.sim.time_us;
    uint64_t programmed = rig->device.sim.bytes_programmed;
    molt_sim_dfu_replug(&rig->device.sim, true);
    uint64_t before = rig->device.sim.time_us;
    write_ok(rig);
    assert_int_equal(rig->result.unchanged, 4);
    assert_int_equal(rig->result.erased, 0);
    assert_int_equal(rig->device.sim.bytes_programmed, programmed);
    assert_true(rig->device.sim.jumped);
    assert_true((rig->device.sim.time_us - before) * 10 < first);
    assert_non_null(step(rig, MOLT_STEP_KEEP, "flash"));
    assert_null(step(rig, MOLT_STEP_WRITE, "flash"));
    free_rig(rig);
}

/* A transfer for the block, a status that starts it and one that ends it. */
static void test_transfers(void **state)
{
    (void)state;
    struct rig *rig = pyboard(360 * K);
    memset(rig->device.flash, 0xFF, rig->device.size);
    rig->request.no_verify = true;
    write_ok(rig);
    uint32_t blocks = (360 + 14) / 2;
    assert_int_equal(rig->result.bytes_written, 374 * K);
    /* 4 erases of 3; address and 2 statuses each for 3 runs */
    assert_in_range(rig->result.transfers, 3 * blocks, 3 * blocks + 4 * 3 + 3 * 3 + 12);
    free_rig(rig);
}

/* All is written again with --all; a part that changed is written, with the vector table's sector
 * before and behind it. */
static void test_all_and_part(void **state)
{
    (void)state;
    struct rig *rig = pyboard(300 * K);
    write_ok(rig);
    rig->request.all = true;
    write_ok(rig);
    assert_int_equal(rig->result.erased, 4);
    rig->request.all = false;
    molt_dfu_image_free(&rig->firmware.image);
    rig->firmware.bytes[1][200 * K] ^= 1; /* in sector 6 */
    dfu_firmware_load(&rig->firmware);
    memset(rig->device.flash + 14 * K, 0xFF, 2 * K); /* nothing besides in sector 0 */
    set_before(rig);
    write_ok(rig);
    assert_int_equal(rig->result.erased, 2);
    assert_int_equal(rig->result.unchanged, 2);
    assert_int_equal(rig->device.sim.erases[0], 3);
    assert_int_equal(rig->device.sim.erases[5], 2);
    assert_int_equal(rig->device.sim.erases[6], 3);
    assert_true(dfu_firmware_is_all(&rig->firmware, &rig->device));
    free_rig(rig);
}

/* The sector with the vector table is right, and has other bytes: it is not put at risk. */
static void test_entry_sector_with_rest(void **state)
{
    (void)state;
    struct rig *rig = pyboard(140 * K);
    write_ok(rig);
    molt_dfu_image_free(&rig->firmware.image);
    rig->firmware.bytes[1][0] ^= 1;
    dfu_firmware_load(&rig->firmware);
    write_ok(rig);
    assert_int_equal(rig->device.sim.erases[0], 1);
    assert_int_equal(rig->device.sim.erases[5], 2);
    assert_int_equal(rig->device.sim.erases[6], 1);
    assert_true(dfu_firmware_is_all(&rig->firmware, &rig->device));
    free_rig(rig);
}

/* Two elements in one sector, and three with the first sector twice: nothing is lost, each sector
 * is erased once. */
static void test_shared_sectors(void **state)
{
    (void)state;
    struct rig *rig = new_rig("stm32f405");
    dfu_firmware_add(&rig->firmware, 0x08000000, 1000, 1);
    dfu_firmware_add(&rig->firmware, 0x08020000, 3000, 2);
    dfu_firmware_add(&rig->firmware, 0x08000800, 5001, 3);
    dfu_firmware_add(&rig->firmware, 0x08021001, 1, 4);
    dfu_firmware_vectors(&rig->firmware, 0);
    dfu_firmware_load(&rig->firmware);
    write_ok(rig);
    assert_true(dfu_firmware_is_all(&rig->firmware, &rig->device));
    assert_int_equal(rig->result.sectors, 2);
    assert_int_equal(rig->device.sim.erases[0], 1);
    assert_int_equal(rig->device.sim.erases[5], 1);
    assert_int_equal(rig->device.sim.over_programmed, 0);
    free_rig(rig);
}

static void test_blank_blocks(void **state)
{
    (void)state;
    struct rig *rig = new_rig("stm32f405");
    dfu_firmware_add(&rig->firmware, 0x08000000, 1 * K, 1);
    dfu_firmware_add(&rig->firmware, 0x08020000, 128 * K, 1);
    memset(rig->firmware.bytes[1] + 4 * K, 0xFF, 100 * K);
    dfu_firmware_vectors(&rig->firmware, 0);
    dfu_firmware_load(&rig->firmware);
    memset(rig->device.flash, 0xFF, rig->device.size);
    set_before(rig);
    write_ok(rig);
    assert_int_equal(rig->result.bytes_written, 29 * K);
    assert_true(dfu_firmware_is_all(&rig->firmware, &rig->device));
    free_rig(rig);
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
        struct rig *rig = new_rig(rows[i].profile);
        dfu_firmware_add(&rig->firmware, rows[i].app, 5 * K + 3, 1);
        dfu_firmware_add(&rig->firmware, rows[i].second, 7 * K + 1, 2);
        dfu_firmware_vectors(&rig->firmware, 0);
        rig->firmware.vendor = rig->firmware.product = 0xFFFF;
        dfu_firmware_load(&rig->firmware);
        int error = write_it(rig);
        if (error) {
            fail_msg("%s: %s", rows[i].profile, rig->device.message.text);
        }
        assert_true(dfu_firmware_is_all(&rig->firmware, &rig->device));
        assert_int_equal(rig->device.sim.over_programmed, 0);
        assert_true(rig->result.verified && rig->result.left && rig->result.gone);
        free_rig(rig);
    }
}

/* Hundreds of small pages in one row: one address a run, and plans that stay short. */
static void test_many_pages(void **state)
{
    (void)state;
    struct rig *rig = new_rig("stm32l476");
    dfu_firmware_add(&rig->firmware, 0x08000000, 300 * K, 1);
    dfu_firmware_vectors(&rig->firmware, 0);
    dfu_firmware_load(&rig->firmware);
    write_ok(rig);
    assert_int_equal(rig->result.sectors, 150);
    /* an erase and a block each, and an address for the rows */
    assert_in_range(rig->device.sim.requests[1], 150 * 2, 150 * 2 + 10);
    for (uint32_t i = 0; i < 150; i += 2) {
        rig->device.flash[i * 2 * K] ^= 1;
    }
    memcpy(rig->device.before, rig->device.flash, rig->device.size);
    write_ok(rig);
    assert_int_equal(rig->result.erased, 75);
    assert_int_equal(rig->result.unchanged, 75);
    assert_true(rig->plan.count < 10);
    assert_true(dfu_firmware_is_all(&rig->firmware, &rig->device));
    free_rig(rig);
}

static void test_mass_erase(void **state)
{
    (void)state;
    struct rig *rig = pyboard(100 * K);
    rig->request.mass_erase = true;
    refuse(rig, MOLT_E_DFU_FILES, "without --mass-erase");
    rig->request.overwrite_files = true;
    write_ok(rig);
    assert_true(dfu_firmware_is_on(&rig->firmware, &rig->device));
    memset(rig->device.before, 0xFF, rig->device.size);
    assert_true(dfu_firmware_is_all(&rig->firmware, &rig->device));
    assert_int_equal(rig->device.sim.mass_erases, 1);
    assert_int_equal(rig->result.erased, 0);
    assert_true(rig->result.mass_erased);
    assert_non_null(step(rig, MOLT_STEP_LOSE, "files"));
    free_rig(rig);
}

/* mboot's leaves the SPI flash alone: sectors there are erased one by one, what they have besides
 * is kept. */
static void test_mass_erase_mboot(void **state)
{
    (void)state;
    struct rig *rig = new_rig("mboot");
    dfu_firmware_add(&rig->firmware, 0x08020000, 9 * K, 1);
    dfu_firmware_add(&rig->firmware, 0x80008003, 3 * K, 2);
    dfu_firmware_vectors(&rig->firmware, 0);
    dfu_firmware_load(&rig->firmware);
    rig->request.mass_erase = rig->request.overwrite_files = true;
    write_ok(rig);
    assert_int_equal(rig->result.erased, 1);
    assert_int_equal(rig->result.bytes_kept, 29 * K);
    assert_int_equal(rig->device.sim.over_programmed, 0);
    assert_true(dfu_firmware_is_on(&rig->firmware, &rig->device));
    assert_memory_equal(rig->device.flash, rig->device.before, 16 * K); /* mboot itself */
    memcpy(rig->device.before + (1024 + 32) * K + 3, rig->firmware.bytes[1], 3 * K);
    assert_memory_equal(rig->device.flash + (1024 + 32) * K, rig->device.before + (1024 + 32) * K,
                        32 * K);
    free_rig(rig);
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
        struct rig *rig = pyboard(300 * K);
        struct molt_dfu_write *job;
        simdevice_open(&rig->device, "usb:");
        rig->device.session->device.alternate[0].map = maps[i];
        rig->device.session->device.alternate[0].map.count = i < 2 ? 2 : 1;
        rig->request.image = &rig->firmware.image;
        int error = molt_dfu_write_plan(&job, rig->device.session, &rig->request, NULL,
                                        &rig->device.message);
        assert_int_equal(error, MOLT_E_UNSUPPORTED);
        assert_non_null(strstr(rig->device.message.text, "makes no sense"));
        free_rig(rig);
    }
}

/* ---- Leaving ---- */

static void test_stay(void **state)
{
    (void)state;
    struct rig *rig = pyboard(10 * K);
    rig->request.stay = true;
    write_ok(rig);
    assert_false(rig->result.left);
    assert_false(rig->device.sim.jumped);
    assert_true(molt_sim_dfu_present(&rig->device.sim));
    free_rig(rig);
}

static void test_entry(void **state)
{
    (void)state;
    struct rig *rig = pyboard(10 * K);
    rig->request.has_entry = true;
    rig->request.entry = 0x08020000;
    write_ok(rig);
    assert_int_equal(rig->device.sim.jumped_to, 0x08020000);
    rig->request.entry = 0x09000000;
    set_before(rig);
    rig->device.sim.bytes_programmed = 0;
    refuse(rig, MOLT_E_RANGE, "--entry 0x09000000");
    free_rig(rig);
}

/* The vector table is in the second element: there it leaves to, wherever the last block went. */
static void test_entry_found(void **state)
{
    (void)state;
    struct rig *rig = new_rig("stm32f405");
    dfu_firmware_add(&rig->firmware, 0x08020000, 3000, 1);
    dfu_firmware_add(&rig->firmware, 0x08040000, 3000, 1);
    dfu_firmware_add(&rig->firmware, 0x08060000, 3000, 1);
    memset(rig->firmware.bytes[0], 0, 64);
    memset(rig->firmware.bytes[2], 0, 64);
    dfu_firmware_vectors(&rig->firmware, 1);
    dfu_firmware_load(&rig->firmware);
    write_ok(rig);
    assert_int_equal(rig->result.entry, 0x08040000);
    assert_int_equal(rig->device.sim.jumped_to, 0x08040000);
    free_rig(rig);
}

/* ---- What is refused ---- */

static void test_refuse_files(void **state)
{
    (void)state;
    struct rig *rig = new_rig("stm32f405");
    dfu_firmware_add(&rig->firmware, 0x08000000, 300 * K, 1); /* as a flat .bin */
    dfu_firmware_vectors(&rig->firmware, 0);
    dfu_firmware_load(&rig->firmware);
    refuse(rig, MOLT_E_DFU_FILES, "0x08004000-0x0801ffff (112 KB)");
    rig->request.board = "PYBV11";
    refuse(rig, MOLT_E_DFU_FILES, "PYBV11");
    assert_non_null(strstr(rig->device.message.text, "--overwrite-files"));
    rig->request.board = "PYBV12";
    refuse(rig, MOLT_E_NOT_FOUND, "PYBV12");
    rig->request.board = "PYBV11";
    rig->request.overwrite_files = true;
    write_ok(rig);
    assert_true(dfu_firmware_is_all(&rig->firmware, &rig->device));
    const struct molt_step *lost = step(rig, MOLT_STEP_LOSE, "files");
    assert_non_null(lost);
    assert_int_equal(lost->offset, 0x08004000);
    assert_int_equal(lost->size, 112 * K);
    free_rig(rig);
}

/* Blank, of a board without files there, or the bytes that are there already: nothing to lose. */
static void test_files_not_lost(void **state)
{
    (void)state;
    struct rig *rig = new_rig("stm32f405");
    dfu_firmware_add(&rig->firmware, 0x08000000, 300 * K, 1);
    dfu_firmware_vectors(&rig->firmware, 0);
    dfu_firmware_load(&rig->firmware);
    memset(rig->device.flash + 16 * K, 0xFF, 112 * K);
    set_before(rig);
    write_ok(rig);
    assert_true(dfu_firmware_is_all(&rig->firmware, &rig->device));
    write_ok(rig); /* in use now, and equal */
    assert_int_equal(rig->result.erased, 0);
    molt_dfu_image_free(&rig->firmware.image);
    rig->firmware.bytes[0][20 * K] ^= 1;
    dfu_firmware_load(&rig->firmware);
    set_before(rig);
    rig->device.sim.bytes_programmed = 0;
    refuse(rig, MOLT_E_DFU_FILES, "in use");
    rig->request.board = "none";
    write_ok(rig);
    assert_true(dfu_firmware_is_all(&rig->firmware, &rig->device));
    free_rig(rig);
}

static void refuse_one(const char *profile, uint32_t address, uint32_t size, int error,
                       const char *words)
{
    struct rig *rig = new_rig(profile);
    dfu_firmware_add(&rig->firmware, address, size, 1);
    dfu_firmware_load(&rig->firmware);
    refuse(rig, error, words);
    free_rig(rig);
}

static void test_refuse_places(void **state)
{
    (void)state;
    refuse_one("stm32f405", 0x08100000, 16, MOLT_E_RANGE, "0x08000000-0x080fffff");
    refuse_one("stm32f405", 0x080FFFF0, 17, MOLT_E_RANGE, "0x08100000 is not in");
    refuse_one("stm32f405", 0x20000000, 16, MOLT_E_RANGE, "0x20000000");
    refuse_one("stm32f405", 0xFFFFFFF0, 15, MOLT_E_RANGE, "0xfffffff0");
    refuse_one("mboot", 0x08000000, 16, MOLT_E_RANGE, "USE_MBOOT=1");
    refuse_one("mboot", 0x08007FFF, 16, MOLT_E_RANGE, "USE_MBOOT=1");
    refuse_one("mboot-packed", 0x08020000, 3000, MOLT_E_UNSUPPORTED, "signed and encrypted");
}

static void test_refuse_alternates(void **state)
{
    (void)state;
    struct rig *rig = pyboard(3000);
    molt_dfu_image_free(&rig->firmware.image);
    rig->firmware.alternate[1] = 7;
    dfu_firmware_load(&rig->firmware);
    refuse(rig, MOLT_E_NOT_FOUND, "alternate setting 7");
    molt_dfu_image_free(&rig->firmware.image);
    rig->firmware.alternate[1] = 1; /* option bytes: not at that address */
    dfu_firmware_load(&rig->firmware);
    refuse(rig, MOLT_E_RANGE, "Option Bytes");
    free_rig(rig);
    rig = new_rig("stm32f405");
    dfu_firmware_add(&rig->firmware, 0x1FFFC000, 16, 1);
    rig->firmware.alternate[0] = 1;
    dfu_firmware_load(&rig->firmware);
    refuse(rig, MOLT_E_RANGE, "cannot be erased");
    free_rig(rig);
}

static void test_refuse_overlap(void **state)
{
    (void)state;
    struct rig *rig = pyboard(3000);
    /* The loader refuses such a file itself: the image is made by hand. */
    struct molt_dfu_element element[2] = {rig->firmware.image.element[0],
                                          rig->firmware.image.element[1]};
    struct molt_dfu_element *owned = rig->firmware.image.element;
    element[1].address = 0x08000000 + 14 * K - 1;
    rig->firmware.image.element = element;
    refuse(rig, MOLT_E_FORMAT, "overlap");
    element[1].address = 0x08000000 + 14 * K;
    element[1].size = 100;
    write_ok(rig);
    rig->firmware.image.element = owned;
    free_rig(rig);
}

static void test_refuse_device(void **state)
{
    (void)state;
    struct rig *rig = pyboard(3000);
    molt_dfu_image_free(&rig->firmware.image);
    rig->firmware.product = 0xDF12;
    dfu_firmware_load(&rig->firmware);
    refuse(rig, MOLT_E_DFU_DEVICE, "0483:df12");
    rig->request.force = true;
    write_ok(rig);
    rig->request.force = false;
    molt_dfu_image_free(&rig->firmware.image);
    rig->firmware.product = rig->firmware.vendor = 0xFFFF;
    dfu_firmware_load(&rig->firmware);
    write_ok(rig);
    free_rig(rig);
}

static void test_refuse_crc(void **state)
{
    (void)state;
    struct rig *rig = pyboard(3000);
    rig->firmware.image.crc_wrong = true;
    refuse(rig, MOLT_E_VERIFY, "CRC");
    rig->request.force = true;
    write_ok(rig);
    free_rig(rig);
}

static void test_refuse_kinds(void **state)
{
    (void)state;
    struct rig *rig = pyboard(3000);
    rig->firmware.image.kind = MOLT_DFU_IMAGE_BIN;
    rig->firmware.image.has_addresses = false;
    refuse(rig, MOLT_E_ARGUMENT, "--address");
    rig->firmware.image.has_addresses = true;
    rig->firmware.image.packed = true;
    refuse(rig, MOLT_E_DFU_DEVICE, "mboot");
    free_rig(rig);
    rig = new_rig("plain");
    dfu_firmware_add(&rig->firmware, 0x08000000, 100, 1);
    rig->firmware.vendor = rig->firmware.product = 0xFFFF;
    dfu_firmware_load(&rig->firmware);
    refuse(rig, MOLT_E_DFU_DEVICE, "without ST's extensions");
    free_rig(rig);
}

/* ---- Protection ---- */

static void test_read_protected(void **state)
{
    (void)state;
    struct rig *rig = pyboard(3000);
    rig->device.sim.read_protected = true;
    refuse(rig, MOLT_E_DFU_PROTECTED, "molt dfu unprotect");
    rig->request.all = true;
    refuse(rig, MOLT_E_DFU_PROTECTED, "molt dfu unprotect");
    free_rig(rig);
}

/* The device reports nothing: the first sector that stays as it is is noticed. */
static void test_write_protected(void **state)
{
    (void)state;
    struct rig *rig = pyboard(3000);
    rig->device.sim.write_protected[0] = true;
    refuse(rig, MOLT_E_DFU_PROTECTED, "0x08000000 (16 KB) was not erased");
    rig->device.sim.write_protected[0] = false;
    rig->device.sim.write_protected[5] = true;
    assert_int_equal(write_it(rig), MOLT_E_DFU_PROTECTED);
    assert_non_null(strstr(rig->device.message.text, "0x08020000 (128 KB)"));
    assert_non_null(strstr(rig->device.message.text, "does not start"));
    assert_true(rig->device.flash[0] == 0xFF && rig->device.flash[7] == 0xFF);
    rig->device.sim.write_protected[5] = false;
    write_ok(rig);
    assert_true(dfu_firmware_is_on(&rig->firmware, &rig->device));
    free_rig(rig);
}

/* One bit does not take: the verification finds it, and the vector table is not there yet. */
static void test_verify(void **state)
{
    (void)state;
    struct rig *rig = new_rig("stm32l476"); /* its small pages are not looked at one by one */
    dfu_firmware_add(&rig->firmware, 0x08000000, 20 * K, 1);
    dfu_firmware_vectors(&rig->firmware, 0);
    dfu_firmware_load(&rig->firmware);
    rig->device.sim.write_protected[5] = true;
    assert_int_equal(write_it(rig), MOLT_E_DFU_PROG); /* this chip says so */
    rig->device.sim.write_protected[5] = false;
    memset(rig->device.flash + 10 * K, 0xFF, 2 * K);
    rig->device.sim.write_protected[5] = true; /* blank, and stays so */
    assert_int_equal(write_it(rig), MOLT_E_VERIFY);
    assert_non_null(strstr(rig->device.message.text, "0x08002800 holds 0xff"));
    assert_true(rig->device.flash[0] == 0xFF && rig->device.flash[4] == 0xFF);
    assert_false(rig->device.sim.jumped);
    rig->device.sim.write_protected[5] = false;
    write_ok(rig);
    assert_true(dfu_firmware_is_all(&rig->firmware, &rig->device));
    free_rig(rig);
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
        cmocka_unit_test(test_refuse_files),
        cmocka_unit_test(test_files_not_lost),
        cmocka_unit_test(test_refuse_places),
        cmocka_unit_test(test_refuse_alternates),
        cmocka_unit_test(test_refuse_overlap),
        cmocka_unit_test(test_refuse_device),
        cmocka_unit_test(test_refuse_crc),
        cmocka_unit_test(test_refuse_kinds),
        cmocka_unit_test(test_read_protected),
        cmocka_unit_test(test_write_protected),
        cmocka_unit_test(test_verify),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
