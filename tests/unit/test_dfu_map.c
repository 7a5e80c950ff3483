/* Memory maps as loaders in the field write them, and as nobody should. */
#include "testing.h"

#include <string.h>

#include "molt/dfu_map.h"

enum { R = 1, E = 2, W = 4 };

struct expected {
    const char *text, *name;
    uint32_t count;
    struct molt_dfu_segment segment[6];
    bool truncated;
};

#define F4                                                                                         \
    {0x08000000, 0x4000, 4, 7}, {0x08010000, 0x10000, 1, 7},                                       \
    {                                                                                              \
        0x08020000, 0x20000, 7, 7                                                                  \
    }
#define F4_II                                                                                      \
    {0x08100000, 0x4000, 4, 7}, {0x08110000, 0x10000, 1, 7},                                       \
    {                                                                                              \
        0x08120000, 0x20000, 7, 7                                                                  \
    }

static const struct expected genuine[] = {
    /* ST's loaders, as `dfu-util -l` lists them */
    {"@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg",
     "Internal Flash",
     3,
     {F4},
     false}, /* F405 */
    {"@Option Bytes  /0x1FFFC000/01*016 e", "Option Bytes", 1, {{0x1FFFC000, 16, 1, R | W}}, false},
    {"@OTP Memory /0x1FFF7800/01*512 e,01*016 e",
     "OTP Memory",
     2,
     {{0x1FFF7800, 512, 1, R | W}, {0x1FFF7A00, 16, 1, R | W}},
     false},
    {"@Device Feature/0xFFFF0000/01*004 e",
     "Device Feature",
     1,
     {{0xFFFF0000, 4, 1, R | W}},
     false},
    {"@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg,04*016Kg,01*064Kg,07*128Kg", /* F42x
                                                                                            */
     "Internal Flash",
     6,
     {F4, F4_II},
     false},
    {"@Option Bytes  /0x1FFFC000/01*016 e/0x1FFEC000/01*016 e",
     "Option Bytes",
     2,
     {{0x1FFFC000, 16, 1, R | W}, {0x1FFEC000, 16, 1, R | W}},
     false},
    /* F429: garbage behind the string (github.com/bigtreetech/BIGTREETECH-OCTOPUS-Pro/issues/42) */
    {"@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg\xEC\xB1\x90\xC6\xA8\xE2\xB9\x94",
     "Internal Flash",
     3,
     {F4},
     true},
    {"@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg????",
     "Internal Flash",
     3,
     {F4},
     true},
    {"@Internal Flash  /0x08000000/04*032Kg,01*128Kg,03*256Kg",
     "Internal Flash",
     3, /* F745 */
     {{0x08000000, 0x8000, 4, 7}, {0x08020000, 0x20000, 1, 7}, {0x08040000, 0x40000, 3, 7}},
     false},
    {"@OTP Memory /0x1FF0F000/01*1024 e", "OTP Memory", 1, {{0x1FF0F000, 1024, 1, R | W}}, false},
    {"@Internal Flash   /0x08000000/16*128Kg",
     "Internal Flash",
     1, /* H743 */
     {{0x08000000, 0x20000, 16, 7}},
     false},
    {"@Option Bytes   /0x5200201C/01*88 e", "Option Bytes", 1, {{0x5200201C, 88, 1, R | W}}, false},
    {"@Internal Flash  /0x08000000/064*0002Kg",
     "Internal Flash",
     1,
     {{0x08000000, 2048, 64, 7}},
     false}, /* L4 */
    {"@Internal Flash   /0x08000000/512*0002Kg",
     "Internal Flash",
     1,
     {{0x08000000, 2048, 512, 7}},
     false},
    {"@Option Bytes   /0x1FFF7800/01*040 e/0x1FFFF800/01*040 e",
     "Option Bytes",
     2,
     {{0x1FFF7800, 40, 1, R | W}, {0x1FFFF800, 40, 1, R | W}},
     false},
    {"@OTP Memory   /0x1FFF7000/01*0001Ke", "OTP Memory", 1, {{0x1FFF7000, 1024, 1, R | W}}, false},
    {"@Internal Flash   /0x08000000/256*02Kg",
     "Internal Flash",
     1,
     {{0x08000000, 2048, 256, 7}},
     false}, /* G0, G4 */
    {"@Internal Flash   /0x08000000/256*04Kg",
     "Internal Flash",
     1,
     {{0x08000000, 4096, 256, 7}},
     false}, /* WB */
    {"@Internal Flash   /0x08000000/256*08Kg",
     "Internal Flash",
     1,
     {{0x08000000, 8192, 256, 7}},
     false}, /* U5, H5 */
    /* others */
    {"@Internal Flash  /0x08000000/512*002Kg",
     "Internal Flash",
     1,
     {{0x08000000, 2048, 512, 7}},
     false}, /* GD32 */
    {"@Option Bytes  /0x1FFFF800/01*016 g", "Option Bytes", 1, {{0x1FFFF800, 16, 1, 7}}, false},
    {"@Serial Flash   /0x00000000/256*004Kg", "Serial Flash", 1, {{0, 4096, 256, 7}}, false},
    {"@Internal Flash   /0x08000000/64*128Ba,448*128Bg",
     "Internal Flash",
     2, /* boot loader kept */
     {{0x08000000, 128, 64, R}, {0x08002000, 128, 448, 7}},
     false},
    {"@Internal Flash   /0x08000000/8*001Ka,56*001Kg",
     "Internal Flash",
     2,
     {{0x08000000, 1024, 8, R}, {0x08002000, 1024, 56, 7}},
     false},
    /* MicroPython's mboot: two and three zones */
    {"@Internal Flash  "
     "/0x08000000/04*016Kg,01*064Kg,07*128Kg/0x80000000/64*32Kg/0x90000000/64*32Kg",
     "Internal Flash",
     5,
     {F4, {0x80000000, 0x8000, 64, 7}, {0x90000000, 0x8000, 64, 7}},
     false},
    {"@Internal Flash  /0x70000000/16384*4Kg",
     "Internal Flash",
     1,
     {{0x70000000, 4096, 16384, 7}},
     false},
};

