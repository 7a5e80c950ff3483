/* File systems inside of what is edited. */
#include <string.h>

#include "ops/edit_work.h"

bool edit_file_system_at(const struct edit_work *work, uint32_t offset, uint32_t size)
{
    const uint8_t *p = work->before + offset;
    if (size < 2 * EDIT_SECTOR) {
        return false;
    }
    return memcmp(p + 8, "littlefs", 8) == 0 || memcmp(p + EDIT_SECTOR + 8, "littlefs", 8) == 0 ||
           (p[510] == 0x55 && p[511] == 0xAA);
}
