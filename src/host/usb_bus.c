/* The DFU devices that are on the bus now. */
#define _POSIX_C_SOURCE 200809L /* access */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/usb_api.h"
#include "host/usb_device.h"
#include "host/usb_internal.h"

/* A configuration's bytes, as far as DFU needs them: libusb gives it parsed, also where the device
 * may not be opened. */
struct raw {
    uint8_t bytes[8192];
    uint32_t n;
};

static void raw_add(struct raw *raw, const uint8_t *bytes, int n)
{
    if (n > 0 && (uint32_t)n <= sizeof raw->bytes - raw->n) {
        memcpy(raw->bytes + raw->n, bytes, (size_t)n);
        raw->n += (uint32_t)n;
    }
}

static void raw_interface(struct raw *raw, const struct libusb_interface_descriptor *one)
{
    const uint8_t bytes[9] = {9,
                              LIBUSB_DT_INTERFACE,
                              one->bInterfaceNumber,
                              one->bAlternateSetting,
                              0, /* no endpoint follows here */
                              one->bInterfaceClass,
                              one->bInterfaceSubClass,
                              one->bInterfaceProtocol,
                              one->iInterface};
    raw_add(raw, bytes, sizeof bytes);
    raw_add(raw, one->extra, one->extra_length);
    for (int i = 0; i < one->bNumEndpoints; i++) {
        raw_add(raw, one->endpoint[i].extra, one->endpoint[i].extra_length);
    }
}

static void raw_configuration(struct raw *raw, const struct libusb_config_descriptor *config)
{
    const uint8_t head[9] = {
        9, LIBUSB_DT_CONFIG, 0, 0, config->bNumInterfaces, config->bConfigurationValue, 0, 0x80, 0};
    raw->n = 0;
    raw_add(raw, head, sizeof head);
    for (int i = 0; i < config->bNumInterfaces; i++) {
        for (int k = 0; k < config->interface[i].num_altsetting; k++) {
            raw_interface(raw, &config->interface[i].altsetting[k]);
        }
    }
    raw->bytes[2] = (uint8_t)raw->n;
    raw->bytes[3] = (uint8_t)(raw->n >> 8);
}

static int add_configurations(const struct usb_api *api, libusb_device *usb, uint8_t count,
                              struct molt_dfu_device *device, struct molt_message *message)
{
    struct raw *raw = malloc(sizeof *raw);
    if (!raw) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    int error = MOLT_OK;
    for (uint8_t i = 0; !error && i < count; i++) {
        struct libusb_config_descriptor *config;
        if (api->get_config_descriptor(usb, i, &config) == 0) {
            raw_configuration(raw, config);
            error = usb_describe_configuration(device, raw->bytes, raw->n, message);
            api->free_config_descriptor(config);
        }
    }
    free(raw);
    return error;
}

void usb_device_path(const struct usb_api *api, libusb_device *usb, char path[40])
{
    uint8_t port[7];
    int n = api->get_port_numbers(usb, port, sizeof port);
    int at = snprintf(path, 40, "%u", api->get_bus_number(usb));
    for (int i = 0; i < n; i++) {
        at += snprintf(path + at, 40 - (size_t)at, "%c%u", i ? '.' : '-', port[i]);
    }
    if (n <= 0) {
        path[0] = 0;
    }
}

static void read_strings(const struct usb_api *api, libusb_device *usb,
                         const struct usb_strings *strings, struct molt_dfu_device *device)
{
    struct molt_usb transport;
    struct molt_usbdevice opened;
    int code = usb_device_begin(&opened, api, usb, &transport);
    device->error = usb_api_error(code);
    if (code == 0) {
        usb_describe_strings(device, strings, &transport);
        usb_device_end(&opened);
    }
}

/* The system knows it, but its file is not there: as in a container that sees /sys, and was given
 * no /dev/bus/usb. libusb says then that there is no device. */
