#include "dfu_firmware.h"

#include <stdlib.h>
#include <string.h>

#include "testing.h"

void dfu_firmware_new(struct dfu_firmware *firmware)
{
    memset(firmware, 0, sizeof *firmware);
    firmware->vendor = 0x0483;
    firmware->product = 0xDF11;
}

void dfu_firmware_add(struct dfu_firmware *firmware, uint32_t address, uint32_t size, uint32_t seed)
{
    uint32_t x = seed * 2654435761u + address + 1;
    uint8_t *bytes = malloc(size);
    assert_non_null(bytes);
    assert_true(firmware->count < DFU_FIRMWARE_PARTS);
    for (uint32_t i = 0; i < size; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        bytes[i] = (uint8_t)(x >> 8);
    }
    firmware->bytes[firmware->count] = bytes;
    firmware->address[firmware->count] = address;
    firmware->size[firmware->count++] = size;
}

static void put_le32(uint8_t *p, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        p[i] = (uint8_t)(value >> 8 * i);
    }
}

void dfu_firmware_vectors(struct dfu_firmware *firmware, uint32_t element)
{
    uint32_t last = firmware->count - 1;
    put_le32(firmware->bytes[element], 0x2001FFF0);
    put_le32(firmware->bytes[element] + 4,
             (firmware->address[last] + firmware->size[last] / 2) | 1);
}

void dfu_firmware_load(struct dfu_firmware *firmware)
{
    struct molt_dfu_element element[DFU_FIRMWARE_PARTS];
    struct molt_dfu_form form = {.kind = MOLT_DFU_IMAGE_DFUSE,
                                 .vendor = firmware->vendor,
                                 .product = firmware->product,
                                 .device = 0xFFFF};
    struct molt_dfu_image_request request = {.path = "firmware.dfu"};
    struct molt_message message = {0};
    uint8_t *bytes;
    uint32_t n;
    for (uint32_t i = 0; i < firmware->count; i++) {
        element[i] = (struct molt_dfu_element){.address = firmware->address[i],
                                               .size = firmware->size[i],
                                               .bytes = firmware->bytes[i],
                                               .alternate = firmware->alternate[i],
                                               .has_alternate = true,
                                               .target_name = ""};
    }
    assert_int_equal(molt_dfu_render(element, firmware->count, &form, &bytes, &n, &message),
                     MOLT_OK);
    if (molt_dfu_image_from_memory(&firmware->image, bytes, n, &request, &message) != MOLT_OK) {
        fail_msg("%s", message.text);
    }
    free(bytes);
}

void dfu_firmware_free(struct dfu_firmware *firmware)
{
    molt_dfu_image_free(&firmware->image);
    for (uint32_t i = 0; i < firmware->count; i++) {
        free(firmware->bytes[i]);
    }
}

void dfu_firmware_pyboard(struct dfu_firmware *firmware, uint32_t size, uint32_t seed)
{
    dfu_firmware_new(firmware);
    dfu_firmware_add(firmware, 0x08000000, 14u << 10, seed);
    dfu_firmware_add(firmware, 0x08020000, size, seed);
    dfu_firmware_vectors(firmware, 0);
    dfu_firmware_load(firmware);
}

static const uint8_t *at(struct simdevice *device, uint32_t address)
{
    uint32_t n;
    const uint8_t *bytes = molt_sim_dfu_memory(&device->sim, address, &n);
    assert_non_null(bytes);
    return bytes;
}

bool dfu_firmware_is_on(const struct dfu_firmware *firmware, struct simdevice *device)
{
    for (uint32_t i = 0; i < firmware->count; i++) {
        if (memcmp(at(device, firmware->address[i]), firmware->bytes[i], firmware->size[i]) != 0) {
            return false;
        }
    }
    return true;
}

bool dfu_firmware_is_all(const struct dfu_firmware *firmware, struct simdevice *device)
{
    uint8_t *expected = malloc(device->size);
    assert_non_null(expected);
    memcpy(expected, device->before, device->size);
    for (uint32_t i = 0; i < firmware->count; i++) {
        memcpy(expected + (at(device, firmware->address[i]) - device->flash), firmware->bytes[i],
               firmware->size[i]);
    }
    bool same = memcmp(expected, device->flash, device->size) == 0;
    free(expected);
    return same;
}
