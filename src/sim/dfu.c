/* The DFU model's bus side: control transfers, time, faults, coming and going. */
#include "molt/sim/dfu.h"

#include <string.h>

#include "sim/dfu_internal.h"

/* A control transfer without data takes a frame of 1 ms on a full-speed bus (the host controller
 * begins its stages in the next frame); then up to 19 packets of 64 bytes go into a frame: USB 2.0,
 * table 5-9. */
#define TRANSFER_US 1000u
#define PACKET      64u
#define PACKET_US   53u

#define REENUMERATE_US 300000u /* a reset, and the host's debouncing: USB 2.0, 7.1.7.3 */

static const uint8_t answers_in[] = {0, 0, 1, 1, 0, 1, 0}; /* by DFU request */

int dfu_refuse(struct molt_sim_dfu *sim, uint8_t status)
{
    dfu_error(sim, status);
    return MOLT_E_USB_STALL;
}

void dfu_error(struct molt_sim_dfu *sim, uint8_t status)
{
    sim->state = DFU_ERROR;
    sim->status = status;
}

int dfu_answer_status(struct molt_sim_dfu *sim, uint8_t *data, uint32_t poll_ms)
{
    poll_ms = sim->instant ? 0 : poll_ms;
    data[0] = sim->status;
    data[1] = (uint8_t)poll_ms;
    data[2] = (uint8_t)(poll_ms >> 8);
    data[3] = (uint8_t)(poll_ms >> 16);
    data[4] = sim->state;
    data[5] = sim->string;
    return 6;
}

bool dfu_take_block(struct molt_sim_dfu *sim, uint16_t block, const uint8_t *data, uint16_t length)
{
    if (length > sim->profile->transfer_size || length > sizeof sim->buffer) {
        return false;
    }
    memcpy(sim->buffer, data, length);
    sim->block = block;
    sim->length = length;
    return true;
}

void dfu_leave_bus(struct molt_sim_dfu *sim, uint64_t us)
{
    sim->gone = true;
    sim->back_us = us ? sim->time_us + us : 0;
}

void dfu_become(struct molt_sim_dfu *sim, const char *profile)
{
    const struct molt_sim_dfu_profile *other = profile ? molt_sim_dfu_profile_named(profile) : NULL;
    if (other) {
        sim->profile = other;
        dfu_leave_bus(sim, REENUMERATE_US);
    } else {
        dfu_leave_bus(sim, 0); /* an application without USB */
    }
}

static void power_up(struct molt_sim_dfu *sim)
{
    const struct molt_sim_dfu_profile *profile = sim->profile;
    sim->gone = sim->left = sim->stuck = sim->sync_done = false;
    sim->back_us = sim->detach_until_us = 0;
    memset(&sim->work, 0, sizeof sim->work);
    sim->alternate = sim->configuration = sim->string = sim->command = 0;
    sim->block = sim->length = sim->next_block = 0;
    sim->position = 0;
    sim->packed.begun = sim->packed.has_head = false;
    sim->packed.erased_from = sim->packed.erased_to = 0;
    sim->pointer = sim->jump = profile->regions[0].start;
    sim->status = STATUS_OK;
    sim->state = profile->loader == MOLT_SIM_DFU_RUN ? APP_IDLE : DFU_IDLE;
    if (profile->traits & MOLT_SIM_DFU_STARTS_IN_ERROR) {
        dfu_error(sim, ERR_FIRMWARE);
    }
    sim->enumeration++;
}

void molt_sim_dfu_init(struct molt_sim_dfu *sim, const struct molt_sim_dfu_profile *profile,
                       uint8_t *flash)
{
    memset(sim, 0, sizeof *sim);
    sim->profile = profile;
    sim->flash = flash;
    sim->boot0 = true;
    memset(sim->small, 0xFF, sizeof sim->small);
    for (uint32_t i = 0; i < profile->region_count; i++) {
        uint32_t n = 0;
        if (profile->regions[i].memory == MOLT_SIM_DFU_OPTIONS) {
            uint8_t *options = molt_sim_dfu_memory(sim, profile->regions[i].start, &n);
            options[0] = 0xEF; /* user options, read-out protection off: RM0090, 3.9.1 */
            options[1] = 0xAA;
        }
    }
    power_up(sim);
}

