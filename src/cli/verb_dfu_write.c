/* molt dfu write, molt dfu verify */
#include <stdlib.h>
#include <string.h>

#include "cli/dfu_common.h"
#include "cli/dfu_rescue.h"
#include "cli/dfu_stop.h"
#include "cli/dfu_words.h"
#include "cli/planprint.h"
#include "molt/ops/dfu_image.h"
#include "molt/ops/dfu_write.h"

#define ROW_ADDRESS                                                                                \
    {                                                                                              \
        "address", 'A', "ADDRESS", "where a raw file goes: 0x08000000"                             \
    }

static const struct cli_option write_options[] = {
    ROW_ADDRESS,
    DFU_ROW_BOARD,
    {"overwrite-files", 0, NULL, "also when the board's file system is lost"},
    {"all", 0, NULL, "write sectors as well that hold the file's bytes already"},
    {"no-verify", 0, NULL, "do not read back what was written"},
    {"early-poll", 0, NULL, "do not wait for as long as the device asks: twice as fast on STM32F4"},
    {"mass-erase", 'm', NULL, "erase the whole chip, not the sectors in question"},
    {"yes", 'y', NULL, "with --mass-erase: also when files are lost"},
    {"entry", 'e', "ADDRESS", "start there; default: at the file's vector table"},
    {"stay", 0, NULL, "stay in DFU mode, start nothing"},
    {"back", 0, "SECONDS", "wait after leaving until the board is on the bus again"},
    {"force", 'f', NULL, "a file for another device or with a wrong CRC, memory without erase"},
    {"dry-run", 'n', NULL, "print the plan, write nothing"},
    DFU_ROW_ALTERNATE,
    DFU_ROW_WAIT,
    {"json", 'j', NULL, "print one JSON object"},
    {0}};

static const char write_details[] =
    "FILE is a .dfu file (ST's DfuSe, or plain DFU), an ELF, Intel HEX, or a raw file with\n"
    "--address; each also compressed with gzip; - is standard input.\n"
    "Everything is checked before anything is erased: CRC, ids, every byte against the device's\n"
    "memory map, read protection, the board's file system. Sectors that hold the file's bytes\n"
    "already are left alone, each other one is erased once; what it holds besides is read before\n"
    "and written back. All that is written is read back. Then the board leaves DFU mode and runs.\n"
    "\n"
    "The vector table is erased first and written last: cut short, no half of a firmware starts,\n"
    "and the same command again repairs. Ctrl-C ends at the next safe point.\n"
    "\n"
    "A flat .bin fills the gap in which many boards keep their files (--board tells which), and "
    "is\n"
    "refused while files are there: write the .dfu or the ELF, or add "
    "--overwrite-files.\n" DFU_TARGET_WORDS "\n\n"
    "  molt dfu write firmware.dfu\n"
    "  molt dfu write firmware.elf usb:,serial=207A3884\n"
    "  molt dfu write app.bin --address 0x08020000 --stay\n"
    "\n"
    "Keys of --json: target, file, plan [{kind, what, offset, size, why}], written (false with\n"
    "--dry-run), sectors, sectors_unchanged, sectors_erased, mass_erased, bytes_given,\n"
    "bytes_written, bytes_kept, bytes_verified, verified, transfers, left, gone, back, entry "
    "(null:\n"
    "nothing was started), rescue (a file, null when nothing was lost).";

static const struct cli_option verify_options[] = {
    ROW_ADDRESS,
    {"force", 'f', NULL, "also a file for another device, or with a wrong CRC"},
    DFU_ROW_ALTERNATE,
    DFU_ROW_WAIT,
    {"json", 'j', NULL, "print one JSON object"},
    {0}};

static const char verify_details[] =
    "Compares every byte of FILE with the device, which is not changed, and ends at the first\n"
    "difference with exit code 1. FILE as for 'molt dfu write'.\n" DFU_TARGET_WORDS "\n\n"
    "  molt dfu verify firmware.dfu\n"
    "  molt dfu verify backup.bin --address 0x08000000 usb:,path=1-2.3\n"
    "\n"
    "Keys of --json: target, file, equal, bytes (compared), address, file_byte, device_byte (null\n"
    "when equal).";

/* ---- Operands ---- */

/* FILE and TARGET in either order. -1: both are the same kind. */
static int file_at(const struct cli_args *args)
{
    bool first = dfu_is_target(args->operand[0]);
    if (args->operand_count == 1) {
        return first ? -1 : 0;
    }
    return first == dfu_is_target(args->operand[1]) ? -1 : first;
}

