/* Sessions over simulated devices: what is read of them, alternates, faults while opening, coming
 * back; and the words for errors. */
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "molt/ops/dfu_session.h"
#include "molt/sim/dfu.h"

struct bench {
    struct molt_sim_dfu sim;
    uint8_t *flash;
    struct molt_usb usb;
    struct molt_dfu_session *session;
    struct molt_message message;
};

static void start(struct bench *bench, const char *profile)
{
    const struct molt_sim_dfu_profile *p = molt_sim_dfu_profile_named(profile);
    assert_non_null(p);
    memset(bench, 0, sizeof *bench);
    bench->flash = malloc(molt_sim_dfu_flash_size(p));
    assert_non_null(bench->flash);
    memset(bench->flash, 0xFF, molt_sim_dfu_flash_size(p));
    molt_sim_dfu_init(&bench->sim, p, bench->flash);
    molt_sim_dfu_usb(&bench->sim, &bench->usb);
}

static int open_with(struct bench *bench, const char *text)
{
    struct molt_dfu_choice choice;
    assert_int_equal(molt_dfu_choice_parse(&choice, text, NULL), MOLT_OK);
    return molt_dfu_session_of_usb(&bench->session, &bench->usb, &choice, NULL, &bench->message);
}

static void stop(struct bench *bench)
{
    assert_int_equal(molt_dfu_session_close(bench->session, NULL), MOLT_OK);
    free(bench->flash);
}

static void check_opened(const struct bench *bench)
{
    const struct molt_dfu_session *session = bench->session;
    const struct molt_sim_dfu_profile *p = bench->sim.profile;
    bool run_time = p->loader == MOLT_SIM_DFU_RUN;
    assert_int_equal(session->device.vendor, p->vendor);
    assert_int_equal(session->device.product, p->product);
    assert_int_equal(session->device.device, p->device);
    assert_string_equal(session->device.manufacturer, p->manufacturer);
    assert_string_equal(session->device.product_name, p->product_name);
    assert_int_equal(session->device.alternate_count, p->alternate_count);
    for (uint32_t i = 0; i < p->alternate_count; i++) {
        assert_string_equal(session->device.alternate[i].name,
                            p->alternate[i] ? p->alternate[i] : "");
    }
    assert_int_equal(session->alternate->facts.run_time, run_time);
    assert_int_equal(session->dfu.transfer_size, p->transfer_size);
    assert_int_equal(session->dfu.attributes, p->attributes);
    assert_int_equal(session->dfu.version, p->version);
    assert_int_equal(session->dfu.dfuse, p->version == 0x011A);
    assert_int_equal(session->dfu.interface_number, 0);
    assert_false(session->simulated);
    assert_int_equal(bench->sim.state, run_time ? 0 : 2);
}

static void test_every_profile(void **state)
{
    (void)state;
    const struct molt_sim_dfu_profile *p;
    uint32_t i = 0;
    for (; (p = molt_sim_dfu_profile_at(i)) != NULL; i++) {
        struct bench bench;
        start(&bench, p->name);
        int error = molt_dfu_session_of_usb(&bench.session, &bench.usb, NULL, NULL, &bench.message);
        if (error) {
            fail_msg("%s: %s", p->name, bench.message.text);
        }
        check_opened(&bench);
        stop(&bench);
    }
    assert_true(i >= 10);
}

static void test_map(void **state)
{
    (void)state;
    struct bench bench;
    start(&bench, "stm32f405");
    assert_int_equal(open_with(&bench, "usb:"), MOLT_OK);
    const struct molt_dfu_alternate *alternate = bench.session->alternate;
    assert_true(alternate->has_map);
    assert_string_equal(alternate->map.name, "Internal Flash");
    assert_int_equal(molt_dfu_map_bytes(&alternate->map), 1024 * 1024);
    assert_string_equal(bench.session->device.known, "STM32 ROM loader");
    assert_string_equal(bench.session->device.serial, "306A37613036");
    stop(&bench);
}

