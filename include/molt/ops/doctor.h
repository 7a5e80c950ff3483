/*
 * What keeps a firmware from booting, from being updated over the air, or from keeping its files;
 * each with the command that mends it. On every target, and on the folder of a MicroPython board.
 * Reads only. docs/doctor.md says of each check why it is made.
 */
#ifndef MOLT_OPS_DOCTOR_H
#define MOLT_OPS_DOCTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "molt/host/message.h"
#include "molt/host/target.h"
#include "molt/ops/info.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One check: a row of a table, in the order in which findings are reported. */
struct molt_doctor_check {
    const char *id; /* stable: "app-too-large" */
    enum molt_severity severity;
    const char *text; /* one line: what is found */
    bool of_folder;   /* made on board folders, not on targets */
};

/* NULL behind the last. */
const struct molt_doctor_check *molt_doctor_check(uint32_t index);

struct molt_doctor_finding {
    const struct molt_doctor_check *check;
    struct molt_finding finding; /* severity is the check's */
};

#define MOLT_DOCTOR_FINDINGS 64

struct molt_doctor {
    uint32_t finding_count;
    struct molt_doctor_finding finding[MOLT_DOCTOR_FINDINGS];
    uint32_t left_out; /* findings that found no room */
    bool wrong;        /* one is MOLT_WRONG */
};

/* Fails only where the target cannot be read at all (MOLT_E_IO, MOLT_E_NO_MEMORY). */
int molt_doctor_target(struct molt_doctor *doctor, const struct molt_target *target,
                       struct molt_message *message);

/* ---- The folder of a MicroPython board ---- */

#define MOLT_DOCTOR_FRAGMENTS 32
#define MOLT_DOCTOR_TWICE     64
#define MOLT_DOCTOR_PATH      512

struct molt_doctor_setting {
    uint32_t fragment, line; /* number of the fragment, from 0; line from 1 */
    char value[96];          /* cut when it is longer */
};

/* A key that is set more than once. */
struct molt_doctor_twice {
    char key[80];
    uint32_t times;
    struct molt_doctor_setting first, last; /* the last one counts */
};

/* What building the board would take, as far as it can be told from its files. */
struct molt_doctor_folder {
    char port[MOLT_DOCTOR_PATH]; /* ports/esp32, to which names in the files are relative */
    char variants[256];          /* names of those that there are: "OTA, SPIRAM" */
    char idf_target[32];         /* "esp32s3"; "" = not set */
    uint32_t fragment_count;     /* sdkconfig files, in the order in which they are merged */
    char fragment[MOLT_DOCTOR_FRAGMENTS][MOLT_DOCTOR_PATH]; /* relative to port where below it */
    uint32_t twice_count;
    struct molt_doctor_twice twice[MOLT_DOCTOR_TWICE];
    char csv[MOLT_DOCTOR_PATH]; /* the table that wins, as it is named; "" = one of ESP-IDF's own */
    char
        csv_set_by[MOLT_DOCTOR_PATH + 16]; /* "boards/sdkconfig.base:107"; "" = ESP-IDF's default */
    uint32_t flash_size;                   /* bytes; 2 MB where it is not said, as ESP-IDF does */
};

/* True for a folder with an mpconfigboard.cmake. */
bool molt_doctor_is_board(const char *folder);

/*
 * variant: NULL for none. port: NULL for the folder two above. MOLT_E_NOT_FOUND (no such variant, a
 * file that is included), MOLT_E_FORMAT (CMake that cannot be read), MOLT_E_RANGE (more than the
 * arrays hold), MOLT_E_NO_MEMORY, MOLT_E_IO.
 */
int molt_doctor_board_folder(struct molt_doctor *doctor, struct molt_doctor_folder *board,
                             const char *folder, const char *variant, const char *port,
                             struct molt_message *message);

#ifdef __cplusplus
}
#endif
#endif
