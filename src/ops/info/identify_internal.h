/* What the readers of molt_identify share: each fills an identity from a file's bytes. */
#ifndef MOLT_OPS_IDENTIFY_INTERNAL_H
#define MOLT_OPS_IDENTIFY_INTERNAL_H

#include "molt/ops/identify.h"
#include "molt/uf2.h"

struct identify_file {
    const char *name;
    const uint8_t *bytes;
    uint32_t size;
};

/* molt_identify of bytes in memory, one at least. */
int identify_bytes(struct molt_identity *identity, const struct identify_file *file,
                   struct molt_message *message);

/* A list that the following facts belong to; -1 = no room. */
int identify_list(struct molt_identity *identity, const char *key, const char *title);
/* Begins a row; false = too many: say so and stop. */
bool identify_row(struct molt_identity *identity, const char *what);

void identify_text(struct molt_identity *identity, const char *key, const char *label,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));
void identify_number(struct molt_identity *identity, const char *key, const char *label,
                     enum molt_fact_type type, uint64_t number);
void identify_nothing(struct molt_identity *identity, const char *key);
/* text, or nothing when it is "". */
void identify_known(struct molt_identity *identity, const char *key, const char *label,
                    const char *text);
void identify_finding(struct molt_identity *identity, enum molt_severity severity,
                      const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The MicroPython version and date in n bytes, or nothing twice. */
void identify_micropython(struct molt_identity *identity, const uint8_t *bytes, uint32_t n);

int identify_otadata(struct molt_identity *identity, const struct identify_file *file,
                     struct molt_message *message);
int identify_uf2(struct molt_identity *identity, const struct identify_file *file,
                 struct molt_message *message);
int identify_rp2(struct molt_identity *identity, const struct identify_file *file,
                 struct molt_message *message);
int identify_bundle(struct molt_identity *identity, const struct identify_file *file,
                    struct molt_message *message);
int identify_dfu(struct molt_identity *identity, const struct identify_file *file,
                 struct molt_message *message);
int identify_elf(struct molt_identity *identity, const struct identify_file *file,
                 struct molt_message *message);
int identify_hex(struct molt_identity *identity, const struct identify_file *file,
                 struct molt_message *message);
int identify_esp8266(struct molt_identity *identity, const struct identify_file *file,
                     struct molt_message *message);
int identify_csv(struct molt_identity *identity, const struct identify_file *file,
                 struct molt_message *message);

/* What the bytes alone tell; also for convert. */
bool identify_is_otadata(const uint8_t *bytes, uint32_t n);
bool identify_is_esp8266(const uint8_t *bytes, uint32_t n);
bool identify_is_csv(const uint8_t *bytes, uint32_t n);
/* "RP2040", "RP2350", or NULL. */
const char *identify_rp2_chip(const uint8_t *bytes, uint32_t n);

#endif
