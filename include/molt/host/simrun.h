/*
 * Runs a simulated board with a genuine MicroPython as its application: the boot model decides what
 * runs, a child process is the interpreter, its fake esp32 module asks for flash, store and
 * watchdog over two pipes (docs/spec/simulator-protocol.md). Flash, operation counter, power and
 * lock stay here.
 */
#ifndef MOLT_HOST_SIMRUN_H
#define MOLT_HOST_SIMRUN_H

#include <stdbool.h>
#include <stdint.h>

#include "molt/host/board.h"

#ifdef __cplusplus
extern "C" {
#endif

struct molt_simrun_options {
    const char *micropython; /* the interpreter: a program, or a script that execs it */
    const char *modules;     /* folder with run.py and the fake modules */
    const char
        *script;     /* file of the host, in the place of the first boot's main.py; NULL = none */
    uint64_t cut_at; /* operation of this run, from 1; 0 = no cut */
    enum molt_cut cut;
    uint64_t seed;       /* of torn cells and weak bits; 0 = a fixed one */
    uint32_t boots;      /* at most; 0 = 8 */
    uint32_t time_scale; /* the watchdog runs so many times faster; 0 = 1 */
    int64_t clock;       /* the device's clock at power-on, seconds since 1970; 0 = the host's */
    bool fat;            /* a blank file system becomes FAT, not littlefs */
    /* One line about a boot, a reset, a cut; may be NULL. */
    void (*event)(void *context, const char *text);
    void *context;
};

enum molt_simrun_end {
    MOLT_SIMRUN_EXIT = 0, /* the program ended: exit_code */
    MOLT_SIMRUN_CUT,      /* power was cut, as asked for */
    MOLT_SIMRUN_BOOTS,    /* the limit of boots was reached */
    MOLT_SIMRUN_NO_BOOT   /* the bootloader starts nothing */
};

struct molt_simrun_result {
    enum molt_simrun_end end;
    int exit_code;
    uint32_t boots;
    uint64_t operations;           /* of this run */
    struct molt_boot_outcome boot; /* the last */
    /* About the process that the cut killed; pid 0 when the boot model was cut. */
    long killed_pid;
    bool genuine;         /* a file "micropython" is mapped executable in it */
    char executable[512]; /* that file */
    bool native_code;     /* it has an anonymous executable mapping: a native module was loaded */
    char modules_loaded[512]; /* .mpy files that it announced, by spaces */
};

/*
 * Power-on, boots, runs until the program ends, the power is cut or the boots are used up: MOLT_OK,
 * see result->end. An error when the board or the child fails (MOLT_E_IO; MOLT_E_NOT_FOUND: no
 * interpreter). The board stays open and the caller's. No child is left behind.
 */
int molt_simrun(struct molt_board *board, const struct molt_simrun_options *options,
                struct molt_simrun_result *result, struct molt_message *message);

/* The board's own number, 12 hex digits, as a chip has its MAC address: the same for the same
 * folder's name. */
#define MOLT_SIMRUN_ID_SIZE 13
void molt_simrun_unique_id(const struct molt_board *board, char text[MOLT_SIMRUN_ID_SIZE]);

#ifdef __cplusplus
}
#endif
#endif
