/* Intel HEX records and ELF heads: right ones, and each error by its code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/bytes.h"
#include "molt/elf32.h"
#include "molt/ihex.h"

static void records(void **state)
{
    (void)state;
    static const char text[] = ":020000040800F2\r\n:04FFFC0001020304F7\n\n:0400000500000101F5\n"
                               ":020000021000EC\n:01001000AA45\n:00000001FF\nwhatever\n";
    struct molt_ihex hex = {.text = text, .n = sizeof text - 1};
    struct molt_ihex_data data;
    assert_int_equal(molt_ihex_next(&hex, &data, NULL), 1);
    assert_int_equal(data.address, 0x0800FFFC);
    assert_int_equal(data.length, 4);
    assert_memory_equal(data.bytes, "\1\2\3\4", 4);
    assert_int_equal(molt_ihex_next(&hex, &data, NULL), 1);
    assert_int_equal(data.address, 0x10010);
    assert_int_equal(data.bytes[0], 0xAA);
    assert_true(hex.has_start);
    assert_int_equal(hex.start, 0x101);
    assert_int_equal(molt_ihex_next(&hex, &data, NULL), 0);
    assert_int_equal(molt_ihex_next(&hex, &data, NULL), 0);
}

static void broken_records(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int error;
        uint32_t line;
    } cases[] = {{"", MOLT_E_TRUNCATED, 0},
                 {":00000001FE\n", MOLT_E_VERIFY, 1},
                 {"\n:0100000000FF\n", MOLT_E_TRUNCATED, 2},
                 {":01000000FF\n", MOLT_E_FORMAT, 1},
                 {":0200000000FE\n", MOLT_E_FORMAT, 1},
                 {":0\n", MOLT_E_FORMAT, 1},
                 {":0z\n", MOLT_E_FORMAT, 1},
                 {":00000001FFx\n", MOLT_E_FORMAT, 1},
                 {"\n\n00000001FF\n", MOLT_E_FORMAT, 3},
                 {":00000006FA\n", MOLT_E_FORMAT, 1},
                 {":0100000408F3\n", MOLT_E_FORMAT, 1},
                 {":02000004FFFFFC\n:02FFFE000000FF01\n", MOLT_E_FORMAT, 2},
                 {":02000004FFFFFC\n:02FFFE00000001\n", MOLT_E_RANGE, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct molt_ihex hex = {.text = cases[i].text, .n = (uint32_t)strlen(cases[i].text)};
        struct molt_ihex_data data;
        struct molt_diag diag = {0};
        int more;
        while ((more = molt_ihex_next(&hex, &data, &diag)) == 1) {
        }
        assert_int_equal(more, cases[i].error);
        assert_int_equal(diag.offset, cases[i].line);
    }
}

/* A program for RISC-V with one segment of 8 bytes. */
static void make_elf(uint8_t file[92])
{
    memset(file, 0, 92);
    memcpy(file,
           "\x7F"
           "ELF\1\1\1",
           7);
    file[16] = 2;
    file[18] = MOLT_ELF_RISCV;
    molt_put_le32(file + 24, 0x42000020);
    molt_put_le32(file + 28, 52);
    molt_put_le16(file + 42, 32);
    molt_put_le16(file + 44, 1);
    molt_put_le32(file + 52, 1);
    molt_put_le32(file + 56, 84);
    molt_put_le32(file + 60, 0x42000020);
    molt_put_le32(file + 64, 0x42000020);
    molt_put_le32(file + 68, 8);
    molt_put_le32(file + 72, 16);
    molt_put_le32(file + 76, 5);
}

static void elf_heads(void **state)
{
    (void)state;
    uint8_t file[92];
    struct molt_elf elf;
    struct molt_elf_segment segment;
    struct molt_diag diag;
    make_elf(file);
    assert_int_equal(molt_elf_parse(&elf, file, sizeof file, NULL), MOLT_OK);
    assert_true(elf.readable);
    assert_int_equal(elf.entry, 0x42000020);
    assert_string_equal(molt_elf_machine_name(elf.machine), "RISC-V");
    assert_null(molt_elf_machine_name(1));
    assert_int_equal(molt_elf_segment(&elf, file, sizeof file, 0, &segment, NULL), MOLT_OK);
    assert_int_equal(segment.file_size, 8);
    assert_int_equal(segment.memory_size, 16);
    assert_true(segment.executable && !segment.writable);
    assert_int_equal(molt_elf_segment(&elf, file, sizeof file, 1, &segment, &diag), MOLT_E_RANGE);
    assert_int_equal(molt_elf_segment(&elf, file, 91, 0, &segment, &diag), MOLT_E_TRUNCATED);
    molt_put_le32(file + 56, 0xFFFFFFFF);
    assert_int_equal(molt_elf_segment(&elf, file, sizeof file, 0, &segment, &diag),
                     MOLT_E_TRUNCATED);
    assert_int_equal(molt_elf_parse(&elf, file, 83, &diag), MOLT_E_TRUNCATED);
    assert_int_equal(molt_elf_parse(&elf, file, 51, &diag), MOLT_E_TRUNCATED);
    molt_put_le16(file + 42, 31);
    assert_int_equal(molt_elf_parse(&elf, file, sizeof file, &diag), MOLT_E_FORMAT);
    file[4] = 3;
    assert_int_equal(molt_elf_parse(&elf, file, sizeof file, &diag), MOLT_E_FORMAT);
    file[4] = 2; /* 64 bits: only what it is */
    assert_int_equal(molt_elf_parse(&elf, file, sizeof file, &diag), MOLT_OK);
    assert_false(elf.readable);
    assert_int_equal(molt_elf_segment(&elf, file, sizeof file, 0, &segment, &diag), MOLT_E_RANGE);
    file[0] = 0;
    assert_int_equal(molt_elf_parse(&elf, file, sizeof file, &diag), MOLT_E_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records),
        cmocka_unit_test(broken_records),
        cmocka_unit_test(elf_heads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
