#include <string.h>

#include "cli/cli.h"
#include "cli/hex.h"
#include "cli/planprint.h"
#include "cli/when.h"
#include "molt/ops/update.h"

static const struct cli_option options[] = {
    {"from", 'f', "URL|PATH", "a published tree, or a bundle (NAME.molt) (needed)"},
    {"channel", 'c', "NAME", "channel of the tree to follow (stable)"},
    {"ca", 0, "FILE", "trust these certificates (PEM) instead of the system's"},
    {"tries", 0, "N", "requests in a row that bring nothing, before giving up (5)"},
    {"patience", 0, "SECONDS", "how long a connection may bring nothing (30)"},
    {"retry-failed", 0, NULL, "install also what failed its trial on this device"},
    {"dry-run", 'n', NULL, "print the plan, write nothing"},
    {"cut", 0, "N", "simulated board: power fails at operation N of this update"},
    {"cut-kind", 0, "KIND", "before, after, torn or torn-other (torn)"},
    {0}};

static const struct {
    const char *name;
    enum molt_cut cut;
} cuts[] = {{"before", MOLT_CUT_BEFORE},
            {"after", MOLT_CUT_AFTER},
            {"torn", MOLT_CUT_TORN},
            {"torn-other", MOLT_CUT_TORN_OTHER}};

static int parse_cut(struct cli_args *args, struct molt_update_request *request)
{
    const char *at = cli_option(args, "cut"), *kind = cli_option(args, "cut-kind");
    if (!at) {
        return kind ? cli_usage(args, "--cut-kind says how, --cut N when: expected both") : CLI_OK;
    }
    if (!cli_parse_size(at, UINT32_MAX, &request->cut_at) || request->cut_at == 0) {
        return cli_usage(args, "--cut: '%s', expected the number of an operation, from 1", at);
    }
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        if (strcmp(kind ? kind : "torn", cuts[i].name) == 0) {
            request->cut = cuts[i].cut;
            return CLI_OK;
        }
    }
    return cli_usage(args, "--cut-kind: '%s', expected before, after, torn or torn-other", kind);
}

static int parse_request(struct cli_args *args, struct molt_update_request *request)
{
    uint64_t number;
    const char *text;
    *request = (struct molt_update_request){.target = args->operand[0],
                                            .from = cli_option(args, "from"),
                                            .channel = cli_option(args, "channel"),
                                            .now = cli_now(),
                                            .retry_failed = cli_has(args, "retry-failed"),
                                            .dry_run = cli_has(args, "dry-run")};
    request->http.ca_file = cli_option(args, "ca");
    if (!request->from || !request->from[0]) {
        return cli_usage(args, "say where the update comes from: --from URL or --from PATH");
    }
    request->channel = request->channel ? request->channel : "stable";
    if ((text = cli_option(args, "tries")) != NULL) {
        if (!cli_parse_size(text, 1000, &number) || number == 0) {
            return cli_usage(args, "--tries: '%s', expected 1 to 1000", text);
        }
        request->http.tries = (uint32_t)number;
    }
    if ((text = cli_option(args, "patience")) != NULL) {
        if (!cli_parse_size(text, 86400, &number) || number == 0) {
            return cli_usage(args, "--patience: '%s', expected 1 to 86400 seconds", text);
        }
        request->http.stall_ms = (uint32_t)number * 1000;
    }
    return parse_cut(args, request);
}

static void print_plan(const struct molt_update_request *request,
                       const struct molt_update_report *report)
{
    char hex[2 * MOLT_SHA256_SIZE + 1], text[32];
    printf("bundle      %s\n", cli_hex(report->digest, sizeof report->digest, hex));
    printf("sequence    %u\n", report->sequence);
    if (report->has_channel) {
        printf("channel     %s, issued %s\n", report->channel.name,
               cli_when(report->channel.issued, text));
    }
    if (report->resumed) {
        printf("resumes     an interrupted run of this update on %s\n", request->target);
    }
    plan_print(stdout, &report->plan);
    fflush(stdout);
}

static void print_result(const struct molt_update_request *request,
                         const struct molt_update_report *report)
{
    char text[16];
    if (report->files_only) {
        printf("installed   files only, %s; the firmware in %s stays\n",
               cli_size(report->release_size, text), report->running);
    } else {
        printf("installed   %u of %u chunks written, %u were there already\n",
               report->chunks_written, report->chunks, report->chunks_there);
    }
    if (report->http.requests) {
        printf("network     %s in %llu requests", cli_size(report->http.bytes, text),
               (unsigned long long)report->http.requests);
        printf(report->http.retries ? ", %llu of them again\n" : "\n",
               (unsigned long long)report->http.retries);
    }
    printf("operations  %llu of flash and store\n", (unsigned long long)report->operations);
    printf("next        'molt sim boot %s': %s starts%s, as a trial until the application "
           "confirms\n",
           request->target, report->target, report->files_only ? " with the new files" : "");
}

static int update(const struct cli_args *args, const struct molt_update_request *request,
                  struct molt_update_session *session, struct molt_message *message)
{
    struct molt_progress progress;
    print_plan(request, molt_update_report(session));
    if (request->dry_run) {
        printf("nothing was written (--dry-run)\n");
        return MOLT_OK;
    }
    cli_progress_start(args, &progress);
    int error = molt_update_run(session, &progress, message);
    cli_progress_end(args);
    if (!error) {
        print_result(request, molt_update_report(session));
    }
    return error;
}

static int run(struct cli_args *args)
{
    struct molt_update_request request;
    struct molt_update_session *session;
    struct molt_message message = {0}, closing = {0};
    int code = parse_request(args, &request);
    if (code) {
        return code;
    }
    int error = molt_update_open(&session, &request, &message);
    if (!error) {
        error = update(args, &request, session, &message);
    }
    if (molt_update_close(session, &closing) < 0 && !error) {
        message = closing;
        error = closing.error;
    }
    if (error == MOLT_E_INSTALLED || error == MOLT_E_NOT_IN_ROLLOUT) {
        printf("nothing to do: %s\n", message.text);
        return CLI_OK;
    }
    return error ? cli_fail(args, &message) : CLI_OK;
}

extern const struct cli_verb cli_verb_update;
const struct cli_verb cli_verb_update = {
    "update",
    "sim:FOLDER",
    "update a device from a published tree or a bundle",
    "Fetches the channel, checks it and the bundle with the keys that the device trusts, prints "
    "the\n"
    "plan, then installs chunk by chunk into the slot that does not run. What is there already is\n"
    "neither fetched nor erased, so a run that was interrupted (network, power) goes on when it "
    "is\n"
    "repeated. The new image starts at the next boot, as a trial: unless the application confirms\n"
    "it, the old one comes back, with its files. A bundle without a firmware brings files only:\n"
    "the firmware that runs stays, and the trial is theirs.\n"
    "\n"
    "A device that runs the bundle already, or whose turn in a rollout has not come, is no "
    "failure.",
    options,
    1,
    1,
    run};
