/* What dfu-util's modes do, with Molt's plans, checks and ways to leave. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/dfu_rescue.h"
#include "cli/dfu_stop.h"
#include "cli/dfu_util.h"
#include "cli/planprint.h"
#include "cli/process.h"
#include "molt/ops/dfu_device.h"
#include "molt/ops/dfu_image.h"
#include "molt/ops/dfu_session.h"
#include "molt/ops/dfu_write.h"

struct act {
    const struct cli_args *args;
    struct dfu_util *job;
    struct molt_dfu_image image;
    struct molt_dfu_session *session;
    struct molt_progress progress;
    struct molt_message message;
};

/* As dfu-util ends where it refuses the same. */
static int exit_of(int error)
{
    switch (error) {
    case MOLT_OK: return DFU_UTIL_OK;
    case MOLT_E_ARGUMENT:
    case MOLT_E_RANGE:
    case MOLT_E_DFU_DEVICE:
    case MOLT_E_DFU_FILES: return DFU_UTIL_USAGE;
    case MOLT_E_FORMAT:
    case MOLT_E_TRUNCATED: return DFU_UTIL_DATA;
    case MOLT_E_NO_MEMORY: return DFU_UTIL_SOFTWARE;
    case MOLT_E_EXISTS: return DFU_UTIL_CANNOT_CREATE;
    case MOLT_E_DFU_STATE: return DFU_UTIL_PROTOCOL;
    default: return DFU_UTIL_IO;
    }
}

static int fail(struct act *act, int code)
{
    cli_fail(act->args, &act->message);
    return code;
}

/* Scripts look for dfu-util's words. */
static void put_in_front(struct molt_message *message, const char *words)
{
    struct molt_message before = *message;
    molt_fail(message, before.error, "%s %s", words, before.text);
}

/* Where the message names options of molt dfu write, these are dfu-util's for the same. */
static void advise(struct molt_message *message, const char *file)
{
    struct molt_message before = *message;
    const char *here = "";
    if (strstr(before.text, "--force") || strstr(before.text, "--overwrite-files")) {
        here = " (here: '-s ADDRESS:force' or '-s :force')";
    } else if (strstr(before.text, "--address")) {
        here = " (here: '-s ADDRESS')";
    }
    molt_fail(message, before.error, "%s: %s%s", file, before.text, here);
}

/* ---- List ---- */

static const char *or_unknown(const char *text)
{
    return text[0] ? text : "UNKNOWN";
}

static void print_device(const struct molt_dfu_choice *choice, const struct molt_dfu_device *device)
{
    if (device->error) {
        fprintf(stderr, "molt dfu-util: Cannot open DFU device %04x:%04x found on devnum %u (%s)\n",
                device->vendor, device->product, device->address, molt_strerror(device->error));
    }
    for (uint32_t i = device->alternate_count; i-- > 0;) {
        const struct molt_dfu_alternate *alternate = &device->alternate[i];
        const struct molt_dfu_interface *facts = &alternate->facts;
        if ((choice->alternate >= 0 && choice->alternate != facts->alternate) ||
            (choice->interface >= 0 && choice->interface != facts->interface_number) ||
            (choice->configuration >= 0 && choice->configuration != facts->configuration) ||
            (choice->has_alternate_name && strcmp(choice->alternate_name, alternate->name) != 0)) {
            continue;
        }
        printf("Found %s: [%04x:%04x] ver=%04x, devnum=%u, cfg=%u, intf=%u, path=\"%s\", alt=%u, "
               "name=\"%s\", serial=\"%s\"\n",
               facts->run_time ? "Runtime" : "DFU", device->vendor, device->product, device->device,
               device->address, facts->configuration, facts->interface_number, device->path,
               facts->alternate, or_unknown(alternate->name), or_unknown(device->serial));
    }
}

