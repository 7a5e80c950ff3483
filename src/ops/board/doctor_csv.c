/* The partition table that a board's sdkconfig chooses. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "molt/ops/tablefile.h"
#include "ops/board/doctor_board.h"

#define TYPE     "CONFIG_PARTITION_TABLE_"
#define CUSTOM   TYPE "CUSTOM"
#define FILENAME TYPE "CUSTOM_FILENAME"
#define PLACE    (MOLT_DOCTOR_PATH + 16)
#define MB       (1u << 20)

/* ESP-IDF, partition_table/Kconfig.projbuild; the first is the default. */
static const char *const types[] = {"SINGLE_APP",
                                    "SINGLE_APP_LARGE",
                                    "TWO_OTA",
                                    "TWO_OTA_LARGE",
                                    "CUSTOM",
                                    "SINGLE_APP_ENCRYPTED_NVS",
                                    "SINGLE_APP_LARGE_ENC_NVS",
                                    "TWO_OTA_ENCRYPTED_NVS",
                                    "SINGLE_APP_TEE",
                                    "TWO_OTA_TEE",
                                    NULL};
static const char *const sizes[] = {"1MB",  "2MB",  "4MB",   "8MB", "16MB",
                                    "32MB", "64MB", "128MB", NULL};

/* ---- Which one wins ---- */

/* The last setting of the key by one of the board's own files. */
static const struct sdkconfig_setting *wish(const struct board_work *work, const char *key)
{
    const struct sdkconfig_setting *found = NULL;
    for (uint32_t i = 0; i < work->config.count; i++) {
        const struct sdkconfig_setting *setting = &work->config.setting[i];
        if (strcmp(setting->key, key) == 0 && board_owns(work, setting->file)) {
            found = setting;
        }
    }
    return found;
}

/* The choice fell on one of ESP-IDF's own tables, although a file is named. */
static void custom_not_chosen(struct board_work *work, const struct sdkconfig_setting *type)
{
    char named[PLACE], place[PLACE], how[2 * PLACE + 200];
    const struct sdkconfig_setting *file = wish(work, FILENAME);
    const struct sdkconfig_setting *custom = sdkconfig_get(&work->config, CUSTOM);
    file = file || type ? file : sdkconfig_get(&work->config, FILENAME);
    if (!file) {
        return; /* a board may choose one of ESP-IDF's, whatever sdkconfig.base names */
    }
    board_place(work, file, named, sizeof named);
    if (type && custom) {
        char first[PLACE];
        board_place(work, custom, first, sizeof first);
        board_place(work, type, place, sizeof place);
        snprintf(how, sizeof how,
                 "%.150s sets " CUSTOM "=%.8s and %.150s, which is merged later, %.60s=y: the last "
                 "y of a choice counts",
                 first, custom->value, place, type->key);
    } else if (type) {
        board_place(work, type, place, sizeof place);
        snprintf(how, sizeof how, "%.150s chooses %.60s=y, and nothing sets " CUSTOM "=y", place,
                 type->key);
    } else {
        snprintf(how, sizeof how, "nothing sets " CUSTOM "=y, so ESP-IDF takes its default, %s%s",
                 TYPE, types[0]);
    }
    doctor_found(work->doctor, DOCTOR_BOARD_CUSTOM_LOST,
                 "%.150s names the table %.80s, but it is not used: %.300s", named, file->value,
                 how);
}

/* CUSTOM wins, but a later file names another table than the board does. */
static void other_file_wins(struct board_work *work, const struct sdkconfig_setting *file)
{
    char wished[PLACE], won[PLACE];
    const struct sdkconfig_setting *own = wish(work, FILENAME);
    if (!own || own == file || strcmp(own->value, file->value) == 0) {
        return;
    }
    board_place(work, own, wished, sizeof wished);
    board_place(work, file, won, sizeof won);
    doctor_found(work->doctor, DOCTOR_BOARD_CUSTOM_LOST,
                 "%.90s asks for %.60s, but %.90s is merged after it and sets " CUSTOM " and its "
                 "_FILENAME again: %.60s is built, without a word; list %.80s behind %.80s in "
                 "SDKCONFIG_DEFAULTS",
                 wished, own->value, won, file->value, work->board->fragment[own->file],
                 work->board->fragment[file->file]);
}

static void flash_size(struct board_work *work)
{
    const char *const prefix = "CONFIG_ESPTOOLPY_FLASHSIZE_";
    const struct sdkconfig_setting *size = sdkconfig_choice(&work->config, prefix, sizes);
    work->board->flash_size = 2 * MB; /* ESP-IDF's default */
    if (size) {
        work->board->flash_size = (uint32_t)strtoul(size->key + strlen(prefix), NULL, 10) * MB;
    }
    for (uint32_t i = 0; size && i < work->config.count; i++) {
        const struct sdkconfig_setting *other = &work->config.setting[i];
        if (other == size) {
            return; /* what comes before may be changed by the board */
        }
        if (strncmp(other->key, prefix, strlen(prefix)) == 0 && other->value[0] == 'y' &&
            strcmp(other->key, size->key) != 0 && board_owns(work, other->file) &&
            !board_owns(work, size->file)) {
            char one[PLACE], two[PLACE];
            board_place(work, other, one, sizeof one);
            board_place(work, size, two, sizeof two);
            doctor_found(work->doctor, DOCTOR_BOARD_KEY_TWICE,
                         "%s chooses %s=y, but %s is merged later and chooses %s=y, which counts",
                         one, other->key, two, size->key);
        }
    }
}

