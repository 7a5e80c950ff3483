#include <string.h>

#include "cli/dfu_file.h"
#include "cli/json.h"
#include "cli/process.h"
#include "molt/ops/info.h"

static const struct cli_option options[] = {
    {"json", 'j', NULL, "for programs: one JSON document"},
    {"address", 'A', "ADDRESS", "of a raw or plain DFU file's first byte"},
    DFU_FILE_ROW_RAW,
    {0}};

static const char details[] =
    "Shows what a file for DFU devices writes where: targets, elements with their addresses,\n"
    "prefix and suffix, whether its CRC is right, the device it is for, and where that would be\n"
    "left to. Exit code 1 when the CRC is wrong or there is no suffix where one belongs.\n" //
    DFU_FILE_WORDS "\n"
    "\n"
    "--json: {file, format (\"DfuSe\", \"DFU\", \"ELF\", \"Intel HEX\", \"raw\"), compressed,\n"
    "file_size, suffix: null or {vendor, product, device, version, crc, crc_expected, crc_ok},\n"
    "suffix_counted, device (in words, or null), prefix: null or {kind, address, length}, packed,\n"
    "start, entry, micropython, micropython_date, targets, bytes, elements: [{address, size,\n"
    "alternate, target}], wrong}\n"
    "\n"
    "  molt dfu show firmware.dfu";

static uint64_t bytes_of(const struct molt_dfu_image *image)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < image->count; i++) {
        bytes += image->element[i].size;
    }
    return bytes;
}

/* The first piece that says which MicroPython it is. */
static bool find_version(const struct molt_dfu_image *image, char version[48], char date[16])
{
    for (uint32_t i = 0; i < image->count; i++) {
        const struct molt_dfu_element *e = &image->element[i];
        if (molt_info_find_version(e->bytes, e->size, version, date)) {
            return true;
        }
    }
    return false;
}

/* ---- JSON ---- */

static void json_or_null(struct json_out *json, const char *key, bool known, int64_t number)
{
    if (known) {
        json_number(json, key, number);
    } else {
        json_nothing(json, key);
    }
}

static void json_suffix(struct json_out *json, const struct molt_dfu_image *image)
{
    const struct molt_dfu_suffix *suffix = &image->suffix;
    if (!image->has_suffix) {
        json_nothing(json, "suffix");
        return;
    }
    json_open(json, "suffix", '{');
    json_number(json, "vendor", suffix->vendor);
    json_number(json, "product", suffix->product);
    json_number(json, "device", suffix->device);
    json_number(json, "version", suffix->version);
    json_number(json, "crc", suffix->crc);
    json_number(json, "crc_expected", suffix->crc_computed);
    json_bool(json, "crc_ok", suffix->crc == suffix->crc_computed);
    json_close(json, '}');
}

static void json_prefix(struct json_out *json, const struct molt_dfu_prefix *prefix)
{
    if (!prefix->kind) {
        json_nothing(json, "prefix");
        return;
    }
    json_open(json, "prefix", '{');
    json_text(json, "kind", dfu_file_prefix(prefix->kind));
    json_or_null(json, "address", prefix->kind == MOLT_DFU_PREFIX_STELLARIS, prefix->address);
    json_number(json, "length", prefix->length);
    json_close(json, '}');
}

static void print_json(const char *name, const struct molt_dfu_image *image)
{
    struct json_out json = {.out = stdout};
    char version[48], date[16];
    bool known = find_version(image, version, date);
    json_open(&json, NULL, '{');
    json_text(&json, "file", name);
    json_text(&json, "format", molt_dfu_image_kind_name(image->kind));
    json_bool(&json, "compressed", image->compressed);
    json_number(&json, "file_size", image->file_size);
    json_suffix(&json, image);
    json_bool(&json, "suffix_counted", image->suffix_counted);
    json_text(&json, "device",
              image->has_suffix ? dfu_file_device(image->suffix.vendor, image->suffix.product)
                                : NULL);
    json_prefix(&json, &image->prefix);
    json_bool(&json, "packed", image->packed);
    json_or_null(&json, "start", image->has_start, image->start);
    json_or_null(&json, "entry", image->has_entry, image->entry);
    json_text(&json, "micropython", known ? version : NULL);
    json_text(&json, "micropython_date", known ? date : NULL);
    json_number(&json, "targets", image->target_count);
    json_number(&json, "bytes", (int64_t)bytes_of(image));
    json_open(&json, "elements", '[');
    for (uint32_t i = 0; i < image->count; i++) {
        const struct molt_dfu_element *e = &image->element[i];
        json_open(&json, NULL, '{');
        json_or_null(&json, "address", image->has_addresses, e->address);
        json_number(&json, "size", e->size);
        json_or_null(&json, "alternate", e->has_alternate, e->alternate);
        json_text(&json, "target", e->target_name[0] ? e->target_name : NULL);
        json_close(&json, '}');
    }
    json_close(&json, ']');
    json_bool(&json, "wrong", image->crc_wrong);
    json_close(&json, '}');
}

