/* Which littlefs the MicroPython of a target mounts. */
#include <stdlib.h>
#include <string.h>

#include "molt/ops/fs.h"
#include "molt/ops/info.h"

#define LFS_2_0 0x00020000u
#define LFS_2_1 0x00020001u

/* MicroPython 1.22 brought littlefs 2.8, the first in MicroPython that mounts 2.1 (its
 * lib/littlefs: 2.5 until 1.21). A preview of 1.22 may be older than that change. */
uint32_t molt_fsops_lfs_version_of(const char *micropython)
{
    if (micropython[0] != 'v') {
        return LFS_2_0;
    }
    char *end, *rest;
    unsigned long major = strtoul(micropython + 1, &end, 10);
    unsigned long minor = *end == '.' ? strtoul(end + 1, &rest, 10) : 0;
    bool preview = *end == '.' && strstr(rest, "preview") != NULL;
    return major > 1 || (major == 1 && minor >= (preview ? 23u : 22u)) ? LFS_2_1 : LFS_2_0;
}

/* Adds what the app at offset says: 0 = nothing known yet. */
static uint32_t lower(uint32_t known, const struct molt_target *target, uint32_t offset,
                      uint32_t room)
{
    struct molt_info_image *app = calloc(1, sizeof *app);
    uint32_t found = 0;
    if (!app) {
        return LFS_2_0;
    }
    molt_info_read_image(app, &target->flash, offset, room, target->chip);
    if (app->readable && molt_info_find_micropython(app, &target->flash) == MOLT_OK &&
        app->micropython[0]) {
        found = molt_fsops_lfs_version_of(app->micropython);
    }
    free(app);
    return !known || (found && found < known) ? found : known;
}

uint32_t molt_fsops_lfs_version(const struct molt_target *target)
{
    uint32_t known = 0;
    if (target->table_error) {
        return LFS_2_0;
    }
    for (unsigned i = 0; i < target->table.count; i++) {
        const struct molt_partition *row = &target->table.row[i];
        if (row->type == MOLT_PARTITION_APP && row->offset < target->flash.size) {
            uint32_t room = target->flash.size - row->offset;
            known = lower(known, target, row->offset, row->size < room ? row->size : room);
        }
    }
    return known ? known : LFS_2_0;
}
