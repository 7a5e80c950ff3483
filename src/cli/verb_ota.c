#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/planprint.h"
#include "molt/ops/bootchoice.h"

static const struct cli_option status_options[] = {{"json", 'j', NULL, "print one JSON object"},
                                                   {0}};
static const struct cli_option change_options[] = {
    {"dry-run", 'n', NULL, "print the plan, write nothing"}, {0}};

static const char status_details[] =
    "Shows what runs, what boots next and why, both otadata records, the slots and the release "
    "that\n"
    "belongs to each, where the next update goes, and what is wrong, with what to do about it.\n"
    "What runs is known of boards; of a file it is what would boot.\n"
    "A table without otadata has no records; what boots then is said all the same.\n"
    "Exit code 0: shown, nothing wrong. 1: cannot be read, or something is wrong.\n"
    "\n"
    "Keys of --json (partitions by name; null = none):\n"
    "  target, running, running_known, trial, rollback, otadata_offset (null = none)\n"
    "  boots_next, chosen, why: \"record\", \"blank\" or \"crc\", record: 0, 1 or null\n"
    "  next_update, update (the last one, in words), update_phase (number of docs/spec/store.md)\n"
    "  candidate: release of a files-only update that is not confirmed yet\n"
    "  records: [{sector, seq, state, slot, blank, crc_ok, usable, meaning}]\n"
    "  slots: [{name, number, offset, size, empty, bootable, error, message, release}]\n"
    "  findings: [{severity: \"odd\" or \"wrong\", text}], wrong";

static const char set_boot_details[] =
    "The slot boots next, as a trial where the bootloader can roll back. The records are healed\n"
    "first, so that a confirmed one always leads back to what runs; a second set-boot changes\n"
    "nothing, and one to the running slot takes a pending switch back. Refused: slots without an\n"
    "image that starts, and any switch while the running firmware is on trial.";

static const char confirm_details[] =
    "Marks the firmware that runs as good, so that it is no longer rolled back.";

static const char invalidate_details[] =
    "No record names the slot any more: those that do are marked INVALID, after the other way to\n"
    "boot is made sure of. Refused for the last app that boots and, on a board, for the one that\n"
    "runs (that is a rollback). The app itself stays, and a bootloader whose choice does not load\n"
    "may still fall back to it: 'molt erase' takes it away.";

static const char rollback_details[] =
    "Gives the firmware that runs up: the other confirmed one (or factory) boots next.";

/* ---- Status ---- */

static json_t *label_or_null(const struct molt_boot_state *state, int number)
{
    const struct molt_boot_slot *slot = molt_boot_slot(state, number);
    return slot ? json_string(slot->label) : json_null();
}

static json_t *json_records(const struct molt_boot_state *state)
{
    json_t *list = json_array();
    for (int i = 0; i < 2 && state->has_otadata; i++) {
        const struct molt_otadata_record *r = &state->otadata.record[i];
        char words[100];
        molt_boot_record_words(state, i, words, sizeof words);
        json_array_append_new(
            list, json_pack("{s:i,s:I,s:I,s:o,s:b,s:b,s:b,s:s}", "sector", i, "seq",
                            (json_int_t)r->seq, "state", (json_int_t)r->state, "slot",
                            label_or_null(state, molt_otadata_slot_of(r, &state->facts)), "blank",
                            r->blank, "crc_ok", r->crc_ok, "usable", r->usable, "meaning", words));
    }
    return list;
}

static json_t *json_slots(const struct molt_boot_state *state)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < state->slot_count; i++) {
        const struct molt_boot_slot *slot = &state->slot[i];
        json_t *number = slot->number >= 0 ? json_integer(slot->number) : json_null();
        json_t *message = slot->error ? json_string(molt_strerror(slot->error)) : json_null();
        json_t *release = slot->release[0] ? json_string(slot->release) : json_null();
        json_array_append_new(list,
                              json_pack("{s:s,s:o,s:I,s:I,s:b,s:b,s:i,s:o,s:o}", "name",
                                        slot->label, "number", number, "offset",
                                        (json_int_t)slot->offset, "size", (json_int_t)slot->size,
                                        "empty", slot->empty, "bootable", slot->bootable, "error",
                                        slot->error, "message", message, "release", release));
    }
    return list;
}

