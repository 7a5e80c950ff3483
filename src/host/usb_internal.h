/* Between the sources of DFU devices on the bus. */
#ifndef HOST_USB_INTERNAL_H
#define HOST_USB_INTERNAL_H

#include "molt/host/dfudevice.h"

#define USB_DEVICE_DESCRIPTOR_SIZE 18u

/* Indices of the strings of a device descriptor. */
struct usb_strings {
    uint8_t manufacturer, product, serial;
};

/* vendor, product, device. MOLT_E_FORMAT: that is no device descriptor. */
int usb_describe(struct molt_dfu_device *device, const uint8_t *bytes, uint32_t n,
                 struct usb_strings *strings, struct molt_message *message);

/* Adds the DFU interfaces of one configuration. MOLT_E_FORMAT, MOLT_E_NO_MEMORY. */
int usb_describe_configuration(struct molt_dfu_device *device, const uint8_t *bytes, uint32_t n,
                               struct molt_message *message);

/* Reads the strings: those that cannot be read stay empty. */
void usb_describe_strings(struct molt_dfu_device *device, const struct usb_strings *strings,
                          const struct molt_usb *usb);

/* Sets known, from ids and strings. */
void usb_describe_known(struct molt_dfu_device *device);

/* Sets the targets of all, so that each names one of them only. */
void usb_describe_targets(struct molt_dfu_device *devices, uint32_t count);

/* A board that runs MicroPython and is not in DFU mode: "f055:9800 at 1-2". false = none, or not
 * known. */
bool usb_running(char text[64]);

/* A string descriptor with a byte a character, as GD32 loaders have their serial number. */
void usb_string_8bit(char *text, uint32_t capacity, const uint8_t *bytes, uint32_t n);

#endif
