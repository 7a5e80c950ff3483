/* From the elements of a file to the sectors of the device, each once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops/dfu/write.h"

/* The largest sum of sectors that is held in memory, and the most of them: a map is the device's
 * word. */
#define LAYOUT_LIMIT   (256u << 20)
#define LAYOUT_SECTORS (1u << 18)

const struct molt_dfu_alternate *dfu_alternate(const struct molt_dfu_session *session,
                                               uint8_t alternate)
{
    for (uint32_t i = 0; i < session->device.alternate_count; i++) {
        const struct molt_dfu_alternate *found = &session->device.alternate[i];
        if (found->facts.alternate == alternate && !found->facts.run_time &&
            found->facts.interface_number == session->alternate->facts.interface_number) {
            return found;
        }
    }
    return NULL;
}

static uint8_t alternate_of(const struct molt_dfu_write *job,
                            const struct molt_dfu_element *element)
{
    return element->has_alternate ? element->alternate : job->session->alternate->facts.alternate;
}

/* An element and what it is sorted by. */
struct placed {
    const struct molt_dfu_element *element;
    uint8_t alternate;
};

static int by_place(const void *left, const void *right)
{
    const struct placed *a = left, *b = right;
    if (a->alternate != b->alternate) {
        return a->alternate < b->alternate ? -1 : 1;
    }
    if (a->element->address != b->element->address) {
        return a->element->address < b->element->address ? -1 : 1;
    }
    return 0;
}

static int check_overlaps(const struct molt_dfu_write *job, const struct placed *placed,
                          uint32_t count, struct molt_message *message)
{
    for (uint32_t i = 1; i < count; i++) {
        const struct molt_dfu_element *before = placed[i - 1].element, *element = placed[i].element;
        if (placed[i].alternate == placed[i - 1].alternate &&
            element->address - before->address < before->size) {
            return molt_fail(message, MOLT_E_FORMAT,
                             "%s: two elements of the file overlap: %u bytes at 0x%08x, and %u "
                             "bytes at 0x%08x; expected each byte once. Nothing was changed",
                             job->session->name, before->size, before->address, element->size,
                             element->address);
        }
    }
    return MOLT_OK;
}

uint64_t dfu_flash_bytes(const struct molt_dfu_session *session)
{
    const struct molt_dfu_map *map = &session->alternate->map;
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < map->count; i++) {
        const struct molt_dfu_segment *segment = &map->segment[i];
        if (segment->start - map->segment[0].start == bytes) {
            bytes += (uint64_t)segment->sector_size * segment->count;
        }
    }
    return bytes;
}

bool dfu_mass_erased(const struct molt_dfu_write *job, const struct dfu_sector *sector)
{
    const struct molt_dfu_session *session = job->session;
    return job->request.mass_erase && sector->alternate == session->alternate->facts.alternate &&
           sector->start - session->alternate->map.segment[0].start < dfu_flash_bytes(session);
}

/* "0x08000000-0x080fffff, ...": what the map has, segments that touch as one. */
static const char *map_words(const struct molt_dfu_map *map, char *text, size_t n)
{
    size_t at = 0;
    text[0] = 0;
    for (uint32_t i = 0; i < map->count && at < n; i++) {
        uint32_t start = map->segment[i].start, end;
        for (;;) {
            const struct molt_dfu_segment *segment = &map->segment[i];
            end = segment->start + (segment->sector_size * segment->count - 1);
            if (i + 1 == map->count || segment[1].start != end + 1) {
                break;
            }
            i++;
        }
        int more = snprintf(text + at, n - at, "%s0x%08x-0x%08x", at ? ", " : "", start, end);
        at += more > 0 ? (size_t)more : 0;
    }
    return text;
}

/* mboot lies at the start of the flash, 32 KB at most (ports/stm32/mboot/stm32_memory.ld), and
 * refuses to overwrite itself; its map says nothing of that. */
static bool is_mboot(const struct molt_dfu_session *session, const struct dfu_sector *sector)
{
    return session->device.known && strstr(session->device.known, "mboot") &&
           sector->start >= 0x08000000 && sector->start < 0x08008000;
}

