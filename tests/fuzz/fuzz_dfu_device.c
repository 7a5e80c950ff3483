/*
 * A device that answers anything: each transfer takes a length byte and as many bytes of the input
 * (above 250: an error). Then the rest as the text that chooses. All strings stay UTF-8 without
 * control characters; what is chosen is one of the device's alternates.
 */
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"
#include "host/usb_internal.h"
#include "molt/host/dfudevice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *data;
    size_t n;
};

static int control(void *context, uint8_t type, uint8_t request, uint16_t value, uint16_t index,
                   uint8_t *data, uint16_t length, uint32_t timeout_ms)
{
    static const int errors[] = {MOLT_E_USB_STALL, MOLT_E_TIMEOUT, MOLT_E_USB_GONE, MOLT_E_IO, -1};
    struct input *input = context;
    (void)value;
    (void)index;
    if (type != 0x80 || request != 6 || timeout_ms == 0) {
        abort(); /* nothing but GET_DESCRIPTOR */
    }
    if (input->n == 0) {
        return MOLT_E_USB_STALL;
    }
    size_t n = *input->data++;
    input->n--;
    if (n > 250) {
        return errors[n - 251];
    }
    n = n < length ? n : length;
    n = n < input->n ? n : input->n;
    memcpy(data, input->data, n);
    input->data += n;
    input->n -= n;
    return (int)n;
}

static const struct molt_usb_ops ops = {.control = control};

static void check_text(const char *text, size_t capacity)
{
    const char *end = memchr(text, 0, capacity);
    if (!end) {
        abort();
    }
    while (text < end) {
        uint32_t n = molt_utf8_length((const uint8_t *)text, (size_t)(end - text));
        if (n == 0 || (uint8_t)*text < ' ' || *text == 0x7F) {
            abort();
        }
        text += n;
    }
}

static void choose(const char *text, struct molt_dfu_device *device)
{
    struct molt_dfu_choice choice;
    struct molt_message message = {0};
    const struct molt_dfu_device *found;
    const struct molt_dfu_alternate *alternate;
    if (molt_dfu_choice_parse(&choice, text, &message) != MOLT_OK) {
        if (message.error != MOLT_E_ARGUMENT || !message.text[0]) {
            abort();
        }
        return;
    }
    usb_describe_targets(device, 1);
    check_text(device->target, sizeof device->target);
    int error = molt_dfu_choose(&choice, device, 1, &found, &alternate, &message);
    if (error ? error != MOLT_E_NOT_FOUND || !message.text[0]
              : found != device || alternate < device->alternate ||
                    alternate >= device->alternate + device->alternate_count) {
        abort();
    }
    /* What the target's text says finds it again. */
    if (molt_dfu_choice_parse(&choice, device->target, NULL) != MOLT_OK ||
        !molt_dfu_choice_fits(&choice, device)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    const struct molt_usb usb = {&ops, &input};
    struct molt_dfu_device device;
    struct molt_message message = {0};
    if (molt_dfu_device_read(&device, &usb, &message) != MOLT_OK) {
        if (device.alternate || !message.text[0]) {
            abort();
        }
        return 0;
    }
    check_text(device.serial, sizeof device.serial);
    check_text(device.manufacturer, sizeof device.manufacturer);
    check_text(device.product_name, sizeof device.product_name);
    for (uint32_t i = 0; i < device.alternate_count; i++) {
        check_text(device.alternate[i].name, sizeof device.alternate[i].name);
    }
    char *text = malloc(input.n + 1);
    if (text) {
        if (input.n) {
            memcpy(text, input.data, input.n);
        }
        text[input.n] = 0;
        choose(text, &device);
        free(text);
    }
    molt_dfu_device_free(&device);
    return 0;
}
