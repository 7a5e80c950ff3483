/* Files for DFU devices, made: read back by the loader, and each refusal by its code. What genuine
 * tools say of them is tested in tests/e2e/test_dfu_files.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/bytes.h"
#include "molt/ops/dfu_image.h"

static struct molt_message message;

#define PIECE(where, text)                                                                         \
    {                                                                                              \
        .address = (where), .size = sizeof(text) - 1, .bytes = (const uint8_t *)(text),            \
        .target_name = "ST..."                                                                     \
    }

static uint8_t *render(const struct molt_dfu_element *element, uint32_t count,
                       const struct molt_dfu_form *form, uint32_t *n)
{
    uint8_t *bytes;
    int error = molt_dfu_render(element, count, form, &bytes, n, &message);
    if (error) {
        fail_msg("%d: %s", error, message.text);
    }
    return bytes;
}

static void refused(const struct molt_dfu_element *element, uint32_t count,
                    const struct molt_dfu_form *form, int error, const char *words)
{
    uint8_t *bytes;
    uint32_t n;
    assert_int_equal(molt_dfu_render(element, count, form, &bytes, &n, &message), error);
    assert_null(bytes);
    if (!strstr(message.text, words)) {
        fail_msg("'%s' is not in: %s", words, message.text);
    }
}

static void dfuse(void **state)
{
    (void)state;
    struct molt_dfu_element elements[] = {
        PIECE(0x08020000, "0123456789"), PIECE(0x08000000, "abcd"), PIECE(0x08000000, "other"),
        PIECE(0x0802000C, "next"), /* nearer than the zeros that fill up the first */
    };
    elements[2].alternate = 1;
    elements[2].target_name = "External";
    elements[3].target_name = NULL;
    struct molt_dfu_form form = {
        .kind = MOLT_DFU_IMAGE_DFUSE, .vendor = 0x0483, .product = 0xDF11, .pad = 8};
    struct molt_dfu_image_request request = {.path = "made"};
    for (int counted = 0; counted < 2; counted++) {
        struct molt_dfu_image image;
        uint32_t n;
        form.counted = counted;
        uint8_t *bytes = render(elements, 4, &form, &n);
        assert_int_equal(n, 11 + 3 * 274 + 4 * 8 + 12 + 8 + 8 + 8 + 16);
        assert_int_equal(molt_get_le32(bytes + 6), counted ? n : n - 16);
        assert_int_equal(molt_dfu_image_from_memory(&image, bytes, n, &request, &message), MOLT_OK);
        assert_int_equal(image.target_count, 3);
        assert_int_equal(image.count, 4);
        assert_int_equal(image.element[0].address, 0x08020000);
        assert_int_equal(image.element[0].size, 12);
        assert_memory_equal(image.element[0].bytes, "0123456789\0\0", 12);
        assert_memory_equal(image.element[1].bytes, "abcd\0\0\0\0", 8);
        assert_int_equal(image.element[1].alternate, 0);
        assert_string_equal(image.element[1].target_name, "ST...");
        assert_int_equal(image.element[2].alternate, 1);
        assert_string_equal(image.element[2].target_name, "External");
        assert_string_equal(image.element[3].target_name, "");
        assert_int_equal(image.suffix.vendor, 0x0483);
        assert_int_equal(image.suffix.crc, image.suffix.crc_computed);
        molt_dfu_image_free(&image);
        free(bytes);
    }
    form.pad = 0;
    uint32_t n;
    free(render(elements, 1, &form, &n));
    assert_int_equal(n, 11 + 274 + 8 + 10 + 16);
}

static void hex_and_raw(void **state)
{
    (void)state;
    const struct molt_dfu_element elements[] = {PIECE(0x08010004, "tail"),
                                                PIECE(0x0800FFF8, "0123456789")};
    struct molt_dfu_form form = {.kind = MOLT_DFU_IMAGE_BIN, .fill = 0xFF};
    uint32_t n;
    uint8_t *bytes = render(elements, 2, &form, &n);
    assert_int_equal(n, 16);
    assert_memory_equal(bytes, "0123456789\xFF\xFFtail", 16);
    free(bytes);
    form.kind = MOLT_DFU_IMAGE_HEX;
    bytes = render(elements, 2, &form, &n);
    static const char expected[] = ":020000040800F2\n"
                                   ":08FFF800303132333435363765\n"
                                   ":020000040801F1\n"
                                   ":0200000038398D\n"
                                   ":040004007461696C4E\n"
                                   ":00000001FF\n";
    assert_int_equal(n, strlen(expected));
    assert_memory_equal(bytes, expected, n);
    free(bytes);
}

