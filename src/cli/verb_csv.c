#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/json.h"
#include "cli/map.h"
#include "molt/host/file.h"
#include "molt/ops/tablefile.h"

static const struct cli_option options[] = {
    {"output", 'o', "FILE", "where the result goes; a name that ends in .bin gets a binary table"},
    {"binary", 'b', NULL, "a binary table, whatever the name"},
    {"flash-size", 's', "SIZE", "refuse what ends behind that: 4M, 8M, 16M"},
    {"offset", 0, "OFFSET", "where the table lies in flash (default 0x8000)"},
    {"chip", 'c', "NAME", "for rows of type bootloader: where it lies follows from the chip"},
    {"recovery-offset", 0, "OFFSET", "for a row of a recovery bootloader: where it lies"},
    {"no-md5", 0, NULL, "leave the MD5 row out of a binary table (ESP-IDF before 3.1)"},
    {"json", 'j', NULL, "print one JSON object"},
    {0}};

static const char details[] =
    "From a CSV, a binary table, a firmware file, a dump or a board to CSV, or with -o NAME.bin "
    "(or\n"
    "--binary) to a binary table, both byte for byte as ESP-IDF's gen_esp32part.py. A CSV that "
    "does\n"
    "not give a table that boots is refused, with its line and what to write.\n"
    "Exit code 1 also when the table of a target breaks a rule: it is printed all the same.\n"
    "  molt csv firmware.bin                      the table as CSV\n"
    "  molt csv partitions.csv -s 4M              checks it, prints it with all offsets\n"
    "  molt csv partitions.csv -o partitions.bin  what belongs at 0x8000\n"
    "\n"
    "Keys of --json (numbers are bytes; null = not known):\n"
    "  source, csv (true: it was read from one), table_offset, flash_size, md5,\n"
    "  partitions: [{name, type, subtype, type_name, subtype_name, offset, size, flags}],\n"
    "  text (the CSV), problem (null, or the rule that the table breaks)";

static void print_json(const struct molt_table_found *found, const char *name, uint32_t offset,
                       const char *text)
{
    struct json_out json = {.out = stdout};
    json_open(&json, NULL, '{');
    json_text(&json, "source", name);
    json_bool(&json, "csv", found->from_csv);
    json_number(&json, "table_offset", offset);
    if (found->flash_size) {
        json_number(&json, "flash_size", found->flash_size);
    } else {
        json_nothing(&json, "flash_size");
    }
    json_bool(&json, "md5", found->table.has_md5);
    json_open(&json, "partitions", '[');
    for (uint32_t i = 0; i < found->table.count; i++) {
        map_json_row(&json, NULL, &found->table.row[i]);
    }
    json_close(&json, ']');
    json_text(&json, "text", text);
    json_text(&json, "problem", found->rule_error ? found->rule.text : NULL);
    json_close(&json, '}');
}

static int size_option(const struct cli_args *args, const char *name, uint32_t *value)
{
    uint64_t bytes = 0;
    const char *text = cli_option(args, name);
    if (text && !cli_parse_size(text, 128u << 20, &bytes)) {
        return cli_usage(args, "--%s %s: expected a number such as 0x8000, 4M", name, text);
    }
    *value = (uint32_t)bytes;
    return CLI_OK;
}

