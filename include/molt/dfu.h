/*
 * USB DFU 1.1: a session with one interface in DFU mode, over a molt_usb. Straight-line code that
 * blocks; each wait has an end (docs/spec/dfu.md has the table), because a device's poll time is a
 * minimum and nothing else. ST's extensions are in molt/dfuse.h.
 *
 * Errors, of every call: what the transport reports (MOLT_E_USB_STALL, MOLT_E_USB_GONE,
 * MOLT_E_TIMEOUT, MOLT_E_IO), MOLT_E_CANCELLED, what the device itself reports (-(130 + bStatus),
 * MOLT_E_DFU_*), MOLT_E_DFU_STATE (a state that nothing leads out of). After any of them but
 * MOLT_E_USB_GONE the session may be used again: the next call brings the device to dfuIDLE first.
 */
#ifndef MOLT_DFU_H
#define MOLT_DFU_H

#include <stdbool.h>
#include <stdint.h>

#include "molt/dfu_descriptor.h"
#include "molt/error.h"
#include "molt/progress.h"
#include "molt/usb.h"

#ifdef __cplusplus
extern "C" {
#endif

/* bState of GETSTATUS (USB DFU 1.1, A.1) */
enum molt_dfu_state {
    MOLT_DFU_APP_IDLE = 0,
    MOLT_DFU_APP_DETACH = 1,
    MOLT_DFU_IDLE = 2,
    MOLT_DFU_DOWNLOAD_SYNC = 3,
    MOLT_DFU_DOWNLOAD_BUSY = 4,
    MOLT_DFU_DOWNLOAD_IDLE = 5,
    MOLT_DFU_MANIFEST_SYNC = 6,
    MOLT_DFU_MANIFEST = 7,
    MOLT_DFU_MANIFEST_WAIT_RESET = 8,
    MOLT_DFU_UPLOAD_IDLE = 9,
    MOLT_DFU_ERROR = 10
};

/* What differs from the specification, by device: molt_dfu_quirks_of. */
enum molt_dfu_quirk {
    MOLT_DFU_QUIRK_BUSY_STUCK = 1u << 0,  /* stays dfuDNBUSY after an erase: CLRSTATUS twice */
    MOLT_DFU_QUIRK_POLL_STALLS = 1u << 1, /* GETSTATUS is refused while it works: still busy */
    MOLT_DFU_QUIRK_POLL_TIME = 1u << 2,   /* its poll time is not kept: 5 ms */
    MOLT_DFU_QUIRK_NO_COMMANDS = 1u << 3, /* does not answer UPLOAD of blocks below 2 */
    MOLT_DFU_QUIRK_NO_UNPROTECT = 1u << 4,
    MOLT_DFU_QUIRK_NO_READ = 1u << 5, /* nothing can be read back (learned when a read says so) */
    MOLT_DFU_QUIRK_LEAVES_SILENTLY = 1u << 6, /* gone without an answer to the last requests */
    MOLT_DFU_QUIRK_FORCE_DFU11 = 1u << 7,     /* its descriptor does not say DFU 1.1, but it is */
    MOLT_DFU_QUIRK_CUT_MAP = 1u << 8          /* its layout string may end too early, unseen */
};

struct molt_dfu_status {
    uint8_t status, state, string; /* bStatus, bState, iString */
    uint32_t poll_ms;              /* at least so long before the next GETSTATUS */
};

/*
 * A session. Caller-owned; zero = default but for usb. The first call brings the device to dfuIDLE.
 */
struct molt_dfu {
    struct molt_usb usb;
    uint8_t interface_number;
    /* wTransferSize of the device: what its block numbers count. 0: unknown, and each block gets
     * its own address. */
    uint16_t transfer_size;
    /* Bytes a transfer, when it has to be less (or the device's is 0); 0 = transfer_size, at most
     * 4096, which is what a control transfer can carry on Linux. */
    uint16_t block_size;
    uint8_t attributes; /* of enum molt_dfu_attribute; 0 = can anything */
    uint16_t version;
    bool dfuse;
    uint32_t quirks; /* of enum molt_dfu_quirk */

    /* Asked between transfers, and while the device is busy; may be NULL. what NULL: it is told the
     * call's own word ("read", "write", "erase", "download", "upload", "manifest") and bytes; else
     * what, done + the call's bytes so far, total: the call is a part of something longer. */
    const struct molt_progress *progress;
    const char *what;
    uint64_t done, total;

    /* Below: kept by the session, for the caller to read. */
    struct molt_dfu_status last;    /* of the last GETSTATUS; state also follows what was sent */
    bool last_known;                /* false: the device has to be asked */
    struct molt_dfu_status failure; /* the last one that was not OK */
    char failure_text[64];          /* what the device says of it in words; "" = nothing */
    uint32_t transfers;             /* control transfers so far */
    uint16_t block;                 /* plain: of the next DNLOAD or UPLOAD */
    uint32_t pointer;               /* DfuSe: the address pointer, where it is known */
    bool pointer_known;
    uint32_t address; /* DfuSe: of the block or sector of the last call, for its error */
    /* How long a full block really takes, where its poll times are too short: STM32L4. */
    uint32_t usual_ms;
    bool usual_known; /* it has been too low once */
};

/* What is known of a device before it is spoken to. Any text may be NULL. */
struct molt_dfu_identity {
    uint16_t vendor, product, device; /* of the device descriptor */
    const char *manufacturer, *product_name, *serial;
    const char *map;  /* the name of its alternate setting: "@Internal Flash  /0x0800..." */
    const char *chip; /* "STM32H743", when the user or the board says so */
    uint16_t dfu_version;
};

/* The sum of all rows that fit: src/wire/dfu_quirks.c, each with its source. */
uint32_t molt_dfu_quirks_of(const struct molt_dfu_identity *identity);
/* A short name, static; NULL for a bit that is none. */
const char *molt_dfu_quirk_name(uint32_t quirk);
/* Row by row, for lists: NULL behind the last. why: one line with the source. quirks 0: the general
 * rules serve. */
struct molt_dfu_quirk_row {
    const char *device, *why;
    uint32_t quirks;
    /* What has to fit; ranges are inclusive, a text that is NULL fits anything. */
    uint16_t vendor, product, product_last, device_last; /* device_last: bcdDevice up to that */
    const char *manufacturer, *chip; /* a whole text; how it begins, in any case of letters */
    const char *sectors;             /* in the map: "16*128K"; "*2K" = any number of them */
};
const struct molt_dfu_quirk_row *molt_dfu_quirk_row_at(uint32_t index);

/* "dfuIDLE", "errWRITE"... as USB DFU 1.1 names them, static; "unknown" for others. */
const char *molt_dfu_state_name(uint8_t state);
const char *molt_dfu_status_name(uint8_t status);
/* The error number of a bStatus; 0 (OK) gives MOLT_E_DFU_UNKNOWN: an error state without a reason.
 */
int molt_dfu_status_error(uint8_t status);

/* From whatever state to dfuIDLE: waits while it is busy, ABORT, CLRSTATUS only in dfuERROR. */
int molt_dfu_idle(struct molt_dfu *dfu, struct molt_diag *diag);
/* One GETSTATUS, asked again once when it is refused; fills last. What it says is no error of this
 * call. */
int molt_dfu_get_status(struct molt_dfu *dfu, struct molt_diag *diag);
/* In run-time mode: DETACH. Then the caller resets the port (unless WILL_DETACH) and waits for the
 * device to come back. MOLT_OK also when it goes away before it answers. */
int molt_dfu_detach(struct molt_dfu *dfu, uint32_t timeout_ms, struct molt_diag *diag);

/* Plain DFU. n bytes, block by block; may be called again with more: then all but the last call
 * take a multiple of the block size. */
int molt_dfu_download(struct molt_dfu *dfu, const uint8_t *data, uint32_t n,
                      struct molt_diag *diag);
/* Behind the last byte: the device takes the image over. MOLT_OK: it says so, waits for a reset
 * (done here where the transport can), or goes away. */
int molt_dfu_manifest(struct molt_dfu *dfu, struct molt_diag *diag);
/* Until a short block. *n: bytes read, also on an error. MOLT_E_NO_SPACE: more than capacity. */
int molt_dfu_upload(struct molt_dfu *dfu, uint8_t *buffer, uint32_t capacity, uint32_t *n,
                    struct molt_diag *diag);
/* The bytes of a full transfer, as the fields above say. */
uint32_t molt_dfu_block_size(const struct molt_dfu *dfu);

#ifdef __cplusplus
}
#endif
#endif
