/* ELF and Intel HEX files for DFU devices, each refusal by its code; where to leave to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/bytes.h"
#include "image_rig.h"
#include "molt/ops/dfu_image.h"

/* ---- ELF ---- */

struct segment {
    uint32_t type, offset, address, load_address, file_size, memory_size;
};

/* Program headers at 52, content from 256 on: byte i is i. */
static void make_elf(struct image_bytes *file, uint16_t machine, const struct segment *segment,
                     uint16_t count)
{
    uint8_t *p = file->bytes;
    memset(file, 0, sizeof *file);
    file->n = 512;
    for (uint32_t i = 256; i < file->n; i++) {
        p[i] = (uint8_t)i;
    }
    memcpy(p,
           "\x7F"
           "ELF\1\1\1",
           7);
    molt_put_le16(p + 16, 2);
    molt_put_le16(p + 18, machine);
    molt_put_le32(p + 24, 0x08000101);
    molt_put_le32(p + 28, 52);
    molt_put_le16(p + 42, 32);
    molt_put_le16(p + 44, count);
    for (uint32_t i = 0; i < count; i++, segment++) {
        uint8_t *h = p + 52 + i * 32;
        molt_put_le32(h, segment->type);
        molt_put_le32(h + 4, segment->offset);
        molt_put_le32(h + 8, segment->address);
        molt_put_le32(h + 12, segment->load_address);
        molt_put_le32(h + 16, segment->file_size);
        molt_put_le32(h + 20, segment->memory_size);
    }
}

static void elf(void **state)
{
    (void)state;
    /* Code behind its vectors, data that is loaded behind the code, .bss, a note. */
    static const struct segment segments[] = {
        {1, 300, 0x08020000, 0x08020000, 16, 16}, {1, 256, 0x08000000, 0x08000000, 8, 8},
        {1, 320, 0x20000000, 0x08020010, 4, 4},   {1, 0, 0x20000010, 0x20000010, 0, 64},
        {4, 400, 0x08000000, 0x08000000, 16, 16},
    };
    struct image_bytes file;
    struct molt_dfu_image image;
    make_elf(&file, 40, segments, 5);
    assert_int_equal(image_load(&image, file.bytes, file.n), MOLT_OK);
    assert_int_equal(image.kind, MOLT_DFU_IMAGE_ELF);
    assert_int_equal(image.count, 2);
    assert_int_equal(image.skipped, 1);
    assert_true(image.has_start && image.start == 0x08000101 && image.has_addresses);
    assert_int_equal(image.element[0].address, 0x08000000);
    assert_int_equal(image.element[0].size, 8);
    assert_int_equal(image.element[1].address, 0x08020000);
    assert_int_equal(image.element[1].size, 20);
    assert_int_equal(image.element[1].bytes[15], (uint8_t)(300 + 15));
    assert_int_equal(image.element[1].bytes[16], (uint8_t)320);
    molt_dfu_image_free(&image);
}

static void elf_refused(void **state)
{
    (void)state;
    struct image_bytes file;
    struct segment segments[2] = {{1, 256, 0x08000000, 0x08000000, 16, 16},
                                  {1, 280, 0x08000008, 0x08000008, 16, 16}};
    make_elf(&file, 40, segments, 2);
    assert_int_equal(image_refused(file.bytes, file.n, "two different pieces are for 0x08000008"),
                     MOLT_E_FORMAT);
    make_elf(&file, 94, segments, 1);
    assert_int_equal(image_refused(file.bytes, file.n, "for Xtensa"), MOLT_E_UNSUPPORTED);
    make_elf(&file, 243, segments, 1);
    assert_int_equal(image_refused(file.bytes, file.n, "for RISC-V"), MOLT_E_UNSUPPORTED);
    make_elf(&file, 40, segments, 1);
    file.bytes[4] = 2;
    assert_int_equal(image_refused(file.bytes, file.n, "64-bit"), MOLT_E_UNSUPPORTED);
    file.bytes[4] = 1;
    file.bytes[5] = 2;
    assert_int_equal(image_refused(file.bytes, file.n, "big-endian"), MOLT_E_UNSUPPORTED);
    file.bytes[5] = 1;
    file.bytes[16] = 1;
    assert_int_equal(image_refused(file.bytes, file.n, "an object file"), MOLT_E_UNSUPPORTED);
    file.bytes[16] = 4;
    assert_int_equal(image_refused(file.bytes, file.n, "found 4"), MOLT_E_UNSUPPORTED);
    file.bytes[16] = 2;
    assert_int_equal(image_refused(file.bytes, 50, "ELF header"), MOLT_E_TRUNCATED);
    assert_int_equal(image_refused(file.bytes, 271, "ELF segment"), MOLT_E_TRUNCATED);

    segments[0].memory_size = 15;
    make_elf(&file, 40, segments, 1);
    assert_int_equal(image_refused(file.bytes, file.n, "16 bytes for 15"), MOLT_E_FORMAT);
    segments[0].memory_size = 16;
    segments[0].load_address = 0xFFFFFFF0;
    make_elf(&file, 40, segments, 1);
    assert_int_equal(image_refused(file.bytes, file.n, "behind 4 GB"), MOLT_E_RANGE);
    segments[0].file_size = 0;
    make_elf(&file, 40, segments, 1);
    assert_int_equal(image_refused(file.bytes, file.n, "no bytes to write"), MOLT_E_FORMAT);
}

