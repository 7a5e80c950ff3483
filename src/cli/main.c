#include <string.h>

#include "cli/cli.h"
#include "cli/parse.h"
#include "cli/process.h"

#ifndef MOLT_VERSION
#define MOLT_VERSION "unknown"
#endif

static int run(int argc, char **argv)
{
    if (argc < 2) {
        cli_print_overview(stderr);
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("molt %s\n", MOLT_VERSION);
        return CLI_OK;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        return argc > 2 ? cli_help_for(argc - 2, argv + 2) : (cli_print_overview(stdout), CLI_OK);
    }
    return cli_run(argc, argv);
}

int main(int argc, char **argv)
{
    process_start();
    return process_end(run(argc, argv));
}
