/* Leaving, detaching, unprotecting simulated devices: where to, when it counts as done. */
#include <stdio.h>
#include <string.h>

#include "testing.h"

#include "molt/dfuse.h"
#include "molt/ops/dfu_device.h"
#include "simdevice.h"

#define K 1024u

static int leave(struct simdevice *device, const struct molt_dfu_leave_request *request,
                 struct molt_dfu_left *left)
{
    return molt_dfu_leave_device(device->session, request, left, NULL, &device->message);
}

/* What is on the flash decides. */
static void entry(void **state)
{
    (void)state;
    static const struct {
        const char *profile, *target;
        uint32_t vectors; /* offset in flash; ~0 = nowhere */
        uint32_t entry;
        bool found;
    } cases[] = {{"stm32f405", "usb:", 0, 0x08000000, true},
                 {"stm32f405", "usb:", 0x20000, 0x08020000, true}, /* behind the file system */
                 {"stm32f405", "usb:", ~0u, 0x08000000, false},
                 {"stm32f405", "usb:,alt=1", 0, 0x08000000, true}, /* from the option bytes */
                 {"stm32f405", "usb:,alt=2", 0x20000, 0x08020000, true},
                 {"stm32f427", "usb:", 0, 0x08000000, true},
                 {"stm32h743", "usb:", 0, 0x08000000, true},
                 {"stm32l476", "usb:", 0, 0x08000000, true},
                 {"stm32c5", "usb:", 0, 0x08000000, true},
                 {"gd32", "usb:28e9:0189", 0, 0x08000000, true},
                 {"mboot", "usb:", 0x20000, 0x08020000, true}};
    static const struct molt_dfu_leave_request request = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct simdevice device;
        struct molt_dfu_left left;
        simdevice_new(&device, cases[i].profile);
        if (cases[i].vectors != ~0u) {
            simdevice_vectors(&device, cases[i].vectors, 0x08000000);
        }
        simdevice_open(&device, cases[i].target);
        if (leave(&device, &request, &left) != MOLT_OK) {
            fail_msg("case %u: %s", (unsigned)i, device.message.text);
        }
        assert_int_equal(left.entry, cases[i].entry);
        assert_int_equal(left.entry_from_read, cases[i].found);
        assert_true(left.gone);
        assert_true(device.sim.jumped);
        if (strcmp(cases[i].profile, "mboot") != 0) { /* that starts its own */
            assert_int_equal(device.sim.jumped_to, cases[i].entry);
        }
        assert_memory_equal(device.flash, device.before, device.size);
        simdevice_free(&device);
    }
}

/* Only a stack in RAM and an odd reset vector in flash are a vector table. */
static void no_vectors(void **state)
{
    (void)state;
    static const uint8_t tables[][8] = {{0, 0, 2, 0x40, 0x89, 1, 0, 8},
                                        {0, 0, 2, 0x0F, 0x89, 1, 0, 8},
                                        {0, 0, 2, 0x20, 0x88, 1, 0, 8},
                                        {0, 0, 2, 0x20, 0x89, 1, 0, 9},
                                        {0xFF, 0xFF, 0xFF, 0xFF, 1, 0, 0, 8}};
    static const struct molt_dfu_leave_request request = {0};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        struct simdevice device;
        struct molt_dfu_left left;
        simdevice_new(&device, "stm32f405");
        memcpy(device.flash, tables[i], 8);
        simdevice_open(&device, "usb:");
        assert_int_equal(leave(&device, &request, &left), MOLT_OK);
        assert_false(left.entry_from_read);
        simdevice_free(&device);
    }
}

