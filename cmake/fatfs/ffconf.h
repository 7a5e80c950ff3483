/*
 * FatFs as Molt builds it: as MicroPython's oofatfs where it matters on the medium (long names,
 * code page 437, sectors of 512 to 4096 bytes, no exFAT), but with UTF-8 at the interface
 * (fs_fat_names.c says why), and without what Molt does itself: making volumes (fs_fat_mkfs.c),
 * locking (fs_fat_volume.c).
 */
#ifndef FFCONF_DEF
#define FFCONF_DEF 80386

#define FF_CODE_PAGE   437
#define FF_USE_LFN     2 /* the working buffer is on the stack */
#define FF_MAX_LFN     255
#define FF_LFN_UNICODE 2 /* UTF-8 */
#define FF_LFN_BUF     765
#define FF_SFN_BUF     34

#define FF_VOLUMES 10
#define FF_MIN_SS  512
#define FF_MAX_SS  4096

/* One date, so that the same files make the same image. */
#define FF_FS_NORTC   1
#define FF_NORTC_MON  1
#define FF_NORTC_MDAY 1
#define FF_NORTC_YEAR 2024

/* What FSINFO says of the free space is not believed. */
#define FF_FS_NOFSINFO 3

#define FF_FS_READONLY     0
#define FF_FS_MINIMIZE     0
#define FF_FS_TINY         0
#define FF_FS_EXFAT        0
#define FF_FS_CRTIME       0
#define FF_FS_LOCK         0
#define FF_FS_REENTRANT    0
#define FF_FS_RPATH        0
#define FF_FS_TIMEOUT      0
#define FF_PATH_DEPTH      1
#define FF_LBA64           0
#define FF_MULTI_PARTITION 0
#define FF_STR_VOLUME_ID   0
#define FF_USE_CHMOD       0
#define FF_USE_EXPAND      0
#define FF_USE_FASTSEEK    0
#define FF_USE_FIND        0
#define FF_USE_FORWARD     0
#define FF_USE_LABEL       0
#define FF_USE_MKFS        0
#define FF_USE_STRFUNC     0
#define FF_USE_TRIM        0

#endif
