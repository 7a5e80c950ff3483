/*
 * A simulated board in a folder: flash.bin (the whole chip), board.json (facts, what runs),
 * store.bin (the atomic store), weak.bin (cells that read differently at each power-up), lock.
 * Target syntax: sim:FOLDER.
 */
#ifndef MOLT_HOST_BOARD_H
#define MOLT_HOST_BOARD_H

#include <stdbool.h>
#include <stdint.h>

#include "molt/flash.h"
#include "molt/host/message.h"
#include "molt/sim/bootmodel.h"
#include "molt/sim/nor.h"
#include "molt/store.h"

#ifdef __cplusplus
extern "C" {
#endif

struct molt_board_facts {
    struct molt_bootmodel_facts boot;
    char chip[16];       /* "esp32" */
    char name[33];       /* board name for manifests: "ESP32_GENERIC" */
    uint32_t flash_size; /* bytes of the chip */
    uint32_t
        min_bootloader; /* the bootloader's own ESP-IDF version, as in the manifest; 0 = unknown */
    /* Written by the last boot. */
    char running[17]; /* label of what runs; "" = not booted, or nothing boots */
    uint32_t running_offset;
    char reset_cause[16]; /* "power-on", "reset", "watchdog" */
    uint64_t boots;
    bool power_failed; /* the last process ended in a simulated power cut: opening is a power-up */
};

struct molt_board {
    char path[4096];
    struct molt_board_facts facts;
    struct molt_nor nor;
    struct molt_flash flash; /* over nor, written through to flash.bin */
    struct molt_store store; /* counts its writes as operations of nor, so that cuts hit it too */
    uint32_t weak_kept;      /* weak bytes that weak.bin has */
    int lock_fd, flash_fd;
};

/* "3.0", "0.3": major * 100 + minor; -1 = not a revision. */
int molt_board_parse_revision(const char *text);

/* Only printable ASCII: what a board may be named. */
bool molt_board_text_ok(const char *text);

/*
 * Makes the folder: MOLT_E_EXISTS when there is something of that name, MOLT_E_PERMISSION,
 * MOLT_E_NO_SPACE; nothing stays after a failure. Only facts->chip, name, flash_size,
 * min_bootloader and boot.revision, rollback, legacy_revision, table_offset are read; flash_size 0
 * = as the dump's header says, 4 MB without a dump. dump: a flash dump, a firmware file, or NULL
 * for an erased chip; the rest is FF. MOLT_E_UNSUPPORTED: a chip without a boot model;
 * MOLT_E_IMAGE_CHIP: the dump is another chip's; MOLT_E_RANGE: it is larger than the flash;
 * MOLT_E_FORMAT: it is something else.
 */
int molt_board_create(const char *path, const struct molt_board_facts *facts, const char *dump,
                      struct molt_message *message);

/*
 * Opens and locks it (MOLT_E_BUSY when another process holds it), power on. MOLT_E_NOT_FOUND: no
 * such folder, or no board.json in it; MOLT_E_FORMAT: board.json or weak.bin malformed, flash.bin
 * of another size; MOLT_E_PERMISSION; MOLT_E_NO_SPACE: flash.bin has holes that do not fit on the
 * disk. On failure nothing is left open. flash.bin is mapped: what is
 * written survives the death of the process. board must stay where it is until it is closed.
 * Close writes board.json and weak.bin.
 */
int molt_board_open(struct molt_board *board, const char *path, struct molt_message *message);
int molt_board_close(struct molt_board *board, struct molt_message *message);

/* Power cycle or reset and one run of the boot model; updates facts.running and board.json.
 * MOLT_E_POWER: power was cut in the bootloader's own write. */
int molt_board_boot(struct molt_board *board, bool power_cycle, struct molt_boot_outcome *outcome,
                    struct molt_message *message);

#ifdef __cplusplus
}
#endif
#endif
