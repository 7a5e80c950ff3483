/* Opening a DFU device, and finding it again. */
#include "molt/ops/dfu_session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "molt/host/simdfu.h"
#include "molt/sim/dfu.h"

#define PROBE_TIMEOUT_MS 250u
#define PROBE_EVERY_MS   25u
#define PROBES_SILENT    3u /* one may get lost */
#define LOOK_EVERY_MS    250u

/* Only what a choice says of the alternate: the device is found already. */
static void alternate_only(struct molt_dfu_choice *choice, const struct molt_dfu_choice *from)
{
    molt_dfu_choice_parse(choice, "usb:*:*", NULL);
    if (from) {
        memcpy(choice->text, from->text, sizeof choice->text);
        choice->alternate = from->alternate;
        choice->has_alternate_name = from->has_alternate_name;
        memcpy(choice->alternate_name, from->alternate_name, sizeof choice->alternate_name);
        choice->interface = from->interface;
        choice->configuration = from->configuration;
    }
}

uint32_t molt_dfu_device_quirks(const struct molt_dfu_device *device,
                                const struct molt_dfu_alternate *alternate)
{
    const struct molt_dfu_identity identity = {.vendor = device->vendor,
                                               .product = device->product,
                                               .device = device->device,
                                               .manufacturer = device->manufacturer,
                                               .product_name = device->product_name,
                                               .map = alternate->name,
                                               .dfu_version = alternate->facts.version};
    return molt_dfu_quirks_of(&identity);
}

static void prepare(struct molt_dfu_session *session)
{
    const struct molt_dfu_device *device = &session->device;
    const struct molt_dfu_alternate *alternate = session->alternate;
    const struct molt_progress *progress = session->dfu.progress;
    uint32_t transfers = session->dfu.transfers;
    session->dfu = (struct molt_dfu){.usb = session->usb,
                                     .interface_number = alternate->facts.interface_number,
                                     .transfer_size = alternate->facts.transfer_size,
                                     .attributes = alternate->facts.attributes,
                                     .version = alternate->facts.version,
                                     .progress = progress,
                                     .transfers = transfers,
                                     .quirks = molt_dfu_device_quirks(device, alternate)};
    session->dfu.dfuse = alternate->dfuse && !(session->dfu.quirks & MOLT_DFU_QUIRK_FORCE_DFU11);
    if (session->poll_early && session->dfu.dfuse) {
        session->dfu.quirks |= MOLT_DFU_QUIRK_POLL_TIME;
    }
}

void molt_dfu_session_poll_early(struct molt_dfu_session *session)
{
    session->poll_early = true;
    if (session->dfu.dfuse) {
        session->dfu.quirks |= MOLT_DFU_QUIRK_POLL_TIME;
    }
}

/* Claims, selects, and brings a device in DFU mode to dfuIDLE. */
static int use(struct molt_dfu_session *session, const struct molt_dfu_alternate *alternate,
               struct molt_message *message)
{
    struct molt_diag diag = {.offset = MOLT_DIAG_NONE};
    session->alternate = alternate;
    prepare(session);
    const struct molt_usb *usb = &session->usb;
    int error = usb->ops->set_alternate(usb->context, alternate->facts.interface_number,
                                        alternate->facts.alternate);
    if (error == MOLT_E_USB_STALL || error == MOLT_E_IO) { /* once more: it harms nothing */
        error = usb->ops->set_alternate(usb->context, alternate->facts.interface_number,
                                        alternate->facts.alternate);
    }
    if (error) {
        return molt_dfu_fail(message, session, error, NULL, "taking its DFU interface");
    }
    if (alternate->facts.run_time) {
        return MOLT_OK;
    }
    error = molt_dfu_idle(&session->dfu, &diag);
    return error ? molt_dfu_fail(message, session, error, &diag, "making it ready") : MOLT_OK;
}

static struct molt_dfu_session *make(const struct molt_progress *progress,
                                     const struct molt_dfu_choice *choice,
                                     struct molt_message *message)
{
    struct molt_dfu_session *session = calloc(1, sizeof *session);
    if (!session) {
        molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
        return NULL;
    }
    session->dfu.progress = progress;
    alternate_only(&session->choice, choice);
    return session;
}

/* Reads what the transport has, and uses the alternate that was asked for. */
static int begin(struct molt_dfu_session *session, struct molt_message *message)
{
    const struct molt_dfu_device *device;
    const struct molt_dfu_alternate *alternate;
    int error = molt_dfu_device_read(&session->device, &session->usb, message);
    if (error) {
        return error;
    }
    snprintf(session->device.target, sizeof session->device.target, "%.511s", session->name);
    error = molt_dfu_choose(&session->choice, &session->device, 1, &device, &alternate, message);
    return error ? error : use(session, alternate, message);
}

