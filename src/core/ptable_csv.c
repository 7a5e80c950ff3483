#include "molt/ptable_csv.h"

#include <string.h>

#include "core/ptable_text.h"
#include "core/utf8.h"

#define SECTOR        0x1000u
#define APP_ALIGNMENT 0x10000u
#define BOOTLOADER    2
#define TABLE         3
#define PRIMARY       0
#define RECOVERY      2
#define UNDEFINED     6
#define COLUMNS       6
#define MOST_WITH_MD5 94u
#define MOST_LINES    UINT16_MAX

struct field {
    const char *text;
    uint32_t n;
};

struct parser {
    struct molt_ptable *table;
    const struct molt_csv_options *options;
    struct molt_diag *diag;
    uint32_t table_offset;
    uint64_t end;                        /* of the row before */
    uint32_t number;                     /* of the line */
    uint16_t line[MOLT_PTABLE_MAX_ROWS]; /* of each row */
};

static int fail(const struct parser *parser, int error, const char *what)
{
    return molt_diag_at(parser->diag, error, what, parser->number);
}

/* ---- Characters ---- */

/* ESP-IDF's tool ends lines at these too (Python's splitlines), also inside of comments. */
static bool ends_lines_elsewhere(const uint8_t *p, uint32_t n)
{
    if (*p < 0x20 || *p == 0x7F) {
        return *p != '\t';
    }
    if (n >= 2 && p[0] == 0xC2 && p[1] == 0x85) {
        return true; /* U+0085 */
    }
    return n >= 3 && p[0] == 0xE2 && p[1] == 0x80 && (p[2] == 0xA8 || p[2] == 0xA9);
}

/* Blanks outside of ASCII, which that tool strips: a name with one looks like a name without. */
static bool is_odd_blank(const uint8_t *p, uint32_t n)
{
    static const uint8_t blanks[][3] = {{0xE1, 0x9A, 0x80},
                                        {0xE2, 0x80, 0xAF},
                                        {0xE2, 0x81, 0x9F},
                                        {0xE3, 0x80, 0x80},
                                        {0xEF, 0xBB, 0xBF}};
    if (n >= 2 && p[0] == 0xC2 && p[1] == 0xA0) {
        return true;
    }
    for (uint32_t i = 0; n >= 3 && i < sizeof blanks / sizeof blanks[0]; i++) {
        if (memcmp(p, blanks[i], 3) == 0) {
            return true;
        }
    }
    return n >= 3 && p[0] == 0xE2 && p[1] == 0x80 && p[2] >= 0x80 && p[2] <= 0x8F;
}

/* NULL when a name comes through a CSV as it is, else what is wrong with it. */
const char *molt_csv_name_fault(const char *name, uint32_t n)
{
    const uint8_t *p = (const uint8_t *)name;
    if (n == 0) {
        return "the name is empty: write one of 1 to 16 characters";
    }
    if (n > MOLT_PARTITION_LABEL) {
        return "the name is longer than 16 characters: write a shorter one";
    }
    if (p[0] == '#' || p[0] == ' ' || p[n - 1] == ' ') {
        return "a name neither begins with '#' or a blank nor ends with one";
    }
    for (uint32_t i = 0; i < n;) {
        uint32_t length = molt_utf8_length(p + i, n - i);
        if (!length) {
            return "the name is no text in UTF-8: write it with plain letters";
        }
        if (p[i] == ',' || p[i] == '$' || p[i] == '"' || p[i] == '\t') {
            return "a name has no comma, tab, '$' or quotation mark: write it without";
        }
        if (is_odd_blank(p + i, n - i) || ends_lines_elsewhere(p + i, n - i)) {
            return "the name has an invisible character: write it with plain letters";
        }
        i += length;
    }
    return (const char *)0;
}

/* ---- Fields ---- */

static struct field strip(const char *text, uint32_t n)
{
    while (n && (text[0] == ' ' || text[0] == '\t')) {
        text++;
        n--;
    }
    while (n && (text[n - 1] == ' ' || text[n - 1] == '\t')) {
        n--;
    }
    return (struct field){text, n};
}

static void split(struct field field[COLUMNS], const char *text, uint32_t n)
{
    for (uint32_t column = 0; column < COLUMNS; column++) {
        uint32_t k = 0;
        while (k < n && text[k] != ',') {
            k++;
        }
        field[column] = strip(text, k);
        k += k < n; /* the comma */
        text += k;
        n -= k;
    }
}

