/*
 * Every plan, from every state of two records, in every situation, cut after every flash operation
 * and inside each: what boots then, by an independent bootloader (ref_boot), is the running slot,
 * the whole target, or what would have booted without the plan; and the plan made again gets there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/bytes.h"
#include "molt/otadata.h"
#include "ref_boot.h"

#define UNKNOWN_STATE 0x80000001u
static const uint32_t states[] = {REF_NEW,     REF_PENDING,        REF_VALID,    REF_INVALID,
                                  REF_ABORTED, MOLT_OTA_UNDEFINED, UNKNOWN_STATE};
static const uint32_t seqs[] = {0, 1, 2, 3, 4, 0xFFFFFFFDu, 0xFFFFFFFEu};
#define COUNT(a) (sizeof(a) / sizeof(a)[0])

struct raw {
    uint8_t bytes[MOLT_OTADATA_RECORD_SIZE];
};

static struct raw raw_record(uint32_t seq, uint32_t state, bool crc_ok)
{
    struct raw raw;
    memset(&raw, 0xFF, sizeof raw);
    molt_put_le32(raw.bytes, seq);
    molt_put_le32(raw.bytes + 24, state);
    molt_put_le32(raw.bytes + 28, crc_ok ? ref_crc(seq) : ref_crc(seq) ^ 0x40);
    return raw;
}

/* All kinds of one record: every state with every seq; bad CRCs; blank ones with what a torn
 * program leaves. */
static size_t all_records(struct raw *list)
{
    size_t n = 0;
    for (size_t s = 0; s < COUNT(states); s++) {
        for (size_t q = 0; q < COUNT(seqs); q++) {
            list[n++] = raw_record(seqs[q], states[s], true);
        }
        list[n++] = raw_record(3, states[s], false);
    }
    memset(&list[n++], 0xFF, sizeof *list);
    list[n] = raw_record(0xFFFFFFFFu, REF_VALID, true);
    memset(list[n++].bytes + 28, 0x12, 4);
    list[n++] = raw_record(0xFFFFFFFFu, REF_PENDING, true);
    return n;
}

enum operation { HEAL, SWITCH, CONFIRM, ROLLBACK, INVALIDATE, OPERATIONS };
static const char *const names[] = {"heal", "switch", "confirm", "rollback", "invalidate"};

struct scene {
    enum operation operation;
    struct molt_otadata_situation who;
    struct ref_world before; /* with the images that load */
    struct raw raw[2];
};

struct totals {
    unsigned long made, refused, empty, cuts, raised, remade;
};

static struct totals totals[OPERATIONS];

static void complain(const struct scene *s, const char *what, int got)
{
    fail_msg("%s: %s (%d): records {seq %x state %x crc %d} {seq %x state %x crc %d}, %u slots, "
             "factory %d, rollback %d, running %d, target %d, trial %d, loads %x/%d",
             names[s->operation], what, got, s->before.record[0].seq, s->before.record[0].state,
             s->before.record[0].crc_ok, s->before.record[1].seq, s->before.record[1].state,
             s->before.record[1].crc_ok, s->who.facts.slot_count, s->who.facts.has_factory,
             s->who.facts.rollback, s->who.running, s->who.target, s->who.trial, s->before.loads,
             s->before.factory_loads);
}

/* ---- Making a plan, also again from what a cut left ---- */

static void to_core(struct molt_otadata *otadata, const struct ref_world *world)
{
    uint8_t bytes[2][MOLT_OTADATA_RECORD_SIZE];
    for (int i = 0; i < 2; i++) {
        const struct ref_record *r = &world->record[i];
        struct raw raw = raw_record(r->seq, r->state, r->crc_ok);
        memcpy(bytes[i], raw.bytes, sizeof bytes[i]);
    }
    molt_otadata_parse(otadata, bytes[0], bytes[1]);
}

