/* What a command reads whole: a file or standard input, and what gzip made of it. */
#ifndef MOLT_HOST_INPUT_H
#define MOLT_HOST_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "molt/host/message.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * As molt_file_read, and "-" reads standard input to its end: MOLT_E_RANGE when it has more than
 * limit bytes, MOLT_E_ARGUMENT when it is a terminal.
 */
int molt_input_read(const char *path, size_t limit, uint8_t **bytes, size_t *n,
                    struct molt_message *message);

/* Begins as gzip does (RFC 1952). */
bool molt_gzip_is(const uint8_t *bytes, size_t n);

/*
 * Unpacks all members into memory that the caller frees; at most limit bytes are made, whatever the
 * file promises. name is for messages. MOLT_E_FORMAT, MOLT_E_TRUNCATED, MOLT_E_VERIFY (CRC or
 * length), MOLT_E_RANGE (more than limit), MOLT_E_NO_MEMORY.
 */
int molt_gunzip(const char *name, const uint8_t *bytes, size_t n, size_t limit, uint8_t **out,
                size_t *out_n, struct molt_message *message);

#ifdef __cplusplus
}
#endif
#endif
