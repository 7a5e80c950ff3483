/* Any bytes as a UF2 file: what is written lies where the survey says, and nowhere else. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "molt/uf2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct molt_uf2_facts facts;
    struct molt_diag diag = {0};
    if (size > 1u << 20 || molt_uf2_survey(&facts, data, (uint32_t)size, &diag) != MOLT_OK) {
        return 0;
    }
    for (uint32_t i = 0; i < facts.part_count; i++) {
        const struct molt_uf2_part *part = &facts.part[i];
        uint32_t room = part->high - part->low;
        if (part->low > part->high || part->bytes > size || part->blocks > facts.blocks) {
            abort();
        }
        room = room > 1u << 16 ? 1u << 16 : room;
        uint8_t *out = malloc(room + 1);
        memset(out, 0xFF, room + 1);
        molt_uf2_flatten(out, part->low, room, data, (uint32_t)size, part);
        if (out[room] != 0xFF) {
            abort();
        }
        free(out);
    }
    for (size_t at = 0; size - at >= MOLT_UF2_BLOCK; at += MOLT_UF2_BLOCK) {
        struct molt_uf2_block block, again;
        uint8_t bytes[MOLT_UF2_BLOCK];
        if (molt_uf2_parse(&block, data + at, NULL) != MOLT_OK) {
            continue;
        }
        if (molt_uf2_write(bytes, &block) != MOLT_OK ||
            molt_uf2_parse(&again, bytes, NULL) != MOLT_OK || again.address != block.address ||
            memcmp(again.payload, block.payload, block.length) != 0) {
            abort();
        }
    }
    return 0;
}