static void test_alternates(void **state)
{
    (void)state;
    struct bench bench;
    start(&bench, "stm32f405");
    assert_int_equal(open_with(&bench, "usb:alt=option bytes"), MOLT_OK);
    assert_int_equal(bench.sim.alternate, 1);
    assert_int_equal(molt_dfu_session_alternate(bench.session, 0, &bench.message), MOLT_OK);
    assert_int_equal(bench.sim.alternate, 0);
    assert_string_equal(bench.session->alternate->map.name, "Internal Flash");
    assert_int_equal(molt_dfu_session_alternate(bench.session, 4, &bench.message),
                     MOLT_E_NOT_FOUND);
    assert_non_null(strstr(bench.message.text, "has no alternate setting 4"));
    assert_int_equal(bench.sim.alternate, 0); /* as it was */
    stop(&bench);
    start(&bench, "stm32f405");
    assert_int_equal(open_with(&bench, "usb:alt=7"), MOLT_E_NOT_FOUND);
    assert_null(bench.session);
    assert_non_null(strstr(bench.message.text, "3 'Device Feature'"));
    stop(&bench);
}

/* Only what is said of the alternate counts: which device it is, is given. */
static void test_choice_of_alternate_only(void **state)
{
    (void)state;
    struct bench bench;
    start(&bench, "plain");
    assert_int_equal(open_with(&bench, "usb:9999:9999,serial=none,path=9-9,devnum=99"), MOLT_OK);
    stop(&bench);
}

static const struct {
    enum molt_sim_fault kind;
    int error, other;
} faults[] = {{MOLT_SIM_FAULT_STALL, MOLT_E_USB_STALL, 0},
              {MOLT_SIM_FAULT_TIMEOUT, MOLT_E_TIMEOUT, 0},
              {MOLT_SIM_FAULT_GONE, MOLT_E_USB_GONE, 0},
              {MOLT_SIM_FAULT_IO, MOLT_E_IO, 0},
              {MOLT_SIM_FAULT_SHORT, MOLT_E_FORMAT, MOLT_E_IO}};

/* Opening ends well or with the fault's own error; a second one works. */
static void test_faults(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        uint32_t failed = 0;
        for (uint32_t at = 1;; at++) {
            struct bench bench;
            start(&bench, "stm32f405");
            bench.sim.fault.at_transfer = at;
            bench.sim.fault.count = 4; /* all is asked for twice */
            bench.sim.fault.kind = faults[i].kind;
            int error = open_with(&bench, "usb:");
            bool over = bench.sim.transfers < at;
            if (error) {
                failed++;
                if (error != faults[i].error && error != faults[i].other) {
                    fail_msg("fault %zu at %u: %d, %s", i, at, error, bench.message.text);
                }
                assert_null(bench.session);
                assert_int_equal(bench.message.error, error);
                assert_true(bench.message.text[0]);
                bench.sim.fault.kind = MOLT_SIM_FAULT_NONE;
                molt_sim_dfu_replug(&bench.sim, true);
                molt_sim_dfu_usb(&bench.sim, &bench.usb);
                assert_int_equal(open_with(&bench, "usb:"), MOLT_OK);
            }
            stop(&bench);
            if (over) {
                break;
            }
        }
        assert_true(failed > 0);
    }
}

/* A refused or broken string is asked for again: without its name, the flash is not recognized. */
static void test_one_fault_is_made_good(void **state)
{
    (void)state;
    static const enum molt_sim_fault kinds[] = {MOLT_SIM_FAULT_STALL, MOLT_SIM_FAULT_SHORT,
                                                MOLT_SIM_FAULT_IO};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        for (uint32_t at = 1; at < 20; at++) {
            struct bench bench;
            start(&bench, "stm32f405");
            bench.sim.fault.at_transfer = at;
            bench.sim.fault.kind = kinds[i];
            int error = open_with(&bench, "usb:");
            if (error) {
                fail_msg("fault %zu at %u: %s", i, at, bench.message.text);
            }
            check_opened(&bench);
            assert_string_equal(bench.session->alternate->map.name, "Internal Flash");
            stop(&bench);
        }
    }
}

