/* The target text of DFU devices, and which device it chooses. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/usb_internal.h"
#include "molt/host/dfudevice.h"
#include "testing.h"

#define ANY  MOLT_DFU_ANY
#define NONE MOLT_DFU_NONE

struct good {
    const char *text;
    int32_t run_vendor, run_product, dfu_vendor, dfu_product;
    const char *serial, *path, *name, *folder;
    int32_t alternate, interface, configuration, devnum;
};

static const struct good good[] = {
    {"", ANY, ANY, ANY, ANY, 0, 0, 0, 0, ANY, ANY, ANY, ANY},
    {"usb:", ANY, ANY, ANY, ANY, 0, 0, 0, 0, ANY, ANY, ANY, ANY},
    {"usb:0483:df11", 0x483, 0xDF11, 0x483, 0xDF11, 0, 0, 0, 0, ANY, ANY, ANY, ANY},
    {"usb:0x0483:0XDF11", 0x483, 0xDF11, 0x483, 0xDF11, 0, 0, 0, 0, ANY, ANY, ANY, ANY},
    {"usb:483:*", 0x483, ANY, 0x483, ANY, 0, 0, 0, 0, ANY, ANY, ANY, ANY},
    {"usb::df11", ANY, 0xDF11, ANY, 0xDF11, 0, 0, 0, 0, ANY, ANY, ANY, ANY},
    {"usb:1:2,3:4", 1, 2, 3, 4, 0, 0, 0, 0, ANY, ANY, ANY, ANY},
    {"usb:,3:4", NONE, NONE, 3, 4, 0, 0, 0, 0, ANY, ANY, ANY, ANY},
    {"usb:1:2,-", 1, 2, NONE, NONE, 0, 0, 0, 0, ANY, ANY, ANY, ANY},
    {"usb:serial=A1", ANY, ANY, ANY, ANY, "A1", 0, 0, 0, ANY, ANY, ANY, ANY},
    {"usb:,serial=A1", ANY, ANY, ANY, ANY, "A1", 0, 0, 0, ANY, ANY, ANY, ANY},
    {"usb:0483:df11,serial=a,b=c,path=1-2.3", 0x483, 0xDF11, 0x483, 0xDF11, "a,b=c", "1-2.3", 0, 0,
     ANY, ANY, ANY, ANY},
    {"usb:alt=2,interface=0,config=1,devnum=7", ANY, ANY, ANY, ANY, 0, 0, 0, 0, 2, 0, 1, 7},
    {"usb:alt=@Internal Flash  /0x08000000/04*016Kg,01*064Kg,devnum=7", ANY, ANY, ANY, ANY, 0, 0,
     "@Internal Flash  /0x08000000/04*016Kg,01*064Kg", 0, ANY, ANY, ANY, 7},
    {"usb:alt=256", ANY, ANY, ANY, ANY, 0, 0, "256", 0, ANY, ANY, ANY, ANY},
    {"usb:0483:df11,", 0x483, 0xDF11, 0x483, 0xDF11, 0, 0, 0, 0, ANY, ANY, ANY, ANY},
    {"sim:a/b", ANY, ANY, ANY, ANY, 0, 0, 0, "a/b", ANY, ANY, ANY, ANY},
    {"sim:a,b,alt=1", ANY, ANY, ANY, ANY, 0, 0, 0, "a,b", 1, ANY, ANY, ANY},
    {"sim:f,alt=Option Bytes", ANY, ANY, ANY, ANY, 0, 0, "Option Bytes", "f", ANY, ANY, ANY, ANY},
};

static void check_text(bool has, const char *found, const char *expected)
{
    assert_int_equal(has, expected != NULL);
    assert_string_equal(found, expected ? expected : "");
}

static void test_parse(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        const struct good *row = &good[i];
        struct molt_dfu_choice choice;
        struct molt_message message = {0};
        if (molt_dfu_choice_parse(&choice, row->text, &message) != MOLT_OK) {
            fail_msg("%s: %s", row->text, message.text);
        }
        assert_int_equal(choice.run_time.vendor, row->run_vendor);
        assert_int_equal(choice.run_time.product, row->run_product);
        assert_int_equal(choice.dfu_mode.vendor, row->dfu_vendor);
        assert_int_equal(choice.dfu_mode.product, row->dfu_product);
        check_text(choice.has_serial, choice.serial, row->serial);
        check_text(choice.has_path, choice.path, row->path);
        check_text(choice.has_alternate_name, choice.alternate_name, row->name);
        check_text(choice.folder[0], choice.folder, row->folder);
        assert_int_equal(choice.alternate == ANY || row->name ? ANY : choice.alternate,
                         row->alternate);
        assert_int_equal(choice.interface, row->interface);
        assert_int_equal(choice.configuration, row->configuration);
        assert_int_equal(choice.devnum, row->devnum);
        bool named = row->dfu_vendor != ANY || row->dfu_product != ANY || row->serial ||
                     row->path || row->devnum != ANY;
        assert_int_equal(molt_dfu_choice_explicit(&choice), named);
    }
}

static void test_wildcard_is_explicit(void **state)
{
    (void)state;
    struct molt_dfu_choice choice;
    assert_int_equal(molt_dfu_choice_parse(&choice, "usb:*:*", NULL), MOLT_OK);
    assert_true(molt_dfu_choice_explicit(&choice));
}

static const struct {
    const char *text, *words; /* words: in the message */
} bad[] = {
    {"usb:0483", "'0483' is no VID:PID"},
    {"usb:0483:df11x", "'0483:df11x' is no VID:PID"},
    {"usb:04830:df11", "'04830:df11' is no VID:PID"},
    {"usb:0x:1", "'0x:1' is no VID:PID"},
    {"usb: 483:1", "' 483:1' is no VID:PID"},
    {"usb:+1:1", "'+1:1' is no VID:PID"},
    {"usb:1:2:3", "'1:2:3' is no VID:PID"},
    {"usb:1:2,3:4,5:6", "'5:6' is not understood"},
    {"usb:colour=red", "'colour=red' is no VID:PID"},
    {"usb:1:2,colour=red", "'colour=red' is no VID:PID"},
    {"usb:serial=", "serial=: expected a serial number"},
    {"usb:alt=", "alt=: expected a number or a name"},
    {"usb:path=here", "path=here: expected a path such as 1-2.3"},
    {"usb:path=", "path=: expected a path"},
    {"usb:interface=256", "interface=256: expected a number from 0 to 255"},
    {"usb:interface=-1", "interface=-1: expected a number"},
    {"usb:config=one", "config=one: expected a number"},
    {"usb:devnum=0005", "devnum=0005: expected a number"},
    {"usb:alt=1,alt=2", "alt= is there twice"},
    {"sim:", "expected sim:FOLDER"},
    {"sim:f,alt=", "alt=: expected"},
    {"firmware.dfu", "names no DFU device"},
    {"0483:df11", "names no DFU device; expected usb:[VID:PID]"},
};

