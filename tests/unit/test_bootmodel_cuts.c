/* The boot model beyond the recorded cases: power cuts inside its own two write-backs, and the
 * table's digest. */
#include <string.h>

#include "core/bytes.h"
#include "molt/ptable.h"
#include "rig_bundle.h"
#include "testing.h"

static struct rig_version old_version;

/* Slot 0 is VALID in sector 0; sector 1 names slot 1, which holds the same image, in this state. */
static void start(struct rig *rig, uint32_t state)
{
    struct molt_otadata_record record = {.seq = 1, .state = MOLT_OTA_VALID};
    const struct rig_options options = {.slot_size = 0x10000, .no_files = true, .seed = 3};
    rig_init(rig, &options, old_version.image, old_version.length);
    memcpy(rig->bytes + rig->slots[1].offset, old_version.image, old_version.length);
    memset(record.label, 0xFF, sizeof record.label);
    record.crc = molt_otadata_crc(1);
    molt_otadata_serialize(&record, rig->bytes + RIG_OTADATA);
    record.seq = 2;
    record.state = state;
    record.crc = molt_otadata_crc(2);
    molt_otadata_serialize(&record, rig->bytes + RIG_OTADATA + MOLT_OTADATA_SECTOR);
}

static uint32_t state_on_flash(const struct rig *rig)
{
    return molt_get_le32(rig->bytes + RIG_OTADATA + MOLT_OTADATA_SECTOR + 24);
}

static int slot_that_boots(struct rig *rig)
{
    molt_nor_power_up(&rig->nor);
    assert_int_equal(rig_boot(rig), MOLT_OK);
    assert_int_equal(rig->boot.result, MOLT_BOOT_RUNS);
    return rig->port.device.running;
}

/* Cuts the write-back (operation 1 erases, 2 programs), and checks that the other record stays. */
static void cut(struct rig *rig, uint32_t state, uint64_t n, enum molt_cut how)
{
    uint8_t other[MOLT_OTADATA_SECTOR];
    start(rig, state);
    memcpy(other, rig->bytes + RIG_OTADATA, sizeof other);
    rig->nor.cut_at = rig->nor.operations + n;
    rig->nor.cut = how;
    rig->nor.random = n * 5 + (uint64_t)how;
    assert_int_equal(rig_boot(rig), MOLT_E_POWER);
    assert_memory_equal(other, rig->bytes + RIG_OTADATA, sizeof other);
}

static void uncut_write_backs(void **unused)
{
    struct rig rig;
    (void)unused;
    start(&rig, MOLT_OTA_NEW);
    uint64_t before = rig.nor.operations;
    assert_int_equal(slot_that_boots(&rig), 1);
    assert_int_equal(rig.nor.operations, before + 2);
    assert_int_equal(state_on_flash(&rig), MOLT_OTA_PENDING_VERIFY);
    assert_int_equal(slot_that_boots(&rig), 0);
    assert_int_equal(rig.nor.operations, before + 4);
    assert_int_equal(state_on_flash(&rig), MOLT_OTA_ABORTED);
    assert_int_equal(slot_that_boots(&rig), 0);
    assert_int_equal(rig.nor.operations, before + 4);
    rig_free(&rig);
}

/* Clean cuts: the record is as it was, lost, or as it should be. */
static void clean_cuts(void **unused)
{
    static const struct {
        uint32_t state;
        uint64_t n;
        enum molt_cut how;
        uint32_t found;
        int boots;
    } cases[] = {
        {MOLT_OTA_NEW, 1, MOLT_CUT_BEFORE, MOLT_OTA_NEW, 1},
        {MOLT_OTA_NEW, 1, MOLT_CUT_AFTER, MOLT_OTA_UNDEFINED, 0},
        {MOLT_OTA_NEW, 2, MOLT_CUT_BEFORE, MOLT_OTA_UNDEFINED, 0},
        {MOLT_OTA_NEW, 2, MOLT_CUT_AFTER, MOLT_OTA_PENDING_VERIFY, 0},
        {MOLT_OTA_PENDING_VERIFY, 1, MOLT_CUT_BEFORE, MOLT_OTA_PENDING_VERIFY, 0},
        {MOLT_OTA_PENDING_VERIFY, 1, MOLT_CUT_AFTER, MOLT_OTA_UNDEFINED, 0},
        {MOLT_OTA_PENDING_VERIFY, 2, MOLT_CUT_BEFORE, MOLT_OTA_UNDEFINED, 0},
        {MOLT_OTA_PENDING_VERIFY, 2, MOLT_CUT_AFTER, MOLT_OTA_ABORTED, 0},
    };
    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rig rig;
        cut(&rig, cases[i].state, cases[i].n, cases[i].how);
        assert_int_equal(state_on_flash(&rig), cases[i].found);
        assert_int_equal(slot_that_boots(&rig), cases[i].boots);
        rig_free(&rig);
    }
}

/* Torn ones: anything may stand there, but something whole boots, now and later. */
static void torn_cuts(void **unused)
{
    (void)unused;
    for (uint32_t state = MOLT_OTA_NEW; state <= MOLT_OTA_PENDING_VERIFY; state++) {
        for (uint64_t n = 1; n <= 2; n++) {
            for (int how = MOLT_CUT_TORN; how <= MOLT_CUT_TORN_OTHER; how++) {
                struct rig rig;
                cut(&rig, state, n, (enum molt_cut)how);
                for (int i = 0; i < 3; i++) {
                    assert_in_range(slot_that_boots(&rig), 0, 1);
                }
                rig_free(&rig);
            }
        }
    }
}

/* A table whose digest is wrong starts nothing; without one the app's own reader aborts. */
static void digest_of_the_table(void **unused)
{
    struct rig rig;
    (void)unused;
    start(&rig, MOLT_OTA_VALID);
    uint8_t *row = rig.bytes + MOLT_PTABLE_OFFSET;
    while (row[0] != 0xEB) {
        row += 32;
    }
    for (int i = 16; i < 32; i++) {
        row[i] ^= 0x04;
        assert_int_equal(rig_boot(&rig), MOLT_OK);
        assert_int_equal(rig.boot.result, MOLT_BOOT_NONE);
        assert_string_equal(rig.boot.why, "wrong MD5 in the partition table");
        row[i] ^= 0x04;
    }
    rig.bytes[MOLT_PTABLE_OFFSET + 12] ^= 0x01; /* a label: covered too */
    assert_int_equal(rig_boot(&rig), MOLT_OK);
    assert_int_equal(rig.boot.result, MOLT_BOOT_NONE);
    rig.bytes[MOLT_PTABLE_OFFSET + 12] ^= 0x01;
    assert_int_equal(slot_that_boots(&rig), 1);
    memset(row, 0xFF, 32);
    assert_int_equal(rig_boot(&rig), MOLT_OK);
    assert_int_equal(rig.boot.result, MOLT_BOOT_APP_ABORTS);
    rig_free(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uncut_write_backs),
        cmocka_unit_test(clean_cuts),
        cmocka_unit_test(torn_cuts),
        cmocka_unit_test(digest_of_the_table),
    };
    struct molt_pack_input input = {.board = "RIG", .sequence = 1};
    rig_version_make(&old_version, 0x8000, 1, 0, false, &input);
    int failed = cmocka_run_group_tests_name("bootmodel_cuts", tests, NULL, NULL);
    rig_version_free(&old_version);
    return failed;
}