/* Of each device the last alternate setting first, as scripts know it. */
static int list(struct act *act)
{
    struct molt_dfu_device *devices;
    uint32_t count;
    const struct molt_dfu_choice *choice = &act->job->choice;
    if (choice->folder[0]) {
        int error = molt_dfu_session_open(&act->session, choice, 0, NULL, &act->message);
        if (!error) {
            print_device(choice, &act->session->device);
        }
        return error;
    }
    int error = molt_dfu_list(&devices, &count, &act->message);
    if (error) {
        return error;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (molt_dfu_choice_fits(choice, &devices[i])) {
            print_device(choice, &devices[i]);
        }
    }
    molt_dfu_list_free(devices, count);
    return MOLT_OK;
}

/* ---- Opening ---- */

static int open_device(struct act *act)
{
    struct dfu_util *job = act->job;
    if (job->wait_ms) {
        printf("Waiting for device, exit with ctrl-C\n");
        fflush(stdout);
    }
    int error = molt_dfu_session_open(&act->session, &job->choice, job->wait_ms, &act->progress,
                                      &act->message);
    if (error == MOLT_E_NOT_FOUND && job->run_time_serial[0]) {
        job->choice.has_serial = true;
        snprintf(job->choice.serial, sizeof job->choice.serial, "%s", job->run_time_serial);
        error = molt_dfu_session_open(&act->session, &job->choice, job->wait_ms, &act->progress,
                                      &act->message);
    }
    if (error == MOLT_E_NOT_FOUND) {
        put_in_front(&act->message, "No DFU capable USB device available:");
    } else if (error == MOLT_E_USB_AMBIGUOUS) {
        put_in_front(&act->message, "More than one DFU capable USB device found!");
    }
    return error;
}

static void take_transfer_size(struct act *act)
{
    struct molt_dfu *dfu = &act->session->dfu;
    uint32_t size = act->job->transfer_size;
    if (size == 0) {
        return;
    }
    if ((dfu->transfer_size && size >= dfu->transfer_size) || size > UINT16_MAX) {
        fprintf(stderr,
                "molt dfu-util: --transfer-size %u: the device takes %u bytes at once, so "
                "it stays with them\n",
                size, dfu->transfer_size);
        return;
    }
    dfu->block_size = (uint16_t)size;
}

static void print_verbose(const struct molt_dfu_session *session)
{
    const struct molt_dfu *dfu = &session->dfu;
    printf("Device ID %04x:%04x\nDevice DFU version %04x\nDFU attributes: (0x%02x)%s%s%s%s\n"
           "Device returned transfer size %u\n",
           session->device.vendor, session->device.product, dfu->version, dfu->attributes,
           dfu->attributes & MOLT_DFU_CAN_DOWNLOAD ? " bitCanDnload" : "",
           dfu->attributes & MOLT_DFU_CAN_UPLOAD ? " bitCanUpload" : "",
           dfu->attributes & MOLT_DFU_TOLERANT ? " bitManifestationTolerant" : "",
           dfu->attributes & MOLT_DFU_WILL_DETACH ? " bitWillDetach" : "", dfu->transfer_size);
    for (uint32_t bit = 1; bit; bit <<= 1) {
        if (dfu->quirks & bit) {
            printf("Quirk %s\n", molt_dfu_quirk_name(bit));
        }
    }
    fflush(stdout);
}

/* ---- Download ---- */

