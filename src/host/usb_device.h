/* A device of libusb as the transport of control transfers. */
#ifndef HOST_USB_DEVICE_H
#define HOST_USB_DEVICE_H

#include "host/usb_api.h"
#include "molt/host/dfudevice.h"

struct molt_usbdevice {
    struct usb_api api;
    libusb_context *context; /* its own; NULL while the bus is being listed */
    libusb_device_handle *handle;
    int claimed; /* interface; -1 = none */
    bool listed; /* opened for its strings only: those that cannot be read are left out at once */
};

/* Opens; returns libusb's error. End closes. */
int usb_device_begin(struct molt_usbdevice *opened, const struct usb_api *api, libusb_device *usb,
                     struct molt_usb *transport);
void usb_device_end(struct molt_usbdevice *opened);

/* "1-2.3": bus and ports; "" where the system does not know them, and of root hubs. */
void usb_device_path(const struct usb_api *api, libusb_device *usb, char path[40]);

/* molt_usbdevice_open with a library and a context of it, which is ended on failure, or by
 * molt_usbdevice_close. */
int usb_device_open(struct molt_usbdevice **opened, const struct usb_api *api,
                    libusb_context *context, const struct molt_dfu_device *device,
                    uint8_t configuration, struct molt_usb *usb, struct molt_message *message);

/* molt_dfu_list with a library and a context of it. */
int usb_bus_list(const struct usb_api *api, libusb_context *context,
                 struct molt_dfu_device **devices, uint32_t *count, struct molt_message *message);

#endif
