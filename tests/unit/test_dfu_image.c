/* Files for DFU devices: every format read, every refusal by its code, where to leave to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#include "core/bytes.h"
#include "molt/ops/dfu_image.h"

static struct molt_message message;

static int load(struct molt_dfu_image *image, const uint8_t *bytes, uint32_t n)
{
    struct molt_dfu_image_request request = {.path = "x"};
    message.text[0] = 0;
    return molt_dfu_image_from_memory(image, bytes, n, &request, &message);
}

/* The error of bytes that must be refused; the message says words. */
static int refused(const uint8_t *bytes, uint32_t n, const char *words)
{
    struct molt_dfu_image image;
    int error = load(&image, bytes, n);
    assert_true(error < 0);
    assert_int_equal(message.error, error);
    if (!strstr(message.text, words)) {
        fail_msg("'%s' is not in: %s", words, message.text);
    }
    assert_null(image.element);
    assert_null(image.bytes);
    return error;
}

/* ---- DfuSe ---- */

struct file {
    uint8_t bytes[2048];
    uint32_t n;
};

static void finish(struct file *file, bool counted)
{
    struct molt_dfu_suffix suffix = {
        .product = 0xDF11, .vendor = 0x0483, .version = 0x011A, .device = 0x2200};
    molt_put_le32(file->bytes + 6, file->n + (counted ? 16 : 0));
    molt_dfu_write_suffix(file->bytes, file->n, &suffix);
    file->n += 16;
}

static void add_target(struct file *file, uint8_t alternate, const char *name, uint32_t size,
                       uint32_t count)
{
    struct molt_dfuse_target target = {
        .alternate = alternate, .size = size, .element_count = count};
    snprintf(target.name, sizeof target.name, "%s", name);
    if (file->n == 0) {
        molt_dfuse_write_prefix(file->bytes, 0, 0);
        file->n = 11;
    }
    file->bytes[10]++;
    molt_dfuse_write_target(file->bytes + file->n, &target);
    file->n += 274;
}

static void add_element(struct file *file, uint32_t address, const void *bytes, uint32_t n)
{
    molt_dfuse_write_element(file->bytes + file->n, address, n);
    memcpy(file->bytes + file->n + 8, bytes, n);
    file->n += 8 + n;
}

static void dfuse_of_two_targets(void **state)
{
    (void)state;
    for (int counted = 0; counted < 2; counted++) {
        struct file file = {0};
        struct molt_dfu_image image;
        add_target(&file, 0, "Internal Flash", 8 + 4 + 8 + 0 + 8 + 2, 3);
        add_element(&file, 0x08000000, "abcd", 4);
        add_element(&file, 0x08004000, "", 0);
        add_element(&file, 0x08020000, "ef", 2);
        add_target(&file, 1, "", 8 + 4, 1);
        add_element(&file, 0x08000000, "ghij", 4); /* another memory: no overlap */
        finish(&file, counted);
        assert_int_equal(load(&image, file.bytes, file.n), MOLT_OK);
        assert_int_equal(image.kind, MOLT_DFU_IMAGE_DFUSE);
        assert_int_equal(image.suffix_counted, counted);
        assert_int_equal(image.count, 3);
        assert_int_equal(image.skipped, 1);
        assert_int_equal(image.target_count, 2);
        assert_true(image.has_suffix && image.has_addresses && !image.packed && !image.compressed);
        assert_int_equal(image.suffix.device, 0x2200);
        assert_int_equal(image.element[1].address, 0x08020000);
        assert_int_equal(image.element[1].size, 2);
        assert_memory_equal(image.element[1].bytes, "ef", 2);
        assert_true(image.element[1].has_alternate);
        assert_int_equal(image.element[1].alternate, 0);
        assert_string_equal(image.element[1].target_name, "Internal Flash");
        assert_int_equal(image.element[2].alternate, 1);
        assert_string_equal(image.element[2].target_name, "");
        assert_memory_equal(image.element[2].bytes, "ghij", 4);
        molt_dfu_image_free(&image);
    }
}

