/*
 * Where a second set_boot, or one on the wrong slot, loses the way back for ever, Molt's plans keep
 * it: over every situation that the recordings show.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "molt/otadata.h"
#include "ref_boot.h"
#include "vectors.h"

typedef int make_plan(const struct molt_otadata *now,
                      const struct molt_otadata_situation *situation,
                      struct molt_otadata_plan *plan);

struct counts {
    int situations, not_slots, unconfirmed, switched, twice, back, on_trial, confirmed, disagree,
        rolled_back, no_way_back, steps_lost_by_set_boot;
};

struct device {
    const struct vector *v;
    struct ref_world world;
    struct molt_otadata_situation who;
};

static void fill(uint8_t *bytes, const struct ref_record *record)
{
    struct molt_otadata_record r = {.seq = record->seq, .state = record->state};
    memset(r.label, 0xFF, sizeof r.label);
    r.crc = record->crc_ok ? ref_crc(record->seq) : ~ref_crc(record->seq);
    molt_otadata_serialize(&r, bytes);
}

/* Makes the plan from the records as they are, and carries it out. */
static int act(struct device *d, make_plan *make)
{
    uint8_t bytes[2][MOLT_OTADATA_RECORD_SIZE];
    struct molt_otadata now;
    struct molt_otadata_plan plan;
    fill(bytes[0], &d->world.record[0]);
    fill(bytes[1], &d->world.record[1]);
    molt_otadata_parse(&now, bytes[0], bytes[1]);
    int code = make(&now, &d->who, &plan);
    if (code != MOLT_OK) {
        return code;
    }
    molt_otadata_apply(&now, &plan);
    for (int i = 0; i < 2; i++) {
        molt_otadata_serialize(&now.record[i], bytes[i]);
        d->world.record[i] = ref_parse(bytes[i]);
    }
    return (int)plan.count;
}

/* What `molt ota set-boot` does: heal, then switch. */
static int set_boot(struct device *d, int target)
{
    int code = act(d, molt_otadata_plan_heal);
    d->who.target = target;
    d->who.target_confirmed = target == MOLT_OTADATA_FACTORY;
    return code < 0 || target == d->who.running ? code : act(d, molt_otadata_plan_switch);
}

static void boots(const struct device *d, struct ref_world *world, int expected, const char *what)
{
    int runs = ref_boot(world);
    if (runs != expected) {
        fail_msg("%s: %s %s: %s: boots %d, not %d (running %d)", d->v->file, d->v->id,
                 d->v->step ? d->v->step : "", what, runs, expected, d->who.running);
    }
}

/* The trial of target fails: by the bootloader, or by Molt where that has no rollback. */
static void trial_fails(struct device *d, int target)
{
    int old = d->who.running;
    boots(d, &d->world, target, "switched");
    if (target == MOLT_OTADATA_FACTORY) {
        return; /* cannot be on trial */
    }
    if (d->world.rollback) {
        d->who.running = target;
        if (act(d, molt_otadata_plan_heal) != MOLT_E_UNCONFIRMED ||
            set_boot(d, old) != MOLT_E_UNCONFIRMED) {
            fail_msg("%s: a slot under trial may switch", d->v->id);
        }
        d->who.running = old;
    } else {
        d->who.running = target;
        d->who.trial = true;
        int code = act(d, molt_otadata_plan_rollback);
        if (code < 0 && old != MOLT_OTADATA_FACTORY) {
            fail_msg("%s: no rollback (%d)", d->v->id, code);
        }
        d->who.running = old;
        d->who.trial = false;
    }
    boots(d, &d->world, old, "trial failed");
    boots(d, &d->world, old, "trial failed, next boot");
}

