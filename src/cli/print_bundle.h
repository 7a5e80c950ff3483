/* A bundle in words and as JSON. */
#ifndef MOLT_CLI_PRINT_BUNDLE_H
#define MOLT_CLI_PRINT_BUNDLE_H

#include "molt/ops/bundle.h"

void cli_print_bundle(const char *path, const struct molt_bundle_report *report);
void cli_print_bundle_json(const char *path, const struct molt_bundle_report *report);

#endif
