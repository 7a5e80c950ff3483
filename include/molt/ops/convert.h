/* UF2 files out of images, and images out of UF2 files. Everything is made in memory and checked;
 * what is written is the caller's to write. */
#ifndef MOLT_OPS_CONVERT_H
#define MOLT_OPS_CONVERT_H

#include <stdbool.h>
#include <stdint.h>

#include "molt/host/message.h"
#include "molt/ops/plan.h"

#ifdef __cplusplus
extern "C" {
#endif

struct molt_convert_request {
    const char *input;
    const char *family; /* a name of uf2families.json or a number; NULL = told by the input */
    bool has_base;
    uint32_t base; /* address of the first byte; else told by the input */
    bool whole;    /* of a firmware file or dump all bytes, at flash offsets; else its app */
    bool force;    /* also what would not boot */
};

struct molt_converted {
    bool to_uf2;
    uint8_t *bytes; /* freed by molt_converted_free */
    uint32_t size;
    uint32_t base, length; /* of the image: address of its first byte, bytes */
    char what[24];         /* "app", "firmware", "flash", "bytes" */
    char family[20];       /* "" = none named */
    struct molt_plan plan;
};

/*
 * To UF2, blocks of 256 bytes: an app goes to 0, the start of its slot, as TinyUF2 takes it; of a
 * firmware file, dump or board the app that boots is taken (whole: everything); an RP2 image goes
 * to 0x10000000; other bytes need family and base. From UF2: the bytes of one family, FF between,
 * an app without what pads its last block.
 *
 * Refused: MOLT_E_IMAGE_* (would not boot), MOLT_E_IMAGE_CHIP (a family of another chip),
 * MOLT_E_FORMAT (nothing that a board takes so), MOLT_E_ARGUMENT (no such family; which family?
 * which base?), MOLT_E_ALIGNMENT and MOLT_E_RANGE (base), MOLT_E_TRUNCATED, MOLT_E_VERIFY (a UF2
 * file that is not whole, or damaged), MOLT_E_NOT_FOUND (no app in it; nothing for that family).
 */
int molt_convert(struct molt_converted *converted, const struct molt_convert_request *request,
                 struct molt_message *message);
void molt_converted_free(struct molt_converted *converted);

#ifdef __cplusplus
}
#endif
#endif
