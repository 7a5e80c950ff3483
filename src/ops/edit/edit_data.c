/* What becomes of each partition's bytes: stay, move, are carried over, are lost. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops/edit/edit_work.h"

#define NVS_PAGE EDIT_SECTOR

enum edit_class edit_class_of(const struct molt_partition *row)
{
    if (row->type == MOLT_PARTITION_APP) {
        return EDIT_APP;
    }
    if (row->type != MOLT_PARTITION_DATA) {
        return EDIT_OTHER;
    }
    switch (row->subtype) {
    case MOLT_DATA_OTADATA: return EDIT_OTADATA;
    case MOLT_DATA_NVS: return EDIT_NVS;
    case MOLT_DATA_FAT:
    case MOLT_DATA_SPIFFS:
    case MOLT_DATA_LITTLEFS: return EDIT_FILES;
    default: return EDIT_OTHER;
    }
}

/* otadata, phy_init, coredump: the device writes them itself. */
static bool made_anew(const struct molt_partition *row)
{
    return row->type == MOLT_PARTITION_DATA &&
           (row->subtype == MOLT_DATA_OTADATA || row->subtype == MOLT_DATA_PHY ||
            row->subtype == 0x03);
}

static void plain(char label[17], const struct molt_partition *row)
{
    memcpy(label, row->label, 17);
    molt_info_plain(label);
}

void edit_lose(struct edit_work *work, const char *label, uint32_t offset, uint32_t size,
               const char *why)
{
    size_t n = strlen(work->lost);
    molt_plan_add(&work->edit->plan, MOLT_STEP_LOSE, offset, size, label, "%s", why);
    snprintf(work->lost + n, sizeof work->lost - n, "%s'%s'", work->lost_count ? ", " : "", label);
    work->lost_count++;
}

/* ---- What each row's bytes become ---- */

static uint32_t used_pages(const struct edit_work *work, const struct edit_old *old)
{
    uint32_t count = 0;
    for (uint32_t at = 0; at < old->used; at += NVS_PAGE) {
        uint32_t n = edit_inside(work, old->p.offset + at, NVS_PAGE);
        count += molt_used(work->before + old->p.offset + at, n) != 0;
    }
    return count;
}

/* NVS needs one page that is free. */
static bool fit_nvs(const struct edit_work *work, struct edit_row *row, const struct edit_old *old)
{
    uint32_t pages = used_pages(work, old);
    if (pages + 1 > row->p.size / NVS_PAGE) {
        return false;
    }
    row->fate = old->used <= row->p.size ? EDIT_KEPT : EDIT_NVS_PAGES;
    row->keep = row->fate == EDIT_KEPT ? old->used : pages * NVS_PAGE;
    return row->fate == EDIT_KEPT || !(old->p.flags & 1);
}

static int fit_app(struct edit_work *work, struct edit_row *row, const struct edit_old *old)
{
    struct molt_info_image found;
    bool right = edit_judge_app(work, row->origin, &found);
    row->keep = right ? found.image.length : old->used;
    row->fate = EDIT_KEPT;
    if (right && row->keep > row->p.size) {
        return edit_app_too_large(work, &row->p, row->keep);
    }
    return MOLT_OK;
}

static int too_small(struct edit_work *work, const struct edit_row *row, uint32_t need,
                     const char *holds)
{
    return molt_fail(work->message, MOLT_E_NO_SPACE,
                     "partition '%s' (0x%x bytes) is too small for %s: at least 0x%x bytes are "
                     "needed; --force makes it all the same, empty",
                     row->p.label, row->p.size, holds,
                     (need + EDIT_SECTOR - 1) / EDIT_SECTOR * EDIT_SECTOR);
}

int edit_drop(struct edit_work *work, struct edit_row *row, const struct edit_old *old,
              uint32_t need, const char *holds)
{
    char label[17], why[120];
    row->fate = EDIT_FRESH;
    row->keep = 0;
    if (made_anew(&old->p)) {
        return MOLT_OK;
    }
    if (!work->request->force) {
        return too_small(work, row, need, holds);
    }
    plain(label, &old->p);
    snprintf(why, sizeof why, "too small for %s", holds);
    edit_lose(work, label, old->p.offset, old->used, why);
    return MOLT_OK;
}

