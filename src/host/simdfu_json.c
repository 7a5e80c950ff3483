/* board.json of a simulated DFU device. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/simdfu_internal.h"
#include "molt/host/file.h"

#define FORMAT 1
#define LIMIT  262144u /* bytes of board.json: the counters of 640 sectors fit */

static const char *const faults[] = {"none", "stall", "timeout", "gone", "io", "short"};
#define FAULTS (sizeof faults / sizeof *faults)

static uint32_t sector_count(const struct molt_sim_dfu_profile *profile)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < profile->region_count; i++) {
        n += profile->regions[i].count;
    }
    return n;
}

static json_t *sector_numbers(const struct molt_sim_dfu *sim, bool protected_ones)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < sector_count(sim->profile); i++) {
        if (!protected_ones) {
            json_array_append_new(list, json_integer(sim->erases[i]));
        } else if (sim->write_protected[i]) {
            json_array_append_new(list, json_integer((json_int_t)i));
        }
    }
    return list;
}

static json_t *small_memory(const struct molt_sim_dfu *sim)
{
    char hex[2 * MOLT_SIM_DFU_SMALL + 1];
    for (uint32_t i = 0; i < MOLT_SIM_DFU_SMALL; i++) {
        snprintf(hex + (size_t)2 * i, 3, "%02x", sim->small[i]);
    }
    return json_string(hex);
}

int simdfu_save(const struct molt_simdfu *board, struct molt_message *message)
{
    const struct molt_sim_dfu *sim = &board->sim;
    char path[BOARD_PATH];
    json_t *root = json_pack(
        "{s:i, s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:b, s:I, s:i, s:i, s:I, s:I, s:i, s:b}",
        "format", FORMAT, "kind", "dfu", "chip", board->home, "profile", sim->profile->name, "name",
        board->name, "serial", sim->serial, "on_bus", !sim->gone, "boot0", sim->boot0, "jumped",
        sim->jumped, "jumped_to", (json_int_t)sim->jumped_to, "state", sim->state, "status",
        sim->status, "pointer", (json_int_t)sim->pointer, "jump", (json_int_t)sim->jump,
        "alternate", sim->alternate, "read_protected", sim->read_protected);
    json_t *counters = json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I}", "time_us", (json_int_t)sim->time_us, "transfers",
        (json_int_t)(board->transfers + sim->transfers), "mass_erases",
        (json_int_t)sim->mass_erases, "bytes_programmed", (json_int_t)sim->bytes_programmed,
        "bytes_uploaded", (json_int_t)sim->bytes_uploaded, "over_programmed",
        (json_int_t)sim->over_programmed);
    char *text = NULL;
    if (root && counters) {
        json_object_set_new(root, "write_protected", sector_numbers(sim, true));
        json_object_set_new(root, "small_memory", small_memory(sim));
        json_object_set_new(counters, "erases", sector_numbers(sim, false));
        json_object_set(root, "counters", counters);
        text = json_dumps(root, JSON_INDENT(2));
    }
    json_decref(root);
    json_decref(counters);
    if (!text) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "%s: cannot put board.json together",
                         board->path);
    }
    board_file(path, board->path, "board.json");
    int error =
        molt_file_write(path, text, strlen(text), 0666, MOLT_FILE_REPLACE_UNSYNCED, message);
    free(text);
    return error;
}

static const char *parse_state(const json_t *root, struct molt_sim_dfu *sim)
{
    uint64_t state, status, alternate, pointer, jump, jumped_to;
    if (!board_get_number(root, "state", 10, &state)) {
        return "state";
    }
    if (!board_get_number(root, "status", 15, &status)) {
        return "status";
    }
    if (!board_get_number(root, "alternate", sim->profile->alternate_count - 1u, &alternate)) {
        return "alternate";
    }
    if (!board_get_number(root, "pointer", UINT32_MAX, &pointer)) {
        return "pointer";
    }
    if (!board_get_number(root, "jump", UINT32_MAX, &jump)) {
        return "jump";
    }
    if (!board_get_number(root, "jumped_to", UINT32_MAX, &jumped_to)) {
        return "jumped_to";
    }
    sim->state = (uint8_t)state;
    sim->status = (uint8_t)status;
    sim->alternate = (uint8_t)alternate;
    sim->pointer = (uint32_t)pointer;
    sim->jump = (uint32_t)jump;
    sim->jumped_to = (uint32_t)jumped_to;
    sim->sync_done = true; /* what it worked on is done */
    return NULL;
}

