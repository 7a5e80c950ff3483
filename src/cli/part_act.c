#include "cli/part_act.h"

#include <stdlib.h>
#include <string.h>

#include "cli/planprint.h"

char *part_split(const char *text, const char **file)
{
    size_t n = strlen(text) + 1;
    char *copy = malloc(n);
    *file = NULL;
    if (copy) {
        memcpy(copy, text, n);
        char *at = strchr(copy, '=');
        if (at) {
            *at = 0;
            *file = at + 1;
        }
    }
    return copy;
}

static void print_text(const struct cli_args *args, const struct molt_part_job *job,
                       const struct molt_target *target)
{
    const char *out = cli_option(args, "output");
    plan_print(stdout, &job->plan);
    if (target->kind == MOLT_TARGET_BOARD) {
        printf("%u sectors to write (%u KB), %u the same already\n", job->sectors_differing,
               job->sectors_differing * 4, job->sectors_same);
    } else if (!out) {
        printf("changes %s in place\n", target->name);
    }
    fflush(stdout);
}

static void print_json(const struct cli_args *args, const struct molt_part_job *job,
                       const struct molt_target *target, bool written)
{
    struct json_out json = {.out = stdout};
    json_open(&json, NULL, '{');
    json_text(&json, "target", target->name);
    json_text(&json, "output", cli_option(args, "output"));
    plan_json(&json, &job->plan);
    json_number(&json, "sectors_to_write", job->sectors_differing);
    json_number(&json, "sectors_same", job->sectors_same);
    json_text(&json, "boots_next", job->next[0] ? job->next : NULL);
    json_text(&json, "refused", job->refusals && !job->force ? job->refusal.text : NULL);
    json_bool(&json, "written", written);
    json_close(&json, '}');
}

static int do_it(struct cli_args *args, const struct molt_part_job *job, struct molt_target *target,
                 struct molt_message *message)
{
    struct molt_progress progress;
    const char *out = cli_option(args, "output");
    cli_progress_start(args, &progress);
    int error = molt_part_run(job, target, &progress, message);
    cli_progress_end(args);
    if (!error) {
        error = molt_part_save(job, target, out, message);
    }
    if (!error && !cli_has(args, "json")) {
        printf("written%s: %s\n", target->kind == MOLT_TARGET_BOARD ? " and verified" : "",
               out ? out : target->name);
    }
    return error;
}

static int with_job(struct cli_args *args, part_plan *plan, struct molt_part_job *job,
                    struct molt_target *target, struct molt_message *message)
{
    bool dry_run = cli_has(args, "dry-run"), json = cli_has(args, "json");
    int error = plan(args, job, target, message);
    if (error) {
        return error;
    }
    if (!json) {
        print_text(args, job, target);
    }
    if (dry_run && (!job->refusals || job->force)) {
        if (!json) {
            printf("nothing was written (--dry-run)\n");
        }
    } else {
        error = do_it(args, job, target, message); /* what needs force fails here, dry or not */
    }
    if (json) {
        print_json(args, job, target, !error && !dry_run);
    }
    return error;
}

int part_act(struct cli_args *args, part_plan *plan)
{
    struct molt_message message = {0}, closing = {0};
    struct molt_target *target = calloc(1, sizeof *target);
    struct molt_part_job *job = calloc(1, sizeof *job);
    int error;
    if (!target || !job) {
        error = molt_fail(&message, MOLT_E_NO_MEMORY, "out of memory");
    } else if ((error = molt_target_open(target, args->operand[0], &message)) == MOLT_OK) {
        error = cli_check_change(args, target, &message);
        error = error ? error : with_job(args, plan, job, target, &message);
        molt_part_free(job);
        if (molt_target_close(target, &closing) < 0 && !error) {
            error = closing.error;
            message = closing;
        }
    }
    free(job);
    free(target);
    return error ? cli_fail(args, &message) : CLI_OK;
}
