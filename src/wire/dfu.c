/* USB DFU 1.1: requests, status, and the ways to dfuIDLE. */
#include "molt/dfu.h"

#include <stddef.h>
#include <string.h>

#include "wire/dfu_internal.h"

#define STATUS_SIZE     6
#define RETRIES         3u
#define ERR_STALLEDPKT  15
#define SLICE_MS        100u /* between two looks at the call-back */
#define LONG_PAUSE_MS   64u
#define UNKNOWN_POLL_MS 250u

uint32_t molt_dfu_block_size(const struct molt_dfu *dfu)
{
    uint32_t size = dfu->block_size ? dfu->block_size : dfu->transfer_size;
    if (size == 0) {
        size = DFU_BLOCK_DEFAULT;
    }
    if (dfu->transfer_size && size > dfu->transfer_size) {
        size = dfu->transfer_size;
    }
    return size < DFU_BLOCK_MAX ? size : DFU_BLOCK_MAX;
}

void molt_wire_forget(struct molt_dfu *dfu)
{
    dfu->last_known = false;
    dfu->pointer_known = false;
}

int molt_wire_transfer(struct molt_dfu *dfu, uint8_t request, uint16_t value, uint8_t *data,
                       uint16_t n, uint32_t timeout_ms)
{
    bool in = request == DFU_GETSTATUS || request == DFU_UPLOAD;
    dfu->transfers++;
    int code = dfu->usb.ops->control(dfu->usb.context, in ? 0xA1 : 0x21, request, value,
                                     dfu->interface_number, data, n, timeout_ms);
    if (code >= 0 && (in ? code > n : code != n)) {
        code = MOLT_E_IO;
    }
    if (code < 0) {
        molt_wire_forget(dfu);
    }
    return code;
}

int molt_wire_ask(struct molt_dfu *dfu, const char *word, uint64_t done, uint64_t total)
{
    const struct molt_progress *p = dfu->progress;
    if (!p || !p->report || !word) {
        return MOLT_OK;
    }
    int stop = dfu->what ? p->report(p->context, dfu->what, dfu->done + done, dfu->total)
                         : p->report(p->context, word, done, total);
    return stop ? MOLT_E_CANCELLED : MOLT_OK;
}

/* The device's own words, plain ASCII. The index is told once by mboot (ports/stm32/mboot/main.c,
 * dfu_handle_tx), so they are fetched as soon as it is there; without them nothing is lost. */
static void fetch_text(struct molt_dfu *dfu, uint8_t index)
{
    uint8_t p[2 + 2 * (sizeof dfu->failure_text - 1)];
    uint32_t n = 0;
    dfu->transfers++;
    int got = dfu->usb.ops->control(dfu->usb.context, 0x80, 6, (uint16_t)(0x0300 | index), 0x0409,
                                    p, sizeof p, DFU_LEAVE_MS);
    if (got > 2 && got <= (int)sizeof p && p[1] == 3) {
        uint32_t end = (uint32_t)(got < p[0] ? got : p[0]);
        for (uint32_t i = 2; i + 1 < end; i += 2) {
            bool plain = p[i + 1] == 0 && p[i] >= 0x20 && p[i] < 0x7F;
            dfu->failure_text[n++] = plain ? (char)p[i] : '?';
        }
    }
    dfu->failure_text[n] = 0;
}

int molt_wire_poll(struct molt_dfu *dfu, uint32_t timeout_ms)
{
    uint8_t p[STATUS_SIZE];
    int code = molt_wire_transfer(dfu, DFU_GETSTATUS, 0, p, STATUS_SIZE, timeout_ms);
    if (code < 0) {
        return code;
    }
    if (code != STATUS_SIZE) {
        molt_wire_forget(dfu);
        return MOLT_E_IO;
    }
    dfu->last.status = p[0];
    dfu->last.poll_ms = (uint32_t)p[1] | (uint32_t)p[2] << 8 | (uint32_t)p[3] << 16;
    dfu->last.state = p[4];
    dfu->last.string = p[5];
    dfu->last_known = true;
    if (dfu->quirks & MOLT_DFU_QUIRK_POLL_TIME) {
        dfu->last.poll_ms = 5;
    }
    if (dfu->last.status || dfu->last.state == MOLT_DFU_ERROR) {
        dfu->failure = dfu->last;
        dfu->failure_text[0] = 0;
        if (dfu->last.string) {
            fetch_text(dfu, dfu->last.string);
        }
    }
    return MOLT_OK;
}