static int read_options(const struct cli_args *args, struct molt_csv_options *csv)
{
    const char *chip = cli_option(args, "chip");
    int code = size_option(args, "flash-size", &csv->flash_size);
    if (code == CLI_OK) {
        code = size_option(args, "offset", &csv->table_offset);
    }
    if (code == CLI_OK) {
        code = size_option(args, "recovery-offset", &csv->recovery_offset);
    }
    if (code != CLI_OK) {
        return code;
    }
    if (csv->table_offset % 0x1000) {
        return cli_usage(args, "--offset 0x%x: expected a multiple of 0x1000", csv->table_offset);
    }
    csv->has_recovery = cli_has(args, "recovery-offset");
    csv->no_md5 = cli_has(args, "no-md5");
    const struct molt_chip *known = chip ? molt_chip_by_name(chip) : NULL;
    if (chip && !known) {
        return cli_usage(args,
                         "--chip %s: no such chip, expected one such as esp32, esp32s3, "
                         "esp32c3",
                         chip);
    }
    if (known) {
        csv->has_bootloader = true;
        csv->bootloader_offset = known->bootloader_offset;
    }
    return CLI_OK;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), k = strlen(end);
    return n >= k && strcmp(text + n - k, end) == 0;
}

static int put(const struct cli_args *args, const void *bytes, size_t n,
               struct molt_message *message)
{
    const char *out = cli_option(args, "output");
    if (!out) {
        return fwrite(bytes, 1, n, stdout) == n ? MOLT_OK
                                                : molt_fail(message, MOLT_E_IO, "standard output");
    }
    if (molt_same_file(out, args->operand[0])) {
        return molt_fail(message, MOLT_E_ARGUMENT,
                         "%s: is the input itself; expected another name for the output", out);
    }
    return molt_file_write(out, bytes, n, 0666, MOLT_FILE_REPLACE_UNSYNCED, message);
}

static int put_binary(const struct cli_args *args, struct molt_ptable *table,
                      struct molt_message *message)
{
    uint8_t bytes[MOLT_PTABLE_SIZE];
    if (cli_has(args, "no-md5")) {
        table->has_md5 = false;
    }
    int error = molt_ptable_write(table, bytes);
    return error ? molt_fail(message, error, "%s: %s", args->operand[0], molt_strerror(error))
                 : put(args, bytes, sizeof bytes, message);
}

static int convert(const struct cli_args *args, struct molt_table_found *found,
                   const struct molt_csv_options *csv, struct molt_message *message)
{
    const char *out = cli_option(args, "output"), *name = args->operand[0];
    bool json = cli_has(args, "json"), binary = cli_has(args, "binary");
    char *text = NULL;
    binary = binary || (out && ends_with(out, ".bin"));
    int error =
        binary && !json ? MOLT_OK : molt_table_csv_text(&text, name, &found->table, message);
    if (error) {
        return error;
    }
    if (binary) {
        error = put_binary(args, &found->table, message);
    } else if (!json || out) {
        error = put(args, text, strlen(text), message);
    }
    if (!error && json) {
        print_json(found, name, csv->table_offset ? csv->table_offset : MOLT_PTABLE_OFFSET, text);
    }
    free(text);
    return error;
}

static int run(struct cli_args *args)
{
    struct molt_message message = {0};
    struct molt_csv_options csv = {0};
    int code = read_options(args, &csv);
    bool to_output = cli_has(args, "output"), binary = cli_has(args, "binary");
    if (code != CLI_OK) {
        return code;
    }
    if (binary && !to_output && (cli_has(args, "json") || isatty(STDOUT_FILENO))) {
        return cli_usage(args, "--binary: expected -o FILE");
    }
    struct molt_table_found *found = malloc(sizeof *found);
    if (!found) {
        molt_fail(&message, MOLT_E_NO_MEMORY, "out of memory");
        return cli_fail(args, &message);
    }
    int error = molt_table_read(found, args->operand[0], &csv, &message);
    if (!error) {
        error = convert(args, found, &csv, &message);
    }
    if (!error && found->rule_error) {
        message = found->rule;
        error = found->rule_error;
    }
    free(found);
    return error ? cli_fail(args, &message) : CLI_OK;
}

extern const struct cli_verb cli_verb_csv;
const struct cli_verb cli_verb_csv = {"csv",
                                      "TABLE.csv|table.bin|TARGET",
                                      "convert partition tables: CSV and binary, both ways",
                                      details,
                                      options,
                                      1,
                                      1,
                                      run};
