#include "host/fs_internal.h"

int fs_fat_mount(struct molt_fs **fs, const struct molt_flash *flash, uint32_t offset,
                 uint32_t size, const struct molt_fs_facts *facts, bool read_only)
{
    (void)fs;
    (void)flash;
    (void)offset;
    (void)size;
    (void)facts;
    (void)read_only;
    return MOLT_E_FORMAT;
}

int fs_fat_format(const struct molt_flash *flash, uint32_t offset, uint32_t size,
                  const struct molt_fs_options *options)
{
    (void)flash;
    (void)offset;
    (void)size;
    (void)options;
    return MOLT_E_FORMAT;
}
