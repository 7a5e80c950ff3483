/* Slots and otadata: what boots, and whether it can be updated. */
#include <stdio.h>
#include <string.h>

#include "ops/doctor/doctor_internal.h"

/* ---- As the table has them ---- */

static void otadata_rows(struct doctor_work *work, uint32_t slots)
{
    const struct molt_ptable *table = &work->target->table;
    const struct molt_partition *first = NULL;
    char label[17], other[17];
    for (uint32_t i = 0; i < table->count; i++) {
        const struct molt_partition *row = &table->row[i];
        if (row->type != MOLT_PARTITION_DATA || row->subtype != MOLT_DATA_OTADATA) {
            continue;
        }
        if (first) {
            struct molt_finding *found = doctor_found(
                work->doctor, DOCTOR_OTADATA_TWO,
                "there are two otadata, '%s' at 0x%x and '%s' at 0x%x: the bootloader takes the "
                "last, the application the first, so an update never boots",
                doctor_label(first, label), first->offset, doctor_label(row, other), row->offset);
            char word[DOCTOR_WORD];
            if (doctor_word(other, word)[0]) {
                doctor_fix_edit(found, work->target, "--delete %s", word);
            }
            continue;
        }
        first = row;
        if (row->size < MOLT_OTADATA_SIZE) {
            struct molt_finding *found =
                doctor_found(work->doctor, DOCTOR_OTADATA_SMALL,
                             "partition '%s' has 0x%x bytes, otadata needs 0x%x (two sectors): the "
                             "bootloader stops",
                             doctor_label(row, label), row->size, MOLT_OTADATA_SIZE);
            doctor_fix_layout(work, found, slots);
        }
    }
    if (!first && slots > 0) {
        doctor_fix_layout(work,
                          doctor_found(work->doctor, DOCTOR_OTADATA_NONE,
                                       "there are %u slots but no otadata: %s boots for ever, and "
                                       "an update has nowhere to say that it is newer",
                                       slots, "the first app"),
                          2);
    }
}

static void slots_have_gaps(struct doctor_work *work, uint32_t slots)
{
    const struct molt_ptable *table = &work->target->table;
    for (uint32_t i = 0; i < table->count; i++) {
        const struct molt_partition *row = &table->row[i];
        char label[17];
        if (row->type != MOLT_PARTITION_APP || row->subtype < MOLT_APP_OTA_0 ||
            row->subtype > MOLT_APP_OTA_15 || row->subtype - MOLT_APP_OTA_0 < (int)slots) {
            continue;
        }
        struct molt_finding *found =
            doctor_found(work->doctor, DOCTOR_SLOTS_GAP,
                         "partition '%s' is slot ota_%u, but there are only %u slots: the "
                         "bootloader counts them, and never starts this one",
                         doctor_label(row, label), row->subtype - MOLT_APP_OTA_0, slots);
        doctor_fix_layout(work, found, slots > 1 ? 2 : 0);
    }
}

void doctor_boot_table(struct doctor_work *work)
{
    uint32_t slots = molt_ptable_slot_count(&work->target->table);
    bool factory =
        molt_ptable_find(&work->target->table, MOLT_PARTITION_APP, MOLT_APP_FACTORY) != NULL;
    if (slots == 0) {
        doctor_fix_layout(work,
                          doctor_found(work->doctor, DOCTOR_SLOTS_NONE,
                                       "there are no app slots: updates over the air need two"),
                          2);
    } else if (slots == 1) {
        doctor_fix_layout(work,
                          doctor_found(work->doctor, DOCTOR_SLOT_ONE,
                                       factory ? "there is one app slot beside factory: after the "
                                                 "first update there is no other one to write to"
                                               : "there is one app slot only: an update would have "
                                                 "to write over the app that runs"),
                          2);
    }
    slots_have_gaps(work, slots);
    otadata_rows(work, slots);
}

/* ---- As the records have them ---- */

