/* The plan in words. */
#include <stdio.h>

#include "ops/dfu/write.h"

/* More rows of one kind than that are summed up. */
#define ROWS 40

/* Sectors in a row, of the same fate or (summed up) of any. */
struct fate {
    uint32_t first, count, changed, start, size, given;
};

static bool same(const struct dfu_sector *a, const struct dfu_sector *b, bool summed)
{
    return a->alternate == b->alternate && a->erasable == b->erasable && a->mass == b->mass &&
           b->start - a->start == a->size && (summed || a->change == b->change);
}

static struct fate fate_at(const struct molt_dfu_write *job, uint32_t i, bool summed)
{
    struct fate fate = {.first = i, .start = job->sector[i].start};
    do {
        fate.count++;
        fate.changed += job->sector[i].change;
        fate.size += job->sector[i].size;
        fate.given += job->sector[i].given;
        i++;
    } while (i < job->sectors && same(&job->sector[i - 1], &job->sector[i], summed));
    return fate;
}

/* "flash", or the name of an alternate setting that is no flash. */
static void place_name(const struct molt_dfu_write *job, uint8_t number, char *text, size_t n)
{
    const struct molt_dfu_alternate *alternate = dfu_alternate(job->session, number);
    bool flash = !alternate || alternate == job->session->alternate;
    snprintf(text, n, "%.20s", flash ? "flash" : alternate->map.name);
}

static void describe_sectors(struct molt_dfu_write *job, const struct fate *fate)
{
    const struct dfu_sector *sector = &job->sector[fate->first];
    const char *words = fate->count == 1 ? "sector" : "sectors";
    char name[24];
    place_name(job, sector->alternate, name, sizeof name);
    if (!fate->changed) {
        molt_plan_add(&job->steps, MOLT_STEP_KEEP, fate->start, fate->size, name,
                      "%u %s with %u bytes of the file already", fate->count, words, fate->given);
    } else if (!sector->erasable) {
        molt_plan_add(&job->steps, MOLT_STEP_WRITE, fate->start, fate->size, name,
                      "%u bytes of the file, not erased before", fate->given);
    } else if (fate->changed < fate->count) {
        molt_plan_add(&job->steps, MOLT_STEP_WRITE, fate->start, fate->size, name,
                      "%u of %u %s erased and written; the others have their part of the file's "
                      "%u bytes already",
                      fate->changed, fate->count, words, fate->given);
    } else {
        molt_plan_add(&job->steps, MOLT_STEP_WRITE, fate->start, fate->size, name,
                      "%u %s erased%s, %u bytes of the file", fate->count, words,
                      sector->mass ? " with all others" : "", fate->given);
    }
}

/* What the file does not give of the sectors that are erased. */
static void describe_gaps(struct molt_dfu_write *job)
{
    uint32_t lost = 0, bytes = 0;
    for (uint32_t i = 0; i < job->rescues && i < ROWS; i++) {
        const struct molt_dfu_rescue *kept = &job->rescue[i];
        molt_plan_add(&job->steps, MOLT_STEP_KEEP, kept->address, kept->size, "rest",
                      "of a sector, not in the file: was read, is written back");
    }
    if (job->rescues > ROWS) {
        molt_plan_add(&job->steps, MOLT_STEP_KEEP, 0, 0, "rest",
                      "of %u more places, not in the file: was read, is written back",
                      job->rescues - ROWS);
    }
    for (uint32_t i = 0; !job->can_read && i < job->sectors; i++) {
        const struct dfu_sector *sector = &job->sector[i];
        lost += !sector->mass && sector->given < sector->size;
        bytes += sector->mass ? 0 : sector->size - sector->given;
    }
    if (lost) {
        molt_plan_add(&job->steps, MOLT_STEP_LOSE, 0, 0, "rest",
                      "%u bytes of %u sectors that the file does not give: the device cannot be "
                      "read",
                      bytes, lost);
    }
}

static void describe_files(struct molt_dfu_write *job)
{
    for (uint32_t i = 0; i < job->files.count; i++) {
        const struct molt_dfu_range *range = &job->files.range[i];
        struct molt_dfu_sector sector;
        if (molt_dfu_map_sector(&job->session->alternate->map, range->start, &sector)) {
            molt_plan_add(&job->steps, job->files_lost ? MOLT_STEP_LOSE : MOLT_STEP_KEEP,
                          range->start, range->size, "files", "%s keeps its files there%s",
                          job->files.words,
                          job->files_lost ? ", which are lost (--overwrite-files)" : "");
        }
    }
}

static void describe_end(struct molt_dfu_write *job, bool changed)
{
    bool verify = job->can_read && !job->request.no_verify;
    if (changed && job->has_vector && job->sector[job->entry_sector].change) {
        molt_plan_add(&job->steps, MOLT_STEP_NOTE, 0, 0, "order",
                      "the sector at 0x%08x first, its vector table last: cut short, no half of a "
                      "firmware starts",
                      job->sector[job->entry_sector].start);
    }
    if (changed) {
        molt_plan_add(&job->steps, MOLT_STEP_NOTE, 0, 0, "verify", "%s",
                      verify ? "everything written is read back"
                             : (job->can_read ? "nothing is read back, as asked for"
                                              : "the device cannot be read back"));
    }
    if (job->request.stay) {
        molt_plan_add(&job->steps, MOLT_STEP_NOTE, 0, 0, "stay", "in DFU mode");
    } else if (job->result.has_entry) {
        molt_plan_add(&job->steps, MOLT_STEP_NOTE, 0, 0, "leave", "DFU mode, start at 0x%08x",
                      job->result.entry);
    } else {
        molt_plan_add(&job->steps, MOLT_STEP_NOTE, 0, 0, "leave", "DFU mode");
    }
}

int dfu_write_describe(struct molt_dfu_write *job, struct molt_message *message)
{
    bool changed = job->request.mass_erase;
    if (job->request.mass_erase) {
        const struct molt_dfu_map *map = &job->session->alternate->map;
        molt_plan_add(&job->steps, MOLT_STEP_ERASE, map->segment[0].start,
                      (uint32_t)dfu_flash_bytes(job->session), "flash",
                      "all of it, whatever it holds (--mass-erase)");
    }
    uint32_t rows = 0;
    for (uint32_t i = 0; i < job->sectors; rows++) {
        i += fate_at(job, i, false).count;
    }
    for (uint32_t i = 0; i < job->sectors;) {
        struct fate fate = fate_at(job, i, rows > ROWS);
        describe_sectors(job, &fate);
        changed = changed || fate.changed;
        i += fate.count;
    }
    describe_gaps(job);
    describe_files(job);
    describe_end(job, changed);
    if (job->steps.full) {
        return molt_fail(message, MOLT_E_NO_SPACE,
                         "%s: the plan has more than %d steps: the file's bytes lie in too many "
                         "places. Nothing was changed",
                         job->session->name, MOLT_PLAN_STEPS);
    }
    return MOLT_OK;
}
