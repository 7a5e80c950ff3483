/* A plan as a person reads it, and as a program does. */
#ifndef MOLT_CLI_PLANPRINT_H
#define MOLT_CLI_PLANPRINT_H

#include <stdio.h>

#include "cli/json.h"
#include "molt/ops/plan.h"

void plan_print(FILE *out, const struct molt_plan *plan);

/* "plan": [{kind, what, offset, size, why}]; offset and size are null where a step has no place. */
void plan_json(struct json_out *json, const struct molt_plan *plan);

#endif
