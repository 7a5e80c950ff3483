#include "cli/cli.h"

static int run(struct cli_args *args)
{
    return cli_usage(args, "not there yet");
}

extern const struct cli_verb cli_verb_sim_new;
const struct cli_verb cli_verb_sim_new = {"sim new", "", "", NULL, NULL, 0, -1, run};

extern const struct cli_verb cli_verb_sim_boot;
const struct cli_verb cli_verb_sim_boot = {"sim boot", "", "", NULL, NULL, 0, -1, run};
