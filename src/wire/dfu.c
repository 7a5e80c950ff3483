#include "molt/dfu.h"

int molt_dfu_idle(struct molt_dfu *dfu, struct molt_diag *diag)
{
    (void)dfu;
    (void)diag;
    return MOLT_E_UNSUPPORTED;
}

int molt_dfu_get_status(struct molt_dfu *dfu, struct molt_diag *diag)
{
    (void)dfu;
    (void)diag;
    return MOLT_E_UNSUPPORTED;
}

int molt_dfu_detach(struct molt_dfu *dfu, uint32_t timeout_ms, struct molt_diag *diag)
{
    (void)dfu;
    (void)timeout_ms;
    (void)diag;
    return MOLT_E_UNSUPPORTED;
}

int molt_dfu_download(struct molt_dfu *dfu, const uint8_t *data, uint32_t n, struct molt_diag *diag)
{
    (void)dfu;
    (void)data;
    (void)n;
    (void)diag;
    return MOLT_E_UNSUPPORTED;
}

int molt_dfu_manifest(struct molt_dfu *dfu, struct molt_diag *diag)
{
    (void)dfu;
    (void)diag;
    return MOLT_E_UNSUPPORTED;
}

int molt_dfu_upload(struct molt_dfu *dfu, uint8_t *buffer, uint32_t capacity, uint32_t *n,
                    struct molt_diag *diag)
{
    (void)dfu;
    (void)buffer;
    (void)capacity;
    (void)n;
    (void)diag;
    return MOLT_E_UNSUPPORTED;
}

uint32_t molt_dfu_block_size(const struct molt_dfu *dfu)
{
    return dfu->transfer_size;
}
