#define _GNU_SOURCE /* strdup, strndup, strtok_r */
#include "ops/board/cmake_read.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "molt/host/file.h"
#include "ops/board/cmake_internal.h"

#define FILE_LIMIT  (1u << 20)
#define VALUE_LIMIT 65536u
#define MOST        512u /* variables */

/* One command while it is read. */
struct command {
    char name[64];
    struct cmake_argument argument[CMAKE_ARGUMENTS];
    uint32_t count;
    uint32_t line;
};

/* One file while it is read. */
struct text {
    struct cmake *cmake;
    const char *path;
    const char *at, *end;
    uint32_t line;
    struct molt_message *message;
    /* Of each if around: whether its commands count, whether a branch was taken already. */
    bool active[CMAKE_NESTING], taken[CMAKE_NESTING];
    uint32_t nesting;
    uint32_t passed_over; /* depth of loops and functions, which are not followed */
};

/* ---- Variables ---- */

static struct cmake_variable *find(const struct cmake *cmake, const char *name)
{
    for (uint32_t i = 0; i < cmake->variable_count; i++) {
        if (strcmp(cmake->variable[i].name, name) == 0) {
            return &cmake->variable[i];
        }
    }
    return NULL;
}

const char *cmake_get(const struct cmake *cmake, const char *name)
{
    const struct cmake_variable *variable = find(cmake, name);
    return variable ? variable->value : NULL;
}

int cmake_set(struct cmake *cmake, const char *name, const char *value)
{
    struct cmake_variable *variable = find(cmake, name);
    char *copy = strlen(value) < VALUE_LIMIT ? strdup(value) : NULL;
    if (!copy) {
        return MOLT_E_NO_MEMORY;
    }
    if (variable) {
        free(variable->value);
        variable->value = copy;
        return MOLT_OK;
    }
    struct cmake_variable *more =
        cmake->variable_count < MOST
            ? realloc(cmake->variable, (cmake->variable_count + 1) * sizeof *more)
            : NULL;
    char *name_copy = more ? strdup(name) : NULL;
    cmake->variable = more ? more : cmake->variable;
    if (!name_copy) {
        free(copy);
        return MOLT_E_NO_MEMORY;
    }
    cmake->variable[cmake->variable_count++] = (struct cmake_variable){name_copy, copy};
    return MOLT_OK;
}

void cmake_free(struct cmake *cmake)
{
    for (uint32_t i = 0; i < cmake->variable_count; i++) {
        free(cmake->variable[i].name);
        free(cmake->variable[i].value);
    }
    free(cmake->variable);
    cmake->variable = NULL;
    cmake->variable_count = 0;
}

/* ---- Reading commands ---- */

static int wrong(const struct text *text, uint32_t line, const char *what)
{
    return molt_fail(text->message, MOLT_E_FORMAT, "%.300s:%u: %s", text->path, line, what);
}

static char peek(const struct text *text)
{
    return text->at < text->end ? *text->at : 0;
}

static char take(struct text *text)
{
    char c = peek(text);
    text->line += c == '\n';
    text->at += text->at < text->end;
    return c;
}

/* Blanks and comments: "# ..." and "#[[ ... ]]". */
static void skip_blanks(struct text *text)
{
    for (char c = peek(text); c == '#' || (c && isspace((unsigned char)c)); c = peek(text)) {
        if (c != '#') {
            take(text);
        } else if (text->end - text->at > 3 && memcmp(text->at, "#[[", 3) == 0) {
            while (text->at < text->end &&
                   !(text->end - text->at > 1 && text->at[0] == ']' && text->at[1] == ']')) {
                take(text);
            }
            take(text);
            take(text);
        } else {
            while (peek(text) && peek(text) != '\n') {
                take(text);
            }
        }
    }
}

struct word {
    char *text;
    uint32_t n;
};

static bool add(struct word *word, const char *text, size_t n)
{
    if (n >= VALUE_LIMIT - word->n) {
        return false;
    }
    memcpy(word->text + word->n, text, n);
    word->n += (uint32_t)n;
    word->text[word->n] = 0;
    return true;
}

/* "${NAME}", of which "${" was seen; "$ENV{NAME}" is empty. */
static bool add_variable(struct text *text, struct word *word, bool environment)
{
    char name[128];
    size_t n = 0;
    while (peek(text) && peek(text) != '}' && peek(text) != '\n') {
        char c = take(text);
        if (n + 1 < sizeof name) {
            name[n++] = c;
        }
    }
    name[n] = 0;
    if (take(text) != '}') {
        return false;
    }
    const char *value = environment ? NULL : cmake_get(text->cmake, name);
    return !value || add(word, value, strlen(value));
}

