#define _POSIX_C_SOURCE 200809L
#include "molt/host/dir_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "molt/host/file.h"

static int place(const void *context, const char *path, char real[PATH_MAX])
{
    const char *root = context;
    int n = snprintf(real, PATH_MAX, "%s%s", root, path);
    return n > 0 && n < PATH_MAX ? MOLT_OK : MOLT_E_ARGUMENT;
}

static int dir_stat(void *context, const char *path, uint32_t *size)
{
    char real[PATH_MAX];
    struct stat info;
    int error = place(context, path, real);
    if (error) {
        return error;
    }
    if (stat(real, &info) != 0) {
        return molt_errno(errno);
    }
    if (S_ISDIR(info.st_mode)) {
        *size = 0;
        return MOLT_DIRECTORY;
    }
    if (!S_ISREG(info.st_mode) || info.st_size > INT32_MAX) {
        return MOLT_E_FORMAT;
    }
    *size = (uint32_t)info.st_size;
    return MOLT_FILE;
}

static int dir_read(void *context, const char *path, uint32_t offset, void *buffer, uint32_t n)
{
    char real[PATH_MAX];
    int error = place(context, path, real);
    if (error) {
        return error;
    }
    int fd = open(real, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return molt_errno(errno);
    }
    uint32_t done = 0;
    while (done < n) {
        ssize_t got = pread(fd, (char *)buffer + done, n - done, (off_t)offset + done);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            error = got < 0 ? molt_errno(errno) : MOLT_OK;
            break;
        }
        done += (uint32_t)got;
    }
    close(fd);
    return error < 0 ? error : (int)done;
}

static int dir_write(void *context, const char *path, uint32_t offset, const void *data, uint32_t n)
{
    char real[PATH_MAX];
    int error = offset ? MOLT_E_UNSUPPORTED : place(context, path, real);
    return error ? error : molt_file_write(real, data, n, 0666, MOLT_FILE_REPLACE, NULL);
}

static int dir_mkdir(void *context, const char *path)
{
    char real[PATH_MAX];
    struct stat info;
    int error = place(context, path, real);
    if (error || mkdir(real, 0777) == 0) {
        return error;
    }
    int number = errno;
    return number == EEXIST && stat(real, &info) == 0 && S_ISDIR(info.st_mode) ? MOLT_OK
                                                                               : molt_errno(number);
}

static int dir_remove(void *context, const char *path)
{
    char real[PATH_MAX];
    int error = place(context, path, real);
    return error || remove(real) == 0 ? error : molt_errno(errno);
}

static int dir_rename(void *context, const char *from, const char *to)
{
    char a[PATH_MAX], b[PATH_MAX];
    int error = place(context, from, a);
    if (!error) {
        error = place(context, to, b);
    }
    return error || rename(a, b) == 0 ? error : molt_errno(errno);
}

static int dir_list(void *context, const char *path, uint32_t index, char *name, uint32_t capacity)
{
    char real[PATH_MAX];
    int result = place(context, path, real);
    if (result) {
        return result;
    }
    DIR *dir = opendir(real);
    if (!dir) {
        return molt_errno(errno);
    }
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && index-- == 0) {
            snprintf(name, capacity, "%s", entry->d_name);
            result = 1;
            break;
        }
    }
    closedir(dir);
    return result;
}

static int dir_space(void *context, uint32_t *free_bytes)
{
    struct statvfs info;
    if (statvfs(context, &info) != 0) {
        return molt_errno(errno);
    }
    uint64_t bytes = (uint64_t)info.f_bavail * info.f_frsize;
    *free_bytes = bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX;
    return MOLT_OK;
}

void molt_dir_files(const char *root, struct molt_files *files)
{
    static const struct molt_files_ops ops = {dir_stat,   dir_read,   dir_write, dir_mkdir,
                                              dir_remove, dir_rename, dir_list,  dir_space,
                                              NULL,       NULL};
    files->ops = &ops;
    files->context = (void *)root;
}
