#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include "molt/host/target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/filekind.h"
#include "host/memflash.h"
#include "host/target_board.h"
#include "molt/host/file.h"

#define FILE_LIMIT     (128u << 20) /* the largest flash that a header can name */
#define IMAGE_MAGIC    0xE9
#define BASE_MAX       MOLT_PTABLE_OFFSET /* of a bare table; bootloaders begin before it */
#define EXPECTED_FILES "expected a firmware file, a flash dump, an app image or a partition table"

const char *molt_target_kind_name(enum molt_target_kind kind)
{
    static const char *const names[] = {"firmware file", "flash dump", "app image",
                                        "partition table", "simulated board"};
    return names[kind];
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
        return molt_fail(
            message, MOLT_E_FORMAT,
            "%s: is a directory, " EXPECTED_FILES " (a simulated board is named sim:FOLDER)", name);
    }
    if (!S_ISREG(status->st_mode)) {
        return molt_fail(message, MOLT_E_FORMAT, "%s: is a device or pipe, " EXPECTED_FILES, name);
    }
    if (status->st_size == 0) {
        return molt_fail(message, MOLT_E_TRUNCATED, "%s: is empty, " EXPECTED_FILES, name);
    }
    if (status->st_size > FILE_LIMIT) {
        return molt_fail(message, MOLT_E_FORMAT,
                         "%s: has %lld bytes, more than the largest flash (%u bytes)", name,
                         (long long)status->st_size, FILE_LIMIT);
    }
    return MOLT_OK;
}

/*
 * The file's bytes, behind room for the base that it turns out to have. They are read, not mapped:
 * a mapped file that someone else cuts short meanwhile ends the process. *place is NULL after an
 * error; give_back what is not needed.
 */
static int read_file(const char *name, uint8_t **place, uint32_t *size,
                     struct molt_message *message)
{
    struct stat status;
    *place = NULL;
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENXIO) {
        return molt_fail(message, MOLT_E_FORMAT, "%s: is a socket, " EXPECTED_FILES, name);
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
        void *room = mmap(NULL, (size_t)BASE_MAX + *size, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (room == MAP_FAILED) {
            error = molt_fail(message, MOLT_E_NO_MEMORY, "%s: no memory for %u bytes", name, *size);
        } else {
            *place = room;
            error = molt_file_read_open(fd, name, *place + BASE_MAX, *size, message);
        }
    }
    if (error && *place) {
        munmap(*place, (size_t)BASE_MAX + *size);
        *place = NULL;
    }
    close(fd);
    return error;
}

/* ---- Telling what it is ---- */

struct file {
    const uint8_t *bytes;
    uint32_t size;
};

static bool table_at(const struct file *file, uint32_t offset)
{
    return file->size > offset && file->size - offset >= 2 && file->bytes[offset] == 0xAA &&
           file->bytes[offset + 1] == 0x50;
}

/* An image header there whose chip has a row; NULL otherwise. */
static const struct molt_chip *chip_at(const struct file *file, uint32_t offset,
                                       struct molt_image_header *header)
{
    if (file->size < offset || file->size - offset < MOLT_IMAGE_HEADER_SIZE ||
        molt_image_parse_header(header, file->bytes + offset, NULL) != MOLT_OK) {
        return NULL;
    }
    return molt_chip_by_id(header->chip_id);
}

