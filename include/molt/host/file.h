/* Whole files: read at once, written so that a failure leaves nothing half-written. */
#ifndef MOLT_HOST_FILE_H
#define MOLT_HOST_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "molt/host/message.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The error that an errno means. */
int molt_errno(int number);

/*
 * Reads a regular file of at most limit bytes into memory that the caller frees. MOLT_E_NOT_FOUND,
 * MOLT_E_PERMISSION, MOLT_E_ARGUMENT (a directory, a device), MOLT_E_RANGE (larger than limit).
 */
int molt_file_read(const char *path, size_t limit, uint8_t **bytes, size_t *n,
                   struct molt_message *message);

/* n bytes of an open file, from where it stands. MOLT_E_TRUNCATED when it ends before, MOLT_E_IO.
 */
int molt_file_read_open(int fd, const char *path, uint8_t *bytes, size_t n,
                        struct molt_message *message);

enum molt_file_existing {
    MOLT_FILE_KEEP,            /* MOLT_E_EXISTS when it is there */
    MOLT_FILE_REPLACE,         /* atomically, with the mode that it has */
    MOLT_FILE_REPLACE_UNSYNCED /* the same, but the disk is not waited for: it can be made again */
};

/*
 * Writes a file that appears whole or not at all, also when the process is killed. A symbolic link
 * stays, what it leads to is replaced. mode: permissions of a new file before the umask (0666,
 * 0600). MOLT_E_FORMAT (a directory, a device), MOLT_E_ARGUMENT (no or too long a name),
 * MOLT_E_NOT_FOUND (no such folder), MOLT_E_NO_SPACE, MOLT_E_PERMISSION, MOLT_E_EXISTS, MOLT_E_IO.
 */
int molt_file_write(const char *path, const void *bytes, size_t n, unsigned mode,
                    enum molt_file_existing existing, struct molt_message *message);

/* Both names lead to one file on disk (links included). False when either does not exist. */
bool molt_same_file(const char *a, const char *b);

#ifdef __cplusplus
}
#endif
#endif
