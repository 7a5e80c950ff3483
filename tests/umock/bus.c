#define _GNU_SOURCE /* clock_gettime */
#include "bus.h"
#include "serve.h"

#include <errno.h>
#include <linux/usbdevice_fs.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <umockdev.h>
#include <unistd.h>

#define PARENT     "/devices/pci0000:00/usb1"
#define SETUP      8u     /* bytes of the setup packet before a control URB's data: USB 2.0, 9.3 */
#define EMPTY_REAP 20000u /* poll() on the fake node is always ready: libusb would spin */

struct urb {
    UMockdevIoctlData *data;   /* the client's struct usbdevfs_urb; NULL = none under way */
    UMockdevIoctlData *buffer; /* setup packet and data */
    int status, actual;        /* when it is done */
    uint64_t due_us;           /* of our clock */
    bool never;                /* no answer: only a discard ends it */
};

struct port {
    struct bus *bus;
    struct molt_sim_dfu *sim;
    struct molt_usb usb;
    UMockdevIoctlBase *handler;
    unsigned number, address; /* address: devnum */
    uint32_t enumeration;     /* the one that is plugged in; 0 = none */
    struct urb urb;
    bool reaped; /* the last reap got an URB: the empty one behind it must not wait */
};

struct bus {
    UMockdevTestbed *testbed;
    struct port port[BUS_DEVICES];
    unsigned count, next_address;
    bool real;
    uint64_t start_us;
    FILE *trace;
    pthread_mutex_t lock;
};

static void pause_us(uint64_t us)
{
    struct timespec time = {(time_t)(us / 1000000u), (long)(us % 1000000u * 1000u)};
    nanosleep(&time, NULL);
}

static void follow(struct port *port)
{
    bus_follow(port->sim, port->bus->start_us);
}

static void trace(void *context, const struct molt_sim_dfu_transfer *transfer)
{
    const struct port *port = context;
    bus_trace_line(port->bus->trace, port->number, transfer);
}

static int urb_status(int error)
{
    switch (error) {
    case MOLT_E_USB_STALL: return -EPIPE;
    case MOLT_E_USB_GONE: return -ENODEV;
    default: return -EPROTO;
    }
}

static void complete(UMockdevIoctlClient *client, int result, int error)
{
    umockdev_ioctl_client_complete(client, result, error);
}

static void drop_urb(struct port *port)
{
    g_clear_object(&port->urb.buffer);
    g_clear_object(&port->urb.data);
}

static void submit(struct port *port, UMockdevIoctlClient *client, UMockdevIoctlData *arg)
{
    UMockdevIoctlData *data =
        umockdev_ioctl_data_resolve(arg, 0, sizeof(struct usbdevfs_urb), NULL);
    struct usbdevfs_urb urb;
    if (!data || port->urb.data) {
        complete(client, -1, EINVAL);
        return;
    }
    memcpy(&urb, data->data, sizeof urb);
    if (urb.type != USBDEVFS_URB_TYPE_CONTROL || urb.buffer_length < (int)SETUP) {
        g_object_unref(data);
        complete(client, -1, EINVAL);
        return;
    }
    UMockdevIoctlData *buffer = umockdev_ioctl_data_resolve(
        data, offsetof(struct usbdevfs_urb, buffer), (gsize)urb.buffer_length, NULL);
    follow(port);
    uint64_t before = port->sim->time_us;
    int result = bus_control(&port->usb, buffer->data, buffer->data + SETUP,
                             (uint16_t)(urb.buffer_length - (int)SETUP));
    if (result == MOLT_E_USB_GONE) {
        g_object_unref(buffer);
        g_object_unref(data);
        complete(client, -1, ENODEV);
        return;
    }
    port->urb.data = data;
    port->urb.buffer = buffer;
    port->urb.never = result == MOLT_E_TIMEOUT;
    port->urb.status = result < 0 ? urb_status(result) : 0;
    port->urb.actual = result < 0 ? 0 : result;
    port->urb.due_us = port->bus->real ? bus_clock_us() + (port->sim->time_us - before) : 0;
    complete(client, 0, 0);
}

