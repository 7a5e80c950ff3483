/* Local files and folders onto a file system: names first, then room, then their bytes. */
#define _POSIX_C_SOURCE 200809L /* lstat, scandir */
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "molt/host/file.h"
#include "ops/fs/fs_internal.h"

#define INLINE_MAX 512u /* littlefs: smaller files may lie in their folder's blocks */

/* A folder on the way to where the walk is. */
struct above {
    dev_t device;
    ino_t number;
};

struct walk {
    struct molt_fs_changes *changes;
    struct molt_fs *fs;
    enum molt_fs_kind kind;
    const struct molt_put_request *request;
    struct molt_message *message;
    size_t root; /* bytes of the local path before what --exclude with '/' looks at */
    struct above above[FSOPS_DEPTH];
    uint32_t depth;
    bool fresh; /* the folder on the target is a new one: nothing is there */
};

static int put_any(struct walk *walk, const char *local, const char *remote);

/* ---- What is not put ---- */

static bool excluded(const struct walk *walk, const char *local)
{
    const struct molt_put_request *request = walk->request;
    for (uint32_t i = 0; i < request->exclude_count; i++) {
        const char *pattern = request->exclude[i];
        const char *inside = local + walk->root + (local[walk->root] == '/');
        bool by_path = strchr(pattern, '/') != NULL;
        pattern += by_path && pattern[0] == '/';
        if (fnmatch(pattern, by_path ? inside : fsops_last(local), by_path ? FNM_PATHNAME : 0) ==
            0) {
            return true;
        }
    }
    return request->skip && molt_same_file(local, request->skip);
}

static int on_target(const struct walk *walk, const char *remote, struct molt_fs_entry *entry)
{
    return walk->fresh ? 0 : fsops_there(walk->fs, remote, entry, walk->message);
}

/* ---- Files ---- */

static int put_file(struct walk *walk, const char *local, const char *remote, uint64_t size)
{
    struct molt_fs_entry entry;
    int there = on_target(walk, remote, &entry);
    if (there < 0) {
        return there;
    }
    if (there && entry.is_folder) {
        return molt_fail(walk->message, MOLT_E_ARGUMENT,
                         "%s: is a file, and '%s' on the target is a folder: 'molt fs rm -r' it "
                         "first, or give another name",
                         local, remote);
    }
    if (size >= UINT32_MAX) {
        return molt_fail(walk->message, MOLT_E_NO_SPACE, "%s: is %llu bytes, more than any flash",
                         local, (unsigned long long)size);
    }
    struct molt_fs_change *change = fsops_add(walk->changes, MOLT_FS_WRITE, remote, walk->message);
    char *source = change ? strdup(local) : NULL;
    if (!source) {
        return molt_fail(walk->message, MOLT_E_NO_MEMORY, "out of memory");
    }
    change->source = source;
    change->size = (uint32_t)size;
    change->replaces = there != 0;
    change->old_size = there ? entry.size : 0;
    return MOLT_OK;
}

/* ---- Folders ---- */

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name); /* alphasort would ask the locale */
}

