/* A bundle in a file, as a source. */
#ifndef MOLT_HOST_FILE_SOURCE_H
#define MOLT_HOST_FILE_SOURCE_H

#include <stdint.h>

#include "molt/host/message.h"
#include "molt/source.h"

#ifdef __cplusplus
extern "C" {
#endif

struct molt_file_source {
    int fd; /* -1 = closed */
    uint32_t size;
    const char *path; /* the caller's */
    struct molt_message message;
};

/* MOLT_E_NOT_FOUND, MOLT_E_PERMISSION, MOLT_E_ARGUMENT (a directory, a device), MOLT_E_RANGE (4 GB
 * or more). */
int molt_file_source_open(struct molt_file_source *source, const char *path,
                          struct molt_source *out, struct molt_message *message);
/* Harmless after a failed open. */
void molt_file_source_close(struct molt_file_source *source);

#ifdef __cplusplus
}
#endif
#endif
