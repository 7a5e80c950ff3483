/* What holds for the whole process, whatever the verb. */
#ifndef MOLT_CLI_PROCESS_H
#define MOLT_CLI_PROCESS_H

#include <stdio.h>

/*
 * Standard streams that the caller closed are opened, unusable, so that no file takes their number
 * and gets what is printed. SIGBUS (a board's mapped flash.bin was cut short, or its disk is full)
 * becomes a message and exit code 1.
 */
void process_start(void);

/* The exit code, which is CLI_FAILED when standard output did not take all that was printed. */
int process_end(int code);

/* Text with control characters, and bytes that are not UTF-8, as \x1b, so that a file's name cannot
 * command a terminal. */
void process_print_safe(FILE *out, const char *text);

#endif