static const char *parse_flags(const json_t *root, struct molt_sim_dfu *sim)
{
    bool on_bus;
    if (!board_get_bool(root, "on_bus", &on_bus)) {
        return "on_bus";
    }
    sim->gone = !on_bus;
    if (!board_get_bool(root, "boot0", &sim->boot0)) {
        return "boot0";
    }
    if (!board_get_bool(root, "jumped", &sim->jumped)) {
        return "jumped";
    }
    return board_get_bool(root, "read_protected", &sim->read_protected) ? NULL : "read_protected";
}

static const char *parse_memory(const json_t *root, struct molt_sim_dfu *sim)
{
    const json_t *list = json_object_get(root, "write_protected"), *item;
    const char *hex = json_string_value(json_object_get(root, "small_memory"));
    size_t i;
    if (!json_is_array(list)) {
        return "write_protected";
    }
    json_array_foreach((json_t *)(uintptr_t)list, i, item)
    {
        json_int_t sector = json_integer_value(item);
        if (!json_is_integer(item) || sector < 0 ||
            (uint64_t)sector >= sector_count(sim->profile)) {
            return "write_protected";
        }
        sim->write_protected[sector] = true;
    }
    if (!hex || strlen(hex) != (size_t)2 * MOLT_SIM_DFU_SMALL ||
        strspn(hex, "0123456789abcdef") != strlen(hex)) {
        return "small_memory";
    }
    for (i = 0; i < MOLT_SIM_DFU_SMALL; i++) {
        const char pair[3] = {hex[2 * i], hex[2 * i + 1], 0};
        sim->small[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return NULL;
}

static const char *parse_counters(const json_t *counters, struct molt_simdfu *board)
{
    struct molt_sim_dfu *sim = &board->sim;
    const json_t *erases = json_object_get(counters, "erases");
    uint64_t mass_erases;
    if (!board_get_number(counters, "time_us", INT64_MAX / 2, &sim->time_us) ||
        !board_get_number(counters, "transfers", INT64_MAX, &board->transfers) ||
        !board_get_number(counters, "mass_erases", UINT32_MAX, &mass_erases) ||
        !board_get_number(counters, "bytes_programmed", INT64_MAX, &sim->bytes_programmed) ||
        !board_get_number(counters, "bytes_uploaded", INT64_MAX, &sim->bytes_uploaded) ||
        !board_get_number(counters, "over_programmed", INT64_MAX, &sim->over_programmed) ||
        !json_is_array(erases) || json_array_size(erases) > MOLT_SIM_DFU_SECTORS) {
        return "counters";
    }
    sim->mass_erases = (uint32_t)mass_erases;
    for (size_t i = 0; i < json_array_size(erases); i++) {
        json_int_t count = json_integer_value(json_array_get(erases, i));
        if (count < 0 || count > UINT32_MAX) {
            return "counters";
        }
        sim->erases[i] = (uint32_t)count;
    }
    return NULL;
}

/* For tests: written by hand, gone once it was read. */
static const char *parse_fault(const json_t *root, struct molt_sim_dfu *sim)
{
    const json_t *fault = json_object_get(root, "fault");
    uint64_t at, count = 1;
    char kind[16];
    if (!fault) {
        return NULL;
    }
    if (!board_get_number(fault, "at_transfer", UINT32_MAX, &at) ||
        !board_get_text(fault, "kind", kind, sizeof kind) ||
        (json_object_get(fault, "count") &&
         !board_get_number(fault, "count", UINT32_MAX, &count))) {
        return "fault";
    }
    sim->fault.at_transfer = (uint32_t)at;
    sim->fault.count = (uint32_t)count;
    sim->fault.executed = json_is_true(json_object_get(fault, "executed"));
    for (size_t i = 0; i < FAULTS; i++) {
        if (strcmp(kind, faults[i]) == 0) {
            sim->fault.kind = (enum molt_sim_fault)i;
            return NULL;
        }
    }
    return "fault";
}

static const char *parse(const json_t *root, struct molt_simdfu *board)
{
    char profile[32];
    const struct molt_sim_dfu_profile *known = NULL;
    if (!board_get_text(root, "chip", board->home, sizeof board->home) ||
        !molt_sim_dfu_profile_named(board->home)) {
        return "chip";
    }
    if (!board_get_text(root, "profile", profile, sizeof profile) ||
        !(known = molt_sim_dfu_profile_named(profile))) {
        return "profile";
    }
    molt_sim_dfu_init(&board->sim, known, NULL);
    if (!board_get_text(root, "name", board->name, sizeof board->name)) {
        return "name";
    }
    if (!board_get_text(root, "serial", board->sim.serial, sizeof board->sim.serial)) {
        return "serial";
    }
    const char *wrong = parse_state(root, &board->sim);
    wrong = wrong ? wrong : parse_flags(root, &board->sim);
    wrong = wrong ? wrong : parse_memory(root, &board->sim);
    wrong = wrong ? wrong : parse_counters(json_object_get(root, "counters"), board);
    return wrong ? wrong : parse_fault(root, &board->sim);
}

static json_t *read_json(const char *folder, char path[BOARD_PATH], struct molt_message *message,
                         int *error)
{
    uint8_t *text;
    size_t n;
    json_error_t wrong;
    board_file(path, folder, "board.json");
    *error = molt_file_read(path, LIMIT, &text, &n, message);
    if (*error < 0) {
        return NULL;
    }
    json_t *root = json_loadb((const char *)text, n, JSON_REJECT_DUPLICATES, &wrong);
    free(text);
    if (!root) {
        *error = molt_fail(message, MOLT_E_FORMAT, "%s: not JSON: %s in line %d", path, wrong.text,
                           wrong.line);
    }
    return root;
}

static bool is_dfu(const json_t *root)
{
    const char *kind = json_string_value(json_object_get(root, "kind"));
    return kind && strcmp(kind, "dfu") == 0;
}

bool molt_simdfu_is(const char *folder)
{
    char path[BOARD_PATH];
    int error;
    if (strlen(folder) >= sizeof((struct molt_simdfu *)NULL)->path) {
        return false;
    }
    json_t *root = read_json(folder, path, NULL, &error);
    bool is = root && is_dfu(root);
    json_decref(root);
    return is;
}

int simdfu_load(struct molt_simdfu *board, struct molt_message *message)
{
    char path[BOARD_PATH];
    int error;
    json_t *root = read_json(board->path, path, message, &error);
    if (error == MOLT_E_NOT_FOUND) {
        return molt_fail(message, error,
                         "%s: there is no board.json in it, so it is no simulated board: make one "
                         "with 'molt sim new sim:FOLDER --chip stm32f405'",
                         board->path);
    }
    if (root && !is_dfu(root)) {
        const char *chip = json_string_value(json_object_get(root, "chip"));
        error = molt_fail(message, MOLT_E_UNSUPPORTED,
                          "%s: is a simulated %s, which has no USB boot loader: make a board with "
                          "one by 'molt sim new sim:FOLDER --chip stm32f405'",
                          board->path, chip ? chip : "board");
    } else if (root) {
        uint64_t format;
        bool known = board_get_number(root, "format", FORMAT, &format) && format == FORMAT;
        const char *wrong = known ? parse(root, board) : "format";
        error = wrong ? molt_fail(message, MOLT_E_FORMAT,
                                  "%s: \"%s\" is missing or wrong: correct it, or make the board "
                                  "anew with 'molt sim new'",
                                  path, wrong)
                      : MOLT_OK;
    }
    json_decref(root);
    return error;
}
