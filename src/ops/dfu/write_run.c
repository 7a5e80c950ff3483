/*
 * Doing it. The vector table goes first and comes last: from the first erase on there is no
 * firmware, until the last block is written and all before it was read back. What a sector had
 * besides the file's bytes is back before the next sector is erased.
 */
#include <stdio.h>
#include <string.h>

#include "ops/dfu/write.h"

/* Bytes of a region that are programmed in one go. */
struct extent {
    uint32_t alternate, address;
    const uint8_t *bytes;
    uint32_t size;
};

static uint32_t granules(uint32_t n)
{
    return (n + DFU_WRITE_GRANULE - 1) / DFU_WRITE_GRANULE * DFU_WRITE_GRANULE;
}

static uint32_t block_of(const struct molt_dfu_write *job)
{
    uint32_t block = molt_dfu_block_size(&job->session->dfu) / DFU_WRITE_GRANULE;
    return (block ? block : 1) * DFU_WRITE_GRANULE;
}

static bool is_ff(const uint8_t *bytes, uint32_t n)
{
    return n == 0 || (bytes[0] == 0xFF && memcmp(bytes, bytes + 1, n - 1) == 0);
}

/* What is programmed last: where the vector table begins, in its sector. Stack pointer and reset
 * vector are programmed at once, or within half a millisecond. */
static void vector_block(const struct molt_dfu_write *job, uint32_t *from, uint32_t *end)
{
    const struct dfu_sector *sector = &job->sector[job->entry_sector];
    *from = (job->vector - sector->start) / DFU_WRITE_GRANULE * DFU_WRITE_GRANULE;
    *end = sector->size - *from < DFU_WRITE_GRANULE ? sector->size : *from + DFU_WRITE_GRANULE;
}

static int fail_at(struct molt_dfu_write *job, struct molt_message *message, int error,
                   const struct molt_diag *diag, const char *doing, uint32_t address)
{
    char words[64];
    snprintf(words, sizeof words, "%s 0x%08x", doing, address);
    return molt_dfu_fail(message, job->session, error, diag, words);
}

/* ---- Erasing ---- */

/* Some loaders report no error for a write-protected sector: look where something was. */
static int check_erased(struct molt_dfu_write *job, const struct dfu_sector *sector,
                        struct molt_message *message)
{
    struct molt_diag diag = {0};
    uint8_t byte;
    if (!job->can_read || job->request.no_verify || sector->blank_here) {
        return MOLT_OK;
    }
    int error = molt_dfuse_read(&job->session->dfu, sector->probe, &byte, 1, &diag);
    if (error) {
        return fail_at(job, message, error, &diag, "reading at", sector->probe);
    }
    if (byte != 0xFF) {
        return molt_fail(message, MOLT_E_DFU_PROTECTED,
                         "%s: the sector at 0x%08x (%u KB) was not erased, though the device "
                         "reports no error: 0x%08x still holds 0x%02x; expected 0xff. It is write "
                         "protected: lift that (option bytes), then run this again",
                         job->session->name, sector->start, sector->size >> 10, sector->probe,
                         byte);
    }
    return MOLT_OK;
}

static int erase(struct molt_dfu_write *job, struct dfu_sector *sector,
                 struct molt_message *message)
{
    struct molt_dfu *dfu = &job->session->dfu;
    struct molt_diag diag = {0};
    int error = dfu_use(job->session, sector->alternate, message);
    if (error) {
        return error;
    }
    job->started = true;
    sector->at_risk = sector->rescues != 0;
    error = molt_dfuse_erase_page(dfu, sector->start, sector->size, &diag);
    if (error) {
        return fail_at(job, message, error, &diag, "erasing the sector at", sector->start);
    }
    dfu->done += sector->size;
    /* A byte costs as much as erasing a small page: those are found by the verification. */
    return job->result.erased++ == 0 || sector->size >= 8192 ? check_erased(job, sector, message)
                                                             : MOLT_OK;
}

static int mass_erase(struct molt_dfu_write *job, const struct molt_progress *progress,
                      struct molt_message *message)
{
    struct molt_diag diag = {0};
    uint64_t bytes = dfu_flash_bytes(job->session);
    dfu_progress(job, progress, "erase", 0, bytes);
    job->started = true;
    int error = molt_dfuse_erase_all(&job->session->dfu, bytes, &diag);
    if (error) {
        return molt_dfu_fail(message, job->session, error, &diag, "erasing all of the flash");
    }
    job->result.mass_erased = true;
    return MOLT_OK;
}

/* ---- Writing ---- */

