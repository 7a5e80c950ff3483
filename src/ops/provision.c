#define _POSIX_C_SOURCE 200809L /* strdup */
#include "molt/ops/provision.h"

#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "molt/engine.h"
#include "molt/host/crypto.h"
#include "molt/host/file.h"
#include "molt/host/lfs_files.h"
#include "molt/host/simrun.h"
#include "molt/ops/device.h"

#define FILES_MAX 32
#define FILE_MAX  (256u * 1024u)
#define TEMPORARY "/molt.new"
#define BOOT      "/boot.py"
#define BOOT_USER "/boot_user.py"
/* What the firmware's own first start writes there (inisetup.py of MicroPython): comments only. */
static const char first_boot[] =
    "# This file is executed on every boot (including wake-boot from deepsleep)\n#import esp\n"
    "#esp.osdebug(None)\n#import webrepl\n#webrepl.start()\n";

struct wanted {
    char path[MOLT_PATH_MAX]; /* on the device */
    uint8_t *bytes;
    size_t n;
    bool write; /* it is not there, or differs */
};

struct molt_provision {
    struct molt_target *target;
    const struct molt_partition *vfs;
    struct molt_plan plan;
    struct wanted file[FILES_MAX];
    uint32_t count;
    bool format, keep_boot; /* keep_boot: the user's boot.py becomes boot_user.py */
    struct molt_trusted_key keys[MOLT_KEYS_MAX];
    uint32_t key_count;
    bool write_keys, write_device;
    uint8_t device[MOLT_RECORD_MAX];
    uint32_t device_size;
    struct molt_lfs *lfs;
    struct molt_files files;
};

/* ---- What is wanted ---- */

static int want(struct molt_provision *job, const char *path, uint8_t *bytes, size_t n,
                struct molt_message *message)
{
    if (job->count == FILES_MAX || strlen(path) >= MOLT_PATH_MAX) {
        free(bytes);
        return molt_fail(message, MOLT_E_NO_SPACE, "%s: too many files to provision", path);
    }
    struct wanted *file = &job->file[job->count++];
    snprintf(file->path, sizeof file->path, "%s", path);
    file->bytes = bytes;
    file->n = n;
    return MOLT_OK;
}

static int want_file(struct molt_provision *job, const char *path, const char *folder,
                     const char *name, struct molt_message *message)
{
    char source[4096];
    uint8_t *bytes;
    size_t n;
    if ((size_t)snprintf(source, sizeof source, "%s/%s", folder, name) >= sizeof source) {
        return molt_fail(message, MOLT_E_ARGUMENT, "%s: too long a name", folder);
    }
    int result = molt_file_read(source, FILE_MAX, &bytes, &n, message);
    return result < 0 ? result : want(job, path, bytes, n, message);
}

static int python_only(const struct dirent *entry)
{
    size_t n = strlen(entry->d_name);
    return n > 3 && n < 64 && strcmp(entry->d_name + n - 3, ".py") == 0;
}

static int want_package(struct molt_provision *job, const char *port, struct molt_message *message)
{
    char folder[4096], path[MOLT_PATH_MAX];
    struct dirent **entries = NULL;
    if ((size_t)snprintf(folder, sizeof folder, "%s/ota", port) >= sizeof folder) {
        return molt_fail(message, MOLT_E_ARGUMENT, "%s: too long a name", port);
    }
    int count = scandir(folder, &entries, python_only, alphasort);
    if (count <= 0) {
        free(entries);
        return molt_fail(message, MOLT_E_NOT_FOUND, "%s: no device package there", folder);
    }
    int result = MOLT_OK;
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "/lib/ota/%.63s", entries[i]->d_name);
        if (result == MOLT_OK) {
            result = want_file(job, path, folder, entries[i]->d_name, message);
        }
        free(entries[i]);
    }
    free(entries);
    return result;
}