static int check_sector(const struct molt_dfu_write *job, const struct dfu_sector *sector,
                        uint8_t access, struct molt_message *message)
{
    const char *name = job->session->name;
    if (!(access & MOLT_DFU_WRITABLE)) {
        return molt_fail(message, MOLT_E_RANGE,
                         "%s: the file has bytes for 0x%08x, which can only be read there. Nothing "
                         "was changed",
                         name, sector->start);
    }
    if (!(access & MOLT_DFU_ERASABLE) && !job->request.force) {
        return molt_fail(message, MOLT_E_RANGE,
                         "%s: the file has bytes for 0x%08x, memory that cannot be erased (option "
                         "bytes, one-time programmable). Nothing was changed; --force writes it, "
                         "for good",
                         name, sector->start);
    }
    if (is_mboot(job->session, sector)) {
        return molt_fail(message, MOLT_E_RANGE,
                         "%s: the file has bytes for 0x%08x, where the boot loader itself lies "
                         "(mboot, 0x08000000-0x08007fff), which does not overwrite itself. Nothing "
                         "was changed. Expected a firmware built with USE_MBOOT=1; the boot loader "
                         "is written through the chip's own loader (BOOT0)",
                         name, sector->start);
    }
    return MOLT_OK;
}

static int outside(const struct molt_dfu_write *job, const struct molt_dfu_alternate *alternate,
                   const struct molt_dfu_element *element, uint32_t address,
                   struct molt_message *message)
{
    char words[400];
    return molt_fail(message, MOLT_E_RANGE,
                     "%s: %u bytes of the file go to 0x%08x, and 0x%08x is not in this device's "
                     "memory '%s': %s%s. Nothing was changed",
                     job->session->name, element->size, element->address, address,
                     alternate->map.name, map_words(&alternate->map, words, sizeof words),
                     alternate->map.truncated ? " (its map ends too early: there may be more)"
                                              : "");
}

/* Room for one more, by doubling. */
static int grow(void **list, uint32_t count, size_t size, struct molt_message *message)
{
    if (count >= 16 && (count & (count - 1)) != 0) {
        return MOLT_OK;
    }
    if (count && count < 16) {
        return MOLT_OK;
    }
    void *larger = realloc(*list, (count ? (size_t)count * 2 : 16) * size);
    if (!larger) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    *list = larger;
    return MOLT_OK;
}

static int add_sector(struct molt_dfu_write *job, const struct molt_dfu_sector *found,
                      uint8_t alternate, struct molt_message *message)
{
    struct dfu_sector *last = job->sectors ? &job->sector[job->sectors - 1] : NULL;
    if (last && last->alternate == alternate && last->start == found->start &&
        last->size == found->size) {
        return MOLT_OK;
    }
    if ((last && last->alternate == alternate && found->start - last->start < last->size) ||
        job->sectors == LAYOUT_SECTORS) {
        return molt_fail(message, MOLT_E_UNSUPPORTED,
                         "%s: the device's memory map makes no sense at 0x%08x: sectors that "
                         "overlap, or too many. Nothing was changed",
                         job->session->name, found->start);
    }
    void *list = job->sector;
    int error = grow(&list, job->sectors, sizeof *job->sector, message);
    job->sector = list;
    if (error) {
        return error;
    }
    last = &job->sector[job->sectors];
    *last = (struct dfu_sector){.start = found->start,
                                .size = found->size,
                                .alternate = alternate,
                                .erasable = (found->access & MOLT_DFU_ERASABLE) != 0,
                                .span = job->spans};
    last->mass = dfu_mass_erased(job, last);
    error = check_sector(job, last, found->access, message);
    if (!error) {
        job->sectors++;
    }
    return error;
}

/* Cuts an element at the sectors' ends. */
static int place(struct molt_dfu_write *job, const struct placed *placed,
                 const struct molt_dfu_alternate *alternate, struct molt_message *message)
{
    const struct molt_dfu_element *element = placed->element;
    uint32_t done = 0;
    while (done < element->size) {
        struct molt_dfu_sector found;
        uint32_t address = element->address + done;
        if (!molt_dfu_map_sector(&alternate->map, address, &found)) {
            return outside(job, alternate, element, address, message);
        }
        uint32_t n = found.size - (address - found.start);
        n = n < element->size - done ? n : element->size - done;
        int error = add_sector(job, &found, placed->alternate, message);
        void *list = job->span;
        error = error ? error : grow(&list, job->spans, sizeof *job->span, message);
        job->span = list;
        if (error) {
            return error;
        }
        job->span[job->spans++] = (struct dfu_span){address, n, element->bytes + done};
        struct dfu_sector *sector = &job->sector[job->sectors - 1];
        sector->spans++;
        sector->given += n;
        job->result.bytes_given += n;
        done += n;
    }
    return MOLT_OK;
}

