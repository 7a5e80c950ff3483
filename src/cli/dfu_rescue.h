/* What a failed write to a device could not put back. */
#ifndef CLI_DFU_RESCUE_H
#define CLI_DFU_RESCUE_H

#include "cli/cli.h"
#include "molt/ops/dfu_write.h"

/* Saves it as a .dfu file and says so; the file's name, to be freed, or NULL: nothing was lost. */
char *dfu_save_rescue(const struct cli_args *args, const struct molt_dfu_write *job);

#endif