/* The pointer is where the last command left it, and is set nevertheless. */
static void pointer_elsewhere(void **state)
{
    (void)state;
    struct simdevice device;
    struct molt_dfu_left left;
    struct molt_dfu_leave_request request = {0};
    uint8_t bytes[4096];
    simdevice_new(&device, "stm32f405");
    simdevice_vectors(&device, 0, 0x08000000);
    memset(device.flash + 0xE0000, 0xFF, 128 * K);
    simdevice_open(&device, "usb:");
    memset(bytes, 0x55, sizeof bytes);
    assert_int_equal(molt_dfuse_write(&device.session->dfu, 0x080E0000, bytes, sizeof bytes, NULL),
                     MOLT_OK);
    assert_int_equal(leave(&device, &request, &left), MOLT_OK);
    assert_int_equal(device.sim.jumped_to, 0x08000000);
    simdevice_free(&device);
}

static void entry_given(void **state)
{
    (void)state;
    struct simdevice device;
    struct molt_dfu_left left;
    struct molt_dfu_leave_request request = {.has_entry = true, .entry = 0x08020000};
    simdevice_new(&device, "stm32f405");
    simdevice_open(&device, "usb:");
    assert_int_equal(leave(&device, &request, &left), MOLT_OK);
    assert_int_equal(device.sim.jumped_to, 0x08020000);
    assert_false(left.entry_from_read);
    simdevice_reset(&device);
    simdevice_open(&device, "usb:");
    request.entry = 0x08100000;
    assert_int_equal(leave(&device, &request, &left), MOLT_E_RANGE);
    assert_non_null(strstr(device.message.text, "0x08100000 is in none"));
    assert_non_null(strstr(device.message.text, "0x08000000-0x080fffff"));
    assert_false(device.sim.jumped);
    simdevice_free(&device);
}

/* What may not be read may still be started. */
static void protected_flash(void **state)
{
    (void)state;
    static const struct molt_dfu_leave_request request = {0};
    struct simdevice device;
    struct molt_dfu_left left;
    simdevice_new(&device, "stm32f405");
    simdevice_vectors(&device, 0, 0x08000000);
    device.sim.read_protected = true;
    simdevice_open(&device, "usb:");
    assert_int_equal(leave(&device, &request, &left), MOLT_OK);
    assert_false(left.entry_from_read);
    assert_int_equal(device.sim.jumped_to, 0x08000000);
    simdevice_free(&device);
}

static void plain_leaves_by_a_reset(void **state)
{
    (void)state;
    struct simdevice device;
    struct molt_dfu_left left;
    struct molt_dfu_leave_request request = {.has_entry = true};
    simdevice_new(&device, "runtime-dfu");
    simdevice_open(&device, "usb:1209:0003");
    assert_int_equal(leave(&device, &request, &left), MOLT_E_ARGUMENT);
    request.has_entry = false;
    request.wait_ms = 5000;
    assert_int_equal(leave(&device, &request, &left), MOLT_OK);
    assert_true(left.gone && left.back);
    assert_string_equal(device.sim.profile->name, "runtime");
    simdevice_free(&device);
    /* Nothing to start: it stays. */
    simdevice_new(&device, "plain");
    memset(device.flash, 0xFF, device.size);
    simdevice_open(&device, "usb:1209:0001");
    request.wait_ms = 0;
    assert_int_equal(leave(&device, &request, &left), MOLT_E_TIMEOUT);
    assert_non_null(strstr(device.message.text, "is there a firmware?"));
    assert_false(left.gone);
    simdevice_free(&device);
}

static void nothing_comes_back(void **state)
{
    (void)state;
    struct simdevice device;
    struct simprogress progress;
    struct molt_dfu_left left;
    struct molt_dfu_leave_request request = {.wait_ms = 3000};
    simdevice_new(&device, "stm32f405");
    simdevice_vectors(&device, 0, 0x08000000);
    simdevice_open(&device, "usb:");
    uint64_t began = device.sim.time_us;
    assert_int_equal(leave(&device, &request, &left), MOLT_E_TIMEOUT);
    assert_non_null(strstr(device.message.text, "left DFU mode, but nothing came back"));
    assert_true(left.gone && !left.back);
    assert_in_range(device.sim.time_us - began, 3000000, 8000000);
    simdevice_reset(&device);
    simdevice_open(&device, "usb:");
    simprogress_start(&progress, 0);
    progress.cancel_at = 12;
    assert_int_equal(
        molt_dfu_leave_device(device.session, &request, &left, &progress.progress, &device.message),
        MOLT_E_CANCELLED);
    simdevice_free(&device);
}

