#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "molt/host/file.h"

const char *cli_option(const struct cli_args *args, const char *name)
{
    for (int i = args->option_count - 1; i >= 0; i--) {
        if (strcmp(args->option[i].name, name) == 0) {
            return args->option[i].value ? args->option[i].value : "";
        }
    }
    return NULL;
}

bool cli_has(const struct cli_args *args, const char *name)
{
    return cli_option(args, name) != NULL;
}

bool cli_parse_size(const char *text, uint64_t limit, uint64_t *value)
{
    if (text[0] < '0' || text[0] > '9') {
        return false; /* strtoull would take signs and blanks */
    }
    char *end;
    int base = text[0] == '0' && (text[1] == 'x' || text[1] == 'X') ? 16 : 10;
    unsigned long long number = strtoull(text, &end, base);
    unsigned shift = 0;
    if (*end == 'K' || *end == 'k') {
        shift = 10;
    } else if (*end == 'M' || *end == 'm') {
        shift = 20;
    }
    if (end[shift ? 1 : 0] != 0 || number > limit >> shift) {
        return false;
    }
    *value = (uint64_t)number << shift;
    return true;
}

static bool is_input(const struct cli_args *args, const char *out)
{
    static const char *const read[] = {"table", "from"};
    for (int i = 0; i < args->operand_count; i++) {
        const char *behind = strchr(args->operand[i], '=');
        if (molt_same_file(args->operand[i], out) || (behind && molt_same_file(behind + 1, out))) {
            return true;
        }
    }
    for (size_t i = 0; i < sizeof read / sizeof read[0]; i++) {
        const char *in = cli_option(args, read[i]);
        if (in && molt_same_file(in, out)) {
            return true;
        }
    }
    return false;
}

int cli_check_outputs(const struct cli_args *args)
{
    static const char *const written[] = {"output", "svg"};
    struct molt_message message = {0};
    for (size_t i = 0; i < sizeof written / sizeof written[0]; i++) {
        const char *out = cli_option(args, written[i]);
        if (out && is_input(args, out)) {
            const struct cli_option *option = args->verb->options;
            while (option->name && strcmp(option->name, "in-place") != 0) {
                option++;
            }
            molt_fail(&message, MOLT_E_ARGUMENT,
                      "%s: is the input itself; expected another name for the output%s", out,
                      option->name ? ", or --in-place" : "");
            return cli_fail(args, &message);
        }
    }
    return CLI_OK;
}

int cli_check_change(const struct cli_args *args, const struct molt_target *target,
                     struct molt_message *message)
{
    if (target->board && cli_has(args, "output")) {
        return molt_fail(message, MOLT_E_ARGUMENT,
                         "%s: a board is changed as it is: --output is for files", target->name);
    }
    if (target->container != MOLT_CONTAINER_NONE && !cli_has(args, "output")) {
        return molt_fail(message, MOLT_E_UNSUPPORTED,
                         "%s: is a UF2 file and is not changed in place: --output FILE writes the "
                         "result as a plain image",
                         target->name);
    }
    return MOLT_OK;
}

const char *cli_size(uint64_t bytes, char text[16])
{
    if (bytes < 1024 || (bytes % 1024 != 0 && bytes < 10240)) {
        snprintf(text, 16, "%u B", (unsigned)bytes);
    } else if (bytes < 1024 * 1024) {
        snprintf(text, 16, bytes % 1024 ? "%.1f KB" : "%.0f KB", (double)bytes / 1024);
    } else {
        snprintf(text, 16, bytes % (1024 * 1024) ? "%.2f MB" : "%.0f MB",
                 (double)bytes / (1024 * 1024));
    }
    return text;
}

bool cli_colour(void)
{
    return isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
}
