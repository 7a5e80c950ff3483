/*
 * The chips that no device of ours carries a row for: for commands, not for the engine (a device's
 * build takes ports/common/no_chips.c instead of this file).
 *
 * Sources: bootloader offset, chip id, frequency nibbles: esptool. MAPPED and RAM: ESP-IDF soc.h
 * (IROM, DROM, IRAM, DRAM, RTC, on the P4 also the tightly coupled memory). MMU pages: Kconfig.mmu
 * and mmu_ll.h; largest flash: SOC_MMU_MAX_PADDR_PAGE_NUM, at most what a header can say.
 * RESERVED: from where the bootloader's loader segment begins to the end of that memory. It moved
 * between releases: here is the highest of 4.4 to 6.x, so that no release's apps are refused. The
 * P4's bootloaders for revisions below 3 lie at 0x4FF2CBD0, where apps for later revisions may
 * load: not reserved. ESP-IDF has no memory map of the E22.
 */
#include "molt/espimage.h"

static const struct molt_chip more[] = {
    {"esp32s2",
     0x02,
     16,
     16,
     0x1000,
     0x10000,
     128u << 20,
     {{MOLT_MEMORY_MAPPED, 0x3F000000, 0x3FF80000},
      {MOLT_MEMORY_MAPPED, 0x40080000, 0x40800000},
      {MOLT_MEMORY_RESERVED, 0x3FFE0000, 0x40000000},
      {MOLT_MEMORY_RESERVED, 0x40050000, 0x40070000},
      {MOLT_MEMORY_RAM, 0x3FF9E000, 0x40000000},
      {MOLT_MEMORY_RAM, 0x40020000, 0x40072000},
      {MOLT_MEMORY_RAM, 0x50000000, 0x50002000}}},
    {"esp32s3",
     0x09,
     16,
     16,
     0x0,
     0x10000,
     128u << 20,
     {{MOLT_MEMORY_MAPPED, 0x3C000000, 0x3E000000},
      {MOLT_MEMORY_MAPPED, 0x42000000, 0x44000000},
      {MOLT_MEMORY_RESERVED, 0x3FCDC700, 0x3FCF0000},
      {MOLT_MEMORY_RESERVED, 0x403CC700, 0x403E0000},
      {MOLT_MEMORY_RAM, 0x3FC88000, 0x3FD00000},
      {MOLT_MEMORY_RAM, 0x40370000, 0x403E0000},
      {MOLT_MEMORY_RAM, 0x50000000, 0x50002000},
      {MOLT_MEMORY_RAM, 0x600FE000, 0x60100000}}},
    {"esp32c2",
     0x0C,
     14,
     16,
     0x0,
     0x10000,
     4u << 20,
     {{MOLT_MEMORY_MAPPED, 0x3C000000, 0x3C400000},
      {MOLT_MEMORY_MAPPED, 0x42000000, 0x42400000},
      {MOLT_MEMORY_RESERVED, 0x3FCCEB70, 0x3FCE0000},
      {MOLT_MEMORY_RESERVED, 0x403AEB70, 0x403C0000},
      {MOLT_MEMORY_RAM, 0x3FCA0000, 0x3FCE0000},
      {MOLT_MEMORY_RAM, 0x4037C000, 0x403C0000}}},
    {"esp32c6",
     0x0D,
     13,
     16,
     0x0,
     0x10000,
     16u << 20,
     {{MOLT_MEMORY_MAPPED, 0x42000000, 0x43000000},
      {MOLT_MEMORY_RESERVED, 0x4086E610, 0x40880000},
      {MOLT_MEMORY_RAM, 0x40800000, 0x40880000},
      {MOLT_MEMORY_RAM, 0x50000000, 0x50004000}}},
    {"esp32h2",
     0x10,
     13,
     16,
     0x0,
     0x10000,
     16u << 20,
     {{MOLT_MEMORY_MAPPED, 0x42000000, 0x43000000},
      {MOLT_MEMORY_RESERVED, 0x4083EFD0, 0x40850000},
      {MOLT_MEMORY_RAM, 0x40800000, 0x40850000},
      {MOLT_MEMORY_RAM, 0x50000000, 0x50001000}}},
    {"esp32c61",
     0x14,
     13,
     16,
     0x0,
     0x10000,
     32u << 20,
     {{MOLT_MEMORY_MAPPED, 0x42000000, 0x44000000},
      {MOLT_MEMORY_RESERVED, 0x4083EA70, 0x40850000},
      {MOLT_MEMORY_RAM, 0x40800000, 0x40850000}}},
    {"esp32h21",
     0x19,
     13,
     16,
     0x0,
     0x10000,
     16u << 20,
     {{MOLT_MEMORY_MAPPED, 0x42000000, 0x43000000},
      {MOLT_MEMORY_RESERVED, 0x4083BA78, 0x40850000},
      {MOLT_MEMORY_RAM, 0x40800000, 0x40850000},
      {MOLT_MEMORY_RAM, 0x50000000, 0x50001000}}},
    {"esp32e22", 0x1F, 16, 16, 0x0, 0x10000, 128u << 20, {{0, 0, 0}}},
    {"esp32p4",
     0x12,
     16,
     16,
     0x2000,
     0x10000,
     64u << 20,
     {{MOLT_MEMORY_MAPPED, 0x40000000, 0x44000000},
      {MOLT_MEMORY_RESERVED, 0x4FFADFC0, 0x4FFC0000},
      {MOLT_MEMORY_RAM, 0x30100000, 0x30102000},
      {MOLT_MEMORY_RAM, 0x4FF00000, 0x4FFC0000},
      {MOLT_MEMORY_RAM, 0x50108000, 0x50110000}}},
    {"esp32c5",
     0x17,
     16,
     16,
     0x2000,
     0x10000,
     32u << 20,
     {{MOLT_MEMORY_MAPPED, 0x42000000, 0x44000000},
      {MOLT_MEMORY_RESERVED, 0x4084E9A0, 0x40860000},
      {MOLT_MEMORY_RAM, 0x40800000, 0x40860000},
      {MOLT_MEMORY_RAM, 0x50000000, 0x50004000}}},
    {"esp32h4",
     0x1C,
     13,
     16,
     0x2000,
     0x10000,
     32u << 20,
     {{MOLT_MEMORY_MAPPED, 0x42000000, 0x44000000},
      {MOLT_MEMORY_RESERVED, 0x4084F350, 0x40860000},
      {MOLT_MEMORY_RAM, 0x40810000, 0x40860000},
      {MOLT_MEMORY_RAM, 0x50000000, 0x50004000}}},
    {"esp32s31",
     0x20,
     14,
     18,
     0x2000,
     0x10000,
     64u << 20,
     {{MOLT_MEMORY_MAPPED, 0x40000000, 0x44000000},
      {MOLT_MEMORY_RESERVED, 0x2F06CFB0, 0x2F080000},
      {MOLT_MEMORY_RAM, 0x2E000000, 0x2E008000},
      {MOLT_MEMORY_RAM, 0x2F000000, 0x2F080000}}},
};

