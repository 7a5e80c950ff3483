#include "cli/dfu_common.h"

#define LONGEST_S 86400u

int dfu_seconds(const struct cli_args *args, const char *name, uint32_t otherwise_ms, uint32_t *ms)
{
    const char *text = cli_option(args, name);
    uint64_t seconds = 0;
    if (text && !cli_parse_size(text, LONGEST_S, &seconds)) {
        return cli_usage(args, "--%s %s: expected seconds, at most %u", name, text, LONGEST_S);
    }
    *ms = text ? (uint32_t)seconds * 1000 : otherwise_ms;
    return CLI_OK;
}

int dfu_choice(const struct cli_args *args, int i, struct molt_dfu_choice *choice,
               uint32_t *wait_ms)
{
    struct molt_message message;
    const char *alternate = cli_option(args, "alt");
    const char *text = i < args->operand_count ? args->operand[i] : "usb:";
    int code = dfu_seconds(args, "wait", 0, wait_ms);
    if (code != CLI_OK) {
        return code;
    }
    if (molt_dfu_choice_parse(choice, text, &message) < 0 ||
        (alternate && molt_dfu_choice_alternate(choice, alternate, &message) < 0)) {
        return cli_usage(args, "%s", message.text);
    }
    return CLI_OK;
}

int dfu_open(const struct cli_args *args, int i, const struct molt_progress *progress,
             struct molt_dfu_session **session)
{
    struct molt_message message;
    struct molt_dfu_choice choice;
    uint32_t wait_ms;
    *session = NULL;
    int code = dfu_choice(args, i, &choice, &wait_ms);
    if (code != CLI_OK) {
        return code;
    }
    struct molt_progress waiting;
    cli_progress_start(args, &waiting);
    int error =
        molt_dfu_session_open(session, &choice, wait_ms, progress ? progress : &waiting, &message);
    cli_progress_end(args);
    if (error) {
        return cli_fail(args, &message);
    }
    (*session)->dfu.progress = progress;
    return CLI_OK;
}

int dfu_close(const struct cli_args *args, struct molt_dfu_session *session, int code)
{
    struct molt_message message;
    return molt_dfu_session_close(session, &message) < 0 ? cli_fail(args, &message) : code;
}