/* Sectors that touch share a buffer of FF with the file's bytes. */
static int make_regions(struct molt_dfu_write *job, struct molt_message *message)
{
    uint64_t sum = 0;
    job->region = calloc(job->sectors ? job->sectors : 1, sizeof *job->region);
    if (!job->region) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    for (uint32_t i = 0; i < job->sectors; i++) {
        const struct dfu_sector *sector = &job->sector[i];
        sum += sector->size;
        if (i == 0 || sector[-1].alternate != sector->alternate ||
            sector->start - sector[-1].start != sector[-1].size) {
            job->region[job->regions++].sector = i;
        }
        job->region[job->regions - 1].sectors++;
        job->region[job->regions - 1].size += sector->size;
    }
    if (sum > LAYOUT_LIMIT) {
        return molt_fail(message, MOLT_E_RANGE,
                         "%s: the file touches %llu MB of sectors; at most %u MB are written at "
                         "once",
                         job->session->name, (unsigned long long)(sum >> 20), LAYOUT_LIMIT >> 20);
    }
    for (uint32_t i = 0; i < job->regions; i++) {
        struct dfu_region *region = &job->region[i];
        uint8_t *at = region->bytes = malloc((size_t)region->size);
        if (!at) {
            return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
        }
        memset(at, 0xFF, (size_t)region->size);
        for (uint32_t j = 0; j < region->sectors; j++) {
            struct dfu_sector *sector = &job->sector[region->sector + j];
            sector->content = at;
            at += sector->size;
            for (uint32_t k = 0; k < sector->spans; k++) {
                const struct dfu_span *span = &job->span[sector->span + k];
                memcpy(sector->content + (span->address - sector->start), span->bytes, span->size);
            }
        }
    }
    return MOLT_OK;
}

/* The sector that holds the file's vector table. */
static void find_entry(struct molt_dfu_write *job)
{
    for (uint32_t i = 0; job->image->has_entry && i < job->spans; i++) {
        if (job->image->entry - job->span[i].address < job->span[i].size) {
            for (uint32_t j = 0; j < job->sectors; j++) {
                const struct dfu_sector *sector = &job->sector[j];
                if (i >= sector->span && i - sector->span < sector->spans && sector->erasable) {
                    job->has_vector = true;
                    job->vector = job->image->entry;
                    job->entry_sector = j;
                }
            }
            return;
        }
    }
}

int dfu_write_layout(struct molt_dfu_write *job, struct molt_message *message)
{
    const struct molt_dfu_image *image = job->image;
    struct placed *placed = calloc(image->count ? image->count : 1, sizeof *placed);
    int error = MOLT_OK;
    if (!placed) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    for (uint32_t i = 0; i < image->count; i++) {
        placed[i] = (struct placed){&image->element[i], alternate_of(job, &image->element[i])};
    }
    qsort(placed, image->count, sizeof *placed, by_place);
    error = check_overlaps(job, placed, image->count, message);
    for (uint32_t i = 0; !error && i < image->count; i++) {
        const struct molt_dfu_alternate *alternate =
            dfu_alternate(job->session, placed[i].alternate);
        if (!alternate) {
            error = molt_fail(message, MOLT_E_NOT_FOUND,
                              "%s: the file has bytes for alternate setting %u, which this device "
                              "does not have. Nothing was changed; 'molt dfu list' shows what it "
                              "has",
                              job->session->name, placed[i].alternate);
        } else if (!alternate->has_map) {
            error = molt_fail(message, MOLT_E_UNSUPPORTED,
                              "%s: alternate setting %u says nothing of its memory ('%s'): which "
                              "sectors to erase is not known. Nothing was changed",
                              job->session->name, placed[i].alternate, alternate->name);
        } else {
            error = place(job, &placed[i], alternate, message);
        }
    }
    free(placed);
    error = error ? error : make_regions(job, message);
    if (!error) {
        job->result.sectors = job->sectors;
        find_entry(job);
    }
    return error;
}
