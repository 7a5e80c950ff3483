/* A UF2 file in memory: looked through, and the family chosen whose bytes are wanted. */
#ifndef MOLT_HOST_UF2_FILE_H
#define MOLT_HOST_UF2_FILE_H

#include <stdint.h>

#include "molt/host/message.h"
#include "molt/uf2.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The name of a part's family, its number ("0x12345678") when it is not known, or "none". */
const char *molt_uf2_part_name(const struct molt_uf2_part *part, char text[12]);

/*
 * family: a name or a number (0x...); NULL = the only one that the file writes. *part is in facts.
 * MOLT_E_FORMAT (no UF2, nothing to write), MOLT_E_TRUNCATED (blocks are missing), MOLT_E_VERIFY (a
 * block's MD5), MOLT_E_NOT_FOUND (not that family), MOLT_E_ARGUMENT (which of several?).
 */
int molt_uf2_file_look(struct molt_uf2_facts *facts, const struct molt_uf2_part **part,
                       const char *name, const uint8_t *bytes, uint32_t n, const char *family,
                       struct molt_message *message);

#ifdef __cplusplus
}
#endif
#endif
