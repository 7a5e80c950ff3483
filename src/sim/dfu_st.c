/*
 * ST's ROM loaders: DfuSe (AN3156, UM0391). A block that was downloaded waits in dfuDNLOAD-SYNC;
 * the GETSTATUS that follows answers dfuDNBUSY and starts the work, the next one tells how it went.
 */
#include "sim/dfu_internal.h"

#define GET_COMMANDS   0x00
#define SET_ADDRESS    0x21
#define ERASE          0x41
#define READ_UNPROTECT 0x92

static uint32_t get_le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static int download(struct molt_sim_dfu *sim, uint16_t block, const uint8_t *data, uint16_t length)
{
    if (sim->state != DFU_IDLE && sim->state != DNLOAD_IDLE) {
        return dfu_refuse(sim, ERR_STALLEDPKT);
    }
    if (length == 0) {
        sim->state = MANIFEST_SYNC;
        return 0;
    }
    if (block == 1 || !dfu_take_block(sim, block, data, length)) {
        return dfu_refuse(sim, ERR_STALLEDPKT);
    }
    sim->state = DNLOAD_SYNC;
    sim->sync_done = false;
    return 0;
}

static int upload(struct molt_sim_dfu *sim, uint16_t block, uint8_t *data, uint16_t length)
{
    static const uint8_t commands[] = {GET_COMMANDS, SET_ADDRESS, ERASE, READ_UNPROTECT};
    const struct molt_sim_dfu_profile *profile = sim->profile;
    if ((sim->state != DFU_IDLE && sim->state != UPLOAD_IDLE) || block == 1 || length == 0 ||
        length > profile->transfer_size) {
        return dfu_refuse(sim, ERR_STALLEDPKT);
    }
    const uint8_t *from = commands;
    uint32_t n = sizeof commands;
    if (block != 0) {
        from = molt_sim_dfu_memory(sim, sim->pointer + (block - 2u) * profile->transfer_size, &n);
        if (!from || dfu_protected(sim)) {
            return dfu_refuse(sim, from ? ERR_VENDOR : ERR_TARGET);
        }
    }
    n = n < length ? n : length;
    for (uint32_t i = 0; i < n; i++) {
        data[i] = from[i];
    }
    sim->bytes_uploaded += block ? n : 0;
    /* A short answer ends the upload: USB DFU 1.1, A.2.3 and A.2.10. */
    sim->state = n < length ? DFU_IDLE : UPLOAD_IDLE;
    return (int)n;
}

/* RAM is no memory of the model, but an address that a program may be started at. */
static bool is_address(const struct molt_sim_dfu *sim, uint32_t address)
{
    return dfu_region(sim, address) || (address >= 0x20000000u && address < 0x20080000u);
}

/* Everything of the chip is erased, then it resets: there is no second status. */
static void unprotect(struct molt_sim_dfu *sim)
{
    bool was = sim->read_protected;
    sim->read_protected = false;
    uint64_t us = 0;
    if (was) {
        dfu_start_mass_erase(sim, DFU_IDLE);
        us = sim->work.end_us - sim->time_us;
        sim->time_us += us; /* nobody can ask in the meantime */
        dfu_settle(sim);
        sim->time_us -= us;
    }
    dfu_leave_bus(sim, sim->boot0 ? us + 300000 : 0);
}

