/*
 * Reading, writing and erasing places of a target (molt/ops/place.h): partitions, bootloader,
 * table, ranges. Everything is planned and checked first, against what the target will hold
 * afterwards; only molt_part_run changes it, and only molt_part_save a file on disk.
 */
#ifndef MOLT_OPS_PART_H
#define MOLT_OPS_PART_H

#include <stdbool.h>
#include <stdint.h>

#include "molt/host/message.h"
#include "molt/host/target.h"
#include "molt/ops/place.h"
#include "molt/ops/plan.h"
#include "molt/progress.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Reading ---- */

/*
 * All bytes of a place into memory that the caller frees; what a file leaves out is FF. trim: the
 * trailing FF bytes are left off, up to a multiple of 16 bytes for apps and of 4096 for others.
 * Errors of molt_place_find, of the flash, MOLT_E_NO_MEMORY, MOLT_E_CANCELLED.
 */
int molt_part_read(const struct molt_target *target, const char *name, bool trim, uint8_t **bytes,
                   uint32_t *n, const struct molt_progress *progress, struct molt_message *message);

/* ---- Changing ---- */

#define MOLT_PART_PIECES 64

struct molt_part_piece {
    struct molt_place place; /* becomes n bytes and erased flash behind them */
    uint8_t *bytes;          /* owned by the job; NULL when n is 0 */
    uint32_t n;
    int order; /* of writing: what decides about what boots comes last */
};

struct molt_part_job {
    struct molt_plan plan;
    struct molt_part_piece piece[MOLT_PART_PIECES];
    uint32_t piece_count;
    bool force;
    uint32_t refusals;           /* what needs force; with force they are only in the plan */
    struct molt_message refusal; /* the first of them */
    uint32_t sectors_differing, sectors_same;
    uint32_t end;  /* where the flash of a file ends afterwards */
    char next[17]; /* what boots then; "" = nothing, or not to be known */
};

/* One NAME=FILE. */
struct molt_part_write {
    const char *name; /* place */
    const char *file;
};

/*
 * Plans to write files into places. What comes is checked by what the place is for: an app is
 * verified as the bootloader of this target would (a whole firmware file gives its app, which the
 * plan says), so is a bootloader; a table (binary, CSV, or of a firmware file) against the flash
 * and the data and apps that are there; otadata by what it would boot; a file system image by its
 * superblock. Two writes may not overlap. Call molt_part_free also after an error. Errors:
 * MOLT_E_ARGUMENT, MOLT_E_RANGE (does not fit), MOLT_E_FORMAT (not what belongs there),
 * MOLT_E_IMAGE_*, MOLT_E_TABLE_*, MOLT_E_UNSUPPORTED (a target without places), those of
 * molt_place_find, of molt_file_read, of the flash. What a person would not expect is no error
 * here, but counted in refusals.
 */
int molt_part_plan_write(struct molt_part_job *job, const struct molt_target *target,
                         const struct molt_part_write *writes, uint32_t count, bool force,
                         struct molt_message *message);

/* Plans to erase places; count 0: all of the flash. */
int molt_part_plan_erase(struct molt_part_job *job, const struct molt_target *target,
                         const char *const *names, uint32_t count, bool force,
                         struct molt_message *message);

/*
 * Does it: on boards sector by sector, only those that differ, each read back; on files in memory.
 * The refusal when there is one and no force; MOLT_E_VERIFY, MOLT_E_CANCELLED, MOLT_E_POWER,
 * MOLT_E_IO.
 */
int molt_part_run(const struct molt_part_job *job, struct molt_target *target,
                  const struct molt_progress *progress, struct molt_message *message);

/*
 * Writes a file target's bytes: to out, or where out is NULL in place. Nothing to do for boards
 * without out; with one MOLT_E_ARGUMENT.
 */
int molt_part_save(const struct molt_part_job *job, struct molt_target *target, const char *out,
                   struct molt_message *message);

void molt_part_free(struct molt_part_job *job);

#ifdef __cplusplus
}
#endif
#endif
