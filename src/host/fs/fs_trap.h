/*
 * A way out of a foreign library that meets the impossible: littlefs asserts what a damaged medium
 * can break. Its LFS_ASSERT (fs_lfs_assert.h) springs the trap that fs_trap_run set.
 */
#ifndef MOLT_HOST_FS_TRAP_H
#define MOLT_HOST_FS_TRAP_H

struct molt_fs;
struct fs_call;

/* The operation's own result; *sprung: it was left, and what it held on the stack is gone. */
int fs_trap_run(struct molt_fs *fs, int (*operation)(struct molt_fs *, struct fs_call *),
                struct fs_call *call, int *sprung);

/* Leaves the innermost fs_trap_run of this thread; aborts where there is none. */
void fs_trap_spring(void) __attribute__((noreturn));

#endif
