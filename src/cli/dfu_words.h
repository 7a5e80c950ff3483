/* Operands of the verbs that work on a DFU device, and the question before something is lost. */
#ifndef CLI_DFU_WORDS_H
#define CLI_DFU_WORDS_H

#include "cli/cli.h"

#define DFU_ROW_YES                                                                                \
    {                                                                                              \
        "yes", 'y', NULL, "do not ask; needed where there is no terminal to ask on"                \
    }

/* The operand is a target (usb:..., sim:...), not a place or an address. */
bool dfu_is_target(const char *operand);

/* Where the target is among the operands: 0, or behind the last when it is left out. */
int dfu_target_at(const struct cli_args *args);

/* --yes, or the answer to "QUESTION [y/N]" on the terminal. CLI_OK, or CLI_FAILED after it was said
 * that nothing was changed. */
int dfu_confirm(const struct cli_args *args, const char *question);

#endif