/* From *at on the next bytes that are not blank, in whole blocks without a blank one between; the
 * last one cut where only FF follows. False: nothing more before end. */
static bool next_extent(const struct molt_dfu_write *job, const uint8_t *bytes, uint32_t *at,
                        uint32_t end, struct extent *extent)
{
    uint32_t block = block_of(job), from = *at;
    while (from < end && is_ff(bytes + from, end - from < block ? end - from : block)) {
        from += end - from < block ? end - from : block;
    }
    uint32_t to = from;
    while (to < end && !is_ff(bytes + to, end - to < block ? end - to : block)) {
        to += end - to < block ? end - to : block;
    }
    *at = to;
    while (to > from && bytes[to - 1] == 0xFF) {
        to--;
    }
    extent->bytes = bytes + from;
    extent->size = granules(to - from) < *at - from ? granules(to - from) : *at - from;
    extent->address = from;
    return extent->size != 0;
}

static int program(struct molt_dfu_write *job, uint32_t address, const uint8_t *bytes, uint32_t n,
                   struct molt_message *message)
{
    struct molt_dfu *dfu = &job->session->dfu;
    struct molt_diag diag = {0};
    job->started = true;
    int error = molt_dfuse_write(dfu, address, bytes, n, &diag);
    if (error) {
        return fail_at(job, message, error, &diag, "writing at", dfu->address);
    }
    dfu->done += n;
    job->result.bytes_written += n;
    return MOLT_OK;
}

/* Programs what is not blank of [from, end) behind start; with only_count it is only counted. */
static int write_part(struct molt_dfu_write *job, uint32_t start, const uint8_t *bytes,
                      uint32_t from, uint32_t end, bool only_count, struct molt_message *message)
{
    struct extent extent;
    int error = MOLT_OK;
    while (!error && next_extent(job, bytes, &from, end, &extent)) {
        if (only_count) {
            job->to_write += extent.size;
        } else {
            error = program(job, start + extent.address, extent.bytes, extent.size, message);
        }
    }
    return error;
}

/* Sectors in a row, without what is programmed last. */
static int write_row(struct molt_dfu_write *job, uint32_t first, uint32_t count, bool only_count,
                     struct molt_message *message)
{
    const struct dfu_sector *sector = &job->sector[first];
    uint32_t size = 0, from = 0, vector = 0, vector_end = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (job->has_vector && first + i == job->entry_sector) {
            vector_block(job, &vector, &vector_end);
            vector += size;
            vector_end += size;
        }
        size += sector[i].size;
    }
    int error = MOLT_OK;
    if (vector_end) {
        error = write_part(job, sector->start, sector->content, 0, vector, only_count, message);
        from = vector_end;
    }
    return error ? error
                 : write_part(job, sector->start, sector->content, from, size, only_count, message);
}

/* Memory that is not erased gets the file's bytes and nothing else. */
static int write_bare(struct molt_dfu_write *job, const struct dfu_sector *sector, bool only_count,
                      struct molt_message *message)
{
    int error = MOLT_OK;
    for (uint32_t i = sector->span; !error && i < sector->span + sector->spans; i++) {
        const struct dfu_span *span = &job->span[i];
        if (only_count) {
            job->to_write += span->size;
        } else {
            error = program(job, span->address, span->bytes, span->size, message);
        }
    }
    return error;
}

/* How many sectors from this one on are written in one go: changed, without what was kept (that
 * is back already), and without a gap. */
static uint32_t row_at(const struct molt_dfu_write *job, uint32_t first, bool with_kept)
{
    uint32_t i = first;
    while (i < job->sectors) {
        const struct dfu_sector *sector = &job->sector[i];
        if (!sector->change || !sector->erasable || (sector->rescues && !with_kept) ||
            (i > first && (sector->alternate != sector[-1].alternate ||
                           sector->start - sector[-1].start != sector[-1].size))) {
            break;
        }
        i++;
    }
    return i - first;
}

static int write_all(struct molt_dfu_write *job, bool only_count, struct molt_message *message)
{
    int error = MOLT_OK;
    for (uint32_t i = 0; !error && i < job->sectors;) {
        const struct dfu_sector *sector = &job->sector[i];
        uint32_t row = row_at(job, i, only_count);
        if (sector->change && !only_count && (row || !sector->erasable)) {
            error = dfu_use(job->session, sector->alternate, message);
        }
        if (!error && row) {
            error = write_row(job, i, row, only_count, message);
        } else if (!error && sector->change && !sector->erasable) {
            error = write_bare(job, sector, only_count, message);
        }
        i += row ? row : 1;
    }
    return error;
}

