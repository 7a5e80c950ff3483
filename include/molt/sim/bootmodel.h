/*
 * What the ESP-IDF second-stage bootloader does at a reset: an independent model, which shares no
 * code with src/core (own readers for the table, the records and images), because it judges that
 * code. Checked case by case against what genuine bootloaders did: tests/vectors.
 */
#ifndef MOLT_SIM_BOOTMODEL_H
#define MOLT_SIM_BOOTMODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "molt/crypto.h"
#include "molt/flash.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Facts of a board that its flash does not tell. */
struct molt_bootmodel_facts {
    uint16_t chip_id;
    uint16_t revision;        /* major * 100 + minor */
    bool rollback;            /* bootloader built with CONFIG_BOOTLOADER_APP_ROLLBACK_ENABLE */
    bool legacy_revision;     /* 4.x: judges the old min_rev byte, not min_rev_full */
    uint32_t chip_flash_size; /* bytes of the chip itself */
    uint32_t table_offset;    /* 0 = 0x8000 */
};

enum molt_boot_result {
    MOLT_BOOT_RUNS = 0,  /* label tells which */
    MOLT_BOOT_NONE,      /* resets for ever */
    MOLT_BOOT_APP_ABORTS /* the bootloader starts an app whose own table reader then aborts */
};

struct molt_boot_outcome {
    enum molt_boot_result result;
    char label[17];
    uint8_t subtype;
    uint32_t offset, size;    /* of the partition */
    int chosen;               /* slot number that the records chose; -1 factory; -2 none */
    bool fell_back;           /* something else than the choice runs */
    uint8_t image_sha256[32]; /* over the whole image that runs, appended hash included */
    uint32_t image_length;
    char why[256]; /* one or two sentences for a person */
};

/*
 * One boot: reads the table, the records and images of flash; writes back to otadata what that
 * bootloader would (its writes can be cut: then MOLT_E_POWER). MOLT_OK when the outcome is filled
 * in, whatever it is.
 */
int molt_bootmodel_boot(const struct molt_flash *flash, const struct molt_bootmodel_facts *facts,
                        const struct molt_digest *digest, struct molt_boot_outcome *outcome);

#ifdef __cplusplus
}
#endif
#endif