static const struct expected lenient[] = {
    {"@N/0x10/01*016Be", "N", 1, {{0x10, 16, 1, R | W}}, false},
    {"@N/0x10/01*016be", "N", 1, {{0x10, 16, 1, R | W}}, false},
    {"@N/0x10/01*016e", "N", 1, {{0x10, 16, 1, R | W}}, false},
    {"@N/0x10/01*016b", "N", 1, {{0x10, 16, 1, E}}, false},
    {"@N/0x10/01*016 E", "N", 1, {{0x10, 16, 1, R | W}}, false},
    {"@N/0X10/2*3kc", "N", 1, {{0x10, 3072, 2, R | E}}, false},
    {"@N/0x10/2*3md", "N", 1, {{0x10, 3 << 20, 2, W}}, false},
    {"@N/00000010/2*3Ma", "N", 1, {{0x10, 3 << 20, 2, R}}, false},
    {"@N/0x10/2*3Kf", "N", 1, {{0x10, 3072, 2, E | W}}, false},
    {" @  N m  /  0x08000000 / 2 * 3 K g , 1*1Kg  ",
     "N m",
     2,
     {{0x08000000, 3072, 2, 7}, {0x08001800, 1024, 1, 7}},
     false},
    {"@N/0x0/2*3Kg ,\t1*1K g ", "N", 2, {{0, 3072, 2, 7}, {6144, 1024, 1, 7}}, false},
    {"@N/0x0/1*1Kg,/0x100/1*2Kg", "N", 2, {{0, 1024, 1, 7}, {0x100, 2048, 1, 7}}, false},
    {"@N/0x0/1*1Kg,/0x100/1*2Kg,", "N", 2, {{0, 1024, 1, 7}, {0x100, 2048, 1, 7}}, true},
    {"@N/0x0/1*1K,1*1Kg", "N", 2, {{0, 1024, 1, 0}, {1024, 1024, 1, 7}}, false}, /* no access */
    {"@N/0x0/1*1K/0x100/1*1Kg", "N", 2, {{0, 1024, 1, 0}, {0x100, 1024, 1, 7}}, false},
    {"@Device Feature/0xFFFF0000/01*004,1*1g",
     "Device Feature",
     2,
     {{0xFFFF0000, 4, 1, R | W}, {0xFFFF0004, 1, 1, 7}},
     false},
    {"@Device Features/0xFFFF0000/01*004,1*1g",
     "Device Features",
     2,
     {{0xFFFF0000, 4, 1, 0}, {0xFFFF0004, 1, 1, 7}},
     false},
    {"@A/B/0x08000000/1*1Kg", "A/B", 1, {{0x08000000, 1024, 1, 7}}, false},
    {"@/0x08000000/1*1Kg", "", 1, {{0x08000000, 1024, 1, 7}}, false},
    {"@N/0x0/0*1Kg,1*0Kg,1*1Kg",
     "N",
     1,
     {{0, 1024, 1, 7}},
     false}, /* nothing, nothing, something */
    {"@N/0x0/1*4294967295 g", "N", 1, {{0, 0xFFFFFFFF, 1, 7}}, false},
    {"@N/0xFFFFFFFF/1*1 g", "N", 1, {{0xFFFFFFFF, 1, 1, 7}}, false},
    {"@N/0x0/4096*1Mg", "N", 1, {{0, 1 << 20, 4096, 7}}, false}, /* all of 4 GB */
};

