/*
 * Changing the table of a firmware file, a flash dump or a board: flash size, layout, single
 * partitions, and the data that they hold. Everything is planned, made in memory and checked first;
 * only molt_edit_write and molt_edit_run write anything.
 */
#ifndef MOLT_OPS_EDIT_H
#define MOLT_OPS_EDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "molt/host/message.h"
#include "molt/host/target.h"
#include "molt/ops/layout.h"
#include "molt/ops/plan.h"
#include "molt/progress.h"

#ifdef __cplusplus
extern "C" {
#endif

enum molt_edit_kind {
    MOLT_EDIT_LAYOUT = 0, /* layout, keep_nvs */
    MOLT_EDIT_TABLE,      /* table: all rows are new ones; data follows names and kinds. Without
                             table: the `rows` ADD steps that follow are the new table */
    MOLT_EDIT_ADD,        /* name, type, subtype, flags; offset or NOWHERE; size or REST */
    MOLT_EDIT_DELETE,     /* name */
    MOLT_EDIT_RESIZE,     /* name, size or REST; what lies behind makes room */
    MOLT_EDIT_RENAME,     /* name, to */
    MOLT_EDIT_MOVE,       /* name, offset */
    MOLT_EDIT_PUT         /* name: a local folder or file, to: where it goes in the file system that
                             holds the files; comes when all changes of the table are made */
};

#define MOLT_EDIT_NOWHERE 0xFFFFFFFFu /* an offset: behind the last partition, or where it fits */
#define MOLT_EDIT_REST    0u          /* a size: up to the next partition or the end of the flash */

/* One change of the table. All pointers stay the caller's, until molt_edit_prepare returns. */
struct molt_edit_step {
    enum molt_edit_kind kind;
    const char *name; /* of the partition */
    const char *to;   /* RENAME, PUT */
    uint8_t type, subtype;
    uint32_t offset, size, flags;
    const struct molt_ptable *table;   /* TABLE */
    uint32_t rows;                     /* TABLE without table: number of ADD steps */
    struct molt_layout_request layout; /* LAYOUT; flash size, the app's place, length and version
                                          are filled in */
    bool keep_nvs;                     /* nvs keeps its place and size */
};

struct molt_edit_request {
    uint32_t flash_size; /* bytes; 0 = as it is. Comes before all steps */
    const struct molt_edit_step *step;
    uint32_t step_count;
    bool force; /* data that the plan calls lost may be lost */
};

struct molt_edit {
    struct molt_plan plan;
    uint32_t flash_size;             /* afterwards */
    struct molt_ptable table;        /* afterwards */
    uint32_t app_offset, app_length; /* afterwards, of the app that boots */
    char app_label[17];              /* its partition afterwards */
    uint32_t base;                   /* flash offset of the file's first byte */
    uint32_t size;                   /* bytes of flash; the file has size - base */
    uint8_t *flash; /* the result at its flash offsets: the source's copy in memory, or owned */
    uint8_t *owned; /* NULL, or what flash points to */
    /* Of boards: what was read, which flash points to while it can be changed in place, and for
     * each sector when it is written; owned. */
    uint8_t *read;
    uint8_t *phase;
    uint32_t sectors; /* that differ */
};

/*
 * Plans and makes the result in memory (in the source's own copy where it can: the source must not
 * be used for anything else afterwards). The caller frees it with molt_edit_free, also after an
 * error; the plan then has the steps found until there. MOLT_E_UNSUPPORTED (not a firmware file,
 * dump or board), MOLT_E_ARGUMENT (names, alignment), MOLT_E_NOT_FOUND (no such partition),
 * MOLT_E_RANGE (flash size), MOLT_E_NO_SPACE (layout, no room, a file system that does not fit),
 * MOLT_E_EXISTS (data would be lost, and no force: the plan is whole), MOLT_E_IMAGE_* (bootloader
 * or app not right, app larger than its partition), MOLT_E_TABLE_*, MOLT_E_NO_MEMORY.
 */
int molt_edit_prepare(struct molt_edit *edit, const struct molt_target *source,
                      const struct molt_edit_request *request, struct molt_message *message);

/* Writes the result as a file that appears whole or not at all. MOLT_E_ARGUMENT when out is the
 * source itself, also by another name; in_place replaces the source. Else as molt_file_write. */
int molt_edit_write(const struct molt_edit *edit, const struct molt_target *source, const char *out,
                    struct molt_message *message);
int molt_edit_write_in_place(const struct molt_edit *edit, const struct molt_target *source,
                             struct molt_message *message);

/*
 * Writes the result to the board: only what differs, each sector read back. First what lies in no
 * data that is needed, then what overwrites data in use (the plan says so), the table last of all
 * that depends on it; then the places that are no longer used are erased. MOLT_E_CANCELLED is
 * possible until the first byte in use is touched; MOLT_E_VERIFY, errors of the flash. progress may
 * be NULL.
 */
int molt_edit_run(const struct molt_edit *edit, struct molt_target *target,
                  const struct molt_progress *progress, struct molt_message *message);

void molt_edit_free(struct molt_edit *edit);

#ifdef __cplusplus
}
#endif
#endif
