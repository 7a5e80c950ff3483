/*
 * UF2: files for boards that show themselves as a drive. 512-byte blocks, each with its own place
 * in flash. Source: github.com/microsoft/uf2 (README.md; families: utils/uf2families.json of
 * 2026-02); the tag that tells RP2350 boot ROMs to skip a block: RP2350 data sheet, erratum E10.
 */
#ifndef MOLT_UF2_H
#define MOLT_UF2_H

#include <stdbool.h>
#include <stdint.h>

#include "molt/error.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MOLT_UF2_BLOCK       512u
#define MOLT_UF2_PAYLOAD     256u /* what every bootloader takes */
#define MOLT_UF2_PAYLOAD_MAX 476u
#define MOLT_UF2_MD5_SIZE    24u /* start, length, digest; in the data, behind the payload */

enum molt_uf2_flag {
    MOLT_UF2_NOT_FLASH = 0x1,      /* a comment: not written */
    MOLT_UF2_FILE = 0x1000,        /* part of a named file, no flash */
    MOLT_UF2_FAMILY = 0x2000,      /* family is set */
    MOLT_UF2_MD5 = 0x4000,         /* MD5 of a region follows */
    MOLT_UF2_EXTENSIONS = 0x8000u, /* tags follow the payload */
};

/* What becomes of a family's bytes. */
enum molt_uf2_use {
    MOLT_UF2_OTHER = 0, /* flash of a chip whose images are not looked into */
    MOLT_UF2_ESP,       /* TinyUF2: offsets in the app's slot; esptool: offsets in flash */
    MOLT_UF2_RP2        /* addresses in RP2040 and RP2350: flash is at 0x10000000 */
};

#define MOLT_UF2_RP2_FLASH    0x10000000u
#define MOLT_UF2_RP2_ABSOLUTE 0xE48BFF57u
#define MOLT_UF2_RP2040       0xE48BFF56u

struct molt_uf2_family {
    uint32_t id;
    char name[20]; /* short_name of uf2families.json */
    char text[36]; /* the chips, for people */
    uint8_t use;   /* enum molt_uf2_use */
    char chip[12]; /* ESP: as molt_chip names it; else "" */
};

const struct molt_uf2_family *molt_uf2_family_at(uint32_t index); /* NULL behind the last */
const struct molt_uf2_family *molt_uf2_family_by_id(uint32_t id); /* NULL = not known */
/* Any case, dashes as underscores. NULL = not known. */
const struct molt_uf2_family *molt_uf2_family_by_name(const char *name);
const struct molt_uf2_family *molt_uf2_family_of_chip(const char *chip);

struct molt_uf2_block {
    uint32_t flags; /* enum molt_uf2_flag */
    uint32_t address;
    uint32_t length; /* of the payload, 1..476 */
    uint32_t number, count;
    uint32_t family;        /* with MOLT_UF2_FAMILY; else a file's size, or 0 */
    const uint8_t *payload; /* in the bytes that were parsed */
};

/*
 * MOLT_E_FORMAT (a magic number is missing), MOLT_E_RANGE (payload longer than a block, number
 * not below count, address passes 4 GB). diag->offset is from the block's start.
 */
int molt_uf2_parse(struct molt_uf2_block *block, const uint8_t bytes[MOLT_UF2_BLOCK],
                   struct molt_diag *diag);

/* The payload is copied, the rest is zero. MOLT_E_RANGE. */
int molt_uf2_write(uint8_t bytes[MOLT_UF2_BLOCK], const struct molt_uf2_block *block);

/* Tags of a block with MOLT_UF2_EXTENSIONS. Returns 1 and the next tag, 0 at the end or at one
 * that does not fit. *at begins with 0. */
struct molt_uf2_tag {
    uint32_t type; /* 24 bits */
    const uint8_t *data;
    uint32_t length;
};
int molt_uf2_next_tag(const struct molt_uf2_block *block, uint32_t *at, struct molt_uf2_tag *tag);

#define MOLT_UF2_TAG_VERSION 0x9FC7BCu
#define MOLT_UF2_TAG_DEVICE  0x650D9Du

/* What a board may skip: a comment, a named file's part, the block that works around E10. */
bool molt_uf2_is_written(const struct molt_uf2_block *block);

#define MOLT_UF2_FAMILIES 8

/* What the blocks of one family say and write. */
struct molt_uf2_part {
    bool has_family;
    uint32_t family;
    uint32_t blocks, expected; /* found; said by their own counts */
    uint32_t low, high;        /* addresses written: [low, high) */
    uint32_t bytes;            /* written, twice where twice */
};

struct molt_uf2_facts {
    uint32_t blocks;  /* all that are blocks */
    uint32_t skipped; /* units of 512 bytes that are none */
    uint32_t tail;    /* bytes behind the last whole unit */
    uint32_t comments, files, ignored;
    uint32_t md5_blocks, md5_wrong; /* wrong: of those whose region is their own payload */
    char version[32], device[32];   /* from tags; "" = none */
    uint32_t part_count;
    struct molt_uf2_part part[MOLT_UF2_FAMILIES];
};

/* n >= 2 bytes that begin as UF2. */
bool molt_uf2_is(const uint8_t *bytes, uint32_t n);

/*
 * Looks at every block. MOLT_E_FORMAT (not one block), MOLT_E_RANGE (a block is broken; its place
 * in the file is in diag->offset), MOLT_E_UNSUPPORTED (more families than MOLT_UF2_FAMILIES).
 * That blocks are missing is no error here: blocks and expected tell.
 */
int molt_uf2_survey(struct molt_uf2_facts *facts, const uint8_t *bytes, uint32_t n,
                    struct molt_diag *diag);

/* Writes the part's payloads to out[address - low], which has size bytes and is the caller's;
 * what no block writes stays. Bytes outside are left out. */
void molt_uf2_flatten(uint8_t *out, uint32_t low, uint32_t size, const uint8_t *bytes, uint32_t n,
                      const struct molt_uf2_part *part);

#ifdef __cplusplus
}
#endif
#endif
