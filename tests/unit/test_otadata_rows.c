/* What the sweep of test_otadata_plan does not show: refusals, and the bytes of what is written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "molt/otadata.h"
#include "ref_boot.h"

static void pair(struct molt_otadata *now, uint32_t seq0, uint32_t state0, uint32_t seq1,
                 uint32_t state1)
{
    struct molt_otadata_record records[2] = {{.seq = seq0, .state = state0, .crc = ref_crc(seq0)},
                                             {.seq = seq1, .state = state1, .crc = ref_crc(seq1)}};
    uint8_t bytes[2][MOLT_OTADATA_RECORD_SIZE];
    for (int i = 0; i < 2; i++) {
        memset(records[i].label, 0x41 + i, sizeof records[i].label);
        molt_otadata_serialize(&records[i], bytes[i]);
    }
    molt_otadata_parse(now, bytes[0], bytes[1]);
}

static void what_is_no_slot_is_refused(void **state)
{
    (void)state;
    struct molt_otadata now;
    struct molt_otadata_plan plan;
    struct molt_otadata_situation who = {.facts = {2, false, true}};
    static const int outside[] = {2, MOLT_OTADATA_FACTORY, MOLT_OTADATA_NO_SLOT};
    pair(&now, 1, REF_VALID, 2, REF_ABORTED);
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++) {
        who.running = outside[i];
        who.target = 1;
        assert_int_equal(molt_otadata_plan_heal(&now, &who, &plan), MOLT_E_ARGUMENT);
        assert_int_equal(molt_otadata_plan_switch(&now, &who, &plan), MOLT_E_ARGUMENT);
        assert_int_equal(molt_otadata_plan_confirm(&now, &who, &plan), MOLT_E_ARGUMENT);
        assert_int_equal(molt_otadata_plan_rollback(&now, &who, &plan), MOLT_E_ARGUMENT);
        assert_int_equal(molt_otadata_plan_invalidate(&now, &who, 1, &plan), MOLT_E_ARGUMENT);
        who.running = 0;
        who.target = outside[i];
        assert_int_equal(molt_otadata_plan_switch(&now, &who, &plan), MOLT_E_NOT_A_SLOT);
        assert_int_equal(molt_otadata_plan_invalidate(&now, &who, outside[i], &plan),
                         MOLT_E_NOT_A_SLOT);
    }
}

static void factory_cannot_be_on_trial(void **state)
{
    (void)state;
    struct molt_otadata now;
    struct molt_otadata_plan plan;
    struct molt_otadata_situation who = {
        .facts = {2, true, true}, .running = 0, .target = MOLT_OTADATA_FACTORY};
    pair(&now, 1, REF_VALID, 2, REF_ABORTED);
    assert_int_equal(molt_otadata_plan_switch(&now, &who, &plan), MOLT_E_NO_WAY_BACK);
    assert_int_equal(plan.count, 0);
    who.target_confirmed = true;
    assert_int_equal(molt_otadata_plan_switch(&now, &who, &plan), MOLT_OK);
    assert_int_equal(plan.count, 1);
}

/* Sector, seq, state and label of what a switch writes; a confirm keeps seq and label. */
static void records_as_written(void **state)
{
    (void)state;
    struct molt_otadata now;
    struct molt_otadata_plan plan;
    struct molt_otadata_situation who = {.facts = {3, false, true}, .running = 1, .target = 0};
    uint8_t blank[20], label[20];
    memset(blank, 0xFF, sizeof blank);
    memset(label, 0x42, sizeof label);
    pair(&now, 1, REF_VALID, 5, REF_VALID);
    assert_int_equal(molt_otadata_plan_switch(&now, &who, &plan), MOLT_OK);
    assert_int_equal(plan.count, 1);
    assert_int_equal(plan.write[0].sector, 0);
    assert_int_equal(plan.write[0].record.seq, 7); /* slot 0 of 3, above 5 */
    assert_int_equal(plan.write[0].record.state, MOLT_OTA_NEW);
    assert_memory_equal(plan.write[0].record.label, blank, sizeof blank);
    pair(&now, 1, REF_VALID, 5, REF_PENDING);
    assert_int_equal(molt_otadata_plan_confirm(&now, &who, &plan), MOLT_OK);
    assert_int_equal(plan.count, 1);
    assert_int_equal(plan.write[0].sector, 1);
    assert_int_equal(plan.write[0].record.seq, 5);
    assert_int_equal(plan.write[0].record.state, MOLT_OTA_VALID);
    assert_memory_equal(plan.write[0].record.label, label, sizeof label);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_slot_is_refused),
        cmocka_unit_test(factory_cannot_be_on_trial),
        cmocka_unit_test(records_as_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