static int finish(struct molt_dfu_session **session, struct molt_dfu_session *made, int error)
{
    if (error) {
        molt_dfu_session_close(made, NULL);
        made = NULL;
    }
    *session = made;
    return error;
}

int molt_dfu_session_of_usb(struct molt_dfu_session **session, const struct molt_usb *usb,
                            const struct molt_dfu_choice *choice,
                            const struct molt_progress *progress, struct molt_message *message)
{
    struct molt_dfu_session *made = make(progress, choice, message);
    *session = NULL;
    if (!made) {
        return MOLT_E_NO_MEMORY;
    }
    made->usb = *usb;
    snprintf(made->name, sizeof made->name, "USB device");
    return finish(session, made, begin(made, message));
}

static int open_folder(struct molt_dfu_session *session, const char *folder,
                       struct molt_message *message)
{
    snprintf(session->name, sizeof session->name, "sim:%s", folder);
    session->simulated = true;
    int error = molt_simdfu_open(&session->board, folder, message);
    if (error) {
        return error;
    }
    struct molt_sim_dfu *model = molt_simdfu_model(session->board);
    if (!molt_sim_dfu_present(model)) {
        return molt_fail(message, MOLT_E_NOT_FOUND,
                         "%s: is not on the bus, because its application runs; 'molt sim boot %s "
                         "--boot0' starts its boot loader",
                         session->name, session->name);
    }
    molt_sim_dfu_usb(model, &session->usb);
    return begin(session, message);
}

/* A copy that the session owns, of a device in a list; the alternate moves with it. */
static int take(struct molt_dfu_session *session, const struct molt_dfu_device *device,
                const struct molt_dfu_alternate **alternate, struct molt_message *message)
{
    size_t bytes = device->alternate_count * sizeof *device->alternate;
    struct molt_dfu_alternate *copy = malloc(bytes);
    if (!copy) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    memcpy(copy, device->alternate, bytes);
    *alternate = copy + (*alternate - device->alternate);
    molt_dfu_device_free(&session->device);
    session->device = *device;
    session->device.alternate = copy;
    snprintf(session->name, sizeof session->name, "%s", device->target);
    return MOLT_OK;
}

static int open_device(struct molt_dfu_session *session, const struct molt_dfu_device *device,
                       const struct molt_dfu_alternate *alternate, struct molt_message *message)
{
    int error = take(session, device, &alternate, message);
    if (!error) {
        error = molt_usbdevice_open(&session->opened, &session->device,
                                    alternate->facts.configuration, &session->usb, message);
    }
    return error ? error : use(session, alternate, message);
}

int molt_dfu_session_open(struct molt_dfu_session **session, const struct molt_dfu_choice *choice,
                          uint32_t wait_ms, const struct molt_progress *progress,
                          struct molt_message *message)
{
    struct molt_dfu_session *made = make(progress, choice, message);
    *session = NULL;
    if (!made) {
        return MOLT_E_NO_MEMORY;
    }
    if (choice->folder[0]) {
        return finish(session, made, open_folder(made, choice->folder, message));
    }
    struct molt_dfu_device *devices;
    uint32_t count;
    const struct molt_dfu_device *device;
    const struct molt_dfu_alternate *alternate;
    int error =
        molt_dfu_find(choice, wait_ms, progress, &devices, &count, &device, &alternate, message);
    if (!error) {
        error = open_device(made, device, alternate, message);
    }
    molt_dfu_list_free(devices, count);
    return finish(session, made, error);
}

int molt_dfu_session_alternate(struct molt_dfu_session *session, uint8_t alternate,
                               struct molt_message *message)
{
    const struct molt_dfu_interface *now = &session->alternate->facts;
    for (uint32_t i = 0; i < session->device.alternate_count; i++) {
        const struct molt_dfu_alternate *one = &session->device.alternate[i];
        if (one->facts.alternate == alternate && one->facts.configuration == now->configuration &&
            one->facts.interface_number == now->interface_number) {
            return one == session->alternate ? MOLT_OK : use(session, one, message);
        }
    }
    return molt_fail(message, MOLT_E_NOT_FOUND, "%s: has no alternate setting %u", session->name,
                     alternate);
}