static bool equals(const struct field *field, const char *word)
{
    uint32_t k = 0;
    while (k < field->n && word[k] && word[k] == field->text[k]) {
        k++;
    }
    return k == field->n && !word[k];
}

static int read_kind(const struct parser *parser, const struct field *field,
                     struct molt_partition *row)
{
    int type = molt_partition_type_in(field[1].text, field[1].n);
    if (type < 0) {
        return fail(parser, MOLT_E_FORMAT,
                    field[1].n ? "the type is none: write app, data, bootloader, partition_table, "
                                 "or a number such as 0x40"
                               : "the type is empty: write app or data");
    }
    row->type = (uint8_t)type;
    row->subtype = UNDEFINED;
    if (field[2].n == 0) {
        return type != MOLT_PARTITION_APP
                   ? MOLT_OK
                   : fail(parser, MOLT_E_FORMAT,
                          "the subtype of an app is empty: write factory, ota_0 ... or test");
    }
    int subtype = molt_partition_subtype_in(row->type, field[2].text, field[2].n);
    if (subtype < 0) {
        return fail(parser, MOLT_E_FORMAT,
                    type == MOLT_PARTITION_APP
                        ? "the subtype is none of an app: write factory, ota_0 to ota_15 or test"
                    : type == MOLT_PARTITION_DATA
                        ? "the subtype is none of data: write nvs, ota, phy, fat, spiffs, "
                          "littlefs, coredump, nvs_keys or a number such as 0x8f"
                        : "the subtype is none of this type: write a number such as 0x00");
    }
    row->subtype = (uint8_t)subtype;
    return MOLT_OK;
}

static int read_flags(const struct parser *parser, const struct field *field,
                      struct molt_partition *row)
{
    const char *at = field->text, *end = field->text + field->n;
    while (at < end) {
        struct field flag = {at, 0};
        while (at < end && *at != ':') {
            at++;
        }
        flag.n = (uint32_t)(at - flag.text);
        at += at < end;
        if (equals(&flag, "encrypted")) {
            row->flags |= 1;
        } else if (equals(&flag, "readonly")) {
            row->flags |= 2;
        } else if (flag.n) {
            return fail(parser, MOLT_E_FORMAT,
                        "a flag is unknown: write encrypted, readonly or encrypted:readonly");
        }
    }
    return MOLT_OK;
}

static int read_number(const struct parser *parser, const struct field *field,
                       struct molt_number *number, const char *what)
{
    int error = molt_number_parse(number, field->text, field->n);
    if (error == MOLT_E_RANGE) {
        return fail(parser, MOLT_E_TABLE_WRAP, "a number over 32 bits");
    }
    return error ? fail(parser, MOLT_E_FORMAT, what) : MOLT_OK;
}

/* ---- Places ---- */

static bool is_primary(const struct molt_partition *row)
{
    return (row->type == BOOTLOADER || row->type == TABLE) && row->subtype == PRIMARY;
}

/* The size of a row that describes a bootloader or a table follows from where the table lies. */
static int described_size(const struct parser *parser, const struct field *field,
                          struct molt_partition *row)
{
    const struct molt_csv_options *options = parser->options;
    struct molt_number number;
    row->size = SECTOR;
    if (row->type == BOOTLOADER) {
        if (!options->has_bootloader) {
            return fail(parser, MOLT_E_UNSUPPORTED,
                        "a row for a bootloader, and where the bootloader lies is not known: say "
                        "the chip (--chip)");
        }
        if (options->bootloader_offset >= parser->table_offset) {
            return fail(parser, MOLT_E_TABLE_ROW, "the bootloader lies behind the table");
        }
        row->size = parser->table_offset - options->bootloader_offset;
    }
    if (field[4].n && !equals(&field[4], "N/A") &&
        (molt_number_parse(&number, field[4].text, field[4].n) != MOLT_OK || number.negative ||
         number.magnitude != row->size)) {
        return molt_diag_values(
            parser->diag, MOLT_E_TABLE_ROW,
            "the size of a bootloader or table is given: leave it empty", parser->number, row->size,
            molt_number_parse(&number, field[4].text, field[4].n) == MOLT_OK ? number.magnitude
                                                                             : 0);
    }
    return MOLT_OK;
}

