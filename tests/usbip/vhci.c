/*
 * Simulated DFU devices on the USB bus of the kernel that this runs on: a USB/IP server for its
 * vhci-hcd module (Linux, Documentation/usb/usbip_protocol.rst). The socket of a device is given to
 * the driver by its file "attach", so nothing is imported over a network first. Needs root.
 *
 * Unlike on the mocked bus the kernel itself asks first: descriptors, strings, SET_CONFIGURATION.
 * A fault's transfer is counted from behind that for what is plugged in at the start.
 */
#define _GNU_SOURCE
#include "bus.h"
#include "serve.h"

#include <errno.h>
#include <glob.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define VHCI       "/sys/devices/platform/vhci_hcd.0"
#define FULL_SPEED 2u /* enum usb_device_speed, linux/usb/ch9.h */

enum { CMD_SUBMIT = 1, CMD_UNLINK = 2, RET_SUBMIT = 3, RET_UNLINK = 4 };
enum { HEADER = 48, SETUP_AT = 40, DATA = 65536, PENDING = 8 };

/* What the kernel gets when nothing answers any more, until the hub tells it that the device is
 * gone: that comes later on real hubs too. */
#define NO_ANSWER (-EPROTO)
#define NOTICE_US 100000u

#define SETTLED_US  60000u    /* without a transfer: the kernel knows all that it wants to know */
#define PATIENCE_US 20000000u /* for the kernel, on an emulated machine */

struct answer {
    bool used, never;
    uint32_t number; /* the URB's seqnum */
    uint64_t due_us;
    int status;
    uint32_t n;    /* actual_length */
    uint8_t *data; /* of IN */
};

struct port {
    struct bus *bus;
    struct molt_sim_dfu *sim;
    struct molt_usb usb;
    unsigned number;
    uint32_t enumeration; /* the one that is plugged in; 0 = none */
    int socket;
    pthread_t thread;
    struct answer answer[PENDING];
    uint64_t gone_us, last_us; /* of our clock: when it fell silent; its last transfer */
    uint8_t data[DATA];
};

struct bus {
    struct port *port[BUS_DEVICES];
    unsigned count;
    bool real;
    uint64_t start_us;
    FILE *trace;
    pthread_mutex_t lock;
};

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put32(uint8_t *p, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        p[i] = (uint8_t)(value >> (24 - 8 * i));
    }
}

static bool receive(int socket, uint8_t *to, size_t n)
{
    return n == 0 || recv(socket, to, n, MSG_WAITALL) == (ssize_t)n;
}

/* status, then actual_length (of RET_SUBMIT), the rest is zero. */
static bool reply(struct port *port, uint32_t command, uint32_t number, int status, uint32_t n,
                  const uint8_t *data)
{
    uint8_t header[HEADER] = {0};
    put32(header, command);
    put32(header + 4, number);
    put32(header + 20, (uint32_t)status);
    put32(header + 24, n);
    return send(port->socket, header, HEADER, MSG_NOSIGNAL) == HEADER &&
           (!data || send(port->socket, data, n, MSG_NOSIGNAL) == (ssize_t)n);
}

/* A port reset is between the kernel and its virtual hub; the device sees what the kernel asks
 * first behind it: the descriptor with 64 bytes, as no program does (hub.c, hub_port_init). */
static bool was_reset(const struct port *port, const uint8_t *setup)
{
    static const uint8_t first[8] = {0x80, 6, 0, 1, 0, 0, 64, 0};
    return port->sim->configuration != 0 && memcmp(setup, first, sizeof first) == 0;
}

/* The transfer on the model. Returns its result; *took_us is the model's time for it. */
static int serve(struct port *port, const uint8_t *setup, uint16_t length, uint64_t *took_us)
{
    int result = MOLT_OK;
    pthread_mutex_lock(&port->bus->lock);
    bus_follow(port->sim, port->bus->start_us);
    uint64_t before = port->sim->time_us;
    if (was_reset(port, setup)) {
        result = port->usb.ops->reset(port->usb.context);
    }
    if (result == MOLT_OK) {
        result = bus_control(&port->usb, setup, port->data, length);
    }
    *took_us = port->bus->real ? port->sim->time_us - before : 0;
    port->last_us = bus_clock_us();
    if (result == MOLT_E_USB_GONE && !port->gone_us) {
        port->gone_us = port->last_us;
    }
    pthread_mutex_unlock(&port->bus->lock);
    return result;
}

