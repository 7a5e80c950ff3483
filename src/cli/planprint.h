/* A plan as a person reads it. */
#ifndef MOLT_CLI_PLANPRINT_H
#define MOLT_CLI_PLANPRINT_H

#include <stdio.h>

#include "molt/ops/plan.h"

void plan_print(FILE *out, const struct molt_plan *plan);

#endif
