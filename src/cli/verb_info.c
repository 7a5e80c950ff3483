#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/map.h"
#include "molt/ops/info.h"

static const struct cli_option options[] = {
    {"json", 'j', NULL, "print one JSON object, keys as below"}, {0}};

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
    "  findings: [{severity: \"odd\" or \"wrong\", text}], wrong\n"
    "An image: {partition, offset, room, empty, error, message, length, segments: [{load_address,\n"
    "  offset, length}], checksum, checksum_ok, sha256, hash_appended, sha256_ok, chip_id,\n"
    "  flash_size, entry, min_rev_full, max_rev_full, idf_version, version, project, build_date,\n"
    "  build_time, micropython, micropython_date, share}; share = length / room.";

/* ---- JSON ---- */

static json_t *text_or_null(const char *text)
{
    char plain[64];
    snprintf(plain, sizeof plain, "%s", text);
    molt_info_plain(plain);
    return plain[0] ? json_string(plain) : json_null();
}

static json_t *number_or_null(uint32_t number)
{
    return number ? json_integer(number) : json_null();
}

static void json_segments(json_t *object, const struct molt_image *image)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < image->header.segment_count; i++) {
        const struct molt_image_segment *segment = &image->segment[i];
        json_array_append_new(list, json_pack("{s:I,s:I,s:I}", "load_address",
                                              (json_int_t)segment->load_address, "offset",
                                              (json_int_t)segment->offset, "length",
                                              (json_int_t)segment->length));
    }
    json_object_set_new(object, "segments", list);
}

static void json_readable(json_t *object, const struct molt_info_image *found)
{
    const struct molt_image *image = &found->image;
    char sha256[65];
    for (int i = 0; i < 32; i++) {
        snprintf(sha256 + 2 * i, 3, "%02x", image->sha256[i]);
    }
    json_object_set_new(object, "length", json_integer(image->length));
    json_segments(object, image);
    json_object_set_new(object, "checksum", json_integer(image->checksum_stored));
    json_object_set_new(object, "checksum_ok", json_boolean(image->checksum_ok));
    json_object_set_new(object, "sha256", json_string(sha256));
    json_object_set_new(object, "hash_appended", json_boolean(image->header.hash_appended));
    json_object_set_new(object, "sha256_ok", json_boolean(image->hash_ok));
    json_object_set_new(object, "chip_id", json_integer(image->header.chip_id));
    json_object_set_new(object, "flash_size",
                        number_or_null(molt_flash_size_of_nibble(image->header.flash_size_nibble)));
    json_object_set_new(object, "entry", json_integer(image->header.entry));
    json_object_set_new(object, "min_rev_full", json_integer(image->header.min_rev_full));
    json_object_set_new(object, "max_rev_full", json_integer(image->header.max_rev_full));
    json_object_set_new(
        object, "idf_version",
        text_or_null(image->app.present ? image->app.idf_version : image->bootloader_idf));
    json_object_set_new(object, "version", text_or_null(image->app.version));
    json_object_set_new(object, "project", text_or_null(image->app.project));
    json_object_set_new(object, "build_date", text_or_null(image->app.date));
    json_object_set_new(object, "build_time", text_or_null(image->app.time));
    json_object_set_new(object, "micropython", text_or_null(found->micropython));
    json_object_set_new(object, "micropython_date", text_or_null(found->micropython_date));
    json_object_set_new(object, "share",
                        json_real(found->room ? (double)image->length / found->room : 0));
}

static json_t *json_image(const struct molt_info_image *found)
{
    json_t *object = json_object();
    json_object_set_new(object, "partition", text_or_null(found->label));
    json_object_set_new(object, "offset", json_integer(found->offset));
    json_object_set_new(object, "room", json_integer(found->room));
    json_object_set_new(object, "empty", json_boolean(found->empty || found->outside));
    json_object_set_new(object, "error", json_integer(found->error));
    json_object_set_new(object, "message",
                        found->error ? json_string(molt_strerror(found->error)) : json_null());
    if (found->readable) {
        json_readable(object, found);
    }
    return object;
}

static json_t *json_table(const struct molt_info *info, const struct molt_target *target)
{
    if (target->table_error) {
        return json_null();
    }
    json_t *rows = json_array();
    for (uint32_t i = 0; i < target->table.count; i++) {
        const struct molt_partition *row = &target->table.row[i];
        json_array_append_new(
            rows, json_pack("{s:o,s:i,s:i,s:I,s:I,s:I}", "name", text_or_null(row->label), "type",
                            row->type, "subtype", row->subtype, "offset", (json_int_t)row->offset,
                            "size", (json_int_t)row->size, "flags", (json_int_t)row->flags));
    }
    return json_pack("{s:b,s:i,s:o}", "md5", target->table.has_md5, "error", info->table_error,
                     "partitions", rows);
}

static int print_json(const struct molt_info *info, const struct molt_target *target)
{
    json_t *root = json_object(), *apps = json_array(), *findings = json_array();
    json_t *name = json_string(target->name);
    json_object_set_new(root, "target", name ? name : json_null());
    json_object_set_new(root, "kind", json_string(molt_target_kind_name(target->kind)));
    json_object_set_new(root, "chip", target->chip ? json_string(target->chip->name) : json_null());
    json_object_set_new(root, "chip_id",
                        target->chip ? json_integer(target->chip->chip_id) : json_null());
    json_object_set_new(root, "file_size", number_or_null(target->file_size));
    json_object_set_new(root, "flash_size", number_or_null(target->flash_size));
    json_object_set_new(root, "header_flash_size", number_or_null(target->header_flash_size));
    json_object_set_new(root, "bootloader",
                        info->has_bootloader ? json_image(&info->bootloader) : json_null());
    json_object_set_new(root, "table", json_table(info, target));
    for (uint32_t i = 0; i < info->app_count; i++) {
        json_array_append_new(apps, json_image(&info->app[i]));
    }
    json_object_set_new(root, "apps", apps);
    for (uint32_t i = 0; i < info->finding_count; i++) {
        const struct molt_finding *f = &info->finding[i];
        json_array_append_new(findings, json_pack("{s:s,s:s}", "severity",
                                                  f->severity == MOLT_WRONG ? "wrong" : "odd",
                                                  "text", f->text));
    }
    json_object_set_new(root, "findings", findings);
    json_object_set_new(root, "wrong", json_boolean(info->wrong));
    int failed = json_dumpf(root, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(root);
    return failed ? CLI_FAILED : CLI_OK;
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
            code = print_json(info, &target);
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