static void test_gone(void **state)
{
    (void)state;
    struct bench bench;
    start(&bench, "stm32f405");
    assert_int_equal(open_with(&bench, "usb:"), MOLT_OK);
    uint64_t before = bench.sim.time_us;
    assert_int_equal(molt_dfu_session_gone(bench.session, 500), 0);
    assert_true(bench.sim.time_us - before >= 500000);
    bench.sim.fault.at_transfer = bench.sim.transfers + 1;
    bench.sim.fault.count = 2; /* answers that get lost are no silence */
    bench.sim.fault.kind = MOLT_SIM_FAULT_IO;
    assert_int_equal(molt_dfu_session_gone(bench.session, 0), 0);
    bench.sim.fault.at_transfer = bench.sim.transfers + 1;
    bench.sim.fault.count = 1000;
    bench.sim.fault.kind = MOLT_SIM_FAULT_TIMEOUT; /* on the bus, but silent */
    assert_int_equal(molt_dfu_session_gone(bench.session, 500), 1);
    bench.sim.fault.kind = MOLT_SIM_FAULT_STALL; /* that is an answer */
    bench.sim.fault.at_transfer = bench.sim.transfers + 1;
    assert_int_equal(molt_dfu_session_gone(bench.session, 500), 0);
    bench.sim.fault.kind = MOLT_SIM_FAULT_NONE;
    molt_sim_dfu_unplug(&bench.sim);
    before = bench.sim.time_us;
    assert_int_equal(molt_dfu_session_gone(bench.session, 500), 1);
    assert_true(bench.sim.time_us - before < 500000);
    stop(&bench);
}

static int reopen(void *context, struct molt_usb *usb)
{
    struct molt_sim_dfu *sim = context;
    bool present = molt_sim_dfu_present(sim);
    molt_sim_dfu_usb(sim, usb);
    return present ? MOLT_OK : MOLT_E_USB_GONE;
}

static void test_back_in_dfu_mode(void **state)
{
    (void)state;
    struct bench bench;
    start(&bench, "runtime");
    assert_int_equal(open_with(&bench, "usb:"), MOLT_OK);
    assert_true(bench.session->alternate->facts.run_time);
    bench.session->reopen = reopen;
    bench.session->reopen_context = &bench.sim;
    assert_int_equal(molt_dfu_detach(&bench.session->dfu, 1000, NULL), MOLT_OK);
    if (bench.session->usb.ops->reset) {
        bench.session->usb.ops->reset(bench.session->usb.context);
    }
    assert_int_equal(molt_dfu_session_gone(bench.session, 3000), 1);
    int error = molt_dfu_session_back(bench.session, 10000, &bench.message);
    if (error) {
        fail_msg("%s", bench.message.text);
    }
    assert_false(bench.session->alternate->facts.run_time);
    check_opened(&bench);
    stop(&bench);
}

static void test_not_back(void **state)
{
    (void)state;
    struct bench bench;
    start(&bench, "stm32f405");
    assert_int_equal(open_with(&bench, "usb:"), MOLT_OK);
    bench.session->reopen = reopen;
    bench.session->reopen_context = &bench.sim;
    molt_sim_dfu_unplug(&bench.sim);
    uint64_t before = bench.sim.time_us;
    assert_int_equal(molt_dfu_session_back(bench.session, 2000, &bench.message), MOLT_E_TIMEOUT);
    assert_true(bench.sim.time_us - before >= 2000000);
    assert_non_null(strstr(bench.message.text, "did not come back as a DFU device within 2 s"));
    molt_sim_dfu_replug(&bench.sim, true); /* and may be asked again */
    assert_int_equal(molt_dfu_session_back(bench.session, 2000, &bench.message), MOLT_OK);
    check_opened(&bench);
    stop(&bench);
}

