/* The two-sector log: content, limits, errors, and cuts at every operation with weak cells drawn
 * again. */
#include <stdlib.h>
#include <string.h>

#include "molt/sim/nor.h"
#include "molt/stores.h"

#include "testing.h"

#define SIZE 0x4000u
#define AT   0x1000u

struct fixture {
    uint8_t bytes[SIZE];
    struct molt_nor nor;
    struct molt_flash flash;
    struct molt_logstore log;
    struct molt_store store;
};

static void start(struct fixture *f, uint64_t seed)
{
    memset(f->bytes, 0xFF, SIZE);
    molt_nor_init(&f->nor, f->bytes, SIZE, seed);
    molt_nor_flash(&f->nor, &f->flash);
    assert_int_equal(molt_logstore_open(&f->log, &f->flash, AT, &f->store), MOLT_OK);
}

static int put(struct fixture *f, int record, uint8_t value, uint32_t n)
{
    uint8_t data[MOLT_RECORD_MAX];
    memset(data, value, sizeof data);
    return f->store.ops->put(f->store.context, record, data, n);
}

/* The record's one repeated byte, or the error. */
static int get(struct fixture *f, int record, uint32_t n)
{
    uint8_t data[MOLT_RECORD_MAX];
    int got = f->store.ops->get(f->store.context, record, data, sizeof data);
    if (got < 0) {
        return got;
    }
    assert_int_equal(got, n);
    for (uint32_t i = 1; i < n; i++) {
        assert_int_equal(data[i], data[0]);
    }
    return data[0];
}

static void keeps_the_newest(void **state)
{
    struct fixture f;
    (void)state;
    start(&f, 1);
    assert_int_equal(get(&f, 1, 9), MOLT_E_NOT_FOUND);
    for (int round = 0; round < 100; round++) { /* many times round both sectors */
        for (int record = 1; record <= MOLT_RECORD_LAST; record++) {
            assert_int_equal(put(&f, record, (uint8_t)(round + record), 100 + (uint32_t)record),
                             MOLT_OK);
        }
        if (round % 7 == 0) {
            assert_int_equal(molt_logstore_open(&f.log, &f.flash, AT, &f.store), MOLT_OK);
        }
        for (int record = 1; record <= MOLT_RECORD_LAST; record++) {
            assert_int_equal(get(&f, record, 100 + (uint32_t)record), (round + record) & 0xFF);
        }
    }
    assert_int_equal(put(&f, 3, 0, 0), MOLT_OK);
    assert_int_equal(get(&f, 3, 0), MOLT_E_NOT_FOUND);
    assert_int_equal(get(&f, 2, 102), (99 + 2) & 0xFF);
    assert_int_equal(f.bytes[0], 0xFF); /* nothing outside of its two sectors */
    assert_int_equal(f.bytes[AT + 0x2000], 0xFF);
    molt_nor_free(&f.nor);
}

/* The record of the starts is the one that is small by its nature. */
static uint32_t most(int record)
{
    return record == MOLT_RECORD_STARTS ? 6 : MOLT_RECORD_MAX;
}

static void limits(void **state)
{
    struct fixture f;
    uint8_t data[MOLT_RECORD_MAX + 1] = {0};
    (void)state;
    start(&f, 1);
    assert_int_equal(f.store.ops->put(f.store.context, 1, data, sizeof data), MOLT_E_NO_SPACE);
    assert_int_equal(molt_logstore_open(&f.log, &f.flash, SIZE - 0x1000, &f.store), MOLT_E_RANGE);
    assert_int_equal(molt_logstore_open(&f.log, &f.flash, AT + 16, &f.store), MOLT_E_ALIGNMENT);
    assert_int_equal(molt_logstore_open(&f.log, &f.flash, AT, &f.store), MOLT_OK);
    for (int record = 1; record <= MOLT_RECORD_LAST;
         record++) { /* all at their largest fit one sector */
        assert_int_equal(put(&f, record, 7, most(record)), MOLT_OK);
    }
    for (int record = 1; record <= MOLT_RECORD_LAST; record++) {
        assert_int_equal(put(&f, record, 8, most(record)), MOLT_OK);
        assert_int_equal(get(&f, record, most(record)), 8);
    }
    molt_nor_free(&f.nor);
}

