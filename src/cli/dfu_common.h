/* What the verbs of `molt dfu` share: the rows of their option tables, opening the device. */
#ifndef CLI_DFU_COMMON_H
#define CLI_DFU_COMMON_H

#include "cli/cli.h"
#include "molt/ops/dfu_session.h"

#define DFU_ROW_WAIT                                                                               \
    {                                                                                              \
        "wait", 'w', "SECONDS", "wait that long for the device to be plugged in"                   \
    }
#define DFU_ROW_ALTERNATE                                                                          \
    {                                                                                              \
        "alt", 'a', "N|NAME", "alternate setting (default: the one with the internal flash)"       \
    }
#define DFU_ROW_BOARD                                                                              \
    {                                                                                              \
        "board", 'b', "NAME", "board or chip, for where its files are: PYBV11, stm32f405; or none" \
    }

#define DFU_TARGET_WORDS                                                                           \
    "TARGET is usb: (the one board in DFU mode that there is, also when it is left out),\n"        \
    "usb:VID:PID with more to choose by (,serial=S ,path=1-2.3 ,alt=N), as 'molt dfu list' "       \
    "shows\n"                                                                                      \
    "it, or sim:FOLDER."

/* An option in seconds, as milliseconds; otherwise_ms when it is not given. CLI_OK, or CLI_USAGE
 * after it was said why. */
int dfu_seconds(const struct cli_args *args, const char *name, uint32_t otherwise_ms, uint32_t *ms);

/* The choice that operand i ("usb:" when there is none) and --alt make, and --wait in ms. CLI_OK,
 * or CLI_USAGE after it was said why. */
int dfu_choice(const struct cli_args *args, int i, struct molt_dfu_choice *choice,
               uint32_t *wait_ms);

/* The same, and opens it. CLI_OK, or CLI_USAGE or CLI_FAILED after it was said why. progress may be
 * NULL: then only the waiting is told. */
int dfu_open(const struct cli_args *args, int i, const struct molt_progress *progress,
             struct molt_dfu_session **session);

/* Closes; code, or CLI_FAILED where that fails. */
int dfu_close(const struct cli_args *args, struct molt_dfu_session *session, int code);

#endif
