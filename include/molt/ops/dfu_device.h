/*
 * Reading, erasing, leaving, detaching and unprotecting a device in DFU mode, over an open session
 * (molt/ops/dfu_session.h). What changes the device is planned and checked first. Nothing prints.
 *
 * A place of a DfuSe device's memory is written as
 *   all            every segment of the memory map
 *   files          the board's file system (by name of the board, or by what the map fits)
 *   ADDRESS+SIZE   bytes; ADDRESS-END the same with the last byte; sizes take K and M
 *   ADDRESS        to read: up to the next gap or the end; to erase: the sector that begins there
 */
#ifndef MOLT_OPS_DFU_DEVICE_H
#define MOLT_OPS_DFU_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "molt/host/file.h"
#include "molt/host/message.h"
#include "molt/ops/plan.h"
#include "molt/progress.h"

#ifdef __cplusplus
extern "C" {
#endif

struct molt_dfu_session;
struct molt_dfu_image;

/* ---- Reading ---- */

struct molt_dfu_read_request {
    const char *const *place; /* texts as above; overlapping ones are an error */
    uint32_t count;           /* 0: all. A device without addresses takes no places */
    const char *board;        /* for "files": MicroPython's name or the chip's; NULL = by the map */
    uint32_t limit;           /* of a device without addresses: at most that many bytes; 0 = all */
};

/* Bytes at an address. From a device without addresses: one piece at 0. */
struct molt_dfu_piece {
    uint32_t address, size;
    uint8_t *bytes; /* owned by the job; NULL before the run */
};

struct molt_dfu_read; /* a job */

/*
 * What is to be read, in pieces without gaps, by address. Errors: MOLT_E_ARGUMENT (no such place,
 * overlaps), MOLT_E_RANGE (outside of what can be read; the message names the segments),
 * MOLT_E_NOT_FOUND (files: the board is not known), MOLT_E_UNSUPPORTED (no upload),
 * MOLT_E_NO_MEMORY. The session has to live longer than the job; the caller frees the job.
 */
int molt_dfu_read_plan(struct molt_dfu_read **job, struct molt_dfu_session *session,
                       const struct molt_dfu_read_request *request, struct molt_message *message);
const struct molt_dfu_piece *molt_dfu_read_pieces(const struct molt_dfu_read *job, uint32_t *count);

/* Reads them all. MOLT_E_DFU_PROTECTED, MOLT_E_USB_*, MOLT_E_TIMEOUT, MOLT_E_CANCELLED... */
int molt_dfu_read_run(struct molt_dfu_read *job, const struct molt_progress *progress,
                      struct molt_message *message);

enum molt_dfu_read_format {
    MOLT_DFU_READ_BY_NAME = 0, /* .dfu, .hex or .ihex, else BIN */
    MOLT_DFU_READ_BIN,         /* from the first byte to the last; gaps are FF */
    MOLT_DFU_READ_HEX,         /* without the gaps */
    MOLT_DFU_READ_DFU          /* the same; an element a piece. Of plain devices: with a suffix */
};

/* The bytes of a file with what was read; the caller frees them. MOLT_E_RANGE: a BIN whose gaps
 * are larger than what they are between; the message says the way out. */
int molt_dfu_read_file(const struct molt_dfu_read *job, enum molt_dfu_read_format format,
                       const char *path, uint8_t **bytes, uint32_t *n,
                       struct molt_message *message);

/* That, and the file on disk, whole or not at all. */
int molt_dfu_read_save(const struct molt_dfu_read *job, enum molt_dfu_read_format format,
                       const char *path, enum molt_file_existing existing,
                       struct molt_message *message);
void molt_dfu_read_free(struct molt_dfu_read *job);

/* ---- Erasing ---- */

struct molt_dfu_erase_request {
    const char *const *place;
    uint32_t count;
    bool all;           /* mass erase: everything of the chip, also what the map does not show */
    bool whole_sectors; /* a place that is no whole sector is rounded outwards */
    const char *board;  /* as for reading: also tells which sectors hold the file system */
};

struct molt_dfu_erase; /* a job */

struct molt_dfu_erased {
    uint32_t sectors;         /* erased, or blank before */
    uint64_t bytes;           /* in them */
    bool verified;            /* all of it was read back as FF (but for kept_sectors) */
    bool loses_files;         /* the board's file system, or a part of it, and not asked for */
    uint32_t refused_sectors; /* still not FF afterwards: write protected */
    uint32_t first_refused;   /* its address */
    uint32_t kept_sectors;    /* of a mass erase: those of mboot itself */
};

/*
 * The sectors, each once, by address; what is lost with them is in the steps (MOLT_STEP_LOSE).
 * MOLT_E_ARGUMENT, MOLT_E_RANGE (no whole sectors: they are named; or nothing to erase there),
 * MOLT_E_NOT_FOUND, MOLT_E_UNSUPPORTED (not a DfuSe device), MOLT_E_NO_MEMORY.
 */
int molt_dfu_erase_plan(struct molt_dfu_erase **job, struct molt_dfu_session *session,
                        const struct molt_dfu_erase_request *request, struct molt_message *message);
const struct molt_plan *molt_dfu_erase_steps(const struct molt_dfu_erase *job);

/*
 * Erases what is not blank, and reads back where the device lets. Progress "compare", "erase",
 * "verify" in bytes. MOLT_E_DFU_PROTECTED: read protected, nothing is erased; or sectors kept their
 * bytes, which the device does not report by itself (AN3156): the others are erased, the result
 * tells. MOLT_E_UNSUPPORTED: mboot for packed firmware has no erase of places.
 */
int molt_dfu_erase_run(struct molt_dfu_erase *job, const struct molt_progress *progress,
                       struct molt_message *message);
/* After the plan: sectors, bytes, loses_files; after the run all of it. */
const struct molt_dfu_erased *molt_dfu_erase_result(const struct molt_dfu_erase *job);
void molt_dfu_erase_free(struct molt_dfu_erase *job);

/* ---- Leaving, detaching, unprotecting ---- */

struct molt_dfu_leave_request {
    bool has_entry;
    uint32_t entry;   /* where the vector table is that is started; DfuSe only */
    uint32_t wait_ms; /* until it has left and something is there again; 0 = only until it left */
};

struct molt_dfu_left {
    uint32_t entry;       /* the address that was given to the device; DfuSe only */
    bool entry_from_read; /* its vector table was read and is plausible */
    bool gone;            /* seen to vanish from the bus */
    bool back;            /* something answers at its place again */
};

/*
 * Ends DFU mode: the firmware starts. The entry is the one given, else that of the first vector
 * table that is plausible at the start of the flash or behind the file system, else the start of
 * the flash. A device that vanishes, stalls or keeps silent at the last steps has left.
 * MOLT_E_RANGE (an entry outside of the map), MOLT_E_TIMEOUT (wait_ms passed), MOLT_E_DFU_*,
 * MOLT_E_USB_*.
 */
int molt_dfu_leave_device(struct molt_dfu_session *session,
                          const struct molt_dfu_leave_request *request, struct molt_dfu_left *left,
                          const struct molt_progress *progress, struct molt_message *message);

/*
 * Run-time mode to DFU mode: DETACH, a bus reset where the device does not detach by itself, and
 * waiting until it is there as a DFU device; the session is then on that. MOLT_OK at once when it
 * is in DFU mode. MOLT_E_TIMEOUT, MOLT_E_USB_STALL.
 */
int molt_dfu_detach_device(struct molt_dfu_session *session, uint32_t wait_ms,
                           const struct molt_progress *progress, struct molt_message *message);

/* What an unprotect does to this device, before it is done: all flash is lost. MOLT_E_UNSUPPORTED:
 * the device has no such command. */
int molt_dfu_unprotect_plan(struct molt_dfu_session *session, struct molt_plan *plan,
                            struct molt_message *message);
/* Removes the read protection, which erases all flash. The device resets itself: gone is success.
 * wait_ms: until it is there again, besides the time that the erase takes; 0 = not.
 * MOLT_E_DFU_PROTECTED: it is back, and protected as before. */
int molt_dfu_unprotect_device(struct molt_dfu_session *session, uint32_t wait_ms, bool *back,
                              const struct molt_progress *progress, struct molt_message *message);

/* ---- Devices of plain DFU 1.0 and 1.1: no addresses ---- */

struct molt_dfu_plain_request {
    const struct molt_dfu_image *image; /* one element; its address is not looked at */
    bool force;                         /* also when the suffix names another device */
    bool stay;                          /* no reset after the manifestation */
    uint32_t wait_ms;                   /* for each time it leaves the bus; 0 = 10 s */
};

struct molt_dfu_plain_written {
    uint32_t bytes, blocks;
    bool detached; /* from run-time mode before */
    bool tolerant; /* the device stays reachable behind the manifestation */
    bool gone;     /* seen to vanish */
};

/* What can be known before the device is touched. MOLT_E_ARGUMENT (no or several elements),
 * MOLT_E_DFU_DEVICE (suffix for another device), MOLT_E_UNSUPPORTED (no download, DfuSe). */
int molt_dfu_plain_check(const struct molt_dfu_session *session,
                         const struct molt_dfu_plain_request *request,
                         struct molt_message *message);

/* Checks, detaches where it has to, sends, has it manifested. */
int molt_dfu_plain_write(struct molt_dfu_session *session,
                         const struct molt_dfu_plain_request *request,
                         struct molt_dfu_plain_written *written,
                         const struct molt_progress *progress, struct molt_message *message);

/* What the device uploads, until a short block or limit bytes (0 = 256 MB). The caller frees. */
int molt_dfu_plain_read(struct molt_dfu_session *session, uint32_t limit, uint8_t **bytes,
                        uint32_t *n, const struct molt_progress *progress,
                        struct molt_message *message);

#ifdef __cplusplus
}
#endif
#endif
