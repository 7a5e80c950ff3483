/* Records, the bootloader's choice, and that both agree with what genuine bootloaders did. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/bytes.h"
#include "molt/otadata.h"
#include "ref_boot.h"
#include "vectors.h"

/* esp32-formats: crc32(0xFFFFFFFF, seq). */
static void crc_of_the_first_numbers(void **state)
{
    (void)state;
    assert_int_equal(molt_otadata_crc(1), 0x4743989A);
    assert_int_equal(molt_otadata_crc(2), 0x55F63774);
    assert_int_equal(molt_otadata_crc(3), 0xED4A5011);
    assert_int_equal(molt_otadata_crc(4), 0x709D68A8);
}

static void put(uint8_t *bytes, uint32_t seq, uint32_t record_state, uint32_t crc)
{
    memset(bytes, 0xA5, MOLT_OTADATA_RECORD_SIZE);
    molt_put_le32(bytes, seq);
    molt_put_le32(bytes + 24, record_state);
    molt_put_le32(bytes + 28, crc);
}

static void flags_of_a_record(void **state)
{
    (void)state;
    static const struct {
        uint32_t seq, state;
        bool bad_crc, blank, crc_ok, usable;
    } rows[] = {
        {1, MOLT_OTA_NEW, false, false, true, true},
        {1, MOLT_OTA_PENDING_VERIFY, false, false, true, true},
        {1, MOLT_OTA_VALID, false, false, true, true},
        {1, MOLT_OTA_INVALID, false, false, true, false},
        {1, MOLT_OTA_ABORTED, false, false, true, false},
        {1, MOLT_OTA_UNDEFINED, false, false, true, true},
        {1, 5, false, false, true, true},
        {1, 0x80000003, false, false, true, true},
        {0, MOLT_OTA_VALID, false, false, true, true},
        {0xFFFFFFFE, MOLT_OTA_VALID, false, false, true, true},
        {0xFFFFFFFF, MOLT_OTA_VALID, false, true, false, false},
        {1, MOLT_OTA_VALID, true, false, false, true},
        {1, MOLT_OTA_ABORTED, true, false, false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t bytes[2][MOLT_OTADATA_RECORD_SIZE], back[MOLT_OTADATA_RECORD_SIZE];
        struct molt_otadata otadata;
        put(bytes[0], rows[i].seq, rows[i].state, ref_crc(rows[i].seq) ^ rows[i].bad_crc);
        put(bytes[1], 7, 7, 7);
        molt_otadata_parse(&otadata, bytes[0], bytes[1]);
        assert_int_equal(otadata.record[0].seq, rows[i].seq);
        assert_int_equal(otadata.record[0].state, rows[i].state);
        assert_int_equal(otadata.record[0].blank, rows[i].blank);
        assert_int_equal(otadata.record[0].crc_ok, rows[i].crc_ok);
        assert_int_equal(otadata.record[0].usable, rows[i].usable);
        for (int k = 0; k < 2; k++) {
            molt_otadata_serialize(&otadata.record[k], back);
            assert_memory_equal(back, bytes[k], sizeof back);
        }
    }
}

static void slot_of_wraps_as_the_bootloader_does(void **state)
{
    (void)state;
    static const struct {
        uint32_t seq, slots;
        int slot;
    } rows[] = {{1, 2, 0}, {2, 2, 1},          {3, 2, 0},
                {0, 2, 1}, {0, 3, 0},          {4, 3, 0},
                {9, 1, 0}, {0xFFFFFFFE, 3, 1}, {1, 0, MOLT_OTADATA_NO_SLOT}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct molt_otadata otadata;
        uint8_t bytes[MOLT_OTADATA_RECORD_SIZE];
        put(bytes, rows[i].seq, MOLT_OTA_VALID, ref_crc(rows[i].seq));
        molt_otadata_parse(&otadata, bytes, bytes);
        struct molt_otadata_facts facts = {.slot_count = rows[i].slots};
        assert_int_equal(molt_otadata_slot_of(&otadata.record[0], &facts), rows[i].slot);
    }
}

/* A flash of two sectors whose reads can fail. */
static int failing_read(void *context, uint32_t offset, void *buffer, uint32_t n)
{
    uint32_t *fail_at = context;
    memset(buffer, offset >= MOLT_OTADATA_SECTOR ? 0x22 : 0x11, n);
    return offset / MOLT_OTADATA_SECTOR == *fail_at ? MOLT_E_IO : MOLT_OK;
}

static void read_takes_both_sectors_and_passes_errors_on(void **state)
{
    (void)state;
    static const struct molt_flash_ops ops = {.read = failing_read};
    static const struct molt_region region = {0, MOLT_OTADATA_SECTOR, 2};
    uint32_t fail_at = 9;
    struct molt_flash flash = {&ops, &fail_at, &region, 1, MOLT_OTADATA_SIZE, 1};
    struct molt_otadata otadata;
    assert_int_equal(molt_otadata_read(&otadata, &flash, 0), MOLT_OK);
    assert_int_equal(otadata.record[0].seq, 0x11111111);
    assert_int_equal(otadata.record[1].seq, 0x22222222);
    for (fail_at = 0; fail_at < 2; fail_at++) {
        assert_int_equal(molt_otadata_read(&otadata, &flash, 0), MOLT_E_IO);
    }
    assert_int_equal(molt_otadata_read(&otadata, &flash, 0x1000), MOLT_E_RANGE);
}

static void why_a_default_boots(void **state)
{
    (void)state;
    uint8_t blank[MOLT_OTADATA_RECORD_SIZE], bad[MOLT_OTADATA_RECORD_SIZE];
    struct molt_otadata otadata;
    struct molt_otadata_choice choice;
    struct molt_otadata_facts facts = {2, false, true};
    memset(blank, 0xFF, sizeof blank);
    put(bad, 2, MOLT_OTA_VALID, 0);
    molt_otadata_parse(&otadata, blank, blank);
    molt_otadata_choose(&otadata, &facts, &choice);
    assert_int_equal(choice.why, MOLT_WHY_BLANK);
    assert_int_equal(choice.slot, 0);
    assert_int_equal(choice.record, -1);
    molt_otadata_parse(&otadata, blank, bad);
    molt_otadata_choose(&otadata, &facts, &choice);
    assert_int_equal(choice.why, MOLT_WHY_NO_GOOD_CRC);
    assert_int_equal(choice.slot, 0);
    facts.has_factory = true;
    molt_otadata_choose(&otadata, &facts, &choice);
    assert_int_equal(choice.slot, MOLT_OTADATA_FACTORY);
    facts = (struct molt_otadata_facts){0, false, true};
    molt_otadata_choose(&otadata, &facts, &choice);
    assert_int_equal(choice.slot, MOLT_OTADATA_NO_SLOT);
    assert_int_equal(choice.why, MOLT_WHY_BLANK);
}

struct counts {
    int chosen, fell_back, images, tables, records_after;
};

/* Does the world of this case follow from its records and the layout alone? */
static bool boot_models_own(const struct vector *v, struct counts *counts)
{
    if (strcmp(v->kind, "image") == 0) {
        counts->images++; /* which image loads is the boot model's to know */
        return true;
    }
    if (strcmp(v->kind, "table") == 0 || (v->has_otadata && !v->whole_otadata)) {
        counts->tables++;
        return true;
    }
    return false;
}

static void compare_choice(const struct vector *v, void *context)
{
    struct counts *counts = context;
    struct molt_otadata otadata;
    struct molt_otadata_choice choice;
    struct molt_otadata_facts facts = {(uint32_t)v->world.slots, v->world.has_factory,
                                       v->world.rollback};
    molt_otadata_parse(&otadata, v->before[0], v->before[1]);
    molt_otadata_choose(&otadata, &facts, &choice);
    if (boot_models_own(v, counts)) {
        return;
    }
    bool loads = choice.slot == MOLT_OTADATA_FACTORY ? v->world.factory_loads
                                                     : (v->world.loads >> choice.slot & 1) != 0;
    if (loads != (choice.slot == v->running)) {
        fail_msg("%s: %s: chosen %d, running %d", v->file, v->id, choice.slot, v->running);
    }
    loads ? counts->chosen++ : counts->fell_back++;
    if (choice.record >= 0) {
        struct ref_record after = ref_parse(v->after[choice.record]);
        if (after.state != choice.state_after || after.seq != otadata.record[choice.record].seq) {
            fail_msg("%s: %s: state after %u", v->file, v->id, choice.state_after);
        }
        counts->records_after++;
    }
}

static void choice_agrees_with_genuine_bootloaders(void **state)
{
    (void)state;
    struct counts counts = {0};
    assert_int_equal(vectors_cases(TEST_DATA, compare_choice, &counts), 765);
    printf("765 boots: %d ran what core chose, %d fell back from a chosen slot that does not load; "
           "left to the boot model: %d images, %d tables; state after compared in %d\n",
           counts.chosen, counts.fell_back, counts.images, counts.tables, counts.records_after);
    assert_int_equal(counts.images, 3 * 36);
    assert_int_equal(counts.tables, 3 * (17 + 1));
    assert_int_equal(counts.chosen + counts.fell_back, 765 - counts.images - counts.tables);
    assert_true(counts.fell_back >= 20);
    assert_true(counts.records_after >= 300);
}

/* The same over the steps of the sequences that are boots. */
static void compare_boot_step(const struct vector *v, void *context)
{
    int *boots = context;
    if (strcmp(v->step, "power") == 0 || strcmp(v->step, "reset") == 0) {
        struct counts counts = {0};
        compare_choice(v, &counts);
        assert_int_equal(counts.chosen + counts.fell_back, 1);
        ++*boots;
    }
}

static void choice_agrees_in_every_sequence(void **state)
{
    (void)state;
    int boots = 0;
    assert_int_equal(vectors_steps(TEST_DATA, compare_boot_step, &boots), 74);
    printf("74 sequences: %d boots\n", boots);
    assert_true(boots >= 200);
}

/* The reference that judges the plans is itself judged here, with what it writes back. */
static void compare_reference(const struct vector *v, void *context)
{
    struct counts counts = {0};
    struct ref_world world = v->world;
    if ((v->step && strcmp(v->step, "power") != 0 && strcmp(v->step, "reset") != 0) ||
        !v->has_otadata || boot_models_own(v, &counts)) {
        return;
    }
    int runs = ref_boot(&world);
    if (runs != v->running && !(runs == REF_NOTHING && v->running == VECTORS_NO_SLOT)) {
        fail_msg("%s: %s: reference %d, genuine %d", v->file, v->id, runs, v->running);
    }
    for (int i = 0; i < 2; i++) {
        struct ref_record after = ref_parse(v->after[i]);
        if (after.seq != world.record[i].seq || after.state != world.record[i].state ||
            after.crc_ok != world.record[i].crc_ok) {
            fail_msg("%s: %s: record %d differs after the boot", v->file, v->id, i);
        }
    }
    ++*(int *)context;
}

static void reference_agrees_with_genuine_bootloaders(void **state)
{
    (void)state;
    int boots = 0, steps = 0;
    vectors_cases(TEST_DATA, compare_reference, &boots);
    vectors_steps(TEST_DATA, compare_reference, &steps);
    printf("reference: %d boots, %d steps\n", boots, steps);
    assert_int_equal(boots, 765 - 3 * (36 + 17 + 1) - 3 * 5);
    assert_true(steps >= 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc_of_the_first_numbers),
        cmocka_unit_test(flags_of_a_record),
        cmocka_unit_test(slot_of_wraps_as_the_bootloader_does),
        cmocka_unit_test(read_takes_both_sectors_and_passes_errors_on),
        cmocka_unit_test(why_a_default_boots),
        cmocka_unit_test(choice_agrees_with_genuine_bootloaders),
        cmocka_unit_test(choice_agrees_in_every_sequence),
        cmocka_unit_test(reference_agrees_with_genuine_bootloaders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
