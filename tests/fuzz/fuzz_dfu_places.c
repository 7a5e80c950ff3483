/* A memory map in the first line, places in those behind it: what is read and what is erased. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ops/dfu/erase_sectors.h"
#include "ops/dfu/read_places.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool holds)
{
    if (!holds) {
        abort();
    }
}

/* By address, apart from each other, within 4 GB. */
static void check_spans(const struct dfu_spans *spans)
{
    for (uint32_t i = 0; i < spans->count; i++) {
        demand(spans->span[i].start < spans->span[i].end);
        demand(spans->span[i].end <= (uint64_t)1 << 32);
        demand(i == 0 || spans->span[i - 1].end < spans->span[i].start);
    }
}

static void check_sectors(const struct dfu_sectors *sectors, const struct molt_dfu_map *map,
                          const struct dfu_spans *rounded)
{
    for (uint32_t i = 0; i < sectors->count; i++) {
        const struct dfu_sector *sector = &sectors->sector[i];
        struct molt_dfu_sector is;
        demand(i == 0 || sectors->sector[i - 1].start < sector->start);
        demand(molt_dfu_map_sector(map, sector->start + (sector->size - 1), &is));
        demand((is.access & MOLT_DFU_ERASABLE) != 0 || map->count > 1);
    }
    check_spans(rounded);
    demand(dfu_spans_bytes(rounded) <= dfu_sectors_bytes(sectors));
}

struct work {
    struct molt_dfu_map map;
    struct dfu_spans readable, spans, rounded;
    struct dfu_sectors sectors;
    int read_error, erase_error;
};

static void take(struct work *work, const char *text)
{
    struct dfu_place place;
    if (dfu_place_parse(&place, text, NULL) != MOLT_OK || place.kind == DFU_PLACE_FILES) {
        return;
    }
    demand(place.kind != DFU_PLACE_RANGE || place.start < place.end);
    if (!work->read_error) {
        work->read_error = dfu_spans_of_place(&work->spans, &place, false, &work->readable, NULL);
    }
    if (!work->erase_error && place.kind != DFU_PLACE_ALL) {
        bool whole = strlen(text) % 2 == 0;
        work->erase_error = dfu_sectors_add_place(&work->sectors, &work->map, &place, whole, NULL);
        demand(!whole || work->erase_error == MOLT_OK || work->erase_error == MOLT_E_RANGE);
    }
}

static void check(struct work *work)
{
    if (!work->read_error && dfu_spans_join(&work->spans, NULL) == MOLT_OK) {
        check_spans(&work->spans);
        demand(dfu_spans_bytes(&work->spans) <= dfu_spans_bytes(&work->readable));
    }
    if (!work->erase_error && dfu_sectors_join(&work->sectors, &work->rounded, NULL) == MOLT_OK) {
        check_sectors(&work->sectors, &work->map, &work->rounded);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct work work = {0};
    char *text = malloc(size + 1), *rest;
    if (!text || size > 4096) {
        free(text);
        return 0;
    }
    memcpy(text, data, size);
    text[size] = 0;
    rest = strchr(text, '\n');
    if (rest) {
        *rest++ = 0;
    }
    if (molt_dfu_map_parse(&work.map, text, NULL) == MOLT_OK &&
        dfu_spans_of_map(&work.readable, &work.map, MOLT_DFU_READABLE, NULL) == MOLT_OK) {
        check_spans(&work.readable);
        while (rest && *rest) {
            char *end = strchr(rest, '\n');
            if (end) {
                *end++ = 0;
            }
            take(&work, rest);
            rest = end;
        }
        check(&work);
    }
    dfu_spans_free(&work.readable);
    dfu_spans_free(&work.spans);
    dfu_spans_free(&work.rounded);
    dfu_sectors_free(&work.sectors);
    free(text);
    return 0;
}
