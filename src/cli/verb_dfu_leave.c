/* molt dfu leave, detach, unprotect */
#include <string.h>

#include "cli/dfu_common.h"
#include "cli/dfu_words.h"
#include "cli/planprint.h"
#include "molt/ops/dfu_device.h"

#define BACK_MS 10000u /* of a detach */
#define ROW_BACK                                                                                   \
    {                                                                                              \
        "back", 0, "SECONDS", "wait afterwards until the device is on the bus again"               \
    }

static const struct cli_option leave_options[] = {
    ROW_BACK, DFU_ROW_ALTERNATE, DFU_ROW_WAIT, {"json", 'j', NULL, "print one JSON object"}, {0}};
static const struct cli_option detach_options[] = {
    {"back", 0, "SECONDS", "how long it may take until it is there in DFU mode; default: 10"},
    DFU_ROW_WAIT,
    {"json", 'j', NULL, "print one JSON object"},
    {0}};
static const struct cli_option unprotect_options[] = {
    DFU_ROW_YES,
    {"dry-run", 'n', NULL, "print what is lost, do nothing"},
    ROW_BACK,
    DFU_ROW_WAIT,
    {"json", 'j', NULL, "print one JSON object"},
    {0}};

static const char leave_details[] =
    "Starts the firmware. ADDRESS is where its vector table is; without it, the table is looked "
    "for\n"
    "on the device: at the start of its flash, then behind the file system. A device that "
    "vanishes\n"
    "from the bus has left; with --back, what it is then is waited for.\n" DFU_TARGET_WORDS "\n\n"
    "  molt dfu leave\n"
    "  molt dfu leave usb: 0x08000000 --back 5\n"
    "\n"
    "Keys of --json: target, entry (null: a device without addresses), vectors_found (at entry),\n"
    "gone (from the bus), back (on it again).";
static const char detach_details[] =
    "A device that runs its application, and says that it can be updated over USB, is told to go "
    "to\n"
    "DFU mode; it is there when the command ends (--back: within so many seconds, else "
    "10).\n" DFU_TARGET_WORDS "\n\n"
    "  molt dfu detach usb:1209:db42\n"
    "\n"
    "Keys of --json: target, id (VID:PID in DFU mode), detached (false: was in DFU mode already).";
static const char unprotect_details[] =
    "Lifts the read-out protection of an STM32. The chip erases all of its flash for that: "
    "firmware,\n"
    "files and settings are lost, which cannot be undone. Then it resets itself; with --back, its\n"
    "coming back is waited for.\n" DFU_TARGET_WORDS "\n\n"
    "  molt dfu unprotect --dry-run\n"
    "  molt dfu unprotect usb: --yes --back 10\n"
    "\n"
    "Keys of --json: target, plan: [{kind, what, offset, size, why}], unprotected (false with\n"
    "--dry-run), back (on the bus again).";

/* ---- leave ---- */

static void print_left(const struct cli_args *args, const struct molt_dfu_session *session,
                       const struct molt_dfu_left *left)
{
    char entry[16];
    snprintf(entry, sizeof entry, "0x%08x", (unsigned)left->entry);
    if (cli_has(args, "json")) {
        struct json_out json = {.out = stdout};
        json_open(&json, NULL, '{');
        json_text(&json, "target", session->name);
        if (session->dfu.dfuse) {
            json_number(&json, "entry", left->entry);
        } else {
            json_nothing(&json, "entry");
        }
        json_bool(&json, "vectors_found", left->entry_from_read);
        json_bool(&json, "gone", left->gone);
        json_bool(&json, "back", left->back);
        json_close(&json, '}');
        return;
    }
    if (session->dfu.dfuse) {
        printf("left to %s%s%s\n", entry,
               left->entry_from_read ? "" : ", where no vector table was found",
               left->back ? "; back on the bus" : "");
    } else {
        printf("left DFU mode%s\n", left->back ? "; back on the bus" : "");
    }
}

static int run_leave(struct cli_args *args)
{
    struct molt_message message = {0};
    struct molt_progress progress;
    struct molt_dfu_session *session;
    struct molt_dfu_leave_request request = {0};
    struct molt_dfu_left left;
    uint64_t entry = 0;
    int target = dfu_target_at(args), words = args->operand_count - (target < args->operand_count);
    request.has_entry = words == 1;
    if (words > 1 || (words == 1 && !cli_parse_size(args->operand[args->operand_count - 1],
                                                    UINT32_MAX, &entry))) {
        return cli_usage(args, "'%s': expected an address, such as 0x08000000",
                         args->operand[args->operand_count - 1]);
    }
    request.entry = (uint32_t)entry;
    int code = dfu_seconds(args, "back", 0, &request.wait_ms);
    code = code ? code : dfu_open(args, target, NULL, &session);
    if (code != CLI_OK) {
        return code;
    }
    cli_progress_start(args, &progress);
    int error = molt_dfu_leave_device(session, &request, &left, &progress, &message);
    cli_progress_end(args);
    if (error) {
        code = cli_fail(args, &message);
    } else {
        print_left(args, session, &left);
    }
    return dfu_close(args, session, code);
}

