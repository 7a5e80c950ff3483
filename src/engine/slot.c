/* A slot as it is: what image it holds, and the switch to it by hand. */
#include <string.h>

#include "engine/internal.h"

/* The image of a slot that the device could boot: its length, or an error. */
static int bootable(const struct molt_engine_port *port, const struct molt_app_slot *slot)
{
    struct molt_image image;
    struct molt_image_rules rules;
    if (!slot) {
        return MOLT_E_NOT_A_SLOT;
    }
    molt_image_rules_of(port, slot, &rules);
    int code = molt_image_read_with(port->digest, &image, port->flash, slot->offset, slot->size,
                                    port->buffer, MOLT_ENGINE_BUFFER, 0);
    code = code < 0 ? code : molt_image_check(&image, &rules, 0);
    return code < 0 ? code : (int)image.length;
}

int molt_slot_image(const struct molt_engine_port *port, int number)
{
    return bootable(port, molt_slot_by_number(&port->device, number));
}

static int write(const struct molt_engine_port *port, struct molt_otadata_situation *situation,
                 molt_plan_maker *make)
{
    struct molt_otadata now;
    struct molt_otadata_plan plan;
    int code = molt_otadata_read(&now, port->flash, port->device.otadata_offset);
    code = code < 0 ? code : make(&now, situation, &plan);
    return code < 0 ? code : molt_otadata_write_all(port, &plan);
}

int molt_slot_switch(const struct molt_engine_port *port, int number)
{
    struct molt_update update;
    struct molt_otadata_situation situation;
    struct molt_digest_state whole;
    const struct molt_app_slot *slot = molt_slot_by_number(&port->device, number);
    const struct molt_app_slot *running = molt_slot_by_number(&port->device, port->device.running);
    int length = molt_update_load(port->store, &update);
    length = length < 0 ? length : molt_check_running(port, &update, false);
    if (length < 0 || slot == running) {
        return length < 0 ? length : MOLT_E_ARGUMENT;
    }
    length = bootable(port, slot);
    if (length < 0) {
        return length;
    }
    if (update.phase == MOLT_PHASE_SWITCHING && update.target_offset == slot->offset) {
        return MOLT_OK; /* on its way there already */
    }
    if (update.chunk != MOLT_NO_CHUNK &&
        (update.target_offset == slot->offset || update.target_offset == update.from_offset)) {
        return MOLT_E_NO_WAY_BACK; /* torn cells may read right once */
    }
    port->digest->start(&whole);
    for (uint32_t at = 0, n; at < (uint32_t)length; at += n) {
        n = (uint32_t)length - at < MOLT_ENGINE_BUFFER ? (uint32_t)length - at : MOLT_ENGINE_BUFFER;
        int code = molt_flash_read(port->flash, slot->offset + at, port->buffer, n);
        if (code < 0) {
            return code;
        }
        port->digest->update(&whole, port->buffer, n);
    }
    memset(&update, 0, sizeof update);
    port->digest->finish(&whole, update.digest);
    update.phase = MOLT_PHASE_SWITCHING;
    update.chunk = MOLT_NO_CHUNK;
    update.switches = 1;
    update.from_offset = running->offset;
    update.target_offset = slot->offset;
    molt_situation_of(&port->device, number, &situation);
    int code = write(port, &situation, molt_otadata_plan_heal);
    code = code < 0 ? code : molt_update_save(port->store, &update);
    return code < 0 ? code : write(port, &situation, molt_otadata_plan_switch);
}