static void settle(struct molt_sim_dfu *sim)
{
    if (!sim->gone) {
        dfu_settle(sim);
    }
    if (sim->detach_until_us && sim->time_us >= sim->detach_until_us) {
        sim->detach_until_us = 0;
        sim->state = APP_IDLE;
    }
    if (sim->gone && sim->back_us && sim->time_us >= sim->back_us) {
        power_up(sim);
    }
}

bool molt_sim_dfu_present(struct molt_sim_dfu *sim)
{
    settle(sim);
    return !sim->gone;
}

void molt_sim_dfu_wait(struct molt_sim_dfu *sim, uint64_t us)
{
    sim->time_us += us;
    settle(sim);
}

void molt_sim_dfu_unplug(struct molt_sim_dfu *sim)
{
    dfu_tear(sim);
    dfu_leave_bus(sim, 0);
}

void molt_sim_dfu_replug(struct molt_sim_dfu *sim, bool bootloader)
{
    molt_sim_dfu_unplug(sim);
    molt_sim_dfu_wait(sim, REENUMERATE_US);
    sim->boot0 = bootloader;
    sim->jumped = false;
    bool runs = sim->profile->loader == MOLT_SIM_DFU_RUN;
    if (bootloader == runs) { /* it is the other that comes */
        const char *other = sim->profile->other;
        if (!other) {
            return;
        }
        sim->profile = molt_sim_dfu_profile_named(other);
    }
    power_up(sim);
}

/* The device waits with its answer until the work is done. */
static int wait_for_work(struct molt_sim_dfu *sim, bool class_status, uint32_t timeout_ms)
{
    uint32_t traits = sim->profile->traits;
    if (!sim->work.on || (class_status && (traits & MOLT_SIM_DFU_BUSY_ANSWERS)) ||
        (traits & MOLT_SIM_DFU_BUSY_STALLS)) {
        return MOLT_OK;
    }
    if (class_status && (traits & MOLT_SIM_DFU_BUSY_REFUSES)) {
        return MOLT_E_USB_STALL;
    }
    uint64_t wait_us = sim->work.end_us - sim->time_us;
    if (timeout_ms && wait_us > (uint64_t)timeout_ms * 1000) {
        molt_sim_dfu_wait(sim, (uint64_t)timeout_ms * 1000);
        return MOLT_E_TIMEOUT;
    }
    molt_sim_dfu_wait(sim, wait_us);
    return MOLT_OK;
}

static int class_request(struct molt_sim_dfu *sim, uint8_t type, uint8_t request, uint16_t value,
                         uint16_t index, uint8_t *data, uint16_t length)
{
    static dfu_request *const loaders[] = {dfu_st_request, dfu_mboot_request, dfu_plain_request,
                                           dfu_run_request};
    bool in = type & 0x80;
    if (request >= sizeof answers_in || index != 0 || in != answers_in[request]) {
        return MOLT_E_USB_STALL;
    }
    sim->requests[request]++;
    return loaders[sim->profile->loader](sim, request, value, data, length);
}

static int dispatch(struct molt_sim_dfu *sim, uint8_t type, uint8_t request, uint16_t value,
                    uint16_t index, uint8_t *data, uint16_t length, uint32_t timeout_ms)
{
    bool class = (type & 0x7F) == 0x21;
    int error = wait_for_work(sim, class && request == DFU_GETSTATUS, timeout_ms);
    if (error < 0) {
        return error;
    }
    if (sim->gone) { /* new option bytes: it reset itself */
        return MOLT_E_USB_GONE;
    }
    if (class) {
        return class_request(sim, type, request, value, index, data, length);
    }
    return dfu_standard_request(sim, type, request, value, index, data, length);
}

static bool fault_strikes(const struct molt_sim_dfu *sim)
{
    uint32_t at = sim->fault.at_transfer, count = sim->fault.count ? sim->fault.count : 1;
    return at && sim->fault.kind != MOLT_SIM_FAULT_NONE && sim->transfers >= at &&
           sim->transfers - at < count;
}

