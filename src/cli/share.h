/* Where the command finds what is installed beside it: Python sources, native modules, the tests'
 * MicroPython. */
#ifndef MOLT_CLI_SHARE_H
#define MOLT_CLI_SHARE_H

#define CLI_SHARE_PATH 4096

/*
 * Folder NAME of ports/micropython: $MOLT_PORT/NAME, else beside the command (build/molt,
 * build/sanitize/molt in the source tree; PREFIX/bin/molt with PREFIX/share/molt/micropython).
 * Always fills path; what is not there is reported by whoever opens it.
 */
const char *cli_share_port(const char *name, char path[CLI_SHARE_PATH]);

/* Folder with the native modules that were built: $MOLT_NATIVE, else native beside the command. */
const char *cli_share_native(char path[CLI_SHARE_PATH]);

/* $MOLT_MICROPYTHON, else micropython/micropython beside the command, else "micropython" of PATH.
 */
const char *cli_share_micropython(char path[CLI_SHARE_PATH]);

#endif
