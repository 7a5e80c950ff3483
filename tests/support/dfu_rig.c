#include "dfu_rig.h"

#include <stdlib.h>
#include <string.h>

static void session(struct dfu_rig *rig)
{
    const struct molt_sim_dfu_profile *p = rig->sim.profile;
    const struct molt_dfu_identity identity = {
        p->vendor, p->product,      p->device, p->manufacturer, p->product_name,
        p->serial, p->alternate[0], NULL,      p->version};
    memset(&rig->dfu, 0, sizeof rig->dfu);
    molt_sim_dfu_usb(&rig->sim, &rig->dfu.usb);
    rig->dfu.transfer_size = p->transfer_size;
    rig->dfu.attributes = p->attributes;
    rig->dfu.version = p->version;
    rig->dfu.dfuse = p->version == MOLT_DFU_VERSION_DFUSE;
    rig->dfu.quirks = molt_dfu_quirks_of(&identity);
}

void dfu_rig_open(struct dfu_rig *rig, const char *name)
{
    const struct molt_sim_dfu_profile *profile = molt_sim_dfu_profile_named(name);
    rig->flash_size = molt_sim_dfu_flash_size(profile);
    rig->base = profile->regions[0].start;
    rig->flash = malloc(rig->flash_size);
    memset(rig->flash, 0xFF, rig->flash_size);
    molt_sim_dfu_init(&rig->sim, profile, rig->flash);
    session(rig);
}

void dfu_rig_again(struct dfu_rig *rig)
{
    memset(&rig->sim.fault, 0, sizeof rig->sim.fault);
    if (rig->sim.back_us > rig->sim.time_us) {
        molt_sim_dfu_wait(&rig->sim, rig->sim.back_us - rig->sim.time_us);
    }
    if (!molt_sim_dfu_present(&rig->sim)) {
        molt_sim_dfu_replug(&rig->sim, true);
    }
    session(rig);
}

void dfu_rig_close(struct dfu_rig *rig)
{
    free(rig->flash);
}

void dfu_rig_pattern(uint8_t *to, uint32_t n, uint32_t seed)
{
    for (uint32_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        to[i] = (uint8_t)(seed >> 24 & 0xFE);
    }
}