static void passes_flash_errors_on(void **state)
{
    struct fixture f;
    (void)state;
    start(&f, 1);
    assert_int_equal(put(&f, 1, 5, 50), MOLT_OK);
    f.nor.off = true;
    assert_int_equal(put(&f, 1, 6, 50), MOLT_E_POWER);
    assert_int_equal(get(&f, 1, 50), MOLT_E_POWER);
    assert_int_equal(molt_logstore_open(&f.log, &f.flash, AT, &f.store), MOLT_E_POWER);
    molt_nor_free(&f.nor);
}

/* A cell that cannot be programmed: what was written is not there, so the other sector is taken. */
static void bad_cell_moves_on(void **state)
{
    struct fixture f;
    (void)state;
    start(&f, 1);
    assert_int_equal(put(&f, 1, 5, 50), MOLT_OK);
    f.bytes[AT + f.log.active * 0x1000 + f.log.at + 20] = 0x00;
    uint32_t before = f.log.active;
    assert_int_equal(put(&f, 1, 6, 50), MOLT_OK);
    assert_int_not_equal(f.log.active, before);
    assert_int_equal(get(&f, 1, 50), 6);
    molt_nor_free(&f.nor);
}

/* Each put is cut at each of its operations, each way; afterwards, at three power-ups, every record
   is the old or the new one, and a put works again. */
static void cuts(void **state)
{
    uint64_t count = 0;
    (void)state;
    for (uint64_t n = 1; n < 60; n++) {
        for (int way = MOLT_CUT_BEFORE; way <= MOLT_CUT_TORN_OTHER; way++) {
            struct fixture f;
            uint8_t last[4] = {0};
            int value = 1, code = MOLT_OK;
            start(&f, n * 5 + (uint64_t)way);
            f.nor.cut_at = n;
            f.nor.cut = (enum molt_cut)way;
            for (; code == MOLT_OK && value < 40; value++) {
                code = put(&f, 1 + value % 3, (uint8_t)value, 400);
                if (code == MOLT_OK) {
                    last[1 + value % 3] = (uint8_t)value;
                }
            }
            if (code == MOLT_OK) {
                molt_nor_free(&f.nor);
                continue;
            }
            assert_int_equal(code, MOLT_E_POWER);
            int torn = 1 + (value - 1) % 3;
            for (int boot = 0; boot < 3; boot++) {
                molt_nor_power_up(&f.nor);
                assert_int_equal(molt_logstore_open(&f.log, &f.flash, AT, &f.store), MOLT_OK);
                for (int record = 1; record <= 3; record++) {
                    int found = get(&f, record, 400);
                    bool old = found == (last[record] ? last[record] : MOLT_E_NOT_FOUND);
                    assert_true(old || (record == torn && found == value - 1));
                }
            }
            assert_int_equal(put(&f, 2, 77, 400), MOLT_OK);
            assert_int_equal(molt_logstore_open(&f.log, &f.flash, AT, &f.store), MOLT_OK);
            assert_int_equal(get(&f, 2, 400), 77);
            molt_nor_free(&f.nor);
            count++;
        }
    }
    print_message("%llu cuts\n", (unsigned long long)count);
    assert_true(count > 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_the_newest),
        cmocka_unit_test(limits),
        cmocka_unit_test(passes_flash_errors_on),
        cmocka_unit_test(bad_cell_moves_on),
        cmocka_unit_test(cuts),
    };
    return cmocka_run_group_tests_name("logstore", tests, NULL, NULL);
}
