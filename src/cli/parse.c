#include "cli/parse.h"

#include "cli/process.h"
#include "cli/progress.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

/* Rows that every verb has. */
const struct cli_option cli_common_options[] = {
    {"help", 'h', NULL, "print this help"},
    {"progress", 0, "MODE", "auto (one line, on terminals only), json (lines of JSON) or none"},
    {0}};

/* Number, space, meaning; docs/molt.md has the same. */
const char *const cli_exit_codes[] = {"0 done", "1 failed, or something is wrong",
                                      "2 wrong command line", "3 simulated power cut", NULL};

const char cli_target_words[] = "A target is a firmware file, a flash dump, or sim:FOLDER (a "
                                "simulated board); of the dfu verbs "
                                "a\ndevice, usb:..., or sim:FOLDER.";

void cli_print_overview(FILE *out)
{
    fprintf(out, "molt: firmware updates for MicroPython devices\n\nusage: molt VERB [OPTIONS] "
                 "[OPERANDS]\n       molt help VERB\n\n");
    for (const struct cli_verb *const *verb = cli_verbs; *verb; verb++) {
        fprintf(out, "  %-15s %s\n", (*verb)->name, (*verb)->summary);
    }
    fprintf(out, "\n%s\nExit codes:", cli_target_words);
    for (const char *const *line = cli_exit_codes; *line; line++) {
        fprintf(out, "%s %s", line == cli_exit_codes ? "" : ";", *line);
    }
    fputs(".\n", out);
}

static void print_rows(const struct cli_option *row, FILE *out)
{
    for (; row->name; row++) {
        char left[64];
        char letter[8] = "   ";
        if (row->letter) {
            snprintf(letter, sizeof letter, "-%c,", row->letter);
        }
        snprintf(left, sizeof left, "%s --%s%s%s", letter, row->name, row->argument ? " " : "",
                 row->argument ? row->argument : "");
        fprintf(out, "  %-28s %s\n", left, row->help);
    }
}

void cli_print_help(const struct cli_verb *verb, FILE *out)
{
    fprintf(out, "molt %s: %s\n\nusage: molt %s [OPTIONS]%s%s\n\n", verb->name, verb->summary,
            verb->name, verb->operands[0] ? " " : "", verb->operands);
    if (verb->options) {
        print_rows(verb->options, out);
    }
    print_rows(cli_common_options, out);
    if (verb->details) {
        fprintf(out, "\n%s\n", verb->details);
    }
}

/* Longest verb name that the words begin with; *used = how many words it takes. */
static const struct cli_verb *find_verb(int count, char **words, int *used)
{
    for (const struct cli_verb *const *verb = cli_verbs; *verb; verb++) {
        const char *space = strchr((*verb)->name, ' ');
        if (!space) {
            if (count >= 1 && strcmp(words[0], (*verb)->name) == 0) {
                *used = 1;
                return *verb;
            }
            continue;
        }
        size_t first = (size_t)(space - (*verb)->name);
        if (count >= 2 && strlen(words[0]) == first &&
            strncmp(words[0], (*verb)->name, first) == 0 && strcmp(words[1], space + 1) == 0) {
            *used = 2;
            return *verb;
        }
    }
    return NULL;
}

/* Names the verbs that begin with the same first word, or says that there is no such verb. */
static int unknown_verb(const char *word)
{
    size_t n = strlen(word);
    bool group = false;
    for (const struct cli_verb *const *verb = cli_verbs; *verb; verb++) {
        if (strncmp((*verb)->name, word, n) == 0 && (*verb)->name[n] == ' ') {
            fprintf(stderr, "%smolt %s", group ? ", " : "molt: say which: ", (*verb)->name);
            group = true;
        }
    }
    if (group) {
        fputc('\n', stderr);
    } else {
        fputs("molt: no verb '", stderr);
        process_print_safe(stderr, word);
        fputs("'; 'molt help' lists them\n", stderr);
    }
    return CLI_USAGE;
}

int cli_help_for(int count, char **words)
{
    int used;
    bool man = strcmp(words[0], "--man") == 0;
    if (man && count == 1) {
        cli_print_man_overview(stdout);
        return CLI_OK;
    }
    const struct cli_verb *verb =
        man ? find_verb(count - 1, words + 1, &used) : find_verb(count, words, &used);
    if (!verb) {
        return unknown_verb(words[man ? 1 : 0]);
    }
    (man ? cli_print_man : cli_print_help)(verb, stdout);
    return CLI_OK;
}

