#include "molt/ops/tablefile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "molt/host/file.h"
#include "molt/ops/info.h"

#define CSV_LIMIT  (1u << 20)
#define PEEK       512u
#define WHOLE_SIZE (128u << 20)

bool molt_looks_like_csv(const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n && i < PEEK; i++) {
        if ((bytes[i] < ' ' && bytes[i] != '\t' && bytes[i] != '\n' && bytes[i] != '\r') ||
            bytes[i] == 0x7F) {
            return false;
        }
    }
    /* An erased flash is no text, although no byte of it is a control character. */
    return n == 0 || bytes[0] < 0x80 || (n >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0);
}

static bool is_utf16(const uint8_t *bytes, size_t n)
{
    return n >= 4 && ((bytes[0] == 0xFF && bytes[1] == 0xFE && bytes[2] < 0x80 && !bytes[3]) ||
                      (bytes[0] == 0xFE && bytes[1] == 0xFF && !bytes[2] && bytes[3] < 0x80));
}

bool molt_is_csv_file(const char *path)
{
    uint8_t bytes[PEEK];
    struct stat facts;
    FILE *file = stat(path, &facts) == 0 && S_ISREG(facts.st_mode) ? fopen(path, "rb") : NULL;
    if (!file) {
        return false;
    }
    size_t n = fread(bytes, 1, sizeof bytes, file);
    bool readable = !ferror(file);
    fclose(file);
    return readable && (is_utf16(bytes, n) || molt_looks_like_csv(bytes, n));
}

static bool ends_with_row(const char *what)
{
    size_t n = strlen(what);
    return n > 4 && strcmp(what + n - 4, " row") == 0;
}

/* "; 0x10800 is no multiple of 0x1000: write 0x10000 or 0x11000" and the like. */
static void say_values(char *text, size_t size, const struct molt_diag *diag)
{
    uint32_t down = diag->expected ? diag->found / diag->expected * diag->expected : 0;
    if (diag->error == MOLT_E_TABLE_ALIGNMENT) {
        snprintf(text, size, " of 0x%x: found 0x%x, write 0x%x or 0x%x", diag->expected,
                 diag->found, down ? down : diag->expected, down + diag->expected);
    } else if (diag->error == MOLT_E_TABLE_FULL) {
        snprintf(text, size, ": %u at most", diag->expected);
    } else {
        snprintf(text, size, ", expected 0x%x, found 0x%x", diag->expected, diag->found);
    }
}

int molt_fail_csv(struct molt_message *message, const char *name, const struct molt_diag *diag)
{
    char place[32] = "", values[120] = "";
    const char *what = diag->what ? diag->what : molt_strerror(diag->error);
    int length = (int)strlen(what);
    if (diag->offset != MOLT_DIAG_NONE) {
        snprintf(place, sizeof place, " line %u:", diag->offset);
    }
    if (diag->has_values && ends_with_row(what)) {
        length -= 3;
        snprintf(values, sizeof values, "line %u", diag->expected);
    } else if (diag->has_values) {
        say_values(values, sizeof values, diag);
    }
    return molt_fail(message, diag->error, "%s:%s %s: %.*s%s", name, place,
                     molt_strerror(diag->error), length, what, values);
}

static int from_text(struct molt_ptable *table, const char *name, const uint8_t *bytes, size_t n,
                     const struct molt_csv_options *options, struct molt_message *message)
{
    struct molt_diag diag = {0};
    int error = molt_ptable_from_csv(table, (const char *)bytes, (uint32_t)n, options, &diag);
    diag.error = error;
    return error ? molt_fail_csv(message, name, &diag) : MOLT_OK;
}

int molt_table_read_csv(struct molt_ptable *table, const char *path,
                        const struct molt_csv_options *options, struct molt_message *message)
{
    uint8_t *bytes = NULL;
    size_t n = 0;
    int error = molt_file_read(path, CSV_LIMIT, &bytes, &n, message);
    if (error) {
        return error;
    }
    if (!is_utf16(bytes, n) && !molt_looks_like_csv(bytes, n)) {
        error = molt_fail(message, MOLT_E_FORMAT,
                          "%s: is no text, expected a partition table as CSV; 'molt csv' makes one "
                          "from a firmware or a binary table",
                          path);
    } else {
        error = from_text(table, path, bytes, n, options, message);
    }
    free(bytes);
    return error;
}

/* ---- Targets ---- */

