/* Waiting for a device to be plugged in. */
#include <stddef.h>

#include "host/usb_internal.h"

#define LOOK_EVERY_MS 250u

/* udev sets a new device's permissions a moment after it appeared. */
#define PERMISSION_MS 1500u

static int look(const struct molt_dfu_choice *choice, struct molt_dfu_device **devices,
                uint32_t *count, const struct molt_dfu_device **device,
                const struct molt_dfu_alternate **alternate, struct molt_message *message)
{
    int error = molt_dfu_list(devices, count, message);
    return error ? error : molt_dfu_choose(choice, *devices, *count, device, alternate, message);
}

/* There is no DFU device at all. */
static int none(const struct molt_dfu_choice *choice, struct molt_message *message)
{
    char running[64];
    if (!usb_running(running)) {
        return MOLT_E_NOT_FOUND; /* with the words of molt_dfu_choose */
    }
    return molt_fail(message, MOLT_E_NOT_FOUND,
                     "%s: no DFU device on the bus, but a board that runs MicroPython (%s): run "
                     "machine.bootloader() on it, or connect BOOT0 with 3.3 V and reset; --wait "
                     "SECONDS waits for its boot loader",
                     choice->text, running);
}

int molt_dfu_find(const struct molt_dfu_choice *choice, uint32_t wait_ms,
                  const struct molt_progress *progress, struct molt_dfu_device **devices,
                  uint32_t *count, const struct molt_dfu_device **device,
                  const struct molt_dfu_alternate **alternate, struct molt_message *message)
{
    uint32_t began = molt_usb_now_ms(NULL), closed_since = 0;
    bool closed = false;
    for (;;) {
        int error = look(choice, devices, count, device, alternate, message);
        uint32_t now = molt_usb_now_ms(NULL);
        if (error == MOLT_E_USB_ACCESS && !closed) {
            closed = true;
            closed_since = now;
        }
        bool again = error == MOLT_E_NOT_FOUND ||
                     (error == MOLT_E_USB_ACCESS && now - closed_since < PERMISSION_MS);
        if (!again || now - began >= wait_ms) {
            return error == MOLT_E_NOT_FOUND && *count == 0 ? none(choice, message) : error;
        }
        if (progress && progress->report &&
            progress->report(progress->context, "wait", now - began, wait_ms) != 0) {
            return molt_fail(message, MOLT_E_CANCELLED, "%s: waiting for it was cancelled",
                             choice->text);
        }
        molt_dfu_list_free(*devices, *count);
        *devices = NULL;
        *count = 0;
        uint32_t left = wait_ms - (now - began);
        molt_usb_sleep_ms(NULL, left < LOOK_EVERY_MS ? left : LOOK_EVERY_MS);
    }
}
