/*
 * ST's DfuSe (AN3156): USB DFU with addresses, on a session of molt/dfu.h. Nothing is checked
 * against the memory map here: who calls knows it.
 *
 * Besides the errors of molt/dfu.h: MOLT_E_DFU_PROTECTED (read-out protection: errVENDOR while
 * reading or writing), MOLT_E_RANGE (address + n passes 4 GB), MOLT_E_UNSUPPORTED (a quirk says:
 * not here). dfu->address says which block or sector failed; diag->offset the same.
 */
#ifndef MOLT_DFUSE_H
#define MOLT_DFUSE_H

#include <stdint.h>

#include "molt/dfu.h"

#ifdef __cplusplus
extern "C" {
#endif

int molt_dfuse_set_address(struct molt_dfu *dfu, uint32_t address, struct molt_diag *diag);
/* size: of the sector, for the deadline. Write protection is not reported by all loaders: verify.
 */
int molt_dfuse_erase_page(struct molt_dfu *dfu, uint32_t address, uint32_t size,
                          struct molt_diag *diag);
/* bytes: of the whole flash, for the deadline. */
int molt_dfuse_erase_all(struct molt_dfu *dfu, uint64_t bytes, struct molt_diag *diag);
/* Lifts the read-out protection: the device erases everything and resets itself. MOLT_OK: it went
 * away, or says that it is done. */
int molt_dfuse_unprotect(struct molt_dfu *dfu, struct molt_diag *diag);
/* Any n; erases nothing. One set-address a run of at most 65,534 blocks, then 3 transfers a block.
 */
int molt_dfuse_write(struct molt_dfu *dfu, uint32_t address, const uint8_t *data, uint32_t n,
                     struct molt_diag *diag);
/* Any n; 1 transfer a block, no set-address where the pointer serves. In dfuIDLE when it returns
 * MOLT_OK. MOLT_E_TRUNCATED: the device gives less than that. */
int molt_dfuse_read(struct molt_dfu *dfu, uint32_t address, uint8_t *buffer, uint32_t n,
                    struct molt_diag *diag);
/* The bytes of the commands that it knows (UPLOAD block 0), usually 00 21 41 92. Returns how many.
 */
int molt_dfuse_commands(struct molt_dfu *dfu, uint8_t *bytes, uint32_t capacity,
                        struct molt_diag *diag);
/* Ends DFU and starts what is at entry. MOLT_OK: the device goes, or went without an answer to the
 * last steps. Errors: of what comes before, or it says that it does not. */
int molt_dfuse_leave(struct molt_dfu *dfu, uint32_t entry, struct molt_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
