/* What is put on a device: the package, the engine for its processor, the boot hook. */
#define _POSIX_C_SOURCE 200809L /* scandir */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "molt/host/file.h"
#include "ops/provision/provision_internal.h"

#define FILE_MAX (256u * 1024u)

static const char *const archs[] = {"x64",     "armv6m",    "armv7m", "armv7emsp",
                                    "rv32imc", "xtensawin", NULL};

int provision_want(struct molt_provision *job, const char *path, uint8_t *bytes, size_t n,
                   struct molt_message *message)
{
    if (job->count == PROVISION_FILES || strlen(path) >= MOLT_PATH_MAX) {
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
    return result < 0 ? result : provision_want(job, path, bytes, n, message);
}

int provision_want_boot(struct molt_provision *job, struct molt_message *message)
{
    return want_file(job, PROVISION_BOOT, job->request->port, "boot.py", message);
}

/* ---- The package ---- */

static int python_only(const struct dirent *entry)
{
    size_t n = strlen(entry->d_name);
    return n > 3 && n < 64 && strcmp(entry->d_name + n - 3, ".py") == 0;
}

/* ".py" replaced by ".mpy". */
static void compiled_name(const char *source, char name[72])
{
    snprintf(name, 72, "%.*s.mpy", (int)strlen(source) - 3, source);
}

/* The name of what was built of a module: bytecode, but for the one that stays source. */
static bool built_name(const struct molt_provision *job, const char *source, char name[72],
                       struct stat *found)
{
    char path[4096];
    for (int i = 0; i < 2; i++) {
        if (i == 0) {
            compiled_name(source, name);
        } else {
            snprintf(name, 72, "%s", source);
        }
        int n = snprintf(path, sizeof path, "%s/ota/%s", job->request->native, name);
        if (n < (int)sizeof path && stat(path, found) == 0) {
            return true;
        }
    }
    return false;
}

/* Was every module built, and none before its source changed? */
static bool compiled(struct molt_provision *job, const char *folder, struct dirent **entry,
                     int count)
{
    char source[4096], name[72];
    struct stat from, to;
    for (int i = 0; i < count; i++) {
        int n = snprintf(source, sizeof source, "%s/%s", folder, entry[i]->d_name);
        if (n >= (int)sizeof source || !built_name(job, entry[i]->d_name, name, &to)) {
            return false;
        }
        if (stat(source, &from) == 0 && from.st_mtime > to.st_mtime) {
            molt_plan_add(&job->plan, MOLT_STEP_NOTE, 0, 0, "package",
                          "is put as source: %s/ota/%s is older than %s", job->request->native,
                          name, source);
            return false;
        }
    }
    return true;
}

/* One module, and no other form of it beside it: MicroPython takes the .py first. */
static int want_module(struct molt_provision *job, const char *folder, const char *source,
                       bool built, struct molt_message *message)
{
    char path[MOLT_PATH_MAX], other[MOLT_PATH_MAX], made[4096], name[72], bytecode[72];
    struct stat unused;
    compiled_name(source, bytecode);
    if (!built || !built_name(job, source, name, &unused)) {
        snprintf(name, sizeof name, "%s", source);
    }
    snprintf(path, sizeof path, "/lib/ota/%s", name);
    snprintf(other, sizeof other, "/lib/ota/%s", strcmp(name, source) == 0 ? bytecode : source);
    snprintf(made, sizeof made, "%s/ota", job->request->native);
    int result = want_file(job, path, built ? made : folder, name, message);
    return result < 0 ? result : provision_want(job, other, NULL, 0, message);
}

static int want_modules(struct molt_provision *job, struct molt_message *message)
{
    char folder[4096];
    struct dirent **entry = NULL;
    if ((size_t)snprintf(folder, sizeof folder, "%s/ota", job->request->port) >= sizeof folder) {
        return molt_fail(message, MOLT_E_ARGUMENT, "%s: too long a name", job->request->port);
    }
    int count = scandir(folder, &entry, python_only, alphasort);
    if (count <= 0) {
        free(entry);
        return molt_fail(message, MOLT_E_NOT_FOUND, "%s: no device package there", folder);
    }
    bool built = !job->request->source && compiled(job, folder, entry, count);
    int result = MOLT_OK;
    for (int i = 0; i < count; i++) {
        if (result == MOLT_OK) {
            result = want_module(job, folder, entry[i]->d_name, built, message);
        }
        free(entry[i]);
    }
    free(entry);
    return result;
}

/* ---- The engine ---- */

static int want_engine(struct molt_provision *job, const char *arch, struct molt_message *message)
{
    char name[40], path[MOLT_PATH_MAX];
    snprintf(name, sizeof name, "molt_%s.mpy", arch);
    snprintf(path, sizeof path, "/lib/%s", name);
    return want_file(job, path, job->request->native, name, message);
}

/* The ESP32 with an Xtensa core are older than the ones with RISC-V. */
static const char *arch_of_chip(const struct molt_chip *chip)
{
    static const char *const xtensa[] = {"esp32", "esp32s2", "esp32s3", NULL};
    for (int i = 0; chip && xtensa[i]; i++) {
        if (strcmp(chip->name, xtensa[i]) == 0) {
            return "xtensawin";
        }
    }
    return chip ? "rv32imc" : NULL;
}

static int choose_arch(const struct molt_provision *job, const char **arch,
                       struct molt_message *message)
{
    *arch = job->request->arch;
    if (*arch) {
        bool known = strcmp(*arch, "all") == 0;
        for (int i = 0; archs[i]; i++) {
            known |= strcmp(*arch, archs[i]) == 0;
        }
        return known ? MOLT_OK
                     : molt_fail(message, MOLT_E_ARGUMENT,
                                 "--arch %s: expected x64, armv6m, armv7m, armv7emsp, rv32imc, "
                                 "xtensawin or all",
                                 *arch);
    }
    /* The application of a simulated board is an x64 MicroPython, whatever its chip. */
    if (job->target) {
        *arch = job->target->board ? "x64" : arch_of_chip(job->target->chip);
    }
    return *arch ? MOLT_OK
                 : molt_fail(message, MOLT_E_ARGUMENT,
                             "%s: nothing tells which processor it is for: say --arch NAME, or "
                             "--arch all",
                             job->name);
}

int provision_want_package(struct molt_provision *job, struct molt_message *message)
{
    const char *arch;
    int result = choose_arch(job, &arch, message);
    if (result == MOLT_OK) {
        result = want_modules(job, message);
    }
    if (result == MOLT_OK && strcmp(arch, "all") != 0) {
        return want_engine(job, arch, message);
    }
    for (int i = 0; archs[i] && result == MOLT_OK; i++) {
        result = want_engine(job, archs[i], message);
    }
    return result;
}
