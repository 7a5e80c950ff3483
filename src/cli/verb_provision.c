#include <string.h>

#include "cli/cli.h"
#include "cli/planprint.h"
#include "cli/share.h"
#include "molt/ops/provision.h"

static const struct cli_option options[] = {
    {"key", 'k', "FILE", "public key (PEM) to trust (needed)"},
    {"use", 0, "WHAT", "what that key may sign: bundles, channels or both (default)"},
    {"url", 'u', "URL", "where the published tree is; ota.update() asks there"},
    {"channel", 'c', "NAME", "channel of that tree (stable)"},
    {"id", 0, "TEXT", "device id, for rollouts (the chip's own)"},
    {"native", 0, "FOLDER", "folder with the engine's native modules"},
    {"dry-run", 'n', NULL, "print the plan, write nothing"},
    {0}};

static const char details[] =
    "Puts onto the device's file system the package 'ota', the engine as a native module and a\n"
    "boot.py that starts them, and into its store the key and the device's name. A blank file\n"
    "system is formatted first. Done again, only what differs is written.\n"
    "\n"
    "Up to four keys: run it once for each, with --use for keys that sign only one thing.\n"
    "\n"
    "A boot.py of your own is kept as boot_user.py and run before the application; every other\n"
    "file stays as it is.";

static int provision(struct cli_args *args, struct molt_target *target,
                     const struct molt_provision_request *request, struct molt_message *message)
{
    struct molt_provision *job;
    int error = molt_provision_prepare(&job, request, target, message);
    if (error == MOLT_OK) {
        const struct molt_plan *plan = molt_provision_plan(job);
        if (plan->count) {
            plan_print(stdout, plan);
        }
        fflush(stdout);
        if (cli_has(args, "dry-run")) {
            printf("nothing was written (--dry-run)\n");
        } else {
            error = molt_provision_run(job, message);
        }
        if (error == MOLT_OK && !cli_has(args, "dry-run")) {
            printf(plan->count ? "provisioned: %s\n" : "provisioned already: %s\n", target->name);
        }
    }
    molt_provision_free(job);
    return error;
}

static int run(struct cli_args *args)
{
    struct molt_message message = {0}, closing = {0};
    struct molt_target target;
    char port[CLI_SHARE_PATH], native[CLI_SHARE_PATH];
    struct molt_provision_request request = {.key = cli_option(args, "key"),
                                             .url = cli_option(args, "url"),
                                             .channel = cli_option(args, "channel"),
                                             .id = cli_option(args, "id"),
                                             .native = cli_option(args, "native")};
    if (!request.key) {
        return cli_usage(args, "say which key the device trusts: --key FILE");
    }
    const char *use = cli_option(args, "use");
    if (use && strcmp(use, "bundles") == 0) {
        request.uses = MOLT_KEY_BUNDLES;
    } else if (use && strcmp(use, "channels") == 0) {
        request.uses = MOLT_KEY_CHANNELS;
    } else if (use && strcmp(use, "both") != 0) {
        return cli_usage(args, "--use: expected bundles, channels or both, found '%s'", use);
    }
    if (request.channel && !request.url) {
        return cli_usage(args, "--channel needs --url");
    }
    request.port = cli_share_port("", port);
    if (!request.native) {
        request.native = cli_share_native(native);
    }
    int error = molt_target_open(&target, args->operand[0], &message);
    if (error == MOLT_OK) {
        error = provision(args, &target, &request, &message);
        if (molt_target_close(&target, &closing) < 0 && error == MOLT_OK) {
            message = closing;
            error = closing.error;
        }
    }
    return error == MOLT_OK ? CLI_OK : cli_fail(args, &message);
}

extern const struct cli_verb cli_verb_provision;
const struct cli_verb cli_verb_provision = {
    "provision", "sim:FOLDER", "make a device ready for updates", details, options, 1, 1, run};
