/* Erasing, and reading back: a loader does not say that a sector was write protected (AN3156). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "molt/dfuse.h"
#include "ops/dfu/erase_job.h"

#define CHUNK 32768u
/* Flash of a device that tells no size: for the deadline. */
#define UNKNOWN_BYTES (16u << 20)

/* Reads one sector; *blank: all FF. A device that turns out to give nothing back is no error:
 * sector->readable is false then. Most sectors that are not blank show it in their first block. */
static int look(struct molt_dfu_erase *job, struct dfu_sector *sector, struct dfu_work *work,
                bool *blank, struct molt_message *message)
{
    struct molt_dfu_session *session = job->session;
    struct molt_diag diag = {0};
    uint32_t n = molt_dfu_block_size(&session->dfu), at = 0;
    *blank = true;
    sector->readable = sector->readable && dfu_can_upload(session);
    for (; sector->readable && *blank && at < sector->size; at += n, n = CHUNK) {
        char doing[64];
        n = n == 0 || n > CHUNK ? CHUNK : n;
        n = n < sector->size - at ? n : sector->size - at;
        int error = molt_dfuse_read(&session->dfu, sector->start + at, job->buffer, n, &diag);
        if (error && !dfu_can_upload(session)) {
            sector->readable = false;
        } else if (error) {
            snprintf(doing, sizeof doing, "reading the sector at 0x%08" PRIx32, sector->start);
            return molt_dfu_fail(message, session, error, &diag, doing);
        }
        for (uint32_t i = 0; i < n && sector->readable && *blank; i++) {
            *blank = job->buffer[i] == 0xFF;
        }
        dfu_work_done(work, n);
    }
    dfu_work_done(work, sector->size - at);
    return MOLT_OK;
}

/* mboot with packing erases as it writes; the command for a page does nothing (its do_page_erase),
 * and says that all is well. */
static int packed(const struct molt_dfu_erase *job, struct molt_message *message)
{
    return molt_fail(message, MOLT_E_UNSUPPORTED,
                     "%s: mboot for packed firmware erases by itself what it writes, and nothing "
                     "else; expected --all",
                     job->session->name);
}

/* Which sectors are blank already. Read protection shows here, before anything is lost. */
static int compare(struct molt_dfu_erase *job, const struct molt_progress *progress,
                   struct molt_message *message)
{
    struct dfu_work work;
    int error = MOLT_OK;
    job->to_erase = 0;
    dfu_work_begin(&work, job->session, progress, "compare", job->erased.bytes);
    for (uint32_t i = 0; !error && i < job->sectors.count; i++) {
        struct dfu_sector *sector = &job->sectors.sector[i];
        error = look(job, sector, &work, &sector->blank, message);
        sector->blank = sector->blank && sector->readable;
        job->to_erase += sector->blank ? 0 : sector->size;
        if (!error && job->all) {
            break; /* one is enough to know */
        }
    }
    dfu_work_end(&work);
    return !error && !job->all && dfu_is_mboot(job->session) && !dfu_can_upload(job->session)
               ? packed(job, message)
               : error;
}

static int erase_sectors(struct molt_dfu_erase *job, const struct molt_progress *progress,
                         struct molt_message *message)
{
    struct molt_diag diag = {0};
    struct dfu_work work;
    int error = MOLT_OK;
    char doing[64];
    dfu_work_begin(&work, job->session, progress, "erase", job->to_erase);
    for (uint32_t i = 0; !error && i < job->sectors.count; i++) {
        const struct dfu_sector *sector = &job->sectors.sector[i];
        if (sector->blank) {
            continue;
        }
        error = molt_dfuse_erase_page(&job->session->dfu, sector->start, sector->size, &diag);
        dfu_work_done(&work, sector->size);
        if (error) {
            snprintf(doing, sizeof doing, "erasing the sector at 0x%08" PRIx32, sector->start);
            error = molt_dfu_fail(message, job->session, error, &diag, doing);
        }
    }
    dfu_work_end(&work);
    return error;
}

static int erase_all(struct molt_dfu_erase *job, const struct molt_progress *progress,
                     struct molt_message *message)
{
    struct molt_diag diag = {0};
    struct dfu_work work;
    uint64_t bytes = job->erased.bytes;
    for (uint32_t i = 0; i < job->sectors.count; i++) {
        job->sectors.sector[i].blank = false;
    }
    job->to_erase = bytes;
    dfu_work_begin(&work, job->session, progress, "erase", bytes);
    int error = molt_dfuse_erase_all(&job->session->dfu, bytes ? bytes : UNKNOWN_BYTES, &diag);
    dfu_work_end(&work);
    return error ? molt_dfu_fail(message, job->session, error, &diag, "erasing all of the flash")
                 : MOLT_OK;
}

/* mboot leaves its own sectors alone: the first ones. */
static bool is_of_mboot(const struct molt_dfu_erase *job, uint32_t i)
{
    return job->all && dfu_is_mboot(job->session) && job->erased.refused_sectors == 0 &&
           i == job->erased.kept_sectors;
}

static int read_back(struct molt_dfu_erase *job, const struct molt_progress *progress,
                     struct molt_message *message)
{
    struct molt_dfu_erased *erased = &job->erased;
    struct dfu_work work;
    int error = MOLT_OK;
    erased->refused_sectors = erased->kept_sectors = 0;
    erased->verified = job->sectors.count > 0;
    dfu_work_begin(&work, job->session, progress, "verify", job->to_erase);
    for (uint32_t i = 0; !error && i < job->sectors.count; i++) {
        struct dfu_sector *sector = &job->sectors.sector[i];
        bool blank = true;
        if (!sector->blank) {
            error = look(job, sector, &work, &blank, message);
        }
        erased->verified &= sector->readable;
        if (!blank && !error && is_of_mboot(job, i)) {
            erased->kept_sectors++;
        } else if (!blank && !error && erased->refused_sectors++ == 0) {
            erased->first_refused = sector->start;
        }
    }
    dfu_work_end(&work);
    erased->verified &= !error && erased->refused_sectors == 0;
    return error;
}

static int refused(const struct molt_dfu_erase *job, struct molt_message *message)
{
    const struct molt_dfu_erased *erased = &job->erased;
    return erased->refused_sectors == 0
               ? MOLT_OK
               : molt_fail(message, MOLT_E_DFU_PROTECTED,
                           "%s: %" PRIu32 " of %" PRIu32
                           " sectors kept their bytes, the first at 0x%08" PRIx32
                           ": expected FF after the erase; they are write protected by the chip's "
                           "option bytes, or belong to the boot loader",
                           job->session->name, erased->refused_sectors, erased->sectors,
                           erased->first_refused);
}

int molt_dfu_erase_run(struct molt_dfu_erase *job, const struct molt_progress *progress,
                       struct molt_message *message)
{
    job->buffer = malloc(CHUNK);
    if (!job->buffer) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    job->erased.verified = false;
    int error = compare(job, progress, message);
    if (!error) {
        error =
            job->all ? erase_all(job, progress, message) : erase_sectors(job, progress, message);
    }
    error = error ? error : read_back(job, progress, message);
    free(job->buffer);
    job->buffer = NULL;
    return error ? error : refused(job, message);
}
