/* Shared by fs*.c: a file system is a table of operations behind one call that guards them. */
#ifndef MOLT_HOST_FS_INTERNAL_H
#define MOLT_HOST_FS_INTERNAL_H

#include "molt/host/fs.h"

#define FS_SECTOR    4096u
#define FS_BLOCK_MAX 65536u
#define FS_PATH_MAX  4096u /* of walks; what is deeper is left alone, or complained about */

/* What an operation takes and gives; each uses some of it. */
struct fs_call {
    const char *path, *to;
    uint32_t offset, n;
    const void *data;
    void *buffer;
    struct molt_fs_entry *entry;
    struct molt_fs_dir *dir;
    struct molt_fs_dir **opened;
    struct molt_fs_space *space;
    molt_fs_complaint complaint;
    void *context;
    struct molt_message *message;
};

struct molt_fs;
typedef int fs_operation(struct molt_fs *fs, struct fs_call *call);

struct fs_ops {
    /* Runs an operation of this table; whatever the medium makes the library do, it returns. */
    int (*enter)(struct molt_fs *fs, fs_operation *operation, struct fs_call *call);
    fs_operation *stat;      /* path, entry */
    fs_operation *dir_open;  /* path, opened */
    fs_operation *dir_next;  /* dir, entry: 1 or 0 */
    fs_operation *dir_close; /* dir, which the caller frees */
    fs_operation *read;      /* path, offset, buffer, n: the count */
    fs_operation *replace;   /* path, data, n: whole or not at all */
    fs_operation *append;    /* path, offset, data, n: offset is the size, or MOLT_E_RANGE */
    fs_operation *mkdir;     /* path */
    fs_operation *remove;    /* path */
    fs_operation *rename;    /* path, to */
    fs_operation *space;     /* space */
    fs_operation *grow;      /* n, message */
    fs_operation *check;     /* complaint, context: the count */
    fs_operation *flush;     /* before the unmount */
    void (*destroy)(struct molt_fs *fs);
};

struct molt_fs {
    const struct fs_ops *ops;
    enum molt_fs_kind kind;
    bool read_only;
    uint32_t capacity; /* bytes: no file is larger */
};

struct molt_fs_dir {
    struct molt_fs *fs;
};

/* Parts of files: fs.c. Paths as a caller gives them. */
int fs_read(struct molt_fs *fs, const char *path, uint32_t offset, void *buffer, uint32_t n);
int fs_append(struct molt_fs *fs, const char *path, uint32_t offset, const void *data, uint32_t n);

/* fs_lfs_probe.c, fs_fat_probe.c: facts->kind stays NONE where there is none. */
int fs_lfs_probe(struct molt_fs_facts *facts, const struct molt_flash *flash, uint32_t offset,
                 uint32_t size);

int fs_fat_probe(struct molt_fs_facts *facts, const struct molt_flash *flash, uint32_t offset,
                 uint32_t size);

/* fs_lfs.c, fs_fat.c; the range and the facts were checked. */
int fs_lfs_mount(struct molt_fs **fs, const struct molt_flash *flash, uint32_t offset,
                 uint32_t size, const struct molt_fs_facts *facts, bool read_only);
int fs_lfs_format(const struct molt_flash *flash, uint32_t offset, uint32_t size,
                  const struct molt_fs_options *options);
int fs_fat_mount(struct molt_fs **fs, const struct molt_flash *flash, uint32_t offset,
                 uint32_t size, const struct molt_fs_facts *facts, bool read_only);
int fs_fat_format(const struct molt_flash *flash, uint32_t offset, uint32_t size,
                  const struct molt_fs_options *options);

#endif