/* A first segment that begins with the ELF head: what is loaded begins with the first section. */
static void elf_with_its_head(void **state)
{
    (void)state;
    static const struct segment segments[] = {{1, 0, 0x08003F00, 0x08003F00, 272, 272}};
    struct image_bytes file;
    struct molt_dfu_image image;
    make_elf(&file, 40, segments, 1);
    assert_int_equal(image_refused(file.bytes, file.n, "no section tells"), MOLT_E_FORMAT);
    molt_put_le32(file.bytes + 32, 400); /* section headers: none, .bss, .text, .debug, empty */
    molt_put_le16(file.bytes + 46, 40);
    molt_put_le16(file.bytes + 48, 5);
    file.n = 400 + 5 * 40;
    memset(file.bytes + 400, 0, 200);
    static const uint32_t sections[4][4] = {/* type, flags, offset, size */
                                            {8, 3, 64, 4},
                                            {1, 6, 256, 16},
                                            {1, 0, 100, 4},
                                            {1, 2, 100, 0}};
    for (uint32_t i = 0; i < 4; i++) {
        uint8_t *p = file.bytes + 440 + i * 40;
        molt_put_le32(p + 4, sections[i][0]);
        molt_put_le32(p + 8, sections[i][1]);
        molt_put_le32(p + 16, sections[i][2]);
        molt_put_le32(p + 20, sections[i][3]);
    }
    assert_int_equal(image_load(&image, file.bytes, file.n), MOLT_OK);
    assert_int_equal(image.count, 1);
    assert_int_equal(image.element[0].address, 0x08004000);
    assert_int_equal(image.element[0].size, 16);
    assert_int_equal(image.element[0].bytes[1], 1);
    molt_dfu_image_free(&image);
    assert_int_equal(image_refused(file.bytes, file.n - 1, "no section tells"), MOLT_E_FORMAT);
    molt_put_le32(file.bytes + 52 + 16, 256); /* the segment ends where the program begins */
    assert_int_equal(image_refused(file.bytes, file.n, "no section tells"), MOLT_E_FORMAT);
}

/* Files that could keep the reader busy: it ends, at once. */
static void much_of_everything(void **state)
{
    (void)state;
    const uint32_t count = 0xFFFF, n = 52 + count * (32 + 40) + 4;
    uint8_t *p = calloc(1, n);
    assert_non_null(p);
    struct image_bytes head;
    make_elf(&head, 40, NULL, 0);
    memcpy(p, head.bytes, 52);
    molt_put_le16(p + 44, (uint16_t)count);
    molt_put_le32(p + 32, 52 + count * 32);
    molt_put_le16(p + 46, 40);
    molt_put_le16(p + 48, (uint16_t)count);
    for (uint32_t i = 0; i < count; i++) { /* each begins with the head of the file */
        uint8_t *h = p + 52 + i * 32;
        molt_put_le32(h, 1);
        molt_put_le32(h + 4, i % 52);
        molt_put_le32(h + 12, 0x08000000);
        molt_put_le32(h + 16, n - 100);
        molt_put_le32(h + 20, n);
    }
    assert_int_equal(image_refused(p, n, "no section tells"), MOLT_E_FORMAT);
    molt_put_le32(p + n - 4 - 40 + 8, 2); /* the last section is the only one that is loaded */
    molt_put_le32(p + n - 4 - 40 + 16, 52);
    molt_put_le32(p + n - 4 - 40 + 20, 1);
    assert_int_equal(image_refused(p, n, "more than 134217728 bytes"), MOLT_E_RANGE);
    for (uint32_t i = 0; i < count; i++) {
        molt_put_le32(p + 52 + i * 32 + 12, 0x08000000 + i * 64);
        molt_put_le32(p + 52 + i * 32 + 16, 60);
    }
    struct molt_dfu_image image;
    assert_int_equal(image_load(&image, p, n), MOLT_OK);
    assert_int_equal(image.count, count);
    molt_dfu_image_free(&image);
    free(p);
}

