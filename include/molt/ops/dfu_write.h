/*
 * Writing firmware to a device in DFU mode and comparing it, over an open session
 * (molt/ops/dfu_session.h). Planned and checked as a whole before anything is erased; nothing
 * prints.
 *
 * The order of a write, so that a half-written firmware never starts: the sector with the vector
 * table is erased first, everything else is erased, written and read back, and the first 32 bytes
 * of the vector table are programmed last. Cut short at any point, the boot loader finds no
 * firmware and stays (mboot, ROM loaders that check for an empty flash), and a second run repairs.
 */
#ifndef MOLT_OPS_DFU_WRITE_H
#define MOLT_OPS_DFU_WRITE_H

#include <stdbool.h>
#include <stdint.h>

#include "molt/host/message.h"
#include "molt/ops/dfu_board.h"
#include "molt/ops/plan.h"
#include "molt/progress.h"

#ifdef __cplusplus
extern "C" {
#endif

struct molt_dfu_session;
struct molt_dfu_image;

struct molt_dfu_write_request {
    const struct molt_dfu_image *image; /* has to live as long as the job */
    const char *board;    /* as of molt_dfu_board_files; NULL = by the shape of the flash */
    bool overwrite_files; /* the file system of the board may be lost */
    bool all;             /* also sectors that hold the file's bytes already */
    bool no_verify;       /* do not read back */
    bool mass_erase;      /* all of the chip's flash, in place of the sectors in question */
    bool force;           /* a file for another device; memory that cannot be erased (OTP, option
                             bytes); a wrong CRC */
    bool stay;            /* in DFU mode afterwards */
    bool has_entry;       /* leave to there; else to the file's vector table, else to that of the
                             flash's start */
    uint32_t entry;
    uint32_t wait_ms; /* after leaving: until something is there again; 0 = only until it left */
};

/* What became of it; all bytes without those that only fill up a block. */
struct molt_dfu_write_result {
    uint32_t sectors, unchanged, erased; /* in question; found equal; erased (0 by mass erase) */
    uint64_t bytes_given;                /* by the file */
    uint64_t bytes_written;              /* programmed */
    uint64_t bytes_kept;                 /* of the device, read before and written back */
    uint64_t bytes_verified;
    uint32_t transfers; /* control transfers of the run */
    bool verified, mass_erased;
    bool left, gone, back; /* was told to leave; seen to vanish; something is there again */
    bool has_entry;        /* where it left to */
    uint32_t entry;
};

/* Bytes of the device that a failed run had erased and could not write back. */
struct molt_dfu_rescue {
    uint32_t address, size;
    const uint8_t *bytes; /* owned by the job */
    uint8_t alternate;
};

struct molt_dfu_write; /* a job */

/*
 * Reads the device as far as it has to (progress "compare") and changes nothing. The session has to
 * live longer than the job, the caller frees the job with molt_dfu_write_free. Errors, each with
 * the words for a person:
 *   MOLT_E_DFU_DEVICE     the file is for another device, or of a kind that this one does not take
 *   MOLT_E_VERIFY         the file's CRC is wrong
 *   MOLT_E_NOT_FOUND      an alternate setting that the device does not have; an unknown board
 *   MOLT_E_RANGE          bytes outside of what the map says is writable; an entry outside of it
 *   MOLT_E_FORMAT         elements that overlap
 *   MOLT_E_ARGUMENT       a file without addresses
 *   MOLT_E_DFU_FILES      the file system of the board would be overwritten
 *   MOLT_E_DFU_PROTECTED  the device is read protected
 *   MOLT_E_UNSUPPORTED    the device takes no downloads; it is in run-time mode; it says nothing of
 *                         its memory; it lets nobody read (mboot with packing, and another file)
 *   MOLT_E_CANCELLED, MOLT_E_USB_*, MOLT_E_TIMEOUT, MOLT_E_DFU_* while reading, MOLT_E_NO_MEMORY
 */
int molt_dfu_write_plan(struct molt_dfu_write **job, struct molt_dfu_session *session,
                        const struct molt_dfu_write_request *request,
                        const struct molt_progress *progress, struct molt_message *message);
const struct molt_plan *molt_dfu_write_steps(const struct molt_dfu_write *job);

/* Nothing but leaving is left to do. */
bool molt_dfu_write_is_unchanged(const struct molt_dfu_write *job);

/*
 * Progress "erase", "write", "verify", each in bytes. Cancelled or failed, the message says in
 * what state the device is. MOLT_E_VERIFY: a byte read back differs; MOLT_E_DFU_PROTECTED: a sector
 * was not erased, which the device itself does not report; MOLT_E_DFU_*, MOLT_E_USB_*,
 * MOLT_E_TIMEOUT, MOLT_E_CANCELLED.
 */
int molt_dfu_write_run(struct molt_dfu_write *job, const struct molt_progress *progress,
                       struct molt_message *message);
const struct molt_dfu_write_result *molt_dfu_write_result(const struct molt_dfu_write *job);

/* After a failed run: what has to be put back. NULL and 0: nothing was lost. */
const struct molt_dfu_rescue *molt_dfu_write_rescue(const struct molt_dfu_write *job,
                                                    uint32_t *count);
void molt_dfu_write_free(struct molt_dfu_write *job);

struct molt_dfu_verify_request {
    const struct molt_dfu_image *image;
    bool force; /* also with a file for another device, or a wrong CRC */
};

struct molt_dfu_verify_result {
    uint64_t bytes;       /* compared */
    bool differs;         /* at address, at least: it ends there */
    uint32_t address;     /* the first that differs, in the order of addresses */
    uint8_t file, device; /* the bytes there */
};

/*
 * Compares every byte of the file with the device (progress "verify"). MOLT_OK: equal;
 * MOLT_E_VERIFY: the first difference is in result and message. Other errors as of
 * molt_dfu_write_plan. result may be NULL.
 */
int molt_dfu_verify(struct molt_dfu_session *session, const struct molt_dfu_verify_request *request,
                    struct molt_dfu_verify_result *result, const struct molt_progress *progress,
                    struct molt_message *message);

#ifdef __cplusplus
}
#endif
#endif
