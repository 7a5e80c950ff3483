/* board.json of a simulated DFU device. */
#ifndef MOLT_HOST_SIMDFU_INTERNAL_H
#define MOLT_HOST_SIMDFU_INTERNAL_H

#include "host/board_internal.h"
#include "molt/host/simdfu.h"

struct molt_simdfu {
    char path[4096];
    char name[33];
    char home[32]; /* the profile that it was made with */
    struct molt_sim_dfu sim;
    uint8_t *flash;
    uint32_t flash_size;
    uint64_t transfers; /* of all processes before */
    int lock_fd, flash_fd;
};

/* Into board->sim, which has been initialised with the profile that the file names. */
int simdfu_load(struct molt_simdfu *board, struct molt_message *message);
int simdfu_save(const struct molt_simdfu *board, struct molt_message *message);

#endif