/* A refused or cut answer is asked for again; time-outs are not, they were long enough. */
static int poll_again(struct molt_dfu *dfu)
{
    int code = molt_wire_poll(dfu, DFU_TRANSFER_MS);
    return code == MOLT_E_USB_STALL || code == MOLT_E_IO ? molt_wire_poll(dfu, DFU_TRANSFER_MS)
                                                         : code;
}

int molt_dfu_get_status(struct molt_dfu *dfu, struct molt_diag *diag)
{
    int code = poll_again(dfu);
    return code < 0 ? molt_diag_at(diag, code, "GETSTATUS", MOLT_DIAG_NONE) : MOLT_OK;
}

int molt_wire_reported(const struct molt_dfu *dfu)
{
    if (dfu->last.status == 0 && dfu->last.state != MOLT_DFU_ERROR) {
        return MOLT_OK;
    }
    int error = molt_dfu_status_error(dfu->last.status);
    /* AN3156: read-out protection answers reads and writes with errVENDOR. */
    return dfu->dfuse && error == MOLT_E_DFU_VENDOR ? MOLT_E_DFU_PROTECTED : error;
}

int molt_wire_why_stalled(struct molt_dfu *dfu)
{
    int code = poll_again(dfu);
    if (code < 0) {
        return code;
    }
    code = molt_wire_reported(dfu);
    return code == MOLT_OK || code == MOLT_E_DFU_STALLEDPKT || dfu->last.status == 0
               ? MOLT_E_USB_STALL
               : code;
}

int molt_wire_pause(struct molt_dfu *dfu, const struct molt_wire_wait *wait, uint32_t *pause_ms,
                    uint32_t left_ms)
{
    uint32_t ms = dfu->last.poll_ms > *pause_ms ? dfu->last.poll_ms : *pause_ms;
    if (wait->usual && *pause_ms && *pause_ms == dfu->usual_ms) {
        *pause_ms /= 16; /* behind what is usual, in small steps */
    }
    *pause_ms = *pause_ms == 0 ? 1 : *pause_ms < LONG_PAUSE_MS ? *pause_ms * 2 : *pause_ms;
    if (ms > left_ms) {
        ms = left_ms;
    }
    for (;;) {
        int code = molt_wire_ask(dfu, wait->word, wait->done, wait->total);
        if (code < 0 || ms == 0) {
            return code;
        }
        uint32_t slice = ms < SLICE_MS ? ms : SLICE_MS;
        dfu->usb.ops->sleep_ms(dfu->usb.context, slice);
        ms -= slice;
    }
}

static bool at_work(uint8_t state)
{
    return state == MOLT_DFU_DOWNLOAD_SYNC || state == MOLT_DFU_DOWNLOAD_BUSY ||
           state == MOLT_DFU_MANIFEST_SYNC || state == MOLT_DFU_MANIFEST;
}

/* Learns how long a block takes. Halved until a first look comes too early; then a little more each
 * time that happens, and a little less when not: one block may take longer than the rest, because a
 * sector is erased with it. */
static void learn(struct molt_dfu *dfu, uint32_t busy, uint32_t past)
{
    uint32_t usual = dfu->usual_ms;
    if (busy <= 1) {
        dfu->usual_ms = usual - (dfu->usual_known ? usual / 32 : usual / 2);
        return;
    }
    dfu->usual_known = usual != 0;
    dfu->usual_ms = dfu->usual_known && past > usual + usual / 4 + 1 ? usual + usual / 4 + 1 : past;
}

