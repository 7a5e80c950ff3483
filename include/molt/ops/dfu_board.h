/*
 * Where the firmware of a MicroPython STM32 board keeps its files: the internal flash that its
 * linker script gives to the file system (ports/stm32/boards of MicroPython 1.29). By the board's
 * or the chip's name, or by the shape of the flash that a device shows.
 */
#ifndef MOLT_OPS_DFU_BOARD_H
#define MOLT_OPS_DFU_BOARD_H

#include <stdbool.h>
#include <stdint.h>

#include "molt/host/message.h"

#ifdef __cplusplus
extern "C" {
#endif

struct molt_dfu_map;

struct molt_dfu_range {
    uint32_t start, size; /* size 0 = none */
};

struct molt_dfu_board {
    char name[40];                  /* "PYBV11", "stm32f405" */
    const char *script;             /* static: linker script without "stm32" and ".ld": "f405" */
    struct molt_dfu_range files[2]; /* of the internal file system; sizes 0: it has none */
    uint32_t app;                   /* vector table of the firmware; 0 = always behind mboot */
    uint32_t mboot_app;             /* the same behind mboot; 0 = not known with mboot */
};

/*
 * MicroPython's name of the board ("PYBV11", also with a variant, "PYBV11-DP"), or the chip
 * ("stm32f405", "STM32F405RG", "f405"); "none": a device without such a file system. Letters of
 * either case. MOLT_E_NOT_FOUND: the message names some that are known.
 */
int molt_dfu_board_find(struct molt_dfu_board *board, const char *name,
                        struct molt_message *message);

/* The boards by number, for listing; false behind the last. */
bool molt_dfu_board_at(struct molt_dfu_board *board, uint32_t number);

#define MOLT_DFU_FILES_RANGES 4

/* Flash that holds, or may hold, a file system. */
struct molt_dfu_files {
    struct molt_dfu_range range[MOLT_DFU_FILES_RANGES]; /* by address, neither overlap nor touch */
    uint32_t count;                                     /* 0: none is known */
    bool guessed;                                       /* by the shape of the flash, for all chips
                                                           that have it: the union of theirs */
    char words[128]; /* whose: "PYBV11", "a board with stm32f405 or stm32f412xg" */
};

/*
 * The ranges to leave alone. board: a name as above, or NULL: every linker script fits whose flash
 * has the size and the first sector of the map; of a map that is known to end too early, each that
 * lies within it. app (0 = not known): where the firmware's vector table is or goes: a board whose
 * file system would be there is another one. MOLT_OK also when there is none; MOLT_E_NOT_FOUND.
 */
int molt_dfu_board_files(struct molt_dfu_files *files, const char *board,
                         const struct molt_dfu_map *map, uint32_t app,
                         struct molt_message *message);

#ifdef __cplusplus
}
#endif
#endif
