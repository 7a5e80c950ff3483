/* molt dfu erase */
#include <string.h>

#include "cli/dfu_common.h"
#include "cli/dfu_stop.h"
#include "cli/dfu_words.h"
#include "cli/planprint.h"
#include "molt/ops/dfu_device.h"

static const struct cli_option options[] = {
    {"all", 0, NULL, "the chip's mass erase: everything"},
    {"whole-sectors", 'W', NULL, "round places outwards to whole sectors"},
    DFU_ROW_YES,
    {"dry-run", 'n', NULL, "print the plan, erase nothing"},
    DFU_ROW_BOARD,
    DFU_ROW_ALTERNATE,
    DFU_ROW_WAIT,
    {"json", 'j', NULL, "print one JSON object"},
    {0}};

static const char details[] =
    "PLACE is ADDRESS (the sector that begins there), ADDRESS+SIZE, ADDRESS-END (with its last\n"
    "byte), or files: the board's file system. A place has to be whole sectors; else it is "
    "refused\n"
    "with the sectors that it lies in, or with --whole-sectors rounded to them. Sectors that are\n"
    "blank are left alone, the others are read back: a boot loader does not say that a sector was\n"
    "write protected. --all, and a place that takes files with it, ask first.\n" DFU_TARGET_WORDS
    "\n\n"
    "  molt dfu erase 0x08004000 0x08008000+32K\n"
    "  molt dfu erase usb: files --board PYBV11\n"
    "  molt dfu erase --all --yes\n"
    "\n"
    "Keys of --json: target, mass_erase, plan: [{kind, what, offset, size, why}], sectors, bytes "
    "(in\n"
    "them), loses_files (that were not asked for), erased (false with --dry-run), verified.";

static void print_result(const struct cli_args *args, const struct molt_dfu_session *session,
                         const struct molt_dfu_erase *job, bool done)
{
    const struct molt_dfu_erased *erased = molt_dfu_erase_result(job);
    char size[16];
    if (cli_has(args, "json")) {
        struct json_out json = {.out = stdout};
        json_open(&json, NULL, '{');
        json_text(&json, "target", session->name);
        json_bool(&json, "mass_erase", cli_has(args, "all"));
        plan_json(&json, molt_dfu_erase_steps(job));
        json_number(&json, "sectors", erased->sectors);
        json_number(&json, "bytes", (int64_t)erased->bytes);
        json_bool(&json, "loses_files", erased->loses_files);
        json_bool(&json, "erased", done);
        json_bool(&json, "verified", erased->verified);
        json_close(&json, '}');
    } else if (done) {
        printf("erased%s: %u sector%s, %s\n",
               erased->verified ? " and verified" : ", not verified: it cannot be read back",
               erased->sectors, erased->sectors == 1 ? "" : "s", cli_size(erased->bytes, size));
        if (erased->kept_sectors) {
            printf("mboot kept the first %u of them, which are its own\n", erased->kept_sectors);
        }
    } else {
        printf("nothing was erased (--dry-run)\n");
    }
}

static int confirm(const struct cli_args *args, const struct molt_dfu_session *session,
                   const struct molt_dfu_erase *job)
{
    char question[sizeof session->name + 64];
    if (!cli_has(args, "all") && !molt_dfu_erase_result(job)->loses_files) {
        return CLI_OK;
    }
    snprintf(question, sizeof question, "%s: erase %s?", session->name,
             cli_has(args, "all") ? "everything on it" : "that, and files with it");
    return dfu_confirm(args, question);
}

static int erase(struct cli_args *args, struct molt_dfu_session *session,
                 struct molt_dfu_erase *job)
{
    struct molt_message message = {0};
    struct molt_progress progress;
    bool dry_run = cli_has(args, "dry-run");
    if (!cli_has(args, "json")) {
        plan_print(stdout, molt_dfu_erase_steps(job));
    }
    int code = dry_run ? CLI_OK : confirm(args, session, job);
    if (code == CLI_OK && !dry_run) {
        cli_progress_start(args, &progress);
        struct dfu_stop *stop = dfu_stop_begin(&progress);
        int error = molt_dfu_erase_run(job, &progress, &message);
        cli_progress_end(args);
        code = error ? cli_fail(args, &message) : CLI_OK;
        dfu_stop_end(stop);
    }
    if (code == CLI_OK) {
        print_result(args, session, job, !dry_run);
    }
    return code;
}

static int run(struct cli_args *args)
{
    struct molt_message message = {0};
    struct molt_dfu_session *session;
    struct molt_dfu_erase *job;
    int target = dfu_target_at(args), first = target < args->operand_count ? 1 : 0;
    struct molt_dfu_erase_request request = {.place = args->operand + first,
                                             .count = (uint32_t)(args->operand_count - first),
                                             .all = cli_has(args, "all"),
                                             .whole_sectors = cli_has(args, "whole-sectors"),
                                             .board = cli_option(args, "board")};
    if (request.all != (request.count == 0)) {
        return cli_usage(args, "expected places to erase, or --all without any");
    }
    int code = dfu_open(args, target, NULL, &session);
    if (code != CLI_OK) {
        return code;
    }
    int error = molt_dfu_erase_plan(&job, session, &request, &message);
    code = error ? cli_fail(args, &message) : erase(args, session, job);
    molt_dfu_erase_free(error ? NULL : job);
    return dfu_close(args, session, code);
}

extern const struct cli_verb cli_verb_dfu_erase;
const struct cli_verb cli_verb_dfu_erase = {"dfu erase",
                                            "[TARGET] PLACE...|--all",
                                            "erase sectors, the files, or everything over USB",
                                            details,
                                            options,
                                            0,
                                            -1,
                                            run};
