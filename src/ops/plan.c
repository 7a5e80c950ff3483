#include "molt/ops/plan.h"

#include <stdarg.h>
#include <stdio.h>

void molt_plan_add(struct molt_plan *plan, enum molt_step_kind kind, uint32_t offset, uint32_t size,
                   const char *what, const char *why, ...)
{
    if (plan->count == MOLT_PLAN_STEPS) {
        plan->full = true;
        return;
    }
    struct molt_step *step = &plan->step[plan->count++];
    step->kind = kind;
    step->offset = offset;
    step->size = size;
    snprintf(step->what, sizeof step->what, "%s", what);
    va_list list;
    va_start(list, why);
    vsnprintf(step->why, sizeof step->why, why, list);
    va_end(list);
}

const char *molt_step_kind_name(enum molt_step_kind kind)
{
    static const char *const names[] = {"write", "erase", "keep", "lose", "note"};
    return names[kind];
}
