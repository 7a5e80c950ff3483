/*
 * What an application does to otadata through ESP-IDF's esp_ota_ops (5.0.4), its faults included.
 * Independent of src/core. Works on the flash's bytes.
 */
#ifndef TEST_APPMODEL_H
#define TEST_APPMODEL_H

#include <stdbool.h>
#include <stdint.h>

#define APP_ROWS 96

struct app_row {
    uint8_t type, subtype;
    uint32_t offset, size;
    char label[17];
};

struct app_model {
    uint8_t *flash;
    struct app_row row[APP_ROWS];
    int rows;
    bool rollback;
};

/* Each gives a label, "OK" or the exception, as MicroPython prints it. */
const char *app_boot_partition(const struct app_model *app);
const char *app_next_update(const struct app_model *app, const char *running);
const char *app_set_boot(const struct app_model *app, const char *label, bool image_is_valid);
const char *app_confirm(const struct app_model *app);

uint32_t app_crc(uint32_t seq);

#endif
