#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/print_bundle.h"
#include "cli/when.h"
#include "molt/host/board.h"

static const struct cli_option create_options[] = {
    {"output", 'o', "FILE", "the bundle to write (needed)"},
    {"key", 'k', "FILE", "private key that signs it (needed; molt key new)"},
    {"sequence", 's', "N", "sequence number, higher in every newer bundle (needed)"},
    {"app", 'a', "FILE", "app image, or a firmware file or flash dump that holds one"},
    {"app-version", 0, "TEXT", "stamp this version into the app's descriptor"},
    {"release", 'r', "FOLDER", "Python and other files that belong to this app"},
    {"keep", 0, "PATH", "file of it that the application may change; FOLDER/: all below it"},
    {"delete", 0, "PATH", "file or folder of older releases that is not kept any more"},
    {"compile", 'c', NULL, "compile .py files to .mpy (not main.py, connect.py, kept ones)"},
    {"mpy-cross", 0, "PROGRAM", "the compiler for --compile (mpy-cross)"},
    {"mpy-arch", 0, "ARCH", "its -march, when sources have native or viper functions"},
    {"for", 0, "TARGET", "firmware file or device, without --app: says which .mpy load"},
    {"board", 'b', "NAME", "only for this board"},
    {"expires", 0, "DAYS|DATE", "refuse it later than that (30, 2027-01-31)"},
    {"min-bootloader", 0, "VERSION", "ESP-IDF version of the oldest bootloader that will do"},
    {"mpy-abi", 0, "VERSION", ".mpy version that the app loads, as 6.3 (found in MicroPython's)"},
    {"slot-size", 0, "SIZE", "slot size needed, when larger than the app"},
    {"product", 0, "TEXT", "product name for clouds that store firmware"},
    {"allow-downgrade", 0, NULL, "devices may go back to this from a higher sequence number"},
    {"raw", 0, NULL, "do not compress"},
    {"force", 'f', NULL, "replace the output file when it is there"},
    {0}};

/* "5.0.4" or "5.1" */
static bool parse_version(const char *text, unsigned parts, uint32_t *value)
{
    *value = 0;
    for (unsigned i = 0; i < 3; i++) {
        unsigned long number = 0;
        if (i < parts && *text) {
            char *end;
            if (*text < '0' || *text > '9' || (number = strtoul(text, &end, 10)) > 255) {
                return false;
            }
            text = *end == '.' && end[1] && i + 1 < parts ? end + 1 : end;
        }
        *value = *value << 8 | (uint32_t)number;
    }
    return *text == 0 && *value != 0;
}

static int parse_numbers(struct cli_args *args, struct molt_bundle_request *request)
{
    uint64_t number;
    uint32_t version;
    const char *text = cli_option(args, "sequence");
    if (!text || !cli_parse_size(text, UINT32_MAX, &number) || number == 0) {
        return cli_usage(args, "--sequence: '%s', expected a number from 1 up", text ? text : "");
    }
    request->sequence = (uint32_t)number;
    if ((text = cli_option(args, "slot-size")) != NULL) {
        if (!cli_parse_size(text, UINT32_MAX, &number) || number == 0 || number % 4096) {
            return cli_usage(args, "--slot-size: '%s', expected whole 4K sectors", text);
        }
        request->slot_size = (uint32_t)number;
    }
    if ((text = cli_option(args, "min-bootloader")) != NULL &&
        !parse_version(text, 3, &request->min_bootloader)) {
        return cli_usage(args, "--min-bootloader: '%s', expected a version as 5.0.4", text);
    }
    if ((text = cli_option(args, "mpy-abi")) != NULL) {
        if (!parse_version(text, 2, &version)) {
            return cli_usage(args, "--mpy-abi: '%s', expected a version as 6.3", text);
        }
        request->mpy_abi = (uint16_t)(version >> 8);
    }
    return CLI_OK;
}

/* Every value of an option that may be repeated. */
static uint32_t collect(const struct cli_args *args, const char *name, const char **value)
{
    uint32_t n = 0;
    for (int i = 0; i < args->option_count; i++) {
        if (strcmp(args->option[i].name, name) == 0) {
            value[n++] = args->option[i].value;
        }
    }
    return n;
}

