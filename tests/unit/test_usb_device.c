/* What is made of libusb's devices and errors, over a libusb of this test's own. */
#include "testing.h"

#include <stdlib.h>
#include <string.h>

#include "host/usb_device.h"
#include "molt/host/dfudevice.h"

/* libusb knows these by their names only. */
struct libusb_device {
    struct libusb_device_descriptor descriptor;
    const struct libusb_config_descriptor *configuration[2];
    uint8_t address;
    int ports, open_error;
};
struct libusb_device_handle {
    struct libusb_device *device;
};

static struct {
    struct libusb_device device[4];
    ssize_t count; /* below 0: the list fails so */
    struct libusb_device_handle handle;
    int opened, lists, configs, contexts; /* that are not given back yet */
    int active, get_configuration_error, set_configuration_error, set_configuration;
    int claim_error, claimed, alternate_error, alternate;
    int transfer_result, reset_result;
    unsigned timeout;
} fake;

static void fake_exit(libusb_context *context)
{
    (void)context;
    fake.contexts--;
}

static const char *fake_strerror(int code)
{
    return code == LIBUSB_ERROR_NO_MEM ? "no memory" : "other";
}

static ssize_t fake_get_device_list(libusb_context *context, libusb_device ***list)
{
    (void)context;
    if (fake.count < 0) {
        return fake.count;
    }
    *list = calloc((size_t)fake.count + 1, sizeof **list);
    assert_non_null(*list);
    for (ssize_t i = 0; i < fake.count; i++) {
        (*list)[i] = &fake.device[i];
    }
    fake.lists++;
    return fake.count;
}

static void fake_free_device_list(libusb_device **list, int unref)
{
    assert_int_equal(unref, 1);
    free(list);
    fake.lists--;
}

static int fake_get_device_descriptor(libusb_device *device,
                                      struct libusb_device_descriptor *descriptor)
{
    *descriptor = device->descriptor;
    return device->descriptor.bLength ? 0 : LIBUSB_ERROR_IO;
}

static int fake_get_config_descriptor(libusb_device *device, uint8_t index,
                                      struct libusb_config_descriptor **configuration)
{
    if (!device->configuration[index]) {
        return LIBUSB_ERROR_IO;
    }
    /* The library's is not const, and is not changed. */
    memcpy(configuration, &device->configuration[index], sizeof *configuration);
    fake.configs++;
    return 0;
}

static void fake_free_config_descriptor(struct libusb_config_descriptor *configuration)
{
    assert_non_null(configuration);
    fake.configs--;
}

static uint8_t fake_get_bus_number(libusb_device *device)
{
    (void)device;
    return 3;
}

static uint8_t fake_get_device_address(libusb_device *device)
{
    return device->address;
}

static int fake_get_port_numbers(libusb_device *device, uint8_t *port, int capacity)
{
    assert_int_equal(capacity, 7);
    for (int i = 0; i < device->ports; i++) {
        port[i] = (uint8_t)(i == 0 ? 200 + device->address : 255);
    }
    return device->ports;
}

static int fake_open(libusb_device *device, libusb_device_handle **handle)
{
    if (device->open_error) {
        return device->open_error;
    }
    fake.handle.device = device;
    *handle = &fake.handle;
    fake.opened++;
    return 0;
}

static void fake_close(libusb_device_handle *handle)
{
    assert_ptr_equal(handle, &fake.handle);
    fake.opened--;
}

static int fake_get_configuration(libusb_device_handle *handle, int *configuration)
{
    (void)handle;
    *configuration = fake.active;
    return fake.get_configuration_error;
}

static int fake_set_configuration(libusb_device_handle *handle, int configuration)
{
    (void)handle;
    fake.set_configuration = configuration;
    return fake.set_configuration_error;
}

static int fake_claim_interface(libusb_device_handle *handle, int interface_number)
{
    (void)handle;
    (void)interface_number;
    fake.claimed += fake.claim_error == 0;
    return fake.claim_error;
}