/* ---- detach ---- */

static void detach(void **state)
{
    (void)state;
    static const char *const profiles[] = {"runtime", "runtime-reset"};
    for (size_t i = 0; i < 2; i++) {
        struct simdevice device;
        struct molt_dfu_left left;
        static const struct molt_dfu_leave_request request = {0};
        simdevice_new(&device, profiles[i]);
        simdevice_open(&device, "usb:1209:0002");
        assert_true(device.session->alternate->facts.run_time);
        assert_int_equal(leave(&device, &request, &left), MOLT_E_DFU_STATE);
        assert_non_null(strstr(device.message.text, "molt dfu detach"));
        if (molt_dfu_detach_device(device.session, 5000, NULL, &device.message) != MOLT_OK) {
            fail_msg("%s: %s", profiles[i], device.message.text);
        }
        assert_false(device.session->alternate->facts.run_time);
        assert_string_equal(device.sim.profile->name, "runtime-dfu");
        assert_int_equal(device.sim.requests[0], 1);
        /* There already: nothing is sent. */
        uint32_t transfers = device.sim.transfers;
        assert_int_equal(molt_dfu_detach_device(device.session, 5000, NULL, NULL), MOLT_OK);
        assert_int_equal(device.sim.transfers, transfers);
        simdevice_free(&device);
    }
}

static void never_back(void **state)
{
    (void)state;
    struct simdevice device;
    simdevice_new(&device, "runtime");
    simdevice_open(&device, "usb:1209:0002");
    device.session->reopen_context = &device;
    assert_int_equal(molt_dfu_detach_device(device.session, 100, NULL, &device.message),
                     MOLT_E_TIMEOUT);
    simdevice_free(&device);
}

/* ---- unprotect ---- */

static void unprotect(void **state)
{
    (void)state;
    struct simdevice device;
    struct molt_plan plan;
    bool back;
    simdevice_new(&device, "stm32f405");
    device.sim.read_protected = true;
    simdevice_open(&device, "usb:");
    assert_int_equal(molt_dfu_unprotect_plan(device.session, &plan, &device.message), MOLT_OK);
    assert_int_equal(plan.step[0].kind, MOLT_STEP_LOSE);
    assert_int_equal(plan.step[0].size, 1024 * K);
    assert_true(device.sim.read_protected);
    assert_memory_equal(device.flash, device.before, device.size);
    assert_int_equal(molt_dfu_unprotect_device(device.session, 2000, &back, NULL, &device.message),
                     MOLT_OK);
    assert_true(back); /* 16 s of erasing are not in the 2 s */
    assert_false(device.sim.read_protected);
    assert_int_equal(device.flash[0], 0xFF);
    assert_int_equal(device.flash[device.size - 1], 0xFF);
    simdevice_free(&device);
}

/* Protects it again as soon as it is back. */
static void relapse(void *context, const struct molt_sim_dfu_transfer *transfer)
{
    struct molt_sim_dfu *sim = context;
    (void)transfer;
    sim->read_protected = sim->read_protected || sim->enumeration == 2;
}

static void protected_for_ever(void **state)
{
    (void)state;
    struct simdevice device;
    bool back;
    simdevice_new(&device, "stm32f405");
    device.sim.read_protected = true;
    device.sim.trace = relapse;
    device.sim.trace_context = &device.sim;
    simdevice_open(&device, "usb:");
    assert_int_equal(molt_dfu_unprotect_device(device.session, 2000, &back, NULL, &device.message),
                     MOLT_E_DFU_PROTECTED);
    assert_false(back);
    assert_non_null(strstr(device.message.text, "protected as before"));
    simdevice_free(&device);
}

