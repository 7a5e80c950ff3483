/* Runs a program of this computer: no shell, words as they are. */
#ifndef MOLT_HOST_COMMAND_H
#define MOLT_HOST_COMMAND_H

#include <stddef.h>

#include "molt/host/message.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Runs words[0] (looked for in PATH when it has no '/') with these words, which end with NULL, and
 * waits for its end. What it prints, to standard output and standard error alike, goes to output:
 * its first capacity - 1 bytes and a NUL; the rest is read and dropped.
 * The exit code (128 + the signal that ended it), MOLT_E_NOT_FOUND when there is no such program,
 * MOLT_E_IO.
 */
int molt_command_run(const char *const *words, char *output, size_t capacity,
                     struct molt_message *message);

#ifdef __cplusplus
}
#endif
#endif
