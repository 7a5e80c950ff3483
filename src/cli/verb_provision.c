#define _POSIX_C_SOURCE 200809L
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/cli.h"
#include "cli/planprint.h"
#include "cli/share.h"
#include "molt/ops/provision.h"

static const struct cli_option options[] = {
    {"key", 'k', "FILE[:USE]", "public key (PEM) to trust (needed; up to four)"},
    {"use", 0, "WHAT", "what keys without :USE may sign: bundles, channels or both (default)"},
    {"url", 'u', "URL", "where the published tree is; ota.update() asks there"},
    {"channel", 'c', "NAME", "channel of that tree (stable)"},
    {"board", 'b', "NAME", "board's name, as bundles for it say"},
    {"id", 0, "TEXT", "device id, for rollouts (the chip's own)"},
    {"arch", 0, "NAME", "processor of the engine, as xtensawin; or all (see below)"},
    {"allow-unsigned", 0, NULL, "images that nobody signed may be installed by LoBo's calls"},
    {"source", 0, NULL, "the package as .py, also where there is bytecode of it"},
    {"output", 'o', "FILE", "of an image: write this file, leave the image as it is"},
    {"native", 0, "FOLDER", "folder with the engine's native modules, and ota/ as bytecode"},
    {"dry-run", 'n', NULL, "print the plan, write nothing"},
    {"cut", 0, "N", "simulated board: power fails at operation N"},
    {0}};

static const char details[] =
    "Puts onto the device's file system the package 'ota', the engine as a native module, a\n"
    "boot.py that starts them, and /ota.json with keys, name and address, from which the device\n"
    "takes them at its first update (docs/provision.md). Done again, only what differs is\n"
    "written, and a further key is added.\n"
    "\n"
    "  sim:FOLDER  a simulated board; its store gets keys and name at once\n"
    "  FOLDER      the root of a device's files, mounted here or to be copied to it; needs --arch\n"
    "  IMAGE       a firmware file or flash dump: its partition vfs; changed in place, or -o\n"
    "\n"
    "--arch: armv6m, armv7m, armv7emsp, rv32imc, xtensawin, x64, or all; of an image it is the\n"
    "chip's, of a simulated board x64.\n"
    "\n"
    "A blank file system is formatted (littlefs). A boot.py of your own is kept as boot_user.py\n"
    "and run before the application; every other file stays as it is.";

static int provision(struct cli_args *args, struct molt_target *target,
                     const struct molt_provision_request *request, struct molt_message *message)
{
    struct molt_provision *job;
    int error = molt_provision_prepare(&job, request, target, message);
    if (error == MOLT_OK) {
        const struct molt_plan *plan = molt_provision_plan(job);
        bool nothing = true;
        for (uint32_t i = 0; i < plan->count; i++) {
            nothing = nothing && plan->step[i].kind == MOLT_STEP_NOTE;
        }
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
            const char *name = request->output ? request->output : args->operand[0];
            printf(nothing && !request->output ? "provisioned already: %s\n" : "provisioned: %s\n",
                   name);
        }
    }
    molt_provision_free(job);
    return error;
}

static bool parse_use(const char *text, uint8_t *uses)
{
    if (strcmp(text, "bundles") == 0) {
        *uses = MOLT_KEY_BUNDLES;
    } else if (strcmp(text, "channels") == 0) {
        *uses = MOLT_KEY_CHANNELS;
    } else if (strcmp(text, "both") == 0) {
        *uses = MOLT_KEY_BUNDLES | MOLT_KEY_CHANNELS;
    } else {
        return false;
    }
    return true;
}

