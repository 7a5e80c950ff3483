/* Writing over USB when things go wrong: every kind of fault at every control transfer, cancels at
 * every call, what was kept, and that no half of a firmware starts. */
#include <stdlib.h>
#include <string.h>

#include "testing.h"

#include "dfu_firmware.h"
#include "molt/ops/dfu_write.h"

#define K     1024u
#define FLASH 0x08000000u
/* A device that refuses everything for ever never leaves. */
#define REFUSES                                                                                    \
    {                                                                                              \
        MOLT_E_TIMEOUT, 0                                                                          \
    }

/* What a run writes, and what earlier runs could not put back. */
static struct {
    struct dfu_firmware firmware;
    struct molt_dfu_write_request request;
    struct dfu_firmware rescue;
    bool packed;
} work;

static void setup(void)
{
    memset(&work, 0, sizeof work);
    dfu_firmware_new(&work.firmware);
    dfu_firmware_new(&work.rescue);
}

static void teardown(void)
{
    dfu_firmware_free(&work.firmware);
    dfu_firmware_free(&work.rescue);
}

static void forget_rescue(void)
{
    dfu_firmware_free(&work.rescue);
    dfu_firmware_new(&work.rescue);
}

static void keep_rescue(const struct molt_dfu_write *job)
{
    uint32_t count;
    const struct molt_dfu_rescue *rescue = molt_dfu_write_rescue(job, &count);
    for (uint32_t i = 0; i < count; i++) {
        dfu_firmware_add(&work.rescue, rescue[i].address, rescue[i].size, 0);
        memcpy(work.rescue.bytes[work.rescue.count - 1], rescue[i].bytes, rescue[i].size);
    }
}

static int write_image(struct simdevice *device, const struct molt_dfu_image *image, bool stay,
                       const struct molt_progress *progress)
{
    struct molt_dfu_write *job;
    struct molt_dfu_write_request request = work.request;
    request.image = image;
    request.stay = request.stay || stay;
    int error = molt_dfu_write_plan(&job, device->session, &request, progress, &device->message);
    if (!error) {
        error = molt_dfu_write_run(job, progress, &device->message);
        keep_rescue(job);
        molt_dfu_write_free(job);
    }
    return error;
}

/* What the run before could not put back first, as a person does it. */
static int run(struct simdevice *device, const struct molt_progress *progress)
{
    int error = MOLT_OK;
    if (work.rescue.count) {
        dfu_firmware_load(&work.rescue);
        error = write_image(device, &work.rescue.image, true, progress);
        forget_rescue();
    }
    return error ? error : write_image(device, &work.firmware.image, false, progress);
}

static void prepare(struct simdevice *device)
{
    (void)device;
    forget_rescue(); /* of the fault before */
}

static void done(struct simdevice *device)
{
    assert_true(dfu_firmware_is_all(&work.firmware, device));
    if (!work.request.stay) {
        /* One that is unplugged or silent while it leaves counts as gone. */
        assert_true(!device->sim.jumped || device->sim.jumped_to == work.firmware.address[0]);
    }
}

/* Nothing but the firmware's place is in use. */
static void prepare_blank_rest(struct simdevice *device)
{
    forget_rescue();
    memset(device->flash, 0xFF, device->size);
    memset(device->flash, 0x11, 3 * K);
    memset(device->flash + 16 * K, 0x22, 5 * K);
    memcpy(device->before, device->flash, device->size);
}

static void small_pyboard(void)
{
    setup();
    dfu_firmware_add(&work.firmware, FLASH, 3 * K, 1);
    dfu_firmware_add(&work.firmware, FLASH + 16 * K, 5 * K, 2);
    dfu_firmware_vectors(&work.firmware, 0);
    dfu_firmware_load(&work.firmware);
    work.request.board = "none";
}

static void test_faults_f405(void **state)
{
    const struct simwork f405 = {.profile = "stm32f405",
                                 .target = "usb:",
                                 .prepare = prepare_blank_rest,
                                 .run = run,
                                 .done = done,
                                 .also = REFUSES};
    (void)state;
    small_pyboard();
    assert_true(simdevice_faults(&f405) > 300);
    teardown();
}

