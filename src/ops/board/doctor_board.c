/* The folder of a MicroPython board: which sdkconfig files are merged, which table they choose. */
#define _GNU_SOURCE /* realpath, strtok_r, memmem */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "molt/host/file.h"
#include "ops/board/cmake_read.h"
#include "ops/board/doctor_board.h"

#define CMAKE_FILE "mpconfigboard.cmake"

bool molt_doctor_is_board(const char *folder)
{
    char path[4200];
    snprintf(path, sizeof path, "%.4096s/" CMAKE_FILE, folder);
    return access(path, F_OK) == 0;
}

/* ---- Paths ---- */

static int resolve(char out[MOLT_DOCTOR_PATH], const char *path, struct molt_message *message)
{
    char *real = realpath(path, NULL);
    if (!real) {
        return molt_fail(message, MOLT_E_NOT_FOUND, "%.300s: no such folder", path);
    }
    int n = snprintf(out, MOLT_DOCTOR_PATH, "%s", real);
    free(real);
    return n < MOLT_DOCTOR_PATH - 64
               ? MOLT_OK
               : molt_fail(message, MOLT_E_RANGE, "%.300s: its path is too long", path);
}

void board_path(const struct board_work *work, const char *name, char *out, uint32_t size)
{
    snprintf(out, size, "%s%s%s", name[0] == '/' ? "" : work->board->port,
             name[0] == '/' ? "" : "/", name);
}

/* As the board's files would name it. */
static const char *below_port(const struct board_work *work, const char *path)
{
    size_t n = strlen(work->board->port);
    return strncmp(path, work->board->port, n) == 0 && path[n] == '/' ? path + n + 1 : path;
}

bool board_owns(const struct board_work *work, uint32_t fragment)
{
    char path[2 * MOLT_DOCTOR_PATH];
    size_t n = strlen(work->folder);
    board_path(work, work->board->fragment[fragment], path, sizeof path);
    return strncmp(path, work->folder, n) == 0 && path[n] == '/';
}

/* ---- CMake ---- */

static void list_variants(struct molt_doctor_folder *board, const char *folder)
{
    static const char before[] = "mpconfigvariant_", after[] = ".cmake";
    struct dirent **entry = NULL;
    int count = scandir(folder, &entry, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        const char *name = entry[i]->d_name;
        size_t n = strlen(name), used = strlen(board->variants);
        size_t least = sizeof before - 1 + sizeof after - 1;
        if (n > least && strncmp(name, before, sizeof before - 1) == 0 &&
            strcmp(name + n - (sizeof after - 1), after) == 0 &&
            n < sizeof board->variants - used) {
            snprintf(board->variants + used, sizeof board->variants - used, "%s%.*s",
                     used ? ", " : "", (int)(n - least), name + sizeof before - 1);
        }
        free(entry[i]);
    }
    free(entry);
}

/* if(MICROPY_BOARD_VARIANT STREQUAL "OTA") in the board's own file */
static bool names_it(const char *path, const char *variant)
{
    uint8_t *bytes = NULL;
    size_t n = 0;
    char word[120];
    int length = snprintf(word, sizeof word, "\"%.100s\"", variant);
    bool found = molt_file_read(path, 1u << 20, &bytes, &n, NULL) == MOLT_OK &&
                 memmem(bytes, n, word, (size_t)length) != NULL;
    free(bytes);
    return found;
}

/* By 1.24 a variant is a file of its own, before it was an if() in the board's. */
static int include_variant(struct board_work *work, struct cmake *cmake, const char *variant,
                           bool asked, struct molt_message *message)
{
    char path[2 * MOLT_DOCTOR_PATH];
    snprintf(path, sizeof path, "%s/mpconfigvariant%s%.100s.cmake", work->folder,
             variant ? "_" : "", variant ? variant : "");
    if (access(path, F_OK) == 0) {
        return cmake_include(cmake, path, message);
    }
    if (variant && !asked) {
        return molt_fail(message, MOLT_E_NOT_FOUND,
                         "%.300s: no variant %.100s; expected one of: %s", work->folder, variant,
                         work->board->variants[0] ? work->board->variants : "(it has none)");
    }
    return MOLT_OK;
}

