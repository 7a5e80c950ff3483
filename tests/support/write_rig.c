#include "write_rig.h"

#include <stdlib.h>
#include <string.h>

#include "testing.h"

struct write_rig *write_rig_new(const char *profile)
{
    struct write_rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    simdevice_new(&rig->device, profile);
    dfu_firmware_new(&rig->firmware);
    return rig;
}

struct write_rig *write_rig_pyboard(uint32_t size)
{
    struct write_rig *rig = write_rig_new("stm32f405");
    dfu_firmware_pyboard(&rig->firmware, size, 1);
    return rig;
}

void write_rig_free(struct write_rig *rig)
{
    dfu_firmware_free(&rig->firmware);
    simdevice_free(&rig->device);
    free(rig);
}

int write_rig_write(struct write_rig *rig)
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

void write_rig_ok(struct write_rig *rig)
{
    if (write_rig_write(rig) != MOLT_OK) {
        fail_msg("%s", rig->device.message.text);
    }
}

void write_rig_refuse(struct write_rig *rig, int error, const char *words)
{
    assert_int_equal(write_rig_write(rig), error);
    assert_int_equal(rig->device.message.error, error);
    if (!strstr(rig->device.message.text, words)) {
        fail_msg("'%s' is not in: %s", words, rig->device.message.text);
    }
    assert_memory_equal(rig->device.flash, rig->device.before, rig->device.size);
    assert_int_equal(rig->device.sim.bytes_programmed, 0);
}

const struct molt_step *write_rig_step(const struct write_rig *rig, enum molt_step_kind kind,
                                       const char *what)
{
    for (uint32_t i = 0; i < rig->plan.count; i++) {
        if (rig->plan.step[i].kind == kind && strcmp(rig->plan.step[i].what, what) == 0) {
            return &rig->plan.step[i];
        }
    }
    return NULL;
}

void write_rig_set_before(struct write_rig *rig)
{
    memcpy(rig->device.before, rig->device.flash, rig->device.size);
}