static void test_faults_mass_erase(void **state)
{
    const struct simwork f405 = {.profile = "stm32f405",
                                 .target = "usb:",
                                 .prepare = prepare_blank_rest,
                                 .run = run,
                                 .done = done,
                                 .also = REFUSES};
    (void)state;
    small_pyboard();
    work.request.mass_erase = work.request.overwrite_files = true;
    assert_true(simdevice_faults(&f405) > 200);
    teardown();
}

/* Small pages with other bytes beside the firmware's: those are kept through every fault. */
static void test_faults_kept(void **state)
{
    const struct simwork l476 = {.profile = "stm32l476",
                                 .target = "usb:",
                                 .prepare = prepare,
                                 .run = run,
                                 .done = done,
                                 .also = REFUSES};
    (void)state;
    setup();
    dfu_firmware_add(&work.firmware, FLASH, 1 * K, 1);
    dfu_firmware_add(&work.firmware, FLASH + 20 * K + 100, 2 * K, 2);
    dfu_firmware_vectors(&work.firmware, 0);
    dfu_firmware_load(&work.firmware);
    assert_true(simdevice_faults(&l476) > 300);
    teardown();
}

static void prepare_mboot(struct simdevice *device)
{
    forget_rescue();
    memset(device->flash + 1024 * K, 0xFF, 32 * K); /* one sector of the SPI flash */
    memset(device->flash + 1024 * K, 0, 1 * K);
    memcpy(device->before, device->flash, device->size);
}

static void test_faults_mboot(void **state)
{
    const struct simwork mboot = {.profile = "mboot",
                                  .target = "usb:",
                                  .prepare = prepare_mboot,
                                  .run = run,
                                  .done = done,
                                  .also = REFUSES};
    (void)state;
    setup();
    dfu_firmware_add(&work.firmware, 0x80000000, 1 * K, 1);
    dfu_firmware_load(&work.firmware);
    work.request.stay = true;
    assert_true(simdevice_faults(&mboot) > 200);
    teardown();
}

/* Half of the bytes of a transfer, which no error tells of. */
static void test_short(void **state)
{
    struct simdevice device;
    (void)state;
    small_pyboard();
    simdevice_new(&device, "stm32f405");
    prepare_blank_rest(&device);
    simdevice_open(&device, "usb:");
    uint32_t opening = device.sim.transfers, failed = 0;
    assert_int_equal(run(&device, NULL), MOLT_OK);
    uint32_t transfers = device.sim.transfers - opening;
    for (uint32_t at = 1; at <= transfers; at++) {
        simdevice_reset(&device);
        simdevice_open(&device, "usb:");
        device.sim.fault.at_transfer = device.sim.transfers + at;
        device.sim.fault.kind = MOLT_SIM_FAULT_SHORT;
        if (run(&device, NULL) != MOLT_OK) {
            failed++;
            molt_sim_dfu_wait(&device.sim, 5000000);
            simdevice_open(&device, "usb:");
            assert_int_equal(run(&device, NULL), MOLT_OK);
        }
        done(&device);
    }
    assert_true(failed > 3);
    simdevice_free(&device);
    teardown();
}

/* A chunk as mboot_pack_dfu.py makes it, with a signature that the model takes; size bytes are its
 * content, 0 for the last one, which signs all. */
static void add_chunk(uint32_t address, uint32_t size, uint8_t *plain)
{
    uint32_t length = size ? size + 36 : 72;
    dfu_firmware_add(&work.firmware, address, 12 + length + 64, 7);
    uint8_t *p = work.firmware.bytes[work.firmware.count - 1];
    memset(p, 0, 12);
    p[0] = 1;
    p[1] = size ? 2 : 1;
    for (int i = 0; i < 4; i++) {
        p[4 + i] = (uint8_t)(address >> 8 * i);
        p[8 + i] = (uint8_t)(length >> 8 * i);
    }
    memcpy(plain, p + 48, size);
}

static uint8_t packed_plain[6000];

