/* An erase between its plan and its run. */
#ifndef OPS_DFU_ERASE_JOB_H
#define OPS_DFU_ERASE_JOB_H

#include "molt/ops/dfu_device.h"
#include "ops/dfu/erase_sectors.h"
#include "ops/dfu/read_internal.h"

struct molt_dfu_erase {
    struct molt_dfu_session *session;
    struct molt_plan plan;
    struct dfu_sectors sectors;
    struct molt_dfu_erased erased;
    uint64_t to_erase; /* bytes of sectors that are not blank */
    uint8_t *buffer;   /* during the run */
    bool all;
};

#endif
