/* Comparing a file with a device, and files for several alternate settings. */
#include <stdlib.h>
#include <string.h>

#include "testing.h"

#include "dfu_firmware.h"
#include "molt/ops/dfu_write.h"

#define K     1024u
#define FLASH 0x08000000u

struct rig {
    struct simdevice device;
    struct dfu_firmware firmware;
    struct molt_dfu_verify_request request;
    struct molt_dfu_verify_result result;
};

static struct rig *new_rig(const char *profile)
{
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    simdevice_new(&rig->device, profile);
    dfu_firmware_new(&rig->firmware);
    rig->request.image = &rig->firmware.image;
    return rig;
}

static void free_rig(struct rig *rig)
{
    dfu_firmware_free(&rig->firmware);
    simdevice_free(&rig->device);
    free(rig);
}

/* Two elements that are on the device, the second first in the file. */
static struct rig *equal_rig(void)
{
    struct rig *rig = new_rig("stm32f405");
    dfu_firmware_add(&rig->firmware, FLASH + 100 * K + 1, 200 * K + 5, 1);
    dfu_firmware_add(&rig->firmware, FLASH + 7, 3001, 2);
    memcpy(rig->device.flash + 100 * K + 1, rig->firmware.bytes[0], 200 * K + 5);
    memcpy(rig->device.flash + 7, rig->firmware.bytes[1], 3001);
    memcpy(rig->device.before, rig->device.flash, rig->device.size);
    dfu_firmware_load(&rig->firmware);
    simdevice_open(&rig->device, "usb:");
    return rig;
}

static int verify(struct rig *rig, const struct molt_progress *progress)
{
    rig->device.message = (struct molt_message){0};
    int error = molt_dfu_verify(rig->device.session, &rig->request, &rig->result, progress,
                                &rig->device.message);
    assert_memory_equal(rig->device.flash, rig->device.before, rig->device.size);
    assert_int_equal(rig->device.sim.bytes_programmed, 0);
    assert_int_equal(error, rig->device.message.error);
    return error;
}

static void test_equal(void **state)
{
    (void)state;
    struct rig *rig = equal_rig();
    struct simprogress progress;
    simprogress_start(&progress, 0);
    assert_int_equal(verify(rig, &progress.progress), MOLT_OK);
    assert_false(rig->result.differs);
    assert_int_equal(rig->result.bytes, 200 * K + 5 + 3001);
    assert_false(progress.backwards);
    assert_string_equal(progress.what, "verify");
    assert_int_equal(progress.done, 200 * K + 5 + 3001);
    assert_int_equal(progress.total, 200 * K + 5 + 3001);
    assert_int_equal(
        molt_dfu_verify(rig->device.session, &rig->request, NULL, NULL, &rig->device.message),
        MOLT_OK);
    free_rig(rig);
}

/* The first and the last byte of each element, bytes at the ends of sectors and blocks. */
static void test_differs(void **state)
{
    static const uint32_t places[] = {7,           8,           2047 + 7,    2048 + 7,
                                      3007,        100 * K + 1, 128 * K - 1, 128 * K,
                                      256 * K - 1, 256 * K,     300 * K + 5};
    (void)state;
    struct rig *rig = equal_rig();
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        rig->device.flash[places[i]] ^= 0x10;
        rig->device.before[places[i]] ^= 0x10;
        assert_int_equal(verify(rig, NULL), MOLT_E_VERIFY);
        assert_true(rig->result.differs);
        assert_int_equal(rig->result.address, FLASH + places[i]);
        assert_int_equal(rig->result.device, rig->device.flash[places[i]]);
        assert_int_equal(rig->result.file, rig->device.flash[places[i]] ^ 0x10);
        rig->device.flash[places[i]] ^= 0x10;
        rig->device.before[places[i]] ^= 0x10;
    }
    /* Right beside the elements is not the file's. */
    rig->device.flash[6] ^= 1;
    rig->device.flash[3008] ^= 1;
    rig->device.flash[100 * K] ^= 1;
    rig->device.flash[300 * K + 6] ^= 1;
    memcpy(rig->device.before, rig->device.flash, rig->device.size);
    assert_int_equal(verify(rig, NULL), MOLT_OK);
    /* Of two, that with the lower address. */
    rig->device.flash[200 * K] ^= 1;
    rig->device.flash[1000] ^= 1;
    memcpy(rig->device.before, rig->device.flash, rig->device.size);
    assert_int_equal(verify(rig, NULL), MOLT_E_VERIFY);
    assert_int_equal(rig->result.address, FLASH + 1000);
    free_rig(rig);
}

