/* The boards by their names. */
#include "molt/ops/dfu_board.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "ops/dfu/board.h"

/* Chips that share another's linker script. A '?' stands for the letter of the package; the first
 * row that fits counts. The size of the flash is the letter behind it (E 512K, G 1M, I 2M). */
static const struct {
    const char *chip, *script;
} chips[] = {
    {"f091", "f091xc"},   {"f401?d", "f401xd"}, {"f401", "f401xe"}, {"f405", "f405"},
    {"f407", "f405"},     {"f415", "f405"},     {"f417", "f405"},   {"f411", "f411"},
    {"f446", "f411"},     {"f412?e", "f412xe"}, {"f412", "f412xg"}, {"f413", "f413xh"},
    {"f423", "f413xh"},   {"f427", "f427xi"},   {"f437", "f427xi"}, {"f429", "f429"},
    {"f439", "f439"},     {"f469", "f469xi"},   {"f479", "f469xi"}, {"f722", "f722"},
    {"f723", "f722"},     {"f732", "f722"},     {"f733", "f722"},   {"f745", "f746"},
    {"f746", "f746"},     {"f756", "f746"},     {"f765", "f767"},   {"f767", "f767"},
    {"f777", "f767"},     {"f769", "f769"},     {"f779", "f769"},   {"g0b1", "g0b1xe"},
    {"g474", "g474"},     {"h562", "h573xi"},   {"h563", "h573xi"}, {"h573", "h573xi"},
    {"h723", "h723"},     {"h725", "h723"},     {"h733", "h723"},   {"h735", "h723"},
    {"h742", "h743"},     {"h743", "h743"},     {"h753", "h743"},   {"h7a3", "h7a3"},
    {"l152", "l152xe"},   {"l432", "l432"},     {"l452", "l452xe"}, {"l475", "l476xg"},
    {"l476?e", "l476xe"}, {"l476", "l476xg"},   {"l496", "l496xg"}, {"l4a6", "l496xg"},
    {"u575", "u585xi"},   {"u585", "u585xi"},   {"u5a5", "u5a5xj"}, {"wb55", "wb55xg"},
    {"wl55", "wl55xc"},
};

const struct board_script *board_script_named(const char *name)
{
    for (const struct board_script *script = board_scripts; script->name; script++) {
        if (strcmp(script->name, name) == 0) {
            return script;
        }
    }
    return NULL;
}

static void fill(struct molt_dfu_board *board, const char *name, const char *script, bool internal)
{
    const struct board_script *found = internal ? board_script_named(script) : NULL;
    *board = (struct molt_dfu_board){.script = script};
    snprintf(board->name, sizeof board->name, "%s", name);
    if (found) {
        memcpy(board->files, found->files, sizeof board->files);
    }
}

bool molt_dfu_board_at(struct molt_dfu_board *board, uint32_t number)
{
    const struct board_row *row = board_rows;
    while (row->name && number--) {
        row++;
    }
    if (!row->name) {
        return false;
    }
    fill(board, row->name, row->script, row->internal);
    board->app = row->app;
    board->mboot_app = row->mboot_app;
    return true;
}

/* text begins with pattern, letters of either case; its length, or 0. */
static size_t begins(const char *text, const char *pattern)
{
    size_t n = strlen(pattern);
    for (size_t i = 0; i < n; i++) {
        if (!text[i] || (pattern[i] != '?' &&
                         tolower((unsigned char)text[i]) != tolower((unsigned char)pattern[i]))) {
            return 0;
        }
    }
    return n;
}

/* MicroPython's name, with or without "-VARIANT". */
static bool find_board(struct molt_dfu_board *board, const char *name)
{
    for (uint32_t i = 0; molt_dfu_board_at(board, i); i++) {
        size_t n = begins(name, board->name);
        if (n && (name[n] == 0 || name[n] == '-')) {
            return true;
        }
    }
    return false;
}

static bool find_chip(struct molt_dfu_board *board, const char *name)
{
    const char *chip = name + begins(name, "stm32");
    const struct board_script *script;
    for (script = board_scripts; script->name; script++) {
        size_t n = begins(chip, script->name);
        if (n && chip[n] == 0) { /* the linker script itself */
            fill(board, name, script->name, true);
            return true;
        }
    }
    for (size_t i = 0; i < sizeof chips / sizeof chips[0]; i++) {
        if (begins(chip, chips[i].chip)) {
            fill(board, name, chips[i].script, true);
            return true;
        }
    }
    return false;
}

int molt_dfu_board_find(struct molt_dfu_board *board, const char *name,
                        struct molt_message *message)
{
    if (strlen(name) < sizeof board->name) {
        if (begins(name, "none") && !name[4]) {
            fill(board, "none", "", false);
            return MOLT_OK;
        }
        if (find_board(board, name) || find_chip(board, name)) {
            return MOLT_OK;
        }
    }
    *board = (struct molt_dfu_board){.script = ""};
    return molt_fail(message, MOLT_E_NOT_FOUND,
                     "board '%.60s': is not known; expected MicroPython's name of the board "
                     "(PYBV11, NUCLEO_H743ZI...), of the chip (stm32f405...), or none: a board "
                     "that keeps no files in its internal flash",
                     name);
}
