#include "host/fs/fs_sectors.h"

#include <string.h>

#include "fs_rig.h"
#include "testing.h"

#define SECTOR 4096u

static struct fs_rig rig;

static struct fs_sectors *open_sectors(uint32_t size)
{
    struct fs_sectors *sectors = NULL;
    assert_int_equal(fs_sectors_open(&sectors, &rig.flash, FS_RIG_OFFSET, size), MOLT_OK);
    return sectors;
}

/* Any range, over more sectors than are kept in memory; read back from the flash. */
static void any_range(void **state)
{
    static uint8_t wanted[FS_RIG_SIZE], found[FS_RIG_SIZE];
    uint32_t at = 0;
    (void)state;
    fs_rig_init(&rig);
    memset(wanted, 0xFF, sizeof wanted);
    struct fs_sectors *sectors = open_sectors(FS_RIG_SIZE);
    for (uint32_t i = 0; i < 300; i++) {
        uint32_t n = i * 37 % 9000;
        at = (at + i * 7919) % (FS_RIG_SIZE - 9000);
        fs_rig_fill(wanted + at, n, i);
        assert_int_equal(fs_sectors_write(sectors, at, wanted + at, n), MOLT_OK);
        assert_int_equal(fs_sectors_read(sectors, at / 2, found, 9000), MOLT_OK);
        assert_memory_equal(found, wanted + at / 2, 9000);
    }
    memset(wanted + 5000, 7, 9000);
    assert_int_equal(fs_sectors_fill(sectors, 5000, 7, 9000), MOLT_OK);
    assert_int_equal(fs_sectors_flush(sectors), MOLT_OK);
    fs_sectors_close(sectors);
    assert_memory_equal(rig.bytes + FS_RIG_OFFSET, wanted, sizeof wanted);
}

static void writes_as_little_as_it_can(void **state)
{
    uint8_t bytes[SECTOR];
    (void)state;
    fs_rig_init(&rig);
    struct fs_sectors *sectors = open_sectors(FS_RIG_SIZE);
    memset(bytes, 0xFF, sizeof bytes);
    assert_int_equal(fs_sectors_write(sectors, 0, bytes, sizeof bytes), MOLT_OK);
    assert_int_equal(fs_sectors_flush(sectors), MOLT_OK);
    assert_int_equal(rig.nor.operations, 0); /* nothing differs */
    assert_int_equal(fs_sectors_write(sectors, 300, "abc", 3), MOLT_OK);
    assert_int_equal(rig.nor.operations, 0); /* not yet */
    assert_int_equal(fs_sectors_flush(sectors), MOLT_OK);
    assert_int_equal(rig.nor.erased_sectors, 0);
    assert_int_equal(rig.nor.bytes_programmed, 256); /* one page */
    assert_int_equal(fs_sectors_write(sectors, 300, "xyz", 3), MOLT_OK);
    assert_int_equal(fs_sectors_flush(sectors), MOLT_OK);
    assert_int_equal(rig.nor.erased_sectors, 1);
    assert_memory_equal(rig.bytes + FS_RIG_OFFSET + 300, "xyz", 3);
    uint64_t operations = rig.nor.operations;
    assert_int_equal(fs_sectors_flush(sectors), MOLT_OK);
    assert_int_equal(rig.nor.operations, operations);
    fs_sectors_close(sectors);
}

static void errors(void **state)
{
    struct fs_sectors *sectors = NULL;
    struct molt_region unequal[] = {{0, 4096, 8}, {8 * 4096, 8192, 76}};
    struct molt_region huge[] = {{0, 131072, 5}};
    uint8_t byte;
    (void)state;
    fs_rig_init(&rig);
    struct molt_flash flash = rig.flash;
    flash.regions = unequal;
    flash.region_count = 2;
    assert_int_equal(fs_sectors_open(&sectors, &flash, 4096, 8 * 4096), MOLT_E_UNSUPPORTED);
    assert_int_equal(fs_sectors_open(&sectors, &flash, 4096 + 1, 4096), MOLT_E_ALIGNMENT);
    assert_int_equal(fs_sectors_open(&sectors, &flash, FS_RIG_CHIP, 0), MOLT_E_UNSUPPORTED);
    assert_null(sectors);
    assert_int_equal(fs_sectors_open(&sectors, &flash, 4096, 7 * 4096), MOLT_OK);
    fs_sectors_close(sectors);
    assert_int_equal(fs_sectors_open(&sectors, &flash, 8 * 4096, 8192), MOLT_OK);
    fs_sectors_close(sectors);
    flash.regions = huge;
    flash.region_count = 1;
    assert_int_equal(fs_sectors_open(&sectors, &flash, 0, 131072), MOLT_E_UNSUPPORTED);

    sectors = open_sectors(SECTOR);
    assert_int_equal(fs_sectors_read(sectors, SECTOR, &byte, 1), MOLT_E_RANGE);
    assert_int_equal(fs_sectors_write(sectors, 0xFFFFFFFF, &byte, 2), MOLT_E_RANGE);
    assert_int_equal(fs_sectors_fill(sectors, SECTOR - 1, 0, 2), MOLT_E_RANGE);
    assert_int_equal(fs_sectors_write(sectors, 0, "x", 1), MOLT_OK);
    rig.nor.cut_at = 1;
    rig.nor.cut = MOLT_CUT_BEFORE;
    assert_int_equal(fs_sectors_flush(sectors), MOLT_E_POWER);
    fs_sectors_close(sectors);
    sectors = open_sectors(SECTOR);
    assert_int_equal(fs_sectors_read(sectors, 0, &byte, 1), MOLT_E_POWER);
    fs_sectors_close(sectors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(any_range),
                                       cmocka_unit_test(writes_as_little_as_it_can),
                                       cmocka_unit_test(errors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
