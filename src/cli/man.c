/* Man pages, from the same tables as --help. */
#include <string.h>

#include "cli/parse.h"

/* Text for troff: backslash, and a dot or quote at the start of a line, would be commands. */
static void print_troff_part(const char *text, size_t length, FILE *out)
{
    if (length && (*text == '.' || *text == '\'')) {
        fputs("\\&", out);
    }
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\\') {
            fputs("\\e", out);
        } else if (text[i] == '-') {
            fputs("\\-", out);
        } else {
            fputc(text[i], out);
        }
    }
}

static void print_troff(const char *text, FILE *out)
{
    print_troff_part(text, strlen(text), out);
}

/* A line of the details that could have taken the next word below this column was meant to end. */
#define MAN_DELIBERATE 94

/* Paragraphs are filled; a line begins anew where the one before had room for its first word. */
static void print_troff_details(const char *text, FILE *out)
{
    size_t before = 0; /* length of the line before, 0 after a blank one */
    while (*text) {
        size_t length = strcspn(text, "\n"), indent = strspn(text, " ");
        size_t word = strcspn(text + indent, " \n");
        if (length == 0) {
            fputs(".PP\n", out);
        } else {
            bool anew = before == 0 || before + 1 + word <= MAN_DELIBERATE;
            if (before && anew) {
                fputs(".br\n", out);
            }
            if (!anew) {
                text += indent;
                length -= indent;
            }
            print_troff_part(text, length, out);
            fputc('\n', out);
        }
        before = length;
        text += length + (text[length] == '\n');
    }
}

static void print_troff_rows(const struct cli_option *row, FILE *out)
{
    for (; row->name; row++) {
        fputs(".TP\n", out);
        if (row->letter) {
            fprintf(out, "\\fB\\-%c\\fR, ", row->letter);
        }
        fputs("\\fB\\-\\-", out);
        print_troff(row->name, out);
        fputs("\\fR", out);
        if (row->argument) {
            fputs(" \\fI", out);
            print_troff(row->argument, out);
            fputs("\\fR", out);
        }
        fputc('\n', out);
        print_troff(row->help, out);
        fputc('\n', out);
    }
}

/* "ota status" with '-' for the space, in capitals when asked for. */
static void print_page_name(const char *name, bool capitals, FILE *out)
{
    for (const char *c = name; *c; c++) {
        fputc(*c == ' ' ? '-' : capitals && *c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c, out);
    }
}

static void print_man_end(FILE *out)
{
    fputs(".SH EXIT STATUS\n", out);
    for (const char *const *line = cli_exit_codes; *line; line++) {
        fprintf(out, ".TP\n.B %c\n", **line);
        print_troff(*line + 2, out);
        fputc('\n', out);
    }
}

void cli_print_man(const struct cli_verb *verb, FILE *out)
{
    fputs(".TH \"MOLT\\-", out);
    print_page_name(verb->name, true, out);
    fputs("\" 1 \"\" \"molt\" \"Molt\"\n.nh\n.ad l\n.ss 12 0\n.SH NAME\nmolt\\-", out);
    print_page_name(verb->name, false, out);
    fputs(" \\- ", out);
    print_troff(verb->summary, out);
    fprintf(out, "\n.SH SYNOPSIS\n\\fBmolt %s\\fR [\\fIOPTIONS\\fR]", verb->name);
    if (verb->operands[0]) {
        fputs(" \\fI", out);
        print_troff(verb->operands, out);
        fputs("\\fR", out);
    }
    fputc('\n', out);
    if (verb->details) {
        fputs(".SH DESCRIPTION\n", out);
        print_troff_details(verb->details, out);
    }
    fputs(".SH OPTIONS\n", out);
    if (verb->options) {
        print_troff_rows(verb->options, out);
    }
    print_troff_rows(cli_common_options, out);
    print_man_end(out);
    fputs(".SH SEE ALSO\n.BR molt (1)\n", out);
}

void cli_print_man_overview(FILE *out)
{
    fputs(".TH MOLT 1 \"\" \"molt\" \"Molt\"\n.nh\n.ad l\n.ss 12 0\n.SH NAME\n"
          "molt \\- firmware updates for MicroPython devices\n.SH SYNOPSIS\n"
          "\\fBmolt\\fR \\fIVERB\\fR [\\fIOPTIONS\\fR] [\\fIOPERANDS\\fR]\n.br\n"
          "\\fBmolt help\\fR \\fIVERB\\fR\n.SH DESCRIPTION\n",
          out);
    print_troff(cli_target_words, out);
    fputs("\n.SH VERBS\n", out);
    for (const struct cli_verb *const *verb = cli_verbs; *verb; verb++) {
        fputs(".TP\n.BR molt\\-", out);
        print_page_name((*verb)->name, false, out);
        fputs(" (1)\n", out);
        print_troff((*verb)->summary, out);
        fputc('\n', out);
    }
    print_man_end(out);
}
