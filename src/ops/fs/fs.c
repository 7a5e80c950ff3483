/*
 * The file system of a target: opened for reading on the target itself; for changes on bytes in
 * memory, which a file's are anyway and a board's are copied to, so that whatever fails, fails
 * before anything is touched. The same changes are then made on the board.
 */
#include "molt/ops/fs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/memflash.h"
#include "molt/host/blank.h"
#include "molt/host/file.h"
#include "ops/fs/fs_internal.h"

#define PIECE 65536u

/* ---- Opening ---- */

static int copy_place(struct molt_fsops *s, struct molt_message *message)
{
    uint32_t size = s->place.size;
    s->copy = malloc(size);
    if (!s->copy) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "%s: no memory for the %u bytes of %s",
                         s->target->name, size, s->place.label);
    }
    for (uint32_t at = 0; at < size; at += PIECE) {
        uint32_t n = size - at < PIECE ? size - at : PIECE;
        int error = molt_flash_read(&s->target->flash, s->place.offset + at, s->copy + at, n);
        if (error) {
            return molt_fail(message, error, "%s: %s cannot be read at 0x%x: %s", s->target->name,
                             s->place.label, s->place.offset + at, molt_strerror(error));
        }
    }
    memflash_init(&s->flash, &s->region, s->copy, size);
    s->offset = 0;
    return MOLT_OK;
}

static int look_if_blank(struct molt_fsops *s, struct molt_message *message)
{
    uint8_t bytes[256];
    s->blank = true;
    for (uint32_t at = 0; at < s->place.size && s->blank; at += sizeof bytes) {
        uint32_t left = s->place.size - at;
        uint32_t n = left < sizeof bytes ? left : (uint32_t)sizeof bytes;
        int error = molt_flash_read(&s->flash, s->offset + at, bytes, n);
        if (error) {
            return molt_fail(message, error, "%s: %s cannot be read at 0x%x: %s", s->target->name,
                             s->place.label, s->place.offset + at, molt_strerror(error));
        }
        s->blank = molt_blank(bytes, n);
    }
    return MOLT_OK;
}

static int none_there(const struct molt_fsops *s, struct molt_message *message)
{
    const struct molt_partition *row = s->place.row;
    bool for_files = !row || (row->type == MOLT_PARTITION_DATA && row->subtype >= MOLT_DATA_FAT);
    return molt_fail(message, MOLT_E_NOT_FOUND,
                     "%s: no littlefs and no FAT in %s (at 0x%x, %u bytes), which %s%s",
                     s->target->name, s->place.label, s->place.offset, s->place.size,
                     !for_files ? "is no place for files"
                     : s->blank ? "is erased"
                                : "holds something else",
                     for_files ? ": 'molt fs mkfs' makes one" : ": -p names another partition");
}

static bool reads_only(enum molt_fsops_mode mode)
{
    return mode == MOLT_FSOPS_READ || mode == MOLT_FSOPS_LOOK;
}

static int mount(struct molt_fsops *s, struct molt_message *message)
{
    struct molt_message *why = calloc(1, sizeof *why);
    int error =
        molt_fs_mount(&s->fs, &s->flash, s->offset, s->place.size, reads_only(s->mode), why);
    if (error) {
        snprintf(s->trouble, sizeof s->trouble, "%.599s", why ? why->text : molt_strerror(error));
    }
    free(why);
    s->damaged = error == MOLT_E_FORMAT || error == MOLT_E_UNSUPPORTED;
    if (s->damaged && (s->mode == MOLT_FSOPS_LOOK || s->mode == MOLT_FSOPS_MAKE)) {
        return MOLT_OK;
    }
    return error ? molt_fail(message, error, "%s: %s (at 0x%x): %s", s->target->name,
                             s->place.label, s->place.offset, s->trouble)
                 : MOLT_OK;
}

static int open_place(struct molt_fsops *s, const char *partition, struct molt_message *message)
{
    int error = partition ? molt_place_find(&s->place, s->target, partition, message)
                          : molt_place_files(&s->place, s->target, message);
    if (!error) {
        error = molt_place_make_room(s->target, &s->place, message);
    }
    if (error) {
        return error;
    }
    s->flash = s->target->flash;
    s->offset = s->place.offset;
    if (s->target->board && !reads_only(s->mode)) {
        error = copy_place(s, message);
    }
    if (!error) {
        error = molt_fs_probe(&s->facts, &s->flash, s->offset, s->place.size);
        if (error) {
            molt_fail(message, error, "%s: %s cannot be read: %s", s->target->name, s->place.label,
                      molt_strerror(error));
        }
    }
    return error;
}

int molt_fsops_open(struct molt_fsops *session, struct molt_target *target, const char *partition,
                    enum molt_fsops_mode mode, struct molt_message *message)
{
    *session = (struct molt_fsops){.target = target, .mode = mode};
    int error = open_place(session, partition, message);
    if (!error && session->facts.kind == MOLT_FS_NONE) {
        error = look_if_blank(session, message);
        if (!error && (mode == MOLT_FSOPS_READ || mode == MOLT_FSOPS_CHANGE)) {
            error = none_there(session, message);
        }
    } else if (!error) {
        error = mount(session, message);
    }
    if (error) {
        molt_fsops_close(session);
    }
    return error;
}

