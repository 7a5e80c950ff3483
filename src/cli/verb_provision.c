#include "cli/cli.h"

static int run(struct cli_args *args)
{
    return cli_usage(args, "not there yet");
}

extern const struct cli_verb cli_verb_provision;
const struct cli_verb cli_verb_provision = {"provision", "", "", NULL, NULL, 0, -1, run};
