/* A flash in memory: what files are opened as. Programs only clear bits, erases set them. */
#ifndef MOLT_HOST_MEMFLASH_H
#define MOLT_HOST_MEMFLASH_H

#include <stdint.h>

#include "molt/flash.h"

/* bytes (the caller's, size of them) become flash; region is the caller's too. */
void memflash_init(struct molt_flash *flash, struct molt_region *region, uint8_t *bytes,
                   uint32_t size);

#endif
