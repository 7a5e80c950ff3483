#include "cli/dfu_words.h"

#include <string.h>
#include <unistd.h>

#include "cli/process.h"

bool dfu_is_target(const char *operand)
{
    return strncmp(operand, "usb:", 4) == 0 || strncmp(operand, "sim:", 4) == 0;
}

int dfu_target_at(const struct cli_args *args)
{
    return args->operand_count && dfu_is_target(args->operand[0]) ? 0 : args->operand_count;
}

int dfu_confirm(const struct cli_args *args, const char *question)
{
    struct molt_message message = {0};
    char answer[16];
    if (cli_has(args, "yes")) {
        return CLI_OK;
    }
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
        molt_fail(&message, MOLT_E_ARGUMENT,
                  "%s There is no terminal to ask on; expected --yes. Nothing was changed",
                  question);
        return cli_fail(args, &message);
    }
    fflush(stdout);
    process_print_safe(stderr, question);
    fputs(" [y/N] ", stderr);
    fflush(stderr);
    if (fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y')) {
        return CLI_OK;
    }
    molt_fail(&message, MOLT_E_CANCELLED, "not confirmed; nothing was changed");
    return cli_fail(args, &message);
}
