/* What the verbs of the command share: options from one table, words, exit codes, output. */
#ifndef MOLT_CLI_H
#define MOLT_CLI_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "molt/host/message.h"
#include "molt/host/target.h"
#include "molt/progress.h"

/* Exit codes of the command; documented in docs/molt.md. */
enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1,   /* the operation failed or found something wrong; the message says what */
    CLI_USAGE = 2,    /* the command line is wrong */
    CLI_POWER_CUT = 3 /* a simulated power cut, as asked for */
};

struct cli_args;
struct cli_progress;

/* One option; --help, the man page and the parser read the same rows. The table ends with a row of
 * zeros. */
struct cli_option {
    const char *name;     /* long name without dashes */
    char letter;          /* 0 = none */
    const char *argument; /* NULL = a switch; else its name in the help: "SIZE" */
    const char *help;     /* one line */
};

struct cli_verb {
    const char *name;     /* "info"; for a verb of two words "sim new" */
    const char *operands; /* "FIRMWARE|sim:BOARD" */
    const char *summary;  /* one line */
    const char
        *details; /* further paragraphs of help and man page, or NULL; '\n' separates lines */
    const struct cli_option *options;
    int least_operands, most_operands; /* most -1 = any number */
    int (*run)(struct cli_args *args);
};

#define CLI_MAX_OPTIONS  32
#define CLI_MAX_OPERANDS 64

struct cli_given {
    const char *name;
    const char *value; /* NULL for a switch */
};

/* The parsed command line, options in the order given (edit needs the order). */
struct cli_args {
    const struct cli_verb *verb;
    struct cli_given *option; /* option_count entries, freed by main */
    int option_count;
    const char *operand[CLI_MAX_OPERANDS];
    int operand_count;
    struct cli_progress *progress; /* of this run; its mode is what --progress says */
};

/* Value of the last occurrence; NULL when it was not given. A given switch yields "". */
const char *cli_option(const struct cli_args *args, const char *name);
bool cli_has(const struct cli_args *args, const char *name);

/* Decimal or 0x hex with an optional K or M (binary multiples). false = not a number in [0, limit].
 */
bool cli_parse_size(const char *text, uint64_t limit, uint64_t *value);

/* Prints "molt VERB: text" to standard error (and nothing to standard output); returns CLI_FAILED,
   or CLI_POWER_CUT when the error is MOLT_E_POWER. */
int cli_fail(const struct cli_args *args, const struct molt_message *message);

/* "molt VERB: ..." and a hint at --help; returns CLI_USAGE. */
int cli_usage(const struct cli_args *args, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* What --output and --svg name is none of the files that the verb reads: its operands, also behind
 * NAME=, --table and --from. CLI_OK, or what was printed. */
int cli_check_outputs(const struct cli_args *args);

/* What a target that is to be changed asks of --output: not for boards, needed for UF2 files. */
int cli_check_change(const struct cli_args *args, const struct molt_target *target,
                     struct molt_message *message);

/* A progress call-back that tells what --progress asks for on standard error. Finish with
 * cli_progress_end, before anything else is printed; cli_fail does so too. */
void cli_progress_start(const struct cli_args *args, struct molt_progress *progress);
void cli_progress_end(const struct cli_args *args);

/* Prints 12345678 as "11.8 MB", into a caller's buffer of 16. Binary multiples. */
const char *cli_size(uint64_t bytes, char text[16]);

/* True when standard output is a terminal and NO_COLOR is not set. */
bool cli_colour(void);

extern const struct cli_verb *const cli_verbs[]; /* ends with NULL */

#endif