static int want_site(struct molt_provision *job, const struct molt_provision_request *request,
                     struct molt_message *message)
{
    if (!request->url) {
        return MOLT_OK;
    }
    json_t *site = json_pack("{s:s,s:s}", "url", request->url, "channel",
                             request->channel ? request->channel : "stable");
    char *text = site ? json_dumps(site, JSON_COMPACT) : NULL;
    json_decref(site);
    if (!text) {
        return molt_fail(message, MOLT_E_ARGUMENT, "--url and --channel: not UTF-8");
    }
    return want(job, "/ota.json", (uint8_t *)text, strlen(text), message);
}

static int want_all(struct molt_provision *job, const struct molt_provision_request *request,
                    struct molt_message *message)
{
    int result = want_package(job, request->port, message);
    if (result == MOLT_OK) {
        /* The application of a simulated board is an x64 MicroPython, whatever its chip. */
        result = want_file(job, "/lib/molt_x64.mpy", request->native, "molt_x64.mpy", message);
    }
    if (result == MOLT_OK) {
        result = want_site(job, request, message);
    }
    return result == MOLT_OK ? want_file(job, BOOT, request->port, "boot.py", message) : result;
}

/* ---- What is there ---- */

/* True when the file on the device holds exactly these bytes. */
static int same(struct molt_provision *job, const char *path, const void *bytes, size_t n,
                bool *equal)
{
    uint32_t size = 0;
    const struct molt_files *files = &job->files;
    *equal = false;
    int kind = files->ops->stat(files->context, path, &size);
    if (kind != MOLT_FILE || size != n) {
        return kind < 0 && kind != MOLT_E_NOT_FOUND ? kind : MOLT_OK;
    }
    uint8_t *found = malloc(n + 1);
    int got =
        found ? files->ops->read(files->context, path, 0, found, (uint32_t)n) : MOLT_E_NO_MEMORY;
    *equal = got == (int)n && memcmp(found, bytes, n) == 0;
    free(found);
    return got < 0 ? got : MOLT_OK;
}

/* The user's own boot.py is kept: it goes to boot_user.py, which the hook runs. */
static int look_at_boot(struct molt_provision *job, struct molt_message *message)
{
    const struct molt_files *files = &job->files;
    uint32_t size;
    bool equal;
    int kind = files->ops->stat(files->context, BOOT, &size);
    if (kind == MOLT_E_NOT_FOUND) {
        return MOLT_OK;
    }
    int result = same(job, BOOT, first_boot, sizeof first_boot - 1, &equal);
    if (result < 0 || equal) {
        return result;
    }
    if (kind == MOLT_DIRECTORY || files->ops->stat(files->context, BOOT_USER, &size) >= 0) {
        return molt_fail(message, MOLT_E_EXISTS,
                         "%s: %s is not Molt's, and %s, where it would be kept, is there already: "
                         "join the two by hand",
                         job->target->name, BOOT, BOOT_USER);
    }
    job->keep_boot = true;
    molt_plan_add(&job->plan, MOLT_STEP_KEEP, 0, 0, "boot_user.py",
                  "is the boot.py that was there; Molt's runs it before the application");
    return MOLT_OK;
}

static int compare(struct molt_provision *job, struct molt_message *message)
{
    for (uint32_t i = 0; i < job->count; i++) {
        struct wanted *file = &job->file[i];
        bool equal = false;
        int result = job->lfs ? same(job, file->path, file->bytes, file->n, &equal) : MOLT_OK;
        if (result == MOLT_OK && !equal && job->lfs && strcmp(file->path, BOOT) == 0) {
            result = look_at_boot(job, message);
            if (result < 0) {
                return result;
            }
        }
        if (result < 0) {
            return molt_fail(message, result, "%s: %s of its file system: %s", job->target->name,
                             file->path, molt_strerror(result));
        }
        file->write = !equal;
        if (file->write) {
            const char *name = strrchr(file->path, '/') + 1;
            molt_plan_add(&job->plan, MOLT_STEP_WRITE, 0, 0, name, "%s, %u bytes", file->path,
                          (unsigned)file->n);
        }
    }
    return MOLT_OK;
}

