#include <stdio.h>

#include "ops/part/part_internal.h"
#include <string.h>

static int erase_place(struct molt_part_job *job, const struct molt_target *target,
                       const struct molt_place *place, struct molt_message *message)
{
    bool table = place->row && place->row->type == MOLT_PARTITION_DATA &&
                 place->row->subtype == MOLT_DATA_OTADATA;
    int order = table                                  ? PART_OTADATA
                : place->kind == MOLT_PLACE_TABLE      ? PART_TABLE
                : place->kind == MOLT_PLACE_BOOTLOADER ? PART_BOOTLOADER
                                                       : PART_DATA;
    int error = part_add(job, target, place, NULL, 0, order, message);
    if (!error) {
        part_plan_loss(job, target, place, true);
        part_guard_running(job, target, place);
        molt_plan_add(&job->plan, MOLT_STEP_ERASE, place->offset, place->size, place->label,
                      "becomes FF");
    }
    return error;
}

/* Everything: each partition's loss is named, the flash is one piece. */
static int erase_all(struct molt_part_job *job, const struct molt_target *target,
                     struct molt_message *message)
{
    struct molt_place all, place;
    if (target->kind == MOLT_TARGET_FIRMWARE) {
        return molt_fail(message, MOLT_E_UNSUPPORTED,
                         "%s: is a firmware file, of which nothing would be left: expected a flash "
                         "dump or sim:BOARD",
                         target->name);
    }
    int error = molt_place_find(&all, target, "all", message);
    for (uint32_t i = 0; !error && !target->table_error && i < target->table.count; i++) {
        if (molt_place_find(&place, target, target->table.row[i].label, NULL) == MOLT_OK) {
            part_plan_loss(job, target, &place, true);
        }
    }
    if (!error && !target->table_error && molt_place_files(&place, target, NULL) == MOLT_OK &&
        place.kind == MOLT_PLACE_BEHIND) {
        part_plan_loss(job, target, &place, true);
    }
    if (!error) {
        part_guard_running(job, target, &all);
        molt_plan_add(&job->plan, MOLT_STEP_ERASE, all.offset, all.size, "all", "becomes FF");
        error = part_add(job, target, &all, NULL, 0, PART_DATA, message);
    }
    return error;
}

int molt_part_plan_erase(struct molt_part_job *job, const struct molt_target *target,
                         const char *const *names, uint32_t count, bool force,
                         struct molt_message *message)
{
    struct molt_place place;
    memset(job, 0, sizeof *job);
    job->force = force;
    int error = part_check_target(target, message);
    for (uint32_t i = 0; !error && i < count; i++) {
        error = molt_place_find(&place, target, names[i], message);
        if (!error && place.kind == MOLT_PLACE_WHOLE) {
            error = molt_fail(message, MOLT_E_ARGUMENT,
                              "'all' of a flash: expected --all, or names of partitions");
        }
        if (!error) {
            error = erase_place(job, target, &place, message);
        }
    }
    if (!error && count == 0) {
        error = erase_all(job, target, message);
    }
    return error ? error : part_finish(job, target, message);
}
