#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/json.h"
#include "cli/map.h"
#include "cli/process.h"
#include "molt/ops/diff.h"

/* As diff(1) ends: 1 is an answer. */
#define CLI_DIFFERS CLI_FAILED
#define CLI_TROUBLE CLI_USAGE

static const struct cli_option options[] = {
    {"json", 'j', NULL, "print one JSON object"},
    {"quiet", 'q', NULL, "print nothing: the exit code tells"},
    {0}};

static const char details[] =
    "Chip, flash size, bootloader, rows of the table (added, removed, moved, resized, renamed), "
    "and\n"
    "what each partition holds: apps by version, length and SHA-256; otadata by what boots; nvs "
    "by\n"
    "pages; littlefs and FAT file by file; anything else by its bytes. Also a file system behind\n"
    "the last partition. An app image, a bootloader, a table (CSV too) or a file system image is\n"
    "compared with its like, or with that part of a firmware file, dump or board.\n"
    "Erased flash is the same as a file that ends before it. Not compared: what lies behind an\n"
    "app's end, and where a file system keeps its files.\n"
    "Exit code 0: the same. 1: something differs. 2: it could not be compared.\n"
    "  molt diff before.bin after.bin\n"
    "  molt diff partitions.csv sim:board\n"
    "\n"
    "Keys of --json (numbers are bytes; null = not there):\n"
    "  a, b: {target, kind, chip, flash_size}, same\n"
    "  differences: [{what, change: \"changed\", \"added\" or \"removed\", partition, path, a, b\n"
    "  (in words)}]; of rows also moved, resized, renamed, retyped, and old, new: {name, type,\n"
    "  subtype, type_name, subtype_name, offset, size, flags}; of bytes and nvs also first, count\n"
    "  (nvs: pages of 4096 bytes).\n"
    "  what: chip, flash size, header, bootloader, table, row, app, otadata, nvs, file system, "
    "file,\n"
    "  folder, bytes";

/* ---- JSON ---- */

static void json_side(struct json_out *json, const char *key, const struct molt_target *target)
{
    json_open(json, key, '{');
    json_text(json, "target", target->name);
    json_text(json, "kind", molt_target_kind_name(target->kind));
    json_text(json, "chip", target->chip ? target->chip->name : NULL);
    if (target->flash_size) {
        json_number(json, "flash_size", target->flash_size);
    } else {
        json_nothing(json, "flash_size");
    }
    json_close(json, '}');
}

static void json_row(struct json_out *json, const char *key, const struct molt_partition *row,
                     bool there)
{
    if (there) {
        map_json_row(json, key, row);
    } else {
        json_nothing(json, key);
    }
}

static void json_item(struct json_out *json, const struct molt_diff_item *item)
{
    json_open(json, NULL, '{');
    json_text(json, "what", molt_diff_what_name(item->what));
    json_text(json, "change", molt_diff_change_name(item->change));
    json_text(json, "partition", item->place[0] ? item->place : NULL);
    json_text(json, "path", item->path);
    json_text(json, "a", item->a[0] ? item->a : NULL);
    json_text(json, "b", item->b[0] ? item->b : NULL);
    if (item->what == MOLT_DIFF_ROW) {
        json_row(json, "old", &item->row_a, item->change != MOLT_DIFF_ADDED);
        json_row(json, "new", &item->row_b, item->change != MOLT_DIFF_REMOVED);
        json_bool(json, "moved", item->row_changes & MOLT_DIFF_MOVED);
        json_bool(json, "resized", item->row_changes & MOLT_DIFF_RESIZED);
        json_bool(json, "renamed", item->row_changes & MOLT_DIFF_RENAMED);
        json_bool(json, "retyped", item->row_changes & MOLT_DIFF_RETYPED);
    }
    if (item->what == MOLT_DIFF_BYTES || item->what == MOLT_DIFF_NVS) {
        json_number(json, "first", item->first);
        json_number(json, "count", item->count);
    }
    json_close(json, '}');
}

static void print_json(const struct molt_diff *diff, const struct molt_target *a,
                       const struct molt_target *b)
{
    struct json_out json = {.out = stdout};
    json_open(&json, NULL, '{');
    json_side(&json, "a", a);
    json_side(&json, "b", b);
    json_bool(&json, "same", diff->count == 0);
    json_open(&json, "differences", '[');
    for (uint32_t i = 0; i < diff->count; i++) {
        json_item(&json, &diff->item[i]);
    }
    json_close(&json, ']');
    json_close(&json, '}');
}

/* ---- Text ---- */

static void print_side(const char *mark, const struct molt_target *target)
{
    fputs(mark, stdout);
    process_print_safe(stdout, target->name);
    printf(" (%s%s%s)\n", molt_target_kind_name(target->kind), target->chip ? ", " : "",
           target->chip ? target->chip->name : "");
}

