/*
 * libusb-1.0 on first use: only DFU needs it, and no other command has to find it installed. The
 * functions that are used, by name; one more is one more row.
 */
#ifndef HOST_USB_API_H
#define HOST_USB_API_H

#include <libusb-1.0/libusb.h>

#include "molt/host/message.h"

#define USB_API(ROW)                                                                               \
    ROW(init)                                                                                      \
    ROW(exit)                                                                                      \
    ROW(strerror)                                                                                  \
    ROW(get_device_list)                                                                           \
    ROW(free_device_list)                                                                          \
    ROW(get_device_descriptor)                                                                     \
    ROW(get_config_descriptor)                                                                     \
    ROW(free_config_descriptor)                                                                    \
    ROW(get_bus_number)                                                                            \
    ROW(get_device_address)                                                                        \
    ROW(get_port_numbers)                                                                          \
    ROW(open)                                                                                      \
    ROW(close)                                                                                     \
    ROW(get_configuration)                                                                         \
    ROW(set_configuration)                                                                         \
    ROW(claim_interface)                                                                           \
    ROW(release_interface)                                                                         \
    ROW(set_interface_alt_setting)                                                                 \
    ROW(reset_device)                                                                              \
    ROW(control_transfer)

#define USB_API_MEMBER(name) __typeof__(&libusb_##name) name;
struct usb_api {
    USB_API(USB_API_MEMBER)
};

/* Loads it and begins a context. MOLT_E_UNSUPPORTED: not installed, too old, or no USB here. */
int usb_api_begin(struct usb_api *api, libusb_context **context, struct molt_message *message);

/* libusb's errors as ours. */
int usb_api_error(int error);

#endif
