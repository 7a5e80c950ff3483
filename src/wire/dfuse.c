/* ST's DfuSe: AN3156, and what its loaders and MicroPython's mboot do. */
#include "molt/dfuse.h"

#include <stddef.h>

#include "wire/dfu_internal.h"

/* The first byte of block 0 */
enum { SET_ADDRESS = 0x21, ERASE = 0x41, READ_UNPROTECT = 0x92 };

static int fail(struct molt_dfu *dfu, int code, const char *what, uint32_t address,
                struct molt_diag *diag)
{
    dfu->address = address;
    return code < 0 ? molt_diag_at(diag, code, what, address) : MOLT_OK;
}

static uint32_t add_limit(uint32_t base, uint32_t each_kb, uint64_t bytes)
{
    uint64_t kb = (bytes + 1023) >> 10;
    return kb > DFU_LONGEST_MS / each_kb ? DFU_LONGEST_MS : base + (uint32_t)kb * each_kb;
}

/* A state and status that a block or command ends well with. */
static int done(struct molt_dfu *dfu)
{
    int code = molt_wire_reported(dfu);
    if (code == MOLT_OK && dfu->last.state != MOLT_DFU_DOWNLOAD_IDLE) {
        molt_wire_forget(dfu);
        code = MOLT_E_DFU_STATE;
    }
    return code;
}

/* A DNLOAD and its end. MOLT_E_USB_STALL: refused, without another reason; nothing happened. */
static int send(struct molt_dfu *dfu, uint16_t block, const uint8_t *data, uint16_t n,
                const struct molt_wire_wait *wait)
{
    int code = molt_wire_transfer(dfu, DFU_DNLOAD, block, (uint8_t *)data, n, DFU_TRANSFER_MS);
    if (code == MOLT_E_USB_STALL) {
        return molt_wire_why_stalled(dfu);
    }
    if (code < 0) {
        return code;
    }
    code = molt_wire_wait(dfu, wait);
    return code == MOLT_OK ? done(dfu) : code;
}

/* A command may be sent twice without harm: what the bus lost is sent again, once. */
static int command(struct molt_dfu *dfu, uint8_t opcode, const uint32_t *address,
                   const struct molt_wire_wait *wait)
{
    uint8_t p[5] = {opcode};
    for (uint32_t i = 0; address && i < 4; i++) {
        p[1 + i] = (uint8_t)(*address >> 8 * i);
    }
    int code = MOLT_OK;
    for (uint32_t i = 0; i < 2; i++) {
        code = molt_wire_ready(dfu);
        dfu->pointer_known = false; /* ST's loaders move it with an erase too */
        if (code == MOLT_OK) {
            code = send(dfu, 0, p, address ? 5 : 1, wait);
        }
        if (code != MOLT_E_USB_STALL && code != MOLT_E_IO) {
            break;
        }
    }
    return code;
}

static int set_address(struct molt_dfu *dfu, uint32_t address)
{
    struct molt_wire_wait wait = molt_wire_waiting(NULL, 0, 0, DFU_COMMAND_MS);
    int code = command(dfu, SET_ADDRESS, &address, &wait);
    if (code == MOLT_OK) {
        dfu->pointer = address;
        dfu->pointer_known = true;
    }
    return code;
}

int molt_dfuse_set_address(struct molt_dfu *dfu, uint32_t address, struct molt_diag *diag)
{
    return fail(dfu, set_address(dfu, address), "set address", address, diag);
}

/* How a run of blocks goes on: the next block's number, 0 = an address has to be set first. */
struct run {
    uint32_t step; /* bytes a block */
    uint32_t next;
    bool counts; /* the device counts blocks of this size too */
};

static struct run begin_run(const struct molt_dfu *dfu)
{
    struct run run = {molt_dfu_block_size(dfu), 0, false};
    run.counts = run.step == dfu->transfer_size;
    return run;
}

static void go_on(struct run *run)
{
    run->next = run->counts && run->next < DFU_LAST_BLOCK ? run->next + 1 : 0;
}

static bool in_4_gb(uint32_t address, uint32_t n)
{
    return n == 0 || n - 1 <= 0xFFFFFFFFu - address;
}

