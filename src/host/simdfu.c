/* A simulated DFU device's folder: made, opened, booted, closed. */
#include "molt/host/simdfu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/simdfu_internal.h"
#include "molt/host/file.h"

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

static int save(const void *context, struct molt_message *message)
{
    return simdfu_save(context, message);
}

static struct molt_simdfu *make(const char *folder, struct molt_message *message, int *error)
{
    struct molt_simdfu *board = calloc(1, sizeof *board);
    *error = MOLT_OK;
    if (!board) {
        *error = molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    } else if ((*error = board_dir_name(folder, sizeof board->path, message)) >= 0) {
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
        error = board_dir_make(folder, board->flash, board->flash_size, save, board, message);
    }
    free(board->flash);
    free(board);
    return error;
}

static void release(struct molt_simdfu *board)
{
    board_dir_release(board->flash, board->flash_size, board->flash_fd, board->lock_fd);
    free(board);
}

static int map_flash(struct molt_simdfu *board, struct molt_message *message)
{
    board->flash_size = molt_sim_dfu_flash_size(board->sim.profile);
    int error =
        board_dir_map(board->path, board->flash_size, &board->flash_fd, &board->flash, message);
    board->sim.flash = board->flash;
    return error;
}

int molt_simdfu_open(struct molt_simdfu **board, const char *folder, struct molt_message *message)
{
    int error;
    struct molt_simdfu *made = make(folder, message, &error);
    *board = NULL;
    if (!made) {
        return error;
    }
    error = board_dir_lock(made->path, &made->lock_fd, message);
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