int molt_wire_wait(struct molt_dfu *dfu, const struct molt_wire_wait *wait)
{
    uint32_t start = dfu->usb.ops->now_ms(dfu->usb.context), limit = wait->limit_ms;
    uint32_t failures = 0, pause_ms = 0, past = 0;
    int error = MOLT_OK; /* the first of the failures */
    uint32_t busy = 0;   /* answers */
    bool refused = false, dnbusy = false;
    for (;;) {
        /* An erase blocks the answer: as long as the whole may last, so long is it waited for. */
        uint32_t left = past < limit ? limit - past : 0;
        bool brief = wait->brief || wait->may_go || left <= 2 * DFU_TRANSFER_MS;
        int code = molt_wire_poll(dfu, brief ? DFU_TRANSFER_MS : left);
        past = dfu->usb.ops->now_ms(dfu->usb.context) - start;
        if (code == MOLT_OK) {
            if (!at_work(dfu->last.state)) {
                if (wait->usual) {
                    learn(dfu, busy + refused, past);
                }
                /* What it refused was asked because an answer was lost: that is the cause. */
                return dfu->last.status == ERR_STALLEDPKT ? error : MOLT_OK;
            }
            uint32_t poll = dfu->last.poll_ms;
            if (busy == 0 && poll <= DFU_POLL_MAX_MS && limit < past + poll + DFU_TRANSFER_MS) {
                limit = past + poll + DFU_TRANSFER_MS;
            }
            pause_ms = busy == 0 && wait->usual ? dfu->usual_ms : pause_ms;
            busy++;
            dnbusy = dfu->last.state == MOLT_DFU_DOWNLOAD_BUSY;
            failures = 0;
        } else if (code == MOLT_E_USB_GONE || (wait->may_go && busy)) {
            return MOLT_E_USB_GONE;
        } else {
            error = failures++ ? error : code;
            /* Whoever said dfuDNBUSY, and refuses to say more, still is: to the deadline. */
            bool at_it =
                code == MOLT_E_USB_STALL && (dnbusy || (dfu->quirks & MOLT_DFU_QUIRK_POLL_STALLS));
            refused = refused || at_it;
            if (failures > RETRIES && !at_it) {
                return error;
            }
            /* Else the poll time went with the answer: a strict device takes a hasty request for
             * an error. */
            pause_ms =
                (at_it && dnbusy) || pause_ms >= UNKNOWN_POLL_MS ? pause_ms : UNKNOWN_POLL_MS;
        }
        if (past >= limit) {
            molt_wire_forget(dfu);
            return failures ? error : MOLT_E_TIMEOUT;
        }
        if (wait->stuck_ms && past >= wait->stuck_ms && past >= dfu->last.poll_ms) {
            return MOLT_E_BUSY;
        }
        code = molt_wire_pause(dfu, wait, &pause_ms, limit - past);
        past = dfu->usb.ops->now_ms(dfu->usb.context) - start;
        if (code < 0) {
            molt_wire_forget(dfu);
            return code;
        }
    }
}

int molt_wire_plain_request(struct molt_dfu *dfu, uint8_t request)
{
    int code = molt_wire_transfer(dfu, request, 0, NULL, 0, DFU_TRANSFER_MS);
    if (code == MOLT_E_USB_STALL || code == MOLT_E_IO) {
        code = molt_wire_transfer(dfu, request, 0, NULL, 0, DFU_TRANSFER_MS);
    }
    if (code == MOLT_OK) {
        dfu->last.state = MOLT_DFU_IDLE;
        dfu->last.status = 0;
    }
    return code;
}

static int reset(struct molt_dfu *dfu)
{
    return dfu->usb.ops->reset ? dfu->usb.ops->reset(dfu->usb.context) : MOLT_E_DFU_STATE;
}