static int make(const struct scene *s, enum operation operation, const struct molt_otadata *now,
                struct molt_otadata_plan *plan)
{
    switch (operation) {
    case HEAL: return molt_otadata_plan_heal(now, &s->who, plan);
    case SWITCH: return molt_otadata_plan_switch(now, &s->who, plan);
    case CONFIRM: return molt_otadata_plan_confirm(now, &s->who, plan);
    case ROLLBACK: return molt_otadata_plan_rollback(now, &s->who, plan);
    case INVALIDATE: return molt_otadata_plan_invalidate(now, &s->who, s->who.target, plan);
    case OPERATIONS: break;
    }
    return MOLT_E_ARGUMENT;
}

static struct ref_record written(const struct scene *s, const struct molt_otadata_write *write)
{
    uint8_t bytes[MOLT_OTADATA_RECORD_SIZE];
    if (write->sector > 1) {
        complain(s, "no such sector", write->sector);
    }
    if (write->erase_only) {
        return (struct ref_record){REF_BLANK, REF_BLANK, false};
    }
    molt_otadata_serialize(&write->record, bytes);
    struct ref_record record = ref_parse(bytes);
    if (!record.crc_ok || record.seq == REF_BLANK) {
        complain(s, "writes a record that does not count", (int)record.seq);
    }
    return record;
}

static struct ref_world carried_out(const struct scene *s, struct ref_world world,
                                    const struct molt_otadata_plan *plan)
{
    for (uint32_t i = 0; i < plan->count; i++) {
        world.record[plan->write[i].sector] = written(s, &plan->write[i]);
    }
    return world;
}

/* ---- What must hold when a plan is through ---- */

static void boots(const struct scene *s, struct ref_world world, const int *expected, int n,
                  const char *what)
{
    for (int i = 0; i < n; i++) {
        int runs = ref_boot(&world);
        if (runs != expected[i]) {
            complain(s, what, runs);
        }
    }
}

static struct ref_world only_loads(struct ref_world world, int slot)
{
    world.factory_loads = slot == MOLT_OTADATA_FACTORY;
    world.loads = slot >= 0 ? 1u << slot : 0;
    return world;
}

static struct ref_world all_load(struct ref_world world)
{
    world.factory_loads = true;
    world.loads = (1u << world.slots) - 1u;
    return world;
}

/* A record that outlasts boots and was confirmed. */
static bool confirmed_for(const struct ref_world *world, int i, int slot)
{
    return ref_names(world, i) == slot &&
           (world->record[i].state == REF_VALID || world->record[i].state == MOLT_OTA_UNDEFINED);
}

static void check_healed(const struct scene *s, const struct ref_world *world)
{
    int r = s->who.running;
    const int always[] = {r, r, r};
    boots(s, only_loads(*world, r), always, 3, "healed, only the running image is whole");
    boots(s, all_load(*world), always, 3, "healed, all images are whole");
    if (r == MOLT_OTADATA_FACTORY) {
        return;
    }
    int a = ref_names(world, 0) == r && world->record[0].state == REF_VALID;
    int b = ref_names(world, 1) == r && world->record[1].state == REF_VALID;
    if (!a && !b) {
        complain(s, "healed, but no record confirms the running slot", 0);
    }
}

static void check_switched(const struct scene *s, const struct ref_world *world)
{
    int r = s->who.running, t = s->who.target;
    if (t == MOLT_OTADATA_FACTORY) {
        boots(s, all_load(*world), (const int[]){t, t, t}, 3, "switched to factory");
    } else if (s->who.facts.rollback) {
        boots(s, all_load(*world), (const int[]){t, r, r}, 3, "switched, the trial fails");
    } else {
        boots(s, all_load(*world), (const int[]){t, t, t}, 3, "switched without rollback");
    }
    bool new_record = false;
    for (int i = 0; i < 2; i++) {
        new_record |= ref_names(world, i) == t && world->record[i].state == REF_NEW;
    }
    if (t != MOLT_OTADATA_FACTORY && !new_record) {
        complain(s, "switched, but not as a trial", 0);
    }
    if (r != MOLT_OTADATA_FACTORY && t != MOLT_OTADATA_FACTORY && !confirmed_for(world, 0, r) &&
        !confirmed_for(world, 1, r)) {
        complain(s, "switched, but the way back is gone", 0);
    }
}