static int not_itself(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int put_entry(struct walk *walk, const char *local, const char *remote, const char *name)
{
    char *from = malloc(MOLT_FSOPS_PATH), *to = malloc(MOLT_FSOPS_PATH);
    const char *problem = NULL;
    int error = MOLT_OK;
    if (!from || !to) {
        error = molt_fail(walk->message, MOLT_E_NO_MEMORY, "out of memory");
    } else if (!fsops_join(from, local, name) || !fsops_join(to, remote, name)) {
        error = molt_fail(walk->message, MOLT_E_ARGUMENT, "%s/%s: too long a path", local, name);
    } else if (!excluded(walk, from)) {
        problem = fsops_name_problem(walk->kind, name);
        error = problem
                    ? molt_fail(walk->message, MOLT_E_ARGUMENT, "%s: this name %s", from, problem)
                    : put_any(walk, from, to);
    }
    free(from);
    free(to);
    return error;
}

static int put_contents(struct walk *walk, const char *local, const char *remote,
                        const struct stat *status)
{
    struct dirent **entry = NULL;
    for (uint32_t i = 0; i < walk->depth; i++) {
        if (walk->above[i].device == status->st_dev && walk->above[i].number == status->st_ino) {
            return molt_fail(walk->message, MOLT_E_ARGUMENT,
                             "%s: is a link to a folder that it lies in: this would never end",
                             local);
        }
    }
    walk->above[walk->depth++] = (struct above){status->st_dev, status->st_ino};
    int count = scandir(local, &entry, not_itself, by_name);
    if (count < 0) {
        int number = errno;
        return molt_fail(walk->message, molt_errno(number), "%s: cannot be listed: %s", local,
                         strerror(number));
    }
    int error = MOLT_OK;
    for (int i = 0; i < count; i++) {
        if (!error) {
            error = put_entry(walk, local, remote, entry[i]->d_name);
        }
        free(entry[i]);
    }
    free(entry);
    walk->depth--;
    return error;
}

static int put_folder(struct walk *walk, const char *local, const char *remote,
                      const struct stat *status)
{
    struct molt_fs_entry entry;
    bool before = walk->fresh;
    int there = on_target(walk, remote, &entry);
    if (there < 0) {
        return there;
    }
    if (there && !entry.is_folder) {
        return molt_fail(
            walk->message, MOLT_E_ARGUMENT,
            "%s: is a folder, and '%s' on the target is a file: 'molt fs rm' it first, "
            "or give another name",
            local, remote);
    }
    int error = fsops_check_depth(remote, walk->message); /* bounds walk->depth, too */
    if (error) {
        return error;
    }
    if (!there && !fsops_add(walk->changes, MOLT_FS_MKDIR, remote, walk->message)) {
        return MOLT_E_NO_MEMORY;
    }
    walk->fresh = there == 0;
    error = put_contents(walk, local, remote, status);
    walk->fresh = before;
    return error;
}

static const char *sort_of(mode_t mode)
{
    return S_ISFIFO(mode) ? "a pipe" : S_ISSOCK(mode) ? "a socket" : "a device";
}

static int put_any(struct walk *walk, const char *local, const char *remote)
{
    struct stat status, link;
    if (stat(local, &status) != 0) {
        int number = errno;
        bool loop = number == ELOOP;
        bool dangling = number == ENOENT && lstat(local, &link) == 0;
        return molt_fail(walk->message, loop ? MOLT_E_ARGUMENT : molt_errno(number), "%s: %s",
                         local,
                         loop       ? "is a link that leads in a circle"
                         : dangling ? "is a link to something that is not there"
                                    : strerror(number));
    }
    if (S_ISDIR(status.st_mode)) {
        return put_folder(walk, local, remote, &status);
    }
    if (!S_ISREG(status.st_mode)) {
        return molt_fail(walk->message, MOLT_E_ARGUMENT, "%s: is %s, expected a file or a folder",
                         local, sort_of(status.st_mode));
    }
    return put_file(walk, local, remote, (uint64_t)status.st_size);
}

/* ---- What the request names ---- */

/* "a/b/", "a/." and "." mean the contents. Returns the length of local without that. */
static size_t plain_length(const char *local, bool *contents)
{
    size_t n = strlen(local);
    *contents = strcmp(local, ".") == 0 || strcmp(local, "..") == 0 ||
                (n > 1 && strcmp(local + n - 2, "/.") == 0) ||
                (n > 2 && strcmp(local + n - 3, "/..") == 0) || (n > 0 && local[n - 1] == '/');
    if (n > 2 && strcmp(local + n - 2, "/.") == 0) {
        n -= 2;
    }
    while (n > 1 && local[n - 1] == '/') {
        n--;
    }
    return n;
}

/* The name on the target: remote itself, or below it the last part of local. */
static int where_to(struct walk *walk, const char *local, const char *remote, bool into,
                    bool contents, char to[MOLT_FSOPS_PATH])
{
    struct stat status;
    bool there = stat(local, &status) == 0;
    const char *name = fsops_last(into ? local : remote);
    if (there && contents && !S_ISDIR(status.st_mode)) {
        return molt_fail(walk->message, MOLT_E_ARGUMENT, "%s: is no folder, but has '/' at its end",
                         local);
    }
    if (contents && into) {
        snprintf(to, MOLT_FSOPS_PATH, "%s", remote);
        return MOLT_OK;
    }
    const char *problem = fsops_name_problem(walk->kind, name);
    if (problem) {
        return molt_fail(walk->message, MOLT_E_ARGUMENT, "%s: the name '%s' %s", local, name,
                         problem);
    }
    if (!into) {
        snprintf(to, MOLT_FSOPS_PATH, "%s", remote);
    } else if (!fsops_join(to, remote, name)) {
        return molt_fail(walk->message, MOLT_E_ARGUMENT, "%s: too long a path", local);
    }
    return MOLT_OK;
}

static int put_named(struct walk *walk, const char *given, const char *remote, bool into)
{
    char *local = malloc(MOLT_FSOPS_PATH), *to = malloc(MOLT_FSOPS_PATH);
    bool contents;
    size_t n = plain_length(given, &contents);
    int error = MOLT_OK;
    if (!local || !to) {
        error = molt_fail(walk->message, MOLT_E_NO_MEMORY, "out of memory");
    } else if (n == 0 || n >= MOLT_FSOPS_PATH) {
        error =
            molt_fail(walk->message, MOLT_E_ARGUMENT, "'%.100s': expected a file or folder", given);
    } else {
        memcpy(local, given, n);
        local[n] = 0;
        walk->root = n;
        error = where_to(walk, local, remote, into, contents, to);
        if (!error) {
            error = put_any(walk, local, to);
        }
    }
    free(local);
    free(to);
    return error;
}

/* The folder that remote names is there, is made (with '/' at its end), or its parent must be. */
static int find_remote(struct walk *walk, char path[MOLT_FSOPS_PATH], bool *into)
{
    const char *remote = walk->request->remote;
    struct molt_fs_entry entry;
    char above[MOLT_FSOPS_PATH];
    bool slash = remote[0] && remote[strlen(remote) - 1] == '/';
    int error = molt_fsops_path(remote, path, walk->message);
    int there = error ? error : fsops_there(walk->fs, path, &entry, walk->message);
    if (there < 0) {
        return there;
    }
    *into = slash || (there && entry.is_folder);
    if (there && !entry.is_folder && (slash || walk->request->count > 1)) {
        return molt_fail(walk->message, MOLT_E_ARGUMENT,
                         "'%s': is a file on the target, expected "
                         "a folder",
                         path);
    }
    if (there) {
        return MOLT_OK;
    }
    if (slash) {
        return molt_fsops_plan_mkdir(walk->changes, walk->fs, path, true, walk->message);
    }
    if (walk->request->count > 1) {
        return molt_fail(walk->message, MOLT_E_NOT_FOUND,
                         "'%s': no such folder on the target to put %u things into: with '/' at "
                         "its end it is made",
                         path, walk->request->count);
    }
    fsops_parent(path, above);
    there = fsops_there(walk->fs, above, &entry, walk->message);
    if (there < 0 || (there && entry.is_folder)) {
        return there < 0 ? there : MOLT_OK;
    }
    return molt_fail(walk->message, there ? MOLT_E_ARGUMENT : MOLT_E_NOT_FOUND,
                     there ? "'%s': is a file on the target, expected a folder"
                           : "'%s': no such folder on the target: 'molt fs mkdir -p' makes it",
                     above);
}

static int by_target(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Two locals for one file: only one would be there afterwards. */
static int check_twice(const struct molt_fs_changes *changes, struct molt_message *message)
{
    uint32_t n = 0;
    const char **path = malloc((changes->count + 1u) * sizeof *path);
    if (!path) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    for (uint32_t i = 0; i < changes->count; i++) {
        if (changes->item[i].kind == MOLT_FS_WRITE) {
            path[n++] = changes->item[i].path;
        }
    }
    int error = MOLT_OK;
    qsort(path, n, sizeof *path, by_target);
    for (uint32_t i = 1; i < n && !error; i++) {
        if (strcmp(path[i - 1], path[i]) == 0) {
            error = molt_fail(message, MOLT_E_ARGUMENT,
                              "'%s': two of the files to put have this "
                              "name on the target",
                              path[i]);
        }
    }
    free(path);
    return error;
}

int fsops_collect(struct molt_fs_changes *changes, struct molt_fs *fs,
                  const struct molt_put_request *request, struct molt_message *message)
{
    char path[MOLT_FSOPS_PATH];
    bool into;
    struct walk *walk = calloc(1, sizeof *walk);
    if (!walk) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    walk->changes = changes;
    walk->fs = fs;
    walk->kind = molt_fs_kind_of(fs);
    walk->request = request;
    walk->message = message;
    int error = find_remote(walk, path, &into);
    for (uint32_t i = 0; i < request->count && !error; i++) {
        error = put_named(walk, request->local[i], path, into);
    }
    free(walk);
    return error || request->count < 2 ? error : check_twice(changes, message);
}

/* ---- Room and bytes ---- */

static uint32_t file_blocks(uint32_t size, enum molt_fs_kind kind, uint32_t block_size)
{
    if (kind == MOLT_FS_LITTLEFS && size < INLINE_MAX) {
        return 0;
    }
    return size / block_size + (size % block_size != 0);
}

int64_t fsops_blocks(const struct molt_fs_changes *changes, enum molt_fs_kind kind,
                     uint32_t block_size, uint32_t *files, uint64_t *bytes)
{
    int64_t blocks = 0;
    *files = 0;
    *bytes = 0;
    for (uint32_t i = 0; i < changes->count; i++) {
        const struct molt_fs_change *change = &changes->item[i];
        if (change->kind == MOLT_FS_WRITE) {
            blocks += file_blocks(change->size, kind, block_size);
            blocks -= change->replaces ? file_blocks(change->old_size, kind, block_size) : 0;
            *files += 1;
            *bytes += change->size;
        } else if (change->kind == MOLT_FS_MKDIR) {
            blocks += kind == MOLT_FS_LITTLEFS ? 2 : 1;
        }
    }
    return blocks;
}

int fsops_read_sources(struct molt_fs_changes *changes, struct molt_message *message)
{
    int error = MOLT_OK;
    for (uint32_t i = 0; i < changes->count && !error; i++) {
        struct molt_fs_change *change = &changes->item[i];
        size_t n = 0;
        if (change->kind == MOLT_FS_WRITE && change->source && !change->bytes) {
            error = molt_file_read(change->source, change->size, &change->bytes, &n, message);
            change->size = (uint32_t)n;
        }
    }
    return error;
}

/* Is the file that would be replaced the same already? One that cannot be read is not. */
static bool is_same(const struct molt_fs_change *change, struct molt_fs *fs)
{
    uint8_t *bytes = NULL;
    uint32_t n = 0;
    if (change->kind != MOLT_FS_WRITE || !change->replaces || change->old_size != change->size) {
        return false;
    }
    bool same = molt_fs_read_file(fs, change->path, &bytes, &n) == MOLT_OK && n == change->size &&
                memcmp(bytes, change->bytes, n) == 0;
    free(bytes);
    return same;
}

/* Flash wears: what is there already is not written again. */
static void leave_out_same(struct molt_fs_changes *changes, struct molt_fs *fs)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < changes->count; i++) {
        struct molt_fs_change *change = &changes->item[i];
        if (is_same(change, fs)) {
            changes->same++;
            changes->same_bytes += change->size;
            fsops_change_free(change);
        } else {
            changes->item[kept++] = *change;
        }
    }
    changes->count = kept;
}

