/*
 * The devices that the model knows. Descriptors and strings as dfu-util lists them of genuine
 * devices; times are typical values of the data sheets that stand beside them. Poll times are what
 * the loader reports, which is not what the chip needs: STM32F4 as dfu-util logged them of an
 * STM32F401 (100 ms for an erase, 104 ms for a set address; ST's DFU class asks one function for
 * the time of that and of a block); H7 as fwupd logged them of an STM32F745 (5 ms).
 */
#include <string.h>

#include "sim/dfu_internal.h"

#define COUNT(a) ((uint32_t)(sizeof(a) / sizeof *(a)))
#define K        1024u
#define MS       1000u

/* STM32F405, DS8626, "Flash memory programming": the loader cannot know the supply voltage and
 * writes bytes (x8, RM0090 3.6.2; its "Device Feature" changes that): 16 us a byte, 16 KB 400 ms,
 * 64 KB 1.2 s, 128 KB 2 s, mass erase 16 s. */
#define F4_BANK(base)                                                                              \
    {base, 16 * K, 4, 400 * MS, MOLT_SIM_DFU_FLASH},                                               \
        {(base) + 0x10000u, 64 * K, 1, 1200 * MS, MOLT_SIM_DFU_FLASH},                             \
    {                                                                                              \
        (base) + 0x20000u, 128 * K, 7, 2000 * MS, MOLT_SIM_DFU_FLASH                               \
    }

static const struct molt_sim_dfu_region f405_regions[] = {
    F4_BANK(0x08000000u),
    {0x1FFFC000u, 16, 1, 0, MOLT_SIM_DFU_OPTIONS},
    {0x1FFF7800u, 528, 1, 0, MOLT_SIM_DFU_OTP},
    {0xFFFF0000u, 4, 1, 0, MOLT_SIM_DFU_FEATURE},
};

/* Its layout string tells of one bank, and ends in garbage, as an STM32F429's did:
 * github.com/bigtreetech/BIGTREETECH-OCTOPUS-Pro/issues/42 */
static const struct molt_sim_dfu_region f427_regions[] = {
    F4_BANK(0x08000000u),
    F4_BANK(0x08100000u),
    {0x1FFFC000u, 16, 1, 0, MOLT_SIM_DFU_OPTIONS},
    {0x1FFEC000u, 16, 1, 0, MOLT_SIM_DFU_OPTIONS},
    {0x1FFF7800u, 528, 1, 0, MOLT_SIM_DFU_OTP},
    {0xFFFF0000u, 4, 1, 0, MOLT_SIM_DFU_FEATURE},
};

/* STM32H743, DS12110: sector of 128 KB 1 s (x64), a flash word of 32 bytes 100 us. */
static const struct molt_sim_dfu_region h743_regions[] = {
    {0x08000000u, 128 * K, 16, 1000 * MS, MOLT_SIM_DFU_FLASH}};

/* STM32L476, DS10198: page of 2 KB 22 ms, 8 bytes 82 us, mass erase 22 ms. */
static const struct molt_sim_dfu_region l476_regions[] = {
    {0x08000000u, 2 * K, 512, 22020, MOLT_SIM_DFU_FLASH}};

static const struct molt_sim_dfu_region l452_regions[] = {
    {0x08000000u, 2 * K, 256, 22020, MOLT_SIM_DFU_FLASH}};

/* STM32C5: sizes and times are those of the STM32H5 of the same family, DS14258: assumed. */
static const struct molt_sim_dfu_region c5_regions[] = {
    {0x08000000u, 8 * K, 64, 2 * MS, MOLT_SIM_DFU_FLASH}};

/* GD32F103, data sheet rev. 2.10: page of 1 KB 45 ms, a word 37.5 us. */
static const struct molt_sim_dfu_region gd32_regions[] = {
    {0x08000000u, 1 * K, 128, 45 * MS, MOLT_SIM_DFU_FLASH}};

/* A board with mboot in the first 32 KB (mboot/stm32_memory.ld), and 2 MB of SPI flash: blocks of
 * 32 KB as PYBD_SF2 has them, 120 ms each (W25Q16JV, data sheet 9.6). */
