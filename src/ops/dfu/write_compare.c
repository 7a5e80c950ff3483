/* What the device has already: which sectors differ from the file, and what else is in those. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops/dfu/write.h"

static int meter(void *context, const char *what, uint64_t done, uint64_t total)
{
    struct dfu_meter *meter = context;
    done = total && done > total ? total : done;
    meter->last = done > meter->last ? done : meter->last;
    int stop = meter->inner->report(meter->inner->context, what, meter->last, total);
    meter->wanted = meter->wanted || stop;
    return meter->held ? 0 : stop;
}

void dfu_progress(struct molt_dfu_write *job, const struct molt_progress *progress,
                  const char *what, uint64_t done, uint64_t total)
{
    struct molt_dfu *dfu = &job->session->dfu;
    bool same = dfu->what == what && dfu->total == total; /* a byte more was read, to look */
    uint64_t last = same && job->meter.last > done ? job->meter.last : done;
    job->meter.progress = (struct molt_progress){meter, &job->meter};
    job->meter.inner = progress;
    job->meter.last = last;
    dfu->progress = progress && progress->report ? &job->meter.progress : NULL;
    dfu->what = what;
    dfu->done = done;
    dfu->total = total;
}

void dfu_progress_end(struct molt_dfu_write *job, const struct molt_progress *before)
{
    struct molt_dfu *dfu = &job->session->dfu;
    dfu->progress = before;
    dfu->what = NULL;
    dfu->done = dfu->total = 0;
}

int dfu_use(struct molt_dfu_session *session, uint8_t alternate, struct molt_message *message)
{
    const struct molt_dfu before = session->dfu;
    if (session->alternate->facts.alternate == alternate) {
        return MOLT_OK;
    }
    int error = molt_dfu_session_alternate(session, alternate, message);
    session->dfu.what = before.what;
    session->dfu.done = before.done;
    session->dfu.total = before.total;
    return error;
}

/* ---- The reader ---- */

int dfu_reader_begin(struct dfu_reader *reader, struct molt_dfu_session *session,
                     struct molt_message *message)
{
    *reader = (struct dfu_reader){.session = session, .buffer = malloc(DFU_READER_MAX)};
    dfu_reader_restart(reader);
    return reader->buffer ? MOLT_OK : molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
}

void dfu_reader_end(struct dfu_reader *reader)
{
    free(reader->buffer);
    reader->buffer = NULL;
}

void dfu_reader_restart(struct dfu_reader *reader)
{
    uint32_t block = molt_dfu_block_size(&reader->session->dfu);
    reader->next = block && block < DFU_READER_MAX ? block : 2048;
    reader->size = 0;
}

int dfu_reader_get(struct dfu_reader *reader, uint32_t address, uint32_t left,
                   const uint8_t **bytes, uint32_t *n, struct molt_message *message)
{
    struct molt_dfu_session *session = reader->session;
    if (address - reader->address >= reader->size) {
        struct molt_diag diag = {0};
        char doing[48];
        uint32_t want = left < reader->next ? left : reader->next;
        int error = molt_dfuse_read(&session->dfu, address, reader->buffer, want, &diag);
        if (error) {
            reader->size = 0;
            snprintf(doing, sizeof doing, "reading at 0x%08x", address);
            return molt_dfu_fail(message, session, error, &diag, doing);
        }
        session->dfu.done += want;
        reader->address = address;
        reader->size = want;
        reader->next = reader->next * 2 < DFU_READER_MAX ? reader->next * 2 : DFU_READER_MAX;
    }
    *bytes = reader->buffer + (address - reader->address);
    *n = reader->size - (address - reader->address);
    *n = *n < left ? *n : left;
    return MOLT_OK;
}

/* ---- The comparison ---- */

/* How many of the file's bytes follow without a gap from this span on, over sectors' ends. */
static uint32_t contiguous(const struct molt_dfu_write *job, uint32_t span, uint32_t spans,
                           uint32_t offset)
{
    uint64_t n = job->span[span].size - offset;
    while (++span < spans &&
           job->span[span].address == job->span[span - 1].address + job->span[span - 1].size) {
        n += job->span[span].size;
        if (n >= DFU_READER_MAX) {
            return DFU_READER_MAX; /* no more is read at once */
        }
    }
    return n < 0xFFFFFFFFu ? (uint32_t)n : 0xFFFFFFFFu;
}

/* Notes where the device has something else than FF: whether it was erased can be seen there. */
static void find_probe(struct dfu_sector *sector, uint32_t address, const uint8_t *device,
                       uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (device[i] != 0xFF) {
            sector->blank_here = false;
            sector->probe = address + i;
            return;
        }
    }
}

/* end: the spans of this sector's alternate end there. Ends at the first difference. */
static int compare_sector(struct molt_dfu_write *job, struct dfu_reader *reader,
                          struct dfu_sector *sector, uint32_t end, struct molt_message *message)
{
    for (uint32_t i = sector->span; i < sector->span + sector->spans; i++) {
        const struct dfu_span *span = &job->span[i];
        for (uint32_t at = 0, n; at < span->size; at += n) {
            const uint8_t *device;
            int error = dfu_reader_get(reader, span->address + at, contiguous(job, i, end, at),
                                       &device, &n, message);
            if (error) {
                return error;
            }
            n = n < span->size - at ? n : span->size - at;
            if (memcmp(device, span->bytes + at, n) != 0) {
                find_probe(sector, span->address + at, device, n);
                sector->change = true;
                dfu_reader_restart(reader);
                return MOLT_OK;
            }
        }
    }
    return MOLT_OK;
}

