/* What dfu.c, dfu_plain.c and dfuse.c share. */
#ifndef MOLT_WIRE_DFU_INTERNAL_H
#define MOLT_WIRE_DFU_INTERNAL_H

#include "molt/dfu.h"

/* bRequest (USB DFU 1.1, 3) */
enum {
    DFU_DETACH = 0,
    DFU_DNLOAD = 1,
    DFU_UPLOAD = 2,
    DFU_GETSTATUS = 3,
    DFU_CLRSTATUS = 4,
    DFU_ABORT = 6
};

/* Milliseconds; docs/spec/dfu.md has the table and the reasons. */
enum {
    DFU_TRANSFER_MS = 5000, /* one control transfer; a 128 KB erase blocks GETSTATUS for 2.2 s */
    DFU_COMMAND_MS = 10000, /* set address, a block */
    DFU_ERASE_MS = 10000,   /* a sector, and as much for each KB: */
    DFU_ERASE_KB_MS = 100,
    DFU_MASS_MS = 30000, /* the whole flash, and as much for each KB: */
    DFU_MASS_KB_MS = 64,
    DFU_STUCK_MS = 1000, /* of MOLT_DFU_QUIRK_BUSY_STUCK: a sector, and as much for each KB: */
    DFU_STUCK_KB_MS = 32,
    DFU_PLAIN_MS = 60000, /* a block of a device that may erase everything with the first */
    DFU_MANIFEST_MS = 60000,
    DFU_UNPROTECT_MS = 60000,
    DFU_LEFT_BUSY_MS = 120000, /* somebody else's work, in molt_dfu_idle */
    DFU_SILENT_MS = 35000,     /* the same, while it answers nothing */
    DFU_LEAVE_MS = 1000,       /* one control transfer of the last steps of a leave */
    DFU_POLL_MAX_MS = 120000,  /* more than that is no poll time that a device means */
    DFU_LONGEST_MS = 1800000
};

#define DFU_BLOCK_DEFAULT 1024u /* where the device does not say */
#define DFU_BLOCK_MAX     4096u
#define DFU_FIRST_BLOCK   2u /* DfuSe: below are commands */
#define DFU_LAST_BLOCK    0xFFFFu

/* How an operation waits for the device. */
struct molt_wire_wait {
    const char *word; /* for the progress; NULL: not asked */
    uint64_t done, total;
    uint32_t limit_ms;
    uint32_t stuck_ms; /* 0 = never: busy for so long is MOLT_E_BUSY */
    bool usual;        /* one of many alike: what the last ones took is waited for at once */
    bool brief;        /* no status is waited for longer than DFU_TRANSFER_MS */
    bool may_go;       /* once at work, its first silence is MOLT_E_USB_GONE */
};

/* Field by field: a template with an address in it would be a variable in a relocatable object. */
static inline struct molt_wire_wait molt_wire_waiting(const char *word, uint64_t done,
                                                      uint64_t total, uint32_t limit_ms)
{
    struct molt_wire_wait wait;
    wait.word = word;
    wait.done = done;
    wait.total = total;
    wait.limit_ms = limit_ms;
    wait.stuck_ms = 0;
    wait.usual = false;
    wait.brief = false;
    wait.may_go = false;
    return wait;
}

/* One control transfer to the interface: the bytes, or an error. Out: all of them, else MOLT_E_IO.
 */
int molt_wire_transfer(struct molt_dfu *dfu, uint8_t request, uint16_t value, uint8_t *data,
                       uint16_t n, uint32_t timeout_ms);
/* The call-back: MOLT_E_CANCELLED when it says so. */
int molt_wire_ask(struct molt_dfu *dfu, const char *word, uint64_t done, uint64_t total);
/* One GETSTATUS, once. */
int molt_wire_poll(struct molt_dfu *dfu, uint32_t timeout_ms);
/* Sleeps as the last status says, and at least *pause_ms (doubled for the next time); at most left.
 */
int molt_wire_pause(struct molt_dfu *dfu, const struct molt_wire_wait *wait, uint32_t *pause_ms,
                    uint32_t left_ms);
/* GETSTATUS until it is no longer at work. MOLT_OK: whatever state that is; last has it. */
int molt_wire_wait(struct molt_dfu *dfu, const struct molt_wire_wait *wait);
/* In dfuIDLE or dfuDNLOAD-IDLE; failures of before are forgotten. */
int molt_wire_ready(struct molt_dfu *dfu);
/* No failure is known. */
void molt_wire_begin(struct molt_dfu *dfu);
int molt_wire_to_idle(struct molt_dfu *dfu);
/* CLRSTATUS or ABORT; asked again once when it is refused. */
int molt_wire_plain_request(struct molt_dfu *dfu, uint8_t request);
/* The error that the last status is; MOLT_OK when it is none. */
int molt_wire_reported(const struct molt_dfu *dfu);
/* After a refused request: what the device says of it, else MOLT_E_USB_STALL. */
int molt_wire_why_stalled(struct molt_dfu *dfu);
/* The session knows nothing of the device any more. */
void molt_wire_forget(struct molt_dfu *dfu);

#endif
