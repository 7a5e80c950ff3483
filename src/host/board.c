/* A simulated board's folder: made, opened, booted, closed. */
#include "molt/host/board.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/board_internal.h"
#include "molt/crypto.h"
#include "molt/espimage.h"
#include "molt/host/file.h"
#include "molt/host/target.h"

#define SEED          0x6d6f6c74u /* of weak cells: a run can be repeated */
#define DEFAULT_FLASH 0x400000u

/* Facts that were given, made whole and checked. */
static int complete_facts(struct molt_board_facts *facts, struct molt_message *message)
{
    const struct molt_chip *chip = board_chip(facts->chip);
    if (!chip) {
        return molt_fail(message, MOLT_E_UNSUPPORTED,
                         "chip '%s': there is a boot model of esp32 and esp32c3 only", facts->chip);
    }
    facts->boot.chip_id = chip->chip_id;
    snprintf(facts->reset_cause, sizeof facts->reset_cause, "power-on");
    facts->running[0] = 0;
    facts->running_offset = 0;
    facts->boots = 0;
    facts->power_failed = false;
    return MOLT_OK;
}

static int check_size(const struct molt_board_facts *facts, struct molt_message *message)
{
    uint32_t size = facts->flash_size;
    if (size < 0x100000 || size > 0x1000000 || (size & (size - 1)) != 0) {
        return molt_fail(message, MOLT_E_ARGUMENT,
                         "flash size %u: expected 1M, 2M, 4M, 8M or 16M, as chips are made", size);
    }
    return MOLT_OK;
}

/* The bytes of a new chip: FF, and the dump at its place. The caller frees. */
static int fill_flash(struct molt_board_facts *facts, const struct molt_target *dump,
                      uint8_t **bytes, struct molt_message *message)
{
    uint32_t end = dump ? dump->flash.size : 0;
    if (facts->flash_size == 0) {
        facts->flash_size = dump && dump->header_flash_size ? dump->header_flash_size : 0;
        for (uint32_t size = DEFAULT_FLASH; facts->flash_size == 0 && size; size *= 2) {
            facts->flash_size = size >= end ? size : 0;
        }
    }
    int error = check_size(facts, message);
    if (error < 0) {
        return error;
    }
    if (dump && dump->kind != MOLT_TARGET_FIRMWARE && dump->kind != MOLT_TARGET_DUMP) {
        return molt_fail(message, MOLT_E_FORMAT,
                         "%s: expected a flash dump or a firmware file, found: %s", dump->name,
                         molt_target_kind_name(dump->kind));
    }
    if (dump && dump->chip && dump->chip->chip_id != facts->boot.chip_id) {
        bool known = board_chip(dump->chip->name) != NULL;
        return molt_fail(message, MOLT_E_IMAGE_CHIP, "%s: is for %s, the board is to have %s: %s%s",
                         dump->name, dump->chip->name, facts->chip,
                         known ? "give --chip " : "simulated boards are esp32 or esp32c3",
                         known ? dump->chip->name : "");
    }
    if (end > facts->flash_size) {
        return molt_fail(message, MOLT_E_RANGE,
                         "%s: ends at 0x%x, behind the end of the board's flash (0x%x): give a "
                         "larger --flash-size",
                         dump->name, end, facts->flash_size);
    }
    *bytes = malloc(facts->flash_size);
    if (!*bytes) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "no memory for a flash of %u bytes",
                         facts->flash_size);
    }
    memset(*bytes, 0xFF, facts->flash_size);
    if (dump) {
        memcpy(*bytes + dump->base, dump->bytes + dump->base, end - dump->base);
    }
    facts->boot.chip_flash_size = facts->flash_size;
    return MOLT_OK;
}

struct made {
    const char *path;
    const struct molt_board_facts *facts;
};

static int save_facts(const void *context, struct molt_message *message)
{
    const struct made *made = context;
    return board_facts_save(made->path, made->facts, message);
}

int molt_board_create(const char *path, const struct molt_board_facts *facts, const char *dump,
                      struct molt_message *message)
{
    struct molt_board_facts complete = *facts;
    struct molt_target target;
    uint8_t *bytes = NULL;
    int error = board_dir_name(path, sizeof((struct molt_board *)NULL)->path, message);
    if (error >= 0) {
        error = complete_facts(&complete, message);
    }
    if (error < 0) {
        return error;
    }
    if (dump && (error = molt_target_open(&target, dump, message)) < 0) {
        return error;
    }
    error = fill_flash(&complete, dump ? &target : NULL, &bytes, message);
    if (dump) {
        molt_target_close(&target, NULL);
    }
    if (error >= 0) {
        struct made made = {path, &complete};
        error = board_dir_make(path, bytes, complete.flash_size, save_facts, &made, message);
    }
    free(bytes);
    return error;
}

