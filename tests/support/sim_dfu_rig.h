/* A simulated DFU device on the desk, spoken to by bare control transfers: judges the model, so it
 * uses nothing of src/wire. */
#ifndef SIM_DFU_RIG_H
#define SIM_DFU_RIG_H

#include "molt/sim/dfu.h"

enum { DETACH, DNLOAD, UPLOAD, GETSTATUS, CLRSTATUS, GETSTATE, ABORT };

struct sim_rig {
    struct molt_sim_dfu sim;
    struct molt_usb usb;
    uint8_t *flash; /* FF at first */
    uint32_t size;
    uint8_t status[6]; /* of the last GETSTATUS */
    uint8_t data[4096];
};

struct sim_rig *sim_rig_plug(const char *profile);
void sim_rig_free(struct sim_rig *rig);

/* A class request; OUT: of data (NULL = A5 ..), IN: into rig->data. Bytes or an error. */
int sim_rig_request(struct sim_rig *rig, uint8_t request, uint16_t value, const void *data,
                    uint16_t length);
/* GETSTATUS: status << 8 | state, or an error. */
int sim_rig_ask(struct sim_rig *rig);
int sim_rig_state(struct sim_rig *rig); /* GETSTATE */
/* To dfuIDLE from dfuERROR or dfuIDLE. */
void sim_rig_idle(struct sim_rig *rig);
/* DNLOAD, and GETSTATUS until it is not busy; the last answer. */
int sim_rig_send(struct sim_rig *rig, uint16_t block, const void *data, uint16_t length);
/* The DfuSe command, in the same way. */
int sim_rig_command(struct sim_rig *rig, uint8_t code, uint32_t address);
uint32_t sim_rig_poll_ms(const struct sim_rig *rig);

#endif
