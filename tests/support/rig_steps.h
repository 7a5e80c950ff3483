/* Steps that tests of the engine share, each with its assertions. */
#ifndef RIG_STEPS_H
#define RIG_STEPS_H

#include "rig_bundle.h"

/* The update record. */
struct molt_update rig_update(struct rig *rig);
void rig_set_phase(struct rig *rig, enum molt_phase phase);
void rig_assert_phase(struct rig *rig, enum molt_phase phase, int outcome);

/* Served, installed, started and confirmed. */
void rig_settle(struct rig *rig, const struct rig_version *version);

/* Packs this and serves it from now on; the caller frees it. */
struct molt_bytes rig_serve_input(struct rig *rig, const struct molt_pack_input *input);

/* A copy of the whole flash; the caller frees it. */
uint8_t *rig_snapshot(const struct rig *rig);
/* An install that ends with this very error, and not one byte of flash differs from before. */
void rig_assert_refused(struct rig *rig, const uint8_t *before, int error);

/* Slot 0's record as bootloaders without rollback leave it: it boots, and is no way back yet. */
void rig_undefined_record(struct rig *rig);

/* All of the release bindings are taken: behind the ones there are come slots that are no more, at
 * 0x200000 plus the binding's index. */
void rig_fill_bindings(struct rig *rig);

/* A flash in which one byte always reads with a wrong bit. */
struct rig_bad_flash {
    struct molt_flash flash; /* for the port */
    const struct molt_flash *inner;
    uint32_t at;
};
void rig_bad_flash_init(struct rig_bad_flash *bad, const struct molt_flash *inner, uint32_t at);

#endif