static int cancel(void *context, const char *what, uint64_t done, uint64_t total)
{
    uint32_t *calls = context;
    (void)done;
    assert_string_equal(what, "wait");
    assert_int_equal(total, 2000);
    return ++*calls == 3;
}

static void test_cancelled(void **state)
{
    (void)state;
    struct bench bench;
    uint32_t calls = 0;
    const struct molt_progress progress = {cancel, &calls};
    start(&bench, "stm32f405");
    assert_int_equal(open_with(&bench, "usb:"), MOLT_OK);
    bench.session->dfu.progress = &progress;
    bench.session->reopen = reopen;
    bench.session->reopen_context = &bench.sim;
    molt_sim_dfu_unplug(&bench.sim);
    assert_int_equal(molt_dfu_session_back(bench.session, 2000, &bench.message), MOLT_E_CANCELLED);
    assert_int_equal(calls, 3);
    stop(&bench);
}

/* Transports with descriptors of a test's own. */
struct odd {
    const uint8_t *device, *configuration;
    uint32_t device_size, configuration_size;
    int set_alternate_error;
    const uint8_t *string; /* each of them; NULL = refused */
    uint32_t string_size;
};

static int odd_control(void *context, uint8_t type, uint8_t request, uint16_t value, uint16_t index,
                       uint8_t *data, uint16_t length, uint32_t timeout_ms)
{
    const struct odd *odd = context;
    (void)index;
    (void)timeout_ms;
    if (type != 0x80 || request != 6 || value >> 8 > 3 || (value >> 8 == 3 && !odd->string)) {
        return MOLT_E_USB_STALL;
    }
    const uint8_t *const from = value >> 8 == 1   ? odd->device
                                : value >> 8 == 2 ? odd->configuration
                                                  : odd->string;
    uint32_t n = value >> 8 == 1   ? odd->device_size
                 : value >> 8 == 2 ? odd->configuration_size
                                   : odd->string_size;
    n = n < length ? n : length;
    memcpy(data, from, n);
    return (int)n;
}

static int odd_set_alternate(void *context, uint8_t interface_number, uint8_t alternate)
{
    const struct odd *odd = context;
    (void)interface_number;
    (void)alternate;
    return odd->set_alternate_error;
}

static uint32_t odd_now(void *context)
{
    (void)context;
    return 0;
}

static void odd_sleep(void *context, uint32_t ms)
{
    (void)context;
    (void)ms;
}

static const struct molt_usb_ops odd_ops = {odd_control, odd_set_alternate, NULL, odd_now,
                                            odd_sleep};

#define DEVICE "\x12\x01\x00\x02\0\0\0\x40\x34\x12\x78\x56\0\x01\0\0\0\x01"
#define RUN_TIME                                                                                   \
    "\x09\x02\x1B\0\x01\x01\0\x80\0"                                                               \
    "\x09\x04\x02\0\0\xFE\x01\x01\0"                                                               \
    "\x09\x21\x0D\xFF\0\0\x10\x10\x01"
#define NO_DFU                                                                                     \
    "\x09\x02\x12\0\x01\x01\0\x80\0"                                                               \
    "\x09\x04\0\0\0\x03\0\0\0"

static int open_odd(const char *device, uint32_t device_size, const char *configuration,
                    uint32_t configuration_size, int set_alternate_error,
                    struct molt_message *message)
{
    struct odd odd = {(const uint8_t *)device,
                      (const uint8_t *)configuration,
                      device_size,
                      configuration_size,
                      set_alternate_error,
                      NULL,
                      0};
    const struct molt_usb usb = {&odd_ops, &odd};
    struct molt_dfu_session *session;
    int error = molt_dfu_session_of_usb(&session, &usb, NULL, NULL, message);
    assert_int_equal(session == NULL, error != MOLT_OK);
    molt_dfu_session_close(session, NULL);
    return error;
}

