#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include "molt/host/target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/memflash.h"
#include "host/target_board.h"
#include "host/target_file.h"
#include "molt/host/file.h"
#include "molt/uf2.h"

static const char *const kinds[] = {"a firmware file",   "a flash dump",      "an app image",
                                    "a partition table", "a simulated board", "a file system image",
                                    "a bootloader"};

const char *molt_target_kind_words(enum molt_target_kind kind)
{
    return kinds[kind];
}

const char *molt_target_kind_name(enum molt_target_kind kind)
{
    return strchr(kinds[kind], ' ') + 1;
}

uint32_t molt_flash_size_of_nibble(uint8_t nibble)
{
    return nibble < 8 ? 1u << (20 + nibble) : 0;
}

int molt_flash_size_nibble(uint32_t bytes)
{
    for (uint8_t nibble = 0; nibble < 8; nibble++) {
        if (molt_flash_size_of_nibble(nibble) == bytes) {
            return nibble;
        }
    }
    return -1;
}

/* ---- Reading the file ---- */

static int check_file(const char *name, const struct stat *status, struct molt_message *message)
{
    if (S_ISDIR(status->st_mode)) {
        return molt_fail(message, MOLT_E_FORMAT,
                         "%s: is a directory, " TARGET_EXPECTED
                         " (a simulated board is named sim:FOLDER)",
                         name);
    }
    if (!S_ISREG(status->st_mode)) {
        return molt_fail(message, MOLT_E_FORMAT, "%s: is a device or pipe, " TARGET_EXPECTED, name);
    }
    if (status->st_size == 0) {
        return molt_fail(message, MOLT_E_TRUNCATED, "%s: is empty, " TARGET_EXPECTED, name);
    }
    if (status->st_size > TARGET_FILE_LIMIT) {
        return molt_fail(message, MOLT_E_FORMAT,
                         "%s: has %lld bytes, more than the largest flash (%u bytes)", name,
                         (long long)status->st_size, TARGET_FILE_LIMIT);
    }
    return MOLT_OK;
}

#define HUGE_PAGE ((size_t)2 << 20)

/* What is left of the last huge page is taken too when it is a quarter or less. */
static size_t place_size(uint32_t size)
{
    size_t n = (size_t)TARGET_BASE_MAX + size, over = n % HUGE_PAGE;
    return over >= HUGE_PAGE / 4 * 3 ? n - over + HUGE_PAGE : n;
}

/* In huge pages, where the system has them: a fault for each 4 KB takes longer than the reading. */
uint8_t *target_make_place(uint32_t size)
{
    size_t n = place_size(size);
    uint8_t *room =
        mmap(NULL, n + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED) {
        return NULL;
    }
    size_t before = (HUGE_PAGE - (uintptr_t)room % HUGE_PAGE) % HUGE_PAGE;
    size_t page = (size_t)sysconf(_SC_PAGESIZE), behind = (n + page - 1) / page * page;
    if (before) {
        munmap(room, before);
    }
    if (before + behind < n + HUGE_PAGE) {
        munmap(room + before + behind, n + HUGE_PAGE - before - behind);
    }
#ifdef MADV_HUGEPAGE
    madvise(room + before, behind, MADV_HUGEPAGE);
#endif
    return room + before;
}

void target_drop_place(uint8_t *place, uint32_t size)
{
    munmap(place, place_size(size));
}

/*
 * The file's bytes, behind room for the base that it turns out to have. They are read, not mapped:
 * a mapped file that someone else cuts short meanwhile ends the process. *place is NULL after an
 * error.
 */
static int read_file(const char *name, uint8_t **place, uint32_t *size,
                     struct molt_message *message)
{
    struct stat status;
    *place = NULL;
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENXIO) {
        return molt_fail(message, MOLT_E_FORMAT, "%s: is a socket, " TARGET_EXPECTED, name);
    }
    if (fd < 0 || fstat(fd, &status) != 0) {
        int error =
            molt_fail(message, molt_errno(errno), "%s: cannot open: %s", name, strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return error;
    }
    int error = check_file(name, &status, message);
    if (!error) {
        *size = (uint32_t)status.st_size;
        *place = target_make_place(*size);
        if (!*place) {
            error = molt_fail(message, MOLT_E_NO_MEMORY, "%s: no memory for %u bytes", name, *size);
        } else {
            error = molt_file_read_open(fd, name, *place + TARGET_BASE_MAX, *size, message);
        }
    }
    if (error && *place) {
        target_drop_place(*place, *size);
        *place = NULL;
    }
    close(fd);
    return error;
}

