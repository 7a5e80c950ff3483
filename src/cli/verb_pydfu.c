/* The options of MicroPython's tools/pydfu.py. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/dfu_rescue.h"
#include "cli/dfu_stop.h"
#include "cli/planprint.h"
#include "molt/ops/dfu_device.h"
#include "molt/ops/dfu_image.h"
#include "molt/ops/dfu_session.h"
#include "molt/ops/dfu_write.h"

/* --vid or --pid: decimal or 0x..., 0 = any, as there. */
static int parse_id(const struct cli_args *args, const char *name, struct molt_dfu_choice *choice,
                    int32_t *in_dfu_mode, int32_t *in_run_time)
{
    const char *text = cli_option(args, name);
    uint64_t value = 0;
    if (text && !cli_parse_size(text, 0xFFFF, &value)) {
        return cli_usage(args, "--%s %s: expected a number up to 0xFFFF", name, text);
    }
    if (value) {
        choice->has_id = true;
        *in_dfu_mode = *in_run_time = (int32_t)value;
    }
    return CLI_OK;
}

static int parse_choice(const struct cli_args *args, struct molt_dfu_choice *choice)
{
    struct molt_message message;
    const char *target = args->operand_count ? args->operand[0] : "usb:";
    if (molt_dfu_choice_parse(choice, target, &message) < 0) {
        return cli_usage(args, "%s", message.text);
    }
    int code = parse_id(args, "vid", choice, &choice->dfu_mode.vendor, &choice->run_time.vendor);
    return code ? code
                : parse_id(args, "pid", choice, &choice->dfu_mode.product,
                           &choice->run_time.product);
}

static void print_device(const struct molt_dfu_device *device)
{
    const struct molt_dfu_map *map = &device->alternate[0].map;
    printf("Bus %u Device %03u: ID %04x:%04x\nMemory Layout\n", device->bus, device->address,
           device->vendor, device->product);
    for (uint32_t i = 0; device->alternate[0].has_map && i < map->count; i++) {
        printf("    0x%x %2u pages of %3uK bytes\n", map->segment[i].start, map->segment[i].count,
               map->segment[i].sector_size / 1024);
    }
}

static int list(const struct molt_dfu_choice *choice, struct molt_message *message)
{
    struct molt_dfu_device *devices;
    uint32_t count, shown = 0;
    if (choice->folder[0]) {
        struct molt_dfu_session *session;
        int error = molt_dfu_session_open(&session, choice, 0, NULL, message);
        if (!error) {
            print_device(&session->device);
            error = molt_dfu_session_close(session, message);
        }
        return error;
    }
    int error = molt_dfu_list(&devices, &count, message);
    for (uint32_t i = 0; !error && i < count; i++) {
        if (molt_dfu_choice_fits(choice, &devices[i])) {
            print_device(&devices[i]);
            shown++;
        }
    }
    if (!error) {
        molt_dfu_list_free(devices, count);
    }
    return error || shown ? error
                          : molt_fail(message, MOLT_E_NOT_FOUND,
                                      "No DFU capable devices found: plug the board in with its "
                                      "boot loader running (BOOT0 high, or machine.bootloader())");
}

