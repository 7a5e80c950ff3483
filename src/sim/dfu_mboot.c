/*
 * MicroPython's boot loader, ports/stm32/mboot/main.c of MicroPython 1.26: it looks at the state
 * less than ST's loaders do, its poll time is 0 (the answer to the next request waits), and an
 * error and its string are reported once.
 */
#include "sim/dfu_internal.h"

enum { NOTHING, LEAVE, READ, DOWNLOAD }; /* what the next GETSTATUS starts */

enum { OVERWRITE = 0x10, OUT_OF_RANGE = 0x11, NO_READING = 0x13 };

static uint32_t get_le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static int download(struct molt_sim_dfu *sim, uint16_t block, const uint8_t *data, uint16_t length)
{
    if (length == 0) {
        sim->command = LEAVE;
        return 0;
    }
    if (!dfu_take_block(sim, block, data, length)) {
        return MOLT_E_USB_STALL;
    }
    sim->command = DOWNLOAD;
    return 0;
}

/* A block below 2 is answered by nothing at all: the host's time runs out. */
static int upload(struct molt_sim_dfu *sim, uint16_t block, uint8_t *data, uint16_t length)
{
    uint32_t n = 0;
    if (block < 2) {
        return MOLT_E_TIMEOUT;
    }
    sim->command = READ;
    uint32_t address = sim->pointer + (block - 2u) * sim->profile->transfer_size;
    const uint8_t *from = molt_sim_dfu_memory(sim, address, &n);
    bool packed = sim->profile->traits & MOLT_SIM_DFU_PACKED;
    if (packed) {
        sim->status = ERR_FILE;
        sim->string = NO_READING;
    }
    if (length > sim->profile->transfer_size || (!from && !packed)) {
        return MOLT_E_USB_STALL;
    }
    for (uint32_t i = 0; i < length; i++) {
        data[i] = packed ? 0 : i < n ? from[i] : 0xFF;
    }
    sim->bytes_uploaded += packed ? 0 : length;
    return length;
}

static bool is_own(const struct molt_sim_dfu *sim, uint32_t address)
{
    uint32_t start = sim->profile->regions[0].start;
    return address >= start && address - start < sim->profile->own_bytes;
}

/* What is refused has its string; the state after it is dfuERROR. */
static void refuse(struct molt_sim_dfu *sim, uint8_t string)
{
    dfu_start_wait(sim, 0, DFU_ERROR, ERR_ADDRESS);
    sim->string = string;
}

static void erase_page(struct molt_sim_dfu *sim, uint32_t address)
{
    if (sim->profile->traits & MOLT_SIM_DFU_PACKED) {
        dfu_start_wait(sim, 0, DNLOAD_IDLE, STATUS_OK); /* it erases by itself */
    } else if (is_own(sim, address)) {
        refuse(sim, OVERWRITE);
    } else if (!dfu_region(sim, address)) {
        refuse(sim, OUT_OF_RANGE);
    } else {
        dfu_start_erase(sim, address, DNLOAD_IDLE);
    }
}

static void write_block(struct molt_sim_dfu *sim)
{
    uint32_t address = sim->pointer + (sim->block - 2u) * sim->profile->transfer_size;
    if (sim->profile->traits & MOLT_SIM_DFU_PACKED) {
        dfu_packed_write(sim, address);
    } else if (is_own(sim, address)) {
        refuse(sim, OVERWRITE);
    } else if (!dfu_region(sim, address)) {
        refuse(sim, OUT_OF_RANGE);
    } else {
        dfu_start_program(sim, address, DNLOAD_IDLE);
    }
}

static void work(struct molt_sim_dfu *sim)
{
    const uint8_t *data = sim->buffer;
    if (sim->block > 1) {
        write_block(sim);
    } else if (sim->block == 0 && data[0] == 0x41 && sim->length == 1) {
        dfu_start_mass_erase(sim, DNLOAD_IDLE);
    } else if (sim->block == 0 && data[0] == 0x41 && sim->length == 5) {
        erase_page(sim, get_le32(data + 1));
    } else if (sim->block == 0 && data[0] == 0x21 && sim->length == 5) {
        sim->pointer = get_le32(data + 1);
        dfu_start_wait(sim, 0, DNLOAD_IDLE, STATUS_OK);
    } else {
        dfu_start_wait(sim, 0, DFU_ERROR, STATUS_OK); /* dfuERROR, but no status that says why */
    }
    sim->command = NOTHING;
}

static int get_status(struct molt_sim_dfu *sim, uint8_t *data)
{
    if (sim->command == LEAVE) {
        sim->state = MANIFEST;
    } else if (sim->command == READ) {
        sim->state = UPLOAD_IDLE;
    } else if (sim->command == DOWNLOAD) {
        sim->state = DNBUSY;
    }
    dfu_answer_status(sim, data, 0);
    sim->status = STATUS_OK;
    sim->string = 0;
    if (sim->command == DOWNLOAD) {
        work(sim);
    } else if (sim->command == LEAVE) {
        /* It starts its application, wherever the pointer is. */
        sim->jumped = true;
        sim->jumped_to = sim->profile->regions[0].start + sim->profile->own_bytes;
        dfu_leave_bus(sim, 0);
    }
    return 6;
}

int dfu_mboot_request(struct molt_sim_dfu *sim, uint8_t request, uint16_t value, uint8_t *data,
                      uint16_t length)
{
    switch (request) {
    case DFU_DNLOAD: return download(sim, value, data, length);
    case DFU_UPLOAD: return upload(sim, value, data, length);
    case DFU_GETSTATUS: return length == 6 ? get_status(sim, data) : MOLT_E_TIMEOUT;
    case DFU_GETSTATE: return length == 1 ? (data[0] = sim->state, 1) : MOLT_E_TIMEOUT;
    case DFU_CLRSTATUS:
    case DFU_ABORT:
        sim->state = DFU_IDLE;
        sim->status = STATUS_OK;
        sim->command = NOTHING;
        sim->string = 0;
        return 0;
    default: return 0; /* DETACH: nothing */
    }
}
