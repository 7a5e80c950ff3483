/*
 * What a person does with the files of a target: list, get, put, remove, make a file system, let it
 * grow. On littlefs and FAT, in firmware files, flash dumps, simulated boards and bare file system
 * images. Nothing is printed.
 *
 * To read: molt_fsops_open, molt_fsops_list and molt_fs_* on session->fs, molt_fsops_close.
 * To change: open for it, fill a molt_fs_changes with molt_fsops_plan_*, molt_fsops_rehearse (all
 * of it, on a copy in memory: what does not fit or fails, fails here), show molt_fsops_describe's
 * plan, molt_fsops_commit. Until the commit neither a file nor a board is touched.
 *
 * Paths on the target begin with '/'; molt_fsops_path makes one of what a person wrote. Strings
 * that are passed in must outlive the call only.
 */
#ifndef MOLT_OPS_FS_H
#define MOLT_OPS_FS_H

#include <stdbool.h>
#include <stdint.h>

#include "molt/host/fs.h"
#include "molt/host/message.h"
#include "molt/host/target.h"
#include "molt/ops/place.h"
#include "molt/ops/plan.h"
#include "molt/progress.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MOLT_FSOPS_PATH 4096 /* bytes of a path with its NUL */

/*
 * An absolute path of what a person wrote: "/" in front, no double or last '/', "." and ".."
 * resolved. MOLT_E_ARGUMENT: empty, too long, or above the root.
 */
int molt_fsops_path(const char *given, char path[MOLT_FSOPS_PATH], struct molt_message *message);

/* ---- The file system of a target ---- */

enum molt_fsops_mode {
    MOLT_FSOPS_READ = 0,
    MOLT_FSOPS_LOOK, /* to read; there may be none, or one that cannot be mounted: fs is NULL then,
                        and trouble says why */
    MOLT_FSOPS_CHANGE,
    MOLT_FSOPS_MAKE /* to change; there may be none (fs is NULL), or a damaged one, as LOOK */
};

struct molt_fsops {
    struct molt_target *target; /* the caller's */
    enum molt_fsops_mode mode;
    struct molt_place place;
    struct molt_fs_facts facts; /* by its superblock; kind NONE: nothing known is there */
    bool blank;                 /* kind NONE: every byte of the place is FF */
    bool damaged;               /* it is known, but cannot be mounted */
    char trouble[600];          /* why; else "" */
    struct molt_fs *fs;         /* mounted; of boards to be changed, a copy of theirs in memory */

    struct molt_flash flash; /* what fs is mounted on, from offset */
    struct molt_region region;
    uint32_t offset;
    uint8_t *copy; /* of a board's place; NULL for files and for reading */
};

/*
 * Finds the place (partition: a name for molt_place_find, or NULL for the one that holds the
 * files), tells what is there and mounts it. A file that ends before its place is as if it went on
 * with FF. The target must not be used otherwise until the session is closed. MOLT_E_NOT_FOUND: no
 * such partition, or no file system there; what molt_fs_mount says. After an error there is nothing
 * to close.
 */
int molt_fsops_open(struct molt_fsops *session, struct molt_target *target, const char *partition,
                    enum molt_fsops_mode mode, struct molt_message *message);
void molt_fsops_close(struct molt_fsops *session);

/* ---- Lists ---- */

struct molt_fs_item {
    char *path;
    bool is_folder;
    uint32_t size; /* bytes of a file */
};

struct molt_fs_items {
    struct molt_fs_item *item;
    uint32_t count, capacity;
    uint32_t files, folders;
    uint64_t bytes;
};

/*
 * What is in a folder, sorted by the bytes of its names, a folder before what is in it; with
 * recursive all below it. Of a file, itself. *items must be zero, and is freed by the caller also
 * after an error: MOLT_E_NOT_FOUND, MOLT_E_FORMAT (folders that lie in each other without end).
 */
int molt_fsops_list(struct molt_fs *fs, const char *path, bool recursive,
                    struct molt_fs_items *items, struct molt_message *message);
void molt_fs_items_free(struct molt_fs_items *items);

/* ---- Changes ---- */

enum molt_fs_change_kind {
    MOLT_FS_FORMAT = 0, /* the whole place, as changes->format says */
    MOLT_FS_GROW,       /* to the end of the place */
    MOLT_FS_MKDIR,
    MOLT_FS_WRITE,
    MOLT_FS_REMOVE,
    MOLT_FS_RENAME
};

