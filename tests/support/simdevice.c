#include "simdevice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "testing.h"

/* No FF: what is erased shows. */
static void fill(uint8_t *bytes, uint32_t n)
{
    uint32_t x = 0x2545F491;
    for (uint32_t i = 0; i < n; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        bytes[i] = (uint8_t)(x % 255);
    }
}

void simdevice_new(struct simdevice *device, const char *profile)
{
    const struct molt_sim_dfu_profile *found = molt_sim_dfu_profile_named(profile);
    assert_non_null(found);
    memset(device, 0, sizeof *device);
    device->size = molt_sim_dfu_flash_size(found);
    device->flash = malloc(device->size);
    device->before = malloc(device->size);
    assert_true(device->flash && device->before);
    fill(device->before, device->size);
    memcpy(device->flash, device->before, device->size);
    molt_sim_dfu_init(&device->sim, found, device->flash);
}

void simdevice_reset(struct simdevice *device)
{
    const struct molt_sim_dfu_profile *profile = device->sim.profile;
    simdevice_close(device);
    memcpy(device->flash, device->before, device->size);
    molt_sim_dfu_init(&device->sim, profile, device->flash);
}

void simdevice_free(struct simdevice *device)
{
    simdevice_close(device);
    free(device->flash);
    free(device->before);
}

static int reopen(void *context, struct molt_usb *usb)
{
    struct simdevice *device = context;
    if (!molt_sim_dfu_present(&device->sim)) {
        return MOLT_E_USB_GONE;
    }
    molt_sim_dfu_usb(&device->sim, usb);
    return MOLT_OK;
}

int simdevice_try(struct simdevice *device, const char *target)
{
    struct molt_dfu_choice choice;
    struct molt_usb usb;
    simdevice_close(device);
    assert_int_equal(molt_dfu_choice_parse(&choice, target, &device->message), MOLT_OK);
    molt_sim_dfu_usb(&device->sim, &usb);
    int error = molt_dfu_session_of_usb(&device->session, &usb, &choice, NULL, &device->message);
    if (!error) {
        device->session->reopen = reopen;
        device->session->reopen_context = device;
    }
    return error;
}

void simdevice_open(struct simdevice *device, const char *target)
{
    if (simdevice_try(device, target) != MOLT_OK) {
        fail_msg("%s: %s", target, device->message.text);
    }
}

void simdevice_close(struct simdevice *device)
{
    molt_dfu_session_close(device->session, NULL);
    device->session = NULL;
}

static void put_le32(uint8_t *p, uint32_t value)
{
    p[0] = (uint8_t)value;
    p[1] = (uint8_t)(value >> 8);
    p[2] = (uint8_t)(value >> 16);
    p[3] = (uint8_t)(value >> 24);
}

void simdevice_vectors(struct simdevice *device, uint32_t offset, uint32_t base)
{
    put_le32(device->flash + offset, 0x20020000);
    put_le32(device->flash + offset + 4, base + offset + 0x189);
    memcpy(device->before + offset, device->flash + offset, 8);
}

/* ---- progress ---- */

static int report(void *context, const char *what, uint64_t done, uint64_t total)
{
    struct simprogress *progress = context;
    if (strcmp(what, progress->what) == 0 && done < progress->done) {
        progress->backwards = true;
    }
    if (total && done > total) {
        progress->backwards = true;
    }
    snprintf(progress->what, sizeof progress->what, "%s", what);
    progress->done = done;
    progress->total = total;
    return ++progress->calls == progress->cancel_at;
}

void simprogress_start(struct simprogress *progress, uint32_t cancel_at)
{
    memset(progress, 0, sizeof *progress);
    progress->cancel_at = cancel_at;
    progress->progress.report = report;
    progress->progress.context = progress;
}

/* ---- faults ---- */

#define SETTLED_US 120000000u

struct trouble {
    enum molt_sim_fault kind;
    int error;
    const char *name;
};

