/* A session of src/wire with a simulated DFU device. */
#ifndef DFU_RIG_H
#define DFU_RIG_H

#include "molt/dfuse.h"
#include "molt/sim/dfu.h"

struct dfu_rig {
    struct molt_sim_dfu sim;
    struct molt_dfu dfu;
    uint8_t *flash; /* freed by dfu_rig_close */
    uint32_t flash_size;
    uint32_t base; /* the address of its first byte */
};

/* By the profile's name: powered up, nothing sent yet. flash: FF. */
void dfu_rig_open(struct dfu_rig *rig, const char *profile);
/* A new session with the same device, as another run of a command makes it; plugged in again
 * (flash, settings and counters stay) when it is gone. */
void dfu_rig_again(struct dfu_rig *rig);
void dfu_rig_close(struct dfu_rig *rig);
/* Bytes that depend on their place and on seed; none of them FF for long. */
void dfu_rig_pattern(uint8_t *to, uint32_t n, uint32_t seed);

#endif
