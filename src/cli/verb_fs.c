/* molt fs df, info, check: the file system as a whole. */
#include <string.h>

#include "cli/fs_common.h"
#include "cli/process.h"

static const struct cli_option options[] = {
    FS_PARTITION, {"json", 'j', NULL, "print one JSON object"}, {0}};

static const char df_details[] =
    "Space goes in blocks, on FAT in clusters. littlefs shares blocks and frees them late: what "
    "is\n"
    "used is an upper count there.\n" FS_TARGET_WORDS "\n"
    "\n"
    "Keys of --json (sizes in bytes):\n"
    "  target, partition, kind: \"littlefs\" or \"FAT\", block_size\n"
    "  blocks, used, free (blocks), bytes, bytes_used, bytes_free, percent (used)\n"
    "\n"
    "  molt fs df firmware.bin\n"
    "  molt fs df sim:board --json";

static const char info_details[] =
    "What is there by its superblock or boot sector, where it lies, and whether it fills its "
    "place:\n"
    "one that is larger than its partition cannot be mounted, a smaller one can grow.\n"
    "Exit code 1: there is none, or MicroPython would not mount it.\n" FS_TARGET_WORDS "\n"
    "\n"
    "Keys of --json (sizes in bytes; null = none):\n"
    "  target, partition, offset, size\n"
    "  kind: \"littlefs\", \"FAT\" or null, variant: \"littlefs 2.0\", version: \"2.0\", \"12\"\n"
    "  block_size, block_count, bytes, fit: \"exact\", \"smaller\", \"larger\" or null\n"
    "  mounted, trouble, wrong\n"
    "\n"
    "  molt fs info vfs.img";

static const char check_details[] =
    "Reads every file and folder, looks for blocks that belong to two, lost clusters, and a\n"
    "superblock that does not meet its partition. Nothing is changed.\n"
    "Exit code 0: nothing is wrong. 1: something is, each named, or there is no file "
    "system.\n" FS_TARGET_WORDS "\n"
    "\n"
    "Keys of --json:\n"
    "  target, partition, kind, findings: [text] (the first 100), found (all), wrong\n"
    "\n"
    "  molt fs check dump.bin";

/* ---- df ---- */

static int df(struct cli_args *args, struct molt_fsops *session, int *code,
              struct molt_message *message)
{
    struct molt_fs_space space;
    char total[16], left[16];
    int error = molt_fs_space(session->fs, &space);
    *code = CLI_OK;
    if (error) {
        return molt_fail(message, error, "%s: %s: the free space cannot be counted: %s",
                         session->target->name, session->place.label, molt_strerror(error));
    }
    uint32_t free_blocks = space.total - space.used;
    uint64_t size = space.block_size;
    double percent = space.total ? 100.0 * space.used / space.total : 0;
    if (cli_has(args, "json")) {
        struct json_out json = {.out = stdout};
        json_open(&json, NULL, '{');
        fs_json_head(&json, session);
        json_text(&json, "kind", molt_fs_kind_name(session->facts.kind));
        json_number(&json, "block_size", space.block_size);
        json_number(&json, "blocks", space.total);
        json_number(&json, "used", space.used);
        json_number(&json, "free", free_blocks);
        json_number(&json, "bytes", (int64_t)(size * space.total));
        json_number(&json, "bytes_used", (int64_t)(size * space.used));
        json_number(&json, "bytes_free", (int64_t)(size * free_blocks));
        json_fraction(&json, "percent", percent);
        json_close(&json, '}');
        return MOLT_OK;
    }
    printf(
        "partition         kind      block   blocks   used   free       size       free  used\n");
    printf("%-16s  %-8s  %5u  %7u %6u %6u  %9s  %9s  %3.0f %%\n", session->place.label,
           molt_fs_kind_name(session->facts.kind), space.block_size, space.total, space.used,
           free_blocks, cli_size(size * space.total, total), cli_size(size * free_blocks, left),
           percent);
    return MOLT_OK;
}

static int run_df(struct cli_args *args)
{
    return fs_with(args, MOLT_FSOPS_READ, df);
}

/* ---- info ---- */

static const char *fit_of(const struct molt_fsops *session)
{
    const struct molt_fs_facts *facts = &session->facts;
    if (!facts->kind || !facts->block_size) {
        return NULL;
    }
    uint64_t has = (uint64_t)facts->block_size * facts->block_count;
    uint32_t may = session->place.size - session->place.size % facts->block_size;
    return has > may ? "larger" : has < may ? "smaller" : "exact";
}

/* As check says. */
static bool is_wrong(const struct molt_fsops *session)
{
    return !session->fs ||
           (session->facts.kind == MOLT_FS_LITTLEFS && strcmp(fit_of(session), "exact") != 0);
}

static void version_of(const struct molt_fs_facts *facts, char text[32])
{
    if (facts->kind == MOLT_FS_LITTLEFS) {
        snprintf(text, 32, "%u.%u", facts->version >> 16, facts->version & 0xFFFF);
    } else {
        snprintf(text, 32, "%u", facts->version);
    }
}