/* Both tables as getopt_long wants them; returns the number of rows. */
static int build_getopt(const struct cli_verb *verb, struct option *longs, char *shorts,
                        const struct cli_option **rows)
{
    int n = 0;
    char *s = shorts;
    *s++ = ':';
    const struct cli_option *tables[2] = {verb->options, cli_common_options};
    for (int t = 0; t < 2; t++) {
        for (const struct cli_option *row = tables[t]; row && row->name && n < CLI_MAX_OPTIONS;
             row++) {
            longs[n] = (struct option){row->name, row->argument ? required_argument : no_argument,
                                       NULL, 1000 + n};
            rows[n++] = row;
            if (row->letter) {
                *s++ = row->letter;
                if (row->argument) {
                    *s++ = ':';
                }
            }
        }
    }
    longs[n] = (struct option){0};
    *s = 0;
    return n;
}

static const struct cli_option *row_of(int code, const struct cli_option **rows, int count)
{
    if (code >= 1000) {
        return rows[code - 1000];
    }
    for (int i = 0; i < count; i++) {
        if (rows[i]->letter == code) {
            return rows[i];
        }
    }
    return NULL;
}

/* getopt says which letter or row it stumbled over, but not always in which word. */
static int wrong_option(const struct cli_args *args, const char *word, const struct option *longs)
{
    if (optopt >= 1000) {
        return cli_usage(args, "option '--%s' takes no value, found '%s'",
                         longs[optopt - 1000].name, word);
    }
    return optopt ? cli_usage(args, "no option '-%c'", optopt)
                  : cli_usage(args, "no option '%s', or not the whole of its name", word);
}

/* CLI_OK to go on; *help when it was asked for. */
static int parse_options(struct cli_args *args, int argc, char **argv, bool *help)
{
    struct option longs[CLI_MAX_OPTIONS + 1];
    const struct cli_option *rows[CLI_MAX_OPTIONS];
    char shorts[CLI_MAX_OPTIONS * 2 + 2];
    int count = build_getopt(args->verb, longs, shorts, rows);
    opterr = 0;
    optind = 1;
    for (int code; (code = getopt_long(argc, argv, shorts, longs, NULL)) != -1;) {
        if (code == '?') {
            return wrong_option(args, argv[optind - 1], longs);
        }
        if (code == ':') {
            return cli_usage(args, "option '%s' needs a value", argv[optind - 1]);
        }
        const struct cli_option *row = row_of(code, rows, count);
        if (row == &cli_common_options[0]) {
            *help = true;
            return CLI_OK;
        }
        args->option[args->option_count++] =
            (struct cli_given){row->name, row->argument ? optarg : NULL};
    }
    for (; optind < argc; optind++) {
        if (args->operand_count == CLI_MAX_OPERANDS) {
            return cli_usage(args, "too many operands");
        }
        args->operand[args->operand_count++] = argv[optind];
    }
    return CLI_OK;
}

/* What every verb checks of its words before it runs. */
static int check(struct cli_args *args)
{
    const struct cli_verb *verb = args->verb;
    const char *mode = cli_option(args, "progress");
    if (args->operand_count < verb->least_operands) {
        return cli_usage(args, "too few operands: expected %s", verb->operands);
    }
    if (verb->most_operands >= 0 && args->operand_count > verb->most_operands) {
        return cli_usage(args, "unexpected operand '%s'", args->operand[verb->most_operands]);
    }
    if (mode && !cli_progress_parse(mode, &args->progress->mode)) {
        return cli_usage(args, "--progress '%s': expected auto, json or none", mode);
    }
    return cli_check_outputs(args);
}

int cli_run(int argc, char **argv)
{
    int used = 0;
    const struct cli_verb *verb = find_verb(argc - 1, argv + 1, &used);
    if (!verb) {
        return unknown_verb(argv[1]);
    }
    struct cli_progress progress = {.mode = CLI_PROGRESS_AUTO};
    struct cli_args args = {.verb = verb,
                            .option = calloc((size_t)argc + 1, sizeof *args.option),
                            .progress = &progress};
    if (!args.option) {
        fputs("molt: out of memory\n", stderr);
        return CLI_FAILED;
    }
    bool help = false;
    int code = parse_options(&args, argc - used, argv + used, &help);
    if (code == CLI_OK && help) {
        cli_print_help(verb, stdout);
    } else if (code == CLI_OK) {
        code = check(&args);
        code = code == CLI_OK ? verb->run(&args) : code;
    }
    free(args.option);
    return code == CLI_USAGE ? cli_usage_code(verb) : code;
}
