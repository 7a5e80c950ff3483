/* Finding the verb, parsing its options, printing help and man pages from the same table. */
#ifndef MOLT_CLI_PARSE_H
#define MOLT_CLI_PARSE_H

#include <stdio.h>

#include "cli/cli.h"

void cli_print_overview(FILE *out);
void cli_print_help(const struct cli_verb *verb, FILE *out);
void cli_print_man(const struct cli_verb *verb, FILE *out);
int cli_help_for(int count, char **words);
int cli_run(int argc, char **argv);

#endif
