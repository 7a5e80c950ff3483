/* Places of a DfuSe device's memory as they are written (molt/ops/dfu_device.h), over its map.
 * Pure: no device is asked. */
#ifndef OPS_DFU_READ_PLACES_H
#define OPS_DFU_READ_PLACES_H

#include "molt/dfu_map.h"
#include "molt/host/message.h"

enum dfu_place_kind { DFU_PLACE_ALL, DFU_PLACE_FILES, DFU_PLACE_RANGE, DFU_PLACE_AT };

struct dfu_place {
    enum dfu_place_kind kind;
    uint32_t start;
    uint64_t end;     /* of a range: behind its last byte */
    const char *text; /* as written; the caller's */
};

/* MOLT_E_ARGUMENT: no place, or one without bytes; MOLT_E_RANGE: passes 4 GB. */
int dfu_place_parse(struct dfu_place *place, const char *text, struct molt_message *message);

/* Memory without gaps; ends are 64 bits wide, since memory may end at 4 GB. */
struct dfu_span {
    uint64_t start, end;
};

struct dfu_spans {
    struct dfu_span *span; /* by address, apart from each other */
    uint32_t count, room;
};

void dfu_spans_free(struct dfu_spans *spans);
int dfu_spans_add(struct dfu_spans *spans, uint64_t start, uint64_t end,
                  struct molt_message *message);
uint64_t dfu_spans_bytes(const struct dfu_spans *spans);

/* What the map lets do all of access (MOLT_DFU_READABLE...), joined. */
int dfu_spans_of_map(struct dfu_spans *spans, const struct molt_dfu_map *map, uint8_t access,
                     struct molt_message *message);

/* By address, joined where they touch. MOLT_E_ARGUMENT: two overlap. */
int dfu_spans_join(struct dfu_spans *spans, struct molt_message *message);

/* Adds what is in all and not in some; both are sorted and joined (overlaps are fine). */
int dfu_spans_subtract(struct dfu_spans *left, struct dfu_spans *all, struct dfu_spans *some,
                       struct molt_message *message);

/* Adds the bytes of one place: files are given as ranges. Gaps inside of a range are left out; its
 * first and last byte have to be readable, unless the map is short: the device may have more than
 * it says. MOLT_E_RANGE. */
int dfu_spans_of_place(struct dfu_spans *spans, const struct dfu_place *place, bool map_is_short,
                       const struct dfu_spans *readable, struct molt_message *message);

/* "0x08000000-0x080fffff, ..." for messages; as much as fits. */
const char *dfu_spans_words(const struct dfu_spans *spans, char *text, uint32_t size);

#endif