struct molt_fs_change {
    enum molt_fs_change_kind kind;
    char *path;     /* NULL for FORMAT and GROW */
    char *to;       /* of RENAME */
    char *source;   /* of WRITE: the local file; NULL = bytes are there already */
    uint8_t *bytes; /* of WRITE, owned */
    uint32_t size;  /* bytes written or removed */
    bool replaces;  /* WRITE, RENAME: a file of old_size bytes is there */
    bool is_folder; /* of REMOVE */
    uint32_t old_size;
};

struct molt_fs_changes {
    struct molt_fs_change *item;
    uint32_t count, capacity;
    enum molt_fs_kind format;
    uint32_t lfs_version;      /* of a littlefs that FORMAT makes; 0 = 2.0 */
    uint32_t grow_to;          /* bytes that GROW gives it */
    struct molt_fs_items lost; /* files that FORMAT takes away */
    uint32_t carried;          /* files that it takes away and that are written again */
    uint32_t same;             /* files to put that are there already, byte for byte: left out */
    uint64_t same_bytes;
};

void molt_fs_changes_free(struct molt_fs_changes *changes);

struct molt_put_request {
    const char *const *local; /* files and folders; a folder written with '/' or "/." at its end is
                                 its contents */
    uint32_t count;
    const char *remote; /* an existing folder, or with '/' at its end a folder that is made
                           when it is missing: each local goes into it under its own name; else
                           the new name of the one local */
    const char *const
        *exclude; /* shell patterns: with '/' for the path below local, else for names */
    uint32_t exclude_count;
    const char *skip; /* a local file that is passed over (the output itself), or NULL */
};

/*
 * Folders with all that is in them, in sorted order. Links are followed. Nothing is read that
 * cannot fit; a file that is there already with the same bytes is not written again.
 * MOLT_E_NOT_FOUND (a local file, a link to nothing, the remote's folder), MOLT_E_ARGUMENT (a name
 * that the file system cannot hold, a device or socket, links in a loop, a file where a folder is,
 * two locals for one name), MOLT_E_NO_SPACE, errors of reading.
 */
int molt_fsops_plan_put(struct molt_fs_changes *changes, struct molt_fs *fs,
                        const struct molt_put_request *request, struct molt_message *message);

/* Files and, with recursive, folders. MOLT_E_NOT_FOUND, MOLT_E_ARGUMENT (a folder without
 * recursive, the root). */
int molt_fsops_plan_remove(struct molt_fs_changes *changes, struct molt_fs *fs, const char *path,
                           bool recursive, struct molt_message *message);

/* With parents, missing folders above it too, and one that is there is no error. MOLT_E_EXISTS,
 * MOLT_E_NOT_FOUND (the folder above), MOLT_E_ARGUMENT (name; a file above). */
int molt_fsops_plan_mkdir(struct molt_fs_changes *changes, struct molt_fs *fs, const char *path,
                          bool parents, struct molt_message *message);

/* Into `to` when that is a folder. MOLT_E_EXISTS: a file is there and force is not given;
 * MOLT_E_ARGUMENT: a folder into itself, a name. */
int molt_fsops_plan_move(struct molt_fs_changes *changes, struct molt_fs *fs, const char *from,
                         const char *to, bool force, struct molt_message *message);

/* kind NONE: what is there, else littlefs. lfs_version 0: as the target's MicroPython mounts it,
 * see molt_fsops_lfs_version. MOLT_E_EXISTS: files or other data would be lost and
 * force is not given; MOLT_E_ARGUMENT: the place is not for files (an app, nvs, ...). */
int molt_fsops_plan_mkfs(struct molt_fs_changes *changes, struct molt_fsops *session,
                         enum molt_fs_kind kind, uint32_t lfs_version, bool force,
                         struct molt_message *message);

/* Nothing is added when it fills its place. A FAT that cannot grow is made anew with its files.
 * MOLT_E_RANGE: it is larger than its place. */
int molt_fsops_plan_grow(struct molt_fs_changes *changes, struct molt_fsops *session,
                         struct molt_message *message);

/* Carries the changes out in memory; session->fs shows the result. MOLT_E_NO_SPACE with what is
 * needed and what is free; errors of the file system. */
int molt_fsops_rehearse(struct molt_fsops *session, const struct molt_fs_changes *changes,
                        struct molt_message *message);