static int fake_release_interface(libusb_device_handle *handle, int interface_number)
{
    (void)handle;
    (void)interface_number;
    fake.claimed--;
    return 0;
}

static int fake_set_interface_alt_setting(libusb_device_handle *handle, int interface_number,
                                          int alternate)
{
    (void)handle;
    (void)interface_number;
    fake.alternate = alternate;
    return fake.alternate_error;
}

static int fake_reset_device(libusb_device_handle *handle)
{
    (void)handle;
    return fake.reset_result;
}

static int fake_control_transfer(libusb_device_handle *handle, uint8_t type, uint8_t request,
                                 uint16_t value, uint16_t index, unsigned char *data,
                                 uint16_t length, unsigned timeout)
{
    (void)handle;
    (void)type;
    (void)request;
    (void)value;
    (void)index;
    (void)data;
    (void)length;
    fake.timeout = timeout;
    return fake.transfer_result;
}

static const struct usb_api api = {
    .exit = fake_exit,
    .strerror = fake_strerror,
    .get_device_list = fake_get_device_list,
    .free_device_list = fake_free_device_list,
    .get_device_descriptor = fake_get_device_descriptor,
    .get_config_descriptor = fake_get_config_descriptor,
    .free_config_descriptor = fake_free_config_descriptor,
    .get_bus_number = fake_get_bus_number,
    .get_device_address = fake_get_device_address,
    .get_port_numbers = fake_get_port_numbers,
    .open = fake_open,
    .close = fake_close,
    .get_configuration = fake_get_configuration,
    .set_configuration = fake_set_configuration,
    .claim_interface = fake_claim_interface,
    .release_interface = fake_release_interface,
    .set_interface_alt_setting = fake_set_interface_alt_setting,
    .reset_device = fake_reset_device,
    .control_transfer = fake_control_transfer,
};

static const unsigned char functional[] = {9, 0x21, 0x0B, 0xFF, 0, 0, 8, 0x1A, 1};
static const unsigned char no_length[] = {0, 0x21, 0x0B};
static const struct libusb_endpoint_descriptor endpoint = {
    .bLength = 7, .extra = functional, .extra_length = sizeof functional};

#define ALTERNATE(n, ...)                                                                          \
    {                                                                                              \
        .bInterfaceNumber = 2, .bAlternateSetting = (n), .bInterfaceClass = 0xFE,                  \
        .bInterfaceSubClass = 1, .bInterfaceProtocol = 2, __VA_ARGS__                              \
    }
#define EXTRA(bytes) .extra = (bytes), .extra_length = sizeof(bytes)

static const struct libusb_interface_descriptor good_settings[] = {ALTERNATE(0, .iInterface = 0),
                                                                   ALTERNATE(1, EXTRA(functional))};
static const struct libusb_interface_descriptor odd_settings[] = {
    ALTERNATE(0, .bNumEndpoints = 1, .endpoint = &endpoint)};
static const struct libusb_interface_descriptor bad_settings[] = {ALTERNATE(0, EXTRA(no_length))};
static const struct libusb_interface good_interface = {good_settings, 2};
static const struct libusb_interface odd_interface = {odd_settings, 1};
static const struct libusb_interface bad_interface = {bad_settings, 1};
static const struct libusb_config_descriptor good = {
    .bNumInterfaces = 1, .bConfigurationValue = 4, .interface = &good_interface};
static const struct libusb_config_descriptor odd = {
    .bNumInterfaces = 1, .bConfigurationValue = 5, .interface = &odd_interface};
static const struct libusb_config_descriptor bad = {
    .bNumInterfaces = 1, .bConfigurationValue = 4, .interface = &bad_interface};

