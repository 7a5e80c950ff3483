/* Progress call-back of everything that may last over a second. */
#ifndef MOLT_PROGRESS_H
#define MOLT_PROGRESS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct molt_progress {
    /* what: "erase", "write", "verify", "download"...; done of total bytes (0 = unknown). Nonzero =
       cancel (the operation ends with MOLT_E_CANCELLED at its next safe point). */
    int (*report)(void *context, const char *what, uint64_t done, uint64_t total);
    void *context;
};

#ifdef __cplusplus
}
#endif
#endif