/* The rule that a table breaks, in the words of its rows. */
static void judge(struct molt_table_found *found, const char *name, uint32_t table_offset)
{
    struct molt_diag diag = {0};
    char thing[4096 + 64], label[17] = "";
    found->rule_error = molt_ptable_check_at(
        &found->table, found->flash_size ? found->flash_size : WHOLE_SIZE, table_offset, &diag);
    if (!found->rule_error) {
        return;
    }
    snprintf(thing, sizeof thing, "%s", name);
    if (diag.offset < found->table.count) {
        memcpy(label, found->table.row[diag.offset].label, sizeof label);
        molt_info_plain(label);
        snprintf(thing, sizeof thing, "%s: partition '%s'", name, label);
        diag.offset = MOLT_DIAG_NONE;
    }
    if (diag.has_values && diag.what && ends_with_row(diag.what)) {
        memcpy(label, found->table.row[diag.expected].label, sizeof label);
        molt_info_plain(label);
        molt_fail(&found->rule, found->rule_error, "%s: %s: %.*s'%s'", thing,
                  molt_strerror(found->rule_error), (int)strlen(diag.what) - 3, diag.what, label);
        return;
    }
    diag.error = found->rule_error;
    molt_fail_csv(&found->rule, thing, &diag);
}

static int read_elsewhere(struct molt_table_found *found, const struct molt_target *target,
                          uint32_t offset, struct molt_message *message)
{
    uint8_t bytes[MOLT_PTABLE_SIZE];
    struct molt_diag diag = {0};
    uint32_t left = offset < target->flash.size ? target->flash.size - offset : 0;
    uint32_t n = left < sizeof bytes ? left : (uint32_t)sizeof bytes;
    int error = molt_flash_read(&target->flash, offset, bytes, n);
    if (error) {
        return molt_fail(message, error, "%s: reading at 0x%x: %s", target->name, offset,
                         molt_strerror(error));
    }
    error = n ? molt_ptable_parse(&found->table, bytes, n, &diag) : MOLT_E_TABLE_MAGIC;
    if (error) {
        return molt_fail(message, error,
                         "%s: %s at 0x%x; 'molt info' shows where there is one, --offset says it",
                         target->name, molt_strerror(error), offset);
    }
    return MOLT_OK;
}

static int from_target(struct molt_table_found *found, const struct molt_target *target,
                       uint32_t offset, struct molt_message *message)
{
    bool bare = target->kind == MOLT_TARGET_TABLE;
    if (!bare && target->kind != MOLT_TARGET_FIRMWARE && target->kind != MOLT_TARGET_DUMP &&
        target->kind != MOLT_TARGET_BOARD) {
        return molt_fail(message, MOLT_E_UNSUPPORTED,
                         "%s: is %s and has no partition table; expected a CSV, a binary table, a "
                         "firmware file, a dump or a board",
                         target->name, molt_target_kind_words(target->kind));
    }
    if (!found->flash_size) {
        found->flash_size = target->flash_size;
    }
    if (bare || offset == MOLT_PTABLE_OFFSET) {
        found->table = target->table;
        return target->table_error ? molt_fail_diag(message, target->name, &target->table_diag)
                                   : MOLT_OK;
    }
    return read_elsewhere(found, target, offset, message);
}

int molt_table_read(struct molt_table_found *found, const char *name,
                    const struct molt_csv_options *options, struct molt_message *message)
{
    uint32_t offset = options && options->table_offset ? options->table_offset : MOLT_PTABLE_OFFSET;
    memset(found, 0, sizeof *found);
    found->flash_size = options ? options->flash_size : 0;
    if (molt_is_csv_file(name)) {
        found->from_csv = true;
        return molt_table_read_csv(&found->table, name, options, message);
    }
    struct molt_target *target = malloc(sizeof *target);
    if (!target) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    int error = molt_target_open(target, name, message);
    if (!error) {
        struct molt_message closing = {0};
        error = from_target(found, target, offset, message);
        if (molt_target_close(target, &closing) && !error) {
            error = molt_fail(message, closing.error, "%s", closing.text);
        }
    }
    free(target);
    if (!error) {
        judge(found, name, offset);
    }
    return error;
}

int molt_table_csv_text(char **text, const char *name, const struct molt_ptable *table,
                        struct molt_message *message)
{
    struct molt_diag diag = {0};
    *text = malloc(MOLT_PTABLE_CSV_SIZE + 1);
    if (!*text) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    int length = molt_ptable_to_csv(table, *text, MOLT_PTABLE_CSV_SIZE, &diag);
    if (length >= 0) {
        (*text)[length] = 0;
        return MOLT_OK;
    }
    free(*text);
    *text = NULL;
    return molt_fail(message, length, "%s: row %u cannot be written as CSV: %s", name,
                     diag.offset + 1, diag.what ? diag.what : molt_strerror(length));
}
