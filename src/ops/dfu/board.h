/* The rows of the table of boards, for what looks them up. */
#ifndef MOLT_OPS_DFU_BOARD_ROWS_H
#define MOLT_OPS_DFU_BOARD_ROWS_H

#include "molt/ops/dfu_board.h"

/* A linker script of MicroPython, and the flash of the chips that it is for. */
struct board_script {
    const char *name; /* "f405" of stm32f405.ld */
    struct molt_dfu_range files[2];
    uint32_t flash_kb, first_kb; /* size of the flash, of its first sector */
    bool only_whole; /* not for a map that ended too early: its files lie where others' firmware is
                      */
};

extern const struct board_script board_scripts[]; /* ends with a name of NULL */

/* A board of MicroPython. */
struct board_row {
    const char *name, *script;
    bool internal; /* its file system is in the internal flash */
    uint32_t app, mboot_app;
};

extern const struct board_row board_rows[]; /* ends with a name of NULL */

/* NULL: no such script. */
const struct board_script *board_script_named(const char *name);

#endif
