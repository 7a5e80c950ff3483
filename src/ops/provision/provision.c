#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "molt/host/dir_files.h"
#include "molt/host/file.h"
#include "molt/ops/device.h"
#include "molt/ops/fs.h"
#include "ops/provision/provision_internal.h"

#define TEMPORARY "/molt.new"
#define BOOT_USER "/boot_user.py"
/* Bytes that a block of a file system without any file holds at most. */
#define UNFINISHED_MAX 128u
#define FILES_BLOCK    4096u

/* What the firmware's own first start writes there (inisetup.py of MicroPython): comments only. */
static const char first_boot[] =
    "# This file is executed on every boot (including wake-boot from deepsleep)\n#import esp\n"
    "#esp.osdebug(None)\n#import webrepl\n#webrepl.start()\n";

/* ---- What is there ---- */

int provision_read(struct molt_provision *job, const char *path, uint8_t **bytes, uint32_t *n,
                   struct molt_message *message)
{
    const struct molt_files *files = &job->files;
    *bytes = NULL;
    *n = 0;
    if (!job->has_files) {
        return MOLT_OK;
    }
    int kind = files->ops->stat(files->context, path, n);
    if (kind == MOLT_E_NOT_FOUND) {
        return MOLT_OK;
    }
    int got = kind;
    if (kind == MOLT_DIRECTORY) {
        got = MOLT_E_FORMAT;
    } else if (kind == MOLT_FILE) {
        *bytes = malloc(*n + 1u);
        got = *bytes ? files->ops->read(files->context, path, 0, *bytes, *n) : MOLT_E_NO_MEMORY;
        got = got >= 0 && got != (int)*n ? MOLT_E_IO : got;
    }
    if (got < 0) {
        free(*bytes);
        *bytes = NULL;
        return molt_fail(message, got, "%s: %s of its file system: %s", job->name, path,
                         kind == MOLT_DIRECTORY ? "is a folder, expected a file"
                                                : molt_strerror(got));
    }
    return MOLT_OK;
}

/* The user's own boot.py is kept: it goes to boot_user.py, which the hook runs. */
static int look_at_boot(struct molt_provision *job, const uint8_t *bytes, uint32_t n,
                        struct molt_message *message)
{
    uint8_t *user;
    uint32_t user_size;
    if (n == sizeof first_boot - 1 && memcmp(bytes, first_boot, n) == 0) {
        return MOLT_OK;
    }
    int result = provision_read(job, BOOT_USER, &user, &user_size, message);
    if (result < 0) {
        return result;
    }
    /* The same there already: a run before was cut short. */
    bool kept = user && user_size == n && memcmp(user, bytes, n) == 0;
    bool taken = user && !kept;
    free(user);
    if (taken) {
        return molt_fail(message, MOLT_E_EXISTS,
                         "%s: %s is not Molt's, and %s, where it would be kept, is there already: "
                         "join the two by hand",
                         job->name, PROVISION_BOOT, BOOT_USER);
    }
    job->keep_boot = !kept;
    molt_plan_add(&job->plan, MOLT_STEP_KEEP, 0, 0, "boot_user.py",
                  "is the boot.py that was there; Molt's runs it before the application");
    return MOLT_OK;
}

static void plan_file(struct molt_provision *job, const struct wanted *file)
{
    const char *name = strrchr(file->path, '/') + 1;
    if (file->bytes) {
        molt_plan_add(&job->plan, MOLT_STEP_WRITE, 0, 0, name, "%s, %u bytes", file->path,
                      (unsigned)file->n);
    } else {
        molt_plan_add(&job->plan, MOLT_STEP_ERASE, 0, 0, name,
                      "%s, another form of the same module", file->path);
    }
}

static int compare(struct molt_provision *job, struct molt_message *message)
{
    uint64_t bytes = 0;
    uint32_t room = 0;
    for (uint32_t i = 0; i < job->count; i++) {
        struct wanted *file = &job->file[i];
        uint8_t *found;
        uint32_t n;
        int result = provision_read(job, file->path, &found, &n, message);
        if (result == MOLT_OK) {
            bool equal = found && file->bytes && n == file->n && memcmp(found, file->bytes, n) == 0;
            file->write = file->bytes ? !equal : found != NULL;
            if (found && !equal && strcmp(file->path, PROVISION_BOOT) == 0) {
                result = look_at_boot(job, found, n, message);
            }
        }
        free(found);
        if (result < 0) {
            return result;
        }
        if (file->write) {
            bytes += file->n;
            plan_file(job, file);
        }
    }
    int code = job->has_files ? job->files.ops->space(job->files.context, &room) : MOLT_OK;
    if (job->format) {
        room = job->vfs->size;
    }
    return code == MOLT_OK && bytes > room
               ? molt_fail(message, MOLT_E_NO_SPACE,
                           "%s: %llu bytes are to be written, and its file system has %u left",
                           job->name, (unsigned long long)bytes, room)
               : MOLT_OK;
}

