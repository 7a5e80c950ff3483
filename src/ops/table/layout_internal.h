/* What layout.c (recipes, what was asked for, what would fit) and layout_rows.c (the rows) share.
 */
#ifndef OPS_LAYOUT_INTERNAL_H
#define OPS_LAYOUT_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "molt/ops/layout.h"

#define LAYOUT_SECTOR   0x1000u
#define LAYOUT_APP_UNIT 0x10000u
#define LAYOUT_LARGEST  (128u << 20) /* flash */

enum app_rows { APPS_ONE, APPS_SLOTS, APPS_FACTORY_AND_SLOTS };

/* Slot size by flash size: the first row whose flash_size is at least the real one. */
struct slot_row {
    uint32_t flash_size, slot_size;
    uint32_t fs_size; /* 0 = the rest */
};

struct layout {
    const char *name, *summary;
    enum app_rows apps;
    uint32_t app_count, most_apps;
    bool phy;
    const struct slot_row *slot;
    bool slot_grows; /* in steps of 64 KB, with the firmware */
    const char *factory_label, *slot_label;
    uint32_t first_number; /* of slot_label */
    const char *fs_label;
    uint8_t fs_subtype;
    bool fs_row_optional;
    bool lobo_least;           /* the least file systems are LoBo's, 256 KB and 512 KB */
    uint32_t least_flash_size; /* 0 = any that it fits in */
};

/* What one table needs to know while it is made. */
struct layout_work {
    const struct layout *layout;
    const struct molt_layout_request *request;
    struct molt_message *message;
    struct molt_ptable *table;
    uint32_t flash_size, app_offset, app_count;
    uint32_t slot_size, fs_size; /* fs_size 0 = the rest */
    bool fs_row;
    uint32_t least_files; /* bytes; 0 without such a row */
    uint32_t behind;      /* bytes of fixed rows that have no room before the apps */
};

/* Up to a multiple of 64 KB. */
uint32_t layout_round_up(uint32_t length);

/* Whether the apps, with slots of that size, fit into such a flash, and the firmware into a slot.
 */
bool layout_fits(const struct layout_work *work, uint32_t flash_size, uint32_t slot_size);

/* "; slots of ... would fit", "; if the chip has 8 MB of flash ...": what a person can do. slots:
 * smaller slots are an answer. */
void layout_advise(const struct layout_work *work, char *text, size_t size, bool slots);
/* A larger flash is an answer. */
bool layout_needs_flash(const struct layout_work *work);

/* MOLT_E_NO_SPACE for a partition that would begin there. */
int layout_no_room(const struct layout_work *work, const char *label, uint64_t offset);

/* The steps that make the rows, in this order. */
int layout_add_fixed(struct layout_work *work);
int layout_add_apps(struct layout_work *work);
int layout_add_files(struct layout_work *work);
int layout_check(struct layout_work *work);

#endif
