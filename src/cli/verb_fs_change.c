/* molt fs mkdir, rm, mv: folders and names. */
#include "cli/fs_common.h"

static const struct cli_option mkdir_options[] = {
    {"parents", 'p', NULL, "make missing folders above it too; one that is there is no error"},
    {"partition", 0, "NAME", "partition, or OFFSET+SIZE (default: the one that holds the files)"},
    FS_CHANGE_OPTIONS,
    {0}};
static const struct cli_option rm_options[] = {
    {"recursive", 'r', NULL, "folders with all that is in them"},
    FS_PARTITION,
    FS_CHANGE_OPTIONS,
    {0}};
static const struct cli_option mv_options[] = {
    {"force", 'f', NULL, "replace a file that is there"}, FS_PARTITION, FS_CHANGE_OPTIONS, {0}};

static const char mkdir_details[] = FS_CHANGE_WORDS "\n" FS_TARGET_WORDS "\n"
                                                    "\n"
                                                    "  molt fs mkdir sim:board /data\n"
                                                    "  molt fs mkdir -p firmware.bin /data/log/old";

static const char rm_details[] =
    "All of the PATHs are removed, or none. The root folder stays: 'molt fs mkfs' empties "
    "it.\n" FS_CHANGE_WORDS "\n" FS_TARGET_WORDS "\n"
    "\n"
    "  molt fs rm sim:board /old.py\n"
    "  molt fs rm -r dump.bin /lib/unused --dry-run";

static const char mv_details[] =
    "Gives a file or folder another name, or moves it into a folder. A file that is there is\n"
    "replaced with --force only.\n" FS_CHANGE_WORDS "\n" FS_TARGET_WORDS "\n"
    "\n"
    "  molt fs mv sim:board /main.py /old_main.py";

/* Plans one of the paths. */
typedef int path_planner(const struct cli_args *args, struct molt_fs_changes *changes,
                         struct molt_fs *fs, const char *path, struct molt_message *message);

static int each_path(const struct cli_args *args, struct molt_fsops *session,
                     struct molt_fs_changes *changes, path_planner *plan,
                     struct molt_message *message)
{
    int error = MOLT_OK;
    for (int i = 1; i < args->operand_count && !error; i++) {
        char path[MOLT_FSOPS_PATH];
        error = fs_path(args, i, path, message);
        if (!error) {
            error = plan(args, changes, session->fs, path, message);
        }
    }
    return error;
}

static int make_one(const struct cli_args *args, struct molt_fs_changes *changes,
                    struct molt_fs *fs, const char *path, struct molt_message *message)
{
    return molt_fsops_plan_mkdir(changes, fs, path, cli_has(args, "parents"), message);
}

static int remove_one(const struct cli_args *args, struct molt_fs_changes *changes,
                      struct molt_fs *fs, const char *path, struct molt_message *message)
{
    return molt_fsops_plan_remove(changes, fs, path, cli_has(args, "recursive"), message);
}

static int plan_mkdir(struct cli_args *args, struct molt_fsops *session,
                      struct molt_fs_changes *changes, struct molt_message *message)
{
    return each_path(args, session, changes, make_one, message);
}

static int plan_rm(struct cli_args *args, struct molt_fsops *session,
                   struct molt_fs_changes *changes, struct molt_message *message)
{
    return each_path(args, session, changes, remove_one, message);
}

static int plan_mv(struct cli_args *args, struct molt_fsops *session,
                   struct molt_fs_changes *changes, struct molt_message *message)
{
    char from[MOLT_FSOPS_PATH], to[MOLT_FSOPS_PATH];
    int error = fs_path(args, 1, from, message);
    if (!error) {
        error = fs_path(args, 2, to, message);
    }
    return error ? error
                 : molt_fsops_plan_move(changes, session->fs, from, to, cli_has(args, "force"),
                                        message);
}

static int run_mkdir(struct cli_args *args)
{
    return fs_change(args, MOLT_FSOPS_CHANGE, plan_mkdir);
}

static int run_rm(struct cli_args *args)
{
    return fs_change(args, MOLT_FSOPS_CHANGE, plan_rm);
}

static int run_mv(struct cli_args *args)
{
    return fs_change(args, MOLT_FSOPS_CHANGE, plan_mv);
}

extern const struct cli_verb cli_verb_fs_mkdir;
const struct cli_verb cli_verb_fs_mkdir = {
    "fs mkdir", "TARGET PATH...", "make folders", mkdir_details, mkdir_options, 2, -1, run_mkdir};

extern const struct cli_verb cli_verb_fs_rm;
const struct cli_verb cli_verb_fs_rm = {
    "fs rm", "TARGET PATH...", "remove files and folders", rm_details, rm_options, 2, -1, run_rm};

extern const struct cli_verb cli_verb_fs_mv;
const struct cli_verb cli_verb_fs_mv = {
    "fs mv", "TARGET FROM TO", "rename or move a file or folder", mv_details, mv_options, 3, 3,
    run_mv};