/* Bytes of the block that are programmed, at most more than the limit. */
static int programmed(const struct molt_provision *job, uint32_t offset, uint32_t limit)
{
    uint8_t bytes[256];
    uint32_t count = 0;
    for (uint32_t at = 0; at < FILES_BLOCK && count <= limit; at += sizeof bytes) {
        if (molt_flash_read(&job->target->flash, offset + at, bytes, sizeof bytes) < 0) {
            return -1;
        }
        for (size_t i = 0; i < sizeof bytes; i++) {
            count += bytes[i] != 0xFF;
        }
    }
    return (int)count;
}

/* Nothing is there, or the beginning of making a file system: one of the first two blocks holds
 * next to nothing, the other one anything (an erase that was cut), and all behind them is erased.
 * Where files are and no file system can be mounted, both of the two hold more than that. */
static bool blank(const struct molt_provision *job)
{
    unsigned full = 0;
    for (uint32_t at = 0; at < job->vfs->size; at += FILES_BLOCK) {
        uint32_t limit = at < 2 * FILES_BLOCK ? UNFINISHED_MAX : 0;
        int count = programmed(job, job->vfs->offset + at, limit);
        full += (uint32_t)count > limit;
        if (count < 0 || full > 1 || (limit == 0 && count > 0)) {
            return false;
        }
    }
    return true;
}

static int open_partition(struct molt_provision *job, struct molt_message *message)
{
    struct molt_target *target = job->target;
    if (target->table_error < 0) {
        return molt_fail_diag(message, job->name, &target->table_diag);
    }
    job->vfs = molt_ops_files_partition(&target->table);
    if (!job->vfs) {
        return molt_fail(message, MOLT_E_NOT_FOUND,
                         "%s: its partition table has no 'vfs': the device has no file system",
                         job->name);
    }
    uint64_t end = (uint64_t)job->vfs->offset + job->vfs->size;
    if (!target->board && target->flash_size && end > target->flash_size) {
        return molt_fail(message, MOLT_E_RANGE,
                         "%s: partition %s ends at 0x%llx, behind the flash of %u bytes", job->name,
                         job->vfs->label, (unsigned long long)end, target->flash_size);
    }
    int result = target->board ? MOLT_OK : molt_target_grow(target, end, message);
    if (result < 0) {
        return result;
    }
    result =
        molt_fs_mount(&job->fs, &target->flash, job->vfs->offset, job->vfs->size, false, message);
    if (result == MOLT_OK) {
        molt_fs_files(job->fs, &job->files);
        job->has_files = true;
    } else if (result == MOLT_E_FORMAT && blank(job)) {
        job->format = true;
        molt_plan_add(&job->plan, MOLT_STEP_WRITE, job->vfs->offset, job->vfs->size,
                      job->vfs->label, "an empty file system, littlefs: the partition is blank");
        result = MOLT_OK;
    }
    return result;
}

static int open_files(struct molt_provision *job, struct molt_message *message)
{
    const struct molt_provision_request *request = job->request;
    if (request->folder) {
        molt_dir_files(request->folder, &job->files);
        job->has_files = true;
        return MOLT_OK;
    }
    enum molt_target_kind kind = job->target->kind;
    if (kind != MOLT_TARGET_BOARD && kind != MOLT_TARGET_FIRMWARE && kind != MOLT_TARGET_DUMP) {
        return molt_fail(message, MOLT_E_UNSUPPORTED,
                         "%s: is %s, expected a device (sim:FOLDER), a folder, or a firmware "
                         "file or flash dump, which have room for files",
                         job->name, molt_target_kind_words(kind));
    }
    return open_partition(job, message);
}

static int check_request(const struct molt_provision_request *request, struct molt_target *target,
                         struct molt_message *message)
{
    size_t id = request->id ? strlen(request->id) : 1;
    if (id == 0 || id > 64) {
        return molt_fail(message, MOLT_E_ARGUMENT, "device id '%s': expected 1 to 64 bytes",
                         request->id);
    }
    if (request->board && (!request->board[0] || strlen(request->board) >= MOLT_BOARD_MAX ||
                           !molt_board_text_ok(request->board))) {
        return molt_fail(message, MOLT_E_ARGUMENT,
                         "--board '%s': expected 1 to %d printable characters", request->board,
                         MOLT_BOARD_MAX - 1);
    }
    if (request->output && (!target || target->board)) {
        return molt_fail(message, MOLT_E_ARGUMENT,
                         "--output: is for firmware files and flash dumps; a folder or board is "
                         "changed itself");
    }
    return MOLT_OK;
}

