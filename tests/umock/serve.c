#define _GNU_SOURCE /* clock_gettime */
#include "serve.h"

#include <time.h>

uint64_t bus_clock_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

void bus_follow(struct molt_sim_dfu *sim, uint64_t start_us)
{
    uint64_t now = bus_clock_us() - start_us;
    if (now > sim->time_us) {
        molt_sim_dfu_wait(sim, now - sim->time_us);
    }
}

void bus_trace_line(FILE *out, unsigned device, const struct molt_sim_dfu_transfer *t)
{
    fprintf(out,
            "{\"device\": %u, \"number\": %u, \"time_us\": %llu, \"type\": %u, \"request\": %u, "
            "\"value\": %u, \"index\": %u, \"length\": %u, \"result\": %d, \"state\": %u, "
            "\"status\": %u, \"data\": \"",
            device, t->number, (unsigned long long)t->time_us, t->type, t->request, t->value,
            t->index, t->length, t->result, t->state, t->status);
    int n = t->type & 0x80 ? t->result : t->length;
    for (int i = 0; i < n && i < 16; i++) {
        fprintf(out, "%02x", t->data[i]);
    }
    fprintf(out, "\"}\n");
}

int bus_control(const struct molt_usb *usb, const uint8_t *setup, uint8_t *data, uint16_t length)
{
    return usb->ops->control(usb->context, setup[0], setup[1], (uint16_t)(setup[2] | setup[3] << 8),
                             (uint16_t)(setup[4] | setup[5] << 8), data, length,
                             0 /* the client waits as long as it likes, then gives up */);
}

bool bus_left(struct molt_sim_dfu *sim, uint32_t enumeration)
{
    bool present = molt_sim_dfu_present(sim);
    /* A port reset enumerates anew, but the kernel keeps the device. */
    bool same = sim->opened == sim->enumeration;
    return enumeration && (!present || (enumeration != sim->enumeration && !same));
}
