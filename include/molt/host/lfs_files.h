/*
 * molt_files over littlefs v2 on a range of a flash, with the parameters of MicroPython's VfsLfs2,
 * so that a device mounts what we write and the reverse. Host only (the real littlefs C library).
 */
#ifndef MOLT_HOST_LFS_FILES_H
#define MOLT_HOST_LFS_FILES_H

#include <stdint.h>

#include "molt/files.h"
#include "molt/flash.h"
#include "molt/host/message.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MOLT_LFS_BLOCK 4096u

struct molt_lfs; /* a mounted file system */

/*
 * Mounts [offset, offset + size) of flash, which stays the caller's and must outlive the mount.
 * Nothing is written. MOLT_E_FORMAT: no littlefs there, or a damaged one, or one that is larger
 * than the range; MOLT_E_ALIGNMENT: not whole blocks; errors of the flash as they are (MOLT_E_POWER
 * too). *fs is freed by molt_lfs_unmount; NULL on failure. What is written keeps the disk version
 * that the file system has (2.0 stays 2.0: older MicroPython cannot mount 2.1).
 */
int molt_lfs_mount(struct molt_lfs **fs, const struct molt_flash *flash, uint32_t offset,
                   uint32_t size, struct molt_message *message);
void molt_lfs_unmount(struct molt_lfs *fs);

/* Makes an empty file system over the whole range; everything in it is lost. */
int molt_lfs_format(const struct molt_flash *flash, uint32_t offset, uint32_t size,
                    struct molt_message *message);

/*
 * The files interface over a mount. Errors: MOLT_E_NO_SPACE full, MOLT_E_FORMAT damaged,
 * MOLT_E_NOT_FOUND, MOLT_E_ARGUMENT (a path that is too long, a directory where a file is expected
 * or the reverse, a directory that is not empty), MOLT_E_RANGE (a write that does not append), and
 * those of the flash. A write at offset 0 and a rename are atomic. After MOLT_E_POWER the mount is
 * of no use any more: unmount it.
 */
void molt_lfs_files(struct molt_lfs *fs, struct molt_files *files);

#ifdef __cplusplus
}
#endif
#endif