static void check_confirmed(const struct scene *s, const struct ref_world *from,
                            const struct ref_world *world)
{
    int r = s->who.running;
    const int always[] = {r, r, r};
    boots(s, all_load(*world), always, 3, "confirmed");
    if (r != MOLT_OTADATA_FACTORY) {
        boots(s, only_loads(*world, r), always, 3, "confirmed, nothing else is whole");
    }
    for (int i = 0; i < 2; i++) {
        int old = ref_names(from, i);
        if (from->record[i].state == REF_VALID && old >= 0 && old != r &&
            !(confirmed_for(world, i, old))) {
            complain(s, "confirmed, but the other confirmed slot's record is gone", old);
        }
    }
}

static void check_rolled_back(const struct scene *s, const struct ref_world *from,
                              const struct ref_world *world)
{
    struct ref_world copy = all_load(*world);
    int w = ref_boot(&copy);
    if (w == s->who.running) {
        complain(s, "rolled back, and the same image boots", w);
    }
    boots(s, all_load(*world), (const int[]){w, w, w}, 3, "rolled back");
    if (w != MOLT_OTADATA_FACTORY && !confirmed_for(from, 0, w) && !confirmed_for(from, 1, w)) {
        complain(s, "rolled back to what nobody confirmed", w);
    }
}

/* from: the records that the plan was made from. */
static void check_done(const struct scene *s, const struct ref_world *from,
                       const struct ref_world *world)
{
    switch (s->operation) {
    case HEAL: check_healed(s, world); break;
    case SWITCH: check_switched(s, world); break;
    case CONFIRM: check_confirmed(s, from, world); break;
    case ROLLBACK: check_rolled_back(s, from, world); break;
    case INVALIDATE:
        check_healed(s, world);
        if (ref_names(world, 0) == s->who.target || ref_names(world, 1) == s->who.target) {
            complain(s, "a record still names the slot", s->who.target);
        }
        break;
    case OPERATIONS: break;
    }
}

/* ---- Cuts ---- */

/* Bit numbers: what may run after a cut. */
static uint32_t bit(int slot)
{
    return 1u << (slot + 4);
}

static uint32_t three_boots(struct ref_world world)
{
    uint32_t ran = 0;
    for (int i = 0; i < 3; i++) {
        ran |= bit(ref_boot(&world));
    }
    return ran;
}

/* The boot itself put the running slot on trial: it was NEW when the plan began. */
static bool put_on_trial(const struct scene *s, const struct ref_world *world)
{
    for (int i = 0; i < 2; i++) {
        if (ref_names(world, i) == s->who.running && world->record[i].state == REF_PENDING) {
            return world->rollback;
        }
    }
    return false;
}

static int apply_again(const struct scene *s, enum operation operation, struct ref_world *world,
                       uint32_t *count)
{
    struct molt_otadata now;
    struct molt_otadata_plan plan;
    to_core(&now, world);
    int code = make(s, operation, &now, &plan);
    if (code == MOLT_OK) {
        *world = carried_out(s, *world, &plan);
        *count = plan.count;
    }
    return code;
}

/* After the cut the bootloader runs. When it starts the same image: heal if needed, and again. */
static void make_again(const struct scene *s, struct ref_world world)
{
    uint32_t count;
    if (ref_boot(&world) != s->who.running) {
        return;
    }
    int code = MOLT_OK;
    if (s->operation == SWITCH) {
        code = apply_again(s, HEAL, &world, &count);
    }
    struct ref_world from = world;
    if (code == MOLT_OK) {
        code = apply_again(s, s->operation, &world, &count);
    }
    if (code == MOLT_E_BOOT_DISAGREES && s->operation == CONFIRM) {
        code = apply_again(s, HEAL, &world, &count); /* the bootloader fell back meanwhile */
    }
    if (code == MOLT_E_UNCONFIRMED && put_on_trial(s, &world)) {
        return;
    }
    if (code == MOLT_E_UNCONFIRMED && s->who.trial && s->who.target == MOLT_OTADATA_FACTORY) {
        return; /* a torn erase of the last VALID record: the store knows more than the records */
    }
    if (code != MOLT_OK) {
        complain(s, "made again after a cut", code);
    }
    check_done(s, &from, &world);
    totals[s->operation].remade++;
    code = apply_again(s, s->operation, &world, &count);
    if (code != MOLT_OK || count != 0) {
        complain(s, "done, and made again is not empty", code);
    }
}

