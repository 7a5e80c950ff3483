/* board.json. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/board_internal.h"
#include "molt/espimage.h"
#include "molt/host/file.h"

#define FORMAT 1
#define LIMIT  65536u /* bytes of board.json */

int molt_board_parse_revision(const char *text)
{
    int major = 0, minor = 0, used = 0;
    if (strspn(text, "0123456789.") != strlen(text) || strlen(text) > 6 ||
        sscanf(text, "%d.%d%n", &major, &minor, &used) != 2 || text[used] || major > 99 ||
        minor > 99) {
        return -1;
    }
    return major * 100 + minor;
}

bool molt_board_text_ok(const char *text)
{
    for (; *text; text++) {
        if (*text < ' ' || *text > '~') {
            return false;
        }
    }
    return true;
}

int board_facts_save(const char *folder, const struct molt_board_facts *facts,
                     struct molt_message *message)
{
    char path[BOARD_PATH], revision[12];
    snprintf(revision, sizeof revision, "%u.%u", facts->boot.revision / 100u,
             facts->boot.revision % 100u);
    json_t *root = json_pack(
        "{s:i, s:s, s:s, s:s, s:b, s:b, s:I, s:I, s:I, s:s, s:I, s:s, s:I, s:b}", "format", FORMAT,
        "chip", facts->chip, "name", facts->name, "revision", revision, "rollback",
        facts->boot.rollback, "legacy_revision", facts->boot.legacy_revision, "flash_size",
        (json_int_t)facts->flash_size, "table_offset", (json_int_t)facts->boot.table_offset,
        "min_bootloader", (json_int_t)facts->min_bootloader, "running", facts->running,
        "running_offset", (json_int_t)facts->running_offset, "reset_cause", facts->reset_cause,
        "boots", (json_int_t)facts->boots, "power_failed", facts->power_failed);
    char *text = root ? json_dumps(root, JSON_INDENT(2)) : NULL;
    json_decref(root);
    if (!text) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "%s: cannot put board.json together", folder);
    }
    board_file(path, folder, "board.json");
    int error = molt_file_write(path, text, strlen(text), 0666, MOLT_FILE_REPLACE, message);
    free(text);
    return error;
}

bool board_get_text(const json_t *root, const char *key, char *to, size_t size)
{
    const char *text = json_string_value(json_object_get(root, key));
    if (!text || strlen(text) >= size || !molt_board_text_ok(text)) {
        return false;
    }
    memcpy(to, text, strlen(text) + 1);
    return true;
}

bool board_get_number(const json_t *root, const char *key, uint64_t limit, uint64_t *to)
{
    const json_t *value = json_object_get(root, key);
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 0 || (uint64_t)number > limit) {
        return false;
    }
    *to = (uint64_t)number;
    return true;
}

static bool get_u32(const json_t *root, const char *key, uint32_t *to)
{
    uint64_t number;
    if (!board_get_number(root, key, UINT32_MAX, &number)) {
        return false;
    }
    *to = (uint32_t)number;
    return true;
}

bool board_get_bool(const json_t *root, const char *key, bool *to)
{
    const json_t *value = json_object_get(root, key);
    *to = json_is_true(value);
    return json_is_boolean(value);
}

const struct molt_chip *board_chip(const char *name)
{
    const struct molt_chip *chip = molt_chip_by_name(name);
    return chip && (chip->chip_id == 0x00 || chip->chip_id == 0x05) ? chip : NULL;
}

