/*
 * Bytes over the sectors of a flash: any range can be read and written; what was written is kept in
 * memory, whole sectors, until it is flushed or its place is needed. A sector that does not differ
 * is not written, one whose bits only clear is not erased.
 */
#ifndef MOLT_HOST_FS_SECTORS_H
#define MOLT_HOST_FS_SECTORS_H

#include "molt/flash.h"

struct fs_sectors;

/* flash is copied. MOLT_E_UNSUPPORTED: sectors of unequal size in the range, or over 64 KB;
 * MOLT_E_ALIGNMENT: the range does not begin with a sector; MOLT_E_NO_MEMORY. */
int fs_sectors_open(struct fs_sectors **sectors, const struct molt_flash *flash, uint32_t offset,
                    uint32_t size);
void fs_sectors_close(struct fs_sectors *sectors); /* what was not flushed is lost */

/* Offsets from the start of the range. MOLT_E_RANGE, MOLT_E_NO_MEMORY, or what the flash says. */
int fs_sectors_read(struct fs_sectors *sectors, uint32_t at, void *buffer, uint32_t n);
int fs_sectors_write(struct fs_sectors *sectors, uint32_t at, const void *data, uint32_t n);
int fs_sectors_fill(struct fs_sectors *sectors, uint32_t at, uint8_t byte, uint32_t n);

/* In the order in which the sectors were first written; then the flash is synced. */
int fs_sectors_flush(struct fs_sectors *sectors);

#endif