static void reap(struct port *port, UMockdevIoctlClient *client, UMockdevIoctlData *arg)
{
    struct urb *pending = &port->urb;
    uint64_t now = bus_clock_us();
    bool under_way = pending->data != NULL;
    if (under_way ? pending->never || pending->due_us > now : !port->reaped) {
        uint64_t left = under_way && !pending->never ? pending->due_us - now : EMPTY_REAP;
        pthread_mutex_unlock(&port->bus->lock);
        pause_us(left < EMPTY_REAP ? left : EMPTY_REAP);
        pthread_mutex_lock(&port->bus->lock);
    }
    port->reaped = false;
    if (!pending->data || pending->never || pending->due_us > bus_clock_us()) {
        complete(client, -1, EAGAIN);
        return;
    }
    struct usbdevfs_urb urb;
    memcpy(&urb, pending->data->data, sizeof urb);
    urb.status = pending->status;
    urb.actual_length = pending->actual;
    memcpy(pending->data->data, &urb, sizeof urb);
    UMockdevIoctlData *pointer = umockdev_ioctl_data_resolve(arg, 0, sizeof(gpointer), NULL);
    umockdev_ioctl_data_set_ptr(pointer, 0, pending->data);
    port->reaped = true;
    complete(client, 0, 0);
    g_object_unref(pointer);
    drop_urb(port);
}

static void discard(struct port *port, UMockdevIoctlClient *client, UMockdevIoctlData *arg)
{
    gulong address = 0;
    memcpy(&address, arg->data, sizeof address);
    if (!port->urb.data || port->urb.data->client_addr != address) {
        complete(client, -1, EINVAL);
        return;
    }
    port->urb.never = false; /* it can be reaped now */
    port->urb.due_us = 0;
    port->urb.status = -ENOENT;
    port->urb.actual = 0;
    complete(client, 0, 0);
}

static int without_answer(struct port *port, int result)
{
    (void)port;
    return result >= 0 ? 0 : result == MOLT_E_USB_STALL ? EPIPE : ENODEV;
}

static int set_interface(struct port *port, UMockdevIoctlData *arg)
{
    struct usbdevfs_setinterface chosen;
    g_autoptr(UMockdevIoctlData) data = umockdev_ioctl_data_resolve(arg, 0, sizeof chosen, NULL);
    if (!data) {
        return EINVAL;
    }
    memcpy(&chosen, data->data, sizeof chosen);
    return without_answer(port,
                          port->usb.ops->set_alternate(port->usb.context, (uint8_t)chosen.interface,
                                                       (uint8_t)chosen.altsetting));
}

static int set_configuration(struct port *port, UMockdevIoctlData *arg)
{
    uint32_t value = 0;
    g_autoptr(UMockdevIoctlData) data = umockdev_ioctl_data_resolve(arg, 0, sizeof value, NULL);
    if (!data) {
        return EINVAL;
    }
    memcpy(&value, data->data, sizeof value);
    return without_answer(
        port, port->usb.ops->control(port->usb.context, 0, 9, (uint16_t)value, 0, NULL, 0, 1000));
}

static int capabilities(UMockdevIoctlData *arg)
{
    uint32_t value = USBDEVFS_CAP_ZERO_PACKET | USBDEVFS_CAP_NO_PACKET_SIZE_LIM |
                     USBDEVFS_CAP_REAP_AFTER_DISCONNECT;
    g_autoptr(UMockdevIoctlData) data = umockdev_ioctl_data_resolve(arg, 0, sizeof value, NULL);
    if (!data) {
        return EINVAL;
    }
    memcpy(data->data, &value, sizeof value);
    return 0;
}

