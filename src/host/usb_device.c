#define _POSIX_C_SOURCE 200809L /* clock_gettime, nanosleep */
#include "host/usb_device.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/usb_internal.h"

#define NOTICE_MS       500u
#define NOTICE_EVERY_MS 20u

uint32_t molt_usb_now_ms(void *context)
{
    struct timespec now;
    (void)context;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000);
}

void molt_usb_sleep_ms(void *context, uint32_t ms)
{
    struct timespec time = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
    (void)context;
    while (nanosleep(&time, &time) != 0) {
        /* a signal: what is left */
    }
}

/* A kernel knows that a device was unplugged only when its hub says so: until then transfers just
 * fail. Hubs are asked every 256 ms: USB 2.0, 11.12.1. Asks the system, not the device. */
static bool is_gone(struct molt_usbdevice *opened)
{
    uint32_t began = molt_usb_now_ms(NULL);
    do {
        int configuration;
        if (opened->api.get_configuration(opened->handle, &configuration) ==
            LIBUSB_ERROR_NO_DEVICE) {
            return true;
        }
        molt_usb_sleep_ms(NULL, NOTICE_EVERY_MS);
    } while (molt_usb_now_ms(NULL) - began < NOTICE_MS);
    return false;
}

static int error_of(struct molt_usbdevice *opened, int code)
{
    bool vague = code == LIBUSB_ERROR_IO || code == LIBUSB_ERROR_OTHER;
    return vague && !opened->listed && is_gone(opened) ? MOLT_E_USB_GONE : usb_api_error(code);
}

static int control(void *context, uint8_t type, uint8_t request, uint16_t value, uint16_t index,
                   uint8_t *data, uint16_t length, uint32_t timeout_ms)
{
    struct molt_usbdevice *opened = context;
    int n = opened->api.control_transfer(opened->handle, type, request, value, index, data, length,
                                         timeout_ms ? timeout_ms : 1);
    return n >= 0 ? n : error_of(opened, n);
}

static int set_alternate(void *context, uint8_t interface, uint8_t alternate)
{
    struct molt_usbdevice *opened = context;
    if (opened->claimed != interface) {
        int code = opened->api.claim_interface(opened->handle, interface);
        if (code != 0) {
            return usb_api_error(code);
        }
        if (opened->claimed >= 0) {
            opened->api.release_interface(opened->handle, opened->claimed);
        }
        opened->claimed = interface;
    }
    int code = opened->api.set_interface_alt_setting(opened->handle, interface, alternate);
    /* A device with one setting only may refuse to be asked: USB 2.0, 9.4.10. */
    return code == LIBUSB_ERROR_PIPE && alternate == 0 ? MOLT_OK : error_of(opened, code);
}

static int reset(void *context)
{
    struct molt_usbdevice *opened = context;
    int code = opened->api.reset_device(opened->handle);
    return code == LIBUSB_ERROR_NOT_FOUND ? MOLT_E_USB_GONE : usb_api_error(code);
}

static const struct molt_usb_ops usb_ops = {.control = control,
                                            .set_alternate = set_alternate,
                                            .reset = reset,
                                            .now_ms = molt_usb_now_ms,
                                            .sleep_ms = molt_usb_sleep_ms};

int usb_device_begin(struct molt_usbdevice *opened, const struct usb_api *api, libusb_device *usb,
                     struct molt_usb *transport)
{
    opened->api = *api;
    opened->context = NULL;
    opened->listed = true;
    opened->claimed = -1;
    transport->ops = &usb_ops;
    transport->context = opened;
    return api->open(usb, &opened->handle);
}

void usb_device_end(struct molt_usbdevice *opened)
{
    if (opened->claimed >= 0) {
        opened->api.release_interface(opened->handle, opened->claimed);
    }
    opened->api.close(opened->handle);
}

/* The one that is at that place now, or NULL. */
static libusb_device *find(const struct usb_api *api, libusb_device **list, ssize_t n,
                           const struct molt_dfu_device *device)
{
    struct libusb_device_descriptor d;
    for (ssize_t i = 0; i < n; i++) {
        if (api->get_bus_number(list[i]) == device->bus &&
            api->get_device_address(list[i]) == device->address &&
            api->get_device_descriptor(list[i], &d) == 0 && d.idVendor == device->vendor &&
            d.idProduct == device->product) {
            return list[i];
        }
    }
    return NULL;
}

static int open_at(struct molt_usbdevice *opened, const struct usb_api *api,
                   libusb_context *context, const struct molt_dfu_device *device,
                   struct molt_usb *transport)
{
    libusb_device **list;
    ssize_t n = api->get_device_list(context, &list);
    if (n < 0) {
        return (int)n;
    }
    libusb_device *usb = find(api, list, n, device);
    int code = usb ? usb_device_begin(opened, api, usb, transport) : LIBUSB_ERROR_NO_DEVICE;
    api->free_device_list(list, 1);
    return code;
}

/* Another configuration only when it has to be: setting it resets what the device does. */
static int set_configuration(struct molt_usbdevice *opened, uint8_t configuration)
{
    int active = 0;
    int code = opened->api.get_configuration(opened->handle, &active);
    if (code != 0 || active == configuration) {
        return code;
    }
    return opened->api.set_configuration(opened->handle, configuration);
}

int usb_device_open(struct molt_usbdevice **opened, const struct usb_api *api,
                    libusb_context *context, const struct molt_dfu_device *device,
                    uint8_t configuration, struct molt_usb *usb, struct molt_message *message)
{
    struct molt_usbdevice *made = malloc(sizeof *made);
    *opened = NULL;
    int code = made ? open_at(made, api, context, device, usb) : LIBUSB_ERROR_NO_MEM;
    if (code == 0) {
        code = set_configuration(made, configuration);
        if (code == 0) {
            made->context = context;
            made->listed = false;
            *opened = made;
            return MOLT_OK;
        }
        usb_device_end(made);
    }
    int error = usb_api_error(code);
    molt_fail(message, error, "%s: cannot be opened: %s", device->target, molt_strerror(error));
    free(made);
    api->exit(context);
    return error;
}

int molt_usbdevice_open(struct molt_usbdevice **opened, const struct molt_dfu_device *device,
                        uint8_t configuration, struct molt_usb *usb, struct molt_message *message)
{
    struct usb_api api;
    libusb_context *context;
    int error = usb_api_begin(&api, &context, message);
    *opened = NULL;
    return error ? error
                 : usb_device_open(opened, &api, context, device, configuration, usb, message);
}

void molt_usbdevice_close(struct molt_usbdevice *opened)
{
    if (opened) {
        usb_device_end(opened);
        opened->api.exit(opened->context);
        free(opened);
    }
}