static void check(const struct expected *e)
{
    struct molt_dfu_map map;
    struct molt_diag diag = {0};
    int code = molt_dfu_map_parse(&map, e->text, &diag);
    if (code != MOLT_OK || map.count != e->count || map.truncated != e->truncated ||
        strcmp(map.name, e->name) != 0) {
        print_error("%s: %d at %u, \"%s\", %u segments%s\n", e->text, code, diag.offset, map.name,
                    map.count, map.truncated ? ", truncated" : "");
        fail();
    }
    for (uint32_t i = 0; i < e->count; i++) {
        assert_int_equal(map.segment[i].start, e->segment[i].start);
        assert_int_equal(map.segment[i].sector_size, e->segment[i].sector_size);
        assert_int_equal(map.segment[i].count, e->segment[i].count);
        assert_int_equal(map.segment[i].access, e->segment[i].access);
    }
}

static void genuine_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof genuine / sizeof genuine[0]; i++) {
        check(&genuine[i]);
    }
}

static void lenient_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lenient / sizeof lenient[0]; i++) {
        check(&lenient[i]);
    }
}

/* Whatever is cut off: what was whole before is there, and it is told, but where it cannot be seen.
 */
static void cut_texts(void **state)
{
    (void)state;
    static const char whole[] =
        "@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg,04*016Kg,01*064Kg,07*128Kg";
    for (size_t n = 0; n < sizeof whole - 1; n++) {
        char text[sizeof whole];
        struct molt_dfu_map map;
        memcpy(text, whole, n);
        text[n] = 0;
        uint32_t segments = 0;
        for (size_t i = 0; i < n; i++) {
            segments += whole[i] == 'g' && i > 29; /* behind the name and the address */
        }
        int code = molt_dfu_map_parse(&map, text, NULL);
        assert_int_equal(code, segments ? MOLT_OK : MOLT_E_FORMAT);
        assert_int_equal(map.count, segments);
        if (segments) {
            assert_int_equal(map.truncated, whole[n - 1] != 'g');
        }
    }
}

static void no_maps(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int error;
        uint32_t offset;
    } cases[] = {
        {"", MOLT_E_FORMAT, 0},
        {"Firmware", MOLT_E_FORMAT, 0},
        {"@Internal Flash", MOLT_E_FORMAT, 15},
        {"@N/0x08000000", MOLT_E_FORMAT, 13},
        {"@N/0x08000000/", MOLT_E_FORMAT, 14},
        {"@N/0xG/1*1Kg", MOLT_E_FORMAT, 12},
        {"@N/0x0/1*1", MOLT_E_FORMAT, 10},
        {"@N/0x0/1*Kg", MOLT_E_FORMAT, 9},
        {"@N/0x0/*1Kg", MOLT_E_FORMAT, 7},
        {"@N/0x0/x*1Kg", MOLT_E_FORMAT, 7},
        {"@N/0x0/0*1Kg", MOLT_E_FORMAT, 12},
        {"@N/0x100000000/1*1Kg", MOLT_E_RANGE, 13},
        {"@N/0x0/4294967296*1Kg", MOLT_E_RANGE, 16},
        {"@N/0x0/1*4294967296 g", MOLT_E_RANGE, 18},
        {"@N/0x0/1*4194304Kg", MOLT_E_RANGE, 18},
        {"@N/0x0/4097*1Mg", MOLT_E_RANGE, 15},
        {"@N/0x1/4096*1Mg", MOLT_E_RANGE, 15},
        {"@N/0xFFFFFFFF/1*2 g", MOLT_E_RANGE, 19},
        {"@N/0xFFFFFFFF/2*1 g", MOLT_E_RANGE, 19},
        {"@N/0x0/1*1Kg,4194304*1Kg", MOLT_E_RANGE, 24},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct molt_dfu_map map;
        struct molt_diag diag = {0};
        int code = molt_dfu_map_parse(&map, cases[i].text, &diag);
        if (code != cases[i].error || diag.offset != cases[i].offset) {
            print_error("%s: %d at %u\n", cases[i].text, code, diag.offset);
            fail();
        }
        assert_int_equal(diag.error, code);
    }
}

