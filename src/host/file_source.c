#define _POSIX_C_SOURCE 200809L /* pread, O_CLOEXEC */
#include "molt/host/file_source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "molt/host/file.h"

static int file_info(void *context, struct molt_source_info *info)
{
    info->length = ((struct molt_file_source *)context)->size;
    return MOLT_OK;
}

static int file_read(void *context, uint32_t offset, void *buffer, uint32_t n)
{
    struct molt_file_source *s = context;
    ssize_t got;
    do {
        got = pread(s->fd, buffer, n, (off_t)offset);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        return molt_fail(&s->message, molt_errno(errno), "%s: cannot be read at 0x%x: %s", s->path,
                         offset, strerror(errno));
    }
    if (got == 0 && offset < s->size) {
        return molt_fail(&s->message, MOLT_E_SOURCE_CHANGED,
                         "%s: had %u bytes when it was opened and ends at 0x%x now", s->path,
                         s->size, offset);
    }
    return (int)got;
}

static const struct molt_source_ops operations = {.info = file_info, .read = file_read};

int molt_file_source_open(struct molt_file_source *source, const char *path,
                          struct molt_source *out, struct molt_message *message)
{
    struct stat status;
    *source = (struct molt_file_source){.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK),
                                        .path = path};
    int code = MOLT_OK;
    if (source->fd < 0 || fstat(source->fd, &status) < 0) {
        code = molt_fail(message, molt_errno(errno), "%s: cannot be opened: %s", path,
                         strerror(errno));
    } else if (!S_ISREG(status.st_mode)) {
        code = molt_fail(message, MOLT_E_ARGUMENT,
                         "%s: is a directory, device or pipe, expected a bundle", path);
    } else if ((uint64_t)status.st_size > INT32_MAX) {
        code = molt_fail(message, MOLT_E_RANGE, "%s: %llu bytes are no bundle", path,
                         (unsigned long long)status.st_size);
    } else {
        source->size = (uint32_t)status.st_size;
        *out = (struct molt_source){&operations, source};
    }
    if (code < 0) {
        molt_file_source_close(source);
    }
    return code;
}

void molt_file_source_close(struct molt_file_source *source)
{
    if (source->fd >= 0) {
        close(source->fd);
        source->fd = -1;
    }
}
