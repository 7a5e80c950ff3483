/*
 * What to write into otadata, so that at every instant some record leads to a whole image. The
 * rules, and why each is needed: docs/spec/otadata.md, "Writing".
 */
#include "molt/otadata.h"

#include <string.h>

#define SEQ_LAST 0xFFFFFFFEu /* 0xFFFFFFFF is a blank record */

/* Smallest seq above `after` that names the slot; 0 = there is none left. */
static uint32_t next_seq(int slot, uint32_t after, const struct molt_otadata_facts *facts)
{
    uint32_t n = facts->slot_count;
    uint32_t skip = ((uint32_t)slot + n - after % n) % n;
    return after < SEQ_LAST - skip ? after + 1 + skip : 0;
}

/* The seq above the record's, so that it does not outrank the new one even when a torn erase makes
 * it usable again; where numbers end, the first seq of the slot. */
static uint32_t seq_over(int slot, const struct molt_otadata_record *record,
                         const struct molt_otadata_facts *facts)
{
    uint32_t seq = record->crc_ok ? next_seq(slot, record->seq, facts) : 0;
    return seq ? seq : next_seq(slot, 0, facts);
}

static struct molt_otadata_record *add(struct molt_otadata_plan *plan, int sector)
{
    struct molt_otadata_write *write = &plan->write[plan->count++];
    memset(write, 0, sizeof *write);
    write->sector = (uint8_t)sector;
    memset(write->record.label, 0xFF, sizeof write->record.label);
    return &write->record;
}

static void add_record(struct molt_otadata_plan *plan, int sector, uint32_t seq, uint32_t state)
{
    struct molt_otadata_record *record = add(plan, sector);
    record->seq = seq;
    record->state = state;
    record->crc = molt_otadata_crc(seq);
    record->crc_ok = true;
    record->usable = true;
}

static void add_erase(struct molt_otadata_plan *plan, int sector)
{
    struct molt_otadata_record *record = add(plan, sector);
    record->seq = record->state = record->crc = 0xFFFFFFFFu;
    record->blank = true;
    plan->write[plan->count - 1].erase_only = true;
}

static int slot_of(const struct molt_otadata *now, int i, const struct molt_otadata_facts *facts)
{
    return molt_otadata_slot_of(&now->record[i], facts);
}

/* Does record i win over the other one, were both usable? */
static bool outranks(const struct molt_otadata *now, int i)
{
    const struct molt_otadata_record *other = &now->record[1 - i];
    return now->record[i].seq > other->seq || (now->record[i].seq == other->seq && i == 0);
}

/* The record that led here: PENDING_VERIFY counts, because it was NEW when the bootloader chose. */
static int active_record(const struct molt_otadata *now, const struct molt_otadata_facts *facts)
{
    struct molt_otadata_facts as_chosen = *facts;
    struct molt_otadata_choice choice;
    as_chosen.rollback = false;
    molt_otadata_choose(now, &as_chosen, &choice);
    return choice.record;
}

/* PENDING_VERIFY at run time: this very boot is the trial, whatever the store knows about it. */
static bool on_trial(const struct molt_otadata *now, const struct molt_otadata_situation *situation)
{
    for (int i = 0; i < 2 && situation->facts.rollback; i++) {
        if (now->record[i].state == MOLT_OTA_PENDING_VERIFY &&
            slot_of(now, i, &situation->facts) == situation->running) {
            return true;
        }
    }
    return situation->trial;
}

/*
 * The record that brings the running, confirmed slot back; -1 = none. Only VALID counts: UNDEFINED
 * is what bootloaders without rollback leave, but also what a torn erase makes of PENDING_VERIFY.
 * Of two the lower one: the other may go, and numbers do not run up.
 */
