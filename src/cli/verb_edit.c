#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/edit_words.h"
#include "cli/map.h"
#include "cli/planprint.h"
#include "molt/ops/edit.h"

static const struct cli_option options[] = {
    {"flash-size", 's', "SIZE", "flash size in the bootloader's header: 4M, 8M, 16M"},
    {"layout", 'l', "NAME", "a new table by a recipe: ota, default, original, micropython ..."},
    {"slots", 0, "N", "layout: app partitions"},
    {"slot-size", 0, "SIZE", "layout: bytes of each"},
    {"fs-size", 0, "SIZE", "layout: bytes for files; without it all that is free"},
    {"fs-type", 0, "KIND", "layout: fat, spiffs or littlefs"},
    {"fs-name", 0, "NAME", "layout: name of the partition for files"},
    {"app-name", 0, "NAME", "layout: name of the first app's partition"},
    {"keep-nvs", 0, NULL, "layout: nvs keeps its place and size"},
    {"table", 't', "FILE", "a new table: a CSV, a binary one, or nvs=28K,factory=2M,vfs=0"},
    {"add", 'a', "SPEC", "a partition: NAME:TYPE:SUBTYPE:[OFFSET]:SIZE"},
    {"delete", 'd', "NAME", "no such partition any more"},
    {"resize", 'r', "NAME=SIZE", "another size; rest: up to the next one or the flash's end"},
    {"rename", 0, "OLD=NEW", "another name; the content stays"},
    {"move", 'm', "NAME=OFFSET", "another place; the content goes with it"},
    {"put", 'p', "DIR[:/TO]", "files of a folder into the file system, when the table is made"},
    {"output", 'o', "FILE", "where the result goes"},
    {"in-place", 'i', NULL, "change the file itself (it is replaced as a whole, or not at all)"},
    {"force", 'f', NULL, "also when the plan says that data is lost"},
    {"dry-run", 'n', NULL, "print the plan, write nothing"},
    {"cut", 0, "N", "simulated board: power fails at operation N"},
    {0}};

static const char details[] =
    "Prints the plan, checks all of it, then writes a new file; the input is never changed\n"
    "(--in-place: replaces it). A board is changed itself: only sectors that differ, in the order\n"
    "that depends least on the power, each read back.\n"
    "The flash size comes first, --put last; all other changes are made in the order given, and\n"
    "checked when all are made. Lists are taken too: --resize nvs=20K,vfs=rest. A partition that\n"
    "grows pushes those behind it; file systems at the end give room up.\n"
    "What partitions hold goes with them when they are renamed, moved or resized: file systems "
    "grow\n"
    "and shrink with theirs. What would be lost is named, and needs --force. A file system "
    "without\n"
    "a row (MicroPython 1.26 and later) is called vfs.\n"
    "Layout ota: nvs, otadata, two app slots (1.5 MB each on 4 MB of flash, 2 MB on 8 MB, 2.44 MB\n"
    "on more), and vfs with the rest. The app stays where it is and becomes slot ota_0.\n"
    "Layouts: ota, default, original, micropython, micropython-ota, single, two-slots, "
    "three-slots,\n"
    "lobo.\n"
    "  molt edit firmware.bin -s 8M --resize vfs=rest -o out.bin\n"
    "  molt edit firmware.bin --resize vfs=1M --add logs:data:fat::rest -o out.bin\n"
    "  molt edit firmware.bin -s 8M -l ota --put app -o out.bin";

static int request_of(const struct cli_args *args, struct molt_edit_request *request)
{
    const char *size = cli_option(args, "flash-size");
    uint64_t bytes = 0;
    for (int i = 0; size && i < args->option_count; i++) {
        if (strcmp(args->option[i].name, "flash-size") == 0 &&
            strcmp(args->option[i].value, size) != 0) {
            return cli_usage(args, "--flash-size %s and --flash-size %s: expected one",
                             args->option[i].value, size);
        }
    }
    if (size && (!cli_parse_size(size, 128u << 20, &bytes) || bytes == 0)) {
        return cli_usage(args, "--flash-size %s: expected a size such as 4M, 8M, 16M", size);
    }
    request->flash_size = (uint32_t)bytes;
    request->force = cli_has(args, "force");
    if (!size && request->step_count == 0) {
        return cli_usage(args, "nothing to change: expected --flash-size, --layout, --table, "
                               "--add, --delete, --resize, --rename, --move, --put");
    }
    return CLI_OK;
}