static void read_table(struct molt_target *target)
{
    uint8_t bytes[MOLT_PTABLE_SIZE];
    uint32_t size = target->flash.size;
    uint32_t n = size > MOLT_PTABLE_OFFSET ? size - MOLT_PTABLE_OFFSET : 0;
    if (n > sizeof bytes) {
        n = sizeof bytes;
    }
    const char *none = target->kind == MOLT_TARGET_APP          ? "an app image has no table"
                       : target->kind == MOLT_TARGET_FILES      ? "a file system has no table"
                       : target->kind == MOLT_TARGET_BOOTLOADER ? "a bootloader has no table"
                                                                : NULL;
    if (none) {
        target->table_error =
            molt_diag_at(&target->table_diag, MOLT_E_TABLE_MAGIC, none, MOLT_DIAG_NONE);
        return;
    }
    int error = molt_flash_read(&target->flash, MOLT_PTABLE_OFFSET, bytes, n);
    if (error) {
        target->table_error =
            molt_diag_at(&target->table_diag, error, "reading the table", MOLT_PTABLE_OFFSET);
        return;
    }
    /* A bare table may end with its last row. */
    if (target->kind == MOLT_TARGET_TABLE) {
        memset(bytes + n, 0xFF, sizeof bytes - n);
        n = sizeof bytes;
    }
    target->table_error = molt_ptable_parse(&target->table, bytes, n, &target->table_diag);
    if (target->table_error && target->table_diag.offset != MOLT_DIAG_NONE) {
        target->table_diag.offset += MOLT_PTABLE_OFFSET;
    }
}

static int open_file(struct molt_target *target, struct molt_message *message)
{
    uint8_t *place;
    uint32_t size = 0;
    int error = read_file(target->name, &place, &size, message);
    if (error) {
        return error;
    }
    if (molt_uf2_is(place + TARGET_BASE_MAX, size)) {
        error = target_flatten(target, &place, &size, message);
    }
    if (!error) {
        const struct file file = {place + TARGET_BASE_MAX, size};
        error = target_classify(target, &file, message);
    }
    if (error) {
        target_drop_place(place, size);
        return error;
    }
    target->place = place;
    target->place_size = place_size(size);
    target->bytes = place + (TARGET_BASE_MAX - target->base);
    memset(target->bytes, 0xFF, target->base);
    target->file_size = size;
    target->flash_size = target->header_flash_size;
    memflash_init(&target->flash, &target->region, target->bytes, target->base + size);
    return MOLT_OK;
}

int molt_target_open(struct molt_target *target, const char *name, struct molt_message *message)
{
    memset(target, 0, sizeof *target);
    if (strlen(name) >= sizeof target->name) {
        return molt_fail(message, MOLT_E_ARGUMENT, "the target's name is too long");
    }
    memcpy(target->name, name, strlen(name) + 1);
    int error = strncmp(name, "sim:", 4) == 0 ? target_open_board(target, name + 4, message)
                                              : open_file(target, message);
    if (!error) {
        read_table(target);
    }
    return error;
}

int molt_target_grow(struct molt_target *target, uint64_t end, struct molt_message *message)
{
    uint32_t old = target->flash.size;
    if (end <= old) {
        return MOLT_OK;
    }
    if (end > TARGET_FILE_LIMIT) {
        return molt_fail(message, MOLT_E_RANGE, "%s: would end at 0x%llx, behind the largest flash",
                         target->name, (unsigned long long)end);
    }
    uint8_t *bytes =
        mmap(NULL, (size_t)end, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "%s: no memory for %llu bytes", target->name,
                         (unsigned long long)end);
    }
    memcpy(bytes, target->bytes, old);
    memset(bytes + old, 0xFF, (size_t)end - old);
    munmap(target->place, target->place_size);
    target->place = target->bytes = bytes;
    target->place_size = (size_t)end;
    target->file_size = (uint32_t)end - target->base;
    memflash_init(&target->flash, &target->region, bytes, (uint32_t)end);
    return MOLT_OK;
}

int molt_target_save(struct molt_target *target, struct molt_message *message)
{
    if (target->kind == MOLT_TARGET_BOARD) {
        return MOLT_OK;
    }
    if (target->container != MOLT_CONTAINER_NONE) {
        return molt_fail(message, MOLT_E_UNSUPPORTED,
                         "%s: is a UF2 file and is not changed in place: 'molt convert' makes a "
                         "plain image of it first",
                         target->name);
    }
    return molt_file_write(target->name, target->bytes + target->base, target->file_size, 0666,
                           MOLT_FILE_REPLACE, message);
}

int molt_target_close(struct molt_target *target, struct molt_message *message)
{
    int error = target->board ? target_close_board(target, message) : MOLT_OK;
    if (target->bytes) {
        munmap(target->place, target->place_size);
        target->bytes = target->place = NULL;
    }
    return error;
}
