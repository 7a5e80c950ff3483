#include "cli/print_identity.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

void cli_json_findings(struct json_out *json, const struct molt_finding *finding, uint32_t count,
                       bool wrong)
{
    json_open(json, "findings", '[');
    for (uint32_t i = 0; i < count; i++) {
        json_open(json, NULL, '{');
        json_text(json, "severity", finding[i].severity == MOLT_WRONG ? "wrong" : "odd");
        json_text(json, "text", finding[i].text);
        json_text(json, "fix", finding[i].fix[0] ? finding[i].fix : NULL);
        json_close(json, '}');
    }
    json_close(json, ']');
    json_bool(json, "wrong", wrong);
}

void cli_print_findings(const struct molt_finding *finding, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        printf("%s%s: %s\n", i ? "" : "\n", finding[i].severity == MOLT_WRONG ? "WRONG" : "odd",
               finding[i].text);
        if (finding[i].fix[0]) {
            printf("  mend it: %s\n", finding[i].fix);
        }
    }
}

/* ---- JSON ---- */

static void json_fact(struct json_out *json, const struct molt_fact *fact)
{
    switch (fact->type) {
    case MOLT_FACT_TEXT: json_text(json, fact->key, fact->text); break;
    case MOLT_FACT_NUMBER:
    case MOLT_FACT_HEX:
    case MOLT_FACT_SIZE: json_number(json, fact->key, (int64_t)fact->number); break;
    case MOLT_FACT_BOOL: json_bool(json, fact->key, fact->number); break;
    case MOLT_FACT_NOTHING: json_nothing(json, fact->key); break;
    }
}

/* The facts of one row of a list; of the file itself when list is -1. */
static void json_facts(struct json_out *json, const struct molt_identity *identity, int list,
                       uint32_t row)
{
    for (uint32_t i = 0; i < identity->fact_count; i++) {
        const struct molt_fact *fact = &identity->fact[i];
        if (fact->list == list && (list < 0 || fact->row == row)) {
            json_fact(json, fact);
        }
    }
}

void cli_print_identity_json(const char *name, const struct molt_identity *identity)
{
    struct json_out json = {.out = stdout};
    json_open(&json, NULL, '{');
    json_text(&json, "kind", molt_identity_name(identity->kind));
    json_text(&json, "target", name);
    json_number(&json, "file_size", identity->file_size);
    json_facts(&json, identity, -1, 0);
    for (uint32_t i = 0; i < identity->list_count; i++) {
        json_open(&json, identity->list[i].key, '[');
        for (uint32_t row = 0; row < identity->list[i].row_count; row++) {
            json_open(&json, NULL, '{');
            json_facts(&json, identity, (int)i, row);
            json_close(&json, '}');
        }
        json_close(&json, ']');
    }
    cli_json_findings(&json, identity->finding, identity->finding_count, identity->wrong);
    json_close(&json, '}');
}

/* ---- Text ---- */

/* A fact's value in at most 72 characters. */
static const char *words(const struct molt_fact *fact, char text[80])
{
    char size[16];
    switch (fact->type) {
    case MOLT_FACT_TEXT: return fact->text;
    case MOLT_FACT_NUMBER: snprintf(text, 80, "%" PRIu64, fact->number); break;
    case MOLT_FACT_HEX: snprintf(text, 80, "0x%" PRIx64, fact->number); break;
    case MOLT_FACT_SIZE: snprintf(text, 80, "%s", cli_size(fact->number, size)); break;
    case MOLT_FACT_BOOL: snprintf(text, 80, "%s", fact->number ? "yes" : "no"); break;
    case MOLT_FACT_NOTHING: snprintf(text, 80, "-"); break;
    }
    return text;
}

#define COLUMNS_MAX 12

/* The columns that people see: keys with words in any row, in the order of their coming. */
static uint32_t columns(const struct molt_identity *identity, int list,
                        const struct molt_fact *head[COLUMNS_MAX], int width[COLUMNS_MAX])
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < identity->fact_count; i++) {
        const struct molt_fact *fact = &identity->fact[i];
        char text[80];
        uint32_t k = 0;
        if (fact->list != list || !fact->label) {
            continue;
        }
        while (k < count && strcmp(head[k]->key, fact->key) != 0) {
            k++;
        }
        if (k == COLUMNS_MAX) {
            continue;
        }
        if (k == count) {
            head[count] = fact;
            width[count++] = (int)strlen(fact->label);
        }
        int n = (int)strlen(words(fact, text));
        width[k] = n > width[k] ? n : width[k];
    }
    return count;
}

static const struct molt_fact *find(const struct molt_identity *identity, int list, uint32_t row,
                                    const char *key)
{
    for (uint32_t i = 0; i < identity->fact_count; i++) {
        const struct molt_fact *fact = &identity->fact[i];
        if (fact->list == list && fact->row == row && strcmp(fact->key, key) == 0) {
            return fact;
        }
    }
    return NULL;
}

static void print_list(const struct molt_identity *identity, int list)
{
    const struct molt_fact *head[COLUMNS_MAX];
    int width[COLUMNS_MAX];
    uint32_t count = columns(identity, list, head, width);
    if (identity->list[list].row_count == 0) {
        return;
    }
    printf("\n%s\n", identity->list[list].title);
    for (uint32_t k = 0; k < count; k++) {
        printf("  %-*s", k + 1 < count ? width[k] : 0, head[k]->label);
    }
    putchar('\n');
    for (uint32_t row = 0; row < identity->list[list].row_count; row++) {
        for (uint32_t k = 0; k < count; k++) {
            const struct molt_fact *fact = find(identity, list, row, head[k]->key);
            char text[80];
            printf("  %-*s", k + 1 < count ? width[k] : 0, fact ? words(fact, text) : "-");
        }
        putchar('\n');
    }
}

void cli_print_identity(const char *name, const struct molt_identity *identity)
{
    printf("%s: %s, %u bytes\n", name, molt_identity_name(identity->kind), identity->file_size);
    for (uint32_t i = 0; i < identity->fact_count; i++) {
        const struct molt_fact *fact = &identity->fact[i];
        char text[80];
        if (fact->list < 0 && fact->label) {
            printf("%-11s  %s\n", fact->label, words(fact, text));
        }
    }
    for (uint32_t i = 0; i < identity->list_count; i++) {
        print_list(identity, (int)i);
    }
    cli_print_findings(identity->finding, identity->finding_count);
}
