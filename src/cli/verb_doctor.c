#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/json.h"
#include "molt/ops/doctor.h"

static const struct cli_option options[] = {
    {"json", 'j', NULL, "print one JSON object"},
    {"variant", 0, "NAME", "of a board's folder: the variant that is built"},
    {"port", 0, "DIR", "of a board's folder elsewhere: where ports/esp32 is"},
    {"list", 0, NULL, "print the checks that are made, and nothing else"},
    {0}};

static const char details[] =
    "Looks for what keeps a firmware from booting, from being updated over the air, or from "
    "keeping\n"
    "its files, and prints for each the command that mends it. Nothing is changed.\n"
    "Exit code 0: nothing, or only what is odd. 1: something is wrong, or TARGET cannot be read.\n"
    "docs/doctor.md explains every check.\n"
    "  molt doctor firmware.bin\n"
    "  molt doctor --json dump.bin\n"
    "The folder of a MicroPython board (with an mpconfigboard.cmake) is taken too: the sdkconfig\n"
    "files in the order in which they are merged, what is set twice, and which partition table "
    "wins,\n"
    "whether it exists and fits.\n"
    "  molt doctor ports/esp32/boards/ESP32_GENERIC --variant OTA\n"
    "\n"
    "Keys of --json:\n"
    "  target, kind, chip: null when not known, findings: [{id, severity: \"wrong\" or \"odd\", "
    "text,\n"
    "  fix: null or a command}], left_out: findings over 64, wrong\n"
    "Of a board's folder: target, kind: \"board folder\", chip, variant, variants, port, "
    "fragments:\n"
    "  [file], twice: [{key, times, first, last: {file, line, value}}], table: null when it is one "
    "of\n"
    "  ESP-IDF's, table_set_by: \"file:line\", flash_size, findings, left_out, wrong";

/* ---- The list ---- */

static void print_list(bool as_json)
{
    struct json_out json = {.out = stdout};
    if (as_json) {
        json_open(&json, NULL, '[');
    }
    const struct molt_doctor_check *check;
    for (uint32_t i = 0; (check = molt_doctor_check(i)) != NULL; i++) {
        const char *severity = check->severity == MOLT_WRONG ? "wrong" : "odd";
        if (as_json) {
            json_open(&json, NULL, '{');
            json_text(&json, "id", check->id);
            json_text(&json, "severity", severity);
            json_text(&json, "text", check->text);
            json_close(&json, '}');
        } else {
            printf("%-22s %-5s  %s\n", check->id, severity, check->text);
        }
    }
    if (as_json) {
        json_close(&json, ']');
    }
}

/* ---- Findings ---- */

static void json_findings(struct json_out *json, const struct molt_doctor *doctor)
{
    json_open(json, "findings", '[');
    for (uint32_t i = 0; i < doctor->finding_count; i++) {
        const struct molt_doctor_finding *found = &doctor->finding[i];
        json_open(json, NULL, '{');
        json_text(json, "id", found->check->id);
        json_text(json, "severity", found->check->severity == MOLT_WRONG ? "wrong" : "odd");
        json_text(json, "text", found->finding.text);
        json_text(json, "fix", found->finding.fix[0] ? found->finding.fix : NULL);
        json_close(json, '}');
    }
    json_close(json, ']');
    json_number(json, "left_out", doctor->left_out);
    json_bool(json, "wrong", doctor->wrong);
}

static const char *word_of(enum molt_severity severity)
{
    if (!cli_colour()) {
        return severity == MOLT_WRONG ? "WRONG" : "odd";
    }
    return severity == MOLT_WRONG ? "\033[31mWRONG\033[0m" : "odd";
}

static void print_findings(const struct molt_doctor *doctor)
{
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < doctor->finding_count; i++) {
        const struct molt_doctor_finding *found = &doctor->finding[i];
        wrong += found->check->severity == MOLT_WRONG;
        printf("%s  %s: %s\n", word_of(found->check->severity), found->check->id,
               found->finding.text);
        if (found->finding.fix[0]) {
            printf("  fix: %s\n", found->finding.fix);
        }
    }
    if (doctor->left_out) {
        printf("%u findings more\n", doctor->left_out);
    }
    if (doctor->finding_count) {
        printf("%u wrong, %u odd\n", wrong, doctor->finding_count - wrong);
    } else {
        printf("nothing found\n");
    }
}

/* ---- A target ---- */

static int look_at_target(struct molt_doctor *doctor, const char *name, bool as_json,
                          struct molt_message *message)
{
    struct molt_target target;
    int error = molt_target_open(&target, name, message);
    if (error) {
        return error;
    }
    error = molt_doctor_target(doctor, &target, message);
    const char *chip = target.chip ? target.chip->name : NULL;
    if (!error && as_json) {
        struct json_out json = {.out = stdout};
        json_open(&json, NULL, '{');
        json_text(&json, "target", target.name);
        json_text(&json, "kind", molt_target_kind_name(target.kind));
        json_text(&json, "chip", chip);
        json_findings(&json, doctor);
        json_close(&json, '}');
    } else if (!error) {
        printf("%s: %s%s%s\n", target.name, molt_target_kind_name(target.kind), chip ? " for " : "",
               chip ? chip : "");
        print_findings(doctor);
    }
    struct molt_message closing = {0};
    if (molt_target_close(&target, &closing) && !error) {
        error = closing.error;
        *message = closing;
    }
    return error;
}