static struct libusb_device *add(const struct libusb_config_descriptor *configuration)
{
    struct libusb_device *device = &fake.device[fake.count++];
    *device = (struct libusb_device){
        .configuration = {configuration, NULL}, .address = (uint8_t)(fake.count + 1), .ports = 1};
    device->descriptor.bLength = 18;
    device->descriptor.idVendor = 0x0483;
    device->descriptor.idProduct = 0xDF11;
    device->descriptor.bNumConfigurations = 1;
    return device;
}

static int start(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof fake);
    fake.contexts = 1;
    fake.active = 4;
    fake.transfer_result = LIBUSB_ERROR_PIPE;
    return 0;
}

static uint32_t list(struct molt_dfu_device **devices)
{
    uint32_t count;
    struct molt_message message;
    assert_int_equal(usb_bus_list(&api, NULL, devices, &count, &message), MOLT_OK);
    assert_int_equal(fake.opened, 0);
    assert_int_equal(fake.lists, 0);
    assert_int_equal(fake.configs, 0);
    return count;
}

static void test_list(void **state)
{
    (void)state;
    struct molt_dfu_device *devices;
    assert_int_equal(list(&devices), 0);
    molt_dfu_list_free(devices, 0);
    struct libusb_device *two = add(&good);
    two->descriptor.bNumConfigurations = 2;
    two->configuration[1] = &odd;
    add(&good)->ports = 7;
    add(&good)->ports = 0;
    assert_int_equal(list(&devices), 3);
    /* by path: the one without comes first */
    assert_string_equal(devices[0].path, "");
    assert_string_equal(devices[0].target, "usb:0483:df11,devnum=4");
    assert_string_equal(devices[1].path, "3-202");
    assert_int_equal(devices[1].alternate_count, 3);
    assert_int_equal(devices[1].alternate[0].facts.transfer_size, 2048);
    assert_int_equal(devices[1].alternate[1].facts.alternate, 1);
    assert_int_equal(devices[1].alternate[2].facts.configuration, 5);
    assert_int_equal(devices[1].alternate[2].facts.transfer_size, 2048); /* behind an endpoint */
    assert_string_equal(devices[2].path, "3-203.255.255.255.255.255.255");
    assert_string_equal(devices[2].target, "usb:0483:df11,path=3-203.255.255.255.255.255.255");
    molt_dfu_list_free(devices, 3);
}

static void test_not_to_be_opened(void **state)
{
    (void)state;
    struct molt_dfu_device *devices;
    add(&good)->open_error = LIBUSB_ERROR_ACCESS;
    add(&good)->open_error = LIBUSB_ERROR_BUSY;
    add(&good)->open_error = LIBUSB_ERROR_NO_DEVICE; /* unplugged meanwhile */
    assert_int_equal(list(&devices), 2);
    assert_int_equal(devices[0].error, MOLT_E_USB_ACCESS);
    assert_int_equal(devices[1].error, MOLT_E_BUSY);
    assert_int_equal(devices[1].alternate_count, 2);
    molt_dfu_list_free(devices, 2);
}

static void test_broken_devices_hide_no_other(void **state)
{
    (void)state;
    struct molt_dfu_device *devices;
    add(&bad);
    add(&good)->descriptor.bLength = 0;
    add(NULL);
    add(&good);
    assert_int_equal(list(&devices), 1);
    assert_int_equal(devices[0].address, 5);
    molt_dfu_list_free(devices, 1);
}

static void test_list_fails(void **state)
{
    (void)state;
    struct molt_dfu_device *devices;
    struct molt_message message;
    uint32_t count;
    fake.count = LIBUSB_ERROR_NO_MEM;
    assert_int_equal(usb_bus_list(&api, NULL, &devices, &count, &message), MOLT_E_NO_MEMORY);
    assert_string_equal(message.text, "USB: the bus cannot be listed: no memory");
    assert_null(devices);
}

