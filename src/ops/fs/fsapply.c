/* Changes: carried out one by one, and described. */
#include <stdio.h>
#include <string.h>

#include "ops/fs/fs_internal.h"

#define TOLD (MOLT_PLAN_STEPS - 10u) /* changes that are named one by one */

/* Was path made by an earlier change? Then it is no surprise that it is there. */
static bool made_before(const struct molt_fs_changes *changes, uint32_t at)
{
    for (uint32_t i = 0; i < at; i++) {
        if (changes->item[i].kind == MOLT_FS_MKDIR &&
            strcmp(changes->item[i].path, changes->item[at].path) == 0) {
            return true;
        }
    }
    return false;
}

/* FAT takes /a and /A for one. */
static int clash(const char *path, struct molt_message *message)
{
    return molt_fail(message, MOLT_E_ARGUMENT,
                     "'%s': there is something of this name already among what is put (FAT does "
                     "not tell capitals from small letters)",
                     path);
}

static int make_folder(struct molt_fs *fs, const struct molt_fs_changes *changes, uint32_t at,
                       struct molt_message *message)
{
    const char *path = changes->item[at].path;
    int error = molt_fs_mkdir(fs, path);
    if (error == MOLT_E_EXISTS) {
        return made_before(changes, at) ? MOLT_OK : clash(path, message);
    }
    return error ? fsops_fail(message, error, "the folder cannot be made", path) : MOLT_OK;
}

static int write_file(struct molt_fs *fs, const struct molt_fs_change *change,
                      struct molt_message *message)
{
    struct molt_fs_entry entry;
    if (!change->replaces && molt_fs_kind_of(fs) == MOLT_FS_FAT) {
        int there = fsops_there(fs, change->path, &entry, message);
        if (there) {
            return there < 0 ? there : clash(change->path, message);
        }
    }
    int error = molt_fs_write_file(fs, change->path, change->bytes, change->size);
    return error ? fsops_fail(message, error, "cannot be written", change->path) : MOLT_OK;
}

static int apply_one(struct molt_fs *fs, const struct molt_fs_changes *changes, uint32_t at,
                     struct molt_message *message)
{
    const struct molt_fs_change *change = &changes->item[at];
    int error = MOLT_OK;
    switch (change->kind) {
    case MOLT_FS_MKDIR: return make_folder(fs, changes, at, message);
    case MOLT_FS_WRITE: return write_file(fs, change, message);
    case MOLT_FS_REMOVE:
        error = molt_fs_remove(fs, change->path);
        return error ? fsops_fail(message, error, "cannot be removed", change->path) : MOLT_OK;
    case MOLT_FS_RENAME:
        error = molt_fs_rename(fs, change->path, change->to);
        return error ? fsops_fail(message, error, "cannot be moved", change->path) : MOLT_OK;
    case MOLT_FS_FORMAT:
    case MOLT_FS_GROW: break;
    }
    return molt_fail(message, MOLT_E_ARGUMENT, "a format or grow in the middle of changes");
}

int fsops_apply(struct molt_fs *fs, const struct molt_fs_changes *changes, uint32_t *at,
                const struct molt_progress *progress, struct molt_message *message)
{
    for (; *at < changes->count; ++*at) {
        if (progress && progress->report &&
            progress->report(progress->context, "files", *at, changes->count)) {
            return molt_fail(message, MOLT_E_CANCELLED, "cancelled after %u of %u changes", *at,
                             changes->count);
        }
        int error = apply_one(fs, changes, *at, message);
        if (error) {
            return error;
        }
    }
    if (progress && progress->report && changes->count) {
        progress->report(progress->context, "files", changes->count, changes->count);
    }
    return MOLT_OK;
}

/* ---- As a plan ---- */

