/* Writing over USB to simulated devices: what is refused, and protection. */
#include <stdlib.h>
#include <string.h>

#include "testing.h"

#include "write_rig.h"

#define K 1024u

/* ---- What is refused ---- */

static void test_refuse_files(void **state)
{
    (void)state;
    struct write_rig *rig = write_rig_new("stm32f405");
    dfu_firmware_add(&rig->firmware, 0x08000000, 300 * K, 1); /* as a flat .bin */
    dfu_firmware_vectors(&rig->firmware, 0);
    dfu_firmware_load(&rig->firmware);
    write_rig_refuse(rig, MOLT_E_DFU_FILES, "0x08004000-0x0801ffff (112 KB)");
    rig->request.board = "PYBV11";
    write_rig_refuse(rig, MOLT_E_DFU_FILES, "PYBV11");
    assert_non_null(strstr(rig->device.message.text, "--overwrite-files"));
    rig->request.board = "PYBV12";
    write_rig_refuse(rig, MOLT_E_NOT_FOUND, "PYBV12");
    rig->request.board = "PYBV11";
    rig->request.overwrite_files = true;
    write_rig_ok(rig);
    assert_true(dfu_firmware_is_all(&rig->firmware, &rig->device));
    const struct molt_step *lost = write_rig_step(rig, MOLT_STEP_LOSE, "files");
    assert_non_null(lost);
    assert_int_equal(lost->offset, 0x08004000);
    assert_int_equal(lost->size, 112 * K);
    write_rig_free(rig);
}

/* Blank, of a board without files there, or the bytes that are there already: nothing to lose. */
static void test_files_not_lost(void **state)
{
    (void)state;
    struct write_rig *rig = write_rig_new("stm32f405");
    dfu_firmware_add(&rig->firmware, 0x08000000, 300 * K, 1);
    dfu_firmware_vectors(&rig->firmware, 0);
    dfu_firmware_load(&rig->firmware);
    memset(rig->device.flash + 16 * K, 0xFF, 112 * K);
    write_rig_set_before(rig);
    write_rig_ok(rig);
    assert_true(dfu_firmware_is_all(&rig->firmware, &rig->device));
    write_rig_ok(rig); /* in use now, and equal */
    assert_int_equal(rig->result.erased, 0);
    molt_dfu_image_free(&rig->firmware.image);
    rig->firmware.bytes[0][20 * K] ^= 1;
    dfu_firmware_load(&rig->firmware);
    write_rig_set_before(rig);
    rig->device.sim.bytes_programmed = 0;
    write_rig_refuse(rig, MOLT_E_DFU_FILES, "in use");
    rig->request.board = "none";
    write_rig_ok(rig);
    assert_true(dfu_firmware_is_all(&rig->firmware, &rig->device));
    write_rig_free(rig);
}

static void refuse_one(const char *profile, uint32_t address, uint32_t size, int error,
                       const char *words)
{
    struct write_rig *rig = write_rig_new(profile);
    dfu_firmware_add(&rig->firmware, address, size, 1);
    dfu_firmware_load(&rig->firmware);
    write_rig_refuse(rig, error, words);
    write_rig_free(rig);
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
    struct write_rig *rig = write_rig_pyboard(3000);
    molt_dfu_image_free(&rig->firmware.image);
    rig->firmware.alternate[1] = 7;
    dfu_firmware_load(&rig->firmware);
    write_rig_refuse(rig, MOLT_E_NOT_FOUND, "alternate setting 7");
    molt_dfu_image_free(&rig->firmware.image);
    rig->firmware.alternate[1] = 1; /* option bytes: not at that address */
    dfu_firmware_load(&rig->firmware);
    write_rig_refuse(rig, MOLT_E_RANGE, "Option Bytes");
    write_rig_free(rig);
    rig = write_rig_new("stm32f405");
    dfu_firmware_add(&rig->firmware, 0x1FFFC000, 16, 1);
    rig->firmware.alternate[0] = 1;
    dfu_firmware_load(&rig->firmware);
    write_rig_refuse(rig, MOLT_E_RANGE, "cannot be erased");
    write_rig_free(rig);
}

static void test_refuse_overlap(void **state)
{
    (void)state;
    struct write_rig *rig = write_rig_pyboard(3000);
    /* The loader refuses such a file itself: the image is made by hand. */
    struct molt_dfu_element element[2] = {rig->firmware.image.element[0],
                                          rig->firmware.image.element[1]};
    struct molt_dfu_element *owned = rig->firmware.image.element;
    element[1].address = 0x08000000 + 14 * K - 1;
    rig->firmware.image.element = element;
    write_rig_refuse(rig, MOLT_E_FORMAT, "overlap");
    element[1].address = 0x08000000 + 14 * K;
    element[1].size = 100;
    write_rig_ok(rig);
    rig->firmware.image.element = owned;
    write_rig_free(rig);
}