/* The steps as a plan; output: the file that is written, NULL = in place. */
void molt_fsops_describe(const struct molt_fs_changes *changes, const struct molt_fsops *session,
                         const char *output, struct molt_plan *plan);

/*
 * After a rehearsal: saves the file (in place, or as output), or carries the changes out on the
 * board. Closes session->fs. Errors of molt_target_save; MOLT_E_ARGUMENT: an output for a board.
 */
int molt_fsops_commit(struct molt_fsops *session, const struct molt_fs_changes *changes,
                      const char *output, const struct molt_progress *progress,
                      struct molt_message *message);

/*
 * For others that have mounted a file system in memory: puts a local folder's contents (or a file)
 * at remote, an existing or new folder. All of plan_put's errors; some files may have been
 * written when it fails. files, bytes: what was put; may be NULL.
 */
int molt_fsops_put_tree(struct molt_fs *fs, const char *local, const char *remote, uint32_t *files,
                        uint64_t *bytes, struct molt_message *message);

/* ---- Getting ---- */

struct molt_fs_fetch {
    char *remote, *local;
    bool is_folder; /* is made when it is missing */
    bool replaces;  /* a local file is there */
    uint32_t size;
};

struct molt_fs_fetches {
    struct molt_fs_fetch *item;
    uint32_t count, capacity;
    uint64_t bytes;
};

struct molt_get_request {
    const char *const *remote; /* a folder written with '/' at its end is its contents */
    uint32_t count;
    const char *local; /* an existing folder, or with '/' at its end a folder that is made: each
                          remote goes into it; else the new name of the one remote */
    bool force;        /* local files may be replaced, names that differ in case only are taken */
};

/*
 * Everything that can be said before a byte is written: MOLT_E_NOT_FOUND, MOLT_E_EXISTS (a local
 * file, without force), MOLT_E_ARGUMENT (a name that would lead elsewhere or commands a terminal, a
 * local link inside of the folder, a file where a folder is).
 */
int molt_fsops_plan_get(struct molt_fs_fetches *fetches, struct molt_fs *fs,
                        const struct molt_get_request *request, struct molt_message *message);

/* Reads every file once before the first is written. */
int molt_fsops_get(const struct molt_fs_fetches *fetches, struct molt_fs *fs,
                   const struct molt_progress *progress, struct molt_message *message);
void molt_fs_fetches_free(struct molt_fs_fetches *fetches);

/* ---- Checking ---- */

#define MOLT_FSOPS_FINDINGS 100 /* that are kept */

struct molt_fsops_findings {
    char *text[MOLT_FSOPS_FINDINGS];
    uint32_t count; /* of text */
    uint32_t found; /* all */
};

/* What is wrong with the session's file system (mode LOOK: also one that cannot be mounted).
 * Negative only when the check itself failed. Nothing is changed. */
int molt_fsops_check(struct molt_fsops *session, struct molt_fsops_findings *findings,
                     struct molt_message *message);
void molt_fsops_findings_free(struct molt_fsops_findings *findings);

/* ---- Which littlefs ---- */

/* Disk version of the littlefs that a MicroPython of this version ("v1.23.0"; "" = not known)
 * mounts and makes: 0x00020001 from 1.22 on, else 0x00020000, which all of them mount. */
uint32_t molt_fsops_lfs_version_of(const char *micropython);

/* The same of the oldest MicroPython in the target's app partitions. Reads them. */
uint32_t molt_fsops_lfs_version(const struct molt_target *target);

/* ---- A new image ---- */

struct molt_fs_build_request {
    const char *folder; /* its contents become the root */
    uint32_t size;      /* bytes of the image, whole blocks */
    enum molt_fs_kind kind;
    uint32_t lfs_version; /* 0 = 2.0 */
    const char *const *exclude;
    uint32_t exclude_count;
    const char *output; /* passed over when it lies in folder; may be NULL */
};

struct molt_fs_build {
    uint8_t *image; /* request.size bytes; owned */
    uint32_t files, folders;
    uint64_t bytes;
    struct molt_fs_space space;
};

/* The same folder gives the same bytes. MOLT_E_NO_SPACE says which size would do. */
int molt_fsops_build(struct molt_fs_build *build, const struct molt_fs_build_request *request,
                     struct molt_message *message);
void molt_fs_build_free(struct molt_fs_build *build);

#ifdef __cplusplus
}
#endif
#endif
