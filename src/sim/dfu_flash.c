/* Memory of the DFU model: sectors, what erasing and programming do, and how long they take. */
#include <string.h>

#include "sim/dfu_internal.h"

enum { NOTHING, ERASE, ERASE_ALL, PROGRAM };

static uint32_t region_bytes(const struct molt_sim_dfu_region *region)
{
    return region->sector_size * region->count;
}

const struct molt_sim_dfu_region *dfu_region(const struct molt_sim_dfu *sim, uint32_t address)
{
    for (uint32_t i = 0; i < sim->profile->region_count; i++) {
        const struct molt_sim_dfu_region *region = &sim->profile->regions[i];
        if (address >= region->start && address - region->start < region_bytes(region)) {
            return region;
        }
    }
    return NULL;
}

uint32_t molt_sim_dfu_flash_size(const struct molt_sim_dfu_profile *profile)
{
    uint32_t size = 0;
    for (uint32_t i = 0; i < profile->region_count; i++) {
        if (profile->regions[i].memory == MOLT_SIM_DFU_FLASH) {
            size += region_bytes(&profile->regions[i]);
        }
    }
    return size;
}

/* Bytes of the same kind of memory that lie before region. */
static uint32_t bytes_before(const struct molt_sim_dfu *sim,
                             const struct molt_sim_dfu_region *region)
{
    uint32_t n = 0;
    for (const struct molt_sim_dfu_region *r = sim->profile->regions; r < region; r++) {
        if ((r->memory == MOLT_SIM_DFU_FLASH) == (region->memory == MOLT_SIM_DFU_FLASH)) {
            n += region_bytes(r);
        }
    }
    return n;
}

uint8_t *molt_sim_dfu_memory(struct molt_sim_dfu *sim, uint32_t address, uint32_t *n)
{
    const struct molt_sim_dfu_region *region = dfu_region(sim, address);
    const struct molt_sim_dfu_region *end = sim->profile->regions + sim->profile->region_count;
    if (!region) {
        return NULL;
    }
    uint32_t at = address - region->start;
    *n = region_bytes(region) - at;
    uint8_t *base = region->memory == MOLT_SIM_DFU_FLASH ? sim->flash : sim->small;
    for (const struct molt_sim_dfu_region *r = region;
         r + 1 < end && r[1].memory == r->memory && r[1].start == r->start + region_bytes(r); r++) {
        *n += region_bytes(&r[1]);
    }
    return base + bytes_before(sim, region) + at;
}

int molt_sim_dfu_sector(const struct molt_sim_dfu *sim, uint32_t address)
{
    const struct molt_sim_dfu_region *region = dfu_region(sim, address);
    uint32_t number = 0;
    if (!region) {
        return -1;
    }
    for (const struct molt_sim_dfu_region *r = sim->profile->regions; r < region; r++) {
        number += r->count;
    }
    return (int)(number + (address - region->start) / region->sector_size);
}