static int open_device(struct molt_usbdevice **opened, struct molt_usb *usb)
{
    struct molt_dfu_device device = {.vendor = 0x0483, .product = 0xDF11, .bus = 3, .address = 2};
    struct molt_message message = {0};
    strcpy(device.target, "usb:0483:df11");
    int error = usb_device_open(opened, &api, NULL, &device, 4, usb, &message);
    assert_int_equal(error != MOLT_OK, message.error != MOLT_OK);
    assert_int_equal(*opened == NULL, error != MOLT_OK);
    assert_int_equal(fake.lists, 0);
    assert_int_equal(fake.opened, error == MOLT_OK);
    assert_int_equal(fake.contexts, error == MOLT_OK);
    if (error) {
        assert_non_null(strstr(message.text, "usb:0483:df11: cannot be opened: "));
    }
    return error;
}

static void test_open(void **state)
{
    (void)state;
    struct molt_usbdevice *opened;
    struct molt_usb usb;
    add(&good);
    assert_int_equal(open_device(&opened, &usb), MOLT_OK);
    assert_int_equal(fake.set_configuration, 0); /* it was active: left as it is */
    assert_int_equal(usb.ops->set_alternate(usb.context, 2, 1), MOLT_OK);
    assert_int_equal(fake.claimed, 1);
    assert_int_equal(fake.alternate, 1);
    assert_int_equal(usb.ops->set_alternate(usb.context, 2, 0), MOLT_OK); /* claimed once */
    assert_int_equal(fake.claimed, 1);
    assert_int_equal(usb.ops->set_alternate(usb.context, 3, 0), MOLT_OK); /* another one */
    assert_int_equal(fake.claimed, 1);
    molt_usbdevice_close(opened);
    assert_int_equal(fake.claimed, 0);
    assert_int_equal(fake.opened, 0);
    assert_int_equal(fake.contexts, 0);
    molt_usbdevice_close(NULL);
}

static void test_configuration(void **state)
{
    (void)state;
    struct molt_usbdevice *opened;
    struct molt_usb usb;
    add(&good);
    fake.active = 0;
    assert_int_equal(open_device(&opened, &usb), MOLT_OK);
    assert_int_equal(fake.set_configuration, 4);
    molt_usbdevice_close(opened);
    start(NULL);
    add(&good);
    fake.active = 1;
    fake.set_configuration_error = LIBUSB_ERROR_BUSY; /* a driver has an interface of it */
    assert_int_equal(open_device(&opened, &usb), MOLT_E_BUSY);
    start(NULL);
    add(&good);
    fake.get_configuration_error = LIBUSB_ERROR_NO_DEVICE;
    assert_int_equal(open_device(&opened, &usb), MOLT_E_USB_GONE);
}

static void test_open_fails(void **state)
{
    (void)state;
    struct molt_usbdevice *opened;
    struct molt_usb usb;
    assert_int_equal(open_device(&opened, &usb), MOLT_E_USB_GONE); /* no longer there */
    start(NULL);
    add(&good)->descriptor.idProduct = 1; /* another one at its address */
    assert_int_equal(open_device(&opened, &usb), MOLT_E_USB_GONE);
    start(NULL);
    add(&good)->open_error = LIBUSB_ERROR_ACCESS;
    assert_int_equal(open_device(&opened, &usb), MOLT_E_USB_ACCESS);
    start(NULL);
    fake.count = LIBUSB_ERROR_NO_MEM;
    assert_int_equal(open_device(&opened, &usb), MOLT_E_NO_MEMORY);
}

