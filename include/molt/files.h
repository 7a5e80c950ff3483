/* Files: the device's file system, as little of it as an update needs. Paths are absolute, '/'
 * between names. */
#ifndef MOLT_FILES_H
#define MOLT_FILES_H

#include <stdint.h>

#include "molt/error.h"

#ifdef __cplusplus
extern "C" {
#endif

enum molt_file_kind { MOLT_FILE = 0, MOLT_DIRECTORY = 1 };

#define MOLT_PATH_MAX 128 /* bytes of a path with its NUL */

/*
 * stat    the kind (enum molt_file_kind) and, for a file, its size in *size; MOLT_E_NOT_FOUND.
 * read    the count, less than n only at the end.
 * write   at offset 0 creates or truncates, elsewhere offset must be the file's size (append). The
 * bytes are on the medium when it returns. mkdir   MOLT_OK also when it is there already. remove  a
 * file or an empty directory; MOLT_E_NOT_FOUND. rename  replaces an existing file; atomic where the
 * file system can (littlefs), see the port. list    entry number index of a directory (without .
 * and ..): 1 and its name, cut when that is too long, or 0 behind the last. space   free bytes, at
 * least.
 *
 * Whole trees, in which an application may have made names and folders that fit no path of ours:
 * measure adds the bytes that come free when a directory goes with all below it, at least. prune
 * removes a file, or of a directory one file or empty directory below it, and itself when it is
 * empty: MOLT_OK, call again until MOLT_E_NOT_FOUND.
 *
 * The engine calls neither remove nor rename; a port may have NULL there. Only the engine calls
 * list, measure and prune.
 */
struct molt_files_ops {
    int (*stat)(void *context, const char *path, uint32_t *size);
    int (*read)(void *context, const char *path, uint32_t offset, void *buffer, uint32_t n);
    int (*write)(void *context, const char *path, uint32_t offset, const void *data, uint32_t n);
    int (*mkdir)(void *context, const char *path);
    int (*remove)(void *context, const char *path);
    int (*rename)(void *context, const char *from, const char *to);
    int (*list)(void *context, const char *path, uint32_t index, char *name, uint32_t capacity);
    int (*space)(void *context, uint32_t *free_bytes);
    int (*measure)(void *context, const char *path, uint32_t *bytes);
    int (*prune)(void *context, const char *path);
};

struct molt_files {
    const struct molt_files_ops *ops;
    void *context;
};

#ifdef __cplusplus
}
#endif
#endif