static void one_element(struct file *file, uint32_t address, const void *bytes, uint32_t n)
{
    memset(file, 0, sizeof *file);
    add_target(file, 0, "ST...", 8 + n, 1);
    add_element(file, address, bytes, n);
    finish(file, false);
}

static void crc(void **state)
{
    (void)state;
    struct file file;
    struct molt_dfu_image image;
    struct molt_dfu_image_request request = {.path = "x", .accept_bad_crc = true};
    char words[40];
    one_element(&file, 0x08000000, "abcd", 4);
    uint32_t right = molt_get_le32(file.bytes + file.n - 4);
    molt_put_le32(file.bytes + file.n - 4, 0x12345678);
    snprintf(words, sizeof words, "expected 0x%08x, found 0x12345678", right);
    assert_int_equal(refused(file.bytes, file.n, words), MOLT_E_VERIFY);
    assert_int_equal(molt_dfu_image_from_memory(&image, file.bytes, file.n, &request, &message),
                     MOLT_OK);
    assert_true(image.crc_wrong);
    assert_int_equal(image.count, 1);
    molt_dfu_image_free(&image);
}

static void dfuse_refused(void **state)
{
    (void)state;
    struct file file;
    struct molt_dfu_image image;
    struct molt_dfu_image_request request = {.path = "x", .accept_bad_crc = true};
    one_element(&file, 0x08000000, "abcd", 4);
    assert_int_equal(refused(file.bytes, file.n - 3, "is not whole"), MOLT_E_TRUNCATED);
    assert_int_equal(refused(file.bytes, 5, "is not whole"), MOLT_E_TRUNCATED);
    /* Without its suffix, but whole else: only on request. */
    assert_int_equal(
        molt_dfu_image_from_memory(&image, file.bytes, file.n - 16, &request, &message), MOLT_OK);
    assert_true(image.crc_wrong && !image.has_suffix && image.count == 1);
    molt_dfu_image_free(&image);

    one_element(&file, 0xFFFFFFFD, "abcd", 4);
    assert_int_equal(refused(file.bytes, file.n, "behind 4 GB"), MOLT_E_RANGE);
    one_element(&file, 0x08000000, "", 0);
    assert_int_equal(refused(file.bytes, file.n, "nothing to write"), MOLT_E_FORMAT);

    memset(&file, 0, sizeof file);
    add_target(&file, 0, "", 12 + 12, 2);
    add_element(&file, 0x08000003, "abcd", 4);
    add_element(&file, 0x08000000, "abcd", 4);
    finish(&file, false);
    assert_int_equal(refused(file.bytes, file.n, "4 bytes at 0x08000000 and 4 bytes at 0x08000003"),
                     MOLT_E_FORMAT);

    memset(&file, 0, sizeof file); /* bytes behind the last target */
    add_target(&file, 0, "", 12, 1);
    add_element(&file, 0x08000000, "abcd", 4);
    file.n += 3;
    finish(&file, false);
    assert_int_equal(refused(file.bytes, file.n, "behind the last DfuSe target"), MOLT_E_FORMAT);
    file.bytes[285 + 4] = 5;
    molt_put_le32(file.bytes + file.n - 4, ~molt_crc32(0, file.bytes, file.n - 4));
    assert_int_equal(refused(file.bytes, file.n, "size of a DfuSe element"), MOLT_E_TRUNCATED);
}

static void too_many_elements(void **state)
{
    (void)state;
    uint32_t count = MOLT_DFU_IMAGE_ELEMENTS + 1, n = 285 + count * 9;
    uint8_t *bytes = calloc(1, n + 16);
    struct molt_dfu_image image;
    struct molt_dfuse_target target = {.size = count * 9, .element_count = count};
    struct molt_dfu_suffix suffix = {.version = 0x011A};
    assert_non_null(bytes);
    for (int less = 0; less < 2; less++, target.size -= 9, target.element_count--, n -= 9) {
        molt_dfuse_write_prefix(bytes, n, 1);
        molt_dfuse_write_target(bytes + 11, &target);
        for (uint32_t i = 0; i < count; i++) {
            molt_dfuse_write_element(bytes + 285 + i * 9, i, 1);
        }
        molt_dfu_write_suffix(bytes, n, &suffix);
        if (less == 0) {
            assert_int_equal(refused(bytes, n + 16, "more than 65536"), MOLT_E_RANGE);
        } else {
            assert_int_equal(load(&image, bytes, n + 16), MOLT_OK);
            assert_int_equal(image.count, MOLT_DFU_IMAGE_ELEMENTS);
            molt_dfu_image_free(&image);
        }
    }
    free(bytes);
}

