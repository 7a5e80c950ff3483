/*
 * Files of a target onto the disk. Their names come from a device, so they are not trusted: what
 * would lead out of the folder, command a terminal or meet another file is refused before the first
 * byte is written.
 */
#define _POSIX_C_SOURCE 200809L /* lstat, strdup */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "molt/host/file.h"
#include "ops/fs/fs_internal.h"

#define LOCAL_NAME_MAX 255 /* bytes, of every file system that Linux mounts */

struct getting {
    struct molt_fs_fetches *fetches;
    struct molt_fs *fs;
    const struct molt_get_request *request;
    struct molt_message *message;
};

static const char *local_problem(const char *name)
{
    if (strlen(name) > LOCAL_NAME_MAX) {
        return "is too long for a local file";
    }
    unsigned length;
    for (const unsigned char *p = (const unsigned char *)name; *p; p += length) {
        length = fsops_utf8(p);
        if (*p < ' ' || *p == 0x7F) {
            return "has a control character";
        }
        if (length == 0) {
            return "is not UTF-8";
        }
    }
    return NULL;
}

/* ---- What is there already ---- */

static int check_folder(const struct getting *get, const char *local, const struct stat *status)
{
    if (S_ISDIR(status->st_mode)) {
        return MOLT_OK;
    }
    return molt_fail(get->message, MOLT_E_ARGUMENT, "%s: is %s, expected a folder", local,
                     S_ISLNK(status->st_mode) ? "a link, which may lead elsewhere" : "a file");
}

/* named: by the user, who may mean where a link leads to. */
static int check_file(const struct getting *get, const char *local, const struct stat *status,
                      bool named)
{
    if (S_ISDIR(status->st_mode)) {
        return molt_fail(get->message, MOLT_E_ARGUMENT, "%s: is a folder, and a file on the target",
                         local);
    }
    if (S_ISLNK(status->st_mode) && !named) {
        return molt_fail(get->message, MOLT_E_ARGUMENT,
                         "%s: is a link, which may lead elsewhere: remove it first", local);
    }
    if (!get->request->force) {
        return molt_fail(get->message, MOLT_E_EXISTS, "%s: is there already: --force replaces it",
                         local);
    }
    return MOLT_OK;
}

static int add(struct getting *get, const char *remote, const char *local,
               const struct molt_fs_item *item, bool named)
{
    struct molt_fs_fetches *fetches = get->fetches;
    struct stat status;
    int error = MOLT_OK;
    bool there = (named ? stat : lstat)(local, &status) == 0;
    if (!there && errno != ENOENT) {
        int number = errno;
        return molt_fail(get->message, molt_errno(number), "%s: %s", local, strerror(number));
    }
    if (there) {
        error = item->is_folder ? check_folder(get, local, &status)
                                : check_file(get, local, &status, named);
    }
    if (error) {
        return error;
    }
    char *from = strdup(remote), *to = strdup(local);
    if (!from || !to ||
        !fsops_room(&fetches->item, fetches->count, &fetches->capacity, sizeof *fetches->item)) {
        free(from);
        free(to);
        return molt_fail(get->message, MOLT_E_NO_MEMORY, "out of memory");
    }
    fetches->item[fetches->count++] =
        (struct molt_fs_fetch){from, to, item->is_folder, there, item->size};
    fetches->bytes += item->is_folder ? 0 : item->size;
    return MOLT_OK;
}

/* ---- One of what is asked for ---- */

static int add_below(struct getting *get, const char *folder, const struct molt_fs_item *item,
                     const char *local)
{
    char *path = malloc(MOLT_FSOPS_PATH);
    const char *below = item->path + (strcmp(folder, "/") == 0 ? 0 : strlen(folder));
    const char *problem = local_problem(fsops_last(item->path));
    int error = MOLT_OK;
    if (!path) {
        error = molt_fail(get->message, MOLT_E_NO_MEMORY, "out of memory");
    } else if (problem) {
        error = molt_fail(get->message, MOLT_E_ARGUMENT,
                          "'%s': this name on the target %s, and is not written to the disk: 'molt "
                          "fs mv' gives it another",
                          item->path, problem);
    } else if (!fsops_join(path, local, below + 1)) {
        error = molt_fail(get->message, MOLT_E_ARGUMENT, "'%s': too long a path for a local file",
                          item->path);
    } else {
        error = add(get, item->path, path, item, false);
    }
    free(path);
    return error;
}