/* NULL, or the key that is missing or wrong. */
static const char *parse(const json_t *root, struct molt_board_facts *facts)
{
    char revision[12];
    uint64_t format;
    if (!board_get_number(root, "format", FORMAT, &format) || format != FORMAT) {
        return "format";
    }
    const struct molt_chip *chip;
    if (!board_get_text(root, "chip", facts->chip, sizeof facts->chip) ||
        !(chip = board_chip(facts->chip))) {
        return "chip";
    }
    facts->boot.chip_id = chip->chip_id;
    if (!board_get_text(root, "name", facts->name, sizeof facts->name) || !facts->name[0]) {
        return "name";
    }
    if (!board_get_text(root, "revision", revision, sizeof revision) ||
        molt_board_parse_revision(revision) < 0) {
        return "revision";
    }
    facts->boot.revision = (uint16_t)molt_board_parse_revision(revision);
    if (!board_get_bool(root, "rollback", &facts->boot.rollback)) {
        return "rollback";
    }
    if (!board_get_bool(root, "legacy_revision", &facts->boot.legacy_revision)) {
        return "legacy_revision";
    }
    if (!get_u32(root, "flash_size", &facts->flash_size) || facts->flash_size < 0x10000 ||
        facts->flash_size > 0x8000000 || facts->flash_size % MOLT_NOR_SECTOR) {
        return "flash_size";
    }
    facts->boot.chip_flash_size = facts->flash_size;
    if (!get_u32(root, "table_offset", &facts->boot.table_offset) ||
        facts->boot.table_offset > facts->flash_size - MOLT_NOR_SECTOR) {
        return "table_offset";
    }
    if (!get_u32(root, "min_bootloader", &facts->min_bootloader)) {
        return "min_bootloader";
    }
    if (!board_get_text(root, "running", facts->running, sizeof facts->running)) {
        return "running";
    }
    if (!get_u32(root, "running_offset", &facts->running_offset) ||
        facts->running_offset >= facts->flash_size) {
        return "running_offset";
    }
    if (!board_get_text(root, "reset_cause", facts->reset_cause, sizeof facts->reset_cause)) {
        return "reset_cause";
    }
    if (!board_get_number(root, "boots", INT64_MAX, &facts->boots)) {
        return "boots";
    }
    return board_get_bool(root, "power_failed", &facts->power_failed) ? NULL : "power_failed";
}

static const char *expected_of(const char *key)
{
    static const struct {
        const char *key, *expected;
    } rows[] = {{"format", "1"},
                {"chip", "\"esp32\" or \"esp32c3\""},
                {"name", "a name of 1 to 32 printable characters"},
                {"revision", "a revision as \"3.0\""},
                {"rollback", "true or false"},
                {"legacy_revision", "true or false"},
                {"power_failed", "true or false"},
                {"flash_size", "whole sectors of 4096 bytes, 65536 to 134217728 bytes"},
                {"table_offset", "an offset inside the flash"},
                {"running_offset", "an offset inside the flash"},
                {"running", "the name of a partition, or \"\""},
                {"reset_cause", "a short text, as \"power-on\""}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(rows[i].key, key) == 0) {
            return rows[i].expected;
        }
    }
    return "a number from 0 up";
}

static int fail_key(const json_t *root, const char *key, const char *path,
                    struct molt_message *message)
{
    const json_t *value = json_object_get(root, key);
    char *found = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    int error = molt_fail(message, MOLT_E_FORMAT,
                          "%s: \"%s\": expected %s, found %.80s: correct it, or make the board "
                          "anew with 'molt sim new'",
                          path, key, expected_of(key), found ? found : "nothing");
    free(found);
    return error;
}

/* The folder of molt/host/simdfu.h. */
static int fail_dfu(const json_t *root, const char *folder, struct molt_message *message)
{
    const char *chip = json_string_value(json_object_get(root, "chip"));
    return molt_fail(
        message, MOLT_E_UNSUPPORTED,
        "%s: is a simulated %.40s with a USB boot loader, expected an ESP32 board: use "
        "'molt dfu' for it, and 'molt sim boot' to start it",
        folder, chip ? chip : "device");
}

int board_facts_load(const char *folder, struct molt_board_facts *facts,
                     struct molt_message *message)
{
    char path[BOARD_PATH];
    uint8_t *text;
    size_t n;
    json_error_t wrong;
    board_file(path, folder, "board.json");
    int error = molt_file_read(path, LIMIT, &text, &n, message);
    if (error == MOLT_E_NOT_FOUND) {
        return molt_fail(message, error,
                         "%s: there is no board.json in it, so it is no simulated board: make one "
                         "with 'molt sim new sim:FOLDER'",
                         folder);
    }
    if (error < 0) {
        return error;
    }
    json_t *root = json_loadb((const char *)text, n, JSON_REJECT_DUPLICATES, &wrong);
    free(text);
    if (!root) {
        return molt_fail(message, MOLT_E_FORMAT, "%s: not JSON: %s in line %d", path, wrong.text,
                         wrong.line);
    }
    memset(facts, 0, sizeof *facts);
    const char *kind = json_string_value(json_object_get(root, "kind"));
    if (kind && strcmp(kind, "dfu") == 0) {
        error = fail_dfu(root, folder, message);
        json_decref(root);
        return error;
    }
    const char *key = parse(root, facts);
    error = key ? fail_key(root, key, path, message) : MOLT_OK;
    json_decref(root);
    return error;
}
