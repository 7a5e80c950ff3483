/* What the files of diff*.c share. */
#ifndef OPS_DIFF_INTERNAL_H
#define OPS_DIFF_INTERNAL_H

#include <stdbool.h>

#include "molt/ops/diff.h"
#include "molt/ops/place.h"

struct diff_work {
    struct molt_diff *diff;
    struct molt_target *a, *b;
    const struct molt_progress *progress;
    struct molt_message *message;
};

/* A zeroed item for the place, or NULL when there is no memory, with its message. */
struct molt_diff_item *diff_add(struct diff_work *work, enum molt_diff_what what,
                                enum molt_diff_change change, const char *place);

/* ADDED, REMOVED or CHANGED by which side has it. */
enum molt_diff_change diff_by_side(bool in_a, bool in_b);

/* One line of printable text, cut to the room. */
void diff_words(char text[160], const char *format, ...) __attribute__((format(printf, 2, 3)));

/* MOLT_E_CANCELLED when the user wants to stop; else MOLT_OK. */
int diff_progress(const struct diff_work *work, const char *what, uint64_t done, uint64_t total);

/* A read that failed, with its message. */
int diff_cannot_read(const struct diff_work *work, const struct molt_target *target,
                     uint32_t offset, int error);

/* Erased flash, or a place that the side does not have (size 0)? Negative: an error. */
int diff_is_blank(const struct diff_work *work, const struct molt_target *target,
                  const struct molt_place *place);

/* Whether both have the same bytes, behind a place's end erased. Negative: an error. */
int diff_is_same(const struct diff_work *work, const struct molt_place *a,
                 const struct molt_place *b);

/* Byte by byte over the longer of both; behind a place's end it is erased. An item BYTES when they
 * differ. */
int diff_bytes(struct diff_work *work, const struct molt_place *a, const struct molt_place *b);

/* Two images; chip: what an app is judged by, NULL for a bootloader. */
int diff_app(struct diff_work *work, const struct molt_place *a, const struct molt_place *b);

/* What a pair of partitions holds, by its kind; size 0 = that side has none. */
int diff_content(struct diff_work *work, const struct molt_place *a, const struct molt_place *b);

/* File systems, file by file; *done is false where neither side has one. */
int diff_files(struct diff_work *work, const struct molt_place *a, const struct molt_place *b,
               bool *done);

/* Bootloaders at their chips' offsets. */
int diff_bootloader(struct diff_work *work);

/* Rows, and where content is set what the partitions hold. */
int diff_tables(struct diff_work *work, bool content);

#endif