/* As mboot_pack_dfu.py makes them: chunks of 16 bytes of flash, each larger than that. */
static void packed_for_mboot(void **state)
{
    (void)state;
    struct molt_dfu_image image;
    for (int broken = 0; broken < 2; broken++) {
        struct file file = {0};
        add_target(&file, 0, "ST...", 3 * (8 + 120), 3);
        for (uint32_t i = 0; i < 3; i++) {
            uint8_t chunk[120] = {1, i == 2 ? 1 : 2};
            molt_put_le32(chunk + 4, 0x08020000 + i * 16);
            molt_put_le32(chunk + 8, broken && i == 1 ? 45 : 42);
            add_element(&file, 0x08020000 + i * 16, chunk, sizeof chunk);
        }
        finish(&file, false);
        if (broken) {
            assert_int_equal(refused(file.bytes, file.n, "overlap"), MOLT_E_FORMAT);
        } else {
            assert_int_equal(load(&image, file.bytes, file.n), MOLT_OK);
            assert_true(image.packed && !image.has_entry);
            assert_int_equal(image.element[2].address, 0x08020020);
            molt_dfu_image_free(&image);
        }
    }
}

/* ---- plain and raw ---- */

static void plain(void **state)
{
    (void)state;
    uint8_t bytes[64] = "firmware";
    struct molt_dfu_suffix suffix = {0xFFFF, 0x1234, 0x5678, 0x0110, 0, 0, 0};
    struct molt_dfu_image image;
    struct molt_dfu_image_request request = {
        .path = "x", .has_address = true, .address = 0x08000000};
    molt_dfu_write_suffix(bytes, 8, &suffix);
    assert_int_equal(load(&image, bytes, 24), MOLT_OK);
    assert_int_equal(image.kind, MOLT_DFU_IMAGE_PLAIN);
    assert_true(!image.has_addresses && image.has_suffix && image.count == 1);
    assert_int_equal(image.element[0].size, 8);
    assert_int_equal(image.suffix.vendor, 0x5678);
    assert_int_equal(image.prefix.kind, MOLT_DFU_PREFIX_NONE);
    assert_false(image.element[0].has_alternate);
    molt_dfu_image_free(&image);
    assert_int_equal(molt_dfu_image_from_memory(&image, bytes, 24, &request, &message), MOLT_OK);
    assert_true(image.has_addresses && image.element[0].address == 0x08000000);
    molt_dfu_image_free(&image);
    request.address = 0xFFFFFFF8;
    assert_int_equal(molt_dfu_image_from_memory(&image, bytes, 24, &request, &message),
                     MOLT_E_RANGE);

    bytes[0] = 'F';
    assert_int_equal(refused(bytes, 24, "wrong CRC"), MOLT_E_VERIFY);
    assert_int_equal(refused(bytes + 8, 16, "wrong CRC"), MOLT_E_VERIFY);
    molt_dfu_write_suffix(bytes, 0, &suffix);
    assert_int_equal(refused(bytes, 16, "nothing else"), MOLT_E_FORMAT);
    suffix.version = 0x011A;
    molt_dfu_write_suffix(bytes, 8, &suffix);
    assert_int_equal(refused(bytes, 24, "says DfuSe"), MOLT_E_FORMAT);
    bytes[8 + 11] = 15;
    assert_int_equal(refused(bytes, 24, "15 bytes long"), MOLT_E_FORMAT);
    bytes[8 + 11] = 25;
    assert_int_equal(refused(bytes, 24, "expected 16 to 24"), MOLT_E_FORMAT);
}