#define MORE_COUNT (sizeof more / sizeof more[0])

const struct molt_chip *molt_chip_more(uint32_t index)
{
    return index < MORE_COUNT ? &more[index] : 0;
}

/* esptool's FLASH_FREQUENCY of each chip: nibble F, 0, 1, 2. Ids that are not in the list mean what
 * the ESP32's do. */
static const struct {
    uint8_t chip_id;
    char freq[4][12];
} freqs[] = {
    {0x0C, {"60m", "30m", "20m", "15m"}}, {0x10, {"48m", "24m", "16m", "12m"}},
    {0x19, {"48m", "24m", "16m", "12m"}}, {0x1C, {"48m", "24m", "16m", "12m"}},
    {0x17, {"80m", "40m", "", "20m"}},    {0x14, {"80m", "40m", "", "20m"}},
    {0x20, {"80m", "40m", "", "20m"}},    {0x0D, {"", "80m or 40m", "", "20m"}},
    {0x00, {"80m", "40m", "26m", "20m"}}, /* last: of all others */
};

#define FREQ_COUNT (sizeof freqs / sizeof freqs[0])

const char *molt_chip_flash_freq(const struct molt_chip *chip, uint8_t nibble)
{
    uint32_t column = nibble == 0xF ? 0 : nibble + 1u;
    uint32_t i = 0;
    while (i < FREQ_COUNT - 1 && freqs[i].chip_id != chip->chip_id) {
        i++;
    }
    return column < 4 && freqs[i].freq[column][0] ? freqs[i].freq[column] : 0;
}
