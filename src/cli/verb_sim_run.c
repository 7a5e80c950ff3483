#define _GNU_SOURCE /* readlink */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/json.h"
#include "cli/share.h"
#include "molt/host/simrun.h"

static const struct cli_option options[] = {
    {"cut", 0, "N", "cut the power at operation N of flash and store, counted from 1"},
    {"cut-kind", 0, "KIND", "how much of that operation happens: before (default), after, torn"},
    {"boots", 0, "N", "stop after N boots (default 8)"},
    {"time-scale", 0, "N", "let the watchdog run N times faster"},
    {"clock", 0, "SECONDS", "the device's clock at power-on, since 1970, or 'unset': 2000-01-01"},
    {"fs", 0, "KIND", "what a blank 'vfs' is formatted with: littlefs (default) or fat"},
    {"seed", 0, "N", "choose other torn and weak cells"},
    {"micropython", 0, "PROGRAM", "the interpreter (default: the one that the build fetched)"},
    {"quiet", 'q', NULL, "say nothing about boots and resets"},
    {"json", 'j', NULL, "afterwards print one JSON object to standard error"},
    {0}};

static const char details[] =
    "Boots the board as its bootloader would and runs MicroPython as its application, over the\n"
    "board's own flash and files: boot.py, then main.py. With SCRIPT, a file of this computer, "
    "that\n"
    "runs in the place of the first boot's main.py. A reset, an exception of the watchdog or an\n"
    "abort of the chip boots again. The end of the program ends the run, with its exit code.\n"
    "At a cut the interpreter is killed, and the exit code is 3.\n"
    "Standard output is the program's own.\n"
    "\n"
    "Keys of --json:\n"
    "  end: \"exit\", \"cut\", \"boots\" or \"none\"\n"
    "  exit_code, boots, operations, running, firmware_sha256, why\n"
    "  killed: null or {pid, genuine, executable, native_code, modules}";

static void print_event(void *context, const char *text)
{
    (void)context;
    fprintf(stderr, "[board] %s\n", text);
}

static int parse_cut_kind(const char *text, enum molt_cut *cut)
{
    static const struct {
        const char *name;
        enum molt_cut cut;
    } kinds[] = {{"before", MOLT_CUT_BEFORE}, {"after", MOLT_CUT_AFTER}, {"torn", MOLT_CUT_TORN}};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(text, kinds[i].name) == 0) {
            *cut = kinds[i].cut;
            return 0;
        }
    }
    return -1;
}

static int number(struct cli_args *args, const char *name, uint64_t limit, uint64_t *value)
{
    const char *text = cli_option(args, name);
    *value = 0;
    if (text && (!cli_parse_size(text, limit, value) || *value == 0)) {
        return cli_usage(args, "--%s %s: expected a number from 1 to %llu", name, text,
                         (unsigned long long)limit);
    }
    return CLI_OK;
}

/* Where an ESP32's clock starts when nobody sets it: 2000-01-01. */
#define CLOCK_UNSET 946684800

static int parse_clock(struct cli_args *args, struct molt_simrun_options *run)
{
    const char *text = cli_option(args, "clock");
    uint64_t seconds = 0;
    if (text && strcmp(text, "unset") == 0) {
        seconds = CLOCK_UNSET;
    } else if (text && (!cli_parse_size(text, UINT32_MAX, &seconds) || seconds < CLOCK_UNSET)) {
        return cli_usage(args, "--clock %s: expected 'unset', or seconds since 1970 from %d", text,
                         CLOCK_UNSET);
    }
    run->clock = (int64_t)seconds;
    return CLI_OK;
}

static int parse(struct cli_args *args, struct molt_simrun_options *run)
{
    uint64_t boots, scale;
    int code = number(args, "cut", UINT32_MAX, &run->cut_at);
    code = code ? code : number(args, "boots", 1000000, &boots);
    code = code ? code : number(args, "time-scale", 1000000, &scale);
    code = code ? code : number(args, "seed", UINT32_MAX, &run->seed);
    code = code ? code : parse_clock(args, run);
    if (code) {
        return code;
    }
    const char *fs = cli_option(args, "fs");
    if (fs && strcmp(fs, "littlefs") != 0 && strcmp(fs, "fat") != 0) {
        return cli_usage(args, "--fs %s: expected littlefs or fat", fs);
    }
    run->fat = fs && strcmp(fs, "fat") == 0;
    run->boots = (uint32_t)boots;
    run->time_scale = (uint32_t)scale;
    run->cut = MOLT_CUT_BEFORE;
    const char *kind = cli_option(args, "cut-kind");
    if (kind && !run->cut_at) {
        return cli_usage(args, "--cut-kind needs --cut");
    }
    if (kind && parse_cut_kind(kind, &run->cut) != 0) {
        return cli_usage(args, "--cut-kind %s: expected before, after or torn", kind);
    }
    run->script = args->operand_count > 1 ? args->operand[1] : NULL;
    run->event = cli_has(args, "quiet") ? NULL : print_event;
    return CLI_OK;
}