/* Options that say nothing without another one. */
static int check_pairs(const struct cli_args *args, const struct molt_bundle_request *request)
{
    static const char *const of_release[] = {"keep", "delete", "compile", "for"};
    static const char *const of_compile[] = {"mpy-cross", "mpy-arch"};
    for (size_t i = 0; i < sizeof of_release / sizeof *of_release; i++) {
        if (!request->release && cli_has(args, of_release[i])) {
            return cli_usage(args, "--%s needs --release: it is about its files", of_release[i]);
        }
    }
    for (size_t i = 0; i < sizeof of_compile / sizeof *of_compile; i++) {
        if (!request->compile && cli_has(args, of_compile[i])) {
            return cli_usage(args, "--%s needs --compile", of_compile[i]);
        }
    }
    if (request->firmware && request->app) {
        return cli_usage(args, "--for: the firmware is the one of --app: leave it out");
    }
    return CLI_OK;
}

static int parse_request(struct cli_args *args, struct molt_bundle_request *request)
{
    *request = (struct molt_bundle_request){.output = cli_option(args, "output"),
                                            .replace = cli_has(args, "force"),
                                            .app = cli_option(args, "app"),
                                            .app_version = cli_option(args, "app-version"),
                                            .release = cli_option(args, "release"),
                                            .key = cli_option(args, "key"),
                                            .compile = cli_has(args, "compile"),
                                            .mpy_cross = cli_option(args, "mpy-cross"),
                                            .mpy_arch = cli_option(args, "mpy-arch"),
                                            .firmware = cli_option(args, "for"),
                                            .board = cli_option(args, "board"),
                                            .product = cli_option(args, "product"),
                                            .allow_downgrade = cli_has(args, "allow-downgrade"),
                                            .codec = cli_has(args, "raw") ? MOLT_PACK_RAW
                                                                          : MOLT_PACK_SMALLEST,
                                            .issued = cli_now()};
    if (!request->output) {
        return cli_usage(args, "say where to write the bundle: -o FILE");
    }
    if (!request->key) {
        return cli_usage(args, "say which private key signs the bundle: --key FILE");
    }
    if (!request->app && !request->release) {
        return cli_usage(args, "say what to pack: --app FILE, --release FOLDER, or both");
    }
    if (request->app_version && !request->app) {
        return cli_usage(args, "--app-version needs --app");
    }
    if (request->board && !molt_board_text_ok(request->board)) {
        return cli_usage(args, "--board: '%s', expected printable characters", request->board);
    }
    if ((request->board && !request->board[0]) || (request->product && !request->product[0])) {
        return cli_usage(args, "--board, --product: expected a name, found an empty one");
    }
    const char *expires = cli_option(args, "expires");
    if (expires && (!cli_parse_when(expires, request->issued, true, &request->expires) ||
                    request->expires <= request->issued)) {
        return cli_usage(args,
                         "--expires: '%s', expected days from now or a date to come, as 30 or "
                         "2027-01-31",
                         expires);
    }
    int code = check_pairs(args, request);
    return code ? code : parse_numbers(args, request);
}

static int create(struct cli_args *args, const struct molt_bundle_request *request)
{
    struct molt_message message;
    struct molt_progress progress;
    int code = CLI_OK;
    struct molt_bundle_report *report = calloc(1, sizeof *report);
    if (!report) {
        molt_fail(&message, MOLT_E_NO_MEMORY, "out of memory");
        return cli_fail(args, &message);
    }
    cli_progress_start(args, &progress);
    if (molt_bundle_create(report, request, &progress, &message) < 0) {
        code = cli_fail(args, &message);
    } else {
        cli_progress_end(args);
        if (report->app.extracted) {
            printf("app         taken from partition %s at 0x%x of %s\n", report->app.label,
                   report->app.offset, request->app);
        }
        if (request->app_version) {
            printf("version     stamped: %s\n", request->app_version);
        }
        if (request->compile) {
            printf("compiled    %u of the release's files to .mpy\n", report->app.compiled);
        }
        cli_print_bundle(request->output, report);
    }
    molt_bundle_report_free(report);
    free(report);
    return code;
}

