/*
 * A USB bus of simulated DFU devices: programs that run under it find them with their own libusb.
 * One bus, a root hub, one device a port. Two front ends: mocked (umockdev, bus.c), and that of a
 * real kernel (USB/IP, tests/usbip/vhci.c).
 */
#ifndef UMOCK_BUS_H
#define UMOCK_BUS_H

#include <stdbool.h>
#include <stdio.h>

#include "molt/sim/dfu.h"

#define BUS_DEVICES 8u

struct bus;

/* First thing in main: may run the program anew. */
void bus_prepare(char **argv);

/* real: transfers and work take the time that the model says, as measured by the clock of the
 * machine; else none. NULL and a message on standard error when that fails. */
struct bus *bus_new(bool real);

/* The model stays the caller's; it is served until bus_end. port: 1 and up. */
bool bus_add(struct bus *bus, struct molt_sim_dfu *sim, unsigned port);

/* Devices come and go as the models say. Call it every few milliseconds. */
void bus_turn(struct bus *bus);

/* One JSON object a line for each control transfer; NULL = none. */
void bus_trace(struct bus *bus, FILE *trace);

void bus_end(struct bus *bus);

#endif
