/* What boots now, what boots afterwards, and what becomes of the boot record between. */
#include <stdio.h>
#include <string.h>

#include "molt/otadata.h"
#include "ops/edit/edit_work.h"

static struct molt_otadata_facts facts_of(const struct molt_ptable *table)
{
    return (struct molt_otadata_facts){
        molt_ptable_slot_count(table),
        molt_ptable_find(table, MOLT_PARTITION_APP, MOLT_APP_FACTORY) != NULL, true};
}

/* The records as they are; false when the table has none, or no slots. */
static bool read_records(const struct edit_work *work, struct molt_otadata *otadata)
{
    uint8_t bytes[2][MOLT_OTADATA_RECORD_SIZE];
    const struct molt_partition *row =
        molt_ptable_find(&work->source->table, MOLT_PARTITION_DATA, MOLT_DATA_OTADATA);
    if (!row || molt_ptable_slot_count(&work->source->table) == 0) {
        return false;
    }
    memset(bytes, 0xFF, sizeof bytes);
    for (uint32_t i = 0; i < 2; i++) {
        uint64_t at = (uint64_t)row->offset + i * MOLT_OTADATA_SECTOR;
        if (at + MOLT_OTADATA_RECORD_SIZE <= work->before_size) {
            memcpy(bytes[i], work->before + at, MOLT_OTADATA_RECORD_SIZE);
        }
    }
    molt_otadata_parse(otadata, bytes[0], bytes[1]);
    return true;
}

static int old_app(const struct edit_work *work, uint32_t subtype)
{
    for (int i = 0; i < work->old_count; i++) {
        if (work->old[i].p.type == MOLT_PARTITION_APP && work->old[i].p.subtype == subtype) {
            return i;
        }
    }
    return EDIT_NONE;
}

static int new_app(const struct edit_work *work, uint32_t subtype)
{
    for (int i = 0; i < work->count; i++) {
        if (work->row[i].p.type == MOLT_PARTITION_APP && work->row[i].p.subtype == subtype) {
            return i;
        }
    }
    return EDIT_NONE;
}

static uint32_t slot_subtype(int slot)
{
    return slot == MOLT_OTADATA_FACTORY ? (uint32_t)MOLT_APP_FACTORY
                                        : (uint32_t)MOLT_APP_OTA_0 + (uint32_t)slot;
}

/* Judges the app of an old partition as the bootloader would. */
static bool judge(struct edit_work *work, int i, struct molt_info_image *found)
{
    const struct molt_partition *p = &work->old[i].p;
    memset(found, 0, sizeof *found);
    molt_info_read_image(found, &work->source->flash, p->offset, p->size, work->source->chip);
    return found->readable && !found->error;
}

bool edit_judge_app(struct edit_work *work, int i, struct molt_info_image *found)
{
    if (i == work->boots) {
        *found = work->app;
        return true;
    }
    return judge(work, i, found);
}

/* The bootloader goes down from the slot that it wants, to factory, and then up. */
static int next_try(const struct edit_work *work, int start, uint32_t *attempt)
{
    int slots = (int)molt_ptable_slot_count(&work->source->table);
    for (; *attempt < 40; (*attempt)++) {
        int k = (int)*attempt;
        int slot = k <= start ? start - k : k == start + 1 ? MOLT_OTADATA_FACTORY : k - 1;
        int i = slot < slots ? old_app(work, slot_subtype(slot)) : EDIT_NONE;
        if (i != EDIT_NONE) {
            (*attempt)++;
            return i;
        }
    }
    return EDIT_NONE;
}

int edit_find_boot(struct edit_work *work)
{
    struct molt_otadata otadata;
    struct molt_otadata_choice choice = {.slot = MOLT_OTADATA_FACTORY};
    const struct molt_otadata_facts facts = facts_of(&work->source->table);
    if (read_records(work, &otadata)) {
        molt_otadata_choose(&otadata, &facts, &choice);
    } else if (!facts.has_factory && facts.slot_count) {
        choice.slot = 0;
    }
    uint32_t attempt = 0;
    int first = EDIT_NONE;
    for (int i; (i = next_try(work, choice.slot, &attempt)) != EDIT_NONE;) {
        first = first == EDIT_NONE ? i : first;
        if (judge(work, i, &work->app)) {
            work->boots = i;
            return MOLT_OK;
        }
    }
    for (int i = 0; first == EDIT_NONE && i < work->old_count; i++) {
        first = work->old[i].p.type == MOLT_PARTITION_APP ? i : first; /* a test app */
    }
    if (first == EDIT_NONE) {
        return molt_fail(work->message, MOLT_E_TABLE_SLOTS,
                         "%s: its table has no app partition, expected one", work->source->name);
    }
    work->boots = first;
    return judge(work, first, &work->app) ? MOLT_OK : edit_fail_image(work, "app", &work->app);
}

