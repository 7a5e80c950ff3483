#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/json.h"
#include "cli/map.h"
#include "molt/ops/info.h"

static const struct cli_option options[] = {{"json", 'j', NULL, "print one JSON object"}, {0}};

static const char details[] =
    "Shows the chip, the flash size of the bootloader's header, the partition table with a map of\n"
    "the flash, each app (MicroPython version and date, ESP-IDF version, size, share of its slot,\n"
    "checksum, SHA-256), and what is odd, with what to do about it.\n"
    "Exit code 0: shown, nothing wrong. 1: cannot be understood, or something is wrong.\n"
    "\n"
    "Keys of --json (numbers are bytes; null = not known):\n"
    "  target, kind, chip, chip_id, file_size, flash_size, header_flash_size\n"
    "  bootloader: null or an image\n"
    "  table: null or {md5, error, partitions: [{name, type, subtype, offset, size, flags}]}\n"
    "  apps: [image]\n"
    "  findings: [{severity: \"odd\" or \"wrong\", text, fix: null or a command}], wrong\n"
    "An image: {partition, offset, room, empty, error, message, length, segments: [{load_address,\n"
    "  offset, length}], checksum, checksum_computed, checksum_ok, sha256, hash_appended,\n"
    "  sha256_ok, chip_id, flash_size, flash_freq, flash_mode, entry, min_rev_full, max_rev_full,\n"
    "  idf_version, version, project, build_date, build_time, micropython, micropython_date,\n"
    "  share}; share = length / room.";

/* ---- JSON ---- */

static void json_plain(struct json_out *json, const char *key, const char *text)
{
    char plain[64];
    snprintf(plain, sizeof plain, "%s", text);
    molt_info_plain(plain);
    json_text(json, key, plain[0] ? plain : NULL);
}

static void json_known(struct json_out *json, const char *key, uint32_t number)
{
    if (number) {
        json_number(json, key, number);
    } else {
        json_nothing(json, key);
    }
}