static int run_cmake(struct board_work *work, struct cmake *cmake, const char *variant,
                     struct molt_message *message)
{
    const char *name = strrchr(work->folder, '/');
    char micropython[MOLT_DOCTOR_PATH + 8], file[MOLT_DOCTOR_PATH + 32];
    snprintf(micropython, sizeof micropython, "%s/../..", work->board->port);
    snprintf(file, sizeof file, "%s/" CMAKE_FILE, work->folder);
    const struct {
        const char *name, *value;
    } given[] = {{"MICROPY_BOARD", name ? name + 1 : work->folder},
                 {"MICROPY_BOARD_DIR", work->folder},
                 {"MICROPY_PORT_DIR", work->board->port},
                 {"CMAKE_SOURCE_DIR", work->board->port},
                 {"CMAKE_CURRENT_SOURCE_DIR", work->board->port},
                 {"PROJECT_DIR", work->board->port},
                 {"MICROPY_DIR", micropython},
                 {"MICROPY_BOARD_VARIANT", variant}};
    for (size_t i = 0; i < sizeof given / sizeof given[0]; i++) {
        if (given[i].value && cmake_set(cmake, given[i].name, given[i].value)) {
            return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
        }
    }
    int error = cmake_include(cmake, file, message);
    return error
               ? error
               : include_variant(work, cmake, variant, variant && names_it(file, variant), message);
}

static int take_fragments(struct board_work *work, const char *list, struct molt_message *message)
{
    struct molt_doctor_folder *board = work->board;
    int error = MOLT_OK;
    char *copy = strdup(list ? list : "");
    if (!copy) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    char *save = NULL;
    for (char *item = strtok_r(copy, ";", &save); item && !error;
         item = strtok_r(NULL, ";", &save)) {
        const char *name = below_port(work, item);
        if (board->fragment_count == MOLT_DOCTOR_FRAGMENTS || strlen(name) >= MOLT_DOCTOR_PATH) {
            error = molt_fail(message, MOLT_E_RANGE, "%s: more than %d sdkconfig files",
                              work->folder, MOLT_DOCTOR_FRAGMENTS);
        } else {
            snprintf(board->fragment[board->fragment_count++], MOLT_DOCTOR_PATH, "%s", name);
        }
    }
    free(copy);
    return error;
}

static int read_cmake(struct board_work *work, const char *variant, struct molt_message *message)
{
    struct cmake cmake = {.source_folder = work->board->port};
    int error = run_cmake(work, &cmake, variant, message);
    if (!error) {
        const char *target = cmake_get(&cmake, "IDF_TARGET");
        snprintf(work->board->idf_target, sizeof work->board->idf_target, "%s",
                 target ? target : "");
        error = take_fragments(work, cmake_get(&cmake, "SDKCONFIG_DEFAULTS"), message);
    }
    if (!error && cmake.not_followed[0]) {
        doctor_found(work->doctor, DOCTOR_BOARD_CMAKE,
                     "%s is not followed here: what it does to SDKCONFIG_DEFAULTS is not seen",
                     below_port(work, cmake.not_followed));
    }
    cmake_free(&cmake);
    return error;
}

/* ---- sdkconfig ---- */

static bool begins_with_a_setting(const char *path)
{
    char bytes[7] = "";
    FILE *file = fopen(path, "rb");
    size_t n = file ? fread(bytes, 1, sizeof bytes, file) : 0;
    if (file) {
        fclose(file);
    }
    return n == sizeof bytes && memcmp(bytes, "CONFIG_", 7) == 0;
}

static int read_fragment(struct board_work *work, uint32_t i, struct molt_message *message)
{
    const struct molt_doctor_folder *board = work->board;
    char path[2 * MOLT_DOCTOR_PATH];
    board_path(work, board->fragment[i], path, sizeof path);
    for (uint32_t k = 0; k < i; k++) {
        if (strcmp(board->fragment[k], board->fragment[i]) == 0) {
            doctor_found(work->doctor, DOCTOR_BOARD_FRAGMENT_TWICE,
                         "%s is merged as number %u and again as number %u: what lies between "
                         "cannot change what it sets",
                         board->fragment[i], k + 1, i + 1);
        }
    }
    if (access(path, R_OK) != 0) {
        doctor_found(work->doctor, DOCTOR_BOARD_FILE_MISSING,
                     "%s, number %u in SDKCONFIG_DEFAULTS, does not exist below %s: CMake stops; "
                     "names are relative to ports/esp32, --port says where that is",
                     board->fragment[i], i + 1, board->port);
        return MOLT_OK;
    }
    if (work->config.glued && begins_with_a_setting(path)) {
        doctor_found(work->doctor, DOCTOR_BOARD_GLUED,
                     "%s does not end with a newline: the files are joined as they are, so its "
                     "last line and the first setting of %s become one line, and that setting is "
                     "lost; end it with a newline",
                     board->fragment[i - 1], board->fragment[i]);
    }
    return sdkconfig_read(&work->config, path, i, message);
}

