/* What the parts of one edit share while it is planned: the partitions as they are, the rows that
 * the steps make of them, and what becomes of each one's bytes. */
#ifndef OPS_EDIT_WORK_H
#define OPS_EDIT_WORK_H

#include "molt/host/blank.h"
#include "molt/ops/edit.h"
#include "molt/ops/info.h"

#define EDIT_SECTOR 0x1000u
#define EDIT_APP_AT 0x10000u /* apps begin at multiples of it */
#define EDIT_FIRST  (MOLT_PTABLE_OFFSET + EDIT_SECTOR)
#define EDIT_NONE   (-1)
#define EDIT_PLACES (MOLT_PTABLE_MAX_ROWS + 1) /* rows, and the file system behind the last one */

/* What a partition is for: what its content survives. */
enum edit_class { EDIT_APP, EDIT_OTADATA, EDIT_NVS, EDIT_FILES, EDIT_OTHER };

/* A partition of the source, or the file system behind the last one (MicroPython 1.26 and later
 * have no row for it; it is called "vfs" then). */
struct edit_old {
    struct molt_partition p;
    bool behind;
    uint32_t used; /* bytes up to the last one that is not FF; 0 = empty */
    int heir;      /* the new place that has its content, or EDIT_NONE */
};

enum edit_fate {
    EDIT_FRESH = 0, /* starts erased */
    EDIT_SAME,      /* not a byte changes */
    EDIT_KEPT,      /* the first `keep` bytes of its origin; the rest is erased */
    EDIT_NVS_PAGES, /* its origin's pages that are in use, moved together */
    EDIT_REBUILT    /* what is in `image`: its origin's file system, grown or carried over */
};

struct edit_row {
    struct molt_partition p;
    int origin; /* of work.old, or EDIT_NONE */
    bool behind;
    enum edit_fate fate;
    uint32_t keep;
    uint8_t *image; /* of EDIT_REBUILT: p.size bytes; or keep bytes, lifted; owned */
    uint32_t files; /* that were carried over into it; 0 = it has grown */
    bool put;       /* what a person puts there is in it too */
};

struct edit_work {
    struct molt_edit *edit;
    const struct molt_target *source;
    const struct molt_edit_request *request;
    struct molt_message *message;
    struct molt_info_image boot, app; /* app: what boots now */
    const uint8_t *before;            /* bytes of flash as they are, before_size of them */
    uint32_t before_size;
    uint32_t old_flash_size;
    struct edit_old old[EDIT_PLACES];
    int old_count;
    int boots;        /* of old: what boots now */
    int boots_after;  /* of row */
    bool keep_record; /* otadata keeps its bytes: it means the same */
    bool otadata_new; /* the boot record is made anew, for boots_after */
    struct edit_row row[EDIT_PLACES];
    int count;          /* rows of the table; with a file system behind: row[count] is that */
    bool behind;        /* row[count] is there */
    bool overlap;       /* old partitions do: bytes belong to two */
    bool has_md5;       /* of the new table */
    bool changed;       /* a step was about the table */
    uint32_t changes;   /* how many were */
    const char *layout; /* NULL, or the last one that a step named */
    bool apart;         /* the result is made in memory of its own */
    bool lifted;        /* or where the source is, from row.image of what changes its place */
    uint32_t lost_count;
    char lost[200]; /* their names */
};

/* edit.c */
uint32_t edit_inside(const struct edit_work *work, uint32_t offset, uint32_t size);
int edit_fail_image(const struct edit_work *work, const char *kind, struct molt_info_image *found);
enum edit_class edit_class_of(const struct molt_partition *row);

/* edit_steps.c: the rows afterwards, in work->row. */
int edit_steps(struct edit_work *work);
int edit_row_named(const struct edit_work *work, const char *name); /* EDIT_NONE */

/* edit_overrun.c: an old app that is larger than its partition has all its bytes. */
int edit_find_overrun(struct edit_work *work);

/* edit_match.c: which row of a new table goes on with which old partition. */
void edit_match(struct edit_work *work, const struct molt_ptable *table);

/* edit_words.c: refusals, each with the nearest thing that would be right. */
int edit_no_such(const struct edit_work *work, const char *name);
int edit_name_wrong(const struct edit_work *work, const char *name);
int edit_not_aligned(const struct edit_work *work, const char *name, const char *what,
                     uint32_t value, uint32_t multiple);
int edit_check_table(struct edit_work *work); /* fills edit->table */
int edit_app_too_large(const struct edit_work *work, const struct molt_partition *row,
                       uint32_t length);
/* First room of that size, `align`ed: its offset, or 0 and *largest (offset in *at). */
uint32_t edit_gap(const struct edit_work *work, uint32_t size, uint32_t align, uint32_t *largest,
                  uint32_t *at);

/* edit_data.c: what becomes of the bytes. */
int edit_plan_data(struct edit_work *work);
/* Bytes that belong to no partition, where a new one comes to lie: lost. Before the result is made
 * where the source is, afterwards where it is apart. */
void edit_find_strays(struct edit_work *work);
void edit_lose(struct edit_work *work, const char *label, uint32_t offset, uint32_t size,
               const char *why);
/* The row is too small for what it held: refused, or with --force lost. */
int edit_drop(struct edit_work *work, struct edit_row *row, const struct edit_old *old,
              uint32_t need, const char *holds);

/* edit_files.c. fit_files: what becomes of a file system, or of bytes that are none. */
int edit_fit_files(struct edit_work *work, struct edit_row *row, const struct edit_old *old);
int edit_put_files(struct edit_work *work); /* the PUT steps, into images */
bool edit_file_system_at(const struct edit_work *work, uint32_t offset, uint32_t size);

/* edit_board.c: the order in which a board's sectors are written, and what a power cut does. */
int edit_plan_board(struct edit_work *work);

/* edit_boot.c: what boots now and afterwards. */
int edit_find_boot(struct edit_work *work);
int edit_plan_boot(struct edit_work *work);
bool edit_judge_app(struct edit_work *work, int i, struct molt_info_image *found); /* of old */
void edit_write_record(const struct edit_work *work); /* when otadata_new */

#endif
