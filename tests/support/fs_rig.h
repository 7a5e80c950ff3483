/* A simulated chip with a range for a file system; shared by the tests of molt/host/fs.h. */
#ifndef FS_RIG_H
#define FS_RIG_H

#include "molt/host/fs.h"
#include "molt/sim/nor.h"

#define FS_RIG_CHIP   (160u * 4096u)
#define FS_RIG_OFFSET (4u * 4096u)
#define FS_RIG_SIZE   (128u * 4096u)

struct fs_rig {
    uint8_t bytes[FS_RIG_CHIP];
    struct molt_nor nor;
    struct molt_flash flash;
    struct molt_fs *fs;
};

/* An erased chip. */
void fs_rig_init(struct fs_rig *rig);
/* The same, an empty file system of a kind and block size (0: usual) in it, and mounted. */
void fs_rig_make(struct fs_rig *rig, enum molt_fs_kind kind, uint32_t block_size);
void fs_rig_mount(struct fs_rig *rig);
void fs_rig_unmount(struct fs_rig *rig);

/* Text of n bytes that differs by seed. */
void fs_rig_fill(uint8_t *bytes, uint32_t n, unsigned seed);

/* Writes and fails the test where it cannot; content by fs_rig_fill. */
void fs_rig_put(struct fs_rig *rig, const char *path, uint32_t n, unsigned seed);
/* Reads and compares. */
void fs_rig_expect(struct fs_rig *rig, const char *path, uint32_t n, unsigned seed);

/* Puts the checksums of a metadata block of littlefs right, as far as its tags go. */
void fs_rig_mend(uint8_t *block, uint32_t size);
/* The same, and gives the tags of a type that have n bytes others. How many. */
int fs_rig_change_tags(uint8_t *block, uint32_t size, uint32_t type, const uint8_t *data,
                       uint32_t n);

/* What a check said: the texts, "path: text" each with a newline. The number of complaints. */
int fs_rig_check(struct fs_rig *rig, char *said, uint32_t capacity);

#endif
