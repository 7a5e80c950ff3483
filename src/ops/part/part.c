#include "molt/ops/part.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "molt/host/file.h"
#include "molt/ops/bootchoice.h"
#include "ops/flash/flashwrite.h"
#include "ops/part/part_internal.h"

/* ---- The flash as it will be ---- */

static int view_read(void *context, uint32_t offset, void *buffer, uint32_t n)
{
    const struct part_view *view = context;
    uint8_t *out = buffer;
    int error = molt_place_read(view->from, offset, buffer, n);
    for (uint32_t i = 0; !error && view->job && i < view->job->piece_count; i++) {
        const struct molt_part_piece *piece = &view->job->piece[i];
        uint32_t start = piece->place.offset, end = start + piece->place.size;
        uint32_t from = offset > start ? offset : start;
        uint32_t to = offset + n < end ? offset + n : end;
        if (from >= to) {
            continue;
        }
        memset(out + (from - offset), 0xFF, to - from);
        if (from - start < piece->n) {
            uint32_t rest = piece->n - (from - start);
            memcpy(out + (from - offset), piece->bytes + (from - start),
                   rest < to - from ? rest : to - from);
        }
    }
    return error;
}

static int view_refuse(void *context, uint32_t offset, uint32_t n)
{
    (void)context, (void)offset, (void)n;
    return MOLT_E_PERMISSION;
}

static int view_program(void *context, uint32_t offset, const void *data, uint32_t n)
{
    (void)data;
    return view_refuse(context, offset, n);
}

static void view_table(struct part_view *view)
{
    uint8_t bytes[MOLT_PTABLE_SIZE];
    struct molt_target *target = &view->target;
    int error = molt_flash_read(&target->flash, MOLT_PTABLE_OFFSET, bytes, sizeof bytes);
    target->table_error =
        error ? error : molt_ptable_parse(&target->table, bytes, sizeof bytes, &target->table_diag);
}

void part_view_init(struct part_view *view, const struct molt_target *from,
                    const struct molt_part_job *job)
{
    static const struct molt_flash_ops ops = {view_read, view_program, view_refuse, NULL};
    uint32_t size = molt_place_flash_end(from);
    view->from = from;
    view->job = job;
    view->target = *from;
    view->target.region = (struct molt_region){0, PART_SECTOR, size / PART_SECTOR};
    view->target.flash = (struct molt_flash){&ops, view, &view->target.region, 1, size, 1};
    if (job) {
        view_table(view);
    }
}

void part_boots_next(const struct molt_target *target, char label[17])
{
    struct molt_boot_state *state = calloc(1, sizeof *state);
    label[0] = 0;
    if (state) {
        int error = molt_boot_read(state, target, NULL);
        const struct molt_boot_slot *slot = molt_boot_slot(state, state->next);
        if ((error == MOLT_OK || error == MOLT_E_OTADATA_NONE) && slot) {
            memcpy(label, slot->label, sizeof slot->label);
        }
    }
    free(state);
}

/* ---- The job ---- */

int part_check_target(const struct molt_target *target, struct molt_message *message)
{
    if (target->kind == MOLT_TARGET_FIRMWARE || target->kind == MOLT_TARGET_DUMP ||
        target->kind == MOLT_TARGET_BOARD) {
        return MOLT_OK;
    }
    return molt_fail(message, MOLT_E_UNSUPPORTED,
                     "%s: is %s %s, expected a firmware file, a flash dump or sim:BOARD to change",
                     target->name, target->kind == MOLT_TARGET_APP ? "an" : "a",
                     molt_target_kind_name(target->kind));
}

int part_add(struct molt_part_job *job, const struct molt_target *target,
             const struct molt_place *place, uint8_t *bytes, uint32_t n, int order,
             struct molt_message *message)
{
    for (uint32_t i = 0; i < job->piece_count; i++) {
        const struct molt_place *other = &job->piece[i].place;
        if (place->offset < other->offset + other->size &&
            other->offset < place->offset + place->size) {
            free(bytes);
            return molt_fail(message, MOLT_E_ARGUMENT,
                             "%s: '%s' and '%s' are the same flash at 0x%x: name it once",
                             target->name, other->label, place->label,
                             place->offset > other->offset ? place->offset : other->offset);
        }
    }
    if (job->piece_count == MOLT_PART_PIECES) {
        free(bytes);
        return molt_fail(message, MOLT_E_NO_SPACE, "more than %d places at once", MOLT_PART_PIECES);
    }
    job->piece[job->piece_count++] = (struct molt_part_piece){*place, bytes, n, order};
    return MOLT_OK;
}