static int load(struct act *act)
{
    struct dfu_util *job = act->job;
    struct molt_dfu_image_request request = {.path = job->file,
                                             .has_address = job->words.has_address,
                                             .address = job->words.address,
                                             .accept_bad_crc = job->words.force};
    int error = molt_dfu_image_load(&act->image, &request, &act->message);
    if (!error) {
        const struct molt_dfu_suffix *suffix = &act->image.suffix;
        struct molt_dfu_choice *choice = &job->choice;
        if (!choice->has_id && act->image.has_suffix &&
            (suffix->vendor != 0xFFFF || suffix->product != 0xFFFF)) {
            choice->has_id = true;
            choice->dfu_mode =
                (struct molt_dfu_id){suffix->vendor == 0xFFFF ? MOLT_DFU_ANY : suffix->vendor,
                                     suffix->product == 0xFFFF ? MOLT_DFU_ANY : suffix->product};
            choice->run_time = choice->dfu_mode;
            printf("Match vendor ID from file: %04x\nMatch product ID from file: %04x\n",
                   suffix->vendor, suffix->product);
        }
        return DFU_UTIL_OK;
    }
    switch (error) {
    case MOLT_E_VERIFY:
    case MOLT_E_UNSUPPORTED: return DFU_UTIL_DATA;
    case MOLT_E_NOT_FOUND:
    case MOLT_E_PERMISSION: return DFU_UTIL_NO_INPUT;
    default: return exit_of(error);
    }
}

/* With -a, what is for another alternate setting is left out. */
static int take_alternate(struct act *act)
{
    struct molt_dfu_image *image = &act->image;
    uint8_t wanted = act->session->alternate->facts.alternate;
    uint32_t kept = 0, all = image->count;
    if (!act->job->has_alternate) {
        return MOLT_OK;
    }
    for (uint32_t i = 0; i < all; i++) {
        if (!image->element[i].has_alternate || image->element[i].alternate == wanted) {
            image->element[kept++] = image->element[i];
        }
    }
    image->count = kept;
    if (kept == 0) {
        return molt_fail(&act->message, MOLT_E_DFU_DEVICE,
                         "%s: holds nothing for alternate setting %u, only for others: leave -a "
                         "away, or name another",
                         act->job->file, wanted);
    }
    if (kept < all) {
        fprintf(stderr,
                "molt dfu-util: %u of %u elements are for other alternate settings than %u "
                "(skipping them; without -a all are written)\n",
                all - kept, all, wanted);
    }
    return MOLT_OK;
}

static int plain_download(struct act *act)
{
    struct dfu_util *job = act->job;
    struct molt_dfu_plain_written written;
    struct molt_dfu_plain_request request = {.image = &act->image,
                                             .force = job->words.force,
                                             .stay = !job->reset,
                                             .wait_ms = job->detach_ms};
    return molt_dfu_plain_write(act->session, &request, &written, &act->progress, &act->message);
}

static int dfuse_download(struct act *act, bool *left)
{
    const struct dfu_util *job = act->job;
    struct molt_dfu_write *write;
    /* Who names their setting, and says that the device resets, means to write them. */
    bool option_bytes = job->words.will_reset && job->has_alternate && !act->image.has_suffix;
    struct molt_dfu_write_request request = {.image = &act->image,
                                             .overwrite_files = job->words.force,
                                             .force = job->words.force || option_bytes,
                                             .mass_erase = job->words.mass_erase,
                                             .stay = !job->words.leave};
    int error = take_alternate(act);
    if (error) {
        return error;
    }
    error = molt_dfu_write_plan(&write, act->session, &request, &act->progress, &act->message);
    if (error) {
        advise(&act->message, job->file);
        return error;
    }
    if (job->verbose) {
        plan_print(stdout, molt_dfu_write_steps(write));
        fflush(stdout);
    }
    error = molt_dfu_write_run(write, &act->progress, &act->message);
    *left = molt_dfu_write_result(write)->left;
    if (error) {
        free(dfu_save_rescue(act->args, write));
    }
    molt_dfu_write_free(write);
    return error;
}

static int download(struct act *act, bool *left)
{
    bool dfuse = act->session->dfu.dfuse;
    int error = dfuse ? dfuse_download(act, left) : plain_download(act);
    if (error == MOLT_E_USB_GONE && act->job->words.will_reset) {
        *left = true;
        error = MOLT_OK;
    }
    if (!error) {
        cli_progress_end(act->args);
        printf("Download done.\nFile downloaded successfully\n%s",
               *left && act->job->words.leave ? "Submitting leave request...\n" : "");
    }
    return error;
}

