/* A target's info as JSON. */
#ifndef MOLT_CLI_PRINT_INFO_H
#define MOLT_CLI_PRINT_INFO_H

#include "molt/ops/info.h"

void cli_print_info_json(const struct molt_info *info, const struct molt_target *target);

#endif
