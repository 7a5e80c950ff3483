#include "fs_fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/memflash.h"
#include "molt/host/fs.h"

/* Entries looked at: folders may contain themselves. */
#define ENTRIES_MAX 300

static void must(int condition)
{
    if (!condition) {
        abort();
    }
}

static void walk(struct molt_fs *fs, char path[600], int *left)
{
    struct molt_fs_dir *dir;
    struct molt_fs_entry entry;
    size_t n = strlen(path);
    int result = molt_fs_dir_open(fs, n ? path : "/", &dir);
    must((result == MOLT_OK) == (dir != NULL));
    while (result == MOLT_OK && --*left > 0 && molt_fs_dir_next(dir, &entry) == 1) {
        uint8_t *bytes;
        uint32_t size;
        if (n + 1 + strlen(entry.name) >= 600) {
            continue;
        }
        snprintf(path + n, 600 - n, "/%s", entry.name);
        if (entry.is_folder) {
            walk(fs, path, left);
        } else if (molt_fs_read_file(fs, path, &bytes, &size) == MOLT_OK) {
            must(bytes && bytes[size] == 0);
            free(bytes);
        } else {
            must(!bytes);
        }
        path[n] = '\0';
    }
    molt_fs_dir_close(dir);
}

static void change(struct molt_fs *fs, uint32_t size)
{
    struct molt_fs_space space;
    uint8_t content[3000], *back;
    uint32_t n;
    memset(content, 'x', sizeof content);
    if (molt_fs_write_file(fs, "/new", content, sizeof content) == MOLT_OK &&
        molt_fs_read_file(fs, "/new", &back, &n) == MOLT_OK) {
        free(back);
    }
    molt_fs_mkdir(fs, "/folder");
    molt_fs_rename(fs, "/new", "/folder/old");
    molt_fs_remove(fs, "/folder");
    molt_fs_space(fs, &space);
    molt_fs_grow(fs, size, NULL);
}

void fs_fuzz(uint8_t *image, uint32_t size, unsigned choice)
{
    struct molt_fs_facts facts;
    struct molt_flash flash;
    struct molt_region region;
    struct molt_message message;
    struct molt_fs *fs;
    char path[600] = "";
    int left = ENTRIES_MAX;
    memflash_init(&flash, &region, image, size);
    must(molt_fs_probe(&facts, &flash, 0, size) == MOLT_OK);
    int result = molt_fs_mount(&fs, &flash, 0, size, false, &message);
    must((result == MOLT_OK) == (fs != NULL) && (result == MOLT_OK || message.text[0]));
    if (!fs) {
        return;
    }
    must(facts.kind == molt_fs_kind_of(fs));
    walk(fs, path, &left);
    molt_fs_check(fs, NULL, NULL);
    if (choice & 1) {
        change(fs, size);
        molt_fs_check(fs, NULL, NULL);
    }
    molt_fs_unmount(fs, NULL);
}