static void packed_done(struct simdevice *device)
{
    assert_memory_equal(device->flash + 32 * K, packed_plain, sizeof packed_plain);
    assert_memory_equal(device->flash, device->before, 32 * K);
    assert_memory_equal(device->flash + 48 * K, device->before + 48 * K, device->size - 48 * K);
}

/* For a boot loader that decrypts: in the file's order, without erasing or reading. */
static void test_faults_packed(void **state)
{
    const struct simwork packed = {.profile = "mboot-packed",
                                   .target = "usb:",
                                   .prepare = prepare,
                                   .run = run,
                                   .done = packed_done,
                                   .also = REFUSES};
    (void)state;
    setup();
    add_chunk(FLASH + 32 * K, 4000, packed_plain);
    add_chunk(FLASH + 32 * K + 4000, 2000, packed_plain + 4000);
    add_chunk(FLASH + 32 * K + 8000, 0, packed_plain + 6000);
    struct molt_dfu_image *image = &work.firmware.image;
    image->kind = MOLT_DFU_IMAGE_DFUSE;
    image->has_addresses = image->packed = true;
    image->element = calloc(work.firmware.count, sizeof *image->element);
    assert_non_null(image->element);
    for (; image->count < work.firmware.count; image->count++) {
        image->element[image->count] =
            (struct molt_dfu_element){.address = work.firmware.address[image->count],
                                      .size = work.firmware.size[image->count],
                                      .bytes = work.firmware.bytes[image->count],
                                      .target_name = ""};
    }
    assert_true(simdevice_faults(&packed) > 100);
    teardown();
}

/* At no transfer is there a firmware that starts and is not the whole one, and what was there
 * before is whole until the first erase. */
static void test_never_half(void **state)
{
    struct simdevice device;
    uint32_t stack, reset, transfers;
    (void)state;
    small_pyboard();
    simdevice_new(&device, "stm32f405");
    prepare_blank_rest(&device);
    simdevice_vectors(&device, 0, FLASH);
    simdevice_open(&device, "usb:");
    uint32_t opening = device.sim.transfers;
    assert_int_equal(run(&device, NULL), MOLT_OK);
    transfers = device.sim.transfers - opening;
    uint32_t old = 0, first = 0, none = 0, whole = 0;
    for (uint32_t at = 1; at <= transfers; at++) {
        simdevice_reset(&device);
        forget_rescue();
        simdevice_open(&device, "usb:");
        device.sim.fault.at_transfer = device.sim.transfers + at;
        device.sim.fault.kind = MOLT_SIM_FAULT_GONE;
        device.sim.fault.count = 1000000;
        run(&device, NULL);
        if (memcmp(device.flash, device.before, device.size) == 0) {
            old++;
        } else if (memcmp(device.flash + 16 * K, device.before + 16 * K, device.size - 16 * K) ==
                   0) {
            first++; /* the first erase itself was cut: nothing else is touched */
        } else if (molt_sim_dfu_vectors(&device.sim, FLASH, &stack, &reset)) {
            memcpy(device.flash + 8, work.firmware.bytes[0] + 8, 24); /* its half millisecond */
            assert_true(dfu_firmware_is_all(&work.firmware, &device));
            whole++;
        } else {
            none++;
        }
    }
    assert_true(old > 10 && first > 0 && none > 30 && whole > 3);
    simdevice_free(&device);
    teardown();
}

/* The vector table goes first wherever it lies. */
static void test_vectors_first(void **state)
{
    struct simdevice device;
    uint32_t gone = 0;
    (void)state;
    setup();
    dfu_firmware_add(&work.firmware, FLASH, 16 * K, 1);
    dfu_firmware_add(&work.firmware, FLASH + 32 * K, 16 * K, 2);
    memset(work.firmware.bytes[0], 0x77, 16 * K); /* no vector table */
    dfu_firmware_vectors(&work.firmware, 1);
    dfu_firmware_load(&work.firmware);
    work.request.board = "none";
    work.request.stay = true;
    simdevice_new(&device, "stm32f405");
    simdevice_open(&device, "usb:");
    uint32_t opening = device.sim.transfers;
    assert_int_equal(run(&device, NULL), MOLT_OK);
    uint32_t transfers = device.sim.transfers - opening;
    for (uint32_t at = 1; at <= transfers; at++) {
        simdevice_reset(&device);
        simdevice_open(&device, "usb:");
        device.sim.fault.at_transfer = device.sim.transfers + at;
        device.sim.fault.kind = MOLT_SIM_FAULT_GONE;
        run(&device, NULL);
        if (memcmp(device.flash, device.before, 16 * K) != 0 &&
            memcmp(device.flash + 32 * K + 8, work.firmware.bytes[1] + 8, 16 * K - 8) != 0) {
            assert_memory_equal(device.flash + 32 * K, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 8);
            gone++;
        }
    }
    assert_true(gone > 30);
    simdevice_free(&device);
    teardown();
}