static int parse_address(const struct cli_args *args, const char *name, bool *has, uint32_t *value)
{
    const char *text = cli_option(args, name);
    uint64_t number = 0;
    *has = text != NULL;
    *value = 0;
    if (text && !cli_parse_size(text, 0xFFFFFFFFu, &number)) {
        return cli_usage(args, "--%s %s: expected an address like 0x08000000", name, text);
    }
    *value = (uint32_t)number;
    return CLI_OK;
}

/* Loads the file and opens the device. CLI_OK, or what was printed. */
static int load(const struct cli_args *args, struct molt_dfu_image *image,
                const struct molt_progress *progress, struct molt_dfu_session **session)
{
    struct molt_message message = {0};
    struct molt_dfu_image_request request = {.accept_bad_crc = cli_has(args, "force"),
                                             .accept_option = "--force"};
    int file = file_at(args);
    *session = NULL;
    if (file < 0) {
        return cli_usage(args, "expected one FILE, and a TARGET (usb:..., sim:FOLDER) or none");
    }
    int code = parse_address(args, "address", &request.has_address, &request.address);
    if (code != CLI_OK) {
        return code;
    }
    request.path = args->operand[file];
    if (molt_dfu_image_load(image, &request, &message) < 0) {
        return cli_fail(args, &message);
    }
    code = dfu_open(args, args->operand_count == 2 ? 1 - file : 1, progress, session);
    if (code != CLI_OK) {
        molt_dfu_image_free(image);
    }
    return code;
}

/* ---- Write ---- */

static int request_of(const struct cli_args *args, struct molt_dfu_write_request *request)
{
    bool back = cli_has(args, "back");
    *request = (struct molt_dfu_write_request){
        .board = cli_option(args, "board"),
        .overwrite_files = cli_has(args, "overwrite-files") ||
                           (cli_has(args, "mass-erase") && cli_has(args, "yes")),
        .all = cli_has(args, "all"),
        .no_verify = cli_has(args, "no-verify"),
        .mass_erase = cli_has(args, "mass-erase"),
        .force = cli_has(args, "force"),
        .stay = cli_has(args, "stay"),
    };
    int code = dfu_seconds(args, "back", 0, &request->wait_ms);
    if (code != CLI_OK) {
        return code;
    }
    if (request->stay && (back || cli_has(args, "entry"))) {
        return cli_usage(args, "--stay starts nothing: without --entry and --back");
    }
    return parse_address(args, "entry", &request->has_entry, &request->entry);
}

static void print_json(const struct cli_args *args, const struct molt_dfu_session *session,
                       const struct molt_dfu_write *job, bool written, const char *rescue)
{
    const struct molt_dfu_write_result *result = molt_dfu_write_result(job);
    struct json_out json = {.out = stdout};
    json_open(&json, NULL, '{');
    json_text(&json, "target", session->name);
    json_text(&json, "file", args->operand[file_at(args)]);
    plan_json(&json, molt_dfu_write_steps(job));
    json_bool(&json, "written", written);
    json_number(&json, "sectors", result->sectors);
    json_number(&json, "sectors_unchanged", result->unchanged);
    json_number(&json, "sectors_erased", result->erased);
    json_bool(&json, "mass_erased", result->mass_erased);
    json_number(&json, "bytes_given", (int64_t)result->bytes_given);
    json_number(&json, "bytes_written", (int64_t)result->bytes_written);
    json_number(&json, "bytes_kept", (int64_t)result->bytes_kept);
    json_number(&json, "bytes_verified", (int64_t)result->bytes_verified);
    json_bool(&json, "verified", result->verified);
    json_number(&json, "transfers", result->transfers);
    json_bool(&json, "left", result->left);
    json_bool(&json, "gone", result->gone);
    json_bool(&json, "back", result->back);
    if (result->left && result->has_entry) {
        json_number(&json, "entry", result->entry);
    } else {
        json_nothing(&json, "entry");
    }
    json_text(&json, "rescue", rescue);
    json_close(&json, '}');
}

static void print_summary(const struct molt_dfu_write *job)
{
    const struct molt_dfu_write_result *result = molt_dfu_write_result(job);
    char size[16];
    if (molt_dfu_write_is_unchanged(job)) {
        printf("nothing to write: the device has all of it");
    } else if (result->sectors == 0) { /* a device without addresses */
        printf("wrote %s, %s", cli_size(result->bytes_written, size),
               result->verified ? "verified" : "not verified");
    } else {
        printf("%s%u sectors, left %u alone, wrote %s, %s",
               result->mass_erased ? "erased everything, " : "erased ", result->erased,
               result->unchanged, cli_size(result->bytes_written, size),
               result->verified ? "verified" : "not verified");
    }
    if (result->left && result->has_entry) {
        printf("; started at 0x%08x%s", result->entry, result->back ? ", is on the bus again" : "");
    } else if (result->left) {
        printf("; left DFU mode");
    }
    putchar('\n');
}

