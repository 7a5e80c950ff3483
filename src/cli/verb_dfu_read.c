/* molt dfu read */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/dfu_common.h"
#include "cli/dfu_words.h"
#include "cli/json.h"
#include "cli/part_act.h"
#include "molt/ops/dfu_device.h"

static const struct cli_option options[] = {
    {"output", 'o', "FILE", "for what is named without =FILE; - = standard output"},
    {"format", 0, "KIND", "bin, hex or dfu; default: by the file's name, else bin"},
    {"force", 'f', NULL, "replace files that are there"},
    {"limit", 0, "SIZE", "at most that much of a device without addresses"},
    DFU_ROW_BOARD,
    DFU_ROW_ALTERNATE,
    DFU_ROW_WAIT,
    {"json", 'j', NULL, "print one JSON object"},
    {0}};

static const char details[] =
    "PLACE is all (also when none is named): every segment of the memory map; files: the board's\n"
    "file system; ADDRESS (to the next gap), ADDRESS+SIZE, or ADDRESS-END (with its last byte).\n"
    "Places without =FILE go into one file. In a BIN, what is between them is FF; .hex, .ihex and\n"
    ".dfu leave it out. The two ranges of a board's file system are one image, as MicroPython "
    "joins\n"
    "them. A device of plain DFU has no places: it gives what it has. Everything is read before "
    "the\n"
    "first file is written.\n" DFU_TARGET_WORDS "\n\n"
    "  molt dfu read -o flash.bin\n"
    "  molt dfu read usb: files=fs.img 0x08000000+16K=vectors.bin --board PYBV11\n"
    "  molt dfu read 0x08020000+32 -o - | xxd\n"
    "\n"
    "Keys of --json: target, files: [{file, bytes, pieces: [{address, size}]}].";

/* One output file and its places. */
struct group {
    const char *file;
    const char *place[CLI_MAX_OPERANDS];
    uint32_t count;
    struct molt_dfu_read *job;
    uint8_t *bytes; /* owned */
    uint32_t n;
};

struct plan {
    struct group group[CLI_MAX_OPERANDS + 1]; /* [0]: --output */
    uint32_t count;
    char *text[CLI_MAX_OPERANDS]; /* owned: copies of operands that are split */
    enum molt_dfu_read_format format;
    uint64_t limit;
};

/* ---- the command line ---- */

static int sort_operands(const struct cli_args *args, int first, struct plan *plan)
{
    plan->count = 1;
    plan->group[0].file = cli_option(args, "output");
    for (int i = first; i < args->operand_count; i++) {
        const char *file;
        plan->text[i] = part_split(args->operand[i], &file);
        if (!plan->text[i]) {
            return cli_usage(args, "out of memory");
        }
        if (file && !file[0]) {
            return cli_usage(args, "'%s': expected PLACE=FILE", args->operand[i]);
        }
        struct group *group = file ? &plan->group[plan->count++] : &plan->group[0];
        group->file = file ? file : group->file;
        group->place[group->count++] = plan->text[i];
    }
    bool everything = first == args->operand_count;
    bool wanted = plan->group[0].count || everything;
    if (wanted != (plan->group[0].file != NULL)) {
        return wanted ? cli_usage(args, "where to? expected PLACE=FILE, or --output FILE")
                      : cli_usage(args, "--output %s: every place has its file already",
                                  plan->group[0].file);
    }
    return CLI_OK;
}

static int check_files(const struct cli_args *args, const struct plan *plan)
{
    struct molt_message message;
    for (uint32_t i = 0; i < plan->count; i++) {
        const char *file = plan->group[i].file;
        bool standard = file && strcmp(file, "-") == 0;
        if (standard && cli_has(args, "json")) {
            return cli_usage(args, "standard output is either the bytes or JSON");
        }
        for (uint32_t k = 0; file && k < i; k++) {
            if (plan->group[k].file && strcmp(plan->group[k].file, file) == 0) {
                return cli_usage(args, "%s: two outputs would go there; expected two files", file);
            }
        }
        if (file && !standard && !cli_has(args, "force") && access(file, F_OK) == 0) {
            molt_fail(&message, MOLT_E_EXISTS, "%s: is there already; --force replaces it", file);
            return cli_fail(args, &message);
        }
    }
    return CLI_OK;
}

static int parse(const struct cli_args *args, int first, struct plan *plan)
{
    static const char *const names[] = {"", "bin", "hex", "dfu"};
    const char *format = cli_option(args, "format"), *limit = cli_option(args, "limit");
    if (limit && (!cli_parse_size(limit, UINT32_MAX, &plan->limit) || plan->limit == 0)) {
        return cli_usage(args, "--limit %s: expected a size, such as 64K", limit);
    }
    for (int i = 1; format && i < 4; i++) {
        if (strcmp(format, names[i]) == 0) {
            plan->format = (enum molt_dfu_read_format)i;
        }
    }
    if (format && plan->format == MOLT_DFU_READ_BY_NAME) {
        return cli_usage(args, "--format %s: expected bin, hex or dfu", format);
    }
    int code = sort_operands(args, first, plan);
    return code ? code : check_files(args, plan);
}

/* ---- reading ---- */

static int plan_groups(const struct cli_args *args, struct molt_dfu_session *session,
                       struct plan *plan, struct molt_message *message)
{
    int error = MOLT_OK;
    for (uint32_t i = 0; !error && i < plan->count; i++) {
        struct group *group = &plan->group[i];
        struct molt_dfu_read_request request = {.place = group->place,
                                                .count = group->count,
                                                .board = cli_option(args, "board"),
                                                .limit = (uint32_t)plan->limit};
        if (group->file) {
            error = molt_dfu_read_plan(&group->job, session, &request, message);
        }
    }
    return error;
}

