/* Writing firmware to a device in DFU mode: the plan and the run as a whole. */
#include "molt/ops/dfu_write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "molt/ops/dfu_device.h"
#include "ops/dfu/write.h"

/* ---- The plan ---- */

static bool is_plain(const struct molt_dfu_write *job)
{
    return !job->session->dfu.dfuse;
}

static int plan_plain(struct molt_dfu_write *job, struct molt_message *message)
{
    struct molt_dfu_plain_request plain = {.image = job->image, .force = job->request.force};
    int error = molt_dfu_plain_check(job->session, &plain, message);
    for (uint32_t i = 0; !error && i < job->image->count; i++) {
        job->result.bytes_given += job->image->element[i].size;
    }
    if (!error) {
        molt_plan_add(&job->steps, MOLT_STEP_NOTE, 0, 0, "firmware",
                      "%u bytes, as they are: the device itself knows where they go",
                      (unsigned)job->result.bytes_given);
    }
    return error;
}

/* The words of a read that failed while planning: what it means here. */
static int read_failed(const struct molt_dfu_write *job, int error, struct molt_message *message)
{
    if (error == MOLT_E_DFU_PROTECTED) {
        return molt_fail(message, error,
                         "%s: the device is read protected, and takes no firmware like that. "
                         "Nothing was changed. 'molt dfu unprotect' lifts it, and erases all that "
                         "the device holds",
                         job->session->name);
    }
    if (job->session->dfu.quirks & MOLT_DFU_QUIRK_NO_READ) {
        return molt_fail(message, error,
                         "%s: this boot loader lets nobody read: mboot with packing, which takes "
                         "signed and encrypted files only (mboot_pack_dfu.py). Nothing was changed",
                         job->session->name);
    }
    return error;
}

static bool any_change(const struct molt_dfu_write *job)
{
    for (uint32_t i = 0; i < job->sectors; i++) {
        if (job->sector[i].change) {
            return true;
        }
    }
    return false;
}

/* When anything changes, the vector table goes first: but not when its sector is as it should be,
 * and has something besides the file's bytes that would be put at risk for that. */
static int guard(struct molt_dfu_write *job, struct molt_message *message)
{
    struct dfu_sector *entry = job->has_vector ? &job->sector[job->entry_sector] : NULL;
    if (!entry || entry->change || !any_change(job)) {
        return MOLT_OK;
    }
    entry->change = true;
    bool kept;
    int error = dfu_write_has_rest(job, entry, &kept, message);
    if (!error && kept) {
        entry->change = false;
        job->has_vector = false;
    }
    return error;
}

static int find_leave(struct molt_dfu_write *job, struct molt_message *message)
{
    struct molt_dfu_sector sector;
    const struct molt_dfu_map *map = &job->session->alternate->map;
    job->result.has_entry = job->request.has_entry || job->image->has_entry;
    job->result.entry = job->request.has_entry ? job->request.entry : job->image->entry;
    if (job->request.has_entry && !job->request.force &&
        !molt_dfu_map_sector(map, job->request.entry, &sector)) {
        return molt_fail(message, MOLT_E_RANGE,
                         "%s: --entry 0x%08x is not in the device's memory '%s'. Nothing was "
                         "changed",
                         job->session->name, job->request.entry, map->name);
    }
    return MOLT_OK;
}

/* What is read besides the file's bytes, at most, but for the file system. */
static uint64_t rest_bytes(const struct molt_dfu_write *job)
{
    uint64_t bytes = 1;
    for (uint32_t i = 0; i < job->sectors; i++) {
        const struct dfu_sector *sector = &job->sector[i];
        bytes += sector->change && !sector->mass ? sector->size - sector->given : 0;
    }
    return bytes;
}

static int plan_dfuse(struct molt_dfu_write *job, const struct molt_progress *progress,
                      struct molt_message *message)
{
    struct molt_diag diag = {0};
    uint8_t can = job->session->dfu.attributes,
            alternate = job->session->alternate->facts.alternate;
    job->can_read = (can == 0 || (can & MOLT_DFU_CAN_UPLOAD)) &&
                    !(job->session->dfu.quirks & MOLT_DFU_QUIRK_NO_READ);
    int error = dfu_write_layout(job, message);
    error = error ? error : find_leave(job, message);
    if (error) {
        return error;
    }
    error = molt_dfu_idle(&job->session->dfu, &diag);
    if (error) {
        return molt_dfu_fail(message, job->session, error, &diag, "bringing it to dfuIDLE");
    }
    dfu_progress(job, progress, "compare", 0, job->result.bytes_given);
    error = dfu_write_compare(job, message);
    if (error) {
        return read_failed(job, error, message);
    }
    dfu_progress(job, progress, "read", 0, rest_bytes(job));
    error = dfu_use(job->session, alternate, message);
    error = error ? error : dfu_write_check_files(job, message);
    error = error ? error : guard(job, message);
    error = error ? error : dfu_write_keep(job, message);
    error = error ? error : dfu_use(job->session, alternate, message);
    return error ? error : dfu_write_describe(job, message);
}

static void count_unchanged(struct molt_dfu_write *job)
{
    for (uint32_t i = 0; i < job->sectors; i++) {
        job->result.unchanged += !job->sector[i].change;
    }
}

/* Another sentence behind the words of what went wrong. */
static void append(struct molt_message *message, const char *sentence)
{
    size_t n = strlen(message->text), room = sizeof message->text;
    const char *stop = n && strchr(".?", message->text[n - 1]) ? " " : ". ";
    if (n + strlen(stop) + strlen(sentence) < room) {
        strcat(strcat(message->text, stop), sentence);
    }
}