static void no_unprotect(void **state)
{
    (void)state;
    static const struct {
        const char *profile, *target;
        int error;
    } cases[] = {{"mboot", "usb:", MOLT_E_UNSUPPORTED},
                 {"plain", "usb:1209:0001", MOLT_E_UNSUPPORTED},
                 {"runtime", "usb:1209:0002", MOLT_E_DFU_STATE}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct simdevice device;
        struct molt_plan plan;
        bool back;
        simdevice_new(&device, cases[i].profile);
        simdevice_open(&device, cases[i].target);
        assert_int_equal(molt_dfu_unprotect_plan(device.session, &plan, &device.message),
                         cases[i].error);
        assert_int_equal(molt_dfu_unprotect_device(device.session, 0, &back, NULL, &device.message),
                         cases[i].error);
        assert_memory_equal(device.flash, device.before, device.size);
        simdevice_free(&device);
    }
}

/* ---- faults ---- */

static void with_vectors(struct simdevice *device)
{
    simdevice_vectors(device, 0, 0x08000000);
}

static int leave_run(struct simdevice *device, const struct molt_progress *progress)
{
    static const struct molt_dfu_leave_request request = {0};
    struct molt_dfu_left left;
    return molt_dfu_leave_device(device->session, &request, &left, progress, &device->message);
}

static void has_left(struct simdevice *device)
{
    /* A fault that hides the last answer counts as having left: that it jumped is what matters. */
    if (device->sim.jumped) {
        assert_int_equal(device->sim.jumped_to, 0x08000000);
    }
    /* A device that is silent for ever is as good as gone: an application need not use USB. */
    assert_true(device->sim.gone || device->sim.fault.count > 1);
    assert_memory_equal(device->flash, device->before, device->size);
}

static void in_run_time(struct simdevice *device)
{
    (void)device;
}

static int detach_run(struct simdevice *device, const struct molt_progress *progress)
{
    return molt_dfu_detach_device(device->session, 5000, progress, &device->message);
}

static void is_detached(struct simdevice *device)
{
    assert_string_equal(device->sim.profile->name, "runtime-dfu");
    assert_false(device->session->alternate->facts.run_time);
}

static void with_protection(struct simdevice *device)
{
    device->sim.read_protected = true;
}

static int unprotect_run(struct simdevice *device, const struct molt_progress *progress)
{
    bool back;
    return molt_dfu_unprotect_device(device->session, 60000, &back, progress, &device->message);
}

static void is_unprotected(struct simdevice *device)
{
    assert_false(device->sim.read_protected);
    assert_int_equal(device->flash[0], 0xFF);
}

static void faults(void **state)
{
    (void)state;
    static const struct simwork works[] = {
        {"stm32f405", "usb:", with_vectors, leave_run, has_left, 0, {MOLT_E_TIMEOUT}},
        {"gd32", "usb:28e9:0189", with_vectors, leave_run, has_left, 0, {MOLT_E_TIMEOUT}},
        {"runtime", "usb:1209:*", in_run_time, detach_run, is_detached, 0, {MOLT_E_TIMEOUT}},
        {"runtime-reset", "usb:1209:*", in_run_time, detach_run, is_detached, 0, {MOLT_E_TIMEOUT}},
        {"stm32f405",
         "usb:",
         with_protection,
         unprotect_run,
         is_unprotected,
         0,
         {MOLT_E_TIMEOUT, MOLT_E_USB_GONE}}};
    for (size_t i = 0; i < sizeof works / sizeof works[0]; i++) {
        assert_true(simdevice_faults(&works[i]) > 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entry),
        cmocka_unit_test(no_vectors),
        cmocka_unit_test(pointer_elsewhere),
        cmocka_unit_test(entry_given),
        cmocka_unit_test(protected_flash),
        cmocka_unit_test(plain_leaves_by_a_reset),
        cmocka_unit_test(nothing_comes_back),
        cmocka_unit_test(detach),
        cmocka_unit_test(never_back),
        cmocka_unit_test(unprotect),
        cmocka_unit_test(protected_for_ever),
        cmocka_unit_test(no_unprotect),
        cmocka_unit_test(faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
