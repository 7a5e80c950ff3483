#include "ops/dfu/erase_sectors.h"

#include <inttypes.h>
#include <stdlib.h>

/* More than any flash has; a string that claims more is hostile. */
#define MOST_SECTORS 65536u

void dfu_sectors_free(struct dfu_sectors *sectors)
{
    free(sectors->sector);
    dfu_spans_free(&sectors->named);
    *sectors = (struct dfu_sectors){0};
}

static int take(struct dfu_sectors *sectors, const struct molt_dfu_sector *sector,
                struct molt_message *message)
{
    if (sectors->count == MOST_SECTORS) {
        return molt_fail(message, MOLT_E_RANGE,
                         "0x%08" PRIx32 ": more than %u sectors in one erase; expected fewer: "
                         "erase in parts, or --all",
                         sector->start, MOST_SECTORS);
    }
    if (sectors->count == sectors->room) {
        uint32_t room = sectors->room ? sectors->room * 2 : 32;
        struct dfu_sector *more = realloc(sectors->sector, room * sizeof *more);
        if (!more) {
            return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
        }
        sectors->sector = more;
        sectors->room = room;
    }
    sectors->sector[sectors->count++] =
        (struct dfu_sector){.start = sector->start,
                            .size = sector->size,
                            .readable = (sector->access & MOLT_DFU_READABLE) != 0};
    return MOLT_OK;
}

static int not_there(const struct molt_dfu_map *map, const char *text, uint64_t address,
                     struct molt_message *message)
{
    struct dfu_spans erasable = {0};
    char words[400] = "";
    if (dfu_spans_of_map(&erasable, map, MOLT_DFU_ERASABLE, message) == MOLT_OK) {
        dfu_spans_words(&erasable, words, sizeof words);
    }
    bool any = erasable.count != 0;
    dfu_spans_free(&erasable);
    return molt_fail(message, MOLT_E_RANGE, "%s: nothing to erase at 0x%08" PRIx64 "%s%s", text,
                     address, any ? "; expected a place inside of " : ", nor anywhere in ",
                     any ? words : "this memory");
}

static int no_whole(const struct molt_dfu_map *map, const struct dfu_span *span, const char *text,
                    struct molt_message *message)
{
    struct molt_dfu_sector first = {0}, last = {0};
    if (!molt_dfu_map_sector(map, (uint32_t)span->start, &first) ||
        !molt_dfu_map_sector(map, (uint32_t)(span->end - 1), &last)) {
        return not_there(map, text, first.size ? span->end - 1 : span->start, message);
    }
    if (first.start == last.start) {
        return molt_fail(message, MOLT_E_RANGE,
                         "%s: no whole sector: it lies in the sector 0x%08" PRIx32 "+%" PRIu32
                         ", which is erased as a whole; --whole-sectors does that",
                         text, first.start, first.size);
    }
    return molt_fail(message, MOLT_E_RANGE,
                     "%s: no whole sectors: it begins in the sector 0x%08" PRIx32 "+%" PRIu32
                     " and ends in 0x%08" PRIx32 "+%" PRIu32 "; --whole-sectors erases 0x%08" PRIx32
                     "-0x%08" PRIx64,
                     text, first.start, first.size, last.start, last.size, first.start,
                     (uint64_t)last.start + last.size - 1);
}

int dfu_sectors_add(struct dfu_sectors *sectors, const struct molt_dfu_map *map,
                    const struct dfu_span *span, const char *text, bool whole_sectors,
                    struct molt_message *message)
{
    int error = MOLT_OK;
    for (uint64_t at = span->start; !error && at < span->end;) {
        struct molt_dfu_sector sector;
        if (!molt_dfu_map_sector(map, (uint32_t)at, &sector) || sector.size == 0 ||
            !(sector.access & MOLT_DFU_ERASABLE)) {
            return not_there(map, text, at, message);
        }
        uint64_t end = (uint64_t)sector.start + sector.size;
        if (!whole_sectors && (sector.start < span->start || end > span->end)) {
            return no_whole(map, span, text, message);
        }
        error = take(sectors, &sector, message);
        at = end;
    }
    return error ? error : dfu_spans_add(&sectors->named, span->start, span->end, message);
}

int dfu_sectors_add_place(struct dfu_sectors *sectors, const struct molt_dfu_map *map,
                          const struct dfu_place *place, bool whole_sectors,
                          struct molt_message *message)
{
    struct dfu_span span = {place->start, place->end};
    struct molt_dfu_sector sector;
    if (place->kind == DFU_PLACE_AT) {
        if (!molt_dfu_map_sector(map, place->start, &sector)) {
            return not_there(map, place->text, place->start, message);
        }
        bool begins = sector.start == place->start || whole_sectors;
        span.start = begins ? sector.start : place->start; /* else it is refused, with its name */
        span.end = (uint64_t)sector.start + sector.size;
    }
    return dfu_sectors_add(sectors, map, &span, place->text, whole_sectors, message);
}

static int by_start(const void *a, const void *b)
{
    const struct dfu_sector *x = a, *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

int dfu_sectors_join(struct dfu_sectors *sectors, struct dfu_spans *rounded,
                     struct molt_message *message)
{
    struct dfu_spans all = {0};
    uint32_t n = 0;
    int error = MOLT_OK;
    if (sectors->count) {
        qsort(sectors->sector, sectors->count, sizeof sectors->sector[0], by_start);
    }
    for (uint32_t i = 0; i < sectors->count; i++) {
        if (n == 0 || sectors->sector[n - 1].start != sectors->sector[i].start) {
            sectors->sector[n++] = sectors->sector[i];
        } else {
            sectors->sector[n - 1].files |= sectors->sector[i].files;
        }
    }
    sectors->count = n;
    for (uint32_t i = 0; !error && i < n; i++) {
        const struct dfu_sector *sector = &sectors->sector[i];
        error = dfu_spans_add(&all, sector->start, (uint64_t)sector->start + sector->size, message);
    }
    error = error ? error : dfu_spans_subtract(rounded, &all, &sectors->named, message);
    dfu_spans_free(&all);
    return error;
}

uint64_t dfu_sectors_bytes(const struct dfu_sectors *sectors)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < sectors->count; i++) {
        sum += sectors->sector[i].size;
    }
    return sum;
}
