/* sim new, sim boot: simulated boards. */
#include <string.h>

#include "cli/cli.h"
#include "cli/json.h"
#include "cli/sim_dfu.h"
#include "molt/host/board.h"
#include "molt/host/simdfu.h"

/* The folder of sim:FOLDER; NULL = it is none. */
static const char *folder_of(const char *name)
{
    return strncmp(name, "sim:", 4) == 0 && name[4] ? name + 4 : NULL;
}

static const struct cli_option new_options[] = {
    {"flash", 'f', "FILE", "what is on the flash: a flash dump or a firmware file (else erased)"},
    {"flash-size", 0, "SIZE", "1M, 2M, 4M, 8M or 16M (default: as the file says, else 4M)"},
    {"chip", 0, "CHIP", "esp32 (default), esp32c3, stm32f405 or another of those below"},
    {"revision", 0, "N.N", "revision of the chip (default 3.0; esp32c3 0.4)"},
    {"no-rollback", 0, NULL, "its bootloader has no rollback, as those flashed before 2023-09"},
    {"legacy-revision", 0, NULL,
     "its bootloader judges the old revision byte, as ESP-IDF 4.4 does"},
    {"board", 0, "NAME", "board name for updates (default ESP32_GENERIC or ESP32_GENERIC_C3)"},
    {"serial", 0, "TEXT", "serial number on USB; not for ESP32 boards"},
    {NULL, 0, NULL, NULL},
};

static int new_facts(const struct cli_args *args, struct molt_board_facts *facts)
{
    const char *chip = cli_option(args, "chip"), *size = cli_option(args, "flash-size");
    const char *revision = cli_option(args, "revision"), *name = cli_option(args, "board");
    uint64_t bytes = 0;
    memset(facts, 0, sizeof *facts);
    chip = chip ? chip : "esp32";
    bool c3 = strcmp(chip, "esp32c3") == 0;
    name = name ? name : c3 ? "ESP32_GENERIC_C3" : "ESP32_GENERIC";
    revision = revision ? revision : c3 ? "0.4" : "3.0";
    if (!c3 && strcmp(chip, "esp32") != 0) {
        return cli_usage(args,
                         "--chip %s: expected esp32, esp32c3, or one of those with USB that "
                         "'molt sim new --help' names",
                         chip);
    }
    if (size && (!cli_parse_size(size, 0x1000000, &bytes) || bytes == 0)) {
        return cli_usage(args, "--flash-size %s: expected 1M, 2M, 4M, 8M or 16M", size);
    }
    if (molt_board_parse_revision(revision) < 0) {
        return cli_usage(args, "--revision %s: expected a revision such as 3.0", revision);
    }
    if (!name[0] || strlen(name) >= sizeof facts->name || !molt_board_text_ok(name)) {
        return cli_usage(args, "--board '%s': expected a name of 1 to %zu printable characters",
                         name, sizeof facts->name - 1);
    }
    snprintf(facts->chip, sizeof facts->chip, "%s", chip);
    snprintf(facts->name, sizeof facts->name, "%s", name);
    facts->flash_size = (uint32_t)bytes;
    facts->boot.revision = (uint16_t)molt_board_parse_revision(revision);
    facts->boot.rollback = !cli_has(args, "no-rollback");
    facts->boot.legacy_revision = cli_has(args, "legacy-revision");
    return CLI_OK;
}

static int run_new(struct cli_args *args)
{
    struct molt_board_facts facts;
    struct molt_message message;
    const char *folder = folder_of(args->operand[0]);
    if (!folder) {
        return cli_usage(args, "%s: expected sim:FOLDER", args->operand[0]);
    }
    if (cli_option(args, "chip") && sim_dfu_knows(cli_option(args, "chip"))) {
        return sim_dfu_new(args, folder);
    }
    if (cli_has(args, "serial")) {
        return cli_usage(args, "--serial is for boards that have USB: --chip stm32f405");
    }
    int usage = new_facts(args, &facts);
    if (usage != CLI_OK) {
        return usage;
    }
    const char *dump = cli_option(args, "flash");
    if (molt_board_create(folder, &facts, dump, &message) < 0) {
        return cli_fail(args, &message);
    }
    printf("%s: %s, revision %u.%u, bootloader %s rollback, flash %s\n", args->operand[0],
           facts.chip, facts.boot.revision / 100u, facts.boot.revision % 100u,
           facts.boot.rollback ? "with" : "without", dump ? "from the file" : "erased");
    return CLI_OK;
}

extern const struct cli_verb cli_verb_sim_new;
const struct cli_verb cli_verb_sim_new = {
    "sim new",
    "sim:FOLDER",
    "make a simulated board",
    "The board is a folder: flash.bin (the whole chip), board.json (its facts), the store, and "
    "the\n"
    "cells that a power cut left weak. Every verb that takes a device takes sim:FOLDER.\n"
    "\n"
    "MicroPython before 1.21 came with a bootloader of ESP-IDF 4.4: --no-rollback\n"
    "--legacy-revision.\n"
    "\n"
    "Chips with a USB boot loader, for molt dfu; --flash then is the bytes of their flash:\n"
    "  stm32f405, stm32f427, stm32h743, stm32l452, stm32l476, stm32c5, gd32: loaders in ROM\n"
    "  mboot, mboot-packed: MicroPython's boot loader on an STM32F405\n"
    "  plain, plain-intolerant: DFU 1.1 without addresses\n"
    "  runtime, runtime-reset: an application that detaches into a boot loader (runtime-dfu)\n"
    "Such a board is in its boot loader until it is told to leave, and again after\n"
    "'molt sim boot --boot0 sim:FOLDER'.",
    new_options,
    1,
    1,
    run_new};

