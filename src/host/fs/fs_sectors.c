#include "host/fs/fs_sectors.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define LINES       16u
#define SECTOR_MAX  65536u
#define PAGE        256u  /* what is programmed at once, where nothing has to be erased */
#define PROGRAM_MAX 4096u /* see molt/flash.h */

struct line {
    bool used;
    uint32_t at;      /* of the range */
    uint64_t touched; /* when it was last used */
    uint64_t dirtied; /* when it was first written; 0: as on the flash */
    uint8_t *bytes;
};

struct fs_sectors {
    struct molt_flash flash;
    uint32_t offset, size, sector;
    uint64_t clock;
    struct line line[LINES];
    uint8_t *old; /* what the flash holds, while a line is written */
    uint8_t memory[];
};

int fs_sectors_open(struct fs_sectors **sectors, const struct molt_flash *flash, uint32_t offset,
                    uint32_t size)
{
    uint32_t sector = molt_flash_sector_size(flash, offset);
    if (sector == 0 || sector > SECTOR_MAX) {
        return MOLT_E_UNSUPPORTED;
    }
    for (uint32_t i = 0; i < flash->region_count; i++) {
        const struct molt_region *region = &flash->regions[i];
        if (region->start <= offset && (offset - region->start) / sector < region->count) {
            if ((offset - region->start) % sector) {
                return MOLT_E_ALIGNMENT;
            }
        } else if (region->start > offset && region->start - offset < size &&
                   region->sector_size != sector) {
            return MOLT_E_UNSUPPORTED;
        }
    }
    struct fs_sectors *made = calloc(1, sizeof *made + (size_t)(LINES + 1) * sector);
    if (!made) {
        return MOLT_E_NO_MEMORY;
    }
    made->flash = *flash;
    made->offset = offset;
    made->size = size;
    made->sector = sector;
    for (uint32_t i = 0; i < LINES; i++) {
        made->line[i].bytes = made->memory + (size_t)i * sector;
    }
    made->old = made->memory + (size_t)LINES * sector;
    *sectors = made;
    return MOLT_OK;
}

void fs_sectors_close(struct fs_sectors *sectors)
{
    free(sectors);
}

/* The last sector of a range may be cut by its end, or by that of the flash. */
static uint32_t length_of(const struct fs_sectors *s, uint32_t at)
{
    uint32_t left = s->flash.size - s->offset - at;
    return left < s->sector ? left : s->sector;
}

static int program(struct fs_sectors *s, uint32_t at, const uint8_t *bytes, uint32_t n,
                   const uint8_t *old)
{
    uint32_t align = s->flash.program_align ? s->flash.program_align : 1;
    uint32_t page = align > PAGE ? align : PAGE;
    for (uint32_t i = 0; i < n;) {
        uint32_t end = i;
        /* A run of pages that differ. */
        while (end < n && end - i < PROGRAM_MAX) {
            uint32_t m = n - end < page ? n - end : page;
            if (memcmp(bytes + end, old + end, m) == 0) {
                break;
            }
            end += m;
        }
        if (end > i) {
            int result = molt_flash_program(&s->flash, s->offset + at + i, bytes + i, end - i);
            if (result != MOLT_OK) {
                return result;
            }
            i = end;
        } else {
            i += page;
        }
    }
    return MOLT_OK;
}

static int write_line(struct fs_sectors *s, struct line *line)
{
    uint32_t n = length_of(s, line->at);
    int result = molt_flash_read(&s->flash, s->offset + line->at, s->old, n);
    bool erase = false;
    for (uint32_t i = 0; i < n && result == MOLT_OK && !erase; i++) {
        erase = (line->bytes[i] & ~s->old[i]) != 0;
    }
    if (result == MOLT_OK && erase) {
        memset(s->old, 0xFF, n);
        result = molt_flash_erase(&s->flash, s->offset + line->at, n);
    }
    if (result == MOLT_OK) {
        result = program(s, line->at, line->bytes, n, s->old);
    }
    if (result == MOLT_OK) {
        line->dirtied = 0;
    }
    return result;
}

static struct line *first_dirtied(struct fs_sectors *s)
{
    struct line *first = NULL;
    for (uint32_t i = 0; i < LINES; i++) {
        struct line *line = &s->line[i];
        if (line->dirtied && (!first || line->dirtied < first->dirtied)) {
            first = line;
        }
    }
    return first;
}

/* A line for another sector: the one that was not used for longest, rather one that need not be
 * written. */
static int free_line(struct fs_sectors *s, struct line **freed)
{
    struct line *oldest = NULL;
    for (uint32_t i = 0; i < LINES; i++) {
        struct line *line = &s->line[i];
        if (!line->dirtied && (!oldest || line->touched < oldest->touched)) {
            oldest = line;
        }
    }
    int result = MOLT_OK;
    if (!oldest) {
        oldest = first_dirtied(s);
        result = write_line(s, oldest);
    }
    *freed = oldest;
    return result;
}

static int find_line(struct fs_sectors *s, uint32_t at, struct line **found)
{
    for (uint32_t i = 0; i < LINES; i++) {
        if (s->line[i].used && s->line[i].at == at) {
            s->line[i].touched = ++s->clock;
            *found = &s->line[i];
            return MOLT_OK;
        }
    }
    struct line *line;
    int result = free_line(s, &line);
    if (result == MOLT_OK) {
        line->used = false;
        result = molt_flash_read(&s->flash, s->offset + at, line->bytes, length_of(s, at));
    }
    if (result == MOLT_OK) {
        line->used = true;
        line->at = at;
        line->touched = ++s->clock;
        *found = line;
    }
    return result;
}

/* One of the two is NULL. */
static int move(struct fs_sectors *s, uint32_t at, uint8_t *to, const uint8_t *from, uint32_t n)
{
    if (at > s->size || n > s->size - at) {
        return MOLT_E_RANGE;
    }
    while (n > 0) {
        struct line *line;
        uint32_t start = at / s->sector * s->sector, skip = at - start;
        uint32_t m = s->sector - skip < n ? s->sector - skip : n;
        int result = find_line(s, start, &line);
        if (result != MOLT_OK) {
            return result;
        }
        if (to) {
            memcpy(to, line->bytes + skip, m);
            to += m;
        } else {
            line->dirtied = line->dirtied ? line->dirtied : ++s->clock;
            memcpy(line->bytes + skip, from, m);
            from += m;
        }
        at += m;
        n -= m;
    }
    return MOLT_OK;
}

int fs_sectors_read(struct fs_sectors *sectors, uint32_t at, void *buffer, uint32_t n)
{
    return move(sectors, at, buffer, NULL, n);
}

int fs_sectors_write(struct fs_sectors *sectors, uint32_t at, const void *data, uint32_t n)
{
    return move(sectors, at, NULL, data, n);
}

int fs_sectors_fill(struct fs_sectors *sectors, uint32_t at, uint8_t byte, uint32_t n)
{
    uint8_t bytes[256];
    int result = MOLT_OK;
    memset(bytes, byte, sizeof bytes);
    while (n > 0 && result == MOLT_OK) {
        uint32_t m = n < sizeof bytes ? n : (uint32_t)sizeof bytes;
        result = fs_sectors_write(sectors, at, bytes, m);
        at += m;
        n -= m;
    }
    return result;
}

int fs_sectors_flush(struct fs_sectors *sectors)
{
    for (struct line *line; (line = first_dirtied(sectors)) != NULL;) {
        int result = write_line(sectors, line);
        if (result != MOLT_OK) {
            return result;
        }
    }
    return molt_flash_sync(&sectors->flash);
}
