#define _POSIX_C_SOURCE 200809L /* strdup */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/planprint.h"
#include "molt/host/file.h"
#include "molt/ops/flashimage.h"

static const struct cli_option options[] = {
    {"slot", 's', "NAME", "write only the app, into this app partition of the target"},
    {"keep", 'k', "NAMES", "carry these over, where the layout changes: nvs,vfs"},
    {"backup", 'b', "FILE", "first save the whole flash there"},
    {"erase-all", 'e', NULL, "leave nothing else on the flash"},
    {"force", 'f', NULL, "also where files or settings are lost"},
    {"dry-run", 'n', NULL, "print the plan, write nothing"},
    {"json", 'j', NULL, "print one JSON object"},
    {0}};

static const char details[] =
    "Prints the plan, checks all of it, then erases and writes only the sectors that differ, and\n"
    "reads each back. Interrupted, the same command goes on with what still differs.\n"
    "A firmware file keeps the data partitions that its table has at the same place; otadata is\n"
    "erased, so that the new firmware boots. A flash dump replaces everything.\n"
    "\n"
    "Where the layout on the target differs, the plan names what each region that changes holds;\n"
    "what the device would misread is erased, and files and settings are not lost without "
    "--force.\n"
    "--keep reads them out first and puts them where the new layout has them: a littlefs grows,\n"
    "a file system that is larger than its place is made anew from its files.\n"
    "\n"
    "  molt flash firmware.bin sim:bench --keep nvs,vfs --backup before.bin\n"
    "  molt flash app.bin sim:bench --slot ota_1\n"
    "\n"
    "Keys of --json: image, target, plan: [{kind, what, offset, size, why}], sectors_to_write,\n"
    "  sectors_same, refused (null, or why --force is needed), written";

/* "nvs,vfs" in its names, in a copy that the caller frees; -1 = too many, or an empty one. */
static int split_names(char *copy, const char *names[MOLT_FLASH_KEEPS])
{
    int count = 0;
    for (char *at = copy; at; count++) {
        char *comma = strchr(at, ',');
        if (comma) {
            *comma++ = 0;
        }
        if (count == MOLT_FLASH_KEEPS || !at[0]) {
            return -1;
        }
        names[count] = at;
        at = comma;
    }
    return count;
}

static void print_text(const struct molt_flashimage *job)
{
    plan_print(stdout, &job->plan);
    printf("%u sectors to write (%u KB), %u the same already\n", job->sectors_differing,
           job->sectors_differing * (job->sector_size / 1024), job->sectors_same);
    fflush(stdout);
}

static void print_json(const struct molt_flashimage *job, const struct molt_target *image,
                       const struct molt_target *target, bool written)
{
    struct json_out json = {.out = stdout};
    json_open(&json, NULL, '{');
    json_text(&json, "image", image->name);
    json_text(&json, "target", target->name);
    plan_json(&json, &job->plan);
    json_number(&json, "sectors_to_write", job->sectors_differing);
    json_number(&json, "sectors_same", job->sectors_same);
    json_text(&json, "refused", job->refusals && !job->force ? job->refusal.text : NULL);
    json_bool(&json, "written", written);
    json_close(&json, '}');
}

static int back_up(const struct cli_args *args, const struct molt_flashimage *job,
                   struct molt_message *message)
{
    const char *file = cli_option(args, "backup");
    if (!file) {
        return MOLT_OK;
    }
    int error = molt_file_write(file, job->have, job->size, 0666, MOLT_FILE_KEEP, message);
    if (!error && !cli_has(args, "json")) {
        printf("saved: %s (%u bytes); 'molt flash' writes it back\n", file, job->size);
    }
    return error;
}

static int do_it(struct cli_args *args, const struct molt_flashimage *job,
                 struct molt_target *target, struct molt_message *message)
{
    struct molt_progress progress;
    bool refused = job->refusals && !job->force;
    if (cli_has(args, "dry-run") && !refused) {
        if (!cli_has(args, "json")) {
            printf("nothing was written (--dry-run)\n");
        }
        return MOLT_OK;
    }
    int error = refused ? MOLT_OK : back_up(args, job, message);
    if (error) {
        return error;
    }
    cli_progress_start(args, &progress);
    error = molt_flashimage_run(job, target, &progress, message);
    cli_progress_end(args);
    if (!error && !cli_has(args, "json")) {
        printf("written and verified: %s\n", target->name);
    }
    return error;
}

static int flash_target(struct cli_args *args, const struct molt_target *image,
                        struct molt_target *target, struct molt_message *message)
{
    const char *names[MOLT_FLASH_KEEPS], *keep = cli_option(args, "keep");
    struct molt_flash_request request = {.slot = cli_option(args, "slot"),
                                         .keep = names,
                                         .erase_all = cli_has(args, "erase-all"),
                                         .force = cli_has(args, "force")};
    struct molt_flashimage *job = calloc(1, sizeof *job);
    char *copy = strdup(keep ? keep : "");
    int count = keep && copy ? split_names(copy, names) : 0, error;
    if (!job || !copy) {
        error = molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    } else if (count < 0) {
        error = molt_fail(message, MOLT_E_ARGUMENT,
                          "--keep %s: expected names of partitions, such as nvs,vfs", keep);
    } else {
        request.keep_count = (uint32_t)count;
        error = molt_flashimage_prepare(job, image, target, &request, message);
        if (!error && !cli_has(args, "json")) {
            print_text(job);
        }
        if (!error) {
            error = do_it(args, job, target, message);
            if (cli_has(args, "json")) {
                print_json(job, image, target, !error && !cli_has(args, "dry-run"));
            }
        }
        molt_flashimage_free(job);
    }
    free(copy);
    free(job);
    return error;
}

static int run(struct cli_args *args)
{
    struct molt_message message = {0}, closing = {0};
    struct molt_target image, target;
    int error = molt_target_open(&image, args->operand[0], &message);
    if (error) {
        return cli_fail(args, &message);
    }
    if (image.board) {
        error = molt_fail(&message, MOLT_E_UNSUPPORTED,
                          "%s: is a board, expected a firmware file, a dump or an app image",
                          image.name);
    } else {
        error = molt_target_open(&target, args->operand[1], &message);
        if (!error) {
            error = flash_target(args, &image, &target, &message);
            if (molt_target_close(&target, &closing) && !error) {
                message = closing;
                error = closing.error;
            }
        }
    }
    molt_target_close(&image, &closing);
    return error ? cli_fail(args, &message) : CLI_OK;
}

extern const struct cli_verb cli_verb_flash;
const struct cli_verb cli_verb_flash = {"flash",
                                        "IMAGE TARGET",
                                        "write a firmware, a dump or an app to a board",
                                        details,
                                        options,
                                        2,
                                        2,
                                        run};
