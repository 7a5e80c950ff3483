/* A simulated DFU device's folder: made, opened, booted, closed. */
#define _GNU_SOURCE /* flock, O_CLOEXEC */
#include "molt/host/simdfu.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/hold.h"
#include "host/simdfu_internal.h"
#include "molt/host/file.h"

static int fail_path(struct molt_message *message, const char *path, const char *what)
{
    int number = errno;
    return molt_fail(message, molt_errno(number), "%s: %s: %s", path, what, strerror(number));
}

/* FF, and the bytes of the file at the start. */
static int fill_flash(struct molt_simdfu *board, const char *file, struct molt_message *message)
{
    uint8_t *bytes = NULL;
    size_t n = 0;
    memset(board->flash, 0xFF, board->flash_size);
    int error = file ? molt_file_read(file, board->flash_size, &bytes, &n, message) : MOLT_OK;
    if (error == MOLT_E_RANGE) {
        return molt_fail(message, error,
                         "%s: is larger than the flash of a %s, which has %u bytes: give the bytes "
                         "of its flash, from the first one on",
                         file, board->home, board->flash_size);
    }
    if (error < 0) {
        return error;
    }
    if (n > 0) {
        memcpy(board->flash, bytes, n);
    }
    free(bytes);
    return MOLT_OK;
}

static int make_folder(struct molt_simdfu *board, struct molt_message *message)
{
    char file[BOARD_PATH];
    sigset_t before;
    hold_begin(&before); /* half a folder would be no board */
    if (mkdir(board->path, 0777) != 0) {
        int number = errno;
        hold_end(&before);
        errno = number;
        return errno == EEXIST
                   ? molt_fail(message, MOLT_E_EXISTS,
                               "%s: is there already: remove it, or give the board another name",
                               board->path)
                   : fail_path(message, board->path, "cannot make the board's folder");
    }
    board_file(file, board->path, "flash.bin");
    int error =
        molt_file_write(file, board->flash, board->flash_size, 0666, MOLT_FILE_REPLACE, message);
    if (error >= 0) {
        error = simdfu_save(board, message);
    }
    if (error < 0) {
        unlink(file);
        rmdir(board->path);
    }
    hold_end(&before);
    return error;
}

static struct molt_simdfu *make(const char *folder, struct molt_message *message, int *error)
{
    struct molt_simdfu *board = calloc(1, sizeof *board);
    *error = MOLT_OK;
    if (!board) {
        *error = molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    } else if (strlen(folder) >= sizeof board->path || !folder[0]) {
        *error = molt_fail(message, MOLT_E_ARGUMENT, "the board's folder has %s",
                           folder[0] ? "too long a name" : "no name");
    } else {
        board->lock_fd = board->flash_fd = -1;
        memcpy(board->path, folder, strlen(folder) + 1);
        return board;
    }
    free(board);
    return NULL;
}

int molt_simdfu_create(const char *folder, const char *profile, const char *name,
                       const char *serial, const char *flash, struct molt_message *message)
{
    const struct molt_sim_dfu_profile *known = molt_sim_dfu_profile_named(profile);
    int error;
    if (!known) {
        return molt_fail(message, MOLT_E_UNSUPPORTED,
                         "chip '%s': there is no model of it; 'molt sim new --help' names those "
                         "that there are",
                         profile);
    }
    struct molt_simdfu *board = make(folder, message, &error);
    if (!board) {
        return error;
    }
    board->flash_size = molt_sim_dfu_flash_size(known);
    board->flash = malloc(board->flash_size);
    molt_sim_dfu_init(&board->sim, known, board->flash);
    snprintf(board->home, sizeof board->home, "%s", profile);
    snprintf(board->name, sizeof board->name, "%s", name ? name : "");
    snprintf(board->sim.serial, sizeof board->sim.serial, "%s", serial ? serial : "");
    error = board->flash ? fill_flash(board, flash, message)
                         : molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    if (error >= 0) {
        error = make_folder(board, message);
    }
    free(board->flash);
    free(board);
    return error;
}

static int lock(struct molt_simdfu *board, struct molt_message *message)
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
    if (access(file, F_OK) != 0) {
        return MOLT_OK; /* no board, as loading it tells */
    }
    board_file(file, board->path, "lock");
    board->lock_fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (board->lock_fd < 0) {
        return fail_path(message, file, "cannot lock the board");
    }
    if (flock(board->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        return molt_fail(message, errno == EWOULDBLOCK ? MOLT_E_BUSY : molt_errno(errno),
                         "%s: the board is in use by another process", board->path);
    }
    return MOLT_OK;
}

