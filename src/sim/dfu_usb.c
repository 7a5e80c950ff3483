/* Chapter 9 of USB 2.0, as far as a DFU device needs it: descriptors, configuration, interface. */
#include <string.h>

#include "sim/dfu_internal.h"

enum {
    GET_STATUS = 0,
    GET_DESCRIPTOR = 6,
    GET_CONFIGURATION = 8,
    SET_CONFIGURATION = 9,
    GET_INTERFACE = 10,
    SET_INTERFACE = 11
};

enum { DEVICE = 1, CONFIGURATION = 2, STRING = 3 };

#define FIRST_ALTERNATE 4u /* its string; 1 to 3 are manufacturer, product and serial number */

struct out {
    uint8_t *to;
    uint32_t n, capacity;
};

static void put(struct out *out, const uint8_t *bytes, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++, out->n++) {
        if (out->n < out->capacity) {
            out->to[out->n] = bytes[i];
        }
    }
}

static uint8_t low(uint16_t value)
{
    return (uint8_t)value;
}

static uint8_t high(uint16_t value)
{
    return (uint8_t)(value >> 8);
}

uint32_t molt_sim_dfu_device_descriptor(const struct molt_sim_dfu *sim, uint8_t *to,
                                        uint32_t capacity)
{
    const struct molt_sim_dfu_profile *p = sim->profile;
    const uint8_t bytes[18] = {18,
                               DEVICE,
                               0x00,
                               0x01,
                               0,
                               0,
                               0,
                               64,
                               low(p->vendor),
                               high(p->vendor),
                               low(p->product),
                               high(p->product),
                               low(p->device),
                               high(p->device),
                               1,
                               2,
                               3,
                               1};
    struct out out = {to, 0, capacity};
    put(&out, bytes, sizeof bytes);
    return out.n;
}

/* One functional descriptor, behind the last alternate setting, as ST's loaders have it. */
uint32_t molt_sim_dfu_configuration_descriptor(const struct molt_sim_dfu *sim, uint8_t *to,
                                               uint32_t capacity)
{
    const struct molt_sim_dfu_profile *p = sim->profile;
    uint16_t total = (uint16_t)(9 + 9 * p->alternate_count + 9);
    const uint8_t head[9] = {9, CONFIGURATION, low(total), high(total), 1, 1, 0, 0xC0, 50};
    struct out out = {to, 0, capacity};
    put(&out, head, sizeof head);
    for (uint8_t i = 0; i < p->alternate_count; i++) {
        uint8_t protocol = p->loader == MOLT_SIM_DFU_RUN ? 1 : 2;
        const uint8_t alternate[9] = {
            9, 4, 0, i, 0, 0xFE, 1, protocol, (uint8_t)(FIRST_ALTERNATE + i)};
        put(&out, alternate, sizeof alternate);
    }
    const uint8_t functional[9] = {9,
                                   0x21,
                                   p->attributes,
                                   low(p->detach_timeout_ms),
                                   high(p->detach_timeout_ms),
                                   low(p->transfer_size),
                                   high(p->transfer_size),
                                   low(p->version),
                                   high(p->version)};
    put(&out, functional, sizeof functional);
    return out.n;
}

static const char *string_of(const struct molt_sim_dfu *sim, uint8_t index)
{
    const struct molt_sim_dfu_profile *p = sim->profile;
    /* mboot's errors: ports/stm32/mboot/dfu.h */
    static const char *const errors[] = {"Can't overwrite mboot", "Address out of range",
                                         "Invalid signature in file",
                                         "Read support disabled on encrypted bootloader"};
    switch (index) {
    case 1: return p->manufacturer;
    case 2: return p->product_name;
    case 3: return sim->serial[0] ? sim->serial : p->serial;
    default: break;
    }
    if (index >= FIRST_ALTERNATE && index - FIRST_ALTERNATE < p->alternate_count) {
        return p->alternate[index - FIRST_ALTERNATE];
    }
    return p->loader == MOLT_SIM_DFU_MBOOT && index >= 0x10 && index <= 0x13 ? errors[index - 0x10]
                                                                             : NULL;
}

/* Of UTF-8, up to three bytes a character. */
static uint16_t next_unit(const char **text)
{
    const uint8_t *p = (const uint8_t *)*text;
    uint32_t more = p[0] < 0xC0 ? 0 : p[0] < 0xE0 ? 1 : 2;
    uint32_t unit = more == 0 ? p[0] : more == 1 ? p[0] & 0x1Fu : p[0] & 0x0Fu;
    for (uint32_t i = 1; i <= more && p[i]; i++) {
        unit = unit << 6 | (p[i] & 0x3Fu);
        *text += 1;
    }
    *text += 1;
    return (uint16_t)unit;
}

static uint32_t string_descriptor(const struct molt_sim_dfu *sim, uint8_t index, struct out *out)
{
    static const uint8_t languages[4] = {4, STRING, 0x09, 0x04};
    if (index == 0) {
        put(out, languages, sizeof languages);
        return out->n;
    }
    const char *text = string_of(sim, index);
    if (!text) {
        return 0;
    }
    uint8_t units[252];
    uint32_t n = 0;
    while (*text && n < sizeof units) {
        uint16_t unit = next_unit(&text);
        units[n++] = low(unit);
        units[n++] = high(unit);
    }
    const uint8_t head[2] = {(uint8_t)(2 + n), STRING};
    put(out, head, sizeof head);
    put(out, units, n);
    return out->n;
}

static int get_descriptor(const struct molt_sim_dfu *sim, uint16_t value, uint8_t *data,
                          uint16_t length)
{
    struct out out = {data, 0, length};
    uint32_t n = 0;
    switch (value >> 8) {
    case DEVICE: n = molt_sim_dfu_device_descriptor(sim, data, length); break;
    case CONFIGURATION:
        n = (value & 0xFF) == 0 ? molt_sim_dfu_configuration_descriptor(sim, data, length) : 0;
        break;
    case STRING: n = string_descriptor(sim, (uint8_t)value, &out); break;
    default: break;
    }
    if (n == 0) {
        return MOLT_E_USB_STALL;
    }
    return (int)(n < length ? n : length);
}

static int one_byte(uint8_t *data, uint16_t length, uint8_t value)
{
    if (length > 0) {
        data[0] = value;
    }
    return length > 0;
}

int dfu_standard_request(struct molt_sim_dfu *sim, uint8_t type, uint8_t request, uint16_t value,
                         uint16_t index, uint8_t *data, uint16_t length)
{
    if (type == 0x80 && request == GET_DESCRIPTOR) {
        return get_descriptor(sim, value, data, length);
    }
    if ((type & 0x7F) <= 0x02 && (type & 0x80) && request == GET_STATUS) {
        memset(data, 0, length < 2 ? length : 2);
        return length < 2 ? length : 2;
    }
    if (type == 0x80 && request == GET_CONFIGURATION) {
        return one_byte(data, length, sim->configuration);
    }
    if (type == 0x00 && request == SET_CONFIGURATION && value <= 1) {
        sim->configuration = (uint8_t)value;
        sim->alternate = 0;
        return 0;
    }
    if (type == 0x81 && request == GET_INTERFACE && index == 0) {
        return one_byte(data, length, sim->alternate);
    }
    if (type == 0x01 && request == SET_INTERFACE && index == 0 &&
        value < sim->profile->alternate_count) {
        sim->alternate = (uint8_t)value;
        return 0;
    }
    return MOLT_E_USB_STALL;
}
