#include <string.h>

#include "cli/cli.h"
#include "cli/hex.h"
#include "cli/when.h"
#include "molt/ops/publish.h"

static const struct cli_option options[] = {
    {"bundle", 'b', "FILE", "the bundle to publish (needed)"},
    {"channel", 'c', "NAME", "the channel that devices follow (needed)"},
    {"key", 'k', "FILE", "private key that signs the channel (needed)"},
    {"expires", 0, "DAYS|DATE", "devices distrust the channel later than that"},
    {"rollout", 0, "PERMILLE", "only so many of 1000 devices, 0 to 1000"},
    {"not-before", 0, "DATE", "not before that (2027-01-31T12:00:00Z)"},
    {0}};

static int parse_request(struct cli_args *args, struct molt_publish_request *request)
{
    uint64_t number;
    *request = (struct molt_publish_request){.folder = args->operand[0],
                                             .bundle = cli_option(args, "bundle"),
                                             .channel = cli_option(args, "channel"),
                                             .key = cli_option(args, "key"),
                                             .now = cli_now(),
                                             .permille = 1000};
    if (!request->bundle || !request->channel || !request->key) {
        return cli_usage(args, "say what to publish: --bundle FILE --channel NAME --key FILE");
    }
    const char *text = cli_option(args, "expires");
    if (text && (!cli_parse_when(text, request->now, true, &request->expires) ||
                 request->expires <= request->now)) {
        return cli_usage(args, "--expires: '%s', expected days from now or a date to come", text);
    }
    if ((text = cli_option(args, "rollout")) != NULL) {
        if (!cli_parse_size(text, 1000, &number) || strspn(text, "0123456789") != strlen(text)) {
            return cli_usage(args, "--rollout: '%s', expected 0 to 1000", text);
        }
        request->has_rollout = true;
        request->permille = (uint16_t)number;
    }
    if ((text = cli_option(args, "not-before")) != NULL) {
        if (!strchr(text, '-') ||
            !cli_parse_when(text, request->now, false, &request->not_before)) {
            return cli_usage(args, "--not-before: '%s', expected a date as 2027-01-31T12:00:00Z",
                             text);
        }
        request->has_rollout = true;
    }
    return CLI_OK;
}

static void print_report(const struct molt_publish_request *request,
                         const struct molt_publish_report *report)
{
    const struct molt_channel *channel = &report->channel;
    char text[32], hex[2 * MOLT_SHA256_SIZE + 1];
    printf("bundle      %s/%s%s\n", request->folder, report->bundle_path,
           report->bundle_written ? "" : " (was there)");
    printf("channel     %s/%s\n", request->folder, report->channel_path);
    printf("issued      %s\n", cli_when(channel->issued, text));
    printf("expires     %s\n", channel->expires ? cli_when(channel->expires, text) : "never");
    if (channel->has_rollout) {
        printf("rollout     %u of 1000 devices", channel->permille);
        if (channel->not_before) {
            printf(", not before %s", cli_when(channel->not_before, text));
        }
        printf("\n");
    }
    if (report->had_previous) {
        printf("before      %s\n",
               cli_hex(report->previous.bundle, sizeof report->previous.bundle, hex));
    }
}

static int run(struct cli_args *args)
{
    struct molt_publish_request request;
    struct molt_publish_report report;
    struct molt_message message;
    int code = parse_request(args, &request);
    if (code) {
        return code;
    }
    if (molt_publish(&report, &request, &message) < 0) {
        return cli_fail(args, &message);
    }
    print_report(&request, &report);
    return CLI_OK;
}

extern const struct cli_verb cli_verb_publish;
const struct cli_verb cli_verb_publish = {
    "publish",
    "FOLDER",
    "put a bundle where devices fetch it from",
    "Writes FOLDER/bundles/DIGEST.molt, which never changes, and then replaces the one signed "
    "file\n"
    "FOLDER/channels/NAME, which tells devices to take it. Any web server or CDN serves the "
    "folder.\n"
    "With --rollout each device decides by its own id whether it belongs to those first; raise "
    "the\n"
    "number by publishing the same bundle again. --rollout 0 halts.",
    options,
    1,
    1,
    run};