void part_refuse(struct molt_part_job *job, int error, const char *format, ...)
{
    if (job->refusals++ == 0) {
        va_list list;
        va_start(list, format);
        vsnprintf(job->refusal.text, sizeof job->refusal.text, format, list);
        va_end(list);
        job->refusal.error = error;
    }
}

static int by_order(const void *a, const void *b)
{
    const struct molt_part_piece *left = a, *right = b;
    if (left->order != right->order) {
        return left->order - right->order;
    }
    return left->place.offset < right->place.offset ? -1 : left->place.offset > right->place.offset;
}

/* One sector as it is and as it will be. */
static int read_both(const struct molt_target *target, const struct part_view *after,
                     uint32_t offset, uint8_t *have, uint8_t *want)
{
    uint32_t left = after->target.flash.size - offset;
    uint32_t n = left < PART_SECTOR ? left : PART_SECTOR;
    int error = molt_place_read(target, offset, have, PART_SECTOR);
    memset(want + n, 0xFF, PART_SECTOR - n);
    return error ? error : molt_flash_read(&after->target.flash, offset, want, n);
}

static int count_sectors(struct molt_part_job *job, const struct molt_target *target,
                         const struct part_view *after)
{
    uint8_t have[PART_SECTOR], want[PART_SECTOR];
    for (uint32_t i = 0; i < job->piece_count; i++) {
        const struct molt_place *place = &job->piece[i].place;
        for (uint32_t at = place->offset / PART_SECTOR * PART_SECTOR;
             at < place->offset + place->size; at += PART_SECTOR) {
            int error = read_both(target, after, at, have, want);
            if (error) {
                return error;
            }
            bool same = memcmp(have, want, PART_SECTOR) == 0;
            job->sectors_same += same;
            job->sectors_differing += !same;
        }
    }
    return MOLT_OK;
}

/*
 * Where a file ends afterwards: a firmware file ends with the last byte of what is written behind
 * its other parts, as a downloaded one does; a dump never gets shorter.
 */
static uint32_t file_end(const struct molt_part_job *job, const struct molt_target *target)
{
    uint32_t end = target->flash.size;
    bool dump = target->kind == MOLT_TARGET_DUMP;
    for (int round = 0; round < 2; round++) { /* what is cut off first, then what is added */
        for (uint32_t i = 0; i < job->piece_count; i++) {
            const struct molt_part_piece *piece = &job->piece[i];
            uint32_t start = piece->place.offset, written = start + piece->n;
            if (round == 0 && !dump && start < end && end - start <= piece->place.size) {
                end = start;
            }
            if (round == 1 && piece->n && written > end) {
                end = written;
            }
        }
    }
    return end > target->base ? end : target->flash.size;
}

int part_finish(struct molt_part_job *job, const struct molt_target *target,
                struct molt_message *message)
{
    char before[17];
    struct part_view *view = malloc(sizeof *view);
    if (!view) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    qsort(job->piece, job->piece_count, sizeof job->piece[0], by_order);
    part_view_init(view, target, NULL);
    part_boots_next(&view->target, before);
    part_view_init(view, target, job);
    part_boots_next(&view->target, job->next);
    job->end = file_end(job, target);
    int error = count_sectors(job, target, view);
    free(view);
    if (error) {
        return molt_fail(message, error, "%s: cannot be read: %s", target->name,
                         molt_strerror(error));
    }
    if (strcmp(before, job->next) != 0 || !job->next[0]) {
        molt_plan_add(&job->plan, MOLT_STEP_NOTE, 0, 0, "boot", "%s boots then%s%s",
                      job->next[0] ? job->next : "nothing", before[0] ? "; now it is " : "",
                      before);
    }
    if (before[0] && !job->next[0]) {
        part_refuse(job, MOLT_E_NO_WAY_BACK, "%s: nothing would boot any more (now %s does)",
                    target->name, before);
    }
    if (job->plan.full) {
        return molt_fail(message, MOLT_E_NO_SPACE, "the plan has more than %d steps",
                         MOLT_PLAN_STEPS);
    }
    return MOLT_OK;
}