static void describe_format(const struct molt_fs_changes *changes, const struct molt_fsops *session,
                            struct molt_plan *plan)
{
    const struct molt_place *place = &session->place;
    const struct molt_fs_items *lost = &changes->lost;
    bool carried = changes->carried || changes->count > 1;
    if (lost->files && !carried) {
        molt_plan_add(plan, MOLT_STEP_LOSE, place->offset, place->size, place->label,
                      "%u file%s, %llu bytes", lost->files, lost->files == 1 ? "" : "s",
                      (unsigned long long)lost->bytes);
    } else if (session->damaged) {
        molt_plan_add(plan, MOLT_STEP_LOSE, place->offset, place->size, place->label,
                      "a damaged %s, whose files cannot be counted",
                      molt_fs_kind_name(session->facts.kind));
    } else if (!session->facts.kind && !session->blank) {
        molt_plan_add(plan, MOLT_STEP_LOSE, place->offset, place->size, place->label,
                      "what it holds, which is no file system that is known");
    }
    molt_plan_add(plan, MOLT_STEP_WRITE, place->offset, place->size, place->label,
                  "a new, empty %s", molt_fs_kind_name(changes->format));
    if (carried) {
        molt_plan_add(plan, MOLT_STEP_NOTE, 0, 0, place->label,
                      "%u file%s are carried over: they are in this computer's memory only "
                      "meanwhile, do not interrupt",
                      changes->carried, changes->carried == 1 ? "" : "s");
    }
}

static void describe_one(const struct molt_fs_change *change, const struct molt_fsops *session,
                         struct molt_plan *plan)
{
    const char *label = session->place.label;
    switch (change->kind) {
    case MOLT_FS_MKDIR:
        molt_plan_add(plan, MOLT_STEP_WRITE, 0, 0, label, "%s/", change->path);
        break;
    case MOLT_FS_WRITE:
        if (change->replaces) {
            molt_plan_add(plan, MOLT_STEP_WRITE, 0, 0, label, "%s, %u bytes (replaces %u bytes)",
                          change->path, change->size, change->old_size);
        } else {
            molt_plan_add(plan, MOLT_STEP_WRITE, 0, 0, label, "%s, %u bytes", change->path,
                          change->size);
        }
        break;
    case MOLT_FS_REMOVE:
        if (change->is_folder) {
            molt_plan_add(plan, MOLT_STEP_LOSE, 0, 0, label, "%s/", change->path);
        } else {
            molt_plan_add(plan, MOLT_STEP_LOSE, 0, 0, label, "%s, %u bytes", change->path,
                          change->size);
        }
        break;
    case MOLT_FS_RENAME:
        if (change->replaces) {
            molt_plan_add(plan, MOLT_STEP_LOSE, 0, 0, label, "%s, %u bytes", change->to,
                          change->old_size);
        }
        molt_plan_add(plan, MOLT_STEP_WRITE, 0, 0, label, "%s becomes %s", change->path,
                      change->to);
        break;
    case MOLT_FS_FORMAT:
    case MOLT_FS_GROW: break;
    }
}

void molt_fsops_describe(const struct molt_fs_changes *changes, const struct molt_fsops *session,
                         const char *output, struct molt_plan *plan)
{
    const struct molt_place *place = &session->place;
    uint32_t i = 0;
    if (changes->same) {
        molt_plan_add(plan, MOLT_STEP_KEEP, 0, 0, place->label,
                      "%u file%s, %llu bytes, the same already", changes->same,
                      changes->same == 1 ? "" : "s", (unsigned long long)changes->same_bytes);
    }
    if (changes->count == 0) {
        return;
    }
    if (session->target->board) {
        molt_plan_add(plan, MOLT_STEP_NOTE, 0, 0, place->label, "changes the board");
    } else {
        molt_plan_add(plan, MOLT_STEP_NOTE, 0, 0, place->label, "%s %s%s",
                      output ? "the result goes to" : "changes",
                      output ? output : session->target->name, output ? "" : " in place");
    }
    if (changes->item[0].kind == MOLT_FS_FORMAT) {
        describe_format(changes, session, plan);
        i = 1;
    } else if (changes->item[0].kind == MOLT_FS_GROW) {
        molt_plan_add(plan, MOLT_STEP_WRITE, place->offset, place->size, place->label,
                      "%s grows from %u to %u bytes", session->facts.variant,
                      session->facts.block_size * session->facts.block_count, place->size);
        i = 1;
    }
    for (; i < changes->count && plan->count < TOLD; i++) {
        describe_one(&changes->item[i], session, plan);
    }
    if (i < changes->count) {
        molt_plan_add(plan, MOLT_STEP_NOTE, 0, 0, place->label, "and %u more", changes->count - i);
    }
}