static bool blank(const struct molt_provision *job)
{
    uint8_t bytes[256];
    for (uint32_t at = 0; at < 2 * MOLT_LFS_BLOCK; at += sizeof bytes) {
        if (molt_flash_read(&job->target->flash, job->vfs->offset + at, bytes, sizeof bytes) < 0) {
            return false;
        }
        for (size_t i = 0; i < sizeof bytes; i++) {
            if (bytes[i] != 0xFF) {
                return false;
            }
        }
    }
    return true;
}

static int look_at_files(struct molt_provision *job, struct molt_message *message)
{
    job->vfs = molt_ops_files_partition(&job->target->table);
    if (!job->vfs) {
        return molt_fail(message, MOLT_E_NOT_FOUND,
                         "%s: its partition table has no 'vfs': the device has no file system",
                         job->target->name);
    }
    int result =
        molt_lfs_mount(&job->lfs, &job->target->flash, job->vfs->offset, job->vfs->size, message);
    if (result == MOLT_OK) {
        molt_lfs_files(job->lfs, &job->files);
    } else if (result == MOLT_E_FORMAT && blank(job)) {
        job->format = true;
        molt_plan_add(&job->plan, MOLT_STEP_WRITE, job->vfs->offset, job->vfs->size,
                      job->vfs->label, "an empty file system, littlefs: the partition is blank");
    } else {
        return result;
    }
    return compare(job, message);
}

/* ---- Records ---- */

static int look_at_keys(struct molt_provision *job, const char *path, uint8_t wanted,
                        struct molt_message *message)
{
    uint8_t key[MOLT_P256_PUBLIC_SIZE];
    int result = molt_public_key_read(path, key, message);
    if (result < 0) {
        return result;
    }
    int count = molt_keys_load(&job->target->board->store, job->keys);
    if (count < 0) {
        return molt_fail(message, count, "%s: record 3 (keys) of its store: %s", job->target->name,
                         molt_strerror(count));
    }
    uint32_t at = 0;
    while (at < (uint32_t)count && memcmp(job->keys[at].public_key, key, sizeof key) != 0) {
        at++;
    }
    if (at == MOLT_KEYS_MAX) {
        return molt_fail(message, MOLT_E_NO_SPACE, "%s: trusts %u keys already, no more fit",
                         job->target->name, MOLT_KEYS_MAX);
    }
    uint8_t uses = wanted ? wanted : MOLT_KEY_BUNDLES | MOLT_KEY_CHANNELS;
    job->key_count = at == (uint32_t)count ? at + 1 : (uint32_t)count;
    if (at == (uint32_t)count || (job->keys[at].uses & uses) != uses) {
        memcpy(job->keys[at].public_key, key, sizeof key);
        job->keys[at].uses = at == (uint32_t)count ? uses : job->keys[at].uses | uses;
        job->write_keys = true;
        molt_plan_add(&job->plan, MOLT_STEP_WRITE, 0, 0, "keys",
                      "record 3 of the store: %s is trusted for %s", path,
                      uses == MOLT_KEY_BUNDLES    ? "bundles"
                      : uses == MOLT_KEY_CHANNELS ? "channels"
                                                  : "bundles and channels");
    }
    return MOLT_OK;
}

