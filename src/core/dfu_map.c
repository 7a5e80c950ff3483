/*
 * The grammar of ST's UM0424 ("@name/0xADDRESS/N*SSSmT,N*SSSmT/0xADDRESS/..."), with what loaders
 * make of it: docs/spec/dfu.md lists the forms that are accepted, each with a device that has it.
 */
#include "molt/dfu_map.h"

#include <stddef.h>
#include <string.h>

struct map_reader {
    const char *text;
    uint32_t at;
    uint32_t address; /* of the next segment */
};

static char map_peek(const struct map_reader *r)
{
    return r->text[r->at];
}

static void map_skip_spaces(struct map_reader *r)
{
    while (map_peek(r) == ' ' || map_peek(r) == '\t') {
        r->at++;
    }
}

static int map_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

/* Digits of the base: 1, or 0 when there are none, or MOLT_E_RANGE. */
static int map_number(struct map_reader *r, uint32_t base, uint32_t *value)
{
    int found = 0;
    *value = 0;
    for (; (uint32_t)map_digit(map_peek(r)) < base; r->at++, found = 1) {
        uint32_t d = (uint32_t)map_digit(map_peek(r));
        if (*value > (base == 16 ? 0x0FFFFFFFu : (0xFFFFFFFFu - d) / 10)) {
            return MOLT_E_RANGE;
        }
        *value = *value * base + d;
    }
    return found;
}

/* "/0x08000000/": 1, or 0 when that is not next (nothing is taken then), or MOLT_E_RANGE. */
static int map_zone(struct map_reader *r)
{
    struct map_reader try = *r;
    bool prefix = false;
    if (map_peek(&try) != '/') {
        return 0;
    }
    try.at++;
    map_skip_spaces(&try);
    if (map_peek(&try) == '0' && (try.text[try.at + 1] | 0x20) == 'x') {
        try.at += 2;
        prefix = true;
    }
    uint32_t first = try.at;
    int found = map_number(&try, 16, &try.address);
    if (found <= 0) {
        r->at = found < 0 ? try.at : r->at;
        return found;
    }
    if (!prefix && try.at - first != 8) {
        return 0; /* a name with a slash in it, not an address */
    }
    map_skip_spaces(&try);
    if (map_peek(&try) != '/') {
        return 0;
    }
    try.at++;
    *r = try;
    return 1;
}

static uint8_t map_access_of(char c)
{
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'g' ? (uint8_t)(c & 7) : 0;
}

/* The unit and the access behind a size. "Kg", " e" (bytes), "Be", "e" alone (bytes). The factor;
 * *access 0 when it is not there. */
static uint32_t map_unit(struct map_reader *r, uint8_t *access)
{
    uint32_t factor = 1;
    map_skip_spaces(r);
    char c = map_peek(r), next = c ? r->text[r->at + 1] : 0;
    if (c == 'K' || c == 'k') {
        factor = 1024;
        r->at++;
    } else if (c == 'M' || c == 'm') {
        factor = 1024 * 1024;
        r->at++;
    } else if (c == 'B' || (c == 'b' && map_access_of(next))) {
        r->at++;
    }
    map_skip_spaces(r);
    *access = map_access_of(map_peek(r));
    if (*access) {
        r->at++;
    }
    return factor;
}

/* "04*016Kg": 1; 0: not whole, the text ends or goes on with something else; MOLT_E_RANGE. */
static int map_segment(struct map_reader *r, struct molt_dfu_segment *s)
{
    uint32_t size;
    map_skip_spaces(r);
    int found = map_number(r, 10, &s->count);
    map_skip_spaces(r);
    if (found <= 0 || map_peek(r) != '*') {
        return found < 0 ? found : 0;
    }
    r->at++;
    map_skip_spaces(r);
    found = map_number(r, 10, &size);
    if (found <= 0) {
        return found;
    }
    uint32_t factor = map_unit(r, &s->access);
    map_skip_spaces(r);
    if (!s->access && map_peek(r) != ',' && map_peek(r) != '/') {
        return 0;
    }
    s->start = r->address;
    s->sector_size = size * factor;
    if (size > 0xFFFFFFFFu / factor) {
        return MOLT_E_RANGE;
    }
    /* The last byte's address has to exist: count * size - 1 <= 0xFFFFFFFF - start. */
    if (s->sector_size && s->count &&
        s->count - 1 > (0xFFFFFFFFu - s->start - (s->sector_size - 1)) / s->sector_size) {
        return MOLT_E_RANGE;
    }
    if (s->sector_size && 0xFFFFFFFFu - s->start < s->sector_size - 1) {
        return MOLT_E_RANGE;
    }
    r->address += s->count * s->sector_size;
    return 1;
}

/* The name in front of the first zone. */
static int map_name(struct map_reader *r, struct molt_dfu_map *map)
{
    uint32_t n = 0;
    int found = 0;
    map_skip_spaces(r);
    if (map_peek(r) != '@') {
        return 0;
    }
    r->at++;
    map_skip_spaces(r);
    while (map_peek(r) && (found = map_zone(r)) == 0) {
        if (n < sizeof map->name - 1) {
            map->name[n++] = map_peek(r);
        }
        r->at++;
    }
    while (n && map->name[n - 1] == ' ') {
        n--;
    }
    map->name[n] = 0;
    return found;
}

int molt_dfu_map_parse(struct molt_dfu_map *map, const char *text, struct molt_diag *diag)
{
    struct map_reader r = {text, 0, 0};
    memset(map, 0, sizeof *map);
    int found = map_name(&r, map);
    while (found == 1) {
        struct molt_dfu_segment s;
        found = map_segment(&r, &s);
        if (found < 0) {
            break;
        }
        if (found == 0 || (s.count && s.sector_size && map->count == MOLT_DFU_MAP_SEGMENTS)) {
            map->truncated = true;
            break;
        }
        if (!s.access && memcmp(map->name, "Device Feature", sizeof "Device Feature") == 0) {
            s.access = MOLT_DFU_READABLE | MOLT_DFU_WRITABLE; /* as ST's own tools take it on F4 */
        }
        if (s.count && s.sector_size) {
            map->segment[map->count++] = s;
        }
        map_skip_spaces(&r);
        bool comma = map_peek(&r) == ',';
        r.at += comma;
        map_skip_spaces(&r);
        found = map_zone(&r); /* also behind a comma: option bytes of F42x */
        if (found == 0 && comma) {
            found = 1;
        } else if (found == 0 && map_peek(&r)) {
            map->truncated = true; /* whatever that is, there is more */
        }
    }
    if (found < 0) {
        return molt_diag_at(diag, found, "memory map", r.at);
    }
    return map->count ? MOLT_OK : molt_diag_at(diag, MOLT_E_FORMAT, "memory map", r.at);
}

bool molt_dfu_map_sector(const struct molt_dfu_map *map, uint32_t address,
                         struct molt_dfu_sector *sector)
{
    for (uint32_t i = 0; i < map->count; i++) {
        const struct molt_dfu_segment *s = &map->segment[i];
        if (address < s->start || !s->sector_size) {
            continue;
        }
        uint32_t index = (address - s->start) / s->sector_size;
        if (index < s->count) {
            sector->start = s->start + index * s->sector_size;
            sector->size = s->sector_size;
            sector->access = s->access;
            return true;
        }
    }
    return false;
}

uint64_t molt_dfu_map_bytes(const struct molt_dfu_map *map)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < map->count; i++) {
        bytes += (uint64_t)map->segment[i].sector_size * map->segment[i].count;
    }
    return bytes;
}