/* What the host sees instead of result. */
static int fault_result(struct molt_sim_dfu *sim, bool in, int result, uint16_t length,
                        uint32_t timeout_ms)
{
    switch (sim->fault.kind) {
    case MOLT_SIM_FAULT_STALL: return MOLT_E_USB_STALL;
    case MOLT_SIM_FAULT_TIMEOUT:
        molt_sim_dfu_wait(sim, (uint64_t)timeout_ms * 1000);
        return MOLT_E_TIMEOUT;
    case MOLT_SIM_FAULT_GONE: molt_sim_dfu_unplug(sim); return MOLT_E_USB_GONE;
    case MOLT_SIM_FAULT_IO: return MOLT_E_IO;
    case MOLT_SIM_FAULT_SHORT: return in && result > 0 ? result / 2 : in ? result : length / 2;
    case MOLT_SIM_FAULT_NONE: break;
    }
    return result;
}

static int transfer(struct molt_sim_dfu *sim, uint8_t type, uint8_t request, uint16_t value,
                    uint16_t index, uint8_t *data, uint16_t length, uint32_t timeout_ms)
{
    bool in = type & 0x80, faulty = fault_strikes(sim);
    bool acts = !faulty || (sim->fault.kind == MOLT_SIM_FAULT_SHORT
                                ? in || length == 0
                                : sim->fault.executed && sim->fault.kind != MOLT_SIM_FAULT_STALL);
    int result = 0;
    molt_sim_dfu_wait(sim, TRANSFER_US + (in ? 0 : (length + PACKET - 1) / PACKET * PACKET_US));
    if (sim->gone || sim->opened != sim->enumeration) {
        return MOLT_E_USB_GONE;
    }
    if (acts) {
        result = dispatch(sim, type, request, value, index, data, length, timeout_ms);
        result = result >= 0 && !in ? length : result;
    }
    if (in && result > 0) {
        sim->time_us += ((uint32_t)result + PACKET - 1) / PACKET * PACKET_US;
    }
    return faulty ? fault_result(sim, in, result, length, timeout_ms) : result;
}

static int control(void *context, uint8_t type, uint8_t request, uint16_t value, uint16_t index,
                   uint8_t *data, uint16_t length, uint32_t timeout_ms)
{
    struct molt_sim_dfu *sim = context;
    sim->transfers++;
    int result = transfer(sim, type, request, value, index, data, length, timeout_ms);
    if (sim->trace) {
        struct molt_sim_dfu_transfer seen = {
            sim->transfers, sim->time_us, type, request, value, index, length, result, data, 0, 0};
        seen.state = sim->state;
        seen.status = sim->status;
        sim->trace(sim->trace_context, &seen);
    }
    return result;
}

static int set_alternate(void *context, uint8_t interface, uint8_t alternate)
{
    int result = control(context, 0x01, 11, alternate, interface, NULL, 0, 1000);
    return result < 0 ? result : MOLT_OK;
}

/* A port reset. A DFU 1.1 device in DFU mode goes back to its application, if it has one. */
static int reset(void *context)
{
    struct molt_sim_dfu *sim = context;
    const struct molt_sim_dfu_profile *profile = sim->profile;
    if (sim->gone || sim->opened != sim->enumeration) {
        return MOLT_E_USB_GONE;
    }
    molt_sim_dfu_wait(sim, 50000);
    if (profile->loader == MOLT_SIM_DFU_RUN && sim->state == APP_DETACH) {
        dfu_become(sim, profile->other);
        return MOLT_E_USB_GONE;
    }
    if (profile->loader == MOLT_SIM_DFU_PLAIN && sim->flash[0] != 0xFF) {
        sim->jumped = true;
        sim->jumped_to = profile->regions[0].start;
        dfu_become(sim, profile->other);
        return MOLT_E_USB_GONE;
    }
    uint8_t configuration = sim->configuration;
    dfu_tear(sim);
    power_up(sim);
    sim->configuration = configuration;
    sim->opened = sim->enumeration;
    return MOLT_OK;
}

static uint32_t now_ms(void *context)
{
    const struct molt_sim_dfu *sim = context;
    return (uint32_t)(sim->time_us / 1000);
}

static void sleep_ms(void *context, uint32_t ms)
{
    molt_sim_dfu_wait(context, (uint64_t)ms * 1000);
}

static const struct molt_usb_ops operations = {control, set_alternate, reset, now_ms, sleep_ms};

void molt_sim_dfu_usb(struct molt_sim_dfu *sim, struct molt_usb *usb)
{
    settle(sim);
    sim->opened = sim->enumeration;
    usb->ops = &operations;
    usb->context = sim;
}
