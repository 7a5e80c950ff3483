/* A new file system on a target, one that grows, one from a local folder. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/memflash.h"
#include "ops/fs/fs_internal.h"

/* ---- mkfs ---- */

/* Subtypes of data that belong to the chip's own software: up to efuse; tee_ota. */
#define LAST_OWN     0x05
#define TEE_OTA      0x90
#define APPLICATIONS 0x40 /* types from here on are the application's own */

static bool row_for_files(const struct molt_partition *row)
{
    return row->type >= APPLICATIONS ||
           (row->type == MOLT_PARTITION_DATA && row->subtype > LAST_OWN && row->subtype != TEE_OTA);
}

/* OFFSET+SIZE: behind the table, and in no partition that is not for files. */
static bool range_for_files(const struct molt_target *target, const struct molt_place *place)
{
    if (target->kind == MOLT_TARGET_FILES || target->table_error) {
        return true; /* no table to go by */
    }
    for (uint32_t i = 0; i < target->table.count; i++) {
        const struct molt_partition *row = &target->table.row[i];
        bool apart = place->offset < row->offset ? row->offset - place->offset >= place->size
                                                 : place->offset - row->offset >= row->size;
        if (!apart && !row_for_files(row)) {
            return false;
        }
    }
    return place->offset >= MOLT_PTABLE_OFFSET + 0x1000;
}

static bool for_files(const struct molt_fsops *session)
{
    const struct molt_place *place = &session->place;
    const struct molt_partition *row = place->row;
    if (place->kind == MOLT_PLACE_BOOTLOADER || place->kind == MOLT_PLACE_TABLE) {
        return false;
    }
    if (place->kind == MOLT_PLACE_WHOLE) {
        return session->target->kind == MOLT_TARGET_FILES;
    }
    if (place->kind == MOLT_PLACE_RANGE) {
        return range_for_files(session->target, place);
    }
    return !row || row_for_files(row);
}

static int check_loss(struct molt_fs_changes *changes, const struct molt_fsops *session, bool force,
                      struct molt_message *message)
{
    const struct molt_place *place = &session->place;
    const char *name = session->target->name;
    const struct molt_fs_items *lost = &changes->lost;
    int error = session->fs ? molt_fsops_list(session->fs, "/", true, &changes->lost, NULL) : 0;
    if (error == MOLT_E_NO_MEMORY) {
        return molt_fail(message, error, "out of memory");
    }
    if (force) {
        return MOLT_OK;
    }
    if (session->damaged || error) {
        return molt_fail(
            message, MOLT_E_EXISTS,
            "%s: %s holds a damaged %s, whose files would be lost: --force makes a new "
            "one all the same",
            name, place->label, molt_fs_kind_name(session->facts.kind));
    }
    if (!session->fs && !session->blank) {
        return molt_fail(
            message, MOLT_E_EXISTS,
            "%s: %s holds something that is no file system, and would be lost: --force "
            "makes one all the same",
            name, place->label);
    }
    return lost->files == 0
               ? MOLT_OK
               : molt_fail(message, MOLT_E_EXISTS,
                           "%s: %s holds %u file%s of %llu bytes in all, which would be lost: "
                           "--force makes a new file system all the same",
                           name, place->label, lost->files, lost->files == 1 ? "" : "s",
                           (unsigned long long)lost->bytes);
}

int molt_fsops_plan_mkfs(struct molt_fs_changes *changes, struct molt_fsops *session,
                         enum molt_fs_kind kind, uint32_t lfs_version, bool force,
                         struct molt_message *message)
{
    const struct molt_place *place = &session->place;
    if (!for_files(session)) {
        return molt_fail(message, MOLT_E_ARGUMENT,
                         "%s: %s is not for files: expected a data partition of subtype littlefs, "
                         "fat, spiffs or undefined, or a place without a row",
                         session->target->name, place->label);
    }
    int error = check_loss(changes, session, force, message);
    if (error) {
        return error;
    }
    changes->format = kind ? kind : session->facts.kind ? session->facts.kind : MOLT_FS_LITTLEFS;
    if (changes->format == MOLT_FS_LITTLEFS) {
        changes->lfs_version = lfs_version ? lfs_version : molt_fsops_lfs_version(session->target);
    }
    return fsops_add(changes, MOLT_FS_FORMAT, NULL, message) ? MOLT_OK : MOLT_E_NO_MEMORY;
}