int molt_provision_prepare(struct molt_provision **job,
                           const struct molt_provision_request *request, struct molt_target *target,
                           struct molt_message *message)
{
    int (*const steps[])(struct molt_provision *, struct molt_message *) = {
        open_files, provision_want_package, provision_want_site, provision_want_boot, compare};
    struct molt_provision *made = *job = calloc(1, sizeof *made);
    if (!made) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    made->request = request;
    made->target = target;
    made->name = target ? target->name : request->folder;
    int result = check_request(request, target, message);
    if (result == MOLT_OK && target && target->board) {
        result = provision_look_at_store(made, message);
    }
    for (size_t i = 0; i < sizeof steps / sizeof steps[0] && result == MOLT_OK; i++) {
        result = steps[i](made, message);
    }
    return result;
}

const struct molt_plan *molt_provision_plan(const struct molt_provision *job)
{
    return &job->plan;
}

/* ---- Act ---- */

/* Whole under another name first, so that a cut leaves the old file or the new one. */
static int write_file(struct molt_provision *job, const struct wanted *file)
{
    const struct molt_files *files = &job->files;
    int result = files->ops->write(files->context, TEMPORARY, 0, file->bytes, (uint32_t)file->n);
    return result < 0 ? result : files->ops->rename(files->context, TEMPORARY, file->path);
}

/* A copy, not a rename: at every instant there is a boot.py. */
static int keep_boot(struct molt_provision *job)
{
    struct wanted copy = {.path = BOOT_USER};
    uint32_t n;
    int result = provision_read(job, PROVISION_BOOT, &copy.bytes, &n, NULL);
    copy.n = n;
    if (result >= 0) {
        result = copy.bytes ? write_file(job, &copy) : MOLT_E_NOT_FOUND;
    }
    free(copy.bytes);
    return result;
}

static int write_files(struct molt_provision *job, struct molt_message *message)
{
    const struct molt_files *files = &job->files;
    const char *at = "/lib/ota";
    int result = files->ops->mkdir(files->context, "/lib");
    if (result >= 0) {
        result = files->ops->mkdir(files->context, at);
    }
    if (result >= 0 && job->keep_boot) {
        at = BOOT_USER;
        result = keep_boot(job);
    }
    for (uint32_t i = 0; i < job->count && result >= 0; i++) {
        if (job->file[i].write) {
            at = job->file[i].path;
            result = job->file[i].bytes ? write_file(job, &job->file[i])
                                        : files->ops->remove(files->context, at);
        }
    }
    return result < 0
               ? molt_fail(message, result, "%s: %s: %s", job->name, at, molt_strerror(result))
               : MOLT_OK;
}

static int format(struct molt_provision *job, struct molt_message *message)
{
    const struct molt_flash *flash = &job->target->flash;
    const struct molt_fs_options options = {MOLT_FS_LITTLEFS, molt_fsops_lfs_version(job->target),
                                            0};
    int result = molt_fs_format(flash, job->vfs->offset, job->vfs->size, &options, message);
    if (result == MOLT_OK) {
        result = molt_fs_mount(&job->fs, flash, job->vfs->offset, job->vfs->size, false, message);
    }
    if (result == MOLT_OK) {
        molt_fs_files(job->fs, &job->files);
        job->has_files = true;
    }
    return result;
}

static int write_store(struct molt_provision *job, struct molt_message *message)
{
    int result = MOLT_OK;
    if (job->write_keys) {
        result = molt_keys_save(&job->target->board->store, job->keys, job->key_count);
    }
    if (result >= 0 && job->write_device) {
        const struct molt_store *store = &job->target->board->store;
        result = store->ops->put(store->context, MOLT_RECORD_DEVICE, job->device, job->device_size);
    }
    return result < 0
               ? molt_fail(message, result, "%s: its store: %s", job->name, molt_strerror(result))
               : MOLT_OK;
}

/* Of an image: what was changed in memory becomes the file, all at once. */
static int save(struct molt_provision *job, struct molt_message *message)
{
    struct molt_target *target = job->target;
    bool changed = job->format || job->keep_boot;
    for (uint32_t i = 0; i < job->count; i++) {
        changed |= job->file[i].write;
    }
    if (!target || target->board || (!changed && !job->request->output)) {
        return MOLT_OK;
    }
    return job->request->output
               ? molt_file_write(job->request->output, target->bytes + target->base,
                                 target->file_size, 0666, MOLT_FILE_REPLACE, message)
               : molt_target_save(target, message);
}

int molt_provision_run(struct molt_provision *job, struct molt_message *message)
{
    int result = job->format ? format(job, message) : MOLT_OK;
    if (result == MOLT_OK) {
        result = write_store(job, message);
    }
    if (result == MOLT_OK) {
        result = write_files(job, message);
    }
    return result == MOLT_OK ? save(job, message) : result;
}

void molt_provision_free(struct molt_provision *job)
{
    if (job) {
        for (uint32_t i = 0; i < job->count; i++) {
            free(job->file[i].bytes);
        }
        molt_fs_unmount(job->fs, NULL);
        free(job);
    }
}
