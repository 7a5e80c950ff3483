#define _POSIX_C_SOURCE 200809L /* isatty */
#include "molt/host/input.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "molt/host/file.h"

#define FIRST 65536u

/* Reads to the end into *bytes, which grows; on failure the caller frees it. */
static int read_all(uint8_t **bytes, size_t *n, size_t limit, struct molt_message *message)
{
    size_t room = 0;
    for (;;) {
        if (*n == room) {
            size_t more = room ? room * 2 : FIRST;
            more = more > limit + 1 ? limit + 1 : more; /* one more tells that it is too much */
            uint8_t *larger = realloc(*bytes, more);
            if (!larger) {
                return molt_fail(message, MOLT_E_NO_MEMORY, "standard input: out of memory");
            }
            *bytes = larger;
            room = more;
        }
        ssize_t got = read(STDIN_FILENO, *bytes + *n, room - *n);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return molt_fail(message, molt_errno(errno), "standard input: cannot read: %s",
                             strerror(errno));
        }
        if (got == 0) {
            return MOLT_OK;
        }
        *n += (size_t)got;
        if (*n > limit) {
            return molt_fail(message, MOLT_E_RANGE,
                             "standard input: is over %zu bytes, expected at most that", limit);
        }
    }
}

int molt_input_read(const char *path, size_t limit, uint8_t **bytes, size_t *n,
                    struct molt_message *message)
{
    if (strcmp(path, "-") != 0) {
        return molt_file_read(path, limit, bytes, n, message);
    }
    *bytes = NULL;
    *n = 0;
    if (isatty(STDIN_FILENO)) {
        return molt_fail(message, MOLT_E_ARGUMENT,
                         "standard input: is a terminal, expected a file or a pipe");
    }
    int error = read_all(bytes, n, limit, message);
    if (error) {
        free(*bytes);
        *bytes = NULL;
    }
    return error;
}
