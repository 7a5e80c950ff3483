#include "molt/dfuse.h"

int molt_dfuse_set_address(struct molt_dfu *dfu, uint32_t address, struct molt_diag *diag)
{
    (void)dfu;
    (void)address;
    (void)diag;
    return MOLT_E_UNSUPPORTED;
}

int molt_dfuse_erase_page(struct molt_dfu *dfu, uint32_t address, uint32_t size,
                          struct molt_diag *diag)
{
    (void)dfu;
    (void)address;
    (void)size;
    (void)diag;
    return MOLT_E_UNSUPPORTED;
}

int molt_dfuse_erase_all(struct molt_dfu *dfu, uint64_t bytes, struct molt_diag *diag)
{
    (void)dfu;
    (void)bytes;
    (void)diag;
    return MOLT_E_UNSUPPORTED;
}

int molt_dfuse_unprotect(struct molt_dfu *dfu, struct molt_diag *diag)
{
    (void)dfu;
    (void)diag;
    return MOLT_E_UNSUPPORTED;
}

int molt_dfuse_write(struct molt_dfu *dfu, uint32_t address, const uint8_t *data, uint32_t n,
                     struct molt_diag *diag)
{
    (void)dfu;
    (void)address;
    (void)data;
    (void)n;
    (void)diag;
    return MOLT_E_UNSUPPORTED;
}

int molt_dfuse_read(struct molt_dfu *dfu, uint32_t address, uint8_t *buffer, uint32_t n,
                    struct molt_diag *diag)
{
    (void)dfu;
    (void)address;
    (void)buffer;
    (void)n;
    (void)diag;
    return MOLT_E_UNSUPPORTED;
}

int molt_dfuse_commands(struct molt_dfu *dfu, uint8_t *bytes, uint32_t capacity,
                        struct molt_diag *diag)
{
    (void)dfu;
    (void)bytes;
    (void)capacity;
    (void)diag;
    return MOLT_E_UNSUPPORTED;
}

int molt_dfuse_leave(struct molt_dfu *dfu, uint32_t entry, struct molt_diag *diag)
{
    (void)dfu;
    (void)entry;
    (void)diag;
    return MOLT_E_UNSUPPORTED;
}
