/* Is anything plugged in at a place of the bus, whatever it is? For what a board becomes when it
 * leaves DFU mode. */
#ifndef MOLT_HOST_USBPRESENT_H
#define MOLT_HOST_USBPRESENT_H

#include <stdint.h>

#include "molt/host/message.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * path: "1-2.3", as of struct molt_dfu_device. 1: a device is there whose address on the bus is not
 * the one given (a device that comes back gets another; 0 = any is right); 0: none, or still that
 * one. Looks once.
 * MOLT_E_UNSUPPORTED: no libusb; MOLT_E_IO, MOLT_E_NO_MEMORY.
 */
int molt_usb_present(const char *path, uint8_t address, struct molt_message *message);

#ifdef __cplusplus
}
#endif
#endif
