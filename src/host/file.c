#define _GNU_SOURCE /* renameat2 */
#include "molt/host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int molt_errno(int number)
{
    switch (number) {
    case ENOENT: return MOLT_E_NOT_FOUND;
    case EEXIST: return MOLT_E_EXISTS;
    case EACCES:
    case EPERM:
    case EROFS: return MOLT_E_PERMISSION;
    case ENOSPC:
    case EDQUOT: return MOLT_E_NO_SPACE;
    case ENOMEM: return MOLT_E_NO_MEMORY;
    default: return MOLT_E_IO;
    }
}

static int fail_errno(struct molt_message *message, const char *path, const char *what)
{
    int number = errno;
    return molt_fail(message, molt_errno(number), "%s: %s: %s", path, what, strerror(number));
}

static int read_all(int fd, const char *path, uint8_t *bytes, size_t n,
                    struct molt_message *message)
{
    for (size_t at = 0; at < n;) {
        ssize_t got = read(fd, bytes + at, n - at);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return fail_errno(message, path, "cannot read");
        }
        if (got == 0) {
            return molt_fail(message, MOLT_E_TRUNCATED,
                             "%s: became shorter while it was read: expected %zu bytes, found %zu",
                             path, n, at);
        }
        at += (size_t)got;
    }
    return MOLT_OK;
}

int molt_file_read(const char *path, size_t limit, uint8_t **bytes, size_t *n,
                   struct molt_message *message)
{
    struct stat info;
    int error;
    *bytes = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return fail_errno(message, path, "cannot open");
    }
    if (fstat(fd, &info) != 0) {
        error = fail_errno(message, path, "cannot read");
    } else if (!S_ISREG(info.st_mode)) {
        error = molt_fail(message, MOLT_E_ARGUMENT, "%s: %s, expected a file", path,
                          S_ISDIR(info.st_mode) ? "is a directory" : "is not a regular file");
    } else if ((uint64_t)info.st_size > limit) {
        error = molt_fail(message, MOLT_E_RANGE, "%s: is %lld bytes, expected at most %zu", path,
                          (long long)info.st_size, limit);
    } else {
        *n = (size_t)info.st_size;
        *bytes = malloc(*n + 1);
        error = *bytes ? read_all(fd, path, *bytes, *n, message)
                       : molt_fail(message, MOLT_E_NO_MEMORY, "%s: out of memory", path);
    }
    close(fd);
    if (error) {
        free(*bytes);
        *bytes = NULL;
    }
    return error;
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
    return fsync(fd);
}

/* Not every file system knows RENAME_NOREPLACE; there a look has to do. */
static int put_in_place(const char *temporary, const char *path, enum molt_file_existing existing)
{
    if (existing == MOLT_FILE_REPLACE) {
        return rename(temporary, path);
    }
    if (renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE) == 0) {
        return 0;
    }
    if (errno != EINVAL && errno != ENOSYS) {
        return -1;
    }
    struct stat info;
    if (lstat(path, &info) == 0) {
        errno = EEXIST;
        return -1;
    }
    return rename(temporary, path);
}

/* So that the new name survives a power cut, too. */
static void sync_folder(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path + 1) : 1,
             slash ? path : ".");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

int molt_file_write(const char *path, const void *bytes, size_t n, unsigned mode,
                    enum molt_file_existing existing, struct molt_message *message)
{
    char temporary[PATH_MAX];
    struct stat info;
    if (lstat(path, &info) == 0 && (existing == MOLT_FILE_KEEP || S_ISDIR(info.st_mode))) {
        errno = EEXIST;
        return fail_errno(message, path, "not written");
    }
    int length = snprintf(temporary, sizeof temporary, "%s.%ld.tmp", path, (long)getpid());
    if (length < 0 || (size_t)length >= sizeof temporary) {
        errno = ENAMETOOLONG;
        return fail_errno(message, path, "cannot write");
    }
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, (mode_t)mode);
    if (fd < 0) {
        return fail_errno(message, path, "cannot write");
    }
    int result = write_all(fd, bytes, n), number = errno;
    if (close(fd) != 0 && result == 0) { /* a network file system tells of a full disk here */
        result = -1;
        number = errno;
    }
    if (result == 0 && (result = put_in_place(temporary, path, existing)) != 0) {
        number = errno;
    }
    if (result != 0) {
        unlink(temporary);
        errno = number;
        return fail_errno(message, path, "not written");
    }
    sync_folder(path);
    return MOLT_OK;
}
