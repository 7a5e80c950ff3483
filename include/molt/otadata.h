/*
 * otadata: the boot record of ESP32 chips, two 32-byte records, each at the start of its own
 * sector. Source: ESP-IDF bootloader_utility.c / esp_ota_ops.c; rules for writing it: docs/SPEC.md,
 * "otadata"; what genuine bootloaders decide: tests/vectors.
 *
 * Everything that writes otadata goes through a plan made here, so that at every instant one record
 * names a whole image. Plans are pure: they say what to write; molt_otadata_writer does it, one
 * flash operation a call.
 */
#ifndef MOLT_OTADATA_H
#define MOLT_OTADATA_H

#include <stdbool.h>
#include <stdint.h>

#include "molt/error.h"
#include "molt/flash.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MOLT_OTADATA_RECORD_SIZE 32
#define MOLT_OTADATA_SECTOR      0x1000u
#define MOLT_OTADATA_SIZE        0x2000u
#define MOLT_OTADATA_FACTORY                                                                       \
    (-1) /* in place of a slot number: the factory app, which no record names */
#define MOLT_OTADATA_NO_SLOT (-2)

enum molt_ota_state {
    MOLT_OTA_NEW = 0,
    MOLT_OTA_PENDING_VERIFY = 1,
    MOLT_OTA_VALID = 2,
    MOLT_OTA_INVALID = 3,
    MOLT_OTA_ABORTED = 4
};
#define MOLT_OTA_UNDEFINED 0xFFFFFFFFu

struct molt_otadata_record {
    uint32_t seq;
    uint8_t label[20];
    uint32_t
        state; /* enum molt_ota_state, UNDEFINED, or anything: unknown states count as usable */
    uint32_t crc;
    bool blank;  /* seq is 0xFFFFFFFF */
    bool crc_ok; /* crc matches seq, and it is not blank */
    bool usable; /* not blank, state neither INVALID nor ABORTED */
};

struct molt_otadata {
    struct molt_otadata_record record[2];
};

/* What the table says; slots are numbered as the bootloader counts them: 0 .. slot_count - 1. */
struct molt_otadata_facts {
    uint32_t slot_count; /* rows of ota apps; 1..16 */
    bool has_factory;
    bool rollback; /* the bootloader was built with rollback; when unknown: true */
};

/* The CRC of a seq as the bootloader computes it: crc32_le(0xFFFFFFFF, seq). */
uint32_t molt_otadata_crc(uint32_t seq);

void molt_otadata_parse(struct molt_otadata *otadata, const uint8_t first[MOLT_OTADATA_RECORD_SIZE],
                        const uint8_t second[MOLT_OTADATA_RECORD_SIZE]);
int molt_otadata_read(struct molt_otadata *otadata, const struct molt_flash *flash,
                      uint32_t offset);
void molt_otadata_serialize(const struct molt_otadata_record *record,
                            uint8_t bytes[MOLT_OTADATA_RECORD_SIZE]);

/* Number of the slot that a record names, or MOLT_OTADATA_NO_SLOT when it is not usable with a
 * right CRC. */
int molt_otadata_slot_of(const struct molt_otadata_record *record,
                         const struct molt_otadata_facts *facts);

enum molt_otadata_why {
    MOLT_WHY_RECORD,     /* the highest usable seq */
    MOLT_WHY_BLANK,      /* both records blank or unusable: factory or slot 0 */
    MOLT_WHY_NO_GOOD_CRC /* usable records, none with a right CRC: factory or slot 0 */
};

struct molt_otadata_choice {
    int slot;   /* or MOLT_OTADATA_FACTORY */
    int record; /* 0 or 1: the record that decided; -1 = none */
    enum molt_otadata_why why;
    uint32_t state_after; /* of that record, once the bootloader wrote back (NEW becomes
                             PENDING_VERIFY) */
};

/* What the next boot starts with, from the records as they are now (rules 2-4 of the bootloader).
 */
void molt_otadata_choose(const struct molt_otadata *otadata, const struct molt_otadata_facts *facts,
                         struct molt_otadata_choice *choice);

