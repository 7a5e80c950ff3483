/* The steps of an edit, each on the rows as the ones before left them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops/edit/edit_work.h"

int edit_row_named(const struct edit_work *work, const char *name)
{
    for (int i = 0; i < work->count; i++) {
        if (strcmp(work->row[i].p.label, name) == 0) {
            return i;
        }
    }
    return EDIT_NONE;
}

/* By offset, as the bootloader's own tools write tables. Few rows. */
static void sort_rows(struct edit_work *work)
{
    for (int i = 1; i < work->count; i++) {
        struct edit_row row = work->row[i];
        int k = i;
        for (; k > 0 && work->row[k - 1].p.offset > row.p.offset; k--) {
            work->row[k] = work->row[k - 1];
        }
        work->row[k] = row;
    }
}

static uint32_t end_of(const struct molt_partition *row)
{
    return row->offset + row->size;
}

static uint32_t last_end(const struct edit_work *work)
{
    uint32_t end = EDIT_FIRST;
    for (int i = 0; i < work->count; i++) {
        if (end_of(&work->row[i].p) > end) {
            end = end_of(&work->row[i].p);
        }
    }
    return end;
}

static uint32_t align_of(const struct molt_partition *row)
{
    return row->type == MOLT_PARTITION_APP ? EDIT_APP_AT : EDIT_SECTOR;
}

static uint32_t align_up(uint32_t value, uint32_t multiple)
{
    return (value + multiple - 1) / multiple * multiple;
}

/* Where the room behind row i ends: at the next row or with the flash. */
static uint32_t limit_of(const struct edit_work *work, uint32_t offset, int except)
{
    uint32_t limit = work->edit->flash_size;
    for (int i = 0; i < work->count; i++) {
        const struct molt_partition *row = &work->row[i].p;
        if (i != except && row->offset >= offset && row->offset < limit) {
            limit = row->offset;
        }
    }
    return limit;
}

static bool holds_files(const struct edit_work *work)
{
    for (int i = 0; i < work->count; i++) {
        if (edit_class_of(&work->row[i].p) == EDIT_FILES) {
            return true;
        }
    }
    return false;
}

/* The old file system behind the last partition, when no row has it yet. */
static int unclaimed_behind(const struct edit_work *work)
{
    int last = work->old_count - 1;
    if (last < 0 || !work->old[last].behind) {
        return EDIT_NONE;
    }
    for (int i = 0; i < work->count; i++) {
        if (work->row[i].origin == last) {
            return EDIT_NONE;
        }
    }
    return last;
}

static struct edit_row *new_row(struct edit_work *work)
{
    if (work->count == MOLT_PTABLE_MAX_ROWS) {
        molt_fail(work->message, MOLT_E_TABLE_FULL, "the table has %d partitions already: no more",
                  work->count);
        return NULL;
    }
    struct edit_row *row = &work->row[work->count++];
    memset(row, 0, sizeof *row);
    row->origin = EDIT_NONE;
    return row;
}

/* ---- add ---- */

static int no_room(const struct edit_work *work, const struct molt_edit_step *step,
                   uint32_t largest, uint32_t at)
{
    if (largest == 0) {
        return molt_fail(work->message, MOLT_E_NO_SPACE,
                         "--add %s: the table leaves no room in %u MB of flash: expected some; "
                         "resize or delete a partition first",
                         step->name, work->edit->flash_size >> 20);
    }
    return molt_fail(work->message, MOLT_E_NO_SPACE,
                     "--add %s: no room for 0x%x bytes; the largest has 0x%x at 0x%x", step->name,
                     step->size, largest, at);
}

