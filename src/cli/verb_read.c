#include <stdlib.h>
#include <string.h>

#include "cli/part_act.h"
#include "molt/host/file.h"

static const struct cli_option options[] = {
    {"output", 'o', "FILE", "for the one place that is named without =FILE; - = standard output"},
    {"trim", 't', NULL, "leave trailing FF off: to 16 bytes for apps, else to 4096"},
    {0}};

static const char details[] =
    "NAME is a partition, bootloader, table (partition_table), vfs (also where it has no row of "
    "its\n"
    "own), all, or OFFSET+SIZE. What a firmware file leaves out is read as FF, as it is on flash.\n"
    "Everything is read before the first file is written.\n"
    "\n"
    "  molt read dump.bin nvs=nvs.bin vfs=vfs.img\n"
    "  molt read --trim sim:bench ota_0 -o app.bin\n"
    "  molt read dump.bin 0x9000+24K -o - | xxd | head";

struct one {
    char *name;       /* owned */
    const char *file; /* in name's copy, or of --output */
    uint8_t *bytes;   /* owned */
    uint32_t n;
};

static int plan_all(struct cli_args *args, struct one *ones, uint32_t count,
                    struct molt_message *message)
{
    const char *output = cli_option(args, "output");
    for (uint32_t i = 0; i < count; i++) {
        ones[i].name = part_split(args->operand[i + 1], &ones[i].file);
        if (!ones[i].name) {
            return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
        }
        if (!ones[i].file) {
            ones[i].file = output;
            output = NULL;
        }
        if (!ones[i].file || !ones[i].file[0]) {
            return molt_fail(message, MOLT_E_ARGUMENT,
                             "'%s': where to? expected NAME=FILE, or one NAME and --output FILE",
                             args->operand[i + 1]);
        }
        for (uint32_t k = 0; k < i; k++) {
            if (strcmp(ones[k].file, ones[i].file) == 0) {
                return molt_fail(message, MOLT_E_ARGUMENT,
                                 "%s: '%s' and '%s' would both go there: expected two files",
                                 ones[i].file, ones[k].name, ones[i].name);
            }
        }
        if (molt_same_file(ones[i].file, args->operand[0])) {
            return molt_fail(message, MOLT_E_ARGUMENT,
                             "%s: is the input itself; expected another name for the output",
                             ones[i].file);
        }
    }
    return output ? molt_fail(message, MOLT_E_ARGUMENT,
                              "--output %s: every place has its file already", output)
                  : MOLT_OK;
}

static int write_one(const struct one *one, struct molt_message *message)
{
    if (strcmp(one->file, "-") == 0) {
        size_t n = fwrite(one->bytes, 1, one->n, stdout);
        return n == one->n && fflush(stdout) == 0
                   ? MOLT_OK
                   : molt_fail(message, MOLT_E_IO, "standard output: cannot be written");
    }
    int error =
        molt_file_write(one->file, one->bytes, one->n, 0666, MOLT_FILE_REPLACE_UNSYNCED, message);
    if (!error) {
        fprintf(stderr, "%s: %u bytes to %s\n", one->name, one->n, one->file);
    }
    return error;
}

static int read_all(struct cli_args *args, struct one *ones, uint32_t count,
                    struct molt_target *target, struct molt_message *message)
{
    struct molt_progress progress;
    int error = MOLT_OK;
    cli_progress_start(args, &progress);
    for (uint32_t i = 0; !error && i < count; i++) {
        error = molt_part_read(target, ones[i].name, cli_has(args, "trim"), &ones[i].bytes,
                               &ones[i].n, &progress, message);
    }
    cli_progress_end(args);
    for (uint32_t i = 0; !error && i < count; i++) {
        error = write_one(&ones[i], message);
    }
    return error;
}

static int run(struct cli_args *args)
{
    struct molt_message message = {0}, closing = {0};
    struct molt_target *target = calloc(1, sizeof *target);
    struct one ones[CLI_MAX_OPERANDS] = {{0}};
    uint32_t count = (uint32_t)args->operand_count - 1;
    int error = target ? plan_all(args, ones, count, &message)
                       : molt_fail(&message, MOLT_E_NO_MEMORY, "out of memory");
    if (!error) {
        error = molt_target_open(target, args->operand[0], &message);
    }
    if (!error) {
        error = read_all(args, ones, count, target, &message);
        if (molt_target_close(target, &closing) < 0 && !error) {
            error = closing.error;
            message = closing;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        free(ones[i].name);
        free(ones[i].bytes);
    }
    free(target);
    return error ? cli_fail(args, &message) : CLI_OK;
}

extern const struct cli_verb cli_verb_read;
const struct cli_verb cli_verb_read = {"read",
                                       "TARGET NAME[=FILE]...",
                                       "read partitions, bootloader, table into files",
                                       details,
                                       options,
                                       2,
                                       -1,
                                       run};