/* Cancelled at any call: said so, and a second run repairs. */
static void test_cancel(void **state)
{
    struct simdevice device;
    struct simprogress progress;
    (void)state;
    small_pyboard();
    simdevice_new(&device, "stm32f405");
    prepare_blank_rest(&device);
    simdevice_open(&device, "usb:");
    simprogress_start(&progress, 0);
    assert_int_equal(run(&device, &progress.progress), MOLT_OK);
    assert_false(progress.backwards);
    uint32_t calls = progress.calls;
    assert_true(calls > 10);
    for (uint32_t at = 1; at <= calls; at++) {
        simdevice_reset(&device);
        forget_rescue();
        simdevice_open(&device, "usb:");
        simprogress_start(&progress, at);
        device.message = (struct molt_message){0};
        int error = run(&device, &progress.progress);
        if (error) {
            assert_int_equal(error, MOLT_E_CANCELLED);
            bool same = memcmp(device.flash, device.before, device.size) == 0;
            assert_true(!same || strstr(device.message.text, "othing was changed") ||
                        strstr(device.message.text, "not whole"));
            assert_true(same || !strstr(device.message.text, "othing was changed"));
            assert_int_equal(run(&device, NULL), MOLT_OK); /* in the same session */
        }
        assert_true(dfu_firmware_is_all(&work.firmware, &device));
    }
    simdevice_free(&device);
    teardown();
}

/* A transport that loses the bytes of one block, and says nothing. */
struct thief {
    struct molt_usb inner;
    struct molt_usb_ops ops;
    uint32_t at, blocks;
};

static int steal(void *context, uint8_t type, uint8_t request, uint16_t value, uint16_t index,
                 uint8_t *data, uint16_t length, uint32_t timeout_ms)
{
    struct thief *thief = context;
    uint8_t ff[4 * K];
    bool block = type == 0x21 && request == 1 && value >= 2 && length;
    if (block && ++thief->blocks == thief->at) {
        memset(ff, 0xFF, sizeof ff);
        assert_true(length <= sizeof ff);
        data = ff;
    }
    return thief->inner.ops->control(thief->inner.context, type, request, value, index, data,
                                     length, timeout_ms);
}

static uint32_t thief_now(void *context)
{
    const struct thief *thief = context;
    return thief->inner.ops->now_ms(thief->inner.context);
}

static void thief_sleep(void *context, uint32_t ms)
{
    const struct thief *thief = context;
    thief->inner.ops->sleep_ms(thief->inner.context, ms);
}

/* Whatever block does not arrive, of the file or of what was kept: it is seen, and nothing that was
 * kept is lost. */
static void test_a_block_that_does_not_arrive(void **state)
{
    struct simdevice device;
    (void)state;
    setup();
    dfu_firmware_add(&work.firmware, FLASH + 16 * K + 100, 3 * K, 1);
    dfu_firmware_add(&work.firmware, FLASH + 48 * K + 100, 3 * K, 2);
    dfu_firmware_load(&work.firmware);
    work.request.board = "none";
    work.request.stay = true;
    simdevice_new(&device, "stm32f405");
    for (uint32_t at = 1; at <= 16; at++) {
        simdevice_reset(&device);
        forget_rescue();
        simdevice_open(&device, "usb:");
        struct thief thief = {.inner = device.session->dfu.usb, .at = at};
        thief.ops = (struct molt_usb_ops){steal, NULL, NULL, thief_now, thief_sleep};
        device.session->dfu.usb = (struct molt_usb){&thief.ops, &thief};
        assert_int_equal(run(&device, NULL), MOLT_E_VERIFY);
        device.session->dfu.usb = thief.inner;
        assert_true(thief.blocks >= at);
        assert_int_equal(run(&device, NULL), MOLT_OK);
        assert_true(dfu_firmware_is_all(&work.firmware, &device));
    }
    simdevice_free(&device);
    teardown();
}