static bool ends(char c)
{
    return c == 0 || isspace((unsigned char)c) || c == '(' || c == ')' || c == '#' || c == '"';
}

/* One argument as it is written, with its variables put in. */
static bool read_word(struct text *text, struct word *word, bool quoted)
{
    while (quoted ? peek(text) && peek(text) != '"' : !ends(peek(text))) {
        size_t left = (size_t)(text->end - text->at);
        if (left > 2 && memcmp(text->at, "${", 2) == 0) {
            text->at += 2;
            if (!add_variable(text, word, false)) {
                return false;
            }
        } else if (left > 5 && memcmp(text->at, "$ENV{", 5) == 0) {
            text->at += 5;
            if (!add_variable(text, word, true)) {
                return false;
            }
        } else {
            char c = take(text);
            c = c == '\\' && peek(text) ? take(text) : c;
            if (!add(word, &c, 1)) {
                return false;
            }
        }
    }
    /* name="value" is one argument */
    if (!quoted && peek(text) == '"' && word->n && word->text[word->n - 1] == '=') {
        take(text);
        return add(word, "\"", 1) && read_word(text, word, true) && add(word, "\"", 1);
    }
    return !quoted || take(text) == '"';
}

static int keep(struct text *text, struct command *command, const char *word, size_t n, bool quoted)
{
    if (command->count == CMAKE_ARGUMENTS) {
        return molt_fail(text->message, MOLT_E_RANGE, "%.300s:%u: more than %d arguments",
                         text->path, command->line, CMAKE_ARGUMENTS);
    }
    char *copy = strndup(word, n);
    if (!copy) {
        return molt_fail(text->message, MOLT_E_NO_MEMORY, "out of memory");
    }
    command->argument[command->count++] = (struct cmake_argument){copy, quoted};
    return MOLT_OK;
}

/* An argument without quotes is as many as it has items. */
static int keep_items(struct text *text, struct command *command, const struct word *word)
{
    int error = MOLT_OK;
    for (const char *at = word->text; *at && !error;) {
        size_t n = strcspn(at, ";");
        if (n) {
            error = keep(text, command, at, n, false);
        }
        at += n + (at[n] == ';');
    }
    return error;
}

static int read_arguments(struct text *text, struct command *command)
{
    struct word word = {malloc(VALUE_LIMIT), 0};
    uint32_t depth = 0;
    int error = word.text ? MOLT_OK : molt_fail(text->message, MOLT_E_NO_MEMORY, "out of memory");
    while (!error) {
        skip_blanks(text);
        char c = peek(text);
        word.n = 0;
        if (c == 0) {
            error = wrong(text, command->line, "'(' without ')'");
        } else if (c == ')' && depth == 0) {
            take(text);
            break;
        } else if (c == '(' || c == ')') {
            take(text);
            depth = c == '(' ? depth + 1 : depth - 1;
            error = keep(text, command, &c, 1, false);
        } else {
            word.text[0] = 0;
            bool quoted = c == '"';
            text->at += quoted;
            if (!read_word(text, &word, quoted)) {
                error = wrong(text, command->line,
                              "a quote or ${ without its end, or a value over 64 KB");
            } else {
                error = quoted ? keep(text, command, word.text, word.n, true)
                               : keep_items(text, command, &word);
            }
        }
    }
    free(word.text);
    return error;
}

/* 1 = a command, 0 = the end. */
static int read_command(struct text *text, struct command *command)
{
    size_t n = 0;
    command->count = 0;
    skip_blanks(text);
    command->line = text->line;
    while (isalnum((unsigned char)peek(text)) || peek(text) == '_') {
        char c = take(text);
        if (n + 1 < sizeof command->name) {
            command->name[n++] = c;
        }
    }
    command->name[n] = 0;
    if (n == 0) {
        return text->at < text->end ? wrong(text, text->line, "expected a command") : 0;
    }
    skip_blanks(text);
    if (take(text) != '(') {
        return wrong(text, command->line, "expected '(' behind the command's name");
    }
    int error = read_arguments(text, command);
    return error ? error : 1;
}

/* ---- Commands ---- */

/* Items joined by ';', from argument `first` on. */
static int assign(struct text *text, const char *name, const struct command *command,
                  uint32_t first, const char *before, const char *after)
{
    char *value = malloc(VALUE_LIMIT);
    size_t n = 0;
    int error = value ? MOLT_OK : MOLT_E_NO_MEMORY;
    for (uint32_t i = 0; !error && i < command->count - first + 2; i++) {
        uint32_t k = first + i - 1;
        const char *item = i == 0 ? before : k < command->count ? command->argument[k].text : after;
        size_t length = strlen(item);
        if (length + 2 > VALUE_LIMIT - n) {
            error = MOLT_E_RANGE;
        } else if (length) {
            n += (size_t)snprintf(value + n, VALUE_LIMIT - n, "%s%s", n ? ";" : "", item);
        }
    }
    if (!error) {
        value[n] = 0;
        error = cmake_set(text->cmake, name, value);
    }
    free(value);
    return error ? molt_fail(text->message, error, "%.300s:%u: %s: %s", text->path, command->line,
                             name, molt_strerror(error))
                 : MOLT_OK;
}