/* The spans of the same alternate as this sector's end there. */
static uint32_t spans_end(const struct molt_dfu_write *job, uint32_t sector)
{
    uint8_t alternate = job->sector[sector].alternate;
    while (sector + 1 < job->sectors && job->sector[sector + 1].alternate == alternate) {
        sector++;
    }
    return job->sector[sector].span + job->sector[sector].spans;
}

/* Read-out protection shows at the first byte that is read. */
static int probe_read(struct dfu_reader *reader, const struct dfu_sector *sector,
                      struct molt_message *message)
{
    const uint8_t *device;
    uint32_t n;
    return dfu_reader_get(reader, sector->start, 1, &device, &n, message);
}

int dfu_write_compare(struct molt_dfu_write *job, struct molt_message *message)
{
    struct dfu_reader reader;
    bool everything = job->request.all || job->request.mass_erase;
    int error = MOLT_OK;
    for (uint32_t i = 0; i < job->sectors; i++) {
        job->sector[i].blank_here = true;
        job->sector[i].change = !job->can_read || everything;
    }
    if (!job->can_read || job->sectors == 0) {
        return MOLT_OK;
    }
    error = dfu_reader_begin(&reader, job->session, message);
    for (uint32_t i = 0; !error && i < job->sectors; i++) {
        struct dfu_sector *sector = &job->sector[i];
        error = dfu_use(job->session, sector->alternate, message);
        if (!error && everything) {
            error = probe_read(&reader, sector, message);
            i = job->sectors; /* one is enough */
        } else if (!error) {
            error = compare_sector(job, &reader, sector, spans_end(job, i), message);
        }
    }
    dfu_reader_end(&reader);
    return error;
}

/* ---- What the file does not give ---- */

static int add_rescue(struct molt_dfu_write *job, struct dfu_sector *sector, uint32_t address,
                      uint32_t size, struct molt_message *message)
{
    if (job->rescues == job->rescue_room) {
        uint32_t room = job->rescue_room ? job->rescue_room * 2 : 16;
        struct molt_dfu_rescue *larger = realloc(job->rescue, room * sizeof *larger);
        if (!larger) {
            return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
        }
        job->rescue = larger;
        job->rescue_room = room;
    }
    if (sector->rescues++ == 0) {
        sector->rescue = job->rescues;
    }
    job->rescue[job->rescues++] = (struct molt_dfu_rescue){
        address, size, sector->content + (address - sector->start), sector->alternate};
    return MOLT_OK;
}

/* Reads a gap between the file's bytes into the content; what is not FF is kept, without the FF in
 * front of it and behind. */
static int keep_gap(struct molt_dfu_write *job, struct dfu_reader *reader,
                    struct dfu_sector *sector, uint32_t at, uint32_t end,
                    struct molt_message *message)
{
    uint32_t first = end, last = at; /* offsets, because a sector may end at 4 GB */
    for (uint32_t n; at < end; at += n) {
        const uint8_t *device;
        int error = dfu_reader_get(reader, sector->start + at, end - at, &device, &n, message);
        if (error) {
            return error;
        }
        memcpy(sector->content + at, device, n);
        for (uint32_t i = 0; i < n; i++) {
            if (device[i] != 0xFF) {
                first = first == end ? at + i : first;
                last = at + i;
            }
        }
    }
    if (first == end) {
        return MOLT_OK;
    }
    sector->kept += last - first + 1;
    if (sector->blank_here) {
        sector->blank_here = false;
        sector->probe = sector->start + first;
    }
    return add_rescue(job, sector, sector->start + first, last - first + 1, message);
}

static int keep_sector(struct molt_dfu_write *job, struct dfu_reader *reader,
                       struct dfu_sector *sector, struct molt_message *message)
{
    uint32_t at = 0;
    int error = dfu_use(job->session, sector->alternate, message);
    dfu_reader_restart(reader);
    for (uint32_t i = 0; !error && i <= sector->spans; i++) {
        const struct dfu_span *span = &job->span[sector->span + i];
        uint32_t end = i < sector->spans ? span->address - sector->start : sector->size;
        if (at < end) {
            error = keep_gap(job, reader, sector, at, end, message);
        }
        at = i < sector->spans ? end + span->size : end;
    }
    return error;
}

int dfu_write_has_rest(struct molt_dfu_write *job, struct dfu_sector *sector, bool *some,
                       struct molt_message *message)
{
    struct dfu_reader reader;
    *some = false;
    if (!job->can_read || sector->given == sector->size) {
        *some = !job->can_read && sector->given < sector->size;
        return MOLT_OK;
    }
    int error = dfu_reader_begin(&reader, job->session, message);
    error = error ? error : keep_sector(job, &reader, sector, message);
    dfu_reader_end(&reader);
    *some = sector->kept != 0;
    sector->kept = sector->rescues = job->rescues = 0; /* what is kept is found later */
    return error;
}

int dfu_write_keep(struct molt_dfu_write *job, struct molt_message *message)
{
    struct dfu_reader reader;
    if (!job->can_read) {
        return MOLT_OK;
    }
    int error = dfu_reader_begin(&reader, job->session, message);
    for (uint32_t i = 0; !error && i < job->sectors; i++) {
        struct dfu_sector *sector = &job->sector[i];
        if (sector->change && sector->erasable && !sector->mass && sector->given < sector->size) {
            error = keep_sector(job, &reader, sector, message);
            job->result.bytes_kept += sector->kept;
        }
    }
    dfu_reader_end(&reader);
    return error;
}