bool molt_sim_dfu_vectors(struct molt_sim_dfu *sim, uint32_t address, uint32_t *stack,
                          uint32_t *reset)
{
    uint32_t n = 0;
    const uint8_t *at = molt_sim_dfu_memory(sim, address, &n);
    if (!at || n < 8) {
        return false;
    }
    *stack = (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
    *reset = (uint32_t)at[4] | (uint32_t)at[5] << 8 | (uint32_t)at[6] << 16 | (uint32_t)at[7] << 24;
    const struct molt_sim_dfu_region *code = dfu_region(sim, *reset & ~1u);
    return *stack >= 0x10000000u && *stack < 0x40000000u && (*reset & 1u) && code &&
           code->memory == MOLT_SIM_DFU_FLASH;
}

bool dfu_protected(const struct molt_sim_dfu *sim)
{
    return sim->read_protected;
}

static void start(struct molt_sim_dfu *sim, uint8_t kind, uint64_t us, uint8_t after,
                  uint8_t status)
{
    sim->work.on = true;
    sim->work.kind = status == STATUS_OK ? kind : NOTHING;
    sim->work.after = status == STATUS_OK ? after : DFU_ERROR;
    sim->work.status = status;
    sim->work.start_us = sim->time_us;
    sim->work.end_us = sim->time_us + (sim->instant ? 0 : us);
}

void dfu_start_wait(struct molt_sim_dfu *sim, uint64_t us, uint8_t after, uint8_t status)
{
    start(sim, NOTHING, us, after, status);
}

uint8_t dfu_start_erase(struct molt_sim_dfu *sim, uint32_t address, uint8_t after)
{
    const struct molt_sim_dfu_region *region = dfu_region(sim, address);
    uint8_t status = STATUS_OK;
    if (!region || region->memory != MOLT_SIM_DFU_FLASH) {
        status = ERR_TARGET;
    } else if (dfu_protected(sim)) {
        status = ERR_VENDOR;
    } else {
        sim->work.address = address - (address - region->start) % region->sector_size;
        sim->work.n = region->sector_size;
    }
    start(sim, ERASE, region ? region->erase_us : 0, after, status);
    sim->stuck = status == STATUS_OK && (sim->profile->traits & MOLT_SIM_DFU_ERASE_STICKS) &&
                 address >= 0x08100000u;
    return status;
}

uint8_t dfu_start_mass_erase(struct molt_sim_dfu *sim, uint8_t after)
{
    uint64_t us = sim->profile->mass_erase_us;
    for (uint32_t i = 0; us == 0 && i < sim->profile->region_count; i++) {
        us += (uint64_t)sim->profile->regions[i].erase_us * sim->profile->regions[i].count;
    }
    uint8_t status = dfu_protected(sim) ? ERR_VENDOR : STATUS_OK;
    start(sim, ERASE_ALL, us, after, status);
    return status;
}

static bool is_blank(const uint8_t *bytes, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (bytes[i] != 0xFF) {
            return false;
        }
    }
    return true;
}

uint8_t dfu_start_program(struct molt_sim_dfu *sim, uint32_t address, uint8_t after)
{
    const struct molt_sim_dfu_profile *profile = sim->profile;
    uint32_t n = 0, granule = profile->granule;
    const uint8_t *at = molt_sim_dfu_memory(sim, address, &n);
    const struct molt_sim_dfu_region *region = dfu_region(sim, address);
    bool flash = region && region->memory == MOLT_SIM_DFU_FLASH;
    uint8_t status = STATUS_OK;
    if (!at || n < sim->length) {
        status = ERR_TARGET;
    } else if (dfu_protected(sim)) {
        status = ERR_VENDOR;
    } else if (flash && (address % granule || sim->length % granule)) {
        status = ERR_PROG;
    } else if (flash && (profile->traits & MOLT_SIM_DFU_STRICT_PROGRAM) &&
               !is_blank(at, sim->length)) {
        status = ERR_PROG;
    }
    sim->work.address = address;
    sim->work.n = sim->length;
    uint64_t granules = (sim->length + (uint64_t)granule - 1) / granule;
    start(sim, PROGRAM, granules * profile->program_ns / 1000, after, status);
    return status;
}

static void erase_part(struct molt_sim_dfu *sim, uint32_t address, uint32_t n)
{
    uint32_t rest = 0;
    int sector = molt_sim_dfu_sector(sim, address);
    uint8_t *at = molt_sim_dfu_memory(sim, address, &rest);
    if (at && sector >= 0 && !sim->write_protected[sector]) {
        memset(at, 0xFF, n < rest ? n : rest);
        sim->erases[sector]++;
    }
}

uint64_t dfu_erase_now(struct molt_sim_dfu *sim, uint32_t address)
{
    const struct molt_sim_dfu_region *region = dfu_region(sim, address);
    if (!region) {
        return 0;
    }
    erase_part(sim, address - (address - region->start) % region->sector_size, region->sector_size);
    return region->erase_us;
}

