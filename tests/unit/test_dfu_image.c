/* Files for DFU devices: DfuSe, plain and raw ones, gzip; every refusal by its code. ELF, Intel HEX
 * and where to leave to: test_dfu_program.c. */
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
#include "image_rig.h"
#include "molt/ops/dfu_image.h"

/* ---- DfuSe ---- */

static void finish(struct image_bytes *file, bool counted)
{
    struct molt_dfu_suffix suffix = {
        .product = 0xDF11, .vendor = 0x0483, .version = 0x011A, .device = 0x2200};
    molt_put_le32(file->bytes + 6, file->n + (counted ? 16 : 0));
    molt_dfu_write_suffix(file->bytes, file->n, &suffix);
    file->n += 16;
}

static void add_target(struct image_bytes *file, uint8_t alternate, const char *name, uint32_t size,
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

static void add_element(struct image_bytes *file, uint32_t address, const void *bytes, uint32_t n)
{
    molt_dfuse_write_element(file->bytes + file->n, address, n);
    memcpy(file->bytes + file->n + 8, bytes, n);
    file->n += 8 + n;
}

static void dfuse_of_two_targets(void **state)
{
    (void)state;
    for (int counted = 0; counted < 2; counted++) {
        struct image_bytes file = {0};
        struct molt_dfu_image image;
        add_target(&file, 0, "Internal Flash", 8 + 4 + 8 + 0 + 8 + 2, 3);
        add_element(&file, 0x08000000, "abcd", 4);
        add_element(&file, 0x08004000, "", 0);
        add_element(&file, 0x08020000, "ef", 2);
        add_target(&file, 1, "", 8 + 4, 1);
        add_element(&file, 0x08000000, "ghij", 4); /* another memory: no overlap */
        finish(&file, counted);
        assert_int_equal(image_load(&image, file.bytes, file.n), MOLT_OK);
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

static void one_element(struct image_bytes *file, uint32_t address, const void *bytes, uint32_t n)
{
    memset(file, 0, sizeof *file);
    add_target(file, 0, "ST...", 8 + n, 1);
    add_element(file, address, bytes, n);
    finish(file, false);
}

static void crc(void **state)
{
    (void)state;
    struct image_bytes file;
    struct molt_dfu_image image;
    struct molt_dfu_image_request request = {.path = "x", .accept_bad_crc = true};
    char words[40];
    one_element(&file, 0x08000000, "abcd", 4);
    uint32_t right = molt_get_le32(file.bytes + file.n - 4);
    molt_put_le32(file.bytes + file.n - 4, 0x12345678);
    snprintf(words, sizeof words, "expected 0x%08x, found 0x12345678", right);
    assert_int_equal(image_refused(file.bytes, file.n, words), MOLT_E_VERIFY);
    assert_int_equal(
        molt_dfu_image_from_memory(&image, file.bytes, file.n, &request, &image_message), MOLT_OK);
    assert_true(image.crc_wrong);
    assert_int_equal(image.count, 1);
    molt_dfu_image_free(&image);
}

static void dfuse_refused(void **state)
{
    (void)state;
    struct image_bytes file;
    struct molt_dfu_image image;
    struct molt_dfu_image_request request = {.path = "x", .accept_bad_crc = true};
    one_element(&file, 0x08000000, "abcd", 4);
    assert_int_equal(image_refused(file.bytes, file.n - 3, "is not whole"), MOLT_E_TRUNCATED);
    assert_int_equal(image_refused(file.bytes, 5, "is not whole"), MOLT_E_TRUNCATED);
    /* Without its suffix, but whole else: only on request. */
    assert_int_equal(image_refused(file.bytes, file.n - 16, "is not whole"), MOLT_E_TRUNCATED);
    assert_int_equal(
        molt_dfu_image_from_memory(&image, file.bytes, file.n - 16, &request, &image_message),
        MOLT_OK);
    assert_true(image.crc_wrong && !image.has_suffix && image.count == 1);
    molt_dfu_image_free(&image);

    one_element(&file, 0xFFFFFFFD, "abcd", 4);
    assert_int_equal(image_refused(file.bytes, file.n, "behind 4 GB"), MOLT_E_RANGE);
    one_element(&file, 0x08000000, "", 0);
    assert_int_equal(image_refused(file.bytes, file.n, "nothing to write"), MOLT_E_FORMAT);

    memset(&file, 0, sizeof file);
    add_target(&file, 0, "", 12 + 12, 2);
    add_element(&file, 0x08000003, "abcd", 4);
    add_element(&file, 0x08000000, "abcd", 4);
    finish(&file, false);
    assert_int_equal(
        image_refused(file.bytes, file.n, "4 bytes at 0x08000000 and 4 bytes at 0x08000003"),
        MOLT_E_FORMAT);

    memset(&file, 0, sizeof file); /* bytes behind the last target */
    add_target(&file, 0, "", 12, 1);
    add_element(&file, 0x08000000, "abcd", 4);
    file.n += 3;
    finish(&file, false);
    assert_int_equal(image_refused(file.bytes, file.n, "behind the last DfuSe target"),
                     MOLT_E_FORMAT);
    file.bytes[285 + 4] = 5;
    molt_put_le32(file.bytes + file.n - 4, ~molt_crc32(0, file.bytes, file.n - 4));
    assert_int_equal(image_refused(file.bytes, file.n, "size of a DfuSe element"),
                     MOLT_E_TRUNCATED);
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
            assert_int_equal(image_refused(bytes, n + 16, "more than 65536"), MOLT_E_RANGE);
        } else {
            assert_int_equal(image_load(&image, bytes, n + 16), MOLT_OK);
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
        struct image_bytes file = {0};
        add_target(&file, 0, "ST...", 3 * (8 + 120), 3);
        for (uint32_t i = 0; i < 3; i++) {
            uint8_t chunk[120] = {1, i == 2 ? 1 : 2};
            molt_put_le32(chunk + 4, 0x08020000 + i * 16);
            molt_put_le32(chunk + 8, broken && i == 1 ? 45 : 42);
            add_element(&file, 0x08020000 + i * 16, chunk, sizeof chunk);
        }
        finish(&file, false);
        if (broken) {
            assert_int_equal(image_refused(file.bytes, file.n, "overlap"), MOLT_E_FORMAT);
        } else {
            assert_int_equal(image_load(&image, file.bytes, file.n), MOLT_OK);
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
    assert_int_equal(image_load(&image, bytes, 24), MOLT_OK);
    assert_int_equal(image.kind, MOLT_DFU_IMAGE_PLAIN);
    assert_true(!image.has_addresses && image.has_suffix && image.count == 1);
    assert_int_equal(image.element[0].size, 8);
    assert_int_equal(image.suffix.vendor, 0x5678);
    assert_int_equal(image.prefix.kind, MOLT_DFU_PREFIX_NONE);
    assert_false(image.element[0].has_alternate);
    molt_dfu_image_free(&image);
    assert_int_equal(molt_dfu_image_from_memory(&image, bytes, 24, &request, &image_message),
                     MOLT_OK);
    assert_true(image.has_addresses && image.element[0].address == 0x08000000);
    molt_dfu_image_free(&image);
    request.has_address = false; /* then it does not matter */
    assert_int_equal(molt_dfu_image_from_memory(&image, bytes, 24, &request, NULL), MOLT_OK);
    assert_true(!image.has_addresses && image.element[0].address == 0);
    molt_dfu_image_free(&image);
    request.has_address = true;
    request.address = 0xFFFFFFF8;
    assert_int_equal(molt_dfu_image_from_memory(&image, bytes, 24, &request, &image_message),
                     MOLT_E_RANGE);

    bytes[0] = 'F';
    assert_int_equal(image_refused(bytes, 24, "wrong CRC"), MOLT_E_VERIFY);
    assert_int_equal(image_refused(bytes + 8, 16, "wrong CRC"), MOLT_E_VERIFY);
    molt_dfu_write_suffix(bytes, 0, &suffix);
    assert_int_equal(image_refused(bytes, 16, "nothing else"), MOLT_E_FORMAT);
    suffix.version = 0x011A;
    molt_dfu_write_suffix(bytes, 8, &suffix);
    assert_int_equal(image_refused(bytes, 24, "says DfuSe"), MOLT_E_FORMAT);
    bytes[8 + 11] = 15;
    assert_int_equal(image_refused(bytes, 24, "15 bytes long"), MOLT_E_FORMAT);
    bytes[8 + 11] = 25;
    assert_int_equal(image_refused(bytes, 24, "expected 16 to 24"), MOLT_E_FORMAT);
}

static void raw(void **state)
{
    (void)state;
    static const uint8_t bytes[4] = {0, 1, 2, 3};
    struct molt_dfu_image image;
    struct molt_dfu_image_request request = {.path = "x", .has_address = true};
    assert_int_equal(image_load(&image, bytes, 4), MOLT_OK);
    assert_true(image.kind == MOLT_DFU_IMAGE_BIN && !image.has_addresses && image.count == 1);
    molt_dfu_image_free(&image);
    request.address = 0xFFFFFFFB;
    assert_int_equal(molt_dfu_image_from_memory(&image, bytes, 4, &request, NULL), MOLT_OK);
    assert_true(image.has_addresses && image.element[0].address == 0xFFFFFFFB);
    molt_dfu_image_free(&image);
    request.address = 0xFFFFFFFC;
    assert_int_equal(molt_dfu_image_from_memory(&image, bytes, 4, &request, &image_message),
                     MOLT_E_RANGE);
    assert_int_equal(image_refused(bytes, 0, "is empty"), MOLT_E_FORMAT);
    static const uint8_t png[16] = "\x89PNG\r\n\x1A\n";
    assert_int_equal(image_refused(png, sizeof png, "a PNG picture"), MOLT_E_FORMAT);
    /* Text is content where it is said where it goes; but not the records of another format. */
    static const uint8_t text[] = "just a text", srecord[] = "S1050000616238\n";
    assert_int_equal(image_refused(text, sizeof text - 1, "a text file"), MOLT_E_FORMAT);
    request = (struct molt_dfu_image_request){.path = "x", .has_address = true};
    assert_int_equal(molt_dfu_image_from_memory(&image, text, sizeof text - 1, &request, NULL),
                     MOLT_OK);
    molt_dfu_image_free(&image);
    assert_int_equal(
        molt_dfu_image_from_memory(&image, srecord, sizeof srecord - 1, &request, &image_message),
        MOLT_E_FORMAT);
    request = (struct molt_dfu_image_request){.path = "x", .raw = true};
    assert_int_equal(molt_dfu_image_from_memory(&image, png, sizeof png, &request, &image_message),
                     MOLT_OK);
    molt_dfu_image_free(&image);
}

static void named(void **state)
{
    (void)state;
    struct molt_dfu_image image;
    struct molt_dfu_image_request request = {.path = "/nowhere/at.all"};
    assert_int_equal(molt_dfu_image_load(&image, &request, &image_message), MOLT_E_NOT_FOUND);
    assert_non_null(strstr(image_message.text, "/nowhere/at.all"));
    assert_int_equal(molt_dfu_image_from_memory(&image, NULL, MOLT_DFU_IMAGE_LIMIT + 1, &request,
                                                &image_message),
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
    assert_int_equal(deflateInit2(&stream, 1, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    deflateEnd(&stream);
    return (uint32_t)stream.total_out;
}

static void compressed(void **state)
{
    (void)state;
    struct image_bytes file, zipped;
    struct molt_dfu_image image;
    one_element(&file, 0x08000000, "abcd", 4);
    zipped.n = pack(file.bytes, file.n, zipped.bytes, sizeof zipped.bytes);
    assert_int_equal(image_load(&image, zipped.bytes, zipped.n), MOLT_OK);
    assert_true(image.compressed && image.kind == MOLT_DFU_IMAGE_DFUSE);
    assert_int_equal(image.file_size, file.n);
    molt_dfu_image_free(&image);

    /* Two members are one file. */
    uint32_t first = pack(file.bytes, 100, zipped.bytes, 1000);
    zipped.n = first + pack(file.bytes + 100, file.n - 100, zipped.bytes + first, 1000);
    assert_int_equal(image_load(&image, zipped.bytes, zipped.n), MOLT_OK);
    assert_int_equal(image.file_size, file.n);
    molt_dfu_image_free(&image);

    /* With a suffix behind it, it is what a device gets. */
    const struct molt_dfu_suffix suffix = {.version = 0x0100};
    struct image_bytes inside = zipped;
    molt_dfu_write_suffix(inside.bytes, inside.n, &suffix);
    assert_int_equal(image_load(&image, inside.bytes, inside.n + 16), MOLT_OK);
    assert_true(image.kind == MOLT_DFU_IMAGE_PLAIN && !image.compressed);
    assert_int_equal(image.element[0].size, zipped.n);
    molt_dfu_image_free(&image);

    for (uint32_t n = 3; n < zipped.n; n++) {
        if (n != first) { /* a cut between two members is one of the DfuSe file */
            assert_int_equal(
                image_refused(zipped.bytes, n,
                              n > first && n < first + 3 ? "behind the end" : "too early"),
                n > first && n < first + 3 ? MOLT_E_FORMAT : MOLT_E_TRUNCATED);
        }
    }
    zipped.bytes[zipped.n - 6] ^= 1;
    assert_int_equal(image_refused(zipped.bytes, zipped.n, "is damaged"), MOLT_E_VERIFY);
    zipped.bytes[zipped.n - 6] ^= 1;
    zipped.bytes[first + 10] = 0x07; /* a block of a kind that there is not */
    assert_int_equal(image_refused(zipped.bytes, zipped.n, "is damaged"), MOLT_E_FORMAT);
}

static void bomb(void **state)
{
    (void)state;
    uint32_t n = MOLT_DFU_IMAGE_LIMIT + 1, room = n / 100;
    uint8_t *zeros = calloc(1, n), *out = malloc(room);
    struct molt_dfu_image image;
    assert_non_null(zeros);
    assert_non_null(out);
    uint32_t length = pack(zeros, n, out, room);
    assert_int_equal(image_refused(out, length, "when it is unpacked"), MOLT_E_RANGE);
    length = pack(zeros, n - 1, out, room);
    assert_int_equal(image_load(&image, out, length), MOLT_OK);
    assert_int_equal(image.element[0].size, MOLT_DFU_IMAGE_LIMIT);
    molt_dfu_image_free(&image);
    free(zeros);
    free(out);
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
