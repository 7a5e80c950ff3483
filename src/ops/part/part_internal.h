/* What the files of ops/part share. */
#ifndef MOLT_OPS_PART_INTERNAL_H
#define MOLT_OPS_PART_INTERNAL_H

#include "molt/ops/part.h"

#define PART_SECTOR 4096u

/* The order in which pieces are written: what decides about what boots comes last. */
enum part_order { PART_DATA = 0, PART_BOOTLOADER, PART_TABLE, PART_OTADATA };

/*
 * The target's flash with a job's pieces over it (job NULL: as it is), up to its end, FF where a
 * file ends before; reads only. view.flash and view.target, a copy that has it and the table as it
 * will be then, live as long as the view. Not to be closed.
 */
struct part_view {
    const struct molt_target *from;
    const struct molt_part_job *job;
    struct molt_target target;
};

void part_view_init(struct part_view *view, const struct molt_target *from,
                    const struct molt_part_job *job);

/* A target with bootloader, table and partitions; else MOLT_E_UNSUPPORTED and what to do. */
int part_check_target(const struct molt_target *target, struct molt_message *message);

/* Adds the piece; bytes become the job's, also after an error. MOLT_E_ARGUMENT: it overlaps another
 * one, MOLT_E_NO_SPACE: too many. */
int part_add(struct molt_part_job *job, const struct molt_target *target,
             const struct molt_place *place, uint8_t *bytes, uint32_t n, int order,
             struct molt_message *message);

/* Counts what needs force; the first one's text is kept. */
void part_refuse(struct molt_part_job *job, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Counts sectors, works out where a file ends, what boots then, and says so in the plan. */
int part_finish(struct molt_part_job *job, const struct molt_target *target,
                struct molt_message *message);

/* A file system by its superblock, and with `count` by what is in it. */
#define PART_MOST_FILES 10000 /* more are not counted */
struct part_files {
    bool found;
    char variant[16]; /* "littlefs 2.0" */
    uint64_t size;    /* bytes, as the superblock says */
    bool mounts;
    uint32_t count; /* files and folders */
};

/* MOLT_OK also when there is none; errors of the flash. */
int part_files(struct part_files *files, const struct molt_flash *flash, uint32_t offset,
               uint32_t size, bool count);

/* What a place holds, in words. */
struct part_content {
    bool blank;      /* erased, all of it */
    bool precious;   /* a person would not expect its loss: files, settings */
    bool app;        /* an app that the bootloader of the target starts */
    char words[160]; /* "littlefs 2.0 with 12 files", "settings", "other data" */
};

void part_content(struct part_content *content, const struct molt_target *target,
                  const struct molt_place *place);

/* What boots from a target (or view): a label, or "" for nothing. Also without otadata. */
void part_boots_next(const struct molt_target *target, char label[17]);

/* The plan's line of what is there now and will not be afterwards; asks for force. */
void part_plan_loss(struct molt_part_job *job, const struct molt_target *target,
                    const struct molt_place *place, bool force_needed);

/* Nothing of what runs on a board changes without force. */
void part_guard_running(struct molt_part_job *job, const struct molt_target *target,
                        const struct molt_place *place);

/* ---- Files that come, by what the place is for; each adds its piece ---- */

struct part_input {
    struct molt_part_job *job;
    const struct molt_target *target;
    struct molt_place place;
    const char *file;
    uint32_t flash_size; /* for a bootloader's header; 0 = as it is */
    struct molt_message *message;
};

/* As molt_part_plan_write, into a job that is set up. */
int part_plan_write(struct molt_part_job *job, const struct molt_target *target,
                    const struct molt_part_write *writes, uint32_t count, uint32_t flash_size,
                    struct molt_message *message);

int part_write_app(struct part_input *input);
int part_write_bootloader(struct part_input *input);
int part_write_table(struct part_input *input);
int part_write_otadata(struct part_input *input);
int part_write_data(struct part_input *input);

/* The file's bytes, which have to fit; the caller's to free. */
int part_read_file(const struct part_input *input, uint8_t **bytes, uint32_t *n);

/* After all pieces: the table that is written fits what is there then. */
int part_check_table(struct molt_part_job *job, const struct molt_target *target,
                     struct molt_message *message);
/* ... and otadata that is written boots an app. */
void part_check_otadata(struct molt_part_job *job, const struct molt_target *target);

#endif
