/* Devices without addresses: writing, from run-time mode too, manifestation of both kinds. */
#include <stdlib.h>
#include <string.h>

#include "testing.h"

#include "molt/ops/dfu_device.h"
#include "molt/ops/dfu_image.h"
#include "simdevice.h"

#define K 1024u

/* An image of n bytes, all of them owned by the test. */
static struct molt_dfu_image image_of(struct molt_dfu_element *element, const uint8_t *bytes,
                                      uint32_t n)
{
    *element = (struct molt_dfu_element){.bytes = bytes, .size = n, .target_name = ""};
    return (struct molt_dfu_image){.kind = MOLT_DFU_IMAGE_BIN, .element = element, .count = 1};
}

static uint8_t firmware[68 * K];

static int make_firmware(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < sizeof firmware; i++) {
        firmware[i] = (uint8_t)(i * 7 + i / 251);
    }
    return 0;
}

static void writes(void **state)
{
    (void)state;
    static const struct {
        const char *profile, *target;
        uint32_t n;
        bool stay, detached, tolerant, gone;
    } cases[] = {{"plain", "usb:1209:0001", 64 * K, true, false, true, false},
                 {"plain", "usb:1209:0001", 5000, false, false, true, true},
                 {"plain", "usb:1209:0001", 1024, false, false, true, true},
                 {"plain-intolerant", "usb:1209:0001", 2, false, false, false, true},
                 {"runtime", "usb:1209:0002", 5002, false, true, false, true},
                 {"runtime-reset", "usb:1209:0002", 5002, false, true, false, true}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct simdevice device;
        struct molt_dfu_element element;
        struct molt_dfu_image image = image_of(&element, firmware, cases[i].n);
        struct molt_dfu_plain_request request = {.image = &image, .stay = cases[i].stay};
        struct molt_dfu_plain_written written;
        simdevice_new(&device, cases[i].profile);
        simdevice_open(&device, cases[i].target);
        if (molt_dfu_plain_write(device.session, &request, &written, NULL, &device.message) !=
            MOLT_OK) {
            fail_msg("case %u: %s", (unsigned)i, device.message.text);
        }
        assert_memory_equal(device.flash, firmware, cases[i].n);
        assert_int_equal(written.bytes, cases[i].n);
        assert_int_equal(written.blocks, (cases[i].n + 1023) / 1024);
        assert_int_equal(written.detached, cases[i].detached);
        assert_int_equal(written.tolerant, cases[i].tolerant);
        assert_int_equal(written.gone, cases[i].gone);
        simdevice_free(&device);
    }
}

static void one_block_size(struct simdevice *device, uint16_t size, uint32_t n)
{
    struct molt_dfu_element element;
    struct molt_dfu_image image = image_of(&element, firmware, n);
    struct molt_dfu_plain_request request = {.image = &image, .stay = true};
    struct molt_dfu_plain_written written;
    uint8_t *bytes;
    uint32_t got;
    simdevice_open(device, "usb:1209:0001");
    device->session->dfu.block_size = size;
    int error = molt_dfu_plain_write(device->session, &request, &written, NULL, &device->message);
    if (error) {
        fail_msg("blocks of %u: %s", size, device->message.text);
    }
    assert_memory_equal(device->flash, firmware, n);
    assert_int_equal(written.blocks, (n + size - 1) / size);
    assert_int_equal(molt_dfu_plain_read(device->session, n, &bytes, &got, NULL, NULL), MOLT_OK);
    assert_int_equal(got, n);
    assert_memory_equal(bytes, firmware, n);
    free(bytes);
}

static void block_sizes(void **state)
{
    (void)state;
    static const uint16_t sizes[] = {2, 6, 64, 1000, 1024};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct simdevice device;
        simdevice_new(&device, "plain");
        one_block_size(&device, sizes[i], 4322);
        simdevice_free(&device);
    }
}

/* Block numbers count to 65,535 and go on with 0. */
static void more_blocks_than_numbers(void **state)
{
    (void)state;
    struct simdevice device;
    simdevice_new(&device, "plain");
    struct molt_sim_dfu_profile profile = *device.sim.profile;
    struct molt_sim_dfu_region region = profile.regions[0];
    region.count = sizeof firmware / region.sector_size;
    profile.regions = &region;
    profile.granule = 1;
    free(device.flash);
    device.flash = calloc(1, sizeof firmware);
    assert_non_null(device.flash);
    molt_sim_dfu_init(&device.sim, &profile, device.flash);
    one_block_size(&device, 1, 66000);
    simdevice_free(&device);
}

static void refused(void **state)
{
    (void)state;
    struct simdevice device;
    struct molt_dfu_element element[2];
    struct molt_dfu_image image = image_of(element, firmware, 100);
    struct molt_dfu_plain_request request = {.image = &image};
    struct molt_dfu_plain_written written;
    element[1] = element[0];
    simdevice_new(&device, "plain");
    simdevice_open(&device, "usb:1209:0001");
    image.count = 2;
    assert_int_equal(molt_dfu_plain_check(device.session, &request, &device.message),
                     MOLT_E_ARGUMENT);
    image.count = 1;
    image.kind = MOLT_DFU_IMAGE_DFUSE;
    assert_int_equal(molt_dfu_plain_check(device.session, &request, &device.message),
                     MOLT_E_DFU_DEVICE);
    image.kind = MOLT_DFU_IMAGE_PLAIN;
    image.has_suffix = true;
    image.suffix = (struct molt_dfu_suffix){.vendor = 0x1209, .product = 0x0002};
    assert_int_equal(
        molt_dfu_plain_write(device.session, &request, &written, NULL, &device.message),
        MOLT_E_DFU_DEVICE);
    assert_non_null(strstr(device.message.text, "1209:0002"));
    assert_non_null(strstr(device.message.text, "1209:0001"));
    image.suffix.product = 0xFFFF;
    assert_int_equal(molt_dfu_plain_check(device.session, &request, NULL), MOLT_OK);
    image.suffix.vendor = 0x1234;
    assert_int_equal(molt_dfu_plain_check(device.session, &request, NULL), MOLT_E_DFU_DEVICE);
    request.force = true;
    assert_int_equal(molt_dfu_plain_check(device.session, &request, NULL), MOLT_OK);
    device.session->dfu.attributes = MOLT_DFU_CAN_UPLOAD;
    assert_int_equal(molt_dfu_plain_check(device.session, &request, NULL), MOLT_E_UNSUPPORTED);
    assert_memory_equal(device.flash, device.before, device.size);
    simdevice_free(&device);

    simdevice_new(&device, "stm32f405");
    simdevice_open(&device, "usb:");
    assert_int_equal(molt_dfu_plain_check(device.session, &request, NULL), MOLT_E_UNSUPPORTED);
    simdevice_free(&device);
}

