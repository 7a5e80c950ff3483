/*
 * What a file is, told by its bytes: flash that molt_target_open takes, or something else that is
 * worth showing. Facts come as a list that a program prints as it likes: each has a key that stays
 * (docs/json.md) and words for people.
 */
#ifndef MOLT_OPS_IDENTIFY_H
#define MOLT_OPS_IDENTIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "molt/host/message.h"
#include "molt/ops/info.h"

#ifdef __cplusplus
extern "C" {
#endif

enum molt_identity_kind {
    MOLT_IDENTITY_FLASH = 0, /* open it with molt_target_open: nothing below is filled in */
    MOLT_IDENTITY_CSV,
    MOLT_IDENTITY_OTADATA,
    MOLT_IDENTITY_RP2, /* flash image of an RP2040 or RP2350, plain or as UF2 */
    MOLT_IDENTITY_UF2, /* of a chip whose images are not looked into */
    MOLT_IDENTITY_BUNDLE,
    MOLT_IDENTITY_DFU,
    MOLT_IDENTITY_ELF,
    MOLT_IDENTITY_HEX,
    MOLT_IDENTITY_ESP8266
};

enum molt_fact_type {
    MOLT_FACT_TEXT = 0,
    MOLT_FACT_NUMBER,
    MOLT_FACT_HEX,  /* a number that people read in hexadecimal */
    MOLT_FACT_SIZE, /* bytes */
    MOLT_FACT_BOOL,
    MOLT_FACT_NOTHING /* not known */
};

struct molt_fact {
    const char *key;   /* static; of --json */
    const char *label; /* static; for people; NULL = for programs only */
    enum molt_fact_type type;
    uint64_t number;
    char text[72]; /* printable ASCII */
    int list;      /* -1 = of the file; else index of a list below */
    uint32_t row;
};

struct molt_fact_list {
    const char *key, *title; /* static */
    uint32_t row_count;
};

#define MOLT_IDENTITY_FACTS    900
#define MOLT_IDENTITY_LISTS    2
#define MOLT_IDENTITY_FINDINGS 8

struct molt_identity {
    enum molt_identity_kind kind;
    uint32_t file_size;
    uint32_t fact_count;
    struct molt_fact fact[MOLT_IDENTITY_FACTS]; /* of the file first, then list by list */
    uint32_t list_count;
    struct molt_fact_list list[MOLT_IDENTITY_LISTS];
    uint32_t finding_count;
    struct molt_finding finding[MOLT_IDENTITY_FINDINGS];
    bool wrong; /* a finding is MOLT_WRONG */
};

/*
 * Fails where a file of a kind above cannot be read at all. What is nothing of all this is FLASH
 * too: molt_target_open says in words what it is.
 */
int molt_identify(struct molt_identity *identity, const char *name, struct molt_message *message);

/* "flash", "partition table CSV", "otadata", "RP2 flash image", "UF2 file", "bundle", "DFU file",
 * "ELF program", "Intel HEX file", "ESP8266 image". Stable. */
const char *molt_identity_name(enum molt_identity_kind kind);

#ifdef __cplusplus
}
#endif
#endif
