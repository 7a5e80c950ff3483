#include "cli/svg_regions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/map.h"

#define SECTOR 0x1000u
#define HEIGHT 560.0 /* of all boxes together, when they are few */

static struct svg_region *add(struct svg_map *map, enum svg_class class, const char *name,
                              uint64_t offset, uint64_t size)
{
    struct svg_region *region = &map->region[map->count++];
    memset(region, 0, sizeof *region);
    region->class = class;
    region->offset = offset;
    region->size = size;
    snprintf(region->name, sizeof region->name, "%s", name);
    molt_info_plain(region->name);
    return region;
}

static void set_used(struct svg_region *region, uint64_t used)
{
    region->used = used;
    snprintf(region->fill, sizeof region->fill, "%.0f %% full",
             region->size ? 100.0 * (double)used / (double)region->size : 0.0);
}

static void describe_app(struct svg_region *region, const struct molt_info *info)
{
    for (uint32_t i = 0; i < info->app_count; i++) {
        const struct molt_info_image *app = &info->app[i];
        if (app->offset != region->offset) {
            continue;
        }
        if (app->empty || app->outside) {
            snprintf(region->note, sizeof region->note, "empty");
        } else if (!app->readable) {
            snprintf(region->note, sizeof region->note, "%.40s", molt_strerror(app->error));
        } else {
            region->used = app->image.length;
            snprintf(region->note, sizeof region->note, "%s%.34s",
                     app->micropython[0] ? "MicroPython " : "", app->micropython);
            set_used(region, app->image.length);
        }
        return;
    }
}

static void describe_files(struct svg_region *region, const struct molt_info *info)
{
    for (uint32_t i = 0; i < info->files_count; i++) {
        const struct molt_info_files *files = &info->files[i];
        if (files->offset != region->offset) {
            continue;
        }
        region->class = SVG_FILES;
        if (files->error) {
            snprintf(region->note, sizeof region->note, "%s, not readable", files->facts.variant);
            return;
        }
        snprintf(region->note, sizeof region->note, "%s", files->facts.variant);
        set_used(region, (uint64_t)files->space.used * files->space.block_size);
        return;
    }
}

static void add_row(struct svg_map *map, const struct molt_partition *row,
                    const struct molt_info *info)
{
    char type[8], subtype[8];
    enum svg_class class = row->type == MOLT_PARTITION_APP ? SVG_APP
                           : row->type == MOLT_PARTITION_DATA && row->subtype >= MOLT_DATA_FAT
                               ? SVG_FILES
                               : SVG_DATA;
    struct svg_region *region = add(map, class, row->label, row->offset, row->size);
    snprintf(region->type, sizeof region->type, "%s, %s", map_type_name(row->type, type),
             map_subtype_name(row->type, row->subtype, subtype));
    if (class == SVG_APP) {
        describe_app(region, info);
    } else {
        describe_files(region, info);
    }
    region->boots = info->boot.known && class == SVG_APP && region->name[0] &&
                    strcmp(info->boot.label, region->name) == 0;
}

static int by_offset(const void *a, const void *b)
{
    const struct svg_region *x = a, *y = b;
    if (x->offset != y->offset) {
        return x->offset < y->offset ? -1 : 1;
    }
    return (x->size > y->size) - (x->size < y->size);
}

/* What no row names; a file system there is shown as one. */
static void add_gaps(struct svg_map *map, const struct molt_info *info)
{
    uint64_t end = 0;
    uint32_t rows = map->count;
    for (uint32_t i = 0; i <= rows; i++) {
        uint64_t low = i < rows ? map->region[i].offset : map->end;
        if (low > end) {
            struct svg_region *gap = add(map, SVG_UNUSED, "unused", end, low - end);
            describe_files(gap, info);
            if (gap->class == SVG_FILES) {
                snprintf(gap->name, sizeof gap->name, "vfs");
                snprintf(gap->type, sizeof gap->type, "no row");
            }
        }
        if (i < rows && map->region[i].offset + map->region[i].size > end) {
            end = map->region[i].offset + map->region[i].size;
        }
    }
    qsort(map->region, map->count, sizeof map->region[0], by_offset);
}

/* To scale, but none lower than the least height: what those take is taken from the others. */
static void set_heights(struct svg_map *map)
{
    double room =
        HEIGHT > 1.6 * SVG_LEAST_HEIGHT * map->count ? HEIGHT : 1.6 * SVG_LEAST_HEIGHT * map->count;
    for (uint32_t i = 0; i < map->count; i++) {
        map->region[i].height = 0;
    }
    for (bool again = true; again;) {
        double left = room, bytes = 0;
        again = false;
        for (uint32_t i = 0; i < map->count; i++) {
            left -= map->region[i].height;
            bytes += map->region[i].height > 0 ? 0 : (double)map->region[i].size;
        }
        map->scale = bytes > 0 ? left / bytes : 0;
        for (uint32_t i = 0; i < map->count; i++) {
            struct svg_region *region = &map->region[i];
            if (region->height <= 0 && (double)region->size * map->scale < SVG_LEAST_HEIGHT) {
                region->height = SVG_LEAST_HEIGHT;
                map->squeezed = again = true;
            }
        }
    }
    for (uint32_t i = 0; i < map->count; i++) {
        if (map->region[i].height <= 0) {
            map->region[i].height = (double)map->region[i].size * map->scale;
        }
    }
}

void svg_regions(struct svg_map *map, const struct molt_target *target,
                 const struct molt_info *info)
{
    map->count = 0;
    map->squeezed = false;
    map->end = target->flash_size;
    if (target->chip) {
        uint32_t offset = target->chip->bootloader_offset;
        struct svg_region *boot =
            add(map, SVG_BOOT, "bootloader", offset, MOLT_PTABLE_OFFSET - offset);
        if (info->has_bootloader && info->bootloader.readable) {
            snprintf(boot->note, sizeof boot->note, "%s%.30s",
                     info->bootloader.image.bootloader_idf[0] ? "ESP-IDF " : "",
                     info->bootloader.image.bootloader_idf);
            molt_info_plain(boot->note);
            set_used(boot, info->bootloader.image.length);
        }
    }
    struct svg_region *table = add(map, SVG_BOOT, "partition table", MOLT_PTABLE_OFFSET, SECTOR);
    snprintf(table->note, sizeof table->note, "%u rows%s", target->table.count,
             target->table.has_md5 ? ", MD5" : ", no MD5");
    for (uint32_t i = 0; i < target->table.count; i++) {
        const struct molt_partition *row = &target->table.row[i];
        add_row(map, row, info);
        uint64_t end = (uint64_t)row->offset + row->size;
        map->end = end > map->end ? end : map->end;
    }
    qsort(map->region, map->count, sizeof map->region[0], by_offset);
    add_gaps(map, info);
    set_heights(map);
}
