/* How a command says that it failed. */
#include <stdarg.h>

#include "cli/cli.h"
#include "cli/process.h"

int cli_fail(const struct cli_args *args, const struct molt_message *message)
{
    cli_progress_end(args);
    fflush(stdout);
    fprintf(stderr, "molt %s: ", args->verb->name);
    process_print_safe(stderr, message->text);
    fputc('\n', stderr);
    return message->error == MOLT_E_POWER ? CLI_POWER_CUT : CLI_FAILED;
}

int cli_usage(const struct cli_args *args, const char *format, ...)
{
    va_list list;
    char text[sizeof((struct molt_message *)NULL)->text];
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    fprintf(stderr, "molt %s: ", args->verb->name);
    process_print_safe(stderr, text);
    fprintf(stderr, "; 'molt help %s' tells more\n", args->verb->name);
    return CLI_USAGE;
}