static void raw(void **state)
{
    (void)state;
    static const uint8_t bytes[4] = {0, 1, 2, 3};
    struct molt_dfu_image image;
    struct molt_dfu_image_request request = {.path = "x", .has_address = true};
    assert_int_equal(load(&image, bytes, 4), MOLT_OK);
    assert_true(image.kind == MOLT_DFU_IMAGE_BIN && !image.has_addresses && image.count == 1);
    molt_dfu_image_free(&image);
    request.address = 0xFFFFFFFB;
    assert_int_equal(molt_dfu_image_from_memory(&image, bytes, 4, &request, NULL), MOLT_OK);
    assert_true(image.has_addresses && image.element[0].address == 0xFFFFFFFB);
    molt_dfu_image_free(&image);
    request.address = 0xFFFFFFFC;
    assert_int_equal(molt_dfu_image_from_memory(&image, bytes, 4, &request, &message),
                     MOLT_E_RANGE);
    assert_int_equal(refused(bytes, 0, "is empty"), MOLT_E_FORMAT);
    static const uint8_t png[16] = "\x89PNG\r\n\x1A\n";
    assert_int_equal(refused(png, sizeof png, "a PNG picture"), MOLT_E_FORMAT);
    /* Text is content where it is said where it goes; but not the records of another format. */
    static const uint8_t text[] = "just a text", srecord[] = "S1050000616238\n";
    assert_int_equal(refused(text, sizeof text - 1, "a text file"), MOLT_E_FORMAT);
    request = (struct molt_dfu_image_request){.path = "x", .has_address = true};
    assert_int_equal(molt_dfu_image_from_memory(&image, text, sizeof text - 1, &request, NULL),
                     MOLT_OK);
    molt_dfu_image_free(&image);
    assert_int_equal(
        molt_dfu_image_from_memory(&image, srecord, sizeof srecord - 1, &request, &message),
        MOLT_E_FORMAT);
    request = (struct molt_dfu_image_request){.path = "x", .raw = true};
    assert_int_equal(molt_dfu_image_from_memory(&image, png, sizeof png, &request, &message),
                     MOLT_OK);
    molt_dfu_image_free(&image);
}

static void named(void **state)
{
    (void)state;
    struct molt_dfu_image image;
    struct molt_dfu_image_request request = {.path = "/nowhere/at.all"};
    assert_int_equal(molt_dfu_image_load(&image, &request, &message), MOLT_E_NOT_FOUND);
    assert_non_null(strstr(message.text, "/nowhere/at.all"));
    assert_int_equal(
        molt_dfu_image_from_memory(&image, NULL, MOLT_DFU_IMAGE_LIMIT + 1, &request, &message),
        MOLT_E_RANGE);
    molt_dfu_image_free(&image);
    for (int kind = MOLT_DFU_IMAGE_DFUSE; kind <= MOLT_DFU_IMAGE_BIN; kind++) {
        static const char *const names[] = {"DfuSe", "DFU", "ELF", "Intel HEX", "raw"};
        assert_string_equal(molt_dfu_image_kind_name((enum molt_dfu_image_kind)kind), names[kind]);
    }
}

/* ---- gzip ---- */

static uint32_t pack(const uint8_t *bytes, uint32_t n, uint8_t *out, uint32_t room)
{
    z_stream stream = {
        .next_in = (Bytef *)(uintptr_t)bytes, .avail_in = n, .next_out = out, .avail_out = room};
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    deflateEnd(&stream);
    return (uint32_t)stream.total_out;
}

