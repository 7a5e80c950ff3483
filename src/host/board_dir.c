/* What the folders of all simulated boards have in common: how one is made, locked, and its flash
 * mapped. */
#define _GNU_SOURCE /* flock, O_CLOEXEC */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/board_internal.h"
#include "host/hold.h"
#include "molt/host/file.h"

void board_file(char path[BOARD_PATH], const char *folder, const char *file)
{
    snprintf(path, BOARD_PATH, "%s/%s", folder, file);
}

static int fail_path(struct molt_message *message, const char *path, const char *what)
{
    int number = errno;
    return molt_fail(message, molt_errno(number), "%s: %s: %s", path, what, strerror(number));
}

int board_dir_name(const char *folder, size_t size, struct molt_message *message)
{
    if (strlen(folder) < size && folder[0]) {
        return MOLT_OK;
    }
    return molt_fail(message, MOLT_E_ARGUMENT, "the board's folder has %s",
                     folder[0] ? "too long a name" : "no name");
}

int board_dir_make(const char *folder, const uint8_t *flash, uint32_t size,
                   int (*facts)(const void *context, struct molt_message *message),
                   const void *context, struct molt_message *message)
{
    char file[BOARD_PATH];
    sigset_t before;
    hold_begin(&before); /* half a folder would be no board */
    if (mkdir(folder, 0777) != 0) {
        int number = errno;
        hold_end(&before);
        errno = number;
        return errno == EEXIST
                   ? molt_fail(message, MOLT_E_EXISTS,
                               "%s: is there already: remove it, or give the board another name",
                               folder)
                   : fail_path(message, folder, "cannot make the board's folder");
    }
    board_file(file, folder, "flash.bin");
    int error = molt_file_write(file, flash, size, 0666, MOLT_FILE_REPLACE, message);
    if (error >= 0) {
        error = facts(context, message);
    }
    if (error < 0) {
        unlink(file);
        rmdir(folder);
    }
    hold_end(&before);
    return error;
}

int board_dir_lock(const char *folder, int *fd, struct molt_message *message)
{
    char file[BOARD_PATH];
    struct stat info;
    if (stat(folder, &info) != 0) {
        return fail_path(message, folder, "cannot open the simulated board");
    }
    if (!S_ISDIR(info.st_mode)) {
        return molt_fail(
            message, MOLT_E_FORMAT,
            "%s: is not a folder: a simulated board is a folder made by 'molt sim new'", folder);
    }
    board_file(file, folder, "board.json");
    if (access(file, F_OK) != 0) { /* no lock file is left in a folder that is no board */
        return MOLT_OK;
    }
    board_file(file, folder, "lock");
    *fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (*fd < 0) {
        return fail_path(message, file, "cannot lock the board");
    }
    if (flock(*fd, LOCK_EX | LOCK_NB) != 0) {
        return molt_fail(message, errno == EWOULDBLOCK ? MOLT_E_BUSY : molt_errno(errno),
                         "%s: the board is in use by another process", folder);
    }
    return MOLT_OK;
}

int board_dir_map(const char *folder, uint32_t size, int *fd, uint8_t **bytes,
                  struct molt_message *message)
{
    char file[BOARD_PATH];
    struct stat info;
    board_file(file, folder, "flash.bin");
    *fd = open(file, O_RDWR | O_CLOEXEC);
    if (*fd < 0 || fstat(*fd, &info) != 0) {
        return fail_path(message, file, "cannot open the flash");
    }
    if (info.st_size != (off_t)size || !S_ISREG(info.st_mode)) {
        return molt_fail(message, MOLT_E_FORMAT,
                         "%s: expected a file of %u bytes as board.json says, found %s%lld: put "
                         "the right file there, or make the board anew with 'molt sim new'",
                         file, size, S_ISREG(info.st_mode) ? "" : "no file but ",
                         (long long)info.st_size);
    }
    int number = posix_fallocate(*fd, 0, (off_t)size); /* a hole on a full disk would be a SIGBUS
                                                          later */
    if (number != 0) {
        errno = number;
        return fail_path(message, file, "cannot open the flash");
    }
    void *mapped = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
    if (mapped == MAP_FAILED) {
        return fail_path(message, file, "cannot map the flash");
    }
    *bytes = mapped;
    return MOLT_OK;
}

void board_dir_release(uint8_t *bytes, uint32_t size, int flash_fd, int lock_fd)
{
    if (bytes) {
        munmap(bytes, size);
    }
    if (flash_fd >= 0) {
        close(flash_fd);
    }
    if (lock_fd >= 0) {
        close(lock_fd);
    }
}