/* ---- A board's folder ---- */

static void json_setting(struct json_out *json, const struct molt_doctor_folder *board,
                         const char *key, const struct molt_doctor_setting *setting)
{
    json_open(json, key, '{');
    json_text(json, "file", board->fragment[setting->fragment]);
    json_number(json, "line", setting->line);
    json_text(json, "value", setting->value);
    json_close(json, '}');
}

static void json_folder(const struct molt_doctor *doctor, const struct molt_doctor_folder *board,
                        const char *name, const char *variant)
{
    struct json_out json = {.out = stdout};
    json_open(&json, NULL, '{');
    json_text(&json, "target", name);
    json_text(&json, "kind", "board folder");
    json_text(&json, "chip", board->idf_target[0] ? board->idf_target : NULL);
    json_text(&json, "variant", variant);
    json_text(&json, "variants", board->variants);
    json_text(&json, "port", board->port);
    json_open(&json, "fragments", '[');
    for (uint32_t i = 0; i < board->fragment_count; i++) {
        json_text(&json, NULL, board->fragment[i]);
    }
    json_close(&json, ']');
    json_open(&json, "twice", '[');
    for (uint32_t i = 0; i < board->twice_count; i++) {
        json_open(&json, NULL, '{');
        json_text(&json, "key", board->twice[i].key);
        json_number(&json, "times", board->twice[i].times);
        json_setting(&json, board, "first", &board->twice[i].first);
        json_setting(&json, board, "last", &board->twice[i].last);
        json_close(&json, '}');
    }
    json_close(&json, ']');
    json_text(&json, "table", board->csv[0] ? board->csv : NULL);
    json_text(&json, "table_set_by", board->csv_set_by[0] ? board->csv_set_by : NULL);
    json_number(&json, "flash_size", board->flash_size);
    json_findings(&json, doctor);
    json_close(&json, '}');
}

static void print_folder(const struct molt_doctor *doctor, const struct molt_doctor_folder *board,
                         const char *name, const char *variant)
{
    printf("%s: board folder%s%s%s%s\n", name, board->idf_target[0] ? " for " : "",
           board->idf_target, variant ? ", variant " : "", variant ? variant : "");
    if (board->variants[0] && !variant) {
        printf("variants: %s (--variant NAME looks at one)\n", board->variants);
    }
    printf("sdkconfig files, in the order in which they are merged (the later one counts):\n");
    for (uint32_t i = 0; i < board->fragment_count; i++) {
        printf("  %2u  %s\n", i + 1, board->fragment[i]);
    }
    if (board->twice_count) {
        printf("set more than once:\n");
    }
    for (uint32_t i = 0; i < board->twice_count; i++) {
        const struct molt_doctor_twice *twice = &board->twice[i];
        printf("  %s\n      %s:%u: %s\n      %s:%u: %s (counts)\n", twice->key,
               board->fragment[twice->first.fragment], twice->first.line, twice->first.value,
               board->fragment[twice->last.fragment], twice->last.line, twice->last.value);
    }
    printf("table  %s%s%s\n", board->csv[0] ? board->csv : "one of ESP-IDF's own",
           board->csv_set_by[0] ? ", set by " : "", board->csv_set_by);
    printf("flash  %u MB\n", board->flash_size >> 20);
    print_findings(doctor);
}

static int look_at_folder(struct molt_doctor *doctor, const struct cli_args *args,
                          struct molt_message *message)
{
    const char *name = args->operand[0], *variant = cli_option(args, "variant");
    struct molt_doctor_folder *board = calloc(1, sizeof *board);
    variant = variant && variant[0] ? variant : NULL;
    if (!board) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    int error =
        molt_doctor_board_folder(doctor, board, name, variant, cli_option(args, "port"), message);
    if (!error && cli_has(args, "json")) {
        json_folder(doctor, board, name, variant);
    } else if (!error) {
        print_folder(doctor, board, name, variant);
    }
    free(board);
    return error;
}

static int run(struct cli_args *args)
{
    struct molt_message message = {0};
    bool as_json = cli_has(args, "json");
    if (cli_has(args, "list")) {
        print_list(as_json);
        return CLI_OK;
    }
    if (args->operand_count == 0) {
        return cli_usage(args,
                         "expected a firmware file, a dump, sim:BOARD or the folder of a board");
    }
    struct molt_doctor *doctor = calloc(1, sizeof *doctor);
    if (!doctor) {
        molt_fail(&message, MOLT_E_NO_MEMORY, "out of memory");
        return cli_fail(args, &message);
    }
    bool folder = molt_doctor_is_board(args->operand[0]);
    int error = folder ? look_at_folder(doctor, args, &message)
                       : look_at_target(doctor, args->operand[0], as_json, &message);
    int code = doctor->wrong ? CLI_FAILED : CLI_OK;
    free(doctor);
    return error ? cli_fail(args, &message) : code;
}

extern const struct cli_verb cli_verb_doctor;
const struct cli_verb cli_verb_doctor = {
    "doctor",
    "TARGET",
    "find what keeps a firmware from booting or from updates, and how to mend it",
    details,
    options,
    0,
    1,
    run};
