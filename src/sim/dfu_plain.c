/*
 * Plain USB DFU 1.1 (appendix A): one firmware, from the start of flash, in blocks that are
 * numbered one by one; sectors are erased as they come. And the run-time interface of an
 * application. Strict, where devices differ: a request that a state does not know is an error.
 */
#include "sim/dfu_internal.h"

#define MANIFESTATION_US 200000u

/* Sectors that begin in the range; microseconds. */
static uint64_t erase_ahead(struct molt_sim_dfu *sim, uint32_t address, uint32_t n)
{
    uint64_t us = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct molt_sim_dfu_region *region = dfu_region(sim, address + i);
        if (region && (address + i - region->start) % region->sector_size == 0) {
            us += dfu_erase_now(sim, address + i);
        }
    }
    return us;
}

static int download(struct molt_sim_dfu *sim, uint16_t block, const uint8_t *data, uint16_t length)
{
    bool first = sim->state == DFU_IDLE;
    if (!(sim->profile->attributes & CAN_DNLOAD) || (!first && sim->state != DNLOAD_IDLE) ||
        (first && length == 0)) {
        return dfu_refuse(sim, ERR_STALLEDPKT);
    }
    if (length == 0) {
        sim->state = MANIFEST_SYNC;
        sim->sync_done = false;
        return 0;
    }
    if (first) {
        sim->position = 0;
        sim->next_block = block;
    }
    if (block != sim->next_block || !dfu_take_block(sim, block, data, length)) {
        return dfu_refuse(sim, ERR_STALLEDPKT);
    }
    sim->next_block = (uint16_t)(block + 1);
    sim->state = DNLOAD_SYNC;
    sim->sync_done = false;
    return 0;
}

static int upload(struct molt_sim_dfu *sim, uint8_t *data, uint16_t length)
{
    bool first = sim->state == DFU_IDLE;
    if (!(sim->profile->attributes & CAN_UPLOAD) || (!first && sim->state != UPLOAD_IDLE) ||
        length > sim->profile->transfer_size) {
        return dfu_refuse(sim, ERR_STALLEDPKT);
    }
    sim->position = first ? 0 : sim->position;
    uint32_t n = molt_sim_dfu_flash_size(sim->profile) - sim->position;
    n = n < length ? n : length;
    for (uint32_t i = 0; i < n; i++) {
        data[i] = sim->flash[sim->position + i];
    }
    sim->position += n;
    sim->bytes_uploaded += n;
    sim->state = n < length ? DFU_IDLE : UPLOAD_IDLE;
    return (int)n;
}

static uint32_t poll_ms(const struct molt_sim_dfu *sim)
{
    return (uint32_t)((sim->work.end_us - sim->time_us + 999) / 1000);
}

static int program(struct molt_sim_dfu *sim, uint8_t *data)
{
    uint32_t address = sim->profile->regions[0].start + sim->position;
    sim->sync_done = true;
    if (sim->length > molt_sim_dfu_flash_size(sim->profile) - sim->position) {
        dfu_error(sim, ERR_ADDRESS);
        return dfu_answer_status(sim, data, 0);
    }
    uint64_t us = erase_ahead(sim, address, sim->length);
    dfu_start_program(sim, address, DNLOAD_SYNC);
    sim->work.end_us += sim->instant ? 0 : us;
    sim->position += sim->length;
    sim->state = DNBUSY;
    return dfu_answer_status(sim, data, poll_ms(sim));
}

static int manifest(struct molt_sim_dfu *sim, uint8_t *data)
{
    bool tolerant = sim->profile->attributes & TOLERANT;
    sim->sync_done = true;
    sim->state = MANIFEST;
    dfu_start_wait(sim, MANIFESTATION_US, tolerant ? MANIFEST_SYNC : MANIFEST_WAIT_RESET,
                   STATUS_OK);
    return dfu_answer_status(sim, data, poll_ms(sim));
}

static int get_status(struct molt_sim_dfu *sim, uint8_t *data)
{
    if (sim->state == DNLOAD_SYNC && !sim->sync_done) {
        return program(sim, data);
    }
    if (sim->state == MANIFEST_SYNC && !sim->sync_done) {
        return manifest(sim, data);
    }
    if (sim->state == DNLOAD_SYNC) {
        sim->state = DNLOAD_IDLE;
    } else if (sim->state == MANIFEST_SYNC) {
        sim->state = DFU_IDLE;
    }
    return dfu_answer_status(sim, data, 0);
}

int dfu_plain_request(struct molt_sim_dfu *sim, uint8_t request, uint16_t value, uint8_t *data,
                      uint16_t length)
{
    if (sim->work.on && (sim->profile->traits & MOLT_SIM_DFU_BUSY_STALLS)) {
        sim->work.after = DFU_ERROR; /* A.2.5, A.2.8: asked before the poll time was over */
        return dfu_refuse(sim, ERR_STALLEDPKT);
    }
    switch (request) {
    case DFU_DNLOAD: return download(sim, value, data, length);
    case DFU_UPLOAD: return upload(sim, data, length);
    case DFU_GETSTATUS: return length == 6 ? get_status(sim, data) : MOLT_E_USB_STALL;
    case DFU_GETSTATE: return length == 1 ? (data[0] = sim->state, 1) : MOLT_E_USB_STALL;
    case DFU_CLRSTATUS:
        if (sim->state == DFU_ERROR) {
            sim->state = DFU_IDLE;
            sim->status = STATUS_OK;
            return 0;
        }
        return dfu_refuse(sim, ERR_STALLEDPKT);
    case DFU_ABORT:
        if (sim->state == DFU_ERROR || sim->state == MANIFEST_WAIT_RESET) {
            return dfu_refuse(sim, ERR_STALLEDPKT);
        }
        sim->state = DFU_IDLE;
        return 0;
    default: return dfu_refuse(sim, ERR_STALLEDPKT);
    }
}

int dfu_run_request(struct molt_sim_dfu *sim, uint8_t request, uint16_t value, uint8_t *data,
                    uint16_t length)
{
    const struct molt_sim_dfu_profile *profile = sim->profile;
    if (request == DFU_GETSTATUS && length == 6) {
        return dfu_answer_status(sim, data, 0);
    }
    if (request == DFU_GETSTATE && length == 1) {
        data[0] = sim->state;
        return 1;
    }
    if (request != DFU_DETACH || sim->state != APP_IDLE) {
        sim->state = APP_IDLE; /* A.2.1, A.2.2 */
        return MOLT_E_USB_STALL;
    }
    uint16_t ms = value < profile->detach_timeout_ms ? value : profile->detach_timeout_ms;
    sim->state = APP_DETACH;
    if (profile->attributes & WILL_DETACH) {
        dfu_become(sim, profile->other);
    } else {
        sim->detach_until_us = sim->time_us + (uint64_t)ms * 1000;
    }
    return 0;
}
