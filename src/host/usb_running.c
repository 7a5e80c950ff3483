/* Boards that run MicroPython: what to flash, but not in its boot loader yet. */
#include <stdio.h>

#include "host/usb_device.h"
#include "host/usb_internal.h"

/* MicroPython's ports/stm32: mpconfigboard_common.h, boards/. product 0 = any */
static const struct {
    uint16_t vendor, product;
} applications[] = {{0xF055, 0},      {0x2341, 0x055B}, {0x2341, 0x055F},
                    {0x2341, 0x0564}, {0x2341, 0x0566}, {0x37C5, 0x1206}};

static bool is_application(const struct libusb_device_descriptor *device)
{
    for (size_t i = 0; i < sizeof applications / sizeof applications[0]; i++) {
        if (applications[i].vendor == device->idVendor &&
            (applications[i].product == 0 || applications[i].product == device->idProduct)) {
            return true;
        }
    }
    return false;
}

static bool look(const struct usb_api *api, libusb_device **list, ssize_t n, char text[64])
{
    for (ssize_t i = 0; i < n; i++) {
        struct libusb_device_descriptor device;
        char path[40];
        if (api->get_device_descriptor(list[i], &device) == 0 && is_application(&device)) {
            usb_device_path(api, list[i], path);
            snprintf(text, 64, "%04x:%04x%s%s", device.idVendor, device.idProduct,
                     path[0] ? " at " : "", path);
            return true;
        }
    }
    return false;
}

bool usb_running(char text[64])
{
    struct usb_api api;
    libusb_context *context;
    libusb_device **list;
    if (usb_api_begin(&api, &context, NULL) != MOLT_OK) {
        return false;
    }
    ssize_t n = api.get_device_list(context, &list);
    bool found = n >= 0 && look(&api, list, n, text);
    if (n >= 0) {
        api.free_device_list(list, 1);
    }
    api.exit(context);
    return found;
}