static int command_set(struct text *text, struct command *command)
{
    if (command->count == 0) {
        return wrong(text, command->line, "set() without a name");
    }
    for (uint32_t i = 1; i < command->count; i++) {
        const struct cmake_argument *argument = &command->argument[i];
        if (!argument->quoted &&
            (strcmp(argument->text, "CACHE") == 0 || strcmp(argument->text, "PARENT_SCOPE") == 0)) {
            while (command->count > i) {
                free(command->argument[--command->count].text);
            }
        }
    }
    return assign(text, command->argument[0].text, command, 1, "", "");
}

static int remove_items(struct text *text, const struct command *command, const char *list)
{
    char *copy = strdup(list);
    struct command kept = {.line = command->line};
    int error = copy ? MOLT_OK : molt_fail(text->message, MOLT_E_NO_MEMORY, "out of memory");
    for (char *save = NULL, *item = copy ? strtok_r(copy, ";", &save) : NULL; item && !error;
         item = strtok_r(NULL, ";", &save)) {
        bool gone = false;
        for (uint32_t i = 2; i < command->count; i++) {
            gone = gone || strcmp(item, command->argument[i].text) == 0;
        }
        if (!gone) {
            error = keep(text, &kept, item, strlen(item), true);
        }
    }
    if (!error) {
        error = assign(text, command->argument[1].text, &kept, 0, "", "");
    }
    for (uint32_t i = 0; i < kept.count; i++) {
        free(kept.argument[i].text);
    }
    free(copy);
    return error;
}

static void note(struct text *text, const struct command *command, const char *more)
{
    if (!text->cmake->not_followed[0]) {
        snprintf(text->cmake->not_followed, sizeof text->cmake->not_followed, "%.140s:%u: %s%s",
                 text->path, command->line, command->name, more);
    }
}

static int command_list(struct text *text, struct command *command)
{
    if (command->count < 2) {
        return wrong(text, command->line, "list() with fewer than two words");
    }
    const char *what = command->argument[0].text, *name = command->argument[1].text;
    const char *old = cmake_get(text->cmake, name);
    old = old ? old : "";
    if (strcmp(what, "APPEND") == 0) {
        return assign(text, name, command, 2, old, "");
    }
    if (strcmp(what, "PREPEND") == 0) {
        return assign(text, name, command, 2, "", old);
    }
    if (strcmp(what, "REMOVE_ITEM") == 0) {
        return remove_items(text, command, old);
    }
    note(text, command, "(...)");
    return MOLT_OK;
}

static int command_include(struct text *text, struct command *command)
{
    char path[1024];
    if (command->count == 0) {
        return wrong(text, command->line, "include() without a file");
    }
    const char *name = command->argument[0].text;
    int n = name[0] == '/' ? snprintf(path, sizeof path, "%s", name)
                           : snprintf(path, sizeof path, "%s/%s", text->cmake->source_folder, name);
    bool optional = false;
    for (uint32_t i = 1; i < command->count; i++) {
        optional = optional || strcmp(command->argument[i].text, "OPTIONAL") == 0;
    }
    if (n < 0 || (size_t)n >= sizeof path) {
        return wrong(text, command->line, "include() of a path that is too long");
    }
    if (access(path, R_OK) != 0) {
        return optional ? MOLT_OK
                        : molt_fail(text->message, MOLT_E_NOT_FOUND,
                                    "%.300s:%u: includes %.300s, which does not exist", text->path,
                                    command->line, path);
    }
    return cmake_include(text->cmake, path, text->message);
}

/* get_filename_component(VAR FILE ABSOLUTE|DIRECTORY ...): as a path it stays what it is. */
static int command_component(struct text *text, struct command *command)
{
    if (command->count < 3 || strcmp(command->argument[2].text, "ABSOLUTE") != 0) {
        note(text, command, "(...)");
        return MOLT_OK;
    }
    int error = cmake_set(text->cmake, command->argument[0].text, command->argument[1].text);
    return error ? molt_fail(text->message, error, "%.300s:%u: %s", text->path, command->line,
                             molt_strerror(error))
                 : MOLT_OK;
}

static int command_message(struct text *text, struct command *command)
{
    (void)text;
    (void)command;
    return MOLT_OK;
}

