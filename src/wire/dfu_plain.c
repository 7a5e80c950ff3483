/* USB DFU 1.1 without addresses: detach, download, manifestation, upload. */
#include <stddef.h>

#include "molt/dfu.h"
#include "wire/dfu_internal.h"

int molt_dfu_detach(struct molt_dfu *dfu, uint32_t timeout_ms, struct molt_diag *diag)
{
    uint16_t value = timeout_ms < 0xFFFF ? (uint16_t)timeout_ms : 0xFFFF;
    int code = molt_wire_transfer(dfu, DFU_DETACH, value, NULL, 0, DFU_TRANSFER_MS);
    if (code == MOLT_E_USB_STALL) {
        code = molt_wire_transfer(dfu, DFU_DETACH, value, NULL, 0, DFU_TRANSFER_MS);
    }
    molt_wire_forget(dfu);
    if (code == MOLT_E_USB_STALL) {
        return molt_diag_at(diag, code, "DETACH", MOLT_DIAG_NONE);
    }
    return MOLT_OK; /* a device that resets itself may not come to answer: whether it comes back
                       tells */
}

static int may(const struct molt_dfu *dfu, uint8_t what)
{
    /* Block 0 of a DfuSe device is a command: 41 erases all of it. */
    return dfu->dfuse || (dfu->attributes && !(dfu->attributes & what)) ? MOLT_E_UNSUPPORTED
                                                                        : MOLT_OK;
}

static int send_block(struct molt_dfu *dfu, const uint8_t *data, uint16_t n,
                      const struct molt_wire_wait *wait)
{
    int code = molt_wire_transfer(dfu, DFU_DNLOAD, dfu->block, (uint8_t *)data, n, DFU_TRANSFER_MS);
    if (code == MOLT_E_USB_STALL) {
        return molt_wire_why_stalled(dfu); /* what came before is lost with the ABORT: no retry */
    }
    if (code >= 0) {
        code = molt_wire_wait(dfu, wait);
    }
    if (code == MOLT_OK) {
        code = molt_wire_reported(dfu);
    }
    if (code == MOLT_OK && dfu->last.state != MOLT_DFU_DOWNLOAD_IDLE) {
        code = MOLT_E_DFU_STATE;
    }
    return code;
}

int molt_dfu_download(struct molt_dfu *dfu, const uint8_t *data, uint32_t n, struct molt_diag *diag)
{
    uint32_t step = molt_dfu_block_size(dfu), at = 0;
    int code = may(dfu, MOLT_DFU_CAN_DOWNLOAD);
    if (code == MOLT_OK && !(dfu->last_known && dfu->last.state == MOLT_DFU_DOWNLOAD_IDLE)) {
        code = molt_wire_to_idle(dfu);
        dfu->block = 0;
    }
    molt_wire_begin(dfu);
    while (code == MOLT_OK && at < n) {
        uint32_t piece = n - at < step ? n - at : step;
        struct molt_wire_wait wait = molt_wire_waiting("download", at, n, DFU_PLAIN_MS);
        wait.brief = true;
        code = molt_wire_ask(dfu, wait.word, at, n);
        if (code == MOLT_OK) {
            code = send_block(dfu, data + at, (uint16_t)piece, &wait);
        }
        if (code == MOLT_OK) {
            at += piece;
            dfu->block++;
        }
    }
    if (code == MOLT_OK) {
        code = molt_wire_ask(dfu, "download", n, n);
    }
    return code < 0 ? molt_diag_at(diag, code, "download", at) : MOLT_OK;
}

static int reset_at_end(struct molt_dfu *dfu)
{
    /* Without a reset it waits for one, which is no failure of what was written. */
    if (dfu->usb.ops->reset) {
        (void)dfu->usb.ops->reset(dfu->usb.context);
    }
    molt_wire_forget(dfu);
    return MOLT_OK;
}

/* What the state behind the zero-length block means. MOLT_AGAIN: it did not get there. */
static int manifested(struct molt_dfu *dfu)
{
    int code = molt_wire_reported(dfu);
    if (code < 0) {
        return code;
    }
    switch (dfu->last.state) {
    case MOLT_DFU_IDLE:
    case MOLT_DFU_APP_IDLE: return MOLT_OK;
    case MOLT_DFU_MANIFEST_WAIT_RESET: return reset_at_end(dfu);
    case MOLT_DFU_DOWNLOAD_IDLE: return MOLT_AGAIN;
    default: return MOLT_E_DFU_STATE;
    }
}