/* An app has a descriptor or, in old ones, begins with a segment that stays in flash. */
static bool looks_like_app(const struct file *file, const struct molt_chip *chip)
{
    struct molt_app_descriptor app;
    if (file->size < MOLT_APP_DESCRIPTOR_OFFSET + MOLT_APP_DESCRIPTOR_SIZE) {
        return false;
    }
    molt_image_parse_descriptor(&app, file->bytes + MOLT_APP_DESCRIPTOR_OFFSET);
    const uint8_t *p = file->bytes + MOLT_IMAGE_HEADER_SIZE;
    uint32_t load =
        (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    return app.present || molt_chip_memory_at(chip, load) == MOLT_MEMORY_MAPPED;
}

static int unknown_chip(const char *name, const struct molt_image_header *header,
                        struct molt_message *message)
{
    char known[128] = "";
    for (uint32_t i = 0; molt_chip_at(i); i++) {
        size_t n = strlen(known);
        snprintf(known + n, sizeof known - n, "%s%s", i ? ", " : "", molt_chip_at(i)->name);
    }
    return molt_fail(message, MOLT_E_IMAGE_CHIP,
                     "%s: an image for a chip with id 0x%x, expected one of: %s", name,
                     header->chip_id, known);
}

/* The bytes begin with an image: an app, or a bootloader with everything behind it. */
static int classify_image(struct molt_target *target, const struct file *file,
                          struct molt_message *message)
{
    struct molt_image_header header;
    const struct molt_chip *chip = chip_at(file, 0, &header);
    if (file->size < MOLT_IMAGE_HEADER_SIZE) {
        return molt_fail(message, MOLT_E_TRUNCATED,
                         "%s: begins as an image, but ends after %u bytes", target->name,
                         file->size);
    }
    if (file->bytes[1] == 0 || file->bytes[1] > MOLT_IMAGE_MAX_SEGMENTS) {
        return molt_fail(message, MOLT_E_IMAGE_SEGMENTS,
                         "%s: begins as an image, but with %u segments, expected 1 to %d",
                         target->name, file->bytes[1], MOLT_IMAGE_MAX_SEGMENTS);
    }
    if (!chip) {
        return unknown_chip(target->name, &header, message);
    }
    target->chip = chip;
    uint32_t table = MOLT_PTABLE_OFFSET - chip->bootloader_offset;
    if (!table_at(file, table) && looks_like_app(file, chip)) {
        target->kind = MOLT_TARGET_APP;
        return MOLT_OK;
    }
    if (file->size < table + 32) {
        return molt_fail(message, MOLT_E_TRUNCATED,
                         "%s: begins with a bootloader for %s, but ends after %u bytes, before its "
                         "partition table (at 0x%x of the file): is the file truncated?",
                         target->name, chip->name, file->size, table);
    }
    target->base = chip->bootloader_offset;
    target->header_flash_size = molt_flash_size_of_nibble(header.flash_size_nibble);
    /* Where bootloaders begin at 0 both look alike; a dump has the flash's size. */
    bool whole = target->base == 0 && file->size == target->header_flash_size;
    target->kind = whole ? MOLT_TARGET_DUMP : MOLT_TARGET_FIRMWARE;
    return MOLT_OK;
}

static bool classify_dump(struct molt_target *target, const struct file *file)
{
    struct molt_image_header header;
    for (uint32_t i = 0; molt_chip_at(i); i++) {
        const struct molt_chip *chip = molt_chip_at(i);
        if (chip->bootloader_offset && file->size > MOLT_PTABLE_OFFSET &&
            chip_at(file, chip->bootloader_offset, &header) == chip) {
            target->kind = MOLT_TARGET_DUMP;
            target->chip = chip;
            target->header_flash_size = molt_flash_size_of_nibble(header.flash_size_nibble);
            return true;
        }
    }
    return false;
}

static int classify(struct molt_target *target, const struct file *file,
                    struct molt_message *message)
{
    if (file->bytes[0] == IMAGE_MAGIC) {
        return classify_image(target, file, message);
    }
    if (classify_dump(target, file)) {
        return MOLT_OK;
    }
    if (table_at(file, 0) && file->size <= 0x1000) {
        target->kind = MOLT_TARGET_TABLE;
        target->base = MOLT_PTABLE_OFFSET;
        return MOLT_OK;
    }
    return molt_fail(message, MOLT_E_FORMAT, "%s: is %s, " EXPECTED_FILES, target->name,
                     filekind_of(file->bytes, file->size));
}

static void read_table(struct molt_target *target)
{
    uint8_t bytes[MOLT_PTABLE_SIZE];
    uint32_t size = target->flash.size;
    uint32_t n = size > MOLT_PTABLE_OFFSET ? size - MOLT_PTABLE_OFFSET : 0;
    if (n > sizeof bytes) {
        n = sizeof bytes;
    }
    if (target->kind == MOLT_TARGET_APP) {
        target->table_error = molt_diag_at(&target->table_diag, MOLT_E_TABLE_MAGIC,
                                           "an app image has no table", MOLT_DIAG_NONE);
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
    struct file file = {place + BASE_MAX, size};
    error = classify(target, &file, message);
    if (error) {
        munmap(place, (size_t)BASE_MAX + size);
        return error;
    }
    uint32_t spare = BASE_MAX - target->base; /* whole pages, as the base is */
    if (spare) {
        munmap(place, spare);
    }
    target->bytes = place + spare;
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
    if (end > FILE_LIMIT) {
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
    munmap(target->bytes, old);
    target->bytes = bytes;
    target->file_size = (uint32_t)end - target->base;
    memflash_init(&target->flash, &target->region, bytes, (uint32_t)end);
    return MOLT_OK;
}

int molt_target_save(struct molt_target *target, struct molt_message *message)
{
    if (target->kind == MOLT_TARGET_BOARD) {
        return MOLT_OK;
    }
    return molt_file_write(target->name, target->bytes + target->base, target->file_size, 0666,
                           MOLT_FILE_REPLACE, message);
}

int molt_target_close(struct molt_target *target, struct molt_message *message)
{
    int error = target->board ? target_close_board(target, message) : MOLT_OK;
    if (target->bytes) {
        munmap(target->bytes, target->flash.size);
        target->bytes = NULL;
    }
    return error;
}
