/*
 * What an operation is going to do, before it does anything: a list of steps with their reasons.
 * The verbs print it, --dry-run ends there.
 */
#ifndef MOLT_OPS_PLAN_H
#define MOLT_OPS_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum molt_step_kind {
    MOLT_STEP_WRITE = 0, /* new bytes go there */
    MOLT_STEP_ERASE,     /* becomes FF; nothing of value was there, or LOSE tells */
    MOLT_STEP_KEEP,      /* stays as it is */
    MOLT_STEP_LOSE,      /* a person's data is no longer there afterwards */
    MOLT_STEP_NOTE       /* what to know or to do; no place */
};

struct molt_step {
    enum molt_step_kind kind;
    uint32_t offset, size; /* bytes of flash; size 0 = no place */
    char what[24];         /* "bootloader", "table", a partition's name */
    char why[232];
};

#define MOLT_PLAN_STEPS 160

struct molt_plan {
    struct molt_step step[MOLT_PLAN_STEPS];
    uint32_t count;
    bool full; /* a step found no room */
};

void molt_plan_add(struct molt_plan *plan, enum molt_step_kind kind, uint32_t offset, uint32_t size,
                   const char *what, const char *why, ...) __attribute__((format(printf, 6, 7)));

/* "write", "erase", "keep", "lose", "note". */
const char *molt_step_kind_name(enum molt_step_kind kind);

#ifdef __cplusplus
}
#endif
#endif
