/* Which one of the DFU devices, and what to say when that is not clear. */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "molt/host/dfudevice.h"

/* Without regard to case, which in names of flash is an accident. */
static bool same_words(const char *a, const char *b)
{
    while (*a && tolower((unsigned char)*a) == tolower((unsigned char)*b)) {
        a++;
        b++;
    }
    return *a == *b;
}

static bool alternate_fits(const struct molt_dfu_choice *choice,
                           const struct molt_dfu_alternate *alternate)
{
    const struct molt_dfu_interface *facts = &alternate->facts;
    if ((choice->interface >= 0 && choice->interface != facts->interface_number) ||
        (choice->configuration >= 0 && choice->configuration != facts->configuration)) {
        return false;
    }
    if (choice->has_alternate_name) {
        return same_words(choice->alternate_name, alternate->name) ||
               (alternate->has_map && same_words(choice->alternate_name, alternate->map.name));
    }
    return choice->alternate < 0 || choice->alternate == facts->alternate;
}

static bool id_fits(const struct molt_dfu_id *id, const struct molt_dfu_device *device)
{
    return (id->vendor == MOLT_DFU_ANY || id->vendor == device->vendor) &&
           (id->product == MOLT_DFU_ANY || id->product == device->product);
}

static bool ids_fit(const struct molt_dfu_choice *choice, const struct molt_dfu_device *device)
{
    for (uint32_t i = 0; i < device->alternate_count; i++) {
        bool run_time = device->alternate[i].facts.run_time;
        if (id_fits(run_time ? &choice->run_time : &choice->dfu_mode, device)) {
            return true;
        }
    }
    return false;
}

bool molt_dfu_choice_fits(const struct molt_dfu_choice *choice,
                          const struct molt_dfu_device *device)
{
    return ids_fit(choice, device) &&
           (!choice->has_serial || strcmp(choice->serial, device->serial) == 0) &&
           (!choice->has_path || strcmp(choice->path, device->path) == 0) &&
           (choice->devnum < 0 || choice->devnum == device->address);
}

bool molt_dfu_choice_explicit(const struct molt_dfu_choice *choice)
{
    return choice->has_id || choice->has_serial || choice->has_path || choice->devnum >= 0;
}

/* A list in a message, as far as there is room. */
struct list {
    char text[3072];
    size_t at;
    uint32_t count;
};

