/*
 * DFU devices on the bus: listing them, choosing one by what a person types, opening it.
 * libusb-1.0 is loaded when the bus is first asked for: without it, MOLT_E_UNSUPPORTED.
 */
#ifndef MOLT_HOST_DFUDEVICE_H
#define MOLT_HOST_DFUDEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "molt/dfu_descriptor.h"
#include "molt/dfu_map.h"
#include "molt/host/message.h"
#include "molt/progress.h"
#include "molt/usb.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One alternate setting of a DFU interface. */
struct molt_dfu_alternate {
    struct molt_dfu_interface facts;
    char name[256]; /* its string, UTF-8 without control characters; "" = none, or not readable */
    bool dfuse;     /* speaks ST's extension (bcdDFU 01.1A) */
    bool has_map;   /* the name is a layout string */
    struct molt_dfu_map map;
};

/* One device. Strings are UTF-8 without control characters, "" when it has none. */
struct molt_dfu_device {
    uint16_t vendor, product, device;
    uint8_t bus, address; /* 0 of what is not on a bus */
    char path[40];        /* "1-2.3": bus and ports, stays the same when it is plugged in again */
    char serial[128], manufacturer[128], product_name[128];
    char target[512];  /* what to type to choose just this one */
    const char *known; /* static: "STM32 ROM loader", "MicroPython mboot"...; NULL = foreign */
    /* MOLT_OK, or why the strings and maps are not known: MOLT_E_USB_ACCESS, MOLT_E_BUSY... */
    int error;
    struct molt_dfu_alternate *alternate; /* at least one; in the order of its descriptors */
    uint32_t alternate_count;
};

/*
 * Every device with a DFU interface, ordered by bus and path; nothing is changed on any of them.
 * *devices is freed with molt_dfu_list_free. No device is no error. MOLT_E_UNSUPPORTED: no libusb;
 * MOLT_E_NO_MEMORY, MOLT_E_IO.
 */
int molt_dfu_list(struct molt_dfu_device **devices, uint32_t *count, struct molt_message *message);
void molt_dfu_list_free(struct molt_dfu_device *devices, uint32_t count);

/*
 * Reads one device's descriptors and strings over any transport; bus, path and target are left
 * empty. Frees nothing of what *device held. MOLT_E_NOT_FOUND: it has no DFU interface;
 * MOLT_E_FORMAT, MOLT_E_TRUNCATED: descriptors that make no sense; what the transfers return;
 * MOLT_E_NO_MEMORY. A string that cannot be read is empty. Free with molt_dfu_device_free.
 */
int molt_dfu_device_read(struct molt_dfu_device *device, const struct molt_usb *usb,
                         struct molt_message *message);
void molt_dfu_device_free(struct molt_dfu_device *device);

#define MOLT_DFU_ANY  -1
#define MOLT_DFU_NONE -2 /* of an id: no device */

struct molt_dfu_id {
    int32_t vendor, product; /* MOLT_DFU_ANY, MOLT_DFU_NONE */
};

/*
 * What was asked for. Zero is not the default: molt_dfu_choice_parse of "usb:" is.
 *   usb:[VID:PID[,VID:PID]][,serial=S][,path=1-2.3][,alt=N|NAME][,interface=N][,config=N]
 *     [,devnum=N]
 *   sim:FOLDER[,alt=N|NAME]
 * VID and PID are hexadecimal, or * for any. A second pair is for devices in DFU mode, the first
 * then for those that run their application; "-" instead of a pair: none of that mode. A value ends
 * where ",KEY=" begins, so that names with commas need no quoting.
 */
struct molt_dfu_choice {
    char text[256];    /* as it was typed, for messages; cut where it is longer */
    char folder[4096]; /* of sim:FOLDER; "" = on the bus */
    struct molt_dfu_id run_time, dfu_mode;
    bool has_id, has_serial, has_path;
    char serial[128], path[40];
    bool has_alternate_name;
    char alternate_name[256];
    int32_t alternate, interface, configuration, devnum; /* MOLT_DFU_ANY = not said */
};

/* "" is "usb:". MOLT_E_ARGUMENT: the text, what is wrong in it and what is expected. */
int molt_dfu_choice_parse(struct molt_dfu_choice *choice, const char *text,
                          struct molt_message *message);

/* alt=N|NAME given apart from the target. MOLT_E_ARGUMENT. */
int molt_dfu_choice_alternate(struct molt_dfu_choice *choice, const char *text,
                              struct molt_message *message);

/* The choice names a device by more than its kind: id, serial, path or number. Only then may it be
 * a foreign one. */
bool molt_dfu_choice_explicit(const struct molt_dfu_choice *choice);

/*
 * Exactly one device and its alternate; pure. Of several alternates that fit, the first with flash
 * ("Internal Flash"), else the first with a map or whose name could not be read or decoded, else
 * the first; DFU mode before run-time.
 * MOLT_E_NOT_FOUND (none fits; which there are), MOLT_E_USB_AMBIGUOUS (the list and what to type),
 * MOLT_E_USB_ACCESS (what would fit may not be opened: the udev rule), or the device's own error.
 */
int molt_dfu_choose(const struct molt_dfu_choice *choice, const struct molt_dfu_device *devices,
                    uint32_t count, const struct molt_dfu_device **device,
                    const struct molt_dfu_alternate **alternate, struct molt_message *message);

/* The device fits the choice: how `molt dfu list` filters. Foreign ones do. */
bool molt_dfu_choice_fits(const struct molt_dfu_choice *choice,
                          const struct molt_dfu_device *device);

/*
 * Lists until one fits, for wait_ms at most (0 = looks once). *device and *alternate point into
 * *devices, which the caller frees (also after an error it is NULL or a list). Progress "wait" is
 * reported in ms about four times a second. MOLT_E_CANCELLED, or what list and choose say.
 */
int molt_dfu_find(const struct molt_dfu_choice *choice, uint32_t wait_ms,
                  const struct molt_progress *progress, struct molt_dfu_device **devices,
                  uint32_t *count, const struct molt_dfu_device **device,
                  const struct molt_dfu_alternate **alternate, struct molt_message *message);

/* A device of the bus, opened. */
struct molt_usbdevice;

/*
 * Opens the device that is at bus and address now, and sets the configuration when another is
 * active. Interfaces are claimed by set_alternate. usb is filled; its context is *opened.
 * MOLT_E_USB_GONE, MOLT_E_USB_ACCESS, MOLT_E_BUSY (a driver or program holds it),
 * MOLT_E_UNSUPPORTED, MOLT_E_IO, MOLT_E_NO_MEMORY.
 */
int molt_usbdevice_open(struct molt_usbdevice **opened, const struct molt_dfu_device *device,
                        uint8_t configuration, struct molt_usb *usb, struct molt_message *message);
void molt_usbdevice_close(struct molt_usbdevice *opened); /* NULL is fine */

/* The most that one control transfer carries on this system's USB stack, in bytes. */
#define MOLT_USB_CONTROL_MAX 4096u

/* Monotonic milliseconds of this machine, and sleep: the now_ms and sleep_ms of real devices. */
uint32_t molt_usb_now_ms(void *context);
void molt_usb_sleep_ms(void *context, uint32_t ms);

/*
 * A string descriptor (USB 2.0, 9.6.7) as UTF-8: n bytes as they came, with as much as is whole.
 * Control characters and broken surrogates become '?', a NUL ends it. capacity 1 or more.
 */
void molt_usb_string(char *text, uint32_t capacity, const uint8_t *bytes, uint32_t n);

#ifdef __cplusplus
}
#endif
#endif