int molt_dfuse_write(struct molt_dfu *dfu, uint32_t address, const uint8_t *data, uint32_t n,
                     struct molt_diag *diag)
{
    struct run run = begin_run(dfu);
    uint32_t at = 0, refused = 0;
    int code = in_4_gb(address, n) ? MOLT_OK : MOLT_E_RANGE;
    while (code == MOLT_OK && at < n) {
        uint32_t piece = n - at < run.step ? n - at : run.step;
        struct molt_wire_wait wait = molt_wire_waiting("write", at, n, DFU_COMMAND_MS);
        wait.usual = piece == run.step;
        code = molt_wire_ask(dfu, wait.word, at, n);
        if (code == MOLT_OK && run.next == 0) {
            code = set_address(dfu, address + at);
            run.next = DFU_FIRST_BLOCK;
        }
        if (code < 0) {
            break;
        }
        dfu->pointer_known = false;
        code = send(dfu, (uint16_t)run.next, data + at, (uint16_t)piece, &wait);
        if (code == MOLT_E_USB_STALL && refused++ == 0) {
            run.next = 0; /* it did not take the block: again, from its address */
            code = MOLT_OK;
        } else if (code == MOLT_OK) {
            at += piece;
            refused = 0;
            go_on(&run);
        }
    }
    if (code == MOLT_OK) {
        code = molt_wire_ask(dfu, "write", n, n);
    }
    return fail(dfu, code, "write", address + at, diag);
}

/* Sets the pointer where the last one does not serve, and leaves dfuDNLOAD-IDLE, where nothing can
 * be read. */
static int aim(struct molt_dfu *dfu, uint32_t address, struct run *run)
{
    uint32_t ahead = address - dfu->pointer, blocks = ahead / run->step;
    bool serves = dfu->pointer_known && address >= dfu->pointer &&
                  (ahead == 0 || (run->counts && ahead == blocks * run->step &&
                                  blocks <= DFU_LAST_BLOCK - DFU_FIRST_BLOCK));
    int code = MOLT_OK;
    run->next = DFU_FIRST_BLOCK + (serves ? blocks : 0);
    if (!serves) {
        code = set_address(dfu, address);
    }
    if (code == MOLT_OK && dfu->last.state != MOLT_DFU_IDLE &&
        dfu->last.state != MOLT_DFU_UPLOAD_IDLE) {
        code = molt_wire_plain_request(dfu, DFU_ABORT);
    }
    return code;
}

/* After the blocks: mboot tells only now that it did not read, so the status has to be seen. */
static int end_read(struct molt_dfu *dfu)
{
    int code = molt_wire_poll(dfu, DFU_TRANSFER_MS);
    if (code == MOLT_E_USB_STALL) {
        code = molt_wire_poll(dfu, DFU_TRANSFER_MS);
    }
    if (code == MOLT_OK) {
        code = molt_wire_reported(dfu);
    }
    if (code == MOLT_OK && dfu->last.state != MOLT_DFU_IDLE) {
        code = dfu->last.state == MOLT_DFU_UPLOAD_IDLE ? molt_wire_plain_request(dfu, DFU_ABORT)
                                                       : MOLT_E_DFU_STATE;
    }
    if (code == MOLT_E_DFU_FILE) {
        dfu->quirks |= MOLT_DFU_QUIRK_NO_READ; /* mboot that takes packed (signed) files only */
        code = MOLT_E_UNSUPPORTED;
    }
    if (code < 0) {
        molt_wire_forget(dfu);
    }
    return code;
}

/* word NULL: nobody is asked. *at: bytes read. */
static int read_run(struct molt_dfu *dfu, const char *word, uint32_t address, uint8_t *buffer,
                    uint32_t n, uint32_t *at)
{
    struct run run = begin_run(dfu);
    uint32_t again = 0;
    int code = MOLT_OK;
    while (code == MOLT_OK && *at < n) {
        uint32_t piece = n - *at < run.step ? n - *at : run.step;
        code = molt_wire_ask(dfu, word, *at, n);
        if (code == MOLT_OK && run.next == 0) {
            code = aim(dfu, address + *at, &run);
        }
        if (code < 0) {
            break;
        }
        code = molt_wire_transfer(dfu, DFU_UPLOAD, (uint16_t)run.next, buffer + *at,
                                  (uint16_t)piece, DFU_TRANSFER_MS);
        dfu->last.state = MOLT_DFU_UPLOAD_IDLE;
        if (code == (int)piece) {
            *at += piece;
            again = 0;
            go_on(&run);
            code = MOLT_OK;
            continue;
        }
        if (code == MOLT_E_USB_STALL) {
            code = molt_wire_why_stalled(dfu);
        } else if (code >= 0) {
            molt_wire_forget(dfu);
            code = MOLT_E_TRUNCATED;
        }
        if ((code == MOLT_E_USB_STALL || code == MOLT_E_TRUNCATED || code == MOLT_E_IO) &&
            again++ == 0) {
            run.next = 0;
            code = molt_wire_to_idle(dfu);
        }
    }
    return code;
}