static bool submit(struct port *port, const uint8_t *header)
{
    const uint8_t *setup = header + SETUP_AT;
    bool in = get32(header + 12) != 0, endpoint0 = get32(header + 16) == 0;
    uint32_t length = get32(header + 24), i = 0;
    uint64_t took_us = 0;
    if (length > DATA - 1 || (!in && !receive(port->socket, port->data, length))) {
        return false;
    }
    int result = endpoint0 ? serve(port, setup, (uint16_t)length, &took_us) : MOLT_E_USB_STALL;
    while (i < PENDING && port->answer[i].used) {
        i++;
    }
    if (i == PENDING) {
        return false;
    }
    struct answer *answer = &port->answer[i];
    memset(answer, 0, sizeof *answer);
    answer->used = true;
    answer->number = get32(header + 4);
    answer->never = result == MOLT_E_TIMEOUT;
    answer->due_us = bus_clock_us() + took_us;
    answer->status = result >= 0 ? 0 : result == MOLT_E_USB_STALL ? -EPIPE : NO_ANSWER;
    answer->n = result > 0 ? (uint32_t)result : 0;
    if (in && answer->n) {
        answer->data = malloc(answer->n);
        if (!answer->data) {
            return false;
        }
        memcpy(answer->data, port->data, answer->n);
    }
    return true;
}

static void forget(struct answer *answer)
{
    free(answer->data);
    answer->data = NULL;
    answer->used = false;
}

/* -ECONNRESET: it was still under way; 0: its answer has been sent before. */
static bool cancel(struct port *port, const uint8_t *header)
{
    int status = 0;
    for (int i = 0; i < PENDING; i++) {
        if (port->answer[i].used && port->answer[i].number == get32(header + 20)) {
            forget(&port->answer[i]);
            status = -ECONNRESET;
        }
    }
    return reply(port, RET_UNLINK, get32(header + 4), status, 0, NULL);
}

static bool request(struct port *port)
{
    uint8_t header[HEADER];
    if (!receive(port->socket, header, HEADER)) {
        return false;
    }
    switch (get32(header)) {
    case CMD_SUBMIT: return submit(port, header);
    case CMD_UNLINK: return cancel(port, header);
    default: fprintf(stderr, "vhci: unknown command 0x%x\n", get32(header)); return false;
    }
}

/* Sends what is due. *wait_ms: until the next, -1 = none. */
static bool send_due(struct port *port, int *wait_ms)
{
    uint64_t now = bus_clock_us();
    *wait_ms = -1;
    for (int i = 0; i < PENDING; i++) {
        struct answer *answer = &port->answer[i];
        if (!answer->used || answer->never) {
            continue;
        }
        if (answer->due_us > now) {
            int left = (int)((answer->due_us - now + 999) / 1000);
            *wait_ms = *wait_ms < 0 || left < *wait_ms ? left : *wait_ms;
            continue;
        }
        bool sent =
            reply(port, RET_SUBMIT, answer->number, answer->status, answer->n, answer->data);
        forget(answer);
        if (!sent) {
            return false;
        }
    }
    return true;
}

static void *talk(void *context)
{
    struct port *port = context;
    struct pollfd in = {port->socket, POLLIN, 0};
    int wait_ms;
    while (send_due(port, &wait_ms) && poll(&in, 1, wait_ms) >= 0) {
        if (in.revents && !request(port)) {
            break;
        }
        in.revents = 0;
    }
    return NULL;
}

static void trace(void *context, const struct molt_sim_dfu_transfer *transfer)
{
    const struct port *port = context;
    bus_trace_line(port->bus->trace, port->number, transfer);
}

/* Our end of the pair stays; the driver has the other. EBUSY: the one before is not cleared yet. */
static int attach(const struct port *port, int other)
{
    FILE *file = fopen(VHCI "/attach", "w");
    if (!file) {
        return errno;
    }
    fprintf(file, "%u %d %u %u", port->number - 1, other, 1u << 16 | port->number, FULL_SPEED);
    return fclose(file) == 0 ? 0 : errno;
}

