#define _POSIX_C_SOURCE 200809L /* scandir, lstat */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <jansson.h>

#include "molt/host/file.h"
#include "ops/bundle/bundle_internal.h"

#define DEPTH_MAX 16
#define FILE_MAX  (64u << 20)

void bundle_free_files(struct bundle_files *files)
{
    for (uint32_t i = 0; i < files->count; i++) {
        free((char *)files->file[i].path);
        free((uint8_t *)files->file[i].bytes);
    }
    free(files->file);
    memset(files, 0, sizeof *files);
}

static int no_memory(struct molt_message *message, const char *path)
{
    return molt_fail(message, MOLT_E_NO_MEMORY, "%s: out of memory", path);
}

int bundle_add_file(struct bundle_files *files, char *path, uint8_t *bytes, uint32_t size,
                    uint8_t policy, struct molt_message *message)
{
    int error = MOLT_OK;
    if (files->count == MOLT_BUNDLE_FILE_MAX) {
        error = molt_fail(message, MOLT_E_NO_SPACE, "%s: more than %d files in the release", path,
                          MOLT_BUNDLE_FILE_MAX);
    } else if (files->count == files->capacity) {
        uint32_t capacity = files->capacity ? files->capacity * 2 : 16;
        void *grown = realloc(files->file, capacity * sizeof *files->file);
        if (grown) {
            files->file = grown;
            files->capacity = capacity;
        } else {
            error = no_memory(message, path);
        }
    }
    if (error) {
        free(path);
        free(bytes);
        return error;
    }
    files->file[files->count++] = (struct molt_pack_file){path, bytes, size, policy};
    return MOLT_OK;
}

static int add_file(struct bundle_files *files, const char *path, const char *inside,
                    struct molt_message *message)
{
    uint8_t *bytes;
    size_t n;
    int error = molt_file_read(path, FILE_MAX, &bytes, &n, message);
    if (error) {
        return error;
    }
    char *name = strdup(inside);
    if (!name) {
        free(bytes);
        return no_memory(message, path);
    }
    return bundle_add_file(files, name, bytes, (uint32_t)n, MOLT_KEEP_REPLACE, message);
}

static int walk(struct bundle_files *files, const char *path, const char *inside, int depth,
                struct molt_message *message);

static bool is_utf8(const char *text)
{
    json_t *string = json_string(text);
    json_decref(string);
    return string != NULL;
}

static int visit(struct bundle_files *files, const char *folder, const char *inside,
                 const char *name, int depth, struct molt_message *message)
{
    char path[PATH_MAX], below[PATH_MAX];
    struct stat info;
    int a = snprintf(path, sizeof path, "%s/%s", folder, name);
    int b = snprintf(below, sizeof below, "%s%s%s", inside, *inside ? "/" : "", name);
    if (a < 0 || a >= (int)sizeof path || b < 0 || b >= (int)sizeof below) {
        return molt_fail(message, MOLT_E_RELEASE, "%s/%s: path too long", folder, name);
    }
    if (lstat(path, &info) != 0) {
        return molt_fail(message, molt_errno(errno), "%s: %s", path, strerror(errno));
    }
    if (S_ISDIR(info.st_mode)) {
        return walk(files, path, below, depth + 1, message);
    }
    if (!S_ISREG(info.st_mode)) {
        return molt_fail(message, MOLT_E_RELEASE,
                         "%s: is %s, and a release holds files and folders only", path,
                         S_ISLNK(info.st_mode) ? "a symbolic link" : "a device, pipe or socket");
    }
    if (strcmp(below, ".list") == 0 || strcmp(below, ".carry") == 0) {
        return molt_fail(message, MOLT_E_RELEASE,
                         "%s: devices keep something of their own under that name: rename it",
                         path);
    }
    if (!molt_release_path_ok(below)) {
        return molt_fail(message, MOLT_E_RELEASE,
                         "%s: a control character or backslash in the name, which no device's file "
                         "system takes safely",
                         path);
    }
    if (!is_utf8(below)) {
        return molt_fail(message, MOLT_E_RELEASE,
                         "%s: its name is not UTF-8, as the list of a release needs it: rename it",
                         path);
    }
    return add_file(files, path, below, message);
}

static int not_dots(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

/* By bytes, whatever the locale: the same folder gives the same bundle everywhere. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int walk(struct bundle_files *files, const char *path, const char *inside, int depth,
                struct molt_message *message)
{
    struct dirent **entry;
    int error = MOLT_OK;
    if (depth > DEPTH_MAX) {
        return molt_fail(message, MOLT_E_RELEASE, "%s: more than %d folders deep", path, DEPTH_MAX);
    }
    int n = scandir(path, &entry, not_dots, by_name);
    if (n < 0) {
        return molt_fail(message, molt_errno(errno), "%s: cannot read the folder: %s", path,
                         strerror(errno));
    }
    for (int i = 0; i < n; i++) {
        if (!error) {
            error = visit(files, path, inside, entry[i]->d_name, depth, message);
        }
        free(entry[i]);
    }
    free(entry);
    return error;
}

int bundle_read_release(struct bundle_files *files, const char *folder,
                        struct molt_message *message)
{
    memset(files, 0, sizeof *files);
    int error = walk(files, folder, "", 0, message);
    if (!error && files->count == 0) {
        error = molt_fail(message, MOLT_E_ARGUMENT, "%s: no files in it to release", folder);
    }
    if (error) {
        bundle_free_files(files);
    }
    return error;
}
