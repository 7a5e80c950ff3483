/* What molt_identify found, in words and as JSON. */
#ifndef MOLT_CLI_PRINT_IDENTITY_H
#define MOLT_CLI_PRINT_IDENTITY_H

#include "cli/json.h"
#include "molt/ops/identify.h"

void cli_print_identity(const char *name, const struct molt_identity *identity);
void cli_print_identity_json(const char *name, const struct molt_identity *identity);

/* "findings" and "wrong", as every kind has them. */
void cli_json_findings(struct json_out *json, const struct molt_finding *finding, uint32_t count,
                       bool wrong);
void cli_print_findings(const struct molt_finding *finding, uint32_t count);

#endif
