/* Any text as a memory map: every segment ends within 4 GB, and every sector is found again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "molt/dfu_map.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const struct molt_dfu_map *map, uint64_t address)
{
    struct molt_dfu_sector sector;
    if (address > 0xFFFFFFFF || !molt_dfu_map_sector(map, (uint32_t)address, &sector) ||
        address < sector.start || address - sector.start >= sector.size || sector.access > 7) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct molt_dfu_map map;
    struct molt_diag diag = {0};
    char *text = malloc(size + 1);
    if (!text) {
        return 0;
    }
    memcpy(text, data, size);
    text[size] = 0;
    int code = molt_dfu_map_parse(&map, text, &diag);
    if (code != MOLT_OK) {
        if ((code != MOLT_E_FORMAT && code != MOLT_E_RANGE) || diag.offset > size) {
            abort();
        }
        free(text);
        return 0;
    }
    uint64_t bytes = 0;
    if (map.count == 0 || map.count > MOLT_DFU_MAP_SEGMENTS || map.name[sizeof map.name - 1]) {
        abort();
    }
    for (uint32_t i = 0; i < map.count; i++) {
        const struct molt_dfu_segment *s = &map.segment[i];
        uint64_t length = (uint64_t)s->sector_size * s->count;
        if (length == 0 || s->start + length > (uint64_t)1 << 32) {
            abort();
        }
        look(&map, s->start);
        look(&map, s->start + length / 2);
        look(&map, s->start + length - 1);
        bytes += length;
    }
    if (bytes != molt_dfu_map_bytes(&map)) {
        abort();
    }
    free(text);
    return 0;
}