/* A cancel waits while a sector is not whole that held more than the file gives: nothing is left
 * to be put back. */
static void test_cancel_keeps(void **state)
{
    struct simdevice device;
    struct simprogress progress;
    uint32_t cancelled = 0;
    (void)state;
    setup();
    dfu_firmware_add(&work.firmware, FLASH + 1, 100, 1);
    dfu_firmware_add(&work.firmware, FLASH + 32 * K + 5, 3000, 1);
    dfu_firmware_load(&work.firmware);
    work.request.board = "none";
    simdevice_new(&device, "stm32f405");
    simdevice_open(&device, "usb:");
    simprogress_start(&progress, 0);
    assert_int_equal(run(&device, &progress.progress), MOLT_OK);
    uint32_t calls = progress.calls;
    for (uint32_t at = 1; at <= calls; at++) {
        simdevice_reset(&device);
        simdevice_open(&device, "usb:");
        simprogress_start(&progress, at);
        int error = run(&device, &progress.progress);
        assert_true(error == MOLT_OK || error == MOLT_E_CANCELLED);
        cancelled += error != MOLT_OK;
        assert_int_equal(work.rescue.count, 0);
        if (error) {
            assert_int_equal(device.message.error, MOLT_E_CANCELLED);
            assert_int_equal(run(&device, NULL), MOLT_OK);
        }
        assert_true(dfu_firmware_is_all(&work.firmware, &device));
    }
    assert_true(cancelled + 5 > calls);
    simdevice_free(&device);
    teardown();
}

/* What the sector held besides is told, exactly. */
static void test_rescue(void **state)
{
    struct simdevice device;
    struct molt_dfu_write *job;
    uint32_t count;
    (void)state;
    setup();
    dfu_firmware_add(&work.firmware, FLASH + 10 * K + 1 * K, 512, 1);
    dfu_firmware_load(&work.firmware);
    simdevice_new(&device, "stm32l476");
    simdevice_open(&device, "usb:");
    work.request.image = &work.firmware.image;
    work.request.stay = true;
    assert_int_equal(
        molt_dfu_write_plan(&job, device.session, &work.request, NULL, &device.message), MOLT_OK);
    device.message = (struct molt_message){0};
    device.sim.fault.kind = MOLT_SIM_FAULT_GONE;
    device.sim.fault.at_transfer = device.sim.transfers + 5;
    assert_int_equal(molt_dfu_write_run(job, NULL, &device.message), MOLT_E_USB_GONE);
    const struct molt_dfu_rescue *rescue = molt_dfu_write_rescue(job, &count);
    assert_int_equal(count, 2);
    assert_int_equal(rescue[0].address, FLASH + 10 * K);
    assert_int_equal(rescue[0].size, 1 * K);
    assert_memory_equal(rescue[0].bytes, device.before + 10 * K, 1 * K);
    assert_int_equal(rescue[1].address, FLASH + 11 * K + 512);
    assert_int_equal(rescue[1].size, 512);
    assert_memory_equal(rescue[1].bytes, device.before + 11 * K + 512, 512);
    molt_dfu_write_free(job);
    simdevice_free(&device);
    teardown();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_faults_f405),  cmocka_unit_test(test_faults_mass_erase),
        cmocka_unit_test(test_faults_kept),  cmocka_unit_test(test_faults_mboot),
        cmocka_unit_test(test_short),        cmocka_unit_test(test_faults_packed),
        cmocka_unit_test(test_never_half),   cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_cancel_keeps), cmocka_unit_test(test_a_block_that_does_not_arrive),
        cmocka_unit_test(test_rescue),       cmocka_unit_test(test_vectors_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
