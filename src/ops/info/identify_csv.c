/* Partition tables as CSV. */
#include <stdlib.h>
#include <string.h>

#include "molt/ops/tablefile.h"
#include "ops/info/identify_internal.h"

/* A field between blanks is the word, in any case. */
static bool is_word(const uint8_t *field, size_t n, const char *word)
{
    while (n && (*field == ' ' || *field == '\t')) {
        field++;
        n--;
    }
    while (n && (field[n - 1] == ' ' || field[n - 1] == '\t')) {
        n--;
    }
    if (n != strlen(word)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if ((field[i] | 0x20) != (uint8_t)word[i] && field[i] != (uint8_t)word[i]) {
            return false;
        }
    }
    return true;
}

/* A row: NAME, TYPE, and two fields more. */
static bool is_row(const uint8_t *line, size_t n)
{
    static const char *const types[] = {"app", "data", "bootloader", "partition_table"};
    const uint8_t *type = memchr(line, ',', n);
    const uint8_t *subtype = type ? memchr(type + 1, ',', n - (size_t)(type + 1 - line)) : NULL;
    if (!subtype || !memchr(subtype + 1, ',', n - (size_t)(subtype + 1 - line))) {
        return false;
    }
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (is_word(type + 1, (size_t)(subtype - type - 1), types[i])) {
            return true;
        }
    }
    return false;
}

/* Text whose first line that is neither blank nor a comment is a row. */
bool identify_is_csv(const uint8_t *bytes, uint32_t n)
{
    uint32_t at = n >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0; /* byte order mark */
    if (!molt_looks_like_csv(bytes, n)) {
        return false;
    }
    while (at < n) {
        const uint8_t *end = memchr(bytes + at, '\n', n - at);
        uint32_t length = end ? (uint32_t)(end - bytes) - at : n - at;
        uint32_t blanks = 0;
        while (blanks < length && strchr(" \t\r", bytes[at + blanks])) {
            blanks++;
        }
        if (blanks < length && bytes[at + blanks] != '#') {
            return is_row(bytes + at, length);
        }
        at += length + 1;
    }
    return false;
}

static void row_facts(struct molt_identity *identity, const struct molt_partition *row)
{
    const char *type = molt_partition_type_name(row->type);
    const char *subtype = molt_partition_subtype_name(row->type, row->subtype);
    identify_known(identity, "name", "name", row->label);
    identify_number(identity, "type", type ? NULL : "type", MOLT_FACT_NUMBER, row->type);
    identify_known(identity, "type_name", type ? "type" : NULL, type ? type : "");
    identify_number(identity, "subtype", subtype ? NULL : "subtype", MOLT_FACT_NUMBER,
                    row->subtype);
    identify_known(identity, "subtype_name", subtype ? "subtype" : NULL, subtype ? subtype : "");
    identify_number(identity, "offset", "offset", MOLT_FACT_HEX, row->offset);
    identify_number(identity, "size", "size", MOLT_FACT_SIZE, row->size);
    identify_number(identity, "flags", NULL, MOLT_FACT_NUMBER, row->flags);
}

int identify_csv(struct molt_identity *identity, const struct identify_file *file,
                 struct molt_message *message)
{
    struct molt_diag diag = {0};
    struct molt_ptable *table = malloc(sizeof *table);
    if (!table) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    identity->kind = MOLT_IDENTITY_CSV;
    diag.error = molt_ptable_from_csv(table, (const char *)file->bytes, file->size, NULL, &diag);
    if (diag.error) {
        struct molt_message why = {0};
        molt_fail_csv(&why, "CSV", &diag);
        identify_finding(identity, MOLT_WRONG, "%.390s", why.text);
        table->count = 0;
    }
    uint32_t end = 0;
    for (uint32_t i = 0; i < table->count; i++) {
        uint32_t row_end = table->row[i].offset + table->row[i].size;
        end = row_end > end ? row_end : end;
    }
    identify_number(identity, "rows", "rows", MOLT_FACT_NUMBER, table->count);
    identify_number(identity, "end", "end", MOLT_FACT_HEX, end);
    identify_list(identity, "partitions", "partitions");
    for (uint32_t i = 0; i < table->count && identify_row(identity, "partitions"); i++) {
        row_facts(identity, &table->row[i]);
    }
    free(table);
    return MOLT_OK;
}