/* A file may name the application's ids, or those of its boot loader; no others. */
static void suffix_of_either_mode(void **state)
{
    (void)state;
    static const struct {
        uint16_t product;
        int error;
    } cases[] = {{0x0002, MOLT_OK}, {0x0003, MOLT_OK}, {0x0004, MOLT_E_DFU_DEVICE}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct simdevice device;
        struct molt_dfu_element element;
        struct molt_dfu_image image = image_of(&element, firmware, 3000);
        struct molt_dfu_plain_request request = {.image = &image};
        struct molt_dfu_plain_written written;
        image.kind = MOLT_DFU_IMAGE_PLAIN;
        image.has_suffix = true;
        image.suffix = (struct molt_dfu_suffix){.vendor = 0x1209, .product = cases[i].product};
        simdevice_new(&device, "runtime");
        simdevice_open(&device, "usb:1209:0002");
        assert_int_equal(
            molt_dfu_plain_write(device.session, &request, &written, NULL, &device.message),
            cases[i].error);
        if (cases[i].error) {
            assert_memory_equal(device.flash, device.before, device.size);
        } else {
            assert_memory_equal(device.flash, firmware, 3000);
        }
        simdevice_free(&device);
    }
}

static void too_large(void **state)
{
    (void)state;
    static uint8_t larger[65 * K];
    struct simdevice device;
    struct molt_dfu_element element;
    struct molt_dfu_image image = image_of(&element, larger, sizeof larger);
    struct molt_dfu_plain_request request = {.image = &image};
    struct molt_dfu_plain_written written;
    simdevice_new(&device, "plain");
    simdevice_open(&device, "usb:1209:0001");
    assert_int_equal(
        molt_dfu_plain_write(device.session, &request, &written, NULL, &device.message),
        MOLT_E_DFU_ADDRESS);
    assert_non_null(strstr(device.message.text, "errADDRESS"));
    simdevice_free(&device);
}

static void progress_and_cancel(void **state)
{
    (void)state;
    struct simdevice device;
    struct simprogress progress;
    struct molt_dfu_element element;
    struct molt_dfu_image image = image_of(&element, firmware, 20 * K);
    struct molt_dfu_plain_request request = {.image = &image};
    struct molt_dfu_plain_written written;
    simdevice_new(&device, "plain");
    simdevice_open(&device, "usb:1209:0001");
    simprogress_start(&progress, 5);
    assert_int_equal(molt_dfu_plain_write(device.session, &request, &written, &progress.progress,
                                          &device.message),
                     MOLT_E_CANCELLED);
    assert_string_equal(progress.what, "write");
    assert_int_equal(progress.total, 20 * K);
    molt_sim_dfu_wait(&device.sim, 1000000); /* the block under way; this one is strict */
    simprogress_start(&progress, 0);
    assert_int_equal(molt_dfu_plain_write(device.session, &request, &written, &progress.progress,
                                          &device.message),
                     MOLT_OK);
    assert_false(progress.backwards);
    assert_memory_equal(device.flash, firmware, 20 * K);
    simdevice_free(&device);
}

/* ---- faults ---- */

static int fault_run(struct simdevice *device, const struct molt_progress *progress)
{
    struct molt_dfu_element element;
    struct molt_dfu_image image = image_of(&element, firmware, 4000);
    struct molt_dfu_plain_request request = {.image = &image};
    struct molt_dfu_plain_written written;
    return molt_dfu_plain_write(device->session, &request, &written, progress, &device->message);
}

static void fault_done(struct simdevice *device)
{
    assert_memory_equal(device->flash, firmware, 4000);
}

static void faults(void **state)
{
    (void)state;
    static const struct simwork works[] = {
        {"plain", "usb:1209:0001", NULL, fault_run, fault_done, 0, {0}},
        {"plain-intolerant", "usb:1209:0001", NULL, fault_run, fault_done, 0, {0}},
        {"runtime", "usb:1209:*", NULL, fault_run, fault_done, 0, {MOLT_E_TIMEOUT}}};
    for (size_t i = 0; i < sizeof works / sizeof works[0]; i++) {
        assert_true(simdevice_faults(&works[i]) > 60);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes),
        cmocka_unit_test(block_sizes),
        cmocka_unit_test(more_blocks_than_numbers),
        cmocka_unit_test(refused),
        cmocka_unit_test(suffix_of_either_mode),
        cmocka_unit_test(too_large),
        cmocka_unit_test(progress_and_cancel),
        cmocka_unit_test(faults),
    };
    return cmocka_run_group_tests(tests, make_firmware, NULL);
}
