#include <stdlib.h>

#include "cli/cli.h"
#include "cli/planprint.h"
#include "molt/host/file.h"
#include "molt/ops/convert.h"

static const struct cli_option options[] = {
    {"family", 'F', "NAME", "the chips it is for: ESP32S3, RP2040, STM32F4 ..., or a number"},
    {"base", 'b', "OFFSET", "address of the first byte; else told by the input"},
    {"whole", 'w', NULL, "of a firmware file all bytes at flash offsets, not its app alone"},
    {"output", 'o', "FILE", "where the result goes, in place of OUT"},
    {"force", 'f', NULL, "also what would not boot"},
    {"dry-run", 'n', NULL, "print the plan, write nothing"},
    {0}};

static const char details[] =
    "Makes a UF2 file of an image, or an image of a UF2 file; the input's bytes tell which. What\n"
    "would not boot is refused: a damaged app, one for another chip, bytes that a boot ROM does\n"
    "not start.\n"
    "An app goes to 0, the start of its slot, as TinyUF2 takes it; of a firmware file or flash\n"
    "dump the app that boots is taken. A flash image of an RP2040 or RP2350 goes to 0x10000000.\n"
    "Other bytes need --family and --base. Of a UF2 file the bytes of one family are taken, FF\n"
    "where it writes nothing.\n"
    "  molt convert firmware.bin app.uf2\n"
    "  molt convert app.uf2 app.bin\n"
    "  molt convert data.bin data.uf2 --family STM32F4 --base 0x08010000";

static int run(struct cli_args *args)
{
    struct molt_message message = {0};
    struct molt_converted converted;
    struct molt_convert_request request = {
        .input = args->operand[0],
        .family = cli_option(args, "family"),
        .has_base = cli_has(args, "base"),
        .whole = cli_has(args, "whole"),
        .force = cli_has(args, "force"),
    };
    const char *output = cli_option(args, "output"), *base = cli_option(args, "base");
    uint64_t address = 0;
    char size[16];
    if (base && !cli_parse_size(base, 0xFFFFFFFFu, &address)) {
        return cli_usage(args, "--base %s: expected an address such as 0x10000", base);
    }
    if (args->operand_count == 2 && output) {
        return cli_usage(args, "%s and --output %s: expected one name for the result",
                         args->operand[1], output);
    }
    output = args->operand_count == 2 ? args->operand[1] : output;
    if (!output && !cli_has(args, "dry-run")) {
        return cli_usage(args, "no name for the result: expected OUT");
    }
    request.base = (uint32_t)address;
    int error = output && molt_same_file(request.input, output)
                    ? molt_fail(&message, MOLT_E_ARGUMENT,
                                "%s: is the input, expected another file", output)
                    : molt_convert(&converted, &request, &message);
    if (error) {
        return cli_fail(args, &message);
    }
    plan_print(stdout, &converted.plan);
    if (!cli_has(args, "dry-run")) {
        error = molt_file_write(output, converted.bytes, converted.size, 0666, MOLT_FILE_REPLACE,
                                &message);
    }
    if (!error && !cli_has(args, "dry-run")) {
        printf("written: %s, %s (%u bytes, %s)\n", output,
               converted.to_uf2 ? "a UF2 file" : converted.what, converted.size,
               cli_size(converted.size, size));
    }
    molt_converted_free(&converted);
    return error ? cli_fail(args, &message) : CLI_OK;
}

extern const struct cli_verb cli_verb_convert;
const struct cli_verb cli_verb_convert = {
    "convert", "IN [OUT]", "make a UF2 file of an image, or an image of a UF2 file",
    details,   options,    1,
    2,         run};
