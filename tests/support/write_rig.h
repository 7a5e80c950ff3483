/* A write of a firmware to a simulated DFU device, from a new session each time. */
#ifndef WRITE_RIG_H
#define WRITE_RIG_H

#include "dfu_firmware.h"
#include "molt/ops/dfu_write.h"

struct write_rig {
    struct simdevice device;
    struct dfu_firmware firmware;
    struct molt_dfu_write_request request;
    struct molt_dfu_write_result result;
    struct molt_plan plan;
};

struct write_rig *write_rig_new(const char *profile);
/* An STM32F405 and a firmware for it in two parts. */
struct write_rig *write_rig_pyboard(uint32_t size);
void write_rig_free(struct write_rig *rig);

/* Plans and runs it; a device that left is plugged in anew. The error of either. */
int write_rig_write(struct write_rig *rig);
/* The same; an error fails the test. */
void write_rig_ok(struct write_rig *rig);
/* Refused with these words; nothing was changed. */
void write_rig_refuse(struct write_rig *rig, int error, const char *words);

/* The first step of the last plan; NULL = none such. */
const struct molt_step *write_rig_step(const struct write_rig *rig, enum molt_step_kind kind,
                                       const char *what);
/* The device's flash as it is now counts as what was there before. */
void write_rig_set_before(struct write_rig *rig);

#endif