static int run_create(struct cli_args *args)
{
    struct molt_bundle_request request;
    int code = parse_request(args, &request);
    if (code) {
        return code;
    }
    size_t room = (size_t)args->option_count + 1;
    const char **paths = calloc(2 * room, sizeof *paths);
    if (!paths) {
        struct molt_message message;
        molt_fail(&message, MOLT_E_NO_MEMORY, "out of memory");
        return cli_fail(args, &message);
    }
    request.keep = paths;
    request.drop = paths + room;
    request.keep_count = collect(args, "keep", paths);
    request.drop_count = collect(args, "delete", paths + room);
    code = create(args, &request);
    free(paths);
    return code;
}

static const struct cli_option show_options[] = {
    {"key", 'k', "FILE", "public or private key that the signature is checked with"},
    {"json", 0, NULL, "print JSON"},
    {0}};

/* Wrong signature, other key, or a payload that does not decode. */
static bool is_sound(const struct molt_bundle_report *report)
{
    for (uint32_t i = 0; i < report->view.manifest.payload_count; i++) {
        if (report->content_error[i]) {
            return false;
        }
    }
    return report->signature == MOLT_SIGNATURE_RIGHT ||
           report->signature == MOLT_SIGNATURE_UNCHECKED;
}

static int run_show(struct cli_args *args)
{
    struct molt_message message;
    int code = CLI_OK;
    struct molt_bundle_report *report = calloc(1, sizeof *report);
    if (!report) {
        molt_fail(&message, MOLT_E_NO_MEMORY, "out of memory");
        return cli_fail(args, &message);
    }
    if (molt_bundle_inspect(report, args->operand[0], cli_option(args, "key"), &message) < 0) {
        code = cli_fail(args, &message);
    } else {
        (cli_has(args, "json") ? cli_print_bundle_json : cli_print_bundle)(args->operand[0],
                                                                           report);
        code = is_sound(report) ? CLI_OK : CLI_FAILED;
    }
    molt_bundle_report_free(report);
    free(report);
    return code;
}

extern const struct cli_verb cli_verb_bundle_create;
const struct cli_verb cli_verb_bundle_create = {
    "bundle create",
    "",
    "make a signed update from an app image and Python files",
    "An app is taken out of a firmware file or flash dump by itself, and checked: chip, checksum,\n"
    "SHA-256. The files of the release folder go with the app and come back with it; without an\n"
    "app the bundle is files only: they run on the firmware that is there. The bundle is opened,\n"
    "verified and decoded again before it is written.\n"
    "\n"
    "A device keeps each release in a folder of its own, so what the application changed there\n"
    "would stay behind. --keep config.json takes the device's own file over when the application\n"
    "changed it; --keep data/ all that it made or changed below data; --delete data/cache not "
    "that.\n"
    "\n"
    "--compile asks mpy-cross which .mpy version it makes, and compares it with the firmware's.\n"
    "\n"
    "SOURCE_DATE_EPOCH, when set, is the time of issue: the same input then gives the same "
    "bundle,\n"
    "but for its signature.",
    create_options,
    0,
    0,
    run_create};

extern const struct cli_verb cli_verb_bundle_show;
const struct cli_verb cli_verb_bundle_show = {
    "bundle show",
    "FILE",
    "print what is in a bundle, and check it",
    "Every chunk is decoded and compared with its SHA-256. The exit code is 1 when something is\n"
    "wrong, also the signature when a key is given.\n"
    "\n"
    "Keys of --json (0 or \"\" = not said; times are seconds since 1970 UTC):\n"
    "  file, length, digest, key_id, sequence, board, chip_id, slot_size, min_bootloader\n"
    "  signature: \"not checked\", \"right\", \"wrong\" or \"unknown key\"\n"
    "  mpy_abi, issued, expires, allow_downgrade, info\n"
    "  payloads: [{role, name, length, encoded_length, sha256, chunk_size, mpy_abi, error,\n"
    "    chunks: [{codec, encoded_length, sha256}]}]; of a release also\n"
    "    files: [{path, length, sha256, policy}], policy one of \"replace\",\n"
    "      \"if changed\", \"delete\", \"keep folder\"",
    show_options,
    1,
    1,
    run_show};