/* `allowed` as without a cut. `erased`: the record whose torn erase this is, or NULL: a useless
 * record that a torn erase made usable may bring its own slot up. */
static void check_cut(const struct scene *s, const struct ref_world *world, uint32_t allowed,
                      const struct ref_record *erased)
{
    uint32_t ran = three_boots(*world);
    totals[s->operation].cuts++;
    if (ran & ~allowed) {
        struct ref_world old = *world;
        bool useless = erased && erased->crc_ok &&
                       (erased->state == REF_INVALID || erased->state == REF_ABORTED ||
                        (erased->state == REF_PENDING && world->rollback));
        if (!useless) {
            complain(s, "after a cut there boots another slot; bits", (int)ran);
        }
        /* Only its own slot. */
        old.record[0] = *erased;
        old.record[0].state = MOLT_OTA_UNDEFINED;
        old.record[1] = (struct ref_record){REF_BLANK, REF_BLANK, false};
        if (ran & ~allowed & ~three_boots(old)) {
            complain(s, "after a torn erase there boots another slot; bits", (int)ran);
        }
        totals[s->operation].raised++;
        return; /* what runs now is another one: this plan is not made again */
    }
    make_again(s, *world);
}

static void cut_erase(const struct scene *s, const struct ref_world *world, int sector,
                      uint32_t allowed)
{
    static const uint32_t raise[] = {1, 2, 4, 0x80000000u, 0xFFFFFFFFu};
    const struct ref_record old = world->record[sector];
    struct ref_world torn = *world;
    check_cut(s, &torn, allowed, NULL); /* before it */
    for (size_t i = 0; i < COUNT(raise); i++) {
        torn.record[sector] = old;
        torn.record[sector].state |= raise[i];
        check_cut(s, &torn, allowed, &old);
        torn.record[sector].crc_ok = false;
        check_cut(s, &torn, allowed, &old);
        torn.record[sector].seq |= raise[i];
        check_cut(s, &torn, allowed, &old);
    }
    torn.record[sector] = (struct ref_record){0, 0, false}; /* programmed to zero first */
    check_cut(s, &torn, allowed, &old);
    torn.record[sector] = (struct ref_record){REF_BLANK, REF_BLANK, false};
    check_cut(s, &torn, allowed, NULL); /* after it */
}

static void cut_program(const struct scene *s, const struct ref_world *world,
                        const struct molt_otadata_write *write, uint32_t allowed)
{
    struct ref_record whole = written(s, write);
    struct ref_world torn = *world;
    struct ref_record *record = &torn.record[write->sector];
    /* Label and state, torn and whole; the CRC then. seq is blank all the time. */
    const uint32_t partial[] = {REF_BLANK, whole.state | 0xFFFF0000u, whole.state | 1, whole.state};
    for (size_t i = 0; i < COUNT(partial); i++) {
        *record = (struct ref_record){REF_BLANK, partial[i], false};
        check_cut(s, &torn, allowed, NULL);
    }
    static const uint32_t left[] = {0xFFFFFF00u, 0xFFFF0000u, 0xFF000000u, 0x0000FFFFu,
                                    1,           2,           0x80000000u};
    for (size_t i = 0; i < COUNT(left); i++) {
        *record = (struct ref_record){whole.seq | left[i], whole.state, false};
        if (record->seq != whole.seq) {
            check_cut(s, &torn, allowed, NULL);
        }
    }
}

/* ---- Refusals: each only where it has to be ---- */

static bool confirmed_elsewhere(const struct scene *s)
{
    for (int i = 0; i < 2; i++) {
        int slot = ref_names(&s->before, i);
        if (slot >= 0 && slot != s->who.running && confirmed_for(&s->before, i, slot)) {
            return true;
        }
    }
    return false;
}

