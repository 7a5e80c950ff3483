/* Ending DFU mode. The loader jumps to its address pointer, which every write moves: so the entry
 * is always set anew (AN3156, 5.5; what dfu-util 0.7 and 0.10 do wrong). */
#include <inttypes.h>
#include <string.h>

#include "molt/dfuse.h"
#include "molt/ops/dfu_device.h"
#include "ops/dfu/read_internal.h"

/* From the answer to the last request until it is off the bus. */
#define VANISHES_MS 3000u

static uint32_t le32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* ---- where to ---- */

static bool in_map(const struct molt_dfu_alternate *alternate, uint32_t address)
{
    struct molt_dfu_sector sector;
    return alternate->has_map && molt_dfu_map_sector(&alternate->map, address, &sector);
}

static bool is_flash(const struct molt_dfu_alternate *alternate)
{
    return alternate->has_map && strstr(alternate->map.name, "Flash") != NULL;
}

/* The alternate whose memory holds the entry, or, without one, the flash. NULL: none does. */
static const struct molt_dfu_alternate *alternate_for(const struct molt_dfu_session *session,
                                                      const struct molt_dfu_leave_request *request)
{
    const struct molt_dfu_device *device = &session->device;
    const struct molt_dfu_alternate *now = session->alternate;
    if (request->has_entry ? in_map(now, request->entry) : is_flash(now)) {
        return now;
    }
    for (uint32_t i = 0; i < device->alternate_count; i++) {
        const struct molt_dfu_alternate *other = &device->alternate[i];
        if (other->facts.interface_number == now->facts.interface_number &&
            !other->facts.run_time &&
            (request->has_entry ? in_map(other, request->entry) : is_flash(other))) {
            return other;
        }
    }
    return !request->has_entry || dfu_map_is_short(session) ? now : NULL;
}

static int choose_alternate(struct molt_dfu_session *session,
                            const struct molt_dfu_leave_request *request,
                            struct molt_message *message)
{
    const struct molt_dfu_alternate *alternate = alternate_for(session, request);
    if (!alternate) {
        char words[400];
        struct dfu_spans spans = {0};
        int error = dfu_spans_of_map(&spans, dfu_map_of(session), MOLT_DFU_READABLE, message);
        if (!error) {
            error = molt_fail(
                message, MOLT_E_RANGE,
                "%s: the entry 0x%08" PRIx32 " is in none of its memory; expected one inside of %s",
                session->name, request->entry, dfu_spans_words(&spans, words, sizeof words));
        }
        dfu_spans_free(&spans);
        return error;
    }
    return alternate == session->alternate
               ? MOLT_OK
               : molt_dfu_session_alternate(session, alternate->facts.alternate, message);
}

/* Is a vector table at address? MOLT_OK and *found; a device that gives nothing back has none. */
static int look_for_vectors(struct molt_dfu_session *session, uint32_t address, bool *found,
                            struct molt_message *message)
{
    struct molt_diag diag = {0};
    struct molt_dfu_sector sector;
    uint8_t vectors[8];
    *found = false;
    if (!dfu_can_upload(session) || !molt_dfu_map_sector(dfu_map_of(session), address, &sector) ||
        !(sector.access & MOLT_DFU_READABLE)) {
        return MOLT_OK;
    }
    int error = molt_dfuse_read(&session->dfu, address, vectors, sizeof vectors, &diag);
    if (error && (error == MOLT_E_DFU_PROTECTED || !dfu_can_upload(session))) {
        return MOLT_OK;
    }
    if (error) {
        return molt_dfu_fail(message, session, error, &diag, "reading the vector table");
    }
    uint32_t stack = le32(vectors), reset = le32(vectors + 4);
    *found = stack >= 0x10000000 && stack <= 0x3FFFFFFF && (reset & 1) &&
             molt_dfu_map_sector(dfu_map_of(session), reset, &sector);
    return MOLT_OK;
}