/* ---- grow ---- */

/* A FAT whose tables have no room for more: all of its files, to be written again. */
static int carry_over(struct molt_fs_changes *changes, struct molt_fsops *session,
                      struct molt_message *message)
{
    struct molt_fs_items *items = &changes->lost;
    int error = molt_fsops_list(session->fs, "/", true, items, message);
    changes->format = session->facts.kind;
    if (!error && !fsops_add(changes, MOLT_FS_FORMAT, NULL, message)) {
        error = MOLT_E_NO_MEMORY;
    }
    for (uint32_t i = 0; i < items->count && !error; i++) {
        const struct molt_fs_item *item = &items->item[i];
        struct molt_fs_change *change = fsops_add(
            changes, item->is_folder ? MOLT_FS_MKDIR : MOLT_FS_WRITE, item->path, message);
        if (!change) {
            return MOLT_E_NO_MEMORY;
        }
        if (!item->is_folder) {
            error = molt_fs_read_file(session->fs, item->path, &change->bytes, &change->size);
            if (error) {
                error = fsops_fail(message, error, "cannot be read", item->path);
            }
            changes->carried++;
        }
    }
    return error;
}

int molt_fsops_plan_grow(struct molt_fs_changes *changes, struct molt_fsops *session,
                         struct molt_message *message)
{
    const struct molt_fs_facts *facts = &session->facts;
    const struct molt_place *place = &session->place;
    uint64_t has = (uint64_t)facts->block_size * facts->block_count;
    uint32_t may = place->size - place->size % facts->block_size;
    if (has > may) {
        return molt_fail(message, MOLT_E_RANGE,
                         "%s: %s takes %llu bytes, and %s has %u only: make the partition larger",
                         session->target->name, facts->variant, (unsigned long long)has,
                         place->label, place->size);
    }
    if (has == may) {
        return MOLT_OK;
    }
    struct molt_message *why = calloc(1, sizeof *why);
    /* In memory: what it says tells whether it can. */
    int error = molt_fs_grow(session->fs, may, why);
    changes->grow_to = may;
    if (error == MOLT_E_UNSUPPORTED) {
        error = carry_over(changes, session, message);
    } else if (error) {
        molt_fail(message, error, "%s: %s cannot grow: %.2000s", session->target->name,
                  place->label, why ? why->text : molt_strerror(error));
    } else if (!fsops_add(changes, MOLT_FS_GROW, NULL, message)) {
        error = MOLT_E_NO_MEMORY;
    }
    free(why);
    return error;
}

/* ---- build ---- */

/* An empty file system in memory. */
struct room {
    struct molt_flash flash;
    struct molt_region region;
    uint8_t *bytes;
    struct molt_fs *fs;
};

static void close_room(struct room *room)
{
    molt_fs_unmount(room->fs, NULL);
    free(room->bytes);
    *room = (struct room){0};
}

static int open_room(struct room *room, const struct molt_fs_build_request *request, uint32_t size,
                     struct molt_message *message)
{
    const struct molt_fs_options options = {request->kind, request->lfs_version, 0};
    *room = (struct room){.bytes = malloc(size)};
    if (!room->bytes) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "no memory for an image of %u bytes", size);
    }
    memset(room->bytes, 0xFF, size);
    memflash_init(&room->flash, &room->region, room->bytes, size);
    int error = molt_fs_format(&room->flash, 0, size, &options, message);
    return error ? error : molt_fs_mount(&room->fs, &room->flash, 0, size, false, message);
}

#define LARGEST (128u << 20)
#define SECTOR  4096u

/* Does all of it go into size bytes? */
static bool fits(const struct molt_fs_changes *changes, const struct molt_fs_build_request *request,
                 uint32_t size)
{
    struct room room;
    uint32_t at = 0;
    int error = open_room(&room, request, size, NULL);
    if (!error) {
        error = fsops_apply(room.fs, changes, &at, NULL, NULL);
    }
    close_room(&room);
    return !error;
}

