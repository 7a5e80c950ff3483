/* molt fs mkfs, grow, build: whole file systems. */
#include <stdlib.h>
#include <string.h>

#include "cli/fs_common.h"
#include "cli/process.h"
#include "molt/host/file.h"

#define MOST_EXCLUDES 64
#define LARGEST       (128u << 20)

static const struct cli_option mkfs_options[] = {
    {"type", 't', "TYPE", "littlefs (littlefs-2.0, littlefs-2.1) or fat; default: what is there"},
    {"force", 'f', NULL, "also when files would be lost"},
    FS_PARTITION,
    FS_CHANGE_OPTIONS,
    {0}};
static const struct cli_option grow_options[] = {FS_PARTITION, FS_CHANGE_OPTIONS, {0}};
static const struct cli_option build_options[] = {
    {"output", 'o', "FILE", "where the image goes"},
    {"size", 's', "SIZE", "size of the image: 2M, 1536K"},
    {"from", 0, "TARGET", "size and kind as in this partition, version as it mounts it"},
    {"partition", 'p', "NAME", "that partition (default: the one that holds the files)"},
    {"type", 't', "TYPE", "as of mkfs; default: as in --from's target, else littlefs"},
    {"exclude", 'x', "PATTERN", "leave names (with '/': paths below DIR) out; repeatable"},
    {"dry-run", 'n', NULL, "make it in memory only"},
    {0}};

static const char mkfs_details[] =
    "An empty file system over the whole partition, as MicroPython makes it. Refused without\n"
    "--force when it would cost files (says how many) or other data; never in partitions that "
    "hold\n"
    "no files (apps, nvs, otadata, ...).\n" FS_CHANGE_WORDS "\n" FS_TARGET_WORDS "\n"
    "\n"
    "  molt fs mkfs firmware.bin\n"
    "  molt fs mkfs --type fat --force sim:board";

static const char grow_details[] =
    "A file system that is smaller than its partition takes all of it. littlefs changes a number "
    "in\n"
    "its superblock; a FAT whose tables have no room for more is made anew, with its "
    "files.\n" FS_CHANGE_WORDS "\n" FS_TARGET_WORDS "\n"
    "\n"
    "  molt fs grow dump.bin";

static const char build_details[] =
    "An image with the contents of DIR, all of it (but the output itself and --exclude). The same\n"
    "folder gives the same bytes, whatever the order and times of its files. When it does not "
    "fit,\n"
    "the message says which size would do. The image is a target too: molt fs ls vfs.img.\n"
    "\n"
    "  molt fs build app -o vfs.img --size 2M --exclude __pycache__ --exclude '*.pyc'\n"
    "  molt fs build app -o vfs.img --from firmware.bin";

static int plan_mkfs(struct cli_args *args, struct molt_fsops *session,
                     struct molt_fs_changes *changes, struct molt_message *message)
{
    enum molt_fs_kind kind;
    uint32_t version;
    fs_type(args, &kind, &version);
    return molt_fsops_plan_mkfs(changes, session, kind, version, cli_has(args, "force"), message);
}

static int run_mkfs(struct cli_args *args)
{
    enum molt_fs_kind kind;
    uint32_t version;
    int code = fs_type(args, &kind, &version);
    return code ? code : fs_change(args, MOLT_FSOPS_MAKE, plan_mkfs);
}

static int plan_grow(struct cli_args *args, struct molt_fsops *session,
                     struct molt_fs_changes *changes, struct molt_message *message)
{
    (void)args;
    return molt_fsops_plan_grow(changes, session, message);
}

static int run_grow(struct cli_args *args)
{
    return fs_change(args, MOLT_FSOPS_CHANGE, plan_grow);
}

/* ---- build ---- */