static const struct cli_option boot_options[] = {
    {"json", 0, NULL, "print the outcome as JSON"},
    {"reset", 0, NULL, "a reset; else a power cycle, at which weak cells are drawn anew"},
    {"boot0", 0, NULL, "with BOOT0 held: an STM32 waits in its USB boot loader"},
    {NULL, 0, NULL, NULL},
};

static const char *result_name(enum molt_boot_result result)
{
    switch (result) {
    case MOLT_BOOT_RUNS: return "runs";
    case MOLT_BOOT_APP_ABORTS: return "app aborts";
    case MOLT_BOOT_NONE: break;
    }
    return "no boot";
}

static void print_json(const struct molt_board *board, const struct molt_boot_outcome *outcome)
{
    struct json_out json = {.out = stdout};
    char hex[65] = "";
    bool started = outcome->result != MOLT_BOOT_NONE;
    for (unsigned i = 0; i < 32; i++) {
        snprintf(hex + 2 * i, 3, "%02x", outcome->image_sha256[i]);
    }
    json_open(&json, NULL, '{');
    json_text(&json, "result", result_name(outcome->result));
    json_text(&json, "running", outcome->result == MOLT_BOOT_RUNS ? outcome->label : NULL);
    json_text(&json, "partition", started ? outcome->label : NULL);
    json_number(&json, "offset", started ? (int64_t)outcome->offset : -1);
    json_number(&json, "chosen", outcome->chosen);
    json_bool(&json, "fell_back", outcome->fell_back);
    json_text(&json, "image_sha256", started ? hex : NULL);
    json_number(&json, "image_length", started ? (int64_t)outcome->image_length : 0);
    json_text(&json, "why", outcome->why);
    json_text(&json, "reset_cause", board->facts.reset_cause);
    json_number(&json, "boots", (int64_t)board->facts.boots);
    json_close(&json, '}');
}

static void print_words(const struct molt_boot_outcome *outcome)
{
    if (outcome->result == MOLT_BOOT_RUNS) {
        printf("running: %s at 0x%x\n", outcome->label, outcome->offset);
    } else if (outcome->result == MOLT_BOOT_APP_ABORTS) {
        printf("running: nothing: %s starts, and its own reader of the table aborts\n",
               outcome->label);
    } else {
        printf("running: nothing: the bootloader resets for ever\n");
    }
    printf("why: %s\n", outcome->why);
}

static int run_boot(struct cli_args *args)
{
    struct molt_board board;
    struct molt_message message;
    struct molt_boot_outcome outcome;
    const char *folder = folder_of(args->operand[0]);
    if (!folder) {
        return cli_usage(args, "%s: expected sim:FOLDER", args->operand[0]);
    }
    if (molt_simdfu_is(folder)) {
        return sim_dfu_boot(args, folder);
    }
    if (cli_has(args, "boot0")) {
        return cli_usage(args, "--boot0 is for boards of 'molt sim new --chip stm32f405' and others"
                               " with USB");
    }
    if (molt_board_open(&board, folder, &message) < 0) {
        return cli_fail(args, &message);
    }
    int error = molt_board_boot(&board, !cli_has(args, "reset"), &outcome, &message);
    if (error < 0) {
        molt_board_close(&board, NULL);
        return cli_fail(args, &message);
    }
    if (cli_has(args, "json")) {
        print_json(&board, &outcome);
    } else {
        print_words(&outcome);
    }
    if (molt_board_close(&board, &message) < 0) {
        return cli_fail(args, &message);
    }
    return outcome.result == MOLT_BOOT_RUNS ? CLI_OK : CLI_FAILED;
}

extern const struct cli_verb cli_verb_sim_boot;
const struct cli_verb cli_verb_sim_boot = {
    "sim boot",
    "sim:FOLDER",
    "boot a simulated board: what runs, why, what was written back",
    "The boot model decides as the ESP-IDF bootloader of the board does, and writes otadata back "
    "as\n"
    "it does. Exit code 1 when no application runs.\n"
    "\n"
    "An STM32 starts the vector table at the start of its flash, if there is one; with --boot0\n"
    "its USB boot loader. Keys of --json are then result (\"runs\", \"boot loader\", \"no "
    "boot\"),\n"
    "vectors, stack, reset (-1 = nothing started) and why.\n"
    "\n"
    "Keys of --json (null = nothing started):\n"
    "  result: \"runs\", \"app aborts\" or \"no boot\"; running, partition, offset (-1 = nothing)\n"
    "  chosen (slot number, -1 = factory, -2 = none), fell_back\n"
    "  image_sha256, image_length, why, reset_cause, boots",
    boot_options,
    1,
    1,
    run_boot};
