/*
 * What a command works on, opened by its name: a firmware file (starts at the bootloader's offset),
 * a flash dump (starts at 0), an app image, a bare bootloader, partition table or file system, or
 * sim:FOLDER (a simulated board). All are one flash with the bytes at their flash offsets; which
 * kind it is comes from the bytes, never from the file's name. A UF2 file is what it writes.
 */
#ifndef MOLT_HOST_TARGET_H
#define MOLT_HOST_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "molt/espimage.h"
#include "molt/flash.h"
#include "molt/host/board.h"
#include "molt/host/message.h"
#include "molt/ptable.h"

#ifdef __cplusplus
extern "C" {
#endif

enum molt_target_kind {
    MOLT_TARGET_FIRMWARE = 0, /* merged image, as downloaded */
    MOLT_TARGET_DUMP,         /* whole flash */
    MOLT_TARGET_APP,          /* application image only; its first byte is at flash offset 0 */
    MOLT_TARGET_TABLE,        /* partition table only, shown at MOLT_PTABLE_OFFSET */
    MOLT_TARGET_BOARD,        /* simulated board */
    MOLT_TARGET_FILES,        /* file system image only: littlefs or FAT, from flash offset 0 on */
    MOLT_TARGET_BOOTLOADER    /* bootloader only, at its flash offset */
};

/* What the bytes of a file were taken out of. */
enum molt_container { MOLT_CONTAINER_NONE = 0, MOLT_CONTAINER_UF2 };

struct molt_target {
    enum molt_target_kind kind;
    enum molt_container container;
    uint32_t uf2_family;          /* of a UF2 file; 0 = it names none */
    char name[4096];              /* as the user wrote it */
    const struct molt_chip *chip; /* NULL when nothing tells it (a bare table, an erased board) */
    uint32_t base;                /* flash offset of a file's first byte; 0 for boards */
    uint32_t file_size;           /* bytes of the file, or that a UF2 file writes; 0 for boards */
    uint32_t header_flash_size;   /* bytes, from the bootloader's header; 0 = no header */
    uint32_t flash_size;          /* bytes: the chip's for boards, else the header's; 0 = unknown */
    /*
     * Bytes at their flash offsets; flash.size is where they end: base + file_size for a file.
     * Reads below base give FF. Programs and erases of a file change the copy in memory only, see
     * molt_target_save.
     */
    struct molt_flash flash;
    struct molt_region region;
    /* What is at MOLT_PTABLE_OFFSET: MOLT_OK, or why it cannot be read; diag has the place. */
    int table_error;
    struct molt_diag table_diag;
    struct molt_ptable table;

    uint8_t *bytes; /* of files: flash.size bytes; owned by the target */
    uint8_t *place; /* the mapping that holds them */
    size_t place_size;
    struct molt_board *board; /* of boards; owned by the target */
};

/*
 * Opens, reads, tells the kind. A board is locked until it is closed. On failure nothing is left
 * open and the message says what was found and what was expected: MOLT_E_NOT_FOUND,
 * MOLT_E_PERMISSION, MOLT_E_IO, MOLT_E_FORMAT (a directory, a JPEG, ...), MOLT_E_TRUNCATED (empty,
 * or a firmware that ends before its table, a UF2 without all its blocks), MOLT_E_IMAGE_CHIP (a
 * chip without a row), MOLT_E_BUSY and what else a board says. A broken table or app is no failure
 * here.
 */
int molt_target_open(struct molt_target *target, const char *name, struct molt_message *message);

/*
 * Makes a file's copy in memory end at `end` (flash offset) at least, filled with FF; the file gets
 * that length when it is saved. Not while the flash is in use (a mounted file system). MOLT_E_RANGE
 * (more than the largest flash), MOLT_E_NO_MEMORY.
 */
int molt_target_grow(struct molt_target *target, uint64_t end, struct molt_message *message);

/* Writes a changed file back (temporary file, then rename); a board's bytes are there already.
 * MOLT_E_UNSUPPORTED: into a UF2 file. */
int molt_target_save(struct molt_target *target, struct molt_message *message);

/* Frees; for a board also writes its facts. Harmless after a failed open. */
int molt_target_close(struct molt_target *target, struct molt_message *message);

/* "firmware file", "flash dump", "app image", "partition table", "simulated board", "file system
 * image", "bootloader". */
const char *molt_target_kind_name(enum molt_target_kind kind);
/* The same with its article: "an app image". */
const char *molt_target_kind_words(enum molt_target_kind kind);

/* Bytes of a flash size nibble (0 = 1 MB ... 7 = 128 MB); 0 for others. And back: -1 for others. */
uint32_t molt_flash_size_of_nibble(uint8_t nibble);
int molt_flash_size_nibble(uint32_t bytes);

#ifdef __cplusplus
}
#endif
#endif
