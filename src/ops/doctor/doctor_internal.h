/* What the files of the doctor share. */
#ifndef OPS_DOCTOR_INTERNAL_H
#define OPS_DOCTOR_INTERNAL_H

#include "molt/ops/bootchoice.h"
#include "molt/ops/doctor.h"

/* Rows of the table in doctor.c. */
enum doctor_id {
    DOCTOR_BOOTLOADER_MISSING,
    DOCTOR_BOOTLOADER_BROKEN,
    DOCTOR_TABLE_MISSING,
    DOCTOR_TABLE_PAST_FLASH,
    DOCTOR_HEADER_PAST_CHIP,
    DOCTOR_HEADER_SMALLER,
    DOCTOR_DUMP_LENGTH,
    DOCTOR_TABLE_OVERLAP,
    DOCTOR_TABLE_UNALIGNED,
    DOCTOR_TABLE_RULE,
    DOCTOR_TABLE_GAP,
    DOCTOR_MD5_MISSING,
    DOCTOR_MD5_NONE,
    DOCTOR_NVS_SMALL,
    DOCTOR_NVS_NONE,
    DOCTOR_ENCRYPTED,
    DOCTOR_APP_NONE,
    DOCTOR_APP_TOO_LARGE,
    DOCTOR_APP_MERGED,
    DOCTOR_APP_CHIP,
    DOCTOR_APP_REVISION,
    DOCTOR_APP_BROKEN,
    DOCTOR_APP_FULL,
    DOCTOR_MEMORY_UNKNOWN,
    DOCTOR_APP_STALE,
    DOCTOR_SECURE_VERSION,
    DOCTOR_SLOTS_NONE,
    DOCTOR_SLOT_ONE,
    DOCTOR_SLOTS_GAP,
    DOCTOR_OTADATA_NONE,
    DOCTOR_OTADATA_TWO,
    DOCTOR_OTADATA_SMALL,
    DOCTOR_OTADATA_POINTS,
    DOCTOR_OTADATA_DISAGREES,
    DOCTOR_OTADATA_END,
    DOCTOR_OTADATA_CRC,
    DOCTOR_OTADATA_TRIAL,
    DOCTOR_BOOTLOADER_OLD,
    DOCTOR_BOOTLOADER_NEWER,
    DOCTOR_BOOTLOADER_MAJOR,
    DOCTOR_BOOTLOADER_UNKNOWN,
    DOCTOR_ROLLBACK_NONE,
    DOCTOR_FILES_NONE,
    DOCTOR_FILES_NAME,
    DOCTOR_FS_LARGER,
    DOCTOR_FS_SMALLER,
    DOCTOR_FS_NEWER,
    DOCTOR_FS_KIND,
    DOCTOR_FS_UNKNOWN,
    DOCTOR_BOARD_FILE_MISSING,
    DOCTOR_BOARD_CSV_MISSING,
    DOCTOR_BOARD_CUSTOM_LOST,
    DOCTOR_BOARD_CSV_FLASH,
    DOCTOR_BOARD_CSV_RULE,
    DOCTOR_BOARD_CSV_ODD,
    DOCTOR_BOARD_KEY_TWICE,
    DOCTOR_BOARD_FRAGMENT_TWICE,
    DOCTOR_BOARD_GLUED,
    DOCTOR_BOARD_CMAKE,
    DOCTOR_COUNT
};

struct doctor_work {
    struct molt_doctor *doctor;
    const struct molt_target *target;
    struct molt_info info; /* of the target */
    bool has_boot;         /* the next one is filled in */
    struct molt_boot_state boot;
    uint32_t app_length; /* of the longest app that is whole; 0 = none */
    bool to_layout;      /* a fix with a whole new layout was given: one is enough */
};

/* Adds one; the result is for a fix, and never NULL. */
struct molt_finding *doctor_found(struct molt_doctor *doctor, enum doctor_id id, const char *format,
                                  ...) __attribute__((format(printf, 3, 4)));

/* What is wrong first, then in the order of the rows. */
void doctor_sort(struct molt_doctor *doctor);

/* "molt VERB TARGET OPTIONS", with "-o fixed.bin" for a file: the new file is right, the old one
 * stays. */
void doctor_fix_edit(struct molt_finding *finding, const struct molt_target *target,
                     const char *options, ...) __attribute__((format(printf, 3, 4)));
/* "molt VERB TARGET REST": changes the target in place. */
void doctor_fix(struct molt_finding *finding, const struct molt_target *target, const char *verb,
                const char *rest);
/* A layout with so many slots in which the apps fit; none when there is none. */
void doctor_fix_layout(struct doctor_work *work, struct molt_finding *finding, uint32_t slots);

bool doctor_has_layout(const struct molt_target *target); /* firmware, dump, board */
/* The label, printable. */
const char *doctor_label(const struct molt_partition *row, char text[17]);

void doctor_table(struct doctor_work *work);
/* The label as a shell takes it, for a fix; "" when a command cannot name it. */
#define DOCTOR_WORD 80
const char *doctor_word(const char *label, char word[DOCTOR_WORD]);

void doctor_boot_table(struct doctor_work *work);
void doctor_bootloader(struct doctor_work *work);
void doctor_apps(struct doctor_work *work);
int doctor_versions(struct doctor_work *work);
void doctor_boot(struct doctor_work *work);
int doctor_files(struct doctor_work *work);

#endif