static void plain(void **state)
{
    (void)state;
    const struct molt_dfu_element element = PIECE(0, "firmware!");
    struct molt_dfu_form form = {.kind = MOLT_DFU_IMAGE_PLAIN,
                                 .vendor = 0x1FC9,
                                 .product = 0x000C,
                                 .device = 0xFFFF,
                                 .prefix = MOLT_DFU_PREFIX_LPC};
    struct molt_dfu_image image;
    struct molt_dfu_image_request request = {.path = "made"};
    uint32_t n;
    uint8_t *bytes = render(&element, 1, &form, &n);
    assert_int_equal(n, 16 + 9 + 16);
    assert_int_equal(molt_dfu_image_from_memory(&image, bytes, n, &request, &message), MOLT_OK);
    assert_int_equal(image.prefix.kind, MOLT_DFU_PREFIX_LPC);
    assert_int_equal(image.prefix.length, 512);
    assert_int_equal(image.prefix.size, 16);
    assert_int_equal(image.suffix.version, 0x0100);
    refused(image.element, 1, &form, MOLT_E_EXISTS, "already");
    molt_dfu_image_free(&image);
    free(bytes);

    form.prefix = MOLT_DFU_PREFIX_STELLARIS;
    form.prefix_address = 0x4000;
    form.version = 0x0110;
    bytes = render(&element, 1, &form, &n);
    assert_int_equal(n, 8 + 9 + 16);
    assert_int_equal(molt_dfu_image_from_memory(&image, bytes, n, &request, &message), MOLT_OK);
    assert_int_equal(image.prefix.kind, MOLT_DFU_PREFIX_STELLARIS);
    assert_int_equal(image.prefix.address, 0x4000);
    assert_int_equal(image.prefix.length, 9);
    assert_int_equal(image.suffix.version, 0x0110);
    refused(image.element, 1, &form, MOLT_E_EXISTS, "already");
    molt_dfu_image_free(&image);
    free(bytes);
    form.prefix_address = 0x4001;
    refused(&element, 1, &form, MOLT_E_ALIGNMENT, "multiple of 1024");
    form.prefix_address = 0x04000000;
    refused(&element, 1, &form, MOLT_E_RANGE, "0x04000000");
    form.prefix_address = 0x03FFFC00;
    free(render(&element, 1, &form, &n));
}

static void not_made(void **state)
{
    (void)state;
    struct molt_dfu_element elements[] = {PIECE(0x08000000, "abcd"), PIECE(0x08000003, "efgh")};
    struct molt_dfu_form form = {.kind = MOLT_DFU_IMAGE_DFUSE};
    refused(elements, 0, &form, MOLT_E_ARGUMENT, "nothing to make");
    refused(elements, MOLT_DFU_IMAGE_ELEMENTS + 1, &form, MOLT_E_RANGE, "at most 65536");
    refused(elements, 2, &form, MOLT_E_FORMAT, "at 0x08000003 overlap");
    elements[1].alternate = 1;
    uint32_t n;
    free(render(elements, 2, &form, &n));
    form.kind = MOLT_DFU_IMAGE_HEX; /* one address, two memories: that needs a DfuSe file */
    refused(elements, 2, &form, MOLT_E_FORMAT, "overlap");
    form.kind = MOLT_DFU_IMAGE_PLAIN;
    elements[1].address = 0xFFFFFFFB;
    refused(elements, 2, &form, MOLT_E_ARGUMENT, "found 2 pieces");
    form.kind = MOLT_DFU_IMAGE_BIN;
    refused(elements, 2, &form, MOLT_E_RANGE, "0x08000000 to 0xffffffff");
    form.kind = MOLT_DFU_IMAGE_ELF;
    refused(elements, 2, &form, MOLT_E_UNSUPPORTED, "not made");
    elements[1].address = 0xFFFFFFFC;
    refused(elements, 2, &form, MOLT_E_RANGE, "behind 4 GB");
    char name[256];
    memset(name, 'x', 255);
    name[255] = 0;
    elements[0].target_name = name;
    form.kind = MOLT_DFU_IMAGE_DFUSE;
    refused(elements, 1, &form, MOLT_E_ARGUMENT, "has 255 bytes");
    name[254] = 0;
    free(render(elements, 1, &form, &n));

    struct molt_dfu_element many[256];
    for (uint32_t i = 0; i < 256; i++) {
        many[i] = (struct molt_dfu_element)PIECE(i, "x");
        many[i].alternate = i & 1;
    }
    refused(many, 256, &form, MOLT_E_RANGE, "at most 255 targets");
    free(render(many, 255, &form, &n));

    const struct molt_dfu_element huge = {
        .address = 0, .size = MOLT_DFU_IMAGE_LIMIT - 300, .bytes = NULL, .target_name = ""};
    refused(&huge, 1, &form, MOLT_E_RANGE, "expected at most");
    const struct molt_dfu_element half = {.size = 0xFFFF * 512u - 15, .bytes = (uint8_t *)name};
    struct molt_dfu_form lpc = {.kind = MOLT_DFU_IMAGE_PLAIN, .prefix = MOLT_DFU_PREFIX_LPC};
    refused(&half, 1, &lpc, MOLT_E_RANGE, "less than 32 MB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dfuse),
        cmocka_unit_test(hex_and_raw),
        cmocka_unit_test(plain),
        cmocka_unit_test(not_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
