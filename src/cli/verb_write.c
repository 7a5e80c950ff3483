#include <stdlib.h>
#include <string.h>

#include "cli/part_act.h"

static const struct cli_option options[] = {
    {"output", 'o', "FILE", "write the changed file there; the input stays as it is"},
    {"dry-run", 'n', NULL, "print the plan, write nothing"},
    {"force", 'f', NULL, "also what a person would not expect: see the plan"},
    {"json", 'j', NULL, "print one JSON object"},
    {0}};

static const char details[] =
    "NAME is a partition, bootloader, table, vfs (also where it has no row of its own), or\n"
    "OFFSET+SIZE. Prints the plan, checks all of it, then writes: a file as a whole or not at "
    "all,\n"
    "a board only where it differs, each sector read back. What a place had more is erased.\n"
    "\n"
    "Into a slot goes an app that starts there: it is verified first, and of a downloaded "
    "firmware\n"
    "file the app is taken out. A bootloader has to be for this chip, a table (binary, CSV, or of\n"
    "another firmware) has to fit the flash; otadata has to choose an app that starts; a file\n"
    "system image must not be larger than its place.\n"
    "\n"
    "  molt write firmware.bin vfs=vfs.img -o product.bin    firmware and files in one file\n"
    "  molt write sim:bench ota_1=firmware.bin               an app to the other slot\n"
    "\n" PART_JSON_HELP;

static int split_all(struct cli_args *args, struct molt_part_write *writes, char **copies,
                     struct molt_message *message)
{
    for (int i = 1; i < args->operand_count; i++) {
        const char *file;
        copies[i - 1] = part_split(args->operand[i], &file);
        if (!copies[i - 1]) {
            return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
        }
        if (!file || !file[0] || !copies[i - 1][0]) {
            return molt_fail(message, MOLT_E_ARGUMENT, "'%s': expected NAME=FILE",
                             args->operand[i]);
        }
        writes[i - 1] = (struct molt_part_write){copies[i - 1], file};
    }
    return MOLT_OK;
}

static int plan(struct cli_args *args, struct molt_part_job *job, const struct molt_target *target,
                struct molt_message *message)
{
    struct molt_part_write writes[CLI_MAX_OPERANDS];
    char *copies[CLI_MAX_OPERANDS] = {0};
    int error = split_all(args, writes, copies, message);
    if (!error) {
        error = molt_part_plan_write(job, target, writes, (uint32_t)args->operand_count - 1,
                                     cli_has(args, "force"), message);
    }
    for (int i = 0; i < CLI_MAX_OPERANDS; i++) {
        free(copies[i]);
    }
    return error;
}

static int run(struct cli_args *args)
{
    return part_act(args, plan);
}

extern const struct cli_verb cli_verb_write;
const struct cli_verb cli_verb_write = {"write",
                                        "TARGET NAME=FILE...",
                                        "write files into partitions, bootloader, table",
                                        details,
                                        options,
                                        2,
                                        -1,
                                        run};