/* ---- Upload ---- */

static int upload(struct act *act)
{
    const struct dfu_util *job = act->job;
    const struct dfu_util_words *words = &job->words;
    const struct molt_dfu_map *map = &act->session->alternate->map;
    char text[32];
    const char *place = text;
    struct molt_dfu_read_request request = {.place = &place};
    struct molt_dfu_read *read;
    uint32_t start = words->has_address ? words->address : map->count ? map->segment[0].start : 0;
    if (!act->session->dfu.dfuse) {
        request.limit = words->has_length ? words->length : 0;
    } else if (words->has_length) {
        snprintf(text, sizeof text, "0x%x+%u", start, words->length);
        request.count = 1;
    } else if (words->has_address) {
        snprintf(text, sizeof text, "0x%x", start);
        request.count = 1;
    }
    int error = molt_dfu_read_plan(&read, act->session, &request, &act->message);
    if (error) {
        return error;
    }
    error = molt_dfu_read_run(read, &act->progress, &act->message);
    if (!error) {
        error =
            molt_dfu_read_save(read, MOLT_DFU_READ_BIN, job->file, MOLT_FILE_KEEP, &act->message);
    }
    uint32_t count, bytes = 0;
    const struct molt_dfu_piece *piece = molt_dfu_read_pieces(read, &count);
    for (uint32_t i = 0; i < count; i++) {
        bytes += piece[i].size;
    }
    molt_dfu_read_free(read);
    if (!error) {
        cli_progress_end(act->args);
        printf("Upload done.\nReceived a total of %u bytes\n", bytes);
        if (job->expected_size && bytes != job->expected_size) {
            fprintf(stderr, "molt dfu-util: %u bytes came, --upload-size said %u\n", bytes,
                    job->expected_size);
        }
    }
    return error;
}

/* ---- Commands without a file ---- */

static int mass_erase(struct act *act)
{
    struct molt_dfu_erase *erase;
    struct molt_dfu_erase_request request = {.all = true};
    printf("Performing mass erase, this can take a moment\n");
    fflush(stdout);
    int error = molt_dfu_erase_plan(&erase, act->session, &request, &act->message);
    if (!error) {
        error = molt_dfu_erase_run(erase, &act->progress, &act->message);
        molt_dfu_erase_free(erase);
    }
    return error;
}

static int leave(struct act *act)
{
    const struct dfu_util_words *words = &act->job->words;
    struct molt_dfu_left left;
    /* Behind an upload the address is what was read, which need not be a firmware. */
    struct molt_dfu_leave_request request = {.has_entry = words->has_address &&
                                                          act->job->mode == DFU_UTIL_NONE,
                                             .entry = words->address};
    cli_progress_end(act->args);
    printf("Submitting leave request...\n");
    return molt_dfu_leave_device(act->session, &request, &left, &act->progress, &act->message);
}

static int unprotect(struct act *act)
{
    bool back;
    int error = molt_dfu_unprotect_device(act->session, 0, &back, &act->progress, &act->message);
    if (!error) {
        cli_progress_end(act->args);
        printf("Device disconnects, erases flash and resets now\n");
    }
    return error;
}

/* A reset of the port; that the device goes with it is what was wanted. */
static int reset(struct act *act)
{
    const struct molt_usb *usb = &act->session->usb;
    int error = usb->ops->reset ? usb->ops->reset(usb->context) : MOLT_E_UNSUPPORTED;
    if (error && error != MOLT_E_USB_GONE) {
        return molt_dfu_fail(&act->message, act->session, error, NULL, "resetting the port");
    }
    cli_progress_end(act->args);
    printf("Resetting USB to switch back to Run-Time mode\n");
    return MOLT_OK;
}

/* ---- All together ---- */

