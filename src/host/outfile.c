/*
 * Files that appear whole or not at all. Where the file system can, the bytes go to a file without
 * a name (O_TMPFILE), so that not even a killed process leaves anything; else to a temporary name
 * in the same folder. Signals wait meanwhile.
 */
#define _GNU_SOURCE /* O_TMPFILE, renameat2 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/hold.h"
#include "molt/host/file.h"

#define ATTEMPTS 100 /* names that earlier processes of the same number may have left */

struct output {
    const char *named;        /* as the user says it */
    char path[PATH_MAX];      /* behind symbolic links, which stay */
    char folder[PATH_MAX];    /* of path, with a slash at its end or "./" */
    char temporary[PATH_MAX]; /* "" = none */
    int fd;
    enum molt_file_existing existing;
};

static int fail(const struct output *out, const char *doing, struct molt_message *message)
{
    int cause = errno;
    const char *hint = cause == ENOSPC || cause == EDQUOT ? "; free some space or write elsewhere"
                       : cause == EROFS || cause == EACCES
                           ? "; choose a folder that can be written to"
                       : cause == EEXIST ? "; remove it, or choose another name"
                                         : "";
    return molt_fail(message, molt_errno(cause), "%s: cannot %s: %s%s; nothing was written",
                     out->named, doing, strerror(cause), hint);
}

static int split_folder(struct output *out, struct molt_message *message)
{
    const char *slash = strrchr(out->path, '/');
    size_t n = slash ? (size_t)(slash - out->path) + 1 : 0;
    if (slash && !slash[1]) {
        return molt_fail(message, MOLT_E_ARGUMENT,
                         "%s: is the name of a directory, expected the name of a file to write",
                         out->named);
    }
    memcpy(out->folder, n ? out->path : "./", n ? n : 2);
    out->folder[n ? n : 2] = 0;
    return MOLT_OK;
}

/* What is there under the name; *mode is set to that of a file which will be replaced. */
static int look(struct output *out, mode_t *mode, struct molt_message *message)
{
    struct stat info;
    size_t n = strlen(out->named);
    if (n == 0 || n >= sizeof out->path) {
        return molt_fail(message, MOLT_E_ARGUMENT, "the output's name is %s: '%.60s'",
                         n ? "too long" : "empty", out->named);
    }
    memcpy(out->path, out->named, n + 1);
    if (lstat(out->named, &info) == 0 && stat(out->named, &info) != 0 && errno != ENOENT) {
        return fail(out, "write it", message);
    }
    if (stat(out->named, &info) == 0) {
        if (S_ISDIR(info.st_mode) || !S_ISREG(info.st_mode)) {
            return molt_fail(message, MOLT_E_FORMAT,
                             "%s: is a %s, expected the name of a file to write", out->named,
                             S_ISDIR(info.st_mode) ? "directory" : "device or pipe");
        }
        if (out->existing == MOLT_FILE_KEEP) {
            errno = EEXIST;
            return fail(out, "make it", message);
        }
        if (access(out->named, W_OK) != 0) { /* a rename would replace it all the same */
            return fail(out, "write to it", message);
        }
        *mode = info.st_mode & 0777;
        if (!realpath(out->named, out->path)) {
            return fail(out, "write it", message);
        }
    }
    return split_folder(out, message);
}

/* The next temporary name; false = none is left or it is too long. */
static bool next_name(struct output *out, int attempt)
{
    int n = snprintf(out->temporary, sizeof out->temporary, "%s.molt-%ld-%d.tmp", out->folder,
                     (long)getpid(), attempt);
    bool fits = n > 0 && n < (int)sizeof out->temporary && attempt < ATTEMPTS;
    if (!fits) {
        errno = attempt < ATTEMPTS ? ENAMETOOLONG : EEXIST;
        out->temporary[0] = 0;
    }
    return fits;
}