static const struct {
    int code, error;
} codes[] = {{LIBUSB_ERROR_PIPE, MOLT_E_USB_STALL},
             {LIBUSB_ERROR_TIMEOUT, MOLT_E_TIMEOUT},
             {LIBUSB_ERROR_NO_DEVICE, MOLT_E_USB_GONE},
             {LIBUSB_ERROR_ACCESS, MOLT_E_USB_ACCESS},
             {LIBUSB_ERROR_BUSY, MOLT_E_BUSY},
             {LIBUSB_ERROR_NO_MEM, MOLT_E_NO_MEMORY},
             {LIBUSB_ERROR_NOT_SUPPORTED, MOLT_E_UNSUPPORTED},
             {LIBUSB_ERROR_IO, MOLT_E_IO},
             {LIBUSB_ERROR_OVERFLOW, MOLT_E_IO},
             {LIBUSB_ERROR_OTHER, MOLT_E_IO}};

static void test_errors(void **state)
{
    (void)state;
    struct molt_usbdevice *opened;
    struct molt_usb usb;
    uint8_t bytes[8];
    add(&good);
    assert_int_equal(open_device(&opened, &usb), MOLT_OK);
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        fake.transfer_result = fake.claim_error = fake.reset_result = codes[i].code;
        assert_int_equal(usb.ops->control(usb.context, 0xA1, 3, 0, 0, bytes, 6, 100),
                         codes[i].error);
        assert_int_equal(usb.ops->set_alternate(usb.context, 2, 1), codes[i].error);
        assert_int_equal(usb.ops->reset(usb.context), codes[i].error);
        assert_int_equal(fake.claimed, 0);
    }
    fake.get_configuration_error = LIBUSB_ERROR_NO_DEVICE; /* what the system says when asked */
    fake.claim_error = 0;
    fake.transfer_result = LIBUSB_ERROR_IO;
    assert_int_equal(usb.ops->control(usb.context, 0xA1, 3, 0, 0, bytes, 6, 100), MOLT_E_USB_GONE);
    fake.alternate_error = LIBUSB_ERROR_OTHER;
    assert_int_equal(usb.ops->set_alternate(usb.context, 2, 1), MOLT_E_USB_GONE);
    fake.get_configuration_error = 0;
    fake.reset_result = LIBUSB_ERROR_NOT_FOUND; /* it came back as another device */
    assert_int_equal(usb.ops->reset(usb.context), MOLT_E_USB_GONE);
    fake.reset_result = 0;
    assert_int_equal(usb.ops->reset(usb.context), MOLT_OK);
    fake.claim_error = 0;
    fake.alternate_error = LIBUSB_ERROR_PIPE; /* of one setting only: may be refused */
    assert_int_equal(usb.ops->set_alternate(usb.context, 2, 0), MOLT_OK);
    assert_int_equal(usb.ops->set_alternate(usb.context, 2, 1), MOLT_E_USB_STALL);
    fake.alternate_error = LIBUSB_ERROR_NOT_FOUND;
    assert_int_equal(usb.ops->set_alternate(usb.context, 2, 0), MOLT_E_NOT_FOUND);
    fake.transfer_result = 5;
    assert_int_equal(usb.ops->control(usb.context, 0xA1, 3, 0, 0, bytes, 6, 100), 5);
    assert_int_equal(fake.timeout, 100);
    usb.ops->control(usb.context, 0xA1, 3, 0, 0, bytes, 6, 0); /* 0 would be for ever */
    assert_int_equal(fake.timeout, 1);
    molt_usbdevice_close(opened);
}

static void test_clock(void **state)
{
    (void)state;
    uint32_t before = molt_usb_now_ms(NULL);
    molt_usb_sleep_ms(NULL, 20);
    assert_true(molt_usb_now_ms(NULL) - before >= 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_list, start),
        cmocka_unit_test_setup(test_not_to_be_opened, start),
        cmocka_unit_test_setup(test_broken_devices_hide_no_other, start),
        cmocka_unit_test_setup(test_list_fails, start),
        cmocka_unit_test_setup(test_open, start),
        cmocka_unit_test_setup(test_configuration, start),
        cmocka_unit_test_setup(test_open_fails, start),
        cmocka_unit_test_setup(test_errors, start),
        cmocka_unit_test_setup(test_clock, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
