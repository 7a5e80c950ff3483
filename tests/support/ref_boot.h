/*
 * What the ESP-IDF bootloader does with otadata, for tests of the code that writes it. Shares
 * nothing with src/core, not even the CRC; itself checked against tests/vectors/bootloader.
 */
#ifndef MOLT_TEST_REF_BOOT_H
#define MOLT_TEST_REF_BOOT_H

#include <stdbool.h>
#include <stdint.h>

enum { REF_FACTORY = -1, REF_NOTHING = -2, REF_TEST = -3 };
enum { REF_NEW, REF_PENDING, REF_VALID, REF_INVALID, REF_ABORTED };
#define REF_BLANK 0xFFFFFFFFu

struct ref_record {
    uint32_t seq, state;
    bool crc_ok;
};

struct ref_world {
    struct ref_record record[2];
    int slots; /* rows of ota apps */
    bool has_factory, has_test, rollback;
    uint32_t loads; /* bit i: slot i holds an image that the bootloader starts */
    bool factory_loads;
};

uint32_t ref_crc(uint32_t seq);
struct ref_record ref_parse(const uint8_t bytes[32]);

/* Right CRC, and a state that this bootloader would follow at some boot. -2 = none. */
int ref_names(const struct ref_world *world, int record);

/* One boot: writes back what the bootloader would; returns what runs. */
int ref_boot(struct ref_world *world);

#endif