static int look_at_device(struct molt_provision *job, const char *id, struct molt_message *message)
{
    const struct molt_board *board = job->target->board;
    char own[MOLT_SIMRUN_ID_SIZE];
    uint8_t found[MOLT_RECORD_MAX];
    int n = board->store.ops->get(board->store.context, MOLT_RECORD_DEVICE, found, sizeof found);
    if (n < 0 && n != MOLT_E_NOT_FOUND) {
        return molt_fail(message, n, "%s: record 6 (device) of its store: %s", job->target->name,
                         molt_strerror(n));
    }
    if (n > 0 && !id) {
        return MOLT_OK;
    }
    molt_simrun_unique_id(board, own);
    id = id ? id : own;
    size_t name_size = strlen(board->facts.name), id_size = strlen(id);
    if (id_size == 0 || id_size > 64) {
        return molt_fail(message, MOLT_E_ARGUMENT, "device id '%s': expected 1 to 64 bytes", id);
    }
    job->device[0] = 1;
    job->device[1] = (uint8_t)name_size;
    memcpy(job->device + 2, board->facts.name, name_size);
    job->device[2 + name_size] = (uint8_t)id_size;
    memcpy(job->device + 3 + name_size, id, id_size);
    job->device_size = (uint32_t)(3 + name_size + id_size);
    job->write_device = n != (int)job->device_size || memcmp(found, job->device, (size_t)n) != 0;
    if (job->write_device) {
        molt_plan_add(&job->plan, MOLT_STEP_WRITE, 0, 0, "device",
                      "record 6 of the store: board '%s', device id '%s'", board->facts.name, id);
    }
    return MOLT_OK;
}

int molt_provision_prepare(struct molt_provision **job,
                           const struct molt_provision_request *request, struct molt_target *target,
                           struct molt_message *message)
{
    *job = NULL;
    if (target->kind != MOLT_TARGET_BOARD) {
        return molt_fail(message, MOLT_E_UNSUPPORTED,
                         "%s: is a %s, expected a device (sim:FOLDER): only a device has a store",
                         target->name, molt_target_kind_name(target->kind));
    }
    if (target->table_error < 0) {
        return molt_fail_diag(message, target->name, &target->table_diag);
    }
    struct molt_provision *made = calloc(1, sizeof *made);
    if (!made) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    *job = made;
    made->target = target;
    int result = look_at_keys(made, request->key, request->uses, message);
    if (result == MOLT_OK) {
        result = look_at_device(made, request->id, message);
    }
    if (result == MOLT_OK) {
        result = want_all(made, request, message);
    }
    return result == MOLT_OK ? look_at_files(made, message) : result;
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
    const struct molt_files *files = &job->files;
    uint32_t size = 0;
    int result = files->ops->stat(files->context, BOOT, &size);
    struct wanted copy = {.path = BOOT_USER, .n = size, .bytes = malloc(size + 1u)};
    if (result >= 0) {
        result = copy.bytes ? files->ops->read(files->context, BOOT, 0, copy.bytes, size)
                            : MOLT_E_NO_MEMORY;
    }
    if (result >= 0) {
        result = write_file(job, &copy);
    }
    free(copy.bytes);
    return result < 0 ? result : MOLT_OK;
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
            result = write_file(job, &job->file[i]);
        }
    }
    return result < 0 ? molt_fail(message, result, "%s: %s: %s", job->target->name, at,
                                  molt_strerror(result))
                      : MOLT_OK;
}

int molt_provision_run(struct molt_provision *job, struct molt_message *message)
{
    const struct molt_store *store = &job->target->board->store;
    const struct molt_flash *flash = &job->target->flash;
    int result = MOLT_OK;
    if (job->format) {
        result = molt_lfs_format(flash, job->vfs->offset, job->vfs->size, message);
        if (result == MOLT_OK) {
            result = molt_lfs_mount(&job->lfs, flash, job->vfs->offset, job->vfs->size, message);
        }
        if (result < 0) {
            return result;
        }
        molt_lfs_files(job->lfs, &job->files);
    }
    if (job->write_keys) {
        result = molt_keys_save(store, job->keys, job->key_count);
    }
    if (result >= 0 && job->write_device) {
        result = store->ops->put(store->context, MOLT_RECORD_DEVICE, job->device, job->device_size);
    }
    if (result < 0) {
        return molt_fail(message, result, "%s: its store: %s", job->target->name,
                         molt_strerror(result));
    }
    return write_files(job, message);
}

void molt_provision_free(struct molt_provision *job)
{
    if (job) {
        for (uint32_t i = 0; i < job->count; i++) {
            free(job->file[i].bytes);
        }
        molt_lfs_unmount(job->lfs);
        free(job);
    }
}
