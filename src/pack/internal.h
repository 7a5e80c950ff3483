/* What the producers share. */
#ifndef MOLT_PACK_INTERNAL_H
#define MOLT_PACK_INTERNAL_H

#include "molt/pack/bundle.h"

/* Asks the call-back; MOLT_E_CANCELLED when it says so. */
int pack_report(const struct molt_progress *progress, const char *what, uint64_t done,
                uint64_t total);

/* Makes the pack of a release: list, then files, sorted by path. list_size as in the payload. */
int pack_release(struct molt_bytes *pack, uint32_t *list_size, const struct molt_pack_input *input,
                 struct molt_diag *diag);

/* The .mpy version of native code among the files (0 = none), checked against the app's. */
int pack_mpy_abi(uint16_t *abi, const struct molt_pack_input *input, struct molt_diag *diag);

#endif
