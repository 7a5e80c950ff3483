/* sim new and sim boot for boards with a USB boot loader. */
#ifndef MOLT_CLI_SIM_DFU_H
#define MOLT_CLI_SIM_DFU_H

#include "cli/cli.h"

/* --chip names one of them. */
bool sim_dfu_knows(const char *chip);

/* Both print, and return an exit code. */
int sim_dfu_new(struct cli_args *args, const char *folder);
int sim_dfu_boot(struct cli_args *args, const char *folder);

#endif