static int way_back(const struct molt_otadata *now, const struct molt_otadata_situation *situation)
{
    int found = -1;
    for (int i = 0; i < 2; i++) {
        const struct molt_otadata_record *record = &now->record[i];
        if (record->state == MOLT_OTA_VALID &&
            slot_of(now, i, &situation->facts) == situation->running &&
            (found < 0 || record->seq < now->record[found].seq)) {
            found = i;
        }
    }
    return found;
}

/* Does record i take the boot away from the other one, for another slot than the running one? */
static bool takes_over(const struct molt_otadata *now,
                       const struct molt_otadata_situation *situation, int i)
{
    int slot = slot_of(now, i, &situation->facts);
    return slot != MOLT_OTADATA_NO_SLOT && slot != situation->running && outranks(now, i);
}

/* Every usable record goes; the lower one first, so that no older record comes up in between. */
static void erase_all(const struct molt_otadata *now, const struct molt_otadata_facts *facts,
                      struct molt_otadata_plan *plan)
{
    int low = outranks(now, 0) ? 1 : 0;
    for (int k = 0; k < 2; k++) {
        int i = k == 0 ? low : 1 - low;
        if (slot_of(now, i, facts) != MOLT_OTADATA_NO_SLOT) {
            add_erase(plan, i);
        }
    }
}

/* Would the bootloader follow it at every boot, whatever the application does? */
static bool boots_again(const struct molt_otadata_record *record,
                        const struct molt_otadata_facts *facts)
{
    bool trial = record->state == MOLT_OTA_NEW || record->state == MOLT_OTA_PENDING_VERIFY;
    return record->usable && record->crc_ok && !(facts->rollback && trial);
}

static bool was_confirmed(const struct molt_otadata_record *record)
{
    return record->crc_ok &&
           (record->state == MOLT_OTA_VALID || record->state == MOLT_OTA_UNDEFINED);
}

/* How much is lost when a cut leaves nothing of this record. */
static int worth(const struct molt_otadata_record *record, int slot,
                 const struct molt_otadata_facts *facts)
{
    if (!record->crc_ok) {
        return 0;
    }
    int names_it = (record->seq - 1) % facts->slot_count == (uint32_t)slot;
    if (!record->usable) {
        return 1 - names_it; /* a torn erase may make it usable again: best for this very slot */
    }
    return 2 + 2 * boots_again(record, facts) + names_it;
}

/* The sector to write a record of the slot into while none confirms it: the one with less to lose;
 * of equal ones that which does not boot now. */
static int sector_for(const struct molt_otadata *now, int slot,
                      const struct molt_otadata_facts *facts)
{
    int first = worth(&now->record[0], slot, facts);
    int second = worth(&now->record[1], slot, facts);
    if (first != second) {
        return first < second ? 0 : 1;
    }
    return active_record(now, facts) == 0 ? 1 : 0;
}

static bool is_slot(int slot, const struct molt_otadata_facts *facts)
{
    return slot == MOLT_OTADATA_FACTORY ? facts->has_factory
                                        : slot >= 0 && (uint32_t)slot < facts->slot_count;
}

int molt_otadata_plan_heal(const struct molt_otadata *now,
                           const struct molt_otadata_situation *situation,
                           struct molt_otadata_plan *plan)
{
    const struct molt_otadata_facts *facts = &situation->facts;
    plan->count = 0;
    if (!is_slot(situation->running, facts)) {
        return MOLT_E_ARGUMENT;
    }
    if (situation->running == MOLT_OTADATA_FACTORY) {
        erase_all(now, facts, plan);
        return MOLT_OK;
    }
    int back = way_back(now, situation);
    if (back >= 0) {
        if (takes_over(now, situation, 1 - back)) {
            add_erase(plan, 1 - back);
        }
        return MOLT_OK;
    }
    if (on_trial(now, situation)) {
        return MOLT_E_UNCONFIRMED; /* only a confirm may make it VALID */
    }
    int sector = sector_for(now, situation->running, facts);
    const struct molt_otadata_record *other = &now->record[1 - sector];
    uint32_t seq = seq_over(situation->running, other, facts);
    add_record(plan, sector, seq, MOLT_OTA_VALID);
    int slot = slot_of(now, 1 - sector, facts);
    if (seq < other->seq && slot != MOLT_OTADATA_NO_SLOT && slot != situation->running) {
        add_erase(plan, 1 - sector); /* no seq is left above it */
    }
    return MOLT_OK;
}

