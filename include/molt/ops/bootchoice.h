/*
 * Which app boots: what runs, what will boot next and why, what is wrong about it, and the changes
 * that keep a way back (set boot, confirm, roll back). On files and simulated boards.
 */
#ifndef MOLT_OPS_BOOTCHOICE_H
#define MOLT_OPS_BOOTCHOICE_H

#include <stdbool.h>
#include <stdint.h>

#include "molt/host/message.h"
#include "molt/host/target.h"
#include "molt/ops/info.h"
#include "molt/ops/plan.h"
#include "molt/otadata.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MOLT_BOOT_SLOTS 18 /* factory, ota_0..ota_15, test */
#define MOLT_BOOT_TEST                                                                             \
    (-3) /* in place of a slot number: the test app, the bootloader's last resort */

struct molt_boot_slot {
    char label[17];
    int number; /* as the bootloader counts; MOLT_OTADATA_FACTORY, MOLT_BOOT_TEST, or
                   MOLT_OTADATA_NO_SLOT: a row that it never starts */
    uint32_t offset, size;
    bool empty;         /* erased, or behind the end of the file */
    int error;          /* MOLT_OK, or why its image would not start */
    bool bootable;      /* not empty and without error */
    uint8_t sha256[32]; /* of a bootable image, as it is appended to it */
    char release[65];   /* the release that belongs to it; "" = none, or not known */
};

struct molt_boot_state {
    bool is_board;           /* running and rollback are facts; else assumed, see below */
    bool has_otadata;        /* else the records count as blank, and nothing can be changed */
    uint32_t otadata_offset; /* in flash */
    struct molt_otadata_facts facts;
    struct molt_otadata otadata;
    struct molt_boot_slot slot[MOLT_BOOT_SLOTS];
    uint32_t slot_count;
    int running;            /* of a file, and of a board that never booted: what would boot */
    bool running_known;     /* false: assumed as above */
    bool trial;             /* the running image is not confirmed yet */
    bool trial_stored;      /* it is the store that says so */
    char update_words[200]; /* the last update, in words; "" for a file, which has no store */
    int update_phase;       /* enum molt_phase */
    bool update_runs;       /* it is the last update's image that runs */
    bool files_only;        /* the last update brings files alone: no slot and no record changes */
    char candidate[65];     /* its release, while it is not confirmed; "" = none */
    struct molt_otadata_choice choice;
    int next; /* what the next boot starts: the choice, or where the bootloader falls back to */
    int next_update; /* where the next update goes; MOLT_OTADATA_NO_SLOT */
    uint32_t finding_count;
    struct molt_finding finding[12];
    bool wrong; /* a finding is MOLT_WRONG */
};

/*
 * MOLT_E_OTADATA_NONE: the table has no otadata, so there is nothing to change; the state is filled
 * in all the same (what boots, the apps). MOLT_E_TABLE_SLOTS (an otadata that is too small, or
 * two), the table's own error. A file that ends before otadata has it erased.
 */
int molt_boot_read(struct molt_boot_state *state, const struct molt_target *target,
                   struct molt_message *message);

/* NULL when no row has that number. The state's own. */
const struct molt_boot_slot *molt_boot_slot(const struct molt_boot_state *state, int number);

/* The label, or "nothing". */
const char *molt_boot_label(const struct molt_boot_state *state, int number);

/* What one record says, in words: "VALID: confirmed". text: the caller's. */
void molt_boot_record_words(const struct molt_boot_state *state, int record, char *text,
                            uint32_t size);

/* A change, planned: at most two plans one after the other, and what it leads to. */
enum molt_boot_change_kind {
    MOLT_BOOT_SET = 0,
    MOLT_BOOT_CONFIRM,
    MOLT_BOOT_ROLLBACK,
    MOLT_BOOT_INVALIDATE
};

struct molt_boot_change {
    enum molt_boot_change_kind kind;
    struct molt_otadata_plan part[2];
    uint32_t part_count;
    struct molt_plan plan; /* the same for people */
    int next;              /* what boots then */
    bool as_trial;         /* and is rolled back unless it is confirmed */
};

/*
 * Plan only. Refuse with a message that says what to do: MOLT_E_NOT_A_SLOT (no such app, or one
 * that the bootloader never starts), the image's error or MOLT_E_IMAGE_MAGIC (empty),
 * MOLT_E_UNCONFIRMED, MOLT_E_NO_SECOND_SLOT, MOLT_E_BOOT_DISAGREES, MOLT_E_NO_TRIAL,
 * MOLT_E_NO_WAY_BACK.
 */
int molt_boot_plan_set(const struct molt_boot_state *state, const char *label,
                       struct molt_boot_change *change, struct molt_message *message);
int molt_boot_plan_confirm(const struct molt_boot_state *state, struct molt_boot_change *change,
                           struct molt_message *message);
int molt_boot_plan_rollback(const struct molt_boot_state *state, struct molt_boot_change *change,
                            struct molt_message *message);

/*
 * No record names that slot any more: those that do are marked INVALID, after the other way to boot
 * is made sure of. Never the last one: MOLT_E_NO_WAY_BACK, and MOLT_E_BUSY for the slot that runs
 * on a board (that is a rollback). part_count 0: no record names it, there is nothing to write.
 */
int molt_boot_plan_invalidate(const struct molt_boot_state *state, const char *label,
                              struct molt_boot_change *change, struct molt_message *message);

/*
 * Carries the plan out and saves the target; MOLT_E_POWER when a simulated cut hits it. Where the
 * board's store knows of the trial, the engine confirms or rolls back, so that its records follow.
 */
int molt_boot_write(struct molt_target *target, const struct molt_boot_state *state,
                    const struct molt_boot_change *change, struct molt_message *message);

#ifdef __cplusplus
}
#endif
#endif