/* Every record that counts names the app that it named before. */
static bool means_the_same(const struct edit_work *work, const struct molt_otadata *otadata)
{
    const struct molt_otadata_facts old = facts_of(&work->source->table);
    const struct molt_otadata_facts new = facts_of(&work->edit->table);
    for (int i = 0; i < 2; i++) {
        int was = molt_otadata_slot_of(&otadata->record[i], &old);
        if (was < 0) {
            continue;
        }
        int is = molt_otadata_slot_of(&otadata->record[i], &new);
        int row = is < 0 ? EDIT_NONE : new_app(work, slot_subtype(is));
        if (row == EDIT_NONE || work->row[row].origin != old_app(work, slot_subtype(was))) {
            return false;
        }
    }
    return true;
}

/* What boots when there is no record. */
static int default_boot(const struct edit_work *work)
{
    int i = new_app(work, MOLT_APP_FACTORY);
    if (i == EDIT_NONE) {
        i = new_app(work, MOLT_APP_OTA_0);
    }
    for (int k = 0; i == EDIT_NONE && k < work->count; k++) {
        i = work->row[k].p.type == MOLT_PARTITION_APP ? k : i;
    }
    return i;
}

static int otadata_row(const struct edit_work *work)
{
    for (int i = 0; i < work->count; i++) {
        if (edit_class_of(&work->row[i].p) == EDIT_OTADATA) {
            return i;
        }
    }
    return EDIT_NONE;
}

static int heir_of(const struct edit_work *work, int old)
{
    for (int i = 0; i < work->count; i++) {
        if (work->row[i].origin == old) {
            return i;
        }
    }
    return EDIT_NONE;
}

/* Another app than now boots: it must be one. */
static int check_other(struct edit_work *work)
{
    const struct edit_row *row = &work->row[work->boots_after];
    struct molt_info_image found;
    if (row->origin == EDIT_NONE || !judge(work, row->origin, &found)) {
        return molt_fail(work->message, MOLT_E_IMAGE_MAGIC,
                         "nothing would boot afterwards: '%s' comes first, and holds no app that "
                         "is right; expected '%s' to stay, which boots now",
                         row->p.label, work->old[work->boots].p.label);
    }
    work->app = found;
    molt_plan_add(&work->edit->plan, MOLT_STEP_NOTE, 0, 0, row->p.label,
                  "boots afterwards, instead of '%s'", work->old[work->boots].p.label);
    return MOLT_OK;
}

int edit_plan_boot(struct edit_work *work)
{
    struct molt_otadata otadata;
    int heir = heir_of(work, work->boots), record = otadata_row(work);
    bool has = read_records(work, &otadata);
    bool used = has && (!otadata.record[0].blank || !otadata.record[1].blank);
    bool kept = used && record != EDIT_NONE && work->row[record].origin != EDIT_NONE &&
                work->old[work->row[record].origin].p.subtype == MOLT_DATA_OTADATA &&
                means_the_same(work, &otadata);
    work->boots_after = default_boot(work);
    if (kept) {
        work->keep_record = true;
        work->boots_after = heir != EDIT_NONE ? heir : work->boots_after;
        if (heir == EDIT_NONE) {
            struct molt_otadata_choice choice;
            const struct molt_otadata_facts facts = facts_of(&work->edit->table);
            molt_otadata_choose(&otadata, &facts, &choice);
            work->boots_after = new_app(work, slot_subtype(choice.slot));
        }
    } else if (heir != EDIT_NONE && heir != work->boots_after && record != EDIT_NONE &&
               work->row[heir].p.subtype >= MOLT_APP_OTA_0 &&
               work->row[heir].p.subtype <= MOLT_APP_OTA_15) {
        work->otadata_new = true;
        work->boots_after = heir;
    }
    return work->boots_after == heir ? MOLT_OK : check_other(work);
}

void edit_write_record(const struct edit_work *work)
{
    const struct edit_row *row = &work->row[work->boots_after];
    uint8_t *bytes = work->edit->flash + work->row[otadata_row(work)].p.offset;
    struct molt_otadata_record record = {.seq = (uint32_t)row->p.subtype - MOLT_APP_OTA_0 + 1,
                                         .state = MOLT_OTA_VALID};
    memset(record.label, 0xFF, sizeof record.label);
    record.crc = molt_otadata_crc(record.seq);
    molt_otadata_serialize(&record, bytes);
}