/* Offset of a row whose place is not the text's to say; false = an ordinary one. */
static bool described_offset(const struct parser *parser, struct molt_partition *row)
{
    if (row->type == TABLE && row->subtype == PRIMARY) {
        row->offset = parser->table_offset;
        return true;
    }
    if (row->type == BOOTLOADER && row->subtype == PRIMARY) {
        row->offset = parser->options->bootloader_offset;
        return true;
    }
    row->offset = parser->options->recovery_offset;
    return row->type == BOOTLOADER && row->subtype == RECOVERY;
}

static int read_offset(struct parser *parser, const struct field *field, struct molt_partition *row)
{
    struct molt_number number = {0, false};
    uint32_t unit = row->type == MOLT_PARTITION_APP ? APP_ALIGNMENT : SECTOR;
    bool described = described_offset(parser, row);
    if (described && row->subtype == RECOVERY && !parser->options->has_recovery) {
        return fail(parser, MOLT_E_UNSUPPORTED,
                    "a row for a recovery bootloader, and where it lies is not known: say its "
                    "offset (--recovery-offset)");
    }
    if (!described && field->n == 0) {
        uint64_t offset = (parser->end + unit - 1) & ~(uint64_t)(unit - 1);
        if (offset > UINT32_MAX) {
            return fail(parser, MOLT_E_TABLE_WRAP, "the row before ends at 4 GB");
        }
        row->offset = (uint32_t)offset;
        return MOLT_OK;
    }
    if (!described) {
        int error = read_number(parser, field, &number,
                                "the offset is no number: write 0x10000, 64K, or leave it empty");
        if (error) {
            return error;
        }
        row->offset = number.magnitude;
    }
    if (number.negative || (!is_primary(row) && row->offset < parser->end)) {
        return molt_diag_values(parser->diag, MOLT_E_TABLE_OVERLAP,
                                "the offset lies before the end of the table or of the row before: "
                                "write a larger one, or leave it empty",
                                parser->number,
                                parser->end > UINT32_MAX ? UINT32_MAX : (uint32_t)parser->end,
                                row->offset);
    }
    return MOLT_OK;
}

static int read_size(struct parser *parser, const struct field *field, struct molt_partition *row)
{
    struct molt_number number;
    if (field[4].n == 0) {
        return fail(parser, MOLT_E_FORMAT, "the size is empty: write one such as 0x6000 or 24K");
    }
    int error =
        read_number(parser, &field[4], &number, "the size is no number: write 0x6000, 24K or 2M");
    if (error) {
        return error;
    }
    row->size = number.magnitude;
    if (number.negative) { /* where it ends */
        if (number.magnitude <= row->offset) {
            return molt_diag_values(parser->diag, MOLT_E_TABLE_ROW,
                                    "the end (a negative size) does not lie behind the offset",
                                    parser->number, row->offset, number.magnitude);
        }
        row->size = number.magnitude - row->offset;
    }
    return row->size ? MOLT_OK : fail(parser, MOLT_E_TABLE_ROW, "the size is zero: write one");
}

static int read_place(struct parser *parser, const struct field *field, struct molt_partition *row)
{
    bool describes = row->type == BOOTLOADER || row->type == TABLE;
    int error = describes ? described_size(parser, field, row) : MOLT_OK;
    if (!error) {
        error = read_offset(parser, &field[3], row);
    }
    if (!error && !describes) {
        error = read_size(parser, field, row);
    }
    if (!error && row->size - 1 > UINT32_MAX - row->offset) {
        error = molt_diag_values(parser->diag, MOLT_E_TABLE_WRAP, "the size passes 4 GB",
                                 parser->number, UINT32_MAX - row->offset, row->size);
    }
    if (!error && !is_primary(row)) {
        parser->end = (uint64_t)row->offset + row->size;
    }
    return error;
}

/* ---- Lines ---- */

static int read_row(struct parser *parser, const struct field *line)
{
    struct molt_ptable *table = parser->table;
    struct field field[COLUMNS];
    uint32_t most = parser->options->no_md5 ? MOLT_PTABLE_MAX_ROWS : MOST_WITH_MD5;
    if (table->count == most) {
        return molt_diag_values(parser->diag, MOLT_E_TABLE_FULL, "more rows than a table holds",
                                parser->number, most, most + 1);
    }
    struct molt_partition *row = &table->row[table->count];
    for (uint32_t i = 0; i < line->n; i++) {
        if (line->text[i] == '$') {
            return fail(parser, MOLT_E_FORMAT,
                        "variables ($NAME) are not filled in here: write the value");
        }
    }
    split(field, line->text, line->n);
    if (line->n == (uint32_t)(field[0].text - line->text) + field[0].n) {
        return fail(parser, MOLT_E_FORMAT,
                    "the row has no comma: write name, type, subtype, offset, size");
    }
    const char *fault = molt_csv_name_fault(field[0].text, field[0].n);
    if (fault) {
        return fail(parser, MOLT_E_TABLE_NAME, fault);
    }
    memcpy(row->label, field[0].text, field[0].n);
    int error = read_kind(parser, field, row);
    if (!error) {
        error = read_flags(parser, &field[5], row);
    }
    if (!error) {
        error = read_place(parser, field, row);
    }
    parser->line[table->count] = (uint16_t)parser->number;
    table->count += error == MOLT_OK;
    return error;
}