static int parse_key(struct cli_args *args, const char *value, uint8_t uses,
                     struct molt_provision_request *request)
{
    if (request->key_count == MOLT_KEYS_MAX) {
        return cli_usage(args, "--key: more than %u, a device trusts no more", MOLT_KEYS_MAX);
    }
    struct molt_provision_key *key = &request->key[request->key_count++];
    const char *colon = strrchr(value, ':');
    size_t n = strlen(value);
    key->uses = uses;
    if (colon && parse_use(colon + 1, &key->uses)) {
        n = (size_t)(colon - value);
    }
    if (n == 0 || n >= sizeof key->path) {
        return cli_usage(args, "--key: '%.60s', expected the name of a file", value);
    }
    memcpy(key->path, value, n);
    key->path[n] = 0;
    return CLI_OK;
}

static int parse_keys(struct cli_args *args, struct molt_provision_request *request)
{
    const char *use = cli_option(args, "use");
    uint8_t uses = 0;
    if (use && !parse_use(use, &uses)) {
        return cli_usage(args, "--use: expected bundles, channels or both, found '%s'", use);
    }
    for (int i = 0; i < args->option_count; i++) {
        if (strcmp(args->option[i].name, "key") == 0) {
            int code = parse_key(args, args->option[i].value, uses, request);
            if (code) {
                return code;
            }
        }
    }
    return request->key_count ? CLI_OK
                              : cli_usage(args, "say which key the device trusts: --key FILE");
}

static int open_and_provision(struct cli_args *args, struct molt_provision_request *request,
                              uint64_t cut, struct molt_message *message)
{
    struct molt_message closing = {0};
    struct molt_target target;
    struct stat info;
    const char *name = args->operand[0];
    if (strncmp(name, "sim:", 4) != 0 && stat(name, &info) == 0 && S_ISDIR(info.st_mode)) {
        request->folder = name;
        return provision(args, NULL, request, message);
    }
    int error = molt_target_open(&target, name, message);
    if (error) {
        return error;
    }
    if (target.board && cut) {
        target.board->nor.cut_at = target.board->nor.operations + cut;
        target.board->nor.cut = MOLT_CUT_TORN;
    }
    error = provision(args, &target, request, message);
    if (molt_target_close(&target, &closing) < 0 && error == MOLT_OK) {
        *message = closing;
        error = closing.error;
    }
    return error;
}

static int run(struct cli_args *args)
{
    struct molt_message message = {0};
    char port[CLI_SHARE_PATH], native[CLI_SHARE_PATH];
    uint64_t cut = 0;
    struct molt_provision_request *request = calloc(1, sizeof *request);
    if (!request) {
        molt_fail(&message, MOLT_E_NO_MEMORY, "out of memory");
        return cli_fail(args, &message);
    }
    request->url = cli_option(args, "url");
    request->channel = cli_option(args, "channel");
    request->id = cli_option(args, "id");
    request->board = cli_option(args, "board");
    request->arch = cli_option(args, "arch");
    request->output = cli_option(args, "output");
    request->native = cli_option(args, "native");
    request->allow_unsigned = cli_has(args, "allow-unsigned");
    request->source = cli_has(args, "source");
    request->port = cli_share_port("", port);
    if (!request->native) {
        request->native = cli_share_native(native);
    }
    int code = parse_keys(args, request);
    if (code == CLI_OK && request->channel && !request->url) {
        code = cli_usage(args, "--channel needs --url");
    }
    if (code == CLI_OK && cli_has(args, "cut") &&
        (!cli_parse_size(cli_option(args, "cut"), UINT32_MAX, &cut) || cut == 0)) {
        code = cli_usage(args, "--cut: '%s', expected the number of an operation, from 1",
                         cli_option(args, "cut"));
    }
    if (code == CLI_OK && open_and_provision(args, request, cut, &message) < 0) {
        code = cli_fail(args, &message);
    }
    free(request);
    return code;
}

extern const struct cli_verb cli_verb_provision;
const struct cli_verb cli_verb_provision = {"provision",
                                            "sim:FOLDER|FOLDER|IMAGE",
                                            "make a device ready for updates",
                                            details,
                                            options,
                                            1,
                                            1,
                                            run};