static void test_refuse_device(void **state)
{
    (void)state;
    struct write_rig *rig = write_rig_pyboard(3000);
    molt_dfu_image_free(&rig->firmware.image);
    rig->firmware.product = 0xDF12;
    dfu_firmware_load(&rig->firmware);
    write_rig_refuse(rig, MOLT_E_DFU_DEVICE, "0483:df12");
    rig->request.force = true;
    write_rig_ok(rig);
    rig->request.force = false;
    molt_dfu_image_free(&rig->firmware.image);
    rig->firmware.product = rig->firmware.vendor = 0xFFFF;
    dfu_firmware_load(&rig->firmware);
    write_rig_ok(rig);
    write_rig_free(rig);
}

static void test_refuse_crc(void **state)
{
    (void)state;
    struct write_rig *rig = write_rig_pyboard(3000);
    rig->firmware.image.crc_wrong = true;
    write_rig_refuse(rig, MOLT_E_VERIFY, "CRC");
    rig->request.force = true;
    write_rig_ok(rig);
    write_rig_free(rig);
}

static void test_refuse_kinds(void **state)
{
    (void)state;
    struct write_rig *rig = write_rig_pyboard(3000);
    rig->firmware.image.kind = MOLT_DFU_IMAGE_BIN;
    rig->firmware.image.has_addresses = false;
    write_rig_refuse(rig, MOLT_E_ARGUMENT, "--address");
    rig->firmware.image.has_addresses = true;
    rig->firmware.image.packed = true;
    write_rig_refuse(rig, MOLT_E_DFU_DEVICE, "mboot");
    write_rig_free(rig);
    rig = write_rig_new("plain");
    dfu_firmware_add(&rig->firmware, 0x08000000, 100, 1);
    rig->firmware.vendor = rig->firmware.product = 0xFFFF;
    dfu_firmware_load(&rig->firmware);
    write_rig_refuse(rig, MOLT_E_DFU_DEVICE, "without ST's extensions");
    write_rig_free(rig);
}

/* ---- Protection ---- */

static void test_read_protected(void **state)
{
    (void)state;
    struct write_rig *rig = write_rig_pyboard(3000);
    rig->device.sim.read_protected = true;
    write_rig_refuse(rig, MOLT_E_DFU_PROTECTED, "molt dfu unprotect");
    rig->request.all = true;
    write_rig_refuse(rig, MOLT_E_DFU_PROTECTED, "molt dfu unprotect");
    write_rig_free(rig);
}

/* The device reports nothing: the first sector that stays as it is is noticed. */
static void test_write_protected(void **state)
{
    (void)state;
    struct write_rig *rig = write_rig_pyboard(3000);
    rig->device.sim.write_protected[0] = true;
    write_rig_refuse(rig, MOLT_E_DFU_PROTECTED, "0x08000000 (16 KB) was not erased");
    rig->device.sim.write_protected[0] = false;
    rig->device.sim.write_protected[5] = true;
    assert_int_equal(write_rig_write(rig), MOLT_E_DFU_PROTECTED);
    assert_non_null(strstr(rig->device.message.text, "0x08020000 (128 KB)"));
    assert_non_null(strstr(rig->device.message.text, "does not start"));
    assert_true(rig->device.flash[0] == 0xFF && rig->device.flash[7] == 0xFF);
    rig->device.sim.write_protected[5] = false;
    write_rig_ok(rig);
    assert_true(dfu_firmware_is_on(&rig->firmware, &rig->device));
    write_rig_free(rig);
}

/* One bit does not take: the verification finds it, and the vector table is not there yet. */
static void test_verify(void **state)
{
    (void)state;
    struct write_rig *rig =
        write_rig_new("stm32l476"); /* its small pages are not looked at one by one */
    dfu_firmware_add(&rig->firmware, 0x08000000, 20 * K, 1);
    dfu_firmware_vectors(&rig->firmware, 0);
    dfu_firmware_load(&rig->firmware);
    rig->device.sim.write_protected[5] = true;
    assert_int_equal(write_rig_write(rig), MOLT_E_DFU_PROG); /* this chip says so */
    rig->device.sim.write_protected[5] = false;
    memset(rig->device.flash + 10 * K, 0xFF, 2 * K);
    rig->device.sim.write_protected[5] = true; /* blank, and stays so */
    assert_int_equal(write_rig_write(rig), MOLT_E_VERIFY);
    assert_non_null(strstr(rig->device.message.text, "0x08002800 holds 0xff"));
    assert_true(rig->device.flash[0] == 0xFF && rig->device.flash[4] == 0xFF);
    assert_false(rig->device.sim.jumped);
    rig->device.sim.write_protected[5] = false;
    write_rig_ok(rig);
    assert_true(dfu_firmware_is_all(&rig->firmware, &rig->device));
    write_rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refuse_files),   cmocka_unit_test(test_files_not_lost),
        cmocka_unit_test(test_refuse_places),  cmocka_unit_test(test_refuse_alternates),
        cmocka_unit_test(test_refuse_overlap), cmocka_unit_test(test_refuse_device),
        cmocka_unit_test(test_refuse_crc),     cmocka_unit_test(test_refuse_kinds),
        cmocka_unit_test(test_read_protected), cmocka_unit_test(test_write_protected),
        cmocka_unit_test(test_verify),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