/* ---- Plans: at most MOLT_OTADATA_MAX_WRITES sectors rewritten, in order, each leaving a way to
 * boot. ---- */

#define MOLT_OTADATA_MAX_WRITES 3

struct molt_otadata_write {
    uint8_t sector; /* 0 or 1 */
    bool erase_only;
    struct molt_otadata_record record;
};

struct molt_otadata_plan {
    struct molt_otadata_write write[MOLT_OTADATA_MAX_WRITES];
    uint32_t count; /* 0 = nothing to do */
};

/* Who is who when a plan is made. */
struct molt_otadata_situation {
    struct molt_otadata_facts facts;
    int running;           /* slot that runs, or MOLT_OTADATA_FACTORY */
    int target;            /* slot to switch to; MOLT_OTADATA_NO_SLOT for heal, confirm, rollback */
    bool trial;            /* the store says that the running image is under trial */
    bool target_confirmed; /* the target was confirmed before and is whole (switch back to it) */
};

/*
 * Each plan may be made again after a power cut, from the records as they are then. running (and
 * target) must be slots of the table: else MOLT_E_ARGUMENT (MOLT_E_NOT_A_SLOT).
 *
 * heal: before the target is touched, a confirmed record names the running slot, and no usable
 * record of another slot outranks it; running factory: no usable record at all. MOLT_E_UNCONFIRMED
 * when that would bless an image under trial (situation.trial, or PENDING_VERIFY under a bootloader
 * with rollback).
 *
 * switch: the target boots next, as a trial (NEW); nothing to do when it does already. Needs what
 * heal establishes, else MOLT_E_NO_WAY_BACK; never writes the record of the running slot, unless
 * seq has come to its end: then that record first moves to the other sector with a low seq.
 * MOLT_E_ARGUMENT (target is running), MOLT_E_UNCONFIRMED. To the factory app only when
 * target_confirmed, for no record can put it on trial.
 *
 * confirm: the running image is VALID. MOLT_E_BOOT_DISAGREES when the records name another slot;
 * nothing to do when it is VALID already or is the factory app. When the other record is no way
 * back, a VALID one is made there first.
 *
 * rollback: the running slot's records no longer boot; the other confirmed slot (or factory) does.
 * MOLT_E_NO_WAY_BACK when there is none.
 *
 * invalidate: heals, and no usable record names `slot` any more (before its first erase).
 * MOLT_E_ARGUMENT for the running one.
 */
int molt_otadata_plan_heal(const struct molt_otadata *now,
                           const struct molt_otadata_situation *situation,
                           struct molt_otadata_plan *plan);
int molt_otadata_plan_switch(const struct molt_otadata *now,
                             const struct molt_otadata_situation *situation,
                             struct molt_otadata_plan *plan);
int molt_otadata_plan_confirm(const struct molt_otadata *now,
                              const struct molt_otadata_situation *situation,
                              struct molt_otadata_plan *plan);
int molt_otadata_plan_rollback(const struct molt_otadata *now,
                               const struct molt_otadata_situation *situation,
                               struct molt_otadata_plan *plan);
int molt_otadata_plan_invalidate(const struct molt_otadata *now,
                                 const struct molt_otadata_situation *situation, int slot,
                                 struct molt_otadata_plan *plan);

/* Applies a plan to a parsed pair in memory: what otadata will hold afterwards. */
void molt_otadata_apply(struct molt_otadata *otadata, const struct molt_otadata_plan *plan);

/*
 * Carries a plan out, one erase or one program a call, each record as: erase; label and state; CRC;
 * seq last, so that a torn record never counts; then read back. MOLT_OK = call again, MOLT_DONE =
 * all written and read back, or an error of the flash, MOLT_E_VERIFY.
 */
struct molt_otadata_writer {
    struct molt_otadata_plan plan;
    uint32_t offset; /* of otadata in flash */
    uint32_t write, step;
};

void molt_otadata_writer_start(struct molt_otadata_writer *writer,
                               const struct molt_otadata_plan *plan, uint32_t otadata_offset);
int molt_otadata_writer_step(struct molt_otadata_writer *writer, const struct molt_flash *flash);

#ifdef __cplusplus
}
#endif
#endif