/* What answers at once, without an URB; an errno. */
static int simple(struct port *port, gulong request, UMockdevIoctlData *arg)
{
    follow(port);
    if (!molt_sim_dfu_present(port->sim) || port->sim->opened != port->sim->enumeration) {
        return ENODEV;
    }
    switch (request) {
    case USBDEVFS_GET_CAPABILITIES: return capabilities(arg);
    case USBDEVFS_CLAIMINTERFACE:
    case USBDEVFS_RELEASEINTERFACE:
    case USBDEVFS_DISCONNECT_CLAIM:
    case USBDEVFS_CLEAR_HALT: return 0;
    case USBDEVFS_SETINTERFACE: return set_interface(port, arg);
    case USBDEVFS_SETCONFIGURATION: return set_configuration(port, arg);
    case USBDEVFS_RESET: return without_answer(port, port->usb.ops->reset(port->usb.context));
    case USBDEVFS_GETDRIVER: return ENODATA;
    case USBDEVFS_IOCTL: return ENODATA;
    default: return ENOTTY;
    }
}

static gboolean handle(UMockdevIoctlBase *base, UMockdevIoctlClient *client, gpointer context)
{
    struct port *port = context;
    (void)base;
    UMockdevIoctlData *arg = umockdev_ioctl_client_get_arg(client); /* not ours */
    gulong request = umockdev_ioctl_client_get_request(client);
    pthread_mutex_lock(&port->bus->lock);
    switch (request) {
    case USBDEVFS_SUBMITURB: submit(port, client, arg); break;
    case USBDEVFS_REAPURB:
    case USBDEVFS_REAPURBNDELAY: reap(port, client, arg); break;
    case USBDEVFS_DISCARDURB: discard(port, client, arg); break;
    default: {
        int error = simple(port, request, arg);
        complete(client, error ? -1 : 0, error);
    }
    }
    pthread_mutex_unlock(&port->bus->lock);
    return TRUE;
}

static void append_hex(GString *text, const uint8_t *bytes, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        g_string_append_printf(text, "%02X", bytes[i]);
    }
}

static bool add_to_bus(struct bus *bus, const char *description)
{
    g_autoptr(GError) error = NULL;
    if (!umockdev_testbed_add_from_string(bus->testbed, description, &error)) {
        fprintf(stderr, "umockdev: %s\n", error->message);
        return false;
    }
    return true;
}

/* The device node must have its handler before anybody can open it. */
static bool attach(struct bus *bus, const char *node, UMockdevIoctlBase *handler)
{
    g_autoptr(GError) error = NULL;
    if (!umockdev_testbed_attach_ioctl(bus->testbed, node, handler, &error)) {
        fprintf(stderr, "umockdev: %s\n", error->message);
        return false;
    }
    return true;
}

static bool plug(struct port *port)
{
    uint8_t bytes[256];
    uint32_t n = molt_sim_dfu_device_descriptor(port->sim, bytes, sizeof bytes);
    n += molt_sim_dfu_configuration_descriptor(port->sim, bytes + n, sizeof bytes - n);
    const struct molt_sim_dfu_profile *profile = port->sim->profile;
    g_autoptr(GString) text = g_string_new(NULL);
    port->address = port->bus->next_address++;
    g_autofree char *node = g_strdup_printf("/dev/bus/usb/001/%03u", port->address);
    g_string_printf(text,
                    "P: " PARENT "/1-%u\nN: bus/usb/001/%03u\nE: DEVNAME=%s\n"
                    "E: DEVTYPE=usb_device\nE: SUBSYSTEM=usb\nE: BUSNUM=001\nE: DEVNUM=%03u\n"
                    "E: PRODUCT=%x/%x/%x\nA: busnum=1\\n\nA: devnum=%u\\n\nA: speed=12\\n\n"
                    "A: bConfigurationValue=1\\n\nA: bNumConfigurations=1\\n\n"
                    "A: idVendor=%04x\\n\nA: idProduct=%04x\\n\nH: descriptors=",
                    port->number, port->address, node, port->address, profile->vendor,
                    profile->product, profile->device, port->address, profile->vendor,
                    profile->product);
    append_hex(text, bytes, n);
    g_string_append(text, "\n");
    molt_sim_dfu_usb(port->sim, &port->usb);
    port->usb.ops->control(port->usb.context, 0, 9, 1, 0, NULL, 0, 1000); /* as the kernel does */
    port->sim->transfers = 0;
    port->enumeration = port->sim->enumeration;
    return attach(port->bus, node, port->handler) && add_to_bus(port->bus, text->str);
}