/* ---- Intel HEX ---- */

static int refused_text(const char *text, const char *words)
{
    return image_refused((const uint8_t *)text, (uint32_t)strlen(text), words);
}

static void hex(void **state)
{
    (void)state;
    static const char text[] = ":020000040802F0\n"
                               ":020004003132 97\n"
                               ":0400000061626364 72\n"
                               ":020000040800F2\n"
                               ":01FFFF00 7A 87\n"
                               ":0400000508000101ED\n"
                               ":00000001FF\nbehind the end\n";
    char plain_text[200];
    uint32_t n = 0;
    for (const char *p = text; *p; p++) {
        if (*p != ' ') { /* for readers only */
            plain_text[n++] = *p;
        }
    }
    struct molt_dfu_image image;
    assert_int_equal(image_load(&image, (const uint8_t *)plain_text, n), MOLT_OK);
    assert_int_equal(image.kind, MOLT_DFU_IMAGE_HEX);
    assert_int_equal(image.count, 2);
    assert_int_equal(image.element[0].address, 0x0800FFFF);
    assert_int_equal(image.element[0].size, 1);
    assert_int_equal(image.element[1].address, 0x08020000);
    assert_int_equal(image.element[1].size, 6); /* joined, in the order of their addresses */
    assert_memory_equal(image.element[1].bytes, "abcd12", 6);
    assert_true(image.has_start && image.start == 0x08000101);
    molt_dfu_image_free(&image);
}

static void hex_behind_blank_lines(void **state)
{
    (void)state;
    static const uint8_t text[] = "\r\n\n:01000000619E\r\n:00000001FF\r\n";
    struct molt_dfu_image image;
    assert_int_equal(image_load(&image, text, sizeof text - 1), MOLT_OK);
    assert_int_equal(image.kind, MOLT_DFU_IMAGE_HEX);
    assert_int_equal(image.element[0].bytes[0], 'a');
    molt_dfu_image_free(&image);
}

static void hex_refused(void **state)
{
    (void)state;
    assert_int_equal(refused_text(":0100000061 9E\n", "digit"), MOLT_E_FORMAT);
    assert_int_equal(refused_text(":01000000619F\n:00000001FF\n", "line 1 "), MOLT_E_VERIFY);
    assert_int_equal(refused_text(":01000000619E\n", "no end record"), MOLT_E_TRUNCATED);
    assert_int_equal(refused_text(":01000000619E\n:01000000619E\n:00000001FF\n", "two different"),
                     MOLT_E_FORMAT);
    assert_int_equal(refused_text(":00000001FF\n", "no bytes to write"), MOLT_E_FORMAT);
    assert_int_equal(refused_text(":0200000212\n", "bytes of a record"), MOLT_E_FORMAT);
    assert_int_equal(refused_text(":02000004FFFFFC\n:02FFFE000102FE\n:00000001FF\n", "address"),
                     MOLT_E_RANGE);
    assert_int_equal(refused_text("hello, this is no firmware\n", "a text file"), MOLT_E_FORMAT);
    struct molt_dfu_image image;
    struct molt_dfu_image_request request = {.path = "x", .has_address = true, .address = 0x1000};
    static const uint8_t text[] = ":01000000619E\n:00000001FF\n";
    assert_int_equal(
        molt_dfu_image_from_memory(&image, text, sizeof text - 1, &request, &image_message),
        MOLT_E_ARGUMENT);
    assert_non_null(strstr(image_message.text, "found 0x00001000"));
}

/* ---- where to leave to ---- */

struct table {
    uint32_t address, stack, reset;
};