static int write_job(struct cli_args *args, struct molt_dfu_session *session,
                     struct molt_dfu_write *job, const struct molt_progress *progress)
{
    struct molt_message message = {0};
    bool dry_run = cli_has(args, "dry-run"), json = cli_has(args, "json");
    char *rescue = NULL;
    if (!json) {
        plan_print(stdout, molt_dfu_write_steps(job));
        fflush(stdout);
    }
    int error = dry_run ? MOLT_OK : molt_dfu_write_run(job, progress, &message);
    cli_progress_end(args);
    if (error) {
        cli_fail(args, &message);
        rescue = dfu_save_rescue(args, job);
    }
    if (json) {
        print_json(args, session, job, !error && !dry_run, rescue);
    } else if (dry_run) {
        printf("nothing was written (--dry-run)\n");
    } else if (!error) {
        print_summary(job);
    }
    free(rescue);
    return error ? CLI_FAILED : CLI_OK;
}

static int run_write(struct cli_args *args)
{
    struct molt_message message = {0};
    struct molt_dfu_write_request request;
    struct molt_dfu_image image;
    struct molt_dfu_session *session;
    struct molt_dfu_write *job;
    struct molt_progress progress;
    int code = request_of(args, &request);
    if (code != CLI_OK) {
        return code;
    }
    cli_progress_start(args, &progress);
    struct dfu_stop *stop = dfu_stop_begin(&progress);
    code = load(args, &image, &progress, &session);
    if (code != CLI_OK) {
        dfu_stop_end(stop);
        return code;
    }
    request.image = &image;
    if (cli_has(args, "early-poll")) {
        molt_dfu_session_poll_early(session);
    }
    int error = molt_dfu_write_plan(&job, session, &request, &progress, &message);
    cli_progress_end(args);
    if (error) {
        code = cli_fail(args, &message);
    } else {
        code = write_job(args, session, job, &progress);
        molt_dfu_write_free(job);
    }
    code = dfu_close(args, session, code);
    molt_dfu_image_free(&image);
    fflush(stdout);
    dfu_stop_end(stop);
    return code;
}

/* ---- Verify ---- */

static void print_verified(const struct cli_args *args, const struct molt_dfu_session *session,
                           const struct molt_dfu_verify_result *result)
{
    struct json_out json = {.out = stdout};
    char size[16];
    if (!cli_has(args, "json")) {
        printf("equal: %s\n", cli_size(result->bytes, size));
        return;
    }
    json_open(&json, NULL, '{');
    json_text(&json, "target", session->name);
    json_text(&json, "file", args->operand[file_at(args)]);
    json_bool(&json, "equal", !result->differs);
    json_number(&json, "bytes", (int64_t)result->bytes);
    if (result->differs) {
        json_number(&json, "address", result->address);
        json_number(&json, "file_byte", result->file);
        json_number(&json, "device_byte", result->device);
    } else {
        json_nothing(&json, "address");
        json_nothing(&json, "file_byte");
        json_nothing(&json, "device_byte");
    }
    json_close(&json, '}');
}

static int run_verify(struct cli_args *args)
{
    struct molt_message message = {0};
    struct molt_dfu_image image;
    struct molt_dfu_session *session;
    struct molt_dfu_verify_result result;
    struct molt_progress progress;
    cli_progress_start(args, &progress);
    int code = load(args, &image, &progress, &session);
    if (code != CLI_OK) {
        return code;
    }
    struct molt_dfu_verify_request request = {.image = &image, .force = cli_has(args, "force")};
    int error = molt_dfu_verify(session, &request, &result, &progress, &message);
    cli_progress_end(args);
    if (!error || (result.differs && cli_has(args, "json"))) {
        print_verified(args, session, &result);
    }
    code = error ? cli_fail(args, &message) : CLI_OK;
    code = dfu_close(args, session, code);
    molt_dfu_image_free(&image);
    return code;
}

extern const struct cli_verb cli_verb_dfu_write, cli_verb_dfu_verify;
const struct cli_verb cli_verb_dfu_write = {"dfu write",
                                            "FILE [TARGET]",
                                            "write firmware over USB, verify it, start it",
                                            write_details,
                                            write_options,
                                            1,
                                            2,
                                            run_write};
const struct cli_verb cli_verb_dfu_verify = {"dfu verify",
                                             "FILE [TARGET]",
                                             "compare a file with a device over USB",
                                             verify_details,
                                             verify_options,
                                             1,
                                             2,
                                             run_verify};
