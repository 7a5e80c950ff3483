#define _POSIX_C_SOURCE 200809L

#include "molt/host/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int error_of(int cause)
{
    switch (cause) {
    case ENOSPC:
    case EDQUOT: return MOLT_E_NO_SPACE;
    case EACCES:
    case EPERM:
    case EROFS: return MOLT_E_PERMISSION;
    case ENOENT:
    case ENOTDIR: return MOLT_E_NOT_FOUND;
    default: return MOLT_E_IO;
    }
}

static int fail(const struct molt_outfile *out, const char *doing, struct molt_message *message)
{
    int cause = errno;
    const char *hint = cause == ENOSPC || cause == EDQUOT ? "; free some space or write elsewhere"
                       : cause == EROFS || cause == EACCES
                           ? "; choose a folder that can be written to"
                           : "";
    return molt_fail(message, error_of(cause), "%s: cannot %s: %s%s; nothing was written",
                     out->name, doing, strerror(cause), hint);
}

int molt_outfile_open(struct molt_outfile *out, const char *name, struct molt_message *message)
{
    struct stat status;
    out->fd = -1;
    if (strlen(name) >= sizeof out->name) {
        return molt_fail(message, MOLT_E_ARGUMENT, "the output's name is too long");
    }
    memcpy(out->name, name, strlen(name) + 1);
    if (name[0] == 0) {
        return molt_fail(message, MOLT_E_ARGUMENT, "the output's name is empty");
    }
    mode_t mode = 0;
    if (stat(name, &status) == 0) {
        if (S_ISDIR(status.st_mode)) {
            return molt_fail(message, MOLT_E_FORMAT,
                             "%s: is a directory, expected the name of a file to write", name);
        }
        if (!S_ISREG(status.st_mode)) {
            return molt_fail(message, MOLT_E_FORMAT,
                             "%s: is a device or pipe, expected the name of a file to write", name);
        }
        if (access(name, W_OK) != 0) { /* a rename would replace it all the same */
            return fail(out, "write to it", message);
        }
        mode = status.st_mode & 0777;
    }
    snprintf(out->temporary, sizeof out->temporary, "%s.XXXXXX", name);
    out->fd = mkstemp(out->temporary);
    if (out->fd < 0) {
        return fail(out, "make it", message);
    }
    if (!mode) {
        mode_t mask = umask(0);
        umask(mask);
        mode = 0666 & ~mask;
    }
    if (fchmod(out->fd, mode) != 0) {
        int error = fail(out, "set its mode", message);
        molt_outfile_discard(out);
        return error;
    }
    return MOLT_OK;
}

int molt_outfile_write(struct molt_outfile *out, const void *data, size_t n,
                       struct molt_message *message)
{
    const char *p = data;
    while (n) {
        ssize_t done = write(out->fd, p, n);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done < 0) {
            return fail(out, "write it", message);
        }
        p += done;
        n -= (size_t)done;
    }
    return MOLT_OK;
}

int molt_outfile_commit(struct molt_outfile *out, struct molt_message *message)
{
    int fd = out->fd;
    out->fd = -1;
    if (close(fd) != 0 || rename(out->temporary, out->name) != 0) {
        int error = fail(out, "put it in place", message);
        unlink(out->temporary);
        return error;
    }
    return MOLT_OK;
}

void molt_outfile_discard(struct molt_outfile *out)
{
    if (out->fd >= 0) {
        close(out->fd);
        unlink(out->temporary);
        out->fd = -1;
    }
}

int molt_same_file(const char *a, const char *b)
{
    struct stat sa, sb;
    return stat(a, &sa) == 0 && stat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
           sa.st_ino == sb.st_ino;
}
