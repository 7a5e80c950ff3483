/* Erasing a DfuSe device: which sectors, and what is lost with them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "ops/dfu/erase_job.h"

#define INTERNAL_END 0x10000000u /* of the flash in an STM32; others are mapped behind it */

static int all_or_places(const char *text, struct molt_message *message)
{
    return molt_fail(message, MOLT_E_ARGUMENT,
                     "'%s': expected places, or --all alone, which is the chip's own mass erase",
                     text);
}

/* ---- sectors ---- */

static int add_files(struct molt_dfu_erase *job, const struct molt_dfu_erase_request *request,
                     struct molt_message *message)
{
    struct molt_dfu_files files;
    uint32_t before = job->sectors.count;
    int error = dfu_files_of(&files, job->session, request->board, message);
    for (uint32_t i = 0; !error && i < files.count; i++) {
        struct dfu_span span = {files.range[i].start,
                                (uint64_t)files.range[i].start + files.range[i].size};
        error = dfu_sectors_add(&job->sectors, dfu_map_of(job->session), &span, "files",
                                request->whole_sectors, message);
    }
    for (uint32_t i = before; i < job->sectors.count; i++) {
        job->sectors.sector[i].files = true;
    }
    for (uint32_t i = 0; !error && i < files.count; i++) {
        molt_plan_add(&job->plan, MOLT_STEP_LOSE, files.range[i].start, files.range[i].size,
                      "files", "the file system of %s", files.words);
    }
    return error;
}

static int add_place(struct molt_dfu_erase *job, const struct molt_dfu_erase_request *request,
                     const char *text, struct molt_message *message)
{
    struct dfu_place place;
    int error = dfu_place_parse(&place, text, message);
    if (error) {
        return error;
    }
    if (place.kind == DFU_PLACE_ALL) {
        return all_or_places(text, message);
    }
    if (place.kind == DFU_PLACE_FILES) {
        return add_files(job, request, message);
    }
    return dfu_sectors_add_place(&job->sectors, dfu_map_of(job->session), &place,
                                 request->whole_sectors, message);
}

/* What a mass erase takes, to be read back. mboot's is of the chip's own flash, not of others (its
 * do_mass_erase). */
static int add_everything(struct molt_dfu_erase *job, struct molt_message *message)
{
    const struct molt_dfu_map *map = dfu_map_of(job->session);
    int error = MOLT_OK;
    for (uint32_t i = 0; !error && i < map->count; i++) {
        const struct molt_dfu_segment *segment = &map->segment[i];
        struct dfu_span span = {segment->start,
                                segment->start + (uint64_t)segment->sector_size * segment->count};
        bool taken = !dfu_is_mboot(job->session) || segment->start < INTERNAL_END;
        if (taken && (segment->access & MOLT_DFU_ERASABLE)) {
            error = dfu_sectors_add(&job->sectors, map, &span, "--all", true, message);
        }
        if (!taken) {
            molt_plan_add(&job->plan, MOLT_STEP_KEEP, segment->start,
                          segment->sector_size * segment->count, "external flash",
                          "mboot's mass erase is of the chip's own flash; erase it by its address");
        }
    }
    return error;
}

/* ---- the plan ---- */

/* Sectors of one size that follow each other are one step. */
static void add_steps(struct molt_dfu_erase *job)
{
    const struct dfu_sectors *sectors = &job->sectors;
    uint32_t n;
    for (uint32_t i = 0; i < sectors->count; i += n) {
        const struct dfu_sector *first = &sectors->sector[i];
        for (n = 1; i + n < sectors->count; n++) {
            const struct dfu_sector *next = &sectors->sector[i + n];
            if (next->size != first->size ||
                next->start != first->start + (uint64_t)n * first->size) {
                break;
            }
        }
        char what[24];
        snprintf(what, sizeof what, "%" PRIu32 " sector%s", n, n == 1 ? "" : "s");
        char size[24];
        snprintf(size, sizeof size, first->size % 1024 ? "%" PRIu32 " bytes" : "%" PRIu32 " KB",
                 first->size % 1024 ? first->size : first->size / 1024);
        molt_plan_add(&job->plan, MOLT_STEP_ERASE, first->start, n * first->size, what, "%s%s",
                      n == 1 ? "" : size, n == 1 ? "" : " each");
    }
}

static void add_rounded(struct molt_dfu_erase *job, const struct dfu_spans *rounded)
{
    for (uint32_t i = 0; i < rounded->count; i++) {
        const struct dfu_span *span = &rounded->span[i];
        molt_plan_add(&job->plan, MOLT_STEP_LOSE, (uint32_t)span->start,
                      (uint32_t)(span->end - span->start), "beside the place",
                      "in the same sector as what is to be erased");
    }
}

