/* What the files of fs*.c share. */
#ifndef OPS_FS_INTERNAL_H
#define OPS_FS_INTERNAL_H

#include <stddef.h>

#include "molt/ops/fs.h"

#define FSOPS_DEPTH 64     /* folders in folders: more are a loop */
#define FSOPS_ITEMS 200000 /* entries of a list: more are a loop, too */

/* folder "/" name; false when it does not fit. */
bool fsops_join(char path[MOLT_FSOPS_PATH], const char *folder, const char *name);

/* The part behind the last '/'; "" of the root. */
const char *fsops_last(const char *path);

/* path without its last part: "/" of "/a". */
void fsops_parent(const char *path, char parent[MOLT_FSOPS_PATH]);

/* Why no file may be called so; NULL when it may. */
const char *fsops_name_problem(enum molt_fs_kind kind, const char *name);

/* As strcmp, but capitals of ASCII are as small letters. */
int fsops_ignoring_case(const char *a, const char *b);

/* A new folder so deep that a list of it would be taken for a loop: MOLT_E_ARGUMENT. */
int fsops_check_depth(const char *folder, struct molt_message *message);

/* Length of the UTF-8 sequence at p, which ends with NUL; 0 when it is none. */
unsigned fsops_utf8(const unsigned char *p);

/* "is there": MOLT_E_NOT_FOUND is no error here. Returns 1, 0 or an error with its message. */
int fsops_there(struct molt_fs *fs, const char *path, struct molt_fs_entry *entry,
                struct molt_message *message);

/* molt_fail with path and what molt_strerror says. */
int fsops_fail(struct molt_message *message, int error, const char *what, const char *path);

/* Appends a zeroed change for path (copied; may be NULL); NULL when there is no memory, with its
 * message. */
struct molt_fs_change *fsops_add(struct molt_fs_changes *changes, enum molt_fs_change_kind kind,
                                 const char *path, struct molt_message *message);

/* What a change holds. */
void fsops_change_free(struct molt_fs_change *change);

/* Room for one more of size bytes in *items; false when there is no memory. */
bool fsops_room(void *items, uint32_t count, uint32_t *capacity, size_t size);

/* Carries the changes from number *at on out on fs; *at is the one that failed. No FORMAT, no GROW.
 */
int fsops_apply(struct molt_fs *fs, const struct molt_fs_changes *changes, uint32_t *at,
                const struct molt_progress *progress, struct molt_message *message);

/* Blocks that the files and folders to be written need at least, less what they replace. */
int64_t fsops_blocks(const struct molt_fs_changes *changes, enum molt_fs_kind kind,
                     uint32_t block_size, uint32_t *files, uint64_t *bytes);

/* Local files are named, folders walked; see molt_put_request. */
int fsops_collect(struct molt_fs_changes *changes, struct molt_fs *fs,
                  const struct molt_put_request *request, struct molt_message *message);
/* Their bytes. */
int fsops_read_sources(struct molt_fs_changes *changes, struct molt_message *message);
/* The same, when all of them can fit. */
int fsops_load(struct molt_fs_changes *changes, struct molt_fs *fs, struct molt_message *message);

#endif
