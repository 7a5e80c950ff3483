/*
 * mboot in packed mode (MicroPython, ports/stm32/mboot/pack.c): blocks are put together to chunks,
 * each with a header, a payload and a signature, in the order of the file; sectors are erased as
 * chunks come; the first bytes of the application are held back until the last chunk, which signs
 * all. Not modelled: the cryptography (a signature of 64 zeros is a bad one, any other is good; the
 * payload is in the clear behind 36 bytes) and compressed payloads, which change nothing here.
 */
#include <string.h>

#include "sim/dfu_internal.h"

#define HEADER               12u
#define SECRET               36u /* hydro_secretbox_HEADERBYTES */
#define SIGNATURE            64u
#define VERSION              1
#define BAD_SIGNATURE_STRING 0x12

enum { META, FULL_SIGNATURE, RAW, COMPRESSED };

static uint32_t get_le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint32_t application(const struct molt_sim_dfu *sim)
{
    return sim->profile->regions[0].start + sim->profile->own_bytes;
}

/* dfuERROR behind the next status; status OK = there is no status that says why. */
static void fail(struct molt_sim_dfu *sim, uint8_t status)
{
    sim->packed.begun = false;
    sim->string = status == STATUS_OK ? 0 : BAD_SIGNATURE_STRING;
    dfu_start_wait(sim, 0, DFU_ERROR, status);
}

static bool is_signed(const uint8_t *signature)
{
    for (uint32_t i = 0; i < SIGNATURE; i++) {
        if (signature[i] != 0) {
            return true;
        }
    }
    return false;
}

/* Sectors that hold the range and are not erased yet. */
static bool erase_for(struct molt_sim_dfu *sim, uint32_t address, uint32_t n, uint64_t *us)
{
    for (uint32_t at = address; at - address < n;) {
        const struct molt_sim_dfu_region *region = dfu_region(sim, at);
        if (!region || at < application(sim)) {
            return false;
        }
        uint32_t start = at - (at - region->start) % region->sector_size;
        if (start < sim->packed.erased_from || start >= sim->packed.erased_to) {
            if (start != sim->packed.erased_to) {
                sim->packed.erased_from = start;
            }
            sim->packed.erased_to = start + region->sector_size;
            *us += dfu_erase_now(sim, start);
        }
        at = start + region->sector_size;
    }
    return true;
}

static void commit(struct molt_sim_dfu *sim, uint32_t address, uint32_t length)
{
    const uint8_t *data = sim->packed.chunk + HEADER + SECRET;
    uint32_t n = length - SECRET, head = sizeof sim->packed.head;
    uint64_t us = 0;
    if (!erase_for(sim, address, n, &us)) {
        dfu_start_wait(sim, us, DFU_ERROR, ERR_ADDRESS);
        sim->string = address < application(sim) ? 0x10 : 0x11;
        return;
    }
    if (address == application(sim) && n >= head) {
        memcpy(sim->packed.head, data, head);
        sim->packed.has_head = true;
        address += head;
        data += head;
        n -= head;
    }
    us += dfu_program_now(sim, address, data, n);
    dfu_start_wait(sim, us, DNLOAD_IDLE, STATUS_OK);
}

static void whole_chunk(struct molt_sim_dfu *sim, uint32_t address, uint32_t length)
{
    uint8_t format = sim->packed.chunk[1];
    uint64_t us = 0;
    sim->packed.begun = false;
    if (!is_signed(sim->packed.chunk + HEADER + length)) {
        fail(sim, ERR_VERIFY);
    } else if (format == RAW && length >= SECRET) {
        commit(sim, address, length);
    } else if (format == FULL_SIGNATURE && sim->packed.has_head) {
        us = dfu_program_now(sim, application(sim), sim->packed.head, sizeof sim->packed.head);
        dfu_start_wait(sim, us, DNLOAD_IDLE, STATUS_OK);
    } else if (format > COMPRESSED || format == RAW) {
        fail(sim, STATUS_OK);
    } else {
        dfu_start_wait(sim, 0, DNLOAD_IDLE, STATUS_OK);
    }
}

void dfu_packed_write(struct molt_sim_dfu *sim, uint32_t address)
{
    const uint8_t *chunk = sim->packed.chunk;
    if (address == application(sim) || !sim->packed.begun) {
        sim->packed.begun = true;
        sim->packed.base = address;
    }
    uint32_t offset = address - sim->packed.base, end = offset + sim->length;
    if (address < sim->packed.base || offset >= sizeof sim->packed.chunk ||
        sizeof sim->packed.chunk - offset < sim->length) {
        fail(sim, STATUS_OK);
        return;
    }
    memcpy(sim->packed.chunk + offset, sim->buffer, sim->length);
    uint32_t length = get_le32(chunk + 8);
    if (end < HEADER) {
        dfu_start_wait(sim, 0, DNLOAD_IDLE, STATUS_OK);
    } else if (chunk[0] != VERSION) {
        fail(sim, ERR_FILE);
    } else if (get_le32(chunk + 4) != sim->packed.base) {
        fail(sim, ERR_ADDRESS);
    } else if (length > sizeof sim->packed.chunk - HEADER - SIGNATURE) {
        fail(sim, STATUS_OK);
    } else if (end < HEADER + length + SIGNATURE) {
        dfu_start_wait(sim, 0, DNLOAD_IDLE, STATUS_OK);
    } else {
        whole_chunk(sim, sim->packed.base, length);
    }
}