static void json_segments(struct json_out *json, const struct molt_image *image)
{
    json_open(json, "segments", '[');
    for (uint32_t i = 0; i < image->header.segment_count; i++) {
        const struct molt_image_segment *segment = &image->segment[i];
        json_open(json, NULL, '{');
        json_number(json, "load_address", segment->load_address);
        json_number(json, "offset", segment->offset);
        json_number(json, "length", segment->length);
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void json_readable(struct json_out *json, const struct molt_info_image *found)
{
    const struct molt_image *image = &found->image;
    const struct molt_image_header *header = &image->header;
    const struct molt_chip *chip = molt_chip_by_id(header->chip_id);
    static const char *const modes[] = {"qio", "qout", "dio", "dout", "fast", "slow"};
    char sha256[65];
    for (int i = 0; i < 32; i++) {
        snprintf(sha256 + 2 * i, 3, "%02x", image->sha256[i]);
    }
    json_number(json, "length", image->length);
    json_segments(json, image);
    json_number(json, "checksum", image->checksum_stored);
    json_number(json, "checksum_computed", image->checksum_computed);
    json_bool(json, "checksum_ok", image->checksum_ok);
    json_text(json, "sha256", sha256);
    json_bool(json, "hash_appended", header->hash_appended);
    json_bool(json, "sha256_ok", image->hash_ok);
    json_number(json, "chip_id", header->chip_id);
    json_known(json, "flash_size", molt_flash_size_of_nibble(header->flash_size_nibble));
    json_text(json, "flash_freq",
              chip ? molt_chip_flash_freq(chip, header->flash_freq_nibble) : NULL);
    json_text(json, "flash_mode", header->spi_mode < 6 ? modes[header->spi_mode] : NULL);
    json_number(json, "entry", header->entry);
    json_number(json, "min_rev_full", header->min_rev_full);
    json_number(json, "max_rev_full", header->max_rev_full);
    json_plain(json, "idf_version",
               image->app.present ? image->app.idf_version : image->bootloader_idf);
    json_plain(json, "version", image->app.version);
    json_plain(json, "project", image->app.project);
    json_plain(json, "build_date", image->app.date);
    json_plain(json, "build_time", image->app.time);
    json_plain(json, "micropython", found->micropython);
    json_plain(json, "micropython_date", found->micropython_date);
    json_fraction(json, "share", found->room ? (double)image->length / found->room : 0);
}

static void json_image(struct json_out *json, const char *key, const struct molt_info_image *found)
{
    json_open(json, key, '{');
    json_plain(json, "partition", found->label);
    json_number(json, "offset", found->offset);
    json_number(json, "room", found->room);
    json_bool(json, "empty", found->empty || found->outside);
    json_number(json, "error", found->error);
    json_text(json, "message", found->error ? molt_strerror(found->error) : NULL);
    if (found->readable) {
        json_readable(json, found);
    }
    json_close(json, '}');
}

static void json_table(struct json_out *json, const struct molt_info *info,
                       const struct molt_target *target)
{
    if (target->table_error) {
        json_nothing(json, "table");
        return;
    }
    json_open(json, "table", '{');
    json_bool(json, "md5", target->table.has_md5);
    json_number(json, "error", info->table_error);
    json_open(json, "partitions", '[');
    for (uint32_t i = 0; i < target->table.count; i++) {
        const struct molt_partition *row = &target->table.row[i];
        json_open(json, NULL, '{');
        json_plain(json, "name", row->label);
        json_number(json, "type", row->type);
        json_number(json, "subtype", row->subtype);
        json_number(json, "offset", row->offset);
        json_number(json, "size", row->size);
        json_number(json, "flags", row->flags);
        json_close(json, '}');
    }
    json_close(json, ']');
    json_close(json, '}');
}

static void print_json(const struct molt_info *info, const struct molt_target *target)
{
    struct json_out json = {.out = stdout};
    json_open(&json, NULL, '{');
    json_text(&json, "target", target->name);
    json_text(&json, "kind", molt_target_kind_name(target->kind));
    json_text(&json, "chip", target->chip ? target->chip->name : NULL);
    if (target->chip) {
        json_number(&json, "chip_id", target->chip->chip_id);
    } else {
        json_nothing(&json, "chip_id");
    }
    json_known(&json, "file_size", target->file_size);
    json_known(&json, "flash_size", target->flash_size);
    json_known(&json, "header_flash_size", target->header_flash_size);
    if (info->has_bootloader) {
        json_image(&json, "bootloader", &info->bootloader);
    } else {
        json_nothing(&json, "bootloader");
    }
    json_table(&json, info, target);
    json_open(&json, "apps", '[');
    for (uint32_t i = 0; i < info->app_count; i++) {
        json_image(&json, NULL, &info->app[i]);
    }
    json_close(&json, ']');
    json_open(&json, "findings", '[');
    for (uint32_t i = 0; i < info->finding_count; i++) {
        json_open(&json, NULL, '{');
        json_text(&json, "severity", info->finding[i].severity == MOLT_WRONG ? "wrong" : "odd");
        json_text(&json, "text", info->finding[i].text);
        json_text(&json, "fix", info->finding[i].fix[0] ? info->finding[i].fix : NULL);
        json_close(&json, '}');
    }
    json_close(&json, ']');
    json_bool(&json, "wrong", info->wrong);
    json_close(&json, '}');
}

/* ---- Text ---- */

static const char *verdict(bool ok)
{
    if (!cli_colour()) {
        return ok ? "right" : "WRONG";
    }
    return ok ? "\033[32mright\033[0m" : "\033[31mWRONG\033[0m";
}

static void print_image(const struct molt_info_image *found, const char *name)
{
    char length[16], room[16];
    const struct molt_image *image = &found->image;
    printf("\n%s at 0x%x", name, found->offset);
    if (found->outside || found->empty) {
        printf(": %s\n", found->empty ? "empty (erased)" : "empty (the file ends before it)");
        return;
    }
    if (!found->readable) {
        printf(": not readable: %s\n", molt_strerror(found->error));
        return;
    }
    putchar('\n');
    if (found->micropython[0]) {
        printf("  MicroPython  %s of %s\n", found->micropython, found->micropython_date);
    }
    const char *idf = image->app.present ? image->app.idf_version : image->bootloader_idf;
    if (idf[0]) {
        char plain[33];
        snprintf(plain, sizeof plain, "%s", idf);
        molt_info_plain(plain);
        printf("  ESP-IDF      %s\n", plain);
    }
    if (image->app.present && image->app.version[0]) {
        char plain[33];
        snprintf(plain, sizeof plain, "%s", image->app.version);
        molt_info_plain(plain);
        printf("  version      %s\n", plain);
    }
    printf("  size         %u bytes (%s), %.1f %% of %s\n", image->length,
           cli_size(image->length, length), found->room ? 100.0 * image->length / found->room : 0.0,
           cli_size(found->room, room));
    printf("  checksum     0x%02x, %s\n", image->checksum_stored, verdict(image->checksum_ok));
    printf("  SHA-256      ");
    for (int i = 0; i < 32; i++) {
        printf("%02x", image->sha256[i]);
    }
    printf(", %s\n", image->header.hash_appended ? verdict(image->hash_ok) : "none appended");
}

static void print_text(const struct molt_info *info, const struct molt_target *target)
{
    char size[16];
    printf("%s: %s", target->name, molt_target_kind_name(target->kind));
    if (target->file_size) {
        printf(", %u bytes", target->file_size);
    }
    printf("\nchip   %s\n", target->chip ? target->chip->name : "not known");
    if (target->flash_size) {
        printf("flash  %s", cli_size(target->flash_size, size));
        if (target->header_flash_size != target->flash_size) {
            printf(" (bootloader's header: %s)",
                   target->header_flash_size ? cli_size(target->header_flash_size, size) : "none");
        }
        putchar('\n');
    }
    if (!target->table_error) {
        struct map_use use[MOLT_INFO_APPS];
        for (uint32_t i = 0; i < info->app_count; i++) {
            use[i] = (struct map_use){info->app[i].offset,
                                      info->app[i].readable ? info->app[i].image.length : 0};
        }
        printf("table  at 0x%x, %s\n", MOLT_PTABLE_OFFSET,
               target->table.has_md5 ? "MD5 right" : "no MD5 row");
        map_print(stdout, target->chip, &target->table, target->flash_size, use, info->app_count);
    }
    if (info->has_bootloader) {
        print_image(&info->bootloader, "bootloader");
    }
    for (uint32_t i = 0; i < info->app_count; i++) {
        char name[32];
        snprintf(name, sizeof name, "app %s", info->app[i].label);
        print_image(&info->app[i], info->app[i].label[0] ? name : "app");
    }
    for (uint32_t i = 0; i < info->finding_count; i++) {
        printf("%s%s: %s\n", i ? "" : "\n",
               info->finding[i].severity == MOLT_WRONG ? "WRONG" : "odd", info->finding[i].text);
        if (info->finding[i].fix[0]) {
            printf("  mend it: %s\n", info->finding[i].fix);
        }
    }
}

static int run(struct cli_args *args)
{
    struct molt_message message = {0};
    struct molt_target target;
    struct molt_info *info = malloc(sizeof *info);
    int code = CLI_OK;
    if (!info) {
        molt_fail(&message, MOLT_E_NO_MEMORY, "out of memory");
        return cli_fail(args, &message);
    }
    int error = molt_target_open(&target, args->operand[0], &message);
    if (!error) {
        error = molt_info_gather(info, &target, &message);
        if (!error && cli_has(args, "json")) {
            print_json(info, &target);
        } else if (!error) {
            print_text(info, &target);
        }
        if (!error && info->wrong) {
            code = CLI_FAILED;
        }
        struct molt_message closing = {0};
        if (molt_target_close(&target, &closing) && !error) {
            error = closing.error;
            message = closing;
        }
    }
    free(info);
    return error ? cli_fail(args, &message) : code;
}

extern const struct cli_verb cli_verb_info;
const struct cli_verb cli_verb_info = {
    "info",  "TARGET", "show what is on a firmware file, dump, app image or board",
    details, options,  1,
    1,       run};