static int find_entry(struct molt_dfu_session *session, struct molt_dfu_left *left,
                      struct molt_message *message)
{
    const struct molt_dfu_map *map = dfu_map_of(session);
    struct molt_dfu_files files;
    left->entry = map->count ? map->segment[0].start : 0x08000000;
    int error = look_for_vectors(session, left->entry, &left->entry_from_read, message);
    if (error || left->entry_from_read ||
        molt_dfu_board_files(&files, NULL, map, 0, NULL) != MOLT_OK) {
        return error;
    }
    for (uint32_t i = 0; !error && i < files.count && !left->entry_from_read; i++) {
        uint64_t behind = (uint64_t)files.range[i].start + files.range[i].size;
        if (behind >> 32 == 0) {
            error = look_for_vectors(session, (uint32_t)behind, &left->entry_from_read, message);
            left->entry = left->entry_from_read ? (uint32_t)behind : left->entry;
        }
    }
    return error;
}

/* ---- leaving ---- */

int dfu_leave_by_reset(struct molt_dfu_session *session, bool *gone, struct molt_message *message)
{
    struct molt_diag diag = {0};
    if (!session->usb.ops->reset) {
        return molt_fail(message, MOLT_E_UNSUPPORTED,
                         "%s: cannot be reset from here; unplug it and plug it in again",
                         session->name);
    }
    int error = session->usb.ops->reset(session->usb.context);
    if (error && error != MOLT_E_USB_GONE) {
        return molt_dfu_fail(message, session, error, &diag, "resetting its port");
    }
    session->dfu.last_known = false;
    *gone = error == MOLT_E_USB_GONE || molt_dfu_session_gone(session, VANISHES_MS) == 1;
    return MOLT_OK;
}

static int leave_dfuse(struct molt_dfu_session *session,
                       const struct molt_dfu_leave_request *request, struct molt_dfu_left *left,
                       struct molt_message *message)
{
    struct molt_diag diag = {0};
    int error = choose_alternate(session, request, message);
    if (!error && request->has_entry) {
        left->entry = request->entry;
        error = look_for_vectors(session, left->entry, &left->entry_from_read, message);
    } else if (!error) {
        error = find_entry(session, left, message);
    }
    if (error) {
        return error;
    }
    error = molt_dfuse_leave(&session->dfu, left->entry, &diag);
    if (error) {
        return molt_dfu_fail(message, session, error, &diag, "leaving DFU mode");
    }
    left->gone = molt_dfu_session_gone(session, VANISHES_MS) == 1;
    return MOLT_OK;
}

static int wait_for_it(struct molt_dfu_session *session, uint32_t wait_ms,
                       struct molt_dfu_left *left, struct molt_message *message)
{
    int there = dfu_wait_for_anything(session, wait_ms, message);
    left->back = there == 1;
    return there
               ? (there < 0 ? there : MOLT_OK)
               : molt_fail(message, MOLT_E_TIMEOUT,
                           "%s: left DFU mode, but nothing came back at its place within %" PRIu32
                           " s: expected the firmware to be on the bus; is there one, and does it "
                           "use USB?",
                           session->name, wait_ms / 1000);
}

int molt_dfu_leave_device(struct molt_dfu_session *session,
                          const struct molt_dfu_leave_request *request, struct molt_dfu_left *left,
                          const struct molt_progress *progress, struct molt_message *message)
{
    struct dfu_work work;
    *left = (struct molt_dfu_left){0};
    int error = dfu_in_dfu_mode(session, "there is no DFU mode to leave", message);
    if (error) {
        return error;
    }
    if (!session->dfu.dfuse && request->has_entry) {
        return molt_fail(message, MOLT_E_ARGUMENT,
                         "%s: a device without addresses; expected no entry", session->name);
    }
    dfu_work_begin(&work, session, progress, "leave", 0);
    error = session->dfu.dfuse ? leave_dfuse(session, request, left, message)
                               : dfu_leave_by_reset(session, &left->gone, message);
    if (!error && !left->gone) {
        error = molt_fail(message, MOLT_E_TIMEOUT,
                          "%s: still answers in DFU mode %u s after it was told to leave; expected "
                          "it to vanish from the bus: is there a firmware? Else unplug it and plug "
                          "it in again",
                          session->name, VANISHES_MS / 1000);
    } else if (!error && request->wait_ms) {
        error = wait_for_it(session, request->wait_ms, left, message);
    }
    dfu_work_end(&work);
    return error;
}
