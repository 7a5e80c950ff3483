/* What devices do against the specification, a row a fact with its source. */
#include <stddef.h>
#include <string.h>

#include "molt/dfu.h"

#define ANY    0xFFFF
#define ST     0x0483, 0xDF11, 0xDF11
#define POLL   MOLT_DFU_QUIRK_POLL_TIME
#define UTIL   "dfu-util's src/quirks.c"
#define SILENT MOLT_DFU_QUIRK_LEAVES_SILENTLY

static const struct molt_dfu_quirk_row rows[] = {
    {"MicroPython mboot",
     "no answer to UPLOAD below block 2, no command 0x92; poll time 0, errors and their strings "
     "told once: MicroPython's ports/stm32/mboot/main.c",
     MOLT_DFU_QUIRK_NO_COMMANDS | MOLT_DFU_QUIRK_NO_UNPROTECT, ANY, 0, ANY, ANY, "MicroPython",
     NULL, NULL},
    {"MicroPython mboot, packed",
     "reads give nothing, and errFILE with string 0x13 only afterwards: the same, do_read", 0, ANY,
     0, ANY, ANY, NULL, "-", NULL},
    {"STM32H743 revision V",
     "stays dfuDNBUSY after erasing beyond 1 MB; CLRSTATUS twice, as STM32CubeProgrammer does: "
     "github.com/betaflight/betaflight-configurator/pull/1861",
     MOLT_DFU_QUIRK_BUSY_STUCK, ST, ANY, "STMicroelectronics", NULL, "16*128K"},
    {"STM32H7", "the same, when the chip is named", MOLT_DFU_QUIRK_BUSY_STUCK, ST, ANY,
     "STMicroelectronics", "STM32H7", NULL},
    {"STM32L4",
     "poll times are too short, and a status that is asked for too early is refused: dfu-util "
     "0.11, dfuse.c",
     MOLT_DFU_QUIRK_POLL_STALLS, ST, ANY, "STMicroelectronics", NULL, "*2K"},
    {"STM32L4", "the same, when the chip is named", MOLT_DFU_QUIRK_POLL_STALLS, ST, ANY,
     "STMicroelectronics", "STM32L4", NULL},
    {"STM32F405",
     "says 100 ms for a mass erase of 16 s, and answers nothing in between: dfu-util 0.11, dfuse.c",
     0, ST, ANY, NULL, "-", NULL},
    {"STM32F42x",
     "its layout string ends early, with garbage or without; what was whole is taken: "
     "github.com/bigtreetech/BIGTREETECH-OCTOPUS-Pro/issues/42",
     MOLT_DFU_QUIRK_CUT_MAP, ST, ANY, NULL, "STM32F42", NULL},
    {"STM32F43x", "as the STM32F42x does", MOLT_DFU_QUIRK_CUT_MAP, ST, ANY, NULL, "STM32F43", NULL},
    {"STM32C5",
     "refuses CLRSTATUS outside dfuERROR and never answers GET_DESCRIPTOR of the functional "
     "descriptor: github.com/betaflight/betaflight-configurator/pull/5300",
     0, ST, ANY, NULL, "-", NULL},
    {"GD32",
     "leaves without a status: github.com/riscv-mcu/gd32-dfu-utils/pull/6, and dfu-util 0.11",
     SILENT, 0x28E9, 0, ANY, ANY, NULL, NULL, NULL},
    {"OpenMoko Freerunner", UTIL, POLL, 0x1D50, 0x5117, 0x5126, ANY, NULL, NULL, NULL},
    {"OpenMoko Freerunner", UTIL, POLL, 0x1457, 0x5117, 0x5126, ANY, NULL, NULL, NULL},
    {"OpenPCD", UTIL, POLL, 0x16C0, 0x076B, 0x076B, ANY, NULL, NULL, NULL},
    {"Siemens PXM 40 and 50", UTIL, POLL, 0x0908, 0x02C4, 0x02C5, 0, NULL, NULL, NULL},
    {"M-Audio Transit", UTIL, POLL, 0x0763, 0x2806, 0x2806, ANY, NULL, NULL, NULL},
    {"Leaflabs Maple 3", UTIL, MOLT_DFU_QUIRK_FORCE_DFU11, 0x1EAF, 0x0003, 0x0003, 0x0200, NULL,
     NULL, NULL},
};

static const char *const names[] = {"busy-stuck",      "poll-stalls",  "poll-time",
                                    "no-commands",     "no-unprotect", "no-read",
                                    "leaves-silently", "dfu11",        "cut-map"};

const struct molt_dfu_quirk_row *molt_dfu_quirk_row_at(uint32_t index)
{
    return index < sizeof rows / sizeof rows[0] ? &rows[index] : NULL;
}

const char *molt_dfu_quirk_name(uint32_t quirk)
{
    for (uint32_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (quirk == 1u << i) {
            return names[i];
        }
    }
    return NULL;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool begins(const char *text, const char *with)
{
    while (*with && lower(*text) == lower(*with)) {
        text++;
        with++;
    }
    return *with == 0;
}

static const char *skip_zeros(const char *text)
{
    while (*text == '0' || *text == ' ') {
        text++;
    }
    return text;
}

/* A segment "016*0128Kg" for "16*128K", any "N*0002Kg" for "*2K". */
static bool is_segment(const char *map, const char *sectors)
{
    map = skip_zeros(map);
    if (*sectors == '*') {
        while (*map >= '0' && *map <= '9') {
            map++;
        }
    }
    while (*sectors != '*' && *sectors == *map) {
        sectors++;
        map++;
    }
    map = *map == ' ' ? skip_zeros(map) : map;
    return *sectors == '*' && *map == '*' && begins(skip_zeros(map + 1), sectors + 1);
}

static bool has_sectors(const char *map, const char *sectors)
{
    while (*map) {
        char c = *map++;
        if ((c == '/' || c == ',') && is_segment(map, sectors)) {
            return true;
        }
    }
    return false;
}

static bool fits(const struct molt_dfu_quirk_row *row, const struct molt_dfu_identity *id)
{
    if ((row->vendor != ANY && row->vendor != id->vendor) || id->product < row->product ||
        id->product > row->product_last || id->device > row->device_last) {
        return false;
    }
    if (row->manufacturer && !(id->manufacturer && begins(id->manufacturer, row->manufacturer) &&
                               begins(row->manufacturer, id->manufacturer))) {
        return false;
    }
    if (row->chip && !(id->chip && begins(id->chip, row->chip))) {
        return false;
    }
    return !row->sectors || (id->map && has_sectors(id->map, row->sectors));
}

uint32_t molt_dfu_quirks_of(const struct molt_dfu_identity *identity)
{
    uint32_t quirks = 0;
    for (uint32_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        quirks |= fits(&rows[i], identity) ? rows[i].quirks : 0;
    }
    return quirks;
}