/* mboot keeps its own sectors. */
static void erase_all(struct molt_sim_dfu *sim, uint32_t part)
{
    uint32_t own = sim->profile->own_bytes, first = sim->profile->regions[0].start;
    for (uint32_t i = 0; i < sim->profile->region_count; i++) {
        const struct molt_sim_dfu_region *region = &sim->profile->regions[i];
        uint32_t n = (uint32_t)((uint64_t)region->sector_size * part / 1000);
        for (uint32_t k = 0; region->memory == MOLT_SIM_DFU_FLASH && k < region->count; k++) {
            uint32_t start = region->start + k * region->sector_size;
            if (start < first || start - first >= own) {
                erase_part(sim, start, n);
            }
        }
    }
    sim->mass_erases++;
}

static void program(struct molt_sim_dfu *sim, uint32_t address, const uint8_t *data, uint32_t n)
{
    uint32_t rest = 0;
    uint8_t *at = molt_sim_dfu_memory(sim, address, &rest);
    const struct molt_sim_dfu_region *region = dfu_region(sim, address);
    bool clears_only =
        region && (region->memory == MOLT_SIM_DFU_FLASH || region->memory == MOLT_SIM_DFU_OTP);
    for (uint32_t i = 0; at && i < n && i < rest; i++) {
        int sector = molt_sim_dfu_sector(sim, address + i);
        if (sector < 0 || sim->write_protected[sector]) {
            continue;
        }
        sim->over_programmed += clears_only && at[i] != 0xFF;
        at[i] = clears_only ? (uint8_t)(at[i] & data[i]) : data[i];
        sim->bytes_programmed++;
    }
}

uint64_t dfu_program_now(struct molt_sim_dfu *sim, uint32_t address, const uint8_t *data,
                         uint32_t n)
{
    uint32_t granule = sim->profile->granule;
    program(sim, address, data, n);
    return ((uint64_t)n + granule - 1) / granule * sim->profile->program_ns / 1000;
}

/* part: thousandths of the work that are done. */
static void perform(struct molt_sim_dfu *sim, uint32_t part)
{
    uint32_t n = (uint32_t)((uint64_t)sim->work.n * part / 1000);
    switch (sim->work.kind) {
    case ERASE: erase_part(sim, sim->work.address, n); break;
    case ERASE_ALL: erase_all(sim, part); break;
    case PROGRAM: program(sim, sim->work.address, sim->buffer, n); break;
    default: break;
    }
}

/* New option bytes count from a reset on, which the loader makes; the second byte is the read-out
 * protection (RM0090, 3.9.1). */
static void new_options(struct molt_sim_dfu *sim)
{
    const struct molt_sim_dfu_region *region = dfu_region(sim, sim->work.address);
    if (region && region->memory == MOLT_SIM_DFU_OPTIONS) {
        uint32_t n = 0;
        const uint8_t *options = molt_sim_dfu_memory(sim, region->start, &n);
        sim->read_protected = options[1] != 0xAA;
        dfu_leave_bus(sim, 200000);
    }
}

void dfu_settle(struct molt_sim_dfu *sim)
{
    if (sim->work.on && sim->time_us >= sim->work.end_us) {
        sim->work.on = false;
        perform(sim, 1000);
        sim->state = sim->stuck ? DNBUSY : sim->work.after;
        sim->status = sim->work.status != STATUS_OK ? sim->work.status : sim->status;
        if (sim->work.kind == PROGRAM && sim->work.status == STATUS_OK) {
            new_options(sim);
        }
    }
}

void dfu_tear(struct molt_sim_dfu *sim)
{
    if (sim->work.on) {
        uint64_t whole = sim->work.end_us - sim->work.start_us;
        uint64_t done = sim->time_us - sim->work.start_us;
        sim->work.on = false;
        perform(sim, whole == 0 || done >= whole ? 1000 : (uint32_t)(done * 1000 / whole));
    }
}
