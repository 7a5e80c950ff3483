/* What `molt write` and `molt erase` share: print the plan, do it, say what boots then. */
#ifndef MOLT_CLI_PART_ACT_H
#define MOLT_CLI_PART_ACT_H

#include "cli/cli.h"
#include "molt/ops/part.h"

/* Opens the target, lets plan fill the job, prints, and unless --dry-run does it. Options:
 * --output, --dry-run, --force, --json. Returns an exit code. */
typedef int part_plan(struct cli_args *args, struct molt_part_job *job,
                      const struct molt_target *target, struct molt_message *message);
int part_act(struct cli_args *args, part_plan *plan);

/* "NAME=FILE" in two, in a copy that the caller frees; *file NULL when there is no '='. NULL = out
 * of memory. */
char *part_split(const char *text, const char **file);

#define PART_JSON_HELP                                                                             \
    "Keys of --json: target, output, plan: [{kind, what, offset, size, why}], sectors_to_write,\n" \
    "  sectors_same, boots_next (null = nothing), refused (null, or why --force is needed), "      \
    "written"

#endif
