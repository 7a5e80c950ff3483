#include "molt/sim/nor.h"

#include <stdlib.h>
#include <string.h>

const struct molt_nor_timing molt_nor_w25q32 = {400, 45000, 150000, 100};

static uint32_t draw(struct molt_nor *nor)
{
    nor->random += 0x9E3779B97F4A7C15u;
    uint64_t z = nor->random;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return (uint32_t)((z ^ (z >> 31)) >> 16);
}

static void changed(struct molt_nor *nor, uint32_t offset, uint32_t n)
{
    if (nor->changed && n) {
        nor->changed(nor->context, offset, n);
    }
}

void molt_nor_init(struct molt_nor *nor, uint8_t *bytes, uint32_t size, uint64_t seed)
{
    memset(nor, 0, sizeof *nor);
    nor->bytes = bytes;
    nor->size = size;
    nor->timing = molt_nor_w25q32;
    nor->random = seed;
}

void molt_nor_free(struct molt_nor *nor)
{
    free(nor->weak);
    nor->weak = NULL;
    nor->weak_count = nor->weak_capacity = 0;
}

static void add_weak(struct molt_nor *nor, uint32_t offset, uint8_t mask)
{
    if (!mask) {
        return;
    }
    if (nor->weak_count == nor->weak_capacity) {
        nor->weak_capacity = nor->weak_capacity ? nor->weak_capacity * 2 : 64;
        nor->weak = realloc(nor->weak, nor->weak_capacity * sizeof *nor->weak);
        if (!nor->weak) {
            abort();
        }
    }
    nor->weak[nor->weak_count++] = (struct molt_nor_weak){offset, mask};
}

static void remove_weak(struct molt_nor *nor, uint32_t offset, uint32_t n)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < nor->weak_count; i++) {
        if (nor->weak[i].offset < offset || nor->weak[i].offset - offset >= n) {
            nor->weak[kept++] = nor->weak[i];
        }
    }
    nor->weak_count = kept;
}

void molt_nor_power_up(struct molt_nor *nor)
{
    nor->off = false;
    nor->cut_at = 0;
    nor->cut = MOLT_CUT_NONE;
    for (uint32_t i = 0; i < nor->weak_count; i++) {
        uint8_t *byte = &nor->bytes[nor->weak[i].offset];
        *byte = (uint8_t)((*byte & ~nor->weak[i].mask) | (draw(nor) & nor->weak[i].mask));
        changed(nor, nor->weak[i].offset, 1);
    }
}

static enum molt_cut count(struct molt_nor *nor)
{
    return ++nor->operations == nor->cut_at ? nor->cut : MOLT_CUT_NONE;
}

int molt_nor_operation(struct molt_nor *nor)
{
    if (nor->off) {
        return MOLT_E_POWER;
    }
    enum molt_cut cut = count(nor);
    if (cut == MOLT_CUT_NONE) {
        return MOLT_OK;
    }
    nor->off = true;
    return cut == MOLT_CUT_BEFORE || cut == MOLT_CUT_TORN ? MOLT_E_POWER : 1;
}

/* The boot model calls the operations themselves, with offsets that a hostile table may name. */
static bool outside(const struct molt_nor *nor, uint32_t offset, uint32_t n)
{
    return offset > nor->size || n > nor->size - offset;
}

static int nor_read(void *context, uint32_t offset, void *buffer, uint32_t n)
{
    struct molt_nor *nor = context;
    if (nor->off) {
        return MOLT_E_POWER;
    }
    if (outside(nor, offset, n)) {
        return MOLT_E_RANGE;
    }
    memcpy(buffer, nor->bytes + offset, n);
    nor->bytes_read += n;
    nor->time_us += (uint64_t)n * nor->timing.read_ns_per_byte / 1000;
    return MOLT_OK;
}

/* The chip's pages are programmed one after the other; one of them is torn. */
static void torn_program(struct molt_nor *nor, uint32_t offset, const uint8_t *data, uint32_t n)
{
    uint32_t lead = offset % MOLT_NOR_PAGE; /* bytes of the first page before the data */
    uint32_t torn = draw(nor) % ((lead + n - 1) / MOLT_NOR_PAGE + 1);
    uint32_t at = torn == 0 ? 0 : torn * MOLT_NOR_PAGE - lead;
    uint32_t end = (torn + 1) * MOLT_NOR_PAGE - lead;
    end = end < n ? end : n;
    uint32_t firm = at + draw(nor) % (end - at + 1);
    for (uint32_t i = 0; i < firm; i++) {
        nor->bytes[offset + i] &= data[i];
    }
    for (uint32_t i = firm; i < end; i++) {
        uint8_t clears = (uint8_t)(nor->bytes[offset + i] & ~data[i]);
        uint8_t weak = (uint8_t)(clears & draw(nor));
        nor->bytes[offset + i] &= (uint8_t) ~(clears & draw(nor));
        add_weak(nor, offset + i, weak);
    }
}