static void unplug(struct port *port)
{
    g_autofree char *path = g_strdup_printf("/sys" PARENT "/1-%u", port->number);
    umockdev_testbed_uevent(port->bus->testbed, path, "remove");
    umockdev_testbed_remove_device(port->bus->testbed, path);
    port->enumeration = 0;
}

static bool add_hub(struct bus *bus)
{
    /* Root hub of a full-speed controller: device, configuration, interface, endpoint. */
    return add_to_bus(bus, "P: " PARENT "\nN: bus/usb/001/001\nE: DEVNAME=/dev/bus/usb/001/001\n"
                           "E: DEVTYPE=usb_device\nE: SUBSYSTEM=usb\nE: BUSNUM=001\n"
                           "E: DEVNUM=001\nA: busnum=1\\n\nA: devnum=1\\n\nA: speed=12\\n\n"
                           "A: bConfigurationValue=1\\n\nA: bNumConfigurations=1\\n\n"
                           "A: idVendor=1d6b\\n\nA: idProduct=0001\\n\n"
                           "H: descriptors="
                           "12011001090000406B1D01000106030201010902190001010"
                           "0E0000904000001090000000705810302000C\n");
}

/* This program itself has to run under the preloaded library, for the events that a device comes
 * or goes; the command inherits it. */
void bus_prepare(char **argv)
{
    const char *preload = getenv("LD_PRELOAD"), *asan = getenv("ASAN_OPTIONS");
    char text[4096];
    if (preload && strstr(preload, "libumockdev-preload")) {
        return;
    }
    snprintf(text, sizeof text, "libumockdev-preload.so.0%s%s", preload ? ":" : "",
             preload ? preload : "");
    setenv("LD_PRELOAD", text, 1);
    /* A program with AddressSanitizer wants to be the first that is loaded. */
    snprintf(text, sizeof text, "verify_asan_link_order=0%s%s", asan ? ":" : "", asan ? asan : "");
    setenv("ASAN_OPTIONS", text, 1);
    execv("/proc/self/exe", argv);
}

struct bus *bus_new(bool real)
{
    struct bus *bus = calloc(1, sizeof *bus);
    if (!bus) {
        return NULL;
    }
    bus->testbed = umockdev_testbed_new();
    bus->real = real;
    bus->start_us = bus_clock_us();
    bus->next_address = 2;
    pthread_mutex_init(&bus->lock, NULL);
    if (!add_hub(bus)) {
        bus_end(bus);
        return NULL;
    }
    return bus;
}

void bus_trace(struct bus *bus, FILE *file)
{
    bus->trace = file;
    for (unsigned i = 0; i < bus->count; i++) {
        bus->port[i].sim->trace = file ? trace : NULL;
        bus->port[i].sim->trace_context = &bus->port[i];
    }
}

bool bus_add(struct bus *bus, struct molt_sim_dfu *sim, unsigned number)
{
    if (bus->count == BUS_DEVICES) {
        return false;
    }
    struct port *port = &bus->port[bus->count++];
    port->bus = bus;
    port->sim = sim;
    port->number = number;
    sim->instant = !bus->real;
    port->handler = umockdev_ioctl_base_new();
    g_signal_connect(port->handler, "handle-ioctl", G_CALLBACK(handle), port);
    return !molt_sim_dfu_present(sim) || plug(port);
}

void bus_turn(struct bus *bus)
{
    for (unsigned i = 0; i < bus->count; i++) {
        struct port *port = &bus->port[i];
        pthread_mutex_lock(&bus->lock);
        follow(port);
        bool present = molt_sim_dfu_present(port->sim);
        bool left = bus_left(port->sim, port->enumeration);
        pthread_mutex_unlock(&bus->lock);
        if (left) {
            unplug(port);
        }
        if (present && !port->enumeration) {
            plug(port);
        }
    }
}

void bus_end(struct bus *bus)
{
    for (unsigned i = 0; i < bus->count; i++) {
        drop_urb(&bus->port[i]);
    }
    g_object_unref(bus->testbed);
    for (unsigned i = 0; i < bus->count; i++) {
        g_object_unref(bus->port[i].handler);
    }
    pthread_mutex_destroy(&bus->lock);
    free(bus);
}
