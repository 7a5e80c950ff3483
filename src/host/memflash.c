#include "host/memflash.h"

#include <string.h>

#define SECTOR 4096u

/* Ranges were checked by molt_flash_*. */
static int memory_read(void *context, uint32_t offset, void *buffer, uint32_t n)
{
    memcpy(buffer, (const uint8_t *)context + offset, n);
    return MOLT_OK;
}

static int memory_program(void *context, uint32_t offset, const void *data, uint32_t n)
{
    uint8_t *bytes = (uint8_t *)context + offset;
    const uint8_t *p = data;
    for (uint32_t i = 0; i < n; i++) {
        if (p[i] & ~bytes[i]) {
            return MOLT_E_NOT_ERASED;
        }
    }
    memcpy(bytes, p, n);
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
