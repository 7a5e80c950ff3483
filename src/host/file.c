#define _POSIX_C_SOURCE 200809L /* O_CLOEXEC */
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

int molt_file_read_open(int fd, const char *path, uint8_t *bytes, size_t n,
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
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe would wait for a writer */
    if (fd < 0 && errno == ENXIO) {
        return molt_fail(message, MOLT_E_ARGUMENT, "%s: is a socket, expected a file", path);
    }
    if (fd < 0) {
        return fail_errno(message, path, "cannot open");
    }
    if (fstat(fd, &info) != 0) {
        error = fail_errno(message, path, "cannot read");
    } else if (!S_ISREG(info.st_mode)) {
        error = molt_fail(message, MOLT_E_ARGUMENT, "%s: %s, expected a file", path,
                          S_ISDIR(info.st_mode) ? "is a directory" : "is a device or pipe");
    } else if ((uint64_t)info.st_size > limit) {
        error = molt_fail(message, MOLT_E_RANGE, "%s: is %lld bytes, expected at most %zu", path,
                          (long long)info.st_size, limit);
    } else {
        *n = (size_t)info.st_size;
        *bytes = malloc(*n + 1);
        error = *bytes ? molt_file_read_open(fd, path, *bytes, *n, message)
                       : molt_fail(message, MOLT_E_NO_MEMORY, "%s: out of memory", path);
    }
    close(fd);
    if (error) {
        free(*bytes);
        *bytes = NULL;
    }
    return error;
}

bool molt_same_file(const char *a, const char *b)
{
    struct stat sa, sb;
    return stat(a, &sa) == 0 && stat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
           sa.st_ino == sb.st_ino;
}