/* The file system, where it was not what was asked for. */
static int add_lost_files(struct molt_dfu_erase *job, const char *board,
                          struct molt_message *message)
{
    struct molt_dfu_files files;
    int error = molt_dfu_board_files(&files, board, dfu_map_of(job->session), 0, message);
    for (uint32_t i = 0; !error && i < files.count; i++) {
        uint64_t end = (uint64_t)files.range[i].start + files.range[i].size;
        bool hit = false;
        for (uint32_t k = 0; k < job->sectors.count; k++) {
            const struct dfu_sector *sector = &job->sectors.sector[k];
            hit |= !sector->files && sector->start < end &&
                   (uint64_t)sector->start + sector->size > files.range[i].start;
        }
        if (hit) {
            job->erased.loses_files = true;
            molt_plan_add(&job->plan, MOLT_STEP_LOSE, files.range[i].start, files.range[i].size,
                          "files", "the file system of %s, all of it or a part", files.words);
        }
    }
    return error;
}

static int plan_all(struct molt_dfu_erase *job, struct molt_message *message)
{
    int error = add_everything(job, message);
    if (!error && dfu_map_of(job->session)->count && job->sectors.count == 0) {
        return molt_fail(message, MOLT_E_RANGE,
                         "%s: nothing of its '%s' can be erased; expected the alternate setting "
                         "with the flash (--alt)",
                         job->session->name, dfu_map_of(job->session)->name);
    }
    if (!error && dfu_is_mboot(job->session)) {
        molt_plan_add(&job->plan, MOLT_STEP_LOSE, 0, 0, "all",
                      "firmware, files and settings in the chip's flash, but not mboot itself");
        return MOLT_OK;
    }
    molt_plan_add(&job->plan, MOLT_STEP_NOTE, 0, 0, "mass erase",
                  "the whole chip, also flash that its memory map does not show");
    return error ? error : dfu_plan_loss(&job->plan, job->session, message);
}

static int plan_places(struct molt_dfu_erase *job, const struct molt_dfu_erase_request *request,
                       struct molt_message *message)
{
    int error = MOLT_OK;
    if (request->count == 0) {
        return molt_fail(message, MOLT_E_ARGUMENT,
                         "nothing to erase is named; expected ADDRESS, ADDRESS+SIZE, files, or "
                         "--all");
    }
    for (uint32_t i = 0; !error && i < request->count; i++) {
        error = add_place(job, request, request->place[i], message);
    }
    return error;
}

static int plan_job(struct molt_dfu_erase *job, const struct molt_dfu_erase_request *request,
                    struct molt_message *message)
{
    struct dfu_spans rounded = {0};
    int error;
    if (request->all && request->count) {
        return all_or_places(request->place[0], message);
    }
    job->all = request->all;
    error = request->all ? plan_all(job, message) : plan_places(job, request, message);
    error = error ? error : dfu_sectors_join(&job->sectors, &rounded, message);
    if (!error && !request->all) {
        add_rounded(job, &rounded);
        add_steps(job);
        error = add_lost_files(job, request->board, message);
    }
    dfu_spans_free(&rounded);
    job->erased.sectors = job->sectors.count;
    job->erased.bytes = dfu_sectors_bytes(&job->sectors);
    return error;
}

int molt_dfu_erase_plan(struct molt_dfu_erase **made, struct molt_dfu_session *session,
                        const struct molt_dfu_erase_request *request, struct molt_message *message)
{
    *made = NULL;
    if (!session->dfu.dfuse) {
        return molt_fail(message, MOLT_E_UNSUPPORTED,
                         "%s: a device of plain DFU has no erase: it erases what is written",
                         session->name);
    }
    int error = dfu_in_dfu_mode(session, "nothing can be erased", message);
    if (error) {
        return error;
    }
    struct molt_dfu_erase *job = calloc(1, sizeof *job);
    if (!job) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    job->session = session;
    error = plan_job(job, request, message);
    if (error) {
        molt_dfu_erase_free(job);
        return error;
    }
    *made = job;
    return MOLT_OK;
}

const struct molt_plan *molt_dfu_erase_steps(const struct molt_dfu_erase *job)
{
    return &job->plan;
}

const struct molt_dfu_erased *molt_dfu_erase_result(const struct molt_dfu_erase *job)
{
    return &job->erased;
}

void molt_dfu_erase_free(struct molt_dfu_erase *job)
{
    if (job) {
        dfu_sectors_free(&job->sectors);
    }
    free(job);
}