int molt_dfu_session_gone(struct molt_dfu_session *session, uint32_t timeout_ms)
{
    const struct molt_usb *usb = &session->usb;
    uint32_t began = usb->ops->now_ms(usb->context), silent = 0;
    for (;;) {
        uint8_t bytes[18];
        int n = usb->ops->control(usb->context, 0x80, 6, 0x0100, 0, bytes, sizeof bytes,
                                  PROBE_TIMEOUT_MS);
        silent = n == MOLT_E_TIMEOUT || n == MOLT_E_IO ? silent + 1 : 0;
        bool over = usb->ops->now_ms(usb->context) - began >= timeout_ms;
        /* An application that does not care about USB leaves the bus as it was, without answers. */
        if (n == MOLT_E_USB_GONE || (over && silent >= PROBES_SILENT)) {
            session->left = true;
            return 1;
        }
        if (over && !silent) {
            return 0;
        }
        usb->ops->sleep_ms(usb->context, PROBE_EVERY_MS);
    }
}

/* At the place of the one before; and not still that one. */
static bool is_back(const struct molt_dfu_session *session, const struct molt_dfu_device *device)
{
    const struct molt_dfu_device *before = &session->device;
    bool same = before->path[0]     ? strcmp(before->path, device->path) == 0
                : before->serial[0] ? strcmp(before->serial, device->serial) == 0
                                    : before->vendor == device->vendor;
    bool changed = session->left || before->address != device->address ||
                   before->product != device->product || before->vendor != device->vendor;
    return same && changed && device->error != MOLT_E_USB_GONE;
}

/* One look at the bus. MOLT_E_NOT_FOUND: not yet. */
static int look(struct molt_dfu_session *session, struct molt_message *message)
{
    struct molt_dfu_device *devices;
    uint32_t count;
    int error = molt_dfu_list(&devices, &count, message);
    if (error) {
        return error;
    }
    error = molt_fail(message, MOLT_E_NOT_FOUND, "%s: is not on the bus", session->name);
    for (uint32_t i = 0; i < count; i++) {
        const struct molt_dfu_device *device;
        const struct molt_dfu_alternate *alternate;
        if (is_back(session, &devices[i])) {
            error = molt_dfu_choose(&session->choice, &devices[i], 1, &device, &alternate, message);
            error = error ? error : open_device(session, device, alternate, message);
            break;
        }
    }
    molt_dfu_list_free(devices, count);
    return error;
}

/* One look at a transport that is no bus. */
static int reopen(struct molt_dfu_session *session, struct molt_message *message)
{
    int error = MOLT_OK;
    if (session->board) {
        struct molt_sim_dfu *model = molt_simdfu_model(session->board);
        error = molt_sim_dfu_present(model) ? MOLT_OK : MOLT_E_USB_GONE;
        molt_sim_dfu_usb(model, &session->usb);
    } else if (session->reopen) {
        error = session->reopen(session->reopen_context, &session->usb);
    }
    if (error) {
        return molt_fail(message, error, "%s: %s", session->name, molt_strerror(error));
    }
    molt_dfu_device_free(&session->device);
    return begin(session, message);
}

/* Errors that mean: not there yet, or not ready. */
static bool not_yet(int error)
{
    return error == MOLT_E_NOT_FOUND || error == MOLT_E_USB_GONE || error == MOLT_E_USB_ACCESS ||
           error == MOLT_E_TIMEOUT || error == MOLT_E_IO;
}

int molt_dfu_session_back(struct molt_dfu_session *session, uint32_t timeout_ms,
                          struct molt_message *message)
{
    const struct molt_progress *progress = session->dfu.progress;
    bool bus = !session->board && session->opened;
    struct molt_usb usb = session->usb; /* its clock is this machine's, or that of the simulation */
    void *clock = bus ? NULL : usb.context;
    uint32_t began = usb.ops->now_ms(clock);
    for (;;) {
        if (bus) {
            molt_usbdevice_close(session->opened);
            session->opened = NULL;
        }
        int error = bus ? look(session, message) : reopen(session, message);
        uint32_t elapsed = usb.ops->now_ms(clock) - began;
        if (!not_yet(error)) {
            session->left = error != MOLT_OK;
            return error;
        }
        if (elapsed >= timeout_ms) {
            return error == MOLT_E_USB_ACCESS
                       ? error
                       : molt_fail(message, MOLT_E_TIMEOUT,
                                   "%s: did not come back as a DFU device within %u s",
                                   session->name, (timeout_ms + 999) / 1000);
        }
        if (progress && progress->report &&
            progress->report(progress->context, "wait", elapsed, timeout_ms) != 0) {
            return molt_fail(message, MOLT_E_CANCELLED, "%s: waiting for it was cancelled",
                             session->name);
        }
        usb.ops->sleep_ms(clock, LOOK_EVERY_MS);
    }
}

int molt_dfu_session_close(struct molt_dfu_session *session, struct molt_message *message)
{
    int error = MOLT_OK;
    if (session) {
        molt_usbdevice_close(session->opened);
        if (session->board) {
            error = molt_simdfu_close(session->board, message);
        }
        molt_dfu_device_free(&session->device);
        free(session);
    }
    return error;
}
