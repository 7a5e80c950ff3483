#include "testing.h"

#include <string.h>

#include "molt/dfu_map.h"

static void genuine(void **state)
{
    (void)state;
    struct molt_dfu_map map;
    assert_int_equal(
        molt_dfu_map_parse(&map, "@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg", NULL),
        MOLT_OK);
    assert_string_equal(map.name, "Internal Flash");
    assert_int_equal(map.count, 3);
    assert_int_equal(map.segment[2].start, 0x08020000);
    assert_int_equal(molt_dfu_map_bytes(&map), 1 << 20);
    struct molt_dfu_sector sector;
    assert_true(molt_dfu_map_sector(&map, 0x0801FFFF, &sector));
    assert_int_equal(sector.start, 0x08010000);
    assert_int_equal(sector.size, 0x10000);
    assert_int_equal(sector.access, 7);
    assert_false(molt_dfu_map_sector(&map, 0x08100000, &sector));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(genuine)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