static int read_line(struct parser *parser, const char *text, uint32_t n)
{
    const uint8_t *p = (const uint8_t *)text;
    if (parser->number == MOST_LINES) {
        return fail(parser, MOLT_E_FORMAT, "more lines than a table can need");
    }
    parser->number++;
    for (uint32_t i = 0; i < n; i++) {
        if (ends_lines_elsewhere(p + i, n - i)) {
            return fail(parser, MOLT_E_FORMAT,
                        "an invisible character that some editors take for the end of a line: "
                        "remove it");
        }
    }
    struct field line = strip(text, n);
    return line.n == 0 || line.text[0] == '#' ? MOLT_OK : read_row(parser, &line);
}

/* "\n", "\r\n" and "\r" end a line. */
static int read_lines(struct parser *parser, const char *text, uint32_t n)
{
    uint32_t at = 0;
    while (at < n) {
        uint32_t end = at;
        while (end < n && text[end] != '\n' && text[end] != '\r') {
            end++;
        }
        int error = read_line(parser, text + at, end - at);
        if (error) {
            return error;
        }
        end += end + 1 < n && text[end] == '\r' && text[end + 1] == '\n';
        at = end + 1;
    }
    return MOLT_OK;
}

/* ---- The whole ---- */

static bool ends_with_row(const char *what)
{
    uint32_t n = 0;
    while (what && what[n]) {
        n++;
    }
    return n > 4 && memcmp(what + n - 4, " row", 4) == 0;
}

/* The rules of molt_ptable_check, said of lines instead of rows. */
static int check_whole(const struct parser *parser)
{
    struct molt_diag diag = {0};
    uint32_t flash_size = parser->options->flash_size;
    int error = molt_ptable_check_at(parser->table, flash_size ? flash_size : UINT32_MAX,
                                     parser->table_offset, &diag);
    if (!error) {
        return MOLT_OK;
    }
    if (diag.offset < parser->table->count) {
        diag.offset = parser->line[diag.offset];
    }
    if (diag.has_values && ends_with_row(diag.what) && diag.expected < parser->table->count) {
        diag.expected = parser->line[diag.expected];
    }
    if (parser->diag) {
        *parser->diag = diag;
    }
    return error;
}

int molt_ptable_from_csv(struct molt_ptable *table, const char *text, uint32_t n,
                         const struct molt_csv_options *options, struct molt_diag *diag)
{
    static const struct molt_csv_options defaults = {0, 0, false, false, 0, 0, false};
    struct parser parser;
    memset(table, 0, sizeof *table);
    memset(&parser, 0, sizeof parser);
    parser.table = table;
    parser.options = options ? options : &defaults;
    parser.diag = diag;
    parser.table_offset =
        parser.options->table_offset ? parser.options->table_offset : MOLT_PTABLE_OFFSET;
    parser.end = (uint64_t)parser.table_offset + SECTOR;
    table->has_md5 = !parser.options->no_md5;
    if (n >= 2 && (memcmp(text, "\xFF\xFE", 2) == 0 || memcmp(text, "\xFE\xFF", 2) == 0)) {
        return molt_diag_at(diag, MOLT_E_UNSUPPORTED, "text in UTF-16: save it as UTF-8", 1);
    }
    if (n >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
        text += 3;
        n -= 3;
    }
    int error = read_lines(&parser, text, n);
    if (error) {
        return error;
    }
    if (table->count == 0) {
        return molt_diag_at(diag, MOLT_E_TABLE_SLOTS,
                            "no row: write one for an app at least, such as 'factory, app, "
                            "factory, 0x10000, 1M'",
                            MOLT_DIAG_NONE);
    }
    return check_whole(&parser);
}