/* Where the result goes must be said, once. */
static int check_output(const struct cli_args *args)
{
    bool output = cli_has(args, "output"), in_place = cli_has(args, "in-place");
    if (output && in_place) {
        return cli_usage(args, "expected --output FILE or --in-place, not both");
    }
    bool board = strncmp(args->operand[0], "sim:", 4) == 0;
    if (board && output) {
        return cli_usage(args,
                         "%s is changed itself: no --output; 'molt read %s all -o FILE' makes "
                         "a dump, which takes one",
                         args->operand[0], args->operand[0]);
    }
    if (!output && !in_place && !board && !cli_has(args, "dry-run")) {
        return cli_usage(args, "expected --output FILE (or --in-place, --dry-run)");
    }
    return CLI_OK;
}

static void print_result(const struct molt_edit *edit, const struct molt_target *target)
{
    struct map_use use = {edit->app_offset, edit->app_length};
    printf("result: %s, %u MB of flash\n", target->chip->name, edit->flash_size >> 20);
    map_print(stdout, target->chip, &edit->table, edit->flash_size, &use, 1);
}

static int write_board(const struct cli_args *args, const struct molt_edit *edit,
                       struct molt_target *target, struct molt_message *message)
{
    struct molt_progress progress;
    uint64_t cut = 0;
    printf("%u sectors to write (%u KB)\n", edit->sectors, edit->sectors * 4);
    fflush(stdout);
    if (cli_has(args, "cut") && cli_parse_size(cli_option(args, "cut"), UINT32_MAX, &cut) && cut) {
        target->board->nor.cut_at = target->board->nor.operations + cut;
        target->board->nor.cut = MOLT_CUT_TORN;
    }
    cli_progress_start(args, &progress);
    int error = molt_edit_run(edit, target, &progress, message);
    cli_progress_end(args);
    if (!error) {
        printf("written and verified: %s\n", target->name);
    }
    return error;
}

static int write_result(const struct cli_args *args, const struct molt_edit *edit,
                        struct molt_target *target, struct molt_message *message)
{
    const char *out = cli_option(args, "output");
    if (cli_has(args, "dry-run")) {
        printf("nothing was written (--dry-run)\n");
        return MOLT_OK;
    }
    if (target->board) {
        return write_board(args, edit, target, message);
    }
    int error = out ? molt_edit_write(edit, target, out, message)
                    : molt_edit_write_in_place(edit, target, message);
    if (!error) {
        printf("%s: %s (%u bytes)\n", out ? "written" : "changed", out ? out : target->name,
               edit->size - edit->base);
    }
    return error;
}

static int edit_target(const struct cli_args *args, struct molt_target *target,
                       const struct molt_edit_request *request, struct molt_message *message)
{
    struct molt_edit *edit = malloc(sizeof *edit);
    if (!edit) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    int error = molt_edit_prepare(edit, target, request, message);
    if (!error || error == MOLT_E_EXISTS) { /* what would be lost is seen in the plan */
        plan_print(stdout, &edit->plan);
    }
    if (!error) {
        print_result(edit, target);
        error = write_result(args, edit, target, message);
    }
    molt_edit_free(edit);
    free(edit);
    return error;
}

static int run(struct cli_args *args)
{
    struct molt_message message = {0};
    struct molt_edit_request request = {0};
    struct molt_target target;
    struct edit_words words = {0};
    int code = edit_words_parse(&words, args, &message);
    request.step = words.step;
    request.step_count = words.count;
    if (code == CLI_OK) {
        code = request_of(args, &request);
    }
    if (code == CLI_OK) {
        code = check_output(args);
    }
    if (code == CLI_OK) {
        int error = molt_target_open(&target, args->operand[0], &message);
        if (!error) {
            error = edit_target(args, &target, &request, &message);
            struct molt_message closing = {0};
            if (molt_target_close(&target, &closing) && !error) {
                message = closing;
                error = closing.error;
            }
        }
        code = error ? CLI_FAILED : CLI_OK;
    }
    edit_words_free(&words);
    return code == CLI_FAILED ? cli_fail(args, &message) : code;
}

extern const struct cli_verb cli_verb_edit;
const struct cli_verb cli_verb_edit = {
    "edit",
    "FIRMWARE|sim:BOARD",
    "change flash size, layout or partitions, with what they hold",
    details,
    options,
    1,
    1,
    run};
