#include "cli/cli.h"

static int run(struct cli_args *args)
{
    return cli_usage(args, "not there yet");
}

extern const struct cli_verb cli_verb_bundle_create;
const struct cli_verb cli_verb_bundle_create = {"bundle create", "", "", NULL, NULL, 0, -1, run};

extern const struct cli_verb cli_verb_bundle_show;
const struct cli_verb cli_verb_bundle_show = {"bundle show", "", "", NULL, NULL, 0, -1, run};
