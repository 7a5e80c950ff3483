/* What is on a target: bootloader, table, apps, and what is odd about them. Reads only. */
#ifndef MOLT_OPS_INFO_H
#define MOLT_OPS_INFO_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "molt/espimage.h"
#include "molt/host/fs.h"
#include "molt/host/message.h"
#include "molt/host/target.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An image somewhere in flash, read and judged. */
struct molt_info_image {
    char label[17];  /* partition, or "" for the bootloader and a bare app image */
    uint32_t offset; /* in flash */
    uint32_t room;   /* bytes that it may take: its slot, or up to the table */
    bool empty;      /* erased: nothing else below is set */
    bool outside;    /* the file ends before it begins; nothing else below is set */
    int error;       /* MOLT_OK, or why it cannot be read or would not boot; diag tells more */
    bool readable;   /* image is filled in, although error may be set */
    struct molt_diag diag;
    struct molt_image image;
    char micropython[48];      /* "v1.23.0", "v1.24.0-preview.1.gabc"; "" = none found */
    char micropython_date[16]; /* "2024-06-02" */
};

enum molt_severity {
    MOLT_ODD = 0, /* works, but a person should know */
    MOLT_WRONG    /* does not boot, cannot be updated, or loses data */
};

struct molt_finding {
    enum molt_severity severity;
    char text[400]; /* what, and what to do */
    char fix[160];  /* the command that mends it, to be run as it is; "" = none */
};

/* A file system, in a data partition, where the device's files are, or as the whole target. */
struct molt_info_files {
    char label[17];        /* printable; of the place */
    uint32_t offset, size; /* the place in flash, as far as the target reaches */
    struct molt_fs_facts facts;
    int error;                  /* MOLT_OK, or why it cannot be mounted */
    struct molt_fs_space space; /* when error is MOLT_OK */
};

/* What the records of otadata say boots next; that its image may not start is in app and findings.
 */
struct molt_info_boot {
    bool known;     /* there is an otadata and a slot: what follows is filled in */
    char label[17]; /* printable; "" = a slot without a row */
    int record;     /* 0 or 1; -1 = no record decides */
    uint32_t seq, state;
};

#define MOLT_INFO_FILES    8
#define MOLT_INFO_APPS     20
#define MOLT_INFO_FINDINGS 32

struct molt_info {
    bool has_bootloader; /* bootloader below is filled in */
    struct molt_info_image bootloader;
    uint32_t app_count;
    struct molt_info_image app[MOLT_INFO_APPS];
    uint32_t files_count;
    struct molt_info_files files[MOLT_INFO_FILES];
    struct molt_info_boot boot;
    int table_error; /* of reading or of the rules: the first that is broken */
    uint32_t finding_count;
    struct molt_finding finding[MOLT_INFO_FINDINGS];
    bool wrong; /* a finding is MOLT_WRONG */
};

/* Fails only where the target cannot be read at all (MOLT_E_IO, MOLT_E_NO_MEMORY ...). */
int molt_info_gather(struct molt_info *info, const struct molt_target *target,
                     struct molt_message *message);

/* Only the file systems and the boot record, as molt_info_gather does. */
void molt_info_gather_files(struct molt_info *info, const struct molt_target *target);
void molt_info_gather_boot(struct molt_info *info, const struct molt_target *target);

/*
 * One image at [offset, offset + room), up to the flash's end when room is 0, judged as an app of
 * the chip (as a bootloader when chip is NULL: structure, checksum, hash only). error is in the
 * result.
 */
void molt_info_read_image(struct molt_info_image *found, const struct molt_flash *flash,
                          uint32_t offset, uint32_t room, const struct molt_chip *chip);

/*
 * One more at the end of list, printable (printf), without a command; nothing when capacity are
 * there already.
 */
void molt_finding_add(struct molt_finding *list, uint32_t *count, uint32_t capacity,
                      enum molt_severity severity, const char *format, va_list values)
    __attribute__((format(printf, 5, 0)));

/*
 * Sets the command that mends it. In the format, %s stands for words of Molt's own; a name of the
 * user's goes through molt_shell_word first. Left empty when it would not fit whole.
 */
void molt_finding_fix(struct molt_finding *finding, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A word as a shell takes it back: quoted where it must be. "" when it does not fit. */
const char *molt_shell_word(char *word, uint32_t size, const char *text);

/* Replaces everything but printable ASCII by '?': for texts that come from a target. */
void molt_info_plain(char *text);

/* The first "MicroPython vX.Y.Z on YYYY-MM-DD" in n bytes; false and "" = none. */
bool molt_info_find_version(const void *bytes, uint32_t n, char version[48], char date[16]);

/* Fills micropython and its date by looking through the image's bytes. Errors of the flash. */
int molt_info_find_micropython(struct molt_info_image *found, const struct molt_flash *flash);

#ifdef __cplusplus
}
#endif
#endif
