/* Which flash holds a board's files: by its name, or by all that the flash's shape fits. */
#include <stdio.h>
#include <string.h>

#include "molt/dfu_map.h"
#include "ops/dfu/board.h"

#define FLASH 0x08000000u

/* The internal flash in the map: its size and that of its first sector. */
struct shape {
    uint32_t bytes, first;
};

static struct shape shape_of(const struct molt_dfu_map *map)
{
    struct shape shape = {0, 0};
    for (uint32_t i = 0; i < map->count; i++) {
        const struct molt_dfu_segment *segment = &map->segment[i];
        if (segment->start == FLASH) {
            shape.first = segment->sector_size;
        }
        if (segment->start == FLASH + shape.bytes) {
            shape.bytes += segment->sector_size * segment->count;
        }
    }
    return shape;
}

static bool holds(const struct molt_dfu_range *range, uint32_t address)
{
    return address - range->start < range->size;
}

/* Of a map that ends too early, what is left of it has to hold the files. */
static bool fits(const struct board_script *script, const struct shape *shape, bool truncated)
{
    if (script->first_kb * 1024 != shape->first) {
        return false;
    }
    if (!truncated) {
        return script->flash_kb * 1024 == shape->bytes;
    }
    for (int i = 0; i < 2; i++) {
        const struct molt_dfu_range *range = &script->files[i];
        if (range->size && range->start - FLASH + range->size > shape->bytes) {
            return false;
        }
    }
    return !script->only_whole && script->flash_kb * 1024 >= shape->bytes;
}

/* Joined with those that it overlaps or touches; the list stays in order. */
static void add(struct molt_dfu_files *files, struct molt_dfu_range range)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < files->count; i++) {
        struct molt_dfu_range *old = &files->range[i];
        uint32_t end = old->start + old->size, range_end = range.start + range.size;
        if (end < range.start || range_end < old->start) {
            files->range[kept++] = *old;
        } else {
            range.start = old->start < range.start ? old->start : range.start;
            range.size = (end > range_end ? end : range_end) - range.start;
        }
    }
    files->count = kept;
    if (kept == MOLT_DFU_FILES_RANGES) { /* cannot happen with the table: two ranges a script */
        files->range[kept - 1].size = range.start + range.size - files->range[kept - 1].start;
        return;
    }
    uint32_t at = kept;
    for (; at > 0 && files->range[at - 1].start > range.start; at--) {
        files->range[at] = files->range[at - 1];
    }
    files->range[at] = range;
    files->count++;
}

static void guess(struct molt_dfu_files *files, const struct molt_dfu_map *map, uint32_t app)
{
    struct shape shape = shape_of(map);
    size_t at = 0;
    for (const struct board_script *script = board_scripts; script->name; script++) {
        if (!fits(script, &shape, map->truncated) ||
            (app && (holds(&script->files[0], app) || holds(&script->files[1], app)))) {
            continue;
        }
        for (int i = 0; i < 2; i++) {
            if (script->files[i].size) {
                add(files, script->files[i]);
            }
        }
        int more = at < sizeof files->words
                       ? snprintf(files->words + at, sizeof files->words - at, "%s%s",
                                  at ? ", " : "a board with stm32", script->name)
                       : 0;
        at += more > 0 ? (size_t)more : 0;
    }
    files->guessed = true;
}

int molt_dfu_board_files(struct molt_dfu_files *files, const char *board,
                         const struct molt_dfu_map *map, uint32_t app, struct molt_message *message)
{
    memset(files, 0, sizeof *files);
    if (board) {
        struct molt_dfu_board found;
        int error = molt_dfu_board_find(&found, board, message);
        if (error) {
            return error;
        }
        snprintf(files->words, sizeof files->words, "%s", found.name);
        for (int i = 0; i < 2; i++) {
            if (found.files[i].size) {
                add(files, found.files[i]);
            }
        }
    } else if (map) {
        guess(files, map, app);
    }
    return MOLT_OK;
}