static bool is_withheld(const struct molt_dfu_device *device)
{
    char known[80], node[40];
    snprintf(known, sizeof known, "/sys/bus/usb/devices/%s/devnum", device->path);
    snprintf(node, sizeof node, "/dev/bus/usb/%03u/%03u", device->bus, device->address);
    return device->path[0] && access(known, F_OK) == 0 && access(node, F_OK) != 0;
}

/* Fills *device; alternate_count stays 0 when it has no DFU interface. */
static int describe(const struct usb_api *api, libusb_device *usb, struct molt_dfu_device *device,
                    struct molt_message *message)
{
    struct libusb_device_descriptor d;
    memset(device, 0, sizeof *device);
    if (api->get_device_descriptor(usb, &d) != 0) {
        return MOLT_OK;
    }
    device->vendor = d.idVendor;
    device->product = d.idProduct;
    device->device = d.bcdDevice;
    int error = add_configurations(api, usb, d.bNumConfigurations, device, message);
    if (error == MOLT_E_FORMAT) {
        molt_dfu_device_free(device); /* one broken device must not hide the others */
        error = MOLT_OK;
    }
    if (error || device->alternate_count == 0) {
        return error;
    }
    const struct usb_strings strings = {d.iManufacturer, d.iProduct, d.iSerialNumber};
    device->bus = api->get_bus_number(usb);
    device->address = api->get_device_address(usb);
    usb_device_path(api, usb, device->path);
    read_strings(api, usb, &strings, device);
    usb_describe_known(device);
    if (device->error == MOLT_E_USB_GONE && is_withheld(device)) {
        device->error = MOLT_E_USB_ACCESS;
    }
    if (device->error == MOLT_E_USB_GONE) {
        molt_dfu_device_free(device);
    }
    return MOLT_OK;
}

static int by_place(const void *a, const void *b)
{
    const struct molt_dfu_device *x = a, *y = b;
    if (x->bus != y->bus) {
        return x->bus < y->bus ? -1 : 1;
    }
    int order = strcmp(x->path, y->path);
    return order ? order : (int)x->address - (int)y->address;
}

static int describe_all(const struct usb_api *api, libusb_device **list, size_t n,
                        struct molt_dfu_device **devices, uint32_t *count,
                        struct molt_message *message)
{
    int error = MOLT_OK;
    *devices = calloc(n ? n : 1, sizeof **devices);
    if (!*devices) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    for (size_t i = 0; !error && i < n; i++) {
        error = describe(api, list[i], &(*devices)[*count], message);
        *count += (*devices)[*count].alternate_count > 0;
    }
    qsort(*devices, *count, sizeof **devices, by_place);
    usb_describe_targets(*devices, *count);
    return error;
}

int usb_bus_list(const struct usb_api *api, libusb_context *context,
                 struct molt_dfu_device **devices, uint32_t *count, struct molt_message *message)
{
    libusb_device **list;
    *devices = NULL;
    *count = 0;
    ssize_t n = api->get_device_list(context, &list);
    if (n < 0) {
        return molt_fail(message, usb_api_error((int)n), "USB: the bus cannot be listed: %s",
                         api->strerror((int)n));
    }
    int error = describe_all(api, list, (size_t)n, devices, count, message);
    api->free_device_list(list, 1);
    if (error) {
        molt_dfu_list_free(*devices, *count);
        *devices = NULL;
        *count = 0;
    }
    return error;
}

int molt_dfu_list(struct molt_dfu_device **devices, uint32_t *count, struct molt_message *message)
{
    struct usb_api api;
    libusb_context *context;
    *devices = NULL;
    *count = 0;
    int error = usb_api_begin(&api, &context, message);
    if (!error) {
        error = usb_bus_list(&api, context, devices, count, message);
        api.exit(context);
    }
    return error;
}

void molt_dfu_list_free(struct molt_dfu_device *devices, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        molt_dfu_device_free(&devices[i]);
    }
    free(devices);
}
