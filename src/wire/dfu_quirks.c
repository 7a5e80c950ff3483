#include <stddef.h>
#include <string.h>

#include "molt/dfu.h"

static const struct molt_dfu_quirk_row rows[] = {
    {"MicroPython mboot",
     "its strings 0x10-0x13 are told once; no UPLOAD below block 2, no 0x92: "
     "ports/stm32/mboot/main.c",
     MOLT_DFU_QUIRK_STRINGS | MOLT_DFU_QUIRK_NO_COMMANDS | MOLT_DFU_QUIRK_NO_UNPROTECT},
};

const struct molt_dfu_quirk_row *molt_dfu_quirk_row_at(uint32_t index)
{
    return index < sizeof rows / sizeof rows[0] ? &rows[index] : NULL;
}

uint32_t molt_dfu_quirks_of(const struct molt_dfu_identity *identity)
{
    (void)identity;
    return 0;
}

const char *molt_dfu_quirk_name(uint32_t quirk)
{
    (void)quirk;
    return NULL;
}