void board_place(const struct board_work *work, const struct sdkconfig_setting *setting, char *text,
                 uint32_t size)
{
    snprintf(text, size, "%s:%u", work->board->fragment[setting->file], setting->line);
}

static void keep(struct molt_doctor_setting *to, const struct sdkconfig_setting *from)
{
    to->fragment = from->file;
    to->line = from->line;
    snprintf(to->value, sizeof to->value, "%s", from->value);
}

/* What the board itself sets and something else, later, sets to another value. */
static void judge_twice(struct board_work *work, const struct sdkconfig_setting *first,
                        const struct sdkconfig_setting *last)
{
    char one[MOLT_DOCTOR_PATH + 16], other[MOLT_DOCTOR_PATH + 16];
    bool lost = board_owns(work, first->file) &&
                (first->file == last->file || !board_owns(work, last->file));
    if (!lost || strcmp(first->value, last->value) == 0 ||
        strncmp(first->key, "CONFIG_PARTITION_TABLE_", 23) == 0) {
        return; /* a board that changes what came before is what the order is for */
    }
    board_place(work, first, one, sizeof one);
    board_place(work, last, other, sizeof other);
    doctor_found(work->doctor, DOCTOR_BOARD_KEY_TWICE,
                 "%.80s: %s says %.40s, %s is later and says %.40s, which counts", first->key, one,
                 first->value[0] ? first->value : "nothing", other,
                 last->value[0] ? last->value : "nothing");
}

static void look_for_twice(struct board_work *work)
{
    const struct sdkconfig *config = &work->config;
    struct molt_doctor_folder *board = work->board;
    for (uint32_t i = 0; i < config->count; i++) {
        const struct sdkconfig_setting *first = &config->setting[i], *last = first;
        uint32_t times = 1;
        bool seen = false;
        for (uint32_t k = 0; k < i && !seen; k++) {
            seen = strcmp(config->setting[k].key, first->key) == 0;
        }
        for (uint32_t k = i + 1; k < config->count && !seen; k++) {
            if (strcmp(config->setting[k].key, first->key) == 0) {
                last = &config->setting[k];
                times++;
                judge_twice(work, first, last);
            }
        }
        if (times > 1 && board->twice_count < MOLT_DOCTOR_TWICE) {
            struct molt_doctor_twice *twice = &board->twice[board->twice_count++];
            snprintf(twice->key, sizeof twice->key, "%s", first->key);
            twice->times = times;
            keep(&twice->first, first);
            keep(&twice->last, last);
        }
    }
}

static int examine(struct board_work *work, const char *variant, struct molt_message *message)
{
    list_variants(work->board, work->folder);
    int error = read_cmake(work, variant, message);
    for (uint32_t i = 0; i < work->board->fragment_count && !error; i++) {
        error = read_fragment(work, i, message);
    }
    if (!error && work->board->fragment_count == 0) {
        doctor_found(work->doctor, DOCTOR_BOARD_FILE_MISSING,
                     "%s sets no SDKCONFIG_DEFAULTS: nothing is merged, boards/sdkconfig.base is "
                     "needed at least",
                     below_port(work, work->folder));
    }
    if (!error) {
        look_for_twice(work);
        board_table(work);
    }
    return error;
}

int molt_doctor_board_folder(struct molt_doctor *doctor, struct molt_doctor_folder *board,
                             const char *folder, const char *variant, const char *port,
                             struct molt_message *message)
{
    char above[4200];
    memset(doctor, 0, sizeof *doctor);
    memset(board, 0, sizeof *board);
    struct board_work *work = calloc(1, sizeof *work);
    if (!work) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    work->doctor = doctor;
    work->board = board;
    int error = resolve(work->folder, folder, message);
    if (!error) {
        snprintf(above, sizeof above, "%.4096s/../..", work->folder);
        error = resolve(board->port, port ? port : above, message);
    }
    if (!error) {
        error = examine(work, variant && variant[0] ? variant : NULL, message);
    }
    sdkconfig_free(&work->config);
    free(work);
    doctor_sort(doctor);
    return error;
}
