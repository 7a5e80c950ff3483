/* What becomes of files that the application changed: --keep and --delete of a release. */
#define _POSIX_C_SOURCE 200809L /* strdup */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops/bundle/bundle_internal.h"

#define NAME_MAX_LENGTH (sizeof((struct molt_release_file *)0)->path)

/* Edits that lead from one text to the other; texts over the buffer count as far apart. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[NAME_MAX_LENGTH + 1];
    size_t n = strlen(b);
    if (n > NAME_MAX_LENGTH || strlen(a) > NAME_MAX_LENGTH) {
        return UINT32_MAX;
    }
    for (size_t i = 0; i <= n; i++) {
        row[i] = (unsigned)i;
    }
    for (; *a; a++) {
        unsigned diagonal = row[0]++;
        for (size_t i = 1; i <= n; i++) {
            unsigned change = diagonal + (*a != b[i - 1]);
            diagonal = row[i];
            unsigned least = row[i] < row[i - 1] ? row[i] + 1 : row[i - 1] + 1;
            row[i] = change < least ? change : least;
        }
    }
    return row[n];
}

static struct molt_pack_file *find(const struct bundle_files *files, const char *path)
{
    for (uint32_t i = 0; i < files->count; i++) {
        if (strcmp(files->file[i].path, path) == 0) {
            return &files->file[i];
        }
    }
    return NULL;
}

static const char *nearest(const struct bundle_files *files, const char *path)
{
    const char *best = files->file[0].path;
    for (uint32_t i = 1; i < files->count; i++) {
        if (distance(files->file[i].path, path) < distance(best, path)) {
            best = files->file[i].path;
        }
    }
    return best;
}

/* A file that lies below the folder; NULL when none does. */
static const char *below(const struct bundle_files *files, const char *folder)
{
    size_t n = strlen(folder);
    for (uint32_t i = 0; i < files->count; i++) {
        const char *path = files->file[i].path;
        if (files->file[i].policy < MOLT_KEEP_DELETE && strncmp(path, folder, n) == 0 &&
            path[n] == '/') {
            return path;
        }
    }
    return NULL;
}

/* A file of the release where the path needs a folder; NULL when there is none. */
static const char *file_in_the_way(const struct bundle_files *files, const char *path)
{
    for (uint32_t i = 0; i < files->count; i++) {
        size_t n = strlen(files->file[i].path);
        if (files->file[i].policy < MOLT_KEEP_DELETE &&
            strncmp(path, files->file[i].path, n) == 0 && path[n] == '/') {
            return files->file[i].path;
        }
    }
    return NULL;
}

/* An entry without content: a folder to keep, a path to delete. */
static int add_entry(struct bundle_files *files, const char *path, uint8_t policy,
                     const char *option, struct molt_message *message)
{
    const struct molt_pack_file *there = find(files, path);
    const char *blocks = file_in_the_way(files, path);
    if (there && there->policy == policy) {
        return MOLT_OK;
    }
    if (there) {
        return molt_fail(message, MOLT_E_ARGUMENT, "%s %s: is to be kept and deleted: say one",
                         option, path);
    }
    if (blocks) {
        return molt_fail(message, MOLT_E_ARGUMENT,
                         "%s %s: '%s' is a file of the release, so nothing is below it", option,
                         path, blocks);
    }
    char *name = strdup(path);
    uint8_t *nothing = calloc(1, 1);
    if (!name || !nothing) {
        free(name);
        free(nothing);
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    return bundle_add_file(files, name, nothing, 0, policy, message);
}

/* The path without a slash at its end. *folder: it had one. */
static int clean(const char *option, const char *given, char path[NAME_MAX_LENGTH], bool *folder,
                 struct molt_message *message)
{
    size_t n = strlen(given);
    *folder = n > 1 && given[n - 1] == '/';
    n -= *folder;
    if (n >= NAME_MAX_LENGTH) {
        return molt_fail(message, MOLT_E_ARGUMENT, "%s %s: longer than %zu bytes", option, given,
                         NAME_MAX_LENGTH - 1);
    }
    memcpy(path, given, n);
    path[n] = 0;
    if (!molt_release_path_ok(path)) {
        return molt_fail(message, MOLT_E_ARGUMENT,
                         "%s '%s': expected a path below the release's folder, as data/log.txt",
                         option, given);
    }
    return MOLT_OK;
}

static int keep(struct bundle_files *files, const char *folder, const char *given,
                struct molt_message *message)
{
    char path[NAME_MAX_LENGTH];
    bool whole;
    int error = clean("--keep", given, path, &whole, message);
    if (error) {
        return error;
    }
    struct molt_pack_file *file = find(files, path);
    if (whole && file && file->policy < MOLT_KEEP_DELETE) {
        return molt_fail(message, MOLT_E_ARGUMENT,
                         "--keep %s: is a file in %s: say '%s', without the slash", given, folder,
                         path);
    }
    if (whole) {
        return add_entry(files, path, MOLT_KEEP_FOLDER, "--keep", message);
    }
    if (file && file->policy < MOLT_KEEP_DELETE) {
        file->policy = MOLT_KEEP_IF_CHANGED;
        return MOLT_OK;
    }
    if (below(files, path)) {
        return molt_fail(message, MOLT_E_ARGUMENT,
                         "--keep %s: is a folder in %s: say '%s/', with a slash", given, folder,
                         path);
    }
    return molt_fail(message, MOLT_E_NOT_FOUND,
                     "--keep %s: no such file in %s; the nearest is '%s' (a folder of the "
                     "application's own ends in a slash: '%s/')",
                     given, folder, nearest(files, path), path);
}

static int drop(struct bundle_files *files, const char *folder, const char *given,
                struct molt_message *message)
{
    char path[NAME_MAX_LENGTH];
    bool whole;
    int error = clean("--delete", given, path, &whole, message);
    if (error) {
        return error;
    }
    const struct molt_pack_file *file = find(files, path);
    const char *inside = file && file->policy < MOLT_KEEP_DELETE ? path : below(files, path);
    if (inside) {
        return molt_fail(message, MOLT_E_ARGUMENT,
                         "--delete %s: %s brings '%s': take it out of that folder instead", given,
                         folder, inside);
    }
    return add_entry(files, path, MOLT_KEEP_DELETE, "--delete", message);
}

int bundle_apply_policies(struct bundle_files *files, const struct molt_bundle_request *request,
                          struct molt_message *message)
{
    int error = MOLT_OK;
    for (uint32_t i = 0; i < request->keep_count && !error; i++) {
        error = keep(files, request->release, request->keep[i], message);
    }
    for (uint32_t i = 0; i < request->drop_count && !error; i++) {
        error = drop(files, request->release, request->drop[i], message);
    }
    return error;
}
