#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/map.h"
#include "cli/planprint.h"
#include "molt/ops/edit.h"

static const struct cli_option options[] = {
    {"flash-size", 's', "SIZE", "flash size in the bootloader's header: 4M, 8M, 16M"},
    {"layout", 'l', "NAME", "a new partition table: ota"},
    {"output", 'o', "FILE", "where the result goes"},
    {"dry-run", 'n', NULL, "print the plan, write nothing"},
    {0}};

static const char details[] =
    "Prints the plan, checks all of it, then writes a new file; the input is never changed.\n"
    "Layout ota: nvs, otadata, two app slots (1.5 MB each on 4 MB of flash, 2 MB on 8 MB, 2.44 MB\n"
    "on more), and vfs with the rest. The app stays where it is and becomes slot ota_0.";

static int request_of(const struct cli_args *args, struct molt_edit_request *request)
{
    const char *size = cli_option(args, "flash-size");
    uint64_t bytes = 0;
    request->flash_size = 0;
    request->layout = cli_option(args, "layout");
    if (size && (!cli_parse_size(size, 128u << 20, &bytes) || bytes == 0)) {
        return cli_usage(args, "--flash-size %s: expected a size such as 4M, 8M, 16M", size);
    }
    request->flash_size = (uint32_t)bytes;
    if (!size && !request->layout) {
        return cli_usage(args, "nothing to change: expected --flash-size or --layout");
    }
    if (!cli_has(args, "output") && !cli_has(args, "dry-run")) {
        return cli_usage(args, "expected --output FILE (or --dry-run)");
    }
    return CLI_OK;
}

static int edit_target(const struct cli_args *args, const struct molt_target *target,
                       const struct molt_edit_request *request, struct molt_message *message)
{
    struct molt_edit *edit = malloc(sizeof *edit);
    const char *out = cli_option(args, "output");
    if (!edit) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    int error = molt_edit_prepare(edit, target, request, message);
    if (!error) {
        struct map_use use = {edit->app_offset, edit->app_length};
        plan_print(stdout, &edit->plan);
        printf("result: %s, %u MB of flash\n", target->chip->name, edit->flash_size >> 20);
        map_print(stdout, target->chip, &edit->table, edit->flash_size, &use, 1);
        if (cli_has(args, "dry-run")) {
            printf("nothing was written (--dry-run)\n");
        } else {
            error = molt_edit_write(edit, target, out, message);
        }
        if (!error && !cli_has(args, "dry-run")) {
            printf("written: %s (%u bytes)\n", out, edit->size - edit->base);
        }
    }
    molt_edit_free(edit);
    free(edit);
    return error;
}

static int run(struct cli_args *args)
{
    struct molt_message message = {0};
    struct molt_edit_request request;
    struct molt_target target;
    int code = request_of(args, &request);
    if (code != CLI_OK) {
        return code;
    }
    int error = molt_target_open(&target, args->operand[0], &message);
    if (!error) {
        error = edit_target(args, &target, &request, &message);
        struct molt_message closing = {0};
        if (molt_target_close(&target, &closing) && !error) {
            message = closing;
            error = closing.error;
        }
    }
    return error ? cli_fail(args, &message) : CLI_OK;
}

extern const struct cli_verb cli_verb_edit;
const struct cli_verb cli_verb_edit = {
    "edit",  "FIRMWARE", "change flash size or layout of a firmware file or dump",
    details, options,    1,
    1,       run};
