#include <stdlib.h>
#include <string.h>

#include "cli/part_act.h"
#include "cli/planprint.h"
#include "molt/ops/merge.h"

static const struct cli_option options[] = {
    {"output", 'o', "FILE", "where the image goes"},
    {"chip", 'c', "NAME", "refuse a bootloader for another chip"},
    {"flash-size", 's', "SIZE", "for the bootloader's header: 4M, 8M, 16M; else as it says"},
    {"dump", 'd', NULL, "a whole flash from 0 on; else from the bootloader's offset"},
    {"dry-run", 'n', NULL, "print the plan, write nothing"},
    {"json", 'j', NULL, "print one JSON object"},
    {0}};

static const char details[] =
    "Makes one flashable image from its parts, told apart by their bytes, in any order: a\n"
    "bootloader, a partition table (binary or CSV), an app, a file system image. The app goes to\n"
    "factory, else ota_0, the file system to where the device has its files; NAME=FILE names the\n"
    "place of anything else. Everything is checked as 'molt write' does.\n"
    "\n"
    "  molt merge bootloader.bin partitions.csv micropython.bin vfs.img -o product.bin\n"
    "  molt merge boot.bin table.bin app.bin nvs=keys.bin --flash-size 8M -o product.bin\n"
    "\n"
    "Keys of --json: output, chip, flash_size, start, end (of the image, in flash), boots_next,\n"
    "  plan: [{kind, what, offset, size, why}], written";

struct parts {
    const char *files[CLI_MAX_OPERANDS];
    struct molt_part_write writes[CLI_MAX_OPERANDS];
    char *copies[CLI_MAX_OPERANDS];
};

static int request_of(struct cli_args *args, struct parts *parts,
                      struct molt_merge_request *request)
{
    const char *size = cli_option(args, "flash-size");
    uint64_t bytes = 0;
    if (size && (!cli_parse_size(size, 128u << 20, &bytes) || bytes == 0)) {
        return cli_usage(args, "--flash-size %s: expected a size such as 4M, 8M, 16M", size);
    }
    if (!cli_has(args, "output") && !cli_has(args, "dry-run")) {
        return cli_usage(args, "expected --output FILE (or --dry-run)");
    }
    *request = (struct molt_merge_request){.files = parts->files,
                                           .writes = parts->writes,
                                           .chip = cli_option(args, "chip"),
                                           .flash_size = (uint32_t)bytes,
                                           .dump = cli_has(args, "dump")};
    for (int i = 0; i < args->operand_count; i++) {
        const char *file;
        char *name = parts->copies[i] = part_split(args->operand[i], &file);
        if (!file) {
            parts->files[request->file_count++] = args->operand[i];
        } else {
            parts->writes[request->write_count++] = (struct molt_part_write){name, file};
        }
    }
    return CLI_OK;
}

static void print_json(const struct cli_args *args, const struct molt_merge *merge)
{
    struct json_out json = {.out = stdout};
    json_open(&json, NULL, '{');
    json_text(&json, "output", cli_option(args, "output"));
    json_text(&json, "chip", merge->target.chip->name);
    json_number(&json, "flash_size", merge->target.flash_size);
    json_number(&json, "start", merge->start);
    json_number(&json, "end", merge->end);
    json_text(&json, "boots_next", merge->job.next[0] ? merge->job.next : NULL);
    plan_json(&json, &merge->job.plan);
    json_bool(&json, "written", !cli_has(args, "dry-run"));
    json_close(&json, '}');
}

static int make(struct cli_args *args, const struct molt_merge_request *request,
                struct molt_merge *merge, struct molt_message *message)
{
    const char *out = cli_option(args, "output");
    bool dry_run = cli_has(args, "dry-run"), json = cli_has(args, "json");
    int error = molt_merge_prepare(merge, request, message);
    if (!error && !json) {
        plan_print(stdout, &merge->job.plan);
    }
    if (!error && !dry_run) {
        error = molt_merge_write(merge, out, message);
    }
    if (!error && json) {
        print_json(args, merge);
    } else if (!error && dry_run) {
        printf("nothing was written (--dry-run)\n");
    } else if (!error) {
        printf("written: %s (%u bytes), for flash offset 0x%x of %s with %u MB\n", out,
               merge->end - merge->start, merge->start, merge->target.chip->name,
               merge->target.flash_size >> 20);
    }
    molt_merge_free(merge);
    return error;
}

static int run(struct cli_args *args)
{
    struct molt_message message = {0};
    struct molt_merge_request request;
    struct parts *parts = calloc(1, sizeof *parts);
    struct molt_merge *merge = calloc(1, sizeof *merge);
    int code = CLI_OK;
    int error = parts && merge ? MOLT_OK : molt_fail(&message, MOLT_E_NO_MEMORY, "out of memory");
    if (!error) {
        code = request_of(args, parts, &request);
        error = code == CLI_OK ? make(args, &request, merge, &message) : MOLT_OK;
    }
    for (int i = 0; parts && i < CLI_MAX_OPERANDS; i++) {
        free(parts->copies[i]);
    }
    free(merge);
    free(parts);
    return error ? cli_fail(args, &message) : code;
}

extern const struct cli_verb cli_verb_merge;
const struct cli_verb cli_verb_merge = {"merge",
                                        "PART... [NAME=FILE...]",
                                        "make one flashable image from its parts",
                                        details,
                                        options,
                                        2,
                                        -1,
                                        run};