static void test_malformed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct molt_dfu_choice choice;
        struct molt_message message = {0};
        int error = molt_dfu_choice_parse(&choice, bad[i].text, &message);
        if (error != MOLT_E_ARGUMENT || !strstr(message.text, bad[i].words)) {
            fail_msg("%s: %d, %s", bad[i].text, error, message.text);
        }
        assert_non_null(strstr(message.text, bad[i].text));
    }
}

static void test_too_long(void **state)
{
    (void)state;
    char text[6000];
    struct molt_dfu_choice choice;
    static const char *const starts[] = {"usb:serial=", "usb:path=", "usb:alt=", "sim:", "usb:"};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        size_t n = strlen(starts[i]);
        memcpy(text, starts[i], n);
        memset(text + n, '1', sizeof text - n);
        text[sizeof text - 1] = 0;
        assert_int_equal(molt_dfu_choice_parse(&choice, text, NULL), MOLT_E_ARGUMENT);
    }
}

static void test_alternate_apart(void **state)
{
    (void)state;
    struct molt_dfu_choice choice;
    struct molt_message message;
    molt_dfu_choice_parse(&choice, "usb:", NULL);
    assert_int_equal(molt_dfu_choice_alternate(&choice, "", &message), MOLT_E_ARGUMENT);
    molt_dfu_choice_parse(&choice, "usb:", NULL);
    assert_int_equal(molt_dfu_choice_alternate(&choice, "3", &message), MOLT_OK);
    assert_int_equal(choice.alternate, 3);
    assert_int_equal(molt_dfu_choice_alternate(&choice, "OTP", &message), MOLT_E_ARGUMENT);
    assert_non_null(strstr(message.text, "named there already"));
}

