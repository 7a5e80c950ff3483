/* What a device says of itself: USB 2.0, chapter 9; USB DFU 1.1, chapter 4. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "host/usb_internal.h"

#define GET_DESCRIPTOR     6
#define DEVICE_TO_HOST     0x80
#define KIND_DEVICE        1
#define KIND_CONFIGURATION 2
#define KIND_STRING        3
#define ENGLISH            0x0409

#define STRING_TIMEOUT_MS     1000u
#define DESCRIPTOR_TIMEOUT_MS 2000u

#define MAX_ALTERNATES 255u /* of one configuration: molt_dfu_interfaces counts no more */

#define VENDOR_ST         0x0483
#define VENDOR_GIGADEVICE 0x28E9

int usb_describe(struct molt_dfu_device *device, const uint8_t *bytes, uint32_t n,
                 struct usb_strings *strings, struct molt_message *message)
{
    if (n < USB_DEVICE_DESCRIPTOR_SIZE || bytes[0] < USB_DEVICE_DESCRIPTOR_SIZE ||
        bytes[1] != KIND_DEVICE) {
        return molt_fail(message, MOLT_E_FORMAT,
                         "USB device: %u bytes that are no device descriptor, expected %u", n,
                         USB_DEVICE_DESCRIPTOR_SIZE);
    }
    device->vendor = molt_get_le16(bytes + 8);
    device->product = molt_get_le16(bytes + 10);
    device->device = molt_get_le16(bytes + 12);
    strings->manufacturer = bytes[14];
    strings->product = bytes[15];
    strings->serial = bytes[16];
    return MOLT_OK;
}

int usb_describe_configuration(struct molt_dfu_device *device, const uint8_t *bytes, uint32_t n,
                               struct molt_message *message)
{
    struct molt_dfu_interface found[MAX_ALTERNATES];
    struct molt_diag diag = {0};
    char name[32];
    int count = molt_dfu_interfaces(found, MAX_ALTERNATES, bytes, n, &diag);
    if (count < 0) {
        snprintf(name, sizeof name, "USB device %04x:%04x", device->vendor, device->product);
        return molt_fail_diag(message, name, &diag);
    }
    uint32_t more = (uint32_t)count < MAX_ALTERNATES ? (uint32_t)count : MAX_ALTERNATES;
    if (more == 0) {
        return MOLT_OK;
    }
    struct molt_dfu_alternate *alternate =
        realloc(device->alternate, (device->alternate_count + more) * sizeof *alternate);
    if (!alternate) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    device->alternate = alternate;
    for (uint32_t i = 0; i < more; i++) {
        struct molt_dfu_alternate *one = &alternate[device->alternate_count++];
        memset(one, 0, sizeof *one);
        one->facts = found[i];
        one->dfuse = found[i].version == MOLT_DFU_VERSION_DFUSE;
    }
    return MOLT_OK;
}

/* A descriptor, asked for again once: devices in the field refuse one now and then. n < least is
 * not enough; a device that does not answer is not asked again. */
static int get_descriptor(const struct molt_usb *usb, uint16_t value, uint16_t index,
                          uint8_t *bytes, uint16_t capacity, int least, uint32_t timeout_ms)
{
    int n = 0;
    for (int i = 0; i < 2; i++) {
        n = usb->ops->control(usb->context, DEVICE_TO_HOST, GET_DESCRIPTOR, value, index, bytes,
                              capacity, timeout_ms);
        /* A string is whole when all came that its first byte says. */
        bool whole = n >= least && (value >> 8 != KIND_STRING || n >= bytes[0]);
        if (whole || n == MOLT_E_USB_GONE || n == MOLT_E_TIMEOUT) {
            break;
        }
    }
    return n;
}

