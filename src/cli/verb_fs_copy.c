/* molt fs get, put: files between the disk and a target. */
#define _POSIX_C_SOURCE 200809L /* lstat */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/fs_common.h"
#include "cli/process.h"

#define MOST_EXCLUDES 64

static const struct cli_option get_options[] = {
    FS_PARTITION,
    {"force", 'f', NULL, "replace local files"},
    {"dry-run", 'n', NULL, "print what would be written, write nothing"},
    {0}};
static const struct cli_option put_options[] = {
    FS_PARTITION,
    FS_CHANGE_OPTIONS,
    {"exclude", 'x', "PATTERN", "leave names (with '/': paths below LOCAL) out; repeatable"},
    {0}};

static const char get_details[] =
    "Files, and folders with all that is in them. With one PATH and no LOCAL it comes into the\n"
    "current folder; else the last operand is LOCAL:\n"
    "  - an existing folder, or with '/' at its end (then it is made): each PATH goes into it,\n"
    "  - else the new name of the one file or folder.\n"
    "A folder written with '/' at its end (and '/' itself) is its contents. No local file is\n"
    "replaced without --force. Names that a local disk cannot hold, that command a terminal, or\n"
    "that differ in capitals only are refused before anything is written (the last with --force\n"
    "not), and nothing is written through links inside of LOCAL.\n" FS_TARGET_WORDS "\n"
    "\n"
    "  molt fs get sim:board /main.py\n"
    "  molt fs get dump.bin / backup/";

static const char put_details[] =
    "Files, and folders with all that is in them. With one LOCAL it goes into the root folder; "
    "else\n"
    "the last operand is PATH on the target:\n"
    "  - an existing folder, or with '/' at its end (then it is made): each LOCAL goes into it,\n"
    "  - else the new name of the one file or folder.\n"
    "A folder written with '/' or '/.' at its end is its contents. Links are followed. Files that\n"
    "are there are replaced; others stay. Names that the file system cannot hold and what does "
    "not\n"
    "fit (in blocks) are refused first.\n" FS_CHANGE_WORDS "\n" FS_TARGET_WORDS "\n"
    "\n"
    "  molt fs put sim:board main.py\n"
    "  molt fs put firmware.bin app/ / --exclude __pycache__\n"
    "  molt fs put dump.bin a.py b.py /lib/";

/* ---- get ---- */

static void print_fetches(const struct molt_fs_fetches *fetches, bool dry_run)
{
    uint32_t files = 0;
    for (uint32_t i = 0; i < fetches->count; i++) {
        const struct molt_fs_fetch *fetch = &fetches->item[i];
        if (!fetch->is_folder) {
            printf("%10u  ", fetch->size);
            process_print_safe(stdout, fetch->local);
            printf(fetch->replaces ? " (replaces a local file)\n" : "\n");
            files++;
        }
    }
    printf("%s%u file%s, %llu bytes\n", dry_run ? "nothing was written (--dry-run); " : "", files,
           files == 1 ? "" : "s", (unsigned long long)fetches->bytes);
}

static bool is_folder(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* A last operand that is on the target too, and no local folder, was rather meant as one. */
static int check_last(struct cli_args *args, struct molt_fsops *session,
                      struct molt_message *message)
{
    const char *last = args->operand[args->operand_count - 1];
    char path[MOLT_FSOPS_PATH];
    struct molt_fs_entry entry;
    if (!*last || last[strlen(last) - 1] == '/' || is_folder(last) || last[0] != '/' ||
        molt_fsops_path(last, path, NULL) || molt_fs_stat(session->fs, path, &entry)) {
        return MOLT_OK;
    }
    return molt_fail(
        message, MOLT_E_ARGUMENT,
        "'%s': is on the target too: the last operand is the local place, give '.' for "
        "the current folder",
        last);
}

static int get(struct cli_args *args, struct molt_fsops *session, int *code,
               struct molt_message *message)
{
    int last = args->operand_count - 1;
    struct molt_fs_fetches fetches = {0};
    struct molt_progress progress;
    struct molt_get_request request = {.remote = args->operand + 1,
                                       .count = last > 1 ? (uint32_t)last - 1 : 1,
                                       .local = last > 1 ? args->operand[last] : ".",
                                       .force = cli_has(args, "force")};
    bool dry_run = cli_has(args, "dry-run");
    *code = CLI_OK;
    int error = last > 1 ? check_last(args, session, message) : MOLT_OK;
    if (!error) {
        error = molt_fsops_plan_get(&fetches, session->fs, &request, message);
    }
    if (!error && !dry_run) {
        cli_progress_start(args, &progress);
        error = molt_fsops_get(&fetches, session->fs, &progress, message);
        cli_progress_end(args);
    }
    if (!error) {
        print_fetches(&fetches, dry_run);
    }
    molt_fs_fetches_free(&fetches);
    return error;
}

static int run_get(struct cli_args *args)
{
    return fs_with(args, MOLT_FSOPS_READ, get);
}

/* ---- put ---- */

static int put(struct cli_args *args, struct molt_fsops *session, struct molt_fs_changes *changes,
               struct molt_message *message)
{
    int last = args->operand_count - 1;
    const char *exclude[MOST_EXCLUDES];
    struct molt_put_request request = {.local = args->operand + 1,
                                       .count = last > 1 ? (uint32_t)last - 1 : 1,
                                       .remote = last > 1 ? args->operand[last] : "/",
                                       .exclude = exclude};
    request.exclude_count = (uint32_t)fs_values(args, "exclude", exclude, MOST_EXCLUDES);
    return molt_fsops_plan_put(changes, session->fs, &request, message);
}

static int run_put(struct cli_args *args)
{
    struct stat status;
    const char *last = args->operand[args->operand_count - 1];
    if (args->operand_count > 2 && last[0] != '/' && lstat(last, &status) == 0) {
        return cli_usage(args,
                         "'%s' is a local file too: the last operand is the place on the target, "
                         "write /%s, or / for its root folder",
                         last, last);
    }
    return fs_change(args, MOLT_FSOPS_CHANGE, put);
}

extern const struct cli_verb cli_verb_fs_get;
const struct cli_verb cli_verb_fs_get = {
    "fs get", "TARGET PATH... [LOCAL]", "copy files from a target", get_details, get_options, 2, -1,
    run_get};

extern const struct cli_verb cli_verb_fs_put;
const struct cli_verb cli_verb_fs_put = {
    "fs put", "TARGET LOCAL... [PATH]", "copy files to a target", put_details, put_options, 2, -1,
    run_put};