static void print_json(const struct molt_simrun_result *result)
{
    static const char *const ends[] = {"exit", "cut", "boots", "none"};
    char hex[65];
    struct json_out json = {.out = stderr};
    for (int i = 0; i < 32; i++) {
        snprintf(hex + 2 * i, 3, "%02x", result->boot.image_sha256[i]);
    }
    json_open(&json, NULL, '{');
    json_text(&json, "end", ends[result->end]);
    json_number(&json, "exit_code", result->exit_code);
    json_number(&json, "boots", result->boots);
    json_number(&json, "operations", (int64_t)result->operations);
    json_text(&json, "running", result->boot.label);
    json_text(&json, "firmware_sha256", hex);
    json_text(&json, "why", result->boot.why);
    if (result->killed_pid) {
        json_open(&json, "killed", '{');
        json_number(&json, "pid", result->killed_pid);
        json_bool(&json, "genuine", result->genuine);
        json_text(&json, "executable", result->executable);
        json_bool(&json, "native_code", result->native_code);
        json_text(&json, "modules", result->modules_loaded);
        json_close(&json, '}');
    } else {
        json_nothing(&json, "killed");
    }
    json_close(&json, '}');
    fputc('\n', stderr);
}

/* What the person is told about the end, and the exit code. */
static int conclude(struct cli_args *args, const struct molt_simrun_options *run,
                    const struct molt_simrun_result *result)
{
    struct molt_message message = {0};
    switch (result->end) {
    case MOLT_SIMRUN_EXIT: return result->exit_code;
    case MOLT_SIMRUN_CUT:
        molt_fail(&message, MOLT_E_POWER, "%s: power was cut at operation %llu, while %s",
                  args->operand[0], (unsigned long long)run->cut_at,
                  result->killed_pid ? "MicroPython ran" : "the bootloader ran");
        break;
    case MOLT_SIMRUN_BOOTS:
        molt_fail(&message, MOLT_E_TIMEOUT, "%s: %u boots and no end; --boots allows more",
                  args->operand[0], result->boots);
        break;
    case MOLT_SIMRUN_NO_BOOT:
    default:
        molt_fail(&message, MOLT_E_NOT_FOUND,
                  "%s: nothing boots: %s; 'molt ota status %s' tells more", args->operand[0],
                  result->boot.why, args->operand[0]);
        break;
    }
    return cli_fail(args, &message);
}

static int run_verb(struct cli_args *args)
{
    struct molt_message message = {0};
    struct molt_simrun_options run = {0};
    struct molt_simrun_result result;
    char interpreter[CLI_SHARE_PATH], modules[CLI_SHARE_PATH];
    int code = parse(args, &run);
    if (code != CLI_OK) {
        return code;
    }
    const char *folder = args->operand[0];
    if (strncmp(folder, "sim:", 4) != 0) {
        return cli_usage(args, "%s: expected sim:FOLDER, a simulated board", folder);
    }
    run.micropython = cli_option(args, "micropython");
    if (!run.micropython) {
        run.micropython = cli_share_micropython(interpreter);
    }
    run.modules = cli_share_port("sim", modules);
    struct molt_board *board = calloc(1, sizeof *board);
    if (!board) {
        molt_fail(&message, MOLT_E_NO_MEMORY, "out of memory");
        return cli_fail(args, &message);
    }
    if (molt_board_open(board, folder + 4, &message) != MOLT_OK) {
        free(board);
        return cli_fail(args, &message);
    }
    int status = molt_simrun(board, &run, &result, &message);
    struct molt_message closing = {0};
    int closed = molt_board_close(board, &closing);
    free(board);
    if (status != MOLT_OK) {
        return cli_fail(args, &message);
    }
    if (closed != MOLT_OK) {
        return cli_fail(args, &closing);
    }
    if (cli_has(args, "json")) {
        print_json(&result);
    }
    return conclude(args, &run, &result);
}

extern const struct cli_verb cli_verb_sim_run;
const struct cli_verb cli_verb_sim_run = {"sim run",
                                          "sim:FOLDER [SCRIPT]",
                                          "run a simulated board with a genuine MicroPython",
                                          details,
                                          options,
                                          1,
                                          2,
                                          run_verb};