static void test_odd_descriptors(void **state)
{
    (void)state;
    struct molt_message m;
    assert_int_equal(open_odd(DEVICE, 18, RUN_TIME, 27, 0, &m), MOLT_OK);
    assert_int_equal(open_odd(DEVICE, 17, RUN_TIME, 27, 0, &m), MOLT_E_FORMAT);
    assert_non_null(strstr(m.text, "17 bytes that are no device descriptor"));
    assert_int_equal(open_odd("\x11" DEVICE, 18, RUN_TIME, 27, 0, &m), MOLT_E_FORMAT);
    assert_int_equal(open_odd(DEVICE, 18, NO_DFU, 18, 0, &m), MOLT_E_NOT_FOUND);
    assert_string_equal(m.text, "USB device 1234:5678: has no DFU interface");
    assert_int_equal(open_odd(DEVICE, 18, RUN_TIME, 8, 0, &m), MOLT_E_FORMAT);
    assert_int_equal(open_odd(DEVICE, 18, "\x09\x03\x12\0\x01\x01\0\x80\0", 9, 0, &m),
                     MOLT_E_FORMAT);
    assert_int_equal(open_odd(DEVICE, 18, "\x09\x02\0\0\x01\x01\0\x80\0", 9, 0, &m),
                     MOLT_E_TRUNCATED);
}

/* Nothing says DfuSe but the memory map. */
static void test_no_functional_descriptor(void **state)
{
    (void)state;
    static const char configuration[] = "\x09\x02\x12\0\x01\x01\0\x80\0"
                                        "\x09\x04\0\0\0\xFE\x01\x02\x04";
    static const char map[] = "@Internal Flash  /0x08000000/04*016Kg", name[] = "Firmware";
    for (int i = 0; i < 2; i++) {
        const char *text = i ? name : map;
        uint8_t string[2 + 2 * sizeof map] = {(uint8_t)(2 + 2 * strlen(text)), 3};
        for (size_t k = 0; text[k]; k++) {
            string[2 + 2 * k] = (uint8_t)text[k];
        }
        struct odd odd = {
            (const uint8_t *)DEVICE, (const uint8_t *)configuration, 18, 18, 0, string, string[0]};
        const struct molt_usb usb = {&odd_ops, &odd};
        struct molt_dfu_device device;
        assert_int_equal(molt_dfu_device_read(&device, &usb, NULL), MOLT_OK);
        assert_int_equal(device.alternate[0].dfuse, i == 0);
        molt_dfu_device_free(&device);
    }
}

/* GigaDevice's serial numbers have a byte a character, some of them. */
static void read_serial(const char *device_descriptor, const char *string, uint32_t n,
                        const char *expected)
{
    struct odd odd = {(const uint8_t *)device_descriptor,
                      (const uint8_t *)RUN_TIME,
                      18,
                      27,
                      0,
                      (const uint8_t *)string,
                      n};
    const struct molt_usb usb = {&odd_ops, &odd};
    struct molt_dfu_device device;
    assert_int_equal(molt_dfu_device_read(&device, &usb, NULL), MOLT_OK);
    assert_string_equal(device.serial, expected);
    molt_dfu_device_free(&device);
}

static void test_serial_of_bytes(void **state)
{
    (void)state;
    static const char gd32[] = "\x12\x01\x00\x02\0\0\0\x40\xE9\x28\x89\x01\0\x01\x01\x02\x03\x01";
    static const char other[] = "\x12\x01\x00\x02\0\0\0\x40\xE8\x28\x89\x01\0\x01\x01\x02\x03\x01";
    read_serial(gd32,
                "\x06\x03"
                "3CBJ",
                6, "3CBJ");
    read_serial(gd32,
                "\x06\x03"
                "3\0"
                "C\0",
                6, "3C");
    read_serial(gd32, "\x02\x03", 2, "");
    read_serial(other,
                "\x06\x03"
                "3\0"
                "C\0",
                6, "3C");
    read_serial(other,
                "\x06\x03\xAC\x20"
                "C\0",
                6,
                "\xE2\x82\xAC"
                "C");
}

