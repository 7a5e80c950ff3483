/* A simulated DFU device in memory with a session on it, and faults at every control transfer. */
#ifndef SIMDEVICE_H
#define SIMDEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "molt/ops/dfu_session.h"
#include "molt/sim/dfu.h"

struct simdevice {
    struct molt_sim_dfu sim;
    uint8_t *flash;  /* the device's; no byte of it is FF when it is new */
    uint8_t *before; /* a copy of that */
    uint32_t size;
    struct molt_dfu_session *session; /* NULL = not open */
    struct molt_message message;
};

void simdevice_new(struct simdevice *device, const char *profile);
void simdevice_free(struct simdevice *device);

/* Opens it; target: "usb:", or with ",alt=N". A failure ends the test. */
void simdevice_open(struct simdevice *device, const char *target);
/* The same, and what the opening returns. */
int simdevice_try(struct simdevice *device, const char *target);
void simdevice_close(struct simdevice *device);

/* As new, in its loader, without faults: flash, protection and counters. */
void simdevice_reset(struct simdevice *device);

/* A vector table at flash + offset: stack in RAM, reset behind it in flash of base. */
void simdevice_vectors(struct simdevice *device, uint32_t offset, uint32_t base);

/* Counts what it is told; cancels at its cancel_at-th call (0 = never). */
struct simprogress {
    struct molt_progress progress;
    uint32_t calls, cancel_at;
    char what[16]; /* the last */
    uint64_t done, total;
    bool backwards; /* done went down under one word, or passed total */
};
void simprogress_start(struct simprogress *progress, uint32_t cancel_at);

/*
 * Something that is done over an open session: MOLT_OK or its error, with a message. done: what it
 * had to do is done, wholly and nothing else (asserts).
 */
struct simwork {
    const char *profile, *target;
    void (*prepare)(struct simdevice *device); /* before it is opened; may be NULL */
    int (*run)(struct simdevice *device, const struct molt_progress *progress);
    void (*done)(struct simdevice *device);
    uint32_t
        dense; /* transfers that are all tried; behind them each 13th, more of the same; 0 = all */
    int also[2]; /* other errors that are right: the device refuses for ever, say; or 0 */
};

/*
 * Runs it without a fault, then with each kind of fault at each control transfer behind the
 * opening, the device acting on it or not, once and for ever. It has to end well, or with the error
 * of that fault; and a second run on the device, plugged in again where it has to be, repairs.
 * Returns how many faults there were.
 */
uint32_t simdevice_faults(const struct simwork *work);

#endif