void molt_fsops_close(struct molt_fsops *session)
{
    molt_fs_unmount(session->fs, NULL);
    free(session->copy);
    session->fs = NULL;
    session->copy = NULL;
}

/* ---- Carrying out ---- */

static int no_space(const struct molt_fs_changes *changes, uint32_t at, enum molt_fs_kind kind,
                    const struct molt_fs_space *space, struct molt_message *message)
{
    uint32_t files;
    uint64_t bytes;
    int64_t blocks = fsops_blocks(changes, kind, space->block_size, &files, &bytes);
    return molt_fail(
        message, MOLT_E_NO_SPACE,
        "does not fit: %u file%s of %llu bytes in all need%s about %lld more blocks of "
        "%u bytes, %u of %u are free; '%s' is the first without room. Nothing was "
        "written",
        files, files == 1 ? "" : "s", (unsigned long long)bytes, files == 1 ? "s" : "",
        (long long)(blocks > 0 ? blocks : 0), space->block_size, space->total - space->used,
        space->total, changes->item[at].path);
}

/* Where changes are made: a flash in memory, or the board's. */
struct spot {
    const struct molt_flash *flash;
    uint32_t offset, size;
    struct molt_fs **fs; /* mounted, or NULL before a FORMAT */
};

/* FORMAT and GROW come first in a list, alone. */
static int prepare(const struct spot *spot, const struct molt_fs_changes *changes, uint32_t *at,
                   struct molt_message *message)
{
    struct molt_fs_options options = {changes->format, changes->lfs_version, 0};
    int error = MOLT_OK;
    if (changes->count && changes->item[0].kind == MOLT_FS_FORMAT) {
        molt_fs_unmount(*spot->fs, NULL);
        *spot->fs = NULL;
        error = molt_fs_format(spot->flash, spot->offset, spot->size, &options, message);
        *at = 1;
    }
    if (!error && !*spot->fs) {
        error = molt_fs_mount(spot->fs, spot->flash, spot->offset, spot->size, false, message);
    }
    if (!error && changes->count && changes->item[0].kind == MOLT_FS_GROW) {
        error = molt_fs_grow(*spot->fs, changes->grow_to, message);
        *at = 1;
    }
    return error;
}

static int carry_out(const struct spot *spot, const struct molt_fs_changes *changes,
                     const struct molt_progress *progress, struct molt_message *message)
{
    struct molt_fs_space space = {0};
    uint32_t at = 0;
    int error = prepare(spot, changes, &at, message);
    if (error || at == changes->count) {
        return error;
    }
    if (molt_fs_kind_of(*spot->fs) != MOLT_FS_NONE) {
        error = molt_fs_space(*spot->fs, &space);
    }
    if (error) {
        return molt_fail(message, error, "the free space cannot be counted: %s",
                         molt_strerror(error));
    }
    error = fsops_apply(*spot->fs, changes, &at, progress, message);
    if (error == MOLT_E_NO_SPACE && at < changes->count) {
        return no_space(changes, at, molt_fs_kind_of(*spot->fs), &space, message);
    }
    return error;
}

int molt_fsops_rehearse(struct molt_fsops *session, const struct molt_fs_changes *changes,
                        struct molt_message *message)
{
    struct spot spot = {&session->flash, session->offset, session->place.size, &session->fs};
    int error = carry_out(&spot, changes, NULL, message);
    if (error == MOLT_E_NO_SPACE && message) {
        char text[sizeof message->text];
        memcpy(text, message->text, sizeof text);
        molt_fail(message, error, "%s: %s %.3000s", session->target->name, session->place.label,
                  text);
    }
    return error;
}

static int on_board(struct molt_fsops *session, const struct molt_fs_changes *changes,
                    const struct molt_progress *progress, struct molt_message *message)
{
    struct molt_fs *fs = NULL;
    struct spot spot = {&session->target->flash, session->place.offset, session->place.size, &fs};
    int error = carry_out(&spot, changes, progress, message);
    int closing = molt_fs_unmount(fs, error ? NULL : message);
    return error ? error : closing;
}

int molt_fsops_commit(struct molt_fsops *session, const struct molt_fs_changes *changes,
                      const char *output, const struct molt_progress *progress,
                      struct molt_message *message)
{
    struct molt_target *target = session->target;
    if (target->board && output) {
        return molt_fail(message, MOLT_E_ARGUMENT,
                         "%s: a board is changed as it is: an output is for files", target->name);
    }
    int error = molt_fs_unmount(session->fs, message);
    session->fs = NULL;
    if (error) {
        return error;
    }
    if (target->board) {
        return on_board(session, changes, progress, message);
    }
    return output ? molt_file_write(output, target->bytes + target->base, target->file_size, 0666,
                                    MOLT_FILE_REPLACE, message)
                  : molt_target_save(target, message);
}
