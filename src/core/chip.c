#include "molt/espimage.h"

/*
 * Ranges: ESP-IDF soc.h of each chip (IROM, DROM, IRAM, DRAM, RTC); RESERVED: where the
 * bootloader's linker script puts its own code, data and stack. Genuine apps stay clear of those,
 * because their linker scripts stop there. The ESP32's stack range begins 32 KB
 * (STACK_LOAD_HEADROOM) and a few calls below the top of the ROM's stack at 0x3FFE3F20.
 */
static const struct molt_chip chips[] = {
    /* carried by every device: others in chip_more.c */
    {"esp32",
     0x00,
     16,
     16,
     0x1000,
     0x10000,
     16u << 20,
     {{MOLT_MEMORY_MAPPED, 0x3F400000, 0x3F800000},
      {MOLT_MEMORY_MAPPED, 0x400D0000, 0x40400000},
      {MOLT_MEMORY_RESERVED, 0x3FFDB000, 0x3FFE3F20},
      {MOLT_MEMORY_RESERVED, 0x3FFF0000, 0x40000000},
      {MOLT_MEMORY_RESERVED, 0x40078000, 0x40080000},
      {MOLT_MEMORY_RAM, 0x3FF80000, 0x3FF82000},
      {MOLT_MEMORY_RAM, 0x3FFAE000, 0x40000000},
      {MOLT_MEMORY_RAM, 0x40070000, 0x400C2000},
      {MOLT_MEMORY_RAM, 0x50000000, 0x50002000}}},
    {"esp32c3",
     0x05,
     16,
     16,
     0x0,
     0x10000,
     16u << 20,
     {{MOLT_MEMORY_MAPPED, 0x3C000000, 0x3C800000},
      {MOLT_MEMORY_MAPPED, 0x42000000, 0x42800000},
      {MOLT_MEMORY_RESERVED, 0x3FCCE710, 0x3FCE0000},
      {MOLT_MEMORY_RESERVED, 0x403CE710, 0x403E0000},
      {MOLT_MEMORY_RAM, 0x3FC80000, 0x3FCE0000},
      {MOLT_MEMORY_RAM, 0x4037C000, 0x403E0000},
      {MOLT_MEMORY_RAM, 0x50000000, 0x50002000}}},
};

#define CHIP_COUNT (sizeof chips / sizeof chips[0])

const struct molt_chip *molt_chip_at(uint32_t index)
{
    return index < CHIP_COUNT ? &chips[index] : molt_chip_more(index - (uint32_t)CHIP_COUNT);
}

const struct molt_chip *molt_chip_by_id(uint16_t chip_id)
{
    const struct molt_chip *chip;
    for (uint32_t i = 0; (chip = molt_chip_at(i)) != 0 && chip->chip_id != chip_id; i++) {
    }
    return chip;
}

static int same_name(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

const struct molt_chip *molt_chip_by_name(const char *name)
{
    const struct molt_chip *chip;
    for (uint32_t i = 0; (chip = molt_chip_at(i)) != 0 && !same_name(chip->name, name); i++) {
    }
    return chip;
}

bool molt_chip_memory_known(const struct molt_chip *chip)
{
    return chip->range[0].memory != MOLT_MEMORY_NONE;
}

enum molt_chip_memory molt_chip_memory_at(const struct molt_chip *chip, uint32_t address)
{
    enum molt_chip_memory found = MOLT_MEMORY_NONE;
    for (uint32_t i = 0; i < MOLT_CHIP_RANGES; i++) {
        const struct molt_chip_range *range = &chip->range[i];
        if (address < range->low || address >= range->high) {
            continue;
        }
        if (range->memory == MOLT_MEMORY_RESERVED) {
            return MOLT_MEMORY_RESERVED;
        }
        if (found == MOLT_MEMORY_NONE) {
            found = (enum molt_chip_memory)range->memory;
        }
    }
    return found;
}