static void every_target(const struct device *start, struct counts *counts)
{
    int lowest = start->who.facts.has_factory ? MOLT_OTADATA_FACTORY : 0;
    for (int t = lowest; t < start->world.slots; t++) {
        struct device d = *start;
        bool loads = t == REF_FACTORY ? d.world.factory_loads : (d.world.loads >> t & 1) != 0;
        if (t == d.who.running || !loads) {
            continue; /* the command refuses images that do not start */
        }
        int code = set_boot(&d, t);
        if (code == MOLT_E_UNCONFIRMED) {
            counts->unconfirmed++;
            continue;
        }
        if (code < 0) {
            fail_msg("%s: set boot to %d: %d", d.v->id, t, code);
        }
        struct device once = d, away = d;
        trial_fails(&once, t);
        counts->switched++;
        /* Twice to the same slot: the second changes nothing. */
        if (t != MOLT_OTADATA_FACTORY) {
            d.who.target = t;
            if (act(&d, molt_otadata_plan_switch) != 0) {
                fail_msg("%s: a second set boot writes", d.v->id);
            }
            trial_fails(&d, t);
            counts->twice++;
        }
        /* Away and back. */
        if (set_boot(&away, away.who.running) < 0) {
            fail_msg("%s: away and not back", away.v->id);
        }
        for (int i = 0; i < 3; i++) {
            boots(&away, &away.world, away.who.running, "away and back");
        }
        counts->back++;
    }
}

static void confirm_and_roll_back(const struct device *start, struct counts *counts)
{
    struct device d = *start;
    int code = act(&d, molt_otadata_plan_confirm);
    if (code >= 0) {
        boots(&d, &d.world, d.who.running, "confirmed");
        boots(&d, &d.world, d.who.running, "confirmed, next boot");
        counts->confirmed++;
    } else {
        assert_int_equal(code, MOLT_E_BOOT_DISAGREES);
        counts->disagree++;
    }
    d = *start;
    code = act(&d, molt_otadata_plan_rollback);
    if (code >= 0) {
        d.world.loads = (1u << d.world.slots) - 1;
        d.world.factory_loads = true;
        int runs = ref_boot(&d.world);
        assert_int_not_equal(runs, d.who.running);
        boots(&d, &d.world, runs, "rolled back, next boot");
        counts->rolled_back++;
    } else {
        assert_int_equal(code, MOLT_E_NO_WAY_BACK);
        counts->no_way_back++;
    }
}

static void each_situation(const struct vector *v, void *context)
{
    struct counts *counts = context;
    bool aside = strcmp(v->kind, "image") == 0 || strcmp(v->kind, "table") == 0;
    if (aside || !v->whole_otadata || v->running < REF_FACTORY || v->running >= v->world.slots) {
        counts->not_slots++;
        return;
    }
    struct device d = {.v = v, .world = v->world};
    for (int i = 0; i < 2; i++) {
        d.world.record[i] = ref_parse(v->after[i]);
    }
    d.who.facts = (struct molt_otadata_facts){(uint32_t)v->world.slots, v->world.has_factory,
                                              v->world.rollback};
    d.who.running = v->running;
    d.who.target = MOLT_OTADATA_NO_SLOT;
    counts->situations++;
    if (v->step && strncmp(v->step, "set_boot", 8) == 0) {
        /* Both boots of a failing trial end elsewhere than here: set_boot has lost the way. */
        struct ref_world lost = d.world;
        ref_boot(&lost);
        ref_boot(&lost);
        counts->steps_lost_by_set_boot += ref_boot(&lost) != v->running;
    }
    every_target(&d, counts);
    confirm_and_roll_back(&d, counts);
}

static void a_way_back_is_kept_everywhere(void **state)
{
    (void)state;
    struct counts counts = {0};
    assert_int_equal(vectors_cases(TEST_DATA, each_situation, &counts), 765);
    int from_cases = counts.situations;
    assert_int_equal(vectors_steps(TEST_DATA, each_situation, &counts), 74);
    printf(
        "%d situations (%d of them after a boot of one case), %d without slots or records of "
        "their own\n%d switches that fail their trial, %d made twice, %d away and back, %d refused "
        "because of a trial\n%d confirmed, %d refused (records name another slot); %d rolled "
        "back, %d refused (nothing confirmed to return to)\nset_boot itself had lost the "
        "way back after %d steps\n",
        counts.situations, from_cases, counts.not_slots, counts.switched, counts.twice, counts.back,
        counts.unconfirmed, counts.confirmed, counts.disagree, counts.rolled_back,
        counts.no_way_back, counts.steps_lost_by_set_boot);
    assert_int_equal(counts.situations + counts.not_slots, 765 + 371);
    assert_true(counts.steps_lost_by_set_boot > 0);
    assert_int_equal(counts.confirmed + counts.disagree, counts.situations);
    assert_int_equal(counts.rolled_back + counts.no_way_back, counts.situations);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_way_back_is_kept_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
