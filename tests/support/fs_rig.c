#include "fs_rig.h"

#include <lfs_util.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "testing.h"

void fs_rig_init(struct fs_rig *rig)
{
    memset(rig->bytes, 0xFF, sizeof rig->bytes);
    molt_nor_init(&rig->nor, rig->bytes, FS_RIG_CHIP, 7);
    molt_nor_flash(&rig->nor, &rig->flash);
    rig->fs = NULL;
}

void fs_rig_make(struct fs_rig *rig, enum molt_fs_kind kind, uint32_t block_size)
{
    struct molt_fs_options options = {kind, 0x00020001, block_size};
    struct molt_message message = {0};
    fs_rig_init(rig);
    if (molt_fs_format(&rig->flash, FS_RIG_OFFSET, FS_RIG_SIZE, &options, &message) != MOLT_OK) {
        fail_msg("%s", message.text);
    }
    fs_rig_mount(rig);
}

void fs_rig_mount(struct fs_rig *rig)
{
    struct molt_message message = {0};
    if (molt_fs_mount(&rig->fs, &rig->flash, FS_RIG_OFFSET, FS_RIG_SIZE, false, &message) !=
        MOLT_OK) {
        fail_msg("%s", message.text);
    }
}

void fs_rig_unmount(struct fs_rig *rig)
{
    assert_int_equal(molt_fs_unmount(rig->fs, NULL), MOLT_OK);
    rig->fs = NULL;
}

void fs_rig_fill(uint8_t *bytes, uint32_t n, unsigned seed)
{
    uint32_t state = seed * 2654435761u + 1;
    for (uint32_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)(state >> 24);
    }
}

void fs_rig_put(struct fs_rig *rig, const char *path, uint32_t n, unsigned seed)
{
    uint8_t *bytes = malloc(n + 1);
    assert_non_null(bytes);
    fs_rig_fill(bytes, n, seed);
    assert_int_equal(molt_fs_write_file(rig->fs, path, bytes, n), MOLT_OK);
    free(bytes);
}

void fs_rig_expect(struct fs_rig *rig, const char *path, uint32_t n, unsigned seed)
{
    uint8_t *wanted = malloc(n + 1), *found;
    uint32_t size;
    assert_non_null(wanted);
    fs_rig_fill(wanted, n, seed);
    wanted[n] = 0;
    assert_int_equal(molt_fs_read_file(rig->fs, path, &found, &size), MOLT_OK);
    assert_int_equal(size, n);
    assert_memory_equal(found, wanted, n + 1);
    free(wanted);
    free(found);
}

/* As lfs_dir_fetch goes through a block, but it believes the checksums. */
int fs_rig_change_tags(uint8_t *block, uint32_t size, uint32_t type, const uint8_t *data,
                       uint32_t m)
{
    int changed = 0;
    uint32_t at = 4, previous = 0xFFFFFFFF, crc = lfs_crc(0xFFFFFFFF, block, 4);
    while (size - at >= 8) {
        uint32_t raw = (uint32_t)block[at] << 24 | (uint32_t)block[at + 1] << 16 |
                       (uint32_t)block[at + 2] << 8 | block[at + 3];
        uint32_t tag = raw ^ previous, n = (tag & 0x3FF) == 0x3FF ? 0 : tag & 0x3FF;
        if (tag >> 31 || n > size - at - 4) {
            break;
        }
        if ((tag >> 20 & 0x7FF) == type && n == m) {
            memcpy(block + at + 4, data, m);
            changed++;
        }
        crc = lfs_crc(crc, block + at, 4);
        previous = tag;
        if ((tag >> 20 & 0x780) == 0x500) {
            molt_put_le32(block + at + 4, crc);
            previous ^= (tag >> 20 & 1) << 31;
            crc = 0xFFFFFFFF;
        } else {
            crc = lfs_crc(crc, block + at + 4, n);
        }
        at += 4 + n;
    }
    return changed;
}

void fs_rig_mend(uint8_t *block, uint32_t size)
{
    fs_rig_change_tags(block, size, 0, NULL, 0xFFFF);
}

struct said {
    char *text;
    uint32_t capacity;
};

static void hear(void *context, const char *path, const char *text)
{
    struct said *said = context;
    int n = snprintf(said->text, said->capacity, "%s: %s\n", path, text);
    if (n > 0 && (uint32_t)n < said->capacity) {
        said->text += n;
        said->capacity -= (uint32_t)n;
    }
}

int fs_rig_check(struct fs_rig *rig, char *said, uint32_t capacity)
{
    struct said to = {said, capacity};
    said[0] = '\0';
    return molt_fs_check(rig->fs, hear, &to);
}