static void chosen(struct doctor_work *work)
{
    const struct molt_boot_state *boot = &work->boot;
    const struct molt_otadata_choice *choice = &boot->choice;
    const struct molt_boot_slot *slot = molt_boot_slot(boot, choice->slot);
    if (!slot || slot->bootable || boot->next == MOLT_OTADATA_NO_SLOT) {
        return; /* no app at all: said of the apps */
    }
    char how[80] = "no record counts";
    if (choice->record >= 0 && choice->slot >= 0) {
        snprintf(how, sizeof how, "record %d has number %u, and (%u - 1) %% %u slots = %d",
                 choice->record, boot->otadata.record[choice->record].seq,
                 boot->otadata.record[choice->record].seq, boot->facts.slot_count, choice->slot);
    }
    struct molt_finding *found = doctor_found(
        work->doctor, DOCTOR_OTADATA_POINTS,
        "otadata chooses '%s' (%s), which %s: the bootloader tries it at every boot and falls back "
        "to '%s'",
        slot->label, how, slot->empty ? "is empty" : molt_strerror(slot->error),
        molt_boot_label(boot, boot->next));
    char word[DOCTOR_WORD];
    if (doctor_word(molt_boot_label(boot, boot->next), word)[0]) {
        doctor_fix(found, work->target, "ota set-boot", word);
    }
}

static void running(struct doctor_work *work)
{
    const struct molt_boot_state *boot = &work->boot;
    const char *runs = molt_boot_label(boot, boot->running);
    const char *next = molt_boot_label(boot, boot->next);
    if (boot->trial) {
        doctor_fix(doctor_found(work->doctor, DOCTOR_OTADATA_TRIAL,
                                "'%s' runs and is not confirmed yet: %s", runs,
                                boot->facts.rollback ? "the next boot goes back to the one before"
                                                     : "this bootloader cannot go back by itself"),
                   work->target, "ota confirm", "");
        return;
    }
    const struct molt_otadata_record *record =
        boot->choice.record >= 0 ? &boot->otadata.record[boot->choice.record] : NULL;
    bool waits =
        record && (record->state == MOLT_OTA_NEW || record->state == MOLT_OTA_PENDING_VERIFY);
    if (boot->running_known && boot->running != boot->next && !waits) {
        char word[DOCTOR_WORD];
        struct molt_finding *found = doctor_found(
            work->doctor, DOCTOR_OTADATA_DISAGREES,
            "'%s' runs, but '%s' boots next: an update would be written over the wrong one", runs,
            next);
        if (doctor_word(runs, word)[0]) {
            doctor_fix(found, work->target, "ota set-boot", word);
        }
    } else if (waits) {
        struct molt_finding *found = doctor_found(
            work->doctor, DOCTOR_OTADATA_TRIAL,
            record->state == MOLT_OTA_NEW
                ? "'%s' boots next for the first time, as a trial: it goes back unless the "
                  "application confirms it"
                : "'%s' was on trial when this was read: its next boot goes back unless it is "
                  "confirmed",
            next);
        if (!work->target->board) {
            doctor_fix(found, work->target, "ota confirm", "");
        }
    }
}

static void records(struct doctor_work *work)
{
    const struct molt_boot_state *boot = &work->boot;
    for (int i = 0; i < 2; i++) {
        const struct molt_otadata_record *record = &boot->otadata.record[i];
        if (record->blank) {
            continue;
        }
        if (!record->crc_ok) {
            doctor_found(work->doctor, DOCTOR_OTADATA_CRC,
                         "record %d of otadata (number %u) has CRC 0x%08x, expected 0x%08x: it "
                         "does not count; it was torn while it was written, and the next update "
                         "writes it again",
                         i, record->seq, record->crc, molt_otadata_crc(record->seq));
        } else if (record->seq > 0xFFFFFFF0u) {
            doctor_found(work->doctor, DOCTOR_OTADATA_END,
                         "record %d of otadata has number 0x%x, near the largest there is: ESP-IDF "
                         "cannot switch any more ('molt ota set-boot' and Molt's updates begin "
                         "again from 1)",
                         i, record->seq);
        }
    }
}

void doctor_boot(struct doctor_work *work)
{
    if (!work->has_boot) {
        return;
    }
    chosen(work);
    running(work);
    records(work);
}
