/* Slots, and what otadata plans need to know of a device. */
#include <string.h>

#include "engine/internal.h"

const struct molt_app_slot *molt_slot_by_number(const struct molt_device *device, int number)
{
    for (uint32_t i = 0; i < device->slot_count; i++) {
        if (device->slots[i].number == number) {
            return &device->slots[i];
        }
    }
    return 0;
}

const struct molt_app_slot *molt_slot_by_offset(const struct molt_device *device, uint32_t offset)
{
    for (uint32_t i = 0; i < device->slot_count; i++) {
        if (device->slots[i].offset == offset) {
            return &device->slots[i];
        }
    }
    return 0;
}

void molt_situation_of(const struct molt_device *device, int target,
                       struct molt_otadata_situation *situation)
{
    memset(situation, 0, sizeof *situation);
    for (uint32_t i = 0; i < device->slot_count; i++) {
        if (device->slots[i].number == MOLT_OTADATA_FACTORY) {
            situation->facts.has_factory = true;
        } else {
            situation->facts.slot_count++;
        }
    }
    situation->facts.rollback = device->rollback;
    situation->running = device->running;
    situation->target = target;
}

int molt_otadata_write_all(const struct molt_engine_port *port,
                           const struct molt_otadata_plan *plan)
{
    struct molt_otadata_writer writer;
    molt_otadata_writer_start(&writer, plan, port->device.otadata_offset);
    for (;;) {
        int code = molt_otadata_writer_step(&writer, port->flash);
        if (code != MOLT_OK) {
            return code == MOLT_DONE ? molt_flash_sync(port->flash) : code;
        }
    }
}
