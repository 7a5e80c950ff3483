#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/map.h"
#include "cli/print_identity.h"
#include "cli/print_info.h"
#include "cli/process.h"
#include "cli/svg.h"
#include "molt/ops/identify.h"
#include "molt/ops/info.h"
#include "molt/uf2.h"

static const struct cli_option options[] = {
    {"json", 'j', NULL, "print one JSON object"},
    {"svg", 0, "FILE", "also draw the map of the flash, as a picture"},
    {0}};

static const char details[] =
    "Says what a file is, by its bytes, and shows it. Of flash (firmware file, dump, app image,\n"
    "bootloader, table, file system, board; also inside of a UF2 file): chip, flash size, the\n"
    "partition table with a map, each app (MicroPython version and date, ESP-IDF version, size,\n"
    "share of its slot, checksum, SHA-256), and what is odd, with what to do about it. Also "
    "shown:\n"
    "otadata, UF2 files and flash images of other chips, bundles, DFU, ELF and Intel HEX files.\n"
    "Exit code 0: shown, nothing wrong. 1: cannot be understood, or something is wrong.\n"
    "\n"
    "Keys of --json (numbers are bytes; null = not known; docs/json.md has those of every kind):\n"
    "  kind, target, container, uf2_family, chip, chip_id, file_size, flash_size,\n"
    "  header_flash_size\n"
    "  bootloader: null or an image\n"
    "  table: null or {md5, error, partitions: [{name, type, subtype, type_name, subtype_name,\n"
    "    offset, size, flags}]}\n"
    "  boots_next: null or {partition, record, seq, state}\n"
    "  apps: [image]\n"
    "  file_systems: [{partition, offset, size, file_system, block_size, block_count, error, "
    "used,\n"
    "  free}]\n"
    "  findings: [{severity: \"odd\" or \"wrong\", text}], wrong\n"
    "An image: {partition, offset, room, empty, error, message, length, segments: [{load_address,\n"
    "  offset, length}], checksum, checksum_computed, checksum_ok, sha256, hash_appended,\n"
    "  sha256_ok, chip_id, flash_size, flash_freq, flash_mode, entry, min_rev_full, max_rev_full,\n"
    "  idf_version, version, project, build_date, build_time, micropython, micropython_date,\n"
    "  share}; share = length / room.";

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

static void print_boot(const struct molt_info_boot *boot)
{
    static const char *const states[] = {"NEW", "PENDING_VERIFY", "VALID", "INVALID", "ABORTED"};
    if (!boot->known) {
        return;
    }
    printf("boots  %s next", boot->label[0] ? boot->label : "nothing");
    if (boot->record < 0) {
        printf(": no record of otadata says otherwise\n");
        return;
    }
    printf(": record %d of otadata, seq %u, %s\n", boot->record, boot->seq,
           boot->state < 5 ? states[boot->state] : "no state");
}

static void print_files(const struct molt_info_files *files)
{
    char size[16], used[16], place[16];
    uint64_t bytes = (uint64_t)files->facts.block_size * files->facts.block_count;
    printf("\nfiles%s%s at 0x%x\n", files->label[0] ? " " : "", files->label, files->offset);
    printf("  %s, blocks of %u bytes, %s", files->facts.variant, files->facts.block_size,
           cli_size(bytes, size));
    if (bytes != files->size) {
        printf(", in %s of flash", cli_size(files->size, place));
    }
    if (files->error) {
        printf("\n  not readable: %s\n", molt_strerror(files->error));
        return;
    }
    const struct molt_fs_space *space = &files->space;
    uint64_t taken = (uint64_t)space->used * space->block_size;
    uint64_t all = (uint64_t)space->total * space->block_size;
    printf("\n  used         %s, free %s\n", cli_size(taken, used),
           cli_size(all > taken ? all - taken : 0, size));
}

static void print_text(const struct molt_info *info, const struct molt_target *target)
{
    char size[16];
    printf("%s: %s", target->name, molt_target_kind_name(target->kind));
    if (target->file_size) {
        printf(", %u bytes", target->file_size);
    }
    if (target->container == MOLT_CONTAINER_UF2) {
        const struct molt_uf2_family *family = molt_uf2_family_by_id(target->uf2_family);
        printf(", written by a UF2 file for %s",
               family ? family->name : "no family that it would name");
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
    print_boot(&info->boot);
    if (info->has_bootloader) {
        print_image(&info->bootloader, "bootloader");
    }
    for (uint32_t i = 0; i < info->app_count; i++) {
        char name[32];
        snprintf(name, sizeof name, "app %s", info->app[i].label);
        print_image(&info->app[i], info->app[i].label[0] ? name : "app");
    }
    for (uint32_t i = 0; i < info->files_count; i++) {
        print_files(&info->files[i]);
    }
    cli_print_findings(info->finding, info->finding_count);
}

/* What is flash: opened as every verb does. */
static int show_target(struct cli_args *args)
{
    struct molt_message message = {0}, closing = {0};
    struct molt_target *target = malloc(sizeof *target);
    struct molt_info *info = malloc(sizeof *info);
    int error = target && info ? molt_target_open(target, args->operand[0], &message)
                               : molt_fail(&message, MOLT_E_NO_MEMORY, "out of memory");
    bool wrong = false;
    if (!error) {
        error = molt_info_gather(info, target, &message);
        if (!error && cli_has(args, "json")) {
            cli_print_info_json(info, target);
        } else if (!error) {
            print_text(info, target);
        }
        if (!error && cli_has(args, "svg")) {
            error = svg_write(cli_option(args, "svg"), target, info, &message);
        }
        wrong = info->wrong;
        if (molt_target_close(target, &closing) && !error) {
            error = closing.error;
            message = closing;
        }
    }
    free(info);
    free(target);
    return error ? cli_fail(args, &message) : wrong ? CLI_FAILED : CLI_OK;
}

static int run(struct cli_args *args)
{
    struct molt_message message = {0};
    struct molt_identity *identity = malloc(sizeof *identity);
    int error = identity ? molt_identify(identity, args->operand[0], &message)
                         : molt_fail(&message, MOLT_E_NO_MEMORY, "out of memory");
    bool flash = !error && identity->kind == MOLT_IDENTITY_FLASH;
    bool wrong = !error && identity->wrong;
    if (!error && !flash && cli_has(args, "json")) {
        cli_print_identity_json(args->operand[0], identity);
    } else if (!error && !flash) {
        cli_print_identity(args->operand[0], identity);
        if (identity->kind == MOLT_IDENTITY_DFU) {
            char word[4200];
            printf("\nmore: molt dfu show ");
            process_print_safe(stdout, molt_shell_word(word, sizeof word, args->operand[0]));
            putchar('\n');
        }
    }
    free(identity);
    if (!error && !flash && cli_has(args, "svg")) {
        error = molt_fail(&message, MOLT_E_UNSUPPORTED, "%s: is no flash: there is no map to draw",
                          args->operand[0]);
    }
    if (error) {
        return cli_fail(args, &message);
    }
    return flash ? show_target(args) : wrong ? CLI_FAILED : CLI_OK;
}

extern const struct cli_verb cli_verb_info;
const struct cli_verb cli_verb_info = {
    "info", "TARGET", "show what a file is, and what is on it or on a board", details, options, 1,
    1,      run};
