/* Boards: what is written when, so that as little as can be depends on the power. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops/edit/edit_work.h"
#include "ops/flash/flashwrite.h"

/* In this order; PHASE_SAME is never written. */
enum phase {
    PHASE_SAME = 0,
    PHASE_FREE,       /* nothing that is needed lies there */
    PHASE_BOOT_FIRST, /* a bootloader for a larger flash: the new table needs it */
    PHASE_USED,       /* data that is needed until the table is written */
    PHASE_TABLE,
    PHASE_BOOT_LAST, /* a bootloader for a smaller flash: needs the new table */
    PHASE_AFTER,     /* what is no longer used becomes FF */
    PHASE_COUNT,
    PHASE_BLANK = 0x80 /* beside the phase: the sector is erased now */
};

/* The old partition that a sector belongs to, if its data goes on living. */
static int living_at(const struct edit_work *work, uint32_t offset)
{
    for (int i = 0; i < work->old_count; i++) {
        const struct edit_old *old = &work->old[i];
        if (offset >= old->p.offset && offset - old->p.offset < old->p.size && old->used &&
            (old->heir != EDIT_NONE || i == work->boots)) {
            return i;
        }
    }
    return EDIT_NONE;
}

static enum phase phase_of(const struct edit_work *work, uint32_t offset, const uint8_t *now,
                           int *living)
{
    const struct molt_edit *edit = work->edit;
    const uint8_t *then = edit->flash + offset;
    *living = EDIT_NONE;
    if (memcmp(now, then, EDIT_SECTOR) == 0) {
        return PHASE_SAME;
    }
    if (offset == MOLT_PTABLE_OFFSET) {
        return PHASE_TABLE;
    }
    if (offset < MOLT_PTABLE_OFFSET) {
        return edit->flash_size > work->source->header_flash_size ? PHASE_BOOT_FIRST
                                                                  : PHASE_BOOT_LAST;
    }
    *living = molt_blank(now, EDIT_SECTOR) ? EDIT_NONE : living_at(work, offset);
    if (*living == EDIT_NONE) {
        return PHASE_FREE;
    }
    return molt_blank(then, EDIT_SECTOR) ? PHASE_AFTER : PHASE_USED;
}

static void say_window(struct edit_work *work, const uint32_t count[PHASE_COUNT],
                       const uint32_t used[EDIT_PLACES])
{
    struct molt_plan *plan = &work->edit->plan;
    for (int i = 0; i < work->old_count; i++) {
        if (used[i]) {
            char label[17];
            memcpy(label, work->old[i].p.label, sizeof label);
            molt_info_plain(label);
            molt_plan_add(plan, MOLT_STEP_NOTE, work->old[i].p.offset, used[i] * EDIT_SECTOR, label,
                          "overwritten while it is in use: a power cut meanwhile damages %s; read "
                          "it out first ('molt read')",
                          i == work->boots ? "the app that boots, and the board needs a cable"
                                           : "what it holds");
        }
    }
    if (count[PHASE_BOOT_FIRST] + count[PHASE_BOOT_LAST]) {
        molt_plan_add(plan, MOLT_STEP_NOTE, 0, 0, "bootloader",
                      "a power cut while its %u sectors are written leaves a board that needs a "
                      "cable",
                      count[PHASE_BOOT_FIRST] + count[PHASE_BOOT_LAST]);
    }
    if (count[PHASE_TABLE]) {
        molt_plan_add(plan, MOLT_STEP_NOTE, 0, 0, "table",
                      "its one sector is erased and written at the end: a power cut just then "
                      "leaves a board that needs a cable; before, all is as it was%s",
                      count[PHASE_USED] ? " but for what is named above" : "");
    }
}

int edit_plan_board(struct edit_work *work)
{
    struct molt_edit *edit = work->edit;
    uint32_t count[PHASE_COUNT] = {0}, used[EDIT_PLACES] = {0};
    uint32_t sectors = edit->size / EDIT_SECTOR;
    edit->phase = calloc(sectors + 1, 1);
    if (!edit->phase) {
        return molt_fail(work->message, MOLT_E_NO_MEMORY, "no memory for %u bytes", sectors);
    }
    for (uint32_t i = 0; i < sectors; i++) {
        int living;
        uint8_t now[EDIT_SECTOR]; /* the board's: what was read of it may have been changed */
        int error = molt_flash_read(&work->source->flash, i * EDIT_SECTOR, now, EDIT_SECTOR);
        if (error) {
            return molt_fail(work->message, error, "%s: cannot be read at 0x%x: %s",
                             work->source->name, i * EDIT_SECTOR, molt_strerror(error));
        }
        enum phase phase = phase_of(work, i * EDIT_SECTOR, now, &living);
        edit->phase[i] = (uint8_t)(phase | (molt_blank(now, EDIT_SECTOR) ? PHASE_BLANK : 0));
        edit->sectors += phase != PHASE_SAME;
        count[phase]++;
        if (phase == PHASE_USED) {
            used[living]++;
        }
    }
    say_window(work, count, used);
    return MOLT_OK;
}

/* A sector that is erased already is not erased again: a power cut can then not put anything into
 * free flash that would look like somebody's data. */
static int write_sector(const struct molt_edit *edit, struct molt_target *target, uint32_t offset,
                        struct molt_message *message)
{
    uint8_t back[EDIT_SECTOR];
    const uint8_t *want = edit->flash + offset;
    if (edit->phase[offset / EDIT_SECTOR] & PHASE_BLANK) {
        int error = molt_flash_program(&target->flash, offset, want, EDIT_SECTOR);
        if (error) {
            return flashwrite_fail(target, error, "writing", offset, message);
        }
        error = molt_flash_read(&target->flash, offset, back, EDIT_SECTOR);
        if (!error && memcmp(back, want, EDIT_SECTOR) == 0) {
            return MOLT_OK;
        }
    }
    return flashwrite_sector(target, offset, want, message);
}

static int write_phase(const struct molt_edit *edit, struct molt_target *target, enum phase phase,
                       uint64_t *done, const struct molt_progress *progress,
                       struct molt_message *message)
{
    uint64_t total = (uint64_t)edit->sectors * EDIT_SECTOR;
    for (uint32_t i = 0; i < edit->size / EDIT_SECTOR; i++) {
        uint32_t offset = i * EDIT_SECTOR;
        if ((edit->phase[i] & ~PHASE_BLANK) != phase) {
            continue;
        }
        bool stop = progress && progress->report(progress->context, "write", *done, total);
        if (stop && phase == PHASE_FREE) {
            return molt_fail(
                message, MOLT_E_CANCELLED,
                "%s: cancelled at 0x%x: the table and all data in use are as they were",
                target->name, offset);
        }
        int error = write_sector(edit, target, offset, message);
        if (error) {
            return error;
        }
        *done += EDIT_SECTOR;
    }
    int error = molt_flash_sync(&target->flash);
    return error ? flashwrite_fail(target, error, "finishing", 0, message) : MOLT_OK;
}

int molt_edit_run(const struct molt_edit *edit, struct molt_target *target,
                  const struct molt_progress *progress, struct molt_message *message)
{
    uint64_t done = 0;
    int error = MOLT_OK;
    for (int phase = PHASE_FREE; !error && phase < PHASE_COUNT; phase++) {
        error = write_phase(edit, target, (enum phase)phase, &done, progress, message);
    }
    if (!error && progress && done) {
        progress->report(progress->context, "write", done, done);
    }
    return error;
}
