#include "cli/cli.h"

static int run(struct cli_args *args)
{
    return cli_usage(args, "not there yet");
}

extern const struct cli_verb cli_verb_key_new;
const struct cli_verb cli_verb_key_new = {"key new", "", "", NULL, NULL, 0, -1, run};

extern const struct cli_verb cli_verb_key_show;
const struct cli_verb cli_verb_key_show = {"key show", "", "", NULL, NULL, 0, -1, run};
