#include <stdlib.h>

#include "cli/cli.h"
#include "cli/planprint.h"
#include "molt/ops/flashimage.h"

static const struct cli_option options[] = {
    {"slot", 's', "NAME", "write only the app, into this app partition of the target"},
    {"dry-run", 'n', NULL, "print the plan, write nothing"},
    {0}};

static const char details[] =
    "Prints the plan, checks all of it, then erases and writes only the sectors that differ, and\n"
    "reads each back. Interrupted, the same command goes on with what still differs.\n"
    "A firmware file keeps the data partitions that its table has at the same place; otadata is\n"
    "erased, so that the new firmware boots. A flash dump replaces everything.";

static int flash_target(const struct cli_args *args, const struct molt_target *image,
                        struct molt_target *target, struct molt_message *message)
{
    struct molt_flashimage *job = malloc(sizeof *job);
    if (!job) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    int error = molt_flashimage_prepare(job, image, target, cli_option(args, "slot"), message);
    if (!error) {
        plan_print(stdout, &job->plan);
        printf("%u sectors to write (%u KB), %u the same already\n", job->sectors_differing,
               job->sectors_differing * (job->sector_size / 1024), job->sectors_same);
        fflush(stdout);
        if (cli_has(args, "dry-run")) {
            printf("nothing was written (--dry-run)\n");
        } else {
            struct molt_progress progress;
            cli_progress_start(&progress);
            error = molt_flashimage_run(job, target, &progress, message);
            cli_progress_end();
        }
        if (!error && !cli_has(args, "dry-run")) {
            printf("written and verified: %s\n", target->name);
        }
    }
    molt_flashimage_free(job);
    free(job);
    return error;
}

static int run(struct cli_args *args)
{
    struct molt_message message = {0}, closing = {0};
    struct molt_target image, target;
    int error = molt_target_open(&image, args->operand[0], &message);
    if (error) {
        return cli_fail(args, &message);
    }
    if (image.board) {
        error = molt_fail(&message, MOLT_E_UNSUPPORTED,
                          "%s: is a board, expected a firmware file, a dump or an app image",
                          image.name);
    } else {
        error = molt_target_open(&target, args->operand[1], &message);
        if (!error) {
            error = flash_target(args, &image, &target, &message);
            if (molt_target_close(&target, &closing) && !error) {
                message = closing;
                error = closing.error;
            }
        }
    }
    molt_target_close(&image, &closing);
    return error ? cli_fail(args, &message) : CLI_OK;
}

extern const struct cli_verb cli_verb_flash;
const struct cli_verb cli_verb_flash = {"flash",
                                        "IMAGE TARGET",
                                        "write a firmware, a dump or an app to a board",
                                        details,
                                        options,
                                        2,
                                        2,
                                        run};
