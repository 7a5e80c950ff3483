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

enum molt_file_existing {
    MOLT_FILE_KEEP,   /* MOLT_E_EXISTS when it is there */
    MOLT_FILE_REPLACE /* atomically */
};

/*
 * Writes a file beside its name and renames it when all of it is on the disk. mode: permissions
 * before the umask (0666, 0600). MOLT_E_NO_SPACE, MOLT_E_PERMISSION, MOLT_E_EXISTS, MOLT_E_IO.
 */
int molt_file_write(const char *path, const void *bytes, size_t n, unsigned mode,
                    enum molt_file_existing existing, struct molt_message *message);

#ifdef __cplusplus
}
#endif
#endif