/* What can be said before a device is looked for. */
static int check(struct act *act)
{
    const struct dfu_util *job = act->job;
    const struct dfu_util_words *words = &job->words;
    if ((words->mass_erase || words->unprotect) && !words->force) {
        molt_fail(&act->message, MOLT_E_ARGUMENT,
                  "-s %s: everything in the flash is lost with it: it can only be used with force "
                  "(-s :%s:force)",
                  words->mass_erase ? "mass-erase" : "unprotect",
                  words->mass_erase ? "mass-erase" : "unprotect");
        return DFU_UTIL_USAGE;
    }
    if (job->mode == DFU_UTIL_UPLOAD && access(job->file, F_OK) == 0) {
        molt_fail(&act->message, MOLT_E_EXISTS,
                  "Cannot open file %s for writing: it is there already, and -U overwrites none",
                  job->file);
        return DFU_UTIL_CANNOT_CREATE;
    }
    return job->mode == DFU_UTIL_DOWNLOAD ? load(act) : DFU_UTIL_OK;
}

static int detach(struct act *act)
{
    bool run_time = act->session->alternate->facts.run_time;
    int error =
        molt_dfu_detach_device(act->session, act->job->detach_ms, &act->progress, &act->message);
    if (act->job->mode != DFU_UTIL_DETACH) {
        return error;
    }
    if (!run_time) {
        fprintf(stderr, "molt dfu-util: the device is in DFU mode already\n");
    }
    return error == MOLT_E_TIMEOUT ? MOLT_OK : error; /* dfu-util does not wait for it */
}

static int on_device(struct act *act)
{
    struct dfu_util *job = act->job;
    const struct dfu_util_words *words = &job->words;
    bool left = false;
    int error = detach(act);
    if (!error && job->mode == DFU_UTIL_DETACH) {
        return job->reset ? reset(act) : MOLT_OK;
    }
    if (!error && words->given && !act->session->dfu.dfuse) {
        error = molt_fail(&act->message, MOLT_E_ARGUMENT,
                          "%s: speaks plain DFU, which knows no addresses and no commands: leave "
                          "-s away",
                          act->session->name);
    }
    if (error) {
        return error;
    }
    take_transfer_size(act);
    if (job->verbose) {
        print_verbose(act->session);
    }
    if (words->unprotect) {
        return unprotect(act);
    }
    if (job->mode == DFU_UTIL_DOWNLOAD) {
        error = download(act, &left);
    } else {
        error = words->mass_erase ? mass_erase(act) : MOLT_OK;
        error = !error && job->mode == DFU_UTIL_UPLOAD ? upload(act) : error;
        if (!error && words->leave) {
            left = true;
            error = leave(act);
        }
    }
    return !error && job->reset && !left ? reset(act) : error;
}

int dfu_util_act(const struct cli_args *args, struct dfu_util *job)
{
    struct act *act = calloc(1, sizeof *act);
    if (!act) {
        fprintf(stderr, "molt dfu-util: out of memory\n");
        return DFU_UTIL_SOFTWARE;
    }
    act->args = args;
    act->job = job;
    cli_progress_start(args, &act->progress);
    int code = check(act);
    struct dfu_stop *stop = NULL;
    if (code == DFU_UTIL_OK) {
        stop = dfu_stop_begin(&act->progress);
        int error = job->mode == DFU_UTIL_LIST ? list(act) : open_device(act);
        if (!error && job->mode != DFU_UTIL_LIST) {
            error = on_device(act);
        }
        code = exit_of(error);
    }
    code = code == DFU_UTIL_OK ? code : fail(act, code);
    cli_progress_end(args);
    if (molt_dfu_session_close(act->session, &act->message) < 0 && code == DFU_UTIL_OK) {
        code = fail(act, DFU_UTIL_IO);
    }
    molt_dfu_image_free(&act->image);
    free(act);
    fflush(stdout);
    dfu_stop_end(stop);
    return code;
}