/* What booted, were nothing changed since: NEW has become PENDING_VERIFY at that boot. */
static int led_here(const struct scene *s)
{
    struct ref_world world = all_load(s->before);
    world.rollback = false;
    return ref_boot(&world);
}

static int expected_refusal(const struct scene *s, enum operation operation)
{
    int r = s->who.running, t = s->who.target;
    bool valid = false;
    for (int i = 0; i < 2; i++) {
        valid |= ref_names(&s->before, i) == r && s->before.record[i].state == REF_VALID;
    }
    bool trial = r >= 0 && !valid && (s->who.trial || put_on_trial(s, &s->before));
    switch (operation) {
    case HEAL: return trial ? MOLT_E_UNCONFIRMED : MOLT_OK;
    case CONFIRM: return led_here(s) == r ? MOLT_OK : MOLT_E_BOOT_DISAGREES;
    case ROLLBACK:
        return r >= 0 && (s->who.facts.has_factory || confirmed_elsewhere(s)) ? MOLT_OK
                                                                              : MOLT_E_NO_WAY_BACK;
    case INVALIDATE:
        return t < 0 ? MOLT_E_NOT_A_SLOT : t == r ? MOLT_E_ARGUMENT : expected_refusal(s, HEAL);
    case SWITCH: /* decided by what heal leaves: see after_heal */
    case OPERATIONS: break;
    }
    return MOLT_E_UNSUPPORTED;
}

static void check_code(const struct scene *s, int code)
{
    int expected = expected_refusal(s, s->operation);
    if (s->operation != SWITCH && code != expected) {
        complain(s, "unexpected code", code);
    }
    if (s->operation == SWITCH && s->who.target == s->who.running && code != MOLT_E_ARGUMENT) {
        complain(s, "switched to what runs", code);
    }
    if (s->operation == SWITCH && code != MOLT_OK && code != MOLT_E_ARGUMENT &&
        code != MOLT_E_UNCONFIRMED && code != MOLT_E_NO_WAY_BACK) {
        complain(s, "unexpected code", code);
    }
}

/* Once healed, every other slot can be switched to. */
static void after_heal(const struct scene *healed, const struct ref_world *world)
{
    struct scene s = *healed;
    struct molt_otadata now;
    struct molt_otadata_plan plan;
    to_core(&now, world);
    for (int t = s.who.facts.has_factory ? REF_FACTORY : 0; t < (int)s.who.facts.slot_count; t++) {
        s.who.target = t;
        s.who.target_confirmed = t == REF_FACTORY;
        int code = t == s.who.running ? MOLT_OK : make(&s, SWITCH, &now, &plan);
        if (code != MOLT_OK) {
            complain(&s, "healed, but the switch is refused", code);
        }
    }
}

static void try_plan(const struct scene *s, const struct molt_otadata *now)
{
    struct molt_otadata_plan plan = {.count = 99};
    int code = make(s, s->operation, now, &plan);
    check_code(s, code);
    if (code != MOLT_OK) {
        totals[s->operation].refused++;
        return;
    }
    if (plan.count > MOLT_OTADATA_MAX_WRITES) {
        complain(s, "too many writes", (int)plan.count);
    }
    struct ref_world after = carried_out(s, s->before, &plan);
    totals[s->operation].made++;
    totals[s->operation].empty += plan.count == 0;
    check_done(s, &s->before, &after);
    if (s->operation == HEAL) {
        after_heal(s, &after);
    }
    uint32_t allowed = bit(s->who.running) | three_boots(s->before) | three_boots(after);
    for (int i = 0; i < 2 && s->operation == CONFIRM; i++) {
        int old = ref_names(&s->before, i);
        if (confirmed_for(&s->before, i, old)) {
            allowed |= bit(old); /* the one rewrite of the active record: the old slot comes back */
        }
    }
    struct ref_world world = s->before;
    for (uint32_t i = 0; i < plan.count; i++) {
        cut_erase(s, &world, plan.write[i].sector, allowed);
        if (!plan.write[i].erase_only) {
            cut_program(s, &world, &plan.write[i], allowed);
        }
        world.record[plan.write[i].sector] = written(s, &plan.write[i]);
        make_again(s, world);
    }
    struct molt_otadata applied = *now, parsed;
    molt_otadata_apply(&applied, &plan);
    to_core(&parsed, &after);
    for (int i = 0; i < 2; i++) {
        if (applied.record[i].seq != parsed.record[i].seq ||
            applied.record[i].crc_ok != parsed.record[i].crc_ok ||
            applied.record[i].usable != parsed.record[i].usable ||
            applied.record[i].blank != parsed.record[i].blank) {
            complain(s, "apply differs from what is written", i);
        }
    }
}

