/* Erasing, and reading back: a loader does not say that a sector was write protected (AN3156). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "molt/dfuse.h"
#include "ops/dfu/erase_job.h"

#define CHUNK 32768u

/* Reads one sector; *blank: all FF. A device that turns out to give nothing back is no error:
 * sector->readable is false then. Most sectors that are not blank show it in their first block. */
static int look(struct molt_dfu_erase *job, struct dfu_sector *sector, uint8_t *buffer, bool *blank,
                struct molt_message *message)
{
    struct molt_dfu_session *session = job->session;
    struct molt_diag diag = {0};
    uint32_t n = molt_dfu_block_size(&session->dfu);
    *blank = true;
    sector->readable = sector->readable && dfu_can_upload(session);
    for (uint32_t at = 0; sector->readable && *blank && at < sector->size; at += n, n = CHUNK) {
        char doing[64];
        n = n == 0 || n > CHUNK ? CHUNK : n;
        n = n < sector->size - at ? n : sector->size - at;
        int error = molt_dfuse_read(&session->dfu, sector->start + at, buffer, n, &diag);
        if (error && !dfu_can_upload(session)) {
            sector->readable = false;
        } else if (error) {
            snprintf(doing, sizeof doing, "reading the sector at 0x%08" PRIx32, sector->start);
            return molt_dfu_fail(message, session, error, &diag, doing);
        }
        for (uint32_t i = 0; i < n && sector->readable && *blank; i++) {
            *blank = buffer[i] == 0xFF;
        }
    }
    return MOLT_OK;
}

static int erase_sector(struct molt_dfu_erase *job, struct dfu_sector *sector, uint8_t *buffer,
                        struct molt_message *message)
{
    struct molt_diag diag = {0};
    char doing[64];
    int error = look(job, sector, buffer, &sector->blank, message);
    sector->blank = sector->blank && sector->readable;
    if (error || sector->blank) {
        return error;
    }
    error = molt_dfuse_erase_page(&job->session->dfu, sector->start, sector->size, &diag);
    if (error) {
        snprintf(doing, sizeof doing, "erasing the sector at 0x%08" PRIx32, sector->start);
        return molt_dfu_fail(message, job->session, error, &diag, doing);
    }
    return MOLT_OK;
}

static int erase_sectors(struct molt_dfu_erase *job, uint8_t *buffer,
                         const struct molt_progress *progress, struct molt_message *message)
{
    struct dfu_work work;
    int error = MOLT_OK;
    dfu_work_begin(&work, job->session, progress, "erase", job->erased.bytes);
    for (uint32_t i = 0; !error && i < job->sectors.count; i++) {
        error = erase_sector(job, &job->sectors.sector[i], buffer, message);
        dfu_work_done(&work, job->sectors.sector[i].size);
    }
    dfu_work_end(&work);
    return error;
}

static int erase_all(struct molt_dfu_erase *job, uint8_t *buffer,
                     const struct molt_progress *progress, struct molt_message *message)
{
    struct molt_diag diag = {0};
    struct dfu_work work;
    uint64_t bytes = job->erased.bytes;
    bool blank;
    /* Read protection shows when something is read, before anything is lost. */
    int error =
        job->sectors.count ? look(job, &job->sectors.sector[0], buffer, &blank, message) : MOLT_OK;
    if (error) {
        return error;
    }
    dfu_work_begin(&work, job->session, progress, "erase", bytes);
    error = molt_dfuse_erase_all(&job->session->dfu, bytes ? bytes : 16u << 20, &diag);
    dfu_work_end(&work);
    return error ? molt_dfu_fail(message, job->session, error, &diag, "erasing all of the flash")
                 : MOLT_OK;
}

static int read_back(struct molt_dfu_erase *job, uint8_t *buffer,
                     const struct molt_progress *progress, struct molt_message *message)
{
    struct dfu_work work;
    int error = MOLT_OK;
    job->erased.verified = job->sectors.count > 0;
    dfu_work_begin(&work, job->session, progress, "verify", job->erased.bytes);
    for (uint32_t i = 0; !error && i < job->sectors.count; i++) {
        struct dfu_sector *sector = &job->sectors.sector[i];
        bool blank = true;
        if (!sector->blank) {
            error = look(job, sector, buffer, &blank, message);
        }
        dfu_work_done(&work, sector->size);
        job->erased.verified &= sector->readable;
        if (!error && !blank && job->erased.refused_sectors++ == 0) {
            job->erased.first_refused = sector->start;
        }
    }
    dfu_work_end(&work);
    job->erased.verified &= !error;
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
    uint8_t *buffer = malloc(CHUNK);
    if (!buffer) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    job->erased.refused_sectors = 0;
    int error = job->all ? erase_all(job, buffer, progress, message)
                         : erase_sectors(job, buffer, progress, message);
    error = error ? error : read_back(job, buffer, progress, message);
    free(buffer);
    return error ? error : refused(job, message);
}