/* A torn operation left weak cells, or an erase healed some: that is kept at once, so that a killed
 * process neither loses weak cells nor leaves what it wrote afterwards weak. */
static void keep_weak(void *context, uint32_t offset, uint32_t n)
{
    struct molt_board *board = context;
    (void)offset;
    (void)n;
    bool torn = board->nor.operations != 0 && board->nor.operations == board->nor.cut_at;
    if (torn || board->nor.weak_count != board->weak_kept) {
        board_weak_save(board, NULL); /* closing does it again, and tells an error */
    }
}

static int map_flash(struct molt_board *board, struct molt_message *message)
{
    uint8_t *bytes = NULL;
    uint32_t size = board->facts.flash_size;
    int error = board_dir_map(board->path, size, &board->flash_fd, &bytes, message);
    if (error < 0) {
        return error;
    }
    molt_nor_init(&board->nor, bytes, size, SEED);
    board->nor.changed = keep_weak;
    board->nor.context = board;
    molt_nor_flash(&board->nor, &board->flash);
    return MOLT_OK;
}

static void release(struct molt_board *board)
{
    board_dir_release(board->nor.bytes, board->nor.size, board->flash_fd, board->lock_fd);
    molt_nor_free(&board->nor);
    memset(board, 0, sizeof *board);
    board->flash_fd = board->lock_fd = -1;
}

int molt_board_open(struct molt_board *board, const char *path, struct molt_message *message)
{
    memset(board, 0, sizeof *board);
    board->flash_fd = board->lock_fd = -1;
    int error = board_dir_name(path, sizeof board->path, message);
    if (error < 0) {
        return error;
    }
    memcpy(board->path, path, strlen(path) + 1);
    error = board_dir_lock(path, &board->lock_fd, message);
    if (error >= 0) {
        error = board_facts_load(path, &board->facts, message);
    }
    if (error >= 0) {
        error = map_flash(board, message);
    }
    if (error >= 0) {
        error = board_weak_load(board, message);
    }
    if (error >= 0) {
        error = board_store_check(board, message);
    }
    if (error < 0) {
        release(board);
        return error;
    }
    board_store_start(board);
    if (board->facts.power_failed) {
        molt_nor_power_up(&board->nor);
        board->facts.power_failed = false;
    }
    return MOLT_OK;
}

int molt_board_close(struct molt_board *board, struct molt_message *message)
{
    if (board->flash_fd < 0) {
        return MOLT_OK;
    }
    board->facts.power_failed = board->nor.off;
    int error = board_weak_save(board, message);
    if (error >= 0) {
        error = board_facts_save(board->path, &board->facts, message);
    }
    release(board);
    return error;
}

int molt_board_boot(struct molt_board *board, bool power_cycle, struct molt_boot_outcome *outcome,
                    struct molt_message *message)
{
    struct molt_board_facts *facts = &board->facts;
    power_cycle = power_cycle || board->nor.off;
    if (power_cycle) {
        /* A cut that was asked for may be meant for the bootloader's own writes. */
        uint64_t cut_at = board->nor.off ? 0 : board->nor.cut_at;
        enum molt_cut cut = board->nor.cut;
        molt_nor_power_up(&board->nor);
        board->nor.cut_at = cut_at;
        board->nor.cut = cut_at ? cut : MOLT_CUT_NONE;
    }
    int error = molt_bootmodel_boot(&board->flash, &facts->boot, &molt_sha256, outcome);
    if (error < 0) {
        return molt_fail(message, error,
                         "%s: the boot did not end: %s; boot again with 'molt sim boot'",
                         board->path, molt_strerror(error));
    }
    bool runs = outcome->result == MOLT_BOOT_RUNS;
    snprintf(facts->running, sizeof facts->running, "%s", runs ? outcome->label : "");
    facts->running_offset = runs ? outcome->offset : 0;
    snprintf(facts->reset_cause, sizeof facts->reset_cause, "%s",
             power_cycle ? "power-on" : "reset");
    facts->boots++;
    return board_facts_save(board->path, facts, message);
}