/* The switch out of the factory app: no record names it, so it comes back when none is usable. */
static int switch_from_factory(const struct molt_otadata *now,
                               const struct molt_otadata_situation *situation,
                               struct molt_otadata_plan *plan)
{
    const struct molt_otadata_facts *facts = &situation->facts;
    int slots[2] = {slot_of(now, 0, facts), slot_of(now, 1, facts)};
    int used = (slots[0] != MOLT_OTADATA_NO_SLOT) + (slots[1] != MOLT_OTADATA_NO_SLOT);
    int active = active_record(now, facts);
    if (used > 1 || (used == 1 && slots[active] != situation->target)) {
        return MOLT_E_NO_WAY_BACK; /* when the trial fails, that record would boot: heal first */
    }
    if (used == 1 && now->record[active].state == MOLT_OTA_NEW) {
        return MOLT_OK;
    }
    int sector = used == 1 ? active : sector_for(now, situation->target, facts);
    add_record(plan, sector, seq_over(situation->target, &now->record[1 - sector], facts),
               MOLT_OTA_NEW);
    return MOLT_OK;
}

/* Between slots. `back` keeps the running one bootable, the other sector gets the target. */
static void switch_slots(const struct molt_otadata *now,
                         const struct molt_otadata_situation *situation, int back,
                         struct molt_otadata_plan *plan)
{
    const struct molt_otadata_facts *facts = &situation->facts;
    int other = 1 - back;
    uint32_t seq = next_seq(situation->target, now->record[back].seq, facts);
    if (slot_of(now, other, facts) == situation->target &&
        now->record[other].state == MOLT_OTA_NEW && outranks(now, other)) {
        return; /* a second record for the same switch would cost the way back */
    }
    if (seq) {
        add_record(plan, other, seq, MOLT_OTA_NEW);
        return;
    }
    uint32_t low = next_seq(situation->running, 0, facts);
    add_record(plan, other, low, MOLT_OTA_VALID);
    add_record(plan, back, next_seq(situation->target, low, facts), MOLT_OTA_NEW);
}

int molt_otadata_plan_switch(const struct molt_otadata *now,
                             const struct molt_otadata_situation *situation,
                             struct molt_otadata_plan *plan)
{
    const struct molt_otadata_facts *facts = &situation->facts;
    plan->count = 0;
    if (!is_slot(situation->target, facts)) {
        return MOLT_E_NOT_A_SLOT;
    }
    if (!is_slot(situation->running, facts) || situation->target == situation->running) {
        return MOLT_E_ARGUMENT;
    }
    if (situation->running == MOLT_OTADATA_FACTORY) {
        return switch_from_factory(now, situation, plan);
    }
    if (situation->target == MOLT_OTADATA_FACTORY && active_record(now, facts) < 0) {
        return MOLT_OK;
    }
    int back = way_back(now, situation);
    if (back < 0 && on_trial(now, situation)) {
        return MOLT_E_UNCONFIRMED;
    }
    if (back < 0 || (takes_over(now, situation, 1 - back) &&
                     slot_of(now, 1 - back, facts) != situation->target)) {
        return MOLT_E_NO_WAY_BACK;
    }
    if (situation->target != MOLT_OTADATA_FACTORY) {
        switch_slots(now, situation, back, plan);
        return MOLT_OK;
    }
    if (!situation->target_confirmed) {
        return MOLT_E_NO_WAY_BACK; /* no record names the factory app, so it cannot be on trial */
    }
    if (slot_of(now, 1 - back, facts) != MOLT_OTADATA_NO_SLOT) {
        add_erase(plan, 1 - back);
    }
    add_erase(plan, back);
    return MOLT_OK;
}

