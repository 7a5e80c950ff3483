/* A reading between its plan and its files. */
#ifndef OPS_DFU_READ_JOB_H
#define OPS_DFU_READ_JOB_H

#include "molt/ops/dfu_device.h"
#include "molt/ops/dfu_image.h"
#include "ops/dfu/read_internal.h"

struct molt_dfu_read {
    struct molt_dfu_session *session;
    struct molt_dfu_piece *piece; /* by address */
    uint32_t count;
    uint64_t bytes;
    uint32_t limit;
    bool plain;
    bool files; /* the file system and nothing else */
};

#endif