static void test_not_to_be_claimed(void **state)
{
    (void)state;
    struct molt_message m;
    assert_int_equal(open_odd(DEVICE, 18, RUN_TIME, 27, MOLT_E_BUSY, &m), MOLT_E_BUSY);
    assert_non_null(strstr(m.text, "taking its DFU interface"));
    assert_non_null(strstr(m.text, "another program or a driver uses it"));
}

static void test_no_folder(void **state)
{
    (void)state;
    struct molt_dfu_choice choice;
    struct molt_dfu_session *session;
    struct molt_message message;
    molt_dfu_choice_parse(&choice, "sim:/nonexistent/board", NULL);
    assert_int_equal(molt_dfu_session_open(&session, &choice, 0, NULL, &message), MOLT_E_NOT_FOUND);
    assert_null(session);
    assert_non_null(strstr(message.text, "/nonexistent/board"));
}

/* Each error has its words; what the device reports is told as the specification names it. */
static void test_words(void **state)
{
    (void)state;
    struct bench bench;
    static const struct {
        int error;
        const char *words;
    } rows[] = {{MOLT_E_USB_STALL, "unplug it"},
                {MOLT_E_USB_GONE, "plug it in again in its boot loader"},
                {MOLT_E_TIMEOUT, "unplug it"},
                {MOLT_E_IO, "another cable"},
                {MOLT_E_USB_ACCESS, "60-molt.rules"},
                {MOLT_E_NOT_FOUND, "USBGuard"},
                {MOLT_E_BUSY, "another program or a driver"},
                {MOLT_E_DFU_PROTECTED, "molt dfu unprotect"},
                {MOLT_E_DFU_STATE, "it is in dfuIDLE"},
                {MOLT_E_DFU_TARGET, "it reports errTARGET: too far"},
                {MOLT_E_DFU_WRITE, "write-protected"},
                {MOLT_E_DFU_VENDOR, "protected"},
                {MOLT_E_CANCELLED, "cancelled"}};
    start(&bench, "stm32f405");
    assert_int_equal(open_with(&bench, "usb:"), MOLT_OK);
    bench.session->dfu.failure.status = 1;
    strcpy(bench.session->dfu.failure_text, "too far");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct molt_diag diag = {.error = rows[i].error,
                                       .what = "block 7",
                                       .offset = MOLT_DIAG_NONE,
                                       .has_values = 1,
                                       .expected = 0x10,
                                       .found = 0x20};
        int error = molt_dfu_fail(&bench.message, bench.session, rows[i].error, &diag,
                                  "writing to 0x08004000");
        assert_int_equal(error, rows[i].error);
        assert_int_equal(bench.message.error, rows[i].error);
        if (!strstr(bench.message.text, rows[i].words)) {
            fail_msg("%d: %s", rows[i].error, bench.message.text);
        }
        assert_non_null(strstr(bench.message.text, "USB device: writing to 0x08004000: "));
        assert_non_null(strstr(bench.message.text, "block 7, expected 0x10, found 0x20"));
    }
    assert_int_equal(molt_dfu_fail(NULL, NULL, MOLT_E_IO, NULL, "reading"), MOLT_E_IO);
    stop(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_profile),
        cmocka_unit_test(test_map),
        cmocka_unit_test(test_serial_of_bytes),
        cmocka_unit_test(test_alternates),
        cmocka_unit_test(test_choice_of_alternate_only),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_one_fault_is_made_good),
        cmocka_unit_test(test_gone),
        cmocka_unit_test(test_back_in_dfu_mode),
        cmocka_unit_test(test_not_back),
        cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_odd_descriptors),
        cmocka_unit_test(test_no_functional_descriptor),
        cmocka_unit_test(test_not_to_be_claimed),
        cmocka_unit_test(test_no_folder),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