/* Reads string `index`; false = give up on all others too: it answers no more. */
static bool get_string(const struct molt_usb *usb, uint8_t index, uint16_t language, bool eight_bit,
                       char *text, uint32_t capacity)
{
    uint8_t bytes[255];
    text[0] = 0;
    if (index == 0) {
        return true;
    }
    int n = get_descriptor(usb, (uint16_t)(KIND_STRING << 8 | index), language, bytes, sizeof bytes,
                           2, STRING_TIMEOUT_MS);
    if (n > 3 && eight_bit && bytes[3] != 0) {
        usb_string_8bit(text, capacity, bytes, (uint32_t)n);
    } else if (n > 0) {
        molt_usb_string(text, capacity, bytes, (uint32_t)n);
    }
    return n != MOLT_E_USB_GONE && n != MOLT_E_TIMEOUT;
}

/* The first language that the device has; English when it does not say. */
static uint16_t language_of(const struct molt_usb *usb)
{
    uint8_t bytes[255];
    int n = get_descriptor(usb, KIND_STRING << 8, 0, bytes, sizeof bytes, 4, STRING_TIMEOUT_MS);
    return n >= 4 && bytes[0] >= 4 && bytes[1] == KIND_STRING ? molt_get_le16(bytes + 2) : ENGLISH;
}

void usb_describe_strings(struct molt_dfu_device *device, const struct usb_strings *strings,
                          const struct molt_usb *usb)
{
    uint16_t language = language_of(usb);
    /* dfu-util, QUIRK_UTF8_SERIAL: some of GigaDevice's loaders put one byte a character there. */
    bool eight_bit = device->vendor == VENDOR_GIGADEVICE;
    bool alive = get_string(usb, strings->manufacturer, language, false, device->manufacturer,
                            sizeof device->manufacturer) &&
                 get_string(usb, strings->product, language, false, device->product_name,
                            sizeof device->product_name) &&
                 get_string(usb, strings->serial, language, eight_bit, device->serial,
                            sizeof device->serial);
    for (uint32_t i = 0; alive && i < device->alternate_count; i++) {
        struct molt_dfu_alternate *alternate = &device->alternate[i];
        alive = get_string(usb, alternate->facts.name_index, language, false, alternate->name,
                           sizeof alternate->name);
        alternate->has_map = alternate->name[0] == '@' &&
                             molt_dfu_map_parse(&alternate->map, alternate->name, NULL) == MOLT_OK;
        /* Without a functional descriptor nobody says DfuSe; but only that has such a map. */
        alternate->dfuse =
            alternate->dfuse || (alternate->has_map && !alternate->facts.has_functional);
    }
}

/*
 * What loads firmware into boards that run MicroPython. Ids of boards: MicroPython's
 * ports/stm32/boards; mboot's strings: ports/stm32/mboot/main.c; compatible chips: the list of
 * Betaflight's configurator.
 */
struct known {
    uint16_t vendor, product;
    const char *manufacturer; /* NULL = any */
    const char *name;
};

static const struct known known_devices[] = {
    {VENDOR_ST, 0xDF11, "MicroPython", "MicroPython mboot"},
    {VENDOR_ST, 0xDF11, NULL, "STM32 ROM loader"},
    {VENDOR_GIGADEVICE, 0x0189, NULL, "GD32 ROM loader"},
    {0x2E3C, 0xDF11, NULL, "AT32 ROM loader"},
    {0x314B, 0x0106, NULL, "APM32 ROM loader"},
    {0x2341, 0x035B, NULL, "Arduino Portenta H7 boot loader"},
    {0x2341, 0x035F, NULL, "Arduino Nicla Vision boot loader"},
    {0x2341, 0x0364, NULL, "Arduino Opta boot loader"},
    {0x2341, 0x0366, NULL, "Arduino Giga boot loader"},
    {0x0694, 0x0008, NULL, "LEGO Hub No.6 boot loader"},
    {0x0694, 0x000C, NULL, "LEGO Hub No.7 boot loader"},
};

void usb_describe_known(struct molt_dfu_device *device)
{
    device->known = NULL;
    for (size_t i = 0; i < sizeof known_devices / sizeof known_devices[0]; i++) {
        const struct known *row = &known_devices[i];
        if (row->vendor == device->vendor && row->product == device->product &&
            (!row->manufacturer || strcmp(row->manufacturer, device->manufacturer) == 0)) {
            device->known = row->name;
            return;
        }
    }
}