/* On a terminal only: a script that says -m has said it. */
static bool confirmed(void)
{
    char answer[8] = "";
    if (!isatty(STDIN_FILENO)) {
        return true;
    }
    fprintf(stderr, "Everything in the board's flash is lost, its files too. Go on? [y/N] ");
    return fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

static int mass_erase(struct molt_dfu_session *session, const struct molt_progress *progress,
                      struct molt_message *message)
{
    struct molt_dfu_erase *erase;
    struct molt_dfu_erase_request request = {.all = true};
    int error = molt_dfu_erase_plan(&erase, session, &request, message);
    if (!error) {
        error = molt_dfu_erase_run(erase, progress, message);
        molt_dfu_erase_free(erase);
    }
    return error;
}

static int write_file(const struct cli_args *args, struct molt_dfu_session *session,
                      const struct molt_dfu_image *image, const struct molt_progress *progress,
                      struct molt_message *message)
{
    struct molt_dfu_write *write;
    bool all = cli_has(args, "mass-erase");
    struct molt_dfu_write_request request = {
        .image = image, .mass_erase = all, .overwrite_files = all};
    int error = molt_dfu_write_plan(&write, session, &request, progress, message);
    if (error) {
        /* Its advice is options that pydfu.py does not have. */
        struct molt_message before = *message;
        return molt_fail(message, error, "%s: %s%s", cli_option(args, "upload"), before.text,
                         strstr(before.text, "--") ? " ('molt dfu write' has these options)" : "");
    }
    cli_progress_end(args);
    if (cli_has(args, "verbose")) {
        plan_print(stdout, molt_dfu_write_steps(write));
    }
    printf("Writing memory...\n");
    fflush(stdout);
    error = molt_dfu_write_run(write, progress, message);
    if (error) {
        free(dfu_save_rescue(args, write));
    }
    molt_dfu_write_free(write);
    return error;
}

static int act(const struct cli_args *args, struct molt_dfu_session *session,
               const struct molt_dfu_image *image, const struct molt_progress *progress,
               struct molt_message *message)
{
    int error = MOLT_OK;
    if (cli_has(args, "mass-erase")) {
        printf("Mass erase...\n");
        fflush(stdout);
    }
    if (cli_has(args, "upload")) {
        error = write_file(args, session, image, progress, message);
    } else if (cli_has(args, "mass-erase")) {
        error = mass_erase(session, progress, message);
    }
    if (!error && (cli_has(args, "upload") || cli_has(args, "exit"))) {
        cli_progress_end(args);
        printf("Exiting DFU...\n");
    }
    if (!error && cli_has(args, "exit") && !cli_has(args, "upload")) {
        struct molt_dfu_left left;
        struct molt_dfu_leave_request request = {0};
        error = molt_dfu_leave_device(session, &request, &left, progress, message);
    }
    return error;
}

static int with_device(const struct cli_args *args, const struct molt_dfu_choice *choice,
                       const struct molt_dfu_image *image, const struct molt_progress *progress,
                       struct molt_message *message)
{
    struct molt_dfu_session *session;
    struct molt_message closing;
    bool any = cli_has(args, "mass-erase") || cli_has(args, "upload") || cli_has(args, "exit");
    int error = molt_dfu_session_open(&session, choice, 0, progress, message);
    if (error) {
        return error;
    }
    molt_dfu_session_poll_early(session); /* as pydfu.py, which never waits */
    error = act(args, session, image, progress, message);
    cli_progress_end(args);
    if (molt_dfu_session_close(session, &closing) < 0 && !error) {
        *message = closing;
        error = closing.error;
    }
    if (!error) {
        puts(any ? "Finished" : "No command specified");
    }
    return error;
}

static int run_command(const struct cli_args *args, const struct molt_dfu_choice *choice)
{
    struct molt_message message;
    struct molt_progress progress;
    struct molt_dfu_image image = {0};
    struct molt_dfu_image_request request = {.path = cli_option(args, "upload")};
    if (request.path && molt_dfu_image_load(&image, &request, &message) < 0) {
        return cli_fail(args, &message);
    }
    if (cli_has(args, "mass-erase") && !confirmed()) {
        molt_dfu_image_free(&image);
        molt_fail(&message, MOLT_E_CANCELLED, "nothing was erased");
        return cli_fail(args, &message);
    }
    cli_progress_start(args, &progress);
    struct dfu_stop *stop = dfu_stop_begin(&progress);
    int error = with_device(args, choice, &image, &progress, &message);
    int code = error ? cli_fail(args, &message) : CLI_OK;
    molt_dfu_image_free(&image);
    fflush(stdout);
    dfu_stop_end(stop);
    return code;
}

static int run(struct cli_args *args)
{
    struct molt_message message;
    struct molt_dfu_choice choice;
    int code = parse_choice(args, &choice);
    if (code) {
        return code;
    }
    if (!cli_has(args, "list")) {
        return run_command(args, &choice);
    }
    return list(&choice, &message) < 0 ? cli_fail(args, &message) : CLI_OK;
}

static const struct cli_option options[] = {
    {"list", 'l', NULL, "print the DFU devices and their memory"},
    {"vid", 0, "NUMBER", "USB vendor id (0: any)"},
    {"pid", 0, "NUMBER", "USB product id (0: any)"},
    {"mass-erase", 'm', NULL, "erase the whole flash, the board's files too; asks on a terminal"},
    {"upload", 'u', "FILE", "write FILE to the device, and leave DFU mode"},
    {"exit", 'x', NULL, "leave DFU mode"},
    {"verbose", 'v', NULL, "print the plan"},
    {0}};

static const char details[] =
    "The options of MicroPython's tools/pydfu.py: scripts need the command's name changed.\n"
    "\n"
    "Not as pydfu.py does it: FILE may be a .dfu, an ELF or Intel HEX file, each also with gzip; "
    "its\n"
    "checksum, and the device that it is for, are checked before anything is erased; a sector "
    "that\n"
    "two of its parts share keeps both; what was written is read back and compared; what would\n"
    "overwrite the board's files is refused without -m; a failure ends with 1.\n"
    "TARGET may be sim:FOLDER, or usb:... to choose one of several devices.\n"
    "Example: 'molt pydfu --vid 0x0483 --pid 0xDF11 -u firmware.dfu'.";

extern const struct cli_verb cli_verb_pydfu;
const struct cli_verb cli_verb_pydfu = {
    "pydfu", "[TARGET]", "write USB DFU devices, in the words of MicroPython's tool",
    details, options,    0,
    1,       run};
