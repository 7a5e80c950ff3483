/* What `molt dfu pack`, `unpack` and `show` share. */
#ifndef CLI_DFU_FILE_H
#define CLI_DFU_FILE_H

#include "cli/cli.h"
#include "molt/ops/dfu_image.h"

#define DFU_FILE_ROW_RAW                                                                           \
    {                                                                                              \
        "raw", 'r', NULL, "the input is raw bytes, whatever it looks like"                         \
    }
#define DFU_FILE_ROW_BAD_CRC                                                                       \
    {                                                                                              \
        "accept-bad-crc", 0, NULL, "also a DFU suffix whose CRC is wrong"                          \
    }

#define DFU_FILE_WORDS                                                                             \
    "What a file is is told by its bytes: DfuSe or plain DFU, ELF of an Arm program, Intel HEX "   \
    "or\n"                                                                                         \
    "raw, each also compressed with gzip; - is standard input."

/* --address, --raw and --accept-bad-crc for one input. CLI_OK, or CLI_USAGE after it was said why.
 */
int dfu_file_request(const struct cli_args *args, const char *path,
                     struct molt_dfu_image_request *request);

/* "0483", "0x0483". false = not 1 to 4 hexadecimal digits. */
bool dfu_file_id(const char *text, uint16_t *id);

/* "DfuSe file", "raw bytes": for a sentence. */
const char *dfu_file_kind(enum molt_dfu_image_kind kind);

/* What such ids are known to be; NULL = not known. */
const char *dfu_file_device(uint16_t vendor, uint16_t product);

/* "lpc", "stellaris", or NULL for none. */
const char *dfu_file_prefix(enum molt_dfu_prefix_kind kind);

#endif
