/* Partition tables wherever they are: a CSV, a binary file, the table of any target. */
#ifndef MOLT_OPS_TABLEFILE_H
#define MOLT_OPS_TABLEFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "molt/host/message.h"
#include "molt/host/target.h"
#include "molt/ptable_csv.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Text, from its first bytes: no NUL and no control characters but white space. An empty file is.
 */
bool molt_looks_like_csv(const uint8_t *bytes, size_t n);

/* A regular file that looks so, or like one in UTF-16. */
bool molt_is_csv_file(const char *path);

/* What molt_ptable_from_csv found wrong, with name and line, as a person reads it. */
int molt_fail_csv(struct molt_message *message, const char *name, const struct molt_diag *diag);

/*
 * Reads a CSV file. options may be NULL. MOLT_E_NOT_FOUND ... as molt_file_read, MOLT_E_FORMAT (no
 * text), and what molt_ptable_from_csv says.
 */
int molt_table_read_csv(struct molt_ptable *table, const char *path,
                        const struct molt_csv_options *options, struct molt_message *message);

struct molt_table_found {
    struct molt_ptable table;
    bool from_csv;
    uint32_t flash_size; /* that the target has or says, in bytes; 0 = not known */
    /* Of a table that is not a CSV's: the first rule that it breaks. The table is there all the
     * same. */
    int rule_error;
    struct molt_message rule;
};

/*
 * The table of a CSV file, a binary one (also one cut short behind its last row), a firmware file,
 * a dump or a board. options->table_offset is where to look in targets and what blank offsets in a
 * CSV begin behind; flash_size goes before what the target says. MOLT_E_TABLE_* when none can be
 * read there; MOLT_E_UNSUPPORTED for a target without a table, such as an app image.
 */
int molt_table_read(struct molt_table_found *found, const char *name,
                    const struct molt_csv_options *options, struct molt_message *message);

/* The text of a table, which the caller frees, NUL behind it. MOLT_E_TABLE_NAME, _ROW (cannot be
 * said in CSV), MOLT_E_NO_MEMORY. */
int molt_table_csv_text(char **text, const char *name, const struct molt_ptable *table,
                        struct molt_message *message);

#ifdef __cplusplus
}
#endif
#endif