static void compressed(void **state)
{
    (void)state;
    struct file file, zipped;
    struct molt_dfu_image image;
    one_element(&file, 0x08000000, "abcd", 4);
    zipped.n = pack(file.bytes, file.n, zipped.bytes, sizeof zipped.bytes);
    assert_int_equal(load(&image, zipped.bytes, zipped.n), MOLT_OK);
    assert_true(image.compressed && image.kind == MOLT_DFU_IMAGE_DFUSE);
    assert_int_equal(image.file_size, file.n);
    molt_dfu_image_free(&image);

    /* Two members are one file. */
    uint32_t first = pack(file.bytes, 100, zipped.bytes, 1000);
    zipped.n = first + pack(file.bytes + 100, file.n - 100, zipped.bytes + first, 1000);
    assert_int_equal(load(&image, zipped.bytes, zipped.n), MOLT_OK);
    assert_int_equal(image.file_size, file.n);
    molt_dfu_image_free(&image);

    for (uint32_t n = 3; n < zipped.n; n++) {
        if (n != first) { /* a cut between two members is one of the DfuSe file */
            assert_int_equal(refused(zipped.bytes, n,
                                     n > first && n < first + 3 ? "behind the end" : "too early"),
                             n > first && n < first + 3 ? MOLT_E_FORMAT : MOLT_E_TRUNCATED);
        }
    }
    zipped.bytes[zipped.n - 6] ^= 1;
    assert_int_equal(refused(zipped.bytes, zipped.n, "is damaged"), MOLT_E_VERIFY);
    zipped.bytes[zipped.n - 6] ^= 1;
    zipped.bytes[first + 10] = 0x07; /* a block of a kind that there is not */
    assert_int_equal(refused(zipped.bytes, zipped.n, "is damaged"), MOLT_E_FORMAT);
}

static void bomb(void **state)
{
    (void)state;
    uint32_t n = MOLT_DFU_IMAGE_LIMIT + 1, room = n / 500;
    uint8_t *zeros = calloc(1, n), *out = malloc(room);
    struct molt_dfu_image image;
    assert_non_null(zeros);
    assert_non_null(out);
    uint32_t length = pack(zeros, n, out, room);
    assert_int_equal(refused(out, length, "when it is unpacked"), MOLT_E_RANGE);
    length = pack(zeros, n - 1, out, room);
    assert_int_equal(load(&image, out, length), MOLT_OK);
    assert_int_equal(image.element[0].size, MOLT_DFU_IMAGE_LIMIT);
    molt_dfu_image_free(&image);
    free(zeros);
    free(out);
}

/* ---- ELF ---- */

struct segment {
    uint32_t type, offset, address, load_address, file_size, memory_size;
};

/* Program headers at 52, content from 256 on: byte i is i. */
static void make_elf(struct file *file, uint16_t machine, const struct segment *segment,
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
    struct file file;
    struct molt_dfu_image image;
    make_elf(&file, 40, segments, 5);
    assert_int_equal(load(&image, file.bytes, file.n), MOLT_OK);
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
    struct file file;
    struct segment segments[2] = {{1, 256, 0x08000000, 0x08000000, 16, 16},
                                  {1, 280, 0x08000008, 0x08000008, 16, 16}};
    make_elf(&file, 40, segments, 2);
    assert_int_equal(refused(file.bytes, file.n, "two different pieces are for 0x08000008"),
                     MOLT_E_FORMAT);
    make_elf(&file, 94, segments, 1);
    assert_int_equal(refused(file.bytes, file.n, "for Xtensa"), MOLT_E_UNSUPPORTED);
    make_elf(&file, 243, segments, 1);
    assert_int_equal(refused(file.bytes, file.n, "for RISC-V"), MOLT_E_UNSUPPORTED);
    make_elf(&file, 40, segments, 1);
    file.bytes[4] = 2;
    assert_int_equal(refused(file.bytes, file.n, "64-bit"), MOLT_E_UNSUPPORTED);
    file.bytes[4] = 1;
    file.bytes[5] = 2;
    assert_int_equal(refused(file.bytes, file.n, "big-endian"), MOLT_E_UNSUPPORTED);
    file.bytes[5] = 1;
    file.bytes[16] = 1;
    assert_int_equal(refused(file.bytes, file.n, "an object file"), MOLT_E_UNSUPPORTED);
    file.bytes[16] = 4;
    assert_int_equal(refused(file.bytes, file.n, "found 4"), MOLT_E_UNSUPPORTED);
    file.bytes[16] = 2;
    assert_int_equal(refused(file.bytes, 50, "ELF header"), MOLT_E_TRUNCATED);
    assert_int_equal(refused(file.bytes, 271, "ELF segment"), MOLT_E_TRUNCATED);

    segments[0].memory_size = 15;
    make_elf(&file, 40, segments, 1);
    assert_int_equal(refused(file.bytes, file.n, "16 bytes for 15"), MOLT_E_FORMAT);
    segments[0].memory_size = 16;
    segments[0].load_address = 0xFFFFFFF0;
    make_elf(&file, 40, segments, 1);
    assert_int_equal(refused(file.bytes, file.n, "behind 4 GB"), MOLT_E_RANGE);
    segments[0].file_size = 0;
    make_elf(&file, 40, segments, 1);
    assert_int_equal(refused(file.bytes, file.n, "no bytes to write"), MOLT_E_FORMAT);
}

