/*
 * In place of libFuzzer: runs a fuzz target over every file of the folders and files given. Fails
 * when there is none, so that a lost corpus is noticed.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Number of inputs run, or -1 after a message. */
static int run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        if (file) {
            fclose(file);
        }
        return -1;
    }
    long size = ftell(file);
    rewind(file);
    /* Exactly as large as the input, so that the sanitizer sees a read behind its end. */
    uint8_t *data = malloc(size > 0 ? (size_t)size : 1);
    if (!data || size < 0 || fread(data, 1, (size_t)size, file) != (size_t)size) {
        fprintf(stderr, "%s: cannot be read\n", path);
        free(data);
        fclose(file);
        return -1;
    }
    fclose(file);
    LLVMFuzzerTestOneInput(data, (size_t)size);
    free(data);
    return 1;
}

static int run_folder(const char *path)
{
    DIR *folder = opendir(path);
    if (!folder) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return -1;
    }
    int count = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char name[4096];
        if (entry->d_name[0] == '.') {
            continue;
        }
        int n = snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (n < 0 || n >= (int)sizeof name || run_file(name) < 0) {
            closedir(folder);
            return -1;
        }
        count++;
    }
    closedir(folder);
    return count;
}

int main(int argc, char **argv)
{
    int total = 0;
    for (int i = 1; i < argc; i++) {
        struct stat info;
        if (stat(argv[i], &info) != 0) {
            fprintf(stderr, "%s: %s\n", argv[i], strerror(errno));
            return 1;
        }
        int count = S_ISDIR(info.st_mode) ? run_folder(argv[i]) : run_file(argv[i]);
        if (count <= 0) {
            fprintf(stderr, "%s: %s\n", argv[i], count == 0 ? "no input there" : "failed");
            return 1;
        }
        total += count;
    }
    if (total == 0) {
        fprintf(stderr, "no inputs given: name the folder of a corpus\n");
        return 1;
    }
    printf("%d inputs\n", total);
    return 0;
}