static void list_add(struct list *list, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void list_add(struct list *list, const char *format, ...)
{
    size_t room = sizeof list->text - list->at;
    const char *between = list->count++ ? ", " : "";
    va_list values;
    int n = snprintf(list->text + list->at, room, "%s", between);
    va_start(values, format);
    if (n >= 0 && (size_t)n < room) {
        int k = vsnprintf(list->text + list->at + n, room - (size_t)n, format, values);
        n = k < 0 ? k : n + k;
    }
    va_end(values);
    if (n >= 0 && (size_t)n < room) {
        list->at += (size_t)n;
    } else {
        list->text[list->at] = 0; /* what does not fit is left out whole */
    }
}

static void list_device(struct list *list, const struct molt_dfu_device *device)
{
    const char *product = device->product_name[0] ? device->product_name : device->manufacturer;
    list_add(list, "%s (%s%s%s%s%s)", device->target,
             device->known ? device->known : "not known to Molt", product[0] ? ", " : "", product,
             device->path[0] ? ", at " : "", device->path);
}

static void list_alternates(struct list *list, const struct molt_dfu_device *device)
{
    for (uint32_t i = 0; i < device->alternate_count; i++) {
        const struct molt_dfu_alternate *alternate = &device->alternate[i];
        list_add(list, "%u%s%s%s", alternate->facts.alternate, alternate->name[0] ? " '" : "",
                 alternate->has_map ? alternate->map.name : alternate->name,
                 alternate->name[0] ? "'" : "");
    }
}

/* The first of the highest rank is taken. What may hold the flash, because its name could not be
 * read, is not passed over for option bytes. */
static int rank(const struct molt_dfu_alternate *alternate)
{
    bool flash = alternate->has_map && strncmp(alternate->map.name, "Internal Flash", 14) == 0;
    bool unread = alternate->facts.name_index != 0 && !alternate->name[0];
    bool memory = alternate->has_map || alternate->name[0] == '@' || unread;
    return (alternate->facts.run_time ? 0 : 8) + (flash ? 4 : 0) + (memory ? 2 : 0);
}

static bool has_alternate(const struct molt_dfu_choice *choice,
                          const struct molt_dfu_device *device)
{
    for (uint32_t i = 0; i < device->alternate_count; i++) {
        if (alternate_fits(choice, &device->alternate[i])) {
            return true;
        }
    }
    return device->error != MOLT_OK; /* not known */
}

static int pick_alternate(const struct molt_dfu_choice *choice,
                          const struct molt_dfu_device *device,
                          const struct molt_dfu_alternate **alternate, struct molt_message *message)
{
    *alternate = NULL;
    for (uint32_t i = 0; i < device->alternate_count; i++) {
        const struct molt_dfu_alternate *one = &device->alternate[i];
        if (alternate_fits(choice, one) && (!*alternate || rank(one) > rank(*alternate))) {
            *alternate = one;
        }
    }
    if (*alternate) {
        return MOLT_OK;
    }
    struct list list = {.at = 0};
    list_alternates(&list, device);
    return molt_fail(message, MOLT_E_NOT_FOUND,
                     "%s: the device has no such alternate setting, interface or configuration; "
                     "its alternates: %s",
                     choice->text, list.text);
}

/* Of a device that may not be opened the serial number is not known: it may be this one. */
static const struct molt_dfu_device *closed_one(const struct molt_dfu_choice *choice,
                                                const struct molt_dfu_device *devices,
                                                uint32_t count)
{
    struct molt_dfu_choice rest = *choice;
    rest.has_serial = false;
    for (uint32_t i = 0; i < count; i++) {
        const struct molt_dfu_device *device = &devices[i];
        if (device->error && molt_dfu_choice_fits(&rest, device) &&
            (device->known || molt_dfu_choice_explicit(choice))) {
            return device;
        }
    }
    return NULL;
}

static int fail_closed(const struct molt_dfu_choice *choice, const struct molt_dfu_device *device,
                       struct molt_message *message)
{
    if (device->error == MOLT_E_USB_ACCESS) {
        return molt_fail(
            message, MOLT_E_USB_ACCESS,
            "%s (bus %03u device %03u): no permission for the device; install the udev "
            "rule (60-molt.rules into /etc/udev/rules.d, then 'udevadm control "
            "--reload' and plug it in again), or run as root; a container has to be given "
            "/dev/bus/usb",
            device->target, device->bus, device->address);
    }
    return molt_fail(message, device->error, "%s: %s: %s", choice->text, device->target,
                     molt_strerror(device->error));
}

static int fail_none(const struct molt_dfu_choice *choice, const struct molt_dfu_device *devices,
                     uint32_t count, struct molt_message *message)
{
    struct list list = {.at = 0};
    for (uint32_t i = 0; i < count; i++) {
        list_device(&list, &devices[i]);
    }
    if (count) {
        bool foreign = !molt_dfu_choice_explicit(choice);
        return molt_fail(message, MOLT_E_NOT_FOUND, "%s: no DFU device %s; there %s %s%s",
                         choice->text, foreign ? "that Molt knows" : "fits",
                         count == 1 ? "is" : "are", list.text,
                         foreign ? ": name it so, if it is meant" : "");
    }
    return molt_fail(message, MOLT_E_NOT_FOUND,
                     "%s: no DFU device on the bus; start the board's boot loader: connect BOOT0 "
                     "with 3.3 V and reset, or run machine.bootloader() in MicroPython; --wait "
                     "SECONDS waits for it",
                     choice->text);
}

/* Those that fit; the last one in *device. */
static void collect(const struct molt_dfu_choice *choice, const struct molt_dfu_device *devices,
                    uint32_t count, bool with_alternate, const struct molt_dfu_device **device,
                    struct list *list)
{
    bool named = molt_dfu_choice_explicit(choice);
    for (uint32_t i = 0; i < count; i++) {
        if (molt_dfu_choice_fits(choice, &devices[i]) && (named || devices[i].known) &&
            (!with_alternate || has_alternate(choice, &devices[i]))) {
            *device = &devices[i];
            list_device(list, *device);
        }
    }
}

int molt_dfu_choose(const struct molt_dfu_choice *choice, const struct molt_dfu_device *devices,
                    uint32_t count, const struct molt_dfu_device **device,
                    const struct molt_dfu_alternate **alternate, struct molt_message *message)
{
    struct list list = {.at = 0};
    *device = NULL;
    *alternate = NULL;
    collect(choice, devices, count, true, device, &list);
    if (list.count == 0) {
        collect(choice, devices, count, false, device, &list);
    }
    if (list.count > 1) {
        *device = NULL;
        return molt_fail(message, MOLT_E_USB_AMBIGUOUS, "%s: %u DFU devices fit; say which: %s",
                         choice->text, list.count, list.text);
    }
    const struct molt_dfu_device *closed =
        *device ? ((*device)->error ? *device : NULL) : closed_one(choice, devices, count);
    if (closed) {
        *device = NULL;
        return fail_closed(choice, closed, message);
    }
    return *device ? pick_alternate(choice, *device, alternate, message)
                   : fail_none(choice, devices, count, message);
}