static int fit_row(struct edit_work *work, struct edit_row *row)
{
    struct edit_old *old = row->origin == EDIT_NONE ? NULL : &work->old[row->origin];
    enum edit_class class = edit_class_of(&row->p);
    row->fate = EDIT_FRESH;
    row->keep = 0;
    if (!old || (class == EDIT_OTADATA && old->used && !work->keep_record)) {
        return MOLT_OK;
    }
    bool same_place = old->p.offset == row->p.offset && old->p.size == row->p.size;
    if (same_place) {
        row->fate = EDIT_SAME;
        row->keep = old->used;
        return MOLT_OK;
    }
    if (old->used == 0) {
        return MOLT_OK;
    }
    if (class == EDIT_APP) {
        int error = fit_app(work, row, old);
        if (error || row->keep <= row->p.size) {
            return error;
        }
        return edit_drop(work, row, old, row->keep, "its bytes");
    }
    if (class == EDIT_NVS) {
        return fit_nvs(work, row, old)
                   ? MOLT_OK
                   : edit_drop(work, row, old, (used_pages(work, old) + 1) * NVS_PAGE,
                               "its settings and one free page");
    }
    if (class == EDIT_FILES) {
        return edit_fit_files(work, row, old);
    }
    row->fate = EDIT_KEPT;
    row->keep = old->used;
    return row->keep <= row->p.size ? MOLT_OK
                                    : edit_drop(work, row, old, row->keep, "what it holds");
}

/* ---- What the plan says about it ---- */

static void say_app(const struct edit_work *work, const struct edit_row *row,
                    const struct edit_old *old)
{
    char label[17];
    bool moved = old->p.offset != row->p.offset;
    plain(label, &old->p);
    if (moved) {
        molt_plan_add(&work->edit->plan, MOLT_STEP_WRITE, row->p.offset, row->keep, row->p.label,
                      "the app of '%s', moved from 0x%x", label, old->p.offset);
    } else if (strcmp(old->p.label, row->p.label) != 0) {
        molt_plan_add(&work->edit->plan, MOLT_STEP_KEEP, row->p.offset, row->keep, row->p.label,
                      "the app, until now in '%s', stays where it is", label);
    } else {
        molt_plan_add(&work->edit->plan, MOLT_STEP_KEEP, row->p.offset, row->keep, row->p.label,
                      "the app stays where it is");
    }
}

static void say_kept(const struct edit_work *work, const struct edit_row *row,
                     const struct edit_old *old)
{
    struct molt_plan *plan = &work->edit->plan;
    char label[17], name[17], was[40] = "", from[32];
    snprintf(from, sizeof from, ", moved from 0x%x,", old->p.offset);
    plain(label, &old->p);
    plain(name, &row->p);
    if (strcmp(label, name) != 0) {
        snprintf(was, sizeof was, "until now '%s'; ", label);
    }
    if (row->fate == EDIT_NVS_PAGES) {
        molt_plan_add(plan, MOLT_STEP_WRITE, row->p.offset, row->keep, name,
                      "%sits settings, moved together from 0x%x bytes to 0x%x", was, old->p.size,
                      row->p.size);
    } else if (row->fate == EDIT_REBUILT && row->files) {
        molt_plan_add(plan, MOLT_STEP_WRITE, row->p.offset, row->p.size, name,
                      "%sa new file system of 0x%x bytes, until now 0x%x, with its %u files", was,
                      row->p.size, old->p.size, row->files);
    } else if (row->fate == EDIT_REBUILT) {
        molt_plan_add(plan, MOLT_STEP_WRITE, row->p.offset, row->p.size, name,
                      "%sits file system%s grows from 0x%x bytes to 0x%x", was,
                      row->p.offset == old->p.offset ? "" : from, old->p.size, row->p.size);
    } else if (row->p.offset != old->p.offset) {
        molt_plan_add(plan, MOLT_STEP_WRITE, row->p.offset, row->keep, name,
                      "%swhat it holds, moved from 0x%x", was, old->p.offset);
    } else {
        molt_plan_add(plan, MOLT_STEP_KEEP, row->p.offset, row->p.size, name, "%s%s", was,
                      row->fate == EDIT_SAME      ? "the same in the new table"
                      : row->p.size > old->p.size ? "grows, what it holds stays"
                                                  : "shrinks, what it holds stays");
    }
}

static void say_row(const struct edit_work *work, const struct edit_row *row)
{
    const struct edit_old *old = row->origin == EDIT_NONE ? NULL : &work->old[row->origin];
    /* Without a change of the table only a file system behind the last partition may change. */
    bool stays = !work->changed && row->fate != EDIT_REBUILT;
    if (!old || row->fate == EDIT_FRESH || old->used == 0 || stays) {
        return;
    }
    if (edit_class_of(&row->p) == EDIT_APP) {
        say_app(work, row, old);
    } else {
        say_kept(work, row, old);
    }
}

/* Old partitions without an heir. */
static void find_losses(struct edit_work *work)
{
    for (int i = 0; i < work->old_count; i++) {
        struct edit_old *old = &work->old[i];
        char label[17];
        plain(label, &old->p);
        if (old->heir != EDIT_NONE || old->used == 0) {
            continue;
        }
        if (made_anew(&old->p)) {
            molt_plan_add(&work->edit->plan, MOLT_STEP_NOTE, old->p.offset, old->p.size, label,
                          "no longer in the table; the device needs nothing of it");
        } else {
            edit_lose(work, label, old->p.offset, old->p.size,
                      "not in the new table, so what it holds is no longer reached");
        }
    }
}