static int get_configuration(struct molt_dfu_device *device, const struct molt_usb *usb,
                             uint8_t index, struct molt_message *message)
{
    uint8_t head[9];
    uint16_t value = (uint16_t)(KIND_CONFIGURATION << 8 | index);
    int n = get_descriptor(usb, value, 0, head, sizeof head, sizeof head, DESCRIPTOR_TIMEOUT_MS);
    if (n < 0 || n < (int)sizeof head) {
        return molt_fail(message, n < 0 ? n : MOLT_E_FORMAT,
                         "USB device %04x:%04x: configuration %u: %s", device->vendor,
                         device->product, index, n < 0 ? molt_strerror(n) : "cut short");
    }
    uint16_t length = molt_get_le16(head + 2);
    length = length < MOLT_USB_CONTROL_MAX ? length : MOLT_USB_CONTROL_MAX;
    uint8_t *bytes = malloc(length ? length : 1);
    if (!bytes) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    n = get_descriptor(usb, value, 0, bytes, length, length, DESCRIPTOR_TIMEOUT_MS);
    int error = n < 0 ? molt_fail(message, n, "USB device %04x:%04x: configuration %u: %s",
                                  device->vendor, device->product, index, molt_strerror(n))
                      : usb_describe_configuration(device, bytes, (uint32_t)n, message);
    free(bytes);
    return error;
}

int molt_dfu_device_read(struct molt_dfu_device *device, const struct molt_usb *usb,
                         struct molt_message *message)
{
    uint8_t bytes[USB_DEVICE_DESCRIPTOR_SIZE];
    struct usb_strings strings;
    memset(device, 0, sizeof *device);
    int n = get_descriptor(usb, KIND_DEVICE << 8, 0, bytes, sizeof bytes, sizeof bytes,
                           DESCRIPTOR_TIMEOUT_MS);
    int error = n < 0 ? molt_fail(message, n, "USB device: %s", molt_strerror(n))
                      : usb_describe(device, bytes, (uint32_t)n, &strings, message);
    for (uint8_t i = 0; !error && i < bytes[17]; i++) {
        error = get_configuration(device, usb, i, message);
    }
    if (!error && device->alternate_count == 0) {
        error = molt_fail(message, MOLT_E_NOT_FOUND, "USB device %04x:%04x: has no DFU interface",
                          device->vendor, device->product);
    }
    if (error) {
        molt_dfu_device_free(device);
        return error;
    }
    usb_describe_strings(device, &strings, usb);
    usb_describe_known(device);
    return MOLT_OK;
}

void molt_dfu_device_free(struct molt_dfu_device *device)
{
    free(device->alternate);
    device->alternate = NULL;
    device->alternate_count = 0;
}

static bool same_id(const struct molt_dfu_device *a, const struct molt_dfu_device *b)
{
    return a->vendor == b->vendor && a->product == b->product;
}

void usb_describe_targets(struct molt_dfu_device *devices, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct molt_dfu_device *one = &devices[i];
        /* A serial number that the target's text cannot carry, or that another one has, is none. */
        bool serial = one->serial[0] && !strchr(one->serial, ',');
        bool path = one->path[0] != 0;
        for (uint32_t k = 0; k < count; k++) {
            const struct molt_dfu_device *other = &devices[k];
            serial = serial &&
                     (k == i || !same_id(one, other) || strcmp(one->serial, other->serial) != 0);
            path = path && (k == i || strcmp(one->path, other->path) != 0);
        }
        int n =
            snprintf(one->target, sizeof one->target, "usb:%04x:%04x", one->vendor, one->product);
        char *end = one->target + n;
        size_t room = sizeof one->target - (size_t)n;
        if (serial) {
            snprintf(end, room, ",serial=%s", one->serial);
        } else if (path) {
            snprintf(end, room, ",path=%s", one->path);
        } else {
            snprintf(end, room, ",devnum=%u", one->address);
        }
    }
}