int molt_otadata_plan_confirm(const struct molt_otadata *now,
                              const struct molt_otadata_situation *situation,
                              struct molt_otadata_plan *plan)
{
    const struct molt_otadata_facts *facts = &situation->facts;
    int running = situation->running;
    int active = active_record(now, facts);
    plan->count = 0;
    if (!is_slot(running, facts)) {
        return MOLT_E_ARGUMENT;
    }
    if (active < 0) { /* no record decides: factory, else slot 0 */
        if (running == MOLT_OTADATA_FACTORY) {
            return MOLT_OK;
        }
        if (facts->has_factory || running != 0) {
            return MOLT_E_BOOT_DISAGREES;
        }
        int sector = sector_for(now, running, facts);
        add_record(plan, sector, seq_over(running, &now->record[1 - sector], facts),
                   MOLT_OTA_VALID);
        return MOLT_OK;
    }
    if (slot_of(now, active, facts) != running) {
        return MOLT_E_BOOT_DISAGREES;
    }
    const struct molt_otadata_record *record = &now->record[active];
    const struct molt_otadata_record *other = &now->record[1 - active];
    if (record->state == MOLT_OTA_VALID) {
        return MOLT_OK;
    }
    if (was_confirmed(other) || (boots_again(other, facts) && !boots_again(record, facts))) {
        add_record(plan, active, record->seq, MOLT_OTA_VALID);
        memcpy(plan->write[0].record.label, record->label, sizeof record->label);
        return MOLT_OK;
    }
    add_record(plan, 1 - active, seq_over(running, record, facts), MOLT_OTA_VALID);
    add_erase(plan, active);
    return MOLT_OK;
}

int molt_otadata_plan_rollback(const struct molt_otadata *now,
                               const struct molt_otadata_situation *situation,
                               struct molt_otadata_plan *plan)
{
    const struct molt_otadata_facts *facts = &situation->facts;
    int running = situation->running;
    plan->count = 0;
    if (!is_slot(running, facts)) {
        return MOLT_E_ARGUMENT;
    }
    if (running == MOLT_OTADATA_FACTORY) {
        return MOLT_E_NO_WAY_BACK;
    }
    for (int i = 0; i < 2; i++) {
        int slot = slot_of(now, i, facts);
        if (slot == MOLT_OTADATA_NO_SLOT || slot == running || !was_confirmed(&now->record[i])) {
            continue;
        }
        if (slot_of(now, 1 - i, facts) != MOLT_OTADATA_NO_SLOT &&
            (slot_of(now, 1 - i, facts) == running || outranks(now, 1 - i))) {
            add_erase(plan, 1 - i);
        }
        return MOLT_OK;
    }
    if (!facts->has_factory) {
        return MOLT_E_NO_WAY_BACK;
    }
    erase_all(now, facts, plan);
    return MOLT_OK;
}

int molt_otadata_plan_invalidate(const struct molt_otadata *now,
                                 const struct molt_otadata_situation *situation, int slot,
                                 struct molt_otadata_plan *plan)
{
    const struct molt_otadata_facts *facts = &situation->facts;
    plan->count = 0;
    if (slot == MOLT_OTADATA_FACTORY || !is_slot(slot, facts)) {
        return MOLT_E_NOT_A_SLOT;
    }
    if (slot == situation->running) {
        return MOLT_E_ARGUMENT;
    }
    int error = molt_otadata_plan_heal(now, situation, plan);
    if (error) {
        return error;
    }
    struct molt_otadata healed = *now;
    molt_otadata_apply(&healed, plan);
    for (int i = 0; i < 2; i++) {
        if (slot_of(&healed, i, facts) == slot) {
            add_erase(plan, i);
        }
    }
    return MOLT_OK;
}