/* Starts what the block says; poll time of the answer. */
static uint32_t command(struct molt_sim_dfu *sim)
{
    const struct molt_sim_dfu_profile *profile = sim->profile;
    const uint8_t *data = sim->buffer;
    if (data[0] == ERASE && sim->length == 1) {
        dfu_start_mass_erase(sim, DNLOAD_SYNC);
        return profile->mass_erase_poll_ms;
    }
    if (data[0] == ERASE && sim->length == 5) {
        dfu_start_erase(sim, get_le32(data + 1), DNLOAD_SYNC);
        return profile->erase_poll_ms;
    }
    uint8_t status = STATUS_OK;
    if (data[0] == SET_ADDRESS && sim->length == 5) {
        uint32_t address = get_le32(data + 1);
        if (is_address(sim, address)) {
            sim->pointer = sim->jump = address;
        } else {
            status = ERR_TARGET;
        }
    } else if (data[0] == READ_UNPROTECT && sim->length == 1) {
        sim->left = true;
    } else if (data[0] != GET_COMMANDS || sim->length != 1) {
        status = ERR_STALLEDPKT;
    }
    dfu_start_wait(sim, 0, DNLOAD_SYNC, status);
    return profile->command_poll_ms;
}

static uint32_t work(struct molt_sim_dfu *sim)
{
    sim->sync_done = true;
    sim->state = DNBUSY;
    if (sim->block == 0) {
        return command(sim);
    }
    uint32_t address = sim->pointer + (sim->block - 2u) * sim->profile->transfer_size;
    dfu_start_program(sim, address, DNLOAD_SYNC);
    sim->jump = address;
    return sim->profile->program_poll_ms;
}

static int get_status(struct molt_sim_dfu *sim, uint8_t *data)
{
    uint32_t poll_ms = 0;
    if (sim->state == DNBUSY) { /* BUSY_ANSWERS, or stuck */
        poll_ms = sim->profile->erase_poll_ms;
    } else if (sim->state == DNLOAD_SYNC && !sim->sync_done) {
        poll_ms = work(sim);
        dfu_answer_status(sim, data, poll_ms);
        if (sim->left) {
            sim->left = false;
            unprotect(sim);
        }
        return 6;
    } else if (sim->state == DNLOAD_SYNC) {
        sim->state = DNLOAD_IDLE;
    } else if (sim->state == MANIFEST_SYNC) {
        sim->jumped = true;
        sim->jumped_to = sim->jump;
        sim->state = MANIFEST;
        dfu_answer_status(sim, data, 1);
        dfu_leave_bus(sim, 0);
        return sim->profile->traits & MOLT_SIM_DFU_LEAVES_MUTE ? MOLT_E_USB_GONE : 6;
    }
    return dfu_answer_status(sim, data, poll_ms);
}

static int clear_status(struct molt_sim_dfu *sim)
{
    if (sim->state == DFU_ERROR) {
        sim->state = DFU_IDLE;
        sim->status = STATUS_OK;
        return 0;
    }
    if (sim->profile->traits & MOLT_SIM_DFU_CLRSTATUS_STALLS) {
        return MOLT_E_USB_STALL; /* and stays as it is */
    }
    sim->stuck = false;
    dfu_error(sim, ERR_UNKNOWN);
    return 0;
}

static int give_up(struct molt_sim_dfu *sim)
{
    static const uint16_t leads_to_idle = 1u << DFU_IDLE | 1u << DNLOAD_SYNC | 1u << DNLOAD_IDLE |
                                          1u << MANIFEST_SYNC | 1u << UPLOAD_IDLE;
    if (leads_to_idle >> sim->state & 1) {
        sim->state = DFU_IDLE;
        sim->status = STATUS_OK;
    }
    return 0;
}

int dfu_st_request(struct molt_sim_dfu *sim, uint8_t request, uint16_t value, uint8_t *data,
                   uint16_t length)
{
    switch (request) {
    case DFU_DNLOAD: return download(sim, value, data, length);
    case DFU_UPLOAD: return upload(sim, value, data, length);
    case DFU_GETSTATUS: return length == 6 ? get_status(sim, data) : MOLT_E_USB_STALL;
    case DFU_CLRSTATUS: return clear_status(sim);
    case DFU_GETSTATE: return length == 1 ? (data[0] = sim->state, 1) : MOLT_E_USB_STALL;
    case DFU_ABORT: return give_up(sim);
    default: return dfu_refuse(sim, ERR_STALLEDPKT);
    }
}