/* Choosing */

static struct molt_dfu_alternate pyboard_alternates[] = {
    {.facts = {.configuration = 1, .alternate = 0}, .name = "@OTP", .dfuse = true},
    {.facts = {.configuration = 1, .alternate = 1},
     .name = "@Internal Flash  /0x08000000/04*016Kg",
     .dfuse = true,
     .has_map = true,
     .map = {.name = "Internal Flash", .count = 1}},
    {.facts = {.configuration = 1, .alternate = 2},
     .name = "@Internal Flash 2  /0x09000000/04*016Kg",
     .dfuse = true,
     .has_map = true,
     .map = {.name = "Internal Flash 2", .count = 1}},
};
static struct molt_dfu_alternate camera_alternates[] = {
    {.facts = {.configuration = 1, .interface_number = 3, .run_time = true}, .name = "update"}};
static struct molt_dfu_alternate both_alternates[] = {
    {.facts = {.configuration = 1, .interface_number = 0, .run_time = true}},
    {.facts = {.configuration = 2, .interface_number = 1, .alternate = 0}},
    {.facts = {.configuration = 2, .interface_number = 1, .alternate = 1}, .has_map = true}};

#define PYBOARD(bus_path, number, serial_number)                                                   \
    {                                                                                              \
        .vendor = 0x0483, .product = 0xDF11, .bus = 1, .address = number, .path = bus_path,        \
        .serial = serial_number, .known = "STM32 ROM loader", .alternate = pyboard_alternates,     \
        .alternate_count = 3                                                                       \
    }
#define CAMERA                                                                                     \
    {                                                                                              \
        .vendor = 0x1234, .product = 0x5678, .bus = 1, .address = 9, .path = "1-9",                \
        .product_name = "Cam", .alternate = camera_alternates, .alternate_count = 1                \
    }
#define BOTH                                                                                       \
    {                                                                                              \
        .vendor = 0xAAAA, .product = 0xBBBB, .bus = 1, .address = 10, .path = "1-10",              \
        .alternate = both_alternates, .alternate_count = 3                                         \
    }

struct chosen {
    int error;
    const char *path;
    int alternate, configuration;
    struct molt_message message;
};

static struct chosen choose(const char *text, struct molt_dfu_device *devices, uint32_t count)
{
    struct chosen chosen = {0};
    struct molt_dfu_choice choice;
    const struct molt_dfu_device *device;
    const struct molt_dfu_alternate *alternate;
    usb_describe_targets(devices, count);
    assert_int_equal(molt_dfu_choice_parse(&choice, text, NULL), MOLT_OK);
    chosen.error = molt_dfu_choose(&choice, devices, count, &device, &alternate, &chosen.message);
    if (!chosen.error) {
        chosen.path = device->path;
        chosen.alternate = alternate->facts.alternate;
        chosen.configuration = alternate->facts.configuration;
    }
    return chosen;
}

static void check_chosen(const char *text, struct molt_dfu_device *devices, uint32_t count,
                         const char *path, int alternate)
{
    struct chosen chosen = choose(text, devices, count);
    if (chosen.error) {
        fail_msg("%s: %s", text, chosen.message.text);
    }
    assert_string_equal(chosen.path, path);
    assert_int_equal(chosen.alternate, alternate);
}

static void check_refused(const char *text, struct molt_dfu_device *devices, uint32_t count,
                          int error, const char *words)
{
    struct chosen chosen = choose(text, devices, count);
    if (chosen.error != error || !strstr(chosen.message.text, words)) {
        fail_msg("%s: %d, %s", text, chosen.error, chosen.message.text);
    }
    assert_int_equal(chosen.message.error, error);
}

