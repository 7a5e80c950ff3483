#include "host/memflash.h"

#include <stdbool.h>
#include <string.h>

#define SECTOR 4096u

/* Ranges were checked by molt_flash_*. */
static int memory_read(void *context, uint32_t offset, void *buffer, uint32_t n)
{
    memcpy(buffer, (const uint8_t *)context + offset, n);
    return MOLT_OK;
}

/* Would a bit have to be set? Eight bytes at a time: images are written through this. */
static bool sets_bits(const uint8_t *old, const uint8_t *data, uint32_t n)
{
    uint32_t i = 0;
    for (; n - i >= 8; i += 8) {
        uint64_t has, wanted;
        memcpy(&has, old + i, 8);
        memcpy(&wanted, data + i, 8);
        if (wanted & ~has) {
            return true;
        }
    }
    for (; i < n; i++) {
        if (data[i] & ~old[i]) {
            return true;
        }
    }
    return false;
}

static int memory_program(void *context, uint32_t offset, const void *data, uint32_t n)
{
    uint8_t *bytes = (uint8_t *)context + offset;
    if (sets_bits(bytes, data, n)) {
        return MOLT_E_NOT_ERASED;
    }
    memcpy(bytes, data, n);
    return MOLT_OK;
}

static int memory_erase(void *context, uint32_t offset, uint32_t n)
{
    memset((uint8_t *)context + offset, 0xFF, n);
    return MOLT_OK;
}

static const struct molt_flash_ops memory_ops = {memory_read, memory_program, memory_erase, NULL};

void memflash_init(struct molt_flash *flash, struct molt_region *region, uint8_t *bytes,
                   uint32_t size)
{
    *region = (struct molt_region){0, SECTOR, size / SECTOR};
    *flash = (struct molt_flash){&memory_ops, bytes, region, 1, size, 1};
}
