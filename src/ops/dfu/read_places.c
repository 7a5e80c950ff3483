#include "ops/dfu/read_places.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_END ((uint64_t)1 << 32)

/* Decimal or 0x hex, with K or M where it is a size. Where the number ends, or NULL. */
static const char *number(const char *text, bool size, uint64_t *value)
{
    uint64_t base = 10, digit;
    const char *at = text;
    if (at[0] == '0' && (at[1] == 'x' || at[1] == 'X')) {
        base = 16;
        at += 2;
    }
    const char *first = at;
    for (*value = 0;; at++) {
        if (*at >= '0' && *at <= '9') {
            digit = (uint64_t)(*at - '0');
        } else if (base == 16 && (*at | 32) >= 'a' && (*at | 32) <= 'f') {
            digit = (uint64_t)((*at | 32) - 'a') + 10;
        } else {
            break;
        }
        *value = *value * base + digit;
        if (*value > MEMORY_END) {
            *value = MEMORY_END + 1; /* more digits do not make it fit again */
        }
    }
    if (at == first) {
        return NULL;
    }
    if (size && ((*at | 32) == 'k' || (*at | 32) == 'm')) {
        *value <<= (*at | 32) == 'k' ? 10 : 20; /* 33 + 20 bits */
        at++;
    }
    return at;
}

static int no_place(const char *text, struct molt_message *message)
{
    return molt_fail(message, MOLT_E_ARGUMENT,
                     "'%s': no place of the device's memory; expected ADDRESS, ADDRESS+SIZE, "
                     "ADDRESS-END, all or files (0x08000000+16K)",
                     text);
}

static int parse_range(struct dfu_place *place, const char *text, struct molt_message *message)
{
    uint64_t start, value = 0;
    const char *at = number(text, false, &start);
    if (!at || (*at && *at != '+' && *at != '-')) {
        return no_place(text, message);
    }
    place->kind = *at ? DFU_PLACE_RANGE : DFU_PLACE_AT;
    if (*at) {
        const char *behind = number(at + 1, *at == '+', &value);
        if (!behind || *behind) {
            return no_place(text, message);
        }
        value = *at == '+' ? start + value : value + 1;
        if (value <= start) {
            return molt_fail(message, MOLT_E_ARGUMENT,
                             "'%s': a place without bytes; expected one at least", text);
        }
    }
    if (start >= MEMORY_END || value > MEMORY_END) {
        return molt_fail(message, MOLT_E_RANGE,
                         "'%s': passes the end of the address space, 0xffffffff", text);
    }
    place->start = (uint32_t)start;
    place->end = value;
    return MOLT_OK;
}

int dfu_place_parse(struct dfu_place *place, const char *text, struct molt_message *message)
{
    *place = (struct dfu_place){.text = text};
    if (strcmp(text, "all") == 0) {
        place->kind = DFU_PLACE_ALL;
        return MOLT_OK;
    }
    if (strcmp(text, "files") == 0) {
        place->kind = DFU_PLACE_FILES;
        return MOLT_OK;
    }
    return parse_range(place, text, message);
}

/* ---- spans ---- */

void dfu_spans_free(struct dfu_spans *spans)
{
    free(spans->span);
    *spans = (struct dfu_spans){0};
}

int dfu_spans_add(struct dfu_spans *spans, uint64_t start, uint64_t end,
                  struct molt_message *message)
{
    if (spans->count == spans->room) {
        uint32_t room = spans->room ? spans->room * 2 : 16;
        struct dfu_span *more = realloc(spans->span, room * sizeof *more);
        if (!more) {
            return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
        }
        spans->span = more;
        spans->room = room;
    }
    spans->span[spans->count++] = (struct dfu_span){start, end};
    return MOLT_OK;
}

uint64_t dfu_spans_bytes(const struct dfu_spans *spans)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < spans->count; i++) {
        sum += spans->span[i].end - spans->span[i].start;
    }
    return sum;
}

