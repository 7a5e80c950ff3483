/*
 * DFU files: the suffix of USB DFU 1.1 (appendix B) and the images of ST's DfuSe (UM0391).
 * Structure only; nothing is copied. All offsets are bytes from the file's start.
 */
#ifndef MOLT_DFUFILE_H
#define MOLT_DFUFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "molt/error.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MOLT_DFU_SUFFIX_SIZE 16u

struct molt_dfu_suffix {
    uint16_t device, product, vendor; /* 0xFFFF = any */
    uint16_t version;                 /* bcdDFU: 0x0100, 0x0110, DfuSe 0x011A */
    uint8_t length;                   /* of the suffix: 16 or more */
    uint32_t crc, crc_computed;
};

/* MOLT_E_TRUNCATED, MOLT_E_FORMAT (no suffix, or one longer than the file). A wrong CRC is none. */
int molt_dfu_parse_suffix(struct molt_dfu_suffix *suffix, const uint8_t *bytes, uint32_t n,
                          struct molt_diag *diag);

/* A walk over a DfuSe file's elements, in their order. Caller-owned; begun by molt_dfuse_begin. */
struct molt_dfuse {
    uint32_t image_size; /* as its prefix says */
    uint8_t target_count;
    bool suffix_counted; /* image_size is the whole file: newer tools; older ones leave it out */

    const uint8_t *bytes;
    uint32_t end, at; /* of the targets; of what comes next */
    uint32_t targets_left, elements_left;
    uint32_t target_end;
};

struct molt_dfuse_target {
    uint8_t alternate; /* the interface's alternate setting */
    char name[256];    /* "" = none; whatever the file says: make it plain before a terminal */
    uint32_t size, element_count;
};

struct molt_dfuse_element {
    uint32_t address, size;
    uint32_t offset; /* of its data in the file */
};

/* end: where the suffix begins (n without one). MOLT_E_FORMAT, MOLT_E_TRUNCATED. */
int molt_dfuse_begin(struct molt_dfuse *dfuse, const uint8_t *bytes, uint32_t n, uint32_t end,
                     struct molt_diag *diag);

/* Both return 1, or 0 behind the last, or MOLT_E_FORMAT (no prefix where one must be, sizes that
 * do not meet), MOLT_E_TRUNCATED. Elements are those of the target before; all of them have to be
 * taken before the next target. */
int molt_dfuse_next_target(struct molt_dfuse *dfuse, struct molt_dfuse_target *target,
                           struct molt_diag *diag);
int molt_dfuse_next_element(struct molt_dfuse *dfuse, struct molt_dfuse_element *element,
                            struct molt_diag *diag);

/* ---- prefixes of plain files, part of what the device gets ---- */

enum molt_dfu_prefix_kind {
    MOLT_DFU_PREFIX_NONE,
    MOLT_DFU_PREFIX_STELLARIS, /* TI Stellaris and Tiva: command, address / 1024, length (spmu003)
                                */
    MOLT_DFU_PREFIX_LPC /* NXP LPC, unencrypted: length in units of 512 bytes (UM10503, 5.3.3) */
};

struct molt_dfu_prefix {
    enum molt_dfu_prefix_kind kind;
    uint32_t size;    /* of the prefix: 8, 16; 0 = none */
    uint32_t address; /* Stellaris: a multiple of 1024, below 64 MB */
    uint32_t length;  /* as the prefix says; Stellaris: bytes behind it; LPC: with it, rounded up */
};

/* Of n bytes without the suffix. Short marks: bytes of other meaning may look so. A length that
 * does not fit what follows means none. */
void molt_dfu_parse_prefix(struct molt_dfu_prefix *prefix, const uint8_t *bytes, uint32_t n);

/* ---- writing: each fills the bytes that its name says ---- */

#define MOLT_DFUSE_PREFIX_SIZE  11u
#define MOLT_DFUSE_TARGET_SIZE  274u
#define MOLT_DFUSE_ELEMENT_SIZE 8u

/* image_size: all but the suffix, or with it; see struct molt_dfuse. */
void molt_dfuse_write_prefix(uint8_t bytes[11], uint32_t image_size, uint8_t target_count);
/* size and element_count are those of the target; no name ("") is written as unnamed. */
void molt_dfuse_write_target(uint8_t bytes[274], const struct molt_dfuse_target *target);
void molt_dfuse_write_element(uint8_t bytes[8], uint32_t address, uint32_t size);

/* length behind the prefix; see struct molt_dfu_prefix for what the kinds carry. Returns the bytes
 * written, at most 16. MOLT_E_ALIGNMENT, MOLT_E_RANGE (address, length). */
int molt_dfu_write_prefix(uint8_t bytes[16], enum molt_dfu_prefix_kind kind, uint32_t address,
                          uint32_t length);

/* The 16 bytes at bytes + n for the n bytes before, with the CRC of all; length and CRCs of *suffix
 * are not looked at. */
void molt_dfu_write_suffix(uint8_t *bytes, uint32_t n, const struct molt_dfu_suffix *suffix);

#ifdef __cplusplus
}
#endif
#endif
