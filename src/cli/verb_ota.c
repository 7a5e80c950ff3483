#include "cli/cli.h"

static int run(struct cli_args *args)
{
    return cli_usage(args, "not there yet");
}

extern const struct cli_verb cli_verb_ota_status;
const struct cli_verb cli_verb_ota_status = {"ota status", "", "", NULL, NULL, 0, -1, run};

extern const struct cli_verb cli_verb_ota_set_boot;
const struct cli_verb cli_verb_ota_set_boot = {"ota set-boot", "", "", NULL, NULL, 0, -1, run};

extern const struct cli_verb cli_verb_ota_confirm;
const struct cli_verb cli_verb_ota_confirm = {"ota confirm", "", "", NULL, NULL, 0, -1, run};

extern const struct cli_verb cli_verb_ota_rollback;
const struct cli_verb cli_verb_ota_rollback = {"ota rollback", "", "", NULL, NULL, 0, -1, run};