int fsops_load(struct molt_fs_changes *changes, struct molt_fs *fs, struct molt_message *message)
{
    struct molt_fs_space space;
    uint32_t files;
    uint64_t bytes;
    int error = molt_fs_space(fs, &space);
    if (error) {
        return molt_fail(message, error, "the free space cannot be counted: %s",
                         molt_strerror(error));
    }
    int64_t blocks = fsops_blocks(changes, molt_fs_kind_of(fs), space.block_size, &files, &bytes);
    if (blocks > (int64_t)space.total - space.used) {
        return molt_fail(message, MOLT_E_NO_SPACE,
                         "does not fit: %u file%s of %llu bytes in all need%s %lld more blocks of "
                         "%u bytes at least, %u of %u are free. Nothing was written",
                         files, files == 1 ? "" : "s", (unsigned long long)bytes,
                         files == 1 ? "s" : "", (long long)blocks, space.block_size,
                         space.total - space.used, space.total);
    }
    error = fsops_read_sources(changes, message);
    if (!error) {
        leave_out_same(changes, fs);
    }
    return error;
}

int molt_fsops_plan_put(struct molt_fs_changes *changes, struct molt_fs *fs,
                        const struct molt_put_request *request, struct molt_message *message)
{
    int error = fsops_collect(changes, fs, request, message);
    return error ? error : fsops_load(changes, fs, message);
}