static void long_texts(void **state)
{
    (void)state;
    char text[1024] = "@";
    struct molt_dfu_map map;
    memset(text + 1, 'n', 100);
    strcpy(text + 101, "/0x0/");
    for (uint32_t i = 0; i < MOLT_DFU_MAP_SEGMENTS; i++) {
        strcat(text, i ? ",1*1Kg" : "1*1Kg");
    }
    assert_int_equal(molt_dfu_map_parse(&map, text, NULL), MOLT_OK);
    assert_int_equal(strlen(map.name), sizeof map.name - 1);
    assert_int_equal(map.count, MOLT_DFU_MAP_SEGMENTS);
    assert_false(map.truncated);
    strcat(text, ",1*1Kg");
    assert_int_equal(molt_dfu_map_parse(&map, text, NULL), MOLT_OK);
    assert_int_equal(map.count, MOLT_DFU_MAP_SEGMENTS);
    assert_true(map.truncated);
}

static void sectors(void **state)
{
    (void)state;
    struct molt_dfu_map map;
    struct molt_dfu_sector sector;
    const char *text = "@N/0x08000000/04*016Ka,01*064Kg,07*128Ke/0xFFFFF000/4*1Kg";
    assert_int_equal(molt_dfu_map_parse(&map, text, NULL), MOLT_OK);
    assert_int_equal(molt_dfu_map_bytes(&map), (1 << 20) + 4096);
    static const struct {
        uint32_t address, start, size;
        uint8_t access;
    } cases[] = {{0x08000000, 0x08000000, 0x4000, R},      {0x08003FFF, 0x08000000, 0x4000, R},
                 {0x08004000, 0x08004000, 0x4000, R},      {0x0801FFFF, 0x08010000, 0x10000, 7},
                 {0x08020000, 0x08020000, 0x20000, R | W}, {0x080FFFFF, 0x080E0000, 0x20000, R | W},
                 {0xFFFFFFFF, 0xFFFFFC00, 0x400, 7}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_true(molt_dfu_map_sector(&map, cases[i].address, &sector));
        assert_int_equal(sector.start, cases[i].start);
        assert_int_equal(sector.size, cases[i].size);
        assert_int_equal(sector.access, cases[i].access);
    }
    assert_false(molt_dfu_map_sector(&map, 0x07FFFFFF, &sector));
    assert_false(molt_dfu_map_sector(&map, 0x08100000, &sector));
    assert_false(molt_dfu_map_sector(&map, 0xFFFFEFFF, &sector));
    assert_false(molt_dfu_map_sector(&map, 0, &sector));
    assert_int_equal(molt_dfu_map_parse(&map, "@N/0x0/4096*1Mg", NULL), MOLT_OK);
    assert_true(molt_dfu_map_bytes(&map) == (uint64_t)1 << 32);
    assert_true(molt_dfu_map_sector(&map, 0xFFFFFFFF, &sector));
    assert_int_equal(sector.start, 0xFFF00000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(genuine_texts), cmocka_unit_test(lenient_texts),
        cmocka_unit_test(cut_texts),     cmocka_unit_test(no_maps),
        cmocka_unit_test(long_texts),    cmocka_unit_test(sectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
