#include "molt/host/usbpresent.h"

#include <stdio.h>
#include <string.h>

#include "host/usb_api.h"

/* "1-2.3" of a device on the bus; "" for a root hub. */
static void path_of(const struct usb_api *api, libusb_device *usb, char path[40])
{
    uint8_t port[7];
    int n = api->get_port_numbers(usb, port, sizeof port);
    int at = snprintf(path, 40, n > 0 ? "%u" : "", api->get_bus_number(usb));
    for (int i = 0; i < n && at < 36; i++) {
        at += snprintf(path + at, 40 - (size_t)at, "%c%u", i ? '.' : '-', port[i]);
    }
}

int molt_usb_present(const char *path, uint8_t address, struct molt_message *message)
{
    struct usb_api api;
    libusb_context *context;
    libusb_device **list;
    int found = usb_api_begin(&api, &context, message);
    if (found) {
        return found;
    }
    ssize_t n = api.get_device_list(context, &list);
    if (n < 0) {
        found = molt_fail(message, usb_api_error((int)n), "USB: the bus cannot be listed: %s",
                          api.strerror((int)n));
    } else {
        for (ssize_t i = 0; i < n; i++) {
            char here[40];
            path_of(&api, list[i], here);
            found |= strcmp(here, path) == 0 && api.get_device_address(list[i]) != address;
        }
        api.free_device_list(list, 1);
    }
    api.exit(context);
    return found;
}