static void test_one_board(void **state)
{
    (void)state;
    struct molt_dfu_device devices[] = {CAMERA, PYBOARD("1-2", 5, "A")};
    check_chosen("usb:", devices, 2, "1-2", 1); /* the flash, though it is not the first */
    check_chosen("usb:alt=0", devices, 2, "1-2", 0);
    check_chosen("usb:alt=internal flash 2", devices, 2, "1-2", 2);
    check_chosen("usb:alt=@Internal Flash  /0x08000000/04*016Kg", devices, 2, "1-2", 1);
    check_chosen("usb:0483:df11,serial=A,path=1-2,devnum=5,config=1,interface=0,alt=1", devices, 2,
                 "1-2", 1);
    check_refused("usb:alt=3", devices, 2, MOLT_E_NOT_FOUND,
                  "its alternates: 0 '@OTP', 1 'Internal Flash', 2 'Internal Flash 2'");
    check_refused("usb:alt=flash", devices, 2, MOLT_E_NOT_FOUND, "no such alternate setting");
    check_refused("usb:config=2", devices, 2, MOLT_E_NOT_FOUND, "no such alternate setting");
    check_refused("usb:0483:df11,interface=1", devices, 2, MOLT_E_NOT_FOUND, "no such alternate");
}

/* A name that could not be read, or not decoded, may be that of the flash. */
static void test_flash_without_its_name(void **state)
{
    (void)state;
    struct molt_dfu_alternate alternates[] = {{.facts = {.name_index = 4}},
                                              {.facts = {.alternate = 1, .name_index = 5},
                                               .name = "@Option Bytes  /0x1FFFC000/01*016 e",
                                               .has_map = true,
                                               .map = {.name = "Option Bytes", .count = 1}}};
    struct molt_dfu_device devices[] = {PYBOARD("1-2", 5, "A")};
    devices[0].alternate = alternates;
    devices[0].alternate_count = 2;
    check_chosen("usb:", devices, 1, "1-2", 0);
    strcpy(alternates[0].name, "@Internal Fl");
    check_chosen("usb:", devices, 1, "1-2", 0);
    strcpy(alternates[0].name, "Something");
    check_chosen("usb:", devices, 1, "1-2", 1);
}

static void test_none(void **state)
{
    (void)state;
    struct molt_dfu_device devices[] = {PYBOARD("1-2", 5, "A")};
    check_refused("usb:", NULL, 0, MOLT_E_NOT_FOUND, "BOOT0");
    check_refused("usb:", NULL, 0, MOLT_E_NOT_FOUND, "machine.bootloader()");
    check_refused("usb:", NULL, 0, MOLT_E_NOT_FOUND, "--wait");
    static const char *const others[] = {"usb:0483:df12",   "usb:0484:df11", "usb:serial=B",
                                         "usb:path=1-3",    "usb:devnum=6",  "usb:-",
                                         "usb:0483:df11,-", "usb:1:2,*:df12"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        check_refused(others[i], devices, 1, MOLT_E_NOT_FOUND,
                      "no DFU device fits; there is usb:0483:df11,serial=A");
    }
}

static void test_foreign(void **state)
{
    (void)state;
    struct molt_dfu_device devices[] = {CAMERA, BOTH};
    check_refused("usb:", devices, 2, MOLT_E_NOT_FOUND,
                  "no DFU device that Molt knows; there are usb:1234:5678,path=1-9 (not known to "
                  "Molt, Cam, at 1-9), usb:aaaa:bbbb,path=1-10");
    check_refused("usb:alt=0", devices, 2, MOLT_E_NOT_FOUND, "name it so, if it is meant");
    check_chosen("usb:1234:5678", devices, 2, "1-9", 0);
    check_chosen("usb:path=1-9", devices, 2, "1-9", 0);
    check_chosen("usb:devnum=9", devices, 2, "1-9", 0);
    check_chosen("usb:*:*", devices, 1, "1-9", 0);
    check_refused("usb:*:*", devices, 2, MOLT_E_USB_AMBIGUOUS, "2 DFU devices fit");
}

static void test_modes(void **state)
{
    (void)state;
    struct molt_dfu_device devices[] = {CAMERA, BOTH};
    check_chosen("usb:aaaa:bbbb", devices, 2, "1-10", 1); /* DFU mode and its map first */
    check_chosen("usb:aaaa:bbbb,config=1", devices, 2, "1-10", 0);
    assert_int_equal(choose("usb:aaaa:bbbb,config=2,alt=0", devices, 2).configuration, 2);
    assert_int_equal(choose("usb:aaaa:bbbb,config=1", devices, 2).configuration, 1);
    /* the first pair is for run-time mode: the camera is in that only */
    check_chosen("usb:1234:5678,-", devices, 2, "1-9", 0);
    check_refused("usb:,1234:5678", devices, 2, MOLT_E_NOT_FOUND, "fits");
}