static int open_output(struct output *out, mode_t mode)
{
    if (access("/proc/self/fd", X_OK) == 0) { /* by which a file without a name gets one */
        out->fd = open(out->folder, O_WRONLY | O_TMPFILE | O_CLOEXEC, mode);
        if (out->fd >= 0) {
            return 0;
        }
    }
    for (int attempt = 0; next_name(out, attempt); attempt++) {
        out->fd = open(out->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (out->fd >= 0 || errno != EEXIST) {
            break;
        }
    }
    if (out->fd < 0) {
        out->temporary[0] = 0;
    }
    return out->fd < 0 ? -1 : 0;
}

static int write_all(int fd, const uint8_t *bytes, size_t n)
{
    while (n) {
        ssize_t put = write(fd, bytes, n);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            return -1;
        }
        bytes += put;
        n -= (size_t)put;
    }
    return 0;
}

static int link_as(const struct output *out, const char *name)
{
    char self[40];
    snprintf(self, sizeof self, "/proc/self/fd/%d", out->fd);
    return linkat(AT_FDCWD, self, AT_FDCWD, name, AT_SYMLINK_FOLLOW);
}

/* A link replaces nothing, so a file without a name gets a temporary one for the rename. */
static int link_temporary(struct output *out)
{
    for (int attempt = 0; next_name(out, attempt); attempt++) {
        if (link_as(out, out->temporary) == 0) {
            return 0;
        }
        if (errno != EEXIST) {
            break;
        }
    }
    out->temporary[0] = 0;
    return -1;
}

/* For a file that has a temporary name. */
static int rename_output(const struct output *out)
{
    struct stat info;
    if (out->existing != MOLT_FILE_KEEP) {
        return rename(out->temporary, out->path);
    }
    if (renameat2(AT_FDCWD, out->temporary, AT_FDCWD, out->path, RENAME_NOREPLACE) == 0) {
        return 0;
    }
    if (errno != EINVAL && errno != ENOSYS) {
        return -1;
    }
    if (lstat(out->path, &info) == 0) { /* not every file system knows RENAME_NOREPLACE */
        errno = EEXIST;
        return -1;
    }
    return rename(out->temporary, out->path);
}

static int put_in_place(struct output *out)
{
    if (!out->temporary[0]) {
        if (link_as(out, out->path) == 0) {
            return 0;
        }
        if (errno != EEXIST || out->existing == MOLT_FILE_KEEP || link_temporary(out) != 0) {
            return -1;
        }
    }
    return rename_output(out);
}

/* So that the new name survives a power cut, too. */
static void sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

static int produce(struct output *out, const void *bytes, size_t n, unsigned mode,
                   struct molt_message *message)
{
    mode_t kept = 0;
    int error = look(out, &kept, message);
    if (error) {
        return error;
    }
    if (open_output(out, (mode_t)mode) != 0) {
        return fail(out, "make it", message);
    }
    bool wait = out->existing != MOLT_FILE_REPLACE_UNSYNCED;
    if (write_all(out->fd, bytes, n) != 0 || (wait && fsync(out->fd) != 0) ||
        (kept && fchmod(out->fd, kept) != 0)) {
        error = fail(out, "write it", message);
    } else if (put_in_place(out) != 0) {
        error = fail(out, "put it in place", message);
    }
    if (error && out->temporary[0]) {
        unlink(out->temporary);
    }
    close(out->fd);
    if (!error && wait) {
        sync_folder(out->folder);
    }
    return error;
}

int molt_file_write(const char *path, const void *bytes, size_t n, unsigned mode,
                    enum molt_file_existing existing, struct molt_message *message)
{
    sigset_t before;
    struct output *out = calloc(1, sizeof *out); /* three paths are too much for a stack */
    if (!out) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "%s: out of memory", path);
    }
    out->named = path;
    out->existing = existing;
    hold_begin(&before);
    int error = produce(out, bytes, n, mode, message);
    hold_end(&before);
    free(out);
    return error;
}