/* Behind the last partition, else into the first gap that is large enough. */
static int place_new(struct edit_work *work, const struct molt_edit_step *step,
                     struct molt_partition *row)
{
    uint32_t align = align_of(row), flash = work->edit->flash_size;
    uint32_t at = align_up(last_end(work), align), largest = 0, where = 0;
    uint32_t need = step->size ? step->size : EDIT_SECTOR;
    if (at >= flash || flash - at < need) {
        at = edit_gap(work, need, align, &largest, &where);
        if (at == 0) {
            return no_room(work, step, largest, where);
        }
    }
    row->offset = at;
    return MOLT_OK;
}

static int step_add(struct edit_work *work, const struct molt_edit_step *step)
{
    struct molt_partition row = {
        .type = step->type, .subtype = step->subtype, .flags = step->flags};
    int error = edit_name_wrong(work, step->name);
    if (!error && edit_row_named(work, step->name) != EDIT_NONE) {
        error = molt_fail(work->message, MOLT_E_TABLE_NAME,
                          "--add %s: there is a partition '%s' already: expected another name, or "
                          "--resize and --move for that one",
                          step->name, step->name);
    }
    if (!error && step->offset != MOLT_EDIT_NOWHERE) {
        row.offset = step->offset;
        error = edit_not_aligned(work, step->name, "offset", row.offset, align_of(&row));
    }
    if (!error) {
        error = edit_not_aligned(work, step->name, "size", step->size, EDIT_SECTOR);
    }
    if (!error && step->offset == MOLT_EDIT_NOWHERE) {
        error = place_new(work, step, &row);
    }
    if (error) {
        return error;
    }
    uint32_t limit = limit_of(work, row.offset, EDIT_NONE);
    row.size = step->size ? step->size : limit > row.offset ? limit - row.offset : 0;
    if (row.size == 0) {
        return molt_fail(work->message, MOLT_E_NO_SPACE,
                         "--add %s: nothing is free from 0x%x on: expected an offset with room "
                         "behind it",
                         step->name, row.offset);
    }
    snprintf(row.label, sizeof row.label, "%s", step->name);
    int behind = unclaimed_behind(work);
    bool takes = behind != EDIT_NONE && edit_class_of(&row) == EDIT_FILES && !holds_files(work);
    struct edit_row *made = new_row(work);
    if (!made) {
        return MOLT_E_TABLE_FULL;
    }
    made->p = row;
    made->origin = takes ? behind : EDIT_NONE;
    return MOLT_OK;
}

/* ---- delete, rename, move ---- */

static int step_delete(struct edit_work *work, const struct molt_edit_step *step)
{
    int i = edit_row_named(work, step->name);
    if (i == EDIT_NONE) {
        return edit_no_such(work, step->name);
    }
    memmove(&work->row[i], &work->row[i + 1], (size_t)(work->count - i - 1) * sizeof work->row[0]);
    work->count--;
    return MOLT_OK;
}

static int step_rename(struct edit_work *work, const struct molt_edit_step *step)
{
    int i = edit_row_named(work, step->name);
    if (i == EDIT_NONE) {
        return edit_no_such(work, step->name);
    }
    int error = edit_name_wrong(work, step->to);
    int other = edit_row_named(work, step->to);
    if (!error && other != EDIT_NONE && other != i) {
        error = molt_fail(work->message, MOLT_E_TABLE_NAME,
                          "--rename %s=%s: there is a partition '%s' already: expected a name that "
                          "is free; rename or delete that one first",
                          step->name, step->to, step->to);
    }
    if (!error) {
        memset(work->row[i].p.label, 0, sizeof work->row[i].p.label);
        snprintf(work->row[i].p.label, sizeof work->row[i].p.label, "%s", step->to);
    }
    return error;
}

static int step_move(struct edit_work *work, const struct molt_edit_step *step)
{
    int i = edit_row_named(work, step->name);
    if (i == EDIT_NONE) {
        return edit_no_such(work, step->name);
    }
    struct molt_partition *row = &work->row[i].p;
    int error = edit_not_aligned(work, step->name, "offset", step->offset, align_of(row));
    if (!error) {
        row->offset = step->offset;
    }
    return error;
}