static void test_several(void **state)
{
    (void)state;
    struct molt_dfu_device devices[] = {PYBOARD("1-2", 5, "A"), PYBOARD("1-3", 6, "B"), CAMERA};
    check_refused("usb:", devices, 3, MOLT_E_USB_AMBIGUOUS,
                  "2 DFU devices fit; say which: usb:0483:df11,serial=A (STM32 ROM loader, at "
                  "1-2), usb:0483:df11,serial=B (STM32 ROM loader, at 1-3)");
    check_refused("usb:0483:df11", devices, 3, MOLT_E_USB_AMBIGUOUS, "say which");
    check_chosen("usb:0483:df11,serial=B", devices, 3, "1-3", 1);
    check_chosen("usb:serial=A", devices, 3, "1-2", 1);
    check_chosen("usb:*:*,interface=3", (struct molt_dfu_device[]){CAMERA}, 1, "1-9", 0);
}

/* Some STM32 have the serial number of another one. */
static void test_same_serial(void **state)
{
    (void)state;
    struct molt_dfu_device devices[] = {PYBOARD("1-2", 5, "A"), PYBOARD("1-3", 6, "A")};
    check_refused("usb:0483:df11,serial=A", devices, 2, MOLT_E_USB_AMBIGUOUS,
                  "usb:0483:df11,path=1-2");
    check_chosen(devices[1].target, devices, 2, "1-3", 1);
    struct molt_dfu_device twins[] = {PYBOARD("", 5, "A"), PYBOARD("", 6, "A")};
    check_refused("usb:", twins, 2, MOLT_E_USB_AMBIGUOUS, "usb:0483:df11,devnum=6");
    struct molt_dfu_device comma[] = {PYBOARD("1-2", 5, "a,alt=7")};
    check_chosen("usb:", comma, 1, "1-2", 1);
    assert_string_equal(comma[0].target, "usb:0483:df11,path=1-2");
}

static void test_alternates_are_no_devices(void **state)
{
    (void)state;
    /* Only one of two has what is asked for. */
    struct molt_dfu_device devices[] = {PYBOARD("1-2", 5, "A"), PYBOARD("1-3", 6, "B")};
    devices[0].alternate_count = 2;
    check_chosen("usb:alt=2", devices, 2, "1-3", 2);
    check_refused("usb:alt=9", devices, 2, MOLT_E_USB_AMBIGUOUS, "2 DFU devices fit");
}

static void test_no_permission(void **state)
{
    (void)state;
    struct molt_dfu_device devices[] = {PYBOARD("1-2", 5, ""), PYBOARD("1-3", 6, "B")};
    devices[0].error = MOLT_E_USB_ACCESS;
    check_refused("usb:path=1-2", devices, 2, MOLT_E_USB_ACCESS, "60-molt.rules");
    check_refused("usb:", devices, 1, MOLT_E_USB_ACCESS, "bus 001 device 005");
    check_refused("usb:", devices, 2, MOLT_E_USB_AMBIGUOUS, "usb:0483:df11,path=1-2");
    check_chosen("usb:serial=B", devices, 2, "1-3", 1);
    /* whether it is the one with that number is not known */
    check_refused("usb:serial=C", devices, 2, MOLT_E_USB_ACCESS, "no permission");
    check_refused("usb:serial=C,path=1-3", devices, 2, MOLT_E_NOT_FOUND, "fits");
    devices[0].error = MOLT_E_BUSY;
    check_refused("usb:path=1-2", devices, 2, MOLT_E_BUSY, "usb:0483:df11,path=1-2");
    struct molt_dfu_device foreign[] = {CAMERA};
    foreign[0].error = MOLT_E_USB_ACCESS;
    check_refused("usb:", foreign, 1, MOLT_E_NOT_FOUND, "that Molt knows");
}