/* ---- detach ---- */

static void print_device(const struct cli_args *args, const struct molt_dfu_session *session,
                         bool detached)
{
    const struct molt_dfu_device *device = &session->device;
    if (cli_has(args, "json")) {
        char id[16];
        struct json_out json = {.out = stdout};
        snprintf(id, sizeof id, "%04x:%04x", device->vendor, device->product);
        json_open(&json, NULL, '{');
        json_text(&json, "target", session->name);
        json_text(&json, "id", id);
        json_bool(&json, "detached", detached);
        json_close(&json, '}');
    } else {
        printf("%s: in DFU mode%s\n", session->name, detached ? "" : " already");
    }
}

static int run_detach(struct cli_args *args)
{
    struct molt_message message = {0};
    struct molt_progress progress;
    struct molt_dfu_session *session;
    uint32_t back_ms;
    int code = dfu_seconds(args, "back", BACK_MS, &back_ms);
    code = code ? code : dfu_open(args, 0, NULL, &session);
    if (code != CLI_OK) {
        return code;
    }
    bool run_time = session->alternate->facts.run_time;
    cli_progress_start(args, &progress);
    int error = molt_dfu_detach_device(session, back_ms, &progress, &message);
    cli_progress_end(args);
    if (error) {
        code = cli_fail(args, &message);
    } else {
        print_device(args, session, run_time);
    }
    return dfu_close(args, session, code);
}

/* ---- unprotect ---- */

static void print_unprotected(const struct cli_args *args, const struct molt_dfu_session *session,
                              const struct molt_plan *plan, bool done, bool back)
{
    if (cli_has(args, "json")) {
        struct json_out json = {.out = stdout};
        json_open(&json, NULL, '{');
        json_text(&json, "target", session->name);
        plan_json(&json, plan);
        json_bool(&json, "unprotected", done);
        json_bool(&json, "back", back);
        json_close(&json, '}');
    } else {
        printf("%s\n", !done  ? "nothing was done (--dry-run)"
                       : back ? "unprotected and erased; back on the bus"
                              : "unprotected and erased");
    }
}

static int unprotect(struct cli_args *args, struct molt_dfu_session *session, uint32_t back_ms)
{
    struct molt_message message = {0};
    struct molt_progress progress;
    struct molt_plan plan;
    char question[sizeof session->name + 64];
    bool back = false, dry_run = cli_has(args, "dry-run");
    int error = molt_dfu_unprotect_plan(session, &plan, &message);
    if (error) {
        return cli_fail(args, &message);
    }
    if (!cli_has(args, "json")) {
        plan_print(stdout, &plan);
    }
    snprintf(question, sizeof question, "%s: erase everything on it?", session->name);
    int code = dry_run ? CLI_OK : dfu_confirm(args, question);
    if (code == CLI_OK && !dry_run) {
        cli_progress_start(args, &progress);
        error = molt_dfu_unprotect_device(session, back_ms, &back, &progress, &message);
        cli_progress_end(args);
        code = error ? cli_fail(args, &message) : CLI_OK;
    }
    if (code == CLI_OK) {
        print_unprotected(args, session, &plan, !dry_run, back);
    }
    return code;
}

static int run_unprotect(struct cli_args *args)
{
    struct molt_dfu_session *session;
    uint32_t back_ms;
    int code = dfu_seconds(args, "back", 0, &back_ms);
    code = code ? code : dfu_open(args, 0, NULL, &session);
    return code ? code : dfu_close(args, session, unprotect(args, session, back_ms));
}

extern const struct cli_verb cli_verb_dfu_leave, cli_verb_dfu_detach, cli_verb_dfu_unprotect;
const struct cli_verb cli_verb_dfu_leave = {"dfu leave",
                                            "[TARGET] [ADDRESS]",
                                            "end DFU mode and start the firmware",
                                            leave_details,
                                            leave_options,
                                            0,
                                            2,
                                            run_leave};
const struct cli_verb cli_verb_dfu_detach = {"dfu detach",
                                             "[TARGET]",
                                             "from the running application to DFU mode",
                                             detach_details,
                                             detach_options,
                                             0,
                                             1,
                                             run_detach};
const struct cli_verb cli_verb_dfu_unprotect = {"dfu unprotect",
                                                "[TARGET]",
                                                "lift the read protection; erases everything",
                                                unprotect_details,
                                                unprotect_options,
                                                0,
                                                1,
                                                run_unprotect};