/* ---- If and its kin, and what is passed over ---- */

static bool counts(const struct text *text)
{
    return !text->passed_over && (text->nesting == 0 || text->active[text->nesting - 1]);
}

/* True when the command was one of them. */
static bool branch(struct text *text, const struct command *command, int *error)
{
    const char *name = command->name;
    uint32_t top = text->nesting - 1;
    bool outer = text->nesting < 2 || text->active[text->nesting - 2];
    if (cmake_same(name, "if", UINT32_MAX)) {
        if (text->nesting == CMAKE_NESTING) {
            *error = wrong(text, command->line, "too many if() inside of each other");
            return true;
        }
        bool on = counts(text);
        bool holds = on && cmake_condition(text->cmake, command->argument, command->count);
        text->active[text->nesting] = holds;
        text->taken[text->nesting++] = holds || !on;
        return true;
    }
    bool otherwise = cmake_same(name, "else", UINT32_MAX),
         elseif = cmake_same(name, "elseif", UINT32_MAX);
    if (!otherwise && !elseif && !cmake_same(name, "endif", UINT32_MAX)) {
        return false;
    }
    if (text->nesting == 0) {
        *error = wrong(text, command->line, "else or endif without an if");
    } else if (otherwise || elseif) {
        text->active[top] =
            outer && !text->taken[top] &&
            (otherwise || cmake_condition(text->cmake, command->argument, command->count));
        text->taken[top] = text->taken[top] || text->active[top];
    } else {
        text->nesting--;
    }
    return true;
}

/* Loops, functions, macros: their bodies are not followed. */
static bool pass_over(struct text *text, const struct command *command)
{
    static const char *const bodies[] = {"foreach", "while", "function", "macro", "block"};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        if (cmake_same(command->name, bodies[i], UINT32_MAX)) {
            if (counts(text)) {
                note(text, command, "()");
            }
            text->passed_over++;
            return true;
        }
        if (cmake_same(command->name, "end", 3) &&
            cmake_same(command->name + 3, bodies[i], UINT32_MAX)) {
            text->passed_over -= text->passed_over > 0;
            return true;
        }
    }
    return text->passed_over > 0;
}

static int run(struct text *text, struct command *command)
{
    static const struct {
        const char *name;
        int (*run)(struct text *text, struct command *command);
    } known[] = {{"set", command_set},         {"list", command_list},
                 {"include", command_include}, {"get_filename_component", command_component},
                 {"message", command_message}, {"include_guard", command_message}};
    int error = MOLT_OK;
    if (pass_over(text, command) || branch(text, command, &error) || !counts(text)) {
        return error;
    }
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (cmake_same(command->name, known[i].name, UINT32_MAX)) {
            return known[i].run(text, command);
        }
    }
    note(text, command, "()");
    return MOLT_OK;
}

static int run_all(struct text *text)
{
    struct command *command = malloc(sizeof *command);
    int result = command ? 1 : molt_fail(text->message, MOLT_E_NO_MEMORY, "out of memory");
    while (result == 1) {
        result = read_command(text, command);
        if (result == 1) {
            int error = run(text, command);
            result = error ? error : 1;
        }
        while (command->count) {
            free(command->argument[--command->count].text);
        }
    }
    free(command);
    if (result == MOLT_OK && text->nesting) {
        result = wrong(text, text->line, "if() without endif()");
    }
    return result;
}

int cmake_include(struct cmake *cmake, const char *path, struct molt_message *message)
{
    uint8_t *bytes;
    size_t n;
    if (cmake->depth == 16) {
        return molt_fail(message, MOLT_E_RANGE, "%.300s: too many files that include each other",
                         path);
    }
    int error = molt_file_read(path, FILE_LIMIT, &bytes, &n, message);
    if (error) {
        return error;
    }
    char folder[1024], *before = NULL;
    const char *old = cmake_get(cmake, "CMAKE_CURRENT_LIST_DIR"), *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    before = strdup(old ? old : "");
    error = before ? cmake_set(cmake, "CMAKE_CURRENT_LIST_DIR", folder) : MOLT_E_NO_MEMORY;
    if (!error) {
        struct text text = {.cmake = cmake,
                            .path = path,
                            .at = (const char *)bytes,
                            .end = (const char *)bytes + n,
                            .line = 1,
                            .message = message};
        cmake->depth++;
        error = run_all(&text);
        cmake->depth--;
        int restored = cmake_set(cmake, "CMAKE_CURRENT_LIST_DIR", before);
        error = error ? error : restored;
    } else {
        molt_fail(message, error, "out of memory");
    }
    free(before);
    free(bytes);
    return error;
}