int molt_dfuse_read(struct molt_dfu *dfu, uint32_t address, uint8_t *buffer, uint32_t n,
                    struct molt_diag *diag)
{
    uint32_t at = 0;
    int code = in_4_gb(address, n) ? MOLT_OK : MOLT_E_RANGE;
    if (code == MOLT_OK && ((dfu->quirks & MOLT_DFU_QUIRK_NO_READ) ||
                            (dfu->attributes && !(dfu->attributes & MOLT_DFU_CAN_UPLOAD)))) {
        code = MOLT_E_UNSUPPORTED;
    }
    if (code == MOLT_OK && n) {
        molt_wire_begin(dfu);
        if (!dfu->last_known) {
            code = molt_wire_to_idle(dfu);
        }
    }
    if (code == MOLT_OK && n) {
        code = read_run(dfu, "read", address, buffer, n, &at);
    }
    if (code == MOLT_OK && n) {
        code = end_read(dfu);
        at = code < 0 ? 0 : at;
    }
    if (code == MOLT_OK) {
        code = molt_wire_ask(dfu, "read", n, n);
    }
    return fail(dfu, code, "read", address + at, diag);
}

/* ST's own programmer gets an STM32H743 (revision V) out of dfuDNBUSY by CLRSTATUS twice: the first
 * gives errUNKNOWN and dfuERROR, the second dfuIDLE. It then takes the sector as erased; here that
 * is looked at. */
static int unstick(struct molt_dfu *dfu, uint32_t address, uint32_t size)
{
    uint8_t sample[64];
    int error = MOLT_E_TIMEOUT;
    dfu->last.state = MOLT_DFU_DOWNLOAD_BUSY;
    for (uint32_t i = 0; i < 6 && dfu->last.state != MOLT_DFU_IDLE;
         i++) { /* with room for faults */
        int cleared = molt_wire_transfer(dfu, DFU_CLRSTATUS, 0, NULL, 0, DFU_TRANSFER_MS);
        int code = cleared == MOLT_E_USB_GONE ? cleared : molt_wire_poll(dfu, DFU_TRANSFER_MS);
        if (code == MOLT_E_USB_GONE) {
            return code;
        }
        error = code < 0 ? code : cleared < 0 ? cleared : error;
    }
    if (dfu->last.state != MOLT_DFU_IDLE) {
        molt_wire_forget(dfu);
        return error;
    }
    molt_wire_begin(dfu);
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t n = size < sizeof sample ? size : (uint32_t)sizeof sample, at = 0;
        uint32_t where = address + (i == 0 ? 0 : i == 1 ? (size - n) / 2 : size - n);
        int code = read_run(dfu, NULL, where, sample, n, &at);
        if (code == MOLT_OK) {
            code = end_read(dfu);
        }
        for (uint32_t k = 0; code == MOLT_OK && k < n; k++) {
            code = sample[k] == 0xFF ? MOLT_OK : MOLT_E_DFU_ERASE;
        }
        if (code < 0) {
            return code;
        }
    }
    return MOLT_OK;
}

int molt_dfuse_erase_page(struct molt_dfu *dfu, uint32_t address, uint32_t size,
                          struct molt_diag *diag)
{
    struct molt_wire_wait wait = molt_wire_waiting("erase", 0, size, 0);
    wait.limit_ms = add_limit(DFU_ERASE_MS, DFU_ERASE_KB_MS, size);
    if (dfu->quirks & MOLT_DFU_QUIRK_BUSY_STUCK) {
        wait.stuck_ms = add_limit(DFU_STUCK_MS, DFU_STUCK_KB_MS, size);
    }
    int code = molt_wire_ask(dfu, wait.word, 0, size);
    if (code == MOLT_OK) {
        code = command(dfu, ERASE, &address, &wait);
    }
    if (code == MOLT_E_BUSY) {
        code = unstick(dfu, address, size);
    }
    if (code == MOLT_OK) {
        code = molt_wire_ask(dfu, wait.word, size, size);
    }
    return fail(dfu, code, "erase", address, diag);
}