static bool plug(struct port *port)
{
    int pair[2], error = EBUSY;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        perror("vhci: socketpair");
        return false;
    }
    pthread_mutex_lock(&port->bus->lock);
    molt_sim_dfu_usb(port->sim, &port->usb);
    port->enumeration = port->sim->enumeration;
    port->gone_us = 0;
    port->last_us = bus_clock_us();
    port->socket = pair[0];
    pthread_mutex_unlock(&port->bus->lock);
    for (uint64_t from = bus_clock_us();
         (error = attach(port, pair[1])) == EBUSY && bus_clock_us() - from < PATIENCE_US;) {
        usleep(10000);
    }
    close(pair[1]);
    if (error || pthread_create(&port->thread, NULL, talk, port) != 0) {
        fprintf(stderr, "vhci: %s: %s\n", VHCI "/attach", strerror(error));
        close(pair[0]);
        port->enumeration = 0;
        return false;
    }
    return true;
}

/* The driver's end sees the end of file, as when the cable is pulled. */
static void unplug(struct port *port)
{
    shutdown(port->socket, SHUT_RDWR);
    pthread_join(port->thread, NULL);
    close(port->socket);
    for (int i = 0; i < PENDING; i++) {
        forget(&port->answer[i]);
    }
    port->enumeration = 0;
}

/* Has an interface: it is configured. */
static bool is_known(const struct port *port)
{
    char pattern[100];
    glob_t found;
    snprintf(pattern, sizeof pattern, VHCI "/usb*/*-%u/*-%u:*/bInterfaceNumber", port->number,
             port->number);
    bool known = glob(pattern, 0, NULL, &found) == 0;
    globfree(&found);
    return known;
}

/* Until the kernel has (known) or has not any more what it may know of it. */
static bool settle(struct port *port, bool known)
{
    for (uint64_t from = bus_clock_us(); bus_clock_us() - from < PATIENCE_US; usleep(5000)) {
        pthread_mutex_lock(&port->bus->lock);
        bool quiet = bus_clock_us() - port->last_us > SETTLED_US;
        if (quiet && known && is_known(port)) {
            port->sim->transfers = 0;
        } else if (known || is_known(port)) {
            quiet = false;
        }
        pthread_mutex_unlock(&port->bus->lock);
        if (quiet) {
            return true;
        }
    }
    fprintf(stderr, "vhci: port %u: the kernel does not %s the device\n", port->number,
            known ? "take" : "drop");
    return false;
}

void bus_prepare(char **argv)
{
    (void)argv;
}

struct bus *bus_new(bool real)
{
    struct bus *bus = calloc(1, sizeof *bus);
    if (!bus || access(VHCI "/attach", W_OK) != 0) {
        fprintf(stderr, "vhci: %s: %s\n", VHCI "/attach", strerror(errno));
        free(bus);
        return NULL;
    }
    bus->real = real;
    bus->start_us = bus_clock_us();
    pthread_mutex_init(&bus->lock, NULL);
    return bus;
}

void bus_trace(struct bus *bus, FILE *file)
{
    pthread_mutex_lock(&bus->lock);
    bus->trace = file;
    for (unsigned i = 0; i < bus->count; i++) {
        bus->port[i]->sim->trace = file ? trace : NULL;
        bus->port[i]->sim->trace_context = bus->port[i];
    }
    pthread_mutex_unlock(&bus->lock);
}

bool bus_add(struct bus *bus, struct molt_sim_dfu *sim, unsigned number)
{
    struct port *port = bus->count < BUS_DEVICES ? calloc(1, sizeof *port) : NULL;
    if (!port) {
        return false;
    }
    bus->port[bus->count++] = port;
    port->bus = bus;
    port->sim = sim;
    port->number = number;
    sim->instant = !bus->real;
    if (!molt_sim_dfu_present(sim)) {
        return true;
    }
    uint32_t at = sim->fault.at_transfer;
    sim->fault.at_transfer = 0; /* the kernel's own transfers are not meant */
    bool known = plug(port) && settle(port, true);
    sim->fault.at_transfer = at;
    return known;
}

void bus_turn(struct bus *bus)
{
    for (unsigned i = 0; i < bus->count; i++) {
        struct port *port = bus->port[i];
        pthread_mutex_lock(&bus->lock);
        bus_follow(port->sim, bus->start_us);
        bool present = molt_sim_dfu_present(port->sim);
        bool left = bus_left(port->sim, port->enumeration);
        if (left && !port->gone_us) {
            port->gone_us = bus_clock_us();
        }
        bool noticed = left && bus_clock_us() - port->gone_us > NOTICE_US;
        pthread_mutex_unlock(&bus->lock);
        if (noticed) {
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
        struct port *port = bus->port[i];
        if (port->enumeration) {
            unplug(port);
        }
        settle(port, false); /* the next one finds an empty bus */
        free(port);
    }
    free(bus);
}
