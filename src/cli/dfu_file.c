#include "cli/dfu_file.h"

#include <stdlib.h>
#include <string.h>

bool dfu_file_id(const char *text, uint16_t *id)
{
    char *end;
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        text += 2;
    }
    size_t digits = strspn(text, "0123456789abcdefABCDEF");
    *id = (uint16_t)strtoul(digits && digits <= 4 ? text : "0", &end, 16);
    return digits >= 1 && digits <= 4 && !text[digits];
}

int dfu_file_request(const struct cli_args *args, const char *path,
                     struct molt_dfu_image_request *request)
{
    const char *address = cli_option(args, "address");
    uint64_t value = 0;
    if (address && !cli_parse_size(address, 0xFFFFFFFFu, &value)) {
        return cli_usage(args, "--address %s: expected an address such as 0x08000000", address);
    }
    *request = (struct molt_dfu_image_request){
        .path = path,
        .has_address = address != NULL,
        .address = (uint32_t)value,
        .raw = cli_has(args, "raw"),
        .accept_bad_crc = cli_has(args, "accept-bad-crc"),
        .accept_option = "--accept-bad-crc",
        .raw_option = "--raw",
    };
    return CLI_OK;
}

const char *dfu_file_prefix(enum molt_dfu_prefix_kind kind)
{
    return kind == MOLT_DFU_PREFIX_LPC         ? "lpc"
           : kind == MOLT_DFU_PREFIX_STELLARIS ? "stellaris"
                                               : NULL;
}

const char *dfu_file_kind(enum molt_dfu_image_kind kind)
{
    switch (kind) {
    case MOLT_DFU_IMAGE_DFUSE: return "DfuSe file";
    case MOLT_DFU_IMAGE_PLAIN: return "plain DFU file";
    case MOLT_DFU_IMAGE_ELF: return "ELF program";
    case MOLT_DFU_IMAGE_HEX: return "Intel HEX file";
    case MOLT_DFU_IMAGE_BIN: return "raw file";
    }
    return "raw file";
}

const char *dfu_file_device(uint16_t vendor, uint16_t product)
{
    static const struct {
        uint16_t vendor, product;
        const char *words;
    } known[] = {
        {0x0483, 0xDF11, "STM32 in its ROM loader, or MicroPython's mboot"},
        {0x0483, 0xA291, "NumWorks calculator"},
        {0x1CBE, 0x00FF, "TI Stellaris or Tiva in its boot loader"},
        {0x1D50, 0x6017, "Black Magic Probe in DFU mode"},
        {0x1FC9, 0x000C, "NXP LPC in its ROM loader"},
        {0x28E9, 0x0189, "GD32 in its ROM loader"},
        {0x2E3C, 0xDF11, "AT32 in its ROM loader"},
        {0xFFFF, 0xFFFF, "any"},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i].vendor == vendor && known[i].product == product) {
            return known[i].words;
        }
    }
    return NULL;
}
