/* What can be wrong before the device is touched, and the file system of the board. */
#include <string.h>

#include "ops/dfu/write.h"

static int check_ids(const struct molt_dfu_session *session, const struct molt_dfu_image *image,
                     struct molt_message *message)
{
    const struct molt_dfu_suffix *suffix = &image->suffix;
    const struct molt_dfu_device *device = &session->device;
    if ((suffix->vendor != 0xFFFF && suffix->vendor != device->vendor) ||
        (suffix->product != 0xFFFF && suffix->product != device->product)) {
        return molt_fail(message, MOLT_E_DFU_DEVICE,
                         "%s: the file is for a device %04x:%04x (its DFU suffix says so; ffff is "
                         "any), and this one is %04x:%04x. Nothing was changed; --force takes it",
                         session->name, suffix->vendor, suffix->product, device->vendor,
                         device->product);
    }
    return MOLT_OK;
}

static int check_kind(const struct molt_dfu_session *session, const struct molt_dfu_image *image,
                      struct molt_message *message)
{
    bool mboot = session->device.known && strstr(session->device.known, "mboot");
    if (!session->dfu.dfuse && image->kind != MOLT_DFU_IMAGE_PLAIN &&
        image->kind != MOLT_DFU_IMAGE_BIN) {
        return molt_fail(message, MOLT_E_DFU_DEVICE,
                         "%s: the file is %s, with addresses; this device speaks DFU without ST's "
                         "extensions and takes a raw or a plain .dfu file. Nothing was changed",
                         session->name, molt_dfu_image_kind_name(image->kind));
    }
    if (session->dfu.dfuse && !image->has_addresses) {
        return molt_fail(message, MOLT_E_ARGUMENT,
                         "%s: the file says no address: --address 0x08000000 for a firmware that "
                         "starts with the flash; a .dfu or an ELF has its own. Nothing was changed",
                         session->name);
    }
    if (image->packed && !mboot) {
        return molt_fail(message, MOLT_E_DFU_DEVICE,
                         "%s: the file is signed and encrypted for MicroPython's boot loader "
                         "(mboot), and this device is %s. Nothing was changed",
                         session->name,
                         session->device.known ? session->device.known : "another one");
    }
    return MOLT_OK;
}

/* An alternate setting that was asked for, and a file that has bytes for others only. */
static int check_alternate(const struct molt_dfu_session *session,
                           const struct molt_dfu_image *image, struct molt_message *message)
{
    const struct molt_dfu_choice *choice = &session->choice;
    uint8_t chosen = session->alternate->facts.alternate;
    if (!session->dfu.dfuse || (choice->alternate < 0 && !choice->has_alternate_name)) {
        return MOLT_OK;
    }
    for (uint32_t i = 0; i < image->count; i++) {
        if (!image->element[i].has_alternate || image->element[i].alternate == chosen) {
            return MOLT_OK;
        }
    }
    return molt_fail(message, MOLT_E_ARGUMENT,
                     "%s: the file names the alternate setting of its bytes, %u, and %u was asked "
                     "for; without that it goes where it says. Nothing was changed",
                     session->name, image->element[0].alternate, chosen);
}

int dfu_write_check(const struct molt_dfu_session *session, const struct molt_dfu_image *image,
                    bool force, struct molt_message *message)
{
    uint8_t can = session->dfu.attributes;
    /* One without addresses is detached by the plain write itself. */
    if (session->alternate->facts.run_time && (session->dfu.dfuse || image->has_addresses)) {
        return molt_fail(message, MOLT_E_UNSUPPORTED,
                         "%s: runs its application; 'molt dfu detach' brings it into DFU mode",
                         session->name);
    }
    if (can && !(can & MOLT_DFU_CAN_DOWNLOAD)) {
        return molt_fail(message, MOLT_E_UNSUPPORTED, "%s: the device says that it takes no data",
                         session->name);
    }
    if (image->crc_wrong && !force) {
        return molt_fail(message, MOLT_E_VERIFY,
                         "%s: the file's CRC is wrong: 0x%08x, expected 0x%08x. Nothing was "
                         "changed; get the file again",
                         session->name, image->suffix.crc, image->suffix.crc_computed);
    }
    int error = check_kind(session, image, message);
    error = error || image->count == 0 ? error : check_alternate(session, image, message);
    if (!error && image->has_suffix && !force && session->dfu.dfuse) { /* else: plain.c */
        error = check_ids(session, image, message);
    }
    return error;
}