/* ---- resize ---- */

/* How many bytes too many the rows behind i need, when each is pushed just as far as it must. File
 * systems give room up, everything else keeps its size. */
static uint32_t push_rows(struct edit_work *work, int i)
{
    uint32_t flash = work->edit->flash_size, excess = 0;
    for (int k = i + 1; k < work->count; k++) {
        struct molt_partition *row = &work->row[k].p;
        uint32_t end = end_of(&work->row[k - 1].p);
        if (end > row->offset) {
            row->offset = align_up(end, align_of(row));
        }
        if (row->offset >= flash || row->size > flash - row->offset) {
            uint32_t room = row->offset < flash ? flash - row->offset : 0;
            bool gives = edit_class_of(row) == EDIT_FILES && room >= 2 * EDIT_SECTOR;
            if (gives) {
                row->size = room;
            } else if (end_of(row) - flash > excess) {
                excess = end_of(row) - flash;
            }
        }
    }
    return excess;
}

/* The row of the file system that has none; NULL: the name is not about it. */
static int give_row(struct edit_work *work, const struct molt_edit_step *step, int *found)
{
    uint32_t at = align_up(last_end(work), EDIT_SECTOR);
    if (strcmp(step->name, "vfs") != 0 || holds_files(work) || at >= work->edit->flash_size) {
        return edit_no_such(work, step->name);
    }
    int origin = unclaimed_behind(work);
    struct edit_row *row = new_row(work);
    if (!row) {
        return MOLT_E_TABLE_FULL;
    }
    row->p = (struct molt_partition){.type = MOLT_PARTITION_DATA,
                                     .subtype = MOLT_DATA_FAT,
                                     .offset = at,
                                     .size = work->edit->flash_size - at,
                                     .label = "vfs"};
    row->origin = origin;
    *found = work->count - 1;
    return MOLT_OK;
}

static int step_resize(struct edit_work *work, const struct molt_edit_step *step)
{
    int i = edit_row_named(work, step->name);
    int error = edit_not_aligned(work, step->name, "size", step->size, EDIT_SECTOR);
    if (!error && i == EDIT_NONE) {
        error = give_row(work, step, &i);
    }
    if (error) {
        return error;
    }
    struct molt_partition *row = &work->row[i].p;
    uint32_t limit = limit_of(work, row->offset, i);
    uint32_t size = step->size ? step->size : limit > row->offset ? limit - row->offset : 0;
    if (size == 0 || row->offset >= work->edit->flash_size ||
        size > work->edit->flash_size - row->offset) {
        return molt_fail(work->message, MOLT_E_NO_SPACE,
                         "--resize %s: 0x%x bytes from 0x%x on end behind the flash (0x%x): at "
                         "most 0x%x fit",
                         step->name, size, row->offset, work->edit->flash_size,
                         row->offset < work->edit->flash_size ? work->edit->flash_size - row->offset
                                                              : 0);
    }
    row->size = size;
    uint32_t excess = push_rows(work, i);
    if (excess) {
        uint32_t over = align_up(excess, EDIT_SECTOR);
        return molt_fail(work->message, MOLT_E_NO_SPACE,
                         "--resize %s: 0x%x bytes push what lies behind it 0x%x bytes over the end "
                         "of the flash (0x%x): at most 0x%x fit; or delete or resize a partition "
                         "first",
                         step->name, size, excess, work->edit->flash_size,
                         size > over ? (size - over) / align_of(row) * align_of(row) : 0);
    }
    return MOLT_OK;
}

/* ---- whole tables ---- */

/* The lowest app stays where it is. */
static uint32_t app_offset_of(const struct edit_work *work)
{
    uint32_t offset = UINT32_MAX;
    for (int i = 0; i < work->count; i++) {
        const struct molt_partition *row = &work->row[i].p;
        if (row->type == MOLT_PARTITION_APP && row->offset < offset) {
            offset = row->offset;
        }
    }
    return offset == UINT32_MAX ? EDIT_APP_AT : offset;
}

