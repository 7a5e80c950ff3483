#define _POSIX_C_SOURCE 200809L /* strdup */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/dfu_file.h"
#include "cli/process.h"
#include "molt/host/file.h"

static const struct cli_option options[] = {
    {"output", 'o', "FILE", "where the .dfu file goes"},
    {"vid", 'v', "ID", "vendor of the device (default 0483; of --plain any)"},
    {"pid", 'p', "ID", "product (default df11; of --plain any)"},
    {"device", 'd', "ID", "release of the device (default 0000; of --plain any)"},
    {"name", 'N', "TEXT", "name of the targets (default: ST...; \"\" = none)"},
    {"pad", 0, "N", "fill elements up with zeros to N bytes or a multiple (default 8)"},
    {"counted", 0, NULL, "the size in the prefix counts the suffix (MicroPython: it does not)"},
    {"plain", 0, NULL, "no DfuSe file: the bytes of one file and a suffix, for any DFU device"},
    {"spec", 'S', "ID", "--plain: version of DFU (default 0100)"},
    {"prefix", 'P', "KIND", "--plain: lpc, or stellaris@ADDRESS, before the bytes"},
    DFU_FILE_ROW_RAW,
    DFU_FILE_ROW_BAD_CRC,
    {"dry-run", 'n', NULL, "say what would be made, write nothing"},
    {0}};

static const char details[] =
    "Makes a DfuSe file of one or more files; or with --plain of any one file a plain DFU file, "
    "as\n"
    "dfu-suffix does. A raw file needs an address: FILE@ADDRESS (ADDRESS:FILE, as MicroPython's\n"
    "dfu.py has it, is taken too). FILE,alt=N and FILE,name=TEXT behind it choose the target.\n" //
    DFU_FILE_WORDS "\n"
    "Ids are hexadecimal. Without --counted and with the default padding the file is, byte for\n"
    "byte, what MicroPython's dfu.py makes; ST's own and dfu-util's tools read it as well.\n"
    "  molt dfu pack firmware.elf -o firmware.dfu\n"
    "  molt dfu pack isr.bin@0x08000000 text.bin@0x08020000 -o firmware.dfu\n"
    "  molt dfu pack boot.hex,alt=0 assets.bin@0x90000000,alt=1,name=External -o all.dfu\n"
    "  molt dfu pack --plain firmware.bin --vid 1d50 --pid 6017 -o firmware.dfu\n"
    "  molt dfu pack --plain --prefix lpc app.bin --vid 1fc9 --pid 000c -o app.dfu";

/* ---- what the operands say ---- */

#define PARTS CLI_MAX_OPERANDS

struct packing {
    const struct cli_args *args;
    char *text[PARTS]; /* copies of the operands, cut into words */
    struct molt_dfu_pack_part part[PARTS];
    struct molt_dfu_pack_request request;
};

/* FILE@ADDRESS, ADDRESS:FILE, or FILE. The text is cut. */
static int parse_address(const struct packing *packing, char *text, const char *operand,
                         struct molt_dfu_image_request *file)
{
    uint64_t address = 0;
    char *at = strrchr(text, '@'), *colon = strchr(text, ':');
    const char *number = NULL;
    file->path = text;
    if (at) {
        *at = 0;
        number = at + 1;
    } else if (colon && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        *colon = 0;
        number = text;
        file->path = colon + 1;
    }
    if (number && !cli_parse_size(number, 0xFFFFFFFFu, &address)) {
        return cli_usage(packing->args, "%s: expected FILE@ADDRESS, such as %s@0x08000000", operand,
                         file->path);
    }
    file->has_address = number != NULL;
    file->address = (uint32_t)address;
    return CLI_OK;
}

static int parse_part(struct packing *packing, int i)
{
    const char *operand = packing->args->operand[i];
    struct molt_dfu_pack_part *part = &packing->part[i];
    struct stat info;
    uint64_t alternate = 0;
    char *text = packing->text[i] = strdup(operand);
    int code = dfu_file_request(packing->args, text, &part->file);
    part->target_name = cli_option(packing->args, "name");
    if (!text || code != CLI_OK || stat(operand, &info) == 0) {
        return text ? code : cli_usage(packing->args, "out of memory");
    }
    char *name = strstr(text, ",name="), *alt;
    if (name) {
        *name = 0;
        part->target_name = name + strlen(",name=");
    }
    alt = strstr(text, ",alt=");
    if (alt) {
        *alt = 0;
        if (!cli_parse_size(alt + strlen(",alt="), 255, &alternate)) {
            return cli_usage(packing->args, "%s: expected an alternate setting, 0 to 255", operand);
        }
        part->has_alternate = true;
        part->alternate = (uint8_t)alternate;
    }
    return parse_address(packing, text, operand, &part->file);
}

static int parse_prefix(struct packing *packing, const char *text)
{
    struct molt_dfu_form *form = &packing->request.form;
    uint64_t address;
    if (strcmp(text, "lpc") == 0) {
        form->prefix = MOLT_DFU_PREFIX_LPC;
        return CLI_OK;
    }
    if (strncmp(text, "stellaris@", 10) != 0 || !cli_parse_size(text + 10, 0xFFFFFFFFu, &address)) {
        return cli_usage(packing->args,
                         "--prefix %s: expected lpc, or stellaris@ADDRESS such as stellaris@0x4000",
                         text);
    }
    form->prefix = MOLT_DFU_PREFIX_STELLARIS;
    form->prefix_address = (uint32_t)address;
    return CLI_OK;
}