/* ---- The file system ---- */

static bool meet(uint32_t start, uint32_t size, const struct molt_dfu_range *range)
{
    return start < range->start ? range->start - start < size : start - range->start < range->size;
}

/* The job would change bytes of the range for good. */
static bool meets(const struct molt_dfu_write *job, const struct molt_dfu_range *range)
{
    for (uint32_t i = 0; i < job->sectors; i++) {
        const struct dfu_sector *sector = &job->sector[i];
        if (!sector->change || !meet(sector->start, sector->size, range)) {
            continue;
        }
        if (!job->can_read) {
            return true; /* what the file leaves out cannot be kept */
        }
        for (uint32_t j = 0; j < sector->spans; j++) {
            const struct dfu_span *span = &job->span[sector->span + j];
            if (meet(span->address, span->size, range)) {
                return true;
            }
        }
    }
    return false;
}

/* Reads the range until something is not FF. */
static int is_blank(struct molt_dfu_write *job, const struct molt_dfu_range *range, bool *blank,
                    struct molt_message *message)
{
    struct dfu_reader reader;
    int error = dfu_reader_begin(&reader, job->session, message);
    *blank = true;
    for (uint32_t at = 0, n; !error && *blank && at < range->size; at += n) {
        const uint8_t *device;
        error = dfu_reader_get(&reader, range->start + at, range->size - at, &device, &n, message);
        for (uint32_t i = 0; !error && i < n; i++) {
            *blank = *blank && device[i] == 0xFF;
        }
    }
    dfu_reader_end(&reader);
    return error;
}

static int refuse(const struct molt_dfu_write *job, const struct molt_dfu_range *range,
                  struct molt_message *message)
{
    const char *what = job->request.mass_erase
                           ? "a mass erase loses them: without --mass-erase only the sectors in "
                             "question are erased"
                           : "the file has bytes for that: write the .dfu or the ELF file of the "
                             "firmware, which leave it out";
    return molt_fail(message, MOLT_E_DFU_FILES,
                     "%s: 0x%08x-0x%08x (%u KB) is where %s keeps its files, %s; %s; or "
                     "--overwrite-files loses them, or --board NAME when it is another board "
                     "(--board none: one without files there). Nothing was changed",
                     job->session->name, range->start, range->start + (range->size - 1),
                     range->size >> 10, job->files.words,
                     job->can_read ? "and it is in use" : "and it cannot be read", what);
}

int dfu_write_check_files(struct molt_dfu_write *job, struct molt_message *message)
{
    const struct molt_dfu_map *map = &job->session->alternate->map;
    int error = molt_dfu_board_files(&job->files, job->request.board, map,
                                     job->image->has_entry ? job->image->entry : 0, message);
    for (uint32_t i = 0; !error && i < job->files.count; i++) {
        const struct molt_dfu_range *range = &job->files.range[i];
        struct molt_dfu_sector first, last;
        bool blank = false;
        if (!molt_dfu_map_sector(map, range->start, &first) ||
            !molt_dfu_map_sector(map, range->start + (range->size - 1), &last) ||
            (!job->request.mass_erase && !meets(job, range))) {
            continue;
        }
        if (job->can_read) {
            error = is_blank(job, range, &blank, message);
        }
        if (!error && !blank) {
            job->files_lost = true;
            error = job->request.overwrite_files ? MOLT_OK : refuse(job, range, message);
        }
    }
    return error;
}
