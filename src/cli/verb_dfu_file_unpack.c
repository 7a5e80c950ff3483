#include <string.h>

#include "cli/dfu_file.h"
#include "cli/process.h"
#include "molt/host/file.h"

static const struct cli_option options[] = {
    {"output", 'o', "FILE",
     "all of it in one file: Intel HEX when its name ends in .hex, else raw"},
    {"folder", 'd', "FOLDER", "where a file for each element goes (default: here)"},
    {"format", 'F', "FORMAT", "of --output: bin or hex"},
    {"fill", 0, "BYTE", "between elements in a raw file (default 0xFF, erased flash)"},
    {"without-prefix", 0, NULL, "leave out the prefix of an NXP LPC or TI Stellaris file"},
    {"address", 'A', "ADDRESS", "of a raw or plain DFU file's first byte"},
    {"force", 'f', NULL, "replace files that are there"},
    DFU_FILE_ROW_RAW,
    DFU_FILE_ROW_BAD_CRC,
    {"dry-run", 'n', NULL, "say what would be written, write nothing"},
    {0}};

static const char details[] =
    "Takes a file for DFU devices apart: a raw file for each element, named by its address\n"
    "(NAME-0x08000000.bin), or with --output one file of all, FF where there is nothing. Of a\n"
    "plain DFU file the suffix is taken off, as dfu-suffix does. ELF and Intel HEX files are\n"
    "taken apart in the same way.\n" //
    DFU_FILE_WORDS "\n"
    "  molt dfu unpack firmware.dfu\n"
    "  molt dfu unpack firmware.dfu -o firmware.hex\n"
    "  molt dfu unpack firmware.elf -o flash.bin\n"
    "  molt dfu unpack hackrf.dfu --without-prefix -o hackrf.bin";

static bool ends_in(const char *text, const char *ending)
{
    size_t n = strlen(text), m = strlen(ending);
    return n >= m && strcmp(text + n - m, ending) == 0;
}

static int parse(const struct cli_args *args, struct molt_dfu_unpack_request *request)
{
    const char *format = cli_option(args, "format"), *fill = cli_option(args, "fill");
    uint64_t byte = 0xFF;
    *request = (struct molt_dfu_unpack_request){
        .name = args->operand[0],
        .output = cli_option(args, "output"),
        .folder = cli_option(args, "folder"),
        .as = MOLT_DFU_IMAGE_BIN,
        .replace = cli_has(args, "force"),
        .without_prefix = cli_has(args, "without-prefix"),
        .dry_run = cli_has(args, "dry-run"),
    };
    if (request->output && request->folder) {
        return cli_usage(args, "--output is one file, --folder one for each element: expected "
                               "either");
    }
    if (request->output && strcmp(request->output, "-") == 0) {
        return cli_usage(args, "--output -: expected the name of a file");
    }
    if (!request->output && (format || fill)) {
        return cli_usage(args, "--format and --fill are for one file: expected --output FILE");
    }
    if (format && strcmp(format, "hex") != 0 && strcmp(format, "bin") != 0) {
        return cli_usage(args, "--format %s: expected bin or hex", format);
    }
    if (fill && !cli_parse_size(fill, 255, &byte)) {
        return cli_usage(args, "--fill %s: expected a byte, 0 to 0xFF", fill);
    }
    bool named_hex =
        request->output && (ends_in(request->output, ".hex") || ends_in(request->output, ".ihex"));
    if (format ? strcmp(format, "hex") == 0 : named_hex) {
        request->as = MOLT_DFU_IMAGE_HEX;
    }
    request->fill = (uint8_t)byte;
    return CLI_OK;
}

static void print(const struct molt_dfu_unpacked *unpacked, const struct molt_dfu_image *image,
                  const struct molt_dfu_unpack_request *request)
{
    char size[16];
    for (uint32_t i = 0; i < unpacked->count; i++) {
        const struct molt_dfu_part_file *piece = &unpacked->piece[i];
        printf("%s ", request->dry_run ? "would write" : "written:");
        process_print_safe(stdout, piece->path);
        printf(", %s", request->as == MOLT_DFU_IMAGE_HEX ? "Intel HEX" : "raw");
        if (image->has_addresses && request->as == MOLT_DFU_IMAGE_BIN) {
            printf(" from 0x%08x", piece->address);
        }
        printf(" (%u bytes, %s)\n", piece->size, cli_size(piece->size, size));
    }
    if (image->crc_wrong) {
        fprintf(stderr, "the DFU suffix is wrong: taken as it is, as asked for\n");
    }
}

/* Of a raw file the first byte is the lowest address of all, not that of the first element. */
static void lowest_first(struct molt_dfu_unpacked *unpacked, const struct molt_dfu_image *image)
{
    for (uint32_t i = 0; unpacked->count == 1 && i < image->count; i++) {
        if (image->element[i].address < unpacked->piece[0].address) {
            unpacked->piece[0].address = image->element[i].address;
        }
    }
}

static int run(struct cli_args *args)
{
    struct molt_message message = {0};
    struct molt_dfu_image_request file;
    struct molt_dfu_unpack_request request;
    struct molt_dfu_unpacked unpacked = {0};
    struct molt_dfu_image image;
    int code = parse(args, &request);
    if (code == CLI_OK) {
        code = dfu_file_request(args, args->operand[0], &file);
    }
    if (code != CLI_OK) {
        return code;
    }
    int error = molt_dfu_image_load(&image, &file, &message);
    if (!error) {
        error = molt_dfu_unpack(&unpacked, &image, &request, &message);
    }
    if (!error) {
        lowest_first(&unpacked, &image);
        print(&unpacked, &image, &request);
    }
    molt_dfu_unpacked_free(&unpacked);
    molt_dfu_image_free(&image);
    return error ? cli_fail(args, &message) : CLI_OK;
}

extern const struct cli_verb cli_verb_dfu_unpack;
const struct cli_verb cli_verb_dfu_unpack = {
    "dfu unpack",
    "FILE",
    "take a .dfu, ELF or Intel HEX file apart into raw files or one",
    details,
    options,
    1,
    1,
    run};
