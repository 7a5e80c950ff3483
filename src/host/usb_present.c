#include "molt/host/usbpresent.h"

#include <string.h>

#include "host/usb_device.h"

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
            usb_device_path(&api, list[i], here);
            found |= strcmp(here, path) == 0 && api.get_device_address(list[i]) != address;
        }
        api.free_device_list(list, 1);
    }
    api.exit(context);
    return found;
}