static int by_start(const void *a, const void *b)
{
    const struct dfu_span *x = a, *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

/* Sorts, and joins what touches or overlaps. Whether something overlapped: its address, else
 * MEMORY_END. */
static uint64_t join(struct dfu_spans *spans)
{
    uint64_t overlap = MEMORY_END;
    uint32_t n = 0;
    if (spans->count) {
        qsort(spans->span, spans->count, sizeof spans->span[0], by_start);
    }
    for (uint32_t i = 0; i < spans->count; i++) {
        struct dfu_span next = spans->span[i];
        if (n && next.start <= spans->span[n - 1].end) {
            struct dfu_span *last = &spans->span[n - 1];
            if (next.start < last->end && overlap == MEMORY_END) {
                overlap = next.start;
            }
            last->end = next.end > last->end ? next.end : last->end;
        } else {
            spans->span[n++] = next;
        }
    }
    spans->count = n;
    return overlap;
}

int dfu_spans_join(struct dfu_spans *spans, struct molt_message *message)
{
    uint64_t overlap = join(spans);
    return overlap == MEMORY_END
               ? MOLT_OK
               : molt_fail(message, MOLT_E_ARGUMENT,
                           "0x%08" PRIx64 ": is in two of the places; expected each byte once",
                           overlap);
}

int dfu_spans_subtract(struct dfu_spans *left, struct dfu_spans *all, struct dfu_spans *some,
                       struct molt_message *message)
{
    int error = MOLT_OK;
    uint32_t k = 0;
    join(all);
    join(some);
    for (uint32_t i = 0; !error && i < all->count; i++) {
        uint64_t at = all->span[i].start, end = all->span[i].end;
        for (; k < some->count && some->span[k].end <= at; k++) {
        }
        for (uint32_t n = k; !error && n < some->count && some->span[n].start < end; n++) {
            if (some->span[n].start > at) {
                error = dfu_spans_add(left, at, some->span[n].start, message);
            }
            at = some->span[n].end;
        }
        if (!error && at < end) {
            error = dfu_spans_add(left, at, end, message);
        }
    }
    return error;
}

int dfu_spans_of_map(struct dfu_spans *spans, const struct molt_dfu_map *map, uint8_t access,
                     struct molt_message *message)
{
    int error = MOLT_OK;
    for (uint32_t i = 0; !error && i < map->count; i++) {
        const struct molt_dfu_segment *segment = &map->segment[i];
        uint64_t end = segment->start + (uint64_t)segment->sector_size * segment->count;
        if ((segment->access & access) == access && end > segment->start) {
            error =
                dfu_spans_add(spans, segment->start, end < MEMORY_END ? end : MEMORY_END, message);
        }
    }
    join(spans); /* a map that names memory twice is the device's affair */
    return error;
}

static const struct dfu_span *span_of(const struct dfu_spans *spans, uint64_t address)
{
    for (uint32_t i = 0; i < spans->count; i++) {
        if (address >= spans->span[i].start && address < spans->span[i].end) {
            return &spans->span[i];
        }
    }
    return NULL;
}

const char *dfu_spans_words(const struct dfu_spans *spans, char *text, uint32_t size)
{
    uint32_t at = 0;
    snprintf(text, size, "nothing");
    for (uint32_t i = 0; i < spans->count; i++) {
        if (size - at < 40) {
            snprintf(text + at, size - at, ", ...");
            break;
        }
        at += (uint32_t)snprintf(text + at, size - at, "%s0x%08" PRIx64 "-0x%08" PRIx64,
                                 i ? ", " : "", spans->span[i].start, spans->span[i].end - 1);
    }
    return text;
}

static int outside(const struct dfu_place *place, uint64_t address,
                   const struct dfu_spans *readable, struct molt_message *message)
{
    char words[400];
    return molt_fail(message, MOLT_E_RANGE,
                     "%s: 0x%08" PRIx64 " is outside of the memory that can be read; expected a "
                     "place inside of %s",
                     place->text, address, dfu_spans_words(readable, words, sizeof words));
}

int dfu_spans_of_place(struct dfu_spans *spans, const struct dfu_place *place, bool map_is_short,
                       const struct dfu_spans *readable, struct molt_message *message)
{
    uint64_t start = place->start, end = place->end;
    const struct dfu_span *holds = span_of(readable, start);
    if (place->kind == DFU_PLACE_AT && holds) {
        end = holds->end;
    } else if (place->kind == DFU_PLACE_ALL) {
        start = 0;
        end = MEMORY_END;
    } else if (map_is_short && place->kind == DFU_PLACE_RANGE) {
        return dfu_spans_add(spans, start, end,
                             message); /* the device knows, its string does not */
    } else if (!holds || !span_of(readable, end - 1)) {
        return outside(place, holds ? end - 1 : start, readable, message);
    }
    int error = MOLT_OK;
    for (uint32_t i = 0; !error && i < readable->count; i++) {
        const struct dfu_span *span = &readable->span[i];
        uint64_t from = span->start > start ? span->start : start;
        uint64_t to = span->end < end ? span->end : end;
        if (from < to) {
            error = dfu_spans_add(spans, from, to, message);
        }
    }
    return error;
}