static int parse_ids(struct packing *packing)
{
    struct molt_dfu_form *form = &packing->request.form;
    const struct {
        const char *name;
        uint16_t *id;
    } ids[] = {{"vid", &form->vendor},
               {"pid", &form->product},
               {"device", &form->device},
               {"spec", &form->version}};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        const char *text = cli_option(packing->args, ids[i].name);
        if (text && !dfu_file_id(text, ids[i].id)) {
            return cli_usage(packing->args, "--%s %s: expected four hexadecimal digits",
                             ids[i].name, text);
        }
    }
    return CLI_OK;
}

static int parse_form(struct packing *packing)
{
    const struct cli_args *args = packing->args;
    struct molt_dfu_form *form = &packing->request.form;
    const char *prefix = cli_option(args, "prefix"), *pad = cli_option(args, "pad");
    bool plain = cli_has(args, "plain");
    uint64_t multiple = 8;
    *form = plain ? (struct molt_dfu_form){.kind = MOLT_DFU_IMAGE_PLAIN,
                                           .vendor = 0xFFFF,
                                           .product = 0xFFFF,
                                           .device = 0xFFFF}
                  : (struct molt_dfu_form){
                        .kind = MOLT_DFU_IMAGE_DFUSE, .vendor = 0x0483, .product = 0xDF11};
    form->counted = cli_has(args, "counted");
    if (!plain && (prefix || cli_has(args, "spec"))) {
        return cli_usage(args, "--prefix and --spec are for --plain: a DfuSe file has its own");
    }
    if (plain && (cli_has(args, "counted") || pad || cli_has(args, "name"))) {
        return cli_usage(args, "--counted, --pad and --name are for DfuSe files, not for --plain");
    }
    if (plain && args->operand_count != 1) {
        return cli_usage(args, "--plain: expected one file, found %d", args->operand_count);
    }
    if (pad && (!cli_parse_size(pad, 4096, &multiple) || multiple == 0)) {
        return cli_usage(args, "--pad %s: expected 1 to 4096", pad);
    }
    form->pad = (uint32_t)multiple;
    int code = parse_ids(packing);
    return code == CLI_OK && prefix ? parse_prefix(packing, prefix) : code;
}

static int parse(struct packing *packing)
{
    int code = parse_form(packing);
    for (int i = 0; i < packing->args->operand_count && code == CLI_OK; i++) {
        code = parse_part(packing, i);
        bool address = packing->part[i].file.has_address || packing->part[i].has_alternate;
        if (code == CLI_OK && packing->request.form.kind == MOLT_DFU_IMAGE_PLAIN && address) {
            code = cli_usage(packing->args, "%s: a plain DFU file has no addresses and no targets",
                             packing->args->operand[i]);
        }
    }
    packing->request.part = packing->part;
    packing->request.count = (uint32_t)packing->args->operand_count;
    return code;
}

/* ---- making it ---- */

static void describe(const char *output, const struct molt_dfu_image *image, bool dry_run)
{
    char size[16];
    uint32_t n = image->file_size;
    printf("%s ", dry_run ? "would write" : "written:");
    process_print_safe(stdout, output);
    printf(", a %s for %04x:%04x (%u bytes, %s)\n", dfu_file_kind(image->kind),
           image->suffix.vendor, image->suffix.product, n, cli_size(n, size));
    for (uint32_t i = 0; i < image->count && image->has_addresses; i++) {
        const struct molt_dfu_element *e = &image->element[i];
        printf("  0x%08x  %9s  alternate %u  ", e->address, cli_size(e->size, size), e->alternate);
        process_print_safe(stdout, e->target_name);
        putchar('\n');
    }
}

static int make(const struct packing *packing, const char *output, struct molt_message *message)
{
    const struct molt_dfu_image_request request = {.path = output};
    struct molt_dfu_image image = {0};
    bool dry_run = cli_has(packing->args, "dry-run");
    uint8_t *bytes;
    uint32_t n;
    for (uint32_t i = 0; i < packing->request.count; i++) {
        if (molt_same_file(packing->part[i].file.path, output)) {
            return molt_fail(message, MOLT_E_ARGUMENT,
                             "%s: is the input itself; expected another name for the output",
                             output);
        }
    }
    int error = molt_dfu_pack(&packing->request, &bytes, &n, message);
    if (!error) { /* what is written can be read */
        error = molt_dfu_image_from_memory(&image, bytes, n, &request, message);
    }
    if (!error && !dry_run) {
        error = molt_file_write(output, bytes, n, 0666, MOLT_FILE_REPLACE, message);
    }
    if (!error) {
        describe(output, &image, dry_run);
    }
    molt_dfu_image_free(&image);
    free(bytes);
    return error;
}

static int run(struct cli_args *args)
{
    struct molt_message message = {0};
    const char *output = cli_option(args, "output");
    if (!output) {
        return cli_usage(args, "no name for the result: expected --output FILE");
    }
    if (strcmp(output, "-") == 0) {
        return cli_usage(args, "--output -: expected the name of a file");
    }
    struct packing *packing = calloc(1, sizeof *packing);
    if (!packing) {
        molt_fail(&message, MOLT_E_NO_MEMORY, "out of memory");
        return cli_fail(args, &message);
    }
    packing->args = args;
    int code = parse(packing);
    if (code == CLI_OK && make(packing, output, &message)) {
        code = cli_fail(args, &message);
    }
    for (int i = 0; i < PARTS; i++) {
        free(packing->text[i]);
    }
    free(packing);
    return code;
}

extern const struct cli_verb cli_verb_dfu_pack;
const struct cli_verb cli_verb_dfu_pack = {"dfu pack",
                                           "FILE[@ADDRESS]...",
                                           "make a .dfu file of raw, ELF, Intel HEX or DFU files",
                                           details,
                                           options,
                                           1,
                                           -1,
                                           run};