static int write_vector(struct molt_dfu_write *job, bool only_count, struct molt_message *message)
{
    struct dfu_sector *sector = &job->sector[job->entry_sector];
    uint32_t from, end;
    if (!job->has_vector || !sector->change) {
        return MOLT_OK;
    }
    vector_block(job, &from, &end);
    int error = only_count ? MOLT_OK : dfu_use(job->session, sector->alternate, message);
    return error ? error
                 : write_part(job, sector->start, sector->content, from, end, only_count, message);
}

/* ---- Reading back ---- */

static int verify_part(struct molt_dfu_write *job, uint32_t start, const uint8_t *bytes,
                       uint32_t from, uint32_t end, struct molt_message *message)
{
    struct dfu_reader reader;
    int error = dfu_reader_begin(&reader, job->session, message);
    reader.next = DFU_READER_MAX; /* no difference is expected */
    for (uint32_t at = from, n; !error && at < end; at += n) {
        const uint8_t *device;
        error = dfu_reader_get(&reader, start + at, end - at, &device, &n, message);
        if (error || memcmp(device, bytes + at, n) == 0) {
            continue;
        }
        uint32_t i = 0;
        while (device[i] == bytes[at + i]) {
            i++;
        }
        error = molt_fail(message, MOLT_E_VERIFY,
                          "%s: read back, 0x%08x holds 0x%02x; expected 0x%02x: the flash is worn "
                          "out or write protected there, or the connection is bad",
                          job->session->name, start + at + i, device[i], bytes[at + i]);
    }
    dfu_reader_end(&reader);
    job->result.bytes_verified += error ? 0 : end - from;
    return error;
}

/* Offsets of what is of interest in a row of sectors: the file's bytes and the kept ones, with
 * the erased ones between. */
static void row_limits(const struct molt_dfu_write *job, uint32_t first, uint32_t count,
                       uint32_t *from, uint32_t *end)
{
    uint32_t base = job->sector[first].start, low = 0xFFFFFFFFu, high = 0;
    for (uint32_t i = first; i < first + count; i++) {
        const struct dfu_sector *sector = &job->sector[i];
        for (uint32_t j = sector->span; j < sector->span + sector->spans; j++) {
            uint32_t at = job->span[j].address - base;
            low = at < low ? at : low;
            high = at + job->span[j].size > high ? at + job->span[j].size : high;
        }
        for (uint32_t j = sector->rescue; j < sector->rescue + sector->rescues; j++) {
            uint32_t at = job->rescue[j].address - base;
            low = at < low ? at : low;
            high = at + job->rescue[j].size > high ? at + job->rescue[j].size : high;
        }
    }
    *from = low;
    *end = high;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t most(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* A row without what is programmed last, or only that. */
static int verify_row(struct molt_dfu_write *job, uint32_t first, uint32_t count, bool vector_only,
                      struct molt_message *message)
{
    const struct dfu_sector *sector = &job->sector[first];
    uint32_t from, end, vector = 0, vector_end = 0;
    row_limits(job, first, count, &from, &end);
    if (job->has_vector && job->entry_sector - first < count) {
        uint32_t base = job->sector[job->entry_sector].start - sector->start;
        vector_block(job, &vector, &vector_end);
        vector += base;
        vector_end += base;
    }
    int error = dfu_use(job->session, sector->alternate, message);
    if (error) {
        return error;
    }
    if (vector_only) {
        return verify_part(job, sector->start, sector->content, most(vector, from),
                           least(vector_end, end), message);
    }
    if (vector_end && from < vector) {
        error = verify_part(job, sector->start, sector->content, from, least(vector, end), message);
    }
    from = most(from, vector_end);
    return error || from >= end
               ? error
               : verify_part(job, sector->start, sector->content, from, end, message);
}

static int verify_bare(struct molt_dfu_write *job, const struct dfu_sector *sector,
                       struct molt_message *message)
{
    int error = dfu_use(job->session, sector->alternate, message);
    for (uint32_t i = sector->span; !error && i < sector->span + sector->spans; i++) {
        const struct dfu_span *span = &job->span[i];
        error = verify_part(job, span->address, span->bytes, 0, span->size, message);
    }
    return error;
}

/* How much is read back, for the progress. */
static uint64_t verify_bytes(const struct molt_dfu_write *job)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < job->sectors;) {
        uint32_t row = row_at(job, i, true), from = 0, end = 0;
        if (row) {
            row_limits(job, i, row, &from, &end);
        } else if (job->sector[i].change) {
            end = job->sector[i].given;
        }
        bytes += end - from;
        i += row ? row : 1;
    }
    return bytes;
}

