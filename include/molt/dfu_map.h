/*
 * The memory map that a DfuSe device gives as the name of an alternate setting (ST's UM0424,
 * AN3156):
 * "@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg". Read leniently, because loaders in the
 * field write it in many ways: docs/spec/dfu.md has the grammar.
 */
#ifndef MOLT_DFU_MAP_H
#define MOLT_DFU_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "molt/error.h"

#ifdef __cplusplus
extern "C" {
#endif

enum molt_dfu_access { MOLT_DFU_READABLE = 1, MOLT_DFU_ERASABLE = 2, MOLT_DFU_WRITABLE = 4 };

#define MOLT_DFU_MAP_SEGMENTS 48u

struct molt_dfu_segment {
    uint32_t start; /* address */
    uint32_t sector_size, count;
    uint8_t access; /* of enum molt_dfu_access */
};

struct molt_dfu_map {
    char name[64]; /* without '@' and the spaces around it; longer ones are cut */
    struct molt_dfu_segment segment[MOLT_DFU_MAP_SEGMENTS]; /* in the order of the text */
    uint32_t count;
    bool truncated; /* the text ended too early, or has more segments: what was whole is there */
};

/*
 * text: as in the string descriptor, ended by 0. At least one segment is there on MOLT_OK; no
 * segment passes 4 GB. MOLT_E_FORMAT: no such text; MOLT_E_RANGE: a segment that passes 4 GB.
 * diag->offset is the character.
 */
int molt_dfu_map_parse(struct molt_dfu_map *map, const char *text, struct molt_diag *diag);

struct molt_dfu_sector {
    uint32_t start, size;
    uint8_t access;
};

/* The sector that holds the address; false: none does. Where segments overlap, the first one's. */
bool molt_dfu_map_sector(const struct molt_dfu_map *map, uint32_t address,
                         struct molt_dfu_sector *sector);

/* The sum of all segments. */
uint64_t molt_dfu_map_bytes(const struct molt_dfu_map *map);

#ifdef __cplusplus
}
#endif
#endif