static int get_folder(struct getting *get, const char *remote, const char *local, bool named)
{
    struct molt_fs_items items = {0};
    struct molt_fs_item itself = {.is_folder = true};
    int error = molt_fsops_list(get->fs, remote, true, &items, get->message);
    if (!error) {
        error = add(get, remote, local, &itself, named);
    }
    for (uint32_t i = 0; i < items.count && !error; i++) {
        error = add_below(get, remote, &items.item[i], local);
    }
    molt_fs_items_free(&items);
    return error;
}

/* into: below the local folder, by its own name. */
static int get_named(struct getting *get, const char *given, bool into)
{
    char remote[MOLT_FSOPS_PATH], local[MOLT_FSOPS_PATH];
    struct molt_fs_entry entry;
    int error = molt_fsops_path(given, remote, get->message);
    int there = error ? error : fsops_there(get->fs, remote, &entry, get->message);
    if (there <= 0) {
        return there < 0 ? there
                         : molt_fail(get->message, MOLT_E_NOT_FOUND,
                                     "'%s': no such file or folder on the target", remote);
    }
    bool contents = strcmp(remote, "/") == 0 || given[strlen(given) - 1] == '/';
    const char *name = fsops_last(remote), *problem = into ? local_problem(name) : NULL;
    if (contents && !entry.is_folder) {
        return molt_fail(get->message, MOLT_E_ARGUMENT,
                         "'%s': is a file on the target, but has '/' at its end", given);
    }
    if (problem && !contents) {
        return molt_fail(get->message, MOLT_E_ARGUMENT,
                         "'%s': this name %s: give the local file another one", remote, problem);
    }
    bool fits = into && !contents
                    ? fsops_join(local, get->request->local, name)
                    : snprintf(local, sizeof local, "%s", get->request->local) < (int)sizeof local;
    if (!fits) {
        return molt_fail(get->message, MOLT_E_ARGUMENT, "'%s': too long a path for a local file",
                         remote);
    }
    struct molt_fs_item item = {.size = entry.size};
    return entry.is_folder ? get_folder(get, remote, local, !into || contents)
                           : add(get, remote, local, &item, !into);
}

/* ---- All together ---- */

static int by_local(const void *a, const void *b)
{
    const struct molt_fs_fetch *const *x = a, *const *y = b;
    return fsops_ignoring_case((*x)->local, (*y)->local);
}

/* Two that would be one file, on disks that do not tell capitals from small letters too. */
static int check_clashes(const struct getting *get)
{
    const struct molt_fs_fetches *fetches = get->fetches;
    const struct molt_fs_fetch **sorted = malloc((fetches->count + 1u) * sizeof *sorted);
    int error = MOLT_OK;
    if (!sorted) {
        return molt_fail(get->message, MOLT_E_NO_MEMORY, "out of memory");
    }
    for (uint32_t i = 0; i < fetches->count; i++) {
        sorted[i] = &fetches->item[i];
    }
    qsort(sorted, fetches->count, sizeof *sorted, by_local);
    for (uint32_t i = 1; i < fetches->count && !error; i++) {
        const struct molt_fs_fetch *a = sorted[i - 1], *b = sorted[i];
        bool same = strcmp(a->local, b->local) == 0;
        if (fsops_ignoring_case(a->local, b->local) != 0 ||
            (same && a->is_folder && b->is_folder)) {
            continue;
        }
        if (same || !get->request->force) {
            error = molt_fail(get->message, MOLT_E_ARGUMENT,
                              same ? "'%s' and '%s': both would be %s"
                                   : "'%s' and '%s': differ in capitals only, and many disks hold "
                                     "one of them only: --force takes both (%s)",
                              a->remote, b->remote, b->local);
        }
    }
    free(sorted);
    return error;
}