/* What was written is not what is there: nor need what was kept be, from this sector on. */
static void doubt_kept(struct molt_dfu_write *job, uint32_t first)
{
    for (uint32_t i = first; i < job->sectors; i++) {
        struct dfu_sector *sector = &job->sector[i];
        sector->at_risk = sector->at_risk || (sector->change && sector->rescues);
    }
}

static int verify_all(struct molt_dfu_write *job, struct molt_message *message)
{
    int error = MOLT_OK;
    for (uint32_t i = 0; !error && i < job->sectors;) {
        uint32_t row = row_at(job, i, true);
        if (row) {
            error = verify_row(job, i, row, false, message);
            if (error == MOLT_E_VERIFY) {
                doubt_kept(job, i);
            }
        } else if (job->sector[i].change) {
            error = verify_bare(job, &job->sector[i], message);
        }
        i += row ? row : 1;
    }
    return error;
}

/* ---- All of it ---- */

static uint64_t erase_bytes(const struct molt_dfu_write *job)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < job->sectors; i++) {
        const struct dfu_sector *sector = &job->sector[i];
        bytes += sector->change && sector->erasable && !sector->mass ? sector->size : 0;
    }
    return bytes;
}

/* Some of what the sector held besides is programmed last, together with the vector table. */
static bool rest_is_last(const struct molt_dfu_write *job, const struct dfu_sector *sector)
{
    uint32_t from, end;
    if (!job->has_vector || sector != &job->sector[job->entry_sector]) {
        return false;
    }
    vector_block(job, &from, &end);
    for (uint32_t i = sector->rescue; i < sector->rescue + sector->rescues; i++) {
        uint32_t at = job->rescue[i].address - sector->start;
        if (at < end && from < at + job->rescue[i].size) {
            return true;
        }
    }
    return false;
}

/* The sector with the vector table first; one with something to keep is whole again, but for the
 * vector table, before the next is touched. */
static int erase_all(struct molt_dfu_write *job, const struct molt_progress *progress,
                     struct molt_message *message)
{
    uint64_t erased = 0, total = erase_bytes(job);
    int error = MOLT_OK;
    for (uint32_t i = 0; !error && i <= job->sectors; i++) {
        uint32_t which = i == 0 ? job->entry_sector : i - 1;
        bool entry = job->has_vector && which == job->entry_sector;
        if (entry != (i == 0) || (i == 0 && !job->has_vector)) {
            continue;
        }
        struct dfu_sector *sector = &job->sector[which];
        if (!sector->change || !sector->erasable || sector->mass) {
            continue;
        }
        dfu_progress(job, progress, "erase", erased, total);
        job->meter.held = sector->rescues != 0;
        error = erase(job, sector, message);
        erased += sector->size;
        if (!error && sector->rescues) {
            dfu_progress(job, progress, "write", job->result.bytes_written, job->to_write);
            error = write_row(job, which, 1, false, message);
            sector->at_risk = error || rest_is_last(job, sector);
        }
        job->meter.held = false;
        if (!error && sector->rescues && job->meter.wanted) {
            error = molt_fail(message, MOLT_E_CANCELLED, "%s: cancelled", job->session->name);
        }
    }
    return error;
}

int dfu_write_sectors(struct molt_dfu_write *job, const struct molt_progress *progress,
                      struct molt_message *message)
{
    bool verify = job->can_read && !job->request.no_verify;
    job->to_write = 0;
    write_all(job, true, message);
    write_vector(job, true, message);
    int error = job->request.mass_erase ? mass_erase(job, progress, message) : MOLT_OK;
    error = error ? error : erase_all(job, progress, message);
    if (!error) {
        dfu_progress(job, progress, "write", job->result.bytes_written, job->to_write);
        error = write_all(job, false, message);
    }
    if (!error && verify) {
        dfu_progress(job, progress, "verify", 0, verify_bytes(job));
        error = verify_all(job, message);
    }
    if (!error) {
        dfu_progress(job, progress, "write", job->result.bytes_written, job->to_write);
        error = write_vector(job, false, message);
    }
    job->whole = !error;
    if (!error && verify && job->has_vector && job->sector[job->entry_sector].change) {
        dfu_progress(job, progress, "verify", job->result.bytes_verified, verify_bytes(job));
        error = verify_row(job, job->entry_sector, 1, true, message);
    }
    for (uint32_t i = 0; !error && i < job->sectors; i++) {
        job->sector[i].at_risk = false;
    }
    job->result.verified = !error && verify;
    return error;
}
