/* What a failed operation tells a person: the thing, what was expected, what was found, what to do.
 * Host only. */
#ifndef MOLT_HOST_MESSAGE_H
#define MOLT_HOST_MESSAGE_H

#include "molt/error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct molt_message {
    int error;
    char text[4096 + 600]; /* the longest path and what is to be said about it */
};

/* Sets the text (printf) and the error, and returns error. message may be NULL. */
int molt_fail(struct molt_message *message, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same from a diagnostic: "thing: what is wrong at 0x..., expected X, found Y". */
int molt_fail_diag(struct molt_message *message, const char *thing, const struct molt_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
