/* Which sectors an erase takes, over a device's map. Pure: no device is asked. */
#ifndef OPS_DFU_ERASE_SECTORS_H
#define OPS_DFU_ERASE_SECTORS_H

#include "molt/dfu_map.h"
#include "molt/host/message.h"
#include "ops/dfu/read_places.h"

struct dfu_sector {
    uint32_t start, size;
    bool readable;
    bool files; /* asked for as the file system */
    bool blank; /* was FF before: is not erased */
};

struct dfu_sectors {
    struct dfu_sector *sector; /* by address, each once */
    uint32_t count, room;
    struct dfu_spans named; /* what places asked for */
};

void dfu_sectors_free(struct dfu_sectors *sectors);

/*
 * Adds those of the bytes from start to end; text says where they were named. MOLT_E_RANGE: not
 * (all) in the map, not erasable, or no whole sectors where whole_sectors is false: the message
 * names them. MOLT_E_NO_MEMORY.
 */
int dfu_sectors_add(struct dfu_sectors *sectors, const struct molt_dfu_map *map,
                    const struct dfu_span *span, const char *text, bool whole_sectors,
                    struct molt_message *message);

/* A place of an erase: an address alone is the sector that begins there. */
int dfu_sectors_add_place(struct dfu_sectors *sectors, const struct molt_dfu_map *map,
                          const struct dfu_place *place, bool whole_sectors,
                          struct molt_message *message);

/* Sorts, and drops what was named twice. Adds to rounded what no place named, but is lost with its
 * sector. */
int dfu_sectors_join(struct dfu_sectors *sectors, struct dfu_spans *rounded,
                     struct molt_message *message);
uint64_t dfu_sectors_bytes(const struct dfu_sectors *sectors);

#endif