int molt_dfu_manifest(struct molt_dfu *dfu, struct molt_diag *diag)
{
    struct molt_wire_wait wait = molt_wire_waiting("manifest", 0, 0, DFU_MANIFEST_MS);
    wait.brief = true;
    wait.may_go = !(dfu->attributes & MOLT_DFU_TOLERANT);
    int code = dfu->last_known && dfu->last.state == MOLT_DFU_DOWNLOAD_IDLE ? MOLT_AGAIN
                                                                            : MOLT_E_DFU_STATE;
    for (uint32_t i = 0; code == MOLT_AGAIN && i < 2; i++) {
        dfu->last.state = MOLT_DFU_DOWNLOAD_IDLE;
        code = molt_wire_transfer(dfu, DFU_DNLOAD, dfu->block, NULL, 0, DFU_TRANSFER_MS);
        if (code != MOLT_E_USB_GONE) {
            code = molt_wire_wait(dfu, &wait); /* also when the answer was lost: the state tells */
        }
        if (code == MOLT_OK) {
            code = manifested(dfu);
        } else if (code == MOLT_E_USB_GONE) {
            code = MOLT_OK; /* it went, or cannot answer any more until its reset */
            molt_wire_forget(dfu);
        }
    }
    if (code == MOLT_AGAIN) {
        code = MOLT_E_DFU_STATE;
    }
    return code < 0 ? molt_diag_at(diag, code, "manifestation", MOLT_DIAG_NONE) : MOLT_OK;
}

/* Behind a short block: is it the end? The device says dfuIDLE then (A.2.10). MOLT_AGAIN: it thinks
 * that it gave a full one. */
static int upload_ended(struct molt_dfu *dfu)
{
    int code = molt_wire_poll(dfu, DFU_TRANSFER_MS);
    if (code == MOLT_OK) {
        code = molt_wire_reported(dfu);
    }
    if (code < 0 || dfu->last.state == MOLT_DFU_IDLE) {
        return code;
    }
    code = molt_wire_to_idle(dfu);
    return code < 0 ? code : MOLT_AGAIN;
}

/* Everything once, from dfuIDLE. */
static int upload_once(struct molt_dfu *dfu, uint8_t *buffer, uint32_t capacity, uint32_t *n)
{
    uint32_t step = molt_dfu_block_size(dfu);
    *n = 0;
    dfu->block = 0;
    for (;;) {
        uint32_t room = capacity - *n, piece = room < step ? room : step;
        uint8_t more;
        int code = molt_wire_ask(dfu, "upload", *n, 0);
        if (code < 0) {
            return code;
        }
        code = molt_wire_transfer(dfu, DFU_UPLOAD, dfu->block++, piece ? buffer + *n : &more,
                                  (uint16_t)(piece ? piece : 1), DFU_TRANSFER_MS);
        dfu->last.state = MOLT_DFU_UPLOAD_IDLE;
        if (code < 0) {
            return code == MOLT_E_USB_STALL ? molt_wire_why_stalled(dfu) : code;
        }
        if (piece == 0 && code > 0) {
            return MOLT_E_NO_SPACE;
        }
        *n += (uint32_t)code;
        if (piece == 0 || (uint32_t)code < piece) {
            return upload_ended(dfu);
        }
    }
}

int molt_dfu_upload(struct molt_dfu *dfu, uint8_t *buffer, uint32_t capacity, uint32_t *n,
                    struct molt_diag *diag)
{
    uint32_t before = 0;
    int code = may(dfu, MOLT_DFU_CAN_UPLOAD);
    *n = 0;
    if (code == MOLT_OK) {
        code = molt_wire_to_idle(dfu);
    }
    molt_wire_begin(dfu);
    for (uint32_t i = 0; code == MOLT_OK && i < 3; i++) {
        code = upload_once(dfu, buffer, capacity, n);
        /* A device that keeps no state gives the same again; when the bus lost something, more. */
        if (code == MOLT_AGAIN) {
            code = i > 0 && *n == before ? MOLT_DONE : i == 2 ? MOLT_E_IO : MOLT_OK;
            before = *n;
        } else if (code == MOLT_OK) {
            code = MOLT_DONE;
        }
    }
    return code < 0 ? molt_diag_at(diag, code, "upload", *n) : MOLT_OK;
}