static void test_refused(void **state)
{
    (void)state;
    struct rig *rig = equal_rig();
    rig->firmware.image.crc_wrong = true;
    assert_int_equal(verify(rig, NULL), MOLT_E_VERIFY);
    assert_false(rig->result.differs);
    rig->request.force = true;
    assert_int_equal(verify(rig, NULL), MOLT_OK);
    rig->firmware.image.crc_wrong = false;
    rig->request.force = false;
    rig->firmware.image.suffix.vendor = 0x1234;
    assert_int_equal(verify(rig, NULL), MOLT_E_DFU_DEVICE);
    rig->firmware.image.suffix.vendor = 0xFFFF;
    rig->firmware.image.packed = true;
    assert_int_equal(verify(rig, NULL), MOLT_E_DFU_DEVICE);
    rig->firmware.image.packed = false;
    rig->firmware.image.has_addresses = false;
    assert_int_equal(verify(rig, NULL), MOLT_E_ARGUMENT);
    rig->firmware.image.has_addresses = true;
    rig->device.sim.read_protected = true;
    assert_int_equal(verify(rig, NULL), MOLT_E_DFU_PROTECTED);
    rig->device.sim.read_protected = false;
    struct simprogress progress;
    simprogress_start(&progress, 3);
    assert_int_equal(verify(rig, &progress.progress), MOLT_E_CANCELLED);
    assert_int_equal(verify(rig, NULL), MOLT_OK);
    free_rig(rig);
}

static void test_not_comparable(void **state)
{
    (void)state;
    struct rig *rig = new_rig("mboot-packed");
    dfu_firmware_add(&rig->firmware, FLASH + 128 * K, 100, 1);
    dfu_firmware_load(&rig->firmware);
    rig->firmware.image.packed = true;
    simdevice_open(&rig->device, "usb:");
    assert_int_equal(verify(rig, NULL), MOLT_E_UNSUPPORTED);
    assert_non_null(strstr(rig->device.message.text, "encrypted"));
    free_rig(rig);
    rig = new_rig("plain");
    rig->firmware.vendor = rig->firmware.product = 0xFFFF;
    dfu_firmware_add(&rig->firmware, FLASH, 100, 1);
    dfu_firmware_load(&rig->firmware);
    rig->firmware.image.kind = MOLT_DFU_IMAGE_BIN;
    simdevice_open(&rig->device, "usb:");
    assert_int_equal(verify(rig, NULL), MOLT_E_UNSUPPORTED);
    assert_non_null(strstr(rig->device.message.text, "molt dfu read"));
    free_rig(rig);
    rig = new_rig("runtime");
    rig->firmware.vendor = rig->firmware.product = 0xFFFF;
    dfu_firmware_add(&rig->firmware, FLASH, 100, 1);
    dfu_firmware_load(&rig->firmware);
    rig->firmware.image.kind = MOLT_DFU_IMAGE_BIN;
    simdevice_open(&rig->device, "usb:*:*");
    assert_int_equal(verify(rig, NULL), MOLT_E_UNSUPPORTED);
    assert_non_null(strstr(rig->device.message.text, "molt dfu detach"));
    free_rig(rig);
}

/* A target for the flash and one for the one-time memory, which is written for good. */
static void test_two_alternates(void **state)
{
    (void)state;
    struct rig *rig = new_rig("stm32f405");
    struct molt_dfu_write *job;
    struct molt_dfu_write_request request = {.image = &rig->firmware.image, .stay = true};
    dfu_firmware_add(&rig->firmware, FLASH, 3000, 1);
    dfu_firmware_add(&rig->firmware, 0x1FFF7800, 32, 2);
    rig->firmware.alternate[1] = 2;
    dfu_firmware_vectors(&rig->firmware, 0);
    dfu_firmware_load(&rig->firmware);
    simdevice_open(&rig->device, "usb:");
    assert_int_equal(
        molt_dfu_write_plan(&job, rig->device.session, &request, NULL, &rig->device.message),
        MOLT_E_RANGE);
    assert_null(job);
    request.force = true;
    assert_int_equal(
        molt_dfu_write_plan(&job, rig->device.session, &request, NULL, &rig->device.message),
        MOLT_OK);
    if (molt_dfu_write_run(job, NULL, &rig->device.message) != MOLT_OK) {
        fail_msg("%s", rig->device.message.text);
    }
    assert_int_equal(molt_dfu_write_result(job)->erased, 1);
    molt_dfu_write_free(job);
    assert_memory_equal(rig->device.flash, rig->firmware.bytes[0], 3000);
    uint32_t n;
    assert_memory_equal(molt_sim_dfu_memory(&rig->device.sim, 0x1FFF7800, &n),
                        rig->firmware.bytes[1], 32);
    memcpy(rig->device.before, rig->device.flash, rig->device.size);
    rig->device.sim.bytes_programmed = 0;
    simdevice_open(&rig->device, "usb:");
    assert_int_equal(verify(rig, NULL), MOLT_OK);
    assert_int_equal(rig->result.bytes, 3032);
    free_rig(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal),          cmocka_unit_test(test_differs),
        cmocka_unit_test(test_refused),        cmocka_unit_test(test_not_comparable),
        cmocka_unit_test(test_two_alternates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