/* ---- Doing it ---- */

static int run_file(const struct molt_part_job *job, struct molt_target *target,
                    struct molt_message *message)
{
    uint64_t end = target->flash.size;
    for (uint32_t i = 0; i < job->piece_count; i++) {
        const struct molt_part_piece *piece = &job->piece[i];
        uint64_t written = (uint64_t)piece->place.offset + piece->n;
        end = piece->n && written > end ? written : end;
    }
    int error = molt_target_grow(target, end, message);
    for (uint32_t i = 0; !error && i < job->piece_count; i++) {
        const struct molt_part_piece *piece = &job->piece[i];
        uint32_t offset = piece->place.offset;
        uint32_t room = offset < target->flash.size ? target->flash.size - offset : 0;
        uint32_t size = piece->place.size < room ? piece->place.size : room;
        if (size) {
            memset(target->bytes + offset, 0xFF, size);
        }
        if (piece->n) {
            memcpy(target->bytes + offset, piece->bytes, piece->n);
        }
    }
    return error;
}

static int run_piece(struct molt_target *target, const struct part_view *after,
                     const struct molt_place *place, const struct molt_progress *progress,
                     uint64_t *done, uint64_t total, struct molt_message *message)
{
    uint8_t have[PART_SECTOR], want[PART_SECTOR];
    for (uint32_t at = place->offset / PART_SECTOR * PART_SECTOR; at < place->offset + place->size;
         at += PART_SECTOR) {
        int error = read_both(target, after, at, have, want);
        if (error) {
            return flashwrite_fail(target, error, "reading", at, message);
        }
        if (memcmp(have, want, PART_SECTOR) == 0) {
            continue;
        }
        if (progress && progress->report(progress->context, "write", *done, total)) {
            return molt_fail(message, MOLT_E_CANCELLED,
                             "%s: cancelled at 0x%x; run the same command again to go on",
                             target->name, at);
        }
        error = flashwrite_sector(target, at, want, message);
        if (error) {
            return error;
        }
        *done += PART_SECTOR;
    }
    return MOLT_OK;
}

int molt_part_run(const struct molt_part_job *job, struct molt_target *target,
                  const struct molt_progress *progress, struct molt_message *message)
{
    if (job->refusals && !job->force) {
        char more[48] = "";
        if (job->refusals > 1) {
            snprintf(more, sizeof more, " (and %u more in the plan)", job->refusals - 1);
        }
        return molt_fail(message, job->refusal.error, "%s%s; --force does it all the same",
                         job->refusal.text, more);
    }
    if (target->kind != MOLT_TARGET_BOARD) {
        return run_file(job, target, message);
    }
    struct part_view *after = malloc(sizeof *after);
    if (!after) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    uint64_t done = 0, total = (uint64_t)job->sectors_differing * PART_SECTOR;
    int error = MOLT_OK;
    part_view_init(after, target, job);
    for (uint32_t i = 0; !error && i < job->piece_count; i++) {
        error = run_piece(target, after, &job->piece[i].place, progress, &done, total, message);
    }
    if (!error && progress && total) {
        progress->report(progress->context, "write", total, total);
    }
    if (!error && molt_flash_sync(&target->flash)) {
        error = flashwrite_fail(target, MOLT_E_IO, "finishing", 0, message);
    }
    free(after);
    return error;
}

int molt_part_save(const struct molt_part_job *job, struct molt_target *target, const char *out,
                   struct molt_message *message)
{
    if (out && (target->kind == MOLT_TARGET_BOARD || strncmp(out, "sim:", 4) == 0)) {
        return molt_fail(message, MOLT_E_ARGUMENT,
                         "%s: a board is changed where it is; --output is for files", out);
    }
    if (target->kind == MOLT_TARGET_BOARD) {
        return MOLT_OK;
    }
    target->file_size = job->end - target->base;
    if (!out) {
        return molt_target_save(target, message);
    }
    return molt_file_write(out, target->bytes + target->base, target->file_size, 0666,
                           MOLT_FILE_REPLACE_UNSYNCED, message);
}

void molt_part_free(struct molt_part_job *job)
{
    for (uint32_t i = 0; i < job->piece_count; i++) {
        free(job->piece[i].bytes);
    }
    job->piece_count = 0;
}