static const struct molt_sim_dfu_region mboot_regions[] = {
    F4_BANK(0x08000000u), {0x80000000u, 32 * K, 64, 120 * MS, MOLT_SIM_DFU_FLASH}};

/* 64 KB from 0, of a small microcontroller. */
static const struct molt_sim_dfu_region plain_regions[] = {
    {0, 1 * K, 64, 20 * MS, MOLT_SIM_DFU_FLASH}};

#define ST_STRINGS .manufacturer = "STMicroelectronics", .product_name = "STM32  BOOTLOADER"
#define ST_FUNCTION                                                                                \
    .attributes = CAN_DNLOAD | CAN_UPLOAD | WILL_DETACH, .detach_timeout_ms = 255, .version = 0x011A
#define ST_IDS  .vendor = 0x0483, .product = 0xDF11
#define AREA(a) .regions = (a), .region_count = COUNT(a)

#define PLAIN_DEVICE                                                                               \
    .vendor = 0x1209, .device = 0x0100, .manufacturer = "Molt", AREA(plain_regions),               \
    .transfer_size = 1024, .version = 0x0110, .granule = 2, .program_ns = 40000,                   \
    .detach_timeout_ms = 1000, .alternate_count = 1

static const struct molt_sim_dfu_profile profiles[] = {
    {.name = "stm32f405",
     .summary = "ROM loader of the STM32F405 (pyboard): 1 MB in unequal sectors",
     .loader = MOLT_SIM_DFU_ST,
     ST_IDS,
     .device = 0x2200,
     ST_STRINGS,
     .serial = "306A37613036",
     .alternate = {"@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg",
                   "@Option Bytes  /0x1FFFC000/01*016 e",
                   "@OTP Memory /0x1FFF7800/01*512 e,01*016 e",
                   "@Device Feature/0xFFFF0000/01*004 e"},
     .alternate_count = 4,
     ST_FUNCTION,
     .transfer_size = 2048,
     AREA(f405_regions),
     .granule = 1,
     .program_ns = 16000,
     .mass_erase_us = 16000 * MS,
     .command_poll_ms = 104,
     .program_poll_ms = 104,
     .erase_poll_ms = 100,
     .mass_erase_poll_ms = 100,
     .traits = MOLT_SIM_DFU_STARTS_IN_ERROR},
    {.name = "stm32h743",
     .summary = "ROM loader of the STM32H743 rev. V: busy for ever after an erase past 1 MB",
     .loader = MOLT_SIM_DFU_ST,
     ST_IDS,
     .device = 0x0200,
     ST_STRINGS,
     .serial = "200364500000",
     .alternate = {"@Internal Flash   /0x08000000/16*128Kg"},
     .alternate_count = 1,
     ST_FUNCTION,
     .transfer_size = 1024,
     AREA(h743_regions),
     .granule = 32,
     .program_ns = 100000,
     .command_poll_ms = 5,
     .program_poll_ms = 5,
     .erase_poll_ms = 1000,
     .mass_erase_poll_ms = 16000,
     .traits = MOLT_SIM_DFU_BUSY_ANSWERS | MOLT_SIM_DFU_ERASE_STICKS | MOLT_SIM_DFU_STRICT_PROGRAM},
    {.name = "stm32l476",
     .summary = "ROM loader of the STM32L476: poll times too short, 8 bytes at once",
     .loader = MOLT_SIM_DFU_ST,
     ST_IDS,
     .device = 0x2200,
     ST_STRINGS,
     .serial = "2052377B5836",
     .alternate = {"@Internal Flash   /0x08000000/512*0002Kg"},
     .alternate_count = 1,
     ST_FUNCTION,
     .transfer_size = 2048,
     AREA(l476_regions),
     .granule = 8,
     .program_ns = 81690,
     .mass_erase_us = 22130,
     .command_poll_ms = 1,
     .program_poll_ms = 1,
     .erase_poll_ms = 1,
     .mass_erase_poll_ms = 1,
     .traits = MOLT_SIM_DFU_BUSY_ANSWERS | MOLT_SIM_DFU_STRICT_PROGRAM},
    {.name = "stm32l452",
     .summary = "ROM loader of the STM32L452: stalls when it is asked while it erases",
     .loader = MOLT_SIM_DFU_ST,
     ST_IDS,
     .device = 0x2200,
     ST_STRINGS,
     .serial = "206834865347",
     .alternate = {"@Internal Flash   /0x08000000/256*0002Kg"},
     .alternate_count = 1,
     ST_FUNCTION,
     .transfer_size = 2048,
     AREA(l452_regions),
     .granule = 8,
     .program_ns = 81690,
     .mass_erase_us = 22130,
     .command_poll_ms = 1,
     .program_poll_ms = 25,
     .erase_poll_ms = 10,
     .mass_erase_poll_ms = 10,
     .traits = MOLT_SIM_DFU_BUSY_REFUSES | MOLT_SIM_DFU_STRICT_PROGRAM},
    {.name = "stm32f427",
     .summary = "ROM loader of the STM32F427: two banks, the layout string ends in garbage",
     .loader = MOLT_SIM_DFU_ST,
     ST_IDS,
     .device = 0x2200,
     ST_STRINGS,
     .serial = "315A35663432",
     .alternate =
         {"@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg"
          "\xec\xb1\x90\xc6\xa8\xe2\xb9\x94\xeb\xba\xbf\xe4\xad\xbc\xeb\x9b\xae\xec\xbb\xb8",
          "@Option Bytes  /0x1FFFC000/01*016 e/0x1FFEC000/01*016 e",
          "@OTP Memory /0x1FFF7800/01*512 e,01*016 e", "@Device Feature/0xFFFF0000/01*004 e"},
     .alternate_count = 4,
     ST_FUNCTION,
     .transfer_size = 2048,
     AREA(f427_regions),
     .granule = 1,
     .program_ns = 16000,
     .mass_erase_us = 32000 * MS,
     .command_poll_ms = 104,
     .program_poll_ms = 104,
     .erase_poll_ms = 100,
     .mass_erase_poll_ms = 100,
     .traits = MOLT_SIM_DFU_STARTS_IN_ERROR},
    {.name = "mboot",
     .summary = "MicroPython's boot loader on an STM32F405 with SPI flash",
     .loader = MOLT_SIM_DFU_MBOOT,
     ST_IDS,
     .device = 0x0300,
     .manufacturer = "MicroPython",
     .product_name = "Pyboard DFU",
     .serial = "3254335D3037",
     .alternate = {"@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg/0x80000000/64*32Kg"},
     .alternate_count = 1,
     ST_FUNCTION,
     .transfer_size = 2048,
     AREA(mboot_regions),
     .own_bytes = 32 * K,
     .granule = 1,
     .program_ns = 4000}, /* it writes words: 16 us each */
    {.name = "mboot-packed",
     .summary = "MicroPython's boot loader for signed and encrypted firmware: no reading",
     .loader = MOLT_SIM_DFU_MBOOT,
     ST_IDS,
     .device = 0x0300,
     .manufacturer = "MicroPython",
     .product_name = "Pyboard DFU",
     .serial = "3254335D3038",
     .alternate = {"@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg/0x80000000/64*32Kg"},
     .alternate_count = 1,
     ST_FUNCTION,
     .transfer_size = 2048,
     AREA(mboot_regions),
     .own_bytes = 32 * K,
     .granule = 1,
     .program_ns = 4000,
     .traits = MOLT_SIM_DFU_PACKED},
    {.name = "gd32",
     .summary = "ROM loader of the GD32F103: leaves without a last status",
     .loader = MOLT_SIM_DFU_ST,
     .vendor = 0x28E9,
     .product = 0x0189,
     .device = 0x1000,
     .manufacturer = "GDMicroelectronics",
     .product_name = "GD32 0x418 DFU Bootloader",
     .serial = "3CBJ",
     .alternate = {"@Internal Flash  /0x08000000/128*001Kg"},
     .alternate_count = 1,
     ST_FUNCTION,
     .transfer_size = 2048,
     AREA(gd32_regions),
     .granule = 4,
     .program_ns = 37500,
     .command_poll_ms = 100,
     .program_poll_ms = 104,
     .erase_poll_ms = 100,
     .mass_erase_poll_ms = 100,
     .traits = MOLT_SIM_DFU_STARTS_IN_ERROR | MOLT_SIM_DFU_LEAVES_MUTE},
    {.name = "stm32c5",
     .summary = "ROM loader of the STM32C5: refuses CLRSTATUS outside dfuERROR",
     .loader = MOLT_SIM_DFU_ST,
     ST_IDS,
     .device = 0x0200,
     ST_STRINGS,
     .serial = "400351500001",
     .alternate = {"@Internal Flash   /0x08000000/64*008Kg"},
     .alternate_count = 1,
     ST_FUNCTION,
     .transfer_size = 1024,
     AREA(c5_regions),
     .granule = 16,
     .program_ns = 40000,
     .command_poll_ms = 1,
     .program_poll_ms = 5,
     .erase_poll_ms = 5,
     .mass_erase_poll_ms = 200,
     .traits = MOLT_SIM_DFU_CLRSTATUS_STALLS | MOLT_SIM_DFU_STRICT_PROGRAM},
    {.name = "plain",
     .summary = "DFU 1.1 without DfuSe, manifestation tolerant",
     .loader = MOLT_SIM_DFU_PLAIN,
     PLAIN_DEVICE,
     .product = 0x0001,
     .product_name = "Plain DFU",
     .serial = "P0001",
     .alternate = {"Firmware"},
     .attributes = CAN_DNLOAD | CAN_UPLOAD | TOLERANT,
     .traits = MOLT_SIM_DFU_BUSY_STALLS},
    {.name = "plain-intolerant",
     .summary = "DFU 1.1 without DfuSe, waits for a reset after the manifestation",
     .loader = MOLT_SIM_DFU_PLAIN,
     PLAIN_DEVICE,
     .product = 0x0001,
     .product_name = "Plain DFU",
     .serial = "P0002",
     .alternate = {"Firmware"},
     .attributes = CAN_DNLOAD | CAN_UPLOAD,
     .traits = MOLT_SIM_DFU_BUSY_STALLS},
    {.name = "runtime",
     .summary = "an application with a run-time interface that detaches into runtime-dfu",
     .loader = MOLT_SIM_DFU_RUN,
     PLAIN_DEVICE,
     .product = 0x0002,
     .product_name = "Application",
     .serial = "P0003",
     .alternate = {"DFU run-time"},
     .attributes = CAN_DNLOAD | CAN_UPLOAD | WILL_DETACH,
     .other = "runtime-dfu"},
    {.name = "runtime-reset",
     .summary = "the same, but the host has to reset it after the detach",
     .loader = MOLT_SIM_DFU_RUN,
     PLAIN_DEVICE,
     .product = 0x0002,
     .product_name = "Application",
     .serial = "P0003",
     .alternate = {"DFU run-time"},
     .attributes = CAN_DNLOAD | CAN_UPLOAD,
     .other = "runtime-dfu"},
    {.name = "runtime-dfu",
     .summary = "the boot loader of runtime; a reset starts the application",
     .loader = MOLT_SIM_DFU_PLAIN,
     PLAIN_DEVICE,
     .product = 0x0003,
     .product_name = "Plain DFU",
     .serial = "P0003",
     .alternate = {"Firmware"},
     .attributes = CAN_DNLOAD | CAN_UPLOAD,
     .traits = MOLT_SIM_DFU_BUSY_STALLS,
     .other = "runtime"},
};

const struct molt_sim_dfu_profile *molt_sim_dfu_profile_at(uint32_t index)
{
    return index < COUNT(profiles) ? &profiles[index] : NULL;
}

const struct molt_sim_dfu_profile *molt_sim_dfu_profile_named(const char *name)
{
    for (uint32_t i = 0; i < COUNT(profiles); i++) {
        if (strcmp(profiles[i].name, name) == 0) {
            return &profiles[i];
        }
    }
    return NULL;
}