/* ---- What it says ---- */

/* By the rows' ends: a table that does not fit is told with its figures. */
static bool past_flash(struct board_work *work, const struct molt_ptable *table)
{
    bool past = false;
    for (uint32_t i = 0; i < table->count; i++) {
        const struct molt_partition *row = &table->row[i];
        uint64_t end = (uint64_t)row->offset + row->size;
        char label[17];
        if (end <= work->board->flash_size) {
            continue;
        }
        uint32_t needed = work->board->flash_size;
        while (needed < end && needed < 128 * MB) {
            needed *= 2;
        }
        doctor_found(work->doctor, DOCTOR_BOARD_CSV_FLASH,
                     "%.150s: partition '%s' is at 0x%x with 0x%x bytes and ends at 0x%llx, the "
                     "flash at 0x%x (%u MB, CONFIG_ESPTOOLPY_FLASHSIZE): make it 0x%x bytes, or "
                     "set CONFIG_ESPTOOLPY_FLASHSIZE_%uMB=y when the chip has as much",
                     work->board->csv, doctor_label(row, label), row->offset, row->size,
                     (unsigned long long)end, work->board->flash_size, work->board->flash_size / MB,
                     row->offset < work->board->flash_size ? work->board->flash_size - row->offset
                                                           : 0,
                     needed / MB);
        past = true;
    }
    return past;
}

static bool is_files(const struct molt_partition *row)
{
    return row->type == MOLT_PARTITION_DATA &&
           (row->subtype == MOLT_DATA_FAT || row->subtype == MOLT_DATA_SPIFFS ||
            row->subtype == MOLT_DATA_LITTLEFS);
}

/* Without a row for files the rest is MicroPython's own, from 1.26 on. */
static void unused(struct board_work *work, const struct molt_ptable *table)
{
    uint32_t end = 0;
    bool files = false;
    for (uint32_t i = 0; i < table->count; i++) {
        const struct molt_partition *row = &table->row[i];
        end = row->offset + row->size > end ? row->offset + row->size : end;
        files = files || is_files(row);
    }
    if (files && work->board->flash_size - end >= 16 * 4096) {
        doctor_found(work->doctor, DOCTOR_BOARD_CSV_ODD,
                     "%.150s ends at 0x%x, the flash at 0x%x (%u MB): %u KB are not used",
                     work->board->csv, end, work->board->flash_size, work->board->flash_size / MB,
                     (work->board->flash_size - end) >> 10);
    }
}

static void judge_csv(struct board_work *work, const char *path)
{
    struct molt_ptable *table = calloc(1, sizeof *table);
    struct molt_message message = {0};
    struct molt_csv_options options = {0};
    const struct sdkconfig_setting *offset =
        sdkconfig_get(&work->config, "CONFIG_PARTITION_TABLE_OFFSET");
    if (offset) {
        options.table_offset = (uint32_t)strtoul(offset->value, NULL, 0);
    }
    if (table && molt_table_read_csv(table, path, &options, &message) != MOLT_OK) {
        doctor_found(work->doctor, DOCTOR_BOARD_CSV_RULE, "%.390s", message.text);
    } else if (table && !past_flash(work, table)) {
        unused(work, table);
    }
    free(table);
}

static void missing(struct board_work *work)
{
    char beside[2 * MOLT_DOCTOR_PATH + 16];
    const char *csv = work->board->csv, *slash = strrchr(csv, '/');
    const char *name = slash ? slash + 1 : csv;
    const char *hint = "";
    snprintf(beside, sizeof beside, "%s/%s", work->folder, name);
    char there[200] = "";
    if (access(beside, F_OK) == 0) {
        const char *own = strrchr(work->folder, '/');
        snprintf(there, sizeof there, "; there is a boards/%.60s/%.60s: name it so",
                 own ? own + 1 : "", name);
        hint = there;
    }
    doctor_found(
        work->doctor, DOCTOR_BOARD_CSV_MISSING,
        "%.150s names the table %.100s, which does not exist in %.100s%s: the build stops; "
        "it is looked for below ports/esp32",
        work->board->csv_set_by, csv, work->board->port, hint);
}

void board_table(struct board_work *work)
{
    struct molt_doctor_folder *board = work->board;
    const struct sdkconfig_setting *type = sdkconfig_choice(&work->config, TYPE, types);
    const struct sdkconfig_setting *file = sdkconfig_get(&work->config, FILENAME);
    flash_size(work);
    if (type) {
        board_place(work, type, board->csv_set_by, sizeof board->csv_set_by);
    }
    if (!type || strcmp(type->key, CUSTOM) != 0) {
        custom_not_chosen(work, type);
        return;
    }
    /* ESP-IDF's default name */
    snprintf(board->csv, sizeof board->csv, "%s", file ? file->value : "partitions.csv");
    if (file) {
        board_place(work, file, board->csv_set_by, sizeof board->csv_set_by);
        other_file_wins(work, file);
    }
    char path[2 * MOLT_DOCTOR_PATH];
    board_path(work, board->csv, path, sizeof path);
    if (access(path, R_OK) == 0) {
        judge_csv(work, path);
    } else {
        missing(work);
    }
}