/* Size and kind of --from's partition, where they were not given. */
static int ask_target(const struct cli_args *args, const char *name,
                      struct molt_fs_build_request *request, struct molt_message *message)
{
    struct molt_target *target = calloc(1, sizeof *target);
    struct molt_fs_facts facts;
    struct molt_place place;
    const char *partition = cli_option(args, "partition");
    if (!target) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    int error = molt_target_open(target, name, message);
    if (!error) {
        error = partition ? molt_place_find(&place, target, partition, message)
                          : molt_place_files(&place, target, message);
        if (!error) {
            request->size = request->size ? request->size : place.size - place.size % 4096;
        }
        if (!error && !request->kind && place.offset < target->flash.size &&
            place.size <= target->flash.size - place.offset &&
            molt_fs_probe(&facts, &target->flash, place.offset, place.size) == MOLT_OK) {
            request->kind = facts.kind;
        }
        if (!error && !request->lfs_version) {
            request->lfs_version = molt_fsops_lfs_version(target);
        }
        molt_target_close(target, error ? NULL : message);
    }
    free(target);
    return error;
}

static int request_of(const struct cli_args *args, struct molt_fs_build_request *request)
{
    const char *size = cli_option(args, "size");
    uint64_t bytes = 0;
    if (size && (!cli_parse_size(size, LARGEST, &bytes) || bytes == 0 || bytes % 4096)) {
        return cli_usage(args, "--size %s: expected a multiple of 4K up to 128M, such as 2M", size);
    }
    request->size = (uint32_t)bytes;
    if (!size && !cli_has(args, "from")) {
        return cli_usage(args, "expected --size SIZE or --from TARGET");
    }
    if (!cli_has(args, "output") && !cli_has(args, "dry-run")) {
        return cli_usage(args, "expected --output FILE (or --dry-run)");
    }
    return fs_type(args, &request->kind, &request->lfs_version);
}

static int build_and_write(const struct cli_args *args, const struct molt_fs_build_request *request,
                           struct molt_message *message)
{
    struct molt_fs_build build;
    int error = molt_fsops_build(&build, request, message);
    if (!error && !cli_has(args, "dry-run")) {
        error = molt_file_write(request->output, build.image, request->size, 0666,
                                MOLT_FILE_REPLACE_UNSYNCED, message); /* can be made again */
    }
    if (!error) {
        if (cli_has(args, "dry-run")) {
            printf("nothing was written (--dry-run): ");
        } else {
            process_print_safe(stdout, request->output);
            printf(": ");
        }
        printf("%u bytes of %s, %u file%s of %llu bytes in all, %u folder%s\n", request->size,
               molt_fs_kind_name(request->kind ? request->kind : MOLT_FS_LITTLEFS), build.files,
               build.files == 1 ? "" : "s", (unsigned long long)build.bytes, build.folders,
               build.folders == 1 ? "" : "s");
        fs_print_space(&build.space);
    }
    molt_fs_build_free(&build);
    return error;
}

static int run_build(struct cli_args *args)
{
    struct molt_message message = {0};
    const char *exclude[MOST_EXCLUDES], *from = cli_option(args, "from");
    struct molt_fs_build_request request = {
        .folder = args->operand[0], .exclude = exclude, .output = cli_option(args, "output")};
    int code = request_of(args, &request);
    if (code) {
        return code;
    }
    request.exclude_count = (uint32_t)fs_values(args, "exclude", exclude, MOST_EXCLUDES);
    int error = from ? ask_target(args, from, &request, &message) : MOLT_OK;
    if (!error) {
        error = build_and_write(args, &request, &message);
    }
    return error ? cli_fail(args, &message) : CLI_OK;
}

extern const struct cli_verb cli_verb_fs_mkfs;
const struct cli_verb cli_verb_fs_mkfs = {
    "fs mkfs", "TARGET", "make an empty file system", mkfs_details, mkfs_options, 1, 1, run_mkfs};

extern const struct cli_verb cli_verb_fs_grow;
const struct cli_verb cli_verb_fs_grow = {
    "fs grow", "TARGET", "let a file system fill its partition", grow_details, grow_options, 1,
    1,         run_grow};

extern const struct cli_verb cli_verb_fs_build;
const struct cli_verb cli_verb_fs_build = {"fs build",
                                           "DIR",
                                           "make a file system image of a local folder",
                                           build_details,
                                           build_options,
                                           1,
                                           1,
                                           run_build};