/* ---- text ---- */

static const char *any_or(uint16_t id, char text[8])
{
    snprintf(text, 8, id == 0xFFFF ? "any" : "%04x", id);
    return text;
}

static void print_suffix(const struct molt_dfu_image *image)
{
    const struct molt_dfu_suffix *suffix = &image->suffix;
    char vendor[8], product[8], release[8];
    const char *device = dfu_file_device(suffix->vendor, suffix->product);
    if (!image->has_suffix) {
        return;
    }
    printf("for       vendor %s, product %s, release %s%s%s%s\n", any_or(suffix->vendor, vendor),
           any_or(suffix->product, product), any_or(suffix->device, release), device ? " (" : "",
           device ? device : "", device ? ")" : "");
    printf("suffix    DFU %x.%02x, CRC 0x%08x %s%s\n", suffix->version >> 8, suffix->version & 0xFF,
           suffix->crc, suffix->crc == suffix->crc_computed ? "right" : "WRONG",
           image->suffix_counted ? "; the prefix counts it, which MicroPython's boot loader refuses"
                                 : "");
}

static void print_prefix(const struct molt_dfu_prefix *prefix)
{
    if (prefix->kind == MOLT_DFU_PREFIX_LPC) {
        printf("prefix    NXP LPC, unencrypted, at most %u bytes\n", prefix->length);
    } else if (prefix->kind == MOLT_DFU_PREFIX_STELLARIS) {
        printf("prefix    TI Stellaris, %u bytes to 0x%08x\n", prefix->length, prefix->address);
    }
}

static void print_elements(const struct molt_dfu_image *image)
{
    char size[16];
    bool targets = image->kind == MOLT_DFU_IMAGE_DFUSE;
    printf("\n  %-10s  %-10s  %9s%s\n", "from", "up to", "size",
           targets ? "  alternate  target" : "");
    for (uint32_t i = 0; i < image->count; i++) {
        const struct molt_dfu_element *e = &image->element[i];
        printf("  0x%08x  0x%08x  %9s", e->address, e->address + (e->size - 1),
               cli_size(e->size, size));
        if (targets) {
            printf("  %-9u  ", e->alternate);
            process_print_safe(stdout, e->target_name);
        }
        putchar('\n');
    }
}

static void print_wrong(const struct molt_dfu_image *image)
{
    if (image->crc_wrong && image->has_suffix) {
        printf("\nWRONG: CRC in the suffix, expected 0x%08x, found 0x%08x: the file was changed or "
               "damaged: fetch it again\n",
               image->suffix.crc_computed, image->suffix.crc);
    } else if (image->crc_wrong) {
        printf("\nWRONG: there is no DFU suffix at its end: the file is not whole, fetch it "
               "again\n");
    }
}

static void print_text(const char *name, const struct molt_dfu_image *image)
{
    char size[16], version[48], date[16];
    process_print_safe(stdout, name);
    printf(": %s, %u bytes%s\n", dfu_file_kind(image->kind), image->file_size,
           image->compressed ? " (unpacked from gzip)" : "");
    print_suffix(image);
    print_prefix(&image->prefix);
    printf("writes    %s", cli_size(bytes_of(image), size));
    if (image->has_addresses) {
        printf(" in %u piece%s", image->count, image->count == 1 ? "" : "s");
    } else {
        printf(", no addresses: %s", image->kind == MOLT_DFU_IMAGE_PLAIN
                                         ? "for a device that is not DfuSe"
                                         : "--address tells where they go");
    }
    putchar('\n');
    if (find_version(image, version, date)) {
        printf("holds     MicroPython %s of %s\n", version, date);
    }
    if (image->packed) {
        printf("packed    encrypted and signed, for MicroPython's mboot with the same keys\n");
    }
    if (image->has_start) {
        printf("start     0x%08x, as the file says\n", image->start);
    }
    if (image->has_entry) {
        printf("entry     0x%08x: vector table, where the device is left to\n", image->entry);
    } else if (image->has_addresses && !image->packed) {
        printf("entry     none: no piece begins with a vector table\n");
    }
    if (image->has_addresses) {
        print_elements(image);
    }
    print_wrong(image);
}

static int run(struct cli_args *args)
{
    struct molt_message message = {0};
    struct molt_dfu_image_request request;
    struct molt_dfu_image image;
    int code = dfu_file_request(args, args->operand[0], &request);
    if (code != CLI_OK) {
        return code;
    }
    request.accept_bad_crc = true;
    if (molt_dfu_image_load(&image, &request, &message)) {
        return cli_fail(args, &message);
    }
    (cli_has(args, "json") ? print_json : print_text)(args->operand[0], &image);
    code = image.crc_wrong ? CLI_FAILED : CLI_OK;
    molt_dfu_image_free(&image);
    return code;
}

extern const struct cli_verb cli_verb_dfu_show;
const struct cli_verb cli_verb_dfu_show = {
    "dfu show", "FILE", "show what a .dfu, ELF or Intel HEX file writes where", details, options, 1,
    1,          run};