static void test_many(void **state)
{
    (void)state;
    static struct molt_dfu_device devices[200];
    for (uint32_t i = 0; i < 200; i++) {
        devices[i] = (struct molt_dfu_device)PYBOARD("", (uint8_t)i, "");
        memset(devices[i].product_name, 'x', sizeof devices[i].product_name - 1);
    }
    struct chosen chosen = choose("usb:", devices, 200);
    assert_int_equal(chosen.error, MOLT_E_USB_AMBIGUOUS);
    assert_non_null(strstr(chosen.message.text, "200 DFU devices fit"));
}

static void test_names(void **state)
{
    (void)state;
    struct molt_dfu_device device = PYBOARD("", 1, "");
    usb_describe_known(&device);
    assert_string_equal(device.known, "STM32 ROM loader");
    strcpy(device.manufacturer, "MicroPython");
    usb_describe_known(&device);
    assert_string_equal(device.known, "MicroPython mboot");
    device.product = 0xDF12;
    usb_describe_known(&device);
    assert_null(device.known);
}

static void check_string(const char *expected, const char *bytes, uint32_t n, uint32_t capacity)
{
    char text[128];
    memset(text, 'z', sizeof text);
    molt_usb_string(text, capacity, (const uint8_t *)bytes, n);
    assert_string_equal(text, expected);
}

static void test_strings(void **state)
{
    (void)state;
    check_string("STM", "\x08\x03S\0T\0M\0", 8, 128);
    check_string("ST", "\x08\x03S\0T\0M\0", 7, 128); /* came cut short */
    check_string("ST", "\x07\x03S\0T\0M\0", 8, 128); /* an odd length */
    check_string("ST", "\x06\x03S\0T\0M\0", 8, 128); /* shorter than what came */
    check_string("ST", "\xFF\x03S\0T\0", 6, 128);    /* longer */
    check_string("", "\x08\x02S\0T\0M\0", 8, 128);   /* no string descriptor */
    check_string("", "\x02\x03", 2, 128);
    check_string("", "\x01\x03", 2, 128);
    check_string("", "\x00\x03", 2, 128);
    check_string("", "\x08", 1, 128);
    check_string("", "", 0, 128);
    check_string("a",
                 "\x08\x03"
                 "a\0\0\0b\0",
                 8, 128); /* NUL ends it */
    check_string("a?b?",
                 "\x0A\x03"
                 "a\0\x1B\0b\0\x9B\0",
                 10, 128); /* control characters */
    check_string("a?b",
                 "\x08\x03"
                 "a\0\x2E\x20"
                 "b\0",
                 8, 128); /* right-to-left override */
    check_string("\xC3\xA4\xE2\x82\xAC", "\x06\x03\xE4\0\xAC\x20", 6, 128);
    check_string("\xF0\x9F\x90\x8D", "\x06\x03\x3D\xD8\x0D\xDC", 6, 128); /* a surrogate pair */
    check_string("?a",
                 "\x06\x03\x3D\xD8"
                 "a\0",
                 6, 128);
    check_string("?", "\x04\x03\x3D\xD8", 4, 128);
    check_string("?", "\x04\x03\x0D\xDC", 4, 128);
    check_string("S", "\x08\x03S\0 \0 \0", 8, 128);
    check_string("ST", "\x08\x03S\0T\0M\0", 8, 3);
    check_string("", "\x08\x03S\0T\0M\0", 8, 1);
    check_string("a",
                 "\x06\x03"
                 "a\0\xAC\x20",
                 6, 4); /* no half of a character */
}

static void test_strings_of_bytes(void **state)
{
    (void)state;
    char text[8];
    usb_string_8bit(text, sizeof text,
                    (const uint8_t *)"\x06\x03"
                                     "3A\x01"
                                     "b",
                    6);
    assert_string_equal(text, "3A?b");
    usb_string_8bit(text, sizeof text,
                    (const uint8_t *)"\xFF\x03"
                                     "0123456789",
                    12);
    assert_string_equal(text, "0123456");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_wildcard_is_explicit),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_alternate_apart),
        cmocka_unit_test(test_one_board),
        cmocka_unit_test(test_flash_without_its_name),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_foreign),
        cmocka_unit_test(test_modes),
        cmocka_unit_test(test_several),
        cmocka_unit_test(test_same_serial),
        cmocka_unit_test(test_alternates_are_no_devices),
        cmocka_unit_test(test_no_permission),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_strings_of_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
