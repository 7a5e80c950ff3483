/*
 * A device that answers whatever it likes: every operation ends, in bounded time, with a number
 * that is one of its errors; nothing is read or written outside of the buffers.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "molt/dfuse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct device {
    const uint8_t *data;
    size_t n, at;
    uint64_t time_ms;
};

static uint8_t next(struct device *d)
{
    return d->at < d->n ? d->data[d->at++] : 0;
}

/* The first byte of an answer chooses: an error, a short one, or a whole one. At the end: gone. */
static int control(void *context, uint8_t type, uint8_t request, uint16_t value, uint16_t index,
                   uint8_t *data, uint16_t length, uint32_t timeout_ms)
{
    struct device *d = context;
    static const int errors[] = {MOLT_E_USB_STALL, MOLT_E_TIMEOUT, MOLT_E_IO, MOLT_E_USB_GONE};
    uint8_t how = next(d);
    (void)request;
    (void)value;
    (void)index;
    d->time_ms++;
    if (d->at >= d->n) {
        return MOLT_E_USB_GONE;
    }
    if (how < 40) {
        int error = errors[how % 4];
        d->time_ms += error == MOLT_E_TIMEOUT ? timeout_ms : 0;
        return error;
    }
    uint16_t n = (uint16_t)(how < 60 ? length * (how - 40) / 20 : length);
    for (uint16_t i = 0; (type & 0x80) && i < n; i++) {
        data[i] = i < 6 ? next(d) : (uint8_t)i;
    }
    return n;
}

static int reset(void *context)
{
    return next(context) & 1 ? MOLT_OK : MOLT_E_USB_GONE;
}

static uint32_t now_ms(void *context)
{
    return (uint32_t)((struct device *)context)->time_ms;
}

static void sleep_ms(void *context, uint32_t ms)
{
    ((struct device *)context)->time_ms += ms;
}

static const struct molt_usb_ops ops = {control, NULL, reset, now_ms, sleep_ms};

static int stop(void *context, const char *what, uint64_t done, uint64_t total)
{
    struct device *d = context;
    (void)what;
    (void)done;
    (void)total;
    return d->n > 3 && d->data[3] == 0xC5 && d->at > d->n / 2;
}

static int operate(struct molt_dfu *dfu, uint8_t what, uint8_t *buffer, uint32_t n)
{
    struct molt_diag diag;
    uint32_t got;
    switch (what % 12) {
    case 0: return molt_dfu_idle(dfu, &diag);
    case 1: return molt_dfu_download(dfu, buffer, n, &diag);
    case 2: return molt_dfu_manifest(dfu, &diag);
    case 3: return molt_dfu_upload(dfu, buffer, n, &got, &diag);
    case 4: return molt_dfuse_set_address(dfu, 0x08000000, &diag);
    case 5: return molt_dfuse_erase_page(dfu, 0x08000000, 16384, &diag);
    case 6: return molt_dfuse_erase_all(dfu, 1 << 20, &diag);
    case 7: return molt_dfuse_unprotect(dfu, &diag);
    case 8: return molt_dfuse_write(dfu, 0xFFFFF000, buffer, n, &diag);
    case 9: return molt_dfuse_read(dfu, 0x08000010, buffer, n, &diag);
    case 10: return molt_dfuse_commands(dfu, buffer, n, &diag);
    default: return molt_dfuse_leave(dfu, 0x08000000, &diag);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct device device = {data, size, 6, 0};
    struct molt_progress progress = {stop, &device};
    struct molt_dfu dfu;
    if (size < 8 || size > 4096) {
        return 0;
    }
    memset(&dfu, 0, sizeof dfu);
    dfu.usb.ops = &ops;
    dfu.usb.context = &device;
    dfu.transfer_size = (uint16_t)(data[0] << 4);
    dfu.block_size = (uint16_t)(data[1] << 3);
    dfu.quirks = data[2];
    dfu.dfuse = data[4] & 1;
    dfu.attributes = data[4] >> 1;
    dfu.progress = data[4] & 2 ? &progress : NULL;
    uint32_t n = (uint32_t)data[5] * 16;
    uint8_t *buffer = malloc(n + 1); /* exactly so much: the sanitizer sees one more */
    for (uint32_t i = 0; buffer && i < 4 && device.at < size; i++) {
        uint64_t before = device.time_ms;
        int code = operate(&dfu, next(&device), buffer, n);
        if (code < 0 && !molt_strerror(code)) {
            abort();
        }
        if (device.time_ms - before >
            4u * 1000 * 3600) { /* poll times of two minutes in each step */
            abort();
        }
    }
    free(buffer);
    return 0;
}
