/* What wire's errors mean to a person, and what to do. */
#include <stdio.h>

#include "molt/dfuse.h"
#include "molt/ops/dfu_session.h"

struct words {
    int error;
    const char *text;
};

static const struct words advice[] = {
    {MOLT_E_USB_STALL, "unplug it, plug it in again in its boot loader, and repeat"},
    {MOLT_E_USB_GONE, "plug it in again in its boot loader, and repeat"},
    {MOLT_E_TIMEOUT, "unplug it, plug it in again in its boot loader, and repeat"},
    {MOLT_E_IO, "try another cable or port, without a hub"},
    {MOLT_E_USB_ACCESS, "install the udev rule (60-molt.rules into /etc/udev/rules.d, then "
                        "'udevadm control --reload' and plug it in again), or run as root"},
    {MOLT_E_BUSY, "another program or a driver uses it: end that, and repeat"},
    {MOLT_E_NOT_FOUND,
     "the system does not put its interfaces to use: is it blocked there (USBGuard, "
     "or 'authorized' of the device in /sys/bus/usb/devices)?"},
    {MOLT_E_DFU_PROTECTED, "the chip is protected against reading: 'molt dfu unprotect' lifts that "
                           "and erases everything on it"},
    {MOLT_E_DFU_STATE, "unplug it, plug it in again in its boot loader, and repeat"},
    {MOLT_E_DFU_TARGET, "the address is not one of this device's, or the file is for another one"},
    {MOLT_E_DFU_FILE, "the file is for another device, or damaged"},
    {MOLT_E_DFU_WRITE, "is that part of the flash write-protected?"},
    {MOLT_E_DFU_ERASE, "is that part of the flash write-protected?"},
    {MOLT_E_DFU_CHECK_ERASED, "erase it again; if that fails too, the flash is worn out"},
    {MOLT_E_DFU_PROG, "it was not erased, is write-protected, or worn out"},
    {MOLT_E_DFU_VERIFY, "write it again; if that fails too, the flash is worn out"},
    {MOLT_E_DFU_ADDRESS, "'molt dfu list' shows which addresses the device has"},
    {MOLT_E_DFU_FIRMWARE, "the device has no firmware that works: write one"},
    {MOLT_E_DFU_VENDOR, "is the chip protected? 'molt dfu unprotect' tells more"},
};

static const char *advice_of(int error)
{
    for (size_t i = 0; i < sizeof advice / sizeof advice[0]; i++) {
        if (advice[i].error == error) {
            return advice[i].text;
        }
    }
    return NULL;
}

/* What the device itself reported, if this error comes from it. */
static void device_says(const struct molt_dfu_session *session, int error, char *text, size_t size)
{
    const struct molt_dfu *dfu = &session->dfu;
    text[0] = 0;
    if (error == MOLT_E_DFU_STATE) {
        snprintf(text, size, " (it is in %s)", molt_dfu_state_name(dfu->last.state));
    } else if (error <= MOLT_E_DFU_TARGET && error >= MOLT_E_DFU_STALLEDPKT) {
        snprintf(text, size, " (it reports %s%s%s)", molt_dfu_status_name(dfu->failure.status),
                 dfu->failure_text[0] ? ": " : "", dfu->failure_text);
    }
}

int molt_dfu_fail(struct molt_message *message, const struct molt_dfu_session *session, int error,
                  const struct molt_diag *diag, const char *doing)
{
    char report[160] = "", place[160] = "";
    const char *what = advice_of(error);
    if (session) {
        device_says(session, error, report, sizeof report);
    }
    if (diag && diag->error == error && diag->what && diag->has_values) {
        snprintf(place, sizeof place, " (%s, expected 0x%x, found 0x%x)", diag->what,
                 diag->expected, diag->found);
    } else if (diag && diag->error == error && diag->what) {
        snprintf(place, sizeof place, " (%s)", diag->what);
    }
    return molt_fail(message, error, "%s: %s: %s%s%s%s%s", session ? session->name : "USB device",
                     doing, molt_strerror(error), place, report, what ? "; " : "",
                     what ? what : "");
}