int molt_fsops_put_tree(struct molt_fs *fs, const char *local, const char *remote, uint32_t *files,
                        uint64_t *bytes, struct molt_message *message)
{
    struct molt_fs_changes changes = {0};
    char *from = malloc(MOLT_FSOPS_PATH), *to = malloc(MOLT_FSOPS_PATH);
    const char *const one[1] = {from};
    struct stat status;
    uint32_t at = 0, count = 0;
    uint64_t total = 0;
    int error = MOLT_OK;
    if (!from || !to) {
        error = molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    } else {
        bool folder = stat(local, &status) == 0 && S_ISDIR(status.st_mode);
        struct molt_put_request request = {.local = one, .count = 1, .remote = to};
        if (!fsops_join(to, remote, "") ||
            snprintf(from, MOLT_FSOPS_PATH, "%s%s", local, folder ? "/" : "") >= MOLT_FSOPS_PATH) {
            error = molt_fail(message, MOLT_E_ARGUMENT, "%.200s: too long a path", local);
        } else {
            error = molt_fsops_plan_put(&changes, fs, &request, message);
        }
    }
    if (!error) {
        fsops_blocks(&changes, molt_fs_kind_of(fs), 1, &count, &total);
        count += changes.same;
        total += changes.same_bytes;
        error = fsops_apply(fs, &changes, &at, NULL, message);
    }
    if (files) {
        *files = count;
    }
    if (bytes) {
        *bytes = total;
    }
    molt_fs_changes_free(&changes);
    free(from);
    free(to);
    return error;
}