static void say_untouched(struct molt_message *message)
{
    if (message && !strstr(message->text, "Nothing was changed")) {
        append(message, "Nothing was changed");
    }
}

int molt_dfu_write_plan(struct molt_dfu_write **planned, struct molt_dfu_session *session,
                        const struct molt_dfu_write_request *request,
                        const struct molt_progress *progress, struct molt_message *message)
{
    struct molt_dfu_write *job = calloc(1, sizeof *job);
    *planned = NULL;
    if (!job) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    const struct molt_progress *before = session->dfu.progress;
    job->session = session;
    job->request = *request;
    job->image = request->image;
    int error = dfu_write_check(session, job->image, request->force, message);
    if (error) {
        /* said already */
    } else if (is_plain(job)) {
        error = plan_plain(job, message);
    } else if (job->image->packed) {
        error = dfu_write_packed_plan(job, message);
    } else {
        error = plan_dfuse(job, progress, message);
    }
    dfu_progress_end(job, before);
    if (error) {
        say_untouched(message);
        molt_dfu_write_free(job);
        return error;
    }
    count_unchanged(job);
    *planned = job;
    return MOLT_OK;
}

const struct molt_plan *molt_dfu_write_steps(const struct molt_dfu_write *job)
{
    return &job->steps;
}

bool molt_dfu_write_is_unchanged(const struct molt_dfu_write *job)
{
    return !is_plain(job) && !job->image->packed && !job->request.mass_erase && !any_change(job);
}

/* ---- The run ---- */

/* Keeps of the list what is erased on the device and not back. */
static void find_rescue(struct molt_dfu_write *job)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < job->sectors; i++) {
        struct dfu_sector *sector = &job->sector[i];
        for (uint32_t j = 0; sector->at_risk && j < sector->rescues; j++) {
            job->rescue[count++] = job->rescue[sector->rescue + j];
        }
        sector->rescues = 0;
    }
    job->rescues = count;
}

/* In what state the device is now. */
static void say_state(const struct molt_dfu_write *job, struct molt_message *message)
{
    const char *state;
    if (!message) {
        return;
    }
    if (!job->started) {
        state = "Nothing was changed";
    } else if (job->whole && job->result.verified) {
        state = "The firmware is written and verified: reset the board to start it";
    } else if (job->whole) {
        state = "The firmware is written, and was not verified to its end: run the same command "
                "again";
    } else if (job->has_vector || job->image->packed) {
        state = "The firmware on the device is not whole, and does not start: bring the device "
                "into DFU mode if it is not in it still, and run the same command again, which "
                "repairs it";
    } else {
        state = "What the file is for is not whole on the device: bring it into DFU mode if it is "
                "not in it still, and run the same command again, which repairs it";
    }
    append(message, state);
}

static int leave(struct molt_dfu_write *job, const struct molt_progress *progress,
                 struct molt_message *message)
{
    struct molt_dfu_left left = {0};
    struct molt_dfu_leave_request request = {.has_entry = job->result.has_entry,
                                             .entry = job->result.entry,
                                             .wait_ms = job->request.wait_ms};
    int error = molt_dfu_leave_device(job->session, &request, &left, progress, message);
    job->result.left = !error;
    job->result.gone = left.gone;
    job->result.back = left.back;
    if (!error && !job->result.has_entry) {
        job->result.has_entry = true;
        job->result.entry = left.entry;
    }
    return error;
}

static int run_plain(struct molt_dfu_write *job, const struct molt_progress *progress,
                     struct molt_message *message)
{
    struct molt_dfu_plain_written written = {0};
    struct molt_dfu_plain_request plain = {.image = job->image,
                                           .force = job->request.force,
                                           .stay = job->request.stay,
                                           .wait_ms = job->request.wait_ms};
    int error = molt_dfu_plain_write(job->session, &plain, &written, progress, message);
    job->result.bytes_written = written.bytes;
    job->result.gone = written.gone;
    job->result.left = !error && written.gone;
    return error;
}

int molt_dfu_write_run(struct molt_dfu_write *job, const struct molt_progress *progress,
                       struct molt_message *message)
{
    struct molt_dfu_session *session = job->session;
    const struct molt_progress *before = session->dfu.progress;
    uint32_t transfers = session->dfu.transfers;
    int error;
    if (is_plain(job)) {
        return run_plain(job, progress, message);
    }
    error = job->image->packed ? dfu_write_packed_run(job, progress, message)
                               : dfu_write_sectors(job, progress, message);
    dfu_progress_end(job, before);
    job->result.transfers = session->dfu.transfers - transfers;
    if (!error && !job->request.stay) {
        error = leave(job, progress, message);
    }
    if (error) {
        say_state(job, message);
        find_rescue(job);
    } else {
        job->rescues = 0;
    }
    return error;
}

const struct molt_dfu_write_result *molt_dfu_write_result(const struct molt_dfu_write *job)
{
    return &job->result;
}

const struct molt_dfu_rescue *molt_dfu_write_rescue(const struct molt_dfu_write *job,
                                                    uint32_t *count)
{
    *count = job->rescues;
    return job->rescues ? job->rescue : NULL;
}

void molt_dfu_write_free(struct molt_dfu_write *job)
{
    if (!job) {
        return;
    }
    for (uint32_t i = 0; i < job->regions; i++) {
        free(job->region[i].bytes);
    }
    free(job->region);
    free(job->sector);
    free(job->span);
    free(job->rescue);
    free(job);
}
