/*
 * One opened USB device, as the protocols in src/wire speak to it: control transfers on its default
 * pipe. Implemented by the host's libusb and by simulated devices. Everything blocks; no call is
 * made while another is under way.
 */
#ifndef MOLT_USB_H
#define MOLT_USB_H

#include <stdint.h>

#include "molt/error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct molt_usb_ops {
    /* One control transfer (USB 2.0, 9.3). data: length bytes, in (bit 7 of type set) or out; out:
     * not changed. Returns the bytes transferred (a short answer is no error), or
     *   MOLT_E_USB_STALL  refused; the next SETUP clears it
     *   MOLT_E_TIMEOUT    no answer within timeout_ms, which is never 0
     *   MOLT_E_USB_GONE   unplugged, or it reset itself: nothing more can be sent
     *   MOLT_E_IO         anything else: bus error, babble */
    int (*control)(void *context, uint8_t type, uint8_t request, uint16_t value, uint16_t index,
                   uint8_t *data, uint16_t length, uint32_t timeout_ms);
    /* Selects an alternate setting; claims the interface when it is not yet. MOLT_OK, the errors of
     * control, MOLT_E_BUSY (another driver or program has it), MOLT_E_NOT_FOUND. */
    int (*set_alternate)(void *context, uint8_t interface_number, uint8_t alternate);
    /* A port reset. MOLT_OK: the same device, the same handle; MOLT_E_USB_GONE: it comes back as
     * another one. NULL where there is none. */
    int (*reset)(void *context);
    uint32_t (*now_ms)(void *context); /* monotonic; wraps */
    /* At least that long. A simulated device advances its own clock. */
    void (*sleep_ms)(void *context, uint32_t ms);
};

struct molt_usb {
    const struct molt_usb_ops *ops;
    void *context;
};

#ifdef __cplusplus
}
#endif
#endif