/* "moved from 0x200000 to 0x310000, from 2 MB to 960 KB". */
static void print_row_changes(const struct molt_diff_item *item)
{
    const struct molt_partition *a = &item->row_a, *b = &item->row_b;
    const char *comma = "";
    char from[16], to[16];
    if (item->row_changes & MOLT_DIFF_RENAMED) {
        fputs("now called ", stdout);
        process_print_safe(stdout, b->label);
        comma = ", ";
    }
    if (item->row_changes & MOLT_DIFF_MOVED) {
        printf("%smoved from 0x%x to 0x%x", comma, a->offset, b->offset);
        comma = ", ";
    }
    if (item->row_changes & MOLT_DIFF_RESIZED) {
        printf("%sfrom %s to %s", comma, cli_size(a->size, from), cli_size(b->size, to));
        comma = ", ";
    }
    if (item->row_changes & MOLT_DIFF_RETYPED) {
        char text[4][8];
        printf("%sfrom %s %s to %s %s", comma, map_type_name(a->type, text[0]),
               map_subtype_name(a->type, a->subtype, text[1]), map_type_name(b->type, text[2]),
               map_subtype_name(b->type, b->subtype, text[3]));
        comma = ", ";
    }
    if (item->row_changes & MOLT_DIFF_FLAGS) {
        printf("%sflags from 0x%x to 0x%x", comma, a->flags, b->flags);
    }
}

static void print_bytes(const struct molt_diff_item *item)
{
    if (item->what == MOLT_DIFF_NVS) {
        printf("%u page%s of 4096 bytes, from 0x%x on", item->count, item->count == 1 ? "" : "s",
               item->first);
    } else {
        printf("%u byte%s, the first at 0x%x%s", item->count, item->count == 1 ? "" : "s",
               item->first, item->place[0] ? "" : " of the flash, in no partition");
    }
}

static void print_item(const struct molt_diff_item *item)
{
    static const char marks[] = "~+-";
    printf("%c %-11s ", marks[item->change], molt_diff_what_name(item->what));
    if (item->place[0] && strcmp(item->place, molt_diff_what_name(item->what)) != 0) {
        printf("%s: ", item->place);
    }
    if (item->path) {
        process_print_safe(stdout, item->path);
        fputs(item->what == MOLT_DIFF_FOLDER ? "/" : "  ", stdout);
    }
    if (item->what == MOLT_DIFF_ROW && item->change == MOLT_DIFF_CHANGED) {
        print_row_changes(item);
    } else if (item->what == MOLT_DIFF_BYTES || item->what == MOLT_DIFF_NVS) {
        print_bytes(item);
    } else if (item->change == MOLT_DIFF_CHANGED && strcmp(item->a, item->b) == 0) {
        fputs(item->a, stdout); /* as long as before */
    } else if (item->change == MOLT_DIFF_CHANGED) {
        printf("%s -> %s", item->a[0] ? item->a : "nothing", item->b[0] ? item->b : "nothing");
    } else {
        fputs(item->change == MOLT_DIFF_ADDED ? item->b : item->a, stdout);
    }
    putchar('\n');
}

static void print_text(const struct molt_diff *diff, const struct molt_target *a,
                       const struct molt_target *b)
{
    print_side("- ", a);
    print_side("+ ", b);
    for (uint32_t i = 0; i < diff->count; i++) {
        print_item(&diff->item[i]);
    }
    if (diff->count == 0) {
        puts("no difference");
    }
}

static int compare(const struct cli_args *args, struct molt_target *a, struct molt_target *b,
                   int *code, struct molt_message *message)
{
    struct molt_progress progress;
    struct molt_diff diff = {0};
    cli_progress_start(args, &progress);
    int error = molt_diff_targets(&diff, a, b, &progress, message);
    cli_progress_end(args);
    if (!error) {
        *code = diff.count ? CLI_DIFFERS : CLI_OK;
        if (cli_has(args, "json")) {
            print_json(&diff, a, b);
        } else if (!cli_has(args, "quiet")) {
            print_text(&diff, a, b);
        }
    }
    molt_diff_free(&diff);
    return error;
}

static int run(struct cli_args *args)
{
    struct molt_message message = {0}, closing = {0};
    struct molt_target *target = calloc(2, sizeof *target);
    int code = CLI_OK;
    if (!target) {
        molt_fail(&message, MOLT_E_NO_MEMORY, "out of memory");
        cli_fail(args, &message);
        return CLI_TROUBLE;
    }
    int error = molt_diff_open(&target[0], args->operand[0], &message);
    if (!error) {
        error = molt_diff_open(&target[1], args->operand[1], &message);
        if (!error) {
            error = compare(args, &target[0], &target[1], &code, &message);
        }
        if (molt_target_close(&target[1], &closing) && !error) {
            message = closing;
            error = closing.error;
        }
    }
    if (molt_target_close(&target[0], &closing) && !error) {
        message = closing;
        error = closing.error;
    }
    free(target);
    if (error) {
        cli_fail(args, &message);
        return CLI_TROUBLE;
    }
    return code;
}

extern const struct cli_verb cli_verb_diff;
const struct cli_verb cli_verb_diff = {
    "diff", "A B", "show what differs between two targets", details, options, 2, 2, run};