/* ---- All of them ---- */

/* How things stand besides the records. */
enum { AS_RECORDED, TRIAL_STORED, CHOICE_DOES_NOT_LOAD, VARIANTS };

static int choice_of(struct ref_world world)
{
    world = all_load(world);
    return ref_boot(&world);
}

/* false: nothing new in this variant. */
static bool set_variant(struct scene *s, int variant)
{
    int choice = choice_of(s->before);
    s->who.trial = variant == TRIAL_STORED;
    s->before = all_load(s->before);
    if (variant == CHOICE_DOES_NOT_LOAD) { /* the bootloader fell back to what runs */
        if (choice == REF_FACTORY) {
            s->before.factory_loads = false;
        } else {
            s->before.loads &= ~(1u << choice);
        }
        return choice != s->who.running;
    }
    return true;
}

static void each_operation(struct scene *s, const struct molt_otadata *now, bool first_target)
{
    for (int o = 0; o < OPERATIONS; o++) {
        int t = s->who.target;
        bool whole = t == REF_FACTORY ? s->before.factory_loads : (s->before.loads >> t & 1) != 0;
        s->operation = (enum operation)o;
        if (o == SWITCH ? whole : o == INVALIDATE || first_target) {
            try_plan(s, now);
        }
    }
}

static void each_situation(struct scene *s, const struct molt_otadata *now)
{
    int slots = (int)s->who.facts.slot_count;
    int lowest = s->who.facts.has_factory ? MOLT_OTADATA_FACTORY : 0;
    for (int r = lowest; r < slots; r++) {
        s->who.running = r;
        for (int t = lowest; t < slots; t++) {
            s->who.target = t;
            s->who.target_confirmed = t == MOLT_OTADATA_FACTORY;
            for (int v = 0; v < VARIANTS; v++) {
                if (set_variant(s, v)) {
                    each_operation(s, now, t == lowest);
                }
            }
        }
    }
}

static void every_state_every_plan_every_cut(void **state)
{
    (void)state;
    static struct raw list[80];
    struct scene s;
    memset(&s, 0, sizeof s);
    size_t n = all_records(list);
    for (size_t k = 0; k < n * n; k++) {
        struct molt_otadata now;
        s.raw[0] = list[k / n];
        s.raw[1] = list[k % n];
        molt_otadata_parse(&now, s.raw[0].bytes, s.raw[1].bytes);
        for (uint32_t f = 0; f < 12; f++) {
            s.who.facts.slot_count = f % 3 + 1;
            s.who.facts.has_factory = f / 3 % 2 != 0;
            s.who.facts.rollback = f / 6 != 0;
            s.before = (struct ref_world){{ref_parse(s.raw[0].bytes), ref_parse(s.raw[1].bytes)},
                                          (int)s.who.facts.slot_count,
                                          s.who.facts.has_factory,
                                          false,
                                          s.who.facts.rollback,
                                          0,
                                          false};
            each_situation(&s, &now);
        }
    }
    for (int o = 0; o < OPERATIONS; o++) {
        printf("%-10s %lu plans (%lu empty), %lu refused, %lu cuts, %lu of them brought a useless "
               "record back, %lu made again\n",
               names[o], totals[o].made, totals[o].empty, totals[o].refused, totals[o].cuts,
               totals[o].raised, totals[o].remade);
        assert_true(totals[o].made > 1000 && totals[o].refused > 1000 && totals[o].cuts > 100000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_every_plan_every_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
