/* Finding the verb, parsing its options, printing help and man pages from the same table. */
#ifndef MOLT_CLI_PARSE_H
#define MOLT_CLI_PARSE_H

#include <stdio.h>

#include "cli/cli.h"

/* Options that every verb has; ends with a row of zeros. */
extern const struct cli_option cli_common_options[];
/* "0 done": number, space, meaning; ends with NULL. docs/molt.md has the same. */
extern const char *const cli_exit_codes[];
extern const char cli_target_words[];

void cli_print_overview(FILE *out);
void cli_print_help(const struct cli_verb *verb, FILE *out);
/* troff, macro package man; the overview is molt.1. */
void cli_print_man(const struct cli_verb *verb, FILE *out);
void cli_print_man_overview(FILE *out);
int cli_help_for(int count, char **words);
int cli_run(int argc, char **argv);
/* What the verb ends with when its command line is wrong: another tool's code, where it stands for
 * that tool. */
int cli_usage_code(const struct cli_verb *verb);

#endif