/* Elements of 256 bytes; the entry, or 0. */
static uint32_t entry_of(const struct table *table, uint32_t count, uint32_t start)
{
    static uint8_t bytes[300][256];
    static struct molt_dfu_element element[300];
    struct molt_dfu_image image = {.has_addresses = true,
                                   .count = count,
                                   .element = element,
                                   .has_start = start,
                                   .start = start};
    uint32_t entry = 1;
    for (uint32_t i = 0; i < count; i++) {
        molt_put_le32(bytes[i], table[i].stack);
        molt_put_le32(bytes[i] + 4, table[i].reset);
        element[i] = (struct molt_dfu_element){
            .address = table[i].address, .size = 256, .bytes = bytes[i], .target_name = ""};
    }
    int found = molt_dfu_image_entry(&image, &entry);
    assert_int_equal(found, entry ? 1 : 0);
    return entry;
}

static void entries(void **state)
{
    (void)state;
    const uint32_t flash = 0x08000000, stack = 0x20020000, other = 0x08020000;
    const struct table one[] = {{flash, stack, flash + 0x81}};
    assert_int_equal(entry_of(one, 1, 0), flash);
    const struct table even[] = {{flash, stack, flash + 0x80}};
    assert_int_equal(entry_of(even, 1, 0), 0);
    const struct table low[] = {{flash, 0x0FFFFFFC, flash + 0x81}};
    assert_int_equal(entry_of(low, 1, 0), 0);
    const struct table ccm[] = {{flash, 0x10010000, flash + 0x81}};
    assert_int_equal(entry_of(ccm, 1, 0), flash);
    const struct table high[] = {{flash, 0x40000000, flash + 0x81}};
    assert_int_equal(entry_of(high, 1, 0), 0);
    const struct table odd_stack[] = {{flash, stack + 2, flash + 0x81}};
    assert_int_equal(entry_of(odd_stack, 1, 0), 0);
    const struct table askew[] = {{flash + 64, stack, flash + 0x81}};
    assert_int_equal(entry_of(askew, 1, 0), 0);
    const struct table elsewhere[] = {{flash, stack, 0x08040001}}; /* in flash, not in the file */
    assert_int_equal(entry_of(elsewhere, 1, 0), flash);
    static const uint32_t resets[][2] = {{0x08000001, 1}, {0x0FFFFFFF, 1}, {0x10000001, 0},
                                         {0x00200001, 1}, {0x003FFFFF, 1}, {0x00400001, 0},
                                         {0x90000001, 1}, {0x9FFFFFFF, 1}, {0xA0000001, 0},
                                         {0x07FFFFFF, 0}, {0x001FFFFF, 0}, {0x8FFFFFFF, 0}};
    for (size_t i = 0; i < sizeof resets / sizeof resets[0]; i++) {
        const struct table row[] = {{0x08008000, stack, resets[i][0]}};
        assert_int_equal(entry_of(row, 1, 0), resets[i][1] ? 0x08008000 : 0);
    }
    const struct table nowhere[] = {{flash, stack, 0x20000001}};
    assert_int_equal(entry_of(nowhere, 1, 0), 0);
    /* A pyboard's two elements: vectors, then code; whatever their order. */
    const struct table pyboard[] = {{other, 0xE92D4FF0, 0xB083}, {flash, stack, other + 1}};
    assert_int_equal(entry_of(pyboard, 2, 0), flash);
    /* Boot loader and firmware: the lower one, unless the file's start says otherwise. */
    const struct table two[] = {{other, stack, other + 0x41}, {flash, stack, flash + 0x81}};
    assert_int_equal(entry_of(two, 2, 0), flash);
    assert_int_equal(entry_of(two, 2, other + 0x41), other);
    assert_int_equal(entry_of(two, 2, other + 0x40), other); /* HEX files may say it even */
    /* Inside an element counts more than somewhere in flash. */
    const struct table inside[] = {{flash, stack, 0x08040001}, {other, stack, other + 0x41}};
    assert_int_equal(entry_of(inside, 2, 0), other);
    struct table many[300];
    for (uint32_t i = 0; i < 300; i++) { /* behind the 256th nobody looks */
        many[i] = (struct table){other - i * 128, stack, 0x08040001};
    }
    assert_int_equal(entry_of(many, 300, 0), other - 255 * 128);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elf),
        cmocka_unit_test(elf_refused),
        cmocka_unit_test(elf_with_its_head),
        cmocka_unit_test(much_of_everything),
        cmocka_unit_test(hex),
        cmocka_unit_test(hex_behind_blank_lines),
        cmocka_unit_test(hex_refused),
        cmocka_unit_test(entries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