/* MicroPython looks for its files by the partition's name (flashbdev.py); LoBo's firmware has other
 * names. */
static void note_unmounted(struct edit_work *work, const struct molt_ptable *table)
{
    const struct molt_partition *last = &table->row[table->count - 1];
    bool files = last->type == MOLT_PARTITION_DATA && last->subtype >= MOLT_DATA_FAT &&
                 last->subtype <= MOLT_DATA_LITTLEFS;
    if (!work->app.micropython[0] || !files || molt_ptable_find_label(table, "vfs") ||
        molt_ptable_find_label(table, "ffat")) {
        return;
    }
    molt_plan_add(&work->edit->plan, MOLT_STEP_NOTE, 0, 0, last->label,
                  "MicroPython %s looks for its files in a partition called vfs: --fs-name vfs",
                  work->app.micropython);
}

static int step_layout(struct edit_work *work, const struct molt_edit_step *step)
{
    struct molt_ptable table;
    struct molt_layout_request request = step->layout;
    struct molt_partition nvs;
    request.flash_size = work->edit->flash_size;
    request.app_offset = app_offset_of(work);
    request.app_length = work->app.image.length;
    for (int i = 0; step->keep_nvs && !request.nvs && i < work->count; i++) {
        if (edit_class_of(&work->row[i].p) == EDIT_NVS) {
            nvs = work->row[i].p;
            request.nvs = &nvs;
        }
    }
    int error = molt_info_find_micropython(&work->app, &work->source->flash);
    if (error) {
        return molt_fail(work->message, error, "%s: looking for the version of its app: %s",
                         work->source->name, molt_strerror(error));
    }
    request.micropython = work->app.micropython[0] ? work->app.micropython : NULL;
    error = molt_layout_make(&table, &request, work->message);
    if (!error) {
        work->layout = request.name;
        note_unmounted(work, &table);
        edit_match(work, &table);
    }
    return error;
}

static int step_table(struct edit_work *work, const struct molt_edit_step *step)
{
    edit_match(work, step->table);
    return MOLT_OK;
}

/* A table of its own, row by row; then the old data finds its rows. */
static int step_list(struct edit_work *work, const struct molt_edit_step *add, uint32_t rows)
{
    struct edit_row *was = malloc(sizeof work->row);
    struct molt_ptable table = {.has_md5 = true};
    int count = work->count, error = MOLT_OK;
    if (!was) {
        return molt_fail(work->message, MOLT_E_NO_MEMORY, "out of memory");
    }
    memcpy(was, work->row, sizeof work->row);
    work->count = 0;
    for (uint32_t i = 0; !error && i < rows; i++) {
        error = step_add(work, &add[i]);
        sort_rows(work);
    }
    for (int i = 0; i < work->count; i++) {
        table.row[table.count++] = work->row[i].p;
    }
    memcpy(work->row, was, sizeof work->row);
    work->count = count;
    free(was);
    if (!error) {
        edit_match(work, &table);
    }
    return error;
}

int edit_steps(struct edit_work *work)
{
    static int (*const apply[])(struct edit_work *, const struct molt_edit_step *) = {
        step_layout, step_table, step_add, step_delete, step_resize, step_rename, step_move};
    const struct molt_edit_step *step = work->request->step;
    int error = MOLT_OK;
    for (uint32_t i = 0; !error && i < work->request->step_count; i++) {
        if (step[i].kind == MOLT_EDIT_PUT) {
            continue;
        }
        if (step[i].kind == MOLT_EDIT_TABLE && !step[i].table) {
            error = step_list(work, &step[i + 1], step[i].rows);
            i += step[i].rows;
        } else {
            error = apply[step[i].kind](work, &step[i]);
        }
        work->changed = true;
        work->changes++;
        sort_rows(work);
    }
    return error;
}