int molt_dfuse_erase_all(struct molt_dfu *dfu, uint64_t bytes, struct molt_diag *diag)
{
    struct molt_wire_wait wait = molt_wire_waiting("erase", 0, bytes, 0);
    wait.limit_ms = add_limit(DFU_MASS_MS, DFU_MASS_KB_MS, bytes);
    int code = molt_wire_ask(dfu, wait.word, 0, bytes);
    if (code == MOLT_OK) {
        code = command(dfu, ERASE, NULL, &wait);
    }
    if (code == MOLT_OK) {
        code = molt_wire_ask(dfu, wait.word, bytes, bytes);
    }
    return fail(dfu, code, "mass erase", MOLT_DIAG_NONE, diag);
}

int molt_dfuse_unprotect(struct molt_dfu *dfu, struct molt_diag *diag)
{
    struct molt_wire_wait wait = molt_wire_waiting("unprotect", 0, 0, DFU_UNPROTECT_MS);
    wait.may_go = true;
    int code = dfu->quirks & MOLT_DFU_QUIRK_NO_UNPROTECT ? MOLT_E_UNSUPPORTED : MOLT_OK;
    code = code < 0 ? code : molt_wire_ready(dfu);
    if (code == MOLT_OK) {
        code = command(dfu, READ_UNPROTECT, NULL, &wait);
        /* It resets itself, and there is no second status (AN3156): silence behind dfuDNBUSY. */
        if (code == MOLT_E_USB_GONE && dfu->last.state == MOLT_DFU_DOWNLOAD_BUSY) {
            code = MOLT_OK;
        }
    }
    molt_wire_forget(dfu);
    return fail(dfu, code, "unprotect", MOLT_DIAG_NONE, diag);
}

int molt_dfuse_commands(struct molt_dfu *dfu, uint8_t *bytes, uint32_t capacity,
                        struct molt_diag *diag)
{
    uint32_t step = molt_dfu_block_size(dfu), n = capacity < step ? capacity : step;
    int got = 0;
    int code =
        dfu->quirks & MOLT_DFU_QUIRK_NO_COMMANDS ? MOLT_E_UNSUPPORTED : molt_wire_to_idle(dfu);
    molt_wire_begin(dfu);
    if (code == MOLT_OK) {
        got = molt_wire_transfer(dfu, DFU_UPLOAD, 0, bytes, (uint16_t)n, DFU_TRANSFER_MS);
        dfu->last.state = MOLT_DFU_UPLOAD_IDLE;
        code = got == MOLT_E_USB_STALL ? molt_wire_why_stalled(dfu) : got < 0 ? got : MOLT_OK;
    }
    if (code == MOLT_OK) {
        code = end_read(dfu);
    }
    code = fail(dfu, code, "command list", MOLT_DIAG_NONE, diag);
    return code < 0 ? code : got;
}

/* The zero-length block and the status that makes it happen. MOLT_AGAIN: it is still there, and did
 * not take it. */
static int go(struct molt_dfu *dfu)
{
    int code = molt_wire_transfer(dfu, DFU_DNLOAD, DFU_FIRST_BLOCK, NULL, 0, DFU_LEAVE_MS);
    if (code == MOLT_E_USB_GONE) {
        return MOLT_OK;
    }
    /* The status starts the jump; who goes without it (GD32) is gone, silent, or refuses by then.
     */
    for (uint32_t i = 0; i < 3; i++) {
        code = molt_wire_poll(dfu, DFU_LEAVE_MS);
        if (code == MOLT_OK || code == MOLT_E_USB_GONE ||
            (dfu->quirks & MOLT_DFU_QUIRK_LEAVES_SILENTLY)) {
            break;
        }
    }
    if (code < 0) {
        return MOLT_OK;
    }
    code = molt_wire_reported(dfu);
    bool stays = dfu->last.state == MOLT_DFU_DOWNLOAD_IDLE || dfu->last.state == MOLT_DFU_ERROR;
    if (code == MOLT_E_DFU_STALLEDPKT || (code == MOLT_OK && stays)) {
        return MOLT_AGAIN;
    }
    return code;
}

int molt_dfuse_leave(struct molt_dfu *dfu, uint32_t entry, struct molt_diag *diag)
{
    int code = MOLT_AGAIN;
    for (uint32_t i = 0; code == MOLT_AGAIN && i < 2; i++) {
        code = molt_wire_to_idle(dfu);
        if (code == MOLT_OK) {
            code = set_address(dfu, entry);
        }
        if (code == MOLT_OK) {
            code = go(dfu);
        }
    }
    molt_wire_forget(dfu);
    return fail(dfu, code == MOLT_AGAIN ? MOLT_E_DFU_STATE : code, "leave", entry, diag);
}