static int map_flash(struct molt_simdfu *board, struct molt_message *message)
{
    char file[BOARD_PATH];
    struct stat info;
    uint32_t size = molt_sim_dfu_flash_size(board->sim.profile);
    board_file(file, board->path, "flash.bin");
    board->flash_fd = open(file, O_RDWR | O_CLOEXEC);
    if (board->flash_fd < 0 || fstat(board->flash_fd, &info) != 0) {
        return fail_path(message, file, "cannot open the flash");
    }
    if (info.st_size != (off_t)size || !S_ISREG(info.st_mode)) {
        return molt_fail(message, MOLT_E_FORMAT,
                         "%s: expected a file of %u bytes, the flash of a %s, found %s%lld: put "
                         "the right file there, or make the board anew with 'molt sim new'",
                         file, size, board->home, S_ISREG(info.st_mode) ? "" : "no file but ",
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
    board->flash = bytes;
    board->flash_size = size;
    board->sim.flash = bytes;
    return MOLT_OK;
}

static void release(struct molt_simdfu *board)
{
    if (board->flash) {
        munmap(board->flash, board->flash_size);
    }
    if (board->flash_fd >= 0) {
        close(board->flash_fd);
    }
    if (board->lock_fd >= 0) {
        close(board->lock_fd);
    }
    free(board);
}

int molt_simdfu_open(struct molt_simdfu **board, const char *folder, struct molt_message *message)
{
    int error;
    struct molt_simdfu *made = make(folder, message, &error);
    *board = NULL;
    if (!made) {
        return error;
    }
    error = lock(made, message);
    if (error >= 0) {
        error = simdfu_load(made, message);
    }
    if (error >= 0) {
        error = map_flash(made, message);
    }
    if (error < 0) {
        release(made);
        return error;
    }
    *board = made;
    return MOLT_OK;
}

struct molt_sim_dfu *molt_simdfu_model(struct molt_simdfu *board)
{
    return &board->sim;
}

const char *molt_simdfu_name(const struct molt_simdfu *board)
{
    return board->name;
}

int molt_simdfu_close(struct molt_simdfu *board, struct molt_message *message)
{
    if (!board) {
        return MOLT_OK;
    }
    /* What it works on, it ends; what comes back by itself, is back when the next one looks. */
    struct molt_sim_dfu *sim = &board->sim;
    uint64_t end = sim->work.on ? sim->work.end_us : sim->gone ? sim->back_us : 0;
    if (end > sim->time_us) {
        molt_sim_dfu_wait(sim, end - sim->time_us);
    }
    int error = simdfu_save(board, message);
    release(board);
    return error;
}

/* What starts without BOOT0: ST's chips and mboot look at a vector table. */
static void start_application(struct molt_sim_dfu *sim, struct molt_simdfu_boot *boot)
{
    const struct molt_sim_dfu_region *first = &sim->profile->regions[0];
    bool has_vectors =
        sim->profile->loader == MOLT_SIM_DFU_ST || sim->profile->loader == MOLT_SIM_DFU_MBOOT;
    boot->vectors = first->start + sim->profile->own_bytes;
    if (!has_vectors) {
        boot->vectors = 0;
        boot->runs = sim->flash[0] != 0xFF;
        snprintf(boot->why, sizeof boot->why, "%s",
                 boot->runs ? "there is a firmware at the start of its flash"
                            : "the start of its flash is erased");
        return;
    }
    boot->runs = molt_sim_dfu_vectors(sim, boot->vectors, &boot->stack, &boot->reset);
    snprintf(boot->why, sizeof boot->why,
             boot->runs ? "the vector table at 0x%08x has its stack at 0x%08x and starts at 0x%08x"
                        : "at 0x%08x there is no vector table: a stack pointer in RAM and an odd "
                          "reset vector in flash are expected, found 0x%08x and 0x%08x",
             boot->vectors, boot->stack, boot->reset);
}

void molt_simdfu_boot(struct molt_simdfu *board, bool boot0, struct molt_simdfu_boot *boot)
{
    struct molt_sim_dfu *sim = &board->sim;
    memset(boot, 0, sizeof *boot);
    start_application(sim, boot);
    molt_sim_dfu_replug(sim, boot0);
    boot->in_loader = molt_sim_dfu_present(sim) && sim->profile->loader != MOLT_SIM_DFU_RUN;
    if (boot->in_loader) {
        boot->runs = false;
        snprintf(boot->why, sizeof boot->why, "BOOT0 was held: the boot loader waits on USB");
    } else if (sim->profile->loader == MOLT_SIM_DFU_RUN && molt_sim_dfu_present(sim)) {
        boot->runs = true;
    }
}
