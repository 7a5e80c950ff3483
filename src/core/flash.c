#include "molt/flash.h"

static const struct molt_region *region_of(const struct molt_flash *flash, uint32_t offset)
{
    for (uint32_t i = 0; i < flash->region_count; i++) {
        const struct molt_region *region = &flash->regions[i];
        if (offset >= region->start &&
            (offset - region->start) / region->sector_size < region->count) {
            return region;
        }
    }
    return 0;
}

static int in_range(const struct molt_flash *flash, uint32_t offset, uint32_t n)
{
    return offset <= flash->size && n <= flash->size - offset;
}

uint32_t molt_flash_sector_size(const struct molt_flash *flash, uint32_t offset)
{
    const struct molt_region *region = region_of(flash, offset);
    return region ? region->sector_size : 0;
}

/* An offset at which a sector begins, or the end of the flash. */
static int on_sector_edge(const struct molt_flash *flash, uint32_t offset)
{
    const struct molt_region *region = region_of(flash, offset);
    return region ? (offset - region->start) % region->sector_size == 0 : offset == flash->size;
}

int molt_flash_read(const struct molt_flash *flash, uint32_t offset, void *buffer, uint32_t n)
{
    if (!in_range(flash, offset, n)) {
        return MOLT_E_RANGE;
    }
    return n ? flash->ops->read(flash->context, offset, buffer, n) : MOLT_OK;
}

int molt_flash_program(const struct molt_flash *flash, uint32_t offset, const void *data,
                       uint32_t n)
{
    uint32_t align = flash->program_align ? flash->program_align : 1;
    if (!in_range(flash, offset, n)) {
        return MOLT_E_RANGE;
    }
    if (offset % align || n % align) {
        return MOLT_E_ALIGNMENT;
    }
    return n ? flash->ops->program(flash->context, offset, data, n) : MOLT_OK;
}

int molt_flash_erase(const struct molt_flash *flash, uint32_t offset, uint32_t n)
{
    if (!in_range(flash, offset, n)) {
        return MOLT_E_RANGE;
    }
    if (!on_sector_edge(flash, offset) || !on_sector_edge(flash, offset + n)) {
        return MOLT_E_ALIGNMENT;
    }
    return n ? flash->ops->erase(flash->context, offset, n) : MOLT_OK;
}

int molt_flash_sync(const struct molt_flash *flash)
{
    return flash->ops->sync ? flash->ops->sync(flash->context) : MOLT_OK;
}
