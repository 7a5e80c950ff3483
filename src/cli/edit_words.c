#include "cli/edit_words.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "molt/ops/tablefile.h"

#define FLASH_MOST (128u << 20)
#define PARTS      5

/* What one word of the command line is made into: its pieces between ':' and '='. */
struct pieces {
    const char *option; /* its name */
    const char *whole;  /* as written */
    char *part[PARTS];
    int count;
};

static char *keep_text(struct edit_words *words, const char *text)
{
    if (words->text_count == EDIT_WORDS_STEPS) {
        return NULL;
    }
    size_t n = strlen(text) + 1;
    char *copy = malloc(n);
    if (copy) {
        memcpy(copy, text, n);
        words->text[words->text_count++] = copy;
    }
    return copy;
}

static struct molt_edit_step *add_step(struct edit_words *words, enum molt_edit_kind kind)
{
    if (words->count == EDIT_WORDS_STEPS) {
        return NULL;
    }
    struct molt_edit_step *step = &words->step[words->count++];
    memset(step, 0, sizeof *step);
    step->kind = kind;
    step->offset = MOLT_EDIT_NOWHERE;
    return step;
}

/* ---- Numbers ---- */

/* "1.5M" besides what all options take; "rest" is size 0. */
static bool parse_size(const char *text, uint32_t *size)
{
    uint64_t value = 0;
    if (strcmp(text, "rest") == 0) {
        *size = MOLT_EDIT_REST;
        return true;
    }
    if (cli_parse_size(text, FLASH_MOST, &value)) {
        *size = (uint32_t)value;
        return true;
    }
    char *end;
    bool digits = text[0] >= '0' && text[0] <= '9' && strchr(text, '.') && !strpbrk(text, "xXeE");
    double number = digits ? strtod(text, &end) : -1;
    if (number < 0 || number > 1024 || (*end != 'M' && *end != 'K') || end[1]) {
        return false;
    }
    number *= *end == 'M' ? 1048576.0 : 1024.0;
    *size = (uint32_t)number;
    return number == (double)*size && *size <= FLASH_MOST;
}

static int wrong_size(const struct cli_args *args, const struct pieces *pieces, const char *size)
{
    size_t n = strlen(size);
    if (n > 1 && (size[n - 1] == 'B' || size[n - 1] == 'b') &&
        strspn(size, "0123456789") == n - 1) {
        return cli_usage(args,
                         "--%s %s: '%s': blocks are no unit here (0x1B is 27): expected %luK, or "
                         "bytes",
                         pieces->option, pieces->whole, size, 4 * strtoul(size, NULL, 10));
    }
    return cli_usage(args, "--%s %s: '%s' is no size: expected one such as 0x1000, 64K, 1.5M, rest",
                     pieces->option, pieces->whole, size);
}

static int wrong_offset(const struct cli_args *args, const struct pieces *pieces,
                        const char *offset)
{
    return cli_usage(args, "--%s %s: '%s' is no offset: expected one such as 0x10000, 1M",
                     pieces->option, pieces->whole, offset);
}

/* ---- Kinds of partition ---- */

static bool parse_type(const char *text, uint8_t *type)
{
    int value = molt_partition_type_of(text);
    *type = (uint8_t)(value < 0 ? 0 : value);
    return value >= 0;
}

static bool parse_subtype(const char *text, uint8_t type, uint8_t *subtype)
{
    int value = molt_partition_subtype_of(type, text);
    *subtype = (uint8_t)(value < 0 ? 0 : value);
    return value >= 0;
}

/* A subtype's keyword alone, or a usual name of a partition. */
static bool parse_kind(const char *text, uint8_t *type, uint8_t *subtype)
{
    static const char *const usual[][2] = {{"otadata", "ota"}, {"vfs", "fat"}, {"phy_init", "phy"}};
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++) {
        text = strcmp(text, usual[i][0]) == 0 ? usual[i][1] : text;
    }
    return molt_partition_kind_of(text, type, subtype) == MOLT_OK;
}

/* ---- Pieces ---- */

static void split(struct pieces *pieces, char *text)
{
    pieces->count = 0;
    while (pieces->count < PARTS) {
        pieces->part[pieces->count++] = text;
        char *end = pieces->count < PARTS ? strpbrk(text, ":=") : NULL;
        if (!end) {
            break;
        }
        *end = 0;
        text = end + 1;
    }
}