static int nor_program(void *context, uint32_t offset, const void *buffer, uint32_t n)
{
    struct molt_nor *nor = context;
    const uint8_t *data = buffer;
    if (nor->off) {
        return MOLT_E_POWER;
    }
    if (outside(nor, offset, n) || n == 0) {
        return n == 0 ? MOLT_OK : MOLT_E_RANGE;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (data[i] & ~nor->bytes[offset + i]) {
            return MOLT_E_NOT_ERASED;
        }
    }
    enum molt_cut cut = count(nor);
    if (cut == MOLT_CUT_TORN || cut == MOLT_CUT_TORN_OTHER) {
        torn_program(nor, offset, data, n);
    } else if (cut != MOLT_CUT_BEFORE) {
        for (uint32_t i = 0; i < n; i++) {
            nor->bytes[offset + i] &= data[i];
        }
    }
    uint32_t pages = (offset + n - 1) / MOLT_NOR_PAGE - offset / MOLT_NOR_PAGE + 1;
    nor->programmed_pages += pages;
    nor->bytes_programmed += n;
    nor->time_us += (uint64_t)pages * nor->timing.page_program_us;
    changed(nor, offset, n);
    nor->off = cut != MOLT_CUT_NONE;
    return nor->off ? MOLT_E_POWER : MOLT_OK;
}

static void torn_sector(struct molt_nor *nor, uint32_t at)
{
    uint32_t kind = draw(nor) % 4;
    for (uint32_t i = at; i < at + MOLT_NOR_SECTOR && kind != 0; i++) {
        uint8_t weak = 0;
        if (kind == 1) {
            nor->bytes[i] = 0;
        } else if (kind == 2) {
            nor->bytes[i] |= (uint8_t)draw(nor);
            weak = (uint8_t)(draw(nor) & draw(nor) & draw(nor));
        } else {
            nor->bytes[i] = 0xFF;
            weak = draw(nor) % 16 == 0 ? (uint8_t)draw(nor) : 0;
        }
        add_weak(nor, i, weak);
    }
}

static int nor_erase(void *context, uint32_t offset, uint32_t n)
{
    struct molt_nor *nor = context;
    if (nor->off) {
        return MOLT_E_POWER;
    }
    if (outside(nor, offset, n) || n == 0) {
        return n == 0 ? MOLT_OK : MOLT_E_RANGE;
    }
    if (offset % MOLT_NOR_SECTOR || n % MOLT_NOR_SECTOR) {
        return MOLT_E_ALIGNMENT;
    }
    enum molt_cut cut = count(nor);
    bool torn = cut == MOLT_CUT_TORN || cut == MOLT_CUT_TORN_OTHER;
    uint32_t whole = torn ? draw(nor) % (n / MOLT_NOR_SECTOR) * MOLT_NOR_SECTOR : n;
    if (cut == MOLT_CUT_BEFORE) {
        whole = 0;
    }
    remove_weak(nor, offset, whole);
    memset(nor->bytes + offset, 0xFF, whole);
    if (torn) {
        torn_sector(nor, offset + whole);
    }
    for (uint32_t at = offset; at < offset + n; at += MOLT_NOR_SECTOR) {
        nor->erased_sectors++;
        if (nor->sector_erases) {
            nor->sector_erases[at / MOLT_NOR_SECTOR]++;
        }
    }
    for (uint32_t at = offset; at < offset + n;) {
        bool block = at % MOLT_NOR_BLOCK == 0 && offset + n - at >= MOLT_NOR_BLOCK;
        nor->time_us += block ? nor->timing.block_erase_us : nor->timing.sector_erase_us;
        at += block ? MOLT_NOR_BLOCK : MOLT_NOR_SECTOR;
    }
    changed(nor, offset, n);
    nor->off = cut != MOLT_CUT_NONE;
    return nor->off ? MOLT_E_POWER : MOLT_OK;
}

static const struct molt_flash_ops operations = {nor_read, nor_program, nor_erase, NULL};
static const struct molt_region regions[] = {{0, MOLT_NOR_SECTOR, 0x80000}};

void molt_nor_flash(struct molt_nor *nor, struct molt_flash *flash)
{
    *flash = (struct molt_flash){&operations, nor, regions, 1, nor->size, 4};
}