static void info_json(const struct molt_fsops *session)
{
    struct json_out json = {.out = stdout};
    const struct molt_fs_facts *facts = &session->facts;
    char version[32];
    bool known = facts->kind != MOLT_FS_NONE;
    version_of(facts, version);
    json_open(&json, NULL, '{');
    fs_json_head(&json, session);
    json_number(&json, "offset", session->place.offset);
    json_number(&json, "size", session->place.size);
    json_text(&json, "kind", known ? molt_fs_kind_name(facts->kind) : NULL);
    json_text(&json, "variant", known ? facts->variant : NULL);
    json_text(&json, "version", known ? version : NULL);
    if (known) {
        json_number(&json, "block_size", facts->block_size);
        json_number(&json, "block_count", facts->block_count);
        json_number(&json, "bytes", (int64_t)facts->block_size * facts->block_count);
    } else {
        json_nothing(&json, "block_size");
        json_nothing(&json, "block_count");
        json_nothing(&json, "bytes");
    }
    json_text(&json, "fit", fit_of(session));
    json_bool(&json, "mounted", session->fs != NULL);
    json_text(&json, "trouble", session->trouble[0] ? session->trouble : NULL);
    json_bool(&json, "wrong", is_wrong(session));
    json_close(&json, '}');
}

static void info_text(const struct molt_fsops *session)
{
    const struct molt_fs_facts *facts = &session->facts;
    const char *fit = fit_of(session);
    char size[16];
    uint64_t has = (uint64_t)facts->block_size * facts->block_count;
    printf("place        %s, at 0x%x, %s\n", session->place.label, session->place.offset,
           cli_size(session->place.size, size));
    printf("file system  %s\n", facts->kind      ? facts->variant
                                : session->blank ? "none, erased flash"
                                                 : "none that is known");
    if (facts->kind) {
        printf("blocks       %u of %u bytes, %s\n", facts->block_count, facts->block_size,
               cli_size(has, size));
        printf("fit          %s\n",
               strcmp(fit, "exact") == 0 ? "fills its place"
               : strcmp(fit, "larger") == 0
                   ? "WRONG: larger than its place: the partition has to grow"
               : facts->kind == MOLT_FS_LITTLEFS
                   ? "WRONG: smaller than its place, newer MicroPython does not mount it so: "
                     "'molt fs grow'"
                   : "smaller than its place: 'molt fs grow' gives it the rest");
    }
    if (session->trouble[0]) {
        printf("WRONG: ");
        process_print_safe(stdout, session->trouble);
        putchar('\n');
    }
}

static int info(struct cli_args *args, struct molt_fsops *session, int *code,
                struct molt_message *message)
{
    (void)message;
    (cli_has(args, "json") ? info_json : info_text)(session);
    *code = is_wrong(session) ? CLI_FAILED : CLI_OK;
    return MOLT_OK;
}

static int run_info(struct cli_args *args)
{
    return fs_with(args, MOLT_FSOPS_LOOK, info);
}

/* ---- check ---- */

static void check_json(const struct molt_fsops *session, const struct molt_fsops_findings *findings)
{
    struct json_out json = {.out = stdout};
    json_open(&json, NULL, '{');
    fs_json_head(&json, session);
    json_text(&json, "kind", molt_fs_kind_name(session->facts.kind));
    json_open(&json, "findings", '[');
    for (uint32_t i = 0; i < findings->count; i++) {
        json_text(&json, NULL, findings->text[i]);
    }
    json_close(&json, ']');
    json_number(&json, "found", findings->found);
    json_bool(&json, "wrong", findings->found > 0);
    json_close(&json, '}');
}

static void check_text(const struct molt_fsops *session, const struct molt_fsops_findings *findings)
{
    for (uint32_t i = 0; i < findings->count; i++) {
        printf("WRONG: ");
        process_print_safe(stdout, findings->text[i]);
        putchar('\n');
    }
    if (findings->found > findings->count) {
        printf("and %u more\n", findings->found - findings->count);
    }
    if (!findings->found) {
        printf("%s in %s: nothing is wrong\n", session->facts.variant, session->place.label);
    }
}

static int check(struct cli_args *args, struct molt_fsops *session, int *code,
                 struct molt_message *message)
{
    struct molt_fsops_findings findings;
    if (session->facts.kind == MOLT_FS_NONE) {
        return molt_fail(message, MOLT_E_NOT_FOUND,
                         "%s: no littlefs and no FAT in %s (at 0x%x, %u bytes): nothing to check",
                         session->target->name, session->place.label, session->place.offset,
                         session->place.size);
    }
    int error = molt_fsops_check(session, &findings, message);
    if (!error) {
        (cli_has(args, "json") ? check_json : check_text)(session, &findings);
        *code = findings.found ? CLI_FAILED : CLI_OK;
    }
    molt_fsops_findings_free(&findings);
    return error;
}

static int run_check(struct cli_args *args)
{
    return fs_with(args, MOLT_FSOPS_LOOK, check);
}

extern const struct cli_verb cli_verb_fs_df;
const struct cli_verb cli_verb_fs_df = {
    "fs df", "TARGET", "how full a file system is", df_details, options, 1, 1, run_df};

extern const struct cli_verb cli_verb_fs_info;
const struct cli_verb cli_verb_fs_info = {
    "fs info", "TARGET", "kind, version, size and place of a file system", info_details, options, 1,
    1,         run_info};

extern const struct cli_verb cli_verb_fs_check;
const struct cli_verb cli_verb_fs_check = {
    "fs check", "TARGET", "look for what is wrong in a file system", check_details, options, 1,
    1,          run_check};
