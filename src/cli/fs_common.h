/* What the verbs of `molt fs` share: opening, the way from a plan to the change, words. */
#ifndef CLI_FS_COMMON_H
#define CLI_FS_COMMON_H

#include "cli/cli.h"
#include "cli/json.h"
#include "molt/ops/fs.h"

/* Acts on an open session; returns an error with its message, or MOLT_OK and the exit code. */
typedef int fs_act(struct cli_args *args, struct molt_fsops *session, int *code,
                   struct molt_message *message);

/* Opens the target that operand 0 names and its place (--partition), acts, closes. */
int fs_with(struct cli_args *args, enum molt_fsops_mode mode, fs_act *act);

/* Fills the changes. */
typedef int fs_planner(struct cli_args *args, struct molt_fsops *session,
                       struct molt_fs_changes *changes, struct molt_message *message);

/* Plans, rehearses, prints the plan, and unless --dry-run is given changes what is to be changed.
 */
int fs_change(struct cli_args *args, enum molt_fsops_mode mode, fs_planner *planner);

/* Operand i as a path on the target. */
int fs_path(const struct cli_args *args, int i, char path[MOLT_FSOPS_PATH],
            struct molt_message *message);

/* All values of an option that may be given more than once; returns how many. */
int fs_values(const struct cli_args *args, const char *name, const char *values[], int most);

/* "target", "partition" of a JSON object that was just opened. */
void fs_json_head(struct json_out *json, const struct molt_fsops *session);

/* --type littlefs or fat; NONE when it was not given. Returns CLI_OK or CLI_USAGE. */
int fs_type(const struct cli_args *args, enum molt_fs_kind *kind, uint32_t *lfs_version);

/* "4 of 512 blocks of 4096 bytes used". */
void fs_print_space(const struct molt_fs_space *space);

#define FS_PARTITION                                                                               \
    {                                                                                              \
        "partition", 'p', "NAME",                                                                  \
            "partition, or OFFSET+SIZE (default: the one that holds the files)"                    \
    }
#define FS_CHANGE_OPTIONS                                                                          \
    {"output", 'o', "FILE", "write the changed file here, leave the target as it is"},             \
    {                                                                                              \
        "dry-run", 'n', NULL, "print the plan, write nothing"                                      \
    }

#define FS_TARGET_WORDS                                                                            \
    "TARGET is a firmware file, a flash dump, a file system image, or sim:FOLDER. PATHs on it "    \
    "begin\n"                                                                                      \
    "at its root folder, with or without '/' in front."
#define FS_CHANGE_WORDS                                                                            \
    "A file is changed in place, whole or not at all, or written to --output. On a board all is\n" \
    "done on a copy in memory first: what does not fit or fails, fails before it is touched."

#endif
