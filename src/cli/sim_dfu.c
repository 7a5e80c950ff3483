/* sim new and sim boot for boards with a USB boot loader. */
#include "cli/sim_dfu.h"

#include <string.h>

#include "cli/json.h"
#include "molt/host/board.h"
#include "molt/host/simdfu.h"

bool sim_dfu_knows(const char *chip)
{
    return molt_sim_dfu_profile_named(chip) != NULL;
}

int sim_dfu_new(struct cli_args *args, const char *folder)
{
    static const char *const others[] = {"flash-size", "revision", "no-rollback",
                                         "legacy-revision"};
    struct molt_message message;
    const char *chip = cli_option(args, "chip"), *name = cli_option(args, "board");
    const char *serial = cli_option(args, "serial"), *flash = cli_option(args, "flash");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (cli_has(args, others[i])) {
            return cli_usage(args, "--%s does not go with --chip %s: it is for ESP32 boards",
                             others[i], chip);
        }
    }
    if (name && (!name[0] || strlen(name) > 32 || !molt_board_text_ok(name))) {
        return cli_usage(args, "--board '%s': expected a name of 1 to 32 printable characters",
                         name);
    }
    if (serial && (!serial[0] || strlen(serial) > 63 || !molt_board_text_ok(serial))) {
        return cli_usage(args, "--serial '%s': expected 1 to 63 printable characters", serial);
    }
    if (molt_simdfu_create(folder, chip, name, serial, flash, &message) < 0) {
        return cli_fail(args, &message);
    }
    printf("%s: %s, in its USB boot loader, flash %s\n", args->operand[0], chip,
           flash ? "from the file" : "erased");
    return CLI_OK;
}

static void print_json(const struct molt_simdfu_boot *boot)
{
    struct json_out json = {.out = stdout};
    json_open(&json, NULL, '{');
    json_text(&json, "result", boot->runs ? "runs" : boot->in_loader ? "boot loader" : "no boot");
    json_number(&json, "vectors", boot->runs && boot->vectors ? (int64_t)boot->vectors : -1);
    json_number(&json, "stack", boot->runs && boot->vectors ? (int64_t)boot->stack : -1);
    json_number(&json, "reset", boot->runs && boot->vectors ? (int64_t)boot->reset : -1);
    json_text(&json, "why", boot->why);
    json_close(&json, '}');
}

static void print_words(const struct molt_simdfu_boot *boot)
{
    if (boot->in_loader) {
        printf("running: the boot loader\n");
    } else if (boot->runs && boot->vectors) {
        printf("running: the program at 0x%08x\n", boot->vectors);
    } else {
        printf("running: %s\n", boot->runs ? "the application" : "nothing");
    }
    printf("why: %s\n", boot->why);
}

int sim_dfu_boot(struct cli_args *args, const char *folder)
{
    struct molt_simdfu *board;
    struct molt_message message;
    struct molt_simdfu_boot boot;
    if (molt_simdfu_open(&board, folder, &message) < 0) {
        return cli_fail(args, &message);
    }
    molt_simdfu_boot(board, cli_has(args, "boot0"), &boot);
    if (cli_has(args, "json")) {
        print_json(&boot);
    } else {
        print_words(&boot);
    }
    if (molt_simdfu_close(board, &message) < 0) {
        return cli_fail(args, &message);
    }
    return boot.runs || boot.in_loader ? CLI_OK : CLI_FAILED;
}