/* The smallest size, by halving, that holds what size bytes do not hold; 0 = none. */
static uint32_t size_that_fits(const struct molt_fs_changes *changes,
                               const struct molt_fs_build_request *request)
{
    uint32_t low = request->size / SECTOR, high = 2 * low;
    while (high <= LARGEST / SECTOR && !fits(changes, request, high * SECTOR)) {
        low = high;
        high *= 2;
    }
    if (high > LARGEST / SECTOR) {
        return 0;
    }
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (fits(changes, request, middle * SECTOR)) {
            high = middle;
        } else {
            low = middle;
        }
    }
    return high * SECTOR;
}

static int too_small(const struct molt_fs_changes *changes, uint32_t at,
                     const struct molt_fs_build_request *request, struct molt_message *message)
{
    uint32_t files, first = 0;
    uint64_t bytes;
    char advice[120] = "no flash is large enough";
    uint32_t size = size_that_fits(changes, request);
    fsops_blocks(changes, request->kind, SECTOR, &files, &bytes);
    for (uint32_t i = 0; i < at; i++) {
        first += changes->item[i].kind == MOLT_FS_WRITE;
    }
    if (size) {
        snprintf(advice, sizeof advice, "%uK is the smallest size that holds them", size / 1024);
    }
    return molt_fail(
        message, MOLT_E_NO_SPACE,
        "%s: %u file%s of %llu bytes in all do%s not fit into %u bytes of %s: the first "
        "%u do, '%s' does not; %s",
        request->folder, files, files == 1 ? "" : "s", (unsigned long long)bytes,
        files == 1 ? "es" : "", request->size, molt_fs_kind_name(request->kind), first,
        changes->item[at].path, advice);
}

static int fill(struct molt_fs_build *build, struct room *room, struct molt_fs_changes *changes,
                const struct molt_fs_build_request *request, struct molt_message *message)
{
    uint32_t at = 0;
    char *folder = malloc(MOLT_FSOPS_PATH);
    if (!folder || !fsops_join(folder, request->folder, "")) {
        free(folder);
        return molt_fail(message, MOLT_E_ARGUMENT, "%.200s: too long a path", request->folder);
    }
    const char *const one[1] = {folder};
    struct molt_put_request put = {
        one, 1, "/", request->exclude, request->exclude_count, request->output};
    int error = fsops_collect(changes, room->fs, &put, message);
    free(folder);
    if (!error) {
        fsops_blocks(changes, request->kind, SECTOR, &build->files, &build->bytes);
        for (uint32_t i = 0; i < changes->count; i++) {
            build->folders += changes->item[i].kind == MOLT_FS_MKDIR;
        }
        error =
            build->bytes > LARGEST
                ? molt_fail(message, MOLT_E_NO_SPACE, "%s: %llu bytes, more than any flash holds",
                            request->folder, (unsigned long long)build->bytes)
                : fsops_read_sources(changes, message);
    }
    if (!error) {
        error = fsops_apply(room->fs, changes, &at, NULL, message);
        if (error == MOLT_E_NO_SPACE) {
            error = too_small(changes, at, request, message);
        }
    }
    return error ? error : molt_fs_space(room->fs, &build->space);
}

int molt_fsops_build(struct molt_fs_build *build, const struct molt_fs_build_request *request,
                     struct molt_message *message)
{
    struct molt_fs_build_request wanted = *request;
    struct molt_fs_changes changes = {0};
    struct room room;
    wanted.kind = request->kind ? request->kind : MOLT_FS_LITTLEFS;
    *build = (struct molt_fs_build){0};
    if (request->size == 0 || request->size > LARGEST || request->size % SECTOR) {
        return molt_fail(message, MOLT_E_ARGUMENT,
                         "size %u: expected a multiple of %u bytes up to 128M", request->size,
                         SECTOR);
    }
    int error = open_room(&room, &wanted, wanted.size, message);
    if (!error) {
        error = fill(build, &room, &changes, &wanted, message);
    }
    if (!error) {
        error = molt_fs_unmount(room.fs, message);
        room.fs = NULL;
    }
    if (!error) {
        build->image = room.bytes;
        room.bytes = NULL;
    }
    close_room(&room);
    molt_fs_changes_free(&changes);
    return error;
}

void molt_fs_build_free(struct molt_fs_build *build)
{
    free(build->image);
    *build = (struct molt_fs_build){0};
}