/* A first segment that begins with the ELF head: what is loaded begins with the first section. */
static void elf_with_its_head(void **state)
{
    (void)state;
    static const struct segment segments[] = {{1, 0, 0x08003F00, 0x08003F00, 272, 272}};
    struct file file;
    struct molt_dfu_image image;
    make_elf(&file, 40, segments, 1);
    assert_int_equal(refused(file.bytes, file.n, "no section tells"), MOLT_E_FORMAT);
    molt_put_le32(file.bytes + 32, 400); /* section headers: none, .bss, .text, .debug */
    molt_put_le16(file.bytes + 46, 40);
    molt_put_le16(file.bytes + 48, 4);
    file.n = 400 + 4 * 40;
    memset(file.bytes + 400, 0, 160);
    static const uint32_t sections[3][4] = {
        {8, 3, 64, 4}, {1, 6, 256, 16}, {1, 0, 100, 4}}; /* type, flags, offset, size */
    for (uint32_t i = 0; i < 3; i++) {
        uint8_t *p = file.bytes + 440 + i * 40;
        molt_put_le32(p + 4, sections[i][0]);
        molt_put_le32(p + 8, sections[i][1]);
        molt_put_le32(p + 16, sections[i][2]);
        molt_put_le32(p + 20, sections[i][3]);
    }
    assert_int_equal(load(&image, file.bytes, file.n), MOLT_OK);
    assert_int_equal(image.count, 1);
    assert_int_equal(image.element[0].address, 0x08004000);
    assert_int_equal(image.element[0].size, 16);
    assert_int_equal(image.element[0].bytes[1], 1);
    molt_dfu_image_free(&image);
    assert_int_equal(refused(file.bytes, file.n - 1, "no section tells"), MOLT_E_FORMAT);
}

/* ---- Intel HEX ---- */

static int refused_text(const char *text, const char *words)
{
    return refused((const uint8_t *)text, (uint32_t)strlen(text), words);
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
    assert_int_equal(load(&image, (const uint8_t *)plain_text, n), MOLT_OK);
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
    assert_int_equal(molt_dfu_image_from_memory(&image, text, sizeof text - 1, &request, &message),
                     MOLT_E_ARGUMENT);
    assert_non_null(strstr(message.text, "found 0x00001000"));
}

/* ---- where to leave to ---- */

struct table {
    uint32_t address, stack, reset;
};

/* Elements of 256 bytes; the entry, or 0. */
static uint32_t entry_of(const struct table *table, uint32_t count, uint32_t start)
{
    static uint8_t bytes[4][256];
    struct molt_dfu_element element[4];
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
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dfuse_of_two_targets),
        cmocka_unit_test(crc),
        cmocka_unit_test(dfuse_refused),
        cmocka_unit_test(too_many_elements),
        cmocka_unit_test(packed_for_mboot),
        cmocka_unit_test(plain),
        cmocka_unit_test(raw),
        cmocka_unit_test(named),
        cmocka_unit_test(compressed),
        cmocka_unit_test(bomb),
        cmocka_unit_test(elf),
        cmocka_unit_test(elf_refused),
        cmocka_unit_test(elf_with_its_head),
        cmocka_unit_test(hex),
        cmocka_unit_test(hex_refused),
        cmocka_unit_test(entries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
