/* Shared by fs_lfs.c and fs_lfs_check.c. */
#ifndef MOLT_HOST_FS_LFS_H
#define MOLT_HOST_FS_LFS_H

#include "host/fs/fs_internal.h"
#include "host/fs/fs_sectors.h"

struct lfs;
struct lfs_config;

struct fs_lfs {
    struct molt_fs base;
    struct lfs *lfs;
    struct lfs_config *config;
    struct molt_flash flash;
    uint32_t offset, size;
    struct fs_sectors *sectors; /* between, where a block is smaller than a sector; else NULL */
    int flash_error;            /* the last one, because littlefs passes on only its own numbers */
    bool broken;                /* littlefs met the impossible: it is not entered again */
    uint64_t budget;            /* bytes that the running call may still read */
    uint32_t used_at_most;      /* blocks; 0: not known */
    uint8_t *buffers;           /* of littlefs: read, program, file, lookahead */
    uint8_t *file_buffer;
    void *scratch; /* of a check that runs */
};

/* littlefs' answer as ours; what the flash said goes first. */
int fs_lfs_result(struct fs_lfs *fs, int answer);

fs_operation fs_lfs_check;

#endif