static int read_groups(const struct cli_args *args, struct plan *plan, struct molt_message *message)
{
    struct molt_progress progress;
    int error = MOLT_OK;
    cli_progress_start(args, &progress);
    for (uint32_t i = 0; !error && i < plan->count; i++) {
        struct group *group = &plan->group[i];
        if (group->job) {
            error = molt_dfu_read_run(group->job, &progress, message);
            error = error ? error
                          : molt_dfu_read_file(group->job, plan->format, group->file, &group->bytes,
                                               &group->n, message);
        }
    }
    cli_progress_end(args);
    return error;
}

static int write_group(const struct cli_args *args, const struct group *group,
                       struct molt_message *message)
{
    if (strcmp(group->file, "-") == 0) {
        return fwrite(group->bytes, 1, group->n, stdout) == group->n && fflush(stdout) == 0
                   ? MOLT_OK
                   : molt_fail(message, MOLT_E_IO, "standard output: cannot be written");
    }
    return molt_file_write(group->file, group->bytes, group->n, 0666,
                           cli_has(args, "force") ? MOLT_FILE_REPLACE : MOLT_FILE_KEEP, message);
}

/* ---- words ---- */

static void print_text(const struct molt_dfu_session *session, const struct plan *plan)
{
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct group *group = &plan->group[i];
        uint32_t pieces;
        const struct molt_dfu_piece *piece =
            group->job ? molt_dfu_read_pieces(group->job, &pieces) : NULL;
        for (uint32_t k = 0; piece && k < pieces; k++) {
            char from[24];
            snprintf(from, sizeof from, " from 0x%08x", (unsigned)piece[k].address);
            fprintf(stderr, "%s: %u bytes%s\n", group->file, (unsigned)piece[k].size,
                    session->dfu.dfuse ? from : "");
        }
    }
}

static void print_json(const struct molt_dfu_session *session, const struct plan *plan)
{
    struct json_out json = {.out = stdout};
    json_open(&json, NULL, '{');
    json_text(&json, "target", session->name);
    json_open(&json, "files", '[');
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct group *group = &plan->group[i];
        uint32_t pieces;
        if (!group->job) {
            continue;
        }
        const struct molt_dfu_piece *piece = molt_dfu_read_pieces(group->job, &pieces);
        json_open(&json, NULL, '{');
        json_text(&json, "file", group->file);
        json_number(&json, "bytes", group->n);
        json_open(&json, "pieces", '[');
        for (uint32_t k = 0; k < pieces; k++) {
            json_open(&json, NULL, '{');
            json_number(&json, "address", piece[k].address);
            json_number(&json, "size", piece[k].size);
            json_close(&json, '}');
        }
        json_close(&json, ']');
        json_close(&json, '}');
    }
    json_close(&json, ']');
    json_close(&json, '}');
}

/* To the end of the memory, where nobody knows that end. */
static void warn_of_short_map(const struct molt_dfu_session *session, const struct plan *plan)
{
    const struct molt_dfu_alternate *alternate = session->alternate;
    bool open = false;
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct group *group = &plan->group[i];
        open = open || (group->job && group->count == 0);
        for (uint32_t k = 0; k < group->count; k++) {
            const char *place = group->place[k];
            open = open || (strcmp(place, "files") != 0 && !strpbrk(place, "+-"));
        }
    }
    if (open && alternate->has_map && alternate->map.truncated) {
        fprintf(stderr, "the device's memory map ends too early: there may be more behind that, "
                        "and ADDRESS+SIZE reads it\n");
    }
}

static int act(const struct cli_args *args, struct molt_dfu_session *session, struct plan *plan)
{
    struct molt_message message = {0};
    if (plan->limit && session->dfu.dfuse) {
        return cli_usage(args, "--limit is for a device without addresses; expected "
                               "ADDRESS+SIZE of this one");
    }
    int error = plan_groups(args, session, plan, &message);
    error = error ? error : read_groups(args, plan, &message);
    for (uint32_t i = 0; !error && i < plan->count; i++) {
        if (plan->group[i].job) {
            error = write_group(args, &plan->group[i], &message);
        }
    }
    if (error) {
        return cli_fail(args, &message);
    }
    warn_of_short_map(session, plan);
    if (cli_has(args, "json")) {
        print_json(session, plan);
    } else {
        print_text(session, plan);
    }
    return CLI_OK;
}

static void free_plan(struct plan *plan)
{
    for (uint32_t i = 0; i < plan->count; i++) {
        molt_dfu_read_free(plan->group[i].job);
        free(plan->group[i].bytes);
    }
    for (uint32_t i = 0; i < CLI_MAX_OPERANDS; i++) {
        free(plan->text[i]);
    }
    free(plan);
}

static int run(struct cli_args *args)
{
    int target = dfu_target_at(args), first = target < args->operand_count ? 1 : 0;
    struct molt_dfu_session *session = NULL;
    struct plan *plan = calloc(1, sizeof *plan);
    if (!plan) {
        return cli_usage(args, "out of memory");
    }
    int code = parse(args, first, plan);
    code = code ? code : dfu_open(args, target, NULL, &session);
    if (code == CLI_OK) {
        code = dfu_close(args, session, act(args, session, plan));
    }
    free_plan(plan);
    return code;
}

extern const struct cli_verb cli_verb_dfu_read;
const struct cli_verb cli_verb_dfu_read = {"dfu read",
                                           "[TARGET] [PLACE[=FILE]]...",
                                           "read flash, ranges or the files over USB",
                                           details,
                                           options,
                                           0,
                                           -1,
                                           run};
