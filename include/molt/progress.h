/* Progress call-back of everything that may last over a second. */
#ifndef MOLT_PROGRESS_H
#define MOLT_PROGRESS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct molt_progress {
    /* what: the phase, "erase", "write", "verify", "download"...; phases may take turns. done of
       total bytes (0 = unknown), for "files" and "compare files" of that many files, for "wait" of
       milliseconds. When a phase is completed, done is total. Nonzero = cancel (the operation ends
       with MOLT_E_CANCELLED at its next safe point; behind the last of its work it is done, and
       stays so). */
    int (*report)(void *context, const char *what, uint64_t done, uint64_t total);
    void *context;
};

#ifdef __cplusplus
}
#endif
#endif
