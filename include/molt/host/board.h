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
};

struct molt_board {
    char path[4096];
    struct molt_board_facts facts;
    struct molt_nor nor;
    struct molt_flash flash; /* over nor, written through to flash.bin */
    struct molt_store store; /* counts its writes as operations of nor, so that cuts hit it too */
    int lock_fd, flash_fd;
};

/* Makes the folder. MOLT_E_EXISTS. dump: a flash dump or NULL for an erased chip; shorter dumps are
 * padded FF. */
int molt_board_create(const char *path, const struct molt_board_facts *facts, const char *dump,
                      struct molt_message *message);

/* Opens and locks it (MOLT_E_BUSY when another process holds it), power on. Close writes board.json
 * and weak.bin. */
int molt_board_open(struct molt_board *board, const char *path, struct molt_message *message);
int molt_board_close(struct molt_board *board, struct molt_message *message);

/* Power cycle or reset and one run of the boot model; updates facts.running. */
int molt_board_boot(struct molt_board *board, bool power_cycle, struct molt_boot_outcome *outcome,
                    struct molt_message *message);

#ifdef __cplusplus
}
#endif
#endif
