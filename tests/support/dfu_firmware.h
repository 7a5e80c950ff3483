/* Firmware as MicroPython makes it, for simulated DFU devices: elements with a vector table. */
#ifndef DFU_FIRMWARE_H
#define DFU_FIRMWARE_H

#include "molt/ops/dfu_image.h"
#include "simdevice.h"

#define DFU_FIRMWARE_PARTS 4

struct dfu_firmware {
    struct molt_dfu_image image;
    uint8_t *bytes[DFU_FIRMWARE_PARTS]; /* of the elements, in the order added */
    uint32_t address[DFU_FIRMWARE_PARTS], size[DFU_FIRMWARE_PARTS];
    uint32_t count;
    uint8_t alternate[DFU_FIRMWARE_PARTS];
    uint16_t vendor, product;
};

void dfu_firmware_new(struct dfu_firmware *firmware);
/* Bytes that depend on place and seed. */
void dfu_firmware_add(struct dfu_firmware *firmware, uint32_t address, uint32_t size,
                      uint32_t seed);
/* A vector table at the start of the element: stack in RAM, reset in the last element added. */
void dfu_firmware_vectors(struct dfu_firmware *firmware, uint32_t element);
/* Into firmware->image, by way of a DfuSe file. */
void dfu_firmware_load(struct dfu_firmware *firmware);
void dfu_firmware_free(struct dfu_firmware *firmware);

/* The pyboard's: 14 KB at 0x08000000 with the vector table, size bytes at 0x08020000. Loaded. */
void dfu_firmware_pyboard(struct dfu_firmware *firmware, uint32_t size, uint32_t seed);

/* The device holds all of it. */
bool dfu_firmware_is_on(const struct dfu_firmware *firmware, struct simdevice *device);
/* That, and every other byte of it is as before. */
bool dfu_firmware_is_all(const struct dfu_firmware *firmware, struct simdevice *device);

#endif
