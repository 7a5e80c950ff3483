/* What both fuzz targets of file systems do with an image. */
#ifndef FS_FUZZ_H
#define FS_FUZZ_H

#include <stdint.h>

/* Probes, mounts, walks, checks; with bits in choice it is also written to and grown. */
void fs_fuzz(uint8_t *image, uint32_t size, unsigned choice);

#endif
