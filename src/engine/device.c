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
    situation->target_confirmed = true;
}

void molt_chosen(const struct molt_otadata *otadata, const struct molt_otadata_situation *situation,
                 struct molt_otadata_choice *choice)
{
    struct molt_otadata_facts facts = situation->facts;
    facts.rollback = false;
    molt_otadata_choose(otadata, &facts, choice);
}

/* Rule 11: the chip's revision is unknown, so what the running image needs is what is known to be
 * there. */
void molt_image_rules_of(const struct molt_engine_port *port, const struct molt_app_slot *slot,
                         struct molt_image_rules *rules)
{
    uint8_t bytes[MOLT_IMAGE_HEADER_SIZE];
    struct molt_image_header header;
    const struct molt_app_slot *running = molt_slot_by_number(&port->device, port->device.running);
    rules->chip_id = port->device.chip_id;
    rules->max_min_rev = 0xFF;
    rules->max_min_rev_full = 0xFFFF;
    rules->slot_offset = slot->offset;
    if (molt_flash_read(port->flash, running->offset, bytes, sizeof bytes) == MOLT_OK &&
        molt_image_parse_header(&header, bytes, 0) == MOLT_OK) {
        rules->max_min_rev = header.min_rev;
        rules->max_min_rev_full = header.min_rev_full;
    }
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
