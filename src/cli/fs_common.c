#include "cli/fs_common.h"

#include <stdlib.h>
#include <string.h>

#include "cli/planprint.h"
#include "cli/process.h"

/* One of the two. */
struct job {
    fs_act *act;
    fs_planner *planner;
};

static int change(struct cli_args *args, struct molt_fsops *session, fs_planner *planner,
                  struct molt_message *message);

static int act_on(struct cli_args *args, enum molt_fsops_mode mode, const struct job *job,
                  struct molt_target *target, int *code, struct molt_message *message)
{
    struct molt_message closing = {0};
    struct molt_fsops *session = calloc(1, sizeof *session);
    if (!session) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    int error = molt_target_open(target, args->operand[0], message);
    if (!error) {
        error = molt_fsops_open(session, target, cli_option(args, "partition"), mode, message);
        if (!error) {
            error = job->act ? job->act(args, session, code, message)
                             : change(args, session, job->planner, message);
            molt_fsops_close(session);
        }
        if (molt_target_close(target, &closing) && !error) {
            *message = closing;
            error = closing.error;
        }
    }
    free(session);
    return error;
}

static int run(struct cli_args *args, enum molt_fsops_mode mode, const struct job *job)
{
    struct molt_message message = {0};
    struct molt_target *target = calloc(1, sizeof *target);
    int code = CLI_OK;
    int error = target ? act_on(args, mode, job, target, &code, &message)
                       : molt_fail(&message, MOLT_E_NO_MEMORY, "out of memory");
    free(target);
    return error ? cli_fail(args, &message) : code;
}

int fs_with(struct cli_args *args, enum molt_fsops_mode mode, fs_act *act)
{
    const struct job job = {.act = act};
    return run(args, mode, &job);
}

int fs_change(struct cli_args *args, enum molt_fsops_mode mode, fs_planner *planner)
{
    const struct job job = {.planner = planner};
    return run(args, mode, &job);
}

/* ---- Changes ---- */

void fs_print_space(const struct molt_fs_space *space)
{
    printf("%u of %u blocks of %u bytes used\n", space->used, space->total, space->block_size);
}

static int print_and_commit(struct cli_args *args, struct molt_fsops *session,
                            const struct molt_fs_changes *changes, struct molt_plan *plan,
                            struct molt_message *message)
{
    const char *output = cli_option(args, "output");
    struct molt_progress progress;
    struct molt_fs_space space;
    molt_fsops_describe(changes, session, output, plan);
    plan_print(stdout, plan);
    int error = molt_fs_space(session->fs, &space);
    if (error) {
        return molt_fail(message, error, "the free space cannot be counted: %s",
                         molt_strerror(error));
    }
    if (cli_has(args, "dry-run")) {
        printf("nothing was written (--dry-run); afterwards ");
    } else if (changes->count || output) {
        cli_progress_start(args, &progress);
        error = molt_fsops_commit(session, changes, output, &progress, message);
        cli_progress_end(args);
        if (!error) {
            printf("written: ");
            process_print_safe(stdout, output ? output : session->target->name);
            printf("; ");
        }
    }
    if (!error) {
        fs_print_space(&space);
    }
    return error;
}

static int change(struct cli_args *args, struct molt_fsops *session, fs_planner *planner,
                  struct molt_message *message)
{
    struct molt_fs_changes changes = {0};
    int error = cli_check_change(args, session->target, message);
    if (error) {
        return error;
    }
    struct molt_plan *plan = calloc(1, sizeof *plan);
    error = plan ? planner(args, session, &changes, message)
                 : molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    error = error ? error : molt_fsops_rehearse(session, &changes, message);
    error = error ? error : print_and_commit(args, session, &changes, plan, message);
    molt_fs_changes_free(&changes);
    free(plan);
    return error;
}

/* ---- Words ---- */

int fs_path(const struct cli_args *args, int i, char path[MOLT_FSOPS_PATH],
            struct molt_message *message)
{
    return molt_fsops_path(args->operand[i], path, message);
}

int fs_values(const struct cli_args *args, const char *name, const char *values[], int most)
{
    int n = 0;
    for (int i = 0; i < args->option_count && n < most; i++) {
        if (strcmp(args->option[i].name, name) == 0) {
            values[n++] = args->option[i].value;
        }
    }
    return n;
}

void fs_json_head(struct json_out *json, const struct molt_fsops *session)
{
    json_text(json, "target", session->target->name);
    json_text(json, "partition", session->place.label);
}

int fs_type(const struct cli_args *args, enum molt_fs_kind *kind, uint32_t *lfs_version)
{
    static const struct {
        const char *name;
        enum molt_fs_kind kind;
        uint32_t lfs_version;
    } types[] = {{"littlefs", MOLT_FS_LITTLEFS, 0},
                 {"littlefs-2.0", MOLT_FS_LITTLEFS, 0x00020000},
                 {"littlefs-2.1", MOLT_FS_LITTLEFS, 0x00020001},
                 {"fat", MOLT_FS_FAT, 0}};
    const char *type = cli_option(args, "type");
    *kind = MOLT_FS_NONE;
    *lfs_version = 0;
    for (unsigned i = 0; type && i < sizeof types / sizeof *types; i++) {
        if (strcmp(type, types[i].name) == 0) {
            *kind = types[i].kind;
            *lfs_version = types[i].lfs_version;
        }
    }
    return type && !*kind
               ? cli_usage(args, "--type %s: expected littlefs, littlefs-2.0, littlefs-2.1 or fat",
                           type)
               : CLI_OK;
}
