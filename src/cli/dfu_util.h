/* What `molt dfu-util` was asked for, in dfu-util's spellings. */
#ifndef CLI_DFU_UTIL_H
#define CLI_DFU_UTIL_H

#include "cli/cli.h"
#include "molt/host/dfudevice.h"

/* Exit codes of dfu-util: those of <sysexits.h>. */
enum dfu_util_exit {
    DFU_UTIL_OK = 0,
    DFU_UTIL_USAGE = 64,
    DFU_UTIL_DATA = 65,
    DFU_UTIL_NO_INPUT = 66,
    DFU_UTIL_SOFTWARE = 70,
    DFU_UTIL_CANNOT_CREATE = 73,
    DFU_UTIL_IO = 74,
    DFU_UTIL_PROTOCOL = 76
};

enum dfu_util_mode {
    DFU_UTIL_NONE,
    DFU_UTIL_LIST,
    DFU_UTIL_DETACH,
    DFU_UTIL_UPLOAD,
    DFU_UTIL_DOWNLOAD,
    DFU_UTIL_VERSION
};

/* -s [ADDRESS][:WORD...] */
struct dfu_util_words {
    bool given, has_address, has_length;
    uint32_t address, length;
    bool leave, mass_erase, unprotect, will_reset, force;
};

struct dfu_util {
    enum dfu_util_mode mode;
    const char *file; /* of -D or -U */
    struct molt_dfu_choice choice;
    bool has_alternate;        /* -a was given */
    char run_time_serial[128]; /* the first of "-S RUN-TIME,DFU"; else "" */
    struct dfu_util_words words;
    uint32_t transfer_size, expected_size, detach_ms, wait_ms; /* 0 = not said */
    bool reset;
    int verbose;
};

/* CLI_OK, or DFU_UTIL_USAGE after it was said why. */
int dfu_util_parse(const struct cli_args *args, struct dfu_util *job);

/* "0x08000000:leave:force"; false: *wrong is the word that is not understood. */
bool dfu_util_parse_words(const char *text, struct dfu_util_words *words, char wrong[64]);

/* The ids of -d; false = none of its spellings. */
bool dfu_util_parse_ids(const char *text, struct molt_dfu_choice *choice);

/* What was asked for, but for -V; an exit code of dfu-util. */
int dfu_util_act(const struct cli_args *args, struct dfu_util *job);

#endif