static bool in_old(const struct edit_work *work, uint32_t at)
{
    for (int i = 0; i < work->old_count; i++) {
        const struct molt_partition *p = &work->old[i].p;
        if (at >= p->offset && at - p->offset < p->size) {
            return true;
        }
    }
    return at < EDIT_FIRST;
}

/* Byte i of the row as it will be, while nothing is changed yet. */
static uint8_t lifted_byte(const struct edit_work *work, const struct edit_row *row, uint32_t i)
{
    return i >= row->keep ? 0xFF : row->image ? row->image[i] : work->before[row->p.offset + i];
}

/* What was interrupted before it was whole: the result could be programmed onto it. */
static bool begun(const struct edit_work *work, const struct edit_row *row, uint32_t at, uint32_t n)
{
    const uint8_t *now = work->before + at, *then = work->edit->flash + at;
    if ((now == then && !work->lifted) || at >= work->edit->size || n > work->edit->size - at) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint8_t wanted = work->lifted ? lifted_byte(work, row, at - row->p.offset + i) : then[i];
        if ((now[i] & wanted) != wanted) {
            return false;
        }
    }
    return true;
}

void edit_find_strays(struct edit_work *work)
{
    for (int i = 0; i < work->count; i++) {
        const struct edit_row *row = &work->row[i];
        uint32_t n = row->fate == EDIT_SAME ? 0 : edit_inside(work, row->p.offset, row->p.size);
        uint32_t from = 0, size = 0;
        for (uint32_t at = 0; at < n; at += EDIT_SECTOR) {
            uint32_t here = row->p.offset + at, step = n - at < EDIT_SECTOR ? n - at : EDIT_SECTOR;
            if (!in_old(work, here) && molt_used(work->before + here, step) &&
                !begun(work, row, here, step)) {
                from = size ? from : here;
                size = here + step - from;
            }
        }
        if (size) {
            char what[40];
            snprintf(what, sizeof what, "0x%x", from);
            edit_lose(work, what, from, size,
                      "bytes that are in no partition, where a new one comes to lie");
        }
    }
}

/* MicroPython from 1.26 on makes a file system behind the last partition by itself. */
static bool makes_its_own(struct edit_work *work)
{
    char *end;
    if (!work->app.micropython[0] &&
        molt_info_find_micropython(&work->app, &work->source->flash) != MOLT_OK) {
        return false;
    }
    if (work->app.micropython[0] != 'v' || strstr(work->app.micropython, "v1.26.0-preview")) {
        return false;
    }
    unsigned long major = strtoul(work->app.micropython + 1, &end, 10);
    unsigned long minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
    return major > 1 || (major == 1 && minor >= 26);
}

/* Another place has it, or the device would look elsewhere for its files. */
static bool is_taken(const struct edit_work *work, int old)
{
    for (int i = 0; i < work->count; i++) {
        const struct edit_row *row = &work->row[i];
        if (row->origin == old || strcmp(row->p.label, "vfs") == 0 ||
            (!work->old[old].behind && edit_class_of(&row->p) == EDIT_FILES)) {
            return true;
        }
    }
    return false;
}

/* The old file system that is to go on behind the last partition, or EDIT_NONE. */
static int find_behind(struct edit_work *work)
{
    for (int i = 0; i < work->old_count; i++) {
        const struct edit_old *old = &work->old[i];
        bool vfs = edit_class_of(&old->p) == EDIT_FILES && strcmp(old->p.label, "vfs") == 0;
        if (vfs && old->used && !is_taken(work, i) && (old->behind || makes_its_own(work))) {
            return i;
        }
    }
    return EDIT_NONE;
}

/* It goes on behind the new last partition, where room is left. */
static int place_behind(struct edit_work *work)
{
    int origin = find_behind(work);
    uint32_t end = EDIT_FIRST;
    for (int i = 0; i < work->count; i++) {
        const struct molt_partition *row = &work->row[i].p;
        end = row->offset + row->size > end ? row->offset + row->size : end;
    }
    if (origin == EDIT_NONE || end >= work->edit->flash_size) {
        return MOLT_OK;
    }
    struct edit_row *row = &work->row[work->count];
    memset(row, 0, sizeof *row);
    row->p = work->old[origin].p;
    row->p.offset = end;
    row->p.size = work->edit->flash_size - end;
    row->origin = origin;
    row->behind = work->behind = true;
    return fit_row(work, row);
}

int edit_plan_data(struct edit_work *work)
{
    int error = edit_plan_boot(work);
    for (int i = 0; !error && i < work->count; i++) {
        error = fit_row(work, &work->row[i]);
    }
    if (!error) {
        error = place_behind(work);
    }
    int places = work->count + (work->behind ? 1 : 0);
    for (int i = 0; !error && i < places; i++) {
        if (work->row[i].origin != EDIT_NONE) {
            work->old[work->row[i].origin].heir = i;
        }
        say_row(work, &work->row[i]);
    }
    if (!error) {
        find_losses(work);
    }
    return error;
}