/* An existing folder, or one that is to be made, or a name whose folder must be there. */
static int find_local(const struct getting *get, bool *into)
{
    const char *local = get->request->local;
    struct stat status;
    size_t n = strlen(local);
    bool there = stat(local, &status) == 0, slash = n && local[n - 1] == '/';
    *into = slash || (there && S_ISDIR(status.st_mode));
    if (!n) {
        return molt_fail(get->message, MOLT_E_ARGUMENT,
                         "an empty local name: '.' is the current folder");
    }
    if (there && !S_ISDIR(status.st_mode) && (slash || get->request->count > 1)) {
        return molt_fail(get->message, MOLT_E_ARGUMENT, "%s: is no folder", local);
    }
    if (!there && !slash && get->request->count > 1) {
        return molt_fail(get->message, MOLT_E_NOT_FOUND,
                         "%s: no such folder to put %u things into: with '/' at its end it is made",
                         local, get->request->count);
    }
    return MOLT_OK;
}

int molt_fsops_plan_get(struct molt_fs_fetches *fetches, struct molt_fs *fs,
                        const struct molt_get_request *request, struct molt_message *message)
{
    struct getting get = {fetches, fs, request, message};
    struct molt_fs_item folder = {.is_folder = true};
    bool into;
    int error = find_local(&get, &into);
    if (!error && into) {
        error = add(&get, "/", request->local, &folder, true);
    }
    for (uint32_t i = 0; i < request->count && !error; i++) {
        error = get_named(&get, request->remote[i], into);
    }
    return error ? error : check_clashes(&get);
}

/* ---- Writing ---- */

static int read_one(struct molt_fs *fs, const struct molt_fs_fetch *fetch, uint8_t **bytes,
                    uint32_t *n, struct molt_message *message)
{
    int error = molt_fs_read_file(fs, fetch->remote, bytes, n);
    return error ? fsops_fail(message, error, "cannot be read from the target", fetch->remote)
                 : MOLT_OK;
}

/* The folder and those above it that are missing. */
static int make_folder(const char *local, struct molt_message *message)
{
    char path[MOLT_FSOPS_PATH];
    struct stat status;
    snprintf(path, sizeof path, "%s", local);
    for (char *p = path + 1;; p++) {
        char end = *p;
        if (end && end != '/') {
            continue;
        }
        *p = 0;
        if (mkdir(path, 0777) != 0 && !(stat(path, &status) == 0 && S_ISDIR(status.st_mode))) {
            int number = errno;
            return molt_fail(message, molt_errno(number), "%s: the folder cannot be made: %s", path,
                             strerror(number));
        }
        *p = end;
        if (!end) {
            return MOLT_OK;
        }
    }
}

static int fetch_one(struct molt_fs *fs, const struct molt_fs_fetch *fetch,
                     struct molt_message *message)
{
    uint8_t *bytes = NULL;
    uint32_t n = 0;
    if (fetch->is_folder) {
        return make_folder(fetch->local, message);
    }
    int error = read_one(fs, fetch, &bytes, &n, message);
    if (!error) {
        error = molt_file_write(fetch->local, bytes, n, 0666,
                                fetch->replaces ? MOLT_FILE_REPLACE : MOLT_FILE_KEEP, message);
    }
    free(bytes);
    return error;
}

int molt_fsops_get(const struct molt_fs_fetches *fetches, struct molt_fs *fs,
                   const struct molt_progress *progress, struct molt_message *message)
{
    for (uint32_t i = 0; i < fetches->count; i++) {
        uint8_t *bytes = NULL;
        uint32_t n;
        int error = fetches->item[i].is_folder
                        ? MOLT_OK
                        : read_one(fs, &fetches->item[i], &bytes, &n, message);
        free(bytes);
        if (error) {
            return error;
        }
    }
    for (uint32_t i = 0; i < fetches->count; i++) {
        if (progress && progress->report &&
            progress->report(progress->context, "files", i, fetches->count)) {
            return molt_fail(message, MOLT_E_CANCELLED, "cancelled after %u of %u files", i,
                             fetches->count);
        }
        int error = fetch_one(fs, &fetches->item[i], message);
        if (error) {
            return error;
        }
    }
    if (progress && progress->report && fetches->count) {
        progress->report(progress->context, "files", fetches->count, fetches->count);
    }
    return MOLT_OK;
}

void molt_fs_fetches_free(struct molt_fs_fetches *fetches)
{
    for (uint32_t i = 0; i < fetches->count; i++) {
        free(fetches->item[i].remote);
        free(fetches->item[i].local);
    }
    free(fetches->item);
    *fetches = (struct molt_fs_fetches){0};
}
