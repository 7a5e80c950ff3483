/*
 * A file that appears whole or not at all: written under a temporary name in the same folder,
 * synced, renamed. It can be made again, so the disk
 * is not waited for (molt_file_write does that, for what cannot). Whatever happened before
 * molt_outfile_commit, molt_outfile_discard leaves nothing.
 */
#ifndef MOLT_HOST_OUTFILE_H
#define MOLT_HOST_OUTFILE_H

#include <stddef.h>

#include "molt/host/message.h"

#ifdef __cplusplus
extern "C" {
#endif

struct molt_outfile {
    int fd; /* -1 = not open */
    char name[4096];
    char temporary[4096 + 16];
};

/*
 * Refuses before anything is written: a directory or device under that name, a missing or read-only
 * folder (MOLT_E_FORMAT, MOLT_E_NOT_FOUND, MOLT_E_PERMISSION).
 */
int molt_outfile_open(struct molt_outfile *out, const char *name, struct molt_message *message);

/* MOLT_E_NO_SPACE on a full disk, MOLT_E_IO. */
int molt_outfile_write(struct molt_outfile *out, const void *data, size_t n,
                       struct molt_message *message);
int molt_outfile_commit(struct molt_outfile *out, struct molt_message *message);
void molt_outfile_discard(struct molt_outfile *out);

/* Both names lead to one file on disk (links included). False when either does not exist. */
int molt_same_file(const char *a, const char *b);

#ifdef __cplusplus
}
#endif
#endif
