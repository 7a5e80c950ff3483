/* Shared by the files of the engine only. */
#ifndef MOLT_ENGINE_INTERNAL_H
#define MOLT_ENGINE_INTERNAL_H

#include "molt/engine.h"
#include "molt/espimage.h"

#define SECTOR            4096u
#define PROGRAM_ALIGN_MAX 4u /* otadata's records are written four bytes at a time */

/* A work function: MOLT_OK = call again, MOLT_DONE = the state succeeded, MOLT_AGAIN, or an error.
 */
int molt_engine_head(struct molt_engine *e);
int molt_engine_verify(struct molt_engine *e);
int molt_engine_probe(struct molt_engine *e);
int molt_engine_preview(struct molt_engine *e);
int molt_engine_heal(struct molt_engine *e);
int molt_engine_prune(struct molt_engine *e);
int molt_engine_scan(struct molt_engine *e);
int molt_engine_sectors(struct molt_engine *e); /* scan, for an unsigned image */
int molt_engine_erase(struct molt_engine *e);
int molt_engine_write(struct molt_engine *e);
int molt_engine_check(struct molt_engine *e);
int molt_engine_image(struct molt_engine *e);
int molt_engine_list(struct molt_engine *e);
int molt_engine_files(struct molt_engine *e);
int molt_engine_bind(struct molt_engine *e);
int molt_engine_switch(struct molt_engine *e);

/* Enters a state: its counters start at zero. */
void molt_engine_enter(struct molt_engine *e, enum molt_engine_state state);

/* Chunk stream: decoded bytes of one chunk. Tells the source what comes next: MOLT_OK, MOLT_AGAIN
 * (open it again), an error. */
int molt_stream_open(struct molt_engine *e, uint32_t chunk);
/* MOLT_OK: *n > 0 bytes at *bytes; MOLT_DONE: the chunk ended as it should; MOLT_AGAIN; an error.
 */
int molt_stream_peek(struct molt_engine *e, const uint8_t **bytes, uint32_t *n);
void molt_stream_take(struct molt_engine *e, uint32_t n);
/* Fills the port's buffer up to `want`: MOLT_OK when it is, MOLT_E_CHUNK_DECODE when the chunk ends
 * before. */
int molt_stream_fill(struct molt_engine *e, uint32_t want);

/* Reads exactly n bytes of the bundle: MOLT_OK, MOLT_AGAIN (call again: *have counts on), an error.
 */
int molt_source_fill(struct molt_engine *e, uint32_t offset, uint8_t *buffer, uint32_t *have,
                     uint32_t n);

/*
 * The running image must be confirmed: otherwise there would be nothing sure to return to.
 * MOLT_DONE when it is, and boots next; MOLT_OK when otadata names another slot; MOLT_E_NOT_A_SLOT,
 * MOLT_E_OTADATA_NONE (unless only files change), MOLT_E_UNCONFIRMED.
 */
int molt_check_running(const struct molt_engine_port *port, const struct molt_update *update,
                       bool files_only);

/* Slots of the device. NULL when there is none. */
const struct molt_app_slot *molt_slot_by_number(const struct molt_device *device, int number);
const struct molt_app_slot *molt_slot_by_offset(const struct molt_device *device, uint32_t offset);

/* What an image in this slot must satisfy. */
void molt_image_rules_of(const struct molt_engine_port *port, const struct molt_app_slot *slot,
                         struct molt_image_rules *rules);

/* What the bootloader chose when it started what runs: PENDING_VERIFY was NEW then. */
void molt_chosen(const struct molt_otadata *otadata, const struct molt_otadata_situation *situation,
                 struct molt_otadata_choice *choice);

typedef int molt_plan_maker(const struct molt_otadata *now,
                            const struct molt_otadata_situation *situation,
                            struct molt_otadata_plan *plan);

/* Its target may be the factory app too, which no record puts on trial: where Molt switches to a
 * slot, that is whole, and the boot hook keeps the trial. */
void molt_situation_of(const struct molt_device *device, int target,
                       struct molt_otadata_situation *situation);

/* Writes a whole otadata plan, blocking. MOLT_OK. */
int molt_otadata_write_all(const struct molt_engine_port *port,
                           const struct molt_otadata_plan *plan);

#endif
