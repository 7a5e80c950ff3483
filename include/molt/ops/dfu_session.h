/*
 * A DFU device to work with: found, opened, its interface claimed, brought to dfuIDLE. Over USB, a
 * simulated board's folder, or any transport of the caller's.
 */
#ifndef MOLT_OPS_DFU_SESSION_H
#define MOLT_OPS_DFU_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "molt/dfu.h"
#include "molt/host/dfudevice.h"
#include "molt/host/message.h"
#include "molt/progress.h"

#ifdef __cplusplus
extern "C" {
#endif

struct molt_usbdevice;
struct molt_simdfu;

struct molt_dfu_session {
    struct molt_dfu dfu;           /* wire's session: transfer_size, version, quirks... are set */
    struct molt_dfu_device device; /* owned */
    const struct molt_dfu_alternate *alternate; /* the one in use, in device */
    bool simulated;                             /* a folder, not a device */
    char name[4352]; /* for messages: "usb:0483:df11,serial=...", "sim:bench"; "USB device" */

    struct molt_usb usb;
    struct molt_usbdevice *opened; /* of the bus; NULL otherwise */
    struct molt_simdfu *board;     /* of a folder; NULL otherwise */
    bool left;                     /* session_gone has seen it vanish */
    bool poll_early;               /* molt_dfu_session_poll_early */
    struct molt_dfu_choice choice; /* what is asked of the alternate */

    /* For session_of_usb, may be set by the caller: opens its transport again when the device has
     * come back; MOLT_E_USB_GONE = not yet. NULL: the transport is tried as it is. */
    int (*reopen)(void *context, struct molt_usb *usb);
    void *reopen_context;
};

/*
 * Opens the device that the choice names, waiting for it for at most wait_ms, claims its interface,
 * selects the alternate, sets the quirks; a device in DFU mode is brought to dfuIDLE, one in
 * run-time mode (alternate->facts.run_time) is left as it is. progress may be NULL, else it must
 * live as long as the session: it is asked for cancel between transfers. On failure *session is
 * NULL: what molt_dfu_find and molt_usbdevice_open return, what the first transfers return.
 */
int molt_dfu_session_open(struct molt_dfu_session **session, const struct molt_dfu_choice *choice,
                          uint32_t wait_ms, const struct molt_progress *progress,
                          struct molt_message *message);

/* The same over the caller's transport, which is copied; its context must live as long as the
 * session. choice: for the alternate; or NULL. */
int molt_dfu_session_of_usb(struct molt_dfu_session **session, const struct molt_usb *usb,
                            const struct molt_dfu_choice *choice,
                            const struct molt_progress *progress, struct molt_message *message);

/* Another alternate setting of the same interface, in dfuIDLE. MOLT_E_NOT_FOUND: it has none of
 * that number. */
int molt_dfu_session_alternate(struct molt_dfu_session *session, uint8_t alternate,
                               struct molt_message *message);

/*
 * From now on a DfuSe device is asked 5 ms after each command, whatever time it tells. Against the
 * specification, which makes that time a minimum; but many ROM loaders tell far more than they need
 * and answer when they are done, so that this halves a write. Other devices: nothing changes.
 */
void molt_dfu_session_poll_early(struct molt_dfu_session *session);

/* Waits until the device answers no more: 1 = vanished, 0 = still there after timeout_ms. */
int molt_dfu_session_gone(struct molt_dfu_session *session, uint32_t timeout_ms);

/*
 * Waits until a DFU device is at the same place again, and opens it as session_open does; ids and
 * mode may be others then. For a simulated board: resets it into its loader. MOLT_E_TIMEOUT: it did
 * not come back; MOLT_E_CANCELLED. After an error the session can only be closed, or asked again.
 */
int molt_dfu_session_back(struct molt_dfu_session *session, uint32_t timeout_ms,
                          struct molt_message *message);

/* Releases, closes, frees; a simulated board is written back to its folder (MOLT_E_IO...). NULL is
 * fine. message may be NULL. */
int molt_dfu_session_close(struct molt_dfu_session *session, struct molt_message *message);

/* What it does otherwise than the specification says: of enum molt_dfu_quirk. */
uint32_t molt_dfu_device_quirks(const struct molt_dfu_device *device,
                                const struct molt_dfu_alternate *alternate);

/*
 * The words for what wire returned: device, what was being done ("erasing the page at 0x08004000"),
 * what went wrong, what the device itself reports, what to do. Returns error. session and diag may
 * be NULL.
 */
int molt_dfu_fail(struct molt_message *message, const struct molt_dfu_session *session, int error,
                  const struct molt_diag *diag, const char *doing);

#ifdef __cplusplus
}
#endif
#endif
