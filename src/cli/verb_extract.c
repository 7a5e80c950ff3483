#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "molt/host/file.h"
#include "molt/ops/extract.h"

static const struct cli_option options[] = {
    {"output", 'o', "FILE", "where the app goes; else IN's name with .app-bin, in this folder"},
    {"slot", 's', "NAME", "the app of this partition; else the one that boots next"},
    {0}};

static const char details[] =
    "Takes the app out of a firmware file, a flash dump, a UF2 file or a board, verified: what "
    "goes\n"
    "into a slot, or over the air. Not one byte more than the image (and its signature block)\n"
    "is taken.\n"
    "\n"
    "  molt extract ESP32_GENERIC-v1.23.0.bin -o app.bin\n"
    "  molt extract dump.bin --slot ota_1 -o app.bin";

/* firmware.bin -> firmware.app-bin; NULL = out of memory. */
static char *default_output(const char *in)
{
    const char *slash = strrchr(in, '/');
    const char *name = slash ? slash + 1 : in;
    size_t n = strlen(name);
    char *out = malloc(n + sizeof ".app-bin");
    if (n > 4 && strcmp(name + n - 4, ".bin") == 0) {
        n -= 4;
    }
    if (out) {
        memcpy(out, name, n);
        memcpy(out + n, ".app-bin", sizeof ".app-bin");
    }
    return out;
}

static int save(const struct cli_args *args, const struct molt_extract *app,
                struct molt_message *message)
{
    const char *given = cli_option(args, "output");
    char *own = given ? NULL : default_output(args->operand[0]);
    const char *out = given ? given : own;
    int error;
    if (!out) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    if (molt_same_file(out, args->operand[0])) {
        error = molt_fail(message, MOLT_E_ARGUMENT,
                          "%s: is the input itself; expected another name for the output", out);
    } else {
        error = molt_file_write(out, app->bytes, app->n, 0666,
                                given ? MOLT_FILE_REPLACE_UNSYNCED : MOLT_FILE_KEEP, message);
    }
    if (!error) {
        printf("%s, verified", app->words);
        if (app->label[0]) {
            printf(", of '%s' at 0x%x%s", app->label, app->offset,
                   app->boots ? "" : " (not what boots next)");
        }
        printf("\n%s: %u bytes\n", out, app->n);
    }
    if (!error && app->left_over) {
        printf("left out: %u bytes behind the image that do not belong to it\n", app->left_over);
    }
    free(own);
    return error;
}

static int run(struct cli_args *args)
{
    struct molt_message message = {0}, closing = {0};
    struct molt_target *target = calloc(1, sizeof *target);
    struct molt_extract app = {0};
    int error = target ? molt_target_open(target, args->operand[0], &message)
                       : molt_fail(&message, MOLT_E_NO_MEMORY, "out of memory");
    if (!error) {
        error = molt_extract_app(&app, target, cli_option(args, "slot"), &message);
        if (!error) {
            error = save(args, &app, &message);
        }
        molt_extract_free(&app);
        if (molt_target_close(target, &closing) < 0 && !error) {
            error = closing.error;
            message = closing;
        }
    }
    free(target);
    return error ? cli_fail(args, &message) : CLI_OK;
}

extern const struct cli_verb cli_verb_extract;
const struct cli_verb cli_verb_extract = {
    "extract", "IN", "take the app out of a firmware file or dump", details, options, 1, 1, run};