static int add_word(struct edit_words *words, const struct cli_args *args, struct pieces *pieces)
{
    struct molt_edit_step *step = add_step(words, MOLT_EDIT_ADD);
    char **part = pieces->part;
    int n = pieces->count;
    const char *offset = "", *size = part[n - 1];
    bool kind = false;
    if (!step) {
        return cli_usage(args, "too many changes: at most %d", EDIT_WORDS_STEPS);
    }
    step->name = part[0];
    if (n >= 4 && parse_type(part[1], &step->type)) {
        kind = parse_subtype(part[2], step->type, &step->subtype);
        offset = n == 5 ? part[3] : "";
    } else if (n >= 2 && n <= 4) {
        kind = parse_kind(n == 2 || !part[1][0] ? part[0] : part[1], &step->type, &step->subtype);
        offset = n == 4 ? part[2] : "";
    }
    if (!kind) {
        return cli_usage(args,
                         "--%s %s: expected NAME:TYPE:SUBTYPE:[OFFSET]:SIZE, such as "
                         "logs:data:fat::1M (type app or data; subtype factory, ota_0, nvs, ota, "
                         "phy, fat, spiffs, littlefs, coredump, or a number)",
                         pieces->option, pieces->whole);
    }
    uint64_t at;
    if (offset[0] && !cli_parse_size(offset, FLASH_MOST, &at)) {
        return wrong_offset(args, pieces, offset);
    }
    if (offset[0] && at) {
        step->offset = (uint32_t)at;
    }
    return parse_size(size, &step->size) ? CLI_OK : wrong_size(args, pieces, size);
}

static int delete_word(struct edit_words *words, const struct cli_args *args, struct pieces *pieces)
{
    struct molt_edit_step *step = add_step(words, MOLT_EDIT_DELETE);
    (void)args;
    step->name = pieces->part[0];
    return CLI_OK;
}

/* NAME=VALUE of the three others. */
static int pair_word(struct edit_words *words, const struct cli_args *args, struct pieces *pieces)
{
    static const struct {
        const char *option, *expected;
        enum molt_edit_kind kind;
    } kinds[] = {{"resize", "NAME=SIZE", MOLT_EDIT_RESIZE},
                 {"rename", "OLD=NEW", MOLT_EDIT_RENAME},
                 {"move", "NAME=OFFSET", MOLT_EDIT_MOVE}};
    size_t i = 0;
    while (strcmp(kinds[i].option, pieces->option) != 0) {
        i++;
    }
    if (pieces->count != 2) {
        return cli_usage(args, "--%s %s: expected %s", pieces->option, pieces->whole,
                         kinds[i].expected);
    }
    struct molt_edit_step *step = add_step(words, kinds[i].kind);
    const char *value = pieces->part[1];
    uint64_t at = 0;
    step->name = pieces->part[0];
    step->to = value;
    if (step->kind == MOLT_EDIT_RESIZE && !parse_size(value, &step->size)) {
        return wrong_size(args, pieces, value);
    }
    if (step->kind == MOLT_EDIT_MOVE && !cli_parse_size(value, FLASH_MOST, &at)) {
        return wrong_offset(args, pieces, value);
    }
    step->offset = step->kind == MOLT_EDIT_MOVE ? (uint32_t)at : MOLT_EDIT_NOWHERE;
    return CLI_OK;
}

typedef int word_parser(struct edit_words *, const struct cli_args *, struct pieces *);

/* "a=1,b=2" is two steps, as if the option were given twice. */
static int parse_list(struct edit_words *words, const struct cli_args *args,
                      const struct cli_given *given, word_parser *parse)
{
    char *text = keep_text(words, given->value);
    for (char *next; text; text = next) {
        struct pieces pieces = {.option = given->name, .whole = given->value};
        next = strchr(text, ',');
        if (next) {
            *next++ = 0;
        }
        if (words->count == EDIT_WORDS_STEPS) {
            break;
        }
        split(&pieces, text);
        int code = parse(words, args, &pieces);
        if (code != CLI_OK || !next) {
            return code;
        }
    }
    return cli_usage(args, "too many changes: at most %d", EDIT_WORDS_STEPS);
}

/* ---- Tables ---- */

static int read_table(struct edit_words *words, const struct cli_args *args, const char *name,
                      struct molt_message *message)
{
    struct molt_edit_step *step = add_step(words, MOLT_EDIT_TABLE);
    struct molt_table_found *found = malloc(sizeof *found);
    struct molt_ptable *table = calloc(1, sizeof *table);
    if (!found || !table || !step ||
        words->table_count == sizeof words->table / sizeof words->table[0]) {
        free(found);
        free(table);
        return cli_usage(args, "too many changes");
    }
    words->table[words->table_count++] = table;
    step->table = table;
    int error = molt_table_read(found, name, NULL, message);
    *table = found->table;
    free(found);
    return error ? CLI_FAILED : CLI_OK;
}

/* "nvs=28K,factory=2M,vfs=rest": a table of its own, when no file is called so. */
static int table_word(struct edit_words *words, const struct cli_args *args,
                      const struct cli_given *given, struct molt_message *message)
{
    bool file = access(given->value, F_OK) == 0;
    for (uint32_t i = 0; !file && molt_layout_name(i); i++) {
        if (strcmp(given->value, molt_layout_name(i)) == 0) {
            return cli_usage(args, "--table %s: no such file, but a layout: expected --layout %s",
                             given->value, given->value);
        }
    }
    if (!strchr(given->value, '=') || file) {
        return read_table(words, args, given->value, message);
    }
    struct molt_edit_step *step = add_step(words, MOLT_EDIT_TABLE);
    uint32_t before = words->count;
    if (!step) {
        return cli_usage(args, "too many changes: at most %d", EDIT_WORDS_STEPS);
    }
    int code = parse_list(words, args, given, add_word);
    step->rows = words->count - before;
    return code;
}

