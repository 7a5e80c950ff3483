/*
 * Files for DFU devices: what is to be written where, out of DfuSe, plain DFU, ELF, Intel HEX and
 * raw files, each also compressed with gzip; and such files made of elements. What a file is is
 * told by its bytes, never by its name. Nothing is printed and no device is touched.
 */
#ifndef MOLT_OPS_DFU_IMAGE_H
#define MOLT_OPS_DFU_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "molt/dfufile.h"
#include "molt/host/message.h"

#ifdef __cplusplus
extern "C" {
#endif

enum molt_dfu_image_kind {
    MOLT_DFU_IMAGE_DFUSE, /* targets and elements with addresses */
    MOLT_DFU_IMAGE_PLAIN, /* any bytes and a DFU suffix */
    MOLT_DFU_IMAGE_ELF,
    MOLT_DFU_IMAGE_HEX,
    MOLT_DFU_IMAGE_BIN
};

/* The largest file that is taken, also when it is unpacked, and the largest that is made. */
#define MOLT_DFU_IMAGE_LIMIT    (128u << 20)
#define MOLT_DFU_IMAGE_ELEMENTS 65536u

struct molt_dfu_element {
    uint32_t address; /* of the first byte; 0 when the image has no addresses */
    uint32_t size;    /* at least 1, unless the image is a blank plain one; address + size does not
                         pass 4 GB */
    const uint8_t *bytes;
    uint8_t alternate;  /* with has_alternate: the alternate setting that it is for */
    bool has_alternate; /* DfuSe files only */
    const char
        *target_name; /* of a named DfuSe target; else "". Any bytes: see process_print_safe */
};

struct molt_dfu_image {
    enum molt_dfu_image_kind kind;
    bool compressed;    /* was unpacked */
    bool has_addresses; /* elements know where they go; not: a plain or raw file without address */
    bool has_suffix, crc_wrong; /* crc_wrong only with accept_bad_crc */
    bool suffix_counted;        /* DFUImageSize includes the suffix, unlike MicroPython's */
    struct molt_dfu_suffix suffix;
    struct molt_dfu_prefix prefix; /* of a plain file; its bytes are part of the element */
    bool packed;                   /* for mboot with packing: encrypted, elements in file order */
    bool has_start;                /* the file names its first instruction (ELF, HEX) */
    uint32_t start;
    bool has_entry; /* as molt_dfu_image_entry found */
    uint32_t entry;
    uint32_t target_count; /* of a DfuSe file; else 0 */
    struct molt_dfu_element *element;
    uint32_t count;     /* in the file's order; those of HEX and ELF by address, runs joined */
    uint32_t skipped;   /* ELF: load segments without bytes (.bss) */
    uint32_t file_size; /* unpacked */

    uint8_t *bytes; /* what elements point into; freed by molt_dfu_image_free */
    uint8_t *joined;
    char *names;
};

struct molt_dfu_image_request {
    const char *path; /* "-" = standard input; of molt_dfu_image_from_memory: the name to say */
    bool has_address;
    uint32_t address; /* of a raw file, or of a plain DFU file's content */
    bool raw;         /* the bytes are raw whatever they look like, and not unpacked */
    bool accept_bad_crc;
    const char *accept_option, *raw_option; /* for messages: what a person adds so that the two
                                               above are set; NULL = they cannot */
};

/*
 * MOLT_E_VERIFY (CRC of suffix or gzip, checksum of a HEX record), MOLT_E_TRUNCATED, MOLT_E_FORMAT
 * (sizes that do not meet, elements or records that overlap, nothing to write), MOLT_E_UNSUPPORTED
 * (64-bit or big-endian ELF, one of no Arm chip, a relocatable one), MOLT_E_RANGE (too large, also
 * unpacked; an address behind 4 GB), MOLT_E_ARGUMENT (an address for a file that has its own), and
 * those of molt_file_read. On failure the image is empty; molt_dfu_image_free is allowed.
 */
int molt_dfu_image_load(struct molt_dfu_image *image, const struct molt_dfu_image_request *request,
                        struct molt_message *message);
/* bytes are copied. */
int molt_dfu_image_from_memory(struct molt_dfu_image *image, const uint8_t *bytes, uint32_t n,
                               const struct molt_dfu_image_request *request,
                               struct molt_message *message);
void molt_dfu_image_free(struct molt_dfu_image *image);

/*
 * Where to leave to: the element that begins with a plausible vector table of an Arm Cortex-M.
 * Stack pointer in RAM (0x10000000..0x3FFFFFFF), reset vector odd and inside an element, or else in
 * flash; the one whose reset vector is the file's start, else the lowest address. 1 found, 0 none.
 */
int molt_dfu_image_entry(const struct molt_dfu_image *image, uint32_t *entry);

/* "DfuSe", "DFU", "ELF", "Intel HEX", "raw". Stable. */
const char *molt_dfu_image_kind_name(enum molt_dfu_image_kind kind);

/* ---- making ---- */

struct molt_dfu_form {
    enum molt_dfu_image_kind kind;    /* any but ELF */
    uint16_t vendor, product, device; /* of the suffix; 0xFFFF = any */
    bool counted;     /* DfuSe: DFUImageSize includes the suffix. MicroPython's boot loader
                         wants it not to */
    uint16_t version; /* plain: bcdDFU; 0 = 0x0100 */
    enum molt_dfu_prefix_kind prefix; /* plain: written before the bytes */
    uint32_t prefix_address;          /* of TI's */
    uint32_t pad; /* DfuSe: elements are filled up with zeros to a multiple, 8 as MicroPython's
                     dfu.py does; 0 = none */
    uint8_t fill; /* raw: between elements; 0xFF for flash */
};

/*
 * A file of elements: DfuSe (in their order, a target for each run of one alternate and name; a
 * name of NULL is as ""), Intel HEX (32-bit addresses, by address), raw from the lowest address to
 * the highest, plain (the only element). *bytes is freed by the caller. MOLT_E_RANGE (too large,
 * too many targets or elements), MOLT_E_FORMAT (elements that overlap), MOLT_E_ARGUMENT (no
 * element, several for a plain file, a name of over 254 bytes), MOLT_E_NO_MEMORY.
 */
int molt_dfu_render(const struct molt_dfu_element *element, uint32_t count,
                    const struct molt_dfu_form *form, uint8_t **bytes, uint32_t *n,
                    struct molt_message *message);

/* One file to be packed. */
struct molt_dfu_pack_part {
    struct molt_dfu_image_request file;
    bool has_alternate; /* else 0, or that of the DfuSe file it comes from */
    uint8_t alternate;
    const char *target_name; /* NULL = that of the DfuSe file it comes from, else none */
};

struct molt_dfu_pack_request {
    const struct molt_dfu_pack_part *part;
    uint32_t count;
    struct molt_dfu_form form;
};

/* Loads the parts and renders them. Errors of both. */
int molt_dfu_pack(const struct molt_dfu_pack_request *request, uint8_t **bytes, uint32_t *n,
                  struct molt_message *message);

/* ---- taking apart ---- */

/* More elements than that become one file, not one each. */
#define MOLT_DFU_UNPACK_FILES 4096u

struct molt_dfu_unpack_request {
    const char *name;   /* of what was loaded, as the user says it; files are named by it */
    const char *output; /* one file for all elements; NULL = one raw file for each */
    const char *folder; /* of the files for each; NULL = the current one */
    enum molt_dfu_image_kind as; /* output: MOLT_DFU_IMAGE_BIN or _HEX */
    uint8_t fill;                /* raw: between elements */
    bool replace;                /* files that are there already */
    bool without_prefix;         /* of a plain file: its prefix is left out */
    bool dry_run;                /* everything but the writing */
};

struct molt_dfu_part_file {
    char *path;
    uint32_t address, size; /* size: bytes of the file */
};

struct molt_dfu_unpacked {
    struct molt_dfu_part_file *piece;
    uint32_t count;
};

/*
 * NAME-0x08000000.bin for each element, NAME-alt1-0x... when the file has more than one alternate
 * setting, NAME.bin when it has no addresses. All files or none: what was written goes away when a
 * later one fails (unless it replaced another). MOLT_E_EXISTS (without replace), MOLT_E_RANGE (too
 * many files, too large a gap), MOLT_E_NOT_FOUND (no prefix to leave out), those of molt_dfu_render
 * and molt_file_write. Free with molt_dfu_unpacked_free, also after a failure.
 */
int molt_dfu_unpack(struct molt_dfu_unpacked *unpacked, const struct molt_dfu_image *image,
                    const struct molt_dfu_unpack_request *request, struct molt_message *message);
void molt_dfu_unpacked_free(struct molt_dfu_unpacked *unpacked);

#ifdef __cplusplus
}
#endif
#endif