static const struct trouble troubles[] = {{MOLT_SIM_FAULT_STALL, MOLT_E_USB_STALL, "stall"},
                                          {MOLT_SIM_FAULT_TIMEOUT, MOLT_E_TIMEOUT, "timeout"},
                                          {MOLT_SIM_FAULT_GONE, MOLT_E_USB_GONE, "gone"},
                                          {MOLT_SIM_FAULT_IO, MOLT_E_IO, "io"}};

static void begin(const struct simwork *work, struct simdevice *device)
{
    const struct molt_sim_dfu_profile *profile = molt_sim_dfu_profile_named(work->profile);
    simdevice_close(device);
    memcpy(device->flash, device->before, device->size);
    molt_sim_dfu_init(&device->sim, profile, device->flash);
    if (work->prepare) {
        work->prepare(device);
    }
    simdevice_open(device, work->target);
}

/* Plugged in again, in the mode that the work begins with. */
static void replug(const struct simwork *work, struct simdevice *device)
{
    bool run_time = molt_sim_dfu_profile_named(work->profile)->loader == MOLT_SIM_DFU_RUN;
    molt_sim_dfu_replug(&device->sim, !run_time);
}

/* Nothing wrong any more, and what it was busy with is over; plugged in again where it is not
 * there, or goes (a device that waits for its reset) when it is opened. The second run has to do
 * it. */
static void repair(const struct simwork *work, struct simdevice *device, const char *after)
{
    device->sim.fault.at_transfer = 0;
    molt_sim_dfu_wait(&device->sim, SETTLED_US);
    if (!molt_sim_dfu_present(&device->sim)) {
        replug(work, device);
    }
    if (simdevice_try(device, work->target) == MOLT_E_USB_GONE) {
        replug(work, device);
        simdevice_open(device, work->target);
    }
    assert_non_null(device->session);
    int error = work->run(device, NULL);
    if (error) {
        fail_msg("%s: the second run says %s: %s", after, molt_strerror(error),
                 device->message.text);
    }
    work->done(device);
}

static void with_fault(const struct simwork *work, struct simdevice *device,
                       const struct trouble *trouble, uint32_t at, bool executed, uint32_t count)
{
    char name[96];
    snprintf(name, sizeof name, "%s at transfer %u%s%s", trouble->name, (unsigned)at,
             executed ? ", acted on" : "", count > 1 ? ", for ever" : "");
    begin(work, device);
    device->sim.fault.at_transfer = device->sim.transfers + at;
    device->sim.fault.kind = trouble->kind;
    device->sim.fault.executed = executed;
    device->sim.fault.count = count;
    device->message = (struct molt_message){0};
    int error = work->run(device, NULL);
    if (error && error != trouble->error && error != work->also[0] && error != work->also[1]) {
        fail_msg("%s: %s, expected %s: %s", name, molt_strerror(error),
                 molt_strerror(trouble->error), device->message.text);
    }
    if (error) {
        assert_int_equal(device->message.error, error);
        assert_true(device->message.text[0] != 0);
        repair(work, device, name);
    } else {
        device->sim.fault.at_transfer = 0;
        work->done(device);
    }
}

uint32_t simdevice_faults(const struct simwork *work)
{
    struct simdevice device;
    uint32_t faults = 0;
    simdevice_new(&device, work->profile);
    begin(work, &device);
    uint32_t opening = device.sim.transfers;
    assert_int_equal(work->run(&device, NULL), MOLT_OK);
    uint32_t transfers = device.sim.transfers - opening;
    work->done(&device);
    uint32_t step = testing_fault_step();
    for (size_t i = 0; i < sizeof troubles / sizeof troubles[0]; i++) {
        /* Thinned out, each kind of fault has its own transfers. */
        for (uint32_t at = 1 + (uint32_t)i % step; at <= transfers;
             at += work->dense && at > work->dense ? 13 * step : step) {
            with_fault(work, &device, &troubles[i], at, false, 1);
            with_fault(work, &device, &troubles[i], at, true, 1);
            with_fault(work, &device, &troubles[i], at, false, 1000000);
            faults += 3 * step;
        }
    }
    simdevice_free(&device);
    return faults;
}
