/* A simulated board's folder: made, opened, booted, closed. */
#define _GNU_SOURCE /* flock, O_CLOEXEC */
#include "molt/host/board.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/board_internal.h"
#include "host/hold.h"
#include "molt/crypto.h"
#include "molt/espimage.h"
#include "molt/host/file.h"
#include "molt/host/target.h"

#define SEED          0x6d6f6c74u /* of weak cells: a run can be repeated */
#define DEFAULT_FLASH 0x400000u

void board_file(char path[BOARD_PATH], const char *folder, const char *file)
{
    snprintf(path, BOARD_PATH, "%s/%s", folder, file);
}

static int fail_path(struct molt_message *message, const char *path, const char *what)
{
    int number = errno;
    return molt_fail(message, molt_errno(number), "%s: %s: %s", path, what, strerror(number));
}

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

static int make_folder(const char *path, const struct molt_board_facts *facts, const uint8_t *bytes,
                       struct molt_message *message)
{
    char file[BOARD_PATH];
    sigset_t before;
    hold_begin(&before); /* half a folder would be no board */
    if (mkdir(path, 0777) != 0) {
        int number = errno;
        hold_end(&before);
        errno = number;
        return errno == EEXIST
                   ? molt_fail(message, MOLT_E_EXISTS,
                               "%s: is there already: remove it, or give the board another name",
                               path)
                   : fail_path(message, path, "cannot make the board's folder");
    }
    board_file(file, path, "flash.bin");
    int error = molt_file_write(file, bytes, facts->flash_size, 0666, MOLT_FILE_REPLACE, message);
    if (error >= 0) {
        error = board_facts_save(path, facts, message);
    }
    if (error < 0) {
        unlink(file);
        rmdir(path);
    }
    hold_end(&before);
    return error;
}

int molt_board_create(const char *path, const struct molt_board_facts *facts, const char *dump,
                      struct molt_message *message)
{
    struct molt_board_facts complete = *facts;
    struct molt_target target;
    uint8_t *bytes = NULL;
    if (strlen(path) >= sizeof((struct molt_board *)NULL)->path || !path[0]) {
        return molt_fail(message, MOLT_E_ARGUMENT, "the board's folder has %s",
                         path[0] ? "too long a name" : "no name");
    }
    int error = complete_facts(&complete, message);
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
        error = make_folder(path, &complete, bytes, message);
    }
    free(bytes);
    return error;
}

static int lock(struct molt_board *board, struct molt_message *message)
{
    char file[BOARD_PATH];
    struct stat info;
    if (stat(board->path, &info) != 0) {
        return fail_path(message, board->path, "cannot open the simulated board");
    }
    if (!S_ISDIR(info.st_mode)) {
        return molt_fail(
            message, MOLT_E_FORMAT,
            "%s: is not a folder: a simulated board is a folder made by 'molt sim new'",
            board->path);
    }
    board_file(file, board->path, "board.json");
    if (access(file, F_OK) == 0) { /* no lock file is left in a folder that is no board */
        board_file(file, board->path, "lock");
        board->lock_fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (board->lock_fd < 0) {
            return fail_path(message, file, "cannot lock the board");
        }
        if (flock(board->lock_fd, LOCK_EX | LOCK_NB) != 0) {
            return molt_fail(message, errno == EWOULDBLOCK ? MOLT_E_BUSY : molt_errno(errno),
                             "%s: the board is in use by another process", board->path);
        }
    }
    return board_facts_load(board->path, &board->facts, message);
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
    char file[BOARD_PATH];
    struct stat info;
    uint32_t size = board->facts.flash_size;
    board_file(file, board->path, "flash.bin");
    board->flash_fd = open(file, O_RDWR | O_CLOEXEC);
    if (board->flash_fd < 0 || fstat(board->flash_fd, &info) != 0) {
        return fail_path(message, file, "cannot open the flash");
    }
    if (info.st_size != (off_t)size || !S_ISREG(info.st_mode)) {
        return molt_fail(message, MOLT_E_FORMAT,
                         "%s: expected a file of %u bytes as board.json says, found %s%lld: put "
                         "the right file there, or make the board anew with 'molt sim new'",
                         file, size, S_ISREG(info.st_mode) ? "" : "no file but ",
                         (long long)info.st_size);
    }
    int number = posix_fallocate(board->flash_fd, 0, (off_t)size); /* a hole on a full disk would
                                                                      be a SIGBUS later */
    if (number != 0) {
        errno = number;
        return fail_path(message, file, "cannot open the flash");
    }
    void *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, board->flash_fd, 0);
    if (bytes == MAP_FAILED) {
        return fail_path(message, file, "cannot map the flash");
    }
    molt_nor_init(&board->nor, bytes, size, SEED);
    board->nor.changed = keep_weak;
    board->nor.context = board;
    molt_nor_flash(&board->nor, &board->flash);
    return MOLT_OK;
}

static void release(struct molt_board *board)
{
    if (board->nor.bytes) {
        munmap(board->nor.bytes, board->nor.size);
    }
    molt_nor_free(&board->nor);
    if (board->flash_fd >= 0) {
        close(board->flash_fd);
    }
    if (board->lock_fd >= 0) {
        close(board->lock_fd);
    }
    memset(board, 0, sizeof *board);
    board->flash_fd = board->lock_fd = -1;
}

int molt_board_open(struct molt_board *board, const char *path, struct molt_message *message)
{
    memset(board, 0, sizeof *board);
    board->flash_fd = board->lock_fd = -1;
    if (strlen(path) >= sizeof board->path || !path[0]) {
        return molt_fail(message, MOLT_E_ARGUMENT, "the board's folder has %s",
                         path[0] ? "too long a name" : "no name");
    }
    memcpy(board->path, path, strlen(path) + 1);
    int error = lock(board, message);
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