/* One step towards dfuIDLE from the state in last. */
static int step_to_idle(struct molt_dfu *dfu, uint32_t *resets)
{
    struct molt_wire_wait wait = molt_wire_waiting("wait", 0, 0, DFU_LEFT_BUSY_MS);
    if (at_work(dfu->last.state)) {
        wait.stuck_ms = dfu->quirks & MOLT_DFU_QUIRK_BUSY_STUCK ? DFU_COMMAND_MS : 0;
        uint32_t pause_ms = 0;
        int code = molt_wire_pause(dfu, &wait, &pause_ms, wait.limit_ms);
        code = code < 0 ? code : molt_wire_wait(dfu, &wait);
        return code == MOLT_E_BUSY ? molt_wire_plain_request(dfu, DFU_CLRSTATUS) : code;
    }
    switch (dfu->last.state) {
    case MOLT_DFU_DOWNLOAD_IDLE:
    case MOLT_DFU_UPLOAD_IDLE: return molt_wire_plain_request(dfu, DFU_ABORT);
    case MOLT_DFU_ERROR: return molt_wire_plain_request(dfu, DFU_CLRSTATUS);
    case MOLT_DFU_MANIFEST_WAIT_RESET: return (*resets)++ ? MOLT_E_DFU_STATE : reset(dfu);
    default: return MOLT_E_DFU_STATE; /* its application runs, or no state at all */
    }
}

/* What is no answer may be one of a device at work: a mass erase is under way, in which an F405
 * answers nothing for 16 s, or a strict one refuses whatever comes before its poll time is over. */
static bool may_be_at_work(struct molt_dfu *dfu, int code, uint32_t since_ms, uint32_t *refused)
{
    if (code == MOLT_E_TIMEOUT) {
        return dfu->usb.ops->now_ms(dfu->usb.context) - since_ms < DFU_SILENT_MS;
    }
    if ((code != MOLT_E_USB_STALL && code != MOLT_E_IO) || (*refused)++ >= RETRIES) {
        return false;
    }
    dfu->usb.ops->sleep_ms(dfu->usb.context, UNKNOWN_POLL_MS);
    return true;
}

int molt_wire_to_idle(struct molt_dfu *dfu)
{
    uint32_t resets = 0, refused = 0, start = dfu->usb.ops->now_ms(dfu->usb.context);
    dfu->pointer_known = false;
    for (uint32_t i = 0; i < 4 * RETRIES; i++) {
        int code = poll_again(dfu);
        if (code == MOLT_OK && dfu->last.state == MOLT_DFU_IDLE) {
            return MOLT_OK;
        }
        if (code == MOLT_OK) {
            code = step_to_idle(dfu, &resets);
        } else if (may_be_at_work(dfu, code, start, &refused)) {
            code = molt_wire_ask(dfu, "wait", 0, 0);
        }
        if (code < 0) {
            molt_wire_forget(dfu);
            return code;
        }
    }
    molt_wire_forget(dfu);
    return MOLT_E_DFU_STATE;
}

void molt_wire_begin(struct molt_dfu *dfu)
{
    memset(&dfu->failure, 0, sizeof dfu->failure);
    dfu->failure_text[0] = 0;
}

int molt_wire_ready(struct molt_dfu *dfu)
{
    int code = MOLT_OK;
    if (!(dfu->last_known &&
          (dfu->last.state == MOLT_DFU_IDLE || dfu->last.state == MOLT_DFU_DOWNLOAD_IDLE))) {
        code = molt_wire_to_idle(dfu);
    }
    molt_wire_begin(dfu); /* what somebody else left behind is no failure of this call */
    return code;
}

int molt_dfu_idle(struct molt_dfu *dfu, struct molt_diag *diag)
{
    int code = molt_wire_to_idle(dfu);
    return code < 0 ? molt_diag_at(diag, code, "way to dfuIDLE", MOLT_DIAG_NONE) : MOLT_OK;
}