static int print_json(const struct molt_boot_state *state, const struct molt_target *target)
{
    static const char *const why[] = {
        [MOLT_WHY_RECORD] = "record", [MOLT_WHY_BLANK] = "blank", [MOLT_WHY_NO_GOOD_CRC] = "crc"};
    json_t *root = json_object(), *findings = json_array(), *name = json_string(target->name);
    json_object_set_new(root, "target", name ? name : json_null());
    json_object_set_new(root, "running", label_or_null(state, state->running));
    json_object_set_new(root, "running_known", json_boolean(state->running_known));
    json_object_set_new(root, "trial", json_boolean(state->trial));
    json_object_set_new(root, "rollback",
                        state->is_board ? json_boolean(state->facts.rollback) : json_null());
    json_object_set_new(root, "otadata_offset",
                        state->has_otadata ? json_integer(state->otadata_offset) : json_null());
    json_object_set_new(root, "boots_next", label_or_null(state, state->next));
    json_object_set_new(root, "chosen", label_or_null(state, state->choice.slot));
    json_object_set_new(root, "why", json_string(why[state->choice.why]));
    json_object_set_new(root, "record",
                        state->choice.record >= 0 ? json_integer(state->choice.record)
                                                  : json_null());
    json_object_set_new(root, "next_update", label_or_null(state, state->next_update));
    json_object_set_new(root, "update",
                        state->update_words[0] ? json_string(state->update_words) : json_null());
    json_object_set_new(root, "update_phase",
                        state->update_words[0] ? json_integer(state->update_phase) : json_null());
    json_object_set_new(root, "candidate",
                        state->candidate[0] ? json_string(state->candidate) : json_null());
    json_object_set_new(root, "records", json_records(state));
    json_object_set_new(root, "slots", json_slots(state));
    for (uint32_t i = 0; i < state->finding_count; i++) {
        const struct molt_finding *f = &state->finding[i];
        json_array_append_new(findings, json_pack("{s:s,s:s}", "severity",
                                                  f->severity == MOLT_WRONG ? "wrong" : "odd",
                                                  "text", f->text));
    }
    json_object_set_new(root, "findings", findings);
    json_object_set_new(root, "wrong", json_boolean(state->wrong));
    int failed = json_dumpf(root, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(root);
    return failed ? CLI_FAILED : CLI_OK;
}

static void print_why(const struct molt_boot_state *state)
{
    const struct molt_otadata_choice *choice = &state->choice;
    printf("boots next   %s: ", molt_boot_label(state, state->next));
    if (!state->has_otadata) {
        printf("the table has no otadata, so there is nothing to choose by\n");
        return;
    }
    if (choice->why == MOLT_WHY_RECORD) {
        printf("record %d has the highest seq that counts (%u)", choice->record,
               state->otadata.record[choice->record].seq);
    } else {
        printf("%s, so %s",
               choice->why == MOLT_WHY_BLANK ? "no record counts" : "no record has a right CRC",
               choice->slot == MOLT_OTADATA_FACTORY ? "factory" : "the first slot");
    }
    printf(state->next == choice->slot ? "\n" : ", but %s does not start\n",
           molt_boot_label(state, choice->slot));
}

static void print_slots(const struct molt_boot_state *state)
{
    printf("\nslots\n");
    for (uint32_t i = 0; i < state->slot_count; i++) {
        const struct molt_boot_slot *slot = &state->slot[i];
        char size[16];
        printf("  %-16s 0x%-8x %-9s %s%s%.16s\n", slot->label, slot->offset,
               cli_size(slot->size, size),
               slot->empty      ? "empty"
               : slot->bootable ? "whole"
                                : molt_strerror(slot->error),
               slot->release[0] ? ", release " : "", slot->release);
    }
}

static void print_text(const struct molt_boot_state *state, const struct molt_target *target)
{
    const char *trial = state->trial ? " (on trial)" : "";
    printf("%s: %s", target->name, molt_target_kind_name(target->kind));
    if (state->is_board) {
        printf(", bootloader %s rollback", state->facts.rollback ? "with" : "without");
    }
    printf("\nruns         %s%s%s\n", molt_boot_label(state, state->running), trial,
           state->running_known ? "" : " (not booted yet: what would boot)");
    print_why(state);
    printf("next update  %s\n", state->next_update == MOLT_OTADATA_NO_SLOT
                                    ? "nowhere"
                                    : molt_boot_label(state, state->next_update));
    if (state->has_otadata) {
        printf("\notadata at 0x%x\n", state->otadata_offset);
    }
    for (int i = 0; i < 2 && state->has_otadata; i++) {
        char words[100];
        const struct molt_otadata_record *r = &state->otadata.record[i];
        molt_boot_record_words(state, i, words, sizeof words);
        if (r->blank) {
            printf("  record %d  %s\n", i, words);
        } else {
            int slot = molt_otadata_slot_of(r, &state->facts);
            printf("  record %d  seq %u%s%s, %s\n", i, r->seq,
                   slot == MOLT_OTADATA_NO_SLOT ? "" : " = ",
                   slot == MOLT_OTADATA_NO_SLOT ? "" : molt_boot_label(state, slot), words);
        }
    }
    print_slots(state);
    if (state->candidate[0]) {
        printf("  %-16s release %.16s, not confirmed yet\n", "files only", state->candidate);
    }
    if (state->update_words[0]) {
        printf("\nlast update: %s\n", state->update_words);
    }
    for (uint32_t i = 0; i < state->finding_count; i++) {
        printf("%s%s: %s\n", i ? "" : "\n",
               state->finding[i].severity == MOLT_WRONG ? "WRONG" : "odd", state->finding[i].text);
    }
}

/* ---- All four: open, read, act, close ---- */

/* Returns an error with its message, or MOLT_OK and the exit code. */
typedef int act_function(struct cli_args *args, struct molt_target *target,
                         struct molt_boot_state *state, int *code, struct molt_message *message);

static act_function show;

static int with_target(struct cli_args *args, act_function *act)
{
    struct molt_message message = {0}, closing = {0};
    struct molt_target *target = calloc(1, sizeof *target);
    struct molt_boot_state *state = calloc(1, sizeof *state);
    int code = CLI_OK, error;
    if (!target || !state) {
        error = molt_fail(&message, MOLT_E_NO_MEMORY, "out of memory");
    } else if ((error = molt_target_open(target, args->operand[0], &message)) == MOLT_OK) {
        error = molt_boot_read(state, target, &message);
        if (error == MOLT_E_OTADATA_NONE && act == show) {
            error = MOLT_OK; /* shown: what boots then */
        }
        if (!error) {
            error = act(args, target, state, &code, &message);
        }
        if (molt_target_close(target, &closing) < 0 && !error) {
            error = closing.error;
            message = closing;
        }
    }
    free(target);
    free(state);
    return error ? cli_fail(args, &message) : code;
}

static int show(struct cli_args *args, struct molt_target *target, struct molt_boot_state *state,
                int *code, struct molt_message *message)
{
    (void)message;
    *code = CLI_OK;
    if (cli_has(args, "json")) {
        *code = print_json(state, target);
    } else {
        print_text(state, target);
    }
    *code = state->wrong ? CLI_FAILED : *code;
    return MOLT_OK;
}

static int run_status(struct cli_args *args)
{
    return with_target(args, show);
}

/* ---- Changes ---- */

static void print_next(const struct molt_boot_state *state, const struct molt_boot_change *change,
                       bool done)
{
    printf("%s %s next%s\n", molt_boot_label(state, change->next), done ? "boots" : "would boot",
           !change->as_trial       ? ""
           : state->facts.rollback ? ", as a trial: rolled back unless it is confirmed"
                                   : ", as a trial: this bootloader cannot roll back, the "
                                     "application has to");
}

static int finish(struct cli_args *args, struct molt_target *target, struct molt_boot_state *state,
                  struct molt_boot_change *change, struct molt_message *message)
{
    bool dry_run = cli_has(args, "dry-run");
    if (change->plan.count == 0) {
        printf("nothing to write\n");
    }
    plan_print(stdout, &change->plan);
    int error = dry_run ? MOLT_OK : molt_boot_write(target, state, change, message);
    if (!error) {
        print_next(state, change, !dry_run);
    }
    return error;
}

static int set_boot(struct cli_args *args, struct molt_target *target,
                    struct molt_boot_state *state, int *code, struct molt_message *message)
{
    struct molt_boot_change change;
    int error = molt_boot_plan_set(state, args->operand[1], &change, message);
    *code = CLI_OK;
    return error ? error : finish(args, target, state, &change, message);
}

static int confirm(struct cli_args *args, struct molt_target *target, struct molt_boot_state *state,
                   int *code, struct molt_message *message)
{
    struct molt_boot_change change;
    int error = molt_boot_plan_confirm(state, &change, message);
    *code = CLI_OK;
    return error ? error : finish(args, target, state, &change, message);
}

static int roll_back(struct cli_args *args, struct molt_target *target,
                     struct molt_boot_state *state, int *code, struct molt_message *message)
{
    struct molt_boot_change change;
    int error = molt_boot_plan_rollback(state, &change, message);
    *code = CLI_OK;
    return error ? error : finish(args, target, state, &change, message);
}

static int invalidate(struct cli_args *args, struct molt_target *target,
                      struct molt_boot_state *state, int *code, struct molt_message *message)
{
    struct molt_boot_change change;
    int error = molt_boot_plan_invalidate(state, args->operand[1], &change, message);
    *code = CLI_OK;
    return error ? error : finish(args, target, state, &change, message);
}

static int run_set_boot(struct cli_args *args)
{
    return with_target(args, set_boot);
}

static int run_invalidate(struct cli_args *args)
{
    return with_target(args, invalidate);
}

static int run_confirm(struct cli_args *args)
{
    return with_target(args, confirm);
}

static int run_rollback(struct cli_args *args)
{
    return with_target(args, roll_back);
}

extern const struct cli_verb cli_verb_ota_status;
const struct cli_verb cli_verb_ota_status = {"ota status",
                                             "TARGET",
                                             "show what runs, what boots next and what is wrong",
                                             status_details,
                                             status_options,
                                             1,
                                             1,
                                             run_status};

extern const struct cli_verb cli_verb_ota_set_boot;
const struct cli_verb cli_verb_ota_set_boot = {"ota set-boot",
                                               "TARGET SLOT",
                                               "boot a slot next, with a way back",
                                               set_boot_details,
                                               change_options,
                                               2,
                                               2,
                                               run_set_boot};

extern const struct cli_verb cli_verb_ota_confirm;
const struct cli_verb cli_verb_ota_confirm = {"ota confirm",
                                              "TARGET",
                                              "the firmware that runs is good",
                                              confirm_details,
                                              change_options,
                                              1,
                                              1,
                                              run_confirm};

extern const struct cli_verb cli_verb_ota_rollback;
const struct cli_verb cli_verb_ota_rollback = {"ota rollback",
                                               "TARGET",
                                               "give the firmware that runs up",
                                               rollback_details,
                                               change_options,
                                               1,
                                               1,
                                               run_rollback};

extern const struct cli_verb cli_verb_ota_invalidate;
const struct cli_verb cli_verb_ota_invalidate = {"ota invalidate",
                                                 "TARGET SLOT",
                                                 "no record names a slot any more",
                                                 invalidate_details,
                                                 change_options,
                                                 2,
                                                 2,
                                                 run_invalidate};
