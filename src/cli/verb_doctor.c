#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/json.h"
#include "molt/ops/doctor.h"

static const struct cli_option options[] = {
    {"json", 'j', NULL, "print one JSON object"},
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
    "\n"
    "Keys of --json:\n"
    "  target, kind, chip: null when not known, findings: [{id, severity: \"wrong\" or \"odd\", "
    "text,\n"
    "  fix: null or a command}], left_out: findings over 64, wrong";

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

static int run(struct cli_args *args)
{
    struct molt_message message = {0};
    bool as_json = cli_has(args, "json");
    if (cli_has(args, "list")) {
        print_list(as_json);
        return CLI_OK;
    }
    if (args->operand_count == 0) {
        return cli_usage(args, "expected a target: a firmware file, a dump, sim:BOARD");
    }
    struct molt_doctor *doctor = calloc(1, sizeof *doctor);
    if (!doctor) {
        molt_fail(&message, MOLT_E_NO_MEMORY, "out of memory");
        return cli_fail(args, &message);
    }
    int error = look_at_target(doctor, args->operand[0], as_json, &message);
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
