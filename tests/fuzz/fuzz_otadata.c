/*
 * Any two records, any facts, any situation: parsing and choosing stay inside their ranges, and
 * every plan that is made leads where its contract says. Input: 32 + 32 bytes of records, then
 * slots | factory << 4 | rollback << 5 | trial << 6, running, target.
 */
#undef NDEBUG /* the asserts are the test */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "molt/otadata.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct molt_otadata_choice choose(const struct molt_otadata *now,
                                         const struct molt_otadata_facts *facts)
{
    struct molt_otadata_choice choice;
    molt_otadata_choose(now, facts, &choice);
    assert(choice.slot < (int)facts->slot_count && choice.slot >= MOLT_OTADATA_NO_SLOT);
    assert(choice.slot != MOLT_OTADATA_FACTORY || facts->has_factory);
    assert(choice.slot != MOLT_OTADATA_NO_SLOT || (facts->slot_count == 0 && !facts->has_factory));
    assert((choice.record >= 0) == (choice.why == MOLT_WHY_RECORD));
    return choice;
}

static struct molt_otadata after(const struct molt_otadata *now,
                                 const struct molt_otadata_plan *plan)
{
    struct molt_otadata result = *now;
    assert(plan->count <= MOLT_OTADATA_MAX_WRITES);
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct molt_otadata_record *record = &plan->write[i].record;
        assert(plan->write[i].sector < 2);
        assert(plan->write[i].erase_only ? record->blank : record->crc_ok && record->usable);
        assert(plan->write[i].erase_only || record->crc == molt_otadata_crc(record->seq));
    }
    molt_otadata_apply(&result, plan);
    return result;
}

static void plans(const struct molt_otadata *now, const struct molt_otadata_situation *who)
{
    struct molt_otadata_plan plan;
    struct molt_otadata healed, then;
    if (molt_otadata_plan_heal(now, who, &plan) == MOLT_OK) {
        healed = after(now, &plan);
        assert(choose(&healed, &who->facts).slot == who->running);
        assert(molt_otadata_plan_heal(&healed, who, &plan) == MOLT_OK && plan.count == 0);
        if (molt_otadata_plan_switch(&healed, who, &plan) == MOLT_OK) {
            then = after(&healed, &plan);
            assert(choose(&then, &who->facts).slot == who->target);
            assert(molt_otadata_plan_switch(&then, who, &plan) == MOLT_OK && plan.count == 0);
        }
    }
    if (molt_otadata_plan_confirm(now, who, &plan) == MOLT_OK) {
        then = after(now, &plan);
        assert(choose(&then, &who->facts).slot == who->running);
        assert(molt_otadata_plan_confirm(&then, who, &plan) == MOLT_OK && plan.count == 0);
    }
    if (molt_otadata_plan_rollback(now, who, &plan) == MOLT_OK) {
        then = after(now, &plan);
        assert(choose(&then, &who->facts).slot != who->running);
    }
    if (molt_otadata_plan_invalidate(now, who, who->target, &plan) == MOLT_OK) {
        then = after(now, &plan);
        assert(choose(&then, &who->facts).slot == who->running);
        assert(molt_otadata_slot_of(&then.record[0], &who->facts) != who->target);
        assert(molt_otadata_slot_of(&then.record[1], &who->facts) != who->target);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct molt_otadata now;
    struct molt_otadata_situation who;
    uint8_t bytes[MOLT_OTADATA_RECORD_SIZE];
    const uint8_t *second = data + MOLT_OTADATA_RECORD_SIZE, *more;
    if (size < 2 * MOLT_OTADATA_RECORD_SIZE + 3) {
        return 0;
    }
    more = second + MOLT_OTADATA_RECORD_SIZE;
    molt_otadata_parse(&now, data, second);
    molt_otadata_serialize(&now.record[0], bytes);
    assert(memcmp(bytes, data, sizeof bytes) == 0);
    memset(&who, 0, sizeof who);
    who.facts.slot_count = (more[0] & 15u) + (more[0] >> 7); /* 0..16 */
    who.facts.has_factory = (more[0] & 16) != 0;
    who.facts.rollback = (more[0] & 32) != 0;
    who.trial = (more[0] & 64) != 0;
    who.running = (int)(more[1] % 20) - 2;
    who.target = (int)(more[2] % 20) - 2;
    who.target_confirmed = more[2] >= 128;
    choose(&now, &who.facts);
    plans(&now, &who);
    return 0;
}
