/* What the front ends of a simulated DFU device have in common. */
#ifndef UMOCK_SERVE_H
#define UMOCK_SERVE_H

#include <stdbool.h>
#include <stdio.h>

#include "molt/sim/dfu.h"

uint64_t bus_clock_us(void); /* monotonic */

/* The model's clock follows ours, which began at start_us. */
void bus_follow(struct molt_sim_dfu *sim, uint64_t start_us);

/* One JSON object. */
void bus_trace_line(FILE *out, unsigned device, const struct molt_sim_dfu_transfer *transfer);

/* setup: the 8 bytes of USB 2.0, 9.3. */
int bus_control(const struct molt_usb *usb, const uint8_t *setup, uint8_t *data, uint16_t length);

/* The device that was plugged in under that enumeration (0 = none) left the bus. */
bool bus_left(struct molt_sim_dfu *sim, uint32_t enumeration);

#endif
