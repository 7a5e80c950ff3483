/* The condition of an if(): CMake's manual, "if". */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ops/board/cmake_internal.h"

struct reader {
    const struct cmake *cmake;
    const struct cmake_argument *argument;
    uint32_t count, at, depth;
};

bool cmake_same(const char *a, const char *b, uint32_t n)
{
    for (; n && *a; n--, a++, b++) {
        if (tolower((unsigned char)*a) != tolower((unsigned char)*b)) {
            return false;
        }
    }
    return n == 0 || *b == 0;
}

static bool disjunction(struct reader *reader);

static const struct cmake_argument *next(const struct reader *reader, uint32_t ahead)
{
    return reader->count - reader->at > ahead ? &reader->argument[reader->at + ahead] : NULL;
}

static bool is(const struct cmake_argument *argument, const char *word)
{
    return argument && !argument->quoted && strcmp(argument->text, word) == 0;
}

/* A word that is a variable's name stands for its value. */
static const char *value_of(const struct reader *reader, const struct cmake_argument *argument)
{
    const char *value = argument->quoted ? NULL : cmake_get(reader->cmake, argument->text);
    return value ? value : argument->text;
}

static bool is_false(const char *text)
{
    static const char *const words[] = {"0", "off", "no", "false", "n", "ignore", "notfound", ""};
    size_t n = strlen(text);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (cmake_same(text, words[i], UINT32_MAX)) {
            return true;
        }
    }
    return n >= 9 && strcmp(text + n - 9, "-NOTFOUND") == 0;
}

static bool truth(const struct reader *reader, const struct cmake_argument *argument)
{
    static const char *const words[] = {"on", "yes", "true", "y"};
    const char *text = argument->text;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (cmake_same(text, words[i], UINT32_MAX)) {
            return true;
        }
    }
    if (is_false(text)) {
        return false;
    }
    char *end;
    double number = strtod(text, &end);
    if (*end == 0) {
        return number < 0 || number > 0;
    }
    const char *value = argument->quoted ? NULL : cmake_get(reader->cmake, text);
    return value && !is_false(value);
}

/* Versions too: the numbers between the dots, one by one. */
static int compare_versions(const char *a, const char *b)
{
    while (*a || *b) {
        char *end_a = (char *)(uintptr_t)a, *end_b = (char *)(uintptr_t)b;
        unsigned long x = *a ? strtoul(a, &end_a, 10) : 0, y = *b ? strtoul(b, &end_b, 10) : 0;
        if (x != y) {
            return x < y ? -1 : 1;
        }
        a = *end_a == '.' ? end_a + 1 : "";
        b = *end_b == '.' ? end_b + 1 : "";
    }
    return 0;
}

/* -1, 0, 1 of strings, numbers or versions, and which of them the relation asks for. */
static bool compare(const char *relation, const char *a, const char *b, bool *known)
{
    int order;
    *known = true;
    if (strcmp(relation, "MATCHES") == 0) {
        return strstr(a, b) != NULL; /* without the signs of regular expressions */
    }
    if (strncmp(relation, "STR", 3) == 0) {
        order = strcmp(a, b);
        relation += 3;
    } else if (strncmp(relation, "VERSION_", 8) == 0) {
        order = compare_versions(a, b);
        relation += 8;
    } else {
        double x = strtod(a, NULL), y = strtod(b, NULL);
        order = x < y ? -1 : x > y;
    }
    if (strcmp(relation, "EQUAL") == 0) {
        return order == 0;
    }
    if (strncmp(relation, "LESS", 4) == 0) {
        return order < 0 || (order == 0 && strcmp(relation + 4, "_EQUAL") == 0);
    }
    if (strncmp(relation, "GREATER", 7) == 0) {
        return order > 0 || (order == 0 && strcmp(relation + 7, "_EQUAL") == 0);
    }
    *known = false;
    return false;
}

static bool primary(struct reader *reader)
{
    const struct cmake_argument *one = next(reader, 0), *two = next(reader, 1),
                                *three = next(reader, 2);
    if (!one || reader->depth > CMAKE_NESTING) {
        return false;
    }
    if (is(one, "(")) {
        reader->at++;
        reader->depth++;
        bool result = disjunction(reader);
        reader->at += is(next(reader, 0), ")");
        reader->depth--;
        return result;
    }
    if (is(one, "NOT")) {
        reader->at++;
        reader->depth++;
        bool result = !primary(reader);
        reader->depth--;
        return result;
    }
    if (two && (is(one, "DEFINED") || is(one, "EXISTS"))) {
        reader->at += 2;
        return is(one, "DEFINED") ? cmake_get(reader->cmake, two->text) != NULL
                                  : access(two->text, F_OK) == 0;
    }
    if (two && three && !two->quoted) {
        bool known;
        bool result = compare(two->text, value_of(reader, one), value_of(reader, three), &known);
        if (known) {
            reader->at += 3;
            return result;
        }
    }
    reader->at++;
    return truth(reader, one);
}

static bool conjunction(struct reader *reader)
{
    bool result = primary(reader);
    while (is(next(reader, 0), "AND")) {
        reader->at++;
        bool right = primary(reader);
        result = result && right;
    }
    return result;
}

static bool disjunction(struct reader *reader)
{
    bool result = conjunction(reader);
    while (is(next(reader, 0), "OR")) {
        reader->at++;
        bool right = conjunction(reader);
        result = result || right;
    }
    return result;
}

bool cmake_condition(const struct cmake *cmake, const struct cmake_argument *argument,
                     uint32_t count)
{
    struct reader reader = {cmake, argument, count, 0, 0};
    return disjunction(&reader);
}
