/* How far long work is, on standard error: one line on a terminal, or lines of JSON. */
#ifndef MOLT_CLI_PROGRESS_H
#define MOLT_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

enum cli_progress_mode { CLI_PROGRESS_AUTO, CLI_PROGRESS_JSON, CLI_PROGRESS_NONE };

#define CLI_PROGRESS_PHASES 8

/* What takes turns with other work ("erase" and "write", sector by sector) stays one phase. */
struct cli_phase {
    char what[24];
    uint64_t first, done, total; /* of bytes, or files; total 0 = unknown */
    uint64_t spent_ms;           /* in this phase alone */
    bool untold;                 /* the last report was not printed */
};

/* Of one run of the command. Zero = auto, nothing reported. */
struct cli_progress {
    enum cli_progress_mode mode;
    bool drawn; /* a line is on the terminal */
    uint64_t reported_ms, told_ms;
    unsigned count, current;
    struct cli_phase phase[CLI_PROGRESS_PHASES];
};

/* "auto", "json", "none"; false = another word. */
bool cli_progress_parse(const char *text, enum cli_progress_mode *mode);

/* The terminal's line in text of `room` bytes, at most `columns` wide. */
void cli_progress_line(const struct cli_phase *phase, unsigned columns, char *text, unsigned room);

#endif