/* ---- Files ---- */

/* DIR, or DIR:/remote. */
static int put_word(struct edit_words *words, const struct cli_args *args, const char *value)
{
    struct molt_edit_step *step = add_step(words, MOLT_EDIT_PUT);
    char *text = step ? keep_text(words, value) : NULL;
    if (!text) {
        return cli_usage(args, "too many changes: at most %d", EDIT_WORDS_STEPS);
    }
    char *colon = strstr(text, ":/");
    step->to = "/";
    if (colon) {
        *colon = 0;
        step->to = colon + 1;
    }
    step->name = text;
    return text[0] ? CLI_OK : cli_usage(args, "--put %s: expected FOLDER or FOLDER:/remote", value);
}

/* ---- Layouts ---- */

static bool parse_count(const char *text, uint32_t *count)
{
    uint64_t value;
    if (!cli_parse_size(text, 95, &value) || value == 0) {
        return false;
    }
    *count = (uint32_t)value;
    return true;
}

/* The options beside --layout, wherever they stand. */
static int layout_options(struct molt_edit_step *step, const struct cli_args *args)
{
    struct molt_layout_request *layout = &step->layout;
    const char *slots = cli_option(args, "slots"), *slot = cli_option(args, "slot-size");
    const char *size = cli_option(args, "fs-size"), *type = cli_option(args, "fs-type");
    uint8_t data = MOLT_PARTITION_DATA;
    if (slots && !parse_count(slots, &layout->slots)) {
        return cli_usage(args, "--slots %s: expected a number such as 2", slots);
    }
    if (slot && (!parse_size(slot, &layout->slot_size) || !layout->slot_size)) {
        return cli_usage(args, "--slot-size %s: expected a size such as 1M, 0x180000", slot);
    }
    if (size && !parse_size(size, &layout->fs_size)) {
        return cli_usage(args, "--fs-size %s: expected a size such as 1M, 0x80000, rest", size);
    }
    if (type && (!parse_subtype(type, data, &layout->fs_subtype) ||
                 layout->fs_subtype < MOLT_DATA_FAT || layout->fs_subtype > MOLT_DATA_LITTLEFS)) {
        return cli_usage(args, "--fs-type %s: expected fat, spiffs or littlefs", type);
    }
    layout->fs_label = cli_option(args, "fs-name");
    layout->app_label = cli_option(args, "app-name");
    step->keep_nvs = cli_has(args, "keep-nvs");
    return CLI_OK;
}

static int layout_word(struct edit_words *words, const struct cli_args *args, const char *name)
{
    for (uint32_t i = 0; i < words->count; i++) {
        if (words->step[i].kind == MOLT_EDIT_LAYOUT) {
            return cli_usage(args, "--layout %s and --layout %s: expected one",
                             words->step[i].layout.name, name);
        }
    }
    struct molt_edit_step *step = add_step(words, MOLT_EDIT_LAYOUT);
    if (!step) {
        return cli_usage(args, "too many changes: at most %d", EDIT_WORDS_STEPS);
    }
    step->layout.name = name;
    return layout_options(step, args);
}

static int check_layout_options(const struct edit_words *words, const struct cli_args *args)
{
    static const char *const names[] = {"slots",   "slot-size", "fs-size", "fs-type",
                                        "fs-name", "app-name",  "keep-nvs"};
    for (uint32_t i = 0; i < words->count; i++) {
        if (words->step[i].kind == MOLT_EDIT_LAYOUT) {
            return CLI_OK;
        }
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (cli_has(args, names[i])) {
            return cli_usage(args, "--%s: is about a layout, expected --layout NAME too", names[i]);
        }
    }
    return CLI_OK;
}

/* ---- All of them ---- */

int edit_words_parse(struct edit_words *words, const struct cli_args *args,
                     struct molt_message *message)
{
    static const struct {
        const char *option;
        word_parser *parse;
    } lists[] = {{"add", add_word},
                 {"delete", delete_word},
                 {"resize", pair_word},
                 {"rename", pair_word},
                 {"move", pair_word}};
    int code = CLI_OK;
    for (int i = 0; code == CLI_OK && i < args->option_count; i++) {
        const struct cli_given *given = &args->option[i];
        if (strcmp(given->name, "layout") == 0) {
            code = layout_word(words, args, given->value);
        } else if (strcmp(given->name, "table") == 0) {
            code = table_word(words, args, given, message);
        } else if (strcmp(given->name, "put") == 0) {
            code = put_word(words, args, given->value);
        }
        for (size_t k = 0; k < sizeof lists / sizeof lists[0]; k++) {
            if (strcmp(given->name, lists[k].option) == 0) {
                code = parse_list(words, args, given, lists[k].parse);
            }
        }
    }
    return code == CLI_OK ? check_layout_options(words, args) : code;
}

void edit_words_free(struct edit_words *words)
{
    for (uint32_t i = 0; i < words->text_count; i++) {
        free(words->text[i]);
    }
    for (uint32_t i = 0; i < words->table_count; i++) {
        free(words->table[i]);
    }
}
